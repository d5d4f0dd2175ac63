"""Number, mean and scatter of embeddings as one matrix: what a part of the rows says, and how parts merge.

The matrix is (d + 1) x (d + 1) in float64: N in the corner, the mean row beside and below it, and the Gram matrix of
the centred rows in the rest. Parts may be batches, files, processes or machines: they merge without loss, in any order.
"""

import torch
from torch import Tensor

from asymdistill.metrics.spectrum import mean_and_gram

# Eigenvalues below this share of the scatter's trace cannot be told from rounding.
_RESOLVED = 1e-14


def moments(embeddings: Tensor) -> Tensor:
    """Return the moments of some embeddings.

    Args:
        embeddings: N x d, any floating point type, N >= 1.

    Returns:
        float64, (d + 1) x (d + 1), on the embeddings' device.
    """
    mean, gram = mean_and_gram(embeddings)
    return _pack(gram.new_tensor(len(embeddings)), mean, gram)


def merge(parts: Tensor, kept: Tensor | None = None) -> Tensor:
    """Return the moments of all rows of several parts together.

    The scatter of the parts' means is taken from differences of means, so that nothing is lost where the mean is far
    larger than the spread: Chan, Golub & LeVeque, "Updating formulae and a pairwise algorithm for computing sample
    variances", COMPSTAT 1982.

    Args:
        parts: float64, k x (d + 1) x (d + 1); a part without rows is all zeros.
        kept: for each part 1, or 0 to leave it out; None: all.

    Returns:
        float64, (d + 1) x (d + 1).
    """
    weights = parts.new_ones(len(parts)) if kept is None else kept.to(parts)
    counts, means = weights * parts[:, 0, 0], parts[:, 0, 1:]
    origin = means[counts.argmax()]
    shifts = torch.where(counts[:, None] > 0, means - origin, 0.0)
    count = counts.sum()
    shift = counts @ shifts / count.clamp_min(1)
    between = (shifts - shift) * counts.sqrt()[:, None]
    within = (weights @ parts.flatten(1)).view_as(parts[0])[1:, 1:]
    return _pack(count, origin + shift, torch.addmm(within, between.T, between))


def count_of(moments: Tensor) -> int:
    """Return N."""
    return int(moments[0, 0])


def scatter_of(moments: Tensor) -> Tensor:
    """Return the Gram matrix of the centred rows, d x d."""
    return moments[1:, 1:]


def roots_of(moments: Tensor, *, center: bool = True) -> Tensor:
    """Return the singular values of the embeddings that have these moments, largest first.

    They are roots of eigenvalues, of which those below 1e-14 of all variance cannot be told from rounding and count as
    zero: a singular value below 1e-7 of the largest is lost.

    Args:
        moments: of N rows.
        center: subtract the mean embedding.

    Returns:
        float64, d values. All exactly zero if all embeddings are equal (and centred).
    """
    scatter = scatter_of(moments)
    if not center:
        scatter = torch.addr(scatter, moments[0, 1:], moments[0, 1:], alpha=float(moments[0, 0]))
    eigenvalues = torch.linalg.eigvalsh(scatter).flip(0)
    return torch.where(eigenvalues > _RESOLVED * scatter.trace(), eigenvalues, 0.0).sqrt()


def _pack(count: Tensor, mean: Tensor, scatter: Tensor) -> Tensor:
    packed = scatter.new_empty((len(mean) + 1, len(mean) + 1))
    packed[0, 0], packed[0, 1:], packed[1:, 0], packed[1:, 1:] = count, mean, mean, scatter
    return packed
