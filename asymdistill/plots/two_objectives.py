"""Two objectives told apart in a figure.

Colours and markers are the models', as in every figure. Filled markers and solid lines are students of the first
objective, open markers and dashed lines those of the second.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from asymdistill.config.names import OBJECTIVES
from asymdistill.plots.runs import Runs
from asymdistill.plots.selection import objectives, pick, teacher_of
from asymdistill.plots.style import BLACK, GREY, HOLLOW, STYLE, at_chance, band, handle, noise_ticks, placeholder, style

DASHES = ("-", "--")
LOOKS: tuple[Any, Any] = ({}, HOLLOW)
Draw = Callable[..., Figure]


def of_two_objectives(draw: Draw) -> Draw:
    """Decorator: leave out runs whose students were trained for one objective only; a placeholder if none is left."""

    @wraps(draw)
    def drawn(table: pd.DataFrame | Runs, *more: Any, **options: Any) -> Figure:
        if isinstance(table, pd.DataFrame):
            enough = _has_two(table)
        else:
            table = {name: own for name, own in table.items() if _has_two(own)}
            enough = bool(table)
        if not enough:
            return placeholder("students were trained for one objective only")
        with plt.rc_context(STYLE):
            return draw(table, *more, **options)

    return drawn


def _has_two(table: pd.DataFrame) -> bool:
    """Whether the grid's students were trained for two objectives: other comparisons have further ones."""
    grid = pick(table, comparison="gains") if "comparison" in table else table
    return len(objectives(grid)) > 1


def looks_of(kinds: Sequence[str]) -> dict[str, tuple[Any, Any]]:
    """Line style and marker style of each of two objectives."""
    return {kind: (dashes, look) for kind, dashes, look in zip(kinds, DASHES, LOOKS, strict=False)}


def lines_of(kinds: Sequence[str]) -> list[Artist]:
    """Legend entries for two objectives that are told apart by their lines."""
    looks = looks_of(kinds).items()
    return [Line2D([], [], color=GREY, linestyle=dashes, label=OBJECTIVES[kind]) for kind, (dashes, _) in looks]


def markers_of(kinds: Sequence[str]) -> list[Artist]:
    """Legend entries for two objectives that are told apart by their markers."""
    return [handle("0.3", "o", OBJECTIVES[kind], hollow=bool(look)) for kind, (_, look) in looks_of(kinds).items()]


def curves(axis: Axes, table: pd.DataFrame, x: str, y: str, *, marks: bool = False) -> None:
    """A line of the teacher, and one of each student and objective: means over seeds, within a band of their range."""
    band(axis, teacher_of(table), x, y, BLACK, marker="s" if marks else None)
    for kind, (dashes, look) in looks_of(objectives(table)).items():
        own = pick(table, objective=kind)
        for model, (colour, marker) in style(own["model"]).items():
            marked = {"marker": marker, **look} if marks else {}
            band(axis, own[own["model"] == model], x, y, colour, linestyle=dashes, **marked)


def under_noise(axis: Axes, accuracy: pd.DataFrame, chance: float | None) -> None:
    """Accuracy against noise: the teacher, and students of both objectives."""
    curves(axis, accuracy, "sigma", "value", marks=True)
    at_chance(axis, chance)
    axis.set_ylim(0, 101)
    noise_ticks(axis, accuracy["sigma"])
