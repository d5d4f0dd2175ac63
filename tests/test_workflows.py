"""What runs on the server: workflows without mistakes, and the script that the one on a GPU runs."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
# A stand-in for the command: it writes down its words, and a run prints what a run prints last.
STAND_IN = """#!/usr/bin/env bash
printf '%s|' "$@" >> words; echo >> words
if [ "$1" = run ]; then echo "students: 0 found, 3 to train"; echo "tables and manifest: runs/made-0123456789"; fi
if [ "$1" = doctor ]; then exit 1; fi
if [ "$1" = claims ]; then echo "[]"; fi
"""


@pytest.mark.skipif(shutil.which("actionlint") is None, reason="no actionlint: workflows are not checked")
def test_workflows_have_no_mistakes() -> None:
    subprocess.run(["actionlint", *WORKFLOWS], check=True)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_commands_of_workflows_exist(path: Path) -> None:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.M)
    jobs = yaml.safe_load(path.read_text("utf-8"))["jobs"].values()
    for line in [line for job in jobs for step in job["steps"] for line in step.get("run", "").splitlines()]:
        program, *words = line.split()
        if program == "make":
            assert set(words) <= set(targets)
        if program.startswith("."):
            assert os.access(ROOT / program, os.X_OK) or program.startswith(".venv/")
        assert "${{" not in line  # what people type reaches a shell through its environment only


def test_the_script_of_the_gpu_passes_settings_and_keeps_the_recorded_run(tmp_path: Path) -> None:
    (tmp_path / "asymdistill").write_text(STAND_IN)
    (tmp_path / "asymdistill").chmod(0o755)
    given = {"PROFILE": "cifar10-clip", "SETTINGS": 'dataset_root=data;seeds=[1, 2]; objectives=["cosine"];'}
    path = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run([ROOT / ".ci" / "record"], cwd=tmp_path, env=os.environ | given | path, check=True)
    settings = '--set|dataset_root=data|--set|seeds=[1, 2]|--set|objectives=["cosine"]|'
    assert (tmp_path / "words").read_text().splitlines() == [
        f"doctor|--profile|cifar10-clip|{settings}",
        f"run|--profile|cifar10-clip|{settings}",
        "record|runs/made-0123456789|--out|recorded|",
        "claims|runs/made-0123456789|--json|",
    ]
    assert (tmp_path / "recorded" / "claims.json").read_text() == "[]\n"


def test_the_script_of_the_gpu_ends_with_a_run_that_fails(tmp_path: Path) -> None:
    (tmp_path / "asymdistill").write_text(STAND_IN.replace('echo "students: 0 found, 3 to train"', "exit 2"))
    (tmp_path / "asymdistill").chmod(0o755)
    path = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "PROFILE": "smoke", "SETTINGS": ""}
    done = subprocess.run([ROOT / ".ci" / "record"], cwd=tmp_path, env=os.environ | path)
    assert done.returncode == 2
    assert "record" not in (tmp_path / "words").read_text()
