"""Numbers derived from the rows of a study's tables: means, shares, losses to noise, and changes between students.

A change is taken between two students that share model and seed, or only the seed where widths are compared.
"""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from asymdistill.plots.selection import ends, pick, two

MANY = 6  # pairs from which on Wilcoxon's signed-rank test can give p < 0.05
STUDENT = ["model", "seed"]  # what a student shares with that of another objective


def mean_and_spread(table: pd.DataFrame, by: list[str], value: str = "value") -> pd.DataFrame:
    """Mean, standard deviation (ddof = 0, as in the paper) and number of seeds, in the order of the table."""
    grouped = table.groupby(by, sort=False, dropna=False)[value]
    return grouped.agg(mean="mean", spread=lambda values: values.std(ddof=0), seeds="size").reset_index()


def percent(table: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """Rows of a quantity that is a share, in percent."""
    own = pick(table, quantity)
    return own.assign(value=100 * own["value"])


def variance_shares(singular_values: pd.DataFrame) -> pd.DataFrame:
    """Singular values with a further column ``share``: of its model's variance that each component holds."""
    squared = singular_values["value"] ** 2
    keys = [singular_values[name].astype("string") for name in ("model", "objective", "seed")]
    return singular_values.assign(share=squared / squared.groupby(keys, dropna=False).transform("sum"))


def noise_loss(accuracy: pd.DataFrame) -> pd.DataFrame:
    """Accuracy lost from the lowest to the highest noise level, in points: one row per model and variant."""
    levels = _by_noise(accuracy)
    return (levels.first() - levels.last()).reset_index()


def noise_share(accuracy: pd.DataFrame, chance: float | None) -> pd.DataFrame:
    """The same in percent of what the accuracy at the lowest level has above guessing; missing where it has nothing.

    Args:
        accuracy: rows of accuracies in percent.
        chance: accuracy of guessing in percent; None, where it is not known, leaves all missing.
    """
    levels = _by_noise(accuracy)
    above = levels.first() - (math.nan if chance is None else chance)
    return (100 * (levels.first() - levels.last()) / above.where(above > 0)).reset_index()


def _by_noise(accuracy: pd.DataFrame) -> Any:
    keys = [column for column in accuracy.columns if column not in ("sigma", "value")]
    return accuracy.sort_values("sigma", kind="stable").groupby(keys, dropna=False, sort=False)["value"]


def ratios(gains: pd.DataFrame) -> pd.DataFrame:
    """Effective rank with the second objective divided by that with the first, student by student.

    Args:
        gains: rows of the comparison ``gains`` in a study's table of expansion.

    Returns:
        Columns model, seed and value: one row per width and seed.
    """
    first, second = (pick(gains, "effective_rank", objective=kind).set_index(STUDENT)["value"] for kind in two(gains))
    return (second / first).reset_index()


def paired(before: pd.DataFrame, after: pd.DataFrame, on: Sequence[str] = ("model", "seed")) -> pd.Series:
    """Differences, after - before, of the rows that share the columns ``on``; empty if there are none."""
    one, two = (rows.set_index(list(on))["value"] for rows in (before, after))
    shared = one.index.intersection(two.index)
    return two[shared] - one[shared]


def paired_tests(rows: pd.DataFrame) -> pd.DataFrame:
    """Tests of the widest against the narrowest student, paired by seed, for each quantity and noise level.

    Args:
        rows: those of the control ``statistics``.

    Returns:
        Columns quantity, sigma, difference (mean of widest - narrowest), low and high (its 95 % confidence interval
        from Student's t), t and p (two-sided paired t-test), wilcoxon (p of the signed-rank test; NaN below six pairs,
        where it cannot reach 0.05), seeds. With a single pair there are differences only.
    """
    import scipy.stats

    made = []
    for (quantity, sigma), own in rows.groupby(["quantity", "sigma"], dropna=False, sort=False):
        change = paired(*ends(own), on=["seed"])
        found = {"quantity": quantity, "sigma": sigma, "difference": change.mean(), "seeds": len(change)}
        if len(change) > 1:
            test = scipy.stats.ttest_1samp(change.to_numpy(float), 0)
            low, high = test.confidence_interval(0.95)
            found |= {"low": low, "high": high, "t": test.statistic, "p": test.pvalue}
        if len(change) >= MANY and change.any():
            found["wilcoxon"] = scipy.stats.wilcoxon(change.to_numpy(float)).pvalue
        made.append(found)
    columns = ["quantity", "sigma", "difference", "low", "high", "t", "p", "wilcoxon", "seeds"]
    return pd.DataFrame(made, columns=columns).astype(dict.fromkeys(columns[1:-1], float))
