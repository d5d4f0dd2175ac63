"""Running a sweep: what is missing is computed, shared results once, and every result goes into one table."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from asymdistill.config.settings import NO_RESULT
from asymdistill.runtime.errors import InputError
from asymdistill.runtime.pools import Pool, ProcessPool, ThreadPool, Work, outcomes
from asymdistill.runtime.progress import Progress
from asymdistill.store import files, provenance
from asymdistill.store.keys import canonical
from asymdistill.study.recorded import MANIFEST
from asymdistill.sweep import tasks
from asymdistill.sweep.needs import Needs, Piece
from asymdistill.sweep.spec import Plan
from asymdistill.sweep.table import TableFile

SCHEMA = 1


def pool_for(plan: Plan, address: str | None = None, gpus: float | None = None) -> Pool:
    """Where a sweep's tasks run.

    Args:
        plan: whose first point says for how many students there is room on a CPU.
        address: of a Ray cluster; None: this machine, in threads on a CPU and in processes on a GPU.
        gpus: the part of a GPU that a task takes; None: on Ray no GPU, here all of it.

    Raises:
        InputError: there is no such cluster or no GPU, or a part that no GPU has.
    """
    if gpus is not None and not 0 < gpus <= 1:
        raise InputError(f"gpus is {gpus:g}; it must be above 0 and at most 1, the part of a GPU that a student takes")
    if address is not None:
        from asymdistill.runtime.cluster import RayPool

        return RayPool(address, gpus)
    from asymdistill.runtime.devices import cores, resolve_device

    settings = plan.points[0].settings
    if resolve_device(settings.device).type == "cuda":
        return ProcessPool(int(1 / (gpus or 1)))
    if gpus is not None:
        raise InputError(f"gpus is {gpus:g}, but there is no GPU; leave it out on a CPU")
    return ThreadPool(settings.workers or cores())


class Sweep:
    """A sweep over a store.

    Args:
        plan: what is varied.
        runs_dir: the folder of runs; the store lies within it unless the settings name another.
        pool: where tasks run.
        retries: how many more attempts a task has that fails.
        fresh: compute again what other code, other versions of a library or another kind of device made.

    Attributes:
        folder: of the table and the manifest.
        made: number of results by kind that were computed.
    """

    def __init__(self, plan: Plan, runs_dir: Path, pool: Pool, *, retries: int = 2, fresh: bool = False) -> None:
        self._plan = plan
        self._pool = pool
        self._retries = retries
        self._points = [tasks.describe(plan, point, runs_dir, fresh=fresh) for point in plan.points]
        kept = [point.settings.model_dump(mode="json", exclude=set(NO_RESULT)) for point in plan.points]
        digest = files.digest_bytes(canonical([kept, list(plan.spec.quantities)]).encode())
        self.folder = runs_dir / f"sweep-{plan.name}-{digest[:10]}"
        self.made: Counter[str] = Counter()
        self._differing: Counter[tuple[str, str]] = Counter()
        self._seconds: Counter[str] = Counter()
        self._makers: dict[str, set[str]] = {"commits": set(), "devices": set()}
        self._created = datetime.now(UTC).isoformat(timespec="seconds")

    @cached_property
    def needs(self) -> Needs:
        """What the sweep needs, found or missing; looked up when first asked for.

        Raises:
            InputError: a worker cannot open one of the points.
        """
        needs = Needs()
        jobs = [point | {"number": number} for number, point in enumerate(self._points)]
        with Progress(len(jobs), "looking for stored results") as progress:
            for job, reply in outcomes(self._pool.whole(), tasks.examine, jobs, retries=self._retries):
                if reply.error is not None:
                    raise InputError(reply.error)
                number = job["number"]
                for model in reply.result["models"]:
                    if model["result"] and model["key"] not in needs.models:
                        self._note(model["result"])
                axes = self._plan.points[number].axes
                where = "".join(f", {name} {value}" for name, value in axes.items())
                needs.add(number, self._points[number], where, reply.result)
                progress.advance()
        return needs

    def run(self) -> None:
        """Compute what is missing, but for what fails, and write the table as results come."""
        needs = self.needs
        table = TableFile(self.folder, self._plan.axes)
        try:
            self._do(self._pool.whole(), tasks.embed, needs.missing_embeddings, "teacher embeddings")
            needs.give_up()
            left = {key: piece for key, piece in needs.missing.items() if piece.error is None}
            self._do(self._pool, tasks.compute, left, "sweep", table)
        finally:
            self._write(table)

    def differences(self) -> list[str]:
        """How many of the results found were made otherwise than they would be here, in words."""
        return [f"{kind}: {count} found by {what}" for (kind, what), count in self._differing.items()]

    def manifest(self) -> dict[str, Any]:
        """What is known of the sweep: what it varies, what made its numbers, and how far it is."""
        models = self.needs.models.values()
        measured, failed = (sum(map(state, models)) for state in (_is_measured, _has_failed))
        return {
            "schema": SCHEMA,
            "name": self._plan.name,
            "sweep": self.folder.name,
            "created": self._created,
            "commit": ", ".join(sorted(self._makers["commits"])),
            "device": ", ".join(sorted(self._makers["devices"])),
            "versions": {"python": provenance.python_version(), **provenance.versions()},
            "axes": self._plan.axes,
            "spec": self._plan.spec.model_dump(mode="json", by_alias=True),
            "students": self.needs.counts()["students"][0],
            "models": {"all": len(models), "measured": measured, "failed": failed},
            "seconds": {kind: round(value, 2) for kind, value in self._seconds.items()},
        }

    def _do(
        self, pool: Pool, work: Work, pieces: Mapping[str, Piece], title: str, table: TableFile | None = None
    ) -> None:
        """Do tasks, those that share images and teacher in a row."""
        if not pieces:
            return
        # The longest first, so that nothing idles at the end.
        order = sorted(pieces, key=lambda key: (tasks.source_of(pieces[key].task), -pieces[key].cost))
        jobs = ({**pieces[key].task, "cores": pool.cores, "key": key} for key in order)
        done = failed = 0
        with Progress(sum(piece.cost for piece in pieces.values()), title) as progress:

            def watch(running: int) -> None:
                progress.advance(0, f"{done} of {len(pieces)} done, {running} running, {failed} failed")

            for job, reply in outcomes(pool, work, jobs, retries=self._retries, watch=watch):
                piece = pieces[job["key"]]
                piece.error = reply.error
                if reply.error is None:
                    piece.rows = reply.result["rows"]
                    self._note(reply.result)
                done, failed = done + (reply.error is None), failed + (reply.error is not None)
                progress.advance(piece.cost, f"{done} of {len(pieces)} done, {failed} failed")
                if table is not None and table.is_due():
                    self._write(table)

    def _note(self, result: Mapping[str, Any]) -> None:
        """Note what made a result, but not its rows."""
        self.made.update(result["made"])
        self._seconds.update(result["seconds"])
        for name, known in self._makers.items():
            known.update(result[name])
        for kind, what, count in result["differing"]:
            self._differing[kind, what] += count

    def _write(self, table: TableFile) -> None:
        table.write(self._rows())
        files.write_json(self.folder / MANIFEST, self.manifest())

    def _rows(self) -> Iterator[Sequence[Any]]:
        for number, point in enumerate(self._plan.points):
            for key in self.needs.places[number]:
                for row in self.needs.models[key].rows or ():
                    yield [point.profile, *point.axes.values(), *row]


def _is_measured(piece: Piece) -> bool:
    return piece.rows is not None


def _has_failed(piece: Piece) -> bool:
    return piece.error is not None
