"""Processes of Ray that a test has begun, and waiting for what they do."""

import os
import time
from collections.abc import Callable

import psutil

MARK = "ASYMDISTILL_TEST"


def rays(name: str = "ray") -> list[psutil.Process]:
    """Processes of Ray on this machine that this test has begun."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        words, environment = process.info["cmdline"] or [""], process.info["environ"] or {}
        if environment.get(MARK) == str(os.getpid()) and name in words[0].rpartition("/")[2]:
            found.append(process)
    return found


def until(there: Callable[[], object], seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end
        time.sleep(0.05)
