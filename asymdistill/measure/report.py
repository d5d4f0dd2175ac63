"""What a user is told about a set of embeddings: quantities with intervals, and the spectrum."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from asymdistill.measure import pooled, sums
from asymdistill.measure.files import EmbeddingFile, open_files
from asymdistill.measure.sums import Sums
from asymdistill.metrics import moments
from asymdistill.metrics.contrastive import uniformity
from asymdistill.metrics.resampling import jackknife_interval
from asymdistill.metrics.spectrum import dims_for_variance_of, effective_rank_of, participation_ratio_of
from asymdistill.runtime import devices
from asymdistill.runtime.cluster import RayPool
from asymdistill.runtime.errors import Check, InputError
from asymdistill.runtime.executors import Threads
from asymdistill.runtime.pools import Pool

BLOCKS = 20
TITLES = {
    "effective_rank": "effective rank (variance)",
    "effective_rank_amplitude": "effective rank (amplitude)",
    "participation_ratio": "participation ratio",
    "dims_for_90": "dimensions for 90 % of the variance",
    "mean_norm": "mean norm",
    "mean_cosine": "mean cosine between rows",
    "mean_direction_norm": "norm of the mean direction",
    "uniformity": "uniformity",
    "variance_in_other": "variance within the second set's dimensions for 90 %",
    "row_cosine": "mean cosine with the same row of the second set",
}
STEPS = ("dims_for_90",)  # quantities that move in steps, for which no jackknife holds


@dataclass(frozen=True)
class Quantity:
    """A number with its interval.

    Attributes:
        name: one of ``TITLES``.
        value: of all rows.
        low: lower limit at 95 %; None where there is no interval.
        high: upper limit.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None

    def shown(self) -> str:
        """The value, and in brackets its interval if it has one."""
        value = f"{self.value:.4g}"
        return value if self.low is None else f"{value} ({self.low:.4g} to {self.high:.4g})"


@dataclass(frozen=True)
class Report:
    """What was measured.

    Attributes:
        rows: N.
        dim: d.
        dtypes: of the files, each named once.
        blocks: of the jackknife; 1 where there is no interval.
        sampled: rows whose pairs the uniformity is taken over.
        quantities: in the order of ``TITLES``.
        variances: share of the variance in each principal direction, largest first.
    """

    rows: int
    dim: int
    dtypes: tuple[str, ...]
    blocks: int
    sampled: int
    quantities: tuple[Quantity, ...]
    variances: tuple[float, ...]

    def __getitem__(self, name: str) -> float:
        """The value of a quantity."""
        return {quantity.name: quantity.value for quantity in self.quantities}[name]

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON can hold it; the quantities by name."""
        named = {own.name: {"value": own.value, "low": own.low, "high": own.high} for own in self.quantities}
        return {**asdict(self), "quantities": named}

    def notes(self) -> list[str]:
        """What a reader of the numbers has to know, in a few lines."""
        said = [
            f"{self.rows:,} x {self.dim}, {', '.join(self.dtypes)}; the spectrum is centred",
            f"uniformity: t = 2, all pairs of {self.sampled:,} evenly spaced rows",
        ]
        blocks = f"delete-a-block jackknife, {self.blocks} blocks of consecutive rows"
        return [*said, f"intervals: 95 %, {blocks}" if self.blocks > 1 else "intervals: none, for want of rows"]


def table(reports: Mapping[str, Report]) -> pd.DataFrame:
    """Several reports side by side: one row per quantity, its column ``quantity`` first, then one per set."""
    columns = {name: {TITLES[own.name]: own.shown() for own in report.quantities} for name, report in reports.items()}
    return pd.DataFrame(columns).rename_axis("quantity").reset_index()


def measure(
    files: Sequence[Path],
    against: Sequence[Path] = (),
    *,
    name: str | None = None,
    blocks: int = BLOCKS,
    address: str | None = None,
) -> Report:
    """Measure embeddings that lie in files, reading them once in memory that does not grow with their number.

    Args:
        files: files or folders of embeddings, see ``open_files``.
        against: a second set of the same dimension, to which alignment is measured. The cosine by rows is left out
            unless it has as many rows, which are then taken to belong to the same items in the same order.
        name: the array, tensor or column to read, where files have several.
        blocks: of the jackknife, at least 2.
        address: of a Ray cluster that reads the files, see ``RayPool``; None: the cores of this machine.

    Returns:
        The report.

    Raises:
        InputError: for files that cannot be used, embeddings that are all equal, a number of blocks out of range, or an
            address where there is no cluster.
    """
    opened = open_files(files, name), open_files(against, name)
    if address is None:
        return report(*opened, blocks=blocks)
    with closing(RayPool(address)) as pool:
        return report(*opened, blocks=blocks, pool=pool)


def report(
    files: Sequence[EmbeddingFile],
    against: Sequence[EmbeddingFile] = (),
    *,
    blocks: int = BLOCKS,
    pool: Pool | None = None,
) -> Report:
    """Measure embeddings that anything yields block by block; see ``measure``.

    Args:
        files: all of one dimension.
        against: a second set.
        blocks: of the jackknife, at least 2.
        pool: whose tasks open the files by their paths and read them; None: threads of this process. In both cases this
            process computes the cosine by rows.

    Returns:
        The report.

    Raises:
        InputError: as ``measure`` does.
    """
    if blocks < 2:
        raise InputError(f"blocks is {blocks}; it must be at least 2")
    if against and against[0].dim != files[0].dim:
        raise InputError(f"{against[0].path} has dimension {against[0].dim}, the first set {files[0].dim}")
    read = sums.read if pool is None else partial(pooled.read, pool=pool)
    found = read(files, blocks)
    plan = found.plan
    directions = cosines = None
    if against:
        second = moments.merge(read(against, blocks).moments)
        directions = _leading_directions(second)
        if moments.count_of(second) == plan.rows:
            cosines = sums.row_cosines(files, against, plan)
    values, *without = _each_without(partial(_quantities, found, directions=directions, cosines=cosines), plan.blocks)
    intervals = {
        key: jackknife_interval(value, [own[key] for own in without])
        for key, value in values.items()
        if key not in STEPS and without and all(without)
    }
    squares = moments.roots_of(moments.merge(found.moments)).square()
    return Report(
        rows=plan.rows,
        dim=plan.dim,
        dtypes=tuple(dict.fromkeys(file.dtype for file in files)),
        blocks=plan.blocks if intervals else 1,
        sampled=len(plan.sampled),
        quantities=tuple(Quantity(key, value, *intervals.get(key, (None, None))) for key, value in values.items()),
        variances=tuple((squares / squares.sum()).tolist()),
    )


def _each_without(of: Callable[[Tensor], dict[str, float]], blocks: int) -> list[dict[str, float]]:
    """What is measured of all blocks, then of all but each one in turn where there are several."""
    kept = [torch.ones(blocks, dtype=torch.float64), *(1 - torch.eye(blocks, dtype=torch.float64))]
    found: list[dict[str, float]] = [{} for _ in kept]

    def work(index: int, check: Check) -> None:
        check()
        found[index] = of(kept[index])

    Threads(devices.cores()).map(work, range(len(kept) if blocks > 1 else 1))
    return found if blocks > 1 else found[:1]


def _quantities(found: Sums, kept: Tensor, *, directions: Tensor | None, cosines: Tensor | None) -> dict[str, float]:
    """Everything that is measured of the kept blocks; nothing if they are not all and their rows are equal."""
    total = moments.merge(found.moments, kept)
    scatter, rows = moments.scatter_of(total), moments.count_of(total)
    if not scatter.any() and not kept.all():
        return {}
    roots = moments.roots_of(total)
    resultant = float(torch.linalg.vector_norm(kept @ found.directions)) / rows
    edges = torch.tensor(found.plan.edges[1:])
    of_sample = kept[torch.searchsorted(edges, found.plan.sampled, right=True)] > 0
    values = {
        "effective_rank": effective_rank_of(roots),
        "effective_rank_amplitude": effective_rank_of(roots, spectrum="amplitude"),
        "participation_ratio": participation_ratio_of(roots),
        "dims_for_90": float(dims_for_variance_of(roots, 0.9)),
        "mean_norm": float(kept @ found.lengths) / rows,
        "mean_cosine": (rows * resultant**2 - 1) / (rows - 1),
        "mean_direction_norm": resultant,
        "uniformity": uniformity(found.sample[of_sample], batch_size=None, include_self=False),
    }
    if directions is not None:
        values["variance_in_other"] = float((directions * (scatter @ directions)).sum() / scatter.trace())
    if cosines is not None:
        values["row_cosine"] = float(kept @ cosines) / rows
    return values


def _leading_directions(total: Tensor) -> Tensor:
    """The principal directions that hold 90 % of the variance, d x k."""
    dims = dims_for_variance_of(moments.roots_of(total), 0.9)
    directions: Tensor = torch.linalg.eigh(moments.scatter_of(total)).eigenvectors
    return directions[:, -dims:]
