"""Nearest neighbours, in small arrangements that can be drawn, and against a sort of all cosines in NumPy."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from asymdistill.metrics.neighbours import neighbour_accuracy, neighbour_overlap
from asymdistill.runtime.errors import InputError

few_examples = settings(max_examples=25)


def rows(seed: int, count: int = 40, dim: int = 5) -> Tensor:
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))


def labels(seed: int, count: int = 40, classes: int = 4) -> Tensor:
    return torch.randint(0, classes, (count,), generator=torch.Generator().manual_seed(seed))


def directions(*degrees: float) -> Tensor:
    """Points on a circle."""
    return torch.tensor([[math.cos(math.radians(angle)), math.sin(math.radians(angle))] for angle in degrees])


def rotation(seed: int, dim: int = 5) -> Tensor:
    return torch.linalg.qr(rows(seed, dim, dim))[0]


def nearest(queries: Tensor, points: Tensor) -> np.ndarray:
    """Indices of all points, nearest first, by cosine in float64."""
    own, others = (part.double().numpy() for part in (queries, points))
    own, others = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (own, others))
    return np.argsort(-(own @ others.T), axis=1, kind="stable")


# What classes the neighbours tell.


def test_the_class_is_that_of_most_neighbours() -> None:
    train, classes = directions(0, 10, 20, 180), torch.tensor([7, 3, 3, 7])
    test, truth = directions(1, 181), torch.tensor([7, 7])
    # Nearest to 1 degree is a 7, then come two 3s; nearest to 181 degrees is a 7, then come two 3s.
    assert neighbour_accuracy(train, classes, test, truth, k=1) == 100
    assert neighbour_accuracy(train, classes, test, truth, k=3) == 0
    assert neighbour_accuracy(train, classes, test, torch.tensor([3, 7]), k=1) == 50


def test_every_neighbour_has_the_same_vote_however_near() -> None:
    train, classes = directions(0, 88, 89), torch.tensor([0, 1, 1])
    assert neighbour_accuracy(train, classes, directions(0.1), torch.tensor([1]), k=3) == 100


def test_near_is_by_angle_not_by_distance() -> None:
    train, classes = torch.cat([100 * directions(0), directions(40)]), torch.tensor([0, 1])
    assert neighbour_accuracy(train, classes, directions(5), torch.tensor([0]), k=1) == 100


def test_embeddings_among_themselves_are_their_own_nearest() -> None:
    assert neighbour_accuracy(rows(1), labels(1), rows(1), labels(1), k=1) == 100


def test_all_as_neighbours_tell_the_most_frequent_class() -> None:
    classes = torch.tensor([0] * 10 + [1] * 18 + [2] * 12)
    assert neighbour_accuracy(rows(1), classes, rows(2), classes, k=40) == 100 * 18 / 40


@few_examples
@given(seed=st.integers(0, 1000), k=st.integers(1, 40))
def test_accuracy_equals_a_count_over_sorted_cosines(seed: int, k: int) -> None:
    train, test, known, truth = rows(seed), rows(seed + 1, 30), labels(seed), labels(seed + 1, 30)
    votes = [np.bincount(known.numpy()[found[:k]], minlength=4) for found in nearest(test, train)]
    # Where classes have equally many votes the lower one is taken.
    expected = 100 * np.mean([int(vote.argmax()) == label for vote, label in zip(votes, truth.tolist(), strict=True)])
    assert neighbour_accuracy(train, known, test, truth, k=k) == pytest.approx(expected)


@few_examples
@given(seed=st.integers(0, 1000), scale=st.floats(1e-2, 1e2))
def test_accuracy_knows_no_rotation_no_scale_and_no_names_of_the_classes(seed: int, scale: float) -> None:
    train, test, known, truth = rows(seed), rows(seed + 1, 30), labels(seed), labels(seed + 1, 30)
    turn = rotation(seed)
    # Of 1 neighbour, so that no two classes have equally many votes.
    expected = neighbour_accuracy(train, known, test, truth, k=1)
    assert neighbour_accuracy(scale * train @ turn, known, test @ turn, truth, k=1) == pytest.approx(expected)
    assert neighbour_accuracy(train, 90 - known, test, 90 - truth, k=1) == pytest.approx(expected)


def test_twenty_neighbours_are_asked_by_default() -> None:
    arguments = rows(1, 200), labels(1, 200), rows(2, 200), labels(2, 200)
    assert neighbour_accuracy(*arguments) == neighbour_accuracy(*arguments, k=20)
    assert len({neighbour_accuracy(*arguments, k=k) for k in (19, 20, 21)}) == 3


def test_embeddings_that_know_nothing_of_the_classes_get_chance() -> None:
    found = neighbour_accuracy(rows(1, 1000), labels(1, 1000), rows(2, 2000), labels(2, 2000))
    # Four standard deviations of the mean of 2,000 draws at 1 in 4.
    assert found == pytest.approx(25, abs=100 * 4 * math.sqrt(0.25 * 0.75 / 2000))


# Whether a student has the teacher's neighbours.


def test_a_space_has_all_neighbours_in_common_with_itself() -> None:
    assert neighbour_overlap(rows(1), rows(1)) == 1
    assert neighbour_overlap(rows(1), 3 * rows(1), k=1) == 1


def test_pairs_that_change_partners_have_no_neighbour_in_common() -> None:
    student, teacher = directions(0, 1, 180, 181), directions(0, 180, 1, 181)
    assert neighbour_overlap(student, teacher, k=1) == 0
    # Partners that only change places stay partners.
    assert neighbour_overlap(student, student[[1, 0, 3, 2]], k=1) == 1
    # Nearest to the four are the second, first, second, third; and the second, first, fourth, second.
    assert neighbour_overlap(directions(0, 1, 90, 180), directions(0, 1, 180, 90), k=1) == 2 / 4


def test_with_everyone_a_neighbour_all_are_in_common() -> None:
    assert neighbour_overlap(rows(1), rows(2), k=39) == 1


def test_nobody_is_a_neighbour_of_its_own_even_among_equal_points() -> None:
    # Two bundles of equal points: within the bundle lie all of a point's neighbours, itself not one of them.
    bundles = directions(0, 0, 0, 90, 90, 90)
    apart = directions(0, 1, 2, 90, 91, 92)
    assert neighbour_overlap(bundles, apart, k=2) == 1
    assert neighbour_overlap(rows(1), rows(2), k=1) < 0.2


@few_examples
@given(seed=st.integers(0, 1000), k=st.integers(1, 39), width=st.integers(2, 9))
def test_overlap_equals_a_count_over_sorted_cosines(seed: int, k: int, width: int) -> None:
    student, teacher = rows(seed), rows(seed + 1, dim=width)
    found = [
        [[other for other in order if other != point][:k] for point, order in enumerate(nearest(part, part))]
        for part in (student, teacher)
    ]
    expected = np.mean([len({*one} & {*other}) / k for one, other in zip(*found, strict=True)])
    assert neighbour_overlap(student, teacher, k=k) == pytest.approx(expected)
    assert neighbour_overlap(teacher, student, k=k) == pytest.approx(expected)


@few_examples
@given(seed=st.integers(0, 1000), scale=st.floats(1e-2, 1e2), order=st.permutations(range(40)))
def test_overlap_knows_no_rotation_no_scale_and_no_order_of_the_images(
    seed: int, scale: float, order: list[int]
) -> None:
    student, teacher, shuffled = rows(seed), rows(seed + 1), torch.tensor(order)
    expected = neighbour_overlap(student, teacher)
    assert neighbour_overlap(scale * student @ rotation(seed), teacher) == pytest.approx(expected)
    assert neighbour_overlap(student[shuffled], teacher[shuffled]) == pytest.approx(expected)
    assert neighbour_overlap(student @ rotation(seed), student) == 1


def test_unrelated_spaces_have_as_many_in_common_as_chance_gives() -> None:
    for k in (1, 10, 100):
        found = neighbour_overlap(rows(1, 400, 20), rows(2, 400, 20), k=k)
        assert found == pytest.approx(k / 399, abs=0.01)


def test_ten_neighbours_are_compared_by_default() -> None:
    assert neighbour_overlap(rows(1), rows(2)) == neighbour_overlap(rows(1), rows(2), k=10)
    assert len({neighbour_overlap(rows(1), rows(2), k=k) for k in (9, 10, 11)}) == 3


# What is refused.


@pytest.mark.parametrize("k", [0, -1, 41])
def test_more_or_fewer_neighbours_than_there_are_are_refused(k: int) -> None:
    with pytest.raises(InputError, match=f"k is {k}; allowed: 1 to 40"):
        neighbour_accuracy(rows(1), labels(1), rows(2), labels(2), k=k)
    with pytest.raises(InputError, match=f"k is {k}; allowed: 1 to 39"):
        neighbour_overlap(rows(1), rows(2), k=k)
    with pytest.raises(InputError, match="k is 40; allowed: 1 to 39"):
        neighbour_overlap(rows(1), rows(2), k=40)


def test_embeddings_and_labels_that_do_not_match_are_named() -> None:
    with pytest.raises(InputError, match=r"train \(40, 5\) and test \(40, 4\) differ in width"):
        neighbour_accuracy(rows(1), labels(1), rows(2, dim=4), labels(2))
    with pytest.raises(InputError, match=r"train_labels must have shape \(40,\).*, not \(39,\)"):
        neighbour_accuracy(rows(1), labels(1, 39), rows(2), labels(2))
    with pytest.raises(InputError, match=r"test_labels must have shape \(40,\).*, not \(39,\)"):
        neighbour_accuracy(rows(1), labels(1), rows(2), labels(2, 39))
    with pytest.raises(InputError, match="test_labels must be a tensor of integers"):
        neighbour_accuracy(rows(1), labels(1), rows(2), labels(2).float())
    with pytest.raises(InputError, match=r"student \(40, 5\) and teacher \(39, 5\) do not match"):
        neighbour_overlap(rows(1), rows(2, 39))


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_values_that_are_not_finite_are_named(bad: float) -> None:
    broken = rows(1)
    broken[3, 2] = bad
    with pytest.raises(InputError, match="train contains NaN or infinite values"):
        neighbour_accuracy(broken, labels(1), rows(2), labels(2))
    with pytest.raises(InputError, match="test contains NaN or infinite values"):
        neighbour_accuracy(rows(2), labels(1), broken, labels(2))
    with pytest.raises(InputError, match="student contains NaN or infinite values"):
        neighbour_overlap(broken, rows(2))
    with pytest.raises(InputError, match="teacher contains NaN or infinite values"):
        neighbour_overlap(rows(2), broken)
