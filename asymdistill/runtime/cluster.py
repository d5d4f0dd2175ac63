"""A pool on Ray: the cores or GPUs of this machine or of a cluster (the extra ``cluster``)."""

import logging
import socket
import time
from collections.abc import Iterable, Sequence
from typing import Any

from asymdistill.runtime import environment, pools
from asymdistill.runtime.errors import InputError
from asymdistill.runtime.pools import LOOK, Pool, Reply, Work

PATIENCE = 5.0  # seconds for an address to answer
HERE = ("auto", "local")


class RayPool:
    """Tasks on a Ray cluster, one core each and a part of a GPU. Every node needs this package and the tasks' files.

    Args:
        address: ``HOST:PORT`` of a cluster, ``auto`` for the one that this machine belongs to, or ``local`` to start
            one on this machine, which ends with this process.
        gpus: the part of a GPU that a task takes; None: none.

    Raises:
        InputError: Ray is not installed, nothing answers at the address, or the cluster has no GPU.
    """

    cores: int | None = 1

    def __init__(self, address: str, gpus: float | None = None) -> None:
        self._ray = ray = _connect(address)
        self._needed = ("GPU", gpus) if gpus else ("CPU", 1.0)
        self._slots, self._counted = 0, 0.0
        if not self.slots():
            self.close()
            raise InputError(f"the Ray cluster at {address} has no {self._needed[0]}")
        # Attempts are counted by pools.outcomes, whatever ended them.
        self._attempt = ray.remote(num_cpus=1, num_gpus=gpus or 0, max_retries=0)(_attempt)

    def slots(self) -> int:
        """See ``Pool``; nodes may come and go."""
        now = time.monotonic()
        if not self._counted or now - self._counted > LOOK:
            kind, share = self._needed
            self._slots, self._counted = int(self._ray.cluster_resources().get(kind, 0) / share + 1e-6), now
        return self._slots

    def submit(self, work: Work, task: Any) -> Any:
        """See ``Pool``."""
        return self._attempt.remote(work, task)

    def wait(self, handles: Sequence[Any]) -> Iterable[Any]:
        """See ``Pool``."""
        done, rest = self._ray.wait(list(handles), num_returns=1, timeout=LOOK)
        return [*done, *(self._ray.wait(rest, num_returns=len(rest), timeout=0)[0] if done and rest else ())]

    def reply(self, handle: Any) -> Reply:
        """See ``Pool``."""
        try:
            reply: Reply = self._ray.get(handle)
        except self._ray.exceptions.RayError as error:
            return Reply(error=f"its worker or node was lost ({type(error).__name__})")
        return reply

    def whole(self) -> Pool:
        """See ``Pool``."""
        return self

    def close(self) -> None:
        """See ``Pool``."""
        self._ray.shutdown()


def _attempt(work: Work, task: Any) -> Reply:
    environment.prepare()
    return pools.silent_attempt(work, task, lambda: None)


def _connect(address: str) -> Any:
    try:
        import ray
    except ImportError:
        raise InputError("address needs Ray: pip install 'asymdistill[cluster]'") from None
    if address not in HERE:
        _check(address)
    options: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InputError(f"no Ray cluster at {address}: {' '.join(str(error).split())[:200]}") from None
    return ray


def _check(address: str) -> None:
    """Ask whether anything answers: Ray itself asks for minutes."""
    host, _, port = address.rpartition(":")
    if not (host and port.isdigit() and 0 < int(port) < 2**16):
        raise InputError(f"address is {address!r}; allowed: HOST:PORT, 'auto', 'local'")
    try:
        socket.create_connection((host.strip("[]"), int(port)), PATIENCE).close()
    except OSError as error:
        raise InputError(f"nothing answers at address {address}: {error.strerror or error}") from None
