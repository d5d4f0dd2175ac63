"""Tasks: results to be stored. What is missing is computed once, even if several processes want it at the same time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from asymdistill.runtime.errors import Check
from asymdistill.runtime.executors import Executor
from asymdistill.store.keys import Artifact
from asymdistill.store.store import Store


@dataclass(frozen=True)
class Task:
    """Some results that are computed together.

    Attributes:
        artifacts: what is stored by it.
        compute: computes and stores those of them that are absent; it calls ``check`` often.
        done: called once the results are there, whoever made them.
        lock: names the lock that is held meanwhile; tasks that may store the same have the same. None: the first
            result's key.
    """

    artifacts: tuple[Artifact, ...]
    compute: Callable[[Check], None]
    done: Callable[[], None] = lambda: None
    lock: str | None = None

    def is_done(self, store: Store) -> bool:
        """Whether all of its results are there."""
        return all(store.record(artifact) is not None for artifact in self.artifacts)


def compute_missing(store: Store, executor: Executor, tasks: Sequence[Task]) -> None:
    """Compute what is absent: first what nobody else is computing, in the order given, then wait for the rest.

    Raises:
        Exception: the first that a task raised, once all others have stopped.
    """
    later: list[Task] = []

    def attempt(task: Task, check: Check, *, wait: bool) -> None:
        with store.lock(task.lock or task.artifacts[0].key, wait=wait, check=check) as held:
            if not held:
                later.append(task)
                return
            if not task.is_done(store):
                task.compute(check)
        task.done()

    executor.map(partial(attempt, wait=False), [task for task in tasks if not task.is_done(store)])
    executor.map(partial(attempt, wait=True), list(later))
