"""Chapter 7's table: studies that differ in images and teacher alone, each number again from their embeddings."""

import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import EXPANDED

from asymdistill.config.profiles import load_settings
from asymdistill.config.settings import Settings
from asymdistill.store.files import DamagedFileWarning
from asymdistill.study import generality
from asymdistill.study.study import Study

pytestmark = pytest.mark.usefixtures("one_thread")

COLUMNS = [
    *("dataset", "teacher", "classes", "quantity", "model", "width", "seed", "objective", "augmented", "sigma"),
    "value",
]
PAIRS = [(images, teacher) for images in ("scenes", "scenes100") for teacher in ("embedded", "embedded-views")]
# What a crossed study does without, beside the images and the teacher that it changes.
LESS = {"augmentation_seeds", "controls", "sweeps", "other_teachers", "other_datasets", "widths", "noise_spaces"}


def settings(**overrides: object) -> Settings:
    return load_settings("smoke", overrides)[1]


@pytest.fixture(scope="module")
def table(expanded_study: Study) -> pd.DataFrame:
    return expanded_study.generality()


# Which settings


def test_every_image_set_is_paired_with_every_teacher_once() -> None:
    found = generality.crossed(settings(other_teachers=["timm:test_vit.r160_in1k"], other_datasets=["a.npz", "b"]))
    own, other = "embedded", "timm:test_vit.r160_in1k"
    pairs = [(one.dataset, one.teacher) for one in found]
    assert pairs == [("scenes", other), ("a.npz", own), ("a.npz", other), ("b", own), ("b", other)]


def test_ones_own_images_or_teacher_among_the_others_are_not_run_twice() -> None:
    again = settings(other_teachers=["embedded", "embedded-views"], other_datasets=["scenes"])
    assert [(one.dataset, one.teacher) for one in generality.crossed(again)] == [("scenes", "embedded-views")]
    assert generality.crossed(settings(other_teachers=[], other_datasets=[])) == []


def test_a_crossed_study_changes_images_and_teacher_and_runs_less() -> None:
    base = settings(**EXPANDED, resolution=24, data_seed=3)
    for one in generality.crossed(base):
        changed = {name for name in Settings.model_fields if getattr(one, name) != getattr(base, name)}
        pair = {name for name in ("dataset", "teacher") if getattr(one, name) != getattr(base, name)}
        assert pair
        assert changed - pair <= LESS
        assert (one.controls, one.sweeps, one.other_teachers, one.other_datasets) == ((), (), (), ())
        assert (one.objectives, one.seeds, one.epochs) == (base.objectives, base.seeds, base.epochs)
        assert one.augmentation_seeds == 0


def test_widths_and_noise_are_those_that_the_chapter_measures() -> None:
    wide = settings(widths=[1, 2], crossed_widths=[4, 0.5], noise_spaces=["pixel"])
    assert {one.widths for one in generality.crossed(wide)} == {(0.5, 4)}
    assert {one.noise_spaces for one in generality.crossed(wide)} == {("normalised",)}
    same = settings(widths=[1, 2], crossed_widths=None)
    assert {one.widths for one in generality.crossed(same)} == {(1, 2)}


def test_a_file_of_weights_is_of_its_own_teacher_only() -> None:
    found = generality.crossed(settings(teacher_weights="mine.safetensors"))
    weights = {(one.dataset, one.teacher): one.teacher_weights for one in found}
    assert weights == {
        ("scenes", "embedded-views"): None,
        ("scenes100", "embedded"): Path("mine.safetensors"),
        ("scenes100", "embedded-views"): None,
    }


# What is measured


def rank(rows: np.ndarray) -> float:
    shares = np.linalg.svd(rows - rows.mean(0), compute_uv=False) ** 2
    shares = shares[shares > 0] / shares.sum()
    return math.exp(-(shares * np.log(shares)).sum())


def test_the_table_is_in_long_form(table: pd.DataFrame) -> None:
    assert list(table.columns) == COLUMNS
    assert list(table[["dataset", "teacher"]].drop_duplicates().itertuples(index=False, name=None)) == PAIRS
    assert not table.duplicated([name for name in COLUMNS if name != "value"]).any()
    assert dict(zip(table["dataset"], table["classes"], strict=True)) == {"scenes": 10, "scenes100": 100}
    assert set(table["quantity"]) == {"effective_rank", "accuracy"}
    assert set(table["objective"].dropna()) == {"cosine", "infonce"}
    assert (table["sigma"].notna() == (table["quantity"] == "accuracy")).all()
    assert table["sigma"].dropna().unique().tolist() == [0.0, 0.2]
    # a teacher, and two seeds of two objectives: a rank and two accuracies each
    assert table.groupby(["dataset", "teacher"]).size().tolist() == [3 * 5] * 4


def test_every_number_is_that_of_its_own_study(expanded_study: Study, table: pd.DataFrame) -> None:
    studies = [expanded_study, *expanded_study.crossed()]
    assert [(one.settings.dataset, one.settings.teacher) for one in studies] == PAIRS
    for one in studies:
        own = table[(table["dataset"] == one.settings.dataset) & (table["teacher"] == one.settings.teacher)]
        assert set(own["width"].dropna()) == set(one.settings.widths)
        ranks = own[own["quantity"] == "effective_rank"]
        models = [None, *one.experiment.grid()]
        assert [None if pd.isna(seed) else seed for seed in ranks["seed"]] == [arm and arm.seed for arm in models]
        assert ranks["objective"].fillna("").tolist() == [arm.objective if arm else "" for arm in models]
        expected = [rank(one.experiment.encode(model, "test").double().numpy()) for model in models]
        assert ranks["value"].tolist() == pytest.approx(expected, rel=1e-3)
        noisy = one.robustness()
        accuracy = own[own["quantity"] == "accuracy"]
        assert accuracy["value"].tolist() == noisy[noisy["noise_space"] == "normalised"]["accuracy"].tolist()
    ranks = table[table["quantity"] == "effective_rank"]
    assert ranks["value"].nunique() == 4 * 5  # no study stands in for another


def test_crossed_studies_have_folders_of_their_own_beside_the_studys(expanded_study: Study) -> None:
    runs = expanded_study.folder.parent
    crossed = [one.folder for one in expanded_study.crossed()]
    assert len({expanded_study.folder, *crossed}) == 4
    assert {path.name for path in runs.iterdir()} == {path.name for path in (expanded_study.folder, *crossed)}
    assert all(path.name.startswith("smoke-crossed-") for path in crossed)
    for one in expanded_study.crossed():
        record = one.experiment.manifest()
        assert (record["settings"]["dataset"], record["settings"]["teacher"]) == (
            one.settings.dataset,
            one.settings.teacher,
        )
        students = {path.name for path in (one.folder / "students").glob("*.safetensors")}
        assert students == {f"{arm.name}.safetensors" for arm in one.experiment.grid()}


def test_the_table_is_read_from_what_is_stored(expanded_study: Study, table: pd.DataFrame, monkeypatch) -> None:
    monkeypatch.setattr("asymdistill.study.experiment.distil", lambda *_, **__: pytest.fail("trained again"))
    monkeypatch.setattr("asymdistill.study.experiment.embed", lambda *_, **__: pytest.fail("computed again"))
    again = Study(expanded_study.profile, expanded_study.settings, expanded_study.folder.parent)
    pd.testing.assert_frame_equal(again.generality(), table)


def test_a_damaged_table_of_a_crossed_study_is_computed_again(
    expanded_study: Study, table: pd.DataFrame, tmp_path: Path
) -> None:
    shutil.copytree(expanded_study.folder.parent, tmp_path / "runs")
    own = Study(expanded_study.profile, expanded_study.settings, tmp_path / "runs")
    path = own.crossed()[1].folder / "tables" / "robustness.csv"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.warns(DamagedFileWarning, match=r"robustness\.csv is damaged"):
        again = own.generality()
    pd.testing.assert_frame_equal(again, table, rtol=1e-4)


@pytest.mark.filterwarnings("ignore:The number of unique classes")
def test_others_that_are_added_later_leave_what_is_stored(
    small_study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(small_study.folder, tmp_path / small_study.folder.name)
    alone = Study(small_study.profile, small_study.settings, tmp_path)
    first = alone.generality()
    assert set(zip(first["dataset"], first["teacher"], strict=True)) == {("scenes", "embedded")}
    before = {path: path.read_bytes() for path in alone.folder.rglob("*") if path.is_file()}
    wider = {"other_datasets": ("scenes100",), "crossed_widths": (0.25,)}
    more = Study(small_study.profile, small_study.settings.model_copy(update=wider), tmp_path)
    assert more.folder == alone.folder
    both = more.generality()
    pd.testing.assert_frame_equal(both[both["dataset"] == "scenes"].reset_index(drop=True), first)
    assert set(both[both["dataset"] == "scenes100"]["width"].dropna()) == {0.25}
    assert {path: path.read_bytes() for path in alone.folder.rglob("*") if path.is_file()} == before
