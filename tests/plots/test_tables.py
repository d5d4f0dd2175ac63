"""Selecting, comparing and summarising rows: means, spreads, pairs and tests are those of the rows."""

import subprocess
import sys

import control_tables
import numpy as np
import pandas as pd
import pytest
import scipy.stats
import study_tables

from asymdistill.claims.ledger import published
from asymdistill.plots import tables


def per_seed(ranks: dict[float, list[float]]) -> pd.DataFrame:
    return tables.pick(study_tables.spectrum(ranks), "effective_rank", estimator="per seed")


def beside(ranks: dict[float, list[float]], digits: int = 2) -> pd.DataFrame:
    return tables.beside_paper({"this copy": per_seed(ranks)}, published("effective_rank"), ["model"], "value", digits)


def test_nothing_heavy_is_imported() -> None:
    code = "import sys, asymdistill.plots.tables; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "matplotlib", "seaborn", "scipy.stats"} & {*done.stdout.split()}


def test_rows_are_picked_by_value_and_by_list() -> None:
    rows = study_tables.spectrum({1: [15.0, 17.0], 2: [18.0, 20.0]})
    assert set(tables.pick(rows, "dims_for_90", model=["S", "M"])["value"]) == {30.0, 34.0, 36.0, 40.0}
    assert set(tables.pick(rows, ["dims_for_90", "effective_rank"], model="teacher")["value"]) == {180.0, 90.0}


def test_spread_is_numpys_default() -> None:
    made = tables.mean_and_spread(per_seed({1: [1.0, 3.0]}), ["model"]).set_index("model")
    assert made.loc["S", ["mean", "spread", "seeds"]].tolist() == [2.0, 1.0, 2]


def test_beside_the_paper() -> None:
    shown = beside({1: [15.0, 17.0], 3: [10.0, 10.0]})
    assert shown.to_dict("records") == [
        {"model": "teacher", "paper": "88.68", "this copy": "90.00", "seeds": "1"},
        {"model": "S", "paper": "15.91", "this copy": "16.00 ± 1.00", "seeds": "2"},
        {"model": "w=3", "paper": "–", "this copy": "10.00 ± 0.00", "seeds": "2"},
        {"model": "w=3 − S", "paper": "–", "this copy": "−6.00 ± 1.00", "seeds": "2"},
    ]


def test_the_widest_minus_the_narrowest_student_is_paired_by_seed() -> None:
    shown = beside({1: [10.0, 20.0], 4: [11.0, 21.0]})
    last = shown.set_index("model").loc["L − S"]
    assert (last["paper"], last["this copy"], last["seeds"]) == ("0.75", "1.00 ± 0.00", "2")


def test_runs_stand_side_by_side_with_a_dash_for_what_one_lacks() -> None:
    runs = {"photographs": per_seed({1: [14.0], 2: [8.0]}), "this copy": per_seed({1: [10.0, 20.0]})}
    shown = tables.beside_paper(runs, published("effective_rank"), ["model"], "value", 1).set_index("model")
    assert shown.columns.tolist() == ["paper", "photographs", "this copy", "seeds"]
    assert shown.loc["teacher"].tolist() == ["88.7", "90.0", "90.0", "1"]
    assert shown.loc["S"].tolist() == ["15.9", "14.0", "15.0 ± 5.0", "1 / 2"]
    assert shown.loc["M"].tolist() == ["16.6", "8.0", "–", "1"]
    assert shown.loc["M − S"].tolist() == ["0.7", "−6.0", "–", "1"]


def test_tables_of_each_run_stand_below_each_other_under_the_runs_names() -> None:
    runs = {"photographs": per_seed({1: [14.0]}), "this copy": per_seed({1: [10.0]})}
    made = tables.of_each(runs, lambda own: tables.students_of(own)[["model", "value"]].copy())
    assert made.to_numpy().tolist() == [["photographs", "S", 14.0], ["this copy", "S", 10.0]]


def test_options_of_a_run_are_its_own_where_they_differ_by_run() -> None:
    assert tables.options_of("b", {"chance": {"a": 1, "b": 2}, "digits": 3}) == {"chance": 2, "digits": 3}


def test_one_width_has_no_difference() -> None:
    shown = beside({1: [10.0, 20.0]})
    assert shown["model"].tolist() == ["teacher", "S"]


def test_an_empty_table_stays_empty_beside_the_paper() -> None:
    empty = per_seed({1: [10.0]}).iloc[:0]
    assert tables.beside_paper({"this copy": empty}, published("effective_rank"), ["model"], "value", 2).empty


def test_measures_are_merged_by_model() -> None:
    ranks = beside({1: [10.0, 20.0]}, digits=1)
    merged = tables.merge_measures({"rank": ranks, "again": ranks})
    assert list(merged.columns) == [
        *("model", "rank: paper", "rank: this copy", "again: paper", "again: this copy", "seeds"),
    ]
    assert merged.set_index("model").loc["S", "again: this copy"] == "15.0 ± 5.0"


def test_readers_see_a_dash_where_there_is_nothing() -> None:
    shown = tables.for_readers(pd.DataFrame({"model": ["S", "M"], "rank": [1.5, None]}))
    assert shown.index.tolist() == ["S", "M"]
    assert shown["rank"].tolist() == [1.5, "–"]


def test_a_run_ends_with_ranks_and_accuracies() -> None:
    made = study_tables.everything((0.5, 1.0))
    ranks, accuracy = tables.summary(made).values()
    assert ranks["model"].tolist() == ["teacher", "w=0.5", "S"]
    assert ranks.set_index("model").loc["S", "effective_rank"] == "16.00 ± 0.00"
    assert accuracy.columns.tolist() == ["model", "space", *study_tables.SIGMAS]
    assert accuracy["space"].tolist() == ["normalised"] * 3 + ["pixel"] * 3
    assert accuracy.set_index(["model", "space"]).loc[("S", "pixel"), 0.1] == "62.0 ± 1.0"


def test_students_of_several_objectives_are_named_apart() -> None:
    rows = study_tables.training((1.0,))
    both = pd.concat([rows, rows.assign(objective="infonce")])
    assert set(tables.with_objective(both)["model"]) == {"S", "S infonce"}


def test_paired_tests_are_those_of_scipy_and_of_the_textbook() -> None:
    rows = control_tables.table(control_tables.statistics(rank=0.7, seeds=8))
    found = tables.paired_tests(rows).iloc[0]
    wide, narrow = (tables.pick(rows, "effective_rank", model=model)["value"].to_numpy() for model in ("L", "S"))
    test = scipy.stats.ttest_rel(wide, narrow)
    assert (found["t"], found["p"]) == (pytest.approx(test.statistic), pytest.approx(test.pvalue))
    assert found["wilcoxon"] == pytest.approx(scipy.stats.wilcoxon(wide, narrow).pvalue)
    change = wide - narrow
    half = 2.364624 * change.std(ddof=1) / np.sqrt(8)  # Student's t, 7 degrees of freedom, 97.5 %
    assert found["low"] == pytest.approx(change.mean() - half, abs=1e-5)
    assert found["high"] == pytest.approx(change.mean() + half, abs=1e-5)
    assert found["seeds"] == 8


def test_seeds_are_paired_whatever_the_order_of_the_rows() -> None:
    rows = control_tables.table(control_tables.statistics(rank=0.7, seeds=8))
    mixed = rows.sample(frac=1, random_state=0)
    one, two = (tables.paired_tests(table).set_index(["quantity", "sigma"]).sort_index() for table in (rows, mixed))
    pd.testing.assert_frame_equal(one, two)


def test_a_seed_of_one_student_alone_is_no_pair() -> None:
    rows = control_tables.table(control_tables.statistics(seeds=4))
    rows = rows[~((rows["model"] == "L") & (rows["seed"] == 3))]
    assert set(tables.paired_tests(rows)["seeds"]) == {3}


@pytest.mark.parametrize(("seeds", "missing"), [(1, ["low", "high", "t", "p", "wilcoxon"]), (5, ["wilcoxon"])])
def test_few_seeds_allow_fewer_tests(seeds: int, missing: list[str]) -> None:
    found = tables.paired_tests(control_tables.table(control_tables.statistics(rank=2.0, seeds=seeds)))
    assert found.columns[found.isna().all()].tolist() == missing


def test_the_loss_to_noise_is_taken_from_the_lowest_to_the_highest_level() -> None:
    table = control_tables.table(control_tables.noise(narrow=30.0, wide=20.0))
    loss = tables.noise_loss(table.sample(frac=1, random_state=0))
    own = tables.pick(loss, variant="plain", model="S")["value"]
    assert len(own) == 3
    assert own.mean() == pytest.approx(40.0)
