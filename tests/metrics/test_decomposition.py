"""Decompositions of embeddings against closed forms, scikit-learn and scipy, and what must hold for any embeddings."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LinearRegression

from asymdistill.metrics.decomposition import (
    ClassRanks,
    class_ranks,
    component_r_squared,
    factor_shares,
    principal_directions,
    random_directions,
    shrinkage_rank,
    truncate,
)
from asymdistill.metrics.spectrum import effective_rank, effective_rank_of, singular_values, subspace_alignment
from asymdistill.runtime.errors import InputError

quick = settings(max_examples=30)
seeds = st.integers(0, 2**31)


def sample(rows: int, dim: int, seed: int = 0, decay: float = 0.7) -> torch.Tensor:
    """Gaussian rows of falling strength along random axes, around a mean."""
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.normal(size=(rows, dim)) * decay ** np.arange(dim) @ rotation(dim, seed).numpy() + 2)


def rotation(dim: int, seed: int) -> torch.Tensor:
    return torch.from_numpy(np.linalg.qr(np.random.default_rng(seed).normal(size=(dim, dim)))[0])


def uncorrelated(rows: int, columns: int) -> torch.Tensor:
    """Orthonormal columns, each of mean zero: patterns over images without any correlation in the sample."""
    drawn = torch.randn(rows, columns, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return torch.linalg.qr(drawn - drawn.mean(0)).Q


def rank_of_scatter(scatter: np.ndarray) -> float:
    p = np.linalg.eigvalsh(scatter).clip(0) / np.trace(scatter)
    return float(np.exp(-np.sum(p * np.log(p + 1e-10))))


# --- underfitting


@pytest.mark.parametrize("seed", range(10))
def test_a_perfect_student_explains_every_component(seed):
    teacher = sample(50, 8, seed)
    r_squared = component_r_squared(3 * teacher, teacher)
    torch.testing.assert_close(r_squared, torch.ones(8, dtype=torch.float64))
    assert shrinkage_rank(teacher, r_squared) == pytest.approx(effective_rank(teacher))  # never above 1, by rounding


def test_what_a_student_knows_of_each_component_is_found():
    """Teacher t_k = a_k s_k + b_k e_k, student a_k s_k, all s and e uncorrelated: R^2_k = a_k^2 / (a_k^2 + b_k^2)."""
    patterns = uncorrelated(60, 6)
    known, unknown = torch.tensor([4.0, 1.0, 1.0]), torch.tensor([3.0, 2.0, 0.0])  # variances 25, 5, 1
    student = known * patterns[:, :3] + 7
    teacher = student + unknown * patterns[:, 3:] - 5
    r_squared = component_r_squared(student, teacher)
    np.testing.assert_allclose(r_squared.numpy(), [16 / 25, 1 / 5, 1], rtol=1e-12)
    assert shrinkage_rank(teacher, r_squared) == pytest.approx(effective_rank(student), rel=1e-9)


def test_r_squared_equals_the_squared_correlation_along_numpys_directions():
    student, teacher = sample(80, 9, seed=1) + sample(80, 9, seed=2), sample(80, 9, seed=2)
    y = teacher.numpy() - teacher.numpy().mean(0)
    directions = np.linalg.svd(y, full_matrices=False)[2].T
    expected = [stats.pearsonr(student.numpy() @ v, y @ v).statistic ** 2 for v in directions.T]
    measured = component_r_squared(student.float(), teacher)
    assert measured.dtype == torch.float64
    np.testing.assert_allclose(measured.numpy(), expected, rtol=1e-4)
    np.testing.assert_allclose(component_r_squared(student, teacher).numpy(), expected, rtol=1e-9)


def test_a_component_without_variance_counts_as_unknown():
    teacher = torch.cat([sample(40, 3), torch.zeros(40, 2)], dim=1)
    student = sample(40, 5, seed=3)
    assert component_r_squared(student, teacher)[3:].tolist() == [0, 0]
    assert component_r_squared(torch.full((40, 5), 0.1), teacher).tolist() == [0] * 5
    assert component_r_squared(student, torch.full((40, 5), 0.1)).tolist() == [0] * 5


def test_fewer_images_than_dimensions_have_fewer_components():
    teacher = sample(6, 20)
    assert component_r_squared(sample(6, 20, seed=1), teacher).shape == (5,)
    assert shrinkage_rank(teacher, torch.ones(5)) == pytest.approx(effective_rank(teacher))


def test_a_student_that_knows_nothing_scores_by_chance_only():
    """The squared correlation of N independent Gaussian pairs is Beta(1/2, (N - 2)/2), of mean 1 / (N - 1)."""
    rng = torch.Generator().manual_seed(0)
    r_squared = component_r_squared(torch.randn(21, 300, generator=rng), torch.randn(21, 300, generator=rng))
    many = [component_r_squared(*torch.randn(2, 21, 15, generator=rng).unbind()) for _ in range(100)]
    assert r_squared.shape == (20,)
    assert stats.kstest(torch.cat(many).numpy(), stats.beta(0.5, 19 / 2).cdf).pvalue > 1e-3


@quick
@given(seed=seeds, rows=st.integers(3, 30), dim=st.integers(1, 8), scale=st.floats(1e-3, 1e3))
def test_r_squared_is_a_share_that_ignores_common_rotations_and_the_students_scale(seed, rows, dim, scale):
    student, teacher = sample(rows, dim, seed), sample(rows, dim, seed + 1)
    r_squared = component_r_squared(student, teacher)
    assert r_squared.shape == (min(rows - 1, dim),)
    assert bool(((r_squared >= 0) & (r_squared <= 1)).all())
    turn = rotation(dim, seed)
    torch.testing.assert_close(
        component_r_squared(scale * student @ turn + 1, teacher @ turn), r_squared, rtol=1e-4, atol=1e-6
    )


@quick
@given(seed=seeds, dim=st.integers(1, 8), features=st.integers(1, 6))
def test_a_least_squares_student_has_at_most_the_rank_that_shrinkage_predicts(seed, dim, features):
    """Its variance along component k is exactly lambda_k R^2_k, and eigenvalues majorise the diagonal."""
    teacher, seen = sample(40, dim, seed), sample(40, features, seed + 1).numpy()
    student = torch.from_numpy(LinearRegression().fit(seen, teacher.numpy()).predict(seen).reshape(40, dim))
    r_squared = component_r_squared(student, teacher)
    along = (student - student.mean(0)) @ principal_directions(teacher)[1]
    np.testing.assert_allclose(along.square().sum(0), singular_values(teacher).square() * r_squared, rtol=1e-6)
    assert effective_rank(student) <= shrinkage_rank(teacher, r_squared) * (1 + 1e-6)


def test_shrinkage_can_raise_the_rank_too():
    """Variances 4 and 1, of which a quarter and all is explained: 1 and 1."""
    teacher = torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    assert effective_rank(teacher) == pytest.approx(0.8**-0.8 * 0.2**-0.2)
    assert shrinkage_rank(teacher, torch.tensor([0.25, 1.0])) == pytest.approx(2)
    assert shrinkage_rank(teacher, torch.tensor([0.0, 0.3])) == pytest.approx(1)


@quick
@given(seed=seeds, c=st.floats(1e-3, 1e3))
def test_a_ridge_students_rank_falls_as_the_penalty_grows(seed, c):
    """R^2_k = l_k / (l_k + c) leaves l_k^2 / (l_k + c), from l_k at c = 0 towards l_k^2."""
    teacher = sample(60, 10, seed)
    variances = singular_values(teacher).square()
    ranks = [shrinkage_rank(teacher, variances / (variances + penalty)) for penalty in (0, c, 2 * c, 1e9)]
    assert ranks == sorted(ranks, reverse=True)
    assert ranks[0] == pytest.approx(effective_rank(teacher), rel=1e-9)
    assert ranks[-1] == pytest.approx(effective_rank_of(variances), rel=1e-5)


def test_shrinkage_refuses_what_is_no_r_squared():
    teacher = sample(9, 3)
    for bad in (torch.ones(2), torch.ones(3, 1), [1.0, 1.0, 1.0]):
        with pytest.raises(InputError, match="3 values"):
            shrinkage_rank(teacher, bad)
    for bad in ([1.1, 0, 0], [-0.1, 0, 0], [math.nan, 0, 0]):
        with pytest.raises(InputError, match="between 0 and 1"):
            shrinkage_rank(teacher, torch.tensor(bad))
    with pytest.raises(InputError, match="explains nothing"):
        shrinkage_rank(teacher, torch.zeros(3))


def test_r_squared_refuses_what_does_not_match():
    x = sample(9, 3)
    for student, teacher in ((x, x[:8]), (x[:, :2], x), (x[:1], x[:1]), (x * math.nan, x), (x, x * math.inf)):
        with pytest.raises(InputError, match=r"student|teacher"):
            component_r_squared(student, teacher)


# --- class structure


def test_scatters_equal_those_of_linear_discriminant_analysis():
    labels = torch.from_numpy(np.random.default_rng(0).permutation(np.repeat([3, 5, 9, 10], [10, 20, 40, 30])))
    x = sample(100, 6) + sample(11, 6, seed=1)[labels]
    fitted = LinearDiscriminantAnalysis(solver="eigen", store_covariance=True).fit(x.numpy(), labels.numpy())
    total = np.cov(x.numpy().T, bias=True)
    within, between = fitted.covariance_, total - fitted.covariance_
    ranks = class_ranks(x, labels)
    assert ranks.within == pytest.approx(rank_of_scatter(within), rel=1e-9)
    assert ranks.between == pytest.approx(rank_of_scatter(between), rel=1e-6)
    assert ranks.means == pytest.approx(rank_of_scatter(np.cov(fitted.means_.T)), rel=1e-6)
    assert ranks.between_share == pytest.approx(np.trace(between) / np.trace(total), rel=1e-9)


def test_classes_at_the_corners_of_a_simplex_span_one_dimension_less():
    """Ten equal classes around the unit vectors, with +-1 along each axis: both scatters are flat."""
    corners = torch.eye(10).repeat_interleave(20, 0)
    noise = torch.cat([torch.eye(10), -torch.eye(10)]).repeat(10, 1)
    ranks = class_ranks(corners + noise, torch.arange(200) // 20)
    assert isinstance(ranks, ClassRanks)
    assert ranks.between == pytest.approx(9)
    assert ranks.means == pytest.approx(9)
    assert ranks.within == pytest.approx(10)
    assert ranks.between_share == pytest.approx(0.9 / 1.9)  # 1 - 1/10 between, 20/20 within, an image


def test_class_sizes_weigh_in_the_scatter_but_not_in_the_rank_of_means():
    """Means at 0, e_1, e_2: unweighted, variances along (e_1 - e_2) and (e_1 + e_2) are 1/2 and 1/6, summed over 3."""
    means, counts = torch.tensor([[0.0, 0], [1, 0], [0, 1]]), torch.tensor([1, 1, 8])
    labels = torch.arange(3).repeat_interleave(2 * counts)
    wiggle = 0.1 * torch.tensor([[1.0, 0], [-1, 0]]).repeat(10, 1)
    ranks = class_ranks(means[labels] + wiggle, labels)
    assert ranks.means == pytest.approx(0.75**-0.75 * 0.25**-0.25, rel=1e-6)
    assert ranks.between == pytest.approx(rank_of_scatter(np.cov(means.numpy().T, fweights=counts.numpy())), rel=1e-6)
    assert ranks.within == pytest.approx(1)


@quick
@given(seed=seeds, classes=st.integers(2, 5), dim=st.integers(1, 8))
def test_class_ranks_have_their_bounds_and_ignore_names_order_and_rotation(seed, classes, dim):
    rows = 4 * classes
    x, labels = sample(rows, dim, seed), torch.arange(rows) % classes
    ranks = class_ranks(x, labels)
    for rank in (ranks.between, ranks.means):
        assert 1 - 1e-6 <= rank <= min(classes - 1, dim) * (1 + 1e-6)
    assert 1 - 1e-6 <= ranks.within <= min(rows - classes, dim) * (1 + 1e-6)
    assert 0 < ranks.between_share < 1
    order = torch.from_numpy(np.random.default_rng(seed).permutation(rows))
    again = class_ranks(3 * (x @ rotation(dim, seed))[order] - 1, 7 - 2 * labels[order])
    assert vars(again) == pytest.approx(vars(ranks), rel=1e-6)


def test_ranks_that_are_not_defined_are_refused():
    x, labels = sample(20, 4), torch.arange(20) % 2
    with pytest.raises(InputError, match="labels are all 3"):
        class_ranks(x, torch.full((20,), 3))
    with pytest.raises(InputError, match="only between classes"):
        class_ranks(x[labels], labels)
    with pytest.raises(InputError, match="only between classes"):
        class_ranks(x, torch.arange(20))
    with pytest.raises(InputError, match="only within classes"):
        class_ranks(x[torch.arange(20) // 2], labels)


@pytest.mark.parametrize(
    "labels", [torch.zeros(20), torch.ones(20, dtype=torch.bool), [0] * 20, torch.zeros(19).long()]
)
def test_what_is_no_label_of_each_image_is_refused(labels):
    with pytest.raises(InputError, match=r"^labels must"):
        class_ranks(sample(20, 4), labels)
    with pytest.raises(InputError, match=r"^factors\['shape'\] must"):
        factor_shares(sample(20, 4), {"shape": labels})


# --- known factors


def test_shares_equal_eta_squared_of_the_analysis_of_variance():
    """Eta squared of a column is F (g - 1) / (F (g - 1) + N - g); columns weigh by their variance."""
    rng = np.random.default_rng(0)
    factors = {"shape": torch.from_numpy(rng.integers(0, 4, 90)), "size": torch.from_numpy(rng.integers(0, 3, 90))}
    x = sample(90, 5) + sample(4, 5, seed=1)[factors["shape"]]
    shares = factor_shares(x, factors)
    assert list(shares) == ["shape", "size"]
    for name, values in factors.items():
        count = len(values.unique())
        f = stats.f_oneway(*(x[values == value].numpy() for value in values.unique())).statistic
        eta_squared = f * (count - 1) / (f * (count - 1) + len(x) - count)
        assert shares[name] == pytest.approx(np.average(eta_squared, weights=x.numpy().var(0)), rel=1e-9)


def test_shares_of_a_crossed_design_add_up():
    """Two crossed factors move two axes, by +-2 and +-1: they share the variance as 4 : 1."""
    a, b = torch.meshgrid(torch.arange(2), torch.arange(2), indexing="ij")
    factors = {"a": a.flatten(), "b": b.flatten(), "which": torch.arange(4)}
    x = torch.stack([4.0 * factors["a"], 2.0 * factors["b"]], dim=1)
    assert factor_shares(x, factors) == pytest.approx({"a": 0.8, "b": 0.2, "which": 1.0})


def test_the_share_of_the_classes_is_that_between_classes():
    x, labels = sample(40, 4), torch.arange(40) % 5
    assert factor_shares(x, {"shape": labels})["shape"] == pytest.approx(class_ranks(x, labels).between_share)


def test_equal_embeddings_have_no_variance_to_explain():
    with pytest.raises(InputError, match="embeddings are all equal"):
        factor_shares(
            torch.tensor([[0.1, 0.7, -1 / 3]]).double().add(1 / 7).repeat(1001, 1), {"shape": torch.arange(1001) % 2}
        )


# --- the truncated teacher


@pytest.mark.parametrize("k", [1, 3, 8])
def test_truncation_equals_the_reconstruction_of_principal_component_analysis(k):
    train, test = sample(200, 8), sample(50, 8, seed=1)
    fitted = PCA(k, svd_solver="full").fit(train.numpy())
    mean, directions = principal_directions(train)
    cut = truncate(test, mean, directions[:, :k])
    np.testing.assert_allclose(cut.numpy(), fitted.inverse_transform(fitted.transform(test.numpy())), atol=1e-10)
    np.testing.assert_allclose((directions[:, :k] ** 2).numpy(), fitted.components_.T**2, atol=1e-10)


def test_all_directions_change_nothing_and_k_of_them_leave_rank_k_at_most():
    x = sample(100, 8, decay=1.0)
    mean, directions = principal_directions(x)
    torch.testing.assert_close(truncate(x, mean, directions), x)
    for kept in (directions[:, :3], directions[:, -3:], random_directions(8, 3, torch.Generator().manual_seed(0))):
        cut = truncate(x, mean, kept)
        assert 1 < effective_rank(cut) <= 3
        torch.testing.assert_close(truncate(cut, mean, kept), cut)  # a projection
        torch.testing.assert_close(cut.mean(0), mean)


def test_the_directions_are_those_of_the_alignment_curve():
    student, teacher = sample(60, 6, seed=1), sample(60, 6)
    _, directions = principal_directions(teacher)
    x = student - student.mean(0)
    held = [(truncate(x, torch.zeros(6), directions[:, :k]).square().sum() / x.square().sum()) for k in range(1, 7)]
    torch.testing.assert_close(torch.stack(held), subspace_alignment(student, teacher))


def test_directions_are_complete_even_where_there_is_no_variance():
    mean, directions = principal_directions(sample(4, 7))
    torch.testing.assert_close(directions.T @ directions, torch.eye(7, dtype=torch.float64))
    assert mean.dtype == directions.dtype == torch.float64
    mean, _ = principal_directions(torch.full((30, 3), 0.1))
    assert torch.equal(mean, torch.full((3,), 0.1).double())


def test_random_directions_favour_no_axis():
    """Angles of random lines in the plane are uniform; projections average to k / d of the identity."""
    generator = torch.Generator().manual_seed(0)
    lines = torch.cat([random_directions(2, 1, generator) for _ in range(500)], dim=1)
    angles = torch.atan2(lines[1], lines[0]).remainder(math.pi).numpy()
    assert stats.kstest(angles, stats.uniform(0, math.pi).cdf).pvalue > 1e-3
    bases = [random_directions(5, 2, generator) for _ in range(2000)]
    torch.testing.assert_close(bases[0].T @ bases[0], torch.eye(2, dtype=torch.float64))
    average = sum(basis @ basis.T for basis in bases) / len(bases)
    np.testing.assert_allclose(average.numpy(), 0.4 * np.eye(5), atol=0.03)


def test_random_directions_belong_to_their_seed():
    first, again = (random_directions(6, 2, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, random_directions(6, 2, torch.Generator().manual_seed(6)))


def test_truncation_refuses_what_does_not_fit():
    x = sample(20, 4)
    mean, directions = principal_directions(x)
    for bad_mean, bad in ((mean[:3], directions), (mean, directions[:3]), (mean, torch.eye(5).double())):
        with pytest.raises(InputError, match="must have shapes"):
            truncate(x, bad_mean, bad)
    with pytest.raises(InputError, match="orthonormal"):
        truncate(x, mean, 2 * directions)
    with pytest.raises(InputError, match="embeddings contains NaN"):
        truncate(x * math.nan, mean, directions)
    for count in (0, 5):
        with pytest.raises(InputError, match=f"count is {count}"):
            random_directions(4, count, torch.Generator())
