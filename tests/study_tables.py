"""Made-up tables of chapters 1 to 5, in the shape of a study's."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from asymdistill.config.names import TEACHER, student_name
from asymdistill.plots.selection import pick

TYPES = {"seed": "Int64", "width": float, "augmented": bool}
SIGMAS = (0.0, 0.1, 0.2)
SPACES = ("normalised", "pixel")
COMPONENTS = 30
RANDOM = np.random.default_rng(0)

Row = dict[str, Any]


def models(widths: tuple[float, ...], seeds: int, *, teacher: bool = True) -> Iterator[Row]:
    if teacher:
        yield {"model": TEACHER, "width": None, "seed": None, "objective": None, "augmented": False}
    for width, seed in itertools.product(widths, range(seeds)):
        yield {"model": student_name(width), "width": width, "seed": seed, "objective": "cosine", "augmented": False}


def table(rows: list[Row]) -> pd.DataFrame:
    return pd.DataFrame(rows).astype(TYPES)


def spectrum(ranks: dict[float, list[float]], teacher: float = 90.0) -> pd.DataFrame:
    """The ranks of each width's students, seed by seed; amplitude ranks are three times, dimensions twice as large."""
    rows = []
    for model in models(tuple(ranks), len(next(iter(ranks.values())))):
        value = teacher if model["width"] is None else ranks[model["width"]][model["seed"]]
        for quantity, factor in (("effective_rank", 1), ("effective_rank_amplitude", 3), ("dims_for_90", 2)):
            made = {"estimator": "per seed", "images": 2000, "quantity": quantity, "value": factor * value}
            rows.append(model | made)
    for width, values in ranks.items():
        model = next(models((width,), 1, teacher=False)) | {"seed": None, "estimator": "mean spectrum", "images": 2000}
        rows.append(model | {"quantity": "effective_rank", "value": 1.5 * max(values)})
    return table(rows)


def per_seed(ranks: dict[float, list[float]]) -> pd.DataFrame:
    """The rows of ``spectrum`` that are effective ranks of single students, and the teacher's."""
    return pick(spectrum(ranks), "effective_rank", estimator="per seed")


def singular_values(widths: tuple[float, ...], seeds: int = 2) -> pd.DataFrame:
    return table(
        [
            model | {"component": component, "value": float(RANDOM.uniform(0.9, 1) / component)}
            for model in models(widths, seeds)
            for component in range(1, COMPONENTS + 1)
        ]
    )


def training(widths: tuple[float, ...], seeds: int = 2, epochs: int = 3) -> pd.DataFrame:
    return table(
        [
            model | {"epoch": epoch, "loss": float(RANDOM.uniform(0.9, 1) / epoch)}
            for model in models(widths, seeds, teacher=False)
            for epoch in range(1, epochs + 1)
        ]
    )


def alignment(widths: tuple[float, ...], seeds: int = 2) -> pd.DataFrame:
    return table(
        [
            model | {"component": k, "share": (k / COMPONENTS) ** float(RANDOM.uniform(0.4, 0.5))}
            for model in models(widths, seeds)
            for k in range(1, COMPONENTS + 1)
        ]
    )


def information(values: dict[float, list[tuple[float, float]]]) -> pd.DataFrame:
    """InfoNCE and uniformity of each width's students, seed by seed."""
    rows = []
    for model in models(tuple(values), len(next(iter(values.values())))):
        nce, uniformity = (1.0, -1.0) if model["width"] is None else values[model["width"]][model["seed"]]
        measured = {
            "info_nce": nce,
            "mutual_information_bound": 4 - nce,
            "uniformity": uniformity,
            "uniformity_without_self": uniformity - 0.1,
            "uniformity_all_pairs": uniformity - 0.2,
        }
        rows += [model | {"quantity": quantity, "value": value} for quantity, value in measured.items()]
    return table(rows)


def robustness(accuracy: dict[float, dict[float, list[float]]], teacher: dict[float, float]) -> pd.DataFrame:
    """Accuracies by width, sigma and seed in the normalised space; in the pixel space they are one point higher."""
    rows = []
    for model in models(tuple(accuracy), len(next(iter(next(iter(accuracy.values())).values())))):
        for (more, space), sigma in itertools.product(enumerate(SPACES), teacher):
            own = teacher[sigma] if model["width"] is None else accuracy[model["width"]][sigma][model["seed"]]
            rows.append(model | {"noise_space": space, "sigma": sigma, "accuracy": own + more})
    return table(rows)


def augmentation(without: dict[float, list[float]], change: float, width: float = 4.0) -> pd.DataFrame:
    """Accuracies of one student by sigma and seed; augmentation changes the last seed's by ``change``, and the rank."""
    plain = robustness({width: without}, dict.fromkeys(without, 0.0)).query("width.notna()")
    plain = plain.assign(effective_rank=16.0)
    last = plain["seed"] == plain["seed"].max()
    treated = plain.assign(augmented=True, effective_rank=18.0, accuracy=plain["accuracy"] + change * last)
    return pd.concat([plain, treated], ignore_index=True)


def everything(widths: tuple[float, ...]) -> dict[str, pd.DataFrame]:
    """All tables of chapters 1 to 5 for students of some widths and two seeds."""
    falling = {sigma: [70 - 100 * sigma, 72 - 100 * sigma] for sigma in SIGMAS}
    return {
        "spectrum": spectrum({width: [15.0 + width, 16.0] for width in widths}),
        "singular_values": singular_values(widths),
        "training": training(widths),
        "alignment": alignment(widths),
        "information": information({width: [(3.3, -0.4), (3.2, -0.5)] for width in widths}),
        "robustness": robustness(dict.fromkeys(widths, falling), {sigma: 90 - 10 * sigma for sigma in SIGMAS}),
        "augmentation": augmentation(falling, 2.0, widths[-1]),
    }
