"""A recorded run: the same tables as the study's, and nothing computed; what is damaged counts as missing."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from asymdistill import artifacts, claims
from asymdistill.checks import InputError
from asymdistill.recorded import Recorded
from asymdistill.sceptic import COLUMNS
from asymdistill.study import Study

TABLES = ("training", "singular_values", "spectrum", "alignment", "information", "robustness", "augmentation")


@pytest.fixture
def folder(small_study: Study, tmp_path: Path) -> Path:
    """A copy of what a judgement may need of the small study: its manifest and tables, and no student or teacher."""
    copy = tmp_path / small_study.folder.name
    shutil.copytree(small_study.folder, copy, ignore=shutil.ignore_patterns("students", "teacher"))
    return copy


def test_a_recorded_run_has_the_studys_settings_and_tables(small_study: Study, folder: Path) -> None:
    recorded = Recorded(folder)
    assert recorded.profile == small_study.profile
    assert claims.evaluate(recorded).equals(claims.evaluate(small_study))
    for name in TABLES:
        found = recorded.table(name)
        assert found is not None
        pd.testing.assert_frame_equal(found, small_study.table(name))


def test_nothing_is_computed_or_written(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    claims.evaluate(Recorded(folder))
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_controls_are_stored_one_by_one_and_read_as_one_table(folder: Path) -> None:
    assert Recorded(folder).table("controls") is None
    for name, value in (("statistics", 1.0), ("truncation", 2.0)):
        made = pd.DataFrame([{"control": name, "seed": 42, "value": value}]).reindex(columns=COLUMNS)
        artifacts.stored_table(folder / "tables" / f"control-{name}.csv", lambda made=made: made)
    table = Recorded(folder).table("controls")
    assert table is not None
    assert dict(zip(table["control"], table["value"], strict=True)) == {"truncation": 2.0, "statistics": 1.0}
    assert list(table.columns) == list(COLUMNS)


def test_comparisons_are_stored_one_by_one_and_read_as_one_table(expanded_study: Study, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(expanded_study.folder, copy, ignore=shutil.ignore_patterns("students", "teacher"))
    found = Recorded(copy).table("expansion")
    assert found is not None
    pd.testing.assert_frame_equal(found, expanded_study.expansion())
    for name in ("weight", "alternatives"):
        (copy / "tables" / f"expansion-{name}.csv").unlink()
    fewer = Recorded(copy).table("expansion")
    assert fewer is not None
    assert list(dict.fromkeys(fewer["comparison"])) == ["gains", "temperature", "batch_size", "width"]


def test_a_damaged_comparison_counts_as_missing(expanded_study: Study, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(expanded_study.folder, copy, ignore=shutil.ignore_patterns("students", "teacher"))
    path = copy / "tables" / "expansion-gains.csv"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.warns(artifacts.DamagedFileWarning, match=r"expansion-gains\.csv is damaged: it counts as missing"):
        found = Recorded(copy).table("expansion")
    assert found is not None
    assert "gains" not in set(found["comparison"])


def test_a_crossing_is_of_several_runs_and_none_of_one(expanded_study: Study) -> None:
    assert Recorded(expanded_study.folder).table("generality") is None
    for crossed in expanded_study.crossed():
        recorded = Recorded(crossed.folder)
        assert recorded.settings == crossed.settings
        assert recorded.table("generality") is None
        assert recorded.table("spectrum") is not None


def test_the_second_papers_claims_are_judged_as_on_the_study(expanded_study: Study) -> None:
    recorded, whole = claims.evaluate(Recorded(expanded_study.folder)), claims.evaluate(expanded_study)
    assert recorded.equals(whole)
    expansion = whole.set_index("id").loc["v2-expansion"]
    ranks = expanded_study.spectrum().query("quantity == 'effective_rank' and estimator == 'per seed'")
    by_seed = ranks.pivot_table(index="seed", columns="objective", values="value")
    assert expansion["measured"] == pytest.approx((by_seed["infonce"] / by_seed["cosine"]).mean())
    assert (expansion["seeds"], expansion["evidence"]) == (2, "another setting")


def test_a_table_that_the_run_has_not_is_none(folder: Path) -> None:
    assert Recorded(folder).table("entropy") is None


def test_a_damaged_table_counts_as_missing(folder: Path) -> None:
    path = folder / "tables" / "alignment.csv"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.warns(artifacts.DamagedFileWarning, match=r"alignment.csv is damaged: it counts as missing") as warned:
        ledger = claims.evaluate(Recorded(folder)).set_index("id")
    assert len(warned) == 1
    assert ledger.loc["v1-truncation", "reason"] == "This run has no table alignment."
    assert (ledger["verdict"] != "not testable here").any()


def test_a_table_without_its_checksum_counts_as_missing(folder: Path) -> None:
    (folder / "tables" / "spectrum.csv.sha256").unlink()
    with pytest.warns(artifacts.DamagedFileWarning):
        assert Recorded(folder).table("spectrum") is None


def test_a_folder_that_holds_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no run; allowed: a folder with a manifest"):
        Recorded(tmp_path)
    with pytest.raises(InputError, match="gone holds no run"):
        Recorded(tmp_path / "gone")


def test_a_damaged_manifest_is_named(folder: Path) -> None:
    (folder / "manifest.json").write_text("{")
    with (
        pytest.warns(artifacts.DamagedFileWarning),
        pytest.raises(InputError, match=r"manifest\.json is damaged or of another version"),
    ):
        Recorded(folder)


@pytest.mark.parametrize("change", [{"epochs": 0}, {"unheard_of": 1}])
def test_a_manifest_of_other_settings_is_named(folder: Path, change: dict[str, int]) -> None:
    record = json.loads((folder / "manifest.json").read_text())
    artifacts.write_json(folder / "manifest.json", record | {"settings": record["settings"] | change})
    with pytest.raises(InputError, match="another version"):
        Recorded(folder)


def test_a_manifest_of_something_else_is_named(folder: Path) -> None:
    artifacts.write_json(folder / "manifest.json", {"name": "a web page"})
    with pytest.raises(InputError, match="another version"):
        Recorded(folder)
