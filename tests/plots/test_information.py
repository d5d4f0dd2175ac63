"""Chapter 3: both losses of every student, beside the paper's."""

import matplotlib.pyplot as plt
import study_tables

from asymdistill.plots import information

VALUES = {1.0: [(3.3, -0.40), (3.1, -0.42)], 4.0: [(3.2, -0.50), (2.8, -0.48)]}


def test_every_seed_of_every_student_is_drawn() -> None:
    figure = information.losses({"this copy": study_tables.information(VALUES)})
    drawn = [sorted(x for line in axis.get_lines() for x in line.get_xdata()) for axis in figure.axes]
    assert drawn[:2] == [[3.2738, 3.2996, 3.3117], [-0.4285, -0.4153, -0.4061]]
    nce, uniformity = drawn[2:]
    assert nce == [2.8, 3.1, 3.2, 3.3]
    assert uniformity == [-0.5, -0.48, -0.42, -0.4]
    plt.close(figure)


def test_the_table_has_both_losses_of_the_students() -> None:
    shown = information.table({"this copy": study_tables.information(VALUES)}).set_index("model")
    assert shown.index.tolist() == ["S", "L", "L − S"]
    assert shown.loc["S"].tolist() == ["3.3117", "3.2000 ± 0.1000", "−0.4061", "−0.4100 ± 0.0100", "2"]
    assert shown.loc["L − S"].tolist() == ["−0.0379", "−0.2000 ± 0.1000", "−0.0224", "−0.0800 ± 0.0200", "2"]


def test_estimators_of_uniformity_have_a_column_each() -> None:
    shown = information.estimators(study_tables.information(VALUES)).set_index("model")
    assert shown.loc["teacher"].tolist() == ["3.000", "−1.000", "−1.100", "−1.200"]
    assert shown.columns.tolist()[1:] == ["uniformity", "without self-pairs", "over all pairs"]
