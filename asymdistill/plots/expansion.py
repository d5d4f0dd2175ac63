"""Figures of chapters 6 and 7: what an InfoNCE term changes, what it buys, and whether it is so elsewhere.

Colours and markers are the models', as everywhere. Filled marks and solid lines are students of the first objective,
open marks and dashed lines those of the second.
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

from asymdistill.config.names import INFONCE, OBJECTIVES, TEACHER
from asymdistill.plots.style import (
    BLACK,
    GREY,
    HOLLOW,
    STYLE,
    WIDTH,
    band,
    handle,
    legend_above,
    model_handles,
    name_rows,
    panels,
    placeholder,
    row_of_dots,
    style,
)
from asymdistill.plots.tables import (
    by_objective,
    cells,
    clean,
    ends,
    objectives,
    percent,
    pick,
    ratios,
    students_of,
    teacher_of,
    two,
)

RANK = "effective rank (dimensions)"
DASHES = ("-", "--")
LOOKS: tuple[Any, Any] = ({}, HOLLOW)
SWEPT = {"weight": "weight of InfoNCE", "temperature": "temperature", "batch_size": "images a batch"}
Draw = Callable[..., Figure]


def _of_two(draw: Draw) -> Draw:
    """Draw a placeholder where students were trained for one objective only."""

    @wraps(draw)
    def drawn(table: pd.DataFrame, *more: Any, **options: Any) -> Figure:
        if len(objectives(table)) < 2:
            return placeholder("this profile trains students for one objective only")
        with plt.rc_context({**STYLE, "axes.titlesize": 12, "legend.fontsize": 11}):
            return draw(table, *more, **options)

    return drawn


@_of_two
def spectra(singular_values: pd.DataFrame) -> Figure:
    """Share of the variance in each component on a logarithmic axis: teacher, and students of both objectives."""
    squared = singular_values["value"] ** 2
    keys = [singular_values[name].astype("string") for name in ("model", "objective", "seed")]
    table = singular_values.assign(value=squared / squared.groupby(keys, dropna=False).transform("sum"))
    figure, axis = plt.subplots(figsize=(WIDTH, 4.4), layout="constrained")
    band(axis, teacher_of(table), "component", "value", BLACK)
    for kind, (dashes, _) in _looks(objectives(table)).items():
        own = pick(table, objective=kind)
        for model, (colour, _) in style(own["model"]).items():
            band(axis, own[own["model"] == model], "component", "value", colour, linestyle=dashes)
    axis.set(yscale="log", xlabel="component (number)", ylabel="share of the variance")
    axis.set_ylim(bottom=max(1e-7, float(table["value"].min())))
    legend_above(figure, [*model_handles(table), *_lines_of(objectives(table))])
    return figure


@_of_two
def ranks(gains: pd.DataFrame, *, published: float) -> Figure:
    """Effective rank of the teacher and of each student, by objective; and the factor between the two objectives.

    Args:
        gains: the comparison of that name in a study's table of expansion.
        published: the factor that the second paper states.
    """
    figure, axes = panels([["r", "f"]], 2.9, sharey=True)
    _rows_by_model(axes["r"], pick(gains, "effective_rank"))
    factor = ratios(gains)
    for row, model in enumerate(dict.fromkeys(gains["model"])):
        row_of_dots(axes["f"], factor[factor["model"] == model], row)
    axes["f"].axvline(1, color=GREY, linewidth=1)
    axes["f"].axvline(published, color=GREY, linestyle=":", linewidth=2)
    axes["r"].set_xlabel(RANK)
    axes["f"].set(xlabel="factor between the two")
    legend_above(
        figure, [*_marks_of(objectives(gains)), Line2D([], [], color=GREY, linestyle=":", linewidth=2, label="paper")]
    )
    return figure


@_of_two
def sweeps(expansion: pd.DataFrame) -> Figure:
    """Rank and accuracy of the narrowest student against weight, temperature and batch size."""
    varied = [name for name in SWEPT if name in set(expansion["comparison"])]
    if not varied:
        return placeholder("this profile varies none of them")
    layout = [[f"{quantity} {name}" for name in varied] for quantity in ("effective_rank", "accuracy")]
    figure, axes = panels(layout, 4.6)
    for name in varied:
        own = pick(expansion, comparison=name)
        places = {value: place for place, value in enumerate(sorted(own["x"].unique()))}
        for quantity in ("effective_rank", "accuracy"):
            axis, table = axes[f"{quantity} {name}"], pick(own, quantity)
            axis.sharey(axes[f"{quantity} {varied[0]}"])
            for kind, (dashes, look) in _looks(("cosine", INFONCE)).items():
                rows = pick(table, objective=kind)
                if rows.empty:
                    continue
                rows = rows.assign(place=rows["x"].map(places))
                ((colour, marker),) = style(rows["model"]).values()
                band(axis, rows, "place", "value", colour, linestyle=dashes, marker=marker, **look)
            axis.set_xticks(list(places.values()), [f"{value:g}" for value in places])
            axis.set_xlim(-0.4, len(places) - 0.6)
            axis.tick_params(labelbottom=quantity == "accuracy", labelleft=name == varied[0])
        axes[f"accuracy {name}"].set_xlabel(SWEPT[name])
    axes[f"effective_rank {varied[0]}"].set_ylabel("effective rank")
    axes[f"accuracy {varied[0]}"].set_ylabel("probe accuracy (%)")
    legend_above(figure, _lines_of(("cosine", INFONCE)))
    return figure


@_of_two
def worth(gains: pd.DataFrame) -> Figure:
    """What the embeddings are good for, by objective: probe, neighbours, agreement with the teacher."""
    shown = {
        "accuracy": "probe accuracy (%)",
        "neighbour_accuracy": "accuracy of neighbours (%)",
        "neighbour_overlap": "shared neighbours (%)",
        "aligned_share": "variance the teacher has (%)",
    }
    figure, axes = panels(
        [["accuracy", "neighbour_accuracy"], ["neighbour_overlap", "aligned_share"]], 4.6, sharey=True
    )
    for name, label in shown.items():
        take = percent if name in ("neighbour_overlap", "aligned_share") else pick
        _rows_by_model(axes[name], take(clean(gains), name), list(dict.fromkeys(gains["model"])))
        axes[name].set_xlabel(label)
    legend_above(figure, _marks_of(objectives(gains)))
    return figure


@_of_two
def noise(gains: pd.DataFrame, *, chance: float) -> Figure:
    """Accuracy under noise of the teacher and of each student, by objective.

    Args:
        gains: the comparison of that name in a study's table of expansion.
        chance: accuracy of guessing in percent.
    """
    figure, axis = plt.subplots(figsize=(WIDTH, 3.9), layout="constrained")
    _under_noise(axis, pick(gains, "accuracy"), chance)
    axis.set(xlabel="noise, σ (normalised)", ylabel="probe accuracy (%)")
    legend_above(figure, [*model_handles(gains), *_lines_of(objectives(gains))])
    return figure


@_of_two
def alternatives(expansion: pd.DataFrame) -> Figure:
    """Rank, accuracy and neighbours of the narrowest student by objective, beside the teacher."""
    rows = pick(expansion, comparison=["gains", "alternatives"])
    found = by_objective(expansion)
    figure, axes = panels([["r", "a", "n"]], 0.5 * len(found) + 2.0, sharey=True)
    for row, own in enumerate([teacher_of(rows), *found.values()]):
        row_of_dots(axes["r"], pick(own, "effective_rank"), row)
        for level, look in zip(ends(pick(own, "accuracy"), "sigma"), LOOKS, strict=True):
            row_of_dots(axes["a"], level, row, **look)
        row_of_dots(axes["n"], percent(own, "neighbour_overlap"), row)
    name_rows(axes["r"], ["teacher", *(OBJECTIVES[kind] for kind in found)])
    axes["r"].set_xlabel("effective rank")
    axes["a"].set_xlabel("accuracy (%)")
    axes["n"].set_xlabel("shared neigh-\nbours (%)")
    low, high = (f"σ = {level['sigma'].iloc[0]:g}" for level in ends(pick(rows, "accuracy"), "sigma"))
    legend_above(
        figure, [handle("0.3", "o", f"accuracy at {low}"), handle("0.3", "o", f"at {high}", hollow=True)]
    )  # fmt: skip
    return figure


@_of_two
def pushed(expansion: pd.DataFrame, *, weight: float, largest: float) -> Figure:
    """Effective rank against the students' width: without InfoNCE, with it, and with the largest weight.

    Args:
        expansion: a study's table of expansion.
        weight: of the InfoNCE term in the grid.
        largest: weight that is tried.
    """
    rows = pick(expansion, "effective_rank")
    gains, most = pick(rows, comparison="gains"), pick(rows, comparison="width")
    if most.empty:
        return placeholder("this profile does not push weight and width")
    figure, axis = plt.subplots(figsize=(WIDTH, 3.6), layout="constrained")
    first, second = two(gains)
    lines = {
        "without InfoNCE": (pick(gains, objective=first), "-", {}),
        f"weight {weight:g}": (pick(gains, objective=second), "--", HOLLOW),
        f"weight {largest:g}": (most, ":", HOLLOW),
    }
    for label, (own, dashes, look) in lines.items():
        axis.plot(own.groupby("width")["value"].mean(), color=GREY, linestyle=dashes, label=label, zorder=1)
        for model, (colour, marker) in style(own["model"]).items():
            points = own[own["model"] == model]
            axis.plot(points["width"], points["value"], marker, color=colour, alpha=0.75, **look)
    axis.axhline(teacher_of(gains)["value"].mean(), color=BLACK, linewidth=1.5, label="teacher")
    axis.set(xscale="log", xlabel="width of the student (factor on its channels)", ylabel=RANK)
    axis.set_ylim(0, 1.1 * max(gains["value"].max(), most["value"].max()))
    widths = sorted(set(students_of(rows)["width"]))
    axis.set_xticks(widths, [f"{width:g}" for width in widths])
    axis.minorticks_off()
    legend_above(figure, axis.get_legend_handles_labels()[0])
    return figure


@_of_two
def crossing(generality: pd.DataFrame) -> Figure:
    """Effective rank of teacher and students by data set, teacher and objective."""
    found = cells(generality)
    figure, axes = panels([["r"]], 0.75 * len(found) + 1.2)
    for row, own in enumerate(found.values()):
        table = pick(own, "effective_rank")
        row_of_dots(axes["r"], teacher_of(table), row)
        for shift, (kind, (_, look)) in zip((-0.2, 0.2), _looks(objectives(table)).items(), strict=False):
            row_of_dots(axes["r"], pick(table, objective=kind), row + shift, spread=0.15, **look)
    name_rows(axes["r"], ["\n".join(name) for name in found], fontsize=10)
    axes["r"].set_xlabel(RANK)
    legend_above(figure, [*model_handles(generality), *_marks_of(objectives(generality))])
    return figure


@_of_two
def noise_elsewhere(generality: pd.DataFrame) -> Figure:
    """Accuracy under noise on the data set with the most classes, one panel a teacher."""
    most = generality[generality["classes"] == generality["classes"].max()]
    found = cells(pick(most, "accuracy", dataset=most["dataset"].iloc[0]))
    figure, axes = panels([[str(row) for row in range(len(found))]], 3.7, sharey=True)
    for axis, ((_, teacher), own) in zip(axes.values(), found.items(), strict=True):
        _under_noise(axis, own, 100 / own["classes"].iloc[0])
        axis.set(xlabel="noise, σ (normalised)", title=f"teacher {teacher}")
    axes["0"].set_ylabel("probe accuracy (%)")
    legend_above(figure, [*model_handles(most), *_lines_of(objectives(generality))])
    return figure


def _rows_by_model(axis: Axes, table: pd.DataFrame, models: list[str] | None = None) -> None:
    """One row a model: the teacher's dot, or a dot a seed of each objective, the second open and below."""
    models = models or list(dict.fromkeys(table["model"]))
    for row, model in enumerate(models):
        own = table[table["model"] == model]
        row_of_dots(axis, own[own["objective"].isna()], row)
        for shift, (kind, (_, look)) in zip((-0.15, 0.15), _looks(objectives(table)).items(), strict=False):
            row_of_dots(axis, pick(own, objective=kind), row + shift, **look)
    name_rows(axis, ["teacher" if model == TEACHER else model for model in models])


def _under_noise(axis: Axes, accuracy: pd.DataFrame, chance: float) -> None:
    band(axis, teacher_of(accuracy), "sigma", "value", BLACK, marker="s")
    for kind, (dashes, look) in _looks(objectives(accuracy)).items():
        own = pick(accuracy, objective=kind)
        for model, (colour, marker) in style(own["model"]).items():
            rows = own[own["model"] == model]
            band(axis, rows, "sigma", "value", colour, linestyle=dashes, marker=marker, **look)
    axis.axhline(chance, color=GREY, linestyle=":", linewidth=1.5)
    axis.set_ylim(0, 101)
    axis.set_xticks(sorted(accuracy["sigma"].unique()))


def _looks(kinds: Sequence[str]) -> dict[str, tuple[Any, Any]]:
    """Line and marks of each of two objectives."""
    return {kind: (dashes, look) for kind, dashes, look in zip(kinds, DASHES, LOOKS, strict=False)}


def _lines_of(kinds: Sequence[str]) -> list[Artist]:
    return [
        Line2D([], [], color=GREY, linestyle=dashes, label=OBJECTIVES[kind])
        for kind, (dashes, _) in _looks(kinds).items()
    ]


def _marks_of(kinds: Sequence[str]) -> list[Artist]:
    return [handle("0.3", "o", OBJECTIVES[kind], hollow=bool(look)) for kind, (_, look) in _looks(kinds).items()]
