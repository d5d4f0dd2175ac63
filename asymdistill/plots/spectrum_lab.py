"""Chapter 1: the spectrum lab, where bars of a spectrum are dragged and its effective rank follows."""

from collections.abc import Mapping
from html import escape

import numpy as np
import pandas as pd

from asymdistill.claims.quantities import dims_for_90, effective_rank
from asymdistill.config.names import TEACHER
from asymdistill.plots import play
from asymdistill.plots.picture import LEFT, RIGHT, WIDTH, Panel, Scale, colour, picture
from asymdistill.plots.play import Array, Section, number
from asymdistill.plots.runs import Runs
from asymdistill.plots.selection import students_of, teacher_of
from asymdistill.plots.style import title

HEIGHT = 390
THUMB = 3  # pixels, half of one


def spectrum_lab(singular_values: Runs, images: Mapping[str, int]) -> str:
    """HTML of a spectrum with bars to drag, and the effective rank and the cumulative share that follow from it.

    Args:
        singular_values: by the name of a run, its table of that name, of the students of one objective. The teacher
            and the first seed of the narrowest, the middle and the widest student can be chosen.
        images: by the name of a run, how many embeddings its singular values are of. They are unit vectors.
    """
    return play.page("spectrum", {name: _section(table, images[name]) for name, table in singular_values.items()})


def _section(table: pd.DataFrame, images: int) -> Section:
    spectra = _spectra(table)
    count = max(map(len, spectra.values()))
    groups = _groups(count)
    shares = {name: _by_group(own, groups) for name, own in spectra.items()}
    bars, curve = _panels(len(groups), count, max(float(own.max()) for own in shares.values()))
    own = spectra[TEACHER]
    controls = (
        f'<label>model <select name="model">{"".join(_option(name) for name in spectra)}</select></label>'
        '<label><input type="checkbox" name="centred" checked> subtract the mean</label>'
        '<button type="button" name="reset">back to what was measured</button>'
    )
    mean = play.squared_mean(own, images)
    results = [
        play.row("effective rank (variance)", ("rank", number(effective_rank(own)))),
        play.row("effective rank (amplitude)", ("amplitude", number(effective_rank(np.sqrt(own))))),
        play.row("components for 90 % of the variance", ("dims", f"{dims_for_90(own):.0f}")),
        play.row("the mean's part of the squared length (%)", ("mean", number(100 * mean))),
    ]
    models = {
        name: {
            "values": play.rounded(values),
            "mean": images * play.squared_mean(values, images),
            "colour": colour(name),
        }
        for name, values in spectra.items()
    }
    data = {"groups": groups, "shown": play.curve_points(count), "bars": bars.to_json(), "curve": curve.to_json()}
    drawn = _draw(bars, curve, groups, shares[TEACHER], own) + _handles(bars, groups, shares[TEACHER])
    return Section(controls, drawn, "", "".join(results), data | {"models": models})


def _spectra(table: pd.DataFrame) -> dict[str, Array]:
    """Singular values of the teacher and of one narrow, one middle and one wide student."""
    students = students_of(table)
    widths = sorted(students["width"].unique())
    chosen = sorted({widths[0], widths[len(widths) // 2], widths[-1]}) if widths else []
    found = {TEACHER: teacher_of(table)["value"].to_numpy(float)}
    for width in chosen:
        own = students[students["width"] == width]
        found[str(own["model"].iloc[0])] = own.loc[own["seed"] == own["seed"].iloc[0], "value"].to_numpy(float)
    return found


def _groups(count: int) -> list[tuple[int, int]]:
    """First and last component of groups that double in size: 1, 2, 3 to 4, 5 to 8, 9 to 16 and so on."""
    lows = [1, *(2**power + 1 for power in range(count.bit_length()) if 2**power < count)]
    return [(low, min(max(2 * low - 2, 1), count)) for low in lows]


def _by_group(singular_values: Array, groups: list[tuple[int, int]]) -> Array:
    """The variance within each group, in percent of the whole."""
    held = np.array([np.sum(singular_values[low - 1 : high] ** 2) for low, high in groups])
    return np.asarray(100 * held / held.sum())


def _panels(groups: int, count: int, highest: float) -> tuple[Panel, Panel]:
    """The bars' axes, with room above the highest, and the curve's."""
    top = min(100.0, 10 * np.ceil(highest / 8))
    bars = Panel(Scale(-0.5, groups - 0.5, LEFT, RIGHT), Scale(0, top, 160, 12))
    return bars, Panel(Scale(1, count + 1, LEFT, RIGHT, log=True), Scale(0, 100, 350, 220))


def _draw(bars: Panel, curve: Panel, groups: list[tuple[int, int]], heights: Array, own: Array) -> str:
    cumulative = 100 * np.cumsum(own**2) / np.sum(own**2)
    dims, end = dims_for_90(own), curve.x.high
    wide = (RIGHT - LEFT) / len(groups) - 4
    boxes = []
    for index, height in enumerate(heights):
        left, top = bars.x(index) - wide / 2, bars.y(height)
        place = f'x="{left:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{bars.y.start - top:.1f}"'
        boxes.append(f'<rect {place} data-bar="{index}" fill="{colour(TEACHER)}" fill-opacity="0.55"/>')
    ticks: dict[float, str] = {
        index: f"{low}" for index, (low, _) in enumerate(groups) if index % 2 == 0
    }  # more would overlap
    return picture(
        HEIGHT,
        "Bars: variance by group of components. Curve: cumulative share of the variance.",
        bars.frame("component (first of its group)", "variance (%)", ticks),
        *boxes,
        curve.frame("components (number, log scale)", "cumulative (%)"),
        curve.line([(1, 90), (end, 90)], stroke="currentColor", stroke_dasharray="4 3", stroke_opacity="0.6"),
        curve.line([(dims, 0), (dims, 90)], "dims", stroke="currentColor", stroke_dasharray="2 3"),
        curve.line([(k, cumulative[k - 1]) for k in play.curve_points(len(own))], "held", stroke=colour(TEACHER)),
    )


def _handles(bars: Panel, groups: list[tuple[int, int]], heights: Array) -> str:
    """A slider over each bar, longer by half a thumb at both ends, so that the thumb lies on the end of the bar."""
    wide, tall = (RIGHT - LEFT) / len(groups), bars.y.start - bars.y.end
    sliders = []
    for index, ((low, high), height) in enumerate(zip(groups, heights, strict=True)):
        name = f"component {low}" if low == high else f"components {low} to {high}"
        place = (
            f"left: {100 * (LEFT + index * wide) / WIDTH:.2f}%; width: {100 * wide / WIDTH:.2f}%; "
            f"top: calc({100 * bars.y.end / HEIGHT:.2f}% - {THUMB}px); "
            f"height: calc({100 * tall / HEIGHT:.2f}% + {2 * THUMB}px)"
        )
        values = f'min="0" max="{bars.y.high:g}" step="0.5" value="{height:.1f}"'
        label = f'aria-label="{name}: variance (%)" aria-orientation="vertical"'
        sliders.append(f'<input type="range" {values} {label} style="{place}">')
    return f'<div class="handles" hidden>{"".join(sliders)}</div>'


def _option(model: str) -> str:
    return f'<option value="{escape(model, quote=True)}">{escape(title(model))}</option>'
