"""What is installed: pins that satisfy the requirements, and a wheel that runs on its own."""

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from asymdistill import __version__
from asymdistill.config.names import SHIPPED_TEACHERS

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


def listed(*names: str) -> list[str]:
    """Files of the checkout that git does not ignore."""
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *names],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    return [name for name in done.stdout.splitlines() if (ROOT / name).is_file()]


def made(kind: str, source: Path, folder: Path) -> Path:
    """What the build backend makes of a source tree, as build frontends call it."""
    code = f"import sys; from setuptools import build_meta; build_meta.build_{kind}(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, str(folder)], cwd=source, check=True, capture_output=True)
    (found,) = folder.iterdir()
    return found


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution of a clean checkout."""
    checkout, folder = (tmp_path_factory.mktemp(name) for name in ("checkout", "sdist"))
    for name in listed():
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).symlink_to(ROOT / name)
    return made("sdist", checkout, folder)


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that is made of the source distribution."""
    unpacked, folder = (tmp_path_factory.mktemp(name) for name in ("unpacked", "wheel"))
    with tarfile.open(sdist) as archive:
        archive.extractall(unpacked, filter="data")
    (source,) = unpacked.iterdir()
    return made("wheel", source, folder)


def test_the_source_distribution_holds_what_the_package_is_made_of_and_no_more(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        files = {member.name.partition("/")[2]: member for member in archive.getmembers() if not member.isdir()}
    assert all(member.isfile() for member in files.values())
    made_by_setuptools = {
        "PKG-INFO",
        "setup.cfg",
        *(name for name in files if name.startswith("asymdistill.egg-info/")),
    }
    top = {"pyproject.toml", "README.md", "LICENSE", "NOTICE", "CHANGELOG.md", "CITATION.cff", "MANIFEST.in"}
    assert set(files) - made_by_setuptools == {*listed("asymdistill"), *top}


def test_the_wheel_holds_the_package_and_its_data_only(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata_name,) = (name for name in names if name.endswith("/METADATA"))
        described = archive.read(metadata_name).decode()
    info = metadata_name.partition("/")[0]
    assert {name for name in names if not name.startswith(info)} == set(listed("asymdistill"))
    licences = {name.partition("/licenses/")[2] for name in names if "/licenses/" in name}
    assert licences == {"LICENSE", "NOTICE", "asymdistill/models/weights/LICENSE-APACHE-2.0.txt"}
    assert f"Version: {__version__}\n" in described
    assert "License-Expression: MIT AND Apache-2.0\n" in described
    assert wheel.stat().st_size < 20e6


@pytest.mark.skipif(shutil.which("twine") is None, reason="no twine: what a registry would refuse is not looked for")
def test_a_registry_would_take_both(sdist: Path, wheel: Path) -> None:
    subprocess.run(["twine", "check", "--strict", sdist, wheel], check=True)


def test_notice_names_every_file_of_weights() -> None:
    weights = ROOT / "asymdistill" / "models" / "weights"
    notices = (weights / "NOTICE").read_text("utf-8"), (ROOT / "NOTICE").read_text("utf-8")
    for name in SHIPPED_TEACHERS:
        assert f"{name}.safetensors" in notices[0]
        assert name in notices[1]
    assert {path.stem for path in weights.glob("*.safetensors")} == set(SHIPPED_TEACHERS)
    scripts = {name for name in listed("*.js", "*.mjs", "*.css") if not name.startswith("tests/")}
    assert {name for name in scripts if not name.endswith(".css")} == {name for name in scripts if name in notices[1]}


def test_one_version_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    newest = re.search(r"^## (\S+) \((\S+)\)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
    assert newest is not None
    assert newest.groups() == (__version__, str(citation["date-released"]))
    assert citation["version"] == __version__
    assert f"version = {{{__version__}}}" in (ROOT / "book" / "index.md").read_text("utf-8")


def test_the_citation_names_both_versions_of_the_paper() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    entries = re.findall(r"@misc\{thayani2026v\d,.*?\n\}", (ROOT / "book" / "references.bib").read_text("utf-8"), re.S)
    titles, addresses = (re.findall(rf"^  {key} = \{{(.*)\}}", "\n".join(entries), re.M) for key in ("title", "url"))
    assert [(one["title"], one["url"]) for one in citation["references"]] == list(zip(titles, addresses, strict=True))
    assert len(titles) == 2


@pytest.mark.skipif(shutil.which("cffconvert") is None, reason="no cffconvert: the citation's schema is not checked")
def test_the_citation_is_valid() -> None:
    subprocess.run(["cffconvert", "--validate"], cwd=ROOT, check=True)


def test_binder_installs_the_package_as_the_book_needs_it() -> None:
    folder = ROOT / ".binder"
    lines = (folder / "requirements.txt").read_text("utf-8").splitlines()
    constraint, package = (line.split() for line in lines if not line.startswith("#"))
    assert constraint[0] == "--constraint"
    assert (folder / constraint[1]).resolve() == ROOT / "constraints.txt"  # relative to the file
    assert package == ["--editable", ".[book]"]  # relative to the working folder, which is the checkout
    python = (folder / "runtime.txt").read_text("utf-8").strip().removeprefix("python-")
    assert Version(f"{python}.0") in SpecifierSet(PROJECT["requires-python"])


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
def test_wheel_runs_in_a_clean_environment_outside_the_repository(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)  # of whoever tests a checkout that is not installed
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
    for words in (["--help"], ["profiles"]):
        said = subprocess.run([binaries / "asymdistill", *words], cwd=tmp_path, capture_output=True, text=True)
        assert said.returncode == 0, said.stderr
        assert ("Usage" if words == ["--help"] else "cifar10-clip-infonce") in said.stdout
    few = ["controls=[]", "sweeps=[]", "other_teachers=[]", "other_datasets=[]", "augmentation_seeds=0"]
    few += ["widths=[0.5]", "noise_levels=[0]", "train_limit=64", "test_limit=64", "batch_size=32"]
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
    assert f"commit release {__version__}" in done.stdout
    assert {path.name for path in (run / "tables").glob("*.csv")} >= {"spectrum.csv", "robustness.csv"}
