"""The streaming effective rank against that of the whole, however the embeddings are split and merged."""

import math
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asymdistill.metrics.spectrum import SPECTRA
from asymdistill.metrics.streaming import EffectiveRank
from asymdistill.runtime.errors import InputError


def sample(rows: int, dim: int, rank: int | None = None, *, mean: float = 1.0, seed: int = 0) -> torch.Tensor:
    """Gaussian rows on ``rank`` directions of falling strength, around a mean."""
    rng = np.random.default_rng(seed)
    rank = rank or dim
    factors = rng.normal(size=(rows, rank)) * np.geomspace(1, 0.05, rank)
    return torch.from_numpy(factors @ rng.normal(size=(rank, dim)) + mean)


def numpy_rank(embeddings: torch.Tensor, spectrum: str = "variance", center: bool = True) -> float:
    x = embeddings.double().numpy()
    s = np.linalg.svd(x - x.mean(0) if center else x, compute_uv=False)
    p = s**2 / np.sum(s**2) if spectrum == "variance" else s / np.sum(s)
    return float(np.exp(-np.sum(p * np.log(p + 1e-10))))


@settings(max_examples=40)
@given(
    rows=st.integers(13, 60),
    cuts=st.lists(st.integers(1, 59), max_size=6),
    center=st.booleans(),
    spectrum=st.sampled_from(SPECTRA),
)
def test_streaming_equals_the_batch_however_it_is_split_and_merged(rows, cuts, center, spectrum):
    x = sample(rows, 10, seed=rows)
    edges = sorted({0, rows, *(c for c in cuts if c < rows)})
    streams = [EffectiveRank(10, center=center, spectrum=spectrum) for _ in range(2)]
    for index, (start, stop) in enumerate(pairwise(edges)):
        streams[index % 2].update(x[start:stop])
    merged = EffectiveRank(10, center=center, spectrum=spectrum)
    for stream in streams:
        merged.merge_state(stream)
    merged._update_count = len(edges) - 1
    assert float(merged.compute()) == pytest.approx(numpy_rank(x, spectrum, center), rel=1e-9)


def test_streams_merge_and_reset():
    x = sample(200, 6)
    left, right = EffectiveRank(6), EffectiveRank(6)
    left.update(x[:50])
    right.update(x[50:].float().double())
    left.merge_state(right)
    assert float(left.compute()) == pytest.approx(numpy_rank(x), rel=1e-6)
    left.reset()
    left.update(x[:100])
    assert float(left.compute()) == pytest.approx(numpy_rank(x[:100]), rel=1e-9)


def test_a_stream_of_rank_deficient_float32_embeddings():
    x = sample(3000, 64, 9, mean=0.3).float()
    stream = EffectiveRank(64)
    for rows in x.split(64):
        stream(rows)
    assert float(stream.compute()) == pytest.approx(numpy_rank(x), rel=1e-6)
    amplitude = EffectiveRank(64, spectrum="amplitude")
    amplitude.update(x)
    assert float(amplitude.compute()) == pytest.approx(numpy_rank(x, "amplitude"), rel=1e-4)


def test_a_large_mean_costs_no_digits():
    x = sample(400, 8, mean=1e6)
    stream = EffectiveRank(8)
    for rows in x.split(7):
        stream.update(rows)
    assert float(stream.compute()) == pytest.approx(numpy_rank(x), rel=1e-8)


@pytest.mark.parametrize("kind", ["<f2", "<f4", ">f4", "<f8"])
def test_arrays_are_taken_as_tensors_are(kind):
    array = sample(50, 6).numpy().astype(kind)
    array.setflags(write=False)
    stream, same = EffectiveRank(6), EffectiveRank(6)
    stream.update(array)
    same.update(torch.from_numpy(array.astype(float)))
    assert float(stream.compute()) == pytest.approx(float(same.compute()), rel=1e-12)


TWO_PROCESSES = """
import os, sys, torch
from torch import distributed
from asymdistill.metrics import EffectiveRank
rank = int(os.fork() == 0)  # after the imports, which are most of the time
distributed.init_process_group("gloo", init_method=f"file://{sys.argv[1]}/meeting", rank=rank, world_size=2)
x = torch.randn(90, 5, generator=torch.Generator().manual_seed(3)) * torch.tensor([5.0, 3, 1, 1, 0.1]) + 100
metric = EffectiveRank(5)
for rows in x[: 60 if rank == 0 else None][0 if rank == 0 else 60 :].split(11):
    metric.update(rows)
both = float(metric.compute())
metric.update(x[:20])  # the metric is the process's own again
os.write(1, f"{rank} {both!r} {metric.moments[0, 0].item()}\\n".encode())
distributed.destroy_process_group()
if rank == 0:
    assert os.wait()[1] == 0
"""


def test_two_processes_have_the_rank_of_all_their_rows(tmp_path):
    command = [sys.executable, "-c", TWO_PROCESSES, str(tmp_path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=120, check=True)
    shown = sorted(line.split() for line in done.stdout.splitlines())
    x = torch.randn(90, 5, generator=torch.Generator().manual_seed(3)) * torch.tensor([5.0, 3, 1, 1, 0.1]) + 100
    assert [float(rank) for _, rank, _ in shown] == [pytest.approx(numpy_rank(x), rel=1e-10)] * 2
    assert [float(count) for *_, count in shown] == [80, 50]


def test_a_stream_needs_two_different_embeddings():
    stream = EffectiveRank(4)
    stream.update(torch.ones(1, 4))
    with pytest.raises(InputError, match="at least 2"):
        stream.compute()
    stream.update(torch.full((30, 4), 1.0))
    with pytest.raises(InputError, match="all equal"):
        stream.compute()


def test_streams_refuse_bad_input():
    for dim in (0, 2.0):
        with pytest.raises(InputError, match="embedding_dim"):
            EffectiveRank(dim)
    with pytest.raises(InputError, match="spectrum"):
        EffectiveRank(4, spectrum="entropy")
    stream = EffectiveRank(4)
    for bad in (
        torch.ones(3, 5),
        torch.ones(4),
        torch.full((2, 4), math.nan),
        torch.ones(2, 4, dtype=torch.int64),
        np.ones((2, 4), int),
        np.full((2, 4), None),
        [[1.0] * 4],
    ):
        with pytest.raises(InputError, match="embeddings"):
            stream.update(bad)
