"""Choosing rows of a study's tables: of a quantity, a model, an objective, a noise level."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from asymdistill.config.names import OBJECTIVES, TEACHER


def pick(rows: pd.DataFrame, quantity: str | list[str] | None = None, **equal: Any) -> pd.DataFrame:
    """Rows of one quantity with these values in these columns.

    Args:
        rows: rows of a study's table.
        quantity: None for all.
        equal: for each column a value, or a list of allowed values.
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
    """Rows where a column is smallest and where it is largest; by default, the narrowest and the widest student."""
    return rows[rows[column] == rows[column].min()], rows[rows[column] == rows[column].max()]


def clean(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows without noise: those of the lowest noise level, and those that have no noise level."""
    return rows[rows["sigma"].isna() | (rows["sigma"] == rows["sigma"].min())]


def objectives(table: pd.DataFrame) -> list[str]:
    """The objectives that a table's students were trained for, in its order."""
    return list(dict.fromkeys(table["objective"].dropna()))


def two(table: pd.DataFrame) -> Sequence[str]:
    """The first objective and the second, if there is one."""
    return objectives(table)[:2]


def by_objective(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Rows of the narrowest student for each objective that it was trained for."""
    narrow = ends(students_of(pick(table, comparison=["gains", "alternatives"])))[0]
    return {kind: pick(narrow, objective=kind) for kind in OBJECTIVES if kind in set(narrow["objective"])}
