"""What a worker does: look at a point of a sweep, embed images with a teacher, or train and measure a student.

Tasks and replies are plain data. A worker opens the experiment by itself, keeps images and teacher for the tasks that
follow, and finds in the store what is there already: a task can be repeated at any time and costs only what is missing.
PyTorch is imported when a task is done, so that a process can be prepared before.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from asymdistill.config.names import TEACHER
from asymdistill.config.profiles import PATH_SETTINGS
from asymdistill.config.settings import Settings
from asymdistill.runtime.errors import Check
from asymdistill.runtime.memo import Memo
from asymdistill.sweep.spec import Plan, Point, Quantity

if TYPE_CHECKING:
    from asymdistill.data.datasets import Split
    from asymdistill.data.views import GaussianNoise
    from asymdistill.experiment.experiment import Experiment
    from asymdistill.experiment.measurements import Measurement, Measurements
    from asymdistill.experiment.student_configs import Model
    from asymdistill.store.keys import Artifact

Task = dict[str, Any]
LOADED = 2  # sets of images and teachers that a process keeps
# What images and teacher depend on.
_SOURCE = ("dataset", "dataset_root", "image_size", "train_limit", "test_limit", "data_seed", "device", "teacher",
           "teacher_weights", "teacher_resolution", "teacher_crop", "teacher_precision")  # fmt: skip
# What is trivial of the teacher itself.
_OF_STUDENTS = ("distance", "neighbour_overlap", "aligned_share", "shrinkage_rank")
_LOCK = Lock()


def describe(plan: Plan, point: Point, runs_dir: Path, *, fresh: bool) -> Task:
    """A point as the beginning of a task, with absolute paths: workers need not share the working folder."""
    settings = point.settings.model_dump(mode="json")
    for name in PATH_SETTINGS:
        if settings[name] is not None:
            settings[name] = str(Path(settings[name]).expanduser().absolute())
    if Path(settings["dataset"]).expanduser().exists():
        settings["dataset"] = str(Path(settings["dataset"]).expanduser().absolute())
    return {
        "settings": settings,
        "runs_dir": str(runs_dir.absolute()),
        "quantities": list(plan.spec.quantities),
        "fresh": fresh,
    }


def source_of(task: Task) -> str:
    """What tells the images and the teacher of a task from others: tasks that share them are best done in a row."""
    return repr([task["settings"][name] for name in _SOURCE])


def examine(task: Task, check: Check) -> dict[str, Any]:
    """What a point of a sweep needs, and what of it is stored.

    Returns:
        ``embeddings``: of the teacher, by key, whether they are found and the rest of their task. ``models``: for the
        teacher and each student the key of what is measured of it, what it is in words, its key as a student, whether
        it is trained, its costs beside others, the keys of the embeddings that it needs, the rest of its task, and,
        where all is measured, its ``result``.
    """
    run, measurements = _open(task, check)
    embeddings: dict[str, dict[str, Any]] = {}
    models = []
    for model in (None, *run.configs.grid()):
        wanted = _wanted(task, run.settings, model)
        artifacts = [measurements.artifact(measurement) for _, measurement in wanted]
        if not artifacts:
            continue
        needs = _embeddings(run, [measurement for _, measurement in wanted])
        embeddings |= {key: need for key, need in needs.items() if key not in embeddings}
        measured = all(run.store.record(artifact) is not None for artifact in artifacts)
        models.append(
            {
                "key": " ".join(artifact.key for artifact in artifacts),
                "words": model.described if model else TEACHER,
                "student": model and run.students.artifact(model).key,
                "trained": model is not None and run.students.count([model])[0] == 1,
                "cost": run.students.cost(model) if model else 1,
                "needs": list(needs),
                "task": {"student": model and asdict(model)},
                "result": _result(run, measurements, wanted) if measured else None,
            }
        )
    return {"embeddings": embeddings, "models": models}


def embed(task: Task, check: Check) -> dict[str, Any]:
    """Compute the teacher's embeddings of a split."""
    from asymdistill.data.views import GaussianNoise

    run, _ = _open(task, check)
    run.teacher.embeddings(task["split"], GaussianNoise(**task["noise"]) if task["noise"] else None)
    return {"rows": None, **_provenance(run, [])}


def compute(task: Task, check: Check) -> dict[str, Any]:
    """Train a student where it is missing, and measure it; or measure the teacher.

    Returns:
        ``rows`` of the table, with the values of ``table.MODEL_COLUMNS``; ``made``: how many results were computed, by
        kind; ``differing``: kind, difference and number of those found that were made otherwise than they would be
        here; ``devices``, ``commits`` and ``seconds`` of the student and of what was measured.
    """
    from asymdistill.experiment.student_configs import StudentConfig

    run, measurements = _open(task, check)
    model = StudentConfig(**task["student"]) if task["student"] else None
    wanted = _wanted(task, run.settings, model)
    measurements.measure("measuring", [measurement for _, measurement in wanted])
    return _result(run, measurements, wanted)


def _embeddings(run: "Experiment", wanted: "Sequence[Measurement]") -> dict[str, dict[str, Any]]:
    """The teacher's embeddings that measurements need, by key: whether they are found, and the rest of their task."""
    noises = [m.added_noise for m in wanted if m.model is None and m.added_noise]
    found = {}
    wanted_of: list[tuple[Split, GaussianNoise | None]] = [("train", None), ("test", None)]
    for split, noise in (*wanted_of, *(("test", noise) for noise in noises)):
        artifact = run.teacher.artifact(split, noise)
        rest = {"split": split, "noise": noise and asdict(noise)}
        found[artifact.key] = {"found": run.store.record(artifact) is not None, "task": rest}
    return found


@lru_cache(LOADED)
def _loaded(source: str) -> Memo:
    return Memo()


def _open(task: Task, check: Check) -> "tuple[Experiment, Measurements]":
    from asymdistill.experiment.experiment import Experiment
    from asymdistill.experiment.measurements import Measurements
    from asymdistill.runtime.devices import resolve_device
    from asymdistill.runtime.executors import executor_for

    with _LOCK:  # two threads that ask for the first time get the same
        loaded = _loaded(source_of(task))
    settings = Settings.model_validate(task["settings"])
    executor = executor_for(resolve_device(settings.device), task.get("cores") or settings.workers, check)
    run = Experiment(settings, Path(task["runs_dir"]), fresh=task["fresh"], loaded=loaded, executor=executor)
    return run, Measurements(run)


def _wanted(task: Task, settings: Settings, model: "Model") -> "list[tuple[Quantity, Measurement]]":
    """What is measured of a model, by the quantity that it is for."""
    from asymdistill.data.views import GaussianNoise
    from asymdistill.experiment.measurements import Measurement

    information = (("batch_size", settings.metric_batch_size), ("temperature", settings.metric_temperature))
    options: dict[str, tuple[tuple[str, Any], ...]] = {
        "information": information,
        "shrinkage_rank": (("split", "test"),),
    }
    measured = {"dims_for_90": "singular_values", "robustness": "accuracy"}

    def noises(quantity: str) -> list[GaussianNoise | None]:
        if quantity != "robustness":
            return [None]
        levels = [(space, sigma) for space in settings.noise_spaces for sigma in settings.noise_levels]
        return [GaussianNoise(sigma, space, settings.noise_seed) for space, sigma in levels]

    return [
        (quantity, Measurement(measured.get(quantity, quantity), model, noise, options.get(quantity, ())))
        for quantity in task["quantities"]
        if model is not None or quantity not in _OF_STUDENTS
        for noise in noises(quantity)
    ]


def _values(quantity: str, value: Any) -> Mapping[str, float]:
    """The numbers of a measurement, by name."""
    if quantity == "dims_for_90":
        import torch

        from asymdistill.metrics.spectrum import dims_for_variance_of

        return {quantity: dims_for_variance_of(torch.tensor(value, dtype=torch.float64), 0.9)}
    return value if isinstance(value, dict) else {quantity: value}


def _result(
    run: "Experiment", measurements: "Measurements", wanted: "list[tuple[Quantity, Measurement]]"
) -> dict[str, Any]:
    from asymdistill.experiment.student_configs import identity

    rows, used = [], []
    for quantity, measurement in wanted:
        noise = measurement.noise
        under = (noise.space, noise.sigma) if noise else (None, None)
        for name, value in _values(quantity, measurements.value(measurement)).items():
            rows.append([*identity(measurement.model).values(), name, *under, float(value)])
        used.append(measurements.artifact(measurement))
    if model := wanted[0][1].model:
        used.append(run.students.artifact(model))
    return {"rows": rows, **_provenance(run, used)}


def _provenance(run: "Experiment", used: "Sequence[Artifact]") -> dict[str, Any]:
    """What a task computed, and what made the results that it used."""
    records = [record for artifact in used if (record := run.store.record(artifact))]
    differing = Counter((artifact.kind.name, what) for artifact in used for what in run.store.differences(artifact))
    seconds: Counter[str] = Counter()
    for record in records:
        seconds[record["kind"]] += record["seconds"]
    return {
        "made": dict(run.store.made),
        "differing": [[*key, count] for key, count in differing.items()],
        "devices": sorted({record["device"] for record in records}),
        "commits": sorted({record["commit"] for record in records}),
        "seconds": dict(seconds),
    }
