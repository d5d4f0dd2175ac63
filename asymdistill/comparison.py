"""Comparing models in a study's table of controls: which rows, paired changes and tests, and how they are written.

A value over several students, seeds or draws is written as mean (least to greatest, n = how many). A change is taken
between two that share model and seed, or only the seed where widths are compared.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import scipy.stats

from asymdistill.arms import TEACHER

MANY = 6  # pairs from which on Wilcoxon's signed-rank test can give p < 0.05


def pick(rows: pd.DataFrame, quantity: str | None = None, **equal: Any) -> pd.DataFrame:
    """Rows of one quantity with these values in these columns.

    Args:
        rows: a study's table of controls, or some of its rows.
        quantity: None: all.
        equal: for each of some columns a value, or a list of allowed values.
    """
    if quantity is not None:
        equal = {"quantity": quantity, **equal}
    for column, value in equal.items():
        rows = rows[rows[column].isin(value if isinstance(value, list) else [value])]
    return rows


def teacher_of(rows: pd.DataFrame) -> pd.DataFrame:
    """The teacher's rows."""
    return rows[rows["model"] == TEACHER]


def students_of(rows: pd.DataFrame) -> pd.DataFrame:
    """The students' rows."""
    return rows[rows["width"].notna()]


def ends(rows: pd.DataFrame, column: str = "width") -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows where a column is least and where it is greatest; by default, of the narrowest and the widest student."""
    return rows[rows[column] == rows[column].min()], rows[rows[column] == rows[column].max()]


def values_by(rows: pd.DataFrame, column: str) -> dict[str, pd.Series]:
    """Values for each entry of a column, in the order of the table."""
    return {str(name): own["value"] for name, own in rows.groupby(column, sort=False)}


def noise_loss(accuracy: pd.DataFrame) -> pd.DataFrame:
    """What accuracies lose from the cleanest to the noisiest level, in points: one row a model and variant."""
    keys = [column for column in accuracy.columns if column not in ("sigma", "value")]
    levels = accuracy.sort_values("sigma", kind="stable").groupby(keys, dropna=False, sort=False)["value"]
    return (levels.first() - levels.last()).reset_index()


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
        Columns quantity, sigma, difference (mean of widest - narrowest), low and high (its 95 % interval, after
        Student), t and p (two-sided paired t-test), wilcoxon (p of the signed-rank test; NaN below six pairs, where it
        can't reach 0.05), seeds. With a single pair there are differences only.
    """
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


def level(values: pd.Series, digits: int = 1, unit: str = "", *, sign: bool = False) -> str:
    """Mean (least to greatest, n = how many), or just the value where there is one."""
    plus = "+" if sign else ""
    return f"{values.mean():{plus}.{digits}f}{unit}{_range(values, digits, plus)}"


def moves(change: pd.Series, digits: int = 1, unit: str = "") -> str:
    """Which way a quantity goes, and how far: the mean of paired changes, and their range where there are several."""
    mean = change.mean()
    verb = "rises" if mean > 0 else "falls" if mean < 0 else "changes"
    return f"{verb} by {abs(mean):.{digits}f}{unit}{_range(change, digits, '+')}"


def p_value(p: float) -> str:
    """A p-value as people write it."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def listed(items: Sequence[str]) -> str:
    """Items in one sentence: a, b and c."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def _range(values: pd.Series, digits: int, plus: str) -> str:
    low, high = (f"{value:{plus}.{digits}f}" for value in (values.min(), values.max()))
    return f" ({low} to {high}, n = {len(values)})" if len(values) > 1 else ""
