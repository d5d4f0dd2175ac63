"""The cosine objective, where its value is known in closed form."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from asymdistill.checks import InputError
from asymdistill.objectives import cosine_distance


def rows(seed: int, count: int = 6, dim: int = 5) -> torch.Tensor:
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))


def test_known_values() -> None:
    east = torch.tensor([[1.0, 0.0]] * 3)
    others = torch.tensor([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0]])
    assert cosine_distance(east, others).item() == pytest.approx((0 + 1 + 2) / 3)
    assert cosine_distance(east[:1], torch.tensor([[1.0, 1.0]])).item() == pytest.approx(1 - math.sqrt(0.5))


@given(first=st.floats(1e-3, 1e3), second=st.floats(1e-3, 1e3), seed=st.integers(0, 1000))
def test_scale_does_not_matter_and_the_range_is_0_to_2(first: float, second: float, seed: int) -> None:
    student, teacher = rows(seed), rows(seed + 1)
    value = cosine_distance(student, teacher)
    assert torch.allclose(cosine_distance(first * student, second * teacher), value, atol=1e-5)
    assert 0 <= value <= 2
    assert cosine_distance(student, first * student).item() == pytest.approx(0, abs=1e-6)
    assert cosine_distance(student, -first * student).item() == pytest.approx(2, abs=1e-6)


def test_equals_half_the_squared_distance_of_unit_vectors() -> None:
    student, teacher = rows(1), rows(2)
    units = [part / part.norm(dim=1, keepdim=True) for part in (student, teacher)]
    expected = (units[0] - units[1]).square().sum(1).mean() / 2
    assert torch.allclose(cosine_distance(student, teacher), expected, atol=1e-6)


def test_the_gradient_is_that_of_the_definition_and_flows_to_the_student() -> None:
    student, teacher = rows(1).requires_grad_(), rows(2)
    cosine_distance(student, teacher).backward()
    length, target = student.detach().norm(dim=1, keepdim=True), teacher / teacher.norm(dim=1, keepdim=True)
    unit = student.detach() / length
    expected = -(target - unit * (unit * target).sum(1, keepdim=True)) / length / len(student)
    assert torch.allclose(student.grad, expected, atol=1e-6)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float32])
def test_the_loss_is_float32_whatever_precision_comes_in(kind: torch.dtype) -> None:
    student, teacher = rows(1).to(kind), rows(2).to(kind)
    value = cosine_distance(student, teacher)
    assert value.dtype == torch.float32
    assert torch.equal(value, cosine_distance(student.float(), teacher.float()))


@pytest.mark.parametrize("shape", [(6, 4), (5, 5), (1, 5), (5,), (6, 5, 1)])
def test_shapes_that_differ_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"student .* must both be N x d"):
        cosine_distance(rows(1), torch.zeros(shape))
    with pytest.raises(InputError, match=r"student .* must both be N x d"):
        cosine_distance(torch.zeros(5), torch.zeros(5))
