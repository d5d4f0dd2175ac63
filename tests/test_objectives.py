"""The cosine objective, where its value is known in closed form."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from asymdistill.checks import InputError
from asymdistill.objectives import LabelLoss, cosine_distance, whitened


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


def test_the_label_loss_is_the_cross_entropy_of_a_linear_classifier() -> None:
    state = torch.get_rng_state()
    loss, again = LabelLoss(5, 3, seed=7), LabelLoss(5, 3, seed=7)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(loss.classifier.weight, again.classifier.weight)
    student, labels = rows(0).double(), torch.tensor([0, 1, 2, 2, 1, 0])
    logits = (
        student.numpy() @ loss.classifier.weight.double().detach().numpy().T + loss.classifier.bias.detach().numpy()
    )
    chosen = logits[range(6), labels.numpy()]
    expected = (np.log(np.exp(logits).sum(1)) - chosen).mean()
    assert loss(student, labels).item() == pytest.approx(expected, rel=1e-5)
    nn.init.zeros_(loss.classifier.weight)
    nn.init.zeros_(loss.classifier.bias)
    assert loss(student, labels).item() == pytest.approx(math.log(3), rel=1e-6)


def stretched(count: int = 400) -> torch.Tensor:
    scales = torch.tensor([10.0, 3.0, 1.0, 0.1], dtype=torch.float64)
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * scales + 5


def test_without_a_ridge_whitened_targets_have_the_identity_for_covariance() -> None:
    white = whitened(stretched(), ridge=0).numpy()
    assert np.allclose(white.mean(0), 0, atol=1e-9)
    assert np.allclose(np.cov(white.T, ddof=0), np.eye(4), atol=1e-6)


def test_a_ridge_shrinks_each_variance_as_its_equation_says() -> None:
    targets = stretched()
    values, directions = np.linalg.eigh(np.cov(targets.numpy().T, ddof=0))
    own = np.cov(whitened(targets, ridge=0.05).numpy().T, ddof=0)
    expected = values / (values + 0.05 * values.mean())
    assert np.allclose(directions.T @ own @ directions, np.diag(expected), atol=1e-6)
    assert whitened(targets.float()).dtype == torch.float32


def test_targets_that_lie_in_a_plane_are_whitened_within_it() -> None:
    flat = stretched()
    flat[:, 3] = 2 * flat[:, 0]
    white = whitened(flat, ridge=0)
    assert torch.isfinite(white).all()
    assert np.linalg.matrix_rank(np.cov(white.numpy().T), tol=1e-3) == 3


def test_targets_without_directions_are_refused() -> None:
    with pytest.raises(InputError, match="targets are all equal"):
        whitened(torch.ones(5, 3))
    with pytest.raises(InputError, match="targets contains NaN"):
        whitened(torch.full((5, 3), torch.nan))
