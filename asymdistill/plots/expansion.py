"""Chapter 6: what an InfoNCE term does to the rank, what the new dimensions are good for, and what else does the same.

Colours, markers and lines are those of ``two_objectives``.
"""

from collections.abc import Mapping
from textwrap import fill

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from asymdistill.config.names import COSINE, INFONCE, OBJECTIVES, TEACHER
from asymdistill.plots.derived import percent, ratios, variance_shares
from asymdistill.plots.expansion_tables import MEASURES, SWEPT, measure
from asymdistill.plots.runs import Runs
from asymdistill.plots.selection import by_objective, clean, ends, objectives, pick, teacher_of
from asymdistill.plots.style import (
    GREY,
    LOG_RANK,
    band,
    handle,
    legend_above,
    model_handles,
    name_rows,
    panels,
    placeholder,
    plain_log_ticks,
    rank_axis,
    row_of_dots,
    spectrum_axes,
    stacked,
    style,
)
from asymdistill.plots.two_objectives import (
    LOOKS,
    curves,
    lines_of,
    looks_of,
    markers_of,
    of_two_objectives,
    under_noise,
)


@of_two_objectives
def ranks(expansion: Runs, *, published: float) -> Figure:
    """Effective rank of the teacher and of each student by objective, and the factor between the two: one row per run.

    Args:
        expansion: a table of expansion of each run.
        published: the factor that the second paper states.
    """
    runs = {name: pick(table, comparison="gains") for name, table in expansion.items()}
    heights = [0.45 * gains["model"].nunique() + 0.4 for gains in runs.values()]
    layout = [[f"{name} r", f"{name} f"] for name in runs]
    figure, axes = panels(layout, sum(heights) + 0.3 * len(runs) + 0.9, height_ratios=heights)
    for name, gains in runs.items():
        rank, factor = axes[f"{name} r"], axes[f"{name} f"]
        _rows_by_model(rank, pick(gains, "effective_rank"))
        rank_axis(rank)
        rank.set_xlabel("")
        models, by_student = list(dict.fromkeys(gains["model"])), ratios(gains)
        for row, model in enumerate(models):
            row_of_dots(factor, by_student[by_student["model"] == model], row)
        name_rows(factor, models)
        factor.tick_params(labelleft=False)
        factor.margins(x=0.1)
        factor.axvline(1, color=GREY, linewidth=1)
        paper = factor.axvline(published, color=GREY, linestyle=":", linewidth=2, label="factor in the paper")
        rank.set_title(name, loc="left")
    rank.set_xlabel(LOG_RANK.replace(" (", "\n("))
    factor.set_xlabel("factor between the two")
    legend_above(figure, [*markers_of(objectives(gains)), paper], 2)
    return figure


@of_two_objectives
def spectra(singular_values: Runs) -> Figure:
    """Share of the variance in each component on a logarithmic axis, teacher and students of both objectives."""
    figure, axes = stacked(singular_values, 3.3, sharey=True)
    for name, table in singular_values.items():
        curves(axes[name], variance_shares(table), "component", "share")
        spectrum_axes(axes[name])
    axes[name].set_xlabel("component (number)")
    plain_log_ticks(axes[name])
    both = pd.concat(singular_values.values())
    legend_above(figure, [*model_handles(both), *lines_of(objectives(both))])
    return figure


@of_two_objectives
def worth(gains: pd.DataFrame) -> Figure:
    """What the embeddings are good for, by objective: probe, neighbours, agreement with the teacher."""
    labels = {
        "accuracy": "probe\naccuracy (%)",
        "neighbour_accuracy": "neighbour\naccuracy (%)",
        "neighbour_overlap": "shared\nneighbours (%)",
        "aligned_share": "variance in teacher's\ncomponents (%)",
    }
    figure, axes = panels([list(labels)[:2], list(labels)[2:]], 5.0, sharey=True)
    for name, label in labels.items():
        _rows_by_model(axes[name], measure(clean(gains), name), list(dict.fromkeys(gains["model"])))
        axes[name].set_xlabel(label)
    legend_above(figure, markers_of(objectives(gains)))
    return figure


@of_two_objectives
def noise(expansion: Runs, *, chance: Mapping[str, float]) -> Figure:
    """Accuracy under noise of the teacher and of each student by objective: one panel per run.

    Args:
        expansion: a table of expansion of each run.
        chance: by the name of the run, the accuracy of guessing in percent.
    """
    figure, axes = stacked(expansion, 3.0, sharey=True)
    for name, table in expansion.items():
        under_noise(axes[name], pick(table, "accuracy", comparison="gains"), chance.get(name))
        axes[name].set_ylabel(MEASURES["accuracy"])
    axes[name].set_xlabel("noise on the input, σ (normalised)")
    both = pick(pd.concat(expansion.values()), comparison="gains")
    legend_above(figure, [*model_handles(both), *lines_of(objectives(both))])
    return figure


@of_two_objectives
def sweeps(expansion: pd.DataFrame) -> Figure:
    """Rank and accuracy of the narrowest student against weight, temperature and batch size."""
    varied = [name for name in SWEPT if name in set(expansion["comparison"])]
    if not varied:
        return placeholder("this profile varies neither weight nor temperature nor batch size")
    quantities = {"effective_rank": "effective rank", "accuracy": MEASURES["accuracy"]}
    figure, axes = panels([[f"{quantity} {name}" for name in varied] for quantity in quantities], 4.6)
    for quantity, label in quantities.items():
        axes[f"{quantity} {varied[0]}"].set_ylabel(label)
        for name in varied:
            axis = axes[f"{quantity} {name}"]
            axis.sharey(axes[f"{quantity} {varied[0]}"])
            _sweep(axis, pick(expansion, quantity, comparison=name))
            axis.tick_params(labelbottom=quantity == "accuracy", labelleft=name == varied[0])
            axis.set_xlabel(SWEPT[name] if quantity == "accuracy" else "")
    legend_above(figure, lines_of((COSINE, INFONCE)))
    return figure


@of_two_objectives
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
    name_rows(axes["r"], [TEACHER, *(fill(OBJECTIVES[kind], 14) for kind in found)])
    axes["r"].set_xlabel("effective\nrank")
    axes["a"].set_xlabel("accuracy\n(%)")
    axes["n"].set_xlabel("shared neigh-\nbours (%)")
    low, high = (f"σ = {level['sigma'].iloc[0]:g}" for level in ends(pick(rows, "accuracy"), "sigma"))
    legend_above(
        figure, [handle("0.3", "o", f"accuracy at {low}"), handle("0.3", "o", f"at {high}", hollow=True)]
    )  # fmt: skip
    return figure


def _rows_by_model(axis: Axes, table: pd.DataFrame, models: list[str] | None = None) -> None:
    """One row per model: the teacher's dot, or one dot per seed and objective, the second open and below."""
    models = models or list(dict.fromkeys(table["model"]))
    for row, model in enumerate(models):
        own = table[table["model"] == model]
        row_of_dots(axis, own[own["objective"].isna()], row)
        for shift, (kind, (_, look)) in zip((-0.15, 0.15), looks_of(objectives(table)).items(), strict=False):
            row_of_dots(axis, pick(own, objective=kind), row + shift, **look)
    name_rows(axis, models)


def _sweep(axis: Axes, table: pd.DataFrame) -> None:
    """One line per objective against the values of what is varied, evenly spaced."""
    places = {value: place for place, value in enumerate(sorted(table["x"].unique()))}
    for kind, (dashes, look) in looks_of((COSINE, INFONCE)).items():
        rows = pick(table, objective=kind)
        rows = rows.assign(place=rows["x"].map(places))
        for colour, marker in style(rows["model"]).values():
            band(axis, rows, "place", "value", colour, linestyle=dashes, marker=marker, **look)
    axis.set_xticks(list(places.values()), [f"{value:g}" for value in places])
    axis.set_xlim(-0.4, len(places) - 0.6)
