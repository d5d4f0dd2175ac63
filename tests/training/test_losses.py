"""Every objective, where its value is known in closed form, against its equation in NumPy and against libraries."""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from lightly.loss import NTXentLoss
from lightly.loss.hypersphere_loss import HypersphereLoss
from lightly.loss.vicreg_loss import covariance_loss, variance_loss
from open_clip import ClipLoss
from scipy.special import logsumexp
from torch import Tensor, nn

from asymdistill.metrics import contrastive
from asymdistill.runtime.errors import InputError
from asymdistill.training.losses import (
    DistillationLoss,
    LabelLoss,
    RegularisedLoss,
    centred,
    cosine_distance,
    info_nce,
    nt_xent,
    uniformity,
    variance_and_covariance,
    whitened,
)

CONTRASTS = (info_nce, nt_xent)


def rows(seed: int, count: int = 6, dim: int = 5) -> Tensor:
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))


def orthonormal(count: int, dim: int = 8) -> Tensor:
    """Rows of length 1 at right angles, none along an axis."""
    return torch.linalg.qr(rows(7, dim, dim))[0][:count]


def unit(array: np.ndarray) -> np.ndarray:
    return array / np.linalg.norm(array, axis=1, keepdims=True)


# Each equation again, in NumPy and float64.


def cosine_by_hand(student: np.ndarray, teacher: np.ndarray) -> float:
    return float(np.mean(1 - (unit(student) * unit(teacher)).sum(1)))


def info_nce_by_hand(student: np.ndarray, teacher: np.ndarray, tau: float, *, symmetric: bool) -> float:
    logits = unit(student) @ unit(teacher).T / tau
    towards = np.mean(logsumexp(logits, axis=1) - np.diag(logits))
    back = np.mean(logsumexp(logits, axis=0) - np.diag(logits))
    return float((towards + back) / 2 if symmetric else towards)


def nt_xent_by_hand(first: np.ndarray, second: np.ndarray, tau: float, *, symmetric: bool) -> float:
    views, count, losses = unit(np.concatenate([first, second])), len(first), []
    for anchor in range(2 * count if symmetric else count):
        cosines = views @ views[anchor]
        others = np.delete(cosines, anchor) / tau
        losses.append(logsumexp(others) - cosines[(anchor + count) % (2 * count)] / tau)
    return float(np.mean(losses))


def vicreg_by_hand(student: np.ndarray) -> float:
    covariance, dim = np.cov(student.T, ddof=1), student.shape[1]
    hinge = np.maximum(0, 1 - np.sqrt(np.diag(covariance) + 1e-4)).mean()
    off = [covariance[i, j] ** 2 for i in range(dim) for j in range(dim) if i != j]
    return float(hinge + 0.04 * sum(off) / dim)


def uniformity_by_hand(student: np.ndarray) -> float:
    points = unit(student)
    pairs = [(i, j) for i in range(len(points)) for j in range(i)]
    return float(np.log(np.mean([np.exp(-2 * np.square(points[i] - points[j]).sum()) for i, j in pairs])))


class Case(NamedTuple):
    """An objective, its equation in NumPy, and how many batches of embeddings both take."""

    objective: Callable[..., Tensor]
    by_hand: Callable[..., float]
    takes: int


CASES = {
    "cosine": Case(cosine_distance, cosine_by_hand, 2),
    "InfoNCE": Case(partial(info_nce, temperature=0.2), partial(info_nce_by_hand, tau=0.2, symmetric=False), 2),
    "InfoNCE, both ways": Case(
        partial(info_nce, temperature=0.5, symmetric=True), partial(info_nce_by_hand, tau=0.5, symmetric=True), 2
    ),
    "NT-Xent": Case(partial(nt_xent, temperature=0.2), partial(nt_xent_by_hand, tau=0.2, symmetric=True), 2),
    "NT-Xent, one way": Case(
        partial(nt_xent, temperature=0.5, symmetric=False), partial(nt_xent_by_hand, tau=0.5, symmetric=False), 2
    ),
    "VICReg's terms": Case(variance_and_covariance, vicreg_by_hand, 1),
    "uniformity": Case(uniformity, uniformity_by_hand, 1),
    "cosine and InfoNCE": Case(
        DistillationLoss(0.7, 0.3, symmetric=True),
        lambda s, t: cosine_by_hand(s, t) + 0.7 * info_nce_by_hand(s, t, 0.3, symmetric=True),
        2,
    ),
    "cosine and NT-Xent": Case(
        DistillationLoss(0.7, 0.3, "views"),
        lambda s, t, v: cosine_by_hand(s, t) + 0.7 * nt_xent_by_hand(s, v, 0.3, symmetric=False),
        3,
    ),
    "cosine and VICReg's terms": Case(
        RegularisedLoss(variance_and_covariance, 0.7), lambda s, t: cosine_by_hand(s, t) + 0.7 * vicreg_by_hand(s), 2
    ),
}
every_objective = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
HALVES = [torch.bfloat16, torch.float16]


def batches(count: int, scale: float = 1.0) -> list[Tensor]:
    """Embeddings of which one coordinate varies much and another little, so that no term is zero."""
    stretch = torch.tensor([2.0, 0.5, 0.5, 1.0, 0.1])
    return [scale * (rows(seed) * stretch + 0.3) for seed in range(1, count + 1)]


@every_objective
def test_the_value_is_that_of_the_equation(case: Case) -> None:
    batch = batches(case.takes)
    value = case.objective(*batch)
    assert value.dtype == torch.float32
    assert value.shape == ()
    assert value.item() == pytest.approx(case.by_hand(*(part.double().numpy() for part in batch)), rel=1e-5)


@every_objective
def test_the_gradient_is_that_of_the_equation_by_central_differences(case: Case) -> None:
    batch = [part.requires_grad_() for part in batches(case.takes)]
    case.objective(*batch).backward()
    arrays = [part.detach().double().numpy() for part in batch]
    for part, array in zip(batch, arrays, strict=True):
        expected = np.empty_like(array)
        for place in np.ndindex(array.shape):
            middle, ends = array[place], []
            for step in (1e-6, -1e-6):
                array[place] = middle + step
                ends.append(case.by_hand(*arrays))
            array[place] = middle
            expected[place] = (ends[0] - ends[1]) / 2e-6
        np.testing.assert_allclose(part.grad.numpy(), expected, rtol=1e-4, atol=1e-6)
        assert np.abs(expected).max() > 1e-3


@every_objective
@pytest.mark.parametrize("kind", HALVES)
def test_half_precision_is_widened_before_anything_else(case: Case, kind: torch.dtype) -> None:
    # Longer than the square root of what float16 can hold.
    batch = [part.to(kind) for part in batches(case.takes, scale=300)]
    value = case.objective(*batch)
    assert value.dtype == torch.float32
    assert torch.isfinite(value)
    assert torch.equal(value, case.objective(*(part.float() for part in batch)))


@every_objective
@pytest.mark.parametrize("inside", HALVES)
@pytest.mark.parametrize("kind", [torch.float32, *HALVES])
def test_an_autocast_region_rounds_nothing(case: Case, kind: torch.dtype, inside: torch.dtype) -> None:
    batch = [part.to(kind) for part in batches(case.takes)]
    expected = case.objective(*batch)
    with torch.autocast("cpu", inside):
        assert torch.equal(case.objective(*batch), expected)


@every_objective
@given(seed=st.integers(0, 1000), order=st.permutations(range(6)))
def test_the_order_of_a_batch_does_not_matter(case: Case, seed: int, order: list[int]) -> None:
    batch = [rows(seed + part) for part in range(case.takes)]
    shuffled = [part[torch.tensor(order)] for part in batch]
    assert case.objective(*shuffled).item() == pytest.approx(case.objective(*batch).item(), rel=1e-4, abs=1e-5)


@given(first=st.floats(1e-3, 1e3), second=st.floats(1e-3, 1e3), seed=st.integers(0, 1000), tau=st.floats(0.05, 2))
def test_only_directions_matter_to_a_contrast_and_to_uniformity(
    first: float, second: float, seed: int, tau: float
) -> None:
    student, teacher = rows(seed), rows(seed + 1)
    turn = torch.linalg.qr(rows(seed + 2, 5, 5))[0]
    for contrast in CONTRASTS:
        value = contrast(student, teacher, temperature=tau).item()
        assert contrast(first * student, second * teacher, temperature=tau).item() == pytest.approx(value, rel=1e-4)
        assert contrast(student @ turn, teacher @ turn, temperature=tau).item() == pytest.approx(value, rel=1e-4)
    value = uniformity(student).item()
    assert uniformity(first * student @ turn).item() == pytest.approx(value, rel=1e-4, abs=1e-5)


# Cosine distance.


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
    unit_student = student.detach() / length
    expected = -(target - unit_student * (unit_student * target).sum(1, keepdim=True)) / length / len(student)
    assert torch.allclose(student.grad, expected, atol=1e-6)


# InfoNCE towards the teacher, NT-Xent between views.


@pytest.mark.parametrize("tau", [0.05, 0.1, 0.5, 1.0, 5.0])
def test_orthonormal_embeddings_give_info_nce_in_closed_form(tau: float) -> None:
    eye, count = orthonormal(4), 4
    found = info_nce(eye, 3 * eye, temperature=tau).item()
    assert found == pytest.approx(math.log1p((count - 1) * math.exp(-1 / tau)), rel=1e-4, abs=1e-6)
    # Every student at the teacher of its neighbour: its own is one of N - 1 at right angles.
    found = info_nce(eye, eye.roll(1, 0), temperature=tau).item()
    assert found == pytest.approx(math.log(math.exp(1 / tau) + count - 1), rel=1e-4)
    found = info_nce(eye, -eye, temperature=tau).item()
    assert found == pytest.approx(math.log1p((count - 1) * math.exp(1 / tau)), rel=1e-4)


@pytest.mark.parametrize("tau", [0.05, 0.1, 0.5, 1.0, 5.0])
def test_orthonormal_embeddings_give_nt_xent_in_closed_form(tau: float) -> None:
    eye, count = orthonormal(4), 4
    found = nt_xent(eye, 3 * eye, temperature=tau).item()
    assert found == pytest.approx(math.log1p((2 * count - 2) * math.exp(-1 / tau)), rel=1e-4, abs=1e-6)
    found = nt_xent(eye, eye.roll(1, 0), temperature=tau).item()
    assert found == pytest.approx(math.log(math.exp(1 / tau) + 2 * count - 2), rel=1e-4)
    # All 2 N views at right angles: chance, whatever the temperature.
    both = orthonormal(8)
    assert nt_xent(both[:4], both[4:], temperature=tau).item() == pytest.approx(math.log(7), rel=1e-5)


@pytest.mark.parametrize("symmetric", [False, True])
def test_a_collapsed_batch_does_no_better_than_chance(symmetric: bool) -> None:
    point, spread = torch.ones(6, 5), rows(3)
    assert info_nce(point, point, symmetric=symmetric).item() == pytest.approx(math.log(6), rel=1e-6)
    assert nt_xent(point, point, symmetric=symmetric).item() == pytest.approx(math.log(11), rel=1e-6)
    # To tell the teacher's embeddings apart from one point is chance given the teacher's, and worse given the point.
    back = 2 * info_nce(point, spread, symmetric=True) - info_nce(point, spread)
    assert back.item() == pytest.approx(math.log(6), rel=1e-5)
    assert info_nce(point, spread) > math.log(6)


def test_the_default_temperature_is_a_tenth_and_a_terms_weight_1() -> None:
    student, teacher = rows(1), rows(2)
    assert torch.equal(info_nce(student, teacher), info_nce(student, teacher, temperature=0.1))
    assert torch.equal(nt_xent(student, teacher), nt_xent(student, teacher, temperature=0.1))
    assert torch.equal(DistillationLoss(1)(student, teacher), DistillationLoss(1, 0.1)(student, teacher))
    assert torch.equal(RegularisedLoss(uniformity)(student, teacher), RegularisedLoss(uniformity, 1)(student, teacher))


@given(seed=st.integers(0, 1000), tau=st.floats(0.05, 2))
def test_symmetric_is_the_mean_of_both_directions(seed: int, tau: float) -> None:
    one, other = rows(seed), rows(seed + 1)
    for contrast in CONTRASTS:
        towards, back = (contrast(*pair, temperature=tau, symmetric=False) for pair in ((one, other), (other, one)))
        both = contrast(one, other, temperature=tau, symmetric=True)
        assert both.item() == pytest.approx((towards + back).item() / 2, rel=1e-4)
        assert contrast(other, one, temperature=tau, symmetric=True).item() == pytest.approx(both.item(), rel=1e-4)
        # A cosine moves a logit by at most 1 / tau from 0, so the loss by at most 2 / tau from chance.
        chance = math.log(6 if contrast is info_nce else 11)
        assert abs(both.item() - chance) <= 2 / tau + 1e-4
        assert both >= 0


@given(seed=st.integers(0, 100))
def test_one_image_among_itself_alone_is_always_found(seed: int) -> None:
    assert info_nce(rows(seed, 1), rows(seed + 1, 1)) == 0
    assert nt_xent(rows(seed, 1), rows(seed + 1, 1)) == 0


@pytest.mark.parametrize(("contrast", "others"), [(info_nce, 5), (nt_xent, 10)])
@pytest.mark.parametrize("kind", [torch.float32, *HALVES])
def test_a_low_temperature_stays_finite_with_its_gradient(
    contrast: Callable[..., Tensor], others: int, kind: torch.dtype
) -> None:
    eye = torch.eye(6, dtype=kind)
    student = eye.clone().requires_grad_()
    value = contrast(student, -eye, temperature=0.01)
    value.backward()
    assert value.item() == pytest.approx(100 + math.log(others), rel=1e-6)
    assert torch.isfinite(student.grad).all()
    assert contrast(eye, eye, temperature=0.01).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("tau", [0.05, 0.1, 0.5, 1.0])
def test_nt_xent_agrees_with_lightly(tau: float) -> None:
    first, second = batches(2)
    assert nt_xent(first, second, temperature=tau).item() == pytest.approx(
        NTXentLoss(temperature=tau)(first, second).item(), rel=1e-5
    )
    own, theirs = first.clone().requires_grad_(), first.clone().requires_grad_()
    nt_xent(own, second, temperature=tau).backward()
    NTXentLoss(temperature=tau)(theirs, second).backward()
    torch.testing.assert_close(own.grad, theirs.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("tau", [0.05, 0.1, 0.5, 1.0])
def test_symmetric_info_nce_agrees_with_open_clip(tau: float) -> None:
    student, teacher = batches(2)
    features = [nn.functional.normalize(part, dim=1) for part in (student, teacher)]
    expected = ClipLoss()(*features, logit_scale=1 / tau)
    assert info_nce(student, teacher, temperature=tau, symmetric=True).item() == pytest.approx(
        expected.item(), rel=1e-5
    )


def test_info_nce_is_the_one_that_is_measured() -> None:
    student, teacher = batches(2)
    expected = contrastive.info_nce(student, teacher, temperature=0.3, batch_size=len(student))
    assert info_nce(student, teacher, temperature=0.3).item() == pytest.approx(expected, rel=1e-5)


# VICReg's terms and uniformity.


def checkerboard(spread: float = 1.0) -> Tensor:
    """Eight rows whose four coordinates vary by ``spread`` (ddof = 1) and not with each other."""
    signs = torch.tensor([[1.0, 1.0], [1.0, -1.0]])
    hadamard = torch.kron(torch.kron(signs, signs), signs)
    return hadamard[:, 1:5] * math.sqrt(7 / 8) * spread


def test_coordinates_that_vary_by_1_and_by_themselves_cost_nothing() -> None:
    assert np.cov(checkerboard().numpy().T) == pytest.approx(np.eye(4), abs=1e-6)
    assert variance_and_covariance(checkerboard() + 5).item() == pytest.approx(0, abs=1e-6)
    assert variance_and_covariance(checkerboard(3) - 2).item() == pytest.approx(0, abs=1e-6)


def test_coordinates_that_vary_too_little_cost_what_is_missing() -> None:
    half = variance_and_covariance(checkerboard(0.5)).item()
    assert half == pytest.approx(1 - math.sqrt(0.25 + 1e-4), rel=1e-5)
    uneven = checkerboard() * torch.tensor([0.5, 1.0, 1.0, 9.0])
    assert variance_and_covariance(uneven).item() == pytest.approx(half / 4, rel=1e-5)
    assert variance_and_covariance(torch.ones(6, 5)).item() == pytest.approx(1 - 0.01, rel=1e-6)


@given(copies=st.integers(1, 6), spread=st.floats(1, 10))
def test_coordinates_that_repeat_each_other_cost_their_covariance(copies: int, spread: float) -> None:
    repeated = checkerboard(spread)[:, :1].expand(8, copies)
    # Of d x d entries of spread^2, those off the diagonal, over d.
    expected = 0.04 * (copies - 1) * spread**4
    assert variance_and_covariance(repeated).item() == pytest.approx(expected, rel=1e-4, abs=1e-4)


@given(seed=st.integers(0, 1000), by=st.floats(-10, 10), order=st.permutations(range(5)))
def test_vicregs_terms_know_no_mean_and_no_order_of_the_coordinates(seed: int, by: float, order: list[int]) -> None:
    value = variance_and_covariance(rows(seed)).item()
    assert variance_and_covariance(rows(seed)[:, torch.tensor(order)] + by).item() == pytest.approx(value, rel=1e-3)


def test_vicregs_terms_agree_with_lightlys_by_the_papers_weights() -> None:
    for student in (*batches(2), rows(3, 40, 12), torch.ones(4, 3)):
        # The source weighs its terms by 25, 25 and 1; here the first, whose place the cosine takes, weighs 1.
        expected = (25 * variance_loss(student) + 1 * covariance_loss(student)) / 25
        assert variance_and_covariance(student).item() == pytest.approx(expected.item(), rel=1e-5)


def test_uniformity_in_closed_form() -> None:
    north, south = torch.tensor([[0.0, 2.0]]), torch.tensor([[0.0, -1.0]])
    assert uniformity(torch.ones(6, 5)).item() == pytest.approx(0, abs=1e-5)
    assert uniformity(torch.cat([north, south])).item() == pytest.approx(-2 * 4, rel=1e-5)
    assert uniformity(torch.cat([north, south]), t=3).item() == pytest.approx(-3 * 4, rel=1e-5)
    assert uniformity(5 * orthonormal(4)).item() == pytest.approx(-2 * 2, rel=1e-5)
    # Of three pairs one of equal points.
    some = uniformity(torch.cat([north, south, north]))
    assert some.item() == pytest.approx(math.log((1 + 2 * math.exp(-8)) / 3), rel=1e-5)


@given(seed=st.integers(0, 1000), t=st.floats(0.1, 10))
def test_uniformity_is_what_is_measured_without_pairs_of_a_point_with_itself(seed: int, t: float) -> None:
    expected = contrastive.uniformity(rows(seed), t=t, batch_size=None, include_self=False)
    assert uniformity(rows(seed), t=t).item() == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert -4 * t - 1e-3 <= expected <= 0


def test_uniformity_agrees_with_lightly_as_does_its_gradient() -> None:
    (student,) = batches(1)
    own, theirs = student.clone().requires_grad_(), student.clone().requires_grad_()
    value, expected = uniformity(own), HypersphereLoss(t=2, lam=1)(theirs, theirs)
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)
    value.backward()
    expected.backward()
    torch.testing.assert_close(own.grad, theirs.grad, rtol=1e-4, atol=1e-6)


def test_points_that_coincide_have_finite_gradients() -> None:
    for term in (uniformity, variance_and_covariance, lambda point: nt_xent(point, point)):
        point = torch.ones(6, 5, requires_grad=True)
        term(point).backward()
        assert torch.isfinite(point.grad).all()


# The cosine with a further term.


@pytest.mark.parametrize("positives", ["teacher", "views"])
def test_without_weight_the_further_term_is_not_even_computed(positives: str) -> None:
    student, teacher = batches(2)
    # At such a temperature InfoNCE is no number.
    assert not torch.isfinite(info_nce(student, teacher, temperature=1e-45))
    loss = DistillationLoss(0, 1e-45, positives)
    assert not loss.two_views
    assert torch.equal(loss(student, teacher), cosine_distance(student, teacher))
    assert torch.equal(DistillationLoss()(student, teacher), cosine_distance(student, teacher))
    assert torch.equal(RegularisedLoss(uniformity, 0)(student, teacher), cosine_distance(student, teacher))


@given(weight=st.floats(1e-3, 100), tau=st.floats(0.05, 2), symmetric=st.booleans(), seed=st.integers(0, 1000))
def test_the_loss_is_the_cosine_distance_and_so_many_times_the_term(
    weight: float, tau: float, symmetric: bool, seed: int
) -> None:
    student, teacher, second = (rows(seed + part) for part in range(3))
    distance = cosine_distance(student, teacher).item()
    towards = DistillationLoss(weight, tau, symmetric=symmetric)
    term = info_nce(student, teacher, temperature=tau, symmetric=symmetric).item()
    assert towards(student, teacher).item() == pytest.approx(distance + weight * term, rel=1e-5)
    between = DistillationLoss(weight, tau, "views", symmetric=symmetric)
    term = nt_xent(student, second, temperature=tau, symmetric=symmetric).item()
    assert between(student, teacher, second).item() == pytest.approx(distance + weight * term, rel=1e-5)
    for regulariser in (uniformity, variance_and_covariance):
        found = RegularisedLoss(regulariser, weight)(student, teacher).item()
        expected = distance + weight * regulariser(student).item()
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_no_direction_of_the_loss_but_the_cosines_reaches_the_teacher_through_views() -> None:
    student, teacher, second = (part.requires_grad_() for part in batches(3))
    DistillationLoss(5, positives="views")(student, teacher, second).backward()
    plain = teacher.detach().clone().requires_grad_()
    cosine_distance(student.detach(), plain).backward()
    assert torch.equal(teacher.grad, plain.grad)
    assert second.grad.abs().max() > 0


# What is refused.


PAIRWISE = {
    "cosine_distance": cosine_distance,
    "info_nce": info_nce,
    "nt_xent": nt_xent,
    "DistillationLoss": DistillationLoss(1),
    "RegularisedLoss": RegularisedLoss(uniformity),
}


@pytest.mark.parametrize("objective", PAIRWISE.values(), ids=PAIRWISE)
@pytest.mark.parametrize("shape", [(6, 4), (5, 5), (1, 5), (5,), (6, 5, 1)])
def test_shapes_that_differ_are_refused(objective: Callable[..., Tensor], shape: tuple[int, ...]) -> None:
    names = "first .* and second" if objective is nt_xent else "student .* and teacher"
    with pytest.raises(InputError, match=rf"{names} .* must both be N x d"):
        objective(rows(1), torch.zeros(shape))
    with pytest.raises(InputError, match=rf"{names} .* must both be N x d"):
        objective(torch.zeros(5), torch.zeros(5))


@pytest.mark.parametrize("term", [uniformity, variance_and_covariance])
@pytest.mark.parametrize("shape", [(1, 5), (0, 5), (5,), (6, 5, 1)])
def test_a_term_of_one_batch_needs_two_rows(term: Callable[..., Tensor], shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"student \(.*\) must be N x d with at least two rows"):
        term(torch.zeros(shape))


@pytest.mark.parametrize("bad", [0, -1, math.inf, math.nan])
def test_temperatures_and_widths_out_of_range_are_refused(bad: float) -> None:
    message = rf"is {bad}; it must be a finite number greater than 0"
    for contrast in CONTRASTS:
        with pytest.raises(InputError, match=f"temperature {message}"):
            contrast(rows(1), rows(2), temperature=bad)
    with pytest.raises(InputError, match=f"temperature {message}"):
        DistillationLoss(1, bad)
    with pytest.raises(InputError, match=f"t {message}"):
        uniformity(rows(1), t=bad)


@pytest.mark.parametrize("bad", [-1, math.inf, math.nan])
def test_weights_out_of_range_are_refused(bad: float) -> None:
    with pytest.raises(InputError, match=rf"infonce_weight is {bad}; it must be a finite number of at least 0"):
        DistillationLoss(bad)
    with pytest.raises(InputError, match=rf"^weight is {bad}; it must be a finite number of at least 0"):
        RegularisedLoss(uniformity, bad)


def test_unknown_positives_and_a_second_view_too_many_or_too_few_are_refused() -> None:
    student, teacher, second = batches(3)
    with pytest.raises(InputError, match="positives is 'labels'; allowed: 'teacher', 'views'"):
        DistillationLoss(1, positives="labels")
    with pytest.raises(InputError, match="second_view is missing"):
        DistillationLoss(1, positives="views")(student, teacher)
    for loss in (DistillationLoss(1), DistillationLoss(0, positives="views")):
        with pytest.raises(InputError, match="second_view is given, but not taken"):
            loss(student, teacher, second)
    with pytest.raises(InputError, match=r"first .* and second .* must both be N x d"):
        DistillationLoss(1, positives="views")(student, teacher, second[:3])


# Labels, and whitened and centred targets.


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


def test_centred_targets_are_unit_vectors_from_the_mean() -> None:
    targets = stretched()
    expected = targets.numpy() - targets.numpy().mean(0)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.allclose(centred(targets).numpy(), expected, atol=1e-12)
    single = centred(targets.float())
    assert single.dtype == torch.float32
    assert np.allclose(single.numpy(), expected, atol=1e-5)


def test_a_common_part_of_all_targets_does_not_count_once_they_are_centred() -> None:
    targets = stretched()
    shift = torch.tensor([300.0, -20.0, 0.0, 7.0], dtype=torch.float64)
    assert torch.allclose(centred(targets + shift), centred(targets), atol=1e-9)
    assert not torch.allclose(F.normalize(targets + shift), F.normalize(targets), atol=0.1)
    answer = torch.ones(len(targets), 4, dtype=torch.float64)
    far = cosine_distance(answer, centred(targets + 300)).item()
    assert cosine_distance(answer, targets + 300).item() < 0.01 < 0.5 < far


def test_a_target_that_is_the_mean_itself_becomes_zero() -> None:
    rows_of_three = torch.tensor([[0.0, 1.0], [2.0, 1.0], [1.0, 1.0]])
    assert centred(rows_of_three).tolist() == [[-1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("change", [whitened, centred])
def test_targets_without_differences_are_refused(change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    for value in (1.0, 0.1):
        with pytest.raises(InputError, match="targets are all equal"):
            change(torch.full((5, 3), value))
    with pytest.raises(InputError, match="targets contains NaN"):
        change(torch.full((5, 3), torch.nan))
    with pytest.raises(InputError, match="targets"):
        change(torch.ones(5))
