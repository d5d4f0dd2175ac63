"""Pools: every task has an outcome, whatever happens to some, and nothing is left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from pool_work import attempts, double, fragile, wait

from asymdistill.runtime.pools import InTurn, Pool, ProcessPool, ThreadPool, outcomes

MADE: dict[str, Callable[[], Pool]] = {
    "in turn": InTurn,
    "threads": lambda: ThreadPool(2),
    "processes": lambda: ProcessPool(2),
}


@pytest.fixture(params=MADE)
def pool(request: pytest.FixtureRequest) -> Iterator[Pool]:
    made = MADE[request.param]()
    yield made
    made.close()


def results(pool: Pool, work: Callable[..., Any], tasks: list[Any], **options: Any) -> list[object]:
    """Results or errors, in the order of the tasks."""
    found = [(tasks.index(task), reply.error or reply.result) for task, reply in outcomes(pool, work, tasks, **options)]
    assert sorted(number for number, _ in found) == list(range(len(tasks)))
    return [value for _, value in sorted(found)]


def test_every_task_is_done_once_and_what_fails_is_tried_again_while_others_go_on(pool: Pool, tmp_path: Path) -> None:
    assert results(pool, double, list(range(9))) == list(range(0, 18, 2))
    cases: list[dict[str, Any]] = [
        {"name": "a"},
        {"name": "b", "failures": 2},
        {"name": "c", "failures": 3},
        {"name": "d", "failures": 1, "how": "refuse"},
        {"name": "e"},
    ]
    tasks = [case | {"folder": str(tmp_path)} for case in cases]
    found = results(pool, fragile, tasks, retries=2)
    assert found == ["a", "b", "RuntimeError: odd luck", "no such thing", "e"]
    assert [attempts(tmp_path, name) for name in "abcde"] == [1, 3, 3, 1, 1]


def test_tasks_that_ended_together_are_told_in_their_order() -> None:
    pool = InTurn()
    handles = [pool.submit(double, task) for task in range(9)]
    assert list(pool.wait(handles)) == handles
    assert list(pool.wait(handles[::-1])) == handles[::-1]


def test_tasks_are_taken_as_they_are_needed() -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        for number in range(100):
            taken = number + 1
            yield number

    pool = ThreadPool(2)
    for count, _ in enumerate(outcomes(pool, double, endless()), start=1):
        assert taken <= count + 2 * pool.slots()
    assert taken == 100
    pool.close()


def test_tasks_wait_where_there_is_no_slot_for_a_while() -> None:
    class Shrinking(InTurn):
        left = 3

        def slots(self) -> int:
            self.left -= 1
            return max(0, self.left)

    assert results(Shrinking(), double, list(range(9))) == list(range(0, 18, 2))


def test_a_process_that_dies_costs_one_attempt(tmp_path: Path) -> None:
    pool = ProcessPool(2)
    tasks = [{"name": name, "folder": str(tmp_path)} for name in "abc"]
    tasks[1] |= {"failures": 1, "how": "die"}
    assert results(pool, fragile, tasks, retries=2) == ["a", "b", "c"]
    assert attempts(tmp_path, "b") == 2
    assert results(pool, fragile, [tasks[1] | {"name": "x", "failures": 9}], retries=1) == [
        "Exception: the process of this task died"
    ]
    pool.close()


@pytest.mark.parametrize("name", ["threads", "processes"])
def test_an_interrupt_ends_what_is_running(name: str, tmp_path: Path) -> None:
    def interrupt(running: int) -> None:
        assert running == 2
        until(lambda: len(list(tmp_path.iterdir())) == 2)
        raise KeyboardInterrupt

    pool = MADE[name]()
    tasks = [{"name": name, "folder": str(tmp_path)} for name in "abcdef"]
    with pytest.raises(KeyboardInterrupt):
        list(outcomes(pool, wait, tasks, watch=interrupt))
    begin = time.monotonic()
    pool.close()
    assert time.monotonic() - begin < 10
    assert len(list(tmp_path.iterdir())) == 2  # no other was begun


ABANDONED = """
from pathlib import Path
from asymdistill.runtime.pools import ProcessPool, outcomes
from pool_work import wait

if __name__ == "__main__":
    list(outcomes(ProcessPool(2), wait, [{"name": "a", "folder": FOLDER}, {"name": "b", "folder": FOLDER}]))
"""


def test_processes_end_with_their_parent_even_if_it_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "traces"
    folder.mkdir()
    script = tmp_path / "abandoned.py"
    script.write_text(ABANDONED.replace("FOLDER", repr(str(folder))))
    path = os.pathsep.join(sys.path)
    parent = subprocess.Popen([sys.executable, str(script)], env=os.environ | {"PYTHONPATH": path})
    until(lambda: len(list(folder.iterdir())) == 2)
    children = [int(path.name.partition("-")[2]) for path in folder.iterdir()]
    assert all(map(psutil.pid_exists, children))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    until(lambda: not any(map(psutil.pid_exists, children)))


def until(there: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not there():
        assert time.monotonic() < end
        time.sleep(0.01)
