"""What a run is: the hash of all that changes its results, and the record of what made it."""

import hashlib
import json
import platform
import subprocess
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from asymdistill.store.files import digest_bytes, digest_file

PACKAGE = Path(__file__).parents[1]
LIBRARIES = ("asymdistill", "torch", "torchvision", "open_clip_torch", "timm", "numpy", "scikit-learn", "pandas")
# Rooms whose code makes results; the others show them.
ROOMS = ("config", "data", "metrics", "models", "runtime", "store", "study", "training")


@cache
def commit() -> str:
    """The commit that the package's code is at, marked when files differ from it; a release outside a checkout."""

    def git(*words: str) -> str:
        answer = subprocess.run(["git", "-C", str(PACKAGE), *words], capture_output=True, text=True, check=True)
        return answer.stdout.strip()

    try:
        # A wheel installed below some other checkout is not at that checkout's commit.
        if git("ls-files", "--error-unmatch", "store/manifest.py") != "store/manifest.py":
            raise OSError
        changed = " with changes" if git("status", "--porcelain", "--untracked-files=no", "--", str(PACKAGE)) else ""
        return git("rev-parse", "--short=10", "HEAD") + changed
    except (OSError, subprocess.CalledProcessError):
        return f"release {metadata.version('asymdistill')}"


@cache
def code_digest() -> str:
    """SHA-256 over the package's source files that produce results."""
    digest = hashlib.sha256()
    for path in sorted(path for room in ROOMS for path in (PACKAGE / room).rglob("*.py")):
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def run_key(settings: dict[str, Any], device: torch.device, files: Iterable[Path], extra: Iterable[str]) -> str:
    """Ten hexadecimal digits over everything that changes a result.

    Args:
        settings: the settings that matter, as plain values.
        device: where it runs; a GPU's results differ from a CPU's.
        files: files whose content matters, such as the teacher's weights.
        extra: further strings that matter, such as a data set's fingerprint.
    """
    parts = [
        json.dumps(settings, sort_keys=True, default=str),
        device.type,
        torch.__version__.split("+")[0],
        code_digest(),
        *(digest_file(path) for path in files),
        *extra,
    ]
    return digest_bytes("\n".join(parts).encode())[:10]


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that results depend on."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in LIBRARIES}}
