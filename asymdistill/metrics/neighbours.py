"""Nearest neighbours: how well they predict the class, and whether student and teacher have the same ones."""

import numpy as np
from torch import Tensor

from asymdistill.runtime.checks import check_embeddings, check_labels, check_pair
from asymdistill.runtime.errors import InputError


def neighbour_accuracy(train: Tensor, train_labels: Tensor, test: Tensor, test_labels: Tensor, *, k: int = 20) -> float:
    """Return how often the most frequent class of the k nearest training embeddings, by cosine, is the right one.

    Unlike a linear probe it fits nothing and cannot give some directions more weight than others. k = 20 as in Caron et
    al., "Emerging Properties in Self-Supervised Vision Transformers", ICCV 2021, but with equal votes; ties go to the
    class that comes first.

    Args:
        train: N x d, N >= k.
        train_labels: N integers.
        test: M x d.
        test_labels: M integers.
        k: number of neighbours, 1 to N.

    Returns:
        Percent, 0 to 100.

    Raises:
        InputError: if shapes do not match, values are not finite, or k is out of range.
    """
    check_embeddings("train", train, min_rows=1)
    check_embeddings("test", test, min_rows=1)
    check_labels("train_labels", train_labels, len(train))
    check_labels("test_labels", test_labels, len(test))
    if train.shape[1] != test.shape[1]:
        raise InputError(f"train {tuple(train.shape)} and test {tuple(test.shape)} differ in width")
    _check_k(k, len(train))
    from sklearn.neighbors import KNeighborsClassifier

    found = KNeighborsClassifier(k, metric="cosine").fit(train.numpy(), train_labels.numpy()).predict(test.numpy())
    return 100 * float((found == test_labels.numpy()).mean())


def neighbour_overlap(student: Tensor, teacher: Tensor, *, k: int = 10) -> float:
    """Return the mean share of an embedding's k nearest neighbours, by cosine, that it has in both spaces.

    The "mutual k-nearest neighbours" of Huh et al., "The Platonic Representation Hypothesis", ICML 2024.

    Args:
        student: N x d, N > k.
        teacher: N x d', embeddings of the same images in the same order.
        k: number of neighbours, 1 to N - 1; an embedding is not its own neighbour.

    Returns:
        0 to 1; two unrelated spaces share k / (N - 1) by chance.

    Raises:
        InputError: if numbers of rows do not match, values are not finite, or k is out of range.
    """
    check_pair(student, teacher, same_width=False)
    _check_k(k, len(student) - 1)
    from sklearn.neighbors import NearestNeighbors

    own, theirs = (
        NearestNeighbors(n_neighbors=k, metric="cosine").fit(rows.numpy()).kneighbors(return_distance=False)
        for rows in (student, teacher)
    )
    return float(np.mean([len(np.intersect1d(*pair)) / k for pair in zip(own, theirs, strict=True)]))


def _check_k(k: int, most: int) -> None:
    if not 1 <= k <= most:
        raise InputError(f"k is {k}; allowed: 1 to {most}")
