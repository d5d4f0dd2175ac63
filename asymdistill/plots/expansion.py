"""Chapter 6: what an InfoNCE term does to the rank, what the new dimensions are good for, and what else does the same.

Colours and markers are the models', as in every figure. Filled markers and solid lines are students of the first
objective, open markers and dashed lines those of the second.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from textwrap import fill
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from asymdistill.claims.ledger import stated
from asymdistill.config.names import COSINE, INFONCE, OBJECTIVES, PAPER, TEACHER
from asymdistill.plots.style import (
    BLACK,
    GREY,
    HOLLOW,
    STYLE,
    band,
    handle,
    legend_above,
    model_handles,
    name_rows,
    noise_ticks,
    panels,
    placeholder,
    plain_log_ticks,
    row_of_dots,
    spectrum_axes,
    stacked,
    style,
)
from asymdistill.plots.tables import (
    Runs,
    by_objective,
    clean,
    dashed,
    ends,
    noise_loss,
    number,
    objectives,
    of_each,
    paired,
    percent,
    pick,
    ratios,
    shown,
    span,
    students_of,
    teacher_of,
    two,
    variance_shares,
)

RANK = "effective rank (dimensions)"
DASHES = ("-", "--")
LOOKS: tuple[Any, Any] = ({}, HOLLOW)
SWEPT = {"weight": "weight of InfoNCE", "temperature": "temperature", "batch_size": "batch size"}
MEASURES = {
    "accuracy": "probe accuracy (%)",
    "train_accuracy": "probe accuracy on training images (%)",
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


def table(expansion: Runs) -> pd.DataFrame:
    """Effective rank of each student by objective, and the factor between the two: the paper's and of each run.

    Args:
        expansion: a table of expansion of each run.

    Returns:
        A row with what the paper's abstract says of all its students, then for each run one row per student width: mean
        ± standard deviation over seeds, the range of the factor, and the teacher's rank.
    """
    return dashed(pd.concat([_papers_row(), of_each(expansion, _ranks_by_student)], ignore_index=True))


def _papers_row() -> pd.DataFrame:
    paper = stated()
    row = {"from": PAPER, "student": "all", "teacher": number(paper["v1-rank-teacher"], None, 1)}
    ranks = (paper["v2-baseline-rank"], paper["v2-infonce-rank"])
    row |= {OBJECTIVES[kind]: number(rank, None, 1) for kind, rank in zip((COSINE, INFONCE), ranks, strict=True)}
    return pd.DataFrame([row | {"factor": number(paper["v2-expansion"], None, 2)}])


def _ranks_by_student(expansion: pd.DataFrame) -> pd.DataFrame:
    gains = pick(expansion, comparison="gains")
    kinds, ranks = two(gains), pick(gains, "effective_rank")
    rows = []
    for model, own in students_of(ranks).groupby("model", sort=False):
        row: dict[str, object] = {"student": model, "teacher": shown(teacher_of(ranks)["value"])}
        row |= per_objective(own, kinds)
        if len(kinds) > 1:
            factor = pick(ratios(gains), model=model)["value"]
            row |= {"factor": shown(factor, 2), "range of factor": span(factor, 2)}
        rows.append(row | {"seeds": own["seed"].nunique()})
    return pd.DataFrame(rows)


def worth_table(expansion: Runs) -> pd.DataFrame:
    """What the embeddings are good for, by objective, and the change from the first objective to the second.

    Args:
        expansion: a table of expansion of each run.

    Returns:
        For each run, one row per measure: mean ± standard deviation over all students, and the range of their paired
        changes.
    """
    return dashed(of_each(expansion, _worth))


def _worth(expansion: pd.DataFrame) -> pd.DataFrame:
    gains = pick(expansion, comparison="gains")
    kinds, noisiest = two(gains), ends(pick(gains, "accuracy"), "sigma")[1]
    measured = {label: _measure(clean(gains), name) for name, label in MEASURES.items()}
    measured |= {f"probe accuracy (%) at σ = {noisiest['sigma'].max():g}": noisiest}
    rows = []
    for label, own in measured.items():
        if own.empty:  # a recorded run may lack a measure that came later
            continue
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


def sweeps_table(expansion: Runs) -> pd.DataFrame:
    """Rank and accuracy of the narrowest student: one row per run, value of what is varied, and objective."""

    def swept(table: pd.DataFrame) -> pd.DataFrame:
        groups = pick(table, comparison=list(SWEPT)).groupby(["comparison", "x", "objective"], sort=False)
        rows = [
            {"varied": SWEPT[str(name)], "value": f"{x:g}", "objective": OBJECTIVES[str(kind)]}
            | _rank_and_accuracy(part)
            for (name, x, kind), part in groups
        ]
        columns = ["varied", "value", "objective", "effective rank", MEASURES["accuracy"], "seeds"]
        return pd.DataFrame(rows, columns=columns)

    return of_each(expansion, swept)


def alternatives_table(expansion: Runs) -> pd.DataFrame:
    """What the narrowest student is worth: one row per run and objective."""

    def compared(table: pd.DataFrame) -> pd.DataFrame:
        rows = []
        for kind, own in by_objective(table).items():
            quiet = clean(own)
            more = {
                "lost to noise (points)": shown(noise_loss(pick(own, "accuracy"))["value"]),
                "neighbours (%)": shown(pick(quiet, "neighbour_accuracy")["value"]),
                "shared (%)": shown(percent(quiet, "neighbour_overlap")["value"]),
                "distance": shown(pick(quiet, "distance")["value"], 3),
            }
            rows.append({"objective": OBJECTIVES[kind], **_rank_and_accuracy(quiet), **more})
        return pd.DataFrame(rows)

    return of_each(expansion, compared)


def per_objective(own: pd.DataFrame, kinds: Sequence[str], digits: int = 1) -> dict[str, object]:
    """Cells of a table: mean ± standard deviation for each objective, under its name."""
    return {OBJECTIVES[kind]: shown(pick(own, objective=kind)["value"], digits) for kind in kinds}


def _has_two(table: pd.DataFrame) -> bool:
    """Whether the grid's students were trained for two objectives: other comparisons have further ones."""
    grid = pick(table, comparison="gains") if "comparison" in table else table
    return len(objectives(grid)) > 1


def _rank_and_accuracy(rows: pd.DataFrame) -> dict[str, object]:
    rank, accuracy = (pick(clean(rows), quantity)["value"] for quantity in ("effective_rank", "accuracy"))
    return {"effective rank": shown(rank), MEASURES["accuracy"]: shown(accuracy), "seeds": len(rank)}


def _measure(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    return percent(rows, name) if name in _SHARES else pick(rows, name)


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
        models, by_student = list(dict.fromkeys(gains["model"])), ratios(gains)
        for row, model in enumerate(models):
            row_of_dots(factor, by_student[by_student["model"] == model], row)
        name_rows(factor, models)
        factor.tick_params(labelleft=False)
        factor.axvline(1, color=GREY, linewidth=1)
        paper = factor.axvline(published, color=GREY, linestyle=":", linewidth=2, label="factor in the paper")
        rank.set_title(name, loc="left")
    rank.set_xlabel(RANK)
    factor.set_xlabel("factor between the two")
    legend_above(figure, [*markers_of(objectives(gains)), paper], 2)
    return figure


@of_two_objectives
def spectra(singular_values: Runs) -> Figure:
    """Share of the variance in each component on a logarithmic axis, teacher and students of both objectives."""
    figure, axes = stacked(singular_values, 3.3, sharey=True)
    for name, table in singular_values.items():
        own = variance_shares(table)
        band(axes[name], teacher_of(own), "component", "share", BLACK)
        for kind, (dashes, _) in looks_of(objectives(own)).items():
            students = pick(own, objective=kind)
            for model, (colour, _) in style(students["model"]).items():
                rows = students[students["model"] == model]
                band(axes[name], rows, "component", "share", colour, linestyle=dashes)
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
        _rows_by_model(axes[name], _measure(clean(gains), name), list(dict.fromkeys(gains["model"])))
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


def under_noise(axis: Axes, accuracy: pd.DataFrame, chance: float | None) -> None:
    """Accuracy against noise: the teacher, and students of both objectives."""
    band(axis, teacher_of(accuracy), "sigma", "value", BLACK, marker="s")
    for kind, (dashes, look) in looks_of(objectives(accuracy)).items():
        own = pick(accuracy, objective=kind)
        for model, (colour, marker) in style(own["model"]).items():
            rows = own[own["model"] == model]
            band(axis, rows, "sigma", "value", colour, linestyle=dashes, marker=marker, **look)
    if chance is not None:
        axis.axhline(chance, color=GREY, linestyle=":", linewidth=1.5)
    axis.set_ylim(0, 101)
    noise_ticks(axis, accuracy["sigma"])


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
