"""Chapter 8: underfit or bottleneck? Two explanations of a low rank, and what each predicts."""

import itertools
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from asymdistill.claims.quantities import effective_rank
from asymdistill.config.names import TEACHER
from asymdistill.plots import play
from asymdistill.plots.picture import LEFT, RIGHT, Panel, Scale, colour, picture
from asymdistill.plots.play import Array, Section, number
from asymdistill.plots.runs import Runs, with_control
from asymdistill.plots.selection import pick, teacher_of

BINS = 25  # of components, each about as wide on a logarithmic axis
SHARES = (0.5, 99.0, 0.1)  # lowest, highest and step of the slider, in percent
HEIGHT = 405
GUESS = {"stroke": "currentColor", "stroke_dasharray": "5 4"}


def underfit_or_bottleneck(
    controls: Runs, singular_values: Runs, images: Mapping[str, int], epochs: Mapping[str, int]
) -> str:
    """HTML of the rank over the epochs, beside what two explanations predict from how much a student explains.

    Args:
        controls: by the name of a run, its table of controls.
        singular_values: by the name of a run, its table of that name.
        images: by the name of a run, how many embeddings its singular values are of. They are unit vectors.
        epochs: by the name of a run, after how many epochs its R² were measured.
    """
    having = with_control(controls, "underfitting")
    watched = {name: rows for name, rows in having.items() if len(pick(rows, "epoch_rank", variant="constant"))}
    teachers = {name: teacher_of(singular_values[name])["value"].to_numpy(float) for name in watched}
    sections = {name: _section(rows, teachers[name], images[name], epochs[name]) for name, rows in watched.items()}
    return play.page("explanations", sections)


def shrunk(variances: Array, share: float) -> Array:
    """R² of each component if all are shrunk, l / (l + c), with the c that explains a share of the variance.

    Args:
        variances: l, of the teacher's components.
        share: of their sum, above 0 and below 1.
    """

    def too_much(log_c: float) -> float:
        return float(np.sum(variances**2 / (variances + np.exp(log_c))) / variances.sum() - share)

    largest = float(np.log(variances.max()))
    return np.asarray(variances / (variances + np.exp(brentq(too_much, largest - 60, largest + 60))))


def cut_off(variances: Array, share: float) -> Array:
    """R² of each component if the first ones are known and the others are not; one may be known in part."""
    before = np.cumsum(variances) - variances
    known = (share * variances.sum() - before) / np.maximum(variances, np.finfo(float).tiny)
    return np.asarray(np.clip(known, 0, 1))


EXPLANATIONS: dict[str, tuple[str, Callable[[Array, float], Array]]] = {
    "shrunk": ("underfitting: all components are shrunk, the weak ones most", shrunk),
    "cut": ("bottleneck: the first components are kept, the others lost", cut_off),
}


def predicted_rank(variances: Array, r_squared: Array) -> float:
    """The effective rank of a student that knows of each component no more than its R²."""
    return effective_rank(np.sqrt(variances * r_squared))


def explained(distance: float, squared_mean: float) -> float:
    """Share of the teacher's variance that a student explains, from its cosine distance d.

    A best guess is the teacher's mean m and a share of what varies about it; among unit vectors its cosine is then
    about the root of |m|² + share (1 - |m|²).
    """
    share = ((1 - distance) ** 2 - squared_mean) / (1 - squared_mean)
    return float(np.clip(share, SHARES[0] / 100, SHARES[1] / 100))


def _section(rows: pd.DataFrame, teacher: Array, images: int, epochs: int) -> Section:
    rank, distance = (pick(rows, f"epoch_{name}", variant="constant") for name in ("rank", "distance"))
    along = rank.groupby("x")["value"].agg(["mean", "min", "max"])
    model = str(rank["model"].iloc[0])
    known = pick(rows, "r_squared", variant="test", model=model).groupby("x")["value"].mean().to_numpy(float)
    variances, mean = teacher[: len(known)] ** 2, play.squared_mean(teacher, images)
    shares = [explained(value, mean) for value in distance.groupby("x")["value"].mean().reindex(along.index)]
    at = int(np.argmin(np.abs(along.index.to_numpy(float) - epochs)))  # the watched epoch next to the profile's own
    guess, bins = shrunk(variances, shares[at]), _binned(known)
    ranks = [predicted_rank(variances, shrunk(variances, share)) for share in shares]
    above, below = _panels(along, effective_rank(teacher), len(known))
    misfit = np.mean([abs(guess[round(k) - 1] - value) for k, value in bins])
    results = [
        play.row("epoch", ("epoch", f"{along.index[at]:g}")),
        play.row("variance explained (%)", ("share", number(100 * shares[at]))),
        play.row("effective rank, measured", ("rank", number(along["mean"].iloc[at]))),
        play.row("effective rank, predicted", ("predicted", number(ranks[at]))),
        play.row(f"mean distance from the R² measured at epoch {epochs}", ("misfit", f"{misfit:.3f}")),
    ]
    key = play.entries([model, TEACHER]) + play.entry("predicted", "border-top-style: dashed")
    data = {
        "variances": play.rounded(variances),
        "bins": [play.rounded(pair) for pair in bins],
        "epochs": along.index.tolist(),
        "ranks": play.rounded(along["mean"]),
        "shares": play.rounded(shares),
        "shown": play.curve_points(len(known)),
        "above": above.to_json(),
        "below": below.to_json(),
    }
    drawn = _draw(above, below, along, model, ranks, at, bins, guess, effective_rank(teacher))
    return Section(_controls(len(along), at, shares[at]), drawn, key, "".join(results), data)


def _binned(known: Array) -> list[tuple[float, float]]:
    """Mean R² of neighbouring components, at the middle of each group on a logarithmic axis."""
    edges = np.unique(np.geomspace(1, len(known) + 1, BINS + 1).round().astype(int))
    pairs = itertools.pairwise(edges.tolist())
    return [(float(np.sqrt(low * (end - 1))), float(known[low - 1 : end - 1].mean())) for low, end in pairs]


def _panels(along: pd.DataFrame, teacher: float, count: int) -> tuple[Panel, Panel]:
    highest = 1.05 * max(teacher, float(along["max"].max()))
    above = Panel(Scale(0, float(along.index[-1]), LEFT, RIGHT), Scale(0, highest, 160, 12))
    return above, Panel(Scale(1, count + 1, LEFT, RIGHT, log=True), Scale(0, 1.02, 365, 225))


def _draw(
    above: Panel,
    below: Panel,
    along: pd.DataFrame,
    model: str,
    predicted: list[float],
    at: int,
    bins: list[tuple[float, float]],
    guess: Array,
    teacher: float,
) -> str:
    ink, epoch, means = colour(model), float(along.index[at]), list(along["mean"].items())
    return picture(
        HEIGHT,
        "Above: effective rank over the epochs, measured and predicted. Below: squared correlation with the teacher by "
        "component, measured and predicted.",
        above.frame("epoch (number)", "effective rank"),
        above.line([(0, teacher), (above.x.high, teacher)], stroke="currentColor"),
        *(above.line([(x, low), (x, high)], stroke=ink) for x, _, low, high in along.itertuples()),
        above.line(means, stroke=ink) + above.dots(means, fill=ink),
        above.line(zip(along.index, predicted, strict=True), "predicted", **GUESS),
        above.line([(epoch, 0), (epoch, above.y.high)], "epoch", stroke="currentColor", stroke_opacity="0.4"),
        below.frame("teacher's component (number, log scale)", "R² (test images)"),
        below.dots(bins, fill=ink),
        below.line([(k, guess[k - 1]) for k in play.curve_points(len(guess))], "explained", **GUESS),
    )


def _controls(count: int, at: int, share: float) -> str:
    radios = "".join(
        f'<label><input type="radio" name="explanation" value="{name}"{state}> {words}</label>'
        for (name, (words, _)), state in zip(EXPLANATIONS.items(), (" checked", ""), strict=True)
    )
    return (
        f"<fieldset><legend>explanation</legend>{radios}</fieldset>"
        + play.slider("epoch", "epoch", (0, count - 1, 1), at)
        + play.slider("variance explained (%)", "share", SHARES, round(100 * share, 1))
    )
