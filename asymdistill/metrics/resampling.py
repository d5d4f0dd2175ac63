"""How far an effective rank can be trusted: sample size, resampling, and embeddings whose true rank is known."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from asymdistill.metrics.decomposition import principal_directions
from asymdistill.metrics.spectrum import effective_rank, effective_rank_of
from asymdistill.runtime.checks import check_embeddings
from asymdistill.runtime.errors import InputError


def rank_by_sample_size(
    embeddings: Tensor,
    sizes: Sequence[int],
    *,
    center: bool = True,
    spectrum: str = "variance",
    seed: int = 0,
    draws: int = 5,
) -> dict[int, list[float]]:
    """Return the effective rank of random subsamples of several sizes.

    In each draw the samples are nested: the first n of one random order, without replacement.

    Args:
        embeddings: N x d.
        sizes: of the subsamples, 2 to N each.
        center: subtract the mean embedding of the subsample first.
        spectrum: "variance" or "amplitude", see ``spectrum.effective_rank_of``.
        seed: of the orders.
        draws: random orders, at least 1.

    Returns:
        For each size the effective ranks of the draws.

    Raises:
        InputError: as ``spectrum.effective_rank`` does, and for a size or number of draws out of range.
    """
    check_embeddings("embeddings", embeddings)
    count = len(embeddings)
    for size in sizes:
        if not 2 <= size <= count:
            raise InputError(f"sizes holds {size}; allowed: 2 to {count}, the number of embeddings")
    _check_draws(draws)
    generator = torch.Generator().manual_seed(seed)
    orders = [torch.randperm(count, generator=generator).to(embeddings.device) for _ in range(draws)]
    return {
        size: [effective_rank(embeddings[order[:size]], center=center, spectrum=spectrum) for order in orders]
        for size in sizes
    }


def bootstrap_interval(
    embeddings: Tensor, *, level: float = 0.95, draws: int = 200, seed: int = 0
) -> tuple[float, float]:
    """Return a confidence interval of the effective rank over images: the basic bootstrap interval.

    N images are drawn from the N with replacement, again and again. With r the rank of the embeddings and q the
    quantiles of the ranks of the draws, the interval is (2 r - q_upper, 2 r - q_lower): Davison & Hinkley, "Bootstrap
    Methods and their Application", 1997, section 5.2. A draw repeats images, which lowers its rank as a smaller sample
    would: the percentile interval (q_lower, q_upper) lies too low, mostly below r itself. The basic interval takes the
    fall from r to the draws for the fall from the truth to r. That holds while N is many times the rank; with fewer
    images this interval lies too low as well (El Karoui & Purdom, "The non-parametric bootstrap and spectral analysis
    in moderate and high-dimension", AISTATS 2019).

    Args:
        embeddings: N x d, N >= 10.
        level: confidence, between 0 and 1.
        draws: number of resamples, at least 1.
        seed: of the resamples.

    Returns:
        Lower and upper limit of the effective rank (centred, variance spectrum). The upper one may exceed d.

    Raises:
        InputError: for unusable embeddings or a level or number of draws out of range.
    """
    check_embeddings("embeddings", embeddings, min_rows=10)
    _check_level(level)
    _check_draws(draws)
    from scipy import stats

    rotated = _principal_coordinates(embeddings)
    found = stats.bootstrap(
        (np.arange(len(embeddings)),),
        lambda rows: effective_rank(rotated[torch.from_numpy(rows)]),
        vectorized=False,
        n_resamples=draws,
        confidence_level=level,
        method="basic",
        random_state=np.random.default_rng(seed),
    ).confidence_interval
    return float(found.low), float(found.high)


def jackknife_interval(value: float, left_out: Sequence[float], *, level: float = 0.95) -> tuple[float, float]:
    r"""Return the delete-a-block jackknife interval of a smooth statistic.

    With t_g the statistic without block g of G equal ones and m their mean, the squared standard error is
    (G - 1) / G \sum_g (t_g - m)^2; the interval is the value, give or take that error times the quantile of Student's t
    with G - 1 degrees of freedom: Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 11. It is about
    the scatter of samples of this size, and not about their bias. Of a statistic that moves in steps, such as a number
    of dimensions, it means nothing.

    Args:
        value: the statistic of all rows.
        left_out: the statistic without each of the blocks in turn, at least two.
        level: confidence, between 0 and 1.

    Returns:
        Lower and upper limit.

    Raises:
        InputError: for fewer than two blocks, or a level out of range.
    """
    if len(left_out) < 2:
        raise InputError(f"left_out holds {len(left_out)} values; a jackknife needs at least 2 blocks")
    _check_level(level)
    from scipy import stats

    blocks = len(left_out)
    error = float(np.std(left_out)) * (blocks - 1) ** 0.5
    reach = float(stats.t.ppf((1 + level) / 2, blocks - 1)) * error
    return value - reach, value + reach


def factor_embeddings(
    factors: Mapping[str, Tensor], sizes: Mapping[str, int], *, spectrum: str = "variance"
) -> tuple[Tensor, float]:
    r"""Return embeddings made of known factors, and the effective rank that infinitely many of them would have.

    Each image becomes the concatenation of the one-hot codes of its factors, less their expectation. The code of a
    factor that takes n values equally often has n - 1 eigenvalues of 1 / n, and independent factors do not mix: the
    rank is exp(-\sum_f (n_f - 1) p_f ln p_f), p_f proportional to 1 / n_f (to its root for "amplitude").

    Args:
        factors: for each name N integers, as in ``scenes.Scenes.factors``; more than are used do no harm.
        sizes: for each factor to use, how many values it takes, n_f. They must be drawn uniformly and independently of
            each other, as ``scenes.INDEPENDENT_FACTORS`` are.
        spectrum: "variance" or "amplitude", of the true rank.

    Returns:
        float64 embeddings, N x \sum_f n_f, and the true effective rank, the same centred or not.

    Raises:
        InputError: if ``sizes`` is empty or names a factor that ``factors`` lacks, if the values of a factor do not all
            occur, or for another ``spectrum``.
    """
    if not sizes or not sizes.keys() <= factors.keys():
        raise InputError(f"sizes names {list(sizes)}; allowed: one or more of {list(factors)}")
    codes = []
    for name, size in sizes.items():
        if torch.unique(factors[name]).tolist() != [*range(size)]:
            raise InputError(f"factors[{name!r}] must take all of its {size} values, 0 to {size - 1}")
        codes.append(F.one_hot(factors[name], size).double() - 1 / size)
    values = torch.tensor([*sizes.values()])
    eigenvalues = (1 / values.double()).repeat_interleave(values - 1)
    return torch.cat(codes, dim=1), effective_rank_of(eigenvalues.sqrt(), spectrum=spectrum)


def _principal_coordinates(embeddings: Tensor, negligible: float = 1e-6) -> Tensor:
    """Centred embeddings in the basis of their principal directions, without those that hold next to no variance.

    A rotation changes no effective rank, and a share of the variance of 1e-6 none by more than a part in ten thousand;
    but of a thousand entries of a collapsed student's embeddings, a few dozen are left.
    """
    mean, directions = principal_directions(embeddings)
    rotated = (embeddings.double() - mean) @ directions
    tails = rotated.square().sum(0).flip(0).cumsum(0).flip(0)  # variance in each direction and all weaker ones
    return rotated[:, tails > negligible * tails[0]]


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise InputError(f"level is {level}; it must be between 0 and 1")


def _check_draws(draws: int) -> None:
    if not isinstance(draws, int) or draws < 1:
        raise InputError(f"draws is {draws!r}; it must be a positive integer")
