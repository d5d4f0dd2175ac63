"""Means, spreads, losses to noise, pairs and tests are those of the rows."""

import control_tables
import numpy as np
import pandas as pd
import pytest
import scipy.stats
import study_tables

from asymdistill.plots import derived, selection


def test_spread_is_numpys_default() -> None:
    made = derived.mean_and_spread(study_tables.per_seed({1: [1.0, 3.0]}), ["model"]).set_index("model")
    assert made.loc["S", ["mean", "spread", "seeds"]].tolist() == [2.0, 1.0, 2]


def test_paired_tests_are_those_of_scipy_and_of_the_textbook() -> None:
    rows = control_tables.table(control_tables.statistics(rank=0.7, seeds=8))
    found = derived.paired_tests(rows).iloc[0]
    wide, narrow = (selection.pick(rows, "effective_rank", model=model)["value"].to_numpy() for model in ("L", "S"))
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
    one, two = (derived.paired_tests(table).set_index(["quantity", "sigma"]).sort_index() for table in (rows, mixed))
    pd.testing.assert_frame_equal(one, two)


def test_a_seed_of_one_student_alone_is_no_pair() -> None:
    rows = control_tables.table(control_tables.statistics(seeds=4))
    rows = rows[~((rows["model"] == "L") & (rows["seed"] == 3))]
    assert set(derived.paired_tests(rows)["seeds"]) == {3}


@pytest.mark.parametrize(("seeds", "missing"), [(1, ["low", "high", "t", "p", "wilcoxon"]), (5, ["wilcoxon"])])
def test_few_seeds_allow_fewer_tests(seeds: int, missing: list[str]) -> None:
    found = derived.paired_tests(control_tables.table(control_tables.statistics(rank=2.0, seeds=seeds)))
    assert found.columns[found.isna().all()].tolist() == missing


def test_the_loss_to_noise_is_taken_from_the_lowest_to_the_highest_level() -> None:
    table = control_tables.table(control_tables.noise(narrow=30.0, wide=20.0))
    loss = derived.noise_loss(table.sample(frac=1, random_state=0))
    own = selection.pick(loss, variant="plain", model="S")["value"]
    assert len(own) == 3
    assert own.mean() == pytest.approx(40.0)


def test_what_noise_costs_is_also_a_share_of_what_lies_above_guessing() -> None:
    levels = {"sigma": [0.0, 0.2] * 2, "model": ["a", "a", "b", "b"], "seed": 1, "value": [60.0, 35.0, 10.0, 10.0]}
    shares = derived.noise_share(pd.DataFrame(levels), 10.0).set_index("model")["value"]
    assert shares["a"] == pytest.approx(50)
    assert pd.isna(shares["b"])  # it guesses: it has nothing to lose
    assert derived.noise_share(pd.DataFrame(levels), None)["value"].isna().all()
