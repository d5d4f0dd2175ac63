"""What made a result: the commit of the code, and versions of libraries."""

import platform
import subprocess
from functools import cache
from importlib import metadata

from asymdistill.store.keys import PACKAGE

LIBRARIES = ("asymdistill", "torch", "torchvision", "open_clip_torch", "timm", "numpy", "scikit-learn", "pandas")


@cache
def commit() -> str:
    """The commit of the package's code, marked if files differ from it; outside a checkout, the release."""

    def git(*words: str) -> str:
        answer = subprocess.run(["git", "-C", str(PACKAGE), *words], capture_output=True, text=True, check=True)
        return answer.stdout.strip()

    try:
        # A wheel installed below some other checkout is not at that checkout's commit.
        if git("ls-files", "--error-unmatch", "store/provenance.py") != "store/provenance.py":
            raise OSError
        changed = " with changes" if git("status", "--porcelain", "--untracked-files=no", "--", str(PACKAGE)) else ""
        return git("rev-parse", "--short=10", "HEAD") + changed
    except (OSError, subprocess.CalledProcessError):
        return f"release {metadata.version('asymdistill')}"


@cache
def versions(libraries: tuple[str, ...] = LIBRARIES) -> dict[str, str]:
    """Versions of Python's packages by the names that they are installed under."""
    return {name: metadata.version(name).split("+")[0] for name in libraries}


def python_version() -> str:
    """Python's own version."""
    return platform.python_version()
