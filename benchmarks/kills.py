"""Kill a command at many random moments and go on each time, and compare what it leaves with an undisturbed one's.

By hand: ``python -m benchmarks.kills --moments 50 --command book``. It takes minutes: the tests try a few moments only.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SETTINGS: dict[str, object] = {
    "train_limit": 256, "test_limit": 200, "widths": [0.5, 1], "seeds": [1, 2], "epochs": 12, "batch_size": 32,
    "controls": ["noise"], "objectives": ["cosine"], "sweeps": [], "other_teachers": [], "other_datasets": [],
}  # fmt: skip
FEW = SETTINGS | {"widths": [0.5], "seeds": [1], "epochs": 1}
# By command: the settings that it is given, the folder of what it makes, and the files there that are compared.
COMMANDS: dict[str, tuple[dict[str, object], str, str]] = {
    "run": (SETTINGS, "runs", "smoke-*/tables/*.csv"),
    "book": (FEW, "_build/html", "**/*.html"),
    "record": ({}, "results", "smoke-*/**/*.csv"),
}
CODE = {
    "parameters": 'profile = "smoke"\noverrides = {}\nruns_dir = "../runs"',
    "numbers": """from asymdistill.study import Study
from myst_nb import glue
glue("rank", float(Study.open(profile, overrides, runs_dir).spectrum()["value"].iloc[0]))""",
}
CELLS: list[dict[str, object]] = [{"cell_type": "markdown", "id": "title", "metadata": {}, "source": "# One"}]
CELLS += [
    {
        "cell_type": "code",
        "id": tag,
        "metadata": {"tags": [tag]},
        "source": code,
        "execution_count": None,
        "outputs": [],
    }
    for tag, code in CODE.items()
]
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
BOOK = {
    "_config.yml": 'title: A book\nonly_build_toc_files: true\nexecute: {execute_notebooks: "off"}\n',
    "_toc.yml": "format: jb-book\nroot: book/index\nchapters:\n  - file: notebooks/one\n",
    "book/index.md": "# Front\n\nThe rank is {glue:text}`../notebooks/one.ipynb::rank:.4f`.\n",
    "notebooks/one.ipynb": json.dumps(
        {"cells": CELLS, "metadata": {"kernelspec": KERNEL}, "nbformat": 4, "nbformat_minor": 5}
    ),
}
Content = dict[str, bytes]


def main() -> None:
    """Run once undisturbed; then kill the same command again and again, until it has ended by itself."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moments", type=int, default=50, help="how many kills are to be survived")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--signal", default="SIGKILL", help="SIGKILL, or SIGTERM as schedulers send it")
    parser.add_argument("--command", choices=COMMANDS, default="run", help="what is killed")
    options = parser.parse_args()
    moments = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as place:
        _prepare(whole := Path(place) / "whole", options.command)
        begin = time.perf_counter()
        _start(whole, options.command).wait()
        longest, expected = time.perf_counter() - begin, _content(whole, options.command)
        assert expected, "the undisturbed command left nothing"
        killed = rounds = wrong = half = complaints = 0
        while killed < options.moments:
            folder, rounds, ended = Path(place) / f"round-{rounds}", rounds + 1, False
            _prepare(folder, options.command)
            while not ended:
                process = _start(folder, options.command)
                wait = moments.uniform(0, longest) if killed < options.moments else None
                try:
                    _, errors = process.communicate(timeout=wait)
                    ended = True
                except subprocess.TimeoutExpired:
                    process.send_signal(getattr(signal, options.signal))
                    _, errors = process.communicate()
                    killed += 1
                    # The tables of a run come one by one; a book and a recorded run are there whole or not at all.
                    half += options.command != "run" and _content(folder, options.command) not in ({}, expected)
                complaints += "Traceback" in errors or (ended and process.returncode != 0)
            wrong += _content(folder, options.command) != expected
        print(f"{options.command}: {killed} kills by {options.signal} in {rounds} runs of {longest:.0f} s")
        print(f"{wrong} ended with another result, {half} left half of one, {complaints} complaints")


def _prepare(folder: Path, command: str) -> None:
    """Make what a command starts from."""
    folder.mkdir(parents=True)
    if command == "record":
        _start(folder, "run").wait()
    if command == "book":
        for name, text in BOOK.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)


def _start(folder: Path, command: str) -> "subprocess.Popen[str]":
    settings = COMMANDS[command][0]
    words = [word for name, value in settings.items() for word in ("--set", f"{name}={json.dumps(value)}")]
    target = ["-p", "smoke"] if settings else [str(next((folder / "runs").glob("smoke-*")))]
    line = [sys.executable, "-m", "asymdistill.cli", command, *target, *words]
    return subprocess.Popen(line, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _content(folder: Path, command: str) -> Content:
    """The tables of a run, the pages of a book, or a recorded run, by their names."""
    _, made, pattern = COMMANDS[command]
    place = folder / made
    return {str(path.relative_to(place)): path.read_bytes() for path in place.glob(pattern)}


if __name__ == "__main__":
    main()
