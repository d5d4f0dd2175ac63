"""Files of embeddings: what they hold, and their rows block by block, so that no file has to fit into memory.

Embeddings are floating point: float16, bfloat16, float32 or float64. Integers are identifiers, labels or codes; a file
of integers is refused, and beside floating point arrays or columns they are left alone. In CSV all numbers count as
floating point. Nothing is ever unpickled.
"""

import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asymdistill.runtime.errors import InputError

SUFFIXES = (".npy", ".npz", ".safetensors", ".parquet", ".csv")
_KINDS = "float16, bfloat16, float32 or float64"
_SAFE = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64"}
# NumPy has no bfloat16: it stores arrays of ml_dtypes, hence of JAX, as two raw bytes per number.
_BFLOAT16 = "|V2"
Array = NDArray[Any]


@dataclass(frozen=True)
class EmbeddingFile:
    """A file of embeddings that has been opened, but whose numbers have not been read.

    Attributes:
        path: of the file.
        rows: N.
        dim: d.
        dtype: of its numbers.
        read: yields the rows from one number up to another, in blocks of at most so many, as tensors.
        seekable: whether reading from the middle costs nothing extra.
        name: the array, tensor or column that was asked for; None: none was.
    """

    path: Path
    rows: int
    dim: int
    dtype: str
    read: Callable[[int, int, int], Iterator[Tensor]]
    seekable: bool = True
    name: str | None = None


def open_files(paths: Sequence[Path], name: str | None = None) -> list[EmbeddingFile]:
    """Open files of embeddings, or folders of them: their rows follow each other in this order.

    Args:
        paths: files of one of ``SUFFIXES``, or folders, whose files of these are taken in alphabetical order.
        name: the array, tensor or column of lists to read, where a file has several.

    Returns:
        One for each file, all of one dimension.

    Raises:
        InputError: for a file that is missing, damaged or empty, holds no embeddings, or has another dimension than the
            first.
    """
    found = [_open(file, name) for path in paths for file in _listed(path)]
    for file in found:
        if file.dim != found[0].dim:
            raise InputError(
                f"{file.path} has dimension {file.dim}, but {found[0].path} has {found[0].dim}; all must agree"
            )
    return found


def _listed(path: Path) -> list[Path]:
    """The files of a folder, or the one file."""
    if not path.exists():
        raise InputError(f"{path} does not exist")
    if not path.is_dir():
        return [path]
    files = sorted(
        file for file in path.iterdir() if file.suffix in SUFFIXES and file.is_file() and not file.name.startswith(".")
    )
    if not files:
        raise InputError(f"folder {path} has no file of embeddings; allowed: {', '.join(SUFFIXES)}")
    return files


def _open(path: Path, name: str | None) -> EmbeddingFile:
    readers = {".npy": _npy, ".npz": _npz, ".safetensors": _safetensors, ".parquet": _parquet, ".csv": _csv}
    if path.suffix not in readers:
        raise InputError(f"{path} is no file of embeddings; allowed: {', '.join(SUFFIXES)}, or a folder of them")
    with path.open("rb") as file:
        head = file.read(64)
    if not head:
        raise InputError(f"{path} is empty")
    if head.startswith(b"version https://git-lfs"):
        raise InputError(f"{path} is a pointer of Git LFS, not the file itself; `git lfs pull` fetches it")
    if name is not None and path.suffix in (".npy", ".csv"):
        raise InputError(f"{path} has no names, but --name is {name!r}")
    return replace(readers[path.suffix](path, name), name=name)


# NumPy


def _npy(path: Path, name: str | None) -> EmbeddingFile:
    with path.open("rb") as file:
        shape, _, dtype = _header(file, str(path))

    def read(start: int, stop: int, rows: int) -> Iterator[Tensor]:
        for begin in range(start, stop, rows):
            # Mapped anew for every block: pages that have been read would otherwise stay until the end.
            mapped = np.load(path, mmap_mode="c", allow_pickle=False)
            yield _tensor(mapped[begin : min(begin + rows, stop)])

    try:
        np.load(path, mmap_mode="c", allow_pickle=False)
    except ValueError:
        raise InputError(f"{path} is cut off: it is shorter than its header says") from None
    return _file(path, shape, _kind(dtype), read)


def _npz(path: Path, name: str | None) -> EmbeddingFile:
    try:
        with zipfile.ZipFile(path) as archive:
            headers = {}
            for member in archive.namelist():
                with archive.open(member) as file:
                    headers[member.removesuffix(".npy")] = _header(file, f"{path}, array {member}", allow_any=True)
    except zipfile.BadZipFile:
        raise InputError(f"{path} is no .npz file, or is damaged") from None
    chosen = _chosen(path, "array", {key: _kind(dtype) for key, (_, _, dtype) in headers.items()}, name)
    shape, fortran, dtype = headers[chosen]
    if fortran:
        raise InputError(
            f"array {chosen} of {path} is stored column by column; np.save it as .npy, which can be mapped"
        )

    def read(start: int, stop: int, rows: int) -> Iterator[Tensor]:
        width = shape[1] * dtype.itemsize
        try:
            with zipfile.ZipFile(path) as archive, archive.open(f"{chosen}.npy") as file:
                _header(file, str(path))
                file.seek(start * width, 1)
                for begin in range(start, stop, rows):
                    data = bytearray(file.read((min(begin + rows, stop) - begin) * width))
                    yield _tensor(np.frombuffer(data, dtype).reshape(-1, shape[1]))
        except (zipfile.BadZipFile, EOFError, ValueError):
            raise InputError(f"array {chosen} of {path} is damaged") from None

    return _file(path, shape, _kind(dtype), read, seekable=False)


def _header(file: IO[bytes], what: str, *, allow_any: bool = False) -> tuple[tuple[int, ...], bool, "np.dtype[Any]"]:
    """Shape, whether columns come first, and type of the array that begins here."""
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(file)
    except ValueError:
        raise InputError(f"{what} is no array of NumPy, or a damaged one") from None
    if dtype.hasobject and not allow_any:
        raise InputError(f"{what} holds pickled Python objects, which are never read; allowed: {_KINDS}")
    return shape, fortran, dtype


def _kind(dtype: "np.dtype[Any]") -> str:
    return "bfloat16" if dtype.str == _BFLOAT16 else dtype.name


def _tensor(rows: Array) -> Tensor:
    if rows.dtype.str == _BFLOAT16:
        return torch.from_numpy(np.ascontiguousarray(rows).view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(rows.astype(rows.dtype.newbyteorder("="), copy=False))


# Other libraries


def _safetensors(path: Path, name: str | None) -> EmbeddingFile:
    import safetensors

    try:
        with safetensors.safe_open(path, framework="pt") as file:
            slices = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118
            kinds = {key: _SAFE.get(part.get_dtype(), part.get_dtype()) for key, part in slices.items()}
            chosen = _chosen(path, "tensor", kinds, name)
            shape = tuple(slices[chosen].get_shape())
    except safetensors.SafetensorError as error:
        raise InputError(f"{path} is no .safetensors file, or is damaged: {error}") from None

    def read(start: int, stop: int, rows: int) -> Iterator[Tensor]:
        for begin in range(start, stop, rows):
            with safetensors.safe_open(path, framework="pt") as file:  # anew for every block, as for .npy
                yield file.get_slice(chosen)[begin : min(begin + rows, stop)]

    return _file(path, shape, kinds[chosen], read)


def _parquet(path: Path, name: str | None) -> EmbeddingFile:
    try:
        from pyarrow import ArrowException, parquet, types
    except ImportError:
        raise InputError(f"{path}: reading Parquet needs pyarrow; pip install 'asymdistill[parquet]'") from None
    try:
        with parquet.ParquetFile(path) as file:
            schema, count = file.schema_arrow, file.metadata.num_rows
            lists = {field.name: field.type for field in schema if hasattr(field.type, "value_type")}
            flat = [field.name for field in schema if types.is_floating(field.type)]
            kinds = {key: _arrow_kind(kind.value_type) for key, kind in lists.items()}
            if name is None and flat and not any(kind in _SAFE.values() for kind in kinds.values()):
                dim, columns = len(flat), flat
                kind = _arrow_kind(schema.field(flat[0]).type)
            else:
                columns = [_chosen(path, "column of lists", kinds, name)]
                kind = kinds[columns[0]]
                first = next(file.iter_batches(1, columns=columns), None)
                dim = len(first.column(0)[0]) if first is not None and first.column(0)[0].is_valid else 0
    except (ArrowException, OSError) as error:
        raise InputError(f"{path} is no Parquet file, or is damaged: {error}") from None

    def read(start: int, stop: int, rows: int) -> Iterator[Tensor]:
        begin = 0
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(rows, columns=columns):
                kept = batch.slice(max(0, start - begin), max(0, min(stop, begin + len(batch)) - max(start, begin)))
                if len(kept):
                    yield _arrow_rows(path, kept, dim, begin + max(0, start - begin))
                begin += len(batch)

    return _file(path, (count, dim), kind, read, seekable=False)


def _arrow_kind(kind: Any) -> str:
    return {"halffloat": "float16", "float": "float32", "double": "float64"}.get(str(kind), str(kind))


def _arrow_rows(path: Path, batch: Any, dim: int, begin: int) -> Tensor:
    """The rows of a batch: of its one column of lists, or of all of its columns."""
    for column in batch.columns:
        if column.null_count:
            raise InputError(f"{path} has rows without a value among rows {begin} to {begin + len(batch) - 1}")
    column = batch.column(0)
    if not hasattr(column, "flatten") or not hasattr(column.type, "value_type"):
        return torch.from_numpy(np.stack([column.to_numpy() for column in batch.columns], axis=1))
    numbers = column.flatten()
    lengths = {len(row) for row in column} if len(numbers) != dim * len(column) else {dim}
    if lengths != {dim} or numbers.null_count:
        raise InputError(
            f"{path} has lists of another length than {dim}, that of its first row, or with gaps, among rows "
            f"{begin} to {begin + len(batch) - 1}"
        )
    return torch.from_numpy(numbers.to_numpy(zero_copy_only=False).reshape(-1, dim).copy())


def _csv(path: Path, name: str | None) -> EmbeddingFile:
    with path.open("rb") as file:
        try:
            first = next((line for line in file if line.strip()), b"").decode().strip()
        except UnicodeDecodeError:
            raise InputError(f"{path} is no text, hence no CSV") from None
        names = first.split(",")
        numbered = names == [str(column) for column in range(len(names))]  # by pandas, which names columns so
        titled = numbered or not all(map(_is_number, names))
        indexed = titled and names[0] in ("", '""')  # the row numbers that pandas writes
        file.seek(0)
        count = -titled
        for number, line in enumerate(file, start=1):
            if line.strip():
                count += 1
                if line.count(b",") != len(names) - 1:  # pandas would leave out what is too much
                    raise InputError(f"{path}: line {number} has {line.count(b',') + 1} cells, the first {len(names)}")
    columns = list(range(indexed, len(names)))

    def read(start: int, stop: int, rows: int) -> Iterator[Tensor]:
        import pandas as pd

        begin = 0
        try:
            with pd.read_csv(
                path, header=0 if titled else None, usecols=columns, dtype=np.float64, chunksize=rows
            ) as chunks:
                for chunk in chunks:
                    kept = chunk.to_numpy()[max(0, start - begin) : max(0, stop - begin)]
                    begin += len(chunk)
                    if len(kept):
                        yield torch.tensor(kept)
        except ValueError as error:
            raise InputError(f"{path}: {_first_word(path, columns, titled=titled) or error}") from None

    return _file(path, (count, len(columns)), "float64", read, seekable=False)


def _first_word(path: Path, columns: Sequence[int], *, titled: bool) -> str:
    """Where a CSV file has a word in place of a number; empty if nowhere."""
    with path.open("rb") as file:
        lines = ((number, line.decode(errors="replace").strip()) for number, line in enumerate(file, start=1))
        filled = ((number, line.split(",")) for number, line in lines if line)
        for number, cells in islice(filled, int(titled), None):
            for column in columns:
                if cells[column].strip() and not _is_number(cells[column]):
                    return f"line {number}, column {column + 1}: {cells[column]!r} is no number"
    return ""


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


# What they share


def _chosen(path: Path, what: str, kinds: dict[str, str], name: str | None) -> str:
    """The array, tensor or column to read: the one asked for, or the only one of floating point numbers."""
    listed = ", ".join(f"{key!r} ({kind})" for key, kind in kinds.items()) or "none"
    if name is not None:
        if name not in kinds:
            raise InputError(f"{path} has no {what} {name!r}; allowed: {listed}")
        return name
    floating = [key for key, kind in kinds.items() if kind in _SAFE.values()]
    if len(floating) != 1:
        problem = "several; choose one by --name" if floating else f"none of {_KINDS}"
        raise InputError(f"{path}: of its {what}s, {problem}: {listed}")
    return floating[0]


def _file(
    path: Path,
    shape: tuple[int, ...],
    kind: str,
    read: Callable[[int, int, int], Iterator[Tensor]],
    *,
    seekable: bool = True,
) -> EmbeddingFile:
    if kind not in _SAFE.values():
        raise InputError(f"{path} holds {kind}; embeddings are {_KINDS}")
    if len(shape) != 2 or shape[1] < 2 or shape[0] < 1:
        raise InputError(
            f"{path} has shape {' x '.join(map(str, shape)) or '()'}; allowed: N x d, with d of at least 2"
        )
    return EmbeddingFile(path, *shape, kind, read, seekable)
