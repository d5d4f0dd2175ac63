"""Chapter 4: accuracy under noise, drawn and beside the paper's."""

import numpy as np
import pytest
import study_tables
import torch

from asymdistill.config.profiles import load_settings
from asymdistill.data.datasets import ImageSet
from asymdistill.plots import robustness
from asymdistill.plots.style import style

ACCURACY = {1.0: {0.0: [70.0, 72.0], 0.1: [55.0, 53.0]}, 4.0: {0.0: [73.0, 75.0], 0.1: [45.0, 47.0]}}


def test_each_model_has_its_colour_and_its_mean_over_the_seeds() -> None:
    table = study_tables.robustness(ACCURACY, {0.0: 94.0, 0.1: 89.0})
    figure = robustness.accuracy({"this copy": table}, chance={"this copy": 10.0}, pixels={"this copy": 0.27})
    paper, *own = figure.axes
    assert len(own) == len(study_tables.SPACES)
    looks = style(table["model"])
    (published,) = [line for line in paper.get_lines() if line.get_label() == "student S"]
    assert published.get_ydata().tolist() == pytest.approx([71.11, 67.82, 54.84, 27.35])
    for more, axis in enumerate(own):
        drawn = {line.get_label(): line for line in axis.get_lines()}
        for model, means in (("teacher", [94.0, 89.0]), ("S", [71.0, 54.0]), ("L", [74.0, 46.0])):
            line = drawn["teacher" if model == "teacher" else f"student {model}"]
            assert (line.get_color(), line.get_marker()) == looks[model]
            assert line.get_xdata().tolist() == [0.0, 0.1]
            assert line.get_ydata().tolist() == [mean + more for mean in means]
        assert any(set(line.get_ydata()) == {10.0} for line in axis.get_lines())


def test_the_table_shows_an_inversion_by_its_sign() -> None:
    own = study_tables.robustness(ACCURACY, {0.0: 94.0, 0.1: 89.0})
    photographs = own.query("model == 'S' and noise_space == 'pixel'").assign(accuracy=33.0)
    table = robustness.table({"photographs": photographs, "this copy": own})
    assert table.columns.tolist() == ["model", "sigma", "noise", "paper", "photographs", "this copy", "seeds"]
    shown = table.set_index(["noise", "model", "sigma"])
    assert shown.loc[("input", "S", "0")].tolist() == ["71.11 ± 0.44", "–", "71.00 ± 1.00", "2"]
    assert shown.loc[("picture", "S", "0")].tolist() == ["–", "33.00 ± 0.00", "72.00 ± 1.00", "2"]
    assert shown.loc[("input", "teacher", "0.1")].tolist() == ["89.35", "–", "89.00", "1"]
    assert shown.loc[("input", "L − S", "0")].tolist() == ["1.83", "–", "3.00 ± 0.00", "2"]
    assert shown.loc[("input", "L − S", "0.1")].tolist() == ["−11.08", "–", "−8.00 ± 2.00", "2"]
    assert len(shown) == 16


def test_a_noise_level_that_the_paper_lacks_has_a_dash() -> None:
    shown = robustness.table({"this copy": study_tables.robustness({1.0: {0.15: [50.0]}}, {0.15: 80.0})})
    own = shown[shown["noise"] == "input"]
    assert (own["paper"].tolist(), own["this copy"].tolist()) == (["–", "–"], ["80.00", "50.00"])


def test_noise_on_the_picture_alone_has_nothing_of_the_papers_beside_it() -> None:
    table = study_tables.robustness(ACCURACY, {0.0: 94.0, 0.1: 89.0}).query("noise_space == 'pixel'")
    shown = robustness.table({"this copy": table})
    assert set(shown["noise"]) == {"picture"}
    assert set(shown["paper"]) == {"–"}


def test_the_figure_says_what_a_unit_of_the_tensor_is_in_pixels() -> None:
    runs = {"this copy": study_tables.robustness(ACCURACY, {0.0: 94.0, 0.1: 89.0})}
    figure = robustness.accuracy(runs, chance={}, pixels={"this copy": 0.5, "paper": 0.25})
    labels = [axis.get_xlabel().replace("\n", " ") for axis in figure.axes]
    assert ["1 is 0.25 of the pixel range" in label for label in labels] == [True, False, False]
    assert ["1 is 0.50 of the pixel range" in label for label in labels] == [False, True, False]


def test_the_teachers_accuracy_is_that_of_the_lowest_level() -> None:
    mixed = study_tables.robustness(ACCURACY, {0.1: 89.0, 0.0: 94.0}).query("noise_space == 'normalised'")
    assert robustness.numbers(mixed) == {"acc_teacher_clean": 94.0}


def test_welch_on_the_papers_own_numbers() -> None:
    row = robustness.welch("S", "L", sigma=0.1).iloc[0]
    assert (row["t"], row["p"]) == (2.19, 0.11)
    assert row["difference"] == pytest.approx(54.84 - 43.76)


@pytest.mark.parametrize("count", [1, 5])
def test_the_gallery_has_a_row_per_image_and_space_and_a_column_per_level(count: int) -> None:
    images = torch.randint(0, 256, (count, 20, 20, 3), dtype=torch.uint8)
    _, settings = load_settings("smoke")
    figure = robustness.noisy_gallery(ImageSet(images, torch.zeros(count).long(), ("a",)), settings, shown=2)
    assert len(figure.axes) == min(2, count) * len(settings.noise_spaces) * len(settings.noise_levels)
    first = figure.axes[0].get_images()[0].get_array()
    assert settings.noise_levels[0] == 0
    assert np.allclose(first, images[0].numpy() / 255, atol=1e-5)
