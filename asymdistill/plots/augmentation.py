"""Chapter 5: the largest student, trained with and without augmentation, under noise."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from asymdistill.claims.ledger import published
from asymdistill.claims.quantities import NOISE_SPACE
from asymdistill.plots.style import STYLE, band, noise_panels, placeholder, style
from asymdistill.plots.tables import number, pick, shown

TRAINED = {False: "without", True: "with augmentation"}


def accuracy(augmentation: pd.DataFrame, *, pixels: float) -> Figure:
    """Accuracy under noise of the largest student, trained with and without augmentation.

    Args:
        augmentation: a study's table of augmentation.
        pixels: a unit of the normalised tensor, in units of the range of a pixel.
    """
    if augmentation.empty:
        return placeholder("no student was trained with augmentation")
    colour, marker = style(augmentation["model"])[augmentation["model"].iloc[0]]
    with plt.rc_context(STYLE):
        figure, axes = noise_panels(augmentation, pixels)
        for space, axis in axes.items():
            for augmented, label in TRAINED.items():
                own = pick(augmentation, noise_space=space, augmented=augmented)
                look = {"linestyle": "--", "mfc": "white"} if augmented else {"linestyle": "-", "mfc": colour}
                band(axis, own, "sigma", "accuracy", colour, marker=marker, label=label, **look)
        figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def table(augmentation: pd.DataFrame) -> pd.DataFrame:
    """What augmentation changes: one row for the effective rank and one per noise level.

    Where there are several noise spaces, it is about the paper's.

    Returns:
        Columns measure, paper and this run (each without and with augmentation), change (with - without, paired by
        seed) and seeds. Mean ± standard deviation over seeds (ddof = 0); accuracies in percent.
    """
    spaces = augmentation["noise_space"].unique().tolist()
    own = pick(augmentation, noise_space=NOISE_SPACE) if NOISE_SPACE in spaces else augmentation
    columns = ["measure", "paper, without", "paper, with", "this run, without", "this run, with", "change", "seeds"]
    if own.empty:
        return pd.DataFrame(columns=columns)
    rank = own[own["sigma"] == own["sigma"].min()].pivot_table(
        index="seed", columns="augmented", values="effective_rank"
    )
    rows = [["effective rank", *_paper(str(own["model"].iloc[0]), None), *_run(rank)]]
    for sigma, level in own.groupby("sigma"):
        by_seed = level.pivot_table(index="seed", columns="augmented", values="accuracy")
        rows.append([f"accuracy in %, σ = {sigma:g}", *_paper(str(own["model"].iloc[0]), sigma), *_run(by_seed)])
    return pd.DataFrame(rows, columns=columns)


def _paper(model: str, sigma: float | None) -> list[str]:
    """The paper's values without and with augmentation: of an accuracy, or of the effective rank."""
    if sigma is None:
        own = pick(published("effective_rank"), model=model)
    else:
        own = pick(published("accuracy"), model=model, sigma=sigma)
    found = {row["augmented"]: number(row["value"], row["spread"], 2) for row in own.to_dict("records")}
    return [found.get(augmented, "–") for augmented in TRAINED]


def _run(by_seed: pd.DataFrame) -> list[str | int]:
    """Values without and with augmentation and their paired change, mean ± standard deviation, and the seeds."""
    by_seed = by_seed.dropna().assign(change=lambda own: own[True] - own[False])
    return [*(shown(values, 2) for _, values in by_seed.items()), len(by_seed)]
