"""Figures of two objectives: labelled, one column wide, and a line of words where there is one objective only."""

from collections.abc import Callable

import expansion_tables as made
import pytest
from expansion_tables import OWN, gains, singular_values
from matplotlib.figure import Figure

from asymdistill.plots import expansion, generality, style

DRAW: dict[str, Callable[[tuple[str, ...]], Figure]] = {
    "spectra": lambda kinds: expansion.spectra({OWN: singular_values(kinds)}),
    "ranks": lambda kinds: expansion.ranks({OWN: made.everything(kinds)}, published=2.4),
    "sweeps": lambda kinds: expansion.sweeps(made.everything(kinds, sweeps=len(kinds) > 1)),
    "worth": lambda kinds: expansion.worth(gains(made.everything(kinds))),
    "noise": lambda kinds: expansion.noise({OWN: made.everything(kinds)}, chance={OWN: 10}),
    "alternatives": lambda kinds: expansion.alternatives(made.everything(kinds, sweeps=len(kinds) > 1)),
    "limit": lambda kinds: generality.limit(made.everything(kinds, sweeps=len(kinds) > 1), weight=1, largest=10),
    "ranks elsewhere": lambda kinds: generality.ranks({OWN: made.crossed(kinds)}),
    "noise elsewhere": lambda kinds: generality.noise(made.crossed(kinds)),
}


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
    assert not any(axis.axison for axis in figure.axes)
    assert "one objective only" in figure.texts[0].get_text()


def test_what_a_profile_does_not_vary_is_said() -> None:
    table = made.everything(sweeps=False)
    for figure in (expansion.sweeps(table), generality.limit(table, weight=1, largest=10)):
        assert figure.texts


def test_a_run_with_one_objective_leaves_the_figure_to_the_others() -> None:
    figure = expansion.ranks({"photographs": made.everything(("cosine",)), OWN: made.everything()}, published=2.4)
    assert [axis.get_title(loc="center") for axis in figure.axes[::2]] == [""]
    assert [axis.get_title(loc="left") for axis in figure.axes[::2]] == [OWN]
