"""Chapter 5: the largest student, trained with and without augmentation, under noise."""

from collections.abc import Iterator, Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from asymdistill.claims.ledger import published
from asymdistill.claims.quantities import NOISE_SPACE
from asymdistill.config.names import PAPER
from asymdistill.plots.runs import Runs
from asymdistill.plots.selection import pick
from asymdistill.plots.style import STYLE, band, noise_panels, style
from asymdistill.plots.tables import number, shown

TRAINED = {False: "without", True: "with augmentation"}


def accuracy(augmentation: Runs, *, pixels: Mapping[str, float]) -> Figure:
    """Accuracy under noise of the largest student, trained with and without augmentation: one row per run.

    Args:
        augmentation: a table of augmentation of each run.
        pixels: by the name of the run, a unit of its normalised tensor in units of the range of a pixel.
    """
    paper = pick(published("accuracy"), model="L").assign(noise_space=NOISE_SPACE).rename(columns={"value": "accuracy"})
    runs = {PAPER: paper} | {name: table for name, table in augmentation.items() if not table.empty}
    with plt.rc_context(STYLE):
        figure, axes = noise_panels(runs, pixels)
        for (name, space), axis in axes.items():
            colour, marker = style(runs[name]["model"])[runs[name]["model"].iloc[0]]
            for augmented, label in TRAINED.items():
                own = pick(runs[name], noise_space=space, augmented=augmented)
                look = {"linestyle": "--", "mfc": "white"} if augmented else {"linestyle": "-", "mfc": colour}
                band(axis, own, "sigma", "accuracy", colour, marker=marker, label=label, **look)
        figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def table(augmentation: Runs) -> pd.DataFrame:
    """What augmentation changes: for the paper and each run, one row for the effective rank and one per noise level.

    Where a run has several noise spaces, it is about the paper's.

    Returns:
        Columns from (whose numbers), measure, without, with, change (with - without, paired by seed) and seeds. Mean ±
        standard deviation over seeds (ddof = 0); accuracies in percent.
    """
    rows = [[PAPER, *row] for row in _paper()]
    for name, table in augmentation.items():
        spaces = table["noise_space"].unique().tolist()
        own = pick(table, noise_space=NOISE_SPACE) if NOISE_SPACE in spaces else table
        rows += [[name, *row] for row in _run(own)]
    return pd.DataFrame(rows, columns=["from", "measure", "without", "with augmentation", "change", "seeds"])


def _paper() -> Iterator[list[str]]:
    """The paper's accuracies of student L without and with augmentation; its change is of one seed against three."""
    own = pick(published("accuracy"), model="L")
    for sigma, level in own.groupby("sigma"):
        plain, treated = (pick(level, augmented=augmented).iloc[0] for augmented in TRAINED)
        change = number(treated["value"] - plain["value"], None, 2)
        cells = [number(one["value"], one["spread"], 2) for one in (plain, treated)]
        yield [f"accuracy in %, σ = {sigma:g}", *cells, change, f"{plain['seeds']:g} / {treated['seeds']:g}"]


def _run(own: pd.DataFrame) -> Iterator[list[str]]:
    """A run's values without and with augmentation, their paired change (mean ± standard deviation), and the seeds."""
    if own.empty:
        return
    quiet = own[own["sigma"] == own["sigma"].min()]
    measures = {"effective rank": quiet.assign(accuracy=quiet["effective_rank"])}
    measures |= {f"accuracy in %, σ = {sigma:g}": level for sigma, level in own.groupby("sigma")}
    for measure, level in measures.items():
        by_seed = level.pivot_table(index="seed", columns="augmented", values="accuracy").dropna()
        by_seed["change"] = by_seed[True] - by_seed[False]
        yield [measure, *(shown(values, 2) for _, values in by_seed.items()), str(len(by_seed))]
