"""Measurements: one quantity of one model each, stored once; tables are put together from them."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from asymdistill.data.views import GaussianNoise
from asymdistill.experiment.experiment import Experiment
from asymdistill.experiment.model_quantities import QUANTITIES
from asymdistill.experiment.student_configs import Model
from asymdistill.experiment.subject import Subject
from asymdistill.runtime.errors import Check
from asymdistill.runtime.progress import Progress
from asymdistill.store.keys import Artifact, Kind
from asymdistill.store.tasks import Task, compute_missing

_METRICS = ("contrastive", "crossmodal", "decomposition", "neighbours", "probe", "resampling", "spectrum")
MEASUREMENT = Kind(
    "measurements",
    1,
    (
        *(f"experiment/{name}.py" for name in ("model_quantities", "subject", "texts")),
        *(f"metrics/{name}.py" for name in _METRICS),
    ),
    ("torch", "scikit-learn", "scipy"),
)


@dataclass(frozen=True)
class Measurement:
    """What is measured: a quantity of a model.

    Attributes:
        quantity: a name in ``model_quantities.QUANTITIES``.
        model: a student, or None for the teacher.
        noise: added to what the model sees; None: none.
        options: further arguments of the quantity's function, by name.
    """

    quantity: str
    model: Model = None
    noise: GaussianNoise | None = None
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def added_noise(self) -> GaussianNoise | None:
        """The noise, or None where its level is 0: what is measured of clean images is measured once."""
        return self.noise if self.noise and self.noise.sigma else None


class Measurements:
    """The measurements of an experiment, each computed once and stored.

    Args:
        run: the experiment.
    """

    def __init__(self, run: Experiment) -> None:
        self._run = run

    def measure(self, title: str, wanted: Iterable[Measurement]) -> None:
        """Measure what is not stored yet, the models in parallel.

        Args:
            title: of the progress bar.
            wanted: in any order.
        """
        run = self._run
        measurements = list(dict.fromkeys(wanted))
        missing = [m for m in measurements if run.store.record(self.artifact(m)) is None]
        if not missing:
            return
        run.students.train([m.model for m in missing if m.model is not None])
        run.teacher.embeddings("test"), run.teacher.embeddings("train")  # before several ask for them in parallel
        for noise in dict.fromkeys(m.added_noise for m in missing if m.model is None):
            run.teacher.embeddings("test", noise)
        groups: dict[object, list[Measurement]] = {}
        for measurement in missing:
            # A student's embeddings are made once for all that is measured of it; the teacher's are stored.
            groups.setdefault(measurement.model or measurement, []).append(measurement)
        with Progress(len(missing), title) as progress:
            compute_missing(run.store, run.executor, [self._task(group, progress) for group in groups.values()])

    def value(self, measurement: Measurement) -> Any:
        """What was measured; it is measured where it is missing."""
        artifact = self.artifact(measurement)
        if self._run.store.record(artifact) is None:
            self.measure(measurement.quantity.replace("_", " "), [measurement])
        return self._run.store.value(artifact)

    def artifact(self, measurement: Measurement) -> Artifact:
        """What names a measurement."""
        run, model, quantity = self._run, measurement.model, QUANTITIES[measurement.quantity]
        classes = model.classes if model else dict(measurement.options).get("classes")
        noise = measurement.added_noise
        sources = [run.model_artifact(model, "test", noise)]
        inputs: dict[str, Any] = {
            "quantity": measurement.quantity,
            "version": quantity.version,
            "model": run.model_key(model),
            "images": run.images.artifact("test", classes).key,
            "noise": noise and asdict(noise),
            "autocast": run.settings.autocast if model else "off",
            "options": dict(measurement.options),
        }
        if "train" in quantity.uses or inputs["options"].get("split") == "train":
            inputs["train"] = run.images.artifact("train", classes).key
        if "teacher" in quantity.uses:
            inputs["teacher"] = run.teacher.key
        if "probe" in quantity.uses:
            sources.append(run.probe_artifact(model))
            inputs["probe"] = sources[-1].key
        if "noise seed" in quantity.uses:
            inputs["noise_seed"] = run.settings.noise_seed
        return Artifact(MEASUREMENT, inputs, tuple(sources))

    def _task(self, group: Sequence[Measurement], progress: Progress) -> Task:
        def compute(check: Check) -> None:
            first = Subject(self._run, group[0].model, None, check)
            for measurement in group:
                artifact = self.artifact(measurement)
                if self._run.store.record(artifact) is None:
                    check()
                    begin = time.perf_counter()
                    subject = first.under(measurement.added_noise)
                    options: Mapping[str, Any] = dict(measurement.options)
                    value = QUANTITIES[measurement.quantity].function(subject, **options)
                    self._run.store.put(artifact, value, seconds=time.perf_counter() - begin)

        # One lock per student, since another process may be missing others of its measurements.
        model = group[0].model
        lock = f"{self._run.students.artifact(model).key}.measurements" if model else None
        return Task(tuple(self.artifact(m) for m in group), compute, lambda: progress.advance(len(group)), lock)
