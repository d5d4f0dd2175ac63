"""The executed notebooks of the last book: those for which nothing has changed since are not run again."""

import shutil
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from asymdistill.store import files
from asymdistill.store.keys import PACKAGE, canonical

NOT_READ = ("notebooks", "book")  # parts of a staged book that no notebook reads
KEPT = "kept.json"


class Executed:
    """Executed notebooks, kept with digests of all that they were made from.

    These are the notebook itself, its parameters, the package's code, every installed library's version, what is
    recorded beside the notebooks, and the runs with all their tables. Results in the store need no mention: their
    keys are digests of what they were made from.

    Args:
        folder: where they are kept.
        stage: the staged book, its notebooks not executed yet.
        runs_dir: folder of the runs.
        parameters: what every notebook is given.
    """

    def __init__(self, folder: Path, stage: Path, runs_dir: Path, parameters: Mapping[str, Any]) -> None:
        self._folder = folder
        self._runs_dir = runs_dir
        self._notebooks = sorted((stage / "notebooks").glob("*.ipynb"))
        self._sources = {path.name: files.digest_file(path) for path in self._notebooks}
        recorded = [path for path in stage.rglob("*") if path.relative_to(stage).parts[0] not in NOT_READ]
        self._made_by = {
            "parameters": dict(parameters),
            "libraries": sorted(f"{one.name} {one.version}" for one in metadata.distributions()),
            "code": _digests(PACKAGE, PACKAGE.rglob("*")),
            "recorded": _digests(stage, recorded),
        }
        self._kept = files.read_json(folder / KEPT) or {}

    @property
    def count(self) -> int:
        """How many notebooks the book has."""
        return len(self._notebooks)

    def outdated(self) -> list[Path]:
        """Those staged notebooks that have to be executed; the others are put into the stage as they were kept."""
        same = self._kept.get("made_by") == self._key()
        return [path for path in self._notebooks if not (same and self._restore(path))]

    def keep(self) -> None:
        """Keep all staged notebooks, executed by now; they may have added to the runs, which are read after them."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in self._notebooks:
            shutil.copy2(path, self._folder)
        notebooks = {path.name: [self._sources[path.name], files.digest_file(path)] for path in self._notebooks}
        files.write_json(self._folder / KEPT, {"made_by": self._key(), "notebooks": notebooks})

    def _restore(self, path: Path) -> bool:
        source, executed = self._kept["notebooks"].get(path.name, ("", ""))
        kept = self._folder / path.name
        if source != self._sources[path.name] or not files.matches(kept, executed):
            return False
        shutil.copy2(kept, path)
        return True

    def _key(self) -> str:
        # Each of these companions holds the checksum of a file of a run.
        companions = [path for places in ("*/*.sha256", "*/tables/*.sha256") for path in self._runs_dir.glob(places)]
        return files.digest_bytes(canonical(self._made_by | {"runs": _digests(self._runs_dir, companions)}).encode())


def _digests(root: Path, paths: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of files, by their places below a folder; what Python compiles is none of them."""
    found = (path for path in sorted(paths) if path.is_file() and path.suffix != ".pyc")
    return {path.relative_to(root).as_posix(): files.digest_file(path) for path in found}
