"""Experiments that are opened several times on one store."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from one_student import ALONE, Open

from asymdistill.config.profiles import load_settings
from asymdistill.experiment.experiment import Experiment
from asymdistill.study.study import Study


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def open_run(teacher_file: Path, runs: Path) -> Open:
    """An experiment with the settings of one student, but for what is named; each call is another process's."""

    def open_run(**changes: Any) -> Experiment:
        return Experiment(load_settings("smoke", ALONE | {"teacher_weights": teacher_file} | changes)[1], runs)

    return open_run


@pytest.fixture
def copied(small_study: Study, runs: Path) -> Experiment:
    """The small study's experiment, on a copy of its store."""
    shutil.copytree(small_study.folder.parent / "store", runs / "store")
    return Experiment(small_study.settings, runs)
