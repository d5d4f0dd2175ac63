"""Made-up runs for the ledger: tables in the shape of a study's, from a few numbers per model."""

from dataclasses import dataclass, field
from typing import Any, get_args

import pandas as pd

from asymdistill.config.names import STUDENTS
from asymdistill.config.profiles import load_settings
from asymdistill.config.settings import Objective, Settings

SEEDS = (42, 123, 456, 7, 8)
WIDTHS = {label: width for width, label in STUDENTS.items()}
OBJECTIVES = get_args(Objective)
Values = dict[str, float | list[float]]


@dataclass
class Made:
    """A run with these settings and tables."""

    settings: Settings
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    profile: str = "made"
    sizes: dict[str, int] = field(default_factory=lambda: {"train": 50_000, "classes": 10})
    asked: list[str] = field(default_factory=list)

    def table(self, name: str) -> pd.DataFrame | None:
        self.asked.append(name)
        return self.tables.get(name)


def run(profile: str = "cifar10-clip", overrides: dict[str, Any] | None = None, **tables: pd.DataFrame) -> Made:
    return Made(load_settings(profile, overrides)[1], tables)


def table(values: Values, column: str = "value", **cells: object) -> pd.DataFrame:
    """One row per value: a number for the teacher, a list by seed for ``S``, ``L augmented`` or ``M infonce``."""
    rows = []
    for label, found in values.items():
        model, _, treatment = label.partition(" ")
        for index, value in enumerate(found if isinstance(found, list) else [found]):
            is_student = isinstance(found, list)
            row = {
                "model": model,
                "width": WIDTHS.get(model),
                "seed": SEEDS[index] if is_student else None,
                "objective": (treatment if treatment in OBJECTIVES else "cosine") if model in WIDTHS else None,
                "augmented": treatment == "augmented",
            }
            rows.append({**row, **cells, column: value})
    return pd.DataFrame(rows).astype({"seed": "Int64", "width": float, "augmented": bool})


def ranks(values: Values, quantity: str = "effective_rank", estimator: str = "per seed") -> pd.DataFrame:
    return table(values, quantity=quantity, estimator=estimator, images=2000)


def accuracies(levels: dict[float, Values], space: str = "normalised") -> pd.DataFrame:
    return pd.concat([table(values, "accuracy", noise_space=space, sigma=sigma) for sigma, values in levels.items()])


def control(name: str, values: Values, quantity: str, **cells: object) -> pd.DataFrame:
    made = table(values, control=name, quantity=quantity, **cells)
    return made.reindex(columns=[*made.columns, *({"variant", "sigma", "x"} - set(made.columns))])


def of_components(curves: dict[str, list[float] | list[list[float]]], column: str) -> pd.DataFrame:
    """Alignment or singular values: for each model a curve, or a list of curves by seed."""
    parts = []
    for label, found in curves.items():
        by_seed: Any = found if isinstance(found[0], list) else [found]
        for component, values in enumerate(zip(*by_seed, strict=True), start=1):
            one = list(values) if isinstance(found[0], list) else values[0]
            parts.append(table({label: one}, column, component=component))
    return pd.concat(parts, ignore_index=True)
