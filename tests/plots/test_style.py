"""The style of all figures: one look per model everywhere, labelled axes, any widths or a single one."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import seaborn as sns
import study_tables
from matplotlib.figure import Figure

from asymdistill.config.names import student_name
from asymdistill.plots import alignment, augmentation, collapse, information, robustness, style

UNITS = ("(", "share", "component")
WIDTHS = {
    "one": (1.0,),
    "the papers": (1.0, 2.0, 4.0),
    "the stated": (0.5, 3.0, 10.0),
    "many": tuple(float(width) for width in range(1, 15)),
}


def draw_all(tables: dict[str, pd.DataFrame]) -> dict[str, Figure]:
    def both(name: str) -> dict[str, pd.DataFrame]:
        return {"photographs": tables[name], "this copy": tables[name]}

    return {
        "ranks": collapse.ranks(both("spectrum")),
        "spectra": collapse.spectra(both("singular_values")),
        "losses": collapse.losses(tables["training"]),
        "alignment": alignment.shares(both("alignment")),
        "information": information.losses(both("information")),
        "robustness": robustness.accuracy(both("robustness"), chance={"this copy": 10.0}, pixels={"paper": 0.27}),
        "augmentation": augmentation.accuracy(both("augmentation"), pixels={}),
    }


@pytest.mark.parametrize("name", WIDTHS)
def test_every_figure_is_drawn_with_labelled_axes(name: str) -> None:
    for key, figure in draw_all(study_tables.everything(WIDTHS[name])).items():
        figure.canvas.draw()
        for axis in figure.axes:
            shares = axis.get_shared_x_axes().get_siblings(axis)  # of which the last has the label
            titled = key == "information" and axis is not figure.axes[-1]  # quantities stand under the last row
            assert titled or any(unit in other.get_xlabel() for other in shares for unit in (*UNITS, "units")), key
            place = axis.get_subplotspec().rowspan
            row = [other for other in figure.axes if other.get_subplotspec().rowspan == place]
            named = [label.get_text() for other in row for label in other.get_yticklabels()]
            assert any(other.get_ylabel() for other in row) or any("student" in text for text in named), key
        assert figure.get_size_inches()[0] == pytest.approx(style.WIDTH)


def test_each_model_of_the_papers_has_one_look_in_every_figure() -> None:
    models = ["teacher", "S", "M", "L", "w=0.5", "w=3", "w=10"]
    alone = {model: style.style([model])[model] for model in models}
    together, reverse = style.style(models), style.style(models[::-1])
    assert alone == together == {model: reverse[model] for model in together}
    assert len({colour for colour, _ in together.values()}) == len(together)
    assert len({marker for _, marker in together.values()}) == len(together)


@pytest.mark.parametrize("widths", WIDTHS.values(), ids=WIDTHS)
def test_models_in_one_figure_are_told_apart(widths: tuple[float, ...]) -> None:
    looks = style.style(["teacher", *(student_name(width) for width in widths)])
    assert len(set(looks.values())) == len(looks) == len(widths) + 1


def test_a_control_draws_its_own_rows_or_says_that_it_was_not_run() -> None:
    drawn = style.of_control("mine")(lambda rows, chance: style.placeholder(f"{len(rows)} rows, {chance}"))
    rows = pd.DataFrame({"control": ["mine", "other", "mine"]})
    others = rows[rows["control"] == "other"]
    (figure,) = drawn({"one": rows, "two": others}, chance={"one": 10})
    assert [text.get_text() for text in figure.texts] == ["2 rows, 10", "one"]
    (unknown,) = style.of_control("mine")(lambda rows, chance: style.placeholder(f"{chance}"))({"one": rows}, chance={})
    assert unknown.texts[0].get_text() == "None"  # a recorded run need not say how many classes its images have
    (absent,) = drawn({"two": others}, chance={})
    assert "no run here has this control" in absent.texts[0].get_text()
    assert absent.axes  # else notebooks show no picture


def test_the_palette_is_seaborns_for_the_colour_blind() -> None:
    assert [*style.PALETTE] == [pytest.approx(colour, abs=0.002) for colour in sns.color_palette("colorblind")]


def test_ticks_of_noise_levels_have_the_numbers_that_have_room() -> None:
    _, axis = plt.subplots()
    style.noise_ticks(axis, [0.2, 0.0, 0.02, 0.05, 0.1, 0.0])
    assert [label.get_text() for label in axis.get_xticklabels()] == ["0", "", "0.05", "0.1", "0.2"]


def test_shares_of_the_variance_are_written_out() -> None:
    _, axis = plt.subplots()
    style.spectrum_axes(axis)
    write = axis.yaxis.get_major_formatter()
    assert [write(share, 0) for share in (1e-6, 1e-5, 0.01, 1.0)] == ["0.000001", "0.00001", "0.01", "1"]
    assert write(9.999999999999999e-06, 0) == "0.00001"  # what a logarithmic axis makes of it
