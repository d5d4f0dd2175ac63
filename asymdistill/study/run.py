"""The folder of a run: what made it, how long its steps took, and work done side by side."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from asymdistill.config.names import SHIPPED_TEACHERS
from asymdistill.config.settings import Settings
from asymdistill.data import datasets
from asymdistill.models import mini_clip
from asymdistill.models.weights import find_weights, published
from asymdistill.runtime import devices, executors
from asymdistill.runtime.executors import Item
from asymdistill.runtime.progress import Progress
from asymdistill.store import files as artifacts
from asymdistill.store import manifest
from asymdistill.study.student_configs import Model

# Settings that change no result, or that enter the hash in another form.
NOT_HASHED = {
    *("description", "workers", "device", "download", "dataset_root", "teacher_weights", "controls", "sweeps"),
    *("other_teachers", "other_datasets", "crossed_widths"),
}
Row = dict[str, Any]


class Run:
    """One run of some settings on one device.

    Args:
        profile: name of the profile, for the folder and the reader.
        settings: validated settings.
        runs_dir: where the folders of runs lie; this one's name holds a hash of all that changes a result.

    Raises:
        InputError: a device, a teacher, or a file of weights or images, that is not there.
    """

    def __init__(self, profile: str, settings: Settings, runs_dir: str | Path) -> None:
        self.profile = profile
        self.settings = settings
        self.device = devices.resolve_device(settings.device)
        if self.device.type == "cuda":
            torch.backends.cudnn.allow_tf32 = False  # float32 is to mean float32; bfloat16 is there for speed
        self.folder = Path(runs_dir) / f"{profile}-{self._key()}"
        self._nested = 0.0

    def side_by_side(self, work: Callable[[Item, Callable[[], None]], None], items: Sequence[Item]) -> None:
        """Do independent work on as many items at a time as there are cores, or on one where there is a GPU.

        See ``parallel.side_by_side``.
        """
        workers = 1 if self.device.type == "cuda" else self.settings.workers or devices.cores()
        if items:
            executors.side_by_side(work, items, workers=min(workers, len(items)))

    def gather(
        self, work: Callable[[Model, Callable[[], None]], Sequence[Row]], models: Sequence[Model], title: str
    ) -> Iterator[Row]:
        """The rows that ``work(model, check)`` gives for each model, side by side, in the order of the models."""
        found: dict[Model, Sequence[Row]] = {}
        with Progress(len(models), title) as progress:

            def measure(model: Model, check: Callable[[], None]) -> None:
                found[model] = work(model, check)
                progress.advance()

            self.side_by_side(measure, models)
        for model in models:
            yield from found[model]

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Add the seconds that a step took to the run's manifest, less those of the steps timed within it."""
        start, outer, self._nested = time.perf_counter(), self._nested, 0.0
        yield
        elapsed = time.perf_counter() - start
        record = self.manifest()
        record["seconds"][step] = round(record["seconds"].get(step, 0) + elapsed - self._nested, 2)
        self._nested = outer + elapsed
        artifacts.write_json(self.folder / "manifest.json", record)

    def manifest(self) -> dict[str, Any]:
        """What made this run: settings, versions, device, commit, and seconds a step."""
        stored = artifacts.read_json(self.folder / "manifest.json")
        return stored or {
            "profile": self.profile,
            "run": self.folder.name,
            "commit": manifest.commit(),
            "device": devices.describe_device(self.device),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": manifest.versions(),
            "settings": self.settings.model_dump(mode="json", exclude={"workers"}),
            "seconds": {},
        }

    def _key(self) -> str:
        setting = self.settings
        published(setting.teacher)  # names a teacher that does not exist
        weights = find_weights(setting.teacher, setting.teacher_weights)
        if weights is None and setting.teacher in SHIPPED_TEACHERS:
            weights = mini_clip.embedded_path(setting.teacher)
        files = [] if weights is None else [weights]
        extra = [datasets.fingerprint(setting.dataset, setting.image_size)]
        return manifest.run_key(setting.model_dump(mode="json", exclude=NOT_HASHED), self.device, files, extra)
