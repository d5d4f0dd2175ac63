"""What a run costs: the records of ``python -m benchmarks``, the growth with size, and the targets set for them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from asymdistill.runtime.errors import InputError
from asymdistill.store import files

KINDS = ("cpu", "cuda")
_MADE = ("device", "commit", "created", "ceiling")
# Memory that may come and go with the allocator, in GiB.
_CONSTANT = 0.02


@dataclass(frozen=True)
class Costs:
    """What was measured on one kind of device, section by section.

    Attributes:
        kind: ``cpu`` or ``cuda``.
        records: one table a section.
        made: what made each of them: device, commit, created, and the ceilings of that very run.
    """

    kind: str
    records: dict[str, pd.DataFrame]
    made: dict[str, dict[str, Any]]

    def section(self, name: str) -> pd.DataFrame:
        """The records of a section; an empty table where it was not measured."""
        return self.records.get(name, pd.DataFrame())


@dataclass(frozen=True)
class Target:
    """A target and what was measured of it; nothing, where it was not."""

    target: str
    wanted: str
    measured: str = ""
    met: bool = False


def load(path: Path) -> Costs:
    """Read what ``python -m benchmarks`` stored.

    Raises:
        InputError: no such file, or one that is damaged or of another form.
    """
    if not files.is_intact(path):
        raise InputError(f"{path} holds no benchmark, or a damaged one; make bench writes it")
    sections = files.read_json(path) or {}
    try:
        records = {name: pd.DataFrame(section["records"]) for name, section in sections.items()}
        made = {name: {key: section[key] for key in _MADE} for name, section in sections.items()}
    except (KeyError, TypeError):
        raise InputError(f"{path} is no benchmark of this version of asymdistill") from None
    return Costs(path.stem, records, made)


def stored(folder: Path) -> dict[str, Costs]:
    """The benchmarks in a folder, by the kind of device."""
    return {kind: load(folder / f"{kind}.json") for kind in KINDS if (folder / f"{kind}.json").is_file()}


def speedup(costs: Costs) -> pd.Series:
    """How many times as long the reference takes as ours, round by round."""
    table = costs.section("grid")
    if table.empty:
        return pd.Series(dtype=float)
    rounds = table.set_index(["pipeline", "round"])["seconds"]
    return rounds["reference"] / rounds["ours"]


def precisions(costs: Costs) -> pd.DataFrame:
    """Students trained in bfloat16 beside those in float32, seed by seed.

    Returns:
        Columns model, quantity, float32, bfloat16 (means over the seeds), difference, and spread, the standard
        deviation over the seeds in float32 (ddof = 1).
    """
    table = costs.section("precision")
    if table.empty:
        return pd.DataFrame(columns=["model", "quantity", "float32", "bfloat16", "difference", "spread"])
    long = table.melt(["model", "seed", "precision"], ["effective rank", "accuracy"], "quantity")
    means, spreads = (
        long.pivot_table("value", ["model", "quantity"], "precision", statistic, sort=False)
        for statistic in ("mean", "std")
    )
    found = means.assign(difference=means["bfloat16"] - means["float32"], spread=spreads["float32"]).reset_index()
    return found[["model", "quantity", "float32", "bfloat16", "difference", "spread"]].rename_axis(columns=None)


def growth(costs: Costs) -> pd.DataFrame:
    """Time and memory over size: columns quantity, unit, size, seconds, gib; one row a measurement of ours."""
    points = [
        point for name, rows in costs.records.items() for row in rows.to_dict("records") for point in _point(name, row)
    ]
    return pd.DataFrame(points, columns=["quantity", "unit", "size", "seconds", "gib"])


def _point(section: str, row: dict[Any, Any]) -> Iterator[tuple[str, str, int, float, float | None]]:
    if section == "growth":
        yield row["quantity"], row["unit"], row["size"], row["seconds"], row["peak_gib"]
    elif section == "teachers":
        yield f"teacher {short(row['teacher'])}", "images", row["images"], row["seconds"], None
    elif section == "training" and row["precision"] == "float32":
        thousand = 1000 / row["images_per_second"]
        yield (
            f"1,000 training images, w = {row['width']:g}",
            "pixels",
            row["resolution"] ** 2,
            thousand,
            row["peak_gib"],
        )
    elif section == "metrics" and row["method"] == "ours":
        yield row["metric"], "embeddings", row["rows"], row["seconds"], row["used_gib"]
    elif section == "book":
        yield "embedded book", "training images", row["images"], row["seconds"], row["peak_gib"]


def exponents(costs: Costs) -> pd.DataFrame:
    """The powers of size with which time and memory grow, fitted to their logarithms at three sizes or more."""
    rows = []
    for (quantity, unit), group in growth(costs).groupby(["quantity", "unit"], sort=False):
        if group["size"].nunique() >= 3:
            sizes = f"{group['size'].min():,} to {group['size'].max():,} {unit}"
            rows.append(
                {"quantity": quantity, "sizes": sizes, "time": _power(group, "seconds"), "memory": _power(group, "gib")}
            )
    return pd.DataFrame(rows, columns=["quantity", "sizes", "time", "memory"])


def _power(group: pd.DataFrame, column: str) -> float:
    known = group[group[column] > 0]
    return float(np.polyfit(np.log(known["size"]), np.log(known[column]), 1)[0]) if len(known) >= 3 else float("nan")


def targets(costs: dict[str, Costs]) -> pd.DataFrame:
    """Each target with what was measured: columns device, target, wanted, measured, verdict."""
    rows = []
    for kind in KINDS:
        known = costs.get(kind, Costs(kind, {}, {}))
        for found in (
            _grid_target(known),
            _precision_target(known),
            *(_metric_targets(known) if kind == "cpu" else _training_targets(known)),
        ):
            verdict = ("met" if found.met else "missed") if found.measured else "not measured"
            why = "" if kind in costs else "no such device was at hand"
            rows.append((kind, found.target, found.wanted, found.measured or why, verdict))
    return pd.DataFrame(rows, columns=["device", "target", "wanted", "measured", "verdict"])


def _grid_target(costs: Costs) -> Target:
    wanted, ratio = 2 if costs.kind == "cpu" else 30, speedup(costs)
    target = Target("grid at 224 x 224 against the reference", f"at least {wanted} x")
    if ratio.empty:
        return target
    words = f"{ratio.mean():.2f} x ({ratio.min():.2f} to {ratio.max():.2f}, {len(ratio)} rounds)"
    return Target(target.target, target.wanted, words, bool(ratio.mean() >= wanted))


def _precision_target(costs: Costs) -> Target:
    table = precisions(costs)
    target = Target("bfloat16 against float32", "within the spread over seeds")
    if table.empty:
        return target
    ratio = (table["difference"].abs() / table["spread"]).groupby(table["quantity"]).max()
    words = ", ".join(f"{name} within {value:.2f} spreads" for name, value in ratio.items())
    return Target(target.target, target.wanted, words, bool(ratio.max() <= 1))


def _metric_targets(costs: Costs) -> Iterator[Target]:
    table = costs.section("metrics")
    for method in ("float64", "float32"):
        target, wanted = f"effective rank of 50,000 x 512 against svdvals in {method}", "at least 5 x, error below 1e-6"
        if table.empty:
            yield Target(target, wanted)
            continue
        ranks = table[(table["metric"] == "effective rank") & (table["rows"] == 50_000)].set_index("method")
        ratio, error = (
            ranks.loc[f"svdvals {method}", "seconds"] / ranks.loc["ours", "seconds"],
            ranks.loc["ours", "relative_error"],
        )
        yield Target(target, wanted, f"{ratio:.2f} x, error {error:.0e}", bool(ratio >= 5 and error < 1e-6))
    streaming, pairs = (
        ("streaming effective rank of 10,000,000", "constant memory"),
        ("uniformity of 50,000", "within 1 GiB"),
    )
    if table.empty:
        yield from (Target(*streaming), Target(*pairs))
        return
    used = table[table["metric"] == "streaming effective rank"].sort_values("rows")["used_gib"] * 1024
    words = f"{used.iloc[-1]:.0f} MiB, {used.iloc[0]:.0f} MiB for a hundredth as many"
    yield Target(*streaming, words, bool(used.iloc[-1] - used.iloc[0] < 1024 * _CONSTANT))
    most = table[table["metric"] == "uniformity over all pairs"]["used_gib"].max()
    yield Target(*pairs, f"{most:.2f} GiB", bool(most < 1))


def _training_targets(costs: Costs) -> Iterator[Target]:
    table, words = costs.section("training"), ("training of w = 4 at 224 x 224", "at least 40 % of the ceiling")
    if table.empty:
        yield Target(*words)
    else:
        share = 100 * table[(table["width"] == 4) & (table["resolution"] == 224)]["share_of_ceiling"].max()
        yield Target(*words, f"{share:.0f} %", bool(share >= 40))
    yield Target("the complete protocol of cifar10-clip", "under 5 minutes")


def short(teacher: str) -> str:
    """A teacher's name without its library and weights."""
    return teacher.partition(":")[2].partition("/")[0].partition(".")[0] or teacher
