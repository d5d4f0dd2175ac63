"""Executors: they map work over independent items; the work does not depend on which executor runs it."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Protocol, TypeVar

import torch

from asymdistill.runtime import devices
from asymdistill.runtime.errors import Check, Stopped

Item = TypeVar("Item")


class Executor(Protocol):
    """What runs work over items.

    Attributes:
        workers: how many items are worked on at a time.
    """

    workers: int

    def map(self, work: Callable[[Item, Check], None], items: Sequence[Item]) -> None:
        """Call ``work(item, check)`` for every item.

        Args:
            work: gets an item, and ``check``, which it calls often and which raises ``Stopped`` when it should end.
            items: begun in this order: put the longest first.

        Raises:
            Exception: the first that a piece of work raised, once all others have stopped.
        """


class Threads:
    """Items in parallel on a CPU, one thread each.

    PyTorch releases Python's lock inside its operations, so threads are enough, and each of them keeps to one core:
    small networks use two cores far better as two trainings than as one on two threads, and with one thread each a
    result does not depend on how many run beside it.

    Args:
        workers: how many run at a time.
        outer: the ``check`` of a greater piece of work that this is a part of.
    """

    def __init__(self, workers: int, outer: Check = lambda: None) -> None:
        self.workers = workers
        self._outer = outer

    def map(self, work: Callable[[Item, Check], None], items: Sequence[Item]) -> None:
        """See ``Executor.map``."""
        from threadpoolctl import threadpool_limits

        if not items:
            return
        stop = threading.Event()

        def check() -> None:
            self._outer()
            if stop.is_set():
                raise Stopped

        threads, workers = torch.get_num_threads(), min(self.workers, len(items))
        torch.set_num_threads(1)  # the calling thread gets its own number back at the end
        try:
            # In each thread as well, since the LAPACK of MKL counts threads for each of them apart. And scikit-learn's:
            # on small problems they spend their time waiting for each other.
            with (
                threadpool_limits(1, user_api="blas"),
                ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool,
            ):
                try:
                    futures = [pool.submit(work, item, check) for item in items]
                    done, _ = wait(futures, return_when=FIRST_EXCEPTION)
                finally:
                    stop.set()
                    pool.shutdown(wait=False, cancel_futures=True)
            for future in done:
                future.result()
        finally:
            torch.set_num_threads(threads)


class OneDevice:
    """Items one after the other, for a GPU that one of them keeps busy; what runs on the CPU has all of its cores.

    Args:
        outer: the ``check`` of a greater piece of work that this is a part of.
    """

    workers = 1

    def __init__(self, outer: Check = lambda: None) -> None:
        self._outer = outer

    def map(self, work: Callable[[Item, Check], None], items: Sequence[Item]) -> None:
        """See ``Executor.map``."""
        for item in items:
            work(item, self._outer)


def executor_for(device: torch.device, workers: int | None = None, outer: Check = lambda: None) -> Executor:
    """The executor for a device; on a CPU it has ``workers`` threads, or one per core if that is None."""
    return OneDevice(outer) if device.type == "cuda" else Threads(workers or devices.cores(), outer)
