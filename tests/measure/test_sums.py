"""Sums over parts of the rows are those of one pass, however the rows are dealt out."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asymdistill.measure import sums
from asymdistill.measure.files import open_files
from asymdistill.measure.sums import Plan, Sums
from asymdistill.metrics import moments
from asymdistill.runtime.errors import InputError

X = torch.from_numpy(np.random.default_rng(0).normal(size=(90, 4)) * [3, 2, 1, 0.1] + 50)


def one_pass(plan: Plan) -> Sums:
    whole = Sums(plan)
    whole.add(X, 0, Path("x"), 0)
    return whole


def merged(plan: Plan, ranges: Sequence[tuple[int, int]]) -> Sums:
    """The sums of ranges of rows, each added up on its own."""
    found = Sums(plan)
    for start, stop in ranges:
        own = Sums(plan)
        own.add(X[start:stop], start, Path("x"), start)
        found.merge(start, stop, own.arrays(start, stop))
    return found


@settings(max_examples=15)
@given(cuts=st.sets(st.integers(1, 89), max_size=6), random=st.randoms(use_true_random=False))
def test_parts_merge_to_one_pass(cuts: set[int], random: Random) -> None:
    plan = Plan(90, 4, 7)
    ranges = list(pairwise(sorted({0, 90, *cuts})))
    random.shuffle(ranges)
    found, whole = merged(plan, ranges), one_pass(plan)
    for name in ("moments", "lengths", "directions", "sample"):
        torch.testing.assert_close(getattr(found, name), getattr(whole, name), rtol=1e-12, atol=1e-10)


def test_the_blocks_are_those_of_the_rows() -> None:
    plan = Plan(90, 4, 4)
    assert plan.edges == [0, 22, 45, 67, 90]
    found = one_pass(plan)
    for block, rows in enumerate(X.tensor_split([22, 45, 67])):
        centred = rows - rows.mean(0)
        assert moments.count_of(found.moments[block]) == len(rows)
        torch.testing.assert_close(moments.scatter_of(found.moments[block]), centred.T @ centred)
        assert float(found.lengths[block]) == pytest.approx(float(rows.norm(dim=1).sum()))
        torch.testing.assert_close(found.directions[block], (rows / rows.norm(dim=1, keepdim=True)).sum(0))
    assert torch.equal(found.sample, X)  # all are sampled where they are few


def test_the_sample_is_spread_over_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "SAMPLED", 7)
    plan = Plan(90, 4, 4)
    assert plan.sampled.tolist() == [0, 12, 25, 38, 51, 64, 77]
    assert torch.equal(merged(plan, [(40, 90), (0, 40)]).sample, X[plan.sampled])


def test_files_of_several_shapes_are_read_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "_NUMBERS", 32)  # eight rows at a time
    np.save(tmp_path / "a.npy", X[:33])
    np.savez(tmp_path / "b.npz", X[33:34])
    np.savetxt(tmp_path / "c.csv", X[34:], delimiter=",")
    found = sums.read(open_files([tmp_path]), 7)
    torch.testing.assert_close(found.moments, one_pass(found.plan).moments, rtol=1e-12, atol=1e-10)
    torch.testing.assert_close(found.sample, X)
    mirrored = sums.row_cosines(open_files([tmp_path]), open_files([tmp_path / "a.npy"]) * 2, found.plan)
    assert float(mirrored[0]) == pytest.approx(12)  # as far as both go, row i is row i
    same = sums.row_cosines(open_files([tmp_path]), open_files([tmp_path]), found.plan)
    assert float(same.sum()) == pytest.approx(90)


@pytest.mark.parametrize(
    ("value", "message"), [(float("nan"), "row 41 has NaN"), (float("inf"), "row 41 has NaN"), (0.0, "row 41 is all z")]
)
def test_a_row_that_cannot_be_used_is_named(value: float, message: str, tmp_path: Path) -> None:
    bad = X.clone()
    bad[41] = value
    for kind in ("f2", "f8"):
        np.save(tmp_path / "x.npy", bad.numpy().astype(kind))
        with pytest.raises(InputError, match=rf"x\.npy: {message}"):
            sums.read(open_files([tmp_path / "x.npy"]), 20)


@pytest.mark.parametrize("value", [1e200, 1e-200])
def test_numbers_whose_squares_are_none_are_not_called_something_else(value: float, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X.numpy() * np.where(np.arange(90) == 41, value, 1)[:, None])
    with pytest.raises(InputError, match=r"x\.npy: row 41 has numbers that are too large or too small to be squared"):
        sums.read(open_files([tmp_path / "x.npy"]), 20)


def test_one_row_and_a_file_that_shrinks(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X[:1])
    with pytest.raises(InputError, match="has one row; a spectrum needs at least 2"):
        sums.read(open_files([tmp_path]), 20)
    np.savetxt(tmp_path / "y.csv", X, delimiter=",")
    opened = open_files([tmp_path / "y.csv"])
    np.savetxt(tmp_path / "y.csv", X[:50], delimiter=",")
    with pytest.raises(InputError, match=r"y\.csv ends after 50 rows of 90"):
        sums.read(opened, 20)
