"""The command in processes of their own that need not import PyTorch again: forked from a server that has, once."""

import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path
from unittest import mock

from command_line import ENVIRONMENT

# What a run imports of other packages; this one's modules are each process's own, so that they may be edited ones.
LIBRARIES = [
    *("torch._dynamo", "open_clip", "pandas", "scipy.stats", "sklearn.linear_model", "sklearn.neighbors"),
    *("pydantic", "rich.table", "typer"),
]


class Forked:
    """``asymdistill`` with some words, in a process of its own, begun at once; it has the face of a ``Popen``.

    Args:
        words: of the command line.
        folder: in which it works.
        before: Python code that runs first, such as a patch.
        variables: of the environment, besides those that there are; packages are looked for in PYTHONPATH first.
    """

    def __init__(self, words: Sequence[str], folder: Path, before: str = "", **variables: str) -> None:
        self._said = tempfile.TemporaryDirectory()
        environment = os.environ | ENVIRONMENT | variables
        arguments = (before, list(words), folder, environment, self._said.name)
        self._process = server().Process(target=_main, args=arguments, daemon=True)
        self._process.start()

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        self._process.kill()

    def communicate(self, timeout: float = 300) -> tuple[str, str]:
        self._process.join(timeout)
        assert self._process.exitcode is not None, f"still running after {timeout} s"
        out, err = ((Path(self._said.name) / name).read_text("utf-8") for name in ("out", "err"))
        return out, err


@cache
def server() -> ForkServerContext:
    """The server, begun when it is first asked for."""
    from asymdistill.runtime import environment

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LIBRARIES)
    with mock.patch.dict(os.environ):
        environment.prepare()
        forkserver.ensure_running()
    return context


def _main(before: str, words: list[str], folder: Path, environment: dict[str, str], said: str) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = environment.get("PYTHONPATH", "").split(os.pathsep)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(Path(said) / name, os.O_WRONLY | os.O_CREAT), number)
    sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8") for number in (1, 2))  # noqa: SIM115
    exec(before, {})
    from asymdistill import cli

    sys.exit(cli.main(words))
