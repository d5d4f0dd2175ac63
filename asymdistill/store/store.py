"""The store: each result once, under a key made from its inputs, for every profile, notebook, process and machine."""

import json
import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

from filelock import FileLock, Timeout
from torch import Tensor

from asymdistill.runtime.markup import in_one_line
from asymdistill.runtime.progress import say
from asymdistill.store import files
from asymdistill.store.keys import Artifact, canonical
from asymdistill.store.provenance import commit, versions

Record = dict[str, Any]
POLL = 0.2  # seconds between two looks at a lock that another process holds
PATIENCE = 15.0  # seconds of waiting before a line says for whom


class Store:
    """Results in one folder, which any number of processes and machines may share.

    A result is a sealed JSON record, with its value in it, and for tensors a safetensors file beside it. What is
    damaged or incomplete counts as absent.

    Args:
        folder: made where it is missing.
        device: where this process computes, in words; recorded.
        fresh: results made by other code, other versions of a library or another kind of device count as absent.

    Attributes:
        found: number of results by kind that were read, each counted once.
        made: number of results by kind that this process computed.
    """

    def __init__(self, folder: Path, device: str, *, fresh: bool = False) -> None:
        self.folder = folder
        self.device = device
        self.fresh = fresh
        self.found: Counter[str] = Counter()
        self.made: Counter[str] = Counter()
        self.differing: dict[str, Counter[str]] = {}
        self._records: dict[str, Record] = {}
        self._lock = Lock()

    def record(self, artifact: Artifact) -> Record | None:
        """The record of a result, or None where it is absent, damaged, or not to be used."""
        key = artifact.key
        if key in self._records:
            return self._records[key]
        record = self._read(artifact)
        if record is None:
            return None
        with self._lock:
            if key not in self._records:
                self._records[key] = record
                self.found[artifact.kind.name] += 1
                for difference in self._differences(artifact, record):
                    self.differing.setdefault(artifact.kind.name, Counter())[difference] += 1
        return record

    def value(self, artifact: Artifact) -> Any:
        """The value in the record of a result that is there.

        Raises:
            KeyError: it is not.
        """
        record = self.record(artifact)
        if record is None:
            raise KeyError(artifact.kind.name, artifact.inputs)
        return record["value"]

    def tensors(self, artifact: Artifact) -> dict[str, Tensor]:
        """The tensors of a result that is there.

        Raises:
            KeyError: it is not.
        """
        if self.record(artifact) is None:
            raise KeyError(artifact.kind.name, artifact.inputs)
        return files.read_safetensors(self.path(artifact, ".safetensors"))

    def put(
        self, artifact: Artifact, value: Any = None, tensors: Mapping[str, Tensor] | None = None, seconds: float = 0.0
    ) -> None:
        """Store a result: its tensors first, then the record that makes it count.

        Args:
            artifact: what it is.
            value: anything that JSON has.
            tensors: by name.
            seconds: that computing it took, in interrupted attempts too.
        """
        record: Record = {
            "kind": artifact.kind.name,
            "version": artifact.kind.version,
            "inputs": artifact.inputs,
            "value": value,
            "tensors": None,
            "seconds": round(seconds, 3),
            "made": sorted(self._makers(artifact, self._records)),
            "device": self.device,
            "commit": commit(),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        if tensors is not None:
            record["tensors"] = files.write_safetensors(self.path(artifact, ".safetensors"), tensors)
        sealed = json.loads(canonical(record))
        files.write_file(self.path(artifact, ".json"), _sealed(sealed))
        with self._lock:
            self._records[artifact.key] = sealed
            self.made[artifact.kind.name] += 1

    def compute_once(self, artifact: Artifact, compute: Callable[[], Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """The tensors of a result, which is computed and stored where it is absent, by one process at a time."""
        if self.record(artifact) is None:
            with self.lock(artifact.key):
                if self.record(artifact) is None:
                    begin = time.perf_counter()
                    self.put(artifact, tensors=compute(), seconds=time.perf_counter() - begin)
        return self.tensors(artifact)

    def differences(self, artifact: Artifact) -> list[str]:
        """In what the making of a result that is there differs from how it would be made here, in words."""
        record = self.record(artifact)
        return [] if record is None else self._differences(artifact, record)

    def used(self) -> dict[str, dict[str, Record]]:
        """The records of all results that this process has read or made so far, by kind and key."""
        with self._lock:
            known = dict(self._records)
        found: dict[str, dict[str, Record]] = {}
        for key, record in known.items():
            found.setdefault(record["kind"], {})[key] = record
        return found

    def path(self, artifact: Artifact, suffix: str) -> Path:
        """Where a file of a result lies."""
        return self.folder / artifact.kind.name / artifact.key[:2] / f"{artifact.key}{suffix}"

    def unfinished(self, artifact: Artifact) -> Path:
        """Where the state of an interrupted computation lies; other code and other libraries have another place."""
        made = files.digest_bytes(canonical(sorted(self._makers(artifact, {}))).encode())
        return self.path(artifact, f".{made[:8]}.state.safetensors")

    @contextmanager
    def lock(self, name: str, *, wait: bool = True, check: Callable[[], None] = lambda: None) -> Iterator[bool]:
        """Hold a lock, so that nobody else computes or writes the same meanwhile; a dead owner's lock is free.

        Args:
            name: of the lock, such as the key of what is to be computed.
            wait: wait until whoever holds it lets go; else yield False at once. A long wait is said.
            check: called while waiting; an exception in it ends that.

        Yields:
            Whether it is held. Where the file system has no locks it counts as held: work may be done twice then, and
            the last rename decides.
        """
        path = self.folder / "locks" / f"{name}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        # A soft lock would outlive its owner.
        lock = FileLock(path, fallback_to_soft=False, on_acquired=_sign)
        begin, said = time.monotonic(), False
        while True:
            held = True
            try:
                lock.acquire(timeout=0, poll_interval=POLL)
            except Timeout:
                held = False
            except (NotImplementedError, OSError):
                pass  # the file system has no locks
            if held or not wait:
                break
            check()
            if not said and time.monotonic() - begin >= PATIENCE:
                said = True
                say(f"waiting for {_owner(path)}, which holds {path}")
            time.sleep(POLL)
        try:
            yield held
        finally:
            lock.release()

    def _read(self, artifact: Artifact) -> Record | None:
        path = self.path(artifact, ".json")
        try:
            content = path.read_bytes()
            record: Record = json.loads(content)
            del record["seal"]
            tensors, inputs, _ = record["tensors"], record["inputs"], record["made"]
            whole = content == _sealed(record) and inputs == json.loads(canonical(artifact.inputs))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            files.warn_damaged(path)
            return None
        if not whole:
            files.warn_damaged(path)
            return None
        if tensors is not None and not files.matches(self.path(artifact, ".safetensors"), tensors):
            files.warn_damaged(self.path(artifact, ".safetensors"))
            return None
        return None if self.fresh and self._differences(artifact, record) else record

    def _makers(self, artifact: Artifact, known: Mapping[str, Record]) -> set[str]:
        """Device, code and libraries that make a result and its sources here, or made those that are known."""
        kind = artifact.kind
        own = {f"{library} {version}" for library, version in versions(kind.libraries).items()}
        sources = (
            known[source.key]["made"] if source.key in known else self._makers(source, known)
            for source in artifact.sources
        )
        return own.union({self.device, f"code {kind.code} of {kind.name}"}, *sources)

    def _differences(self, artifact: Artifact, record: Record) -> list[str]:
        """In what the making of a result differs from how it would be made here, in words."""
        other = set(record["made"]) - self._makers(artifact, {})
        return sorted({"other code" if maker.startswith("code ") else maker for maker in other})


def _sealed(record: Record) -> bytes:
    """The file of a record, to the byte: one digit more or less may be the same number, but not what was written."""
    return canonical(record | {"seal": files.digest_bytes(canonical(record).encode())}).encode() + b"\n"


def _sign(lock: int) -> None:
    """Write into the file of a lock who holds it, for those who wait. The lock itself is the system's."""
    with suppress(OSError):  # a full disk
        os.ftruncate(lock, 0)
        os.write(lock, f"process {os.getpid()} on {socket.gethostname()}\n".encode())


def _owner(path: Path) -> str:
    with suppress(OSError):
        return in_one_line(path.read_text("utf-8", errors="replace")) or "another process"
    return "another process"
