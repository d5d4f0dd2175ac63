"""The book's figures, drawn from a study's tables.

One colour and one marker a model, everywhere: the teacher is black, S, M and L are the blue, orange and green of
seaborn's colour-blind palette, and other students take the palette's further colours in order of width. Every figure
is about as wide as a column of text, so that its letters stay readable on a phone.
"""

from collections.abc import Iterable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FormatStrFormatter, LogLocator, MaxNLocator, NullFormatter
from torch import Tensor

from asymdistill.config.names import TEACHER
from asymdistill.config.settings import Settings
from asymdistill.data.datasets import ImageSet
from asymdistill.data.views import GaussianNoise, View, see

WIDTH = 6.4  # inches
Colour = tuple[float, float, float]
_PALETTE = sns.color_palette("colorblind")
# The widths that the first paper runs, and those that have the sizes it states.
_FIXED = {
    TEACHER: ((0.1, 0.1, 0.1), "s"),
    **dict(zip(("S", "M", "L", "w=0.5", "w=3", "w=10"), zip(_PALETTE, "o^DvPX", strict=False), strict=True)),
}
_SPARE = [(_PALETTE[6 + index % 4], "<>hp*dH"[index % 7]) for index in range(28)]
STYLE: Any = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.dpi": 110,
    "font.size": 12,
    "grid.color": "0.9",
    "legend.frameon": False,
    "svg.fonttype": "none",
}
PAPER: Any = {"markerfacecolor": "white", "linestyle": "none", "markersize": 10, "markeredgewidth": 1.8}


def style(models: Iterable[str]) -> dict[str, tuple[Colour, str]]:
    """Colour and marker of each model, the same in every figure."""
    others = [model for model in dict.fromkeys(models) if model not in _FIXED]
    spare = {model: _SPARE[index % len(_SPARE)] for index, model in enumerate(others)}
    return {model: _FIXED.get(model) or spare[model] for model in dict.fromkeys(models)}


def gallery(images: Tensor, labels: Tensor, class_names: tuple[str, ...], *, each: int = 4) -> Figure:
    """A few images of up to ten classes, one class a column."""
    shown = class_names[:10]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(each, len(shown), figsize=(WIDTH, 0.72 * each + 0.45), squeeze=False)
        for column, name in enumerate(shown):
            members = (labels == column).nonzero().flatten().tolist()[:each]
            for row, axis in enumerate(axes[:, column]):
                axis.axis("off")
                if row < len(members):
                    axis.imshow(images[members[row]].numpy(), interpolation="nearest")
            axes[0, column].set_title(name, fontsize=8, rotation=40, ha="left", pad=2)
        figure.subplots_adjust(wspace=0.06, hspace=0.06, left=0.01, right=0.95, bottom=0.01, top=1 - 0.5 / (each + 0.5))
    return figure


def noisy_gallery(test: ImageSet, settings: Settings, *, shown: int = 3) -> Figure:
    """A few test images at every noise level: a row an image and noise space, a column a level.

    Noise of the normalised space is drawn at the images' own resolution and shown back in pixels, clipped.
    """
    view = View(test.images.shape[1])
    images = test.images[:shown]
    height = len(images) * len(settings.noise_spaces)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (view.mean, view.std))
    with plt.rc_context(STYLE):
        size = (WIDTH, 1.55 * height + 0.4)
        figure, axes = plt.subplots(height, len(settings.noise_levels), figsize=size, squeeze=False)
        for block, space in enumerate(settings.noise_spaces):
            strips = axes[block * len(images) : (block + 1) * len(images)]
            for sigma, column in zip(settings.noise_levels, strips.T, strict=True):
                seen = see(images, view, GaussianNoise(sigma, space, settings.noise_seed)) * std + mean
                for image, axis in zip(seen.clamp(0, 1).permute(0, 2, 3, 1).numpy(), column, strict=True):
                    axis.imshow(image, interpolation="nearest")
                    axis.set(xticks=[], yticks=[])
                    axis.grid(visible=False)
            for axis in strips[:, 0]:
                axis.set_ylabel(space, fontsize=10)
        for sigma, axis in zip(settings.noise_levels, axes[0], strict=True):
            axis.set_title(f"σ = {sigma:g}", fontsize=12)
        figure.subplots_adjust(wspace=0.05, hspace=0.05, left=0.06, right=0.99, bottom=0.01, top=1 - 0.35 / height)
    return figure


def ranks(spectrum: pd.DataFrame, published: pd.DataFrame) -> Figure:
    """Effective rank of each model: one dot a seed, the paper's value as an open mark."""
    table = spectrum[(spectrum["quantity"] == "effective_rank") & (spectrum["estimator"] == "per seed")]
    looks = style(table["model"])
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(WIDTH, 0.62 * len(looks) + 1.4), layout="constrained")
        dots(axis, table)
        for row, (model, (colour, marker)) in enumerate(looks.items()):
            for value in published.loc[published["model"] == model, "value"]:
                axis.plot([value], [row], marker, markeredgecolor=colour, **PAPER)
        axis.set(xscale="log", xlabel="effective rank (dimensions, log scale)")
        plain_log_ticks(axis)
        handles = [handle("0.3", "o", "this run, one seed each"), handle("0.3", "o", "paper", hollow=True)]
        axis.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.45, 1.22), ncols=2)
    return figure


def spectra(singular_values: pd.DataFrame) -> Figure:
    """Share of the variance in each component, mean and range over the seeds, both axes logarithmic."""
    table = singular_values.copy()
    squared = table["value"] ** 2
    keys = [table["model"], table["seed"].astype("float")]
    table["share"] = squared / squared.groupby(keys, dropna=False).transform("sum")
    floor = 1e-6
    table = table[table["share"] > floor]
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(WIDTH, 4.2), layout="constrained")
        lines(axis, table, "component", "share")
        axis.set(xscale="log", yscale="log", xlabel="component (number)", ylabel="share of the variance")
        plain_log_ticks(axis)
        axis.legend()
    return figure


def losses(training: pd.DataFrame) -> Figure:
    """Mean loss of each epoch, the cosine distance or more, mean and range over the seeds."""
    table = training[~training["augmented"]]
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(WIDTH, 3.6), layout="constrained")
        lines(axis, table, "epoch", "loss", marks=True)
        plain = set(table["objective"]) == {"cosine"}
        axis.set(xlabel="epoch (number)", ylabel=f"{'cosine distance' if plain else 'loss'} (mean)")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_xlim(0.5, table["epoch"].max() + 0.5)
        axis.legend()
    return figure


def alignment(table: pd.DataFrame, published: pd.DataFrame) -> Figure:
    """Cumulative share of each model's variance within the teacher's leading components."""
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(WIDTH, 4.2), layout="constrained")
        lines(axis, table, "component", "share")
        for value in published["value"]:
            axis.plot([20], [value], "o", markeredgecolor="0.3", label="students, as the paper states", **PAPER)
        axis.set(xscale="log", xlabel="leading components of the teacher (number)", ylabel="cumulative share")
        axis.set_ylim(0, 1.03)
        plain_log_ticks(axis)
        axis.legend(loc="lower right")
    return figure


def information(table: pd.DataFrame) -> Figure:
    """InfoNCE and uniformity of each student: one dot a seed."""
    panels = {"info_nce": "InfoNCE loss (nats)", "uniformity": "uniformity loss (log of a mean)"}
    students = table[table["model"] != TEACHER]
    height = 1.1 * students["model"].nunique() + 2.2
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(2, 1, figsize=(WIDTH, height), layout="constrained")
        for axis, (quantity, label) in zip(axes, panels.items(), strict=True):
            dots(axis, students[students["quantity"] == quantity])
            axis.set_xlabel(label)
    return figure


def robustness(table: pd.DataFrame, *, chance: float) -> Figure:
    """Accuracy of the clean probe against the noise, mean and range over the seeds, one panel a noise space.

    Args:
        table: a study's robustness table.
        chance: accuracy of guessing in percent, drawn as a dotted line.
    """
    with plt.rc_context(STYLE):
        figure, panels = _noise_panels(table)
        for space, axis in panels.items():
            lines(axis, table[table["noise_space"] == space], "sigma", "accuracy", marks=True)
            axis.axhline(chance, color="0.5", linestyle=":", linewidth=1.5)
        figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center", ncols=4, columnspacing=1.2)
    return figure


def augmentation(table: pd.DataFrame) -> Figure:
    """Accuracy under noise of the largest student, trained with and without augmentation."""
    if table.empty:
        return placeholder("no student was trained with augmentation")
    colour, marker = style(table["model"])[table["model"].iloc[0]]
    with plt.rc_context(STYLE):
        figure, panels = _noise_panels(table)
        for space, axis in panels.items():
            for augmented, dashes in ((False, "-"), (True, "--")):
                own = table[(table["noise_space"] == space) & (table["augmented"] == augmented)]
                label = "with augmentation" if augmented else "without"
                face = "white" if augmented else colour
                band(axis, own, "sigma", "accuracy", colour, linestyle=dashes, marker=marker, mfc=face, label=label)
        figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def placeholder(words: str) -> Figure:
    """What stands in place of a figure that a profile has no numbers for."""
    figure = plt.figure(figsize=(WIDTH, 1))
    figure.text(0.5, 0.5, words, ha="center", va="center")
    return figure


def _noise_panels(table: pd.DataFrame) -> tuple[Figure, dict[str, Axes]]:
    """Empty panels for accuracy against noise, one a noise space, below each other."""
    spaces = list(dict.fromkeys(table["noise_space"]))
    size = (WIDTH, 3.4 * len(spaces) + 0.4)
    figure, axes = plt.subplots(len(spaces), 1, figsize=size, layout="constrained", squeeze=False)
    for axis, space in zip(axes.flat, spaces, strict=True):
        axis.set_xticks(sorted(table["sigma"].unique()))
        unit = "of the normalised tensor" if space == "normalised" else "of the pixel range"
        axis.set(xlabel=f"noise: standard deviation, in units {unit}", ylabel="probe accuracy (%)", ylim=(0, 101))
    return figure, dict(zip(spaces, axes.flat, strict=True))


def lines(axis: Axes, table: pd.DataFrame, x: str, y: str, *, marks: bool = False) -> None:
    """One line a model, the mean over its seeds, within a band from the least to the greatest."""
    for model, (colour, marker) in style(table["model"]).items():
        own = table[table["model"] == model]
        band(axis, own, x, y, colour, marker=marker if marks else None, label=title(model))


def band(axis: Axes, table: pd.DataFrame, x: str, y: str, colour: Colour, **line: Any) -> None:
    """The mean over the seeds as a line, within a band from the least to the greatest."""
    spread = table.groupby(x)[y].agg(["mean", "min", "max"])
    axis.plot(spread.index, spread["mean"], color=colour, **line)
    axis.fill_between(spread.index, spread["min"], spread["max"], color=colour, alpha=0.15, linewidth=0)


def dots(axis: Axes, table: pd.DataFrame) -> None:
    """One row a model, one dot a seed."""
    looks = style(table["model"])
    for row, (model, (colour, marker)) in enumerate(looks.items()):
        values = table.loc[table["model"] == model, "value"]
        axis.plot(values, np.full(len(values), row), marker, color=colour, markersize=8, alpha=0.75)
    axis.set(yticks=range(len(looks)), ylim=(len(looks) - 0.5, -0.5))
    axis.set_yticklabels([title(model) for model in looks])


def title(model: str) -> str:
    """A model's name as legends and axes have it."""
    return "teacher" if model == TEACHER else f"student {model}"


def handle(colour: Colour | str, marker: str, label: str, *, hollow: bool = False) -> Line2D:
    """A legend's entry: one mark and what it means."""
    return Line2D(
        [], [], linestyle="none", marker=marker, markersize=8, color=colour, label=label,
        markerfacecolor="white" if hollow else colour, markeredgecolor=colour,
    )  # fmt: skip


def plain_log_ticks(axis: Axes) -> None:
    """Numbers on a logarithmic horizontal axis as people write them: 2, 5, 10, 20, not powers of ten."""
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    axis.xaxis.set_minor_formatter(NullFormatter())
