"""What a fresh process imports: tests of start-up look at the modules, not at the clock."""

import json
import subprocess
import sys

STEP = "print(); print(json.dumps([name for name in sys.modules if '.' not in name]))"


def imported_by(code: str) -> set[str]:
    """The top-level modules that a fresh Python process has imported after some statements."""
    return imported_in_turn(code)[0]


def imported_in_turn(*codes: str) -> list[set[str]]:
    """The top-level modules that one fresh Python process has imported after each of some pieces of code, run in turn.

    One process for all of them, since one that imports PyTorch takes seconds to start: ask for the least first.
    """
    script = "\n".join(["import json, sys", *(f"{code}\n{STEP}" for code in codes)])
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=True)
    found = [set(json.loads(line)) for line in done.stdout.splitlines() if line.startswith('["sys"')]
    assert len(found) == len(codes)  # the code may print, too
    return found
