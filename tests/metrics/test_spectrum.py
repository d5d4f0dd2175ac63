"""The spectrum's measures against closed forms, numpy and scikit-learn, and what must not change them."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from asymdistill.metrics.spectrum import (
    SPECTRA,
    dims_for_variance,
    dims_for_variance_of,
    effective_rank,
    effective_rank_of,
    singular_values,
    subspace_alignment,
)
from asymdistill.runtime.errors import InputError


def sample(rows: int, dim: int, rank: int | None = None, *, mean: float = 1.0, seed: int = 0) -> torch.Tensor:
    """Gaussian rows on ``rank`` directions of falling strength, around a mean."""
    rng = np.random.default_rng(seed)
    rank = rank or dim
    factors = rng.normal(size=(rows, rank)) * np.geomspace(1, 0.05, rank)
    return torch.from_numpy(factors @ rng.normal(size=(rank, dim)) + mean)


def numpy_values(embeddings: torch.Tensor, center: bool = True) -> np.ndarray:
    x = embeddings.double().numpy()
    return np.linalg.svd(x - x.mean(0) if center else x, compute_uv=False)


def numpy_rank(embeddings: torch.Tensor, spectrum: str = "variance", center: bool = True) -> float:
    s = numpy_values(embeddings, center)
    p = s**2 / np.sum(s**2) if spectrum == "variance" else s / np.sum(s)
    return float(np.exp(-np.sum(p * np.log(p + 1e-10))))


# --- closed forms


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("dim", [1, 2, 7, 64])
def test_isotropic_embeddings_have_full_rank(dim, spectrum):
    """The 2d points +e_i and -e_i have mean zero and d equal singular values, sqrt(2)."""
    cross = torch.cat([torch.eye(dim), -torch.eye(dim)])
    np.testing.assert_allclose(singular_values(cross).numpy(), math.sqrt(2))
    assert effective_rank(cross, spectrum=spectrum) == pytest.approx(dim, rel=1e-7)
    assert dims_for_variance(cross, 1.0) == dim


@pytest.mark.parametrize("spectrum", SPECTRA)
def test_points_on_a_line_have_rank_one(spectrum):
    line = torch.linspace(-3, 5, 50, dtype=torch.float64)[:, None] * torch.tensor([[1.0, -2.0, 0.5, 0.0]]) + 7
    assert effective_rank(line, spectrum=spectrum) == pytest.approx(1, abs=1e-6)
    assert dims_for_variance(line) == 1


def test_a_known_spectrum():
    """s = 3, 1 gives p = 0.9, 0.1 for variance and 0.75, 0.25 for amplitude; their entropies by hand."""
    s = torch.tensor([1.0, 3.0])
    assert effective_rank_of(s) == pytest.approx(0.9**-0.9 * 0.1**-0.1, rel=1e-8)
    assert effective_rank_of(s, spectrum="amplitude") == pytest.approx(0.75**-0.75 * 0.25**-0.25, rel=1e-8)
    assert [dims_for_variance_of(s, f) for f in (0.5, 0.89, 0.91, 1.0)] == [1, 1, 2, 2]


def test_zero_singular_values_count_for_nothing():
    padded = torch.tensor([2.0, 2.0, 2.0, 0.0, 0.0])
    assert effective_rank_of(padded) == pytest.approx(3)
    assert dims_for_variance_of(padded, 1.0) == 3


def test_alignment_of_known_directions():
    """The teacher's axes are x, y, z by strength; the student's variance lies 1 : 4 : 0 on them."""
    axes = torch.eye(3, dtype=torch.float64)
    signs = torch.cat([axes, -axes])
    teacher = signs * torch.tensor([3.0, 2.0, 1.0]) + 5
    student = signs * torch.tensor([1.0, 2.0, 0.0]) - 1
    np.testing.assert_allclose(subspace_alignment(student, teacher).numpy(), [0.2, 1.0, 1.0], atol=1e-12)


# --- parity with other implementations


CASES = [
    (600, 24, 24),
    (600, 24, 5),
    (30, 24, 24),
    (24, 24, 24),
    (10, 24, 24),
    (2, 24, 24),
    (1200, 3, 3),
]


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("rows", "dim", "rank"), CASES)
def test_parity_with_numpy(rows, dim, rank, dtype, center):
    x = sample(rows, dim, rank).to(dtype)
    values = singular_values(x, center=center)
    assert values.dtype == torch.float64
    expected = numpy_values(x, center)
    np.testing.assert_allclose(values.numpy(), expected, rtol=1e-6, atol=1e-12 * expected[0])
    for spectrum in SPECTRA:
        rank_here = effective_rank(x, center=center, spectrum=spectrum)
        assert isinstance(rank_here, float)
        assert rank_here == pytest.approx(numpy_rank(x, spectrum, center), rel=1e-6)


def test_parity_with_principal_component_analysis():
    x = sample(900, 40)
    ratios = PCA(svd_solver="full").fit(x.numpy()).explained_variance_ratio_
    squares = singular_values(x).square()
    np.testing.assert_allclose((squares / squares.sum()).numpy(), ratios, rtol=1e-9)
    for fraction in (0.1, 0.5, 0.9, 0.99):
        assert dims_for_variance(x, fraction) == int(np.searchsorted(np.cumsum(ratios), fraction)) + 1


def test_alignment_parity_with_projections():
    teacher, student = sample(300, 20, seed=1), sample(300, 20, 12, seed=2)
    x, y = student.numpy() - student.numpy().mean(0), teacher.numpy() - teacher.numpy().mean(0)
    projected = x @ np.linalg.svd(y, full_matrices=False)[2].T
    expected = np.cumsum((projected**2).sum(0)) / (x**2).sum()
    np.testing.assert_allclose(subspace_alignment(student, teacher).numpy(), expected, rtol=1e-9)


def test_alignment_with_oneself_is_the_share_of_variance():
    x = sample(300, 20)
    ratios = PCA(svd_solver="full").fit(x.numpy()).explained_variance_ratio_
    np.testing.assert_allclose(subspace_alignment(x, x).numpy(), np.cumsum(ratios), rtol=1e-9)


def test_alignment_with_fewer_images_than_dimensions_is_complete():
    share = subspace_alignment(sample(6, 20, seed=1), sample(6, 20, seed=2))
    assert share.shape == (20,)
    assert share[-1] == 1


def test_blocks_of_rows_change_nothing():
    x = sample(2500, 8)  # more rows than one block holds
    assert effective_rank(x) == pytest.approx(numpy_rank(x), rel=1e-12)


def test_float32_data_far_from_the_origin_keep_their_rank():
    x = sample(3000, 16, mean=1000.0).float()
    for spectrum in SPECTRA:
        assert effective_rank(x, spectrum=spectrum) == pytest.approx(numpy_rank(x, spectrum), rel=1e-9)


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize(
    ("decay", "mean", "spread", "error"),
    [(1, 0.5, 0, 1e-6), (0, 0, 0, 1e-6), (1, 100, 0, 1e-6), (1, 0, 2, 1e-5), (4, 0.5, 0, 1e-12)],
    ids=["as trained embeddings", "isotropic", "far from the origin", "few rows hold the variance", "unresolved tail"],
)
def test_parity_with_numpy_of_so_many_float32_rows_that_their_products_are_float32(decay, mean, spread, error, center):
    generator = torch.Generator().manual_seed(0)
    turned = torch.linalg.qr(torch.randn(64, 64, generator=generator)).Q
    x = torch.randn(20_000, 64, generator=generator) / torch.arange(1, 65) ** decay @ turned + mean
    x *= torch.exp(spread * torch.randn(20_000, 1, generator=generator))
    x = x[x[:, 0].argsort()]  # in an order in which the first block is far from the mean
    assert effective_rank(x, center=center) == pytest.approx(numpy_rank(x, center=center), rel=error)


# --- what must not change the rank, and its bounds

shapes = {"rows": st.integers(2, 40), "dim": st.integers(1, 12), "seed": st.integers(0, 2**31)}
quick = settings(max_examples=40)


@quick
@given(**shapes, spectrum=st.sampled_from(SPECTRA))
def test_bounds(rows, dim, seed, spectrum):
    x = sample(rows, dim, seed=seed)
    assert 1 - 1e-7 <= effective_rank(x, spectrum=spectrum) <= min(rows - 1, dim) * (1 + 1e-6)
    assert 1 - 1e-7 <= effective_rank(x, spectrum=spectrum, center=False) <= min(rows, dim) * (1 + 1e-6)
    assert 1 <= dims_for_variance(x) <= min(rows - 1, dim)


@quick
@given(**shapes, scale=st.floats(1e-3, 1e3), shift=st.floats(-100, 100))
def test_rotating_scaling_and_shifting_keep_the_rank(rows, dim, seed, scale, shift):
    x = sample(rows, dim, seed=seed)
    rotation = torch.from_numpy(np.linalg.qr(np.random.default_rng(seed).normal(size=(dim, dim)))[0])
    moved = scale * x @ rotation + shift
    assert effective_rank(moved) == pytest.approx(effective_rank(x), rel=1e-6)
    assert effective_rank(scale * x @ rotation, center=False) == pytest.approx(
        effective_rank(x, center=False), rel=1e-6
    )


@quick
@given(seed=st.integers(0, 2**31), rows=st.integers(3, 40), dim=st.integers(2, 12))
def test_alignment_rises_to_one_and_ignores_a_common_rotation(seed, rows, dim):
    student, teacher = sample(rows, dim, seed=seed), sample(rows, dim, seed=seed + 1)
    share = subspace_alignment(student, teacher)
    assert share.shape == (dim,)
    assert bool((share.diff() >= 0).all())
    assert share[-1] == 1
    rotation = torch.from_numpy(np.linalg.qr(np.random.default_rng(seed).normal(size=(dim, dim)))[0])
    used = min(rows - 1, dim)  # beyond it the teacher has no directions of its own
    torch.testing.assert_close(
        subspace_alignment(student @ rotation, teacher @ rotation)[:used], share[:used], rtol=1e-5, atol=1e-7
    )


# --- errors

BAD = {
    "shape": torch.ones(5),
    "no width": torch.ones(5, 0),
    "one row": torch.ones(1, 4),
    "integers": torch.ones(5, 4, dtype=torch.int64),
    "nan": torch.tensor([[1.0, math.nan], [0.0, 1.0]]),
    "infinite": torch.tensor([[1.0, math.inf], [0.0, 1.0]]),
    "no tensor": np.ones((5, 4)),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("function", [singular_values, effective_rank, dims_for_variance])
def test_bad_embeddings_are_refused(function, bad):
    with pytest.raises(InputError, match="embeddings"):
        function(bad)


@pytest.mark.parametrize("row", [[0.0, 0.0, 0.0], [0.1, 0.7, -1 / 3]])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_embeddings_have_a_zero_spectrum_and_no_rank(row, dtype):
    equal = torch.tensor([row], dtype=dtype).repeat(1001, 1)
    assert torch.equal(singular_values(equal), torch.zeros(3, dtype=torch.float64))
    for measure in (effective_rank, dims_for_variance, lambda x: effective_rank(x, spectrum="amplitude")):
        with pytest.raises(InputError, match="embeddings that are all equal"):
            measure(equal)


def test_uncentred_equal_embeddings_have_rank_one():
    assert effective_rank(torch.ones(9, 3), center=False) == pytest.approx(1)


@pytest.mark.parametrize("values", [[], [[1.0, 2.0]], [1.0, -1.0], [1.0, math.nan], [math.inf, 1.0], [0.0, 0.0]])
def test_bad_singular_values_are_refused(values):
    for measure in (effective_rank_of, dims_for_variance_of):
        with pytest.raises(InputError, match="singular_values"):
            measure(torch.tensor(values))


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.1, math.nan])
def test_bad_fractions_are_refused(fraction):
    for measure, values in ((dims_for_variance, sample(9, 3)), (dims_for_variance_of, torch.ones(3))):
        with pytest.raises(InputError, match="fraction"):
            measure(values, fraction)


@pytest.mark.parametrize("spectrum", ["squared", "", None])
def test_other_spectra_are_refused(spectrum):
    with pytest.raises(InputError, match="spectrum"):
        effective_rank(sample(9, 3), spectrum=spectrum)
    with pytest.raises(InputError, match="spectrum"):
        effective_rank_of(torch.ones(3), spectrum=spectrum)


def test_alignment_refuses_what_does_not_match():
    x = sample(9, 3)
    for student, teacher in ((x, x[:8]), (x[:, :2], x), (x[:1], x[:1]), (x * math.nan, x), (x, x * math.inf)):
        with pytest.raises(InputError, match=r"student|teacher"):
            subspace_alignment(student, teacher)
    with pytest.raises(InputError, match="student embeddings are all equal"):
        subspace_alignment(torch.ones(9, 3), x)
    with pytest.raises(InputError, match="teacher embeddings are all equal"):
        subspace_alignment(x, torch.ones(9, 3))
