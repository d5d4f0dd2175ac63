"""Work side by side: all of it done, or all of it stopped, and threads as they were."""

import os
import signal
import threading
import time
from collections.abc import Callable

import pytest
import torch

from asymdistill.runtime.executors import Stopped, side_by_side

WAIT = 20.0


def work_until_stopped(check: Callable[[], None]) -> None:
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        check()
        time.sleep(0.001)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_every_item_is_worked_on_once(workers: int) -> None:
    done: list[int] = []
    side_by_side(lambda item, check: done.append(item), range(20), workers=workers)
    assert sorted(done) == list(range(20))


def test_one_worker_keeps_the_order() -> None:
    done: list[int] = []
    side_by_side(lambda item, check: done.append(item), [3, 1, 2], workers=1)
    assert done == [3, 1, 2]


def test_no_items_are_no_work() -> None:
    side_by_side(lambda item, check: pytest.fail("worked"), [], workers=2)


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

    side_by_side(work, range(4), workers=2)
    assert most == 2


def test_each_piece_of_work_has_one_thread_and_the_caller_gets_its_own_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    seen: list[int] = []
    try:
        side_by_side(lambda item, check: seen.append(torch.get_num_threads()), range(4), workers=2)
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
        side_by_side(work, [0, 1, 2, 3], workers=2)
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
        side_by_side(work, range(3), workers=2)
    assert stopped.wait(WAIT)
    assert time.monotonic() - start < WAIT
    assert torch.get_num_threads() == before
