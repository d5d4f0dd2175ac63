"""The rows of a run's tables that are about one subject: a model, as it was trained, under some noise."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, Self

import numpy as np
import pandas as pd

from asymdistill.claims.estimates import NotMeasured
from asymdistill.config.names import AUGMENTED, COSINE, EVERY_STUDENT, INFONCE, OBJECTIVES, TEACHER
from asymdistill.config.settings import Settings

OTHER_ARCHITECTURE = "other architecture"


class Results(Protocol):
    """What claims can be judged on: a study or a recorded run."""

    @property
    def profile(self) -> str:
        """Name of the profile."""

    @property
    def settings(self) -> Settings:
        """Settings of the run."""

    @property
    def sizes(self) -> Mapping[str, int]:
        """Numbers of images in ``train`` and ``test``, and of ``classes``, as far as they are known."""

    def table(self, name: str) -> pd.DataFrame | None:
        """A table of the run by its name; None if the run does not have it."""


@dataclass(frozen=True)
class Subject:
    """What a quantity is measured on.

    Attributes:
        model: ``teacher``, a student's label, or ``students``: all of them, averaged over widths.
        treatment: ``augmented``, ``infonce`` or the variant of a control; empty: trained as in the first paper.
        sigma: standard deviation of the noise, in the normalised space.
        estimator: ``mean spectrum`` for a rank of averaged singular values; empty: of each seed.
    """

    model: str
    treatment: str = ""
    sigma: float = 0.0
    estimator: str = ""

    @classmethod
    def parse(cls, label: str, sigma: float | None = None, estimator: str | None = None) -> Self:
        """Read a label such as ``L augmented``."""
        model, _, treatment = label.partition(" ")
        return cls(model, treatment, sigma or 0.0, estimator or "")

    @property
    def training(self) -> str:
        """How the model was trained, as a clause: ``trained with augmentation``."""
        if self.treatment == AUGMENTED:
            return "trained with augmentation"
        if self.treatment == OTHER_ARCHITECTURE:
            return "of another architecture"
        return f"trained on {OBJECTIVES.get(self.treatment or COSINE, self.treatment)}"


class Rows:
    """The rows that claims need of a run's tables: each table is read, and each selection made, once for all claims.

    Args:
        results: the run.

    Attributes:
        settings: of the run.
    """

    def __init__(self, results: Results) -> None:
        self.settings = results.settings
        self._results = results
        self._table = cache(results.table)  # also where it is missing
        self.select, self.control, self.once = cache(self._select), cache(self._control), cache(self._once)

    @property
    def classes(self) -> int:
        """Number of classes of the run's images."""
        found = self._results.sizes.get("classes")
        if found is None:
            raise NotMeasured("this run's manifest does not say how many classes its images have")
        return found

    @property
    def steps_per_epoch(self) -> int:
        """Number of steps in an epoch: a last partial batch is dropped."""
        images = self._results.sizes.get("train")
        if images is None:
            raise NotMeasured("this run's manifest does not say how many training images it has")
        return max(images // self.settings.batch_size, 1)

    def _select(self, name: str, subject: Subject, **wanted: Any) -> pd.DataFrame:
        """Rows of a table of trained students."""
        table = self._table(name)
        if table is None:
            raise NotMeasured(f"this run has no table {name}")
        if subject.treatment not in ("", AUGMENTED, INFONCE):
            raise NotMeasured(f"the table {name} has nothing of {subject.model} {subject.treatment}")
        objective = table["objective"]  # missing for the teacher, which belongs to the first paper's students
        trained = objective == INFONCE if subject.treatment == INFONCE else objective.isna() | (objective == COSINE)
        chosen = _mask(trained) & _mask(table["augmented"] == (subject.treatment == AUGMENTED))
        if subject.model != TEACHER and table["width"][chosen].isna().all():
            raise NotMeasured(f"no student of this run was {subject.training}")
        return _narrow(table, chosen, subject, wanted)

    def _control(self, name: str, subject: Subject, **wanted: Any) -> pd.DataFrame:
        """Rows of a control, whose variants are the treatments."""
        table = self._table("controls")
        if table is None or not (chosen := _mask(table["control"] == name)).any():
            raise NotMeasured(f"this run has no control {name!r}")
        return _narrow(table, chosen, subject, wanted)

    def _once(self, measure: Callable[["Rows", Subject], pd.Series], subject: Subject) -> pd.Series:
        """What a function measures of a subject."""
        return measure(self, subject)


def _narrow(table: pd.DataFrame, chosen: np.ndarray, subject: Subject, wanted: dict[str, Any]) -> pd.DataFrame:
    """Those of the chosen rows that have the subject's model, and the wanted value in each column."""
    own = table["width"].notna() if subject.model == EVERY_STUDENT else table["model"] == subject.model
    chosen = chosen & _mask(own)
    if not chosen.any():
        raise NotMeasured(f"this run has no {'teacher' if subject.model == TEACHER else f'student {subject.model}'}")
    for column, value in wanted.items():
        chosen &= _mask(table[column] == value)
        if not chosen.any():
            raise NotMeasured(f"this run has no {column.replace('_', ' ')} {value}")
    return table[chosen]


def _mask(rows: pd.Series) -> np.ndarray:
    return np.asarray(rows.to_numpy(bool, na_value=False))
