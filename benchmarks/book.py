"""Time and memory of the whole embedded book, from nothing, pages included."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measuring import Record, watched

SIZES = (320, 640, 1280)
_BOOK = "import sys; from asymdistill.cli import main; sys.exit(main())"


def measure(sizes: tuple[int, ...] = SIZES) -> Iterator[Record]:
    """One record a number of training images; the last is the profile's own."""
    for images in sizes:
        with tempfile.TemporaryDirectory() as folder:
            changed = () if images == SIZES[-1] else ("--set", f"train_limit={images}")
            places = ("--runs", str(Path(folder) / "runs"), "--out", str(Path(folder) / "build"))
            _, usage = watched((sys.executable, "-c", _BOOK, "book", "--profile", "embedded", *places, *changed))
        yield {"profile": "embedded", "images": images, **usage}
