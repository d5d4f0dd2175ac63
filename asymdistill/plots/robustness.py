"""Chapter 4: accuracy of a probe, fitted on clean embeddings, under noise."""

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from asymdistill.claims import facts
from asymdistill.claims.ledger import published
from asymdistill.claims.quantities import NOISE_SPACE
from asymdistill.config.settings import Settings
from asymdistill.plots.style import STYLE, WIDTH, lines, noise_panels
from asymdistill.plots.tables import beside_paper, pick, teacher_of

if TYPE_CHECKING:
    from asymdistill.data.datasets import ImageSet

COLUMNS = {NOISE_SPACE: "this run", "pixel": "this run, noise on the picture"}
"""What the accuracies of a noise space are called in tables."""


def noisy_gallery(test: "ImageSet", settings: Settings, *, shown: int = 3) -> Figure:
    """A few test images at every noise level: one row per image and noise space, one column per level.

    Noise of the normalised space is drawn at the images' own resolution and shown back in pixels, clipped.
    """
    import torch

    from asymdistill.data.views import GaussianNoise, View, see

    view = View(test.images.shape[1])
    images = test.images[:shown]
    height = len(images) * len(settings.noise_spaces)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (view.mean, view.std))
    with plt.rc_context(STYLE):
        size = (WIDTH, 1.55 * height + 0.4)
        figure, axes = plt.subplots(height, len(settings.noise_levels), figsize=size, squeeze=False)
        for block, space in enumerate(settings.noise_spaces):
            strips = axes[block * len(images) : (block + 1) * len(images)]
            for sigma, column in zip(settings.noise_levels, strips.T, strict=True):
                seen = see(images, view, GaussianNoise(sigma, space, settings.noise_seed)) * std + mean
                for image, axis in zip(seen.clamp(0, 1).permute(0, 2, 3, 1).numpy(), column, strict=True):
                    axis.imshow(image, interpolation="nearest")
                    axis.set(xticks=[], yticks=[])
                    axis.grid(visible=False)
            for axis in strips[:, 0]:
                axis.set_ylabel(space, fontsize=10)
        for sigma, axis in zip(settings.noise_levels, axes[0], strict=True):
            axis.set_title(f"σ = {sigma:g}", fontsize=12)
        figure.subplots_adjust(wspace=0.05, hspace=0.05, left=0.06, right=0.99, bottom=0.01, top=1 - 0.35 / height)
    return figure


def accuracy(robustness: pd.DataFrame, *, chance: float, pixels: float) -> Figure:
    """Accuracy of the clean probe against the noise, mean and range over the seeds, one panel per noise space.

    Args:
        robustness: a study's table of robustness.
        chance: accuracy of guessing in percent, drawn as a dotted line.
        pixels: a unit of the normalised tensor, in units of the range of a pixel.
    """
    with plt.rc_context(STYLE):
        figure, axes = noise_panels(robustness, pixels)
        for space, axis in axes.items():
            lines(axis, pick(robustness, noise_space=space), "sigma", "accuracy", marks=True)
            axis.axhline(chance, color="0.5", linestyle=":", linewidth=1.5)
        figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center", ncols=4, columnspacing=1.2)
    return figure


def table(robustness: pd.DataFrame) -> pd.DataFrame:
    """Accuracy in percent: one row per model and noise level, one column per noise space.

    The paper's values stand beside those of its own noise space.
    """
    spaces, by = list(dict.fromkeys(robustness["noise_space"])), ["model", "sigma"]
    paper = pick(published("accuracy"), augmented=False)
    parts = {space: beside_paper(pick(robustness, noise_space=space), paper, by, "accuracy", 2) for space in spaces}
    shown = parts[spaces[0]][by].copy()
    for space, part in parts.items():
        if space == NOISE_SPACE:
            shown["paper"] = part["paper"]
        shown[COLUMNS[space]] = part["this run"]
    return shown.assign(seeds=parts[spaces[0]]["seeds"])


def numbers(robustness: pd.DataFrame) -> dict[str, float]:
    """Numbers for the prose: the teacher's accuracy at the lowest noise level, in percent."""
    levels = teacher_of(robustness).sort_values("sigma", kind="stable")
    return {"acc_teacher_clean": float(levels["accuracy"].iloc[0])}


def welch(first: str, second: str, *, sigma: float) -> pd.DataFrame:
    """Welch's t-test between two students at one noise level, from the paper's own means and spreads."""
    paper = pick(published("accuracy"), augmented=False, sigma=sigma).set_index("model")[["value", "spread", "seeds"]]
    test = facts.welch(paper.loc[first], paper.loc[second])
    row = {
        "students": f"{first} − {second}",
        "sigma": sigma,
        "difference": round(test.difference, 2),
        "t": round(test.t, 2),
        "p": round(test.p, 2),
        "seeds": " and ".join(f"{count:.0f}" for count in test.seeds),
    }
    return pd.DataFrame([row])
