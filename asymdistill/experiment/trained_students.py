"""The trained students of an experiment: each is trained once, goes on where it was interrupted, and is stored."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from asymdistill.config.names import UNTRAINED
from asymdistill.config.settings import Settings
from asymdistill.data.datasets import ImageSet
from asymdistill.data.views import View
from asymdistill.experiment import recipes
from asymdistill.experiment.frozen_teacher import SEEING, FrozenTeacher
from asymdistill.experiment.images import Images
from asymdistill.experiment.student_configs import StudentConfig
from asymdistill.models import students
from asymdistill.models.encoding import Encoder
from asymdistill.runtime.errors import Check
from asymdistill.runtime.executors import Executor
from asymdistill.runtime.progress import Progress
from asymdistill.store import files
from asymdistill.store.keys import Artifact, Kind
from asymdistill.store.store import Store
from asymdistill.store.tasks import Task, compute_missing
from asymdistill.training.distillation import Diverged, TrainingState, distil, steps_per_epoch

_TRAINING = (
    *SEEING,
    "models/students.py",
    "models/transformer_student.py",
    "experiment/recipes.py",
    "training/distillation.py",
    "training/losses.py",
)
STUDENT = Kind("students", 1, _TRAINING)
SNAPSHOT = Kind("snapshots", 1, _TRAINING)

# Epochs after which snapshots are kept: about evenly spaced on a logarithmic scale.
WATCHED = (1, 2, 3, 5, 7, 10, 14, 20, 28, 40, 56, 80, 113, 160, 226, 320, 453, 640, 905)


class TrainedStudents:
    """The trained students of an experiment.

    Args:
        settings: validated settings.
        images: of the experiment.
        teacher: of the experiment.
        store: where students are kept.
        executor: trains several at a time.
        device: where they are trained.
    """

    def __init__(
        self,
        settings: Settings,
        images: Images,
        teacher: FrozenTeacher,
        store: Store,
        executor: Executor,
        device: torch.device,
    ) -> None:
        self._settings = settings
        self._images = images
        self._teacher = teacher
        self._store = store
        self._executor = executor
        self._device = device

    def network(self, config: StudentConfig, epoch: int | None = None) -> nn.Module:
        """A trained student in eval mode on the device, or as it was after one of its watched epochs.

        It is trained where it is missing.
        """
        self.train([config])
        artifact = self.artifact(config) if epoch is None else self._snapshot(config, epoch)
        student = students.restore(config.design, self._store.tensors(artifact))
        student.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return student.eval()

    def losses(self, config: StudentConfig) -> list[float]:
        """Mean loss of each epoch of a student's training."""
        found: list[float] = self._store.value(self.artifact(config))["losses"]
        return found

    def artifact(self, config: StudentConfig) -> Artifact:
        """What names a student: its config, its images, and what it is trained towards."""
        embeddings = self._teacher.artifact("train", classes=config.classes)
        targets = embeddings.key if config.imitates_stored_embeddings else None
        images = None if config.objective == UNTRAINED else self._images.artifact("train", config.classes).key
        inputs = {"config": config.key, "images": images, "targets": targets, "teacher": self._teacher.key}
        return Artifact(STUDENT, inputs, (embeddings,))

    def view(self, config: StudentConfig) -> View:
        """What a student sees: the paper's view of an image, normalised as the teacher's."""
        return View(config.resolution, self._teacher.view.mean, self._teacher.view.std)

    def watched(self, config: StudentConfig) -> list[int]:
        """The epochs after which snapshots of a student are kept."""
        if not config.snapshots:
            return []
        always = (config.epochs, self._settings.epochs)
        return [epoch for epoch in range(1, config.epochs + 1) if epoch in WATCHED or epoch in always]

    def train(self, configs: Sequence[StudentConfig]) -> None:
        """Train the students that are not stored yet; what is done survives an interruption."""
        wanted = list(dict.fromkeys(configs))
        missing = [config for config in wanted if not self._is_stored(config)]
        if not missing:
            return
        self._check(missing)
        cost = {config: self._cost_of_step(config) for config in missing}
        total = {config: self.cost(config) for config in missing}
        # The longest first, so that no core idles at the end.
        missing.sort(key=lambda config: total[config], reverse=True)
        # Before the students ask for them in parallel.
        for config in missing:
            if config.imitates_stored_embeddings:
                self._teacher.embeddings("train", classes=config.classes)
        with Progress(sum(total.values()), f"training {len(missing)} students") as progress:
            tasks = [self._task(config, cost[config], total[config], progress) for config in missing]
            compute_missing(self._store, self._executor, tasks)

    def count(self, configs: Sequence[StudentConfig]) -> tuple[int, int]:
        """How many of some students are stored, and how many are to be trained."""
        wanted = list(dict.fromkeys(configs))
        found = sum(self._is_stored(config) for config in wanted)
        return found, len(wanted) - found

    def cost(self, config: StudentConfig) -> int:
        """What a student's training costs beside others: for order and progress, so roughly."""
        if not config.epochs:
            return self._cost_of_step(config)
        images = len(self._images.of("train", config.classes))
        return self._cost_of_step(config) * config.epochs * steps_per_epoch(images, config.batch_size)

    def _cost_of_step(self, config: StudentConfig) -> int:
        slow = config.dilation > 1 or config.architecture != students.CNN or config.takes_crops
        usual = self._settings.resolution or self._teacher.view.resolution
        upscaling = (config.resolution / usual) ** 2
        return int(max(1, round(4 * config.width**1.5 * max(1, upscaling))) * (1 + slow))

    def _is_stored(self, config: StudentConfig) -> bool:
        wanted = [self.artifact(config), *(self._snapshot(config, epoch) for epoch in self.watched(config))]
        return all(self._store.record(artifact) is not None for artifact in wanted)

    def _snapshot(self, config: StudentConfig, epoch: int) -> Artifact:
        student = self.artifact(config)
        return Artifact(SNAPSHOT, {"student": student.key, "epoch": epoch}, student.sources)

    def _check(self, configs: Sequence[StudentConfig]) -> None:
        """Find a teacher, students and images that no table could be made of now, not after hours of training."""
        self._images.check()
        dim = self._teacher.network.embedding_dim
        for config in configs:
            with torch.device("meta"):
                config.design.network(dim)

    def _task(self, config: StudentConfig, cost: int, total: int, progress: Progress) -> Task:
        """A student's training.

        Args:
            config: the student.
            cost: of a step.
            total: of the training.
            progress: advanced by what is done.
        """
        artifact = self.artifact(config)
        snapshots = [self._snapshot(config, epoch) for epoch in self.watched(config)]
        counted = 0

        def step(check: Check) -> None:
            nonlocal counted
            check()
            counted += cost
            progress.advance(cost)

        def compute(check: Check) -> None:
            self._train(config, artifact, lambda _: step(check))

        # Steps that an earlier attempt or another process made count as well.
        return Task((artifact, *snapshots), compute, lambda: progress.advance(total - counted))

    def _train(self, config: StudentConfig, artifact: Artifact, step: Callable[[int], None]) -> None:
        begin, path = time.perf_counter(), self._store.unfinished(artifact)
        state, before = _unfinished(path)
        images, view = self._images.of("train", config.classes), self.view(config)
        dim, classes = self._teacher.network.embedding_dim, config.classes or self._images.sizes["classes"]

        def spent() -> float:
            return before + time.perf_counter() - begin

        def save(reached: TrainingState) -> None:
            numbers = {"epoch": [reached.epoch], "losses": reached.losses, "seconds": [spent()]}
            beside = {f"reached.{name}": torch.tensor(own, dtype=torch.float64) for name, own in numbers.items()}
            files.write_sealed_tensors(path, reached.tensors | beside)

        def watch(epoch: int, current: nn.Module) -> None:
            if epoch in self.watched(config):
                self._store.put(self._snapshot(config, epoch), tensors=current.state_dict())

        try:
            result = distil(
                students.build(config.design, dim, config.seed),
                # Crops are taken from the images as they came.
                images.images if config.takes_crops else self._images.resized(images.images, view.resolution),
                self._targets(config, images),
                view,
                recipes.recipe(config, dim, classes),
                seed=config.seed,
                device=self._device,
                progress=step,
                watch=watch,
                resume=state,
                save=save,
            )
        except Diverged as error:
            files.remove(path)
            raise Diverged(error.step, error.loss, error.learning_rate, config.described) from None
        tensors, value = result.student.state_dict(), {"losses": result.losses}
        self._store.put(artifact, value, tensors, seconds=spent())
        files.remove(path)

    def _targets(self, config: StudentConfig, images: ImageSet) -> Tensor | Encoder:
        """What a student is trained towards."""
        if config.augmented:
            return self._teacher.network.encode
        if not config.imitates_stored_embeddings:
            return images.labels
        return recipes.targets(config, self._teacher.embeddings("train", classes=config.classes))


def _unfinished(path: Path) -> tuple[TrainingState | None, float]:
    """The state in which an interrupted training was left, and the seconds that it had taken."""
    tensors = files.read_sealed_tensors(path)
    if tensors is None:
        return None, 0.0
    epoch, losses, seconds = (tensors.pop(f"reached.{name}").tolist() for name in ("epoch", "losses", "seconds"))
    return TrainingState(int(epoch[0]), losses, tensors), float(seconds[0])
