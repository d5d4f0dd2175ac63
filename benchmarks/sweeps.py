"""What a sweep costs beside its tasks: simulated sweeps whose tasks do nothing, in threads, in processes and on Ray."""

import argparse
import importlib.util
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from asymdistill.runtime.cluster import RayPool
from asymdistill.runtime.devices import cores
from asymdistill.runtime.errors import Check
from asymdistill.runtime.pools import Pool, ProcessPool, ThreadPool
from asymdistill.sweep import run, spec, tasks
from benchmarks.measuring import CHECKOUT, Record, module, most_used

POOLS: dict[str, Callable[[], Pool]] = {
    "threads": lambda: ThreadPool(cores()),
    "processes": lambda: ProcessPool(cores()),
    "Ray": lambda: RayPool("local"),
}
SIZES = (1_000, 10_000)
_STUDENTS = 100  # of one point


def measure() -> Iterator[Record]:
    """One record per kind of pool and number of tasks, each in a process of its own."""
    for pool in POOLS:
        if pool == "Ray" and not importlib.util.find_spec("ray"):
            continue
        for count in SIZES:
            found = module("sweeps", pool, count, environment={"PYTHONPATH": str(CHECKOUT)})
            yield {"pool": pool, "tasks": count, "slots": cores(), **found, "per_task": found["seconds"] / count}


def examine(task: dict[str, Any], check: Check) -> dict[str, Any]:
    """A point whose students are all missing."""
    models: list[dict[str, Any]] = [
        {
            "key": f"{task['number']}-{student}", "words": "a student", "student": f"{task['number']}-{student}",
            "trained": False, "cost": 1, "needs": [], "task": {"student": {"seed": student}}, "result": None,
        }
        for student in range(_STUDENTS)
    ]  # fmt: skip
    return {"embeddings": {}, "models": models}


def compute(task: dict[str, Any], check: Check) -> dict[str, Any]:
    """The reply of a task that took no time."""
    model = ["S", 1.0, task["student"]["seed"], "cosine", False]
    rows = [[*model, quantity, None, None, 1.0] for quantity in ("effective_rank", "accuracy")]
    return {"rows": rows, "made": {}, "differing": [], "devices": [], "commits": [], "seconds": {}}


def simulate(pool: Pool, count: int, folder: Path) -> Record:
    """Run a sweep of so many tasks that do nothing; return its seconds, and GiB that this process took for it."""
    path = folder / "simulated.toml"
    path.write_text(f'profiles = ["smoke"]\n[cross]\ndata_seed = {list(range(count // _STUDENTS))}\n')
    own = run.Sweep(spec.load(path), folder, pool)
    with patch.object(tasks, "examine", examine), patch.object(tasks, "compute", compute):
        assert own.needs.counts() == {"students": (count, count), "embeddings": (0, 0)}
        begin = time.perf_counter()
        used = most_used(own.run)
        seconds = time.perf_counter() - begin
    assert own.manifest()["models"] == {"all": count, "measured": count, "failed": 0}
    return {"seconds": seconds, "used_gib": used}


def main() -> None:
    """Simulate one sweep; print the record as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pool", choices=POOLS)
    parser.add_argument("tasks", type=int)
    chosen = parser.parse_args()
    pool = POOLS[chosen.pool]()
    with tempfile.TemporaryDirectory() as folder:
        simulate(pool, 2 * _STUDENTS, Path(folder))  # whose processes are begun, and modules imported
        found = simulate(pool, chosen.tasks, Path(folder))
    pool.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
