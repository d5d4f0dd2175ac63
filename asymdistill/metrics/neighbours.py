"""Nearest neighbours: which classes they tell, and whether a student has the teacher's."""

import numpy as np
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from torch import Tensor

from asymdistill.runtime.checks import check_embeddings, check_labels
from asymdistill.runtime.errors import InputError


def neighbour_accuracy(train: Tensor, train_labels: Tensor, test: Tensor, test_labels: Tensor, *, k: int = 20) -> float:
    """Share of test embeddings whose class is the most frequent among the k nearest training embeddings, by cosine.

    Unlike a linear probe it fits nothing and can't give some directions more weight than others; k = 20 as in Caron et
    al., "Emerging Properties in Self-Supervised Vision Transformers", ICCV 2021, with equal votes; among classes
    with as many, the first.

    Args:
        train: N x d, N >= k.
        train_labels: N integers.
        test: M x d.
        test_labels: M integers.
        k: neighbours, at least 1.

    Returns:
        Percent, 0 to 100.

    Raises:
        InputError: shapes that do not match, values that are not finite, or k out of range.
    """
    check_embeddings("train", train, min_rows=1)
    check_embeddings("test", test, min_rows=1)
    check_labels("train_labels", train_labels, len(train))
    check_labels("test_labels", test_labels, len(test))
    if train.shape[1] != test.shape[1]:
        raise InputError(f"train {tuple(train.shape)} and test {tuple(test.shape)} differ in width")
    _check_k(k, len(train))
    found = KNeighborsClassifier(k, metric="cosine").fit(train.numpy(), train_labels.numpy()).predict(test.numpy())
    return 100 * float((found == test_labels.numpy()).mean())


def neighbour_overlap(student: Tensor, teacher: Tensor, *, k: int = 10) -> float:
    """Share of an embedding's k nearest neighbours that it has in both spaces, by cosine, the mean over all.

    The "mutual k-nearest neighbours" of Huh et al., "The Platonic Representation Hypothesis", ICML 2024.

    Args:
        student: N x d, N > k.
        teacher: N x any width, the same images in the same order.
        k: neighbours, at least 1; an embedding is none of its own.

    Returns:
        0 to 1; two unrelated spaces share k / (N - 1) by chance.

    Raises:
        InputError: numbers that do not match, values that are not finite, or k out of range.
    """
    for name, embeddings in (("student", student), ("teacher", teacher)):
        check_embeddings(name, embeddings)
    if len(student) != len(teacher):
        raise InputError(f"student has {len(student)} rows and teacher {len(teacher)}")
    _check_k(k, len(student) - 1)
    own, theirs = (
        NearestNeighbors(n_neighbors=k, metric="cosine").fit(rows.numpy()).kneighbors(return_distance=False)
        for rows in (student, teacher)
    )
    return float(np.mean([len(np.intersect1d(*pair)) / k for pair in zip(own, theirs, strict=True)]))


def _check_k(k: int, most: int) -> None:
    if not 1 <= k <= most:
        raise InputError(f"k is {k}; allowed: 1 to {most}")
