"""Chapter 7: every number is that of the study of its own teacher and images."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from by_numpy import rank, unit
from conftest import EXPANDED

from asymdistill.config.names import SCENES_CLIP, SCENES_SIMCLR
from asymdistill.runtime.errors import InputError
from asymdistill.study.study import Study

PAIRS = [(images, teacher) for images in ("scenes", "scenes100") for teacher in (SCENES_CLIP, SCENES_SIMCLR)]


# A file of weights belongs to the name of the teacher that it is of.
NAMED = [(images, teacher + " (scenes-clip.safetensors)" * (teacher == SCENES_CLIP)) for images, teacher in PAIRS]


@pytest.fixture(scope="module")
def generality(expanded_study: Study) -> pd.DataFrame:
    return expanded_study.generality()


def test_the_table_of_other_teachers_and_images_is_in_long_form(generality: pd.DataFrame) -> None:
    identity = ["model", "width", "seed", "objective", "augmented"]
    assert list(generality.columns) == ["dataset", "teacher", "classes", "quantity", *identity, "sigma", "value"]
    assert list(generality[["dataset", "teacher"]].drop_duplicates().itertuples(index=False, name=None)) == NAMED
    assert not generality.duplicated([name for name in generality.columns if name != "value"]).any()
    assert dict(zip(generality["dataset"], generality["classes"], strict=True)) == {"scenes": 10, "scenes100": 100}
    assert set(generality["quantity"]) == {"effective_rank", "accuracy"}
    assert set(generality["objective"].dropna()) == {"cosine", "infonce"}
    assert (generality["sigma"].notna() == (generality["quantity"] == "accuracy")).all()
    assert generality["sigma"].dropna().unique().tolist() == [0.0, 0.2]
    # a teacher, and two seeds of two objectives: a rank and two accuracies each
    assert generality.groupby(["dataset", "teacher"]).size().tolist() == [3 * 5] * 4


def test_crossed_studies_are_opened_once_for_the_table(expanded_study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    first = expanded_study.generality()
    monkeypatch.setattr(Study, "crossed", lambda own: pytest.fail("opened again"))
    pd.testing.assert_frame_equal(expanded_study.generality(), first)


def test_every_number_is_that_of_its_own_study(expanded_study: Study, generality: pd.DataFrame) -> None:
    studies = [expanded_study, *expanded_study.crossed()]
    assert [(one.settings.dataset, one.settings.teacher) for one in studies] == PAIRS
    for one, (images, teacher) in zip(studies, NAMED, strict=True):
        own = generality[(generality["dataset"] == images) & (generality["teacher"] == teacher)]
        assert set(own["width"].dropna()) == set(one.settings.widths)
        ranks = own[own["quantity"] == "effective_rank"]
        models = [None, *one._run.configs.grid()]
        assert [None if pd.isna(seed) else seed for seed in ranks["seed"]] == [m and m.seed for m in models]
        assert ranks["objective"].fillna("").tolist() == [m.objective if m else "" for m in models]
        expected = [rank(unit(one, model)) for model in models]
        assert ranks["value"].tolist() == pytest.approx(expected, rel=1e-3)
        noisy = one.robustness()
        accuracy = own[own["quantity"] == "accuracy"]
        assert accuracy["value"].tolist() == noisy[noisy["noise_space"] == "normalised"]["accuracy"].tolist()
    ranks = generality[generality["quantity"] == "effective_rank"]
    assert ranks["value"].nunique() == 4 * 5  # no study stands in for another


def test_crossed_studies_have_folders_of_their_own_and_share_the_store(expanded_study: Study) -> None:
    runs = expanded_study.folder.parent
    crossed = list(expanded_study.crossed())
    folders = {one.folder for one in crossed}
    assert len({expanded_study.folder, *folders}) == 4
    assert {path for path in runs.iterdir() if path.name != "store"} == {expanded_study.folder, *folders}
    assert all(folder.name.startswith("smoke-crossed-") for folder in folders)
    for one in crossed:
        assert one._run.store.folder == expanded_study._run.store.folder
        kept = one.manifest()["settings"]
        assert (kept["dataset"], kept["teacher"]) == (one.settings.dataset, one.settings.teacher)
        assert one.count_students() == (4, 0)


def test_others_that_are_added_later_leave_what_is_stored(small_study: Study, tmp_path: Path) -> None:
    shutil.copytree(small_study.folder.parent, tmp_path, dirs_exist_ok=True)
    alone = Study(small_study.profile, small_study.settings, tmp_path)
    first = alone.generality()
    assert set(zip(first["dataset"], first["teacher"], strict=True)) == {NAMED[0]}
    changed = {"other_datasets": ("scenes100",), "crossed_widths": (0.25,), "seeds": (42,)}
    more = Study(small_study.profile, small_study.settings.model_copy(update=changed), tmp_path)
    both = more.generality()
    own = both[both["dataset"] == "scenes"].reset_index(drop=True)
    pd.testing.assert_frame_equal(own, first[first["seed"].fillna(42) == 42].reset_index(drop=True))
    assert set(both[both["dataset"] == "scenes100"]["width"].dropna()) == {0.25}
    # Of its own images and teacher nothing is computed again; the crossed study counts for itself.
    assert not any(made for _, made, _ in more.counts().values())


def test_weights_of_another_teacher_that_are_not_here_are_missed_before_anything_is_trained(tmp_path: Path) -> None:
    own = Study.open("smoke", EXPANDED | {"other_teachers": ["timm:resnet18"], "other_datasets": []}, tmp_path)
    with pytest.raises(InputError, match="the weights of teacher 'timm:resnet18' are not on this machine"):
        own.compute()
    assert own.count_students()[0] == 0
