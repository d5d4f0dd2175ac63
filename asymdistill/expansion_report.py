"""What chapters 6 and 7 say: sentences whose numbers and verbs come from the tables of expansion and generality."""

from collections.abc import Sequence

import pandas as pd

from asymdistill.arms import ALTERNATIVES
from asymdistill.comparison import ends, level, listed, moves, noise_loss, paired, pick, students_of, teacher_of
from asymdistill.control_report import ABSENT
from asymdistill.report import Reading

NAMES = {
    "cosine": "cosine alone",
    "infonce": "cosine with InfoNCE",
    "views": "InfoNCE between views",
    "vicreg": "VICReg's terms",
    "uniformity": "uniformity",
    "whitened": "whitened targets",
}
ONE = "This profile trains students for one objective only."
STUDENT = ["model", "seed"]
SWEPT = {"weight": "its weight", "temperature": "its temperature", "batch_size": "the images a batch"}


def objectives(table: pd.DataFrame) -> list[str]:
    """The objectives that a table's students were trained for, in its order."""
    return list(dict.fromkeys(table["objective"].dropna()))


def ratios(gains: pd.DataFrame) -> pd.DataFrame:
    """The factor between the effective ranks of the second objective and of the first, student by student.

    Args:
        gains: the comparison of that name in a study's table of expansion.

    Returns:
        Columns model, seed and value, one row a width and seed.
    """
    first, second = (pick(gains, "effective_rank", objective=kind).set_index(STUDENT)["value"] for kind in _two(gains))
    return (second / first).reset_index()


def cells(generality: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    """Rows by data set and teacher, under names short enough for a figure."""
    short = {
        (str(dataset), str(teacher)): own
        for (dataset, teacher), own in generality.groupby(["dataset", "teacher"], sort=False)
    }
    return {(_short(dataset), _short(teacher)): own for (dataset, teacher), own in short.items()}


def expansion(table: pd.DataFrame) -> Reading:
    """What the second objective does to the rank and what it buys, and what is varied.

    Args:
        table: a study's table of expansion.

    Returns:
        Numbers ``expansion_factor``, ``er_infonce`` and ``er_mean_cosine``, and paragraphs ``reading_expansion``, its
        one sentence ``seen_expansion``,
        ``reading_worth``, ``reading_sweeps``, ``reading_alternatives`` and ``reading_limit``.
    """
    gains = pick(table, comparison="gains")
    if len(objectives(gains)) < 2:
        return dict.fromkeys(_PARAGRAPHS, ONE) | dict.fromkeys(_NUMBERS, float("nan"))
    first, second = _two(gains)
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
        f"From {NAMES[first]} to {NAMES[second]}, the effective rank goes from {listed(by_width)}; the teacher's is "
        f"{teacher:.1f}. Student by student the factor is {factor['value'].mean():.2f} on average, {low:.2f} at least "
        f"and {high:.2f} at most; it is above 1 for {raised} of {len(factor)} students."
    )
    return {
        "expansion_factor": float(factor["value"].mean()),
        "er_infonce": float(pick(ranks, objective=second)["value"].mean()),
        "er_mean_cosine": float(pick(ranks, objective=first)["value"].mean()),
        "reading_expansion": text,
        "seen_expansion": (
            f"From {NAMES[first]} to {NAMES[second]}, the students' effective rank is multiplied by "
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
    second, last, name = _two(gains)[1], watched["x"].max(), watched["model"].iloc[0]
    ranks = pick(gains, "effective_rank")
    with_it, long = pick(ranks, model=name, objective=second), pick(watched, x=last)
    text = (
        f"Student {name}, trained without it for {last:g} epochs, ends at a rank of {level(long['value'])}. After this "
        f"profile's epochs, {NAMES[second]} gives {level(with_it['value'])}: the difference is "
        f"{level(paired(long, with_it, on=['seed']), sign=True)}. The teacher's is "
        f"{teacher_of(ranks)['value'].mean():.1f}."
    )
    return {"reading_longer": text}


def generality(table: pd.DataFrame) -> Reading:
    """Whether it is so with other teachers and images: ``reading_`` and ``seen_generality``, ``reading_elsewhere``."""
    if len(objectives(table)) < 2:
        return dict.fromkeys(("reading_generality", "seen_generality", "reading_elsewhere"), ONE)
    said, falls, factors = [], [], []
    for (dataset, teacher), own in cells(table).items():
        ranks, (first, second) = pick(own, "effective_rank"), _two(own)
        factor = ratios(ranks)["value"]
        whole = teacher_of(ranks)["value"].mean()
        factors.append(f"{factor.mean():.2f} ({teacher} on {dataset})")
        lost = 100 * (1 - pick(ranks, objective=first)["value"] / whole)
        said.append(
            f"with {teacher} on {dataset}, rank {whole:.1f}, the students of {NAMES[first]} have "
            f"{level(pick(ranks, objective=first)['value'])}, which is {lost.mean():.0f} % fewer, and "
            f"those of {NAMES[second]} {level(pick(ranks, objective=second)['value'])}, a factor of {level(factor, 2)}"
        )
        if own["classes"].iloc[0] == table["classes"].max():
            loss = noise_loss(pick(own, "accuracy"))
            each = [
                f"{level(pick(loss, objective=kind)['value'])} for the students of {NAMES[kind]}" for kind in _two(own)
            ]
            falls.append(
                f"With {teacher} on {dataset}, noise of sigma = {own['sigma'].max():g} costs the teacher "
                f"{teacher_of(loss)['value'].mean():.1f} points of accuracy, {listed(each)}."
            )
    return {
        "reading_generality": f"The effective ranks: {'; '.join(said)}.",
        "seen_generality": f"On average {NAMES[second]} multiplies the students' rank by {listed(factors)}.",
        "reading_elsewhere": " ".join(falls),
    }


def _worth(gains: pd.DataFrame, first: str, second: str) -> str:
    clean = gains[gains["sigma"].isna() | (gains["sigma"] == gains["sigma"].min())]
    noisiest = ends(pick(gains, "accuracy"), "sigma")[1]
    measured = {
        "the probe's accuracy": (pick(clean, "accuracy"), 1, " points"),
        "the accuracy of nearest neighbours": (pick(clean, "neighbour_accuracy"), 1, " points"),
        "the share of the teacher's nearest neighbours": (_percent(clean, "neighbour_overlap"), 1, " points"),
        "the cosine distance to the teacher": (pick(clean, "distance"), 3, ""),
        "the share of variance where the teacher has 90 % of its own": (_percent(clean, "aligned_share"), 1, " points"),
        f"the probe's accuracy at sigma = {noisiest['sigma'].max():g}": (noisiest, 1, " points"),
    }
    changes = [
        f"{name} {moves(paired(pick(own, objective=first), pick(own, objective=second)), digits, unit)}"
        for name, (own, digits, unit) in measured.items()
    ]
    return f"From {NAMES[first]} to {NAMES[second]}, student by student: {'; '.join(changes)}."


def _sweeps(table: pd.DataFrame) -> str:
    said = []
    for name, words in SWEPT.items():
        rows = pick(table, comparison=name, objective="infonce")
        if rows.empty:
            continue
        ranks, accuracies = (
            [f"{level(own['value'])} at {x:g}" for x, own in pick(rows, quantity).groupby("x")]
            for quantity in ("effective_rank", "accuracy")
        )
        said.append(f"Along {words} the rank is {listed(ranks)}, and the accuracy, in percent, {listed(accuracies)}.")
    batches = pick(table, "effective_rank", comparison="batch_size", objective="cosine")
    if not batches.empty:
        ranks = [f"{level(own['value'])} at {x:g}" for x, own in batches.groupby("x")]
        said.append(f"Without InfoNCE, along the images a batch, the rank is {listed(ranks)}.")
    return " ".join(said) or "This profile varies none of them."


def _alternatives(table: pd.DataFrame) -> str:
    rows = pick(table, comparison=["gains", "alternatives"])
    narrow = ends(students_of(rows))[0]
    clean = narrow[narrow["sigma"].isna() | (narrow["sigma"] == narrow["sigma"].min())]
    said = []
    for kind in (kind for kind in ALTERNATIVES if kind in set(narrow["objective"])):
        own, loss = pick(clean, objective=kind), noise_loss(pick(narrow, "accuracy", objective=kind))
        said.append(
            f"{NAMES[kind]}, rank {level(pick(own, 'effective_rank')['value'])}, accuracy "
            f"{level(pick(own, 'accuracy')['value'])} %, of which noise takes {loss['value'].mean():.1f} points"
        )
    return f"Student {narrow['model'].iloc[0]}: {'; '.join(said)}."


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
        f"comparisons is {highest['value']:.1f} (student {highest['model']}, {NAMES[highest['objective']]}); the "
        f"teacher's is {teacher:.1f}."
    )


def _percent(table: pd.DataFrame, quantity: str) -> pd.DataFrame:
    own = pick(table, quantity)
    return own.assign(value=100 * own["value"])


def _two(table: pd.DataFrame) -> Sequence[str]:
    return objectives(table)[:2]


def _short(name: str) -> str:
    """A data set's or a teacher's name without library, folder or training tag."""
    plain = name.partition(":")[2].split("/")[0] if ":" in name else name.rstrip("/").split("/")[-1]
    return plain.split(".")[0]


_NUMBERS = ("expansion_factor", "er_infonce", "er_mean_cosine")
_PARAGRAPHS = (
    "reading_expansion",
    "seen_expansion",
    "reading_worth",
    "reading_sweeps",
    "reading_alternatives",
    "reading_limit",
)
