"""The book's page of costs: tables for readers, figures, and what they show."""

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from asymdistill.config.names import student_name
from asymdistill.plots.figures import STYLE, WIDTH, handle, placeholder, style
from benchmarks import records
from benchmarks.records import Costs

_PALETTE = sns.color_palette("colorblind")
_COLUMNS = {
    "grid": {"round": "round", "pipeline": "pipeline", "images": "training images", "training": "training (s)",
             "evaluation": "evaluation (s)", "seconds": "all (s)", "per_image": "an image and epoch (s)",
             "peak_gib": "peak memory (GiB)"},
    "training": {"width": "width", "resolution": "resolution", "precision": "precision",
                 "images_per_second": "images/s", "gflop_per_image": "operations an image (1e9)",
                 "gbytes_per_image": "bytes an image (1e9)",
                 "limit": "nearest limit", "share": "of the ceiling (%)", "peak_gib": "peak memory (GiB)"},
    "teachers": {"name": "teacher", "resolution": "resolution", "images": "images", "seconds": "time (s)",
                 "images_per_second": "images/s"},
    "metrics": {"metric": "metric", "method": "method", "rows": "embeddings", "seconds": "time (s)",
                "used_gib": "memory beside them (GiB)", "relative_error": "relative error"},
    "book": {"images": "training images", "seconds": "time (s)", "peak_gib": "peak memory (GiB)"},
}  # fmt: skip


SECTIONS = (*_COLUMNS, "precision", "growth")


def table(costs: Costs, name: str) -> pd.DataFrame:
    """A section of the measurements, or how they grow with size; one row that says so where there are none."""
    if name == "growth":
        found = records.exponents(costs).rename(columns={"time": "power of time", "memory": "power of memory"})
    elif name == "precision":
        found = records.precisions(costs)
    else:
        found = costs.section(name)
        if name == "training" and len(found):
            found = found.assign(share=100 * found["share_of_ceiling"])
        if name == "teachers" and len(found):
            found = found.assign(name=found["teacher"].map(records.short))
        found = found.reindex(columns=list(_COLUMNS[name])).rename(columns=_COLUMNS[name])
    return _shown(found) if len(found) else pd.DataFrame({name: ["not measured"]})


def steps(seconds: dict[str, float]) -> pd.DataFrame:
    """The seconds of a run by step, the longest first."""
    table = pd.DataFrame(seconds.items(), columns=["step", "time (s)"]).sort_values("time (s)", ascending=False)
    total = pd.DataFrame({"step": ["all"], "time (s)": [table["time (s)"].sum()]})
    return _shown(pd.concat([table, total]))


def provenance(costs: Costs) -> str:
    """Device, commit and day of the sections measured together, and the ceilings then, in Markdown."""
    sections: dict[str, list[str]] = {}
    for name, made in costs.made.items():
        ceiling = made["ceiling"]
        words = (
            f"{made['device']}, commit `{made['commit']}`, {made['created'][:10]}; ceilings measured beside it: "
            f"{ceiling['matrix_gflops']:,.0f} GFLOP/s in float32, {ceiling['matrix_gflops_double']:,.0f} in float64, "
            f"{ceiling['copy_gbytes']:,.1f} GB/s copied"
        )
        sections.setdefault(words, []).append(name)
    return "\n".join(f"- {', '.join(names)}: {words}" for words, names in sections.items())


def reading(costs: Costs) -> str:
    """What the grid and the students' training show, in words."""
    ratio, training = records.speedup(costs), costs.section("training")
    words = []
    if len(ratio):
        grid = costs.section("grid").groupby("pipeline")["per_image"].mean()
        words.append(
            f"The grid of nine students took {grid['ours']:.2f} s a training image and epoch with ours and "
            f"{grid['reference']:.2f} s with the reference: {ratio.mean():.2f} times as long ({ratio.min():.2f} to "
            f"{ratio.max():.2f} in {len(ratio)} rounds)."
        )
    if len(training):
        shares = 100 * training["share_of_ceiling"]
        best, worst = training.loc[shares.idxmax()], training.loc[shares.idxmin()]
        words.append(
            f"Students train at {shares.min():.0f} to {shares.max():.0f} % of the ceiling: furthest from it is "
            f"{_where(worst)}, nearest {_where(best)}."
        )
    return " ".join(words) or "Nothing was measured."


def _where(row: pd.Series) -> str:
    return f"w = {row['width']:g} at {row['resolution']} x {row['resolution']}"


def grid(costs: Costs) -> Figure:
    """Seconds of each stage of the grid, ours and the reference's, a bar a round."""
    table = costs.section("grid")
    if table.empty:
        return placeholder("the grid was not measured")
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(WIDTH, 0.6 * len(table) + 1.4), layout="constrained")
        table = table.sort_values(["pipeline", "round"], ascending=[False, False])
        names = [f"{row.pipeline}, round {row.round}" for row in table.itertuples()]
        axis.barh(names, table["training"], color=_PALETTE[0], label="training")
        axis.barh(names, table["evaluation"], left=table["training"], color=_PALETTE[1], label="evaluation")
        axis.set(xlabel=f"time (s) for {table['images'].iloc[0]} training images, nine students, one epoch")
        axis.grid(axis="y", visible=False)
        axis.set_axisbelow(True)
        figure.legend(loc="outside upper center", ncols=2)
    return figure


def training(costs: Costs) -> Figure:
    """Images a second in training over resolution, a line a width; open marks are what the machine would allow."""
    table = costs.section("training")
    if table.empty:
        return placeholder("training was not measured")
    table = table[table["precision"] == "float32"].assign(model=lambda rows: rows["width"].map(student_name))
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(WIDTH, 4.2), layout="constrained")
        handles: list[Any] = []
        for model, (colour, marker) in style(table["model"]).items():
            rows = table[table["model"] == model].sort_values("resolution")
            axis.plot(rows["resolution"], rows["images_per_second"], marker + "-", color=colour)
            ceiling = rows["images_per_second"] / rows["share_of_ceiling"]
            axis.plot(
                rows["resolution"], ceiling, marker, markeredgecolor=colour, markerfacecolor="white", linestyle="none"
            )
            handles.append(handle(colour, marker, model))
        handles += [handle("0.3", "o", "measured"), handle("0.3", "o", "ceiling", hollow=True)]
        sides = sorted(table["resolution"].unique())
        axis.set(xscale="log", yscale="log", xlabel="side of the input (pixels)", ylabel="training images a second")
        axis.set_xticks(sides, [str(side) for side in sides])
        axis.minorticks_off()
        figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure


def growth(costs: Costs) -> Figure:
    """Time over size, a panel a quantity measured at three sizes or more, with the fitted power."""
    fitted, points = records.exponents(costs), records.growth(costs)
    if fitted.empty:
        return placeholder("growth was not measured")
    columns = 2
    rows = -(-len(fitted) // columns)
    with plt.rc_context({**STYLE, "axes.titlesize": 11, "font.size": 11}):
        figure, axes = plt.subplots(rows, columns, figsize=(WIDTH, 2.3 * rows), layout="constrained", squeeze=False)
        for axis, quantity in zip(axes.flat, fitted["quantity"], strict=False):
            of = points[points["quantity"] == quantity].sort_values("size")
            axis.loglog(of["size"], of["seconds"], "o-", color=_PALETTE[0])
            power = fitted.loc[fitted["quantity"] == quantity, "time"].iloc[0]
            axis.set(title=f"{quantity}\ntime ~ size^{power:.2f}", xlabel=of["unit"].iloc[0], ylabel="time (s)")
            # Ticks where something was measured: over less than a decade there would be none to read, or too many.
            axis.set_xticks(of["size"], [EngFormatter(sep="")(float(f"{size:.3g}")) for size in of["size"]])
            axis.set_yticks(of["seconds"], of["seconds"].map(_digits))
            axis.minorticks_off()
        for axis in axes.flat[len(fitted) :]:
            axis.axis("off")
    return figure


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    """Three digits a number, and nothing where there is none."""
    return table.map(lambda value: _digits(value) if isinstance(value, int | float) else value).reset_index(drop=True)


def _digits(value: float) -> str:
    if pd.isna(value):
        return ""
    if float(value).is_integer() or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"
