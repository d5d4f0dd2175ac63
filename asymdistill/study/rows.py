"""Rows of tables, put together from the measurements of an experiment."""

from collections.abc import Iterator, Sequence
from typing import Any

from asymdistill.config.settings import Settings
from asymdistill.data.views import GaussianNoise
from asymdistill.experiment.experiment import Experiment
from asymdistill.experiment.measurements import Measurement, Measurements
from asymdistill.experiment.student_configs import Model, StudentConfig, StudentConfigs, identity

Row = dict[str, Any]


class Measured:
    """An experiment, measured: the values of its measurements, and the rows that several tables have of them.

    Args:
        run: the experiment.
        measurements: of it.
    """

    def __init__(self, run: Experiment, measurements: Measurements) -> None:
        self.run = run
        self._measurements = measurements

    @property
    def settings(self) -> Settings:
        """Settings of the study."""
        return self.run.settings

    @property
    def configs(self) -> StudentConfigs:
        """The students of the study."""
        return self.run.configs

    def ensure(self, title: str, wanted: Sequence[Measurement]) -> None:
        """Measure what is missing, all models in parallel; rows that ask for it afterwards find it."""
        self._measurements.measure(title, wanted)

    def value(self, quantity: str, model: Model = None, noise: GaussianNoise | None = None, **options: Any) -> Any:
        """What was measured."""
        return self._measurements.value(Measurement(quantity, model, noise, tuple(options.items())))

    def noises(self, space: str = "normalised") -> list[GaussianNoise]:
        """The noise at every level of the settings."""
        return [GaussianNoise(sigma, space, self.settings.noise_seed) for sigma in self.settings.noise_levels]

    def accuracies(self, model: Model, space: str = "normalised", quantity: str = "accuracy") -> list[Measurement]:
        """Measurements of accuracy at every level."""
        return [Measurement(quantity, model, noise) for noise in self.noises(space)]

    def accuracy_rows(
        self, model: Model, variant: str, space: str = "normalised", quantity: str = "accuracy", **more: Any
    ) -> Iterator[Row]:
        """Rows of accuracy in percent, one per level of noise."""
        for noise in self.noises(space):
            yield row(model, "accuracy", self.value(quantity, model, noise), variant, sigma=noise.sigma, **more)

    def rank_row(self, model: Model, variant: str = "", quantity: str = "effective_rank", **more: Any) -> Row:
        """A row of effective rank on test images."""
        return row(model, quantity, self.value("effective_rank", model), variant, **more)

    @property
    def reads_texts(self) -> bool:
        """Whether the teacher has a text tower that knows the names of the classes."""
        return self.value("among_texts") is not None

    @property
    def students(self) -> list[StudentConfig]:
        """The grid's students of the first objective."""
        return self.configs.baseline()

    @property
    def models(self) -> list[Model]:
        """The grid's students of the first objective, and the teacher."""
        return [None, *self.students]


def row(model: Model, quantity: str, value: float, variant: str = "", **more: Any) -> Row:
    """A row of a table: one measurement, of a student or of the teacher (None)."""
    return identity(model) | {"quantity": quantity, "variant": variant, "value": float(value)} | more
