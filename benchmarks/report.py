"""The book's chapter on cost: tables for readers and figures, from the stored records."""

import math
import textwrap
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from asymdistill.config.names import short_name, student_name
from asymdistill.plots.style import PALETTE, STYLE, WIDTH, handle, placeholder, style
from benchmarks import records
from benchmarks.records import Costs

_COLUMNS = {
    "grid": {"round": "round", "pipeline": "pipeline", "images": "training images", "training": "training (s)",
             "evaluation": "evaluation (s)", "seconds": "total (s)", "relative": "relative to ours",
             "per_image": "per image and epoch (s)", "peak_gib": "peak memory (GiB)"},
    "training": {"width": "width", "resolution": "resolution", "precision": "precision",
                 "images_per_second": "images/s", "gflop_per_image": "GFLOP per image",
                 "gbytes_per_image": "GB per image", "limit": "limited by", "share": "share of the ceiling (%)",
                 "peak_gib": "peak memory (GiB)"},
    "precision": {"model": "model", "quantity": "quantity", "float32": "float32", "bfloat16": "bfloat16",
                  "difference": "difference", "spread": "spread in float32"},
    "teachers": {"name": "teacher", "resolution": "resolution", "precision": "precision", "images": "images",
                 "seconds": "time (s)", "images_per_second": "images/s"},
    "metrics": {"metric": "metric", "method": "method", "rows": "embeddings", "seconds": "time (s)",
                "relative": "relative to ours", "used_gib": "extra memory (GiB)", "relative_error": "relative error"},
    "files": {"rows": "embeddings", "dim": "dimension", "dtype": "type", "source": "from", "method": "method",
              "seconds": "time (s)", "cpu_seconds": "CPU time (s)", "rows_per_second": "embeddings/s",
              "gbytes_per_second": "GB/s", "disk_gbytes": "disk (GB/s)", "matrix_gbytes": "matrix product (GB/s)",
              "share": "share of the ceiling (%)", "used_gib": "extra memory (GiB)"},
    "sweeps": {"pool": "tasks in", "slots": "at a time", "tasks": "tasks", "seconds": "time (s)",
               "milliseconds": "time per task (ms)", "used_gib": "extra memory (GiB)"},
    "book": {"images": "training images", "seconds": "time (s)", "peak_gib": "peak memory (GiB)"},
    "growth": {"quantity": "quantity", "sizes": "sizes", "time": "exponent of time", "memory": "exponent of memory"},
}  # fmt: skip
SECTIONS = tuple(_COLUMNS)


def table(costs: Costs, name: str) -> pd.DataFrame:
    """One of ``SECTIONS`` for readers; a single row that says so if nothing was measured."""
    derived = {"precision": records.precisions, "growth": records.exponents}
    rows = derived[name](costs) if name in derived else costs.section(name)
    if rows.empty:
        return pd.DataFrame({name: ["not measured"]})
    if name == "grid":
        rows = rows.assign(relative=records.relative_to_ours(rows, "pipeline", ["round"]))
    elif name == "metrics":
        rows = rows.assign(relative=records.relative_to_ours(rows, "method", ["metric", "rows"]))
    elif name in ("training", "files"):
        rows = rows.assign(share=100 * rows["share_of_ceiling"])
    elif name == "sweeps":
        rows = rows.assign(milliseconds=1000 * rows["per_task"])
    elif name == "teachers":
        rows = rows.assign(name=rows["teacher"].map(short_name))
    return _rounded(rows[list(_COLUMNS[name])].rename(columns=_COLUMNS[name]))


def steps(seconds: dict[str, float]) -> pd.DataFrame:
    """The seconds of a run by step, the longest first, and their total."""
    rows = pd.DataFrame(seconds.items(), columns=["step", "time (s)"]).sort_values("time (s)", ascending=False)
    rows.loc[len(rows)] = ["total", rows["time (s)"].sum()]
    return _rounded(rows)


def provenance(costs: Costs) -> pd.DataFrame:
    """Device, commit, date and measured ceilings, one row for all sections that were measured together."""
    rows: dict[tuple[Any, ...], list[str]] = {}
    for section, made in costs.provenance.items():
        ceiling = made["ceiling"]
        rates = (ceiling["matrix_gflops"], ceiling["matrix_gflops_double"], ceiling["copy_gbytes"])
        rows.setdefault((made["device"], made["commit"], made["created"][:10], *rates), []).append(section)
    columns = ["sections", "device", "commit", "date", "float32 (GFLOP/s)", "float64 (GFLOP/s)", "copy (GB/s)"]
    return _rounded(pd.DataFrame([(", ".join(names), *made) for made, names in rows.items()], columns=columns))


def grid(costs: Costs) -> Figure:
    """Seconds of each stage of the grid, ours and the reference's: one bar per round."""
    rows = costs.section("grid")
    if rows.empty:
        return placeholder("the grid was not measured")
    rows = rows.sort_values(["pipeline", "round"], ascending=[False, False])
    names = [f"{row.pipeline}, round {row.round}" for row in rows.itertuples()]
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(WIDTH, 0.6 * len(rows) + 1.4), layout="constrained")
        axis.barh(names, rows["training"], color=PALETTE[0], label="training")
        axis.barh(names, rows["evaluation"], left=rows["training"], color=PALETTE[1], label="evaluation")
        axis.set(xlabel=f"time (s) for {rows['images'].iloc[0]} training images, nine students, one epoch")
        axis.grid(axis="y", visible=False)
        axis.set_axisbelow(True)
        figure.legend(loc="outside upper center", ncols=2)
    return figure


def training(costs: Costs) -> Figure:
    """Training images per second over resolution, one line per width; open marks are the machine's ceiling."""
    rows = costs.section("training")
    if rows.empty:
        return placeholder("training was not measured")
    rows = rows[rows["precision"] == "float32"].assign(model=lambda own: own["width"].map(student_name))
    rows = rows.assign(ceiling=rows["images_per_second"] / rows["share_of_ceiling"]).sort_values(
        "resolution", kind="stable"
    )
    sides = list(rows["resolution"].unique())
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(WIDTH, 4.2), layout="constrained")
        handles: list[Any] = []
        for model, (colour, marker) in style(
            dict.fromkeys(costs.section("training")["width"].map(student_name))
        ).items():
            own = rows[rows["model"] == model]
            axis.plot(own["resolution"], own["images_per_second"], marker + "-", color=colour)
            axis.plot(own["resolution"], own["ceiling"], marker, mec=colour, mfc="white", linestyle="none")
            handles.append(handle(colour, marker, model))
        handles += [handle("0.3", "o", "measured"), handle("0.3", "o", "ceiling", hollow=True)]
        axis.set(xscale="log", yscale="log", xlabel="side of the input (pixels)", ylabel="training images per second")
        axis.set_xticks(sides, [str(side) for side in sides])
        axis.yaxis.set_major_formatter(lambda rate, _: f"{rate:,g}")
        axis.minorticks_off()
        figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure


def growth(costs: Costs) -> Figure:
    """Time over size, one panel per quantity measured at three sizes or more, with the fitted exponent."""
    fitted, points = records.exponents(costs), records.growth(costs)
    if fitted.empty:
        return placeholder("growth was not measured")
    rows = math.ceil(len(fitted) / 2)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(rows, 2, figsize=(WIDTH, 2.3 * rows), layout="constrained", squeeze=False)
        for axis, (quantity, power) in zip(axes.flat, fitted[["quantity", "time"]].to_numpy(), strict=False):
            _growth(axis, points[points["quantity"] == quantity].sort_values("size"))
            # Wrapped, or it runs into the title beside it.
            axis.set_title("\n".join([*textwrap.wrap(quantity, 20, break_long_words=False), f"exponent {power:.2f}"]))
        for axis in axes.flat[len(fitted) :]:
            axis.axis("off")
    return figure


def _growth(axis: Axes, points: pd.DataFrame) -> None:
    axis.loglog(points["size"], points["seconds"], "o-", color=PALETTE[0])
    axis.set(xlabel=points["unit"].iloc[0], ylabel="time (s)")
    # Ticks at the measured values: over less than a decade there would be none to read, or too many.
    axis.set_xticks(points["size"], [EngFormatter(sep="")(float(f"{size:.3g}")) for size in points["size"]])
    axis.set_yticks(points["seconds"], points["seconds"].map(_digits))
    axis.tick_params(axis="x", labelrotation=30)
    axis.minorticks_off()


def _rounded(rows: pd.DataFrame) -> pd.DataFrame:
    """Numbers to three digits, nothing where there is none."""
    return rows.map(lambda value: _digits(value) if isinstance(value, int | float) else value).reset_index(drop=True)


def _digits(value: float) -> str:
    if pd.isna(value):
        return ""
    if float(value).is_integer() or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"
