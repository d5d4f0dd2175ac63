"""The manifest of a run: the settings of this request, what made its numbers, and the stored results that it used."""

from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asymdistill.config.settings import Settings
from asymdistill.experiment.experiment import Experiment
from asymdistill.runtime import devices
from asymdistill.store import files, provenance
from asymdistill.study.recorded import MANIFEST

SCHEMA = 2


class Manifest:
    """What ``manifest.json`` in a run's folder says.

    Args:
        folder: of the run.
        profile: its name.
        settings: of the run.
        run: the experiment.
    """

    def __init__(self, folder: Path, profile: str, settings: Settings, run: Experiment) -> None:
        self._path = folder / MANIFEST
        self._profile = profile
        self._settings = settings
        self._run = run

    def read(self) -> dict[str, Any]:
        """What is stored, or what a run that begins now would say."""
        with self._lock():
            return self._known()

    def add(self, table: str) -> None:
        """Note a table, and the results of the store that this process has used so far."""
        with self._lock():
            known = self._known()
            keys: dict[str, dict[str, float]] = known["results"]
            for kind, own in self._run.store.used().items():
                keys.setdefault(kind, {}).update({key: record["seconds"] for key, record in own.items()})
            records = [record for own in self._run.store.used().values() for record in own.values()]
            for name in ("commit", "device"):
                known[name] = ", ".join(sorted({*filter(None, known[name].split(", ")), *(r[name] for r in records)}))
            known["tables"] = sorted({*known["tables"], table})
            known["seconds"] = {kind: round(sum(own.values()), 2) for kind, own in keys.items()}
            known["images"] = self._run.images.sizes
            files.write_json(self._path, known)

    def made(self) -> dict[str, str]:
        """What made the numbers, in a few words each."""
        known = self.read()
        return {
            "commit": known["commit"] or provenance.commit(),
            "device": known["device"] or devices.kind_of_device(self._run.device),
            "date": known["created"][:10],
            "torch": known["versions"]["torch"],
        }

    def _lock(self) -> AbstractContextManager[bool]:
        # Chapters of one book use it at the same time, and a manifest and its checksum are two files.
        return self._run.store.lock(f"{self._path.parent.name}.manifest")

    def _known(self) -> dict[str, Any]:
        return files.read_json(self._path) or self._new()

    def _new(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "profile": self._profile,
            "run": self._path.parent.name,
            "commit": "",
            "device": "",
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": {"python": provenance.python_version(), **provenance.versions()},
            "settings": self._settings.model_dump(mode="json", exclude={"workers", "store"}),
            "teacher": self._run.teacher.key,
            "images": {},
            "seconds": {},
            "tables": [],
            "results": {},
        }
