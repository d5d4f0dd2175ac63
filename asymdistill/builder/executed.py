"""The executed notebooks of the last book: those for which nothing has changed since are not run again."""

import json
import logging
import os
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from asymdistill.store import files, provenance
from asymdistill.store.keys import PACKAGE

LOGGER = logging.getLogger(__name__)

NOT_READ = ("notebooks", "book", "_toc.yml")  # parts of a staged book that no notebook reads
KEPT = "kept.json"


class Executed:
    """Executed notebooks, kept with digests of all that they were made from.

    These are the notebook itself, its parameters, the package's code, the versions of Python and of every installed
    library, the settings, teachers and images of the studies, their tables and manifests, and what is recorded beside
    the notebooks. Where one differs, or what was kept can't be read, a notebook is executed.

    Args:
        folder: where they are kept.
        stage: the staged book, its notebooks not executed yet.
        parameters: what every notebook is given.
        studies: what each study is made from, by its folder; the folder may not be there yet.
    """

    def __init__(
        self, folder: Path, stage: Path, parameters: Mapping[str, Any], studies: Mapping[Path, object]
    ) -> None:
        self._folder = folder
        self._studies = [*studies]
        self._notebooks = sorted((stage / "notebooks").glob("*.ipynb"))
        self._sources = {path: files.digest_file(path) for path in self._notebooks}
        recorded = [path for path in stage.rglob("*") if path.relative_to(stage).parts[0] not in NOT_READ]
        self._made_by = {
            "parameters": dict(parameters),
            "studies": {study.name: made_from for study, made_from in studies.items()},
            "libraries": sorted(f"{one.name} {one.version}" for one in metadata.distributions()),
            "python": provenance.python_version(),
            "code": _digests(PACKAGE, PACKAGE.rglob("*")),
            "recorded": _digests(stage, recorded),
        }
        self._kept = self._read()

    def outdated(self) -> list[Path]:
        """Those staged notebooks that have to be executed; the others are put into the stage as they were kept."""
        made_by = self._key()
        found = [path for path in self._notebooks if not self._restore(path, made_by)]
        LOGGER.info("notebooks: %d as in the last book, %d to run", len(self._notebooks) - len(found), len(found))
        return found

    def keep(self, outdated: Iterable[Path]) -> None:
        """Keep the notebooks that were executed by now, and forget those that the book no longer has.

        They may have added to the tables and manifests, which are thus read after them. Where they can't be kept, a
        warning says so, and the next book executes them.
        """
        made_by = self._key()
        names = {path.name for path in self._notebooks}
        try:
            kept = {name: known for name, known in self._kept.items() if name in names}
            for path in outdated:
                content = path.read_bytes()
                files.write_file(self._folder / path.name, content, durable=False)
                kept[path.name] = [made_by, self._sources[path], files.digest_bytes(content)]
            files.write_json(self._folder / KEPT, kept)
            for path in self._folder.glob("*.ipynb"):
                if path.name not in names:
                    files.remove(path)
        except OSError as error:
            LOGGER.warning("the next book will run the notebooks again: %s", error)

    def _read(self) -> dict[str, Any]:
        try:
            return files.read_json(self._folder / KEPT) or {}
        except OSError:
            return {}

    def _restore(self, path: Path, made_by: str) -> bool:
        try:
            content = (self._folder / path.name).read_bytes()
        except OSError:
            return False
        if self._kept.get(path.name) != [made_by, self._sources[path], files.digest_bytes(content)]:
            return False
        path.write_bytes(content)
        return True

    def _key(self) -> str:
        # Each companion holds the checksum of a table or of a manifest.
        tables = {study.name: _digests(study, study.rglob("*.sha256")) for study in self._studies}
        return files.digest_bytes(json.dumps(self._made_by | {"tables": tables}, sort_keys=True).encode())


def _digests(root: Path, paths: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of files, by their places below a folder; what Python compiles is none of them."""
    found = (path for path in sorted(paths) if path.is_file() and path.suffix != ".pyc")
    return {os.fspath(path.relative_to(root)): files.digest_file(path) for path in found}
