"""Manifests: each request has its own, with its own settings, whatever was computed before under others."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import words_for
from conftest import SMALL

from asymdistill import cli
from asymdistill.config.profiles import load_settings
from asymdistill.config.settings import NO_RESULT, Settings
from asymdistill.store import files, provenance
from asymdistill.store.files import DamagedFileWarning, is_intact
from asymdistill.study.manifest import SCHEMA, Manifest
from asymdistill.study.recorded import Recorded
from asymdistill.study.study import Study

# One student, no noise: as little as a control can be made of.
TINY = SMALL | {
    "widths": [0.25],
    "seeds": [42],
    "epochs": 1,
    "augmentation_seeds": 0,
    "noise_levels": [0.0],
    "noise_spaces": ["normalised"],
}
CHANGED = {
    "dataset": "scenes100",
    "image_size": 16,
    "train_limit": 64,
    "test_limit": 50,
    "data_seed": 1,
    "teacher": "timm:vit_small_patch14_dinov2.lvd142m",
    "teacher_resolution": 32,
    "teacher_crop": False,
    "teacher_precision": "float16",
    "resolution": 16,
    "widths": [1],
    "seeds": [43],
    "epochs": 2,
    "batch_size": 32,
    "learning_rate": 2e-3,
    "autocast": "bfloat16",
    "objectives": ["cosine"],
    "infonce_weight": 2,
    "infonce_temperature": 0.2,
    "infonce_symmetric": True,
    "regulariser_weight": 2,
    "augmentation_seeds": 0,
    "noise_levels": [0.1],
    "noise_spaces": ["pixel"],
    "noise_seed": 1,
    "metric_temperature": 0.2,
    "metric_batch_size": 32,
    "probe_max_iter": 100,
    "controls": [],
    "control_epochs": 3,
    "control_schedules": ["constant"],
    "control_widths": [0.25],
    "control_resolution": 48,
    "control_dilation": 2,
    "control_noise": 0.2,
    "class_counts": [3],
    "statistics_seeds": 3,
    "sweeps": [],
    "infonce_weights": [3],
    "infonce_temperatures": [0.5],
    "batch_sizes": [16],
    "pushed_widths": [2],
    "other_teachers": [],
    "other_datasets": [],
    "crossed_widths": [2],
}
UNCHANGED: dict[str, Any] = {
    "description": "other words",
    "workers": 1,
    "device": "cpu",
    "download": False,
    "dataset_root": "/other",
    "store": "elsewhere",
}


def folder(runs: Path, weights: Path, **changes: Any) -> str:
    return Study.open("smoke", {"teacher_weights": str(weights)} | changes, runs).folder.name


def test_every_setting_is_known_to_change_results_or_not() -> None:
    assert CHANGED.keys() | UNCHANGED.keys() | {"teacher_weights"} == Settings.model_fields.keys()
    assert UNCHANGED.keys() == NO_RESULT


def test_settings_that_change_results_change_the_folder_and_others_do_not(tmp_path: Path, teacher_file: Path) -> None:
    first = folder(tmp_path, teacher_file)
    assert first.startswith("smoke-")
    for name, value in UNCHANGED.items():
        assert folder(tmp_path, teacher_file, **{name: value}) == first, name
    teacherless = {name: value for name, value in CHANGED.items() if name != "teacher"}
    found = {folder(tmp_path, teacher_file, **{name: value}) for name, value in teacherless.items()}
    assert len(found | {first}) == len(teacherless) + 1
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def tiny(teacher_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A finished study of one student."""
    runs = tmp_path_factory.mktemp("tiny")
    study = Study.open("smoke", TINY | {"teacher_weights": str(teacher_file)}, runs)
    study.compute()
    return study


def test_a_manifest_says_what_made_the_run(tiny: Study) -> None:
    found = json.loads((tiny.folder / "manifest.json").read_text())
    assert is_intact(tiny.folder / "manifest.json")
    assert (found["schema"], found["profile"], found["run"]) == (SCHEMA, "smoke", tiny.folder.name)
    assert found["settings"] == tiny.settings.model_dump(mode="json", exclude={"workers", "store"})
    assert found["images"] == {"train": 128, "test": 160, "classes": 10}
    assert found["commit"] == provenance.commit()
    assert found["versions"].keys() == {"python", *provenance.LIBRARIES}
    assert {f"{name}.csv" for name in found["tables"]} == {path.name for path in (tiny.folder / "tables").glob("*.csv")}
    stored = {path.stem for path in (tiny.folder.parent / "store").rglob("*.json")}
    assert {key for keys in found["results"].values() for key in keys} == stored
    assert found["seconds"] == {
        kind: pytest.approx(sum(keys.values()), abs=0.01) for kind, keys in found["results"].items()
    }
    assert found["seconds"]["students"] > 0
    assert tiny.manifest() == found


def test_a_study_that_finds_everything_has_used_it_all_the_same(tiny: Study) -> None:
    before = json.loads((tiny.folder / "manifest.json").read_text())
    again = Study(tiny.profile, tiny.settings, tiny.folder.parent)
    (tiny.folder / "manifest.json").unlink()
    again.compute()
    after = json.loads((tiny.folder / "manifest.json").read_text())
    assert after["results"]["students"] == before["results"]["students"]
    assert after["results"]["measurements"] == before["results"]["measurements"]
    assert after["seconds"]["students"] == before["seconds"]["students"]
    assert {name: after[name] for name in ("commit", "device", "settings", "tables", "images")} == {
        name: before[name] for name in ("commit", "device", "settings", "tables", "images")
    }


def test_a_damaged_manifest_is_said_and_begun_again(tiny: Study) -> None:
    path = tiny.folder / "manifest.json"
    for content in (b"{", b""):
        path.write_bytes(content)
        with pytest.warns(DamagedFileWarning, match=r"manifest\.json is damaged"):
            Study(tiny.profile, tiny.settings, tiny.folder.parent).models()
        assert json.loads(path.read_text())["tables"] == ["models"]
    Study(tiny.profile, tiny.settings, tiny.folder.parent).compute()


def test_chapters_that_note_tables_at_once_lose_none(tiny: Study, tmp_path: Path) -> None:
    names = [f"table-{number}" for number in range(8)]
    manifests = [Manifest(tmp_path / "run", "smoke", tiny.settings, tiny._run) for _ in names]
    threads = [threading.Thread(target=own.add, args=(name,)) for own, name in zip(manifests, names, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert manifests[0].read()["tables"] == names


def test_a_manifest_that_another_process_is_writing_is_read_whole(
    tiny: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    """Whoever reads between the writing of the file and that of its checksum waits, and says nothing of damage."""
    own = Manifest(tmp_path / "run", "smoke", tiny.settings, tiny._run)
    own.add("models")
    between = threading.Event()

    def slow(path: Path, data: bytes, *, write_file: Callable[..., None] = files.write_file) -> None:
        if path.suffix == ".sha256":
            between.set()
            time.sleep(0.2)
        write_file(path, data)

    monkeypatch.setattr(files, "write_file", slow)
    writer = threading.Thread(target=own.add, args=("spectra",))
    writer.start()
    assert between.wait(10)
    assert Manifest(tmp_path / "run", "smoke", tiny.settings, tiny._run).read()["tables"] == ["models", "spectra"]
    writer.join()
    assert not recwarn.list


def test_what_other_machines_and_commits_made_is_named(tiny: Study, tmp_path: Path) -> None:
    store = tiny._run.store
    key, record = next(iter(store.used()["students"].items()))
    try:
        store._records[key] = record | {"device": "GPU", "commit": "0123456789"}
        own = Manifest(tmp_path / "run", "smoke", tiny.settings, tiny._run)
        for _ in range(2):
            own.add("models")
        assert own.made()["device"] == f"{record['device']}, GPU"
        assert own.made()["commit"] == ", ".join(sorted({"0123456789", provenance.commit()}))
    finally:
        store._records[key] = record


def test_each_request_keeps_its_own_settings_and_record_its_tables(
    teacher_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """First without controls, then with: the second's record has them."""
    monkeypatch.chdir(tmp_path)
    Path("teacher.safetensors").write_bytes(teacher_file.read_bytes())  # by a relative path, fit to be published
    found = []
    for controls in ([], ["estimators"]):
        values = TINY | {"teacher_weights": "teacher.safetensors", "controls": controls}
        assert cli.main(["run", "-p", "smoke", *words_for(values)]) == 0
        run = Path(capsys.readouterr().out.splitlines()[-1].removeprefix("tables and manifest: "))
        assert cli.main(["record", str(run)]) == 0
        found.append(Recorded(Path("results") / run.name))
    without, with_controls = found
    assert without.folder != with_controls.folder
    assert without.settings.controls == ()
    assert without.table("controls") is None
    assert with_controls.settings.controls == ("estimators",)
    table = with_controls.table("controls")
    assert table is not None
    assert set(table["control"]) == {"estimators"}
    assert "control-estimators" in with_controls.manifest["tables"]


def test_settings_named_by_the_environment_are_those_of_the_request(
    teacher_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = {"teacher": "open_clip:ViT-B-32-quickgelu/openai"}
    named = folder(tmp_path, teacher_file, **other)
    monkeypatch.setenv("ASYMDISTILL_TEACHER_WEIGHTS", str(teacher_file))
    settings = load_settings("smoke", other)[1]
    assert Study("smoke", settings, tmp_path).folder.name == named
