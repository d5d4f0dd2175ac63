"""What is installed: pins that satisfy the requirements, and a wheel that runs on its own."""

import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from asymdistill.config.names import SCENES_TEACHERS, SHIPPED_TEACHERS

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def pins() -> dict[str, str]:
    """Pinned versions by canonical name."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    exact = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in exact}


def asked(*extras: str) -> list[Requirement]:
    """The project's requirements, with some extras."""
    lists = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] for extra in extras)]
    every = [Requirement(text) for texts in lists for text in texts]
    return [requirement for requirement in every if requirement.name != "asymdistill"]


@pytest.mark.parametrize("requirement", asked("book", "test"), ids=str)
def test_every_requirement_is_pinned_within_what_is_asked_for(requirement: Requirement) -> None:
    assert requirement.specifier.contains(pins()[canonicalize_name(requirement.name)])


def test_constraints_hold_names_and_versions_only() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()[1:]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line) for line in lines)
    # This release has no torchvision to go with it.
    assert pins()["torch"] != "2.13.0"


def test_environment_agrees_with_project() -> None:
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))["dependencies"]
    assert f"python{PROJECT['requires-python']}" in dependencies
    (by_pip,) = (entry["pip"] for entry in dependencies if isinstance(entry, dict))
    assert by_pip == ["--constraint constraints.txt", "--editable .[test]"]
    assert "test" in PROJECT["optional-dependencies"]


def test_training_needs_no_notebook() -> None:
    runtime = {canonicalize_name(requirement.name) for requirement in asked()}
    assert not runtime & {"papermill", "jupytext", "jupyter-book", "ipykernel", "nbval", "notebook", "ipython"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.mark.slow
def test_wheel_holds_the_package_and_its_data_only(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"asymdistill"}
    profiles = {path.name for path in (ROOT / "asymdistill" / "config" / "profiles").glob("*.toml")}
    assert {name.rpartition("/")[2] for name in names if "/profiles/" in name} == profiles
    weights = {f"{name}.safetensors" for name in SHIPPED_TEACHERS} | {f"{name}.log" for name in SCENES_TEACHERS}
    weights = {f"asymdistill/models/weights/{name}" for name in (*weights, "NOTICE", "LICENSE-APACHE-2.0.txt")}
    assert {"asymdistill/claims/claims.toml", "asymdistill/plots/scorecard.html", *weights} <= set(names)


def needed(requirements: list[Requirement], found: set[str]) -> set[str]:
    """Add the installed distributions that some requirements need, directly or indirectly, to those found already."""
    for requirement in requirements:
        name = canonicalize_name(requirement.name)
        if name not in found:
            found.add(name)
            needed(asked_by(name, requirement.extras), found)
    return found


def asked_by(name: str, extras: set[str]) -> list[Requirement]:
    every = [Requirement(text) for text in metadata.requires(name) or []]
    chosen = [{"extra": extra} for extra in ("", *extras)]
    return [one for one in every if one.marker is None or any(one.marker.evaluate(extra) for extra in chosen)]


@pytest.mark.slow
def test_wheel_runs_in_a_clean_environment_outside_the_repository(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "clean", with_pip=True)
    binaries = tmp_path / "clean" / "bin"
    (packages,) = (tmp_path / "clean" / "lib").glob("python*/site-packages")
    # The project's requirements and nothing else, as links: installing them again would take gigabytes.
    for name in needed(asked(), set()):
        for top in {file.parts[0] for file in metadata.files(name) or []} - {"..", "__pycache__"}:
            if not (packages / top).exists():
                (packages / top).symlink_to(metadata.distribution(name).locate_file(top))
    install = [binaries / "python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True, cwd=tmp_path)
    foreign = subprocess.run([binaries / "python", "-c", "import papermill"], cwd=tmp_path, capture_output=True)
    assert b"No module named 'papermill'" in foreign.stderr
    few = ["controls=[]", "sweeps=[]", "other_teachers=[]", "other_datasets=[]", "augmentation_seeds=0"]
    done = subprocess.run(
        [binaries / "asymdistill", "run", "--profile", "smoke", "--out", "runs", *(f"--set={one}" for one in few)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "runs").glob("smoke-*")
    assert f"tables and manifest: {Path('runs') / run.name}" in done.stdout
    assert "commit release 0.1.0" in done.stdout
    assert {path.name for path in (run / "tables").glob("*.csv")} >= {"spectrum.csv", "robustness.csv"}
