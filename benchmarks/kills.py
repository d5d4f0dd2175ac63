"""Kill a run at many random moments and go on each time, and compare its tables with those of an undisturbed run.

By hand: ``python -m benchmarks.kills --moments 50``. It takes minutes: the tests try a few moments only.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SETTINGS = {
    "train_limit": 256, "test_limit": 200, "widths": [0.5, 1], "seeds": [1, 2], "epochs": 12, "batch_size": 32,
    "controls": ["noise"], "objectives": ["cosine"], "sweeps": [], "other_teachers": [], "other_datasets": [],
}  # fmt: skip


def main() -> None:
    """Run once undisturbed; then kill a run of the same settings again and again, until it has ended by itself."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moments", type=int, default=50, help="how many kills are to be survived")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--signal", default="SIGKILL", help="SIGKILL, or SIGTERM as schedulers send it")
    options = parser.parse_args()
    moments = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as place:
        begin = time.perf_counter()
        _run(Path(place) / "whole").wait()
        longest, expected = time.perf_counter() - begin, _tables(Path(place) / "whole")
        killed = rounds = wrong = complaints = 0
        while killed < options.moments:
            folder, rounds, ended = Path(place) / f"round-{rounds}", rounds + 1, False
            while not ended:
                process = _run(folder)
                wait = moments.uniform(0, longest) if killed < options.moments else None
                try:
                    _, errors = process.communicate(timeout=wait)
                    ended = True
                except subprocess.TimeoutExpired:
                    process.send_signal(getattr(signal, options.signal))
                    _, errors = process.communicate()
                    killed += 1
                complaints += "Traceback" in errors or (ended and process.returncode != 0)
            wrong += _tables(folder) != expected
        print(
            f"{killed} kills by {options.signal} in {rounds} runs of {longest:.0f} s: {wrong} runs with other tables, "
        )
        print(f"{complaints} complaints")


def _run(folder: Path) -> "subprocess.Popen[str]":
    words = [word for name, value in SETTINGS.items() for word in ("--set", f"{name}={json.dumps(value)}")]
    command = [sys.executable, "-m", "asymdistill.cli", "run", "-p", "smoke", "--out", str(folder), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)


def _tables(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("smoke-*/tables/*.csv")}


if __name__ == "__main__":
    main()
