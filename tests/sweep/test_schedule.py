"""The time that many devices need lies between what cannot be beaten and what a poor order would take."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asymdistill.runtime.errors import InputError
from asymdistill.sweep import schedule


@given(seconds=st.lists(st.floats(0.1, 1e4), min_size=1, max_size=30), devices=st.integers(1, 40))
def test_it_is_close_to_the_best_that_is_possible(seconds: list[float], devices: int) -> None:
    found = schedule.makespan(seconds, devices)
    least = max(max(seconds), sum(seconds) / devices)
    assert least * (1 - 1e-9) <= found <= (sum(seconds) / devices + max(seconds)) * (1 + 1e-9)
    if devices == 1 or devices >= len(seconds):
        assert found == pytest.approx(least)


def test_a_known_example() -> None:
    assert schedule.makespan([7, 7, 6, 6, 5, 5, 4, 4, 4], 4) == 15  # Graham's: 12 is possible
    with pytest.raises(InputError, match="devices is 0"):
        schedule.makespan([1], 0)


def test_the_table_of_a_recorded_run() -> None:
    run: Any = SimpleNamespace(manifest={"results": {"students": {"a": 3600.0, "b": 1800.0}}})
    found = schedule.table(run, 2, (1, 2, 100)).to_dict("list")
    assert found == {
        "devices": [1, 2, 100],
        "students": [4, 4, 4],
        "time": ["3 h 00 min", "1 h 30 min", "1 h 00 min"],
        "longest student": ["1 h 00 min"] * 3,
        "device hours": ["3.00", "3.00", "100.00"],
        "busy (%)": ["100", "100", "3"],
    }
