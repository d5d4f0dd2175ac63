"""Figures of chapter 6: every student in its place."""

import expansion_tables as made
import numpy as np
import pytest
from expansion_tables import OWN
from matplotlib.colors import to_rgb

from asymdistill.plots import expansion, style


def test_each_student_is_in_its_models_colour_filled_or_open() -> None:
    figure = expansion.ranks({OWN: made.everything()}, published=2.4)
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
    figure = expansion.ranks({OWN: made.everything()}, published=2.4)
    dotted = [line for line in figure.axes[1].get_lines() if line.get_linestyle() == ":"]
    assert [line.get_xdata()[0] for line in dotted] == [2.4]
    assert "factor in the paper" in [text.get_text() for text in figure.legends[0].get_texts()]
