"""Experiments of one small student each, and what they leave in a store."""

from collections.abc import Callable
from pathlib import Path

from conftest import SMALL

from asymdistill.experiment.experiment import Experiment
from asymdistill.experiment.student_configs import StudentConfig

Open = Callable[..., Experiment]
# One student of six epochs of three steps each.
ALONE = SMALL | {"widths": [0.5], "seeds": [42], "epochs": 6, "augmentation_seeds": 0, "workers": 1}


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but for locks."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def weights_of(run: Experiment, config: StudentConfig) -> bytes:
    return run.store.path(run.students.artifact(config), ".safetensors").read_bytes()
