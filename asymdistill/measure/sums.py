"""What is kept of embeddings while they stream by: sums that merge over parts, whoever computed which part.

The rows of all files together are numbered. Every part adds to the sums of the block of the jackknife that its rows
belong to, so that it does not matter how the rows are dealt out to threads, processes or machines.
"""

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from asymdistill.measure.files import Array, EmbeddingFile
from asymdistill.metrics import moments
from asymdistill.runtime import devices
from asymdistill.runtime.errors import Check, InputError
from asymdistill.runtime.executors import Threads
from asymdistill.runtime.progress import Progress

SAMPLED = 2048  # rows whose pairs the uniformity is taken over
_NUMBERS = 2**22  # that one thread reads at a time
_CACHED = 2**18  # numbers that stay in a core's cache


@dataclass(frozen=True)
class Plan:
    """What all parts of a measurement agree on.

    Attributes:
        rows: N, of all files together.
        dim: d.
        blocks: into which the jackknife divides the rows, in their order; 1 where they are too few.
    """

    rows: int
    dim: int
    blocks: int

    @cached_property
    def edges(self) -> list[int]:
        """Where the blocks begin, and the end of the last."""
        return [self.rows * block // self.blocks for block in range(self.blocks + 1)]

    @cached_property
    def sampled(self) -> Tensor:
        """The numbers of at most ``SAMPLED`` rows, evenly spaced."""
        size = min(self.rows, SAMPLED)
        return torch.tensor([self.rows * index // size for index in range(size)])

    def samples(self, start: int, stop: int) -> slice:
        """Which of the sampled rows have numbers from ``start`` up to ``stop``."""
        return slice(*torch.searchsorted(self.sampled, torch.tensor([start, stop])).tolist())

    def pieces(self, rows: Tensor, start: int) -> Iterator[tuple[int, int, Tensor]]:
        """Divide rows, of which the first has the number ``start``, by block: block, first number, rows."""
        for block, (begin, end) in enumerate(zip(self.edges, self.edges[1:], strict=False)):
            piece = rows[max(begin - start, 0) : max(end - start, 0)]
            if len(piece):
                yield block, max(begin, start), piece


@dataclass
class Sums:
    """The sums of some of the rows, by block of the jackknife.

    Attributes:
        plan: shared by all parts.
        moments: G x (d + 1) x (d + 1), see ``metrics.moments``.
        lengths: G, the summed lengths of the rows.
        directions: G x d, the summed rows of length 1.
        sample: the sampled rows; zeros where other parts have them.
    """

    plan: Plan
    moments: Tensor = field(init=False)
    lengths: Tensor = field(init=False)
    directions: Tensor = field(init=False)
    sample: Tensor = field(init=False)

    def __post_init__(self) -> None:
        size, dim = self.plan.blocks, self.plan.dim
        # By NumPy, which leaves the memory of a block untouched until rows are added to it.
        self.moments = torch.from_numpy(np.zeros((size, dim + 1, dim + 1)))
        self.lengths = torch.zeros(size, dtype=torch.float64)
        self.directions = torch.zeros(size, dim, dtype=torch.float64)
        self.sample = torch.zeros(len(self.plan.sampled), dim, dtype=torch.float64)
        self._lock = threading.Lock()

    def add(self, rows: Tensor, start: int, path: Path, first: int) -> None:
        """Add rows; may be called by several threads at once.

        Args:
            rows: any number of rows, of any floating point type.
            start: the number of the first among all rows.
            path: the file that they are from.
            first: the number of the first in this file.

        Raises:
            InputError: for a row with NaN or infinite values, or of zeros, which has no direction.
        """
        for block, begin, piece in self.plan.pieces(rows, start):
            length, direction = _lengths_and_directions(piece, path, first + begin - start)
            found = moments.moments(piece)
            sampled = self.plan.samples(begin, begin + len(piece))
            with self._lock:
                self.moments[block] = moments.merge(torch.stack([self.moments[block], found]))
                self.lengths[block] += length
                self.directions[block] += direction
                self.sample[sampled] = piece[self.plan.sampled[sampled] - begin].double()

    def arrays(self, start: int, stop: int) -> dict[str, Array]:
        """Return the sums of consecutive rows, which another process can ``merge``; no others may have been added.

        Args:
            start: the number of the first row.
            stop: of the first after the last.

        Returns:
            Moments, lengths and directions of the blocks that these rows belong to, and the sampled rows among them.
        """
        return {name: getattr(self, name)[where].numpy() for name, where in self._where(start, stop).items()}

    def merge(self, start: int, stop: int, arrays: Mapping[str, Array]) -> None:
        """Add the sums of further rows.

        Args:
            start: the number of the first.
            stop: of the first after the last.
            arrays: what ``arrays`` returned of them.
        """
        for name, where in self._where(start, stop).items():
            own, other = getattr(self, name)[where], torch.tensor(arrays[name])
            if name == "moments":
                for one, two in zip(own, other, strict=True):
                    one.copy_(moments.merge(torch.stack([one, two])))
            else:
                own += other

    def _where(self, start: int, stop: int) -> dict[str, slice]:
        """The blocks, and the rows of the sample, that the rows belong to."""
        blocks = slice(bisect_right(self.plan.edges, start) - 1, bisect_left(self.plan.edges, stop))
        own = self.plan.samples(start, stop)
        return {"moments": blocks, "lengths": blocks, "directions": blocks, "sample": own}


@dataclass(frozen=True)
class Part:
    """Rows of one file, which one thread reads.

    Attributes:
        file: the file.
        start: number of the first row in the file.
        stop: of the first row that is no longer read.
        before: rows in all files before this one.
    """

    file: EmbeddingFile
    start: int
    stop: int
    before: int

    def blocks(self) -> Iterator[tuple[int, Tensor]]:
        """Yield the rows block by block, each with the number of its first row in the file."""
        begin = self.start
        for rows in self.file.read(self.start, self.stop, rows_at_a_time(self.file.dim)):
            yield begin, rows
            begin += len(rows)
        if begin != self.stop:
            raise InputError(f"{self.file.path} ends after {begin} rows of {self.stop}: it is cut off or damaged")


def plan(files: Sequence[EmbeddingFile], blocks: int) -> Plan:
    """Plan a measurement of all rows of files.

    Args:
        files: of one dimension.
        blocks: of the jackknife, at least 2; fewer are made of fewer than twice as many rows.

    Raises:
        InputError: for fewer than two rows.
    """
    rows = sum(file.rows for file in files)
    if rows < 2:
        raise InputError(f"{files[0].path} has one row; a spectrum needs at least 2")
    return Plan(rows, files[0].dim, max(1, min(blocks, rows // 2)))


def parts(files: Sequence[EmbeddingFile], reads: int = 1) -> list[Part]:
    """Divide the rows of files, in their order, into parts to be read on their own.

    Args:
        files: of one dimension.
        reads: that a part takes at most; a file that cannot be read from the middle is one part.
    """
    found, before = [], 0
    for file in files:
        step = reads * rows_at_a_time(file.dim) if file.seekable else file.rows
        found += [Part(file, start, min(start + step, file.rows), before) for start in range(0, file.rows, step)]
        before += file.rows
    return found


def read(files: Sequence[EmbeddingFile], blocks: int) -> Sums:
    """Read all files once, on every core.

    Args:
        files: of one dimension.
        blocks: see ``plan``.

    Returns:
        The sums of all rows.

    Raises:
        InputError: for fewer than two rows, and for what ``Sums.add`` refuses.
    """
    sums = Sums(plan(files, blocks))
    with Progress(sums.plan.rows, "rows") as progress:
        longest_first = sorted(parts(files), key=lambda part: part.start - part.stop)
        read_parts(sums, longest_first, Threads(devices.cores()), progress.advance)
    return sums


def read_parts(
    sums: Sums, parts: Sequence[Part], threads: Threads, advance: Callable[[int], None] = lambda _: None
) -> None:
    """Read parts and add their rows to sums.

    Args:
        sums: that the rows are added to.
        parts: begun in this order.
        threads: which read them.
        advance: called with the number of rows that have been added.

    Raises:
        InputError: for what ``Sums.add`` refuses.
    """

    def work(part: Part, check: Check) -> None:
        for first, rows in part.blocks():
            check()
            sums.add(rows, part.before + first, part.file.path, first)
            advance(len(rows))

    threads.map(work, parts)


def row_cosines(files: Sequence[EmbeddingFile], others: Sequence[EmbeddingFile], plan: Plan) -> Tensor:
    """Return the summed cosines of every row with the same row of a second set, G values by block.

    Both are read in step, without being held.
    """
    found = torch.zeros(plan.blocks, dtype=torch.float64)
    start = 0
    with Progress(plan.rows, "pairs of rows") as progress:
        for rows, same in _in_step(_all_rows(files), _all_rows(others)):
            for block, begin, piece in plan.pieces(rows, start):
                other = same[begin - start : begin - start + len(piece)]
                found[block] += torch.cosine_similarity(piece.double(), other.double()).sum()
            start += len(rows)
            progress.advance(len(rows))
    return found


def _all_rows(files: Sequence[EmbeddingFile]) -> Iterator[Tensor]:
    for file in files:
        for rows in file.read(0, file.rows, rows_at_a_time(file.dim)):
            yield from torch.split(rows, max(_CACHED // file.dim, 1))


def _in_step(left: Iterator[Tensor], right: Iterator[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield equally many rows of either stream at a time."""
    one, two = next(left, None), next(right, None)
    while one is not None and two is not None:
        size = min(len(one), len(two))
        yield one[:size], two[:size]
        one = one[size:] if size < len(one) else next(left, None)
        two = two[size:] if size < len(two) else next(right, None)


def rows_at_a_time(dim: int) -> int:
    """Rows that one thread reads at a time: enough that merging their moments costs little beside computing them."""
    return max(_NUMBERS // dim, dim)


def _lengths_and_directions(rows: Tensor, path: Path, first: int) -> tuple[Tensor, Tensor]:
    """Return the sum of the rows' lengths and the sum of the rows divided by them."""
    total, direction = torch.zeros((), dtype=torch.float64), torch.zeros(rows.shape[1], dtype=torch.float64)
    for part in torch.split(rows, max(_CACHED // rows.shape[1], 1)):
        values = part.double()
        lengths = torch.linalg.vector_norm(values, dim=1)
        usable = (lengths > 0) & torch.isfinite(lengths)
        if not bool(usable.all()):
            bad = int(usable.logical_not().nonzero()[0])
            raise InputError(f"{path}: row {first + bad} {_problem(values[bad])}")
        total += lengths.sum()
        direction += (1 / lengths) @ values
        first += len(part)
    return total, direction


def _problem(row: Tensor) -> str:
    """Why a row has no length above zero."""
    if not bool(torch.isfinite(row).all()):
        return "has NaN or infinite values"
    if bool(row.any()):
        return "has numbers that are too large or too small to be squared"
    return "is all zeros and has no direction"
