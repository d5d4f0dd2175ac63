"""Files: written whole or not at all, and never trusted when damaged.

A run's own files each have a companion ``<name>.sha256`` in the format of ``sha256sum -c``. A file whose companion is
missing or does not match counts as absent. Temporary names are unique across processes and machines.
"""

import hashlib
import json
import os
import shutil
import uuid
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asymdistill.config.names import INTEGER_COLUMNS

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor


SEAL = "seal"  # the name of a digest within a file


class DamagedFileWarning(UserWarning):
    """A stored file does not match its checksum; what it held is computed again."""


def digest_bytes(data: bytes) -> str:
    """SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def matches(path: Path, digest: str) -> bool:
    """Whether a file is there and has this digest."""
    return path.is_file() and digest_file(path) == digest


def write_file(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a file under a temporary name that is then renamed.

    Args:
        path: its folder is made where it is missing; a folder of this name gives way.
        data: the whole content.
        durable: wait until it is on the disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        if path.is_dir():
            remove(path)
        temporary.replace(path)
    except OSError as error:
        error.filename = error.filename or str(path)  # which a full disk does not say
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file and its companion, unless the very same are there: what is finished can lie on a read-only disk."""
    if is_intact(path) and path.read_bytes() == data:
        return
    write_file(path, data)
    write_file(_companion(path), f"{digest_bytes(data)}  {path.name}\n".encode())


def is_intact(path: Path) -> bool:
    """Whether a file is there and matches its companion."""
    companion = _companion(path)
    return companion.is_file() and matches(path, companion.read_text("utf-8", errors="replace").split(" ")[0])


def warn_damaged(path: Path) -> None:
    """Say that a file is damaged and what follows."""
    warnings.warn(f"{path} is damaged or incomplete: computing it again", DamagedFileWarning, stacklevel=2)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file and its companion."""
    write_bytes(path, (json.dumps(value, indent=2, default=str) + "\n").encode())


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a JSON file that has a companion; None where it is absent, and, after a warning, where it is damaged."""
    if is_intact(path):
        try:
            return dict(json.loads(path.read_text("utf-8")))
        except (ValueError, TypeError):
            pass  # written by something else, with a checksum of its own
    _warn_if_there(path)
    return None


def write_table(path: Path, table: "pd.DataFrame") -> None:
    """Write a table as CSV and its companion, unless the very same is there."""
    if not is_intact(path):
        _warn_if_there(path)
    write_bytes(path, table.to_csv(index=False).encode())


def read_table(path: Path) -> "pd.DataFrame":
    """Read a table, with the types that it had: whole numbers stay whole beside gaps."""
    import pandas as pd

    return pd.read_csv(path, dtype=dict.fromkeys(INTEGER_COLUMNS, "Int64"))


def write_safetensors(
    path: Path, tensors: Mapping[str, "Tensor"], *, durable: bool = True, metadata: dict[str, str] | None = None
) -> str:
    """Write named tensors, and strings beside them, as a safetensors file; return its SHA-256."""
    import safetensors.torch

    own = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    data = safetensors.torch.save(own, metadata)
    write_file(path, data, durable=durable)
    return digest_bytes(data)


def read_safetensors(path: Path) -> dict[str, "Tensor"]:
    """Read named tensors."""
    import safetensors

    with safetensors.safe_open(path, framework="pt") as file:
        # Clones, because these tensors are the mapped file, which may change or vanish while they are in use.
        return {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118


def write_sealed_tensors(path: Path, tensors: Mapping[str, "Tensor"]) -> None:
    """Write named tensors with a digest in the same file, so that what was there before stays until this is there.

    It does not wait for the disk: what is lost is computed again.
    """
    write_safetensors(path, tensors, durable=False, metadata={SEAL: _digest_of(tensors)})


def read_sealed_tensors(path: Path) -> dict[str, "Tensor"] | None:
    """Read such tensors; None where they are absent, and, after a warning, where they are damaged."""
    import safetensors

    if not path.exists():
        return None
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            seal = (file.metadata() or {}).get(SEAL)
        tensors = read_safetensors(path)
    except (OSError, safetensors.SafetensorError):
        seal, tensors = None, {}
    if seal is None or seal != _digest_of(tensors):
        warn_damaged(path)
        return None
    return tensors


def remove(path: Path) -> None:
    """Remove a file, or a folder in its place, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def _digest_of(tensors: Mapping[str, "Tensor"]) -> str:
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _warn_if_there(path: Path) -> None:
    if path.exists():
        warn_damaged(path)


def _companion(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")
