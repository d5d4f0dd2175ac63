"""Digests of files, each computed once as long as the file stays as it is."""

import hashlib
from functools import lru_cache
from pathlib import Path


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal; kept while the process runs and the file's size and time stay."""
    status = path.stat()
    return _digest_of(path.resolve(), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4096)
def _digest_of(path: Path, size: int, modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
