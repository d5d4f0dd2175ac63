"""Running a sweep: what is missing is computed, shared results once, and every result goes into one table."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
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
from asymdistill.sweep import tasks
from asymdistill.sweep.spec import Plan
from asymdistill.sweep.table import MANIFEST, Row, TableFile
from asymdistill.sweep.tasks import Task

SCHEMA = 1


@dataclass
class Piece:
    """A result that a sweep needs, whichever points need it.

    Attributes:
        words: what it is.
        task: what a worker gets to compute it.
        cost: of computing it, beside others.
        needs: keys of the embeddings that have to be there before.
        student: its key as a student; None: it is none.
        trained: whether that is stored.
        found: whether all of it is stored.
        reply: what came of it, once it is there.
        error: why it is not there.
    """

    words: str
    task: Task
    found: bool
    cost: int = 1
    needs: tuple[str, ...] = ()
    student: str | None = None
    trained: bool = False
    reply: dict[str, Any] | None = None
    error: str | None = None


@dataclass
class Needs:
    """What a sweep needs, each once.

    Attributes:
        embeddings: by key.
        models: by the key of what is measured of them.
        places: for each point, the keys of its models.
    """

    embeddings: dict[str, Piece] = field(default_factory=dict)
    models: dict[str, Piece] = field(default_factory=dict)
    places: dict[int, list[str]] = field(default_factory=dict)

    @property
    def missing(self) -> dict[str, Piece]:
        """The models that are not measured, or not completely."""
        return {key: piece for key, piece in self.models.items() if not piece.found}

    @property
    def missing_embeddings(self) -> dict[str, Piece]:
        """The embeddings that have to be computed for them."""
        needed = {key for piece in self.missing.values() for key in piece.needs}
        return {key: piece for key, piece in self.embeddings.items() if key in needed and not piece.found}

    def count_students(self) -> tuple[int, int]:
        """How many students there are, and how many are to be trained."""
        everyone = {piece.student for piece in self.models.values() if piece.student}
        missing = {piece.student for piece in self.missing.values() if piece.student and not piece.trained}
        return len(everyone), len(missing)

    def count_embeddings(self) -> tuple[int, int]:
        """How many sets of the teachers' embeddings there are, and how many are to be computed."""
        return len(self.embeddings), len(self.missing_embeddings)


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
        self._created = datetime.now(UTC).isoformat(timespec="seconds")

    @cached_property
    def needs(self) -> Needs:
        """What the sweep needs, found or missing; looked up when first asked for.

        Raises:
            InputError: a worker cannot open one of the points.
        """
        found = Needs()
        pool = self._pool.whole()
        jobs = [point | {"number": number} for number, point in enumerate(self._points)]
        with Progress(len(jobs), "looking for stored results") as progress:
            for job, reply in outcomes(pool, tasks.examine, jobs, retries=self._retries):
                if reply.error is not None:
                    raise InputError(reply.error)
                self._add(found, job["number"], reply.result)
                progress.advance()
        return found

    def counts(self) -> dict[str, tuple[int, int]]:
        """How many students and teacher embeddings there are, and how many are to be computed."""
        return {"students": self.needs.count_students(), "embeddings": self.needs.count_embeddings()}

    def differences(self) -> list[str]:
        """How many of the results found were made otherwise than they would be here, in words."""
        found: dict[str, Counter[str]] = {}
        for piece in self.needs.models.values():
            for kind, own in (piece.reply or {"differing": {}})["differing"].items():
                found.setdefault(kind, Counter()).update(own)
        return [f"{kind}: {count} found by {what}" for kind, own in found.items() for what, count in own.items()]

    @property
    def failed(self) -> dict[str, str]:
        """What failed, in words, and why."""
        pieces = (*self.needs.embeddings.values(), *self.needs.models.values())
        return {piece.words: piece.error for piece in pieces if piece.error is not None}

    def run(self) -> None:
        """Compute what is missing, but for what fails, and write the table as results come."""
        needs = self.needs
        table = TableFile(self.folder, self._plan.axes)
        try:
            self._do(self._pool.whole(), tasks.embed, needs.missing_embeddings, "teacher embeddings")
            lost = {key for key, piece in needs.embeddings.items() if piece.error is not None}
            missing = needs.missing
            for piece in missing.values():
                if lost.intersection(piece.needs):
                    piece.error = "the teacher embeddings that it needs failed"
            left = {key: piece for key, piece in missing.items() if piece.error is None}
            self._do(self._pool, tasks.compute, left, "sweep", table)
        finally:
            self._write(table)

    def _add(self, needs: Needs, number: int, reply: Mapping[str, Any]) -> None:
        point = self._points[number]
        where = "".join(f", {name} {value}" for name, value in self._plan.points[number].axes.items())
        for key, need in reply["embeddings"].items():
            words = f"{point['settings']['teacher']} of {point['settings']['dataset']}, {need['task']['split']}"
            needs.embeddings.setdefault(key, Piece(words, point | need["task"], need["found"]))
        needs.places[number] = [model["key"] for model in reply["models"]]
        for model in reply["models"]:
            piece = Piece(
                f"{model['words']}{where}",
                point | model["task"],
                model["reply"] is not None,
                **{name: model[name] for name in ("cost", "student", "trained", "reply")},
                needs=tuple(model["needs"]),
            )
            needs.models.setdefault(model["key"], piece)

    def _do(
        self, pool: Pool, work: Work, pieces: Mapping[str, Piece], title: str, table: TableFile | None = None
    ) -> None:
        """Do tasks, those that share images and teacher in a row, the longest first."""
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
                piece.reply, piece.error = reply.result, reply.error
                done, failed = done + (reply.error is None), failed + (reply.error is not None)
                self.made.update(reply.result["made"] if reply.result else {})
                progress.advance(piece.cost, f"{done} of {len(pieces)} done, {failed} failed")
                if table is not None and table.is_due():
                    self._write(table)

    def _write(self, table: TableFile) -> None:
        table.write(self._rows())
        files.write_json(self.folder / MANIFEST, self.manifest())

    def _rows(self) -> Iterator[Row]:
        for number, point in enumerate(self._plan.points):
            for key in self.needs.places[number]:
                reply = self.needs.models[key].reply
                for row in reply["rows"] if reply else ():
                    yield {"profile": point.profile, **point.axes, **row}

    def manifest(self) -> dict[str, Any]:
        """What is known of the sweep: what it varies, what made its numbers, and how far it is."""
        models = self.needs.models.values()
        replies = [piece.reply for piece in models if piece.reply]
        seconds: Counter[str] = Counter()
        for reply in replies:
            seconds.update(reply["seconds"])
        spec = self._plan.spec
        return {
            "schema": SCHEMA,
            "name": self._plan.name,
            "sweep": self.folder.name,
            "created": self._created,
            "commit": ", ".join(sorted({commit for reply in replies for commit in reply["commits"]})),
            "device": ", ".join(sorted({device for reply in replies for device in reply["devices"]})),
            "versions": {"python": provenance.python_version(), **provenance.versions()},
            "axes": self._plan.axes,
            "spec": spec.model_dump(mode="json", by_alias=True),
            "students": self.needs.count_students()[0],
            "models": {"all": len(models), "measured": len(replies), "failed": sum(bool(p.error) for p in models)},
            "seconds": {kind: round(value, 2) for kind, value in seconds.items()},
        }
