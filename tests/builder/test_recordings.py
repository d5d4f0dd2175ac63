"""Finding recorded runs: which are shown, in what order and under which names."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from asymdistill.builder import recordings
from asymdistill.runtime.errors import InputError
from asymdistill.store import files
from asymdistill.study import Evidence, Study
from asymdistill.study.recorded import Recorded, record, recorded_runs

ROOT = Path(__file__).parents[2]


@pytest.fixture
def kept(small_study: Study, tmp_path: Path) -> Path:
    """A folder of recorded runs that holds one."""
    record(small_study_without_paths(small_study, tmp_path), tmp_path / "results")
    return tmp_path / "results"


def small_study_without_paths(study: Study, tmp_path: Path) -> Path:
    """A copy of the small study whose weights are not named by an absolute path."""
    folder = tmp_path / study.folder.name
    shutil.copytree(study.folder, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["settings"]["teacher_weights"] = None
    files.write_json(folder / "manifest.json", manifest)
    return folder


def test_recorded_runs_come_after_the_books_own(small_study: Study, kept: Path) -> None:
    (kept / "README.md").write_text("what lies here")
    (kept / ".half.tmp").mkdir()
    own, recorded = recordings.gather(Evidence(small_study, kept))
    assert (own.name, own.results) == ("this copy", small_study)
    assert recorded.name == "Scenes, teacher scenes-clip, 128 training images"
    for name in ("spectrum", "robustness"):
        pd.testing.assert_frame_equal(recorded.table(name), own.table(name))


def test_runs_with_the_same_label_are_told_apart(small_study: Study, kept: Path) -> None:
    (first,) = kept.iterdir()
    shutil.copytree(first, kept / "again")
    names = [run.name for run in recordings.gather(Evidence(small_study, kept))]
    assert len(set(names)) == 3
    assert {name.rpartition("(")[2] for name in names[1:]} == {"again)", f"{first.name})"}


def test_runs_are_sorted_by_training_images_then_by_input(small_study: Study, kept: Path) -> None:
    (first,) = kept.iterdir()
    for name, limit, side in (("a", 4000, 224), ("b", None, 32), ("c", 4000, 32)):
        shutil.copytree(first, kept / name)
        manifest = json.loads((first / "manifest.json").read_text())
        manifest["settings"] |= {"train_limit": limit, "resolution": side}
        manifest["images"]["train"] = limit or 50000
        files.write_json(kept / name / "manifest.json", manifest)
    runs = recordings.gather(Evidence(small_study, kept))[1:]
    found = [run.settings for run in runs]
    assert [(one.train_limit, one.resolution) for one in found] == [(None, 32), (4000, 224), (4000, 32), (128, None)]
    assert [run.name.partition("scenes-clip, ")[2] for run in runs] == [
        "50,000 training images",
        "4,000 training images, students at 224 × 224",
        "4,000 training images, students at 32 × 32",
        "128 training images",
    ]


def test_results_are_found_beside_the_table_of_contents(
    small_study: Study, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (kept.parent / "_toc.yml").touch()
    (kept.parent / "notebooks").mkdir()
    for place in ("notebooks", "."):
        monkeypatch.chdir(kept.parent / place)
        assert len(recordings.gather(Evidence(small_study))) == 2
    shutil.rmtree(kept)
    assert [run.name for run in recordings.gather(Evidence(small_study))] == ["this copy"]


def test_a_folder_without_a_run_is_named(small_study: Study, kept: Path) -> None:
    (kept / "empty").mkdir()
    with pytest.raises(InputError, match="empty holds no run"):
        recordings.gather(Evidence(small_study, kept))


@pytest.mark.parametrize("folder", [run.folder for run in recorded_runs(ROOT / "results")], ids=lambda path: path.name)
def test_the_runs_in_the_repository_have_what_they_say_and_name_no_path_of_a_machine(
    folder: Path, tmp_path: Path
) -> None:
    run = Recorded(folder)
    assert run.manifest["run"] == folder.name
    again = record(folder, tmp_path, unfinished=True)  # leaves out what is damaged, refuses an absolute path
    assert {path.name for path in again.rglob("*")} == {path.name for path in folder.rglob("*")}
    assert {path.stem for path in again.rglob("*.csv")} == {*run.manifest["tables"]}
