"""Scenes: generated, captioned images whose every factor is known.

A scene shows one coloured shape in front of a two-coloured pattern. Nine factors describe it: shape, colour, size,
tilt, outline, position, ground (colour of the background), pattern, and tint (colour of the pattern). Every factor can
be named in a caption, so a small contrastive teacher can be trained on the images and every metric compared with the
truth.

The picture is first drawn as a map of labels (ground, pattern, outline, shape) at four times the resolution; the share
of each label in a 4 x 4 block then mixes the four colours of the scene, which equals box-averaging the drawn picture.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from asymdistill.runtime.errors import InputError, check_option

Floats = NDArray[np.float64]

SHAPES: tuple[str, ...] = (
    "circle", "square", "triangle", "star", "cross", "ring", "crescent", "pentagon", "arrow", "heart",
)  # fmt: skip

PALETTE: dict[str, tuple[int, int, int]] = {
    "red": (215, 35, 40),
    "orange": (242, 135, 25),
    "yellow": (246, 228, 70),
    "green": (40, 160, 60),
    "cyan": (75, 210, 220),
    "blue": (35, 65, 205),
    "purple": (140, 30, 175),
    "pink": (248, 155, 200),
    "brown": (92, 55, 25),
    "grey": (130, 135, 135),
}
_OUTLINES = {"black": (12, 12, 12), "white": (250, 250, 250)}

FACTORS: dict[str, tuple[str, ...]] = {
    "shape": SHAPES,
    "colour": tuple(PALETTE),
    "size": ("small", "medium", "large"),
    "tilt": ("upright", "tilted left", "tilted right"),
    "outline": ("no", *_OUTLINES),
    "position": ("centre", "top", "bottom", "left", "right", "top left", "top right", "bottom left", "bottom right"),
    "ground": tuple(PALETTE),
    "pattern": ("stripes", "bars", "slashes", "mesh", "dots", "speckles", "ripples", "rays", "waves", "shading"),
    "tint": tuple(PALETTE),
}
"""Name of a factor -> the names of its values; a scene's factors are indices into these."""

INDEPENDENT_FACTORS = ("shape", "colour", "size", "outline", "position", "pattern")
"""Factors that are drawn independently of each other, each uniformly over its values.

Not among them: ground and tint, which differ from the colour and from each other, and tilt, which depends on the shape,
because circles and rings always count as upright.
"""

_RADII = (0.26, 0.32, 0.38, 0.44)  # edges of small, medium and large, in parts of the side
_OVERSAMPLING = 4
_JITTER = 10  # grey levels by which each channel of a colour may stray
_CHUNK = 500  # scenes drawn at a time: bounds the memory for label maps
_GROUND, _PATTERN, _OUTLINE, _SHAPE = range(4)


@dataclass(frozen=True)
class Scenes:
    """Images and the factors they were drawn from.

    Attributes:
        images: uint8, N x side x side x 3.
        factors: For each name in ``FACTORS`` an int64 tensor of N indices into its values.
    """

    images: Tensor
    factors: dict[str, Tensor]

    @property
    def labels(self) -> Tensor:
        """The class of each image, an index into ``SHAPES``; int64, N."""
        return self.factors["shape"]

    def __len__(self) -> int:
        return len(self.images)


def generate(count: int, *, seed: int, side: int = 32, classes: int = len(SHAPES)) -> Scenes:
    """Draw ``count`` scenes; scene i depends on nothing but ``seed``, ``side`` and i.

    Every block of ``classes`` scenes holds each shape once, in shuffled order: any prefix is balanced to within one
    image per class. The shape's colour, the ground and the tint are three different colours of ``PALETTE``.

    Args:
        count: Number of scenes, at least 1.
        seed: Non-negative seed.
        side: Width and height in pixels, at least 16.
        classes: Only the first so many of ``SHAPES``.

    Returns:
        The images and their factors.

    Raises:
        InputError: For a count, seed, side or number of classes out of range.
    """
    for name, value, least in (("count", count, 1), ("seed", seed, 0), ("side", side, 16)):
        if value < least:
            raise InputError(f"{name} is {value}; it must be at least {least}")
    check_option("classes", classes, range(1, len(SHAPES) + 1))
    factors = _draw_factors(count, seed, classes)
    # One row per scene: a longer matrix from the same generator begins with the same rows.
    rows = np.random.default_rng([seed, len(FACTORS)]).random((count, 20))
    images = np.empty((count, side, side, 3), dtype=np.uint8)
    for start in range(0, count, _CHUNK):
        span = range(start, min(start + _CHUNK, count))
        scenes = [{name: int(values[i]) for name, values in factors.items()} for i in span]
        labels = np.stack([_label_map(scene, rows[i], side) for scene, i in zip(scenes, span, strict=True)])
        colours = np.stack([_colours(scene, rows[i]) for scene, i in zip(scenes, span, strict=True)])
        images[span.start : span.stop] = _mix(labels, colours)
    return Scenes(torch.from_numpy(images), {name: torch.from_numpy(values) for name, values in factors.items()})


def caption(factors: Mapping[str, int], names: Sequence[str]) -> str:
    """Describe a scene by the named factors only, in a fixed order of words.

    For example ``a small red heart at the top left on blue with white stripes``, or, where neither shape nor colour is
    named, ``a shape on blue``.

    Args:
        factors: Index of the value of each factor, at least of those named.
        names: The factors to name, keys of ``FACTORS``, in any order.

    Returns:
        The caption, lower case words separated by single spaces.

    Raises:
        InputError: For an unknown factor or an index that its vocabulary doesn't have.
    """
    word = {name: _value(factors, name) for name in names}
    parts = ["a", word.get("size"), word.get("colour"), word.get("shape", "shape"), word.get("tilt")]
    if "outline" in word:
        parts += ["with no outline" if word["outline"] == "no" else f"with a {word['outline']} outline"]
    if "position" in word:
        parts += [f"at the {word['position']}"]
    if "ground" in word:
        parts += [f"on {word['ground']}"]
    if "tint" in word or "pattern" in word:
        parts += ["with", word.get("tint"), word.get("pattern", "patterns")]
    return " ".join(part for part in parts if part)


def class_prompt(label: int) -> str:
    """Return the caption that names only the shape, as used for zero-shot classification: ``a heart``."""
    return caption({"shape": label}, ["shape"])


def _value(factors: Mapping[str, int], name: str) -> str:
    if name not in FACTORS:
        raise InputError(f"factor is {name!r}; allowed: {', '.join(FACTORS)}")
    if name not in factors:
        raise InputError(f"factors lacks {name!r}, which the caption is to name")
    index, values = int(factors[name]), FACTORS[name]
    if not 0 <= index < len(values):
        raise InputError(f"{name} is {index}; allowed: 0 to {len(values) - 1}")
    return values[index]


def _draw_factors(count: int, seed: int, classes: int) -> dict[str, NDArray[np.int64]]:
    drawn = {}
    for stream, (name, values) in enumerate(FACTORS.items()):
        # How many values are open: the ground must differ from the colour, the tint from both.
        open_values = classes if name == "shape" else len(values) - {"ground": 1, "tint": 2}.get(name, 0)
        blocks = np.random.default_rng([seed, stream]).random((-(-count // open_values), open_values))
        drawn[name] = blocks.argsort(axis=1).ravel()[:count].astype(np.int64)
    hues = len(PALETTE)
    step = drawn["ground"] + 1
    other = drawn["tint"] + 1
    drawn["ground"] = (drawn["colour"] + step) % hues
    drawn["tint"] = (drawn["colour"] + other + (other >= step)) % hues
    # Round shapes look the same at every angle: they count as upright.
    drawn["tilt"][np.isin(drawn["shape"], [SHAPES.index("circle"), SHAPES.index("ring")])] = 0
    return drawn


def _colours(scene: Mapping[str, int], row: Floats) -> Floats:
    palette = list(PALETTE.values())
    outline = [*_OUTLINES.values()][max(scene["outline"] - 1, 0)]
    colours = np.array([palette[scene["ground"]], palette[scene["tint"]], outline, palette[scene["colour"]]])
    jitter = (2 * row[8:20].reshape(4, 3) - 1) * _JITTER
    return np.clip(colours + jitter, 0, 255)


def _label_map(scene: Mapping[str, int], row: Floats, side: int) -> NDArray[np.uint8]:
    canvas = side * _OVERSAMPLING
    ink = _PATTERNS[FACTORS["pattern"][scene["pattern"]]]
    x, y = _grid(canvas)
    image = Image.fromarray(ink(x, y, 4 + row[0], row[1]).astype(np.uint8))
    corners = [(float(x), float(y)) for x, y in _place(scene, row) * canvas]
    draw = ImageDraw.Draw(image)
    if scene["outline"]:
        # Half of the line lies outside the shape, 1.25 pixels of a 32 x 32 image; the shape covers the other half.
        width = round(canvas * 0.08)
        joint = "curve" if len(corners) < 20 else None  # smooth contours need no rounding between their points
        draw.line([*corners, *corners[:2]], fill=_OUTLINE, width=width, joint=joint)
    draw.polygon(corners, fill=_SHAPE)
    return np.asarray(image)


def _place(scene: Mapping[str, int], row: Floats) -> Floats:
    low, high = _RADII[scene["size"] : scene["size"] + 2]
    radius = low + (high - low) * row[3]
    angle = np.deg2rad((-1, 1)[scene["tilt"] - 1] * (12 + 14 * row[4]) if scene["tilt"] else 10 * row[4] - 5)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    where = FACTORS["position"][scene["position"]].split()
    across = ("right" in where) * 1 - ("left" in where) * 1
    down = ("bottom" in where) * 1 - ("top" in where) * 1
    centre = 0.5 + np.array([across, down]) * 0.11 + (row[5:7] - 0.5) * 0.06
    points: Floats = _CONTOURS[scene["shape"]] @ turn * radius + centre
    return points


def _mix(labels: NDArray[np.uint8], colours: Floats) -> NDArray[np.uint8]:
    count, canvas, _ = labels.shape
    side, block = canvas // _OVERSAMPLING, _OVERSAMPLING
    blocks = labels.reshape(count, side, block, side, block)
    counts = [(blocks == label).sum(axis=4, dtype=np.uint8).sum(axis=2, dtype=np.uint8) for label in range(4)]
    shares = np.stack(counts, axis=-1).reshape(count, side * side, 4) / block**2
    mixed: NDArray[np.uint8] = np.rint(shares @ colours).astype(np.uint8).reshape(count, side, side, 3)
    return mixed


def _arc(start: float, stop: float, radius: float = 1.0, x: float = 0.0) -> Floats:
    angles = np.deg2rad(np.linspace(start, stop, 40))
    return np.stack([x + radius * np.cos(angles), radius * np.sin(angles)], axis=1)


def _corners(count: int, first: float = -90, inner: float = 1.0) -> Floats:
    angles = np.deg2rad(first + np.arange(count) * 360 / count)
    radii = np.where(np.arange(count) % 2, inner, 1.0)
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)


def _contours() -> list[Floats]:
    """Closed contours in the order of ``SHAPES``, y downwards, each centred and of radius 1."""
    a, b = 0.36, 0.93  # half the thickness and half the length of the cross
    cross = [(a, -b), (a, -a), (b, -a), (b, a), (a, a), (a, b), (-a, b), (-a, a), (-b, a), (-b, -a), (-a, -a), (-a, -b)]
    arrow = [(0, -1), (0.8, -0.05), (0.3, -0.05), (0.3, 1), (-0.3, 1), (-0.3, -0.05), (-0.8, -0.05)]
    t = np.linspace(0, 2 * np.pi, 60)
    heart = [16 * np.sin(t) ** 3, -13 * np.cos(t) + 5 * np.cos(2 * t) + 2 * np.cos(3 * t) + np.cos(4 * t)]
    ring = [_arc(90, 450), _arc(450, 90, radius=0.5)]  # the fill covers the seam; Pillow frays a level one
    crescent = [_arc(51.3, 308.7), _arc(282.6, 77.4, radius=0.8, x=0.45)]
    drawn = [
        _arc(0, 360), _corners(4, first=-45), _corners(3), _corners(10, inner=0.42), np.array(cross),
        np.concatenate(ring), np.concatenate(crescent), _corners(5), np.array(arrow), np.stack(heart, axis=1),
    ]  # fmt: skip
    centred = [points - (points.min(axis=0) + points.max(axis=0)) / 2 for points in drawn]
    return [points / np.linalg.norm(points, axis=1).max() for points in centred]


_CONTOURS = _contours()
_SPECKLES = np.random.default_rng(0).random((64, 64)) < 0.36
_DITHER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]]) / 16 + 1 / 32  # Bayer's matrix


@cache
def _grid(canvas: int) -> tuple[Floats, Floats]:
    ticks = (np.arange(canvas) + 0.5) / canvas
    x, y = np.meshgrid(ticks, ticks)
    return x, y


def _bands(position: Floats, phase: float, share: float = 0.4) -> NDArray[np.bool_]:
    return (position + phase) % 1 < share


def _dots(x: Floats, y: Floats, f: float, phase: float) -> NDArray[np.bool_]:
    distance = ((x * f + phase) % 1 - 0.5) ** 2 + ((y * f + phase) % 1 - 0.5) ** 2
    return np.asarray(distance < 0.115)


def _speckles(x: Floats, y: Floats, f: float, phase: float) -> NDArray[np.bool_]:
    column, row = ((axis * 4 * f + shift * phase).astype(int) % 64 for axis, shift in ((x, 64), (y, 4096)))
    return np.asarray(_SPECKLES[row, column])


def _shading(x: Floats, y: Floats, f: float, phase: float) -> NDArray[np.bool_]:
    threshold = np.tile(_DITHER, (len(y) // 4, len(y) // 4))
    return np.asarray(y * 1.2 - 0.1 > threshold)


# Each tells which points carry the tint, always the smaller part, so that ground and tint can be told apart; f is the
# number of repeats across the image, phase in [0, 1) shifts them.
_PATTERNS: dict[str, Callable[[Floats, Floats, float, float], NDArray[np.bool_]]] = {
    "stripes": lambda x, y, f, phase: _bands(y * f, phase),
    "bars": lambda x, y, f, phase: _bands(x * f, phase),
    "slashes": lambda x, y, f, phase: _bands((x + y) * f * 0.75, phase),
    "mesh": lambda x, y, f, phase: _bands(x * f, phase, 0.22) | _bands(y * f, phase, 0.22),
    "dots": _dots,
    "speckles": _speckles,
    "ripples": lambda x, y, f, phase: _bands(np.hypot(x - 0.5, y - 0.5) * f * 1.3, phase),
    "rays": lambda x, y, f, phase: _bands(np.arctan2(y - 0.5, x - 0.5) / (2 * np.pi) * round(2 * f), phase),
    "waves": lambda x, y, f, phase: _bands((y + 0.05 * np.sin(4 * np.pi * (x + phase))) * f, phase),
    "shading": _shading,
}
