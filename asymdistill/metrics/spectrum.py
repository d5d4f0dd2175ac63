"""The variance spectrum of embeddings: how many dimensions they use, and whose directions those are.

Everything is read off a Gram matrix, d x d, that is summed in float64 over blocks of rows: one pass over N embeddings
of any precision, without a second copy of them. In float32 that sum would leave a tail of 1e-4 on rank-deficient data;
only ``_variance_roots`` may multiply the rows of a block in float32, of very many embeddings of full rank.
"""

import torch
from torch import Tensor

from asymdistill.runtime.checks import check_embeddings, check_pair
from asymdistill.runtime.errors import InputError, check_option

SPECTRA = ("variance", "amplitude")

# Inside the logarithm of the effective rank, as in the papers' notebook
_EPSILON = 1e-10
# Eigenvalues of a Gram matrix are good to about 1e-15 of the largest; below this share the small ones are noise.
_RESOLVED = 1e-9
# Where products in float32 are enough: their errors add up to about 2e-9 of the largest eigenvalue of so many rows.
_FLOAT32_ROWS = 2**14
_FLOAT32_RESOLVED = 1e-7
_BLOCK_ROWS = 1024


def singular_values(embeddings: Tensor, *, center: bool = True) -> Tensor:
    """Return the singular values of the embeddings, largest first.

    Where the Gram matrix resolves them all they are the roots of its eigenvalues; otherwise (rank-deficient data) a
    float64 singular value decomposition keeps the tail right, at the price of a float64 copy.

    Args:
        embeddings: N x d, any floating point type, N >= 2.
        center: subtract the mean embedding first. Without it a large mean hides everything else.

    Returns:
        float64, min(N, d) values, in the units of the embeddings. All exactly zero if all embeddings are equal.

    Raises:
        InputError: if ``embeddings`` has a wrong shape or type, fewer than two rows, NaN or infinite values.
    """
    check_embeddings("embeddings", embeddings)
    squared = _squared_singular_values(embeddings, center)
    if squared[-1] > _RESOLVED * squared[0] or squared[0] == 0:
        return squared.sqrt()
    values: Tensor = torch.linalg.svdvals(_centred(embeddings, center))
    return values


def effective_rank(embeddings: Tensor, *, center: bool = True, spectrum: str = "variance") -> float:
    """Return the effective rank of the embeddings: the exponential of the entropy of their spectrum.

    See ``effective_rank_of`` for the equation. The estimate grows with N until N is many times the rank: compare at
    equal N.

    Args:
        embeddings: N x d, any floating point type, N >= 2.
        center: subtract the mean embedding first.
        spectrum: "variance" (squared singular values, the papers') or "amplitude" (plain ones, RankMe's).

    Returns:
        The effective rank, between 1 and min(N, d), min(N - 1, d) if centred.

    Raises:
        InputError: as ``singular_values`` does, for another ``spectrum``, and if the spectrum is zero: all embeddings
            are equal (zero, if not centred), so no dimension is used and no rank is defined.
    """
    check_option("spectrum", spectrum, SPECTRA)
    if spectrum == "amplitude":
        values = singular_values(embeddings, center=center)
    else:
        values = _variance_roots(embeddings, center)
    return effective_rank_of(values, spectrum=spectrum)


def effective_rank_of(singular_values: Tensor, *, spectrum: str = "variance") -> float:
    r"""Return the effective rank that belongs to given singular values, for instance to a mean over seeds.

    With s the singular values, exp(-\sum_k p_k ln(p_k + 1e-10)) where p_k = s_k^2 / \sum s^2 for "variance" (eq. (2)
    of the first paper, as its notebook runs it) and p_k = s_k / \sum s for "amplitude" (Roy & Vetterli, "The
    effective rank", EUSIPCO 2007; RankMe, Garrido et al., ICML 2023). The two differ by factors.

    Args:
        singular_values: at least one value, none negative, in any order.
        spectrum: "variance" or "amplitude".

    Returns:
        The effective rank, between 1 and the number of values; the 1e-10 moves it by less than 1e-8.

    Raises:
        InputError: if ``singular_values`` is no vector of finite values >= 0, if all are zero, or for another
            ``spectrum``.
    """
    check_option("spectrum", spectrum, SPECTRA)
    p = _shares(singular_values, spectrum)
    return float(torch.exp(-(p * torch.log(p + _EPSILON)).sum()))


def dims_for_variance(embeddings: Tensor, fraction: float = 0.9, *, center: bool = True) -> int:
    """Return how many principal components hold ``fraction`` of the embeddings' variance.

    Args:
        embeddings: N x d, any floating point type, N >= 2.
        fraction: share of the variance, above 0 and up to 1.
        center: subtract the mean embedding first.

    Returns:
        The smallest k whose first k components hold at least ``fraction``.

    Raises:
        InputError: as ``singular_values`` does, if ``fraction`` is out of range and if the spectrum is zero.
    """
    return dims_for_variance_of(_variance_roots(embeddings, center), fraction)


def dims_for_variance_of(singular_values: Tensor, fraction: float = 0.9) -> int:
    """Return how many of the largest singular values hold ``fraction`` of the sum of their squares.

    Args:
        singular_values: at least one value, none negative, in any order.
        fraction: share of the sum of squares, above 0 and up to 1.

    Returns:
        The smallest k whose first k values hold at least ``fraction``.

    Raises:
        InputError: if ``singular_values`` is no vector of finite values >= 0, if all are zero, or if ``fraction`` is
            out of range.
    """
    if not 0 < fraction <= 1:
        raise InputError(f"fraction is {fraction}; it must be above 0 and at most 1")
    held = _shares(singular_values, "variance").sort(descending=True).values.cumsum(0)
    return int((held / held[-1] < fraction).sum()) + 1


def participation_ratio_of(singular_values: Tensor) -> float:
    r"""Return the participation ratio that belongs to given singular values.

    With s the singular values, (\sum s^2)^2 / \sum s^4: the number of equal variances that would be spread as much. It
    weighs the largest variances more than the effective rank does, and never exceeds that of "variance". Source: Gao
    et al., "A theory of multineuronal dimensionality, dynamics and measurement", bioRxiv 214262, 2017.

    Args:
        singular_values: at least one value, none negative, in any order.

    Returns:
        The participation ratio, between 1 and the number of values.

    Raises:
        InputError: if ``singular_values`` is no vector of finite values >= 0, or if all are zero.
    """
    return float(1 / _shares(singular_values, "variance").square().sum())


def subspace_alignment(student: Tensor, teacher: Tensor, directions: Tensor | None = None) -> Tensor:
    """Return which share of the student's variance lies in the teacher's leading principal directions.

    With V the right singular vectors of the centred teacher embeddings and X the centred student embeddings, the k-th
    value is sum_{j <= k} |X v_j|^2 / |X|^2, as in the papers' notebook. It is read off the two Gram matrices:
    |X v|^2 = v' (X'X) v.

    Args:
        student: N x d embeddings.
        teacher: N x d embeddings of the same images.
        directions: ``leading_directions(teacher)``, where many students have one teacher; None: they are computed.

    Returns:
        float64, d values that rise to 1; a student that ignores the teacher's directions gives about k / d.

    Raises:
        InputError: if the two do not match, contain NaN or infinite values, have fewer than two rows, or if either
            one's embeddings are all equal.
    """
    check_pair(student, teacher)
    student_gram = _gram_with_directions("student", student)
    if directions is None:
        directions = leading_directions(teacher)
    held: Tensor = (directions * (student_gram @ directions)).sum(0).clamp_min(0).cumsum(0)
    return held / held[-1]


def leading_directions(teacher: Tensor) -> Tensor:
    """Return the right singular vectors of the centred embeddings, the strongest first.

    Args:
        teacher: N x d embeddings.

    Returns:
        float64, d x d, orthonormal columns.

    Raises:
        InputError: if the embeddings are all equal.
    """
    directions: Tensor = torch.linalg.eigh(_gram_with_directions("teacher", teacher)).eigenvectors.flip(1)
    return directions


def _gram_with_directions(name: str, embeddings: Tensor) -> Tensor:
    gram = gram_matrix(embeddings)
    if not gram.any():
        raise InputError(f"{name} embeddings are all equal: they have no directions to align")
    return gram


def mean_embedding(embeddings: Tensor) -> Tensor:
    """Return the mean row in float64, taken relative to the first row, so that equal rows have exactly that as mean."""
    origin = embeddings[0].double()
    return origin + (embeddings.double() - origin).mean(0)


def gram_matrix(embeddings: Tensor, *, center: bool = True, products: torch.dtype = torch.float64) -> Tensor:
    """Return X'X of the embeddings X; see ``mean_and_gram``, which returns it too."""
    return mean_and_gram(embeddings, center=center, products=products)[1]


def mean_and_gram(
    embeddings: Tensor, *, center: bool = True, products: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor]:
    """Return the mean row and X'X of the embeddings X, block by block.

    The rows are shifted by the mean of the first block, and its error is corrected at the end: a pass over
    all of them for their mean alone would take a third as long as the products.

    Args:
        embeddings: N x d, any floating point type, N >= 1.
        center: subtract the mean embedding from the rows of X.
        products: float64, or float32 to multiply the rows of a block in that; blocks are always summed in float64.

    Returns:
        float64, d values and d x d.
    """
    blocks = torch.split(embeddings.detach(), _BLOCK_ROWS)
    origin = mean_embedding(blocks[0]) * center
    total, gram = torch.zeros_like(origin), torch.zeros_like(torch.outer(origin, origin))
    for block in blocks:
        rows = block.to(products) - origin.to(products)
        gram += _self_product(rows)
        total += rows.sum(0)
    mean = origin + total / len(embeddings)
    return mean, gram.addr_(total, total, alpha=-1 / len(embeddings)) if center else gram


def _self_product(rows: Tensor) -> Tensor:
    """Return X'X; on a CPU by NumPy, which sees that the two factors are one and computes half of the products."""
    if rows.device.type != "cpu":
        return rows.T @ rows
    array = rows.numpy()
    return torch.from_numpy(array.T @ array)


def _variance_roots(embeddings: Tensor, center: bool) -> Tensor:
    """Return singular values whose squares are right to 1e-15 of the largest: all that shares of variance need.

    Very many float32 embeddings on a CPU are multiplied in float32, more than twice as fast, and summed in float64 over
    blocks. So many rounding errors average out: they move the effective rank by about 1e-8, though by up to 1e-5 where
    a few rows hold all the variance. Where they would hide the smallest variances it is all done again in float64.
    """
    check_embeddings("embeddings", embeddings)
    if embeddings.dtype == torch.float32 and embeddings.device.type == "cpu" and len(embeddings) >= _FLOAT32_ROWS:
        squared = _eigenvalues(gram_matrix(embeddings, center=center, products=torch.float32))
        if squared[-1] > _FLOAT32_RESOLVED * squared[0]:
            return squared.sqrt()
    return _squared_singular_values(embeddings, center).sqrt()


def _squared_singular_values(embeddings: Tensor, center: bool) -> Tensor:
    """Return the min(N, d) squared singular values, largest first, from the smaller Gram matrix."""
    if len(embeddings) >= embeddings.shape[1]:
        return _eigenvalues(gram_matrix(embeddings, center=center))
    rows = _centred(embeddings, center)
    return _eigenvalues(rows @ rows.T)


def _centred(embeddings: Tensor, center: bool) -> Tensor:
    rows = embeddings.double()
    return rows - mean_embedding(rows) if center else rows


def _eigenvalues(gram: Tensor) -> Tensor:
    """Return the eigenvalues of a Gram matrix, largest first."""
    eigenvalues: Tensor = torch.linalg.eigvalsh(gram).flip(0).clamp_min(0)
    return eigenvalues


def _shares(singular_values: Tensor, spectrum: str) -> Tensor:
    """Return what share of the spectrum each value has, after checking the values."""
    values = singular_values
    if not isinstance(values, Tensor) or not values.is_floating_point() or values.ndim != 1 or not len(values):
        raise InputError("singular_values must be a floating point vector of at least one value")
    if not bool(torch.isfinite(values).all()) or bool((values < 0).any()):
        raise InputError("singular_values must be finite and not negative")
    largest = values.max().double()
    if largest == 0:
        raise InputError("singular_values are all zero, as those of embeddings that are all equal: no rank is defined")
    weights = values.double() / largest
    if spectrum == "variance":
        weights = weights.square()
    return weights / weights.sum()
