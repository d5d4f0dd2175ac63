"""Chapter 5: what augmentation changes, paired by seed."""

import matplotlib.pyplot as plt
import pandas as pd
import study_tables

from asymdistill.plots import augmentation

WITHOUT = {0.0: [70.0, 74.0], 0.1: [40.0, 50.0]}


def test_the_change_is_paired_by_seed() -> None:
    table = augmentation.table({"this copy": study_tables.augmentation(WITHOUT, change=6.0)})
    shown = table.set_index(["from", "measure"])
    assert shown.loc[("this copy", "effective rank")].tolist() == ["16.00 ± 0.00", "18.00 ± 0.00", "2.00 ± 0.00", "2"]
    at = "accuracy in %, σ = 0.1"
    assert shown.loc[("this copy", at)].tolist() == ["45.00 ± 5.00", "48.00 ± 8.00", "3.00 ± 3.00", "2"]
    assert shown.loc[("paper", at)].tolist() == ["43.76 ± 6.10", "49.49", "5.73", "3 / 1"]


def test_students_without_a_partner_are_no_pair() -> None:
    made = study_tables.augmentation(WITHOUT, change=6.0)
    one = made[~(made["augmented"] & (made["seed"] == 0))]
    shown = augmentation.table({"this copy": one}).set_index(["from", "measure"])
    assert shown.loc[("this copy", "accuracy in %, σ = 0")].tolist() == ["74.00", "80.00", "6.00", "1"]


def test_a_run_without_augmented_students_has_no_row_and_no_panel() -> None:
    empty: pd.DataFrame = study_tables.augmentation(WITHOUT, change=0.0).iloc[:0]
    assert set(augmentation.table({"this copy": empty})["from"]) == {"paper"}
    figure = augmentation.accuracy({"this copy": empty}, pixels={})
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["paper"]
    plain, treated = figure.axes[0].get_lines()
    assert (plain.get_ydata()[2], treated.get_ydata()[2]) == (43.76, 49.49)
    plt.close(figure)
