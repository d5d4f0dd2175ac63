"""The command line in tests: settings as words, a shell, and what a run says of what it found and computed."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ENVIRONMENT = {"COLUMNS": "400"}


class Counts(NamedTuple):
    """What a run prints of one kind of result."""

    found: int
    computed: int
    said: str = ""


class Output(NamedTuple):
    """What a run prints of what is stored: students at the beginning, each kind of result and the folder at the end."""

    students: tuple[int, int]
    kinds: dict[str, Counts]
    folder: Path


def words_for(values: Mapping[str, Any]) -> list[str]:
    """Settings as words of the command line."""
    return [word for key, value in values.items() for word in ("--set", f"{key}={json.dumps(value, default=str)}")]


def read(out: str) -> Output:
    """Read what ``asymdistill run`` printed."""
    (students,) = re.findall(r"^students: (\d+) found, (\d+) to train$", out, re.MULTILINE)
    kinds = re.findall(r"^(\w+): (\d+) found, (\d+) computed(.*)$", out, re.MULTILINE)
    (folder,) = re.findall(r"^tables and manifest: (.*)$", out, re.MULTILINE)
    found = {kind: Counts(int(there), int(made), said) for kind, there, made, said in kinds}
    return Output((int(students[0]), int(students[1])), found, Path(folder))


def complaints(stderr: str) -> list[str]:
    """What a command says on standard error but for progress and waiting, which slow machines see."""
    return [
        line for line in stderr.splitlines() if not (line.endswith(" left") or line.startswith("waiting for process "))
    ]


def command(words: Sequence[str]) -> list[str]:
    """The command as a shell runs it."""
    return [sys.executable, "-m", "asymdistill.cli", *words]


def shell(words: Sequence[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    environment = os.environ | ENVIRONMENT | variables
    return subprocess.run(command(words), cwd=folder, capture_output=True, text=True, timeout=300, env=environment)
