"""Rows of a run's tables: whose they are, and that they are looked up once."""

from made_runs import ranks, run

from asymdistill.claims.rows import Rows, Subject


def test_a_label_is_a_model_and_what_was_done_to_it() -> None:
    assert Subject.parse("L") == Subject("L")
    assert Subject.parse("L augmented", 0.1, "mean spectrum") == Subject("L", "augmented", 0.1, "mean spectrum")
    assert Subject.parse("teacher top 16") == Subject("teacher", "top 16")


def test_rows_are_selected_once() -> None:
    rows = Rows(run(spectrum=ranks({"S": [10.0, 12.0]})))
    assert rows.select("spectrum", Subject("S")) is rows.select("spectrum", Subject("S"))
