"""Images and texts in one embedding space: zero-shot classification, caption retrieval and the modality gap.

Similarity is the cosine; everything is computed in float64.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from asymdistill.metrics.contrastive import unit_rows
from asymdistill.runtime.checks import check_labels
from asymdistill.runtime.errors import InputError

# Images compared with all captions at a time: 40 MB for 10,000 captions.
_BLOCK = 512
# Cosine distance up to which two embeddings may be those of one caption, encoded in different batches.
_SAME = 1e-3


def zero_shot_accuracy(images: Tensor, class_texts: Tensor, labels: Tensor) -> float:
    """Return how often the text closest to an image is that of its class (Radford et al., ICML 2021).

    Args:
        images: N x d embeddings.
        class_texts: C x d, the embedding of each class's prompt.
        labels: N integers, 0 to C - 1.

    Returns:
        Percent, 0 to 100; chance is 100 / C for balanced classes.

    Raises:
        InputError: for unusable embeddings or labels, or if widths do not match.
    """
    pictures, texts = _unit_pair(images, class_texts)
    check_labels("labels", labels, len(images))
    if not bool(((labels >= 0) & (labels < len(texts))).all()):
        raise InputError(f"labels must be 0 to {len(texts) - 1}, rows of the texts")
    predicted = (pictures @ texts.T).argmax(1)
    return 100 * float((predicted == labels.to(predicted.device)).double().mean())


def retrieval(
    images: Tensor, texts: Tensor, caption_ids: Tensor, *, top: Sequence[int] = (1, 5, 10)
) -> dict[int, float]:
    """Return how often an image finds its own caption among the closest ones: recall at k.

    An image's caption is among the closest k if fewer than k other captions have a higher cosine with the image.
    Several images may have the same caption: it counts once.

    Args:
        images: N x d embeddings.
        texts: N x d, row i embeds the caption of image i.
        caption_ids: N integers, equal where captions are equal strings.
        top: values of k, each at least 1.

    Returns:
        For each k the recall in percent, 0 to 100; chance is 100 k / (number of different captions).

    Raises:
        InputError: for unusable embeddings, if shapes do not match, if equal ids have different embeddings, or for a k
            below 1.
    """
    pictures, captions = _unit_pair(images, texts)
    if len(pictures) != len(captions):
        raise InputError(f"images and texts must have one row per pair, not {len(pictures)} and {len(captions)}")
    check_labels("caption_ids", caption_ids, len(images))
    if any(k < 1 for k in top):
        raise InputError(f"top is {list(top)}; each must be at least 1")
    ids, own = torch.unique(caption_ids.to(captions.device), return_inverse=True)
    rows = torch.arange(len(captions), device=captions.device)
    first = rows.new_full((len(ids),), len(captions)).scatter_reduce_(0, own, rows, "amin")
    candidates = captions[first]
    if bool(((candidates[own] * captions).sum(1) < 1 - _SAME).any()):
        raise InputError("caption_ids are equal where texts differ")
    ranks = torch.cat(
        [
            _closer(block, candidates, column)
            for block, column in zip(pictures.split(_BLOCK), own.split(_BLOCK), strict=True)
        ]
    )
    return {k: 100 * float((ranks < k).double().mean()) for k in top}


def modality_gap(images: Tensor, texts: Tensor) -> float:
    """Return the distance between the centres of images and of texts on the unit sphere.

    |mean of x_i / |x_i| - mean of y_j / |y_j|| : Liang et al., "Mind the Gap: Understanding the Modality Gap in
    Multi-modal Contrastive Representation Learning", NeurIPS 2022.

    Args:
        images: N x d embeddings.
        texts: M x d embeddings.

    Returns:
        The Euclidean distance, 0 to 2.

    Raises:
        InputError: for unusable embeddings, or if widths do not match.
    """
    pictures, captions = _unit_pair(images, texts)
    return float(torch.linalg.vector_norm(pictures.mean(0) - captions.mean(0)))


def _unit_pair(images: Tensor, texts: Tensor) -> tuple[Tensor, Tensor]:
    pictures, captions = unit_rows("images", images), unit_rows("texts", texts)
    if pictures.shape[1] != captions.shape[1]:
        raise InputError(f"images and texts must have the same width, not {pictures.shape[1]} and {captions.shape[1]}")
    return pictures, captions.to(pictures.device)


def _closer(images: Tensor, captions: Tensor, own: Tensor) -> Tensor:
    """Return how many captions are closer to each image than its own."""
    scores = images @ captions.T
    return (scores > scores.gather(1, own[:, None])).sum(1)
