"""An experiment: what the models of one set of settings make of its images.

Data flows one way: settings, images, teacher embeddings, student configs, students, embeddings.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from asymdistill.config.names import TEACHER
from asymdistill.config.settings import Settings
from asymdistill.data.datasets import Split
from asymdistill.data.views import GaussianNoise, View
from asymdistill.experiment.frozen_teacher import FrozenTeacher
from asymdistill.experiment.images import Images
from asymdistill.experiment.student_configs import Model, StudentConfig, StudentConfigs
from asymdistill.experiment.trained_students import TrainedStudents
from asymdistill.metrics.probe import Probe, fit_probe
from asymdistill.models.encoding import embed
from asymdistill.models.folding import folded
from asymdistill.models.teachers import PRECISIONS
from asymdistill.runtime import devices
from asymdistill.runtime.executors import Executor, executor_for
from asymdistill.runtime.memo import Memo
from asymdistill.store.keys import Artifact, Kind
from asymdistill.store.store import Store

PROBE = Kind("probes", 1, ("metrics/probe.py",), ("torch", "scikit-learn"))
_ROOM = 2**30  # bytes of the students' training embeddings that are kept


class Experiment:
    """The models of one set of settings.

    Args:
        settings: validated settings.
        runs_dir: the folder of runs; the store lies within it unless the settings name another.
        fresh: compute again what other code, other versions of a library or another kind of device made.
        loaded: images and teachers that experiments of one process share, by what loads them; None: it has its own.
        executor: runs the work; None: the one for the settings' device and workers.

    Attributes:
        settings: its settings.
        device: where it computes.
        executor: runs its work.
        store: where its results are kept.
        images: its images.
        teacher: its teacher.
        students: its trained students.

    Raises:
        InputError: a device, a teacher, or a file of weights or images, that is not there.
    """

    def __init__(
        self,
        settings: Settings,
        runs_dir: Path,
        *,
        fresh: bool = False,
        loaded: Memo | None = None,
        executor: Executor | None = None,
    ) -> None:
        self.settings = settings
        self.device = devices.resolve_device(settings.device)
        if self.device.type == "cuda":
            torch.backends.cudnn.allow_tf32 = False  # float32 is to mean float32; bfloat16 is there for speed
        self.executor = executor or executor_for(self.device, settings.workers)
        self.store = Store(settings.store or runs_dir / "store", devices.kind_of_device(self.device), fresh=fresh)
        loaded = loaded or Memo()
        self.images = Images(settings, self.device, loaded)
        self.teacher = FrozenTeacher(settings, self.images, self.store, self.executor, self.device, loaded)
        self.students = TrainedStudents(settings, self.images, self.teacher, self.store, self.executor, self.device)
        self._kept = Memo()
        self._kept_of_training = Memo(_ROOM, lambda embeddings: embeddings.nbytes)
        _ = self.images.digest  # finds images that are not there

    @cached_property
    def configs(self) -> StudentConfigs:
        """The students of these settings."""
        return StudentConfigs(self.settings, self.teacher.view.resolution, self.images.sizes["classes"])

    @cached_property
    def _grid(self) -> frozenset[StudentConfig]:
        return frozenset(self.configs.grid())

    def view(self, model: Model) -> View:
        """What a model sees of an image."""
        return self.teacher.view if model is None else self.students.view(model)

    def encode(
        self,
        model: Model,
        split: Split,
        noise: GaussianNoise | None = None,
        *,
        classes: int | None = None,
        epoch: int | None = None,
        encoder: nn.Module | None = None,
    ) -> Tensor:
        """Embeddings of a split, N x d, float32 on the CPU, each of length 1.

        Args:
            model: a student, or None for the teacher.
            split: ``train`` or ``test``.
            noise: added to what the model sees.
            classes: for the teacher, of images of so many classes only; a student has its own number.
            epoch: the student as it was after this epoch; None: in the end.
            encoder: used in the model's place, on the same view.
        """
        noise = noise if noise is not None and noise.sigma > 0 else None
        if model is None:
            return self.teacher.embeddings(split, noise, classes)
        plain = encoder is None and epoch is None and noise is None
        if not plain or model not in self._grid:
            return self._embed(encoder or self.students.network(model, epoch), model, split, noise)
        # Kept, because several tables need them: those of all students would fill the memory.
        kept = self._kept if split == "test" else self._kept_of_training
        return kept((model, split), lambda: self._embed(self.students.network(model), model, split, None))

    def probe(
        self, model: Model, embeddings: Callable[[], Tensor] | None = None, cut: Mapping[str, Any] | None = None
    ) -> Probe:
        """The linear probe of a model's clean training embeddings, fitted once.

        Args:
            model: a student, or None for the teacher.
            embeddings: gives those to fit it to, where they are not the model's own.
            cut: what tells these from the model's own.
        """

        def fit() -> dict[str, Tensor]:
            rows = self.encode(model, "train") if embeddings is None else embeddings()
            labels = self.images.of("train", model.classes if model else None).labels
            return fit_probe(rows, labels, max_iter=self.settings.probe_max_iter, device=self.device).tensors()

        return Probe.from_tensors(self.store.compute_once(self.probe_artifact(model, cut), fit))

    def probe_artifact(self, model: Model, cut: Mapping[str, Any] | None = None) -> Artifact:
        """What names a model's probe."""
        images = self.images.artifact("train", model.classes if model else None).key
        inputs = {"model": self.model_key(model), "images": images, "max_iter": self.settings.probe_max_iter}
        return Artifact(PROBE, inputs | {"cut": cut and dict(cut)}, (self.model_artifact(model, "train"),))

    def model_key(self, model: Model) -> object:
        """What names a model in the keys of what is made with it."""
        return {TEACHER: self.teacher.key} if model is None else self.students.artifact(model).key

    def model_artifact(self, model: Model, split: Split, noise: GaussianNoise | None = None) -> Artifact:
        """What is stored of a model to measure it: the student, or the teacher's embeddings of a split."""
        return self.teacher.artifact(split, noise) if model is None else self.students.artifact(model)

    def _embed(self, encoder: nn.Module, model: StudentConfig, split: Split, noise: GaussianNoise | None) -> Tensor:
        images, view = self.images.of(split, model.classes).images, self.view(model)
        if noise is None or noise.space == "normalised":
            images = self.images.resized(images, view.resolution)
        precision = PRECISIONS.get(self.settings.autocast, torch.float32)
        return embed(folded(encoder), images, view, device=self.device, noise=noise, precision=precision).cpu()
