"""The effective rank of a stream of embeddings, as a metric of torchmetrics."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric

from asymdistill.metrics.moments import count_of, merge, moments, roots_of
from asymdistill.metrics.spectrum import SPECTRA, effective_rank_of
from asymdistill.runtime.checks import check_embeddings
from asymdistill.runtime.errors import InputError, check_option


class EffectiveRank(Metric):
    """Effective rank of a stream of embeddings, in memory that does not grow with their number.

    What it computes is ``effective_rank`` of all embeddings seen, by all processes where several train together. It
    keeps their number, mean and centred Gram matrix in float64, O(d^2), which merge over batches, processes and
    machines. A large mean costs no digits. Squared singular values below 1e-14 of the variance cannot be told from
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

    moments: Tensor

    def __init__(self, embedding_dim: int, *, center: bool = True, spectrum: str = "variance", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(embedding_dim, int) or embedding_dim < 1:
            raise InputError(f"embedding_dim is {embedding_dim!r}; it must be a positive integer")
        check_option("spectrum", spectrum, SPECTRA)
        self.embedding_dim = embedding_dim
        self.center = center
        self.spectrum = spectrum
        size = (embedding_dim + 1, embedding_dim + 1)
        self.add_state("moments", torch.zeros(size, dtype=torch.float64), dist_reduce_fx=merge)

    def update(self, embeddings: Tensor | NDArray[np.floating[Any]]) -> None:
        """Add a batch of embeddings.

        Args:
            embeddings: N x d with N >= 1, a tensor on any device or a NumPy array, of any floating point type.

        Raises:
            InputError: if they are of another shape or type, or contain NaN or infinite values.
        """
        rows: Any = embeddings
        if isinstance(rows, np.ndarray) and rows.dtype.kind == "f":
            rows = torch.tensor(rows.astype(rows.dtype.newbyteorder("="), copy=False))
        check_embeddings("embeddings", rows, min_rows=1)
        if rows.shape[1] != self.embedding_dim:
            raise InputError(f"embeddings must have shape N x {self.embedding_dim}, not {tuple(rows.shape)}")
        batch = moments(rows.detach().to(self.moments.device))
        self.moments = merge(torch.stack([self.moments, batch]))

    def compute(self) -> Tensor:
        """Return the effective rank so far, a float64 scalar; raises ``InputError`` unless two embeddings differ."""
        if count_of(self.moments) < 2:
            raise InputError(f"embeddings: an effective rank needs at least 2 of them, got {count_of(self.moments)}")
        rank = effective_rank_of(roots_of(self.moments, center=self.center), spectrum=self.spectrum)
        return torch.tensor(rank, dtype=torch.float64, device=self.moments.device)
