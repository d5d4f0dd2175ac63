"""Student's t distribution against SciPy's."""

import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st

from asymdistill.claims.student_t import critical_value, critical_values, two_sided_p

freedoms = st.floats(1, 100)


@given(st.floats(-1e4, 1e4), freedoms)
def test_the_p_value_is_scipys(t: float, freedom: float) -> None:
    assert two_sided_p(t, freedom) == pytest.approx(2 * scipy.special.stdtr(freedom, -abs(t)), rel=1e-9, abs=1e-30)


@given(st.floats(0.001, 0.999), freedoms)
def test_the_critical_value_is_scipys(p: float, freedom: float) -> None:
    assert critical_value(p, freedom) == pytest.approx(scipy.special.stdtrit(freedom, 1 - p / 2), rel=1e-9)


def test_interpolated_critical_values_are_scipys_to_four_digits() -> None:
    many = np.linspace(1, 100, 500)
    assert critical_values(0.05, many) == pytest.approx(scipy.special.stdtrit(many, 0.975), rel=5e-5)
