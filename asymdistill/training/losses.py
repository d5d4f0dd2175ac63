"""What a student is trained to minimise.

Every objective maps a batch of student embeddings, N x d of any scale, and its targets to a scalar. All arithmetic is
in float32 whatever precision comes in, also within an autocast region.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asymdistill.runtime.checks import check_embeddings
from asymdistill.runtime.errors import InputError, check_option, check_positive
from asymdistill.runtime.seeding import seeded

POSITIVES = ("teacher", "views")
# VICReg's own weights of its variance and covariance terms, in units of that of its invariance term.
VICREG_VARIANCE, VICREG_COVARIANCE = 1.0, 0.04


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
    _check_same_shape(student, teacher)
    return (1 - F.cosine_similarity(student.float(), teacher.float(), dim=1)).mean()


def info_nce(student: Tensor, teacher: Tensor, *, temperature: float = 0.1, symmetric: bool = False) -> Tensor:
    """Cross-entropy of finding each image's teacher embedding among the batch's, given its student embedding.

    With cosine similarity c and temperature tau, the mean over i of -ln(exp(c(s_i, t_i) / tau) / sum_j exp(c(s_i, t_j)
    / tau)): van den Oord et al., "Representation Learning with Contrastive Predictive Coding", 2018. Towards the
    teacher as in Tian et al., "Contrastive Representation Distillation", ICLR 2020, with the batch for a memory.

    Args:
        student: N x d, any scale; gradients flow through it.
        teacher: N x d, any scale.
        temperature: tau, above 0.
        symmetric: take the mean with the other direction, of finding the student's embedding given the teacher's, as
            CLIP does (Radford et al., 2021).

    Returns:
        A scalar in nats, float32: ln(N) is what chance gets.

    Raises:
        InputError: shapes that differ or are not N x d, or a temperature out of range.
    """
    _check_same_shape(student, teacher)
    check_positive("temperature", temperature)
    with _full_precision(student):
        logits = _unit(student) @ _unit(teacher).T / temperature
        targets = torch.arange(len(logits), device=logits.device)
        loss = F.cross_entropy(logits, targets)
        return (loss + F.cross_entropy(logits.T, targets)) / 2 if symmetric else loss


def nt_xent(first: Tensor, second: Tensor, *, temperature: float = 0.1, symmetric: bool = True) -> Tensor:
    """Cross-entropy of finding the other view of an image among all views of the batch, given one.

    NT-Xent of Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", ICML 2020: the
    candidates are the 2 N - 1 other embeddings, those of the same view included.

    Args:
        first: N x d, one view of each image, any scale.
        second: N x d, another view of the same images in the same order.
        temperature: above 0.
        symmetric: given either view, as the source has it; else given the first only.

    Returns:
        A scalar in nats, float32: ln(2 N - 1) is what chance gets.

    Raises:
        InputError: shapes that differ or are not N x d, or a temperature out of range.
    """
    _check_same_shape(first, second, ("first", "second"))
    check_positive("temperature", temperature)
    with _full_precision(first):
        views = torch.cat([_unit(first), _unit(second)])
        itself = torch.eye(len(views), dtype=torch.bool, device=views.device)
        logits = (views @ views.T / temperature).masked_fill(itself, -torch.inf)
        targets = torch.arange(len(views), device=views.device).roll(len(first))
        anchors = len(views) if symmetric else len(first)
        return F.cross_entropy(logits[:anchors], targets[:anchors])


def variance_and_covariance(student: Tensor) -> Tensor:
    r"""VICReg's terms against collapse: that every coordinate varies, and that none repeats another.

    With C the covariance over the batch, ddof = 1: the mean over coordinates of max(0, 1 - sqrt(C_jj + 1e-4)), plus
    0.04 times the sum of the squares of C's other entries, divided by d. Bardes, Ponce & LeCun, "VICReg", ICLR 2022,
    with that paper's weights of 25 and 1 divided by the 25 of its invariance term, which the cosine replaces here.

    Args:
        student: N x d, N >= 2, as the network gives them: their scale counts.

    Returns:
        A scalar, float32.

    Raises:
        InputError: not N x d, or one row.
    """
    _check_batch("student", student)
    with _full_precision(student):
        rows = student.float()
        centred = rows - rows.mean(0)
        covariance = centred.T @ centred / (len(rows) - 1)
        spread = (covariance.diagonal() + 1e-4).sqrt()
        others = covariance.square().sum() - covariance.diagonal().square().sum()
        return VICREG_VARIANCE * F.relu(1 - spread).mean() + VICREG_COVARIANCE * others / rows.shape[1]


def uniformity(student: Tensor, *, t: float = 2.0) -> Tensor:
    """Logarithm of the mean of exp(-t |x - y|^2) over all pairs of a batch, on the unit sphere.

    Wang & Isola, "Understanding Contrastive Representation Learning through Alignment and Uniformity on the
    Hypersphere", ICML 2020. Pairs of a point with itself, which the first paper's measurement counts, are left out.

    Args:
        student: N x d, N >= 2, any scale.
        t: above 0.

    Returns:
        A scalar of at most 0, float32.

    Raises:
        InputError: not N x d, one row, or t out of range.
    """
    _check_batch("student", student)
    check_positive("t", t)
    with _full_precision(student):
        rows = _unit(student)
        above = torch.triu_indices(len(rows), len(rows), offset=1, device=rows.device)
        cosines = (rows @ rows.T)[above[0], above[1]]
        # |x - y|^2 = 2 - 2 cos on the sphere; the logarithm of the mean without leaving the logarithms.
        return torch.logsumexp(-t * (2 - 2 * cosines), dim=0) - torch.log(torch.tensor(float(len(cosines))))


class DistillationLoss(nn.Module):
    """Cosine distance to the teacher plus a weighted InfoNCE term, the second paper's objective.

    Args:
        infonce_weight: of the InfoNCE term; 0: the first paper's objective.
        temperature: of the InfoNCE term.
        positives: the positive of an image's embedding: the ``teacher``'s embedding of the same image, or the student's
            own embedding of a second, augmented view (``views``, the first paper's outlook).
        symmetric: take the mean of both directions of the cross-entropy.

    Attributes:
        two_views: whether it takes the embeddings of a second view.

    Raises:
        InputError: an option out of range.
    """

    def __init__(
        self,
        infonce_weight: float = 0.0,
        temperature: float = 0.1,
        positives: str = "teacher",
        *,
        symmetric: bool = False,
    ) -> None:
        super().__init__()
        _check_weight("infonce_weight", infonce_weight)
        check_positive("temperature", temperature)
        check_option("positives", positives, POSITIVES)
        self.infonce_weight = infonce_weight
        self.temperature = temperature
        self.symmetric = symmetric
        self.two_views = positives == "views" and infonce_weight > 0

    def forward(self, student: Tensor, teacher: Tensor, second_view: Tensor | None = None) -> Tensor:
        """The loss of a batch.

        Args:
            student: N x d, any scale.
            teacher: N x d, the same images' embeddings by the teacher.
            second_view: N x d, the student's embeddings of augmented copies, where ``two_views``.

        Returns:
            A scalar, float32.

        Raises:
            InputError: shapes that do not match, or a second view that is missing or not taken.
        """
        if (second_view is not None) != self.two_views:
            raise InputError(f"second_view is {'missing' if self.two_views else 'given, but not taken'}")
        distance = cosine_distance(student, teacher)
        if self.infonce_weight == 0:
            return distance
        if second_view is None:
            contrast = info_nce(student, teacher, temperature=self.temperature, symmetric=self.symmetric)
        else:
            contrast = nt_xent(student, second_view, temperature=self.temperature, symmetric=self.symmetric)
        return distance + self.infonce_weight * contrast


class RegularisedLoss(nn.Module):
    """Cosine distance to the teacher plus a weighted term that depends on the student's embeddings alone.

    Args:
        term: maps student embeddings, N x d, to a scalar, say ``variance_and_covariance``.
        weight: at least 0; anything else raises ``InputError``.
    """

    def __init__(self, term: Callable[[Tensor], Tensor], weight: float = 1.0) -> None:
        super().__init__()
        _check_weight("weight", weight)
        self.term = term
        self.weight = weight

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """The loss of a batch: a float32 scalar from two N x d tensors."""
        return cosine_distance(student, teacher) + self.weight * self.term(student)


class LabelLoss(nn.Module):
    """Cross-entropy of a linear classifier on the embeddings, which is trained along with the student.

    Args:
        embedding_dim: d.
        classes: number of classes.
        seed: of the classifier's initial weights; the global generator is left as it was found.
    """

    def __init__(self, embedding_dim: int, classes: int, seed: int) -> None:
        super().__init__()
        with seeded(seed):
            self.classifier = nn.Linear(embedding_dim, classes)

    def forward(self, student: Tensor, labels: Tensor) -> Tensor:
        """Mean cross-entropy, a float32 scalar, of embeddings, N x d, whose classes are ``labels``, int64, N."""
        return F.cross_entropy(self.classifier(student.float()), labels)


def centred(targets: Tensor) -> Tensor:
    r"""The teacher's embeddings without their mean: targets whose differences alone count in a cosine loss.

    (z - mean) / |z - mean|. A teacher's embeddings lie in a cone around their mean (anisotropy; Liang et al., NeurIPS
    2022), so that a student that always answers with the mean already has a small cosine distance to all of them.

    Args:
        targets: N x d, N >= 2.

    Returns:
        N x d, of length 1, in the targets' precision; a row that is the mean itself becomes 0.

    Raises:
        InputError: targets of a wrong shape, that are not finite, or that are all equal.
    """
    return F.normalize(_off_their_mean(targets), dim=1).to(targets.dtype)


def whitened(targets: Tensor, *, ridge: float = 0.01) -> Tensor:
    r"""The teacher's embeddings, whitened: targets with nearly the same variance in every direction.

    With the eigenvectors U and eigenvalues l_k of the targets' covariance, U diag((l_k + r mean(l))^{-1/2}) U' (z -
    mean), so that small directions count as much as large ones in a cosine loss. The ridge r keeps directions with
    hardly any variance, which are mostly rounding errors, from being amplified; r = 0 whitens fully (ZCA; Bell &
    Sejnowski, Vision Research 1997).

    Args:
        targets: N x d, N >= 2.
        ridge: r, at least 0, in units of the mean variance of a direction.

    Returns:
        N x d, in the targets' precision.

    Raises:
        InputError: targets of a wrong shape, that are not finite, or that are all equal.
    """
    rows = _off_their_mean(targets)
    values, directions = torch.linalg.eigh(rows.T @ rows / len(rows))
    values = values.clamp_min(0)
    floor = max(ridge * float(values.mean()), 1e-12 * float(values[-1]))
    white: Tensor = rows @ (directions * (values + floor).rsqrt()) @ directions.T
    return white.to(targets.dtype)


def _off_their_mean(targets: Tensor) -> Tensor:
    """Targets minus their mean, in double precision."""
    check_embeddings("targets", targets)
    if bool((targets == targets[0]).all()):
        raise InputError("targets are all equal: without their mean nothing is left of them")
    rows = targets.double()
    return rows - rows.mean(0)


def _unit(rows: Tensor) -> Tensor:
    return F.normalize(rows.float(), dim=1)


def _full_precision(like: Tensor) -> torch.autocast:
    """A region in which a surrounding autocast doesn't round the logits."""
    return torch.autocast(like.device.type, enabled=False)


def _check_weight(name: str, weight: float) -> None:
    if not 0 <= weight < float("inf"):
        raise InputError(f"{name} is {weight}; it must be a finite number of at least 0")


def _check_same_shape(first: Tensor, second: Tensor, names: tuple[str, str] = ("student", "teacher")) -> None:
    if first.ndim != 2 or first.shape != second.shape:
        one, other = names
        raise InputError(f"{one} {tuple(first.shape)} and {other} {tuple(second.shape)} must both be N x d")


def _check_batch(name: str, rows: Tensor) -> None:
    if rows.ndim != 2 or len(rows) < 2:
        raise InputError(f"{name} {tuple(rows.shape)} must be N x d with at least two rows")
