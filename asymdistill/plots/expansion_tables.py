"""Chapter 6: one table per question about what an InfoNCE term does."""

import pandas as pd

from asymdistill.claims.ledger import stated
from asymdistill.config.names import COSINE, INFONCE, OBJECTIVES, PAPER, TEACHER
from asymdistill.plots.derived import noise_loss, paired, percent, ratios
from asymdistill.plots.runs import Runs, of_each
from asymdistill.plots.selection import by_objective, clean, ends, objectives, pick, students_of, teacher_of, two
from asymdistill.plots.tables import dashed, number, per_objective, shown, span

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


def ranks(expansion: Runs) -> pd.DataFrame:
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


def worth(expansion: Runs) -> pd.DataFrame:
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
    measured = {label: measure(clean(gains), name) for name, label in MEASURES.items()}
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


def longer(gains: pd.DataFrame, controls: pd.DataFrame, *, epochs: int) -> pd.DataFrame:
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


def sweeps(expansion: Runs) -> pd.DataFrame:
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


def alternatives(expansion: Runs) -> pd.DataFrame:
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


def _rank_and_accuracy(rows: pd.DataFrame) -> dict[str, object]:
    rank, accuracy = (pick(clean(rows), quantity)["value"] for quantity in ("effective_rank", "accuracy"))
    return {"effective rank": shown(rank), MEASURES["accuracy"]: shown(accuracy), "seeds": len(rank)}


def measure(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """Rows of one of ``MEASURES``, in its unit."""
    return percent(rows, name) if name in _SHARES else pick(rows, name)
