"""Chapter 5: what augmentation changes, paired by seed."""

import matplotlib.pyplot as plt
import pandas as pd
import study_tables

from asymdistill.plots import augmentation

WITHOUT = {0.0: [70.0, 74.0], 0.1: [40.0, 50.0]}


def test_the_change_is_paired_by_seed() -> None:
    shown = augmentation.table(study_tables.augmentation(WITHOUT, change=6.0)).set_index("measure")
    assert shown.loc["effective rank"].tolist() == ["16.66", "–", "16.00 ± 0.00", "18.00 ± 0.00", "2.00 ± 0.00", 2]
    assert shown.loc["accuracy in %, σ = 0.1"].tolist() == [
        *("43.76 ± 6.10", "49.49", "45.00 ± 5.00", "48.00 ± 8.00", "3.00 ± 3.00", 2),
    ]


def test_students_without_a_partner_are_no_pair() -> None:
    made = study_tables.augmentation(WITHOUT, change=6.0)
    one = made[~(made["augmented"] & (made["seed"] == 0))]
    shown = augmentation.table(one).set_index("measure")
    assert shown.loc["accuracy in %, σ = 0", "this run, without":].tolist() == ["74.00", "80.00", "6.00", 1]


def test_a_run_without_augmented_students_says_so() -> None:
    empty: pd.DataFrame = study_tables.augmentation(WITHOUT, change=0.0).iloc[:0]
    assert augmentation.table(empty).empty
    figure = augmentation.accuracy(empty, pixels=0.27)
    assert "no student" in figure.texts[0].get_text()
    plt.close(figure)
