"""Measured values by seed: means and intervals over seeds, and differences between two models seed by seed.

The values of a model are a Series indexed by seed. The teacher has no seed: its Series has one value, and nothing in
the index.
"""

import math
from dataclasses import dataclass
from typing import Self

import pandas as pd
import scipy.stats


class NotMeasured(Exception):
    """A run does not have what a claim takes; the message is a clause that says what is missing."""


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with Student's 95 % interval, NaN below two seeds. What has no seed counts 0 seeds."""

    mean: float
    low: float = math.nan
    high: float = math.nan
    seeds: int = 0

    @classmethod
    def of(cls, values: pd.Series) -> Self:
        """Estimate from values by seed."""
        mean, count = float(values.mean()), len(values)
        if has_no_seed(values):
            return cls(mean)
        if count < 2:
            return cls(mean, seeds=count)
        half = float(scipy.stats.t.ppf(0.975, count - 1) * values.std(ddof=1) / math.sqrt(count))
        return cls(mean, mean - half, mean + half, count)


def difference(first: pd.Series, second: pd.Series) -> pd.Series:
    """``first - second``, seed by seed; a value that has no seed is set against each of the other's.

    Raises:
        NotMeasured: they have no seed in common.
    """
    if has_no_seed(second):
        return first - float(second.iloc[0])
    if has_no_seed(first):
        return float(first.iloc[0]) - second
    found = (first - second).dropna()
    if found.empty:
        raise NotMeasured("the two were measured for no seed in common")
    return found


def enough_seeds(*samples: pd.Series) -> None:
    """Refuse to compare trained models over fewer than two seeds.

    Raises:
        NotMeasured: one seed only.
    """
    for values in samples:
        if len(values) < 2 and not has_no_seed(values):
            raise NotMeasured("with one seed a difference between trained models cannot be told from luck")


def has_no_seed(values: pd.Series) -> bool:
    """Whether these are of a model that has no seed, such as the teacher."""
    return bool(values.index.isna().all())


def without_seed(value: float) -> pd.Series:
    """A value that is of no seed."""
    return pd.Series([value], index=pd.Index([pd.NA], name="seed"))
