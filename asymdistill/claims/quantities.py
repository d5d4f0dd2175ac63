"""The quantities that claims are about, measured: each by name, from the tables of a run, one value per seed.

Values are Series indexed by seed, as in ``estimates``. Where a run lacks what a quantity needs, ``NotMeasured`` says
what is missing.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from asymdistill.claims.estimates import Estimate, NotMeasured, difference, require_two_seeds, without_seed
from asymdistill.claims.rows import OTHER_ARCHITECTURE, Rows, Subject
from asymdistill.config.names import (
    AUGMENTED,
    COSINE,
    GAINS,
    INFONCE,
    SCENES_TEACHERS,
    TEACHER,
)

LEADING = 20  # components that Figure 1 of the first paper is about
SHAPE = 0.99  # share of the teacher's variance within which spectra are compared; the rest is a tail of rounding errors
TINY = 1e-12  # stands for a component without variance, so that its logarithm is finite
MEAN_SPECTRUM = "mean spectrum"
RE_ESTIMATED = "batch statistics re-estimated"
PAPER_STEPS = 5 * (50_000 // 64)  # epochs by whole batches: for how long the paper's students are trained
PUBLISHED_SIDE = 224  # pixels that a teacher sees where the settings say nothing else and it is none of Scenes
RANK = {"quantity": "effective_rank", "estimator": "per seed"}
NOISE_SPACE = "normalised"  # where the paper adds noise


Measure = Callable[[Rows, Subject], pd.Series]


class Quantity(NamedTuple):
    """How a quantity is measured and worded.

    Attributes:
        measure: reads it from a run, one value per seed.
        words: the quantity in words, with braces in place of the model.
        digits: decimals to show.
    """

    measure: Measure
    words: str
    digits: int = 2


def measure(name: str, run: Rows, subject: Subject) -> pd.Series:
    """A quantity of a model, by seed.

    Raises:
        NotMeasured: the run lacks what the quantity needs, or the value is not a number.
    """
    if name not in QUANTITIES:
        raise NotMeasured(f"nothing here computes {name.replace('_', ' ')}")
    values = QUANTITIES[name].measure(run, subject).astype(float)
    if values.isna().any() or values.empty:
        raise NotMeasured(f"this run's {name.replace('_', ' ')} is not a number")
    return values


def _by_seed(rows: pd.DataFrame, column: str = "value") -> pd.Series:
    return rows.groupby("seed", dropna=False)[column].mean()


def _named(table: str, quantity: str, **wanted: Any) -> Measure:
    """A quantity that a table has under its own name."""
    return lambda run, subject: _by_seed(run.select(table, subject, quantity=quantity, **wanted))


def _once(measured: Measure) -> Measure:
    """Measure something of a model once per run: several claims, and other quantities, need it."""

    @wraps(measured)
    def once(run: Rows, subject: Subject) -> pd.Series:
        return run.once(measured, subject)

    return once


@_once
def _effective_rank(run: Rows, subject: Subject) -> pd.Series:
    if subject.treatment == OTHER_ARCHITECTURE:
        return _by_seed(run.control("capacity", subject, quantity="effective_rank", variant="architecture"))
    if subject.treatment == AUGMENTED:
        return _by_seed(run.select("augmentation", subject), "effective_rank")
    if subject.estimator == MEAN_SPECTRUM:
        return _jackknife(run, subject, effective_rank)
    return _by_seed(run.select("spectrum", subject, **RANK))


def _dims_for_90(run: Rows, subject: Subject) -> pd.Series:
    if subject.estimator == MEAN_SPECTRUM:
        return _jackknife(run, subject, dims_for_90)
    return _by_seed(run.select("spectrum", subject, quantity="dims_for_90", estimator="per seed"))


def effective_rank(singular_values: np.ndarray) -> float:
    """Effective rank of the variances, as the paper's equation (2) and its notebook have it."""
    p = singular_values**2 / np.sum(singular_values**2)
    return float(np.exp(-np.sum(p * np.log(p + 1e-10))))


def dims_for_90(singular_values: np.ndarray) -> float:
    """Number of leading components that hold 90 % of the variance."""
    shares = np.cumsum(singular_values**2) / np.sum(singular_values**2)
    return float(np.searchsorted(shares, 0.9) + 1)


def _jackknife(run: Rows, subject: Subject, function: Callable[[np.ndarray], float]) -> pd.Series:
    """A function of the singular values averaged over seeds: pseudo-values by seed, whose mean is its value.

    Leaving one seed out at a time gives pseudo-values whose spread over seeds is the function's own: the jackknife.
    """
    rows = run.select("singular_values", subject)
    spectra = rows.pivot_table(index=rows["seed"].astype("Int64"), columns="component", values="value", dropna=False)
    values, seeds = spectra.to_numpy(float), spectra.index
    whole = function(values.mean(axis=0))
    if len(seeds) < 2:
        return pd.Series([whole], index=seeds)
    without = np.array([function(np.delete(values, one, axis=0).mean(axis=0)) for one in range(len(seeds))])
    return pd.Series(whole + (len(seeds) - 1) * (without.mean() - without), index=seeds)


def _rank_reduction(run: Rows, subject: Subject) -> pd.Series:
    """By how many percent a model's effective rank is below the teacher's."""
    teacher = float(_effective_rank(run, Subject(TEACHER, estimator=subject.estimator)).iloc[0])
    return 100 * (1 - _effective_rank(run, subject) / teacher)


def _estimator_gap(run: Rows, subject: Subject) -> pd.Series:
    """Distance between the rank of the averaged singular values and the average of the ranks."""
    averaged = run.select("spectrum", subject, **{**RANK, "estimator": MEAN_SPECTRUM})["value"]
    ranks = _effective_rank(run, subject)
    require_two_seeds(ranks)  # with one seed, both are the same number
    return without_seed(abs(float(averaged.mean() - ranks.mean())))


def _expansion(run: Rows, subject: Subject) -> pd.Series:
    """Factor by which InfoNCE multiplies the effective rank, averaged over students of the same seed."""
    treated, plain = (
        run.select("spectrum", replace(subject, treatment=treatment), **RANK).set_index(["width", "seed"])
        for treatment in (INFONCE, "")
    )
    return (treated["value"] / plain["value"]).groupby("seed").mean()


def _spectrum_distance(run: Rows, subject: Subject) -> pd.Series:
    """Distance between a model's spectrum and the teacher's, in factors of ten of a component's share of variance.

    The mean over the leading components that hold 99 % of the teacher's variance; what comes after is rounding.
    """

    def shares(rows: pd.DataFrame) -> np.ndarray:
        squares = rows.sort_values("component")["value"].to_numpy(float) ** 2
        return np.asarray(squares / squares.sum())

    teacher = shares(run.select("singular_values", Subject(TEACHER)))
    teacher = teacher[: int(np.searchsorted(teacher.cumsum(), SHAPE)) + 1]
    rows = run.select("singular_values", subject)
    distances = {
        student: np.abs(np.log10(np.maximum(shares(own)[: len(teacher)], TINY) / teacher)).mean()
        for student, own in rows.groupby(["seed", "width"])
    }
    return pd.Series(distances).groupby(level=0).mean().rename_axis("seed")


def _share_within(run: Rows, subject: Subject) -> pd.Series:
    """Share of a model's variance within the teacher's leading 20 components."""
    return _by_seed(run.select("alignment", subject, component=LEADING), "share")


def _alignment_gap(run: Rows, subject: Subject) -> pd.Series:
    """Greatest distance between a model's alignment curve and that of student S."""
    own, reference = (
        run.select("alignment", who).pivot_table(index="seed", columns="component", values="share")
        for who in (subject, Subject("S"))
    )
    return (own - reference).abs().max(axis=1)


@_once
def _accuracy(run: Rows, subject: Subject) -> pd.Series:
    """Accuracy of the probe in percent; ``top 16`` is a teacher cut to its 16 leading components."""
    cut, _, count = subject.treatment.partition(" ")
    if cut == "top":
        wanted = {"quantity": "accuracy", "variant": cut, "sigma": subject.sigma, "x": float(count)}
        return _by_seed(run.control("truncation", subject, **wanted))
    table = "augmentation" if subject.treatment == AUGMENTED else "robustness"
    wanted = {"noise_space": NOISE_SPACE, "sigma": subject.sigma}
    return _by_seed(run.select(table, subject, **wanted), "accuracy")


@_once
def _loss(run: Rows, subject: Subject) -> pd.Series:
    """Share of the accuracy above chance that the noise costs, in percent.

    Points would reward a low accuracy, which has less to lose.
    """
    noisy, clean = _accuracy(run, subject), _accuracy(run, replace(subject, sigma=0.0))
    above = clean - 100 / run.classes
    if (above <= 0).any():
        raise NotMeasured(
            f"the accuracy of {subject.model} on clean images is not above chance, so there is none to lose"
        )
    return 100 * difference(clean, noisy) / above


def require_noise_that_costs(run: Rows, subjects: Sequence[Subject]) -> None:
    """Refuse to compare models under noise that costs none of them anything.

    Raises:
        NotMeasured: of no model does the 95 % interval of its loss of accuracy lie above 0.
    """
    for subject in subjects:
        cost = Estimate.of(difference(_accuracy(run, replace(subject, sigma=0.0)), _accuracy(run, subject)))
        if (cost.mean if cost.seeds == 0 else cost.low) > 0:
            return
    raise NotMeasured(f"noise of σ = {subjects[0].sigma:g} costs none of these models any measurable accuracy here")


def require_same_input(run: Rows, subjects: Sequence[Subject]) -> None:
    """Refuse to compare a student with the teacher under noise where they see inputs of different resolutions.

    The noise is added to each model's own input, so that it is not the same disturbance for both.

    Raises:
        NotMeasured: the teacher is among the models, a student too, and their resolutions differ.
    """
    kinds = {subject.model == TEACHER for subject in subjects}
    settings = run.settings
    teachers = settings.teacher_resolution or (32 if settings.teacher in SCENES_TEACHERS else PUBLISHED_SIDE)
    own = settings.resolution or teachers
    if len(kinds) == 2 and own != teachers:
        raise NotMeasured(
            f"the students see {own} x {own} pixels and the teacher {teachers} x {teachers}: noise on their inputs is "
            "not the same for both"
        )


def _given_back(run: Rows, subject: Subject) -> pd.Series:
    """Share of what noise costs a student that re-estimated batch statistics give back, in percent."""
    plain, clean, again = (
        _by_seed(run.control("noise", subject, quantity="accuracy", variant=variant, sigma=sigma))
        for variant, sigma in (("plain", subject.sigma), ("plain", 0.0), (RE_ESTIMATED, subject.sigma))
    )
    cost = difference(clean, plain)
    if (cost <= 0).any():
        raise NotMeasured(f"noise of σ = {subject.sigma:g} costs student {subject.model} nothing here")
    return 100 * difference(again, plain) / cost


def _restored(run: Rows, subject: Subject) -> pd.Series:
    """Share of the gap between a student's accuracy and the teacher's that its treatment closes, in percent."""
    require_same_input(run, [subject, Subject(TEACHER)])
    plain = _accuracy(run, replace(subject, treatment=""))
    closed = difference(_accuracy(run, subject), plain)
    gap = difference(_accuracy(run, Subject(TEACHER, sigma=subject.sigma)), plain)[closed.index]
    if (gap <= 0).any():
        raise NotMeasured(f"the teacher is no better than student {subject.model} here, so nothing is lost")
    return 100 * closed / gap


def _overfitting(run: Rows, subject: Subject) -> pd.Series:
    """Distance to the teacher on test images minus the loss of the last epoch on training images."""
    test = _by_seed(run.select("expansion", subject, comparison=GAINS, quantity="distance"))
    losses = run.select("training", subject)
    return difference(test, _by_seed(losses[losses["epoch"] == losses["epoch"].max()], "loss"))


def _sampled_rank(run: Rows, subject: Subject) -> pd.Series:
    """Effective rank from all test images by one of the estimators of a control: ``not centred``."""
    wanted = {"quantity": "rank_by_sample", "variant": f"variance, {subject.treatment}"}
    rows = run.control("estimators", subject, **wanted)
    return without_seed(float(rows.loc[rows["x"] == rows["x"].max(), "value"].mean()))


def _regained_rank(run: Rows, subject: Subject) -> pd.Series:
    """Share of the rank that a student lacks of its teacher's that training beyond the paper's length gives it."""
    rows = run.control("underfitting", subject, objective=COSINE, quantity="epoch_rank", variant="constant")
    ranks = rows.pivot_table(index="seed", columns="x", values="value")
    long_enough = sorted(ranks.columns[ranks.columns * run.steps_per_epoch >= PAPER_STEPS])
    if len(long_enough) < 2:
        raise NotMeasured(f"no student of this run was trained for longer than the paper's {PAPER_STEPS:,} steps")
    return _share_regained(run, subject, ranks[long_enough[0]], ranks[long_enough[-1]])


def _share_regained(run: Rows, subject: Subject, before: pd.Series, after: pd.Series) -> pd.Series:
    """What a student's rank gains in percent of what it lacked of its teacher's."""
    lacking = float(_effective_rank(run, Subject(TEACHER)).iloc[0]) - before
    if (lacking <= 0).any():
        raise NotMeasured(f"student {subject.model} has no lower rank than the teacher here, so that it lacks nothing")
    return 100 * difference(after, before) / lacking


def _rank_by_targets(run: Rows, subject: Subject) -> pd.Series:
    """Share of the rank that the cosine loss costs a student which other targets of the same loss give back to it."""
    plain = _objective_rank(run, replace(subject, treatment=COSINE))
    return _share_regained(run, subject, plain, _objective_rank(run, subject))


def _objective_rank(run: Rows, subject: Subject) -> pd.Series:
    """Effective rank of the same network trained on another objective: ``S labels``."""
    return _by_seed(run.control("objective", subject, quantity="effective_rank", variant=subject.treatment))


QUANTITIES: dict[str, Quantity] = {
    "effective_rank": Quantity(_effective_rank, "the effective rank of {}"),
    "dims_for_90": Quantity(_dims_for_90, "the number of dimensions for 90 % of the variance of {}", 1),
    "rank_reduction": Quantity(_rank_reduction, "the percentage of effective dimensions lost by {}", 1),
    "estimator_gap": Quantity(_estimator_gap, "the distance between the two estimates of the rank of {}", 4),
    "expansion": Quantity(_expansion, "the factor by which InfoNCE raises the rank of {}"),
    "spectrum_distance": Quantity(_spectrum_distance, "the distance from the teacher's spectrum to that of {}", 3),
    "share_20": Quantity(_share_within, "the share of variance within the teacher's leading 20 components of {}", 3),
    "alignment_gap": Quantity(
        _alignment_gap, "the greatest distance from student S's alignment curve to that of {}", 3
    ),
    "info_nce": Quantity(_named("information", "info_nce"), "the InfoNCE loss of {}", 4),
    "uniformity": Quantity(_named("information", "uniformity"), "the uniformity loss of {}", 4),
    "accuracy": Quantity(_accuracy, "the accuracy of {}"),
    "loss": Quantity(_loss, "the percentage of accuracy above chance lost by {}"),
    "given_back": Quantity(
        _given_back, "the percentage of what noise costs that re-estimated batch statistics give back to {}", 1
    ),
    "restored": Quantity(_restored, "the percentage of the gap to the teacher closed by {}", 1),
    "overfitting": Quantity(_overfitting, "the gap between test and training distance to the teacher of {}", 4),
    "neighbour_overlap": Quantity(
        _named("expansion", "neighbour_overlap", comparison=GAINS),
        "the share of the teacher's nearest neighbours kept by {}",
        3,
    ),
    "sampled_rank": Quantity(_sampled_rank, "the effective rank of {}"),
    "regained_rank": Quantity(
        _regained_rank, "the percentage of its missing effective dimensions that longer training gives back to {}", 1
    ),
    "rank_by_targets": Quantity(
        _rank_by_targets, "the percentage of its missing effective dimensions that other targets give back to {}", 1
    ),
    "objective_rank": Quantity(_objective_rank, "the effective rank of {}"),
}
