"""The front page's table: every entry from the tables of its column, a dash where there is none."""

import expansion_tables
import pandas as pd
import study_tables

from asymdistill.plots import headline

ACCURACY = {1.0: {0.0: [70.0, 72.0], 0.1: [50.0, 60.0]}, 4.0: {0.0: [80.0, 84.0], 0.1: [40.0, 50.0]}}
TABLES = {
    "spectrum": study_tables.spectrum({1: [9.0, 18.0], 4: [27.0, 27.0]}),
    "robustness": study_tables.robustness(ACCURACY, {0.0: 94.0, 0.1: 90.0}),
    "expansion": expansion_tables.everything(),
    "augmentation": study_tables.augmentation({0.0: [80.0, 84.0], 0.1: [40.0, 50.0]}, change=6.0),
}


def test_every_row_is_of_its_columns_tables() -> None:
    shown = headline.table(**{name: {"this copy": table} for name, table in TABLES.items()}).set_index("")
    assert list(shown) == ["paper", "this copy"]
    assert shown["paper"].tolist() == [
        "88.7",
        "15.9 to 16.7",
        "18 to 19",
        "2.40",
        "5.0",
        "16.3",
        "29.2",
        "−11.1",
        "5.7",
    ]
    assert shown["this copy"].tolist() == [
        *("90.0", "9.0 to 27.0", "10 to 30", "1.50 ± 0.00", "4.0"),
        *("16.0 ± 4.0", "37.0 ± 3.0", "−10.0 ± 0.0", "3.0 ± 3.0"),
    ]


def test_what_a_run_lacks_is_a_dash() -> None:
    one = expansion_tables.everything(("cosine",), sweeps=False)
    few = {"spectrum": TABLES["spectrum"], "robustness": TABLES["robustness"].query("sigma == 0"), "expansion": one}
    runs: dict[str, dict[str, pd.DataFrame]] = {
        name: {"photographs": few[name]} if name in few else {} for name in TABLES
    }
    shown = headline.table(**runs).set_index("")
    assert shown["photographs"].tolist() == ["90.0", "9.0 to 27.0", "10 to 30", *["–"] * 6]
    assert shown["this copy"].tolist() == ["–"] * 9


def test_the_note_says_what_the_noise_is_to_each_runs_pixels() -> None:
    note = headline.note({"paper": 0.27, "this copy": 0.5})
    assert "σ = 0.1 is 0.027 (paper), 0.050 (this copy)." in note
