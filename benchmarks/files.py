"""Time and memory of measuring embeddings from files, beside the disk, the matrix product and a plain pass."""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from asymdistill.measure.files import EmbeddingFile, open_files
from asymdistill.measure.report import report
from asymdistill.metrics.spectrum import effective_rank_of
from benchmarks.measuring import Record, module, most_used

# Rows and dimension; all are measured in float32 and in float16. NumPy's rate does not depend on the number of rows.
FILES = ((2_000_000, 64), (20_000_000, 64), (200_000, 768), (1_000_000, 768))
COMPARED = ((2_000_000, 64), (200_000, 768))
KINDS = ("float32", "float16")
SIMULATED = ((100_000_000, 64), (1_000_000, 768))  # from memory, in float16: the arithmetic without the disk
METHODS = ("ours", "one pass of NumPy")
_BLOCK = 2**22  # numbers that are written, or read by NumPy, at a time


def measure(rates: Record) -> Iterator[Record]:
    """One record per size, kind and method; files are read from the disk, not from the system's memory of them."""
    for rows, dim in FILES:
        for kind in KINDS:
            with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
                path = Path(folder) / "embeddings.npy"
                write(path, rows, dim, kind)
                disk = path.stat().st_size / _read_whole(path) / 1e9
                for method in METHODS if (rows, dim) in COMPARED else METHODS[:1]:
                    forget(path)
                    found = module("files", "--path", path, "--method", method)
                    yield _record(rows, dim, kind, rates, {"source": "disk", "method": method, **found}, disk)
    for rows, dim in SIMULATED:
        found = module("files", "--rows", rows, "--dim", dim)
        yield _record(rows, dim, "float16", rates, {"source": "memory", "method": "ours", **found}, None)


def _record(rows: int, dim: int, kind: str, rates: Record, found: Record, disk: float | None) -> Record:
    """Add rates and ceilings: of a symmetric product only half is computed, d (d + 1) operations a row."""
    size = np.dtype(kind).itemsize * dim
    matrix = rates["matrix_gflops_double"] / (dim * (dim + 1)) * size
    rate = rows * size / found["seconds"] / 1e9
    return {
        "rows": rows, "dim": dim, "dtype": kind, **found, "rows_per_second": rows / found["seconds"],
        "gbytes_per_second": rate, "disk_gbytes": disk, "matrix_gbytes": matrix,
        "share_of_ceiling": rate / min(matrix, disk or matrix),
    }  # fmt: skip


def block(rows: int, dim: int, kind: str, seed: int = 0) -> Tensor:
    """Embeddings around a mean; the variance of direction k falls as 1 / k."""
    drawn = torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed))
    return (drawn / torch.arange(1, dim + 1).sqrt() + 0.2).to(getattr(torch, kind))


def write(path: Path, rows: int, dim: int, kind: str) -> None:
    """Write embeddings, a few different blocks in turn, and wait until they are on the disk."""
    size = _BLOCK // dim
    blocks = [block(size, dim, kind, seed).numpy() for seed in range(4)]
    with path.open("wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(kind)), "fortran_order": False, "shape": (rows, dim)}
        np.lib.format.write_array_header_1_0(file, header)
        for number, start in enumerate(range(0, rows, size)):
            file.write(blocks[number % 4][: rows - start].tobytes())
        file.flush()
        os.fsync(file.fileno())


def forget(path: Path) -> None:
    """Have the system drop what it holds of a file in memory, so that it is read from the disk."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _read_whole(path: Path) -> float:
    """Seconds for reading a file from the disk, the better of two."""
    buffer, taken = bytearray(2**24), []
    for _ in range(2):
        forget(path)
        begin = time.perf_counter()
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass
        taken.append(time.perf_counter() - begin)
    return min(taken)


def ours(path: Path) -> float:
    """The effective rank, from everything that ``asymdistill measure`` computes."""
    return report(open_files([path]))["effective_rank"]


def one_pass(path: Path) -> float:
    """The effective rank and nothing else, as one writes it by hand: sums of x and x x^T over mapped blocks."""
    mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    total, gram = np.zeros(mapped.shape[1]), np.zeros((mapped.shape[1],) * 2)
    for start in range(0, len(mapped), _BLOCK // mapped.shape[1]):
        rows = mapped[start : start + _BLOCK // mapped.shape[1]].astype(np.float64)
        total += rows.sum(0)
        gram += rows.T @ rows
    values = np.linalg.eigvalsh(gram - np.outer(total, total) / len(mapped)).clip(0)
    return effective_rank_of(torch.from_numpy(values).sqrt())


def simulated(rows: int, dim: int) -> float:
    """The effective rank of a block that is repeated: the arithmetic without a disk."""
    held = block(max(_BLOCK // dim, dim), dim, "float16")

    def read(start: int, stop: int, size: int) -> Iterator[Tensor]:
        for begin in range(start, stop, size):
            yield held[: min(size, stop - begin)]

    return report([EmbeddingFile(Path("simulated"), rows, dim, "float16", read)])["effective_rank"]


def main() -> None:
    """Measure once; print the record as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--path", type=Path)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--dim", type=int)
    parser.add_argument("--method", choices=METHODS, default="ours")
    chosen = parser.parse_args()
    work: Callable[[], float] = {
        "ours": lambda: ours(chosen.path) if chosen.path else simulated(chosen.rows, chosen.dim),
        "one pass of NumPy": lambda: one_pass(chosen.path),
    }[chosen.method]
    found: dict[str, Any] = {}

    def timed() -> None:
        begin, busy = time.perf_counter(), time.process_time()
        found["value"] = work()
        found["seconds"], found["cpu_seconds"] = time.perf_counter() - begin, time.process_time() - busy

    found["used_gib"] = most_used(timed)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
