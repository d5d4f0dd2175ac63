"""A model while it is measured: its embeddings, each made when a quantity first asks for it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from asymdistill.data.datasets import Split
from asymdistill.data.views import GaussianNoise
from asymdistill.experiment.experiment import Experiment
from asymdistill.experiment.student_configs import Model, StudentConfig
from asymdistill.metrics import decomposition, spectrum
from asymdistill.runtime.errors import Check
from asymdistill.runtime.memo import Value


@dataclass
class Subject:
    """A model while it is measured, with its embeddings, each computed when first asked for.

    Attributes:
        run: the experiment.
        model: a student, or None for the teacher.
        noise: added to what the model sees; None: none.
        check: called between steps; an exception in it ends the work.
    """

    run: Experiment
    model: Model
    noise: GaussianNoise | None
    check: Check
    _kept: dict[Any, Tensor] = field(default_factory=dict)

    @property
    def student(self) -> StudentConfig:
        """The model, which is a student."""
        assert self.model is not None
        return self.model

    @property
    def classes(self) -> int | None:
        """How many classes its images are from; None: all."""
        return self.model.classes if self.model else None

    def embeddings(self, split: Split = "test", *, epoch: int | None = None, classes: int | None = None) -> Tensor:
        """Clean embeddings of a split."""
        key = (split, epoch, classes)
        if key not in self._kept:
            self.check()
            self._kept[key] = self.run.encode(self.model, split, epoch=epoch, classes=classes)
        return self._kept[key]

    def noisy(self) -> Tensor:
        """Test embeddings under the noise."""
        if self.noise is None:
            return self.embeddings()
        self.check()
        return self.run.encode(self.model, "test", self.noise)

    def teacher(self, split: Split = "test") -> Tensor:
        """The teacher's clean embeddings of the same images."""
        return self.run.teacher.embeddings(split, classes=self.classes)

    def of_teacher(self, function: Callable[[Tensor], Value], split: Split = "test") -> Value:
        """What a function gives of the teacher's embeddings, computed once for all students."""
        return self.run.teacher.statistic(function, split, self.classes)

    def r_squared(self, split: Split) -> Tensor:
        """How much of each of the teacher's principal components it knows."""
        key = ("r_squared", split)
        if key not in self._kept:
            own, teacher = self.embeddings(split), self.teacher(split)
            self.check()
            _, directions = self.of_teacher(decomposition.principal_directions, split)
            self._kept[key] = decomposition.component_r_squared(own, teacher, directions)
        return self._kept[key]

    def aligned_shares(self) -> Tensor:
        """Cumulative share of its variance within the teacher's leading directions."""
        key = "aligned shares"
        if key not in self._kept:
            directions = self.of_teacher(spectrum.leading_directions)
            self._kept[key] = spectrum.subspace_alignment(self.embeddings(), self.teacher(), directions)
        return self._kept[key]

    def labels(self, split: Split = "test") -> Tensor:
        """Classes of the images."""
        return self.run.images.of(split, self.classes).labels

    def under(self, noise: GaussianNoise | None) -> "Subject":
        """The same model under another noise, reusing the embeddings that it has."""
        return Subject(self.run, self.model, noise, self.check, self._kept)
