"""Comparing models in a study's tables of controls, expansion and generality: rows, changes, tests, and their words.

A value over several students, seeds or draws is written as mean (least to greatest, n = how many). A change is taken
between two that share model and seed, or only the seed where widths are compared.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import scipy.stats

from asymdistill.config.names import TEACHER
from asymdistill.study.student_configs import ALTERNATIVES

MANY = 6  # pairs from which on Wilcoxon's signed-rank test can give p < 0.05
NAMES = {
    "cosine": "cosine alone",
    "infonce": "cosine with InfoNCE",
    "views": "InfoNCE between views",
    "vicreg": "VICReg's terms",
    "uniformity": "uniformity",
    "whitened": "whitened targets",
}
STUDENT = ["model", "seed"]  # what a student shares with that of another objective


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


def objectives(table: pd.DataFrame) -> list[str]:
    """The objectives that a table's students were trained for, in its order."""
    return list(dict.fromkeys(table["objective"].dropna()))


def two(table: pd.DataFrame) -> Sequence[str]:
    """The first objective and the second, if there is one."""
    return objectives(table)[:2]


def ratios(gains: pd.DataFrame) -> pd.DataFrame:
    """The factor between the effective ranks of the second objective and of the first, student by student.

    Args:
        gains: the comparison of that name in a study's table of expansion.

    Returns:
        Columns model, seed and value, one row a width and seed.
    """
    first, second = (pick(gains, "effective_rank", objective=kind).set_index(STUDENT)["value"] for kind in two(gains))
    return (second / first).reset_index()


def cells(generality: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    """Rows by data set and teacher, under names short enough for a figure."""
    return {
        (_short(str(dataset)), _short(str(teacher))): own
        for (dataset, teacher), own in generality.groupby(["dataset", "teacher"], sort=False)
    }


def by_objective(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Rows of the narrowest student for each objective that it was trained for."""
    narrow = ends(students_of(pick(table, comparison=["gains", "alternatives"])))[0]
    return {kind: pick(narrow, objective=kind) for kind in ALTERNATIVES if kind in set(narrow["objective"])}


def clean(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows without noise, and those that know none."""
    return rows[rows["sigma"].isna() | (rows["sigma"] == rows["sigma"].min())]


def percent(table: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """Rows of a quantity that is a share, in percent."""
    own = pick(table, quantity)
    return own.assign(value=100 * own["value"])


def _short(name: str) -> str:
    """A data set's or a teacher's name without library, folder or training tag."""
    plain = name.partition(":")[2].split("/")[0] if ":" in name else name.rstrip("/").split("/")[-1]
    return plain.split(".")[0]


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
