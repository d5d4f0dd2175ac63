"""Estimates by seed: means with Student's intervals, and paired differences."""

import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from asymdistill.claims.estimates import (
    Estimate,
    NotMeasured,
    difference,
    has_no_seed,
    interval_of_difference,
    interval_of_mean,
    require_two_seeds,
    without_seed,
)

finite = st.floats(-1e3, 1e3)


def by_seed(**values: float) -> pd.Series:
    return pd.Series({int(name[1:]): value for name, value in values.items()}, dtype=float)


@given(st.lists(finite, min_size=2, max_size=8))
def test_the_interval_is_that_of_a_t_test(values: list[float]) -> None:
    found = Estimate.of(pd.Series(values, index=range(len(values))))
    assert found.seeds == len(values)
    assert found.mean == pytest.approx(np.mean(values))
    if np.std(values) > 1e-6:
        low, high = scipy.stats.ttest_1samp(values, 0).confidence_interval(0.95)
        assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=9), st.floats(0.5, 20), st.integers(2, 9))
def test_the_interval_beside_a_published_mean_is_welchs(values: list[float], spread: float, seeds: int) -> None:
    """Seeds with the published mean and spread (ddof = 0) stand for the paper's, and SciPy compares the values."""
    ours, shape = np.array([*values, max(values) + 1.0]), np.arange(seeds, dtype=float)
    theirs = 3.0 + spread * (shape - shape.mean()) / shape.std()
    expected = scipy.stats.ttest_ind(ours, theirs, equal_var=False).confidence_interval(0.95)
    found = interval_of_difference(ours, 3.0, spread, seeds)
    half = (expected.high - expected.low) / 2
    assert float(found.mean) == pytest.approx(ours.mean() - 3.0)
    assert [float(found.low), float(found.high)] == pytest.approx(list(expected), abs=1e-4 * half)


def test_many_intervals_at_once_are_those_of_each() -> None:
    values = np.random.default_rng(0).normal(size=(50, 4))
    for spread in (None, 2.0):
        whole = interval_of_difference(values, 1.0, spread, 3)
        singly = [interval_of_difference(own, 1.0, spread, 3) for own in values]
        assert [tuple(map(float, one)) for one in singly] == [
            tuple(map(float, one)) for one in zip(*whole, strict=True)
        ]
    assert interval_of_mean(values).low.tolist() == [float(interval_of_mean(own).low) for own in values]


def test_equal_values_have_an_interval_of_no_width() -> None:
    found = Estimate.of(by_seed(s1=2.0, s2=2.0, s3=2.0))
    assert (found.low, found.mean, found.high) == (2.0, 2.0, 2.0)


def test_one_seed_and_no_seed_have_no_interval() -> None:
    single, none = Estimate.of(by_seed(s1=2.0)), Estimate.of(without_seed(2.0))
    assert (single.seeds, none.seeds) == (1, 0)
    assert all(math.isnan(end) for end in (single.low, single.high, none.low, none.high))


def test_differences_are_of_the_seeds_that_both_have() -> None:
    found = difference(by_seed(s1=5.0, s2=7.0, s3=9.0), by_seed(s3=1.0, s1=2.0, s4=0.0))
    assert found.to_dict() == {1: 3.0, 3: 8.0}


def test_a_value_without_a_seed_is_set_against_every_seed() -> None:
    students, teacher = by_seed(s1=5.0, s2=7.0), without_seed(10.0)
    assert difference(teacher, students).to_dict() == {1: 5.0, 2: 3.0}
    assert difference(students, teacher).to_dict() == {1: -5.0, 2: -3.0}
    both = difference(teacher, without_seed(4.0))
    assert both.tolist() == [6.0]
    assert has_no_seed(both)


@given(st.dictionaries(st.integers(0, 9), finite, min_size=1), st.dictionaries(st.integers(0, 9), finite, min_size=1))
def test_a_difference_changes_its_sign_with_the_order(first: dict[int, float], second: dict[int, float]) -> None:
    one, two = pd.Series(first), pd.Series(second)
    if first.keys() & second.keys():
        assert (difference(one, two) == -difference(two, one)).all()
    else:
        with pytest.raises(NotMeasured, match="no seed in common"):
            difference(one, two)


def test_trained_models_are_compared_over_two_seeds_or_more() -> None:
    require_two_seeds(by_seed(s1=1.0, s2=2.0), without_seed(3.0))
    with pytest.raises(NotMeasured, match="with one seed"):
        require_two_seeds(without_seed(3.0), by_seed(s1=1.0))
