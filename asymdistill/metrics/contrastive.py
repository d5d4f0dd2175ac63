"""What a student's embeddings say about the teacher's (InfoNCE), and how evenly they cover the sphere (uniformity).

All embeddings are L2-normalised here and everything is computed in float64.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from asymdistill.runtime.checks import check_embeddings, check_pair
from asymdistill.runtime.errors import InputError, check_positive

# Rows and columns of a block of pairs: 32 MB in float64 at a time.
_BLOCK = 2048


def unit_rows(name: str, embeddings: Tensor) -> Tensor:
    """Return the embeddings with every row divided by its length.

    Args:
        name: what to call them in an error.
        embeddings: N x d, any floating point type.

    Returns:
        float64, N x d.

    Raises:
        InputError: if ``embeddings`` is no finite N x d tensor with N >= 2, or has a row of zeros, hence no direction.
    """
    check_embeddings(name, embeddings)
    rows = embeddings.double()
    norms: Tensor = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    if not bool((norms > 0).all()):
        raise InputError(f"{name} contains a row of zeros, which has no direction")
    return rows / norms


def info_nce(student: Tensor, teacher: Tensor, *, temperature: float = 0.1, batch_size: int = 64) -> float:
    """Return the InfoNCE loss: how hard it is to pick an image's teacher embedding, given its student embedding.

    In consecutive batches of B rows, in the order given, with cosine similarity c and temperature tau: the mean over i
    of -ln(exp(c(s_i, t_i) / tau) / sum_j exp(c(s_i, t_j) / tau)), then the mean over batches; a smaller last batch
    counts as much as the others. Equation: van den Oord et al., "Representation Learning with Contrastive Predictive
    Coding", 2018; the batching is that of the papers' notebook.

    Args:
        student: N x d embeddings.
        teacher: N x d embeddings of the same images in the same order.
        temperature: tau, above 0.
        batch_size: B, at least 2. The loss depends on it: ln(B) is what chance gets.

    Returns:
        The loss in nats, at least 0.

    Raises:
        InputError: if the two do not match, have fewer than two rows, NaN, infinite values or rows of zeros, or if
            ``temperature`` or ``batch_size`` is out of range.
    """
    check_pair(student, teacher)
    check_positive("temperature", temperature)
    _check_batch_size(batch_size)
    own = torch.split(unit_rows("student", student), batch_size)
    targets = torch.split(unit_rows("teacher", teacher), batch_size)
    losses = [_batch_info_nce(s @ t.T / temperature) for s, t in zip(own, targets, strict=True)]
    return float(torch.stack(losses).mean())


def mutual_information_bound(loss: float, batch_size: int = 64) -> float:
    """Return the lower bound on mutual information that an InfoNCE loss gives: I >= ln(B) - loss.

    From the same work as ``info_nce``. It cannot exceed ln(B), whatever the true mutual information.

    Args:
        loss: InfoNCE in nats.
        batch_size: B, the number of candidates the loss was measured among.

    Returns:
        The bound in nats. Below 0 it says nothing.

    Raises:
        InputError: if ``loss`` is negative or not finite, or ``batch_size`` is below 2.
    """
    if not 0 <= loss < math.inf:
        raise InputError(f"loss is {loss}; it must be a finite number of at least 0")
    _check_batch_size(batch_size)
    return math.log(batch_size) - loss


def uniformity(embeddings: Tensor, *, t: float = 2.0, batch_size: int | None = 64, include_self: bool = True) -> float:
    """Return the logarithm of the mean Gaussian potential between embeddings on the unit sphere.

    ln of the mean of exp(-t |z_i - z_j|^2) over pairs: Wang & Isola, "Understanding Contrastive Representation Learning
    through Alignment and Uniformity on the Hypersphere", ICML 2020, who take all pairs of different points. The papers'
    notebook takes consecutive batches of 64 rows, pairs every point with itself as well, and averages the logarithms
    over batches; that is the default here.

    Args:
        embeddings: N x d; they are L2-normalised first.
        t: inverse width of the Gaussian, above 0.
        batch_size: at least 2, or None for all pairs of the N embeddings at once, in blocks of bounded memory.
        include_self: pair every point with itself too. Without, a last batch of one row has no pair and is left out.

    Returns:
        At most 0, which is full collapse; lower is more uniform.

    Raises:
        InputError: if ``embeddings`` has fewer than two rows, NaN, infinite values or rows of zeros, or if ``t`` or
            ``batch_size`` is out of range.
    """
    check_positive("t", t)
    if batch_size is not None:
        _check_batch_size(batch_size)
    rows = unit_rows("embeddings", embeddings)
    batches = torch.split(rows, batch_size or len(rows))
    values = [_log_mean_potential(z, t, include_self) for z in batches if include_self or len(z) > 1]
    return float(torch.stack(values).mean())


def _batch_info_nce(logits: Tensor) -> Tensor:
    """Return the cross-entropy of B x B logits against their diagonal."""
    return F.cross_entropy(logits, torch.arange(len(logits), device=logits.device))


def _log_mean_potential(rows: Tensor, t: float, include_self: bool) -> Tensor:
    """Return ln(mean exp(-t d^2)) over all ordered pairs of unit rows, block by block.

    The potential is symmetric, so blocks below the diagonal are not computed: those above it count twice. Sums stay
    logarithms throughout, because exp(-t d^2) of a large t would underflow.
    """
    blocks = torch.split(rows, _BLOCK)
    sums = []
    for i, left in enumerate(blocks):
        for j, right in enumerate(blocks[i:], start=i):
            log_potential = -t * (2 - 2 * left @ right.T).clamp_min(0)
            if i == j:
                log_potential.fill_diagonal_(0.0 if include_self else -math.inf)
            sums.append(log_potential.logsumexp((0, 1)) + (0.0 if i == j else math.log(2)))
    count = len(rows)
    return torch.stack(sums).logsumexp(0) - math.log(count * (count if include_self else count - 1))


def _check_batch_size(batch_size: int) -> None:
    """Raise ``InputError`` unless ``batch_size`` is an integer of at least 2."""
    if not isinstance(batch_size, int) or batch_size < 2:
        raise InputError(f"batch_size is {batch_size!r}; it must be an integer of at least 2")
