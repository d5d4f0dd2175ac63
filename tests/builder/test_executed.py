"""Which notebooks of a book are run again: those for which something has changed, and no others."""

import json
import shutil
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

from asymdistill.builder import executed
from asymdistill.builder.executed import Executed
from asymdistill.store import files

TEXTS = {"one": '{"cells": [1]}', "two": '{"cells": [2]}'}


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package, a run, and a staged book whose two notebooks were executed and kept."""
    for place in ("package", "stage/notebooks", "stage/book", "stage/results", "runs/smoke-1/tables"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "package" / "code.py").write_text("x = 1")
    (tmp_path / "stage" / "_toc.yml").write_text("root: book/front")
    (tmp_path / "stage" / "_config.yml").write_text("title: Book")
    (tmp_path / "stage" / "book" / "front.md").write_text("# Front")
    (tmp_path / "stage" / "results" / "README.md").write_text("# Results")
    files.write_json(tmp_path / "runs" / "smoke-1" / "manifest.json", {"commit": "a"})
    files.write_bytes(tmp_path / "runs" / "smoke-1" / "tables" / "spectrum.csv", b"rank\n16\n")
    monkeypatch.setattr(executed, "PACKAGE", tmp_path / "package")
    assert rebuild(tmp_path) == ["one", "two"]
    return tmp_path


def rebuild(
    book: Path,
    parameters: dict[str, object] | None = None,
    made_from: object = "settings",
    meanwhile: Callable[[Path], None] = lambda book: None,
) -> list[str]:
    """Stage and execute the notebooks as a build does; names of those that were executed."""
    notebooks = book / "stage" / "notebooks"
    for path in notebooks.iterdir():
        path.unlink()
    for name, text in TEXTS.items():
        source = book / f"{name}.ipynb"
        (notebooks / f"{name}.ipynb").write_text(source.read_text() if source.exists() else text)
    kept = Executed(
        book / "out", book / "stage", {"profile": "smoke"} | (parameters or {}), {book / "runs" / "smoke-1": made_from}
    )
    outdated = kept.outdated()
    for path in outdated:
        path.write_text(json.dumps({"executed": path.read_text()}))
    meanwhile(book)
    kept.keep(outdated)
    assert all("executed" in json.loads(path.read_text()) for path in notebooks.glob("*.ipynb"))
    return [path.stem for path in outdated]


def test_nothing_is_run_again_while_nothing_has_changed(book: Path) -> None:
    before = {path.name: path.read_bytes() for path in (book / "stage" / "notebooks").iterdir()}
    (book / "stage" / "book" / "front.md").write_text("# Another front, which no notebook reads")
    (book / "stage" / "_toc.yml").write_text("root: book/another")
    files.write_json(book / "runs" / "smoke-2" / "manifest.json", {"commit": "of another study"})
    assert rebuild(book) == []
    assert rebuild(book) == []
    assert {path.name: path.read_bytes() for path in (book / "stage" / "notebooks").iterdir()} == before


def test_a_changed_notebook_is_run_alone(book: Path) -> None:
    (book / "two.ipynb").write_text('{"cells": [3]}')
    assert rebuild(book) == ["two"]
    assert rebuild(book) == []


def change_a_table(book: Path) -> None:
    files.write_bytes(book / "runs" / "smoke-1" / "tables" / "spectrum.csv", b"rank\n17\n")


def change_a_manifest(book: Path) -> None:
    files.write_json(book / "runs" / "smoke-1" / "manifest.json", {"commit": "b"})


def configure(book: Path) -> None:
    (book / "stage" / "_config.yml").write_text("title: Another book")


def change_code(book: Path) -> None:
    (book / "package" / "code.py").write_text("x = 2")


def record_a_run(book: Path) -> None:
    (book / "stage" / "results" / "manifest.json").write_text("{}")


def damage_what_was_kept(book: Path) -> None:
    for path in (book / "out").glob("*.ipynb"):
        path.write_bytes(path.read_bytes()[:-1])


def lose_what_was_kept(book: Path) -> None:
    for path in (book / "out").iterdir():
        path.unlink()


def put_folders_in_their_place(book: Path) -> None:
    for path in (book / "out").glob("*.ipynb"):
        path.unlink()
        path.mkdir()


def mistake_the_list(book: Path) -> None:
    files.write_json(book / "out" / executed.KEPT, {"one.ipynb": None, "two.ipynb": ["a"]})


@pytest.mark.parametrize(
    "change",
    [
        change_a_table,
        change_a_manifest,
        configure,
        change_code,
        record_a_run,
        damage_what_was_kept,
        lose_what_was_kept,
        put_folders_in_their_place,
        mistake_the_list,
    ],
)
def test_every_notebook_is_run_again_after_a_change(change: Callable[[Path], None], book: Path) -> None:
    change(book)
    assert rebuild(book) == ["one", "two"]
    assert rebuild(book) == []


def test_every_notebook_is_run_again_for_other_parameters_or_another_study(book: Path) -> None:
    assert rebuild(book, {"overrides": {"seeds": [7]}}) == ["one", "two"]
    assert rebuild(book, made_from="other images by the same name") == ["one", "two"]
    assert rebuild(book) == ["one", "two"]


def test_a_notebook_that_adds_to_a_run_makes_those_outdated_that_were_not_run_with_it(book: Path) -> None:
    (book / "two.ipynb").write_text('{"cells": [3]}')
    assert rebuild(book, meanwhile=change_a_manifest) == ["two"]
    assert rebuild(book) == ["one"]
    assert rebuild(book) == []


def test_a_notebook_that_the_book_no_longer_has_is_forgotten(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(TEXTS, "two")
    assert rebuild(book) == []
    assert [path.name for path in (book / "out").glob("*.ipynb")] == ["one.ipynb"]


def test_a_book_is_made_where_nothing_can_be_kept(book: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.rmtree(book / "out")
    (book / "out").write_text("a file")
    assert rebuild(book) == ["one", "two"]
    assert "the next book will run the notebooks again: " in caplog.text
    assert (book / "out").read_text() == "a file"


def test_every_notebook_is_run_again_with_another_library(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "distributions", lambda: [SimpleNamespace(name="torch", version="0.1")])
    assert rebuild(book) == ["one", "two"]


def test_a_list_of_what_was_kept_that_is_damaged_is_said(book: Path) -> None:
    path = book / "out" / executed.KEPT
    path.write_bytes(path.read_bytes()[1:])
    with pytest.warns(files.DamagedFileWarning):
        assert rebuild(book) == ["one", "two"]
