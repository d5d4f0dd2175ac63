"""Figures: axes with units, one look a model everywhere, and any widths or a single one."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure

from asymdistill.claims import evaluate
from asymdistill.config.names import student_name
from asymdistill.data.datasets import ImageSet
from asymdistill.plots import figures
from asymdistill.study.study import Study

UNITS = ("(", "share", "component")
WIDTHS = {
    "one": [1.0],
    "the papers": [1.0, 2.0, 4.0],
    "the stated": [0.5, 3.0, 10.0],
    "many": [float(w) for w in range(1, 15)],
}


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


def with_widths(table: pd.DataFrame, widths: list[float]) -> pd.DataFrame:
    """A small study's table as if it had other widths: its widest student's rows, once a width."""
    rows = table[table["width"] == 1.0]
    parts = [rows.assign(width=width, model=student_name(width)) for width in widths]
    return pd.concat([table[table["model"] == "teacher"], *parts], ignore_index=True)


def draw_all(tables: dict[str, pd.DataFrame]) -> dict[str, Figure]:
    return {
        "ranks": figures.ranks(tables["spectrum"], evaluate.published("effective_rank")),
        "spectra": figures.spectra(tables["singular_values"]),
        "losses": figures.losses(tables["training"]),
        "alignment": figures.alignment(tables["alignment"], evaluate.published("share_20")),
        "information": figures.information(tables["information"]),
        "robustness": figures.robustness(tables["robustness"], chance=10.0),
        "augmentation": figures.augmentation(tables["augmentation"]),
    }


@pytest.mark.parametrize("name", WIDTHS)
def test_every_figure_is_drawn_with_labelled_axes(small_study: Study, name: str) -> None:
    widths = WIDTHS[name]
    tables = {key: with_widths(table, widths) for key, table in small_study.compute().items()}
    tables["augmentation"] = with_widths(small_study.augmentation(), widths[-1:])
    for key, figure in draw_all(tables).items():
        figure.canvas.draw()
        for axis in figure.axes:
            assert axis.get_xlabel(), key
            assert any(unit in axis.get_xlabel() for unit in (*UNITS, "units")), key
            named = [label.get_text() for label in axis.get_yticklabels()]
            assert axis.get_ylabel() or any("student" in text for text in named), key
        assert figure.get_size_inches()[0] <= 7


def test_each_model_of_the_papers_has_one_look_in_every_figure() -> None:
    alone = {model: figures.style([model])[model] for model in ("teacher", "S", "M", "L", "w=0.5", "w=3", "w=10")}
    together = figures.style(["teacher", "S", "M", "L", "w=0.5", "w=3", "w=10"])
    reverse = figures.style(["w=10", "w=3", "L", "teacher", "w=0.5", "M", "S"])
    assert alone == together == {model: reverse[model] for model in together}
    assert len({look[0] for look in together.values()}) == len(together)
    assert len({look[1] for look in together.values()}) == len(together)


def test_any_models_beside_each_other_are_told_apart() -> None:
    for widths in WIDTHS.values():
        looks = figures.style(["teacher", *(student_name(width) for width in widths)])
        assert len(looks) == len(widths) + 1
        assert len(set(looks.values())) == len(looks)


def test_a_model_is_drawn_in_its_colour(small_study: Study) -> None:
    table = with_widths(small_study.robustness(), [1.0, 2.0])
    figure = figures.robustness(table, chance=10.0)
    looks = figures.style(table["model"])
    for axis in figure.axes:
        drawn = {line.get_label(): line for line in axis.get_lines()}
        for model, title in (("teacher", "teacher"), ("S", "student S"), ("M", "student M")):
            assert drawn[title].get_color() == looks[model][0]
            assert drawn[title].get_marker() == looks[model][1]


def test_lines_are_means_over_the_seeds(small_study: Study) -> None:
    table = small_study.robustness()
    axis = figures.robustness(table, chance=10.0).axes[0]
    own = table[(table["model"] == "S") & (table["noise_space"] == "normalised")]
    (line,) = [line for line in axis.get_lines() if line.get_label() == "student S"]
    assert line.get_xdata().tolist() == [0.0, 0.2]
    assert line.get_ydata().tolist() == own.groupby("sigma")["accuracy"].mean().tolist()
    assert any(set(line.get_ydata()) == {10.0} for line in axis.get_lines())


def test_the_ranks_show_every_seed_and_the_papers_value(small_study: Study) -> None:
    table = small_study.spectrum()
    axis = figures.ranks(table, evaluate.published("effective_rank")).axes[0]
    drawn = sorted(float(x) for line in axis.get_lines() for x in line.get_xdata())
    own = table[(table["estimator"] == "per seed") & (table["quantity"] == "effective_rank")]["value"]
    assert drawn == sorted([*own, 88.68, 15.91])


def test_spectra_are_shares_of_the_variance(small_study: Study) -> None:
    table = small_study.singular_values()
    axis = figures.spectra(table).axes[0]
    (line,) = [line for line in axis.get_lines() if line.get_label() == "teacher"]
    values = table[table["model"] == "teacher"]["value"] ** 2
    assert line.get_ydata()[0] == pytest.approx(values.iloc[0] / values.sum())
    assert (axis.get_xscale(), axis.get_yscale()) == ("log", "log")


def test_losses_leave_the_augmented_student_out(small_study: Study) -> None:
    table = small_study.training()
    axis = figures.losses(table).axes[0]
    (line,) = [line for line in axis.get_lines() if line.get_label() == "student S"]
    own = table[(table["model"] == "S") & ~table["augmented"]]
    assert line.get_ydata().tolist() == own.groupby("epoch")["loss"].mean().tolist()


def test_an_empty_control_is_drawn_as_such(small_study: Study) -> None:
    figure = figures.augmentation(small_study.augmentation().iloc[:0])
    figure.canvas.draw()
    assert isinstance(figure, Figure)


@pytest.mark.parametrize(("count", "classes"), [(0, 3), (5, 3), (60, 2), (60, 12)])
def test_galleries_take_any_images(small_study: Study, count: int, classes: int) -> None:
    images = torch.randint(0, 256, (count, 20, 20, 3), dtype=torch.uint8)
    names = tuple(f"class {number}" for number in range(classes))
    labels = torch.arange(count) % classes
    figure = figures.gallery(images, labels, names, each=2)
    assert [axis.get_title() for axis in figure.axes if axis.get_title()] == list(names[:10])
    shown = [picture for axis in figure.axes for picture in axis.get_images()]
    assert len(shown) == sum(min(2, int((labels == label).sum())) for label in range(min(10, classes)))
    if count:
        noisy = figures.noisy_gallery(ImageSet(images, labels, names), small_study.settings, shown=2)
        settings = small_study.settings
        assert len(noisy.axes) == 2 * len(settings.noise_spaces) * len(settings.noise_levels)
        first = noisy.axes[0].get_images()[0].get_array()
        assert np.allclose(first, images[0].numpy() / 255, atol=1e-5)
