"""What the figures of several panels are put together from, in the style of ``figures``."""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from asymdistill.plots.comparison import pick
from asymdistill.plots.figures import STYLE, WIDTH, Colour, handle, placeholder, style, title

BLACK: Colour = (0.1, 0.1, 0.1)
GREY: Colour = (0.45, 0.45, 0.45)
HOLLOW: Any = {"markerfacecolor": "white", "markeredgewidth": 1.5}
Draw = Callable[..., Figure]


def of_control(name: str) -> Callable[[Draw], Draw]:
    """Let a function that draws a control's rows take the whole table; without rows, it draws a placeholder."""

    def decorate(draw: Draw) -> Draw:
        @wraps(draw)
        def drawn(controls: pd.DataFrame, **options: Any) -> Figure:
            rows = pick(controls, control=name)
            if rows.empty:
                return placeholder("this profile does not run this control")
            with plt.rc_context({**STYLE, "axes.titlesize": 12, "legend.fontsize": 11}):
                return draw(rows, **options)

        return drawn

    return decorate


def panels(layout: list[Any], height: float, **options: Any) -> tuple[Figure, dict[str, Axes]]:
    """An empty figure of the book's width, and its axes by their names in a mosaic."""
    figure, axes = plt.subplot_mosaic(layout, figsize=(WIDTH, height), layout="constrained", **options)
    return figure, {str(name): axis for name, axis in axes.items()}


def row_of_dots(axis: Axes, table: pd.DataFrame, row: float, *, spread: float = 0.5, **look: Any) -> None:
    """One row of an axis: a dot a seed, models in their colours and, so that none hides another, side by side."""
    looks = style(table["model"])
    shifts = np.linspace(-spread / 2, spread / 2, len(looks)) if len(looks) > 1 else [0.0] * len(looks)
    for shift, (model, (colour, marker)) in zip(shifts, looks.items(), strict=True):
        values = table.loc[table["model"] == model, "value"]
        heights = np.full(len(values), row + shift)
        axis.plot(values, heights, marker, color=colour, alpha=0.75, **{"markersize": 7, **look})


def name_rows(axis: Axes, names: list[str], **look: Any) -> None:
    """Name the rows of an axis, the first on top."""
    axis.set(yticks=range(len(names)), ylim=(len(names) - 0.4, -0.6))
    axis.set_yticklabels(names, **look)


def say(axis: Axes, words: str) -> None:
    """Say in a panel why nothing is drawn there."""
    axis.axis("off")
    axis.text(0.5, 0.5, words, ha="center", va="center", transform=axis.transAxes, fontsize=11)


def model_handles(table: pd.DataFrame) -> list[Artist]:
    """A legend's entries for the models of a table."""
    return [handle(colour, marker, title(model)) for model, (colour, marker) in style(table["model"]).items()]


def legend_above(figure: Figure, handles: Iterable[Artist], columns: int = 4) -> None:
    """A figure's legend, above its panels."""
    place: Any = {"loc": "outside upper center", "columnspacing": 1.0, "handletextpad": 0.4}
    figure.legend(handles=list(handles), ncols=columns, **place)
