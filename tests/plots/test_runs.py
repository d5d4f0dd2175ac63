"""What is made of each of several runs goes by the run's name."""

import study_tables

from asymdistill.plots import runs, selection


def test_tables_of_each_run_stand_below_each_other_under_the_runs_names() -> None:
    ranks = {"photographs": study_tables.per_seed({1: [14.0]}), "this copy": study_tables.per_seed({1: [10.0]})}
    made = runs.of_each(ranks, lambda own: selection.students_of(own)[["model", "value"]].copy())
    assert made.to_numpy().tolist() == [["photographs", "S", 14.0], ["this copy", "S", 10.0]]


def test_options_of_a_run_are_its_own_where_they_differ_by_run() -> None:
    assert runs.options_of("b", {"chance": {"a": 1, "b": 2}, "digits": 3}) == {"chance": 2, "digits": 3}
