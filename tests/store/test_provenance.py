"""Provenance: the commit that the package is at, and the versions of the libraries that run."""

import json
import subprocess
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from asymdistill.store import provenance


def git(repository: Path, *words: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(repository), *identity, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit_of(package: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(provenance, "PACKAGE", package)
    found: str = provenance.commit.__wrapped__()
    return found


def test_the_commit_is_the_checkouts_and_says_when_files_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package"
    (package / "store").mkdir(parents=True)
    (package / "store" / "provenance.py").write_text("1\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "package/store/provenance.py")
    git(tmp_path, "commit", "-q", "-m", "first")
    short = git(tmp_path, "rev-parse", "--short=10", "HEAD")
    assert commit_of(package, monkeypatch) == short
    (tmp_path / "notes.txt").write_text("outside the package\n")
    (package / "untracked.txt").write_text("not committed\n")
    assert commit_of(package, monkeypatch) == short
    (package / "store" / "provenance.py").write_text("2\n")
    assert commit_of(package, monkeypatch) == f"{short} with changes"


def test_outside_a_checkout_the_release_stands_for_the_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = f"release {metadata.version('asymdistill')}"
    assert commit_of(tmp_path, monkeypatch) == release
    # installed below a checkout of something else, which does not track it
    git(tmp_path, "init", "-q")
    (tmp_path / "site" / "store").mkdir(parents=True)
    (tmp_path / "site" / "store" / "provenance.py").write_text("1\n")
    assert commit_of(tmp_path / "site", monkeypatch) == release

    def no_git(*_: object, **__: object) -> None:
        raise FileNotFoundError("git")

    without = SimpleNamespace(run=no_git, CalledProcessError=subprocess.CalledProcessError)
    monkeypatch.setattr(provenance, "subprocess", without)
    assert commit_of(tmp_path, monkeypatch) == release


def test_the_commit_of_this_very_code_is_found() -> None:
    assert (provenance.PACKAGE / "store" / "provenance.py").samefile(provenance.__file__)


def test_versions_are_those_of_the_running_libraries() -> None:
    versions = provenance.versions()
    assert list(versions) == list(provenance.LIBRARIES)
    assert versions["torch"] == torch.__version__.split("+")[0]
    assert provenance.versions(("torch",)) == {"torch": versions["torch"]}
    json.dumps(versions)
