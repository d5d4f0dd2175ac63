"""Several runs side by side: a table of each, by the run's name, and what is made of every one."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from asymdistill.plots.selection import pick

Runs = Mapping[str, pd.DataFrame]
"""A table of each of several runs, by the name that the run has in tables and figures, the book's own last."""


def with_control(controls: Runs, name: str) -> dict[str, pd.DataFrame]:
    """The rows of one control, of the runs that have any."""
    return {run: rows for run, table in controls.items() if len(rows := pick(table, control=name))}


def options_of(run: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of one run: a mapping has values by names of runs, and None for others; anything else is for all."""
    return {name: value.get(run) if isinstance(value, Mapping) else value for name, value in options.items()}


def of_each(runs: Runs, make: Callable[..., pd.DataFrame], **options: Any) -> pd.DataFrame:
    """A table that is made of each run, one below the other, under the runs' names in a first column.

    Args:
        runs: a table of each.
        make: makes the table from it.
        options: further arguments of ``make``, see ``options_of``.
    """
    made = [make(table, **options_of(name, options)) for name, table in runs.items()]
    for name, own in zip(runs, made, strict=True):
        own.insert(0, "from", name)
    return pd.concat(made, ignore_index=True)
