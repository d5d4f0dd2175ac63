"""The sums of files, added up by the tasks of a pool, on this machine or on many, and merged as they come.

A task reads consecutive rows. It opens their files itself, under the same path, and returns the sums of only those
blocks of the jackknife that its rows belong to: one or two blocks, unless a block has fewer rows than a task.

Memory: this process holds the sums of all rows, 8 G (d + 1)² bytes for G blocks, and those of one or two tasks. No more
than two tasks per worker are begun at a time, so that no more results can wait; on Ray they wait in its object store.
"""

import socket
from collections.abc import Sequence
from dataclasses import astuple
from itertools import groupby
from pathlib import Path
from typing import Any

from asymdistill.measure import sums
from asymdistill.measure.files import Array, EmbeddingFile, open_files
from asymdistill.measure.sums import Part, Plan, Sums
from asymdistill.runtime.errors import Check, InputError
from asymdistill.runtime.executors import Threads
from asymdistill.runtime.pools import Pool, outcomes
from asymdistill.runtime.progress import Progress

RETRIES = 2
_READS = 16  # of a task: sending and merging its sums costs little beside computing them


def read(files: Sequence[EmbeddingFile], blocks: int, pool: Pool) -> Sums:
    """Read all files once, as ``sums.read`` does, by the tasks of a pool.

    Args:
        files: of one dimension.
        blocks: see ``sums.plan``.
        pool: whose workers find the files under the same path.

    Returns:
        The sums of all rows.

    Raises:
        InputError: for what ``sums.read`` refuses, for a worker that finds no file or another one, and for a task that
            failed, or whose worker was lost, ``RETRIES`` more times.
    """
    whole = Sums(sums.plan(files, blocks))
    with Progress(whole.plan.rows, "rows") as progress:

        def watch(running: int) -> None:
            progress.advance(0, f"{running} tasks running")

        for task, reply in outcomes(pool, add_up, tasks(files, whole.plan), retries=RETRIES, watch=watch):
            if reply.refused:
                raise InputError(str(reply.error))
            if reply.error is not None:
                raise InputError(f"reading {task['parts'][0][0]} failed {RETRIES + 1} times: {reply.error}")
            start, stop = task["rows"]
            whole.merge(start, stop, reply.result)
            progress.advance(stop - start)
    return whole


def tasks(files: Sequence[EmbeddingFile], plan: Plan) -> list[dict[str, Any]]:
    """Deal out all rows as plain data, the longest task first; many small files are one task."""
    size = _READS * sums.rows_at_a_time(plan.dim)
    groups = groupby(sums.parts(files, _READS), lambda part: (part.before + part.start) // size)
    found = [_task(list(parts), plan) for _, parts in groups]
    return sorted(found, key=lambda task: task["rows"][0] - task["rows"][1])


def _task(parts: Sequence[Part], plan: Plan) -> dict[str, Any]:
    return {
        "plan": astuple(plan),
        "rows": (parts[0].before + parts[0].start, parts[-1].before + parts[-1].stop),
        "parts": [
            (part.file.path.absolute(), part.file.name, part.file.rows, part.start, part.stop, part.before)
            for part in parts
        ],
    }


def add_up(task: dict[str, Any], check: Check) -> dict[str, Array]:
    """Read the rows of a task, on one core, and return their sums; see ``Sums.arrays``."""
    own = Sums(Plan(*task["plan"]))
    parts = [
        Part(_open(path, name, (rows, own.plan.dim)), start, stop, before)
        for path, name, rows, start, stop, before in task["parts"]
    ]
    sums.read_parts(own, parts, Threads(1, check))
    return own.arrays(*task["rows"])


def _open(path: Path, name: str | None, shape: tuple[int, int]) -> EmbeddingFile:
    """Open a file where the task runs, which may be another machine."""
    where = f"on {socket.gethostname()}; all machines need the files under the same path"
    if not path.exists():
        raise InputError(f"{path} does not exist {where}")
    (file,) = open_files([path], name)
    if (file.rows, file.dim) != shape:
        raise InputError(f"{path} is {file.rows} x {file.dim}, not {shape[0]} x {shape[1]}, {where}")
    return file
