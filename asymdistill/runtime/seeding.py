"""Initial weights from a seed, whichever thread makes them."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import torch

_LOCK = Lock()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Let PyTorch's global CPU generator begin at a seed, and leave it as it was found.

    Layers draw their initial weights from that generator, so only one thread at a time may be in here.
    """
    with _LOCK, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
