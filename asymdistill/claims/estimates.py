"""Estimates by seed: means with confidence intervals over seeds, and paired differences between two models.

The values of a model are a Series indexed by seed. The teacher has no seed: its Series has one value, at a missing
index.
"""

import math
from dataclasses import dataclass
from typing import Self

import pandas as pd

from asymdistill.claims.student_t import critical_value


class NotMeasured(Exception):
    """A run lacks what a claim needs; the message is a clause that says what is missing."""


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with Student's 95 % confidence interval.

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
        """The estimate from values by seed."""
        mean, count = float(values.mean()), len(values)
        if has_no_seed(values):
            return cls(mean)
        if count < 2:
            return cls(mean, seeds=count)
        half = float(critical_value(0.05, count - 1) * values.std(ddof=1) / math.sqrt(count))
        return cls(mean, mean - half, mean + half, count)


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
    """Refuse to compare trained models over fewer than two seeds.

    Raises:
        NotMeasured: one of them has a single seed.
    """
    if any(len(values) < 2 and not has_no_seed(values) for values in estimates):
        raise NotMeasured("with one seed a difference between trained models cannot be distinguished from chance")


def has_no_seed(values: pd.Series) -> bool:
    """Whether these are the values of a model without a seed, such as the teacher."""
    return bool(values.index.isna().all())


def without_seed(value: float) -> pd.Series:
    """A single value that belongs to no seed."""
    return pd.Series([value], index=pd.Index([pd.NA], name="seed"))
