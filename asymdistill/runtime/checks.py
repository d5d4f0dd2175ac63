"""Checks of tensors: shape, type and finite values."""

import torch
from torch import Tensor

from asymdistill.runtime.errors import InputError


def check_embeddings(name: str, embeddings: Tensor, *, min_rows: int = 2) -> None:
    """Raise ``InputError`` unless ``embeddings`` is a finite floating point tensor, N x d with N >= ``min_rows``."""
    if not isinstance(embeddings, Tensor) or not embeddings.is_floating_point():
        kind = embeddings.dtype if isinstance(embeddings, Tensor) else type(embeddings).__name__
        raise InputError(f"{name} must be a floating point tensor, not {kind}")
    if embeddings.ndim != 2 or embeddings.shape[1] < 1:
        raise InputError(f"{name} must have shape N x d, not {tuple(embeddings.shape)}")
    if embeddings.shape[0] < min_rows:
        raise InputError(f"{name} needs at least {min_rows} rows, got {embeddings.shape[0]}")
    # The sum is finite only if everything is, and far quicker to have; it may overflow where nothing is infinite.
    if not bool(torch.isfinite(embeddings.sum())) and not bool(torch.isfinite(embeddings).all()):
        raise InputError(f"{name} contains NaN or infinite values")


def check_pair(student: Tensor, teacher: Tensor, *, same_width: bool = True) -> None:
    """Check a student's and a teacher's embeddings of the same images: both N x d, same N (and d, unless waived)."""
    check_embeddings("student", student)
    check_embeddings("teacher", teacher)
    if student.shape[0] != teacher.shape[0] or (same_width and student.shape[1] != teacher.shape[1]):
        raise InputError(f"student {tuple(student.shape)} and teacher {tuple(teacher.shape)} do not match in shape")


def check_images(name: str, images: Tensor) -> None:
    """Raise ``InputError`` unless ``images`` is a uint8 tensor of shape N x H x W x 3."""
    if not isinstance(images, Tensor) or images.dtype != torch.uint8:
        kind = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise InputError(f"{name} must be a uint8 tensor, not {kind}")
    if images.ndim != 4 or images.shape[-1] != 3:
        raise InputError(f"{name} must have shape N x H x W x 3, not {tuple(images.shape)}")


def check_labels(name: str, labels: Tensor, count: int) -> None:
    """Raise ``InputError`` unless ``labels`` is a tensor of ``count`` integers."""
    if not isinstance(labels, Tensor) or labels.is_floating_point() or labels.dtype == torch.bool:
        raise InputError(f"{name} must be a tensor of integers")
    if labels.shape != (count,):
        raise InputError(f"{name} must have shape {(count,)}, one for each embedding, not {tuple(labels.shape)}")
