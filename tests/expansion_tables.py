"""Made-up tables of chapters 6 and 7, in the shape of ``Study.expansion`` and ``Study.generality``."""

import itertools

import pandas as pd

from asymdistill.config.names import IDENTITY

SEEDS = (42, 123)
WIDTHS = {"S": 1.0, "M": 2.0, "L": 4.0}
SIGMAS = (0.0, 0.1, 0.2)
PLAIN, FACTOR = 10.0, 1.5  # the rank of a student without InfoNCE at the first seed, and what InfoNCE makes of it
TEACHER = 40.0
OWN = "this copy"


def of(model: str, seed: int | None = None, objective: str | None = None) -> dict[str, object]:
    return {"model": model, "width": WIDTHS.get(model), "seed": seed, "objective": objective, "augmented": False}


def rank(seed: int, objective: str) -> float:
    return (PLAIN + (seed != SEEDS[0])) * {"cosine": 1.0, "infonce": FACTOR}.get(objective, 2.0)


def measured(objective: str, model: str, seed: int) -> list[dict[str, object]]:
    """What a student is good for: InfoNCE adds 5 points to the probe, takes one under noise, and so on."""
    more = objective != "cosine"
    found = {
        "effective_rank": rank(seed, objective),
        "train_accuracy": 80.0 + 3 * more,
        "neighbour_accuracy": 60.0 + 2 * more,
        "neighbour_overlap": 0.30 - 0.05 * more,
        "distance": 0.20 + 0.01 * more,
        "aligned_share": 0.90,
    }
    rows = [of(model, seed, objective) | {"quantity": name, "value": value} for name, value in found.items()]
    accuracy = [70 + 5 * more - (100 + 60 * more) * sigma for sigma in SIGMAS]
    noisy = [{"quantity": "accuracy", "sigma": s, "value": a} for s, a in zip(SIGMAS, accuracy, strict=True)]
    return [*rows, *(of(model, seed, objective) | row for row in noisy)]


def everything(objectives: tuple[str, ...] = ("cosine", "infonce"), *, sweeps: bool = True) -> pd.DataFrame:
    """A table of expansion."""
    gains = [
        of("teacher") | {"quantity": "effective_rank", "value": TEACHER},
        of("teacher") | {"quantity": "train_accuracy", "value": 99.0},
        of("teacher") | {"quantity": "neighbour_accuracy", "value": 90.0},
        *(of("teacher") | {"quantity": "accuracy", "sigma": sigma, "value": 95 - 50 * sigma} for sigma in SIGMAS),
    ]
    for objective, model, seed in itertools.product(objectives, WIDTHS, SEEDS):
        gains += measured(objective, model, seed)
    rows = [{"comparison": "gains", **row} for row in gains]
    if sweeps:
        for name, values in {"weight": (0.0, 1.0, 10.0), "temperature": (0.1, 1.0), "batch_size": (16.0, 64.0)}.items():
            for x, seed in itertools.product(values, SEEDS):
                kinds = ("cosine",) if x == 0 else ("cosine", "infonce") if name == "batch_size" else ("infonce",)
                rows += [
                    {"comparison": name, "x": x, **row}
                    for kind in kinds
                    for row in measured(kind, "S", seed)
                    if row["quantity"] == "effective_rank" or row.get("sigma") == 0
                ]
        for model, seed in itertools.product(("S", "L"), SEEDS):
            pushed = {"quantity": "effective_rank", "value": 30.0 + WIDTHS[model], "x": WIDTHS[model]}
            rows.append({"comparison": "width", **of(model, seed, "infonce"), **pushed})
        for objective, seed in itertools.product(("views", "vicreg", "uniformity", "whitened"), SEEDS):
            rows += [{"comparison": "alternatives", **row} for row in measured(objective, "S", seed)]
    return _typed(pd.DataFrame(rows, columns=["comparison", "quantity", *IDENTITY, "sigma", "x", "value"]))


def crossed(objectives: tuple[str, ...] = ("cosine", "infonce")) -> pd.DataFrame:
    """A table of generality: two teachers, two sets of images."""
    own = everything(objectives, sweeps=False)
    own = own[own["quantity"].isin(["effective_rank", "accuracy"])].drop(columns=["comparison", "x"])
    pairs = itertools.product(
        (("cifar10", 10), ("/data/mine.npz", 100)), ("open_clip:ViT-B-32-quickgelu/openai", "timm:vit_s.lvd142m")
    )
    parts = [own.assign(dataset=dataset, classes=count, teacher=teacher) for (dataset, count), teacher in pairs]
    return _typed(
        pd.concat(parts, ignore_index=True)[["dataset", "teacher", "classes", "quantity", *IDENTITY, "sigma", "value"]]
    )


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    numbers = {name: float for name in ("width", "sigma", "x", "value") if name in table}
    return table.astype({"seed": "Int64", **numbers})


def of_copy(table: pd.DataFrame, name: str = OWN) -> pd.DataFrame:
    """The rows of one run in a table that has several, without their name."""
    return table[table["from"] == name].drop(columns="from")


def gains(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["comparison"] == "gains"]


def singular_values(objectives: tuple[str, ...] = ("cosine", "infonce")) -> pd.DataFrame:
    models = [of("teacher"), *(of(m, s, o) for o in objectives for m in WIDTHS for s in SEEDS)]
    rows = [model | {"component": k, "value": 2.0**-k} for model in models for k in range(1, 9)]
    return pd.DataFrame(rows).astype({"seed": "Int64"})
