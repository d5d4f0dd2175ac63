"""The tasks of a pool add up what one pass does, however they are dealt out and whatever happens to some."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pool_work import attempts, fragile_sums
from safetensors.torch import save_file

from asymdistill.measure import pooled, sums
from asymdistill.measure.files import open_files
from asymdistill.measure.report import Report, report
from asymdistill.runtime.errors import InputError
from asymdistill.runtime.pools import InTurn, Pool, ProcessPool, ThreadPool

X = np.random.default_rng(0).normal(size=(120, 4)) * [3, 2, 1, 0.1] + 50


@pytest.fixture
def small_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a task have sixteen rows, read in two steps."""
    monkeypatch.setattr(sums, "_NUMBERS", 32)
    monkeypatch.setattr(pooled, "_READS", 2)


@pytest.fixture(scope="module", params=["threads", "processes"])
def pool(request: pytest.FixtureRequest) -> Iterator[Pool]:
    made = ThreadPool(2) if request.param == "threads" else ProcessPool(2)
    yield made
    made.close()


def shards(folder: Path) -> Path:
    """All rows in files of every kind; the third file is the largest."""
    torch_rows = torch.from_numpy(X)
    np.save(folder / "a.npy", X[:1].astype("f2"))
    np.savez(folder / "b.npz", ids=np.arange(9), rows=X[1:10].astype("f4"))
    np.save(folder / "c.npy", np.asfortranarray(X[10:71]))
    np.savetxt(folder / "d.csv", X[71:80], delimiter=",")
    save_file({"x": torch_rows[80:100].bfloat16(), "ids": torch.arange(20)}, folder / "e.safetensors")
    pd.DataFrame({"rows": list(X[100:])}).to_parquet(folder / "f.parquet")
    return folder


def numbers(found: Report) -> np.ndarray:
    """Every value, limit and variance; a missing limit is NaN."""
    values = [value for own in found.quantities for value in (own.value, own.low, own.high)]
    return np.array([*values, *found.variances], dtype=float)


@settings(max_examples=10)
@given(cuts=st.sets(st.integers(1, 119), max_size=9), blocks=st.integers(2, 60), reads=st.integers(1, 9))
def test_the_sums_are_those_of_one_pass(cuts: set[int], blocks: int, reads: int) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sums, "_NUMBERS", 32)
        patch.setattr(pooled, "_READS", reads)
        for start, stop in pairwise(sorted({0, 120, *cuts})):
            np.save(Path(folder) / f"{start:03}.npy", X[start:stop])
        files = open_files([Path(folder)])
        found = pooled.read(files, blocks, InTurn())
        whole = sums.Sums(found.plan)
        whole.add(torch.from_numpy(X), 0, Path("x"), 0)
        for name in ("moments", "lengths", "directions", "sample"):
            torch.testing.assert_close(getattr(found, name), getattr(whole, name), rtol=1e-12, atol=1e-10)
        # No more is sent than the blocks, and one more for each border of tasks that lies within a block.
        tasks = pooled.tasks(files, found.plan)
        sent = sum(len(pooled.add_up(task, lambda: None)["moments"]) for task in tasks)
        assert sent <= found.plan.blocks + len(tasks) - 1


@pytest.mark.usefixtures("small_tasks")
def test_a_report_of_files_of_every_kind_is_that_of_this_process(tmp_path: Path, pool: Pool) -> None:
    np.save(tmp_path / "other.npy", X[::-1] - 49)
    files, other = open_files([shards(tmp_path)])[:-1], open_files([tmp_path / "other.npy"])
    here, there = report(files, other), report(files, other, pool=pool)
    assert (there.rows, there.dtypes) == (120, ("float16", "float32", "float64", "bfloat16"))
    np.testing.assert_allclose(numbers(there), numbers(here), rtol=1e-11)


@pytest.mark.usefixtures("small_tasks")
def test_many_small_files_are_one_task(tmp_path: Path) -> None:
    for number, rows in enumerate(np.split(X, 60)):
        np.save(tmp_path / f"{number:02}.npy", rows)
    files = open_files([tmp_path])
    tasks = pooled.tasks(files, sums.plan(files, 7))
    assert sorted(task["rows"] for task in tasks) == [(start, min(start + 16, 120)) for start in range(0, 120, 16)]
    assert [len(task["parts"]) for task in tasks] == [8] * 7 + [4]  # the shorter one last


@pytest.mark.usefixtures("small_tasks")
def test_a_row_that_cannot_be_used_is_named(tmp_path: Path, pool: Pool) -> None:
    bad = X[10:71].copy()
    bad[41] = np.nan  # in the third task that reads this file
    np.save(shards(tmp_path) / "c.npy", bad)
    with pytest.raises(InputError, match=rf"^{re.escape(str(tmp_path))}/c\.npy: row 41 has NaN or infinite values$"):
        pooled.read(open_files([tmp_path]), 7, pool)


@pytest.mark.usefixtures("small_tasks")
def test_a_worker_that_dies_costs_an_attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rows").mkdir()
    files = open_files([shards(tmp_path / "rows")])
    one_pass = sums.read(files, 7)
    monkeypatch.setattr(pooled, "add_up", partial(fragile_sums, folder=tmp_path, failures=1, how="die"))
    with closing(ProcessPool(1)) as pool:
        found = pooled.read(files, 7, pool)
    torch.testing.assert_close(found.moments, one_pass.moments, rtol=1e-12, atol=1e-10)
    assert attempts(tmp_path, 0) == 2


def test_a_task_that_always_fails_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rows").mkdir()
    files = open_files([shards(tmp_path / "rows")])
    monkeypatch.setattr(pooled, "add_up", partial(fragile_sums, folder=tmp_path, failures=9))
    with pytest.raises(InputError, match=r"^reading .*a\.npy failed 3 times: RuntimeError: odd luck$"):
        pooled.read(files, 7, InTurn())
    assert attempts(tmp_path, 0) == 3


def test_a_worker_that_finds_no_file_or_another_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, X)
    files = open_files([path])
    np.save(path, X[:50])
    with pytest.raises(InputError, match=r"x\.npy is 50 x 4, not 120 x 4, on .*; all machines need the files under"):
        pooled.read(files, 7, InTurn())
    path.unlink()
    with pytest.raises(InputError, match=r"x\.npy does not exist on .*; all machines need the files under the same"):
        pooled.read(files, 7, InTurn())
