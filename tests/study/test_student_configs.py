"""Which students an experiment trains: the paper's grid, and what each control adds to it."""

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from asymdistill.config.names import UNTRAINED
from asymdistill.config.profiles import load_settings
from asymdistill.config.settings import CONTROLS, SWEEPS, Settings
from asymdistill.study import student_configs
from asymdistill.study.student_configs import Arm
from asymdistill.training import losses as objectives

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
        "infonce_weights": [0.1, 10],
        "infonce_temperatures": [0.03, 1],
        "batch_sizes": [16, 256],
        "pushed_widths": [8, 1],
    },
)[1]


def changed(**values: object) -> Settings:
    """The settings with some values replaced, validated as a user's would be."""
    return Settings.model_validate(SETTINGS.model_dump() | values)


# The grid


def test_names_tell_all_students_apart_and_the_grids_are_short() -> None:
    names = [arm.name for arm in student_configs.everyone(SETTINGS, 10)]
    assert len(set(names)) == len(names)
    assert Arm(1, 7).name == "w1-s7-cosine"
    assert Arm(4, 7, augmented=True).name == "w4-s7-cosine-augmented"
    assert Arm(1, 7, epochs=20, schedule="cosine").name == "w1-s7-cosine-epochs20-schedulecosine"
    assert Arm(0.5, 7, "infonce", weight=10.0, batch_size=16).name == "w0.5-s7-infonce-weight10.0-batch_size16"


some_arms = st.builds(
    Arm,
    width=st.sampled_from([0.25, 0.5, 1, 3, 10]),
    seed=st.integers(0, 2**32 - 1),
    objective=st.sampled_from([*student_configs.ALTERNATIVES, "labels", UNTRAINED]),
    augmented=st.booleans(),
    epochs=st.none() | st.integers(1, 999),
    schedule=st.sampled_from(["constant", "cosine"]),
    resolution=st.none() | st.integers(1, 999),
    dilation=st.integers(1, 99),
    noise=st.floats(0, 1),
    classes=st.none() | st.integers(2, 100),
    weight=st.none() | st.floats(1e-6, 1e6),
    temperature=st.none() | st.floats(1e-6, 1e6),
    batch_size=st.none() | st.integers(2, 999),
)


@given(first=some_arms, second=some_arms)
def test_two_students_have_one_name_only_if_they_are_the_same(first: Arm, second: Arm) -> None:
    assert (first.name == second.name) == (first == second)
    assert not set(first.name) & set("/\\ ")


def test_the_grid_has_every_width_and_seed_once_for_each_objective() -> None:
    grid = student_configs.grid(SETTINGS)
    assert Counter(arm.objective for arm in grid) == {"cosine": 6, "infonce": 6}
    for objective in ("cosine", "infonce"):
        own = [(arm.width, arm.seed) for arm in grid if arm.objective == objective]
        assert own == [(width, seed) for width in (1, 2, 4) for seed in (7, 8)]
    assert all(arm == Arm(arm.width, arm.seed, arm.objective) for arm in grid)  # unlike in nothing else


@pytest.mark.parametrize("objectives", [("cosine", "infonce"), ("infonce", "cosine"), ("views",), ("vicreg", "views")])
def test_controls_and_augmentation_are_of_the_first_objective(objectives: tuple[str, ...]) -> None:
    settings = changed(objectives=objectives)
    assert student_configs.baseline(settings) == [
        arm for arm in student_configs.grid(settings) if arm.objective == objectives[0]
    ]
    assert len(student_configs.baseline(settings)) == 6
    others = {"whitened", "labels", UNTRAINED}
    treated = [*student_configs.augmented(settings), *student_configs.controls(settings, 10)]
    assert {arm.objective for arm in treated} - others == {objectives[0]}


def test_the_narrowest_student_with_every_seed() -> None:
    assert student_configs.narrow(SETTINGS) == [Arm(1, 7), Arm(1, 8)]
    assert student_configs.narrow(SETTINGS, "vicreg", noise=0.1) == [
        Arm(1, seed, "vicreg", noise=0.1) for seed in (7, 8)
    ]
    assert student_configs.narrow(changed(objectives=["infonce"])) == [Arm(1, 7, "infonce"), Arm(1, 8, "infonce")]


# Controls


def test_each_control_changes_one_thing() -> None:
    plain = Arm(1, 7)
    changed = {
        field: [arm for arm in student_configs.controls(SETTINGS, 10) if getattr(arm, field) != getattr(plain, field)]
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
    assert {arm.width for arm in student_configs.by_capacity(SETTINGS) if not arm.resolution and arm.dilation == 1} == {
        0.5
    }


def test_class_counts_beyond_the_images_classes_are_left_out() -> None:
    assert {arm.classes for arm in student_configs.by_classes(SETTINGS, 4)} == {2}


def test_all_classes_are_an_arm_of_their_own_only_where_images_are_few() -> None:
    files = SETTINGS.model_copy(update={"dataset": "cifar10"})
    assert {arm.classes for arm in student_configs.by_classes(SETTINGS, 10)} == {2}
    assert {arm.classes for arm in student_configs.by_classes(files, 10)} == {2, 10}


def test_further_seeds_are_new_ones_for_both_ends() -> None:
    further = student_configs.with_more_seeds(SETTINGS)
    assert [(arm.width, arm.seed) for arm in further] == [(1, 1), (1, 2), (4, 1), (4, 2)]
    assert student_configs.with_more_seeds(SETTINGS.model_copy(update={"statistics_seeds": 1})) == []


@pytest.mark.parametrize("control", CONTROLS)
def test_a_control_that_is_not_named_trains_nothing(control: str) -> None:
    without = tuple(name for name in CONTROLS if name != control)
    alone = student_configs.controls(SETTINGS.model_copy(update={"controls": (control,)}), 10)
    rest = student_configs.controls(SETTINGS.model_copy(update={"controls": without}), 10)
    assert not set(alone) & set(rest)
    assert {*alone, *rest} == set(student_configs.controls(SETTINGS, 10))


# Comparisons of chapter 6


@pytest.mark.parametrize("name", SWEEPS)
def test_where_a_value_is_the_experiments_own_the_students_are_the_grids(name: str) -> None:
    grid = set(student_configs.grid(SETTINGS))
    own = {"weight": [0.0, 1.0], "temperature": [0.1], "batch_size": [64], "alternatives": ["cosine", "infonce"]}
    sweep = student_configs.sweep(name, SETTINGS)
    assert {value for value, students in sweep.items() if set(students) <= grid} == set(own.get(name, []))
    assert all(not set(students) & grid for value, students in sweep.items() if value not in own.get(name, []))


def test_each_comparison_varies_one_thing_of_the_narrowest_student() -> None:
    def varied(name: str, *fields: str) -> list[tuple[object, ...]]:
        found = [
            (x, arm)
            for x, students in student_configs.sweep(name, SETTINGS).items()
            for arm in students
            if arm.seed == 7
        ]
        assert all(arm == Arm(arm.width, 7, arm.objective, **{f: getattr(arm, f) for f in fields}) for _, arm in found)
        assert {arm.width for _, arm in found} == {1} or name == "width"
        return [(x, arm.objective, *(getattr(arm, field) for field in fields)) for x, arm in found]

    assert varied("weight", "weight") == [
        (0.0, "cosine", None),
        (0.1, "infonce", 0.1),
        (1.0, "infonce", None),
        (10.0, "infonce", 10.0),
    ]
    assert varied("temperature", "temperature") == [
        (0.03, "infonce", 0.03),
        (0.1, "infonce", None),
        (1.0, "infonce", 1.0),
    ]
    assert varied("batch_size", "batch_size") == [
        (size, objective, None if size == 64 else size) for size in (16, 64, 256) for objective in ("cosine", "infonce")
    ]
    assert varied("width", "weight") == [(1.0, "infonce", 10.0), (8.0, "infonce", 10.0)]
    assert varied("alternatives") == [(name, name) for name in student_configs.ALTERNATIVES]


@pytest.mark.parametrize("name", SWEEPS)
def test_every_value_of_a_comparison_has_every_seed(name: str) -> None:
    for students in student_configs.sweep(name, SETTINGS).values():
        assert set(Counter((arm.objective, arm.width) for arm in students).values()) == {2}
        assert {arm.seed for arm in students} == {7, 8}


def test_a_value_that_is_named_though_it_is_the_experiments_own_is_not_trained_twice() -> None:
    again = changed(infonce_weights=[1, 10], infonce_temperatures=[0.1], batch_sizes=[64])
    assert list(student_configs.sweep("weight", again)) == [0.0, 1.0, 10.0]
    assert list(student_configs.sweep("temperature", again)) == [0.1]
    assert list(student_configs.sweep("batch_size", again)) == [64]
    assert student_configs.sweep("weight", again)[1.0] == student_configs.narrow(again, "infonce")


def test_widths_are_pushed_at_the_experiments_own_weight_where_that_is_the_largest() -> None:
    own = changed(infonce_weight=30)
    assert student_configs.sweep("width", own)[1.0] == [Arm(1, 7, "infonce"), Arm(1, 8, "infonce")]
    assert set(student_configs.sweep("width", own)[1.0]) <= set(student_configs.grid(own))


@pytest.mark.parametrize(
    "objectives", [("cosine",), ("cosine", "infonce"), ("infonce",), student_configs.ALTERNATIVES[:-1]]
)
def test_no_student_is_trained_twice_and_none_is_left_out(objectives: tuple[str, ...]) -> None:
    settings = changed(objectives=objectives)
    everyone = student_configs.everyone(settings, 10)
    assert max(Counter(everyone).values()) == 1
    parts = [
        student_configs.grid(settings),
        student_configs.augmented(settings),
        student_configs.controls(settings, 10),
    ]
    swept = [students for name in SWEEPS for students in student_configs.sweep(name, settings).values()]
    assert set(everyone) == {arm for part in [*parts, *swept] for arm in part}
    assert everyone[: len(parts[0])] == parts[0]


@pytest.mark.parametrize("name", SWEEPS)
def test_a_comparison_that_is_not_named_trains_nothing(name: str) -> None:
    base = changed(controls=(), sweeps=())
    alone, grid = (
        changed(controls=(), sweeps=(name,)),
        {*student_configs.grid(SETTINGS), *student_configs.augmented(SETTINGS)},
    )
    assert set(student_configs.everyone(base, 10)) == grid
    students = {arm for students in student_configs.sweep(name, SETTINGS).values() for arm in students}
    assert set(student_configs.everyone(alone, 10)) == grid | students > grid


# What a student is trained for

STUDENT, GOAL, OTHER = torch.randn(3, 12, 8, generator=torch.Generator().manual_seed(0))


def loss_of(arm: Arm, *more: torch.Tensor, **settings: object) -> float:
    chosen = student_configs.objective(arm, changed(**settings), dim=8, classes=10)
    return float(chosen(STUDENT, GOAL, *more))


def test_a_student_is_trained_for_its_objective_with_the_experiments_weight_and_temperature() -> None:
    distance = float(objectives.cosine_distance(STUDENT, GOAL))
    contrast = {t: float(objectives.info_nce(STUDENT, GOAL, temperature=t)) for t in (0.1, 0.5)}
    both = float(objectives.info_nce(STUDENT, GOAL, temperature=0.1, symmetric=True))
    assert loss_of(Arm(1, 7)) == loss_of(Arm(1, 7, "whitened")) == distance
    assert loss_of(Arm(1, 7, "infonce")) == pytest.approx(distance + contrast[0.1])
    assert loss_of(Arm(1, 7, "infonce"), infonce_weight=3, infonce_temperature=0.5) == pytest.approx(
        distance + 3 * contrast[0.5]
    )
    assert loss_of(Arm(1, 7, "infonce"), infonce_symmetric=True) == pytest.approx(distance + both)
    assert both != pytest.approx(contrast[0.1])


def test_a_students_own_weight_and_temperature_come_first() -> None:
    distance = float(objectives.cosine_distance(STUDENT, GOAL))
    own = Arm(1, 7, "infonce", weight=0.5, temperature=0.5)
    expected = distance + 0.5 * float(objectives.info_nce(STUDENT, GOAL, temperature=0.5))
    assert loss_of(own, infonce_weight=9, infonce_temperature=2) == pytest.approx(expected)


def test_only_views_take_a_second_view() -> None:
    two = {
        name: student_configs.objective(Arm(1, 7, name), SETTINGS, dim=8, classes=10)
        for name in (*student_configs.ALTERNATIVES, "labels")
    }
    assert [name for name, chosen in two.items() if getattr(chosen, "two_views", False)] == ["views"]
    expected = objectives.cosine_distance(STUDENT, GOAL) + 2 * objectives.nt_xent(
        STUDENT, OTHER, temperature=0.1, symmetric=False
    )
    assert loss_of(Arm(1, 7, "views"), OTHER, infonce_weight=2) == pytest.approx(float(expected))


@pytest.mark.parametrize(
    ("name", "term"), [("vicreg", objectives.variance_and_covariance), ("uniformity", objectives.uniformity)]
)
def test_other_terms_have_a_weight_of_their_own(name: str, term: object) -> None:
    expected = float(objectives.cosine_distance(STUDENT, GOAL) + 4 * term(STUDENT))  # type: ignore[operator]
    assert loss_of(Arm(1, 7, name), regulariser_weight=4, infonce_weight=9) == pytest.approx(expected)


def test_a_student_of_labels_has_a_classifier_of_its_own_seed() -> None:
    first, again, other = (
        student_configs.objective(Arm(1, s, "labels"), SETTINGS, dim=8, classes=10) for s in (7, 7, 8)
    )
    assert isinstance(first, nn.Module)
    assert [tuple(parameter.shape) for parameter in first.parameters()] == [(10, 8), (10,)]
    weights = [next(chosen.parameters()) for chosen in (first, again, other)]  # type: ignore[union-attr]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_an_arms_own_batch_size_comes_before_the_settings() -> None:
    assert [student_configs.batch_size(arm, SETTINGS) for arm in (Arm(1, 7), Arm(1, 7, batch_size=16))] == [64, 16]
