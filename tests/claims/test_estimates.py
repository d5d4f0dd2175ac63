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
