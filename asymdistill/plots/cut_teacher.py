"""Chapters 4 and 8: cut the teacher to few components, and see whether it becomes as fragile as its students."""

from html import escape

import numpy as np
import pandas as pd

from asymdistill.config.names import TEACHER
from asymdistill.plots import play
from asymdistill.plots.picture import LEFT, RIGHT, Panel, Scale, colour, picture
from asymdistill.plots.play import Array, Section, number
from asymdistill.plots.runs import Runs, with_control
from asymdistill.plots.selection import pick
from asymdistill.plots.style import title

BEGIN = 16  # components: the rank that the papers report for students
WHOLE, CUT = "none", "6 4"  # dashes


def cut_the_teacher(controls: Runs) -> str:
    """HTML of the accuracy of a teacher that is cut to some of its components, beside its students', under noise.

    Args:
        controls: by the name of a run, its table of controls.
    """
    cut = with_control(controls, "truncation")
    return play.page("truncation", {name: _section(rows) for name, rows in cut.items()})


def _section(rows: pd.DataFrame) -> Section:
    accuracy, top = pick(rows, "accuracy"), ["top", "full"]
    cut = pick(accuracy, variant=top).pivot_table(index="sigma", columns="x", values="value")
    kept, sigmas = cut.columns.to_numpy(float), cut.index.to_numpy(float)
    ranks = pick(rows, "effective_rank", variant=top).groupby("x")["value"].mean().loc[kept].to_numpy(float)
    own = pick(accuracy, variant="student")
    means = own.pivot_table(index="sigma", columns="model", values="value", sort=False).loc[sigmas]
    lines = {TEACHER: cut.to_numpy(float)[:, -1], **{str(name): means[name].to_numpy(float) for name in means}}
    at, level = int(np.argmin(np.abs(np.log(kept / BEGIN)))), len(sigmas) - 1
    panel = Panel(Scale(kept[0], kept[-1], LEFT, RIGHT, log=True), Scale(0, 100, 240, 12))
    accuracies = cut.to_numpy(float)
    columns = "".join(f'<th scope="col">{words}</th>' for words in ("accuracy (%)", "lost to noise (points)"))
    results = [f"<tr><td></td>{columns}</tr>", _row("teacher, cut", "cut", accuracies[:, at], level)]
    results += [_row(f"{title(name)}{', whole' * (name == TEACHER)}", name, own, level) for name, own in lines.items()]
    results.append(
        play.row("components kept", ("kept", f"{kept[at]:g}")) + play.row("noise, σ", ("sigma", f"{sigmas[level]:g}"))
    )
    results.append(play.row("effective rank of the cut teacher", ("rank", number(ranks[at]))))
    controls = play.slider("components kept", "kept", (0, len(kept) - 1, 1), at)
    controls += play.slider("noise on the input, σ", "sigma", (0, len(sigmas) - 1, 1), level)
    key = play.entry("teacher, cut", "") + play.entries(name for name in lines if name != TEACHER)
    data = {
        "kept": kept.tolist(),
        "sigmas": sigmas.tolist(),
        "ranks": play.rounded(ranks),
        "cut": [play.rounded(values) for values in accuracies],
        "lines": {name: play.rounded(values) for name, values in lines.items()},
        "panel": panel.to_json(),
    }
    whole = play.entry("teacher, whole", "border-top-style: dashed")
    return Section(
        controls, _draw(panel, kept, accuracies[level], lines, at, level), key + whole, "".join(results), data
    )


def _draw(panel: Panel, kept: Array, cut: Array, lines: dict[str, Array], at: int, level: int) -> str:
    ends, middle = (kept[0], kept[-1]), kept[at]
    return picture(
        280,
        "Accuracy of the teacher cut to its first components, by their number, beside that of the whole teacher and of "
        "the students, at the chosen noise.",
        panel.frame("components kept (number, log scale)", "probe accuracy (%)", {k: f"{k:g}" for k in kept[::2]}),
        *(
            panel.line(
                [(x, own[level]) for x in ends],
                name,
                stroke=colour(name),
                stroke_dasharray=CUT if name == TEACHER else WHOLE,
            )
            for name, own in lines.items()
        ),
        panel.line(zip(kept, cut, strict=True), "cut", stroke="currentColor"),
        panel.line([(middle, 0), (middle, 100)], "kept", stroke="currentColor", stroke_opacity="0.4"),
    )


def _row(words: str, name: str, own: Array, level: int) -> str:
    """A model's accuracy, and what it has lost since the lowest noise."""
    name = escape(name, quote=True)
    return play.row(words, (name, number(own[level])), (f"{name} lost", f"{own[0] - own[level]:.1f}"))
