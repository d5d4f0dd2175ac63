"""A recorded run: what a run's folder holds, read without computing anything."""

import warnings
from pathlib import Path

import pandas as pd
from pydantic import ValidationError

from asymdistill import artifacts
from asymdistill.checks import InputError
from asymdistill.config import CONTROLS, SWEEPS, Settings
from asymdistill.expansion import GAINS


class Recorded:
    """The settings and tables in a run's folder.

    Args:
        folder: ``runs/<profile>-<hash>``.

    Raises:
        InputError: the folder holds no run, or one of another version of the package.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        path = self.folder / "manifest.json"
        if not path.is_file():
            raise InputError(f"{folder} holds no run; allowed: a folder with a manifest.json, such as runs/embedded-…")
        record = artifacts.read_json(path) if _whole(path) else None
        try:
            self.profile = str((record or {})["profile"])
            self.settings = Settings.model_validate((record or {})["settings"])
        except (KeyError, ValidationError):
            raise InputError(f"{path} is damaged or of another version of asymdistill") from None

    def table(self, name: str) -> pd.DataFrame | None:
        """A table of the run, as ``Study.table`` names it; None where it is absent or damaged."""
        parts = {
            "controls": [f"control-{control}" for control in CONTROLS],
            "expansion": [f"expansion-{comparison}" for comparison in (GAINS, *SWEEPS)],
        }
        found = [table for part in parts.get(name, [name]) if (table := self._read(part)) is not None]
        return pd.concat(found, ignore_index=True) if found else None

    def _read(self, name: str) -> pd.DataFrame | None:
        path = self.folder / "tables" / f"{name}.csv"
        return artifacts.read_table(path) if _whole(path) else None


def _whole(path: Path) -> bool:
    """Whether a file is there and undamaged; warns where it is damaged, in words that fit where nothing is computed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", artifacts.DamagedFileWarning)
        whole = artifacts.is_whole(path)
    if path.is_file() and not whole:
        warnings.warn(f"{path} is damaged: it counts as missing", artifacts.DamagedFileWarning, stacklevel=3)
    return whole
