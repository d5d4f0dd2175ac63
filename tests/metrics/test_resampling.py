"""Estimators of the effective rank against populations whose rank is known."""

import math
from itertools import combinations, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from asymdistill.data import scenes
from asymdistill.data.scenes import INDEPENDENT_FACTORS
from asymdistill.metrics import resampling
from asymdistill.metrics.resampling import bootstrap_interval, factor_embeddings, rank_by_sample_size
from asymdistill.metrics.spectrum import SPECTRA, effective_rank
from asymdistill.runtime.errors import InputError


@pytest.fixture(scope="module")
def factors() -> dict[str, torch.Tensor]:
    return scenes.generate(1500, seed=3, side=16).factors


def sample(rows: int, dim: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(rows, dim)) * 0.9 ** np.arange(dim))


def sizes(*names: str) -> dict[str, int]:
    return {name: len(scenes.FACTORS[name]) for name in names}


def crossed(*names: str) -> dict[str, torch.Tensor]:
    """Each combination of values once: a sample that is its own population."""
    rows = product(*map(range, sizes(*names).values()))
    return dict(zip(names, torch.tensor([*rows]).T, strict=True))


# --- known factors as truth


def test_the_factors_used_are_independent_and_uniform(factors):
    tables = {
        pair: stats.contingency.crosstab(*(factors[name].numpy() for name in pair)).count
        for pair in combinations(scenes.FACTORS, 2)
    }
    linked = {pair for pair, table in tables.items() if stats.chi2_contingency(table).pvalue < 1e-6}
    assert linked == {("shape", "tilt"), ("colour", "ground"), ("colour", "tint"), ("ground", "tint")}
    assert not linked & set(combinations(INDEPENDENT_FACTORS, 2))
    for name in INDEPENDENT_FACTORS:
        counts = factors[name].bincount()
        assert counts.max() - counts.min() <= 1
    assert {"tilt", "ground", "tint"} == scenes.FACTORS.keys() - set(INDEPENDENT_FACTORS)


def test_one_factor_spans_one_dimension_less_than_it_has_values(factors):
    for name in INDEPENDENT_FACTORS:
        embeddings, rank = factor_embeddings(factors, sizes(name))
        assert rank == pytest.approx(len(scenes.FACTORS[name]) - 1)
        assert embeddings.shape == (1500, len(scenes.FACTORS[name]))


def test_the_true_rank_of_two_factors_by_hand():
    """Two eigenvalues of 1/3 and nine of 1/10, together 47/30: shares 10/47 and 3/47."""
    _, rank = factor_embeddings(crossed("size", "shape"), sizes("size", "shape"))
    assert rank == pytest.approx((10 / 47) ** (-20 / 47) * (3 / 47) ** (-27 / 47), rel=1e-8)
    _, amplitude = factor_embeddings(crossed("size", "shape"), sizes("size", "shape"), spectrum="amplitude")
    p, q = (root / (2 * math.sqrt(1 / 3) + 9 * math.sqrt(1 / 10)) for root in (math.sqrt(1 / 3), math.sqrt(1 / 10)))
    assert amplitude == pytest.approx(p ** (-2 * p) * q ** (-9 * q), rel=1e-8)


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_a_complete_design_has_the_rank_of_the_population(spectrum, center):
    names = ("shape", "size", "outline", "position")
    embeddings, rank = factor_embeddings(crossed(*names), sizes(*names), spectrum=spectrum)
    assert effective_rank(embeddings, center=center, spectrum=spectrum) == pytest.approx(rank, rel=1e-6)


def test_the_estimate_approaches_the_truth_from_below(factors):
    embeddings, rank = factor_embeddings(factors, sizes(*INDEPENDENT_FACTORS))
    assert embeddings.shape == (1500, 45)
    means = [np.mean(ranks) for ranks in rank_by_sample_size(embeddings, [50, 200, 1500]).values()]
    assert means == sorted(means)
    assert means[0] < 0.75 * rank
    assert 0.98 * rank < means[-1] < rank


def test_factors_that_are_not_there_or_do_not_take_all_values_are_refused(factors):
    for wanted in ({}, {"hue": 10}, {"shape": 10, "hue": 10}):
        with pytest.raises(InputError, match=r"allowed: one or more of \['shape', 'colour'"):
            factor_embeddings(factors, wanted)
    for values in (torch.arange(30) % 4, 1 + torch.arange(30) % 10):
        with pytest.raises(InputError, match=r"factors\['shape'\] must take all of its 10 values"):
            factor_embeddings({"shape": values}, sizes("shape"))
    with pytest.raises(InputError, match="spectrum"):
        factor_embeddings(factors, sizes("shape"), spectrum="entropy")


# --- sample size


def test_all_embeddings_have_their_own_rank_and_two_have_rank_one():
    x = sample(60, 8)
    for center, spectrum in product((True, False), SPECTRA):
        ranks = rank_by_sample_size(x, [60], center=center, spectrum=spectrum, draws=2)
        assert ranks == {60: pytest.approx([effective_rank(x, center=center, spectrum=spectrum)] * 2)}
    assert rank_by_sample_size(x, [2]) == {2: pytest.approx([1] * 5)}


def test_samples_are_drawn_without_replacement_and_belong_to_the_seed():
    """Distinct unit vectors, n of them: n - 1 equal variances; a repeated one would lower the rank."""
    ranks = rank_by_sample_size(torch.eye(30), [5, 20], draws=4)
    assert ranks == {5: pytest.approx([4] * 4), 20: pytest.approx([19] * 4)}
    x = sample(60, 8)
    first, again, other = (rank_by_sample_size(x, [20], seed=seed)[20] for seed in (1, 1, 2))
    assert first == again
    assert not set(first) & set(other)
    assert len(set(first)) == 5


def test_a_sample_does_not_depend_on_the_other_sizes():
    x = sample(60, 8)
    assert rank_by_sample_size(x, [10, 40])[40] == rank_by_sample_size(x, [40])[40]


def test_sample_sizes_and_draws_out_of_range_are_refused():
    x = sample(20, 4)
    for size in (1, 21):
        with pytest.raises(InputError, match=f"sizes holds {size}; allowed: 2 to 20"):
            rank_by_sample_size(x, [5, size])
    for draws in (0, 2.5):
        with pytest.raises(InputError, match="draws"):
            rank_by_sample_size(x, [5], draws=draws)
        with pytest.raises(InputError, match="draws"):
            bootstrap_interval(x, draws=draws)
    with pytest.raises(InputError, match="embeddings contains NaN"):
        rank_by_sample_size(x * math.nan, [5])


# --- bootstrap


def test_the_interval_is_the_basic_one():
    """Against a bootstrap in numpy with other draws: limits agree within the error of 1,000 draws."""
    x = sample(200, 6)
    rng = np.random.default_rng(8)
    ranks = []
    for _ in range(1000):
        rows = x.numpy()[rng.integers(0, 200, 200)]
        p = np.linalg.eigvalsh(np.cov(rows.T))
        p = p / p.sum()
        ranks.append(np.exp(-np.sum(p * np.log(p))))
    expected = 2 * effective_rank(x) - np.quantile(ranks, [0.9, 0.1])
    np.testing.assert_allclose(bootstrap_interval(x, level=0.8, draws=1000), expected, atol=0.15 * np.std(ranks))


def test_the_interval_covers_the_truth_where_the_percentile_interval_does_not():
    """Isotropic Gaussian embeddings have rank d; every sample and every resample has less."""
    basic = percentile = 0
    for seed in range(20):
        x = torch.from_numpy(np.random.default_rng(seed).normal(size=(400, 6)))
        low, high = bootstrap_interval(x, draws=100, seed=seed)
        rank = effective_rank(x)
        basic += low <= 6 <= high
        percentile += 2 * rank - high <= 6 <= 2 * rank - low
    assert basic >= 16
    assert percentile == 0


@settings(max_examples=20)
@given(seed=st.integers(0, 2**31), rows=st.integers(10, 40), dim=st.integers(2, 6))
def test_limits_are_ordered_belong_to_the_seed_and_ignore_rotation(seed, rows, dim):
    x = sample(rows, dim, seed)
    turn = torch.from_numpy(np.linalg.qr(np.random.default_rng(seed).normal(size=(dim, dim)))[0])
    low, high = bootstrap_interval(x, draws=20, seed=seed)
    assert low < high
    assert bootstrap_interval(x, draws=20, seed=seed) == (low, high)
    assert bootstrap_interval(x, draws=20, seed=seed + 1) != (low, high)
    assert bootstrap_interval(2 * x @ turn + 1, draws=20, seed=seed) == pytest.approx((low, high), rel=1e-6)
    narrow = bootstrap_interval(x, level=0.5, draws=20, seed=seed)
    assert low <= narrow[0] <= narrow[1] <= high


def test_points_on_a_line_have_rank_one_without_doubt():
    line = torch.linspace(-3, 5, 50, dtype=torch.float64)[:, None] * torch.tensor([[1.0, -2.0, 0.5]])
    assert bootstrap_interval(line) == pytest.approx((1, 1), abs=1e-6)


def test_the_bootstrap_refuses_too_few_images_and_odd_levels():
    with pytest.raises(InputError, match="at least 10 rows"):
        bootstrap_interval(sample(9, 3))
    for level in (0.0, 1.0, 95.0, math.nan):
        with pytest.raises(InputError, match="level"):
            bootstrap_interval(sample(20, 3), level=level)


@pytest.mark.parametrize("decay", [0.5, 1.0, 2.0])
def test_leaving_out_directions_without_variance_changes_no_draws_rank(decay: float) -> None:
    generator = torch.Generator().manual_seed(3)
    rows = torch.randn(120, 200, generator=generator) * torch.arange(1, 201) ** -decay
    turned = rows @ torch.linalg.qr(torch.randn(200, 200, generator=generator)).Q + 5
    short = resampling._principal_coordinates(turned)
    assert short.shape[1] < 120  # as many rows, less their mean
    drawn = torch.randint(0, 120, (120,), generator=generator)
    assert effective_rank(short[drawn]) == pytest.approx(effective_rank(turned[drawn]), rel=1e-4)
