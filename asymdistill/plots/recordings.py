"""Figures of recorded runs beside the book's own: one panel a run, one below the other, on a common axis."""

from collections.abc import Sequence
from textwrap import fill

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from asymdistill.builder.recordings import Run, accuracy_values, rank_values
from asymdistill.plots.style import GREY, STYLE, dots, legend_above, lines, model_handles, panels

TITLE = 66  # letters in a line of a panel's title


def ranks(runs: Sequence[Run]) -> Figure:
    """Effective rank of the teacher and of each student of the first objective: one dot a seed."""
    tables = [rank_values(run) for run in runs]
    with plt.rc_context(STYLE):
        figure, axes = _one_a_run(runs, [0.34 * table["model"].nunique() + 0.5 for table in tables])
        for axis, table in zip(axes, tables, strict=True):
            dots(axis, table)
        axes[-1].set_xlim(0, 1.05 * max(table["value"].max() for table in tables))
        axes[-1].set_xlabel("effective rank (dimensions)")
    return figure


def robustness(runs: Sequence[Run]) -> Figure:
    """Accuracy of the clean probe against the noise, mean and range over seeds; guessing as a dotted line."""
    tables = [accuracy_values(run) for run in runs]
    with plt.rc_context(STYLE):
        figure, axes = _one_a_run(runs, [2.4] * len(runs))
        for axis, table, run in zip(axes, tables, runs, strict=True):
            lines(axis, table, "sigma", "accuracy", marks=True)
            if run.classes:
                axis.axhline(100 / run.classes, color=GREY, linestyle=":", linewidth=1.5)
            axis.set(ylabel="accuracy (%)", ylim=(0, 101))
        axes[-1].set_xticks(sorted({sigma for table in tables for sigma in table["sigma"]}))
        axes[-1].set_xlabel("noise: standard deviation, in units of the normalised tensor")
        legend_above(figure, model_handles(pd.concat(tables)))
    return figure


def _one_a_run(runs: Sequence[Run], heights: list[float]) -> tuple[Figure, list[Axes]]:
    """An empty panel a run, under its name."""
    layout = [[str(number)] for number in range(len(runs))]
    figure, axes = panels(layout, sum(heights) + 0.9, sharex=True, height_ratios=heights)
    for run, axis in zip(runs, axes.values(), strict=True):
        axis.set_title(fill(run.name, TITLE), loc="left", fontsize=11)
    return figure, list(axes.values())
