"""Recorded runs: reading a run's folder without computing anything, and recording a run."""

import math
import shutil
import uuid
import warnings
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pandas as pd
from pydantic import ValidationError

from asymdistill.config.names import GAINS, TABLES
from asymdistill.config.settings import CONTROLS, SWEEPS, Settings
from asymdistill.runtime.errors import InputError
from asymdistill.store import files
from asymdistill.study.folders import OF_SWEEPS, RESULTS, checkout

MANIFEST = "manifest.json"
# Tables of a study that are stored in parts.
_IN_PARTS = ("controls", "expansion")


class Recorded:
    """The settings and tables in a run's folder; each of its files is read once.

    Args:
        folder: ``runs/<profile>-<hash>``.

    Attributes:
        profile: name of the profile.
        settings: its settings.
        manifest: all that ``manifest.json`` says.

    Raises:
        InputError: the folder holds no run, or one of another version of the package.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        path = self.folder / MANIFEST
        if not path.is_file():
            raise InputError(f"{folder} holds no run; allowed: a folder with a manifest.json, such as runs/embedded-…")
        self.manifest: dict[str, Any] = (files.read_json(path) if _whole(path) else None) or {}
        try:
            self.profile = str(self.manifest["profile"])
            self.settings = Settings.model_validate(self.manifest["settings"])
        except (KeyError, ValidationError):
            raise InputError(f"{path} is damaged or of another version of asymdistill") from None
        self._read = cache(self._read_file)

    def table(self, name: str) -> pd.DataFrame | None:
        """A table of the run, as ``Study.table`` names it; None where it is absent or damaged."""
        parts = {
            "controls": [f"control-{control}" for control in CONTROLS],
            "expansion": [f"expansion-{comparison}" for comparison in (GAINS, *SWEEPS)],
        }
        found = [table for part in parts.get(name, [name]) if (table := self._read(part)) is not None]
        return pd.concat(found, ignore_index=True) if found else None

    def baseline(self, name: str) -> pd.DataFrame | None:
        """A table's rows of the teacher and of the students that were trained for the first objective."""
        table = self.table(name)
        return None if table is None else of_objective(table, self.settings.baseline)

    @property
    def sizes(self) -> dict[str, int]:
        """Numbers of images in ``train`` and ``test``, and of ``classes``, as far as they are known."""
        counts: dict[str, int] = self.manifest.get("images", {})
        limits = {"train": self.settings.train_limit, "test": self.settings.test_limit}
        return {name: limit for name, limit in limits.items() if limit} | counts

    def _read_file(self, name: str) -> pd.DataFrame | None:
        path = self.folder / "tables" / f"{name}.csv"
        return files.read_table(path) if _whole(path) else None


def of_objective(table: pd.DataFrame, objective: str) -> pd.DataFrame:
    """Rows of the teacher and of the students that were trained for an objective."""
    return table[table["objective"].isna() | (table["objective"] == objective)]


def recorded_runs(place: str | Path) -> list[Recorded]:
    """The runs that are kept at a place, those with the most training images first.

    Of those with as many, the run whose students see the largest input comes first: it is nearest to the papers. The
    others with its images and teacher follow, so that tables of several runs stay with these where they can.

    Args:
        place: the folder of one recorded run, or a folder of such folders; relative to the book's checkout or else to
            the working folder. Only ``results``, where runs are kept unless another place is named, may be missing.
            The sweeps in it have a folder of their own, which is left out.

    Raises:
        InputError: there is no such folder, or one in it holds no run that this version can read.
    """
    folder = checkout() / place
    if (folder / MANIFEST).is_file():
        return [Recorded(folder)]
    if not folder.is_dir() and str(place) != RESULTS:
        raise InputError(f"recorded = {str(place)!r} is no folder; allowed: a recorded run, a folder of them, or none")
    found = sorted(path for path in folder.glob("[!.]*") if path.is_dir())
    folders = (path for path in found if path.name != OF_SWEEPS)
    runs = sorted((Recorded(path) for path in folders), key=lambda run: (-_images(run), -_side(run)))
    return sorted(runs, key=lambda run: (-_images(run), _subject(run) != _subject(runs[0])))


def _images(run: Recorded) -> float:
    return run.sizes.get("train", math.inf)


def _side(run: Recorded) -> float:
    return run.settings.resolution or math.inf  # none: the teacher's, as in the papers


def _subject(run: Recorded) -> tuple[str, str]:
    return run.settings.dataset, run.settings.teacher_with_file


def record(folder: str | Path, out: str | Path = RESULTS, *, unfinished: bool = False) -> Path:
    """Copy a finished run's manifest and tables, with their checksums and nothing else, to where it is kept.

    Args:
        folder: of the run.
        out: the folder in which the copy gets the name that the run's folder has.
        unfinished: keep what is there of a run that was cut short: its tables that are whole, at least one.

    Returns:
        The folder of the copy, which is there whole or not at all. A copy that was there already stays.

    Raises:
        InputError: the folder holds no run, or one that is not finished or is damaged; its manifest names an absolute
            path, which must not be published; a link in it leads out of it; or something else is there under its name.
    """
    source = Path(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", files.DamagedFileWarning)  # one error says it
        run = Recorded(source)
    kept = [MANIFEST, *(f"tables/{name}.csv" for name in _stored(run.settings))]
    if unfinished:
        whole = [name for name in kept if files.is_intact(source / name)]
        kept = whole if MANIFEST in whole and len(whole) > 1 else kept
    return keep(source, out, kept, run.manifest)


def keep(source: Path, out: str | Path, kept: Sequence[str], manifest: dict[str, Any]) -> Path:
    """Copy some files of a folder, with their checksums, to where they are kept.

    Args:
        source: the folder.
        out: the folder in which the copy gets the same name.
        kept: names of the files.
        manifest: what one of them says.

    Returns:
        The folder of the copy, as ``record`` does.

    Raises:
        InputError: as ``record`` does.
    """
    inside = source.resolve()
    for name in kept:
        for path in (source / name, source / f"{name}.sha256"):
            if not path.resolve().is_relative_to(inside):
                raise InputError(f"{path} is a link that leads out of the run's folder, which is not recorded")
    broken = [name for name in kept if not files.is_intact(source / name)]
    if broken:
        more = f" and {len(broken) - 1} more are" if len(broken) > 1 else " is"
        raise InputError(
            f"{source} is no finished run: {broken[0]}{more} missing or damaged; run it again to complete it"
        )
    for name, value in _strings(manifest, "manifest"):
        if PurePosixPath(value).is_absolute() or PureWindowsPath(value).is_absolute():
            raise InputError(
                f"{name} is an absolute path, {value!r}, which is not recorded; run it with a relative one"
            )
    copied = [name + suffix for name in kept for suffix in ("", ".sha256")]
    target = Path(out) / source.resolve().name
    if target.exists() or target.is_symlink():
        if target.is_symlink() or _contents(target) != {name: (source / name).read_bytes() for name in copied}:
            raise InputError(f"{target} is there already and differs from {source}; remove it first, or choose --out")
        return target
    _copy(source, target, copied)
    return target


def _stored(settings: Settings) -> list[str]:
    """Names of the files in which a finished run of these settings has its tables."""
    names = [name for name in TABLES if name not in _IN_PARTS]
    names += [f"control-{control}" for control in settings.controls]
    return names + [f"expansion-{comparison}" for comparison in (GAINS, *settings.sweeps)]


def _strings(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """Every string within a value read from JSON, by where it stands."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _strings(part, f"{name}.{key}")


def _contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _copy(source: Path, target: Path, files: list[str]) -> None:
    """Copy files under a temporary name of their folder, which is then renamed."""
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
    try:
        for name in files:
            (temporary / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, temporary / name)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _whole(path: Path) -> bool:
    """Whether a file is there and undamaged; warns where it is damaged, in words that fit where nothing is computed."""
    intact = files.is_intact(path)
    if path.is_file() and not intact:
        warnings.warn(f"{path} is damaged: it counts as missing", files.DamagedFileWarning, stacklevel=3)
    return intact
