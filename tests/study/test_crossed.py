"""Crossed settings: each pair of teacher and images once, and nothing else changed but what is left out."""

from pathlib import Path

from conftest import EXPANDED
from PIL import Image

from asymdistill.config.names import SCENES_CLIP, SCENES_SIMCLR
from asymdistill.config.profiles import load_settings
from asymdistill.config.settings import Settings
from asymdistill.study.crossed import crossed
from asymdistill.study.study import Study

# What a crossed study does without, beside the images and the teacher that it changes.
LESS = {"augmentation_seeds", "controls", "sweeps", "other_teachers", "other_datasets", "widths", "noise_spaces"}


def settings(**overrides: object) -> Settings:
    return load_settings("smoke", overrides)[1]


def test_every_image_set_is_paired_with_every_teacher_once() -> None:
    own, other = SCENES_CLIP, "timm:test_vit.r160_in1k"
    found = crossed(settings(teacher=own, other_teachers=[other], other_datasets=["a.npz", "b"]))
    pairs = [(one.dataset, one.teacher) for one in found]
    assert pairs == [("scenes", other), ("a.npz", own), ("a.npz", other), ("b", own), ("b", other)]


def test_ones_own_images_or_teacher_among_the_others_are_not_run_twice() -> None:
    both = [SCENES_CLIP, SCENES_SIMCLR]
    again = settings(teacher=SCENES_CLIP, other_teachers=both, other_datasets=["scenes"])
    assert [(one.dataset, one.teacher) for one in crossed(again)] == [("scenes", SCENES_SIMCLR)]
    assert crossed(settings(other_teachers=[], other_datasets=[])) == []


def test_a_crossed_study_changes_images_and_teacher_and_runs_less() -> None:
    base = settings(**EXPANDED | {"resolution": 24, "data_seed": 3})
    for one in crossed(base):
        changed = {name for name in Settings.model_fields if getattr(one, name) != getattr(base, name)}
        pair = {name for name in ("dataset", "teacher") if getattr(one, name) != getattr(base, name)}
        assert pair
        assert changed - pair <= LESS
        assert (one.controls, one.sweeps, one.other_teachers, one.other_datasets) == ((), (), (), ())
        assert (one.objectives, one.seeds, one.epochs) == (base.objectives, base.seeds, base.epochs)
        assert one.augmentation_seeds == 0


def test_widths_and_noise_are_those_that_the_chapter_measures() -> None:
    wide = settings(widths=[1, 2], crossed_widths=[4, 0.5], noise_spaces=["pixel"])
    assert {one.widths for one in crossed(wide)} == {(0.5, 4)}
    assert {one.noise_spaces for one in crossed(wide)} == {("normalised",)}
    same = settings(widths=[1, 2], crossed_widths=None)
    assert {one.widths for one in crossed(same)} == {(1, 2)}


def test_a_file_of_weights_is_of_its_own_teacher_only() -> None:
    both = {"teacher": SCENES_CLIP, "other_teachers": [SCENES_SIMCLR]}
    found = crossed(settings(**both, teacher_weights="mine.safetensors"))
    weights = {(one.dataset, one.teacher): one.teacher_weights for one in found}
    assert weights == {
        ("scenes", SCENES_SIMCLR): None,
        ("scenes100", SCENES_CLIP): Path("mine.safetensors"),
        ("scenes100", SCENES_SIMCLR): None,
    }


def test_a_resolution_is_of_its_own_teacher_only_and_a_crop_of_all() -> None:
    own, other = "timm:test_vit.r160_in1k", SCENES_CLIP
    base = settings(teacher=own, teacher_resolution=96, teacher_crop=False, other_teachers=[other])
    found = {(one.dataset, one.teacher): (one.teacher_resolution, one.teacher_crop) for one in crossed(base)}
    assert found == {
        ("scenes", other): (None, False),
        ("scenes100", own): (96, False),
        ("scenes100", other): (None, False),
    }


def test_what_a_study_is_made_from_changes_with_its_images_settings_and_teacher(tmp_path: Path) -> None:
    def made_from(**changes: object) -> list[dict[str, object]]:
        settings = {"dataset": str(tmp_path / "own"), "other_teachers": [], "other_datasets": []} | changes
        return [*Study.open("smoke", settings, tmp_path / "runs").made_from().values()]

    for split in ("train", "test"):
        for name in ("cat", "dog"):
            (tmp_path / "own" / split / name).mkdir(parents=True)
            Image.new("RGB", (32, 32), "red" if name == "cat" else "blue").save(
                tmp_path / "own" / split / name / "0.png"
            )
    before = made_from()
    assert made_from() == before
    assert len(before) == 1
    assert len(made_from(other_datasets=["scenes"])) == 2
    (settings,) = made_from(epochs=before[0]["settings"]["epochs"] + 1)  # type: ignore[index]
    assert settings != before[0]
    (teacher,) = made_from(teacher=SCENES_SIMCLR)
    assert teacher["teacher"] != before[0]["teacher"]
    for split in ("train", "test"):
        (tmp_path / "own" / split / "dog").rename(tmp_path / "own" / split / "wolf")
    (images,) = made_from()
    assert {name for name in images if images[name] != before[0][name]} == {"images"}
