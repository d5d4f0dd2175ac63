"""InfoNCE and uniformity against double loops in float64 and against closed forms."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asymdistill.metrics import contrastive
from asymdistill.metrics.contrastive import info_nce, mutual_information_bound, uniformity, unit_rows
from asymdistill.runtime.errors import InputError


def pair(rows: int, dim: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    teacher = rng.normal(size=(rows, dim)) + 0.5
    return torch.from_numpy(teacher + rng.normal(size=(rows, dim))), torch.from_numpy(teacher)


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.sqrt((x**2).sum(1, keepdims=True))


def slow_info_nce(student: torch.Tensor, teacher: torch.Tensor, temperature: float, batch_size: int) -> float:
    s, t = unit(student.double().numpy()), unit(teacher.double().numpy())
    batches = []
    for start in range(0, len(s), batch_size):
        members = range(start, min(start + batch_size, len(s)))
        losses = []
        for i in members:
            similar = [math.exp(float(s[i] @ t[j]) / temperature) for j in members]
            losses.append(-math.log(similar[i - start] / sum(similar)))
        batches.append(sum(losses) / len(losses))
    return sum(batches) / len(batches)


def slow_uniformity(embeddings: torch.Tensor, t: float, batch_size: int, include_self: bool) -> float:
    z = unit(embeddings.double().numpy())
    batches = []
    for start in range(0, len(z), batch_size):
        members = range(start, min(start + batch_size, len(z)))
        potentials = [
            math.exp(-t * float(((z[i] - z[j]) ** 2).sum())) for i in members for j in members if include_self or i != j
        ]
        if potentials:
            batches.append(math.log(sum(potentials) / len(potentials)))
    return sum(batches) / len(batches)


# 130 and 129 rows leave a last batch of 2 and of 1
@pytest.mark.parametrize(("rows", "batch_size"), [(128, 64), (130, 64), (129, 64), (40, 64), (30, 7), (9, 2)])
class TestAgainstLoops:
    @pytest.mark.parametrize("temperature", [0.07, 0.1, 1.0])
    def test_info_nce(self, rows, batch_size, temperature):
        student, teacher = pair(rows, 12)
        measured = info_nce(student, teacher, temperature=temperature, batch_size=batch_size)
        assert isinstance(measured, float)
        assert measured == pytest.approx(slow_info_nce(student, teacher, temperature, batch_size), rel=1e-9)

    @pytest.mark.parametrize("include_self", [True, False])
    @pytest.mark.parametrize("t", [0.5, 2.0])
    def test_uniformity(self, rows, batch_size, t, include_self):
        embeddings, _ = pair(rows, 12)
        measured = uniformity(embeddings, t=t, batch_size=batch_size, include_self=include_self)
        assert isinstance(measured, float)
        assert measured == pytest.approx(slow_uniformity(embeddings, t, batch_size, include_self), rel=1e-9)


def test_the_defaults_are_the_papers():
    student, teacher = pair(100, 12)
    assert info_nce(student, teacher) == pytest.approx(slow_info_nce(student, teacher, 0.1, 64), rel=1e-9)
    assert uniformity(student) == pytest.approx(slow_uniformity(student, 2.0, 64, True), rel=1e-9)


def test_float32_is_computed_in_float64():
    student, teacher = (x.float() for x in pair(100, 12))
    assert info_nce(student, teacher) == pytest.approx(slow_info_nce(student, teacher, 0.1, 64), rel=1e-9)


def test_info_nce_of_identical_orthogonal_embeddings():
    """One similarity of 1 against B - 1 of 0: the loss is ln(1 + (B - 1) exp(-1 / tau))."""
    eye = torch.eye(16)
    assert info_nce(eye, eye, temperature=0.5) == pytest.approx(math.log(1 + 15 * math.exp(-2)), rel=1e-12)


def test_info_nce_of_equal_embeddings_is_chance():
    equal = torch.ones(128, 5)
    loss = info_nce(equal, equal)
    assert loss == pytest.approx(math.log(64), rel=1e-12)
    assert mutual_information_bound(loss) == pytest.approx(0, abs=1e-12)


def test_a_last_batch_of_one_row_costs_nothing_and_counts():
    student, teacher = pair(5, 8)
    first = info_nce(student[:4], teacher[:4], batch_size=4)
    assert info_nce(student, teacher, batch_size=4) == pytest.approx(first / 2, rel=1e-12)


def test_batches_follow_the_order_of_the_rows():
    student, teacher = pair(128, 8)
    order = torch.cat([torch.arange(0, 128, 2), torch.arange(1, 128, 2)])
    assert info_nce(student[order], teacher[order]) != pytest.approx(info_nce(student, teacher), rel=1e-6)


@pytest.mark.parametrize(("loss", "batch_size", "bound"), [(0.0, 64, 4.1588830833596715), (3.3117, 64, 0.8471830834)])
def test_mutual_information_bound(loss, batch_size, bound):
    assert mutual_information_bound(loss, batch_size) == pytest.approx(bound, rel=1e-9)


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("batch_size", [64, None])
def test_uniformity_of_a_collapsed_batch_is_zero(batch_size, include_self):
    scaled = torch.tensor([[3.0, -1.0, 0.2]]) * torch.arange(1, 101)[:, None]
    assert uniformity(scaled, batch_size=batch_size, include_self=include_self) == pytest.approx(0, abs=1e-12)


def test_uniformity_of_orthogonal_embeddings():
    """All B (B - 1) pairs of different points have squared distance 2."""
    eye = torch.eye(8)
    assert uniformity(eye, include_self=False) == pytest.approx(-4, rel=1e-12)
    assert uniformity(eye) == pytest.approx(math.log((1 + 7 * math.exp(-4)) / 8), rel=1e-12)


def test_a_narrow_gaussian_does_not_underflow():
    """exp(-2000) is 0 in float64; its logarithm is not."""
    assert uniformity(torch.eye(8), t=1000.0, include_self=False) == pytest.approx(-2000, rel=1e-12)


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("rows", [2, 31, 32, 33, 100])
def test_all_pairs_in_blocks_equal_the_direct_result(monkeypatch, rows, include_self):
    monkeypatch.setattr(contrastive, "_BLOCK", 16)
    embeddings, _ = pair(rows, 6)
    direct = slow_uniformity(embeddings, 2.0, rows, include_self)
    assert uniformity(embeddings, batch_size=None, include_self=include_self) == pytest.approx(direct, rel=1e-9)


@settings(max_examples=30)
@given(rows=st.integers(2, 40), dim=st.integers(1, 8), seed=st.integers(0, 2**31), scale=st.floats(1e-3, 1e3))
def test_scale_does_not_matter_and_bounds_hold(rows, dim, seed, scale):
    student, teacher = pair(rows, dim, seed)
    loss = info_nce(student, teacher)
    assert info_nce(student * scale, teacher / scale) == pytest.approx(loss, rel=1e-9)
    assert 0 <= loss <= math.log(min(rows, 64)) + 2 / 0.1
    even = uniformity(student, include_self=False)
    assert uniformity(student * scale, include_self=False) == pytest.approx(even, rel=1e-9, abs=1e-12)
    assert -8 - 1e-9 <= even <= 1e-12  # the farthest that two points can be is d^2 = 4
    assert uniformity(student) >= even - 1e-12  # self pairs only pull it up


def test_unit_rows():
    rows = unit_rows("embeddings", torch.tensor([[3.0, 4.0], [0.0, 2.0]]))
    assert rows.dtype == torch.float64
    np.testing.assert_allclose(rows.numpy(), [[0.6, 0.8], [0.0, 1.0]])


X = torch.eye(4)
ZERO_ROW = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
BAD = [X[0], X[:1], X.long(), X * math.nan, X * math.inf, ZERO_ROW, X.numpy()]


@pytest.mark.parametrize("bad", BAD)
def test_bad_embeddings_are_refused(bad):
    with pytest.raises(InputError, match="embeddings"):
        uniformity(bad)
    with pytest.raises(InputError, match="student"):
        info_nce(bad, X)


def test_bad_teachers_are_refused():
    for bad in (X[:3], X[:, :3], X * math.nan):
        with pytest.raises(InputError, match="teacher"):
            info_nce(X, bad)
    with pytest.raises(InputError, match="teacher contains a row of zeros"):
        info_nce(torch.eye(2), ZERO_ROW)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_bad_temperatures_are_refused(value):
    with pytest.raises(InputError, match="temperature"):
        info_nce(X, X, temperature=value)
    with pytest.raises(InputError, match="t is"):
        uniformity(X, t=value)


@pytest.mark.parametrize("batch_size", [1, 0, -64, 2.0])
def test_bad_batch_sizes_are_refused(batch_size):
    for call in (
        lambda: info_nce(X, X, batch_size=batch_size),
        lambda: uniformity(X, batch_size=batch_size),
        lambda: mutual_information_bound(1.0, batch_size),
    ):
        with pytest.raises(InputError, match="batch_size"):
            call()


@pytest.mark.parametrize("loss", [-0.1, math.nan, math.inf])
def test_bad_losses_are_refused(loss):
    with pytest.raises(InputError, match="loss"):
        mutual_information_bound(loss)
