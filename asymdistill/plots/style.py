"""What all figures share: colours, markers, and the parts they are drawn from.

Each model has one colour and one marker in every figure: the teacher is black; S, M and L are the blue, orange and
green of seaborn's colour-blind palette; the sizes that the paper states have its next three, and any other width one
that depends on the width alone. Every figure is as wide as a phone can show it: there, where a picture is 350 pixels
wide, no letter is below 11.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from textwrap import fill
from typing import Any
from zlib import crc32

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from asymdistill.config.names import TEACHER
from asymdistill.plots.runs import Runs, options_of, with_control

WIDTH = 4.8  # inches
SHARE_FLOOR = 1e-6  # of the variance: shares below it are rounding errors
RANK = "effective rank (dimensions)"  # the label of an axis
LOG_RANK = "effective rank (dimensions, log scale)"
NUMBER = 0.2  # of the width of a narrow panel: what the number at a tick takes up
SMALL = 10.8  # points: 11 pixels where a figure is 350 wide; no letter is smaller
Colour = tuple[float, float, float]
BLACK: Colour = (0.1, 0.1, 0.1)
GREY: Colour = (0.45, 0.45, 0.45)
# Seaborn's palette "colorblind", without seaborn: importing it takes longer than drawing a figure.
_CODES = "0173b2", "de8f05", "029e73", "d55e00", "cc78bc", "ca9161", "fbafe4", "949494", "ece133", "56b4e9"
PALETTE: tuple[Colour, ...] = tuple(to_rgb(f"#{code}") for code in _CODES)
# The widths that the first paper runs, and those that have the sizes it states.
_FIXED = {
    TEACHER: (BLACK, "s"),
    **dict(zip(("S", "M", "L", "w=0.5", "w=3", "w=10"), zip(PALETTE, "o^DvPX", strict=False), strict=True)),
}
_SPARE = [(PALETTE[6 + index % 4], "<>hp*dH"[index % 7]) for index in range(28)]  # each colour with each marker
STYLE: Any = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11,
    "figure.dpi": 160,
    "font.size": 11,
    "grid.color": "0.9",
    "legend.frameon": False,
    "svg.fonttype": "none",
}
HOLLOW: Any = {"markerfacecolor": "white", "markeredgewidth": 1.5}
PUBLISHED: Any = {"markerfacecolor": "white", "linestyle": "none", "markersize": 10, "markeredgewidth": 1.8}


def style(models: Iterable[str]) -> dict[str, tuple[Colour, str]]:
    """Colour and marker of each model, the same in every figure."""
    return {model: _FIXED.get(model) or _spare(model) for model in dict.fromkeys(models)}


def _spare(model: str) -> tuple[Colour, str]:
    """The look of any other student, which depends on its name alone."""
    width = model.removeprefix("w=")
    # 9 and 28 share no factor, so whole widths differ.
    number = round(9 * float(width)) if width != model else crc32(model.encode())
    return _SPARE[number % len(_SPARE)]


def title(model: str) -> str:
    """A model's name in legends and on axes."""
    return "teacher" if model == TEACHER else f"student {model}"


def lines(axis: Axes, table: pd.DataFrame, x: str, y: str, *, marks: bool = False) -> None:
    """One line per model: the mean over its seeds, within a band from the smallest to the largest value."""
    for model, (colour, marker) in style(table["model"]).items():
        own = table[table["model"] == model]
        band(axis, own, x, y, colour, marker=marker if marks else None, label=title(model))


def band(axis: Axes, table: pd.DataFrame, x: str, y: str, colour: Colour, **line: Any) -> None:
    """The mean over the seeds as a line, within a band from the smallest to the largest value."""
    spread = table.groupby(x)[y].agg(["mean", "min", "max"])
    axis.plot(spread.index, spread["mean"], color=colour, **line)
    axis.fill_between(spread.index, spread["min"], spread["max"], color=colour, alpha=0.15, linewidth=0)


def at_chance(axis: Axes, chance: float | None) -> None:
    """The accuracy of guessing in percent, where it is known, as a dotted line."""
    if chance is not None:
        axis.axhline(chance, color=GREY, linestyle=":")


def dots(axis: Axes, table: pd.DataFrame, **look: Any) -> None:
    """One row per model, one dot per seed; a published value is drawn with the look ``HOLLOW``."""
    looks = style(table["model"])
    for row, (model, (colour, marker)) in enumerate(looks.items()):
        values = table.loc[table["model"] == model, "value"]
        axis.plot(values, np.full(len(values), row), marker, color=colour, markersize=8, alpha=0.75, **look)
    axis.set(yticks=range(len(looks)), ylim=(len(looks) - 0.5, -0.5))
    axis.set_yticklabels([title(model) for model in looks])


def row_of_dots(axis: Axes, table: pd.DataFrame, row: float, *, spread: float = 0.5, **look: Any) -> None:
    """One row of an axis: one dot per seed, the models in their colours and slightly apart so that none is hidden."""
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
    axis.text(0.5, 0.5, words, ha="center", va="center", transform=axis.transAxes, fontsize=SMALL)


def handle(colour: Colour | str, marker: str, label: str, *, hollow: bool = False) -> Line2D:
    """A legend entry: one marker and what it means."""
    return Line2D(
        [], [], linestyle="none", marker=marker, markersize=8, color=colour, label=label,
        markerfacecolor="white" if hollow else colour, markeredgecolor=colour,
    )  # fmt: skip


def model_handles(table: pd.DataFrame) -> list[Artist]:
    """Legend entries for the models of a table."""
    return [handle(colour, marker, title(model)) for model, (colour, marker) in style(table["model"]).items()]


def legend_above(figure: Figure, handles: Iterable[Artist], columns: int = 4) -> None:
    """A figure's legend, above its panels, in as many columns as fit the longest label."""
    handles = list(handles)
    longest = max(len(str(entry.get_label())) for entry in handles)
    columns = max(1, min(columns, int(WIDTH / (0.075 * longest + 0.4))))
    place: Any = {"loc": "outside upper center", "columnspacing": 1.0, "handletextpad": 0.4}
    figure.legend(handles=handles, ncols=columns, **place)


def plain_log_ticks(axis: Axes, subs: tuple[int, ...] | None = None) -> None:
    """Numbers on a logarithmic horizontal axis as people write them: 2, 5, 10, 20, not powers of ten.

    Args:
        axis: its scale is logarithmic, and something is drawn in it.
        subs: multiples of powers of ten that have a number; None: as many as there is room for.
    """
    if subs is None:
        lowest, highest = axis.dataLim.minposx, axis.dataLim.x1
        subs = (1, 3) if highest > 500 * lowest else (1, 2, 5)
    axis.xaxis.set_major_locator(LogLocator(subs=subs))
    axis.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    axis.xaxis.set_minor_formatter(NullFormatter())


def noise_ticks(axis: Axes, sigma: Iterable[float]) -> None:
    """A tick for each noise level, with as few digits as it needs; a number that has no room is left out."""
    levels = sorted(set(sigma))
    shown: list[float] = []
    for level in levels:
        if not shown or level - shown[-1] >= NUMBER * levels[-1]:
            shown.append(level)
    axis.set_xticks(levels, [f"{level:g}" if level in shown else "" for level in levels])


def spectrum_axes(axis: Axes) -> None:
    """The axes of every spectrum: share of the variance over the component, both logarithmic."""
    axis.set(xscale="log", yscale="log", ylabel="share of the variance", ylim=(SHARE_FLOOR, 1))
    axis.yaxis.set_major_formatter(lambda share, _: np.format_float_positional(share, 2, fractional=False, trim="-"))


def rank_axis(axis: Axes) -> None:
    """A logarithmic horizontal axis of effective ranks, once something is drawn in it."""
    axis.set(xscale="log", xlabel=LOG_RANK)
    plain_log_ticks(axis)


def panels(layout: list[Any], height: float, **options: Any) -> tuple[Figure, dict[str, Axes]]:
    """An empty figure of the book's width, and its axes by their names in a mosaic."""
    figure, axes = plt.subplot_mosaic(layout, figsize=(WIDTH, height), layout="constrained", **options)
    return figure, {str(name): axis for name, axis in axes.items()}


def stacked(names: Iterable[str], heights: list[float] | float, **options: Any) -> tuple[Figure, dict[str, Axes]]:
    """One empty panel per name, which is its title, one below the other on a common horizontal axis."""
    names = list(names)
    heights = heights if isinstance(heights, list) else [heights] * len(names)
    shared: Any = {"sharex": True, "height_ratios": heights, **options}
    figure, axes = panels([[name] for name in names], sum(heights) + 0.3 * len(names) + 0.5, **shared)
    if len(names) > 1:
        for name, axis in axes.items():
            axis.set_title(name, loc="left", fontsize=11)
    return figure, axes


def noise_panels(runs: Runs, pixels: Mapping[str, float]) -> tuple[Figure, dict[tuple[str, str], Axes]]:
    """Empty panels for accuracy under noise: one row per run, one column per noise space.

    Args:
        runs: tables with the columns noise_space and sigma, by the name of the run.
        pixels: by the name of the run, a unit of its normalised tensor in units of the range of a pixel.

    Returns:
        The figure, and its axes by run and noise space.
    """
    spaces = list(dict.fromkeys(space for table in runs.values() for space in table["noise_space"]))
    has = {name: set(table["noise_space"]) for name, table in runs.items()}
    layout = [[f"{name}/{space}" if space in own else "." for space in spaces] for name, own in has.items()]
    figure, axes = panels(layout, 2.7 * len(runs) + 0.5, sharey=True)
    found = {(name, space): axes[f"{name}/{space}"] for name in runs for space in spaces if space in has[name]}
    for (name, space), axis in found.items():
        noise_ticks(axis, runs[name]["sigma"])
        axis.tick_params(labelleft=True)
        scale = f"1 is {pixels[name]:.2f} of\nthe pixel range" if name in pixels else "normalised"
        normalised = f"noise on the input, σ\n({scale})"
        picture = "noise on the picture, σ\n(in units of\nthe pixel range)"
        label = normalised if space == "normalised" else picture
        axis.set(xlabel=label, ylim=(0, 101))
        axis.set_title(name, loc="left", fontsize=11)
    for name in runs:
        next(axis for (run, _), axis in found.items() if run == name).set_ylabel("probe accuracy (%)")
    return figure, found


def placeholder(words: str) -> Figure:
    """Stands in for a figure that a profile has no numbers for."""
    figure = plt.figure(figsize=(WIDTH, 1))
    figure.add_axes((0, 0, 1, 1)).axis("off")  # notebooks do not show a figure without axes
    figure.text(0.5, 0.5, fill(words, 44), ha="center", va="center")
    return figure


def of_control(name: str) -> Callable[[Callable[..., Figure]], Callable[..., list[Figure]]]:
    """Decorator: draw one figure for each run that has rows of a control, or a placeholder if none has any.

    What is decorated draws the rows of one run; what comes out takes the tables of controls of several, and options
    that may be mappings from a run to a value.
    """

    def decorate(draw: Callable[..., Figure]) -> Callable[..., list[Figure]]:
        @wraps(draw)
        def drawn(controls: Runs, **options: Any) -> list[Figure]:
            figures = []
            for run, rows in with_control(controls, name).items():
                with plt.rc_context(STYLE):
                    figures.append(draw(rows, **options_of(run, options)))
                    _name(figures[-1], run)
            return figures or [placeholder("no run here has this control")]

        return drawn

    return decorate


def _name(figure: Figure, run: str) -> None:
    """Write a run's name above a figure, and above its legend if that has the place."""
    look: Any = {"weight": "bold", "size": 11}
    if figure.legends:
        figure.legends[0].set_title(run, prop=look)
    else:
        figure.suptitle(run, fontsize=11, weight="bold")
