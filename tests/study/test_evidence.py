"""What stands beside the book's own run: for each table the largest recorded run on photographs that has it."""

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import control_tables
import pandas as pd
import pytest
from conftest import SMALL

from asymdistill.data.preprocess import CLIP_STD
from asymdistill.runtime.errors import InputError
from asymdistill.store import files
from asymdistill.study import Evidence, Study

Keep = Callable[..., Path]


@pytest.fixture
def keep(small_study: Study, tmp_path: Path) -> Keep:
    """Keep a copy of the small study under another name, with other settings."""

    def kept(name: str, counts: dict[str, int] | None = None, **settings: Any) -> Path:
        folder = Path(shutil.copytree(small_study.folder, tmp_path / "kept" / name))
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["settings"] |= {"dataset": "photos/cifar10.npz", **settings}
        manifest["run"] = name
        manifest["images"] |= counts or {}
        files.write_json(folder / "manifest.json", manifest)
        return folder

    return kept


def test_the_largest_recorded_run_on_photographs_stands_first(small_study: Study, keep: Keep) -> None:
    for name, images in (("few", 100), ("many", 900), ("some", 500)):
        folder = keep(name, {"train": images})
    keep("drawn", {"train": 5000}, dataset="scenes")
    evidence = Evidence(small_study, folder.parent)
    found = evidence.photographs("spectrum")
    assert found is not None
    assert found.folder.name == "many"
    tables = evidence.table("spectrum")
    assert list(tables) == ["photographs", "this copy"]
    for table in tables.values():
        pd.testing.assert_frame_equal(table, small_study.spectrum())
    words = evidence.description("spectrum", "robustness")
    assert words.startswith(small_study.description())
    assert words.count("**Photographs**: 900 training and 160 test images of `cifar10.npz`") == 1
    assert "Run `many`, computed on" in words


def test_where_several_runs_stand_beside_it_each_says_for_what(small_study: Study, keep: Keep) -> None:
    folder = keep("many", {"train": 900}) / "tables"
    keep("few", {"train": 100})
    (folder / "robustness.csv").unlink()
    words = Evidence(small_study, folder.parents[1]).description("spectrum", "robustness", "alignment")
    assert "**Photographs** (effective rank, alignment): 900 training" in words
    assert "**Photographs** (accuracy under noise): 100 training" in words


def test_a_table_that_the_largest_lacks_is_that_of_the_next(small_study: Study, keep: Keep) -> None:
    many = keep("many", {"train": 900})
    some = keep("some", {"train": 500})
    (many / "tables" / "alignment.csv").unlink()
    evidence = Evidence(small_study, some.parent)
    assert [run and run.folder.name for run in map(evidence.photographs, ("alignment", "spectrum"))] == ["some", "many"]
    assert evidence.photographs("controls") is None  # which no run has
    assert list(evidence.table("controls")) == ["this copy"]


def test_what_belongs_to_a_control_is_of_the_run_that_has_it(small_study: Study, keep: Keep) -> None:
    keep("many", {"train": 900})
    cut = keep("cut", {"train": 500})
    rows = control_tables.table(control_tables.truncation(), control_tables.objective())
    files.write_table(cut / "tables" / "control-truncation.csv", rows[rows["control"] == "truncation"])
    files.write_table(cut / "tables" / "control-objective.csv", rows[rows["control"] == "objective"])
    spectra = small_study.spectrum().assign(images=77)
    files.write_table(cut / "tables" / "spectrum.csv", spectra)
    evidence = Evidence(small_study, cut.parent)
    found = evidence.control("truncation")
    assert {where: set(table["control"]) for where, table in found.items()} == {
        "photographs": {"truncation"},
        "this copy": set(),  # whose settings name no control
    }
    assert evidence.test_images("spectrum") == {"photographs": 160, "this copy": 160}
    assert evidence.test_images("controls") == {"photographs": 77, "this copy": 160}
    assert set(evidence.baseline("spectrum", of="controls")["photographs"]["images"]) == {77}
    assert set(evidence.table("spectrum", of="controls")["photographs"]["images"]) == {77}
    assert set(evidence.table("spectrum")["photographs"]["images"]) == {160}


def test_a_recorded_table_is_read_once(small_study: Study, keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    run = keep("run")
    rows = control_tables.table(control_tables.truncation(), control_tables.objective())
    for name in ("truncation", "objective"):
        files.write_table(run / "tables" / f"control-{name}.csv", rows[rows["control"] == name])
    evidence, read, asked = Evidence(small_study, run), files.read_table, []
    monkeypatch.setattr(files, "read_table", lambda path: asked.append(path.name) or read(path))
    for _ in range(2):
        shown = evidence.table("controls")["photographs"]
        shown["value"] = 0.0  # which is the caller's own
        pd.testing.assert_frame_equal(evidence.table("controls")["photographs"], rows, check_dtype=False)
        evidence.control("truncation")
        evidence.table("spectrum")
        evidence.description("controls", "spectrum")
    assert sorted(asked) == ["control-objective.csv", "control-truncation.csv", "spectrum.csv"]


def test_one_control_of_a_study_computes_no_other(teacher_file: Path, tmp_path: Path) -> None:
    settings = SMALL | {"teacher_weights": str(teacher_file), "controls": ["truncation", "objective"], "widths": [0.5]}
    study = Study.open("smoke", settings | {"seeds": [42], "epochs": 1}, tmp_path)
    assert set(study.controls("truncation")["control"]) == {"truncation"}
    assert len(list((tmp_path / "store" / "students").rglob("*.safetensors"))) == 1
    assert study.controls("noise").empty


def test_only_the_first_objective_is_a_baseline(expanded_study: Study, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(expanded_study.folder, tmp_path / "run"))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["settings"]["dataset"] = "cifar100"
    files.write_json(folder / "manifest.json", manifest)
    for table in Evidence(expanded_study, folder).baseline("spectrum").values():
        assert set(table["objective"].dropna()) == {"cosine"}
        pd.testing.assert_frame_equal(table, expanded_study.baseline("spectrum"))


def test_what_differs_between_runs_is_told_of_each(small_study: Study, keep: Keep) -> None:
    folder = keep("hundred", {"classes": 100}, epochs=7)
    evidence = Evidence(small_study, folder)
    assert evidence.chance("robustness") == {"paper": 10.0, "photographs": 1.0, "this copy": 10.0}
    assert evidence.epochs("spectrum") == {"photographs": 7, "this copy": 2}
    clip = pytest.approx(sum(CLIP_STD) / 3)
    assert evidence.pixels("robustness") == {"paper": clip, "photographs": clip, "this copy": clip}


def test_runs_that_generality_compares_differ_in_images_and_teacher_alone(small_study: Study, keep: Keep) -> None:
    own = small_study.generality()

    def made(name: str, images: int, dataset: str, value: float, **settings: Any) -> Path:
        path = keep(name, {"train": images}, **settings) / "tables" / "generality.csv"
        files.write_table(path, own.assign(dataset=dataset, value=value))
        return path.parents[2]

    place = made("few", 100, "photos", 1)
    made("many", 900, "photos", 2)
    assert set(Evidence(small_study, place).generality()["photographs"]["value"]) == {2}  # the largest
    made("other", 100, "pictures", 3)
    made("longer", 100, "drawings", 4, epochs=7)
    made("same", 100, "photos", 5)
    evidence = Evidence(small_study, place)
    found = evidence.generality()
    photographs = found["photographs"]
    assert dict(zip(photographs["dataset"], photographs["value"], strict=True)) == {"photos": 1, "pictures": 3}
    words = evidence.description("generality")
    names = ("few", "many", "other", "longer", "same")
    assert [f"Run `{name}`" in words for name in names] == [True, False, True, False, False]
    assert len(photographs) == 2 * len(own)
    assert list(photographs.columns) == list(own.columns)
    pd.testing.assert_frame_equal(found["this copy"], own)


def test_without_recorded_runs_there_is_the_copy_alone(small_study: Study, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for recorded in (None, tmp_path / "empty"):
        evidence = Evidence(small_study, recorded)
        assert list(evidence.table("spectrum")) == list(evidence.baseline("robustness")) == ["this copy"]
        assert list(evidence.generality()) == ["this copy"]
        assert evidence.description("spectrum") == small_study.description()


def test_results_may_be_missing_but_no_other_place(
    small_study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Evidence(small_study).recorded == []
    with pytest.raises(InputError, match="recorded = 'elsewhere' is no folder; allowed: a recorded run, a folder of"):
        Evidence(small_study, "elsewhere")


def test_augmentation_is_shown_of_a_run_that_augmented(small_study: Study, keep: Keep) -> None:
    table = small_study.augmentation()
    assert table["augmented"].any()
    many = keep("many", {"train": 900})
    some = keep("some", {"train": 500})
    files.write_table(many / "tables" / "augmentation.csv", table[~table["augmented"]])
    found = Evidence(small_study, some.parent).photographs("augmentation")
    assert found is not None
    assert found.folder.name == "some"


def test_controls_are_put_together_from_runs_of_one_experiment(small_study: Study, keep: Keep) -> None:
    def control(folder: Path, name: str, value: float) -> None:
        row = {"control": name, "quantity": "effective_rank", "model": "S", "value": value}
        files.write_table(folder / "tables" / f"control-{name}.csv", pd.DataFrame([row]))

    many = keep("a", {"train": 900}, epochs=2, widths=[1, 2, 4], objectives=["cosine", "infonce"])
    same = keep("b", {"train": 900}, epochs=2, widths=[1, 4], objectives=["cosine"])
    others = keep("c", {"train": 900}, epochs=3), keep("d", {"train": 900}, epochs=2, widths=[1, 2])
    control(many, "truncation", 1)
    control(same, "truncation", 2)
    control(same, "capacity", 3)
    for name, other in itertools.product(("capacity", "noise"), others):
        control(other, name, 4)
    evidence = Evidence(small_study, many.parent)
    table = evidence.table("controls")["photographs"]
    assert table.set_index("control")["value"].to_dict() == {"truncation": 1, "capacity": 3}
    assert evidence.control("capacity")["photographs"]["value"].tolist() == [3]
    words = evidence.description("controls")
    assert [f"Run `{name}`" in words for name in "abcd"] == [True, True, False, False]


def test_of_equally_large_runs_that_of_the_firsts_images_and_teacher_comes_first(
    small_study: Study, keep: Keep
) -> None:
    first = keep("z", {"train": 900}, resolution=224)
    keep("a", {"train": 900}, resolution=32, dataset="photos/cifar100.npz")
    keep("b", {"train": 900}, resolution=32)
    keep("c", {"train": 100}, resolution=32)
    names = [run.folder.name for run in Evidence(small_study, first.parent).on_photographs]
    assert names == ["z", "b", "a", "c"]
