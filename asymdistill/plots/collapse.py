"""Chapter 1: effective ranks, spectra and training losses of the students and their teacher."""

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from asymdistill.claims.ledger import published
from asymdistill.config.names import PAPER
from asymdistill.plots.derived import variance_shares
from asymdistill.plots.runs import Runs
from asymdistill.plots.selection import pick, students_of, teacher_of
from asymdistill.plots.style import (
    HOLLOW,
    SHARE_FLOOR,
    SMALL,
    STYLE,
    WIDTH,
    dots,
    lines,
    panels,
    plain_log_ticks,
    rank_axis,
    spectrum_axes,
    stacked,
)
from asymdistill.plots.tables import number, quantities_beside_paper, wide
from asymdistill.runtime.markup import as_label

if TYPE_CHECKING:
    from asymdistill.data.datasets import ImageSet


def gallery(images: "ImageSet", *, each: int = 4) -> Figure:
    """A few images of up to ten classes, one column per class."""
    shown = images.class_names[:10]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(each, len(shown), figsize=(WIDTH, 0.5 * each + 0.9), squeeze=False)
        for column, name in enumerate(shown):
            members = (images.labels == column).nonzero().flatten().tolist()[:each]
            for row, axis in enumerate(axes[:, column]):
                axis.axis("off")
                if row < len(members):
                    axis.imshow(images.images[members[row]].numpy(), interpolation="nearest")
            axes[0, column].set_title(as_label(name, 24), fontsize=SMALL, rotation=55, ha="left", pad=2)
        figure.subplots_adjust(
            wspace=0.06, hspace=0.06, left=0.01, right=0.95, bottom=0.01, top=1 - 0.9 / (0.5 * each + 0.9)
        )
    return figure


def losses(training: pd.DataFrame) -> Figure:
    """Mean training loss per epoch, mean and range over the seeds; augmented students are left out."""
    table = pick(training, augmented=False)
    with plt.rc_context(STYLE):
        figure, axes = panels([["loss"]], 3.6)
        axis = axes["loss"]
        lines(axis, table, "epoch", "loss", marks=True)
        only_cosine = set(table["objective"]) == {"cosine"}
        axis.set(xlabel="epoch (number)", ylabel=f"{'cosine distance' if only_cosine else 'loss'} (mean)")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_xlim(0.5, table["epoch"].max() + 0.5)
        axis.legend()
    return figure


def ranks(spectrum: Runs) -> Figure:
    """Effective rank of each model: one panel for the paper and one per run, one dot per seed."""
    published_ranks = published("effective_rank")
    tables = {PAPER: published_ranks[published_ranks["model"].notna()]}
    tables |= {name: pick(table, "effective_rank", estimator="per seed") for name, table in spectrum.items()}
    with plt.rc_context(STYLE):
        figure, axes = stacked(tables, [0.34 * table["model"].nunique() + 0.4 for table in tables.values()])
        for name, table in tables.items():
            dots(axes[name], table, **(HOLLOW if name == PAPER else {}))
        axis = axes[list(tables)[-1]]
        rank_axis(axis)
    return figure


def spectra(singular_values: Runs) -> Figure:
    """Share of the variance in each component: one panel per run, mean and range over the seeds, logarithmic axes."""
    with plt.rc_context(STYLE):
        figure, axes = stacked(singular_values, 3.2 if len(singular_values) > 1 else 3.9, sharey=True)
        for name, table in singular_values.items():
            own = variance_shares(table)
            lines(axes[name], own[own["share"] > SHARE_FLOOR], "component", "share")
            spectrum_axes(axes[name])
            axes[name].legend()
        axes[name].set_xlabel("component (number)")
        plain_log_ticks(axes[name])
    return figure


def table(spectrum: Runs) -> pd.DataFrame:
    """Effective rank and dimensions for 90 % of the variance, the paper's and of each run: one row per model."""
    own = {name: pick(table, estimator="per seed") for name, table in spectrum.items()}
    return quantities_beside_paper(own, {"rank": ("effective_rank", 2), "dims": ("dims_for_90", 1)})


def estimators(spectrum: pd.DataFrame) -> pd.DataFrame:
    """Effective rank by estimator: one row per estimator, one column per model."""
    means = (
        pick(spectrum, quantity=["effective_rank", "effective_rank_amplitude"])
        .groupby(["model", "quantity", "estimator"], sort=False)["value"]
        .mean()
        .reset_index()
    )
    weights = means["quantity"].map({"effective_rank": "variance", "effective_rank_amplitude": "amplitude"})
    averages = means["estimator"].map({"per seed": "mean of the ranks", "mean spectrum": "rank of the mean spectrum"})
    means["estimator"] = weights + ": " + averages
    means["shown"] = [number(value, None, 2) for value in means["value"]]
    return wide(means, index="estimator", columns="model")


def numbers(spectrum: pd.DataFrame) -> dict[str, float]:
    """Numbers for the prose: effective ranks and dimensions for 90 % of the variance, of teacher and students."""
    per_seed = pick(spectrum, estimator="per seed")
    rank, dims = pick(per_seed, "effective_rank"), pick(per_seed, "dims_for_90")
    ranks, dimensions = students_of(rank)["value"], students_of(dims)["value"]
    return {
        "er_teacher": float(teacher_of(rank)["value"].iloc[0]),
        "er_student_min": float(ranks.min()),
        "er_student_max": float(ranks.max()),
        "er_mean": float(ranks.mean()),
        "dims90_teacher": float(teacher_of(dims)["value"].iloc[0]),
        "dims90_student_min": float(dimensions.min()),
        "dims90_student_max": float(dimensions.max()),
    }
