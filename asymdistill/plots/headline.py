"""The front page's table: what the papers' main claims are about, in the paper, on photographs and in this copy."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import pandas as pd

from asymdistill.claims.ledger import published, stated
from asymdistill.claims.quantities import NOISE_SPACE
from asymdistill.config.names import PAPER, THIS_COPY
from asymdistill.plots.derived import paired, ratios
from asymdistill.plots.runs import Runs
from asymdistill.plots.selection import ends, pick, students_of, teacher_of, two
from asymdistill.plots.tables import NOTHING, number, shown, span

SIGMA = 0.1  # the noise level of which the first paper's text speaks


class Measured(NamedTuple):
    """The tables of one run that the front page needs.

    Attributes:
        spectrum: of the teacher and of the students of the first objective.
        robustness: the same.
        expansion: of all students.
        augmentation: of the students trained with and without augmentation.
    """

    spectrum: pd.DataFrame
    robustness: pd.DataFrame
    expansion: pd.DataFrame
    augmentation: pd.DataFrame


def table(spectrum: Runs, robustness: Runs, expansion: Runs, augmentation: Runs) -> pd.DataFrame:
    """One row per quantity, one column for the paper and one per run; a run without its table has a dash.

    Entries of runs are means ± standard deviations over seeds (ddof = 0), or ranges over students.
    """
    empty = pd.DataFrame()
    columns: dict[str, Mapping[str, str]] = {PAPER: _papers()}
    for name in dict.fromkeys([*spectrum, *robustness, *expansion, *augmentation, THIS_COPY]):
        own = Measured(*(runs.get(name, empty) for runs in (spectrum, robustness, expansion, augmentation)))
        columns[name] = {label: make(own) for label, make in _ROWS.items()}
    rows = [{"": label} | {name: cells[label] for name, cells in columns.items()} for label in _ROWS]
    return pd.DataFrame(rows)


def note(pixels: Mapping[str, float]) -> str:
    """What stands behind the numbers of the table, in Markdown.

    Args:
        pixels: by the name of the run, and of the paper, a unit of its normalised tensor in units of the range of a
            pixel.
    """
    units = ", ".join(f"{number(SIGMA * unit, None, 3)} ({name})" for name, unit in pixels.items())
    return (
        "Means ± standard deviations (ddof = 0) over seeds, of the factor over widths and seeds; or ranges over "
        "students. A number without ± is of the teacher or of one seed; the paper's gain by augmentation is one seed "
        "beside the mean of three. Noise is of the paper's kind, on the network's normalised input. In units of the "
        f"range of a pixel, σ = {SIGMA:g} is {units}."
    )


def _ranks(own: Measured) -> pd.DataFrame:
    return pick(own.spectrum, "effective_rank", estimator="per seed") if len(own.spectrum) else own.spectrum


def _teachers_rank(own: Measured) -> str:
    return shown(teacher_of(ranks)["value"]) if len(ranks := _ranks(own)) else NOTHING


def _students_ranks(own: Measured) -> str:
    return span(students_of(ranks)["value"]) if len(ranks := _ranks(own)) else NOTHING


def _kept(own: Measured) -> str:
    ranks = _ranks(own)
    if ranks.empty:
        return NOTHING
    return span(100 * students_of(ranks)["value"] / teacher_of(ranks)["value"].iloc[0], 0)


def _factor(own: Measured) -> str:
    if own.expansion.empty or len(two(gains := pick(own.expansion, comparison="gains"))) < 2:
        return NOTHING
    return shown(ratios(gains)["value"], 2)


def _at(own: Measured, sigma: float) -> pd.DataFrame:
    if own.robustness.empty:
        return own.robustness
    return pick(own.robustness, noise_space=NOISE_SPACE, sigma=sigma).rename(columns={"accuracy": "value"})


def _lost(choose: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Measured], str]:
    def lost(own: Measured) -> str:
        clean, noisy = (_at(own, sigma) for sigma in (0.0, SIGMA))
        if clean.empty or noisy.empty:
            return NOTHING
        return shown(-paired(choose(clean), choose(noisy)))

    return lost


def _ahead(own: Measured) -> str:
    noisy = _at(own, SIGMA)
    return shown(paired(*ends(students_of(noisy)), on=["seed"])) if len(noisy) else NOTHING


def _augmented(own: Measured) -> str:
    if own.augmentation.empty:
        return NOTHING
    rows = pick(own.augmentation, noise_space=NOISE_SPACE, sigma=SIGMA).rename(columns={"accuracy": "value"})
    return shown(paired(pick(rows, augmented=False), pick(rows, augmented=True))) if len(rows) else NOTHING


def _papers() -> dict[str, str]:
    """The same of the papers' own numbers, each an arithmetic of those in the ledger."""
    rank = published("effective_rank").set_index("model")["value"]
    students = rank.drop("teacher")
    rows = published("accuracy")
    plain = pick(rows, augmented=False).pivot_table(index="sigma", columns="model", values="value")
    treated = pick(rows, augmented=True).set_index("sigma")["value"]
    lost = plain.loc[0.0] - plain.loc[SIGMA]
    values = [
        number(rank["teacher"], None, 1),
        span(students),
        span(100 * students / rank["teacher"], 0),
        number(stated()["v2-expansion"], None, 2),
        number(lost["teacher"], None, 1),
        number(lost["S"], None, 1),
        number(lost["L"], None, 1),
        number(plain.loc[SIGMA, "L"] - plain.loc[SIGMA, "S"], None, 1),
        number(treated[SIGMA] - plain.loc[SIGMA, "L"], None, 1),
    ]
    return dict(zip(_ROWS, values, strict=True))


_ROWS: dict[str, Callable[[Measured], str]] = {
    "effective rank of the teacher": _teachers_rank,
    "effective ranks of the students": _students_ranks,
    "share of the teacher's rank (%)": _kept,
    "factor by which InfoNCE raises the rank": _factor,
    f"accuracy lost to noise, σ = {SIGMA:g}: teacher (points)": _lost(teacher_of),
    "… narrowest student (points)": _lost(lambda rows: ends(students_of(rows))[0]),
    "… widest student (points)": _lost(lambda rows: ends(students_of(rows))[1]),
    f"accuracy at σ = {SIGMA:g}: widest minus narrowest student (points)": _ahead,
    "… gained by the widest with augmentation (points)": _augmented,
}
