"""The figures of chapters 6 and 7: labelled axes, one look a model, every student in its place, no crash on less."""

from collections.abc import Callable, Iterator

import expansion_tables as made
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from asymdistill.plots import expansion, style


def gains(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["comparison"] == "gains"]


def singular_values(objectives: tuple[str, ...] = ("cosine", "infonce")) -> pd.DataFrame:
    models = [made.of("teacher"), *(made.of(m, s, o) for o in objectives for m in made.WIDTHS for s in made.SEEDS)]
    rows = [model | {"component": k, "value": 2.0**-k} for model in models for k in range(1, 9)]
    return pd.DataFrame(rows).astype({"seed": "Int64"})


DRAW: dict[str, Callable[[tuple[str, ...]], Figure]] = {
    "spectra": lambda kinds: expansion.spectra(singular_values(kinds)),
    "ranks": lambda kinds: expansion.ranks(gains(made.everything(kinds)), published=2.4),
    "sweeps": lambda kinds: expansion.sweeps(made.everything(kinds, sweeps=len(kinds) > 1)),
    "worth": lambda kinds: expansion.worth(gains(made.everything(kinds))),
    "noise": lambda kinds: expansion.noise(gains(made.everything(kinds)), chance=10),
    "alternatives": lambda kinds: expansion.alternatives(made.everything(kinds, sweeps=len(kinds) > 1)),
    "pushed": lambda kinds: expansion.pushed(made.everything(kinds, sweeps=len(kinds) > 1), weight=1, largest=10),
    "crossing": lambda kinds: expansion.crossing(made.crossed(kinds)),
    "elsewhere": lambda kinds: expansion.noise_elsewhere(made.crossed(kinds)),
}


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.mark.parametrize("kinds", [("cosine", "infonce"), ("cosine", "views"), ("infonce", "vicreg")])
@pytest.mark.parametrize("name", DRAW)
def test_every_panel_is_labelled_and_fits_a_column(name: str, kinds: tuple[str, ...]) -> None:
    figure = DRAW[name](kinds)
    figure.canvas.draw()
    assert figure.get_size_inches()[0] == pytest.approx(style.WIDTH)
    for axis in figure.axes:
        above_another = not any(label.get_text() and label.get_visible() for label in axis.get_xticklabels())
        assert axis.get_xlabel() or above_another
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == list(dict.fromkeys(labels))


@pytest.mark.parametrize("name", DRAW)
def test_with_one_objective_a_line_says_so(name: str) -> None:
    figure = DRAW[name](("cosine",))
    assert not figure.axes
    assert "one objective only" in figure.texts[0].get_text()


def test_what_a_profile_does_not_vary_is_said() -> None:
    table = made.everything(sweeps=False)
    for figure in (expansion.sweeps(table), expansion.pushed(table, weight=1, largest=10)):
        assert figure.texts


def test_each_student_is_in_its_models_colour_filled_or_open() -> None:
    figure = expansion.ranks(gains(made.everything()), published=2.4)
    axis = figure.axes[0]
    looks = style.style(["S"])
    colour = looks["S"][0]
    own = [line for line in axis.get_lines() if to_rgb(line.get_color()) == pytest.approx(colour)]
    filled, hollow = (
        sorted(np.concatenate([line.get_xdata() for line in own if (line.get_markerfacecolor() == "white") is open]))
        for open in (False, True)
    )
    assert filled == pytest.approx([10.0, 11.0])
    assert hollow == pytest.approx([15.0, 16.5])


def test_the_papers_factor_is_marked_as_such() -> None:
    figure = expansion.ranks(gains(made.everything()), published=2.4)
    dotted = [line for line in figure.axes[1].get_lines() if line.get_linestyle() == ":"]
    assert [line.get_xdata()[0] for line in dotted] == [2.4]
    assert "paper" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_noise_elsewhere_is_of_the_images_with_the_most_classes() -> None:
    figure = expansion.noise_elsewhere(made.crossed())
    assert [axis.get_title() for axis in figure.axes] == ["teacher ViT-B-32-quickgelu", "teacher vit_s"]
    chance = [line for line in figure.axes[0].get_lines() if line.get_linestyle() == ":"]
    assert chance[0].get_ydata()[0] == pytest.approx(1.0)
