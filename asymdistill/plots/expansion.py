"""Chapter 6: what an InfoNCE term does to the rank, what the new dimensions are good for, and what else does the same.

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

from asymdistill.config.names import COSINE, INFONCE, OBJECTIVES, TEACHER
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
    clean,
    ends,
    noise_loss,
    objectives,
    paired,
    percent,
    pick,
    ratios,
    shown,
    span,
    students_of,
    teacher_of,
    two,
)

RANK = "effective rank (dimensions)"
DASHES = ("-", "--")
LOOKS: tuple[Any, Any] = ({}, HOLLOW)
SWEPT = {"weight": "weight of InfoNCE", "temperature": "temperature", "batch_size": "batch size"}
MEASURES = {
    "accuracy": "probe accuracy (%)",
    "neighbour_accuracy": "nearest-neighbour accuracy (%)",
    "neighbour_overlap": "neighbours shared with the teacher (%)",
    "aligned_share": "variance in the teacher's components (%)",
    "distance": "cosine distance to the teacher",
}
_SHARES = ("neighbour_overlap", "aligned_share")
Draw = Callable[..., Figure]


def numbers(expansion: pd.DataFrame) -> dict[str, float]:
    """The numbers of this chapter for prose: means over all students, NaN where there is one objective only.

    Args:
        expansion: a study's table of expansion.

    Returns:
        ``expansion_factor``, rank with the second objective divided by rank with the first, and the two ranks,
        ``er_mean_cosine`` (first objective) and ``er_infonce`` (second).
    """
    gains = pick(expansion, comparison="gains")
    if len(objectives(gains)) < 2:
        return dict.fromkeys(("expansion_factor", "er_infonce", "er_mean_cosine"), float("nan"))
    first, second = (pick(gains, "effective_rank", objective=kind)["value"] for kind in two(gains))
    return {
        "expansion_factor": float(ratios(gains)["value"].mean()),
        "er_infonce": float(second.mean()),
        "er_mean_cosine": float(first.mean()),
    }


def table(expansion: pd.DataFrame) -> pd.DataFrame:
    """Effective rank of each student by objective, the factor between the two, and the teacher's rank.

    Args:
        expansion: a study's table of expansion.

    Returns:
        One row per student width: mean ± standard deviation over seeds, and the range of the factor.
    """
    gains = pick(expansion, comparison="gains")
    kinds, ranks = two(gains), pick(gains, "effective_rank")
    rows = []
    for model, own in students_of(ranks).groupby("model", sort=False):
        row: dict[str, object] = {"student": model, **per_objective(own, kinds)}
        if len(kinds) > 1:
            factor = pick(ratios(gains), model=model)["value"]
            row |= {"factor": shown(factor, 2), "range of factor": span(factor, 2)}
        rows.append(row | {"teacher": shown(teacher_of(ranks)["value"]), "seeds": own["seed"].nunique()})
    return pd.DataFrame(rows)


def worth_table(gains: pd.DataFrame) -> pd.DataFrame:
    """What the embeddings are good for, by objective, and the change from the first objective to the second.

    Args:
        gains: the comparison of that name in a study's table of expansion.

    Returns:
        One row per measure: mean ± standard deviation over all students, and the range of their paired changes.
    """
    kinds, noisiest = two(gains), ends(pick(gains, "accuracy"), "sigma")[1]
    measured = {label: _measure(clean(gains), name) for name, label in MEASURES.items()}
    measured |= {f"probe accuracy (%) at σ = {noisiest['sigma'].max():g}": noisiest}
    rows = []
    for label, own in measured.items():
        digits = 1 if "%" in label else 3
        row: dict[str, object] = {"measure": label, "teacher": shown(teacher_of(own)["value"], digits)}
        row |= per_objective(own, kinds, digits)
        if len(kinds) > 1:
            change = paired(*(pick(own, objective=kind) for kind in kinds))
            row |= {"change": shown(change, digits), "range of change": span(change, digits)}
        rows.append(row | {"students": len(pick(own, objective=kinds[0]))})
    return pd.DataFrame(rows)


def longer_table(gains: pd.DataFrame, controls: pd.DataFrame, *, epochs: int) -> pd.DataFrame:
    """Effective rank of the narrowest student after longer training, beside that of a second objective.

    Args:
        gains: the comparison of that name in a study's table of expansion.
        controls: a study's table of controls, the first of which trains for longer.
        epochs: epochs for which the profile trains.

    Returns:
        One row per objective and number of epochs: mean ± standard deviation over seeds.
    """
    kinds, ranks = two(gains), pick(gains, "effective_rank")
    narrow = ends(students_of(ranks))[0]
    found = [(OBJECTIVES[kind], epochs, pick(narrow, objective=kind)) for kind in kinds]
    long = ends(pick(controls, "epoch_rank", control="underfitting", variant="constant"), "x")[1]
    if not long.empty:
        found.insert(1, (OBJECTIVES[kinds[0]], int(long["x"].max()), long))
    rows = [
        {"objective": kind, "epochs": count, "effective rank": shown(own["value"]), "seeds": len(own)}
        for kind, count, own in found
    ]
    return pd.DataFrame([*rows, {"objective": TEACHER, "effective rank": shown(teacher_of(ranks)["value"])}]).astype(
        {"epochs": "Int64", "seeds": "Int64"}
    )


def sweeps_table(expansion: pd.DataFrame) -> pd.DataFrame:
    """Rank and accuracy of the narrowest student at each value of what is varied: one row per value and objective."""
    own = pick(expansion, comparison=list(SWEPT))
    rows = [
        {"varied": SWEPT[str(name)], "value": f"{x:g}", "objective": OBJECTIVES[str(kind)], **_rank_and_accuracy(part)}
        for (name, x, kind), part in own.groupby(["comparison", "x", "objective"], sort=False)
    ]
    return pd.DataFrame(rows, columns=["varied", "value", "objective", "effective rank", MEASURES["accuracy"], "seeds"])


def alternatives_table(expansion: pd.DataFrame) -> pd.DataFrame:
    """What the narrowest student is worth: one row per objective."""
    rows = []
    for kind, own in by_objective(expansion).items():
        quiet = clean(own)
        more = {
            "lost to noise (points)": shown(noise_loss(pick(own, "accuracy"))["value"]),
            "neighbours (%)": shown(pick(quiet, "neighbour_accuracy")["value"]),
            "shared (%)": shown(percent(quiet, "neighbour_overlap")["value"]),
            "distance": shown(pick(quiet, "distance")["value"], 3),
        }
        rows.append({"objective": OBJECTIVES[kind], **_rank_and_accuracy(quiet), **more})
    return pd.DataFrame(rows)


def per_objective(own: pd.DataFrame, kinds: Sequence[str], digits: int = 1) -> dict[str, object]:
    """Cells of a table: mean ± standard deviation for each objective, under its name."""
    return {OBJECTIVES[kind]: shown(pick(own, objective=kind)["value"], digits) for kind in kinds}


def _rank_and_accuracy(rows: pd.DataFrame) -> dict[str, object]:
    rank, accuracy = (pick(clean(rows), quantity)["value"] for quantity in ("effective_rank", "accuracy"))
    return {"effective rank": shown(rank), MEASURES["accuracy"]: shown(accuracy), "seeds": len(rank)}


def _measure(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    return percent(rows, name) if name in _SHARES else pick(rows, name)


def of_two_objectives(draw: Draw) -> Draw:
    """Decorator: draw a placeholder where students were trained for one objective only."""

    @wraps(draw)
    def drawn(table: pd.DataFrame, *more: Any, **options: Any) -> Figure:
        if len(objectives(table)) < 2:
            return placeholder("this profile trains students for one objective only")
        with plt.rc_context({**STYLE, "axes.titlesize": 12, "legend.fontsize": 11}):
            return draw(table, *more, **options)

    return drawn


@of_two_objectives
def ranks(gains: pd.DataFrame, *, published: float) -> Figure:
    """Effective rank of the teacher and of each student, by objective; and the factor between the two objectives.

    Args:
        gains: the comparison of that name in a study's table of expansion.
        published: the factor that the second version of the paper states.
    """
    figure, axes = panels([["r", "f"]], 2.9, sharey=True)
    _rows_by_model(axes["r"], pick(gains, "effective_rank"))
    factor = ratios(gains)
    for row, model in enumerate(dict.fromkeys(gains["model"])):
        row_of_dots(axes["f"], factor[factor["model"] == model], row)
    axes["f"].axvline(1, color=GREY, linewidth=1)
    paper = axes["f"].axvline(published, color=GREY, linestyle=":", linewidth=2, label="paper")
    axes["r"].set_xlabel(RANK)
    axes["f"].set(xlabel="factor between the two")
    legend_above(figure, [*markers_of(objectives(gains)), paper])
    return figure


@of_two_objectives
def spectra(singular_values: pd.DataFrame) -> Figure:
    """Share of the variance in each component on a logarithmic axis: teacher, and students of both objectives."""
    squared = singular_values["value"] ** 2
    keys = [singular_values[name].astype("string") for name in ("model", "objective", "seed")]
    table = singular_values.assign(value=squared / squared.groupby(keys, dropna=False).transform("sum"))
    figure, axis = plt.subplots(figsize=(WIDTH, 4.4), layout="constrained")
    band(axis, teacher_of(table), "component", "value", BLACK)
    for kind, (dashes, _) in looks_of(objectives(table)).items():
        own = pick(table, objective=kind)
        for model, (colour, _) in style(own["model"]).items():
            band(axis, own[own["model"] == model], "component", "value", colour, linestyle=dashes)
    axis.set(yscale="log", xlabel="component (number)", ylabel="share of the variance")
    axis.set_ylim(max(1e-7, float(table["value"].min())), 1)
    legend_above(figure, [*model_handles(table), *lines_of(objectives(table))])
    return figure


@of_two_objectives
def worth(gains: pd.DataFrame) -> Figure:
    """What the embeddings are good for, by objective: probe, neighbours, agreement with the teacher."""
    labels = {
        "accuracy": MEASURES["accuracy"],
        "neighbour_accuracy": "neighbour accuracy (%)",
        "neighbour_overlap": "shared neighbours (%)",
        "aligned_share": "variance the teacher has (%)",
    }
    figure, axes = panels([list(labels)[:2], list(labels)[2:]], 4.6, sharey=True)
    for name, label in labels.items():
        _rows_by_model(axes[name], _measure(clean(gains), name), list(dict.fromkeys(gains["model"])))
        axes[name].set_xlabel(label)
    legend_above(figure, markers_of(objectives(gains)))
    return figure


@of_two_objectives
def noise(gains: pd.DataFrame, *, chance: float) -> Figure:
    """Accuracy under noise of the teacher and of each student, by objective.

    Args:
        gains: the comparison of that name in a study's table of expansion.
        chance: accuracy of guessing in percent.
    """
    figure, axis = plt.subplots(figsize=(WIDTH, 3.9), layout="constrained")
    under_noise(axis, pick(gains, "accuracy"), chance)
    axis.set(xlabel="noise, σ (normalised)", ylabel=MEASURES["accuracy"])
    legend_above(figure, [*model_handles(gains), *lines_of(objectives(gains))])
    return figure


@of_two_objectives
def sweeps(expansion: pd.DataFrame) -> Figure:
    """Rank and accuracy of the narrowest student against weight, temperature and batch size."""
    varied = [name for name in SWEPT if name in set(expansion["comparison"])]
    if not varied:
        return placeholder("this profile varies none of them")
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
    name_rows(axes["r"], [TEACHER, *(OBJECTIVES[kind] for kind in found)])
    axes["r"].set_xlabel("effective rank")
    axes["a"].set_xlabel("accuracy (%)")
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


def under_noise(axis: Axes, accuracy: pd.DataFrame, chance: float) -> None:
    """Accuracy against noise: the teacher, and students of both objectives."""
    band(axis, teacher_of(accuracy), "sigma", "value", BLACK, marker="s")
    for kind, (dashes, look) in looks_of(objectives(accuracy)).items():
        own = pick(accuracy, objective=kind)
        for model, (colour, marker) in style(own["model"]).items():
            rows = own[own["model"] == model]
            band(axis, rows, "sigma", "value", colour, linestyle=dashes, marker=marker, **look)
    axis.axhline(chance, color=GREY, linestyle=":", linewidth=1.5)
    axis.set_ylim(0, 101)
    axis.set_xticks(sorted(accuracy["sigma"].unique()))


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
