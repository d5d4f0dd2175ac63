"""Words for changes and tests; it goes with the modules that assemble sentences."""

from collections.abc import Sequence

import pandas as pd


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
