"""What figures to play with share: pictures drawn here once, and redrawn by a short script as a reader moves sliders.

Such a figure is HTML that needs nothing else, in the book and in a notebook. It takes its numbers from the tables of
runs. Without scripts and on paper, the picture stands still.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from importlib import resources
from string import Template
from typing import Any

import numpy as np

from asymdistill.plots.picture import colour
from asymdistill.plots.style import title

DIGITS = 5  # significant ones of the numbers that a page holds
CURVE = 80  # points of a curve
ABSENT = "<p>No run that this page shows has the numbers for this figure.</p>"
Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Section:
    """One run's picture, with what moves it.

    Attributes:
        controls: form controls.
        drawn: the picture, and handles on it.
        key: what colours and dashes mean.
        results: rows of a table of numbers.
        data: what the script computes from.
    """

    controls: str
    drawn: str
    key: str
    results: str
    data: Mapping[str, Any]


def page(kind: str, sections: Mapping[str, Section]) -> str:
    """HTML of all runs' pictures, of which one is shown at a time.

    Args:
        kind: which function of the script moves the pictures.
        sections: by the name of a run; the first is shown.
    """
    if not sections:
        return ABSENT
    folder = resources.files("asymdistill.plots")
    options = "".join(f"<option>{escape(name)}</option>" for name in sections)
    chooser = f'<form autocomplete="off" hidden><label>run <select name="run">{options}</select></label></form>'
    return Template((folder / "play.html").read_text("utf-8")).substitute(
        kind=kind,
        chooser=chooser if len(sections) > 1 else "",
        sections="\n".join(_section(name, own, number > 0) for number, (name, own) in enumerate(sections.items())),
        script=(folder / "play.js").read_text("utf-8").strip(),
    )


def _section(name: str, own: Section, hidden: bool) -> str:
    data = json.dumps(own.data, separators=(",", ":")).replace("<", "\\u003c")
    return (
        f'<section data-run="{escape(name, quote=True)}"{" hidden" * hidden}>'
        f'<form autocomplete="off" hidden>{own.controls}</form><div class="picture">{own.drawn}</div>'
        f'<ul class="key">{own.key}</ul><div role="status"><table class="results">{own.results}</table></div>'
        f'<script type="application/json">{data}</script></section>'
    )


def slider(words: str, name: str, values: tuple[float, float, float], at: float) -> str:
    """A slider with its label: the lowest and the highest value, the step, and where it stands."""
    low, high, step = (f"{value:g}" for value in values)
    place = f'min="{low}" max="{high}" step="{step}" value="{at:g}"'
    return f'<label>{escape(words)} <input type="range" name="{name}" {place}></label>'


def entry(words: str, look: str) -> str:
    """One entry of a key; the look is that of a line, as CSS writes it."""
    return f'<li><i style="{look}"></i>{escape(words)}</li>'


def entries(models: Iterable[str]) -> str:
    """Entries of a key, one for each model."""
    return "".join(entry(title(model), f"border-color: {colour(model)}") for model in models)


def row(words: str, *cells: tuple[str, str]) -> str:
    """A row of results: each cell has the name by which the script finds it, and its number."""
    values = "".join(f'<td><output name="{name}">{value}</output></td>' for name, value in cells)
    return f'<tr><th scope="row">{escape(words)}</th>{values}</tr>'


def number(value: float) -> str:
    """Four significant digits, as the script writes them."""
    return f"{value:#.4g}".rstrip(".")


def rounded(values: Iterable[float]) -> list[float]:
    """Numbers as a page holds them."""
    return [float(f"{value:.{DIGITS}g}") for value in values]


def curve_points(count: int) -> list[int]:
    """Some of the whole numbers from 1 to ``count``, at about equal distances on a logarithmic axis."""
    return [int(k) for k in np.unique(np.geomspace(1, count, CURVE).round())]


def squared_mean(singular_values: Array, images: int) -> float:
    """The squared length of the mean of unit vectors: what their variance lacks of 1.

    Args:
        singular_values: of the centred vectors.
        images: how many they are.
    """
    return max(0.0, 1 - float(np.sum(singular_values**2)) / images)
