"""A sweep's table for readers: a quantity against anything that was varied, with intervals over seeds."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from asymdistill.claims.estimates import Estimate
from asymdistill.config.names import OBJECTIVES
from asymdistill.plots.selection import objectives, pick, students_of, teacher_of
from asymdistill.plots.style import BLACK, GREY, HOLLOW, STYLE, legend_above, model_handles, panels, style, title
from asymdistill.plots.tables import dashed, shown
from asymdistill.runtime.errors import InputError
from asymdistill.runtime.markup import as_code, as_text

WORDS = {
    "effective_rank": "effective rank",
    "dims_for_90": "dimensions for 90 %",
    "accuracy": "probe accuracy (%)",
    "robustness": "probe accuracy under noise (%)",
    "train_accuracy": "training accuracy (%)",
    "neighbour_accuracy": "neighbour accuracy (%)",
    "neighbour_overlap": "shared neighbours (share)",
    "aligned_share": "aligned share of variance",
    "distance": "cosine distance to the teacher",
    "shrinkage_rank": "rank predicted (shrinkage)",
    "infonce_weight": "weight of InfoNCE",
    "infonce_temperature": "temperature of InfoNCE",
    "sigma": "noise, σ",
}
OF_STUDENTS, NOISE = ("width", "objective"), ("noise_space", "sigma")
DASHES: tuple[Any, ...] = ("-", "--", "-.", (0, (6, 1, 1, 1, 1, 1)), (0, (8, 3)))
SPREAD = 0.3  # of the distance between two values: how far lines stand apart, so that no interval hides another


def of_quantity(table: pd.DataFrame, quantity: str, *axes: str | None) -> pd.DataFrame:
    """Rows of a quantity, at the first value of whatever else than some axes was varied, but for the students' own.

    Args:
        table: of a sweep.
        quantity: one of those that were measured.
        axes: columns of what a figure shows.
    """
    rows = pick(table, quantity)
    if rows.empty:
        raise InputError(f"quantity is {quantity!r}; measured: {', '.join(map(repr, table['quantity'].unique()))}")
    varied = list(table.columns[: list(table.columns).index("model")])
    if unknown := [axis for axis in axes if axis and axis not in (*varied, *OF_STUDENTS, *NOISE)]:
        raise InputError(f"{unknown[0]!r} was not varied; allowed: {', '.join(map(repr, (*varied, *OF_STUDENTS)))}")
    for axis in (*varied, *NOISE):
        if axis not in axes:
            rows = pick(rows, **{axis: rows[axis].iloc[0]})
    return rows


def against(rows: pd.DataFrame, x: str, panel: str | None = None) -> Figure:
    """A quantity against what was varied: means with 95 % intervals over seeds, a line per student, the teacher dotted.

    Args:
        rows: of one quantity, at one value of whatever else was varied.
        x: column of what is varied along the horizontal axis, where values are evenly spaced.
        panel: column with a value for each of the panels; None: there is one panel.
    """
    students = students_of(rows)
    values = sorted(students[x].unique())
    groups = {"": rows} if panel is None else {_named(panel, value): own for value, own in rows.groupby(panel)}
    with plt.rc_context(STYLE):
        figure, axes = panels([[name] for name in groups], 2.4 * len(groups) + 0.9, sharex=True)
        for (name, own), axis in zip(groups.items(), axes.values(), strict=True):
            _draw(axis, own, x, values)
            axis.set_title(name, loc="left", fontsize=11)
            axis.set_ylabel(_words(rows["quantity"].iloc[0]))
        axis.set_xticks(range(len(values)), [_short(value) for value in values])
        axis.set_xlabel(_words(x))
        handles: list[Artist] = [] if x == "width" else model_handles(students)
        if not teacher_of(rows).empty:
            handles.append(Line2D([], [], color=BLACK, linestyle=":", label=title("teacher")))
        looks = {} if x == "objective" else _looks(students)
        if len(looks) > 1:
            handles += [
                Line2D([], [], color=GREY, linestyle=of[0], label=OBJECTIVES[kind]) for kind, of in looks.items()
            ]
        if handles:
            legend_above(figure, handles)
    return figure


def table(rows: pd.DataFrame, x: str, panel: str | None = None) -> pd.DataFrame:
    """Means ± standard deviations over seeds: a row per student and value of ``panel``, a column per value of ``x``.

    Args:
        rows: of one quantity, at one value of whatever else was varied.
        x: column of what is varied along the columns.
        panel: column of what is varied along the rows; None: nothing.
    """
    by = [column for column in ("model", "objective", *([panel] if panel else [])) if column != x]
    students = students_of(rows).sort_values(["width", "objective", *([panel] if panel else [])], kind="stable")
    made = [
        {**dict(zip(by, names, strict=True)), **{_short(value): shown(own["value"]) for value, own in group.groupby(x)}}
        for names, group in students.groupby(by, sort=False)
    ]
    table = pd.DataFrame(made)
    if "objective" in by:
        table["objective"] = table["objective"].replace(OBJECTIVES)
    return table.rename(columns={column: _words(column) for column in by})


def some_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Six rows of a sweep's table from its beginning to its end, without columns that are empty throughout."""
    places = np.linspace(0, len(table) - 1, 6).astype(int)
    return dashed(table.iloc[places].dropna(axis="columns", how="all"))


def describe(manifest: Mapping[str, Any]) -> str:
    """A sweep in a few words of Markdown: what it varies, how many students there are, and what made its numbers."""
    spec, models = manifest["spec"], manifest["models"]
    varied = [f"{name} {', '.join(map(_short, values))}" for name, values in (spec["cross"] | spec["zip"]).items()]
    failed = f", {models['failed']} failed" if models["failed"] else ""
    return (
        f"**Sweep {as_code(manifest['name'])}** of {', '.join(map(as_code, spec['profiles']))}: "
        f"{as_text('; '.join(varied))}. {manifest['students']:,} students{failed}, computed on "
        f"{as_code(manifest['device'])} at commit {as_code(manifest['commit'])}."
    )


def _draw(axis: Axes, rows: pd.DataFrame, x: str, values: Sequence[Any]) -> None:
    """The lines of one panel."""
    students = students_of(rows)
    looks, models = _looks(students), style(students["model"])
    split = [column for column in ("model", "objective") if column != ("model" if x == "width" else x)]
    groups = list(students.groupby(split, sort=False)) if split else [((), students)]
    shifts = np.linspace(-SPREAD / 2, SPREAD / 2, len(groups)) if len(groups) > 1 else [0.0]
    for shift, (names, own) in zip(shifts, groups, strict=True):
        of = dict(zip(split, names, strict=True))
        colour, marker = models[of["model"]] if "model" in of else (BLACK, "o")
        dashes, look = looks.get(of.get("objective", ""), ("-", {}))
        found = {values.index(value): Estimate.of(one.set_index("seed")["value"]) for value, one in own.groupby(x)}
        means = np.array([estimate.mean for estimate in found.values()])
        ends = [[e.mean - e.low for e in found.values()], [e.high - e.mean for e in found.values()]]
        places = np.array([*found]) + shift
        line: Any = {"color": colour, "linestyle": dashes, "marker": marker, "capsize": 3}
        axis.errorbar(places, means, np.nan_to_num(ends), **line, **look)
    if len(reference := teacher_of(rows)):
        axis.axhline(reference["value"].mean(), color=BLACK, linestyle=":")


def _looks(students: pd.DataFrame) -> dict[str, tuple[Any, Any]]:
    """Line style and marker style of each objective: the first is solid."""
    kinds = objectives(students)
    return {
        kind: (dashes, HOLLOW if number else {})
        for number, (kind, dashes) in enumerate(zip(kinds, DASHES, strict=False))
    }


def _named(column: str, value: Any) -> str:
    return f"{_words(column)}: {_short(value)}"


def _words(name: str) -> str:
    return WORDS.get(name, name.replace("_", " "))


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float | np.number) else str(value)
