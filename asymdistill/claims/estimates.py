"""Estimates by seed: means with confidence intervals over seeds, and paired differences between two models.

The values of a model are a Series indexed by seed. The teacher has no seed: its Series has one value, at a missing
index. ``interval_of_mean`` and ``interval_of_difference`` take arrays with the seeds last, so that the simulation in
``power`` judges thousands of made-up runs by the same lines as one real run.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd

from asymdistill.claims.student_t import critical_value, critical_values

LEVEL = 0.05  # outside of every interval: 2.5 % on either side
ONE_SEED = "with one seed a difference cannot be distinguished from chance"


class NotMeasured(Exception):
    """A run lacks what a claim needs; the message is a clause that says what is missing."""


class Interval(NamedTuple):
    """A mean with the ends of its 95 % interval; numbers, or arrays with one entry per run."""

    mean: Any
    low: Any
    high: Any


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with a 95 % confidence interval.

    Attributes:
        mean: mean over seeds.
        low: lower end of the interval; NaN below two seeds.
        high: upper end of the interval; NaN below two seeds.
        seeds: number of seeds; 0 for a value that has no seed.
    """

    mean: float
    low: float = math.nan
    high: float = math.nan
    seeds: int = 0

    @classmethod
    def of(cls, values: pd.Series) -> Self:
        """The estimate from values by seed, with Student's interval."""
        mean, count = float(values.mean()), len(values)
        if has_no_seed(values):
            return cls(mean)
        if count < 2:
            return cls(mean, seeds=count)
        found = interval_of_mean(values.to_numpy(float))
        return cls(mean, float(found.low), float(found.high), count)


def interval_of_mean(values: np.ndarray) -> Interval:
    """Student's interval of a mean.

    Args:
        values: at least two per mean, along the last axis.
    """
    count = values.shape[-1]
    mean = values.mean(axis=-1)
    half = critical_value(LEVEL, count - 1) * values.std(axis=-1, ddof=1) / math.sqrt(count)
    return Interval(mean, mean - half, mean + half)


def interval_of_difference(values: np.ndarray, value: Any, spread: Any, seeds: int) -> Interval:
    """Welch's interval of our mean minus a published one.

    A published spread s has ddof = 0, so that the squared standard error of a mean over n seeds is s² / (n - 1). Where
    the paper gives no spread, ours stands in for it, with the paper's number of seeds.

    Args:
        values: ours, at least two, along the last axis.
        value: the published mean.
        spread: its standard deviation over seeds, ddof = 0; None: not published.
        seeds: the number of seeds behind it.
    """
    count = values.shape[-1]
    variance = values.var(axis=-1, ddof=1)
    ours, mean = variance / count, values.mean(axis=-1) - value
    if spread is None or seeds < 2:
        theirs, freedom = variance / seeds, np.full_like(variance, count - 1)
    else:
        theirs = np.broadcast_to(np.asarray(spread) ** 2 / (seeds - 1), np.shape(ours))
        total = ours**2 / (count - 1) + theirs**2 / (seeds - 1)
        freedom = np.divide((ours + theirs) ** 2, total, out=np.ones_like(total), where=total > 0)
    half = critical_values(LEVEL, freedom) * np.sqrt(ours + theirs)
    return Interval(mean, mean - half, mean + half)


def difference(first: pd.Series, second: pd.Series) -> pd.Series:
    """``first - second``, paired by seed; a value without a seed is paired with every seed of the other model.

    Raises:
        NotMeasured: the two have no seed in common.
    """
    if has_no_seed(second):
        return first - float(second.iloc[0])
    if has_no_seed(first):
        return float(first.iloc[0]) - second
    found = (first - second).dropna()
    if found.empty:
        raise NotMeasured("the two were measured for no seed in common")
    return found


def require_two_seeds(*estimates: pd.Series) -> None:
    """Refuse to decide anything about trained models over fewer than two seeds.

    Raises:
        NotMeasured: one of them has a single seed.
    """
    if any(len(values) < 2 and not has_no_seed(values) for values in estimates):
        raise NotMeasured(ONE_SEED)


def has_no_seed(values: pd.Series) -> bool:
    """Whether these are the values of a model without a seed, such as the teacher."""
    return bool(values.index.isna().all())


def without_seed(value: float) -> pd.Series:
    """A single value that belongs to no seed."""
    return pd.Series([value], index=pd.Index([pd.NA], name="seed"))
