"""The effective rank of a stream of embeddings, as a metric of torchmetrics."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from asymdistill.metrics.spectrum import SPECTRA, effective_rank_of
from asymdistill.runtime.checks import check_embeddings
from asymdistill.runtime.errors import InputError, check_option

# Eigenvalues below this share of the sum of squares cannot be told from rounding.
_RESOLVED = 1e-14


class EffectiveRank(Metric):
    """Effective rank of a stream of embeddings, in memory that does not grow with their number.

    Keeps float64 sums of x and x x^T, O(d^2), which add up over batches, processes and machines. What it computes is
    ``effective_rank`` of all embeddings seen. The mean is subtracted at the end, so digits are lost when it is far
    larger than the spread. Squared singular values below 1e-14 of the embeddings' sum of squares cannot be told from
    rounding and count as zero: an "amplitude" rank of rank-deficient embeddings is good to about 1e-4.

    Args:
        embedding_dim: d.
        center: subtract the mean embedding.
        spectrum: "variance" or "amplitude", see ``effective_rank_of``.
        **kwargs: passed on to ``torchmetrics.Metric``, for instance ``dist_sync_on_step``.

    Raises:
        InputError: if ``embedding_dim`` is no positive integer, or for another ``spectrum``.
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = False

    count: Tensor
    total: Tensor
    gram: Tensor

    def __init__(self, embedding_dim: int, *, center: bool = True, spectrum: str = "variance", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(embedding_dim, int) or embedding_dim < 1:
            raise InputError(f"embedding_dim is {embedding_dim!r}; it must be a positive integer")
        check_option("spectrum", spectrum, SPECTRA)
        self.embedding_dim = embedding_dim
        self.center = center
        self.spectrum = spectrum
        size = (embedding_dim, embedding_dim)
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("total", torch.zeros(embedding_dim, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("gram", torch.zeros(size, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, embeddings: Tensor) -> None:
        """Add a batch of embeddings, N x d with N >= 1; raises ``InputError`` if they are unusable."""
        check_embeddings("embeddings", embeddings, min_rows=1)
        if embeddings.shape[1] != self.embedding_dim:
            raise InputError(f"embeddings must have shape N x {self.embedding_dim}, not {tuple(embeddings.shape)}")
        rows = embeddings.detach().double()
        self.count += len(rows)
        self.total += rows.sum(0)
        self.gram += rows.T @ rows

    def compute(self) -> Tensor:
        """Return the effective rank so far, a float64 scalar; raises ``InputError`` unless two embeddings differ."""
        if self.count < 2:
            raise InputError(f"embeddings: an effective rank needs at least 2 of them, got {int(self.count)}")
        gram = self.gram - torch.outer(self.total, self.total) / self.count if self.center else self.gram
        eigenvalues = torch.linalg.eigvalsh(gram)
        resolved = eigenvalues > _RESOLVED * self.gram.trace()
        values = torch.where(resolved, eigenvalues, 0.0).sqrt()
        return torch.tensor(effective_rank_of(values, spectrum=self.spectrum), dtype=torch.float64, device=gram.device)
