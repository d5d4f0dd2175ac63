"""Tasks: what is missing is computed once, whoever else computes, and nobody waits while there is something to do."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from asymdistill.runtime.executors import Threads
from asymdistill.store.keys import Artifact, Kind
from asymdistill.store.store import Store
from asymdistill.store.tasks import Task, compute_missing

KIND = Kind("things", 1, ("store/keys.py",))
WAIT = 20.0


def thing(number: int) -> Artifact:
    return Artifact(KIND, {"number": number})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path, "CPU")


def task(store: Store, number: int, begun: list[int], wait: Callable[[int], object] = lambda number: None) -> Task:
    def compute(check: Callable[[], None]) -> None:
        check()
        begun.append(number)
        wait(number)
        store.put(thing(number), number)

    return Task((thing(number),), compute)


@pytest.mark.parametrize("workers", [1, 3])
def test_what_is_missing_is_computed_in_order_and_what_is_there_is_not(store: Store, workers: int) -> None:
    store.put(thing(2), 2)
    begun: list[int] = []
    compute_missing(store, Threads(workers), [task(store, number, begun) for number in (3, 1, 2, 0)])
    assert sorted(begun) == [0, 1, 3]
    if workers == 1:
        assert begun == [3, 1, 0]
    begun.clear()
    compute_missing(store, Threads(workers), [task(store, number, begun) for number in range(4)])
    assert begun == []


def test_only_what_is_absent_of_a_task_makes_it_run(store: Store) -> None:
    runs = []
    both = Task((thing(0), thing(1)), lambda check: runs.append("run"))
    store.put(thing(0), 0)
    compute_missing(store, Threads(1), [both])
    store.put(thing(1), 1)
    compute_missing(store, Threads(1), [both])
    assert runs == ["run"]


def test_a_task_is_done_once_whoever_did_it(store: Store, tmp_path: Path) -> None:
    done: list[int] = []
    tasks = [Task((thing(n),), lambda check, n=n: store.put(thing(n), n), lambda n=n: done.append(n)) for n in range(3)]
    Store(tmp_path, "CPU").put(thing(1), "theirs")
    tasks_of_theirs = [task for task in tasks if task.is_done(store)]
    assert [task.artifacts[0] for task in tasks_of_theirs] == [thing(1)]
    compute_missing(store, Threads(1), tasks)
    assert sorted(done) == [0, 2]
    assert store.value(thing(1)) == "theirs"


def test_two_processes_work_on_different_tasks_meanwhile_and_each_is_done_once(tmp_path: Path) -> None:
    """Two stores on one folder are two processes: they share nothing but files."""
    begun: list[list[int]] = [[], []]
    both_at_work = threading.Barrier(2, timeout=WAIT)

    def wait(number: int) -> None:
        if number in (0, 1):  # the first two are begun by one each, at the same time
            both_at_work.wait()

    def process(own: list[int]) -> None:
        store = Store(tmp_path, "CPU")
        compute_missing(store, Threads(1), [task(store, number, own, wait) for number in range(6)])
        assert [store.value(thing(number)) for number in range(6)] == list(range(6))

    threads = [threading.Thread(target=process, args=(own,)) for own in begun]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert sorted([*begun[0], *begun[1]]) == list(range(6))
    assert begun[0]
    assert begun[1]


def test_tasks_that_may_store_the_same_share_a_lock(tmp_path: Path) -> None:
    """One process still lacks both of two results, the other one only."""
    theirs, ours, begun = Store(tmp_path, "CPU"), Store(tmp_path, "CPU"), []
    at_work = threading.Event()

    def both(check: Callable[[], None]) -> None:
        theirs.put(thing(0), 0)
        at_work.set()
        time.sleep(0.5)  # in which the other one could begin
        theirs.put(thing(1), 1)

    first = Task((thing(0), thing(1)), both, lock="of both")
    thread = threading.Thread(target=compute_missing, args=(theirs, Threads(1), [first]))
    thread.start()
    assert at_work.wait(WAIT)
    second = Task((thing(1),), lambda check: begun.append("second"), lock="of both")
    compute_missing(ours, Threads(1), [second])
    thread.join(WAIT)
    assert begun == []
    assert ours.value(thing(1)) == 1


def test_what_another_process_gave_up_is_done_by_who_waited(tmp_path: Path) -> None:
    theirs, ours = Store(tmp_path, "CPU"), Store(tmp_path, "CPU")
    held, begun = threading.Event(), []

    def fails(check: Callable[[], None]) -> None:
        held.set()
        assert waiting.wait(WAIT)
        raise ZeroDivisionError

    waiting = threading.Event()

    def other() -> None:
        with pytest.raises(ZeroDivisionError):
            compute_missing(theirs, Threads(1), [Task((thing(0),), fails)])

    thread = threading.Thread(target=other)
    thread.start()
    assert held.wait(WAIT)
    tasks = [task(ours, 0, begun), task(ours, 1, begun, lambda number: waiting.set())]
    compute_missing(ours, Threads(1), tasks)
    thread.join(WAIT)
    assert begun == [1, 0]


def test_a_failure_comes_out_and_what_was_done_stays(store: Store) -> None:
    begun: list[int] = []

    def fails(number: int) -> None:
        if number == 1:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        compute_missing(store, Threads(1), [task(store, number, begun, fails) for number in range(3)])
    assert [store.record(thing(number)) is not None for number in (0, 1)] == [True, False]
    begun.clear()
    compute_missing(store, Threads(1), [task(store, number, begun) for number in range(3)])
    assert 0 not in begun
    assert 1 in begun
    assert all(store.value(thing(number)) == number for number in range(3))
