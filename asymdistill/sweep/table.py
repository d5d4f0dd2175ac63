"""The table of a sweep, in long form, written as it grows; and recorded sweeps."""

import importlib.util
import io
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import pandas as pd

from asymdistill.config.names import IDENTITY
from asymdistill.runtime.errors import InputError
from asymdistill.store import files
from asymdistill.study.folders import OF_SWEEPS, checkout
from asymdistill.study.recorded import MANIFEST, keep

CSV, PARQUET = "table.csv", "table.parquet"
PAUSE = 5.0  # seconds at least between two writes
SHARE = 0.05  # of the time at most is spent on writing
MODEL_COLUMNS = (*IDENTITY, "quantity", "noise_space", "sigma", "value")
"""The columns after the profile and what is varied."""


class TableFile:
    """The table in a sweep's folder, as CSV and, where pyarrow is installed, as Parquet.

    Each write replaces the whole files, so that what is there is always a table.

    Args:
        folder: of the sweep.
        axes: columns of what is varied.
    """

    def __init__(self, folder: Path, axes: list[str]) -> None:
        self._folder = folder
        self._columns = ["profile", *axes, *MODEL_COLUMNS]
        self._next = 0.0

    def is_due(self) -> bool:
        """Whether enough time has passed since the last write."""
        return time.monotonic() >= self._next

    def write(self, rows: Iterable[Sequence[Any]]) -> None:
        """Write all rows, each with a value for every column."""
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
        self.folder = folder
        self.manifest: dict[str, Any] = manifest
        self.table = files.read_table(folder / CSV)

    @classmethod
    def open(cls, place: str | Path) -> Self:
        """A sweep in a folder, relative to the book's checkout or else to the working folder."""
        return cls(checkout() / place)


def is_sweep(folder: Path) -> bool:
    """Whether a folder holds a sweep, whatever state it is in."""
    return (folder / CSV).is_file() and (folder / MANIFEST).is_file()


def record(folder: Path, out: Path) -> Path:
    """Copy a finished sweep's manifest and table, as CSV, to where sweeps are kept.

    Args:
        folder: of the sweep.
        out: where recorded runs are kept; sweeps have a folder in it.

    Returns:
        The folder of the copy, which is there whole or not at all.

    Raises:
        InputError: something of the sweep is missing, or what ``study.recorded.record`` refuses.
    """
    sweep = RecordedSweep(folder)
    models = sweep.manifest["models"]
    if models["measured"] < models["all"]:
        missing = models["all"] - models["measured"]
        raise InputError(f"{folder} is no finished sweep: {missing} of {models['all']} models are not measured")
    return keep(folder, out / OF_SWEEPS, [MANIFEST, CSV], sweep.manifest)
