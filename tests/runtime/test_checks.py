"""Checks of arguments: what is finite passes, whatever it sums to."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from asymdistill.runtime.checks import check_embeddings
from asymdistill.runtime.errors import InputError

FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("sign", [1, -1])
def test_finite_embeddings_pass_though_their_sum_overflows(dtype: torch.dtype, sign: int) -> None:
    embeddings = torch.full((3, 4), sign * torch.finfo(dtype).max, dtype=dtype)
    assert embeddings.sum().isinf()
    check_embeddings("embeddings", embeddings)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    "values", [(math.nan,), (math.inf,), (-math.inf,), (math.inf, -math.inf), (math.nan, math.inf)], ids=str
)
def test_what_is_not_finite_is_refused_wherever_it_stands(values: tuple[float, ...], dtype: torch.dtype) -> None:
    for start in range(12 - len(values)):
        embeddings = torch.ones(12, dtype=dtype)
        embeddings[start : start + len(values)] = torch.tensor(values, dtype=dtype)
        with pytest.raises(InputError, match=r"^students contains NaN or infinite values$"):
            check_embeddings("students", embeddings.view(3, 4))


def test_what_is_not_finite_is_refused_where_the_finite_rest_overflows() -> None:
    embeddings = torch.full((3, 4), torch.finfo(torch.float32).max)
    embeddings[2, 1] = -math.inf  # the sum of the rest is +inf, and of all NaN
    with pytest.raises(InputError, match="NaN or infinite"):
        check_embeddings("embeddings", embeddings)


@given(values=st.lists(st.floats(width=32), min_size=6, max_size=6))
def test_exactly_what_is_finite_passes(values: list[float]) -> None:
    embeddings: Tensor = torch.tensor(values, dtype=torch.float32).view(3, 2)
    if all(map(math.isfinite, values)):
        check_embeddings("embeddings", embeddings)
    else:
        with pytest.raises(InputError, match="NaN or infinite"):
            check_embeddings("embeddings", embeddings)


@pytest.mark.parametrize(
    ("embeddings", "message"),
    [
        (torch.ones(3, 4, dtype=torch.int64), "must be a floating point tensor, not torch.int64"),
        ([[1.0]], "must be a floating point tensor, not list"),
        (torch.ones(3), r"must have shape N x d, not \(3,\)"),
        (torch.ones(3, 0), r"must have shape N x d, not \(3, 0\)"),
        (torch.ones(1, 4), "needs at least 2 rows, got 1"),
    ],
)
def test_other_embeddings_are_refused_in_one_line(embeddings: Tensor, message: str) -> None:
    with pytest.raises(InputError, match=f"^embeddings {message}$"):
        check_embeddings("embeddings", embeddings)


def test_as_few_rows_pass_as_are_asked_for() -> None:
    check_embeddings("embeddings", torch.ones(1, 4), min_rows=1)
