"""What a student is trained to minimise."""

import torch.nn.functional as F
from torch import Tensor

from asymdistill.checks import InputError


def cosine_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean of 1 - cosine(student, teacher), equation (1) of the first paper.

    Args:
        student: N x d, any scale; gradients flow through it.
        teacher: N x d, any scale.

    Returns:
        A scalar between 0 and 2, in float32 whatever precision came in.

    Raises:
        InputError: shapes that differ or are not N x d.
    """
    if student.ndim != 2 or student.shape != teacher.shape:
        raise InputError(f"student {tuple(student.shape)} and teacher {tuple(teacher.shape)} must both be N x d")
    return (1 - F.cosine_similarity(student.float(), teacher.float(), dim=1)).mean()
