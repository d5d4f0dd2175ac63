"""What pools are given to do in tests: functions of a module, as other processes need them."""

import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from asymdistill.runtime.errors import InputError

Check = Callable[[], None]


def double(task: int, check: Check) -> int:
    return 2 * task


def attempts(folder: Path, name: object) -> int:
    """How many attempts there were at a task that leaves a trace."""
    return len(list(folder.glob(f"{name}-*")))


def fragile(task: dict[str, Any], check: Check) -> object:
    """Leave a trace, then fail, or take the process along, in the first attempts."""
    folder = Path(task["folder"])
    (folder / f"{task['name']}-{uuid.uuid4().hex}").touch()
    if attempts(folder, task["name"]) <= task.get("failures", 0):
        if task.get("how") == "die":
            os._exit(7)
        raise InputError("no such thing") if task.get("how") == "refuse" else RuntimeError("odd\nluck")
    return task["name"]


def fragile_sums(task: dict[str, Any], check: Check, **trouble: Any) -> object:
    """Add up rows, but get into trouble as a ``fragile`` task with those that come first."""
    start, _ = task["rows"]
    if start == 0:
        fragile({"name": start, **trouble}, check)
    from asymdistill.measure.pooled import add_up  # seconds, which an attempt that dies does without

    return add_up(task, check)


def sums_on_two_nodes(task: dict[str, Any], check: Check, *, folder: Path) -> object:
    """Add up rows on Ray, once two nodes have begun to."""
    import ray

    (folder / f"node-{ray.get_runtime_context().get_node_id()}").touch()
    end = time.monotonic() + 60
    while attempts(folder, "node") < 2 and time.monotonic() < end:
        time.sleep(0.01)
    return fragile_sums(task, check, folder=folder, failures=1, how="die")


def wait(task: dict[str, Any], check: Check) -> int:
    """Leave a trace, then wait to be stopped."""
    (Path(task["folder"]) / f"{task['name']}-{os.getpid()}").touch()
    end = time.monotonic() + 60
    while time.monotonic() < end:
        check()
        time.sleep(0.01)
    return 0
