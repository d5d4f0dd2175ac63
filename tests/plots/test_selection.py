"""Rows are those that were asked for."""

import study_tables

from asymdistill.plots import selection


def test_rows_are_picked_by_value_and_by_list() -> None:
    rows = study_tables.spectrum({1: [15.0, 17.0], 2: [18.0, 20.0]})
    assert set(selection.pick(rows, "dims_for_90", model=["S", "M"])["value"]) == {30.0, 34.0, 36.0, 40.0}
    assert set(selection.pick(rows, ["dims_for_90", "effective_rank"], model="teacher")["value"]) == {180.0, 90.0}
