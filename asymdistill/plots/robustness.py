"""Chapter 4: accuracy of a probe, fitted on clean embeddings, under noise."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from asymdistill.claims import facts
from asymdistill.claims.ledger import published
from asymdistill.claims.quantities import NOISE_SPACE
from asymdistill.config.names import PAPER
from asymdistill.config.settings import Settings
from asymdistill.plots.runs import Runs
from asymdistill.plots.selection import pick, teacher_of
from asymdistill.plots.style import SMALL, STYLE, WIDTH, at_chance, legend_above, lines, model_handles, noise_panels
from asymdistill.plots.tables import beside_paper, dashed

if TYPE_CHECKING:
    from asymdistill.data.datasets import ImageSet

SPACES = {NOISE_SPACE: "input", "pixel": "picture"}
"""What tables call the noise spaces, by what the noise is added to."""


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
        size = (WIDTH, 1.15 * height + 0.4)
        figure, axes = plt.subplots(height, len(settings.noise_levels), figsize=size, squeeze=False)
        for block, space in enumerate(name for name in SPACES if name in settings.noise_spaces):
            strips = axes[block * len(images) : (block + 1) * len(images)]
            for sigma, column in zip(settings.noise_levels, strips.T, strict=True):
                seen = see(images, view, GaussianNoise(sigma, space, settings.noise_seed)) * std + mean
                for image, axis in zip(seen.clamp(0, 1).permute(0, 2, 3, 1).numpy(), column, strict=True):
                    axis.imshow(image, interpolation="nearest")
                    axis.set(xticks=[], yticks=[])
                    axis.grid(visible=False)
            for axis in strips[:, 0]:
                axis.set_ylabel(f"on the {SPACES[space]}", fontsize=SMALL)
        for sigma, axis in zip(settings.noise_levels, axes[0], strict=True):
            axis.set_title(f"σ = {sigma:g}")
        figure.subplots_adjust(wspace=0.05, hspace=0.05, left=0.06, right=0.99, bottom=0.01, top=1 - 0.35 / height)
    return figure


def accuracy(robustness: Runs, *, chance: Mapping[str, float], pixels: Mapping[str, float]) -> Figure:
    """Accuracy of the clean probe against the noise: one row of panels for the paper and one per run.

    Lines are means and bands ranges over the seeds; the paper's bands are its standard deviations.

    Args:
        robustness: a table of robustness of each run.
        chance: by the name of the run, the accuracy of guessing in percent, drawn as a dotted line.
        pixels: by the name of the run, a unit of its normalised tensor in units of the range of a pixel.
    """
    paper = pick(published("accuracy"), augmented=False).assign(noise_space=NOISE_SPACE)
    ends = [paper.assign(accuracy=paper["value"] + sign * paper["spread"].fillna(0)) for sign in (-1, 0, 1)]
    runs = {PAPER: pd.concat(ends), **robustness}
    with plt.rc_context(STYLE):
        figure, axes = noise_panels(runs, pixels)
        for (name, space), axis in axes.items():
            lines(axis, pick(runs[name], noise_space=space), "sigma", "accuracy", marks=True)
            at_chance(axis, chance.get(name))
        legend_above(figure, model_handles(pd.concat(runs.values())))
    return figure


def table(robustness: Runs) -> pd.DataFrame:
    """Accuracy in percent, the paper's and of each run: one row per noise space, level and model."""
    spaces = [name for name in SPACES if any(name in set(table["noise_space"]) for table in robustness.values())]
    paper, by = pick(published("accuracy"), augmented=False).assign(noise_space=NOISE_SPACE), ["model", "sigma"]
    parts = []
    for space in spaces:
        runs = {name: pick(table, noise_space=space) for name, table in robustness.items()}
        runs = {name: table for name, table in runs.items() if len(table)}
        own = beside_paper(runs, pick(paper, noise_space=space), by, "accuracy", 2)
        own = own.sort_values("sigma", kind="stable")
        parts.append(own.assign(noise=SPACES[space], sigma=[f"{level:g}" for level in own["sigma"]]))
    columns = [*by, "noise", PAPER, *robustness, "seeds"]
    return dashed(pd.concat(parts, ignore_index=True).reindex(columns=columns))


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
