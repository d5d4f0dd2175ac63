"""Time and memory of calls and of whole commands."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import torch

GIB = 2**30
CHECKOUT = Path(__file__).parent.parent
Record = dict[str, Any]


def seconds(work: Callable[[], object], *, repeats: int = 3, device: str = "cpu") -> float:
    """Shortest time of several calls after a warm-up call: other load on the machine can only add to it."""
    work()
    taken = []
    for _ in range(repeats):
        _wait_for(device)
        begin = time.perf_counter()
        work()
        _wait_for(device)
        taken.append(time.perf_counter() - begin)
    return min(taken)


def _wait_for(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize(device)


@contextmanager
def _peak(memory: Callable[[], int], every: float) -> Iterator[list[int]]:
    """Poll a memory reading in a thread; the only item of the yielded list is the peak so far, in bytes."""
    most, ended = [0], threading.Event()

    def watch() -> None:
        while not ended.wait(every):
            most[0] = max(most[0], memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        ended.set()
        watcher.join()


def most_used(work: Callable[[], object]) -> float:
    """Peak memory of this process during a call, in GiB beyond what it held before."""
    process = psutil.Process()
    before = process.memory_info().rss
    with _peak(lambda: process.memory_info().rss - before, 0.005) as most:
        work()
    return most[0] / GIB


def watched(command: Sequence[str], environment: Mapping[str, str] | None = None) -> tuple[str, Record]:
    """Run a command in the root of the checkout and wait for it.

    Args:
        command: program and arguments.
        environment: variables to set on top of this process's own; an empty value removes one.

    Returns:
        Its standard output, and ``seconds`` and ``peak_gib``: the peak memory of it and all its child processes, shared
        pages counted once.

    Raises:
        RuntimeError: it failed; the message ends with its standard error.
    """
    variables = {name: value for name, value in {**os.environ, **(environment or {})}.items() if value}
    begin = time.perf_counter()
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = subprocess.Popen(command, cwd=CHECKOUT, env=variables, **pipes)
    with _peak(lambda: _memory(running.pid), 0.2) as peak:
        try:
            output, errors = running.communicate()
        finally:
            running.kill()
    taken = time.perf_counter() - begin
    if running.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with status {running.returncode}: {errors.strip()[-2000:]}")
    return output, {"seconds": taken, "peak_gib": peak[0] / GIB}


def module(name: str, *arguments: object, environment: Mapping[str, str] | None = None) -> Record:
    """Run a module of this folder in a process of its own; add its peak memory to the JSON of its last line."""
    output, usage = watched([sys.executable, "-m", f"benchmarks.{name}", *map(str, arguments)], environment)
    record: Record = json.loads(output.strip().splitlines()[-1])
    return {"peak_gib": usage["peak_gib"], **record}


def _memory(pid: int) -> int:
    total = 0
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for process in family:
        try:
            used = process.memory_full_info()
            total += getattr(used, "pss", used.rss)
        except psutil.Error:
            continue  # the process has just ended
    return total
