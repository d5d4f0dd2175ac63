"""Where runs and recorded runs lie, unless another folder is named."""

from pathlib import Path

RESULTS, OF_SWEEPS = "results", "sweeps"


def checkout() -> Path:
    """The book's checkout, from its root or its notebooks' folder; elsewhere the working folder."""
    here = Path.cwd()
    return here.parent if (here.parent / "_toc.yml").is_file() else here


def default_runs_dir() -> Path:
    """``runs`` in the checkout."""
    return checkout() / "runs"
