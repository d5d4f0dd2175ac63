"""Which students an experiment trains: the paper's grid, and what each control adds to it."""

import pytest

from asymdistill import arms
from asymdistill.arms import Arm
from asymdistill.config import CONTROLS
from asymdistill.profile import load_settings

SETTINGS = load_settings(
    "smoke",
    {
        "widths": [1, 2, 4],
        "seeds": [7, 8],
        "control_epochs": 20,
        "control_widths": [0.5, 2],
        "control_resolution": 64,
        "class_counts": [2, 10],
        "statistics_seeds": 4,
    },
)[1]


def test_names_tell_all_students_apart_and_the_grids_are_short() -> None:
    everyone = [*arms.grid(SETTINGS), *arms.augmented(SETTINGS), *arms.controls(SETTINGS, 10)]
    names = [arm.name for arm in dict.fromkeys(everyone)]
    assert len(set(names)) == len(names)
    assert Arm(1, 7).name == "w1-s7-cosine"
    assert Arm(4, 7, augmented=True).name == "w4-s7-cosine-augmented"
    assert Arm(1, 7, epochs=20, schedule="cosine").name == "w1-s7-cosine-epochs20-schedulecosine"


def test_each_control_changes_one_thing() -> None:
    plain = Arm(1, 7)
    changed = {
        field: [arm for arm in arms.controls(SETTINGS, 10) if getattr(arm, field) != getattr(plain, field)]
        for field in ("epochs", "classes", "resolution", "dilation", "noise", "objective")
    }
    assert {arm.schedule for arm in changed["epochs"]} == {"constant", "cosine"}
    assert [(arm.seed, arm.classes) for arm in changed["classes"]] == [(7, 2), (8, 2)]
    assert [arm.objective for arm in changed["objective"]] == [
        "whitened",
        "whitened",
        "labels",
        "labels",
        *["none"] * 2,
    ]
    assert [(arm.width, arm.seed) for arm in changed["noise"]] == [(1, 7), (1, 8), (4, 7)]
    for field, treated in changed.items():
        assert treated
        others = [name for name in changed if name != field]
        assert all(getattr(arm, name) == getattr(plain, name) for arm in treated for name in others)


def test_widths_that_the_grid_has_are_not_trained_twice() -> None:
    assert {arm.width for arm in arms.by_capacity(SETTINGS) if not arm.resolution and arm.dilation == 1} == {0.5}


def test_class_counts_beyond_the_images_classes_are_left_out() -> None:
    assert {arm.classes for arm in arms.by_classes(SETTINGS, 4)} == {2}


def test_all_classes_are_an_arm_of_their_own_only_where_images_are_few() -> None:
    files = SETTINGS.model_copy(update={"dataset": "cifar10"})
    assert {arm.classes for arm in arms.by_classes(SETTINGS, 10)} == {2}
    assert {arm.classes for arm in arms.by_classes(files, 10)} == {2, 10}


def test_further_seeds_are_new_ones_for_both_ends() -> None:
    further = arms.with_more_seeds(SETTINGS)
    assert [(arm.width, arm.seed) for arm in further] == [(1, 1), (1, 2), (4, 1), (4, 2)]
    assert arms.with_more_seeds(SETTINGS.model_copy(update={"statistics_seeds": 1})) == []


@pytest.mark.parametrize("control", CONTROLS)
def test_a_control_that_is_not_named_trains_nothing(control: str) -> None:
    without = tuple(name for name in CONTROLS if name != control)
    alone = arms.controls(SETTINGS.model_copy(update={"controls": (control,)}), 10)
    rest = arms.controls(SETTINGS.model_copy(update={"controls": without}), 10)
    assert not set(alone) & set(rest)
    assert {*alone, *rest} == set(arms.controls(SETTINGS, 10))
