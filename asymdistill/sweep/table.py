"""The table of a sweep, in long form, written as it grows; and recorded sweeps."""

import importlib.util
import io
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from asymdistill.config.names import IDENTITY
from asymdistill.runtime.errors import InputError
from asymdistill.store import files

MANIFEST, CSV, PARQUET = "manifest.json", "table.csv", "table.parquet"
PAUSE = 5.0  # seconds at least between two writes
SHARE = 0.05  # of the time at most is spent on writing
MEASURED = ("quantity", "noise_space", "sigma", "value")
Row = Mapping[str, Any]


class TableFile:
    """The table in a sweep's folder, as CSV and, where pyarrow is installed, as Parquet.

    Each write replaces the whole files, so that what is there is always a table.

    Args:
        folder: of the sweep.
        axes: columns of what is varied.
    """

    def __init__(self, folder: Path, axes: list[str]) -> None:
        self._folder = folder
        self._columns = ["profile", *axes, *IDENTITY, *MEASURED]
        self._next = 0.0

    def is_due(self) -> bool:
        """Whether enough time has passed since the last write."""
        return time.monotonic() >= self._next

    def write(self, rows: Iterable[Row]) -> None:
        """Write all rows."""
        begin = time.monotonic()
        table = pd.DataFrame(rows, columns=self._columns).astype({"seed": "Int64"})
        files.write_table(self._folder / CSV, table)
        if importlib.util.find_spec("pyarrow"):
            buffer = io.BytesIO()
            table.to_parquet(buffer, index=False)
            files.write_bytes(self._folder / PARQUET, buffer.getvalue())
        end = time.monotonic()
        self._next = end + max(PAUSE, (end - begin) / SHARE)


class RecordedSweep:
    """What is stored of a sweep; nothing is computed.

    Args:
        folder: ``runs/sweep-<name>-<hash>``, or a copy.

    Attributes:
        manifest: all that ``manifest.json`` says.
        table: in long form, one measurement per row: profile, what was varied, the columns that identify a model,
            quantity, noise_space, sigma, value.

    Raises:
        InputError: the folder holds no sweep, or a damaged one.
    """

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        manifest = files.read_json(folder / MANIFEST) if (folder / MANIFEST).is_file() else None
        if manifest is None or "axes" not in manifest or not files.is_intact(folder / CSV):
            raise InputError(
                f"{folder} holds no sweep, or a damaged one; allowed: a folder that asymdistill sweep made"
            )
        self.manifest = manifest
        self.table = files.read_table(folder / CSV)

    @property
    def axes(self) -> list[str]:
        """The columns of what was varied and has more than one value, students' own included."""
        names = ["profile", *self.manifest["axes"], "objective", "width"]
        return [name for name in names if len(self.table[name].dropna().unique()) > 1]
