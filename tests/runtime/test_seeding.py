"""Seeding: initial weights depend on the seed alone, and the global generator is left as it was found."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

from asymdistill.runtime.seeding import seeded


def draw(seed: int) -> Tensor:
    with seeded(seed):
        return torch.nn.Linear(50, 50).weight.detach()


def test_a_seed_gives_what_torchs_own_seed_gives() -> None:
    expected = torch.randn(5, generator=torch.Generator().manual_seed(3))
    with seeded(3):
        assert torch.equal(torch.randn(5), expected)
    assert torch.equal(draw(3), draw(3))
    assert not torch.equal(draw(3), draw(4))


def test_the_global_generator_is_left_as_it_was_even_after_an_error() -> None:
    before = torch.random.get_rng_state()
    draw(3)
    with pytest.raises(ZeroDivisionError), seeded(4):
        raise ZeroDivisionError(torch.randn(3))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_threads_that_draw_at_once_get_what_each_gets_alone() -> None:
    alone = [draw(seed) for seed in range(8)]
    start = threading.Barrier(8, timeout=20)

    def together(seed: int) -> Tensor:
        start.wait()
        return draw(seed)

    before = torch.random.get_rng_state()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(together, range(8)))
    assert all(torch.equal(one, other) for one, other in zip(alone, found, strict=True))
    assert torch.equal(torch.random.get_rng_state(), before)
