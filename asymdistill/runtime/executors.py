"""Independent pieces of work side by side on a CPU, one thread each."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

Item = TypeVar("Item")


class Stopped(Exception):
    """Raised inside a piece of work when another one failed or the user interrupted."""


def side_by_side(work: Callable[[Item, Callable[[], None]], None], items: Sequence[Item], *, workers: int) -> None:
    """Call ``work(item, check)`` for every item, ``workers`` at a time.

    PyTorch releases Python's lock inside its operations, so threads are enough, and each of them keeps to one core:
    small networks use two cores far better as two trainings than as one on two threads, and with one thread each the
    result of a piece of work does not depend on how many run beside it.

    Args:
        work: gets an item, and ``check``, which it calls often and which raises ``Stopped`` when it should end.
        items: the pieces of work, begun in this order: put the longest first.
        workers: how many run at a time.

    Raises:
        Exception: the first that a piece of work raised, once all others have stopped.
    """
    stop = threading.Event()

    def check() -> None:
        if stop.is_set():
            raise Stopped

    threads = torch.get_num_threads()
    # Threads that start from here on take this number; the calling thread gets its own back at the end.
    torch.set_num_threads(1)
    try:
        # scikit-learn's threads too: on small problems they spend their time waiting for each other.
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(workers) as pool:
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
