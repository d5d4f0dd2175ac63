"""A recorded run: the same tables as the study's, and nothing computed; what is damaged counts as missing."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from asymdistill.claims import evaluate
from asymdistill.runtime.errors import InputError
from asymdistill.store import files
from asymdistill.study.controls import COLUMNS
from asymdistill.study.recorded import Recorded, record
from asymdistill.study.study import Study

TABLES = ("training", "singular_values", "spectrum", "alignment", "information", "robustness", "augmentation")


@pytest.fixture
def folder(small_study: Study, tmp_path: Path) -> Path:
    """A copy of the small study's manifest and tables, without the store."""
    return Path(shutil.copytree(small_study.folder, tmp_path / small_study.folder.name))


def test_a_recorded_run_has_the_studys_settings_and_tables(small_study: Study, folder: Path) -> None:
    recorded = Recorded(folder)
    assert recorded.profile == small_study.profile
    assert evaluate.evaluate(recorded).equals(evaluate.evaluate(small_study))
    for name in TABLES:
        found = recorded.table(name)
        assert found is not None
        pd.testing.assert_frame_equal(found, small_study.table(name))


def test_nothing_is_computed_or_written(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    evaluate.evaluate(Recorded(folder))
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_controls_are_stored_one_by_one_and_read_as_one_table(folder: Path) -> None:
    assert Recorded(folder).table("controls") is None
    for name, value in (("statistics", 1.0), ("truncation", 2.0)):
        made = pd.DataFrame([{"control": name, "seed": 42, "value": value}]).reindex(columns=COLUMNS)
        files.write_table(folder / "tables" / f"control-{name}.csv", made)
    table = Recorded(folder).table("controls")
    assert table is not None
    assert dict(zip(table["control"], table["value"], strict=True)) == {"truncation": 2.0, "statistics": 1.0}
    assert list(table.columns) == list(COLUMNS)


def test_comparisons_are_stored_one_by_one_and_read_as_one_table(expanded_study: Study, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(expanded_study.folder, tmp_path / "run"))
    found = Recorded(copy).table("expansion")
    assert found is not None
    pd.testing.assert_frame_equal(found, expanded_study.expansion())
    for name in ("weight", "alternatives"):
        (copy / "tables" / f"expansion-{name}.csv").unlink()
    fewer = Recorded(copy).table("expansion")
    assert fewer is not None
    assert list(dict.fromkeys(fewer["comparison"])) == ["gains", "temperature", "batch_size", "width"]


def test_a_damaged_comparison_counts_as_missing(expanded_study: Study, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(expanded_study.folder, tmp_path / "run"))
    path = copy / "tables" / "expansion-gains.csv"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.warns(files.DamagedFileWarning, match=r"expansion-gains\.csv is damaged: it counts as missing"):
        found = Recorded(copy).table("expansion")
    assert found is not None
    assert "gains" not in set(found["comparison"])


def test_a_crossing_is_recorded_with_the_study_that_made_it(expanded_study: Study) -> None:
    found = Recorded(expanded_study.folder).table("generality")
    assert found is not None
    pd.testing.assert_frame_equal(found, expanded_study.generality())
    for crossed in expanded_study.crossed():
        recorded = Recorded(crossed.folder)
        assert recorded.settings == crossed.settings
        assert recorded.table("generality") is None
        assert recorded.table("spectrum") is not None


def test_the_second_papers_claims_are_judged_as_on_the_study(expanded_study: Study) -> None:
    recorded, whole = evaluate.evaluate(Recorded(expanded_study.folder)), evaluate.evaluate(expanded_study)
    assert recorded.equals(whole)
    expansion = whole.set_index("id").loc["v2-expands"]
    ranks = expanded_study.spectrum().query("quantity == 'effective_rank' and estimator == 'per seed'")
    by_seed = ranks.pivot_table(index="seed", columns="objective", values="value")
    assert expansion["measured"] == pytest.approx((by_seed["infonce"] / by_seed["cosine"]).mean())
    assert (expansion["seeds"], expansion["evidence"]) == (2, "another setting")


def test_a_table_that_the_run_has_not_is_none(folder: Path) -> None:
    assert Recorded(folder).table("entropy") is None


def test_a_damaged_table_counts_as_missing(folder: Path) -> None:
    path = folder / "tables" / "alignment.csv"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.warns(files.DamagedFileWarning, match=r"alignment.csv is damaged: it counts as missing") as warned:
        ledger = evaluate.evaluate(Recorded(folder)).set_index("id")
    assert len(warned) == 1
    assert ledger.loc["v1-truncation", "reason"] == "This run has no table alignment."
    assert (ledger["verdict"] != "not testable here").any()


def test_a_table_without_its_checksum_counts_as_missing(folder: Path) -> None:
    (folder / "tables" / "spectrum.csv.sha256").unlink()
    with pytest.warns(files.DamagedFileWarning):
        assert Recorded(folder).table("spectrum") is None


def test_a_folder_that_holds_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no run; allowed: a folder with a manifest"):
        Recorded(tmp_path)
    with pytest.raises(InputError, match="gone holds no run"):
        Recorded(tmp_path / "gone")


def test_a_damaged_manifest_is_named(folder: Path) -> None:
    (folder / "manifest.json").write_text("{")
    with (
        pytest.warns(files.DamagedFileWarning),
        pytest.raises(InputError, match=r"manifest\.json is damaged or of another version"),
    ):
        Recorded(folder)


@pytest.mark.parametrize("change", [{"epochs": 0}, {"unheard_of": 1}])
def test_a_manifest_of_other_settings_is_named(folder: Path, change: dict[str, int]) -> None:
    record = json.loads((folder / "manifest.json").read_text())
    files.write_json(folder / "manifest.json", record | {"settings": record["settings"] | change})
    with pytest.raises(InputError, match="another version"):
        Recorded(folder)


def test_a_manifest_of_something_else_is_named(folder: Path) -> None:
    files.write_json(folder / "manifest.json", {"name": "a web page"})
    with pytest.raises(InputError, match="another version"):
        Recorded(folder)


@pytest.fixture
def finished(folder: Path) -> Path:
    """That copy, with weights that no absolute path names, and with files that are nobody else's business."""
    change(folder, teacher_weights=None)
    (folder / "more").mkdir()
    (folder / "more" / "weights.safetensors").write_bytes(b"weights")
    (folder / "tables" / ".spectrum.csv.1.tmp").write_bytes(b"half")
    return folder


def change(folder: Path, **settings: object) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    files.write_json(folder / "manifest.json", manifest | {"settings": manifest["settings"] | settings})


def test_manifest_and_tables_are_kept_with_their_checksums_and_nothing_else(finished: Path, tmp_path: Path) -> None:
    target = record(finished, tmp_path / "kept" / "results")
    assert target == tmp_path / "kept" / "results" / finished.name
    found = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    stored = ["manifest.json", *(f"tables/{name}.csv" for name in (*TABLES, "models", "generality", "expansion-gains"))]
    assert found == {name + suffix for name in stored for suffix in ("", ".sha256")}
    assert all((target / name).read_bytes() == (finished / name).read_bytes() for name in found)
    assert [path.name for path in target.parent.iterdir()] == [finished.name]
    assert evaluate.evaluate(Recorded(target)).equals(evaluate.evaluate(Recorded(finished)))


def test_recording_again_changes_nothing(finished: Path, tmp_path: Path) -> None:
    target = record(finished, tmp_path / "results")
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*")}
    assert record(finished, tmp_path / "results") == target
    assert {path: path.stat().st_mtime_ns for path in target.rglob("*")} == before


def test_every_comparison_and_every_control_is_kept(expanded_study: Study, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(expanded_study.folder, copy)
    change(copy, teacher_weights=None)
    target = record(copy, tmp_path / "results")
    kept, had = ({path.name for path in (folder / "tables").iterdir()} for folder in (target, copy))
    assert kept == had
    assert "expansion-alternatives.csv" in kept
    change(copy, controls=["noise"])
    with pytest.raises(InputError, match=r"tables/control-noise\.csv is missing or damaged"):
        record(copy, tmp_path / "elsewhere")


@pytest.mark.parametrize("fault", ["missing", "damaged", "without its checksum"])
def test_an_unfinished_run_is_refused(fault: str, finished: Path, tmp_path: Path) -> None:
    path = finished / "tables" / "spectrum.csv"
    if fault == "damaged":
        path.write_bytes(path.read_bytes()[:-10])
    else:
        (path if fault == "missing" else path.with_name("spectrum.csv.sha256")).unlink()
    with pytest.raises(InputError, match=r"no finished run: tables/spectrum\.csv is missing or damaged"):
        record(finished, tmp_path / "results")
    (finished / "tables" / "models.csv").unlink()
    with pytest.raises(InputError, match=r"and 1 more are missing or damaged"):
        record(finished, tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_what_is_whole_of_an_unfinished_run_is_kept_where_that_is_asked_for(finished: Path, tmp_path: Path) -> None:
    tables = finished / "tables"
    (tables / "spectrum.csv").write_bytes(b"cut")
    (tables / "generality.csv").unlink()
    target = record(finished, tmp_path / "results", unfinished=True)
    left = {path.name for path in tables.glob("*.csv")} - {"spectrum.csv"}
    assert {path.name for path in (target / "tables").glob("*.csv")} == left
    assert Recorded(target).table("spectrum") is None
    for path in tables.glob("*.csv"):
        path.unlink()
    with pytest.raises(InputError, match="no finished run"):
        record(finished, tmp_path / "nothing", unfinished=True)
    (finished / "manifest.json.sha256").unlink()
    with pytest.raises(InputError, match=r"no finished run|damaged"):
        record(finished, tmp_path / "nothing", unfinished=True)
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("name", ["teacher_weights", "dataset", "dataset_root"])
@pytest.mark.parametrize("path", ["/home/someone/file.npz", r"C:\\Users\\someone\\file.npz"])
def test_an_absolute_path_is_not_published(name: str, path: str, finished: Path, tmp_path: Path) -> None:
    change(finished, **{name: path})
    with pytest.raises(InputError, match=rf"manifest\.settings\.{name} is an absolute path, .*; .* relative"):
        record(finished, tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_other_results_under_the_same_name_stay(finished: Path, tmp_path: Path) -> None:
    target = record(finished, tmp_path / "results")
    for extra in (target / "tables" / "more.csv", target / "tables" / "spectrum.csv"):
        extra.write_bytes(b"other")
        with pytest.raises(InputError, match="is there already and differs"):
            record(finished, tmp_path / "results")
        assert extra.read_bytes() == b"other"
    with pytest.raises(InputError, match="is there already and differs"):
        record(finished, finished.parent)


def test_an_interrupted_copy_leaves_nothing(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: Path, target: Path) -> None:
        if "spectrum" in target.name:
            raise OSError("No space left on device")
        target.write_bytes(source.read_bytes())

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space left"):
        record(finished, tmp_path / "results")
    assert not list((tmp_path / "results").iterdir())


@pytest.mark.parametrize("name", ["tables", "tables/spectrum.csv", "tables/spectrum.csv.sha256", "manifest.json"])
def test_a_link_that_leads_out_of_a_run_is_not_followed(name: str, finished: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside" / name
    outside.parent.mkdir(parents=True)
    (finished / name).rename(outside)
    (finished / name).symlink_to(outside)
    with pytest.raises(InputError, match="is a link that leads out of the run's folder, which is not recorded"):
        record(finished, tmp_path / "results")
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("there", [True, False])
def test_a_link_in_place_of_a_copy_stays_as_it_is(there: bool, finished: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    if there:
        elsewhere.mkdir()
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / finished.name).symlink_to(elsewhere)
    with pytest.raises(InputError, match="is there already and differs"):
        record(finished, tmp_path / "results")
    assert not list(elsewhere.glob("*"))


@pytest.mark.parametrize("control", ["../../etc/passwd", "/etc/passwd", "noise/../../x"])
def test_names_in_a_manifest_lead_nowhere(control: str, finished: Path, tmp_path: Path) -> None:
    change(finished, controls=[control])
    with pytest.raises(InputError, match="damaged or of another version"):
        record(finished, tmp_path / "results")
