"""Sums over embeddings that a spectrum is read from, in one pass and float64."""

import torch
from torch import Tensor

# Rows multiplied at a time
_BLOCK_ROWS = 1024
# Columns multiplied at a time; what lies below the diagonal is left out.
_BLOCK_COLUMNS = 128


def mean_embedding(embeddings: Tensor) -> Tensor:
    """Return the mean row in float64, taken relative to the first row, so that equal rows have exactly that as mean."""
    origin = embeddings[0].double()
    return origin + (embeddings.double() - origin).mean(0)


def gram_matrix(embeddings: Tensor, center: bool, products: torch.dtype = torch.float64) -> Tensor:
    """Return X'X of the embeddings, one block of whose rows at a time is held, shifted and multiplied.

    The rows are shifted by the mean of the first block, and what that is off by is put right at the end: a pass over
    all of them for their mean alone would take a third as long as the products. All blocks take the same memory, since
    the system would take longer to give it afresh.

    Args:
        embeddings: N x d, any floating point type, N >= 1.
        center: subtract the mean embedding.
        products: float64, or float32 to multiply rows that are float32 or less precise in that and sum over blocks in
            float64.

    Returns:
        float64, d x d.
    """
    dim, device = embeddings.shape[1], embeddings.device
    blocks = torch.split(embeddings.detach(), _BLOCK_ROWS)
    origin = mean_embedding(blocks[0]).to(products) if center else torch.zeros(dim, dtype=products, device=device)
    shifted = torch.empty(len(blocks[0]), dim, dtype=products, device=device)
    total = torch.zeros(dim, dtype=torch.float64, device=device)
    gram = torch.zeros(dim, dim, dtype=torch.float64, device=device)
    for block in blocks:
        rows = torch.sub(block, origin, out=shifted[: len(block)])
        add_products(gram, rows)
        total += rows.sum(0)
    if center:
        gram.addr_(total, total, alpha=-1 / len(embeddings))
    return gram.triu() + gram.triu(1).T


def add_products(gram: Tensor, rows: Tensor) -> None:
    """Add X'X to a d x d matrix in place, on the diagonal and above: what lies below is not to be read."""
    for start in range(0, len(gram), _BLOCK_COLUMNS):
        part = slice(start, start + _BLOCK_COLUMNS)
        gram[part, start:] += rows[:, part].T @ rows[:, start:]
