"""The records that ``python -m benchmarks`` stores, and what follows from them: speed-ups, differences, growth."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from asymdistill.config.names import short_name
from asymdistill.runtime.errors import InputError
from asymdistill.store import files

FOLDER = Path(__file__).parent
_PROVENANCE = ("device", "commit", "created", "ceiling")


@dataclass(frozen=True)
class Costs:
    """What was measured on one kind of device, by section.

    Attributes:
        kind: ``cpu`` or ``cuda``.
        records: one table per section.
        provenance: device, commit, time, and the ceilings measured in the same run, per section.
    """

    kind: str
    records: dict[str, pd.DataFrame] = field(default_factory=dict)
    provenance: dict[str, dict[str, Any]] = field(default_factory=dict)

    def section(self, name: str) -> pd.DataFrame:
        """The records of a section; an empty table if it was not measured."""
        return self.records.get(name, pd.DataFrame())


def load(path: Path) -> Costs:
    """Read what ``python -m benchmarks`` stored.

    Raises:
        InputError: there is no such file, or it is damaged or of another form.
    """
    if not files.is_intact(path):
        raise InputError(f"{path} holds no benchmark, or a damaged one; make bench writes it")
    sections = files.read_json(path) or {}
    try:
        records = {name: pd.DataFrame(section["records"]) for name, section in sections.items()}
        provenance = {name: {key: section[key] for key in _PROVENANCE} for name, section in sections.items()}
    except (KeyError, TypeError):
        raise InputError(f"{path} is no benchmark of this version of asymdistill") from None
    return Costs(path.stem, records, provenance)


def stored(kind: str, folder: Path = FOLDER) -> Costs:
    """The benchmark of one kind of device in a folder; an empty one if there is none."""
    path = folder / f"{kind}.json"
    return load(path) if path.is_file() else Costs(kind)


def relative_to_ours(table: pd.DataFrame, column: str, by: list[str]) -> pd.Series:
    """Seconds as a multiple of ours, among the rows that share the columns ``by``.

    Args:
        table: a section's records.
        column: which column says whose row it is; one of its values is ``ours``.
        by: the columns that make rows comparable.
    """
    ours = table["seconds"].where(table[column] == "ours")
    return table["seconds"] / ours.groupby([table[name] for name in by]).transform("first")


def precisions(costs: Costs) -> pd.DataFrame:
    """Students trained in bfloat16 beside those trained in float32.

    Returns:
        Columns model, quantity, float32 and bfloat16 (means over seeds), difference, and spread, the standard
        deviation over seeds in float32 (ddof = 1).
    """
    columns = ["model", "quantity", "float32", "bfloat16", "difference", "spread"]
    table = costs.section("precision")
    if table.empty:
        return pd.DataFrame(columns=columns)
    long = table.melt(["model", "seed", "precision"], ["effective rank", "accuracy"], "quantity")
    means, spreads = (
        long.pivot_table("value", ["model", "quantity"], "precision", statistic, sort=False)
        for statistic in ("mean", "std")
    )
    found = means.assign(difference=means["bfloat16"] - means["float32"], spread=spreads["float32"])
    return found.reset_index()[columns].rename_axis(columns=None)


def growth(costs: Costs) -> pd.DataFrame:
    """Time and memory over size: columns quantity, unit, size, seconds, gib; one row per measurement of ours."""
    points = [
        point for name, rows in costs.records.items() for row in rows.to_dict("records") for point in _points(name, row)
    ]
    return pd.DataFrame(points, columns=["quantity", "unit", "size", "seconds", "gib"])


def _points(section: str, row: dict[Any, Any]) -> Iterator[tuple[str, str, int, float, float | None]]:
    if section == "growth":
        yield row["quantity"], row["unit"], row["size"], row["seconds"], row["peak_gib"]
    elif section == "teachers" and row["precision"] == "float32":
        name = f"teacher {short_name(row['teacher'])} at {row['resolution']}"
        yield name, "images", row["images"], row["seconds"], None
    elif section == "training" and row["precision"] == "float32":
        name = f"1,000 training images, w = {row['width']:g}"
        yield name, "pixels", row["resolution"] ** 2, 1000 / row["images_per_second"], row["peak_gib"]
    elif section == "metrics" and row["method"] == "ours":
        yield row["metric"], "embeddings", row["rows"], row["seconds"], row["used_gib"]
    elif section == "book":
        yield "embedded book", "training images", row["images"], row["seconds"], row["peak_gib"]


def exponents(costs: Costs) -> pd.DataFrame:
    """The powers of size with which time and memory grow, fitted on a log-log scale to three sizes or more."""
    rows = []
    for (quantity, unit), group in growth(costs).groupby(["quantity", "unit"], sort=False):
        if group["size"].nunique() >= 3:
            sizes = f"{group['size'].min():,} to {group['size'].max():,} {unit}"
            powers = {"time": _power(group, "seconds"), "memory": _power(group, "gib")}
            rows.append({"quantity": quantity, "sizes": sizes, **powers})
    return pd.DataFrame(rows, columns=["quantity", "sizes", "time", "memory"])


def _power(group: pd.DataFrame, column: str) -> float:
    known = group[group[column] > 0]
    return float(np.polyfit(np.log(known["size"]), np.log(known[column]), 1)[0]) if len(known) >= 3 else float("nan")
