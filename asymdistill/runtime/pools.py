"""Pools: they run independent tasks, try again those that fail, and hand over the outcomes as they come.

An executor (``runtime.executors``) stops everything at the first error; a pool goes on. Tasks and their results are
plain data, so that they can be sent to other processes and machines.
"""

import concurrent.futures
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing.synchronize import Event
from typing import Any, Protocol

from threadpoolctl import threadpool_limits

from asymdistill.runtime.errors import Check, InputError, Stopped
from asymdistill.runtime.markup import in_one_line
from asymdistill.runtime.progress import silent

LOOK = 1.0  # seconds between two looks at tasks that are running
Work = Callable[[Any, Check], Any]
"""What is done with a task: a function of a module, of the task and of ``check``."""


@dataclass(frozen=True)
class Reply:
    """What came of one attempt at a task.

    Attributes:
        result: what the work returned.
        error: what it raised, in one line; None: nothing.
        refused: whether that was bad input, so that another attempt would end in the same way.
    """

    result: Any = None
    error: str | None = None
    refused: bool = False


class Pool(Protocol):
    """Where tasks run.

    Attributes:
        cores: that each task may use; None: as many as it likes.
    """

    cores: int | None

    def slots(self) -> int:
        """How many tasks run at a time."""

    def submit(self, work: Work, task: Any) -> Any:
        """Begin a task as soon as there is a slot for it; return its handle."""

    def wait(self, handles: Sequence[Any]) -> Iterable[Any]:
        """Wait for ``LOOK`` seconds, or until one of the tasks has ended; return the handles of those that have."""

    def reply(self, handle: Any) -> Reply:
        """What came of a task that has ended; the process that it ran in may have died."""

    def whole(self) -> "Pool":
        """The pool for tasks that use all cores by themselves."""

    def close(self) -> None:
        """Let the tasks that are running end soon, and begin no other."""


def outcomes(
    pool: Pool, work: Work, tasks: Iterable[Any], *, retries: int = 0, watch: Callable[[int], None] = lambda _: None
) -> Iterator[tuple[Any, Reply]]:
    """Run tasks and yield each with the reply of its last attempt, as soon as that is there.

    Two tasks per slot are handed to the pool, so that there can be any number of them.

    Args:
        pool: where they run.
        work: what is done with each.
        tasks: begun in this order.
        retries: how many more attempts has a task that fails, or whose process or machine is lost.
        watch: called often with the number of tasks that are running.
    """
    waiting = ((task, 0) for task in tasks)
    again: deque[tuple[Any, int]] = deque()
    begun: dict[Any, tuple[Any, int]] = {}
    while True:
        # At least one, which waits where all machines of a cluster are lost for a while.
        while len(begun) < max(1, 2 * pool.slots()):
            following = again.popleft() if again else next(waiting, None)
            if following is None:
                break
            begun[pool.submit(work, following[0])] = following
        if not begun:
            return
        watch(min(len(begun), pool.slots()))
        for handle in pool.wait(list(begun)):
            task, failures = begun.pop(handle)
            reply = pool.reply(handle)
            if reply.error is None or reply.refused or failures == retries:
                yield task, reply
            else:
                again.append((task, failures + 1))


def attempt(work: Work, task: Any, check: Check) -> Reply:
    """One attempt at a task. Errors come back as words: not every error can be sent to another process."""
    try:
        check()
        return Reply(work(task, check))
    except InputError as error:
        return Reply(error=in_one_line(str(error)), refused=True)
    except Stopped:
        return Reply(error="stopped", refused=True)
    except Exception as error:
        return lost(error)


def lost(error: Exception) -> Reply:
    """The reply of an attempt that ended with some error."""
    return Reply(error=in_one_line(f"{type(error).__name__}: {error}".removesuffix(": ")))


def silent_attempt(work: Work, task: Any, check: Check) -> Reply:
    """One attempt at a task among others, whose own progress would only confuse."""
    silent.set(True)
    return attempt(work, task, check)


class _Local:
    """What pools on this machine have in common: handles are futures."""

    def wait(self, handles: Sequence[Future[Reply]]) -> Iterable[Future[Reply]]:
        """See ``Pool``."""
        done = concurrent.futures.wait(handles, LOOK, concurrent.futures.FIRST_COMPLETED).done
        return [handle for handle in handles if handle in done]  # a set has no order

    def reply(self, handle: Future[Reply]) -> Reply:
        """See ``Pool``."""
        error = handle.exception()
        return handle.result() if error is None else lost(Exception("the process of this task died"))


class InTurn(_Local):
    """Tasks one after the other, in the calling thread."""

    cores: int | None = None

    def slots(self) -> int:
        """See ``Pool``."""
        return 1

    def submit(self, work: Work, task: Any) -> Future[Reply]:
        """See ``Pool``."""
        done: Future[Reply] = Future()
        done.set_result(attempt(work, task, lambda: None))
        return done

    def whole(self) -> Pool:
        """See ``Pool``."""
        return self

    def close(self) -> None:
        """See ``Pool``."""


class ThreadPool(_Local):
    """Tasks in threads, one core each: PyTorch releases Python's lock inside its operations.

    Args:
        workers: how many run at a time.
    """

    cores: int | None = 1

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(workers)
        # Each task limits them, too, and lifts that limit while others still run.
        self._limits = threadpool_limits(1, user_api="blas")

    def slots(self) -> int:
        """See ``Pool``."""
        return self._workers

    def submit(self, work: Work, task: Any) -> Future[Reply]:
        """See ``Pool``."""
        return self._pool.submit(silent_attempt, work, task, partial(_raise_if_set, self._stop))

    def whole(self) -> Pool:
        """See ``Pool``."""
        return InTurn()

    def close(self) -> None:
        """See ``Pool``."""
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)
        self._limits.restore_original_limits()


class ProcessPool(_Local):
    """Tasks in processes of this machine, for a GPU that a single small student does not keep busy.

    Processes end with this one, however that ends. If one of them dies, all begin anew.

    Args:
        workers: how many run at a time.
    """

    cores: int | None = None

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._context = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
        self._stop = self._context.Event()
        self._pool = self._start()

    def slots(self) -> int:
        """See ``Pool``."""
        return self._workers

    def submit(self, work: Work, task: Any) -> Future[Reply]:
        """See ``Pool``."""
        try:
            return self._pool.submit(_in_process, work, task)
        except BrokenProcessPool:
            self._pool = self._start()
            return self._pool.submit(_in_process, work, task)

    def whole(self) -> Pool:
        """See ``Pool``."""
        return self

    def close(self) -> None:
        """See ``Pool``."""
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)

    def _start(self) -> Executor:
        return ProcessPoolExecutor(self._workers, self._context, _begin, (self._stop,))


def _raise_if_set(stop: "threading.Event | Event") -> None:
    if stop.is_set():
        raise Stopped


_stop: list[Event] = []  # of the pool that this process belongs to


def _begin(stop: Event) -> None:
    """Prepare a process of a pool: the pool says when it ends, and not the terminal's Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _stop.append(stop)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _in_process(work: Work, task: Any) -> Reply:
    return silent_attempt(work, task, partial(_raise_if_set, _stop[0]))
