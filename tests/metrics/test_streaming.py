"""The streaming effective rank against that of the whole, however the embeddings are split and merged."""

import math
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
    for state in ("count", "total", "gram"):  # what torchmetrics does between processes: add up
        setattr(merged, state, getattr(streams[0], state) + getattr(streams[1], state))
    merged._update_count = len(edges) - 1
    assert float(merged.compute()) == pytest.approx(numpy_rank(x, spectrum, center), rel=1e-6)


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
    for bad in (torch.ones(3, 5), torch.ones(4), torch.full((2, 4), math.nan), torch.ones(2, 4, dtype=torch.int64)):
        with pytest.raises(InputError, match="embeddings"):
            stream.update(bad)
