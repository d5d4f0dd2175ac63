"""What chapters 6 and 7 say: sentences and tables for readers, from the tables of expansion and generality.

In the tables for readers, numbers are means ± standard deviations (ddof = 0) over students.
"""

import pandas as pd

from asymdistill.config.names import OBJECTIVES
from asymdistill.plots.comparison import level, listed, moves
from asymdistill.plots.control_report import ABSENT
from asymdistill.plots.report import Reading
from asymdistill.plots.tables import (
    by_objective,
    cells,
    clean,
    ends,
    noise_loss,
    objectives,
    paired,
    percent,
    pick,
    ratios,
    students_of,
    teacher_of,
    two,
)

ONE = "This profile trains students for one objective only."
SWEPT = {"weight": "weight", "temperature": "temperature", "batch_size": "batch size"}


def expansion(table: pd.DataFrame) -> Reading:
    """What the second objective does to the rank and what it buys, and what is varied.

    Args:
        table: a study's table of expansion.

    Returns:
        Numbers ``expansion_factor``, ``er_infonce`` and ``er_mean_cosine``, and paragraphs ``reading_expansion``, in
        one sentence ``seen_expansion``, ``reading_worth``, ``reading_sweeps``, ``reading_alternatives`` and
        ``reading_limit``.
    """
    gains = pick(table, comparison="gains")
    if len(objectives(gains)) < 2:
        return dict.fromkeys(_PARAGRAPHS, ONE) | dict.fromkeys(_NUMBERS, float("nan"))
    first, second = two(gains)
    ranks, factor = pick(gains, "effective_rank"), ratios(gains)
    teacher = teacher_of(ranks)["value"].mean()
    by_width = [
        f"{level(pick(ranks, model=model, objective=first)['value'])} to "
        f"{level(pick(ranks, model=model, objective=second)['value'])} ({model})"
        for model in dict.fromkeys(students_of(ranks)["model"])
    ]
    raised = int((factor["value"] > 1).sum())
    low, high = factor["value"].min(), factor["value"].max()
    text = (
        f"From {OBJECTIVES[first]} to {OBJECTIVES[second]}, the effective rank goes from {listed(by_width)}; the teacher's is "
        f"{teacher:.1f}. Student by student the factor is {factor['value'].mean():.2f} on average, {low:.2f} at least "
        f"and {high:.2f} at most; it is above 1 for {raised} of {len(factor)} students."
    )
    return {
        "expansion_factor": float(factor["value"].mean()),
        "er_infonce": float(pick(ranks, objective=second)["value"].mean()),
        "er_mean_cosine": float(pick(ranks, objective=first)["value"].mean()),
        "reading_expansion": text,
        "seen_expansion": (
            f"From {OBJECTIVES[first]} to {OBJECTIVES[second]}, the students' effective rank is multiplied by "
            f"{level(factor['value'], 2)}, from {pick(ranks, objective=first)['value'].mean():.1f} to "
            f"{pick(ranks, objective=second)['value'].mean():.1f} on average; the teacher's is {teacher:.1f}."
        ),
        "reading_worth": _worth(gains, first, second),
        "reading_sweeps": _sweeps(table),
        "reading_alternatives": _alternatives(table),
        "reading_limit": _limit(table),
    }


def longer(gains: pd.DataFrame, controls: pd.DataFrame) -> Reading:
    """Whether longer training without the second objective does as much: ``reading_longer``.

    Args:
        gains: the comparison of that name in a study's table of expansion.
        controls: a study's table of controls, of which the first trains for long.
    """
    watched = pick(controls, "epoch_rank", control="underfitting", variant="constant")
    if watched.empty or len(objectives(gains)) < 2:
        return {"reading_longer": ABSENT if watched.empty else ONE}
    second, last, name = two(gains)[1], watched["x"].max(), watched["model"].iloc[0]
    ranks = pick(gains, "effective_rank")
    with_it, long = pick(ranks, model=name, objective=second), pick(watched, x=last)
    text = (
        f"Student {name}, trained without it for {last:g} epochs, ends at a rank of {level(long['value'])}. After this "
        f"profile's epochs, {OBJECTIVES[second]} gives {level(with_it['value'])}: the difference is "
        f"{level(paired(long, with_it, on=['seed']), sign=True)}. The teacher's is "
        f"{teacher_of(ranks)['value'].mean():.1f}."
    )
    return {"reading_longer": text}


def generality(table: pd.DataFrame) -> Reading:
    """Whether it is so with other teachers and images: ``reading_`` and ``seen_generality``, ``reading_elsewhere``."""
    if len(objectives(table)) < 2:
        return dict.fromkeys(("reading_generality", "seen_generality", "reading_elsewhere"), ONE)
    falls, factors, losses = [], [], []
    for (dataset, teacher), own in cells(table).items():
        ranks, (first, second) = pick(own, "effective_rank"), two(own)
        factors.append(f"{level(ratios(ranks)['value'], 2)} with {teacher} on {dataset}")
        whole = teacher_of(ranks)["value"].mean()
        losses.append(100 * (1 - pick(ranks, objective=first)["value"].mean() / whole))
        if own["classes"].iloc[0] == table["classes"].max():
            loss = noise_loss(pick(own, "accuracy"))
            each = [
                f"{level(pick(loss, objective=kind)['value'])} for the students of {OBJECTIVES[kind]}"
                for kind in two(own)
            ]
            falls.append(
                f"With {teacher} on {dataset}, noise of sigma = {own['sigma'].max():g} costs the teacher "
                f"{teacher_of(loss)['value'].mean():.1f} points of accuracy, {listed(each)}."
            )
    seen = f"From {OBJECTIVES[first]} to {OBJECTIVES[second]}, the students' rank is multiplied by {listed(factors)}."
    text = f"Students of {OBJECTIVES[first]} have {min(losses):.0f} to {max(losses):.0f} % fewer dimensions than their teacher."
    return {
        "reading_generality": f"{text} {seen}",
        "seen_generality": seen,
        "reading_elsewhere": " ".join(falls),
    }


def crossed(generality: pd.DataFrame) -> pd.DataFrame:
    """Effective ranks by images and teacher: the teacher's, the students' of each objective, and the factor."""
    rows = []
    for (dataset, teacher), own in cells(generality).items():
        ranks = pick(own, "effective_rank")
        row = {"images": dataset, "teacher": teacher, "teacher's rank": _shown(teacher_of(ranks)["value"])}
        row |= {OBJECTIVES[kind]: _shown(pick(ranks, objective=kind)["value"]) for kind in two(generality)}
        if len(two(generality)) > 1:
            row["factor"] = _shown(ratios(ranks)["value"], 2)
        rows.append(row | {"students": len(pick(ranks, objective=two(generality)[0]))})
    return pd.DataFrame(rows)


def varied(expansion: pd.DataFrame) -> pd.DataFrame:
    """Rank and accuracy of the narrowest student at each value of what is varied."""
    own = pick(expansion, comparison=list(SWEPT))
    rows = [
        {"varied": SWEPT[str(name)], "value": f"{x:g}", "objective": OBJECTIVES[str(kind)], **_measured(part)}
        for (name, x, kind), part in own.groupby(["comparison", "x", "objective"], sort=False)
    ]
    return pd.DataFrame(rows, columns=["varied", "value", "objective", "effective rank", "accuracy (%)", "seeds"])


def compared(expansion: pd.DataFrame) -> pd.DataFrame:
    """What the narrowest student is worth by objective; noise is what it loses up to the noisiest level."""
    rows = []
    for kind, own in by_objective(expansion).items():
        loss, quiet = noise_loss(pick(own, "accuracy"))["value"], clean(own)
        more = {
            "lost to noise": _shown(loss),
            "neighbours (%)": _shown(pick(quiet, "neighbour_accuracy")["value"]),
            "shared (%)": _shown(percent(quiet, "neighbour_overlap")["value"]),
            "distance": _shown(pick(quiet, "distance")["value"], 3),
        }
        rows.append({"objective": OBJECTIVES[kind], **_measured(quiet), **more})
    return pd.DataFrame(rows)


def _measured(rows: pd.DataFrame) -> dict[str, object]:
    rank, accuracy = (pick(clean(rows), quantity)["value"] for quantity in ("effective_rank", "accuracy"))
    return {"effective rank": _shown(rank), "accuracy (%)": _shown(accuracy), "seeds": len(rank)}


def _shown(values: pd.Series, digits: int = 1) -> str:
    spread = f" ± {values.std(ddof=0):.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{spread}"


def _worth(gains: pd.DataFrame, first: str, second: str) -> str:
    quiet = clean(gains)
    noisiest = ends(pick(gains, "accuracy"), "sigma")[1]
    measured = {
        "the probe's accuracy": (pick(quiet, "accuracy"), 1, " points"),
        "the accuracy of nearest neighbours": (pick(quiet, "neighbour_accuracy"), 1, " points"),
        "the share of the teacher's nearest neighbours": (percent(quiet, "neighbour_overlap"), 1, " points"),
        "the cosine distance to the teacher": (pick(quiet, "distance"), 3, ""),
        "the share of variance where the teacher has 90 % of its own": (percent(quiet, "aligned_share"), 1, " points"),
        f"the probe's accuracy at sigma = {noisiest['sigma'].max():g}": (noisiest, 1, " points"),
    }
    changes = [
        f"{name} {moves(paired(pick(own, objective=first), pick(own, objective=second)), digits, unit)}"
        for name, (own, digits, unit) in measured.items()
    ]
    return f"From {OBJECTIVES[first]} to {OBJECTIVES[second]}, student by student: {'; '.join(changes)}."


def _sweeps(table: pd.DataFrame) -> str:
    said = []
    for name, words in SWEPT.items():
        rows = pick(table, comparison=name, objective="infonce")
        if not rows.empty:
            ends_of = [_least_and_most(pick(rows, quantity)) for quantity in ("effective_rank", "accuracy")]
            said.append(
                f"Along the {words}, the rank lies between {ends_of[0]}, and the accuracy, in percent, {ends_of[1]}."
            )
    without = pick(table, "effective_rank", comparison="batch_size", objective="cosine")
    if not without.empty:
        said.append(
            f"Without InfoNCE, along the {SWEPT['batch_size']}, the rank lies between {_least_and_most(without)}."
        )
    return " ".join(said) or "This profile varies none of them."


def _least_and_most(rows: pd.DataFrame) -> str:
    means = rows.groupby("x")["value"].mean()
    return f"{means.min():.1f} (at {means.idxmin():g}) and {means.max():.1f} (at {means.idxmax():g})"


def _alternatives(table: pd.DataFrame) -> str:
    means = {
        quantity: {
            OBJECTIVES[kind]: pick(clean(own), quantity)["value"].mean() for kind, own in by_objective(table).items()
        }
        for quantity in ("effective_rank", "accuracy", "neighbour_overlap")
    }
    best = {quantity: max(found, key=lambda name: found[name]) for quantity, found in means.items()}
    rank, accuracy, shared = (found[best[quantity]] for quantity, found in means.items())
    return (
        f"Of {len(means['accuracy'])} objectives, the highest rank is {rank:.1f} ({best['effective_rank']}), the "
        f"highest accuracy {accuracy:.1f} % ({best['accuracy']}), and the most neighbours in common with the teacher "
        f"{100 * shared:.1f} % ({best['neighbour_overlap']}). By rank they come in the order "
        f"{_ordered(means['effective_rank'])}; by accuracy, {_ordered(means['accuracy'])}."
    )


def _ordered(means: dict[str, float]) -> str:
    return listed(sorted(means, key=lambda name: means[name], reverse=True))


def _limit(table: pd.DataFrame) -> str:
    most = pick(table, "effective_rank", comparison="width")
    if most.empty:
        return "This profile does not push weight and width."
    ranks = pick(table, "effective_rank")
    highest = students_of(ranks).sort_values("value").iloc[-1]
    by_width = [f"{level(own['value'])} ({model})" for model, own in most.groupby("model", sort=False)]
    teacher = teacher_of(pick(ranks, comparison="gains"))["value"].mean()
    return (
        f"With the largest weight the effective rank is {listed(by_width)}. The highest of all students in these "
        f"comparisons is {highest['value']:.1f} (student {highest['model']}, {OBJECTIVES[highest['objective']]}); the "
        f"teacher's is {teacher:.1f}."
    )


_NUMBERS = ("expansion_factor", "er_infonce", "er_mean_cosine")
_PARAGRAPHS = (
    "reading_expansion",
    "seen_expansion",
    "reading_worth",
    "reading_sweeps",
    "reading_alternatives",
    "reading_limit",
)
