"""Chapter 1: every seed and the paper's value are drawn, and the table and the numbers are those of the rows."""

import pandas as pd
import pytest
import study_tables
import torch

from asymdistill.data.datasets import ImageSet
from asymdistill.plots import collapse, selection, tables

WIDTHS = (1.0, 4.0)


def test_the_ranks_show_every_seed_and_the_papers_value() -> None:
    runs = {"photographs": study_tables.spectrum({2: [14.0]}), "this copy": study_tables.spectrum({1: [15.0, 17.0]})}
    axes = collapse.ranks(runs).axes
    drawn = {
        axis.get_title(loc="left"): sorted(float(x) for line in axis.get_lines() for x in line.get_xdata())
        for axis in axes
    }
    assert drawn == {
        "paper": [15.91, 16.62, 16.66, 88.68],
        "photographs": [14.0, 90.0],
        "this copy": [15.0, 17.0, 90.0],
    }
    assert {line.get_markerfacecolor() for line in axes[0].get_lines()} == {"white"}


def test_spectra_are_shares_of_the_variance() -> None:
    table = study_tables.singular_values(WIDTHS)
    axis = collapse.spectra({"this copy": table}).axes[0]
    (line,) = [line for line in axis.get_lines() if line.get_label() == "teacher"]
    values = selection.teacher_of(table)["value"] ** 2
    assert line.get_ydata()[0] == pytest.approx(values.iloc[0] / values.sum())
    assert (axis.get_xscale(), axis.get_yscale()) == ("log", "log")


def test_losses_are_means_over_the_seeds_and_leave_augmented_students_out() -> None:
    table = study_tables.training(WIDTHS)
    both = pd.concat([table, table.assign(augmented=True, loss=9.0)])
    (line,) = [line for line in collapse.losses(both).axes[0].get_lines() if line.get_label() == "student S"]
    own = selection.pick(table, model="S")
    assert line.get_ydata().tolist() == own.groupby("epoch")["loss"].mean().tolist()


def test_the_table_has_ranks_and_dimensions_beside_the_papers() -> None:
    shown = collapse.table({"this copy": study_tables.spectrum({1: [15.0, 17.0], 4: [18.0, 20.0]})}).set_index("model")
    assert shown.loc["teacher"].tolist() == ["88.68", "90.00", "152.0", "180.0", "1"]
    assert shown.loc["S"].tolist() == ["15.91", "16.00 ± 1.00", "19.0", "32.0 ± 2.0", "2"]
    assert shown.loc["L − S"].tolist() == ["0.75", "3.00 ± 0.00", "1.0", "6.0 ± 0.0", "2"]


def test_estimators_have_a_row_each() -> None:
    shown = collapse.estimators(study_tables.spectrum({1: [10.0, 20.0]})).set_index("estimator")
    assert shown.loc["variance: mean of the ranks", "S"] == "15.00"
    assert shown.loc["variance: rank of the mean spectrum", "S"] == "30.00"
    assert shown.loc["amplitude: mean of the ranks", "S"] == "45.00"
    teacher = tables.for_readers(shown.reset_index())["teacher"]
    assert teacher["variance: rank of the mean spectrum"] == "–"


def test_numbers_for_the_prose_are_plain_floats() -> None:
    numbers = collapse.numbers(study_tables.spectrum({1: [15.0, 17.0], 4: [18.0, 20.0]}))
    assert numbers == {
        "er_teacher": 90.0,
        "er_student_min": 15.0,
        "er_student_max": 20.0,
        "er_mean": 17.5,
        "dims90_teacher": 180.0,
        "dims90_student_min": 30.0,
        "dims90_student_max": 40.0,
    }
    assert {type(value) for value in numbers.values()} == {float}  # glue shows numpy scalars as blanks


@pytest.mark.parametrize(("count", "classes"), [(0, 3), (5, 3), (60, 2), (60, 12)])
def test_the_gallery_takes_any_images(count: int, classes: int) -> None:
    images = torch.randint(0, 256, (count, 20, 20, 3), dtype=torch.uint8)
    names = tuple(f"class {number}" for number in range(classes))
    labels = torch.arange(count) % classes
    figure = collapse.gallery(ImageSet(images, labels, names), each=2)
    assert [axis.get_title() for axis in figure.axes if axis.get_title()] == list(names[:10])
    shown = [picture for axis in figure.axes for picture in axis.get_images()]
    assert len(shown) == sum(min(2, int((labels == label).sum())) for label in range(min(10, classes)))
