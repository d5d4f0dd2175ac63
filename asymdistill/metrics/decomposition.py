"""Decompositions of embeddings that distinguish a geometric bottleneck from simpler explanations of a low rank.

Underfitting (``component_r_squared``, ``shrinkage_rank``), the structure of the data (``class_ranks``,
``factor_shares``), and a teacher reduced to few directions (``truncate``). The estimator itself is questioned in
``resampling``. Everything is computed in float64.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from asymdistill.metrics.spectrum import effective_rank, effective_rank_of, mean_embedding, singular_values
from asymdistill.runtime.checks import check_embeddings, check_labels, check_pair
from asymdistill.runtime.errors import InputError

# Below this share of the whole variance, float32 embeddings hold nothing but their rounding.
_RESOLVED = 1e-14


def component_r_squared(student: Tensor, teacher: Tensor, directions: Tensor | None = None) -> Tensor:
    """Return how much of each principal component of the teacher the student knows.

    With v_k the k-th principal direction of the teacher, X and Y the centred student and teacher embeddings: R^2_k is
    the squared correlation over images between X v_k and Y v_k. A student that shrinks a component, but gets its
    pattern over the images right, has R^2_k = 1.

    Args:
        student: N x d embeddings.
        teacher: N x d embeddings of the same images.
        directions: those of ``principal_directions(teacher)``, where many students have one teacher; None: they are
            computed.

    Returns:
        float64, min(N - 1, d) values in [0, 1], the teacher's strongest component first. 0 where the student or the
        teacher doesn't vary. A student that knows nothing gets about 1 / (N - 1) by chance.

    Raises:
        InputError: if the two do not match, have fewer than two rows, NaN or infinite values.
    """
    check_pair(student, teacher)
    if directions is None:
        _, directions = principal_directions(teacher)
    directions = directions[:, : len(teacher) - 1]
    x, y = _centred(student), _centred(teacher)
    own, wanted = x @ directions, y @ directions
    own_squares, wanted_squares = own.square().sum(0), wanted.square().sum(0)
    varies = (own_squares > _RESOLVED * x.square().sum()) & (wanted_squares > _RESOLVED * y.square().sum())
    r_squared = (own * wanted).sum(0).square() / (own_squares * wanted_squares)
    return torch.where(varies, r_squared.clamp_max(1), 0.0)


def shrinkage_rank(teacher: Tensor, r_squared: Tensor, roots: Tensor | None = None) -> float:
    r"""Return the effective rank that underfitting alone predicts for a student.

    The best guess of component k that explains R^2_k of its variance lambda_k has itself the variance
    lambda_k R^2_k: the rest is shrunk away. A student of such guesses has the effective rank
    exp(-\sum_k p_k ln p_k), p_k = lambda_k R^2_k / \sum_j lambda_j R^2_j, if they are uncorrelated over images; if they
    are correlated, less, because the eigenvalues of a covariance majorise its diagonal (Schur). No geometry enters.

    Args:
        teacher: N x d embeddings, whose variance spectrum is lambda.
        r_squared: min(N - 1, d) values in [0, 1], as ``component_r_squared`` returns them.
        roots: ``singular_values(teacher)``, where many students have one teacher; None: they are computed.

    Returns:
        The effective rank, variance spectrum.

    Raises:
        InputError: for unusable embeddings, if ``r_squared`` has another length or values outside [0, 1], or if nothing
            of the teacher is explained.
    """
    roots = (singular_values(teacher) if roots is None else roots)[: len(teacher) - 1]
    if not isinstance(r_squared, Tensor) or r_squared.shape != roots.shape:
        raise InputError(f"r_squared must be a tensor of {len(roots)} values, one for each component of the teacher")
    if not bool(((r_squared >= 0) & (r_squared <= 1)).all()):
        raise InputError("r_squared must lie between 0 and 1")
    shrunk = roots * r_squared.to(roots).sqrt()
    if not shrunk.any():
        raise InputError("r_squared explains nothing of the teacher: a student that predicts nothing has no rank")
    return effective_rank_of(shrunk)


@dataclass(frozen=True)
class ClassRanks:
    """Effective ranks of what lies between classes and within them (variance spectra).

    Attributes:
        between: of the class means, weighted by class size: the between-class scatter. At most classes - 1.
        within: of the differences of the embeddings from their class means: the within-class scatter.
        means: of the class means, each counted once. At most classes - 1.
        between_share: share of the total variance that lies between classes, 0 to 1.
    """

    between: float
    within: float
    means: float
    between_share: float


def class_ranks(embeddings: Tensor, labels: Tensor) -> ClassRanks:
    """Split the variance of embeddings into that between classes and that within, and return the rank of each.

    The total scatter is the sum of the between-class and the within-class scatter, those of Fisher's linear
    discriminant analysis.

    Args:
        embeddings: N x d.
        labels: N integers, of two classes or more; need not be consecutive.

    Returns:
        The ranks and the share of variance between classes.

    Raises:
        InputError: for unusable embeddings or labels, for one class only, and if the embeddings differ only between
            classes or only within them, so that one of the ranks is not defined.
    """
    check_embeddings("embeddings", embeddings)
    check_labels("labels", labels, len(embeddings))
    classes, groups, counts = torch.unique(labels.to(embeddings.device), return_inverse=True, return_counts=True)
    if len(classes) < 2:
        raise InputError(f"labels are all {int(classes[0])}; class ranks need at least two classes")
    rows = _centred(embeddings)
    means = _group_means(rows, groups, counts)
    between_share = _between_share(rows, means, counts)
    if not _RESOLVED < between_share < 1 - _RESOLVED:
        where = "within" if between_share < 0.5 else "between"
        raise InputError(f"embeddings differ only {where} classes: a rank is defined only for what differs")
    return ClassRanks(
        between=effective_rank(means * counts[:, None].sqrt(), center=False),
        within=effective_rank(rows - means[groups], center=False),
        means=effective_rank(means),
        between_share=between_share,
    )


def factor_shares(embeddings: Tensor, factors: Mapping[str, Tensor]) -> dict[str, float]:
    """Return the share of the embeddings' variance that each known factor explains.

    Multivariate eta squared: the sum of squares between the groups that share a value, over the total sum of squares.
    Shares of factors that depend on each other overlap, and what only a combination of factors explains is in none.

    Args:
        embeddings: N x d.
        factors: for each name N integers, as in ``scenes.Scenes.factors``.

    Returns:
        For each name a share from 0 to 1. A factor of g values that says nothing gets about (g - 1) / (N - 1).

    Raises:
        InputError: for unusable embeddings or factors, or if the embeddings are all equal.
    """
    check_embeddings("embeddings", embeddings)
    rows = _centred(embeddings)
    if not rows.any():
        raise InputError("embeddings are all equal: they have no variance to explain")
    shares = {}
    for name, values in factors.items():
        check_labels(f"factors[{name!r}]", values, len(embeddings))
        _, groups, counts = torch.unique(values.to(rows.device), return_inverse=True, return_counts=True)
        shares[name] = _between_share(rows, _group_means(rows, groups, counts), counts)
    return shares


def principal_directions(embeddings: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean of embeddings and their principal directions.

    Args:
        embeddings: N x d.

    Returns:
        The mean, d values, and an orthonormal d x d matrix whose columns are the directions, largest variance first;
        both float64. Directions without variance, as the last ones if N <= d, are an arbitrary basis of what is left.

    Raises:
        InputError: for unusable embeddings.
    """
    check_embeddings("embeddings", embeddings)
    rows = _centred(embeddings)
    return mean_embedding(embeddings), torch.linalg.eigh(rows.T @ rows).eigenvectors.flip(1)


def random_directions(dim: int, count: int, generator: torch.Generator) -> Tensor:
    """Return an orthonormal basis of a random subspace, all subspaces being equally likely.

    Args:
        dim: d, of the space.
        count: k, of the subspace, 1 to d.
        generator: draws the basis, on the CPU.

    Returns:
        float64, d x k.

    Raises:
        InputError: if ``count`` is not in 1 to ``dim``.
    """
    if not 1 <= count <= dim:
        raise InputError(f"count is {count}; it must be 1 to {dim}, the dimensions of the space")
    basis: Tensor = torch.linalg.qr(torch.randn(dim, count, generator=generator, dtype=torch.float64)).Q
    return basis


def truncate(embeddings: Tensor, mean: Tensor, directions: Tensor) -> Tensor:
    """Return what a perfect student confined to some directions would give: mean + V V' (z - mean).

    Args:
        embeddings: N x d, for instance test images, while mean and directions come from training images.
        mean: d values.
        directions: V, orthonormal columns, d x k: some of ``principal_directions`` or ``random_directions``.

    Returns:
        float64, N x d, not L2-normalised.

    Raises:
        InputError: for unusable embeddings, if shapes do not match, or if the directions are not orthonormal.
    """
    check_embeddings("embeddings", embeddings, min_rows=1)
    check_embeddings("directions", directions, min_rows=1)
    width = embeddings.shape[1]
    if mean.shape != (width,) or len(directions) != width:
        shapes = f"{tuple(mean.shape)} and {tuple(directions.shape)}"
        raise InputError(f"mean and directions must have shapes ({width},) and {width} x k, not {shapes}")
    basis = directions.to(embeddings.device, torch.float64)
    if not torch.allclose(basis.T @ basis, torch.eye(basis.shape[1]).to(basis), atol=1e-6):
        raise InputError("directions must be orthonormal columns")
    origin = mean.to(basis)
    return origin + (embeddings.double() - origin) @ basis @ basis.T


def _centred(embeddings: Tensor) -> Tensor:
    return embeddings.double() - mean_embedding(embeddings)


def _group_means(rows: Tensor, groups: Tensor, counts: Tensor) -> Tensor:
    sums = rows.new_zeros(len(counts), rows.shape[1]).index_add_(0, groups, rows)
    return sums / counts[:, None]


def _between_share(rows: Tensor, means: Tensor, counts: Tensor) -> float:
    """Return the share of the sum of squares of centred rows that lies between their group means."""
    return float((counts[:, None] * means.square()).sum() / rows.square().sum())
