"""What the ledger's claims speak of, measured: each quantity by name, read from a run's tables, one value a seed.

Values are Series indexed by seed, as ``samples`` has them. Where a run does not have what a quantity takes,
``NotMeasured`` says what is missing.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import pandas as pd

from asymdistill.claims.estimates import NotMeasured, difference, enough_seeds, without_seed
from asymdistill.config.names import TEACHER
from asymdistill.config.settings import Settings

EVERY_STUDENT = "students"
AUGMENTED, INFONCE = "augmented", "infonce"
COSINE = "cosine"  # the first paper's objective, of which both papers speak where they name none
TREATMENTS = {"": "as in the first paper", AUGMENTED: "with augmentation", INFONCE: "with InfoNCE"}
LEADING = 20  # components that Figure 1 of the first paper speaks of
SHAPE = 0.99  # share of the teacher's variance within which spectra are compared; beyond is a tail of rounding
TINY = 1e-12  # a component without variance, so that its logarithm is a number
RANK = {"quantity": "effective_rank", "estimator": "per seed"}
NOISE_SPACE = "normalised"  # where the paper adds noise


class Results(Protocol):
    """What a claim can be judged on: a study, or what one has recorded."""

    @property
    def profile(self) -> str:
        """Name of the profile."""

    @property
    def settings(self) -> Settings:
        """Settings of the run."""

    def table(self, name: str) -> pd.DataFrame | None:
        """A table of the run by its name; None: it has no such table."""


@dataclass(frozen=True)
class Subject:
    """What a quantity is measured of.

    Attributes:
        model: ``teacher``, a student's label, or ``students``: all, averaged over widths.
        treatment: what was done to it, ``augmented`` and ``infonce`` in training, or a variant of a control.
        sigma: standard deviation of the noise, in the normalised space.
        seed: None: every seed.
    """

    model: str
    treatment: str = ""
    sigma: float = 0.0
    seed: int | None = None

    @classmethod
    def parse(cls, label: str, sigma: float | None = None, seed: int | None = None) -> Self:
        """Read a label such as ``L augmented``."""
        model, _, treatment = label.partition(" ")
        return cls(model, treatment, sigma or 0.0, seed)


Measure = Callable[[Results, Subject], pd.Series]


class Quantity(NamedTuple):
    """How a quantity is measured; how it is told, in words with braces for the model, and with how many decimals.

    ``compares`` marks what sets trained models against each other.
    """

    measure: Measure
    words: str
    digits: int = 2
    compares: bool = False


def measure(name: str, results: Results, subject: Subject) -> pd.Series:
    """A quantity of a model, by seed.

    Raises:
        NotMeasured: the run does not have what it takes.
    """
    if name not in QUANTITIES:
        raise NotMeasured(f"nothing here computes {name.replace('_', ' ')}")
    values = QUANTITIES[name].measure(results, subject).astype(float)
    if values.isna().any() or values.empty:
        raise NotMeasured(f"this run's {name.replace('_', ' ')} is not a number")
    return values


def _select(results: Results, name: str, subject: Subject, **wanted: Any) -> pd.DataFrame:
    """Rows of one of the tables of trained students."""
    table = results.table(name)
    if table is None:
        raise NotMeasured(f"this run has no table {name}")
    if subject.treatment not in TREATMENTS:
        raise NotMeasured(f"the table {name} has nothing of {subject.model} {subject.treatment}")
    objective = table["objective"].astype("string").fillna(COSINE)
    kind = objective == (INFONCE if subject.treatment == INFONCE else COSINE)
    rows = table[kind.to_numpy(bool) & (table["augmented"] == (subject.treatment == AUGMENTED))]
    if subject.model != TEACHER and rows["width"].isna().all():
        raise NotMeasured(f"no student of this run was trained {TREATMENTS[subject.treatment]}")
    return _narrow(_of_model(rows, subject), wanted)


def _control(results: Results, control: str, subject: Subject, **wanted: Any) -> pd.DataFrame:
    """Rows of one of the controls, whose variants stand for treatments."""
    table = results.table("controls")
    if table is None or control not in set(table["control"]):
        raise NotMeasured(f"this run has no control {control}")
    return _narrow(_of_model(table[table["control"] == control], subject), wanted)


def _of_model(rows: pd.DataFrame, subject: Subject) -> pd.DataFrame:
    own = rows["width"].notna() if subject.model == EVERY_STUDENT else rows["model"] == subject.model
    if not own.any():
        raise NotMeasured(f"this run has no {'teacher' if subject.model == TEACHER else f'student {subject.model}'}")
    rows = rows[own]
    if subject.seed is not None:
        rows = rows[rows["seed"] == subject.seed]
        if rows.empty:
            raise NotMeasured(f"this run has no seed {subject.seed}")
    return rows


def _narrow(rows: pd.DataFrame, wanted: dict[str, Any]) -> pd.DataFrame:
    for column, value in wanted.items():
        rows = rows[rows[column] == value]
        if rows.empty:
            raise NotMeasured(f"this run has no {column.replace('_', ' ')} {value}")
    return rows


def _by_seed(rows: pd.DataFrame, column: str = "value") -> pd.Series:
    return rows.groupby("seed", dropna=False)[column].mean()


def _listed(table: str, quantity: str, **wanted: Any) -> Measure:
    """Quantities that stand in a table under their own name."""
    return lambda results, subject: _by_seed(_select(results, table, subject, quantity=quantity, **wanted))


def _effective_rank(results: Results, subject: Subject) -> pd.Series:
    if subject.treatment == AUGMENTED:
        return _by_seed(_select(results, "augmentation", subject), "effective_rank")
    return _by_seed(_select(results, "spectrum", subject, **RANK))


def _rank_reduction(results: Results, subject: Subject) -> pd.Series:
    """By how many percent a model's effective rank is below the teacher's."""
    whole = float(_effective_rank(results, Subject(TEACHER)).iloc[0])
    return 100 * (1 - _effective_rank(results, subject) / whole)


def _estimator_gap(results: Results, subject: Subject) -> pd.Series:
    """How far the rank of the averaged singular values is from the average of the ranks."""
    averaged = _select(results, "spectrum", subject, **{**RANK, "estimator": "mean spectrum"})["value"]
    ranks = _effective_rank(results, subject)
    enough_seeds(ranks)  # of one seed, the average is the value itself
    return without_seed(abs(float(averaged.mean() - ranks.mean())))


def _expansion(results: Results, subject: Subject) -> pd.Series:
    """By what factor InfoNCE raises the effective rank, student by student."""
    with_it, without = (
        _select(results, "spectrum", replace(subject, treatment=treatment), **RANK).set_index(["width", "seed"])
        for treatment in (INFONCE, "")
    )
    return (with_it["value"] / without["value"]).groupby("seed").mean()


def _spectrum_distance(results: Results, subject: Subject) -> pd.Series:
    """How far a model's spectrum is from the teacher's, in factors of ten of a component's share of variance.

    The mean over the leading components that hold 99 % of the teacher's variance; what comes after is rounding.
    """

    def shares(rows: pd.DataFrame) -> np.ndarray:
        squares = rows.sort_values("component")["value"].to_numpy(float) ** 2
        return np.asarray(squares / squares.sum())

    whole = shares(_select(results, "singular_values", Subject(TEACHER)))
    whole = whole[: int(np.searchsorted(whole.cumsum(), SHAPE)) + 1]
    rows = _select(results, "singular_values", subject)
    distances = {
        arm: np.abs(np.log10(np.maximum(shares(own)[: len(whole)], TINY) / whole)).mean()
        for arm, own in rows.groupby(["seed", "width"])
    }
    return pd.Series(distances).groupby(level=0).mean().rename_axis("seed")


def _share_within(results: Results, subject: Subject) -> pd.Series:
    """Share of a model's variance within the teacher's leading 20 components."""
    return _by_seed(_select(results, "alignment", subject, component=LEADING), "share")


def _components_for_90(results: Results, subject: Subject) -> pd.Series:
    """How many of the teacher's leading components it takes for 90 % of a model's variance."""
    rows = _select(results, "alignment", subject)
    return rows[rows["share"] >= 0.9].groupby("seed", dropna=False)["component"].min()


def _alignment_gap(results: Results, subject: Subject) -> pd.Series:
    """How far a model's alignment curve is from student S's, where they are furthest apart."""
    own, reference = (
        _select(results, "alignment", who).pivot_table(index="seed", columns="component", values="share")
        for who in (subject, Subject("S"))
    )
    return (own - reference).abs().max(axis=1)


def _accuracy(results: Results, subject: Subject) -> pd.Series:
    """Accuracy of the probe in percent; ``top 16`` is a teacher cut to that many leading components."""
    cut, _, count = subject.treatment.partition(" ")
    if cut == "top":
        rows = _control(results, "truncation", subject, quantity="accuracy", variant=cut, sigma=subject.sigma)
        return _by_seed(_narrow(rows, {"x": float(count)}))
    table = "augmentation" if subject.treatment == AUGMENTED else "robustness"
    wanted = {"noise_space": NOISE_SPACE, "sigma": subject.sigma}
    return _by_seed(_select(results, table, subject, **wanted), "accuracy")


def _fall(results: Results, subject: Subject) -> pd.Series:
    """Points of accuracy that the noise costs."""
    return difference(_accuracy(results, replace(subject, sigma=0.0)), _accuracy(results, subject))


def _restored(results: Results, subject: Subject) -> pd.Series:
    """How many percent of the way from a student's accuracy to the teacher's its treatment goes."""
    plain = _accuracy(results, replace(subject, treatment=""))
    missing = difference(_accuracy(results, Subject(TEACHER, sigma=subject.sigma)), plain)
    if (missing <= 0).any():
        raise NotMeasured(f"the teacher is no better than student {subject.model} here, so nothing is lost")
    return 100 * difference(_accuracy(results, subject), plain) / missing


def _more_seeds_accuracy(results: Results, subject: Subject) -> pd.Series:
    """Accuracy over the further seeds of the control of statistics."""
    own = _control(results, "statistics", subject, objective=COSINE, quantity="accuracy", sigma=subject.sigma)
    return _by_seed(own)


def _later_rank_gain(results: Results, subject: Subject) -> pd.Series:
    """What training on, after the epochs of the experiment, adds to the effective rank."""
    rows = _control(results, "underfitting", subject, objective=COSINE, quantity="epoch_rank", variant="constant")
    ranks = rows.pivot_table(index="seed", columns="x", values="value")
    usual, last = float(results.settings.epochs), float(ranks.columns.max())
    if usual not in ranks or last <= usual:
        raise NotMeasured(f"no student of this run was trained for longer than {usual:g} epochs")
    return ranks[last] - ranks[usual]


def _objective_rank(results: Results, subject: Subject) -> pd.Series:
    """Effective rank of the same network trained for something else: ``S labels``."""
    own = _control(results, "objective", subject, quantity="effective_rank", variant=subject.treatment)
    return _by_seed(own)


QUANTITIES: dict[str, Quantity] = {
    "effective_rank": Quantity(_effective_rank, "the effective rank of {}"),
    "dims_for_90": Quantity(
        _listed("spectrum", "dims_for_90", estimator="per seed"), "the number of dimensions for 90 % of {}", 1
    ),
    "rank_reduction": Quantity(_rank_reduction, "the loss of effective dimensions, in percent, of {}", 1),
    "estimator_gap": Quantity(_estimator_gap, "the distance of the two estimates of the rank of {}", 4),
    "expansion": Quantity(_expansion, "the factor by which InfoNCE raises the rank of {}", compares=True),
    "spectrum_distance": Quantity(_spectrum_distance, "the distance to the teacher's spectrum of that of {}", 3),
    "share_20": Quantity(_share_within, "the share within the teacher's leading 20 components of {}", 3),
    "components_for_90": Quantity(_components_for_90, "the number of the teacher's components for 90 % of {}", 1),
    "alignment_gap": Quantity(
        _alignment_gap, "the greatest distance from student S's alignment curve of that of {}", 3, True
    ),
    "info_nce": Quantity(_listed("information", "info_nce"), "the InfoNCE loss of {}", 4),
    "uniformity": Quantity(_listed("information", "uniformity"), "the uniformity loss of {}", 4),
    "accuracy": Quantity(_accuracy, "the accuracy of {}"),
    "fall": Quantity(_fall, "the fall in accuracy from clean images of {}"),
    "restored": Quantity(_restored, "the part of the gap to the teacher, in percent, closed by {}", 1, True),
    "more_seeds_accuracy": Quantity(_more_seeds_accuracy, "the accuracy, over further seeds, of {}"),
    "later_rank_gain": Quantity(_later_rank_gain, "the gain in effective rank from longer training of {}"),
    "objective_rank": Quantity(_objective_rank, "the effective rank of {}"),
}
