"""Work in parallel: all of it done, or all of it stopped, and threads as they were."""

import os
import signal
import threading
import time
from collections.abc import Callable

import pytest
import torch
from conftest import threads

from asymdistill.runtime.errors import Stopped
from asymdistill.runtime.executors import OneDevice, Threads, executor_for

WAIT = 20.0


def work_until_stopped(check: Callable[[], None]) -> None:
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        check()
        time.sleep(0.001)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_every_item_is_worked_on_once(workers: int) -> None:
    done: list[int] = []
    Threads(workers).map(lambda item, check: done.append(item), range(20))
    assert sorted(done) == list(range(20))


def test_one_worker_keeps_the_order() -> None:
    done: list[int] = []
    Threads(1).map(lambda item, check: done.append(item), [3, 1, 2])
    assert done == [3, 1, 2]


def test_no_items_are_no_work() -> None:
    Threads(2).map(lambda item, check: pytest.fail("worked"), [])


def test_two_workers_run_at_the_same_time_and_a_third_item_waits() -> None:
    meeting = threading.Barrier(2, timeout=WAIT)
    running, most, lock = 0, 0, threading.Lock()

    def work(item: int, check: Callable[[], None]) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        meeting.wait()
        with lock:
            running -= 1

    Threads(2).map(work, range(4))
    assert most == 2


def test_a_fresh_thread_factorises_as_the_caller_does_on_one_thread() -> None:
    rows = torch.randn(40, 128, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    gram = rows.T @ rows  # with directions of no variance, which move with the number of LAPACK's threads
    with threads(1):
        expected = torch.linalg.eigh(gram).eigenvectors
    found: list[torch.Tensor] = []
    with threads(2):
        Threads(2).map(lambda item, check: found.append(torch.linalg.eigh(gram).eigenvectors), range(4))
    assert all(torch.equal(own, expected) for own in found)


def test_each_piece_of_work_has_one_thread_and_the_caller_gets_its_own_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    seen: list[int] = []
    try:
        Threads(2).map(lambda item, check: seen.append(torch.get_num_threads()), range(4))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert seen == [1] * 4


def test_an_exception_stops_the_others_and_comes_out() -> None:
    before = torch.get_num_threads()
    started, stopped, begun = threading.Event(), [], []

    def work(item: int, check: Callable[[], None]) -> None:
        begun.append(item)
        if item == 0:
            assert started.wait(WAIT)
            raise ZeroDivisionError("the first")
        started.set()
        try:
            work_until_stopped(check)
        except Stopped:
            stopped.append(item)
            raise

    with pytest.raises(ZeroDivisionError, match="the first"):
        Threads(2).map(work, [0, 1, 2, 3])
    assert sorted(stopped) == sorted(item for item in begun if item != 0)
    assert 3 not in begun
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("delay", [0, 0.2])  # while work is still being handed out, and after
def test_an_interrupt_stops_the_work_at_its_next_check(delay: float) -> None:
    before = torch.get_num_threads()
    stopped = threading.Event()

    def work(item: int, check: Callable[[], None]) -> None:
        if item == 0:
            time.sleep(delay)
            os.kill(os.getpid(), signal.SIGINT)
        try:
            work_until_stopped(check)
        except Stopped:
            stopped.set()
            raise

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        Threads(2).map(work, range(3))
    assert stopped.wait(WAIT)
    assert time.monotonic() - start < WAIT
    assert torch.get_num_threads() == before


def test_on_a_gpu_items_come_one_after_the_other_with_all_threads() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        seen: list[tuple[int, int, bool]] = []
        own = threading.current_thread()
        OneDevice().map(
            lambda item, check: seen.append((item, torch.get_num_threads(), threading.current_thread() is own)),
            [3, 1, 2],
        )
        assert seen == [(3, 3, True), (1, 3, True), (2, 3, True)]
    finally:
        torch.set_num_threads(before)


def test_a_device_has_its_executor() -> None:
    assert isinstance(executor_for(torch.device("cuda")), OneDevice)
    assert executor_for(torch.device("cpu"), 5).workers == 5
    assert executor_for(torch.device("cpu")).workers >= 1
