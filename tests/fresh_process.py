"""What a fresh process imports: tests of start-up look at the modules, not at the clock."""

import subprocess
import sys


def imported_by(code: str) -> set[str]:
    """The top-level modules that a fresh Python process has imported after some statements."""
    script = f"import sys\n{code}\nprint(*(name for name in sys.modules if '.' not in name))"
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())  # the statements may print, too
