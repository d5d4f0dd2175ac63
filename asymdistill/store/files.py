"""Files of a run: written whole or not at all, and never trusted when damaged.

Each file has a companion ``<name>.sha256`` in the format of ``sha256sum -c``. A file whose companion is missing or
does not match counts as absent, so whatever it held is computed again.
"""

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import safetensors
import safetensors.torch
from torch import Tensor

# Columns that hold whole numbers or nothing (the teacher has no seed): pandas would read them as floats.
from asymdistill.config.names import INTEGER_COLUMNS


class DamagedFileWarning(UserWarning):
    """A stored file does not match its checksum; what it held is computed again."""


def digest_bytes(data: bytes) -> str:
    """SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file and its checksum, each to a temporary name that is then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _replace(path, data)
    _replace(_companion(path), f"{digest_bytes(data)}  {path.name}\n".encode())


def is_intact(path: Path) -> bool:
    """Whether a file is there and matches its checksum."""
    companion = _companion(path)
    if not path.is_file() or not companion.is_file():
        return False
    return companion.read_text("utf-8", errors="replace").split(" ")[0] == digest_file(path)


def is_whole(path: Path) -> bool:
    """Whether a file is intact; where it is there and isn't, warn that what it held is computed again."""
    intact = is_intact(path)
    if path.is_file() and not intact:
        warnings.warn(f"{path} is damaged or incomplete: computing it again", DamagedFileWarning, stacklevel=2)
    return intact


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all."""
    write_bytes(path, (json.dumps(value, indent=2, default=str) + "\n").encode())


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a JSON file, or None where it is absent or damaged."""
    return dict(json.loads(path.read_text("utf-8"))) if is_whole(path) else None


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write named tensors, with strings beside them, as a safetensors file."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_bytes(path, safetensors.torch.save(contiguous, dict(metadata) if metadata else None))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]] | None:
    """Read named tensors and the strings beside them, or None where the file is absent or damaged."""
    if not is_whole(path):
        return None
    with safetensors.safe_open(path, framework="pt") as file:
        # Clones, because these tensors are the mapped file, which may change or vanish while they are in use.
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        return tensors, file.metadata() or {}


def stored_table(path: Path, compute: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """Return the table stored at ``path``, after computing and storing it where it is absent or damaged.

    The answer is always what was read back, so that a table is the same, to the type of each column, in the session
    that computed it and in later ones.
    """
    if not is_whole(path):
        write_bytes(path, compute().to_csv(index=False).encode())
    return read_table(path)


def read_table(path: Path) -> pd.DataFrame:
    """Read a stored table, with the types that it had."""
    return pd.read_csv(path, dtype=dict.fromkeys(INTEGER_COLUMNS, "Int64"))


def _companion(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
