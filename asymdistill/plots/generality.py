"""Chapter 7: other teachers, other images, and how far the rank can be pushed.

Colours, markers and lines are those of ``two_objectives``.
"""

import math
from textwrap import fill
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from asymdistill.claims.ledger import stated
from asymdistill.config.names import (
    CONVOLUTIONAL,
    COSINE,
    INFONCE,
    OBJECTIVES,
    PAPER,
    TRANSFORMER,
    architecture,
    short_name,
)
from asymdistill.plots.derived import noise_loss, ratios
from asymdistill.plots.runs import Runs, of_each
from asymdistill.plots.selection import objectives, pick, students_of, teacher_of, two
from asymdistill.plots.style import (
    BLACK,
    GREY,
    HOLLOW,
    RANK,
    STYLE,
    WIDTH,
    handle,
    legend_above,
    model_handles,
    name_rows,
    panels,
    placeholder,
    rank_axis,
    row_of_dots,
    style,
)
from asymdistill.plots.tables import dashed, number, per_objective, shown
from asymdistill.plots.two_objectives import lines_of, looks_of, markers_of, of_two_objectives, under_noise
from asymdistill.runtime.markup import as_label


def table(generality: Runs) -> pd.DataFrame:
    """Effective ranks with each teacher on each set of images: the paper's and of each run.

    Args:
        generality: a table of generality of each run.

    Returns:
        One row per pair: the teacher's rank, the students' by objective (mean ± standard deviation over all widths and
        seeds), how far the first objective's mean lies below the teacher's, and the factor between the two objectives.
    """
    return dashed(pd.concat([_papers_rows(), of_each(generality, _pairs)], ignore_index=True))


def _papers_rows() -> pd.DataFrame:
    """What the second paper states of its two settings, and the first paper's rank of CLIP."""
    paper = stated()
    settings = {
        ("CIFAR-10", "CLIP ViT-B/32"): ("v1-rank-teacher", "v2-baseline-rank", "v2-infonce-rank"),
        ("CIFAR-100", "DINOv2"): (None, "v2-dinov2-baseline-rank", "v2-dinov2-infonce-rank"),
    }
    columns = ("teacher's rank", OBJECTIVES[COSINE], OBJECTIVES[INFONCE])
    rows = []
    for (images, teacher), ids in settings.items():
        values = dict(zip(columns, (paper[name] if name else float("nan") for name in ids), strict=True))
        row = {"from": PAPER, "images": images, "teacher": teacher}
        rows.append(row | {column: number(value, None, 1) for column, value in values.items()})
    return pd.DataFrame(rows)


def _pairs(generality: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (dataset, teacher), own in cells(generality).items():
        kinds, ranks = two(own), pick(own, "effective_rank")
        whole, first = teacher_of(ranks)["value"], pick(ranks, objective=kinds[0])["value"]
        row = {"images": dataset, "teacher": teacher, "teacher's rank": shown(whole), **per_objective(ranks, kinds)}
        row["below teacher (%)"] = f"{100 * (1 - first.mean() / whole.mean()):.0f}"
        if len(kinds) > 1:
            row["factor"] = shown(ratios(ranks)["value"], 2)
        rows.append(row | {"students": len(first)})
    return pd.DataFrame(rows)


def cells(generality: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    """Rows by data set and teacher, under names short enough for a figure."""
    return {
        (short_name(str(dataset)), short_name(str(teacher))): own
        for (dataset, teacher), own in generality.groupby(["dataset", "teacher"], sort=False)
    }


def noise_table(generality: Runs) -> pd.DataFrame:
    """Points of accuracy lost to noise, of each run: one row per pair of images and teacher.

    Args:
        generality: a table of generality of each run.

    Returns:
        What is lost up to the highest level that all pairs of all runs were measured at, or, where they share none, up
        to each pair's own highest; the column ``σ`` says which.
    """
    measured = pick(pd.concat(generality.values()), "accuracy").groupby(["dataset", "teacher"])["sigma"]
    shared = set.intersection(*map(set, measured.unique())) if len(measured) else set()
    return dashed(of_each(generality, _losses, highest=max(shared - {0.0}, default=math.inf)))


def _losses(generality: pd.DataFrame, *, highest: float) -> pd.DataFrame:
    rows = []
    for (dataset, teacher), own in cells(generality[~(generality["sigma"] > highest)]).items():
        loss, kinds = noise_loss(pick(own, "accuracy")), two(own)
        row = {"images": dataset, "classes": own["classes"].iloc[0], "teacher": teacher, "σ": own["sigma"].max()}
        row |= {"lost by the teacher": shown(teacher_of(loss)["value"]), **per_objective(loss, kinds)}
        rows.append(row | {"students": len(pick(loss, objective=kinds[0]))})
    return pd.DataFrame(rows)


def shares(generality: pd.DataFrame) -> pd.DataFrame:
    """Effective ranks of one student of the first objective as shares of its teachers' ranks.

    Args:
        generality: a study's table of generality.

    Returns:
        Rows of the narrowest student that all pairs of images and teacher have in common (where they have none, of each
        pair's own narrowest) with further columns: images and teacher (short names), architecture, teacher_rank, rank,
        and the share as the value, in percent.
    """
    ranks, objective = cells(pick(generality, "effective_rank")), two(generality)[0]
    students = {pair: pick(own, objective=objective) for pair, own in ranks.items()}
    common = set.intersection(*(set(own["width"]) for own in students.values()))
    parts = []
    for (images, teacher), own in students.items():
        narrow = pick(own, width=min(common or set(own["width"])))
        whole, rank = teacher_of(ranks[images, teacher])["value"].mean(), narrow["value"]
        kind = architecture(str(own["teacher"].iloc[0]))
        named = narrow.assign(images=images, teacher=teacher, architecture=kind)
        parts.append(named.assign(teacher_rank=whole, rank=rank, value=100 * rank / whole))
    return pd.concat(parts, ignore_index=True)


def asymmetry_table(generality: Runs) -> pd.DataFrame:
    """A student's effective rank as a share of its teacher's, by what kind of network the teacher is.

    Args:
        generality: a study's table of generality.

    Returns:
        One row per pair of images and teacher: the teacher's architecture and rank, the student's rank and its share
        of the teacher's in percent (mean ± standard deviation over seeds), and the number of seeds.
    """
    rows = []
    for (images, teacher), own in shares(pd.concat(generality.values())).groupby(["images", "teacher"], sort=False):
        row = {"images": images, "teacher": teacher, "architecture": own["architecture"].iloc[0]}
        row |= {"teacher's rank": shown(own["teacher_rank"].head(1)), "student": own["model"].iloc[0]}
        row |= {"student's rank": shown(own["rank"]), "share (%)": shown(own["value"])}
        rows.append(row | {"seeds": len(own)})
    return pd.DataFrame(rows)


def limit_table(expansion: pd.DataFrame, *, weight: float, largest: float) -> pd.DataFrame:
    """Effective rank by width: without InfoNCE, with it, and with the largest weight.

    Args:
        expansion: a study's table of expansion.
        weight: of the InfoNCE term in the grid.
        largest: weight that is tried.

    Returns:
        One row per student width: mean ± standard deviation over seeds, a dash where a width was not trained.
    """
    found = _pushed(expansion, weight, largest)
    teacher = shown(teacher_of(pick(expansion, "effective_rank", comparison="gains"))["value"])
    students = pd.concat(found.values()).sort_values("width", kind="stable")
    rows = []
    for model in dict.fromkeys(students["model"]):
        own = {name: pick(ranks, model=model)["value"] for name, ranks in found.items()}
        row = {"student": model} | {name: shown(values) for name, values in own.items()}
        rows.append(row | {"teacher": teacher, "seeds": max(map(len, own.values()))})
    return pd.DataFrame(rows)


@of_two_objectives
def ranks(generality: Runs) -> Figure:
    """Effective rank of teacher and students by data set, teacher and objective, of all runs."""
    every = pd.concat(generality.values())
    found = cells(every)
    figure, axes = panels([["r"]], 0.75 * len(found) + 1.2)
    for row, own in enumerate(found.values()):
        table = pick(own, "effective_rank")
        row_of_dots(axes["r"], teacher_of(table), row)
        for shift, (kind, (_, look)) in zip((-0.2, 0.2), looks_of(objectives(table)).items(), strict=False):
            row_of_dots(axes["r"], pick(table, objective=kind), row + shift, spread=0.15, **look)
    name_rows(axes["r"], ["\n".join(name) for name in found])
    rank_axis(axes["r"])
    legend_above(figure, [*model_handles(every), *markers_of(objectives(every))])
    return figure


@of_two_objectives
def noise(generality: pd.DataFrame) -> Figure:
    """Accuracy under noise on the data set with the most classes, one panel per teacher."""
    most = generality[generality["classes"] == generality["classes"].max()]
    found = cells(pick(most, "accuracy", dataset=most["dataset"].iloc[0]))
    figure, axes = panels([[str(row) for row in range(len(found))]], 3.7, sharey=True)
    for axis, ((_, teacher), own) in zip(axes.values(), found.items(), strict=True):
        under_noise(axis, own, 100 / own["classes"].iloc[0])
        axis.set(xlabel="noise, σ (normalised)", title=fill(f"teacher {as_label(teacher)}", 40 // len(found)))
    axes["0"].set_ylabel("probe accuracy (%)")
    legend_above(figure, [*model_handles(most), *lines_of(objectives(generality))])
    return figure


def asymmetry(generality: Runs) -> Figure:
    """A student's share of its teacher's effective rank: convolutional teachers beside transformers."""
    looks: dict[str, Any] = {CONVOLUTIONAL: {}, TRANSFORMER: HOLLOW}
    table = pick(shares(pd.concat(generality.values())), architecture=list(looks))
    if table["architecture"].nunique() < len(looks):
        return placeholder("no run here has teachers of both kinds: nothing to compare")
    found = dict(list(table.groupby(["images", "teacher"], sort=False)))
    with plt.rc_context(STYLE):
        figure, axes = panels([["s"]], 0.6 * len(found) + 1.2)
        for row, own in enumerate(found.values()):
            row_of_dots(axes["s"], own, row, **looks[own["architecture"].iloc[0]])
        name_rows(axes["s"], ["\n".join(map(as_label, pair)) for pair in found])
        axes["s"].set(xlabel="share of the teacher's effective rank (%)", xlim=(0, 1.1 * table["value"].max()))
        kinds = [handle(GREY, "o", f"teacher: {kind}", hollow=bool(look)) for kind, look in looks.items()]
        legend_above(figure, [*model_handles(table), *kinds])
    return figure


@of_two_objectives
def limit(expansion: pd.DataFrame, *, weight: float, largest: float) -> Figure:
    """Effective rank against the students' width: without InfoNCE, with it, and with the largest weight.

    Args:
        expansion: a study's table of expansion.
        weight: of the InfoNCE term in the grid.
        largest: weight that is tried.
    """
    found = _pushed(expansion, weight, largest)
    if len(found) < 3:
        return placeholder("this profile does not try the largest weight at several widths")
    figure, axis = plt.subplots(figsize=(WIDTH, 3.6), layout="constrained")
    for (label, own), (dashes, look) in zip(found.items(), (("-", {}), ("--", HOLLOW), (":", HOLLOW)), strict=True):
        axis.plot(own.groupby("width")["value"].mean(), color=GREY, linestyle=dashes, label=label, zorder=1)
        for model, (colour, marker) in style(own["model"]).items():
            points = own[own["model"] == model]
            axis.plot(points["width"], points["value"], marker, color=colour, alpha=0.75, **look)
    teacher = teacher_of(pick(expansion, "effective_rank", comparison="gains"))
    axis.axhline(teacher["value"].mean(), color=BLACK, linewidth=1.5, label="teacher")
    axis.set(xscale="log", xlabel="width of the student (factor on its channels)", ylabel=RANK)
    students = pd.concat([teacher, *found.values()])
    axis.set_ylim(0, 1.1 * students["value"].max())
    widths = sorted(students["width"].dropna().unique())
    axis.set_xticks(widths, [f"{width:g}" for width in widths])
    axis.minorticks_off()
    legend_above(figure, axis.get_legend_handles_labels()[0])
    return figure


def _pushed(expansion: pd.DataFrame, weight: float, largest: float) -> dict[str, pd.DataFrame]:
    """The students' ranks by how much InfoNCE counts, as far as the profile trains them."""
    rows = students_of(pick(expansion, "effective_rank"))
    gains = pick(rows, comparison="gains")
    names = OBJECTIVES | {INFONCE: f"weight {weight:g}"}
    found = {names[kind]: pick(gains, objective=kind) for kind in two(gains)}
    most = pick(rows, comparison="width")
    return found if most.empty else found | {f"weight {largest:g}": most}
