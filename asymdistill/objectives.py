"""What a student is trained to minimise."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asymdistill.checks import InputError, check_embeddings


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


class LabelLoss(nn.Module):
    """Cross-entropy of a linear classifier on the embeddings, which is trained along with the student.

    Args:
        embedding_dim: d.
        classes: number of classes.
        seed: of the classifier's initial weights; the global generator is left as it was found.
    """

    def __init__(self, embedding_dim: int, classes: int, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.classifier = nn.Linear(embedding_dim, classes)

    def forward(self, student: Tensor, labels: Tensor) -> Tensor:
        """Mean cross-entropy, a float32 scalar, of embeddings, N x d, whose classes are ``labels``, int64, N."""
        return F.cross_entropy(self.classifier(student.float()), labels)


def whitened(targets: Tensor, *, ridge: float = 0.01) -> Tensor:
    r"""Targets whose every direction carries nearly the same variance: the teacher's embeddings, whitened.

    With the eigenvectors U and eigenvalues l_k of the targets' covariance, U diag((l_k + r mean(l))^{-1/2}) U' (z -
    mean), so that a cosine loss cares for the small directions as for the large ones. The ridge r keeps directions
    that hold hardly any variance, and so are mostly rounding, from being blown up; r = 0 whitens fully (ZCA; Bell &
    Sejnowski, Vision Research 1997).

    Args:
        targets: N x d, N >= 2.
        ridge: r, at least 0, in units of the mean variance of a direction.

    Returns:
        N x d, in the targets' precision.

    Raises:
        InputError: targets of a wrong shape, that are not finite, or that are all equal.
    """
    check_embeddings("targets", targets)
    rows = targets.double()
    centred = rows - rows.mean(0)
    values, directions = torch.linalg.eigh(centred.T @ centred / len(rows))
    values = values.clamp_min(0)
    if not float(values[-1]) > 0:
        raise InputError("targets are all equal: they have no directions to whiten")
    floor = max(ridge * float(values.mean()), 1e-12 * float(values[-1]))
    white: Tensor = centred @ (directions * (values + floor).rsqrt()) @ directions.T
    return white.to(targets.dtype)
