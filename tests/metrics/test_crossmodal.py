"""Zero-shot accuracy, retrieval and the modality gap against scikit-learn, plain loops and closed forms."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import top_k_accuracy_score
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.neighbors import KNeighborsClassifier

from asymdistill.metrics.crossmodal import modality_gap, retrieval, zero_shot_accuracy
from asymdistill.runtime.errors import InputError

quick = settings(max_examples=30)


def normal(rows: int, dim: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(rows, dim)))


def captioned(rows: int, dim: int, captions: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images near the text of their caption, of which there are few."""
    ids = torch.from_numpy(np.random.default_rng(seed).integers(0, captions, rows))
    texts = normal(captions, dim, seed)[ids]
    return texts + normal(rows, dim, seed + 1), texts, ids


def slow_recall(images: torch.Tensor, texts: torch.Tensor, ids: torch.Tensor, k: int) -> float:
    scores = cosine_similarity(images.numpy(), texts.numpy())
    found = 0
    for i, row in enumerate(scores):
        closer = {int(ids[j]) for j in range(len(row)) if ids[j] != ids[i] and row[j] > row[i]}
        found += len(closer) < k
    return 100 * found / len(scores)


# --- zero-shot


def test_zero_shot_is_the_nearest_text_by_cosine():
    images, texts = normal(300, 6), normal(5, 6, seed=1)
    labels = torch.from_numpy(np.random.default_rng(2).integers(0, 5, 300))
    neighbour = KNeighborsClassifier(1, metric="cosine").fit(texts.numpy(), np.arange(5))
    accuracy = zero_shot_accuracy(images, texts, labels)
    assert isinstance(accuracy, float)
    assert accuracy == pytest.approx(100 * neighbour.score(images.numpy(), labels.numpy()))
    assert zero_shot_accuracy(images.float(), 3 * texts, labels.int()) == pytest.approx(accuracy)


def test_zero_shot_of_known_directions():
    images = torch.tensor([[9.0, 1.0], [0.1, 0.2], [-1.0, 3.0], [5.0, -2.0]])
    assert zero_shot_accuracy(images, torch.eye(2), torch.tensor([0, 1, 0, 0])) == 75


def test_labels_without_a_text_are_refused():
    images, texts = normal(4, 3), normal(2, 3)
    for labels in ([0, 1, 2, 0], [0, -1, 0, 0]):
        with pytest.raises(InputError, match="labels must be 0 to 1"):
            zero_shot_accuracy(images, texts, torch.tensor(labels))
    for labels in (torch.zeros(4), torch.zeros(3).long()):
        with pytest.raises(InputError, match="labels must"):
            zero_shot_accuracy(images, texts, labels)


# --- retrieval


def test_recall_among_different_captions_is_top_k_accuracy():
    texts = normal(700, 8)  # more rows than one block holds
    images = texts + normal(700, 8, seed=1)
    recall = retrieval(images, texts, torch.arange(700), top=(1, 5, 10, 100))
    scores = cosine_similarity(images.numpy(), texts.numpy())
    expected = {k: 100 * top_k_accuracy_score(np.arange(700), scores, k=k) for k in (1, 5, 10, 100)}
    assert recall == pytest.approx(expected)
    assert 0 < recall[1] < recall[5] < 100


@pytest.mark.parametrize("captions", [2, 5, 40, 200])
def test_equal_captions_count_once(captions):
    images, texts, ids = captioned(60, 4, captions)
    recall = retrieval(images, texts, ids)
    assert list(recall) == [1, 5, 10]
    assert recall == pytest.approx({k: slow_recall(images, texts, ids, k) for k in (1, 5, 10)})


def test_the_same_caption_of_another_image_is_no_error():
    images = torch.tensor([[1.0, 0.1], [1.0, 0.2], [0.3, 1.0]])
    texts = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert retrieval(images, texts, torch.tensor([4, 4, 9]), top=[1]) == {1: 100}
    assert retrieval(images.flip(0), texts, torch.tensor([4, 4, 9]), top=[1, 2]) == {1: pytest.approx(100 / 3), 2: 100}


def test_a_caption_encoded_twice_may_differ_by_rounding():
    images, texts, ids = captioned(60, 16, 5)
    nearly = texts + 1e-6 * normal(60, 16, seed=9)
    assert retrieval(images, nearly, ids) == retrieval(images, texts, ids)


@quick
@given(seed=st.integers(0, 2**31), rows=st.integers(2, 40), captions=st.integers(1, 40))
def test_recall_rises_with_k_and_ignores_order_names_rotation_and_length(seed, rows, captions):
    images, texts, ids = captioned(rows, 5, captions, seed)
    recall = retrieval(images, texts, ids, top=(1, 2, 3, 40))
    assert list(recall.values()) == sorted(recall.values())
    assert recall[40] == 100  # there are no more captions
    rng = np.random.default_rng(seed)
    turn, order = torch.from_numpy(np.linalg.qr(rng.normal(size=(5, 5)))[0]), torch.from_numpy(rng.permutation(rows))
    again = retrieval(3 * (images @ turn)[order], 0.5 * (texts @ turn)[order], (5 - 2 * ids)[order], top=(1, 2, 3, 40))
    assert again == pytest.approx(recall)


def test_retrieval_refuses_what_does_not_fit():
    images, texts, ids = captioned(20, 4, 6)
    with pytest.raises(InputError, match="one row per pair, not 20 and 19"):
        retrieval(images, texts[:19], ids[:19])
    for bad in (ids.double(), ids[:19]):
        with pytest.raises(InputError, match="caption_ids must"):
            retrieval(images, texts, bad)
    with pytest.raises(InputError, match="caption_ids are equal where texts differ"):
        retrieval(images, texts, ids // 2)
    with pytest.raises(InputError, match="top"):
        retrieval(images, texts, ids, top=(0, 1))


# --- the gap


def test_the_gap_of_known_points():
    right, up = torch.tensor([[1.0, 0.0]]).repeat(4, 1), torch.tensor([[0.0, 3.0]]).repeat(2, 1)
    assert modality_gap(right, right) == 0
    assert modality_gap(right, up) == pytest.approx(math.sqrt(2))
    assert modality_gap(right, -5 * right) == pytest.approx(2)
    assert modality_gap(torch.eye(2), right) == pytest.approx(math.sqrt(0.5))  # from (1/2, 1/2) to (1, 0)


@quick
@given(seed=st.integers(0, 2**31), shift=st.floats(-5, 5))
def test_the_gap_is_symmetric_bounded_and_ignores_rotation(seed, shift):
    images, texts = normal(30, 4, seed) + shift, normal(12, 4, seed + 1)
    gap = modality_gap(images, texts)
    assert 0 <= gap <= 2
    x, y = (z.numpy() / np.linalg.norm(z.numpy(), axis=1, keepdims=True) for z in (images, texts))
    assert gap == pytest.approx(np.linalg.norm(x.mean(0) - y.mean(0)))
    turn = torch.from_numpy(np.linalg.qr(np.random.default_rng(seed).normal(size=(4, 4)))[0])
    assert modality_gap(texts @ turn, images @ turn) == pytest.approx(gap)


MEASURES = {
    "zero-shot": lambda images, texts: zero_shot_accuracy(images, texts, torch.zeros(len(images)).long()),
    "retrieval": lambda images, texts: retrieval(images, texts, torch.arange(len(images))),
    "gap": modality_gap,
}


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES.keys())
def test_unusable_embeddings_are_refused(measure):
    good = normal(6, 3)
    for bad in (good * math.nan, good[:1], good[0], good.long(), good * torch.tensor([[0], *[[1]] * 5])):
        with pytest.raises(InputError, match=r"^images"):
            measure(bad, good)
        with pytest.raises(InputError, match=r"^texts"):
            measure(good, bad)
    with pytest.raises(InputError, match="the same width, not 3 and 2"):
        measure(good, good[:, :2])
