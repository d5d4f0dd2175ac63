"""Parts of a picture in SVG, 360 units wide as a phone is, which takes its colours from the page around it."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape

from matplotlib.colors import to_hex

from asymdistill.config.names import TEACHER
from asymdistill.plots.style import style

WIDTH = 360
LEFT, RIGHT = 48, 342  # of every panel
Point = tuple[float, float]


@dataclass(frozen=True)
class Scale:
    """Where values lie along an axis.

    Attributes:
        low: the value at the beginning of the axis.
        high: that at its end.
        start: where the axis begins, in units of the picture.
        end: where it ends.
        log: whether equal steps are equal ratios.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The place of a value."""
        if self.log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """About five round values, or the powers of ten of a logarithmic axis."""
        if self.log:
            powers = range(math.ceil(math.log10(self.low)), math.floor(math.log10(self.high)) + 1)
            return [10.0**power for power in powers]
        rough = (self.high - self.low) / 5
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * 0.999)
        first = math.ceil(self.low / step)
        return [step * number for number in range(first, math.floor(self.high / step + 1e-9) + 1)]


@dataclass(frozen=True)
class Panel:
    """Two axes that belong together."""

    x: Scale
    y: Scale

    def place(self, point: Point) -> str:
        """Where a point lies, as SVG writes it."""
        return f"{self.x(point[0]):.1f} {self.y(point[1]):.1f}"

    def line(self, points: Iterable[Point], name: str = "", **look: str) -> str:
        """A line through points; its name is what a script finds it by."""
        drawn = "M" + "L".join(map(self.place, points))
        return f'<path d="{drawn}" fill="none" stroke-width="2"{_named(name)}{_look(look)}/>'

    def dots(self, points: Iterable[Point], **look: str) -> str:
        """A dot at each point."""
        places = (self.place(point).split() for point in points)
        return "".join(f'<circle cx="{x}" cy="{y}" r="3.5"{_look(look)}/>' for x, y in places)

    def frame(self, x_label: str, y_label: str, x_ticks: Mapping[float, str] | None = None) -> str:
        """Axes, ticks and labels."""
        bottom, top = self.y.start, self.y.end
        across = {value: f"{value:g}" for value in self.x.ticks()} if x_ticks is None else x_ticks
        parts = [f'<path d="M{LEFT} {top}V{bottom}H{RIGHT}" fill="none" stroke="currentColor"/>']
        for value in self.y.ticks():
            y = self.y(value)
            parts.append(f'<path d="M{LEFT} {y:.1f}H{RIGHT}" class="grid"/>')
            parts.append(f'<text x="{LEFT - 5}" y="{y + 4.5:.1f}" text-anchor="end">{value:g}</text>')
        for value, words in across.items():
            parts.append(f'<text x="{self.x(value):.1f}" y="{bottom + 16}" text-anchor="middle">{words}</text>')
        middle = (LEFT + RIGHT) / 2
        parts.append(f'<text x="{middle}" y="{bottom + 33}" text-anchor="middle">{escape(x_label)}</text>')
        turned = f'transform="translate(13 {(top + bottom) / 2:.0f}) rotate(-90)"'
        parts.append(f'<text {turned} text-anchor="middle">{escape(y_label)}</text>')
        return "".join(parts)

    def to_json(self) -> list[list[float | bool]]:
        """Both scales, for a script that moves what is drawn here."""
        return [[axis.low, axis.high, axis.start, axis.end, axis.log] for axis in (self.x, self.y)]


def picture(height: float, description: str, *parts: str) -> str:
    """A picture of so many units in height; the description is for those who cannot see it."""
    label = escape(description, quote=True)
    return f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def colour(model: str) -> str:
    """A model's colour in all figures; the teacher's is that of letters, in the light and in the dark."""
    return "currentColor" if model == TEACHER else to_hex(style([model])[model][0])


def _named(name: str) -> str:
    return f' data-name="{escape(name, quote=True)}"' if name else ""


def _look(look: Mapping[str, str]) -> str:
    return "".join(f' {key.replace("_", "-")}="{escape(value, quote=True)}"' for key, value in look.items())
