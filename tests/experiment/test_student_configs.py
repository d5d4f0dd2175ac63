"""Which students a study trains: the papers' grid, and what controls and comparisons add."""

from collections import Counter
from dataclasses import asdict, fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asymdistill.config.names import IDENTITY, OBJECTIVES, UNTRAINED
from asymdistill.config.profiles import load_settings
from asymdistill.config.settings import CONTROLS, SWEEPS, Settings
from asymdistill.experiment.experiment import Experiment
from asymdistill.experiment.student_configs import ALTERNATIVES, StudentConfig, StudentConfigs, identity
from asymdistill.models.students import Design

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
        "device": "cpu",
    },
)[1]


def changed(**values: object) -> Settings:
    """The settings with some values replaced, validated as a user's would be."""
    return Settings.model_validate(SETTINGS.model_dump() | values)


def configs(classes: int = 10, **values: object) -> StudentConfigs:
    """The students of these settings, with a teacher that sees 32 x 32."""
    return StudentConfigs(changed(**values), 32, classes)


OURS = configs()


# One student, resolved


def test_every_field_has_the_experiments_value_when_a_student_is_made() -> None:
    assert asdict(OURS.make(2, 7, "infonce")) == {
        "width": 2.0,
        "seed": 7,
        "objective": "infonce",
        "resolution": 32,
        "epochs": 1,
        "batch_size": 64,
        "learning_rate": 1e-3,
        "schedule": "constant",
        "autocast": "off",
        "augmented": False,
        "dilation": 1,
        "noise": 0.0,
        "classes": None,
        "weight": 1.0,
        "temperature": 0.1,
        "symmetric": False,
        "snapshots": False,
        "architecture": "cnn",
    }
    assert configs(resolution=48).make(1, 7, "cosine").resolution == 48


# For each objective, the settings that matter to it beside those that matter to all.
MATTER = {
    "cosine": set(),
    "infonce": {"infonce_weight", "infonce_temperature", "infonce_symmetric"},
    "views": {"infonce_weight", "infonce_temperature", "infonce_symmetric"},
    "vicreg": {"regulariser_weight"},
    "uniformity": {"regulariser_weight"},
    "whitened": set(),
    "centred": set(),
    "labels": set(),
}
ALWAYS = {"epochs": 9, "batch_size": 17, "learning_rate": 0.5, "autocast": "bfloat16", "resolution": 17}
TERMS = {"infonce_weight": 9.0, "infonce_temperature": 9.0, "infonce_symmetric": True, "regulariser_weight": 9.0}


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_setting_tells_two_students_apart_only_where_it_matters(objective: str) -> None:
    matters = {"resolution"} if objective == UNTRAINED else ALWAYS.keys() | MATTER[objective]
    plain = OURS.make(1, 7, objective)
    told = {name for name, value in (ALWAYS | TERMS).items() if configs(**{name: value}).make(1, 7, objective) != plain}
    assert told == matters


@pytest.mark.parametrize("name", ["control_epochs", "noise_levels", "seeds", "widths", "metric_temperature"])
def test_settings_that_are_not_a_students_change_no_student(name: str) -> None:
    value = {"control_epochs": 9, "metric_temperature": 9.0}.get(name, [3, 5])
    assert configs(**{name: value}).make(1, 7, "infonce") == OURS.make(1, 7, "infonce")


some_students = st.builds(
    StudentConfig,
    width=st.sampled_from([0.25, 0.5, 1.0, 3.0, 10.0]),
    seed=st.integers(0, 2**32 - 1),
    objective=st.sampled_from([*OBJECTIVES]),
    resolution=st.integers(1, 999),
    epochs=st.integers(1, 999),
    batch_size=st.integers(2, 999),
    learning_rate=st.floats(1e-6, 1),
    schedule=st.sampled_from(["constant", "cosine"]),
    augmented=st.booleans(),
    dilation=st.integers(1, 99),
    noise=st.floats(0, 1),
    classes=st.none() | st.integers(2, 100),
    weight=st.floats(0, 1e6),
    temperature=st.floats(0, 1e6),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    return Experiment(SETTINGS, tmp_path_factory.mktemp("runs"))


def test_students_are_stored_under_one_key_only_if_they_are_the_same(run: Experiment) -> None:
    @given(first=some_students, second=some_students)
    def check(first: StudentConfig, second: StudentConfig) -> None:
        assert (run.students.artifact(first).key == run.students.artifact(second).key) == (first == second)
        assert run.students.artifact(replace(first)).key == run.students.artifact(first).key

    check()


def test_every_field_of_a_student_is_in_its_key(run: Experiment) -> None:
    plain = OURS.make(1, 7, "cosine")
    other: dict[str, object] = {"objective": "views", "schedule": "cosine", "autocast": "bfloat16", "classes": 2}
    other |= {"architecture": "transformer"}
    names = [field.name for field in fields(StudentConfig)]
    changes = [{name: other[name] if name in other else getattr(plain, name) + 1} for name in names]
    keys = {run.students.artifact(replace(plain, **change)).key for change in changes}
    assert len({run.students.artifact(plain).key, *keys}) == 1 + len(names)


def test_the_papers_students_keep_the_keys_that_they_had_before_there_were_others() -> None:
    assert "architecture" not in OURS.make(1, 7, "cosine").key
    assert OURS.make(1, 7, "cosine", architecture="transformer").key["architecture"] == "transformer"


def test_widths_that_are_equal_to_six_digits_are_two_students(run: Experiment) -> None:
    first, second = configs(widths=[1.0000001, 1.0000002], seeds=[7], objectives=["cosine"]).grid()
    assert first != second
    assert first.identity["model"] != second.identity["model"]
    assert run.students.artifact(first).key != run.students.artifact(second).key


def test_models_are_told_apart() -> None:
    assert identity(None) == dict(zip(IDENTITY, ("teacher", None, None, None, False), strict=True))
    told = OURS.make(0.5, 42, "views", augmented=True, noise=0.3)
    assert identity(told) == dict(zip(IDENTITY, ("w=0.5", 0.5, 42, "views", True), strict=True))


def test_a_message_names_what_is_special_about_a_student() -> None:
    assert OURS.make(1, 7, "infonce").described.startswith("student S, seed 7, infonce")
    assert "noise 0.3" in OURS.make(0.5, 7, "cosine", noise=0.3).described
    assert "noise" not in OURS.make(0.5, 7, "cosine").described


# The grid


def test_the_grid_has_every_width_and_seed_once_for_each_objective() -> None:
    grid = OURS.grid()
    assert Counter(student.objective for student in grid) == {"cosine": 6, "infonce": 6}
    for objective in ("cosine", "infonce"):
        own = [(student.width, student.seed) for student in grid if student.objective == objective]
        assert own == [(width, seed) for width in (1, 2, 4) for seed in (7, 8)]
        assert OURS.grid(objective) == [student for student in grid if student.objective == objective]
    assert all(s == OURS.make(s.width, s.seed, s.objective) for s in grid)  # they differ in nothing else


@pytest.mark.parametrize("objectives", [("cosine", "infonce"), ("infonce", "cosine"), ("views",), ("vicreg", "views")])
def test_controls_and_augmentation_are_of_the_first_objective(objectives: tuple[str, ...]) -> None:
    own = configs(objectives=objectives)
    assert own.baseline() == [student for student in own.grid() if student.objective == objectives[0]]
    assert len(own.baseline()) == 6
    others = {"whitened", "centred", "labels", UNTRAINED}
    treated = [*own.augmented(), *(student for name in CONTROLS for student in own.control(name))]
    assert {student.objective for student in treated} - others == {objectives[0]}


@pytest.mark.parametrize("count", [0, 1, 2, 9])
def test_augmented_students_are_the_widest_with_the_first_seeds(count: int) -> None:
    own = configs(augmentation_seeds=count)
    assert own.augmented() == [own.make(4, seed, "cosine", augmented=True) for seed in (7, 8)[:count]]


def test_the_narrowest_student_with_every_seed() -> None:
    assert OURS.narrow() == [OURS.make(1, 7, "cosine"), OURS.make(1, 8, "cosine")]
    assert OURS.narrow("vicreg", noise=0.1) == [OURS.make(1, seed, "vicreg", noise=0.1) for seed in (7, 8)]
    own = configs(objectives=["infonce"])
    assert own.narrow() == [own.make(1, 7, "infonce"), own.make(1, 8, "infonce")]


# Controls


def test_each_control_changes_one_thing() -> None:
    plain = OURS.make(1, 7, "cosine")
    everyone = [
        student
        for name in CONTROLS
        for student in OURS.control(name)
        if student.objective != UNTRAINED  # which has no training to be like the others'
    ]
    differing = {
        field: [student for student in everyone if getattr(student, field) != getattr(plain, field)]
        for field in ("epochs", "classes", "resolution", "dilation", "noise", "objective")
    }
    assert {student.schedule for student in differing["epochs"]} == {"constant", "cosine"}
    assert [(student.seed, student.classes) for student in differing["classes"]] == [(7, 2), (8, 2)]
    objectives = [student.objective for student in differing["objective"]]
    assert objectives == ["whitened"] * 2 + ["centred"] * 2 + ["labels"] * 2
    assert [(student.width, student.seed) for student in differing["noise"]] == [(1, 7), (1, 8), (4, 7)]
    for field, treated in differing.items():
        assert treated
        others = [name for name in differing if name != field]
        assert all(getattr(student, name) == getattr(plain, name) for student in treated for name in others)
    assert [student.objective for student in OURS.by_objective()][-2:] == [UNTRAINED] * 2


def test_widths_that_the_grid_has_are_not_trained_twice() -> None:
    plain = [student for student in OURS.by_capacity() if student.design == Design(student.width)]
    assert {student.width for student in plain} == {0.5}


def test_a_control_that_changes_nothing_is_the_grids_student() -> None:
    own = configs(control_resolution=32, control_dilation=1, control_noise=0)
    assert set(own.narrow()) <= set(own.grid())
    assert [s for s in own.by_capacity() if s.width == 1 and s.architecture == "cnn"] == 2 * own.narrow()
    assert set(own.with_noise()) <= set(own.grid())


def test_class_counts_beyond_the_images_classes_are_left_out() -> None:
    assert {student.classes for student in configs(classes=4).by_classes()} == {2}


def test_all_classes_are_another_student_only_where_images_are_few() -> None:
    assert {student.classes for student in OURS.by_classes()} == {2}
    assert {student.classes for student in configs(dataset="cifar10").by_classes()} == {2, 10}


def test_further_seeds_are_new_ones_for_both_ends() -> None:
    further = OURS.with_more_seeds()
    assert [(student.width, student.seed) for student in further] == [(1, 1), (1, 2), (4, 1), (4, 2)]
    assert configs(statistics_seeds=1).with_more_seeds() == []


@pytest.mark.parametrize("control", CONTROLS)
def test_a_control_that_is_not_named_trains_nothing(control: str) -> None:
    base = {"sweeps": ()}
    none, alone = configs(controls=(), **base), configs(controls=(control,), **base)
    rest = configs(controls=tuple(name for name in CONTROLS if name != control), **base)
    added = set(alone.everyone()) - set(none.everyone())
    assert added == set(OURS.control(control)) - set(OURS.grid())
    assert not added & set(rest.everyone())
    assert {*alone.everyone(), *rest.everyone()} == set(configs(controls=CONTROLS, **base).everyone())


# Comparisons of chapter 6


@pytest.mark.parametrize("name", SWEEPS)
def test_where_a_value_is_the_experiments_own_the_students_are_the_grids(name: str) -> None:
    grid = set(OURS.grid())
    own = {"weight": [0.0, 1.0], "temperature": [0.1], "batch_size": [64], "alternatives": ["cosine", "infonce"]}
    sweep = OURS.sweep(name)
    assert {value for value, students in sweep.items() if set(students) <= grid} == set(own.get(name, []))
    assert all(not set(students) & grid for value, students in sweep.items() if value not in own.get(name, []))


def test_each_comparison_varies_one_thing_of_the_narrowest_student() -> None:
    def varied(name: str, *varying: str) -> list[tuple[object, ...]]:
        found = [(x, s) for x, students in OURS.sweep(name).items() for s in students if s.seed == 7]
        for _, student in found:
            different = {field: getattr(student, field) for field in varying}
            assert student == OURS.make(student.width, 7, student.objective, **different)
        assert {student.width for _, student in found} == {1} or name == "width"
        return [(x, student.objective, *(getattr(student, field) for field in varying)) for x, student in found]

    assert varied("weight", "weight") == [
        (0.0, "cosine", 0.0),
        (0.1, "infonce", 0.1),
        (1.0, "infonce", 1.0),
        (10.0, "infonce", 10.0),
    ]
    assert varied("temperature", "temperature") == [
        (0.03, "infonce", 0.03),
        (0.1, "infonce", 0.1),
        (1.0, "infonce", 1.0),
    ]
    assert varied("batch_size", "batch_size") == [
        (size, objective, size) for size in (16, 64, 256) for objective in ("cosine", "infonce")
    ]
    assert varied("width", "weight") == [(1.0, "infonce", 10.0), (8.0, "infonce", 10.0)]
    assert varied("alternatives") == [(name, name) for name in ALTERNATIVES]


@pytest.mark.parametrize("name", SWEEPS)
def test_every_value_of_a_comparison_has_every_seed(name: str) -> None:
    for students in OURS.sweep(name).values():
        assert set(Counter((student.objective, student.width) for student in students).values()) == {2}
        assert {student.seed for student in students} == {7, 8}


def test_a_value_that_is_named_though_it_is_the_experiments_own_is_not_trained_twice() -> None:
    again = configs(infonce_weights=[1, 10], infonce_temperatures=[0.1], batch_sizes=[64])
    assert list(again.sweep("weight")) == [0.0, 1.0, 10.0]
    assert list(again.sweep("temperature")) == [0.1]
    assert list(again.sweep("batch_size")) == [64]
    assert again.sweep("weight")[1.0] == again.narrow("infonce")


def test_widths_are_pushed_at_the_experiments_own_weight_where_that_is_the_largest() -> None:
    own = configs(infonce_weight=30)
    assert own.sweep("width")[1.0] == [own.make(1, 7, "infonce"), own.make(1, 8, "infonce")]
    assert set(own.sweep("width")[1.0]) <= set(own.grid())


def test_comparisons_share_the_students_that_they_have_in_common() -> None:
    pushed, weighted = OURS.sweep("width")[1.0], OURS.sweep("weight")[10.0]
    assert pushed == weighted
    assert len(OURS.swept("batch_size")) == len(set(OURS.swept("batch_size")))


@pytest.mark.parametrize("objectives", [("cosine",), ("cosine", "infonce"), ("infonce",), ALTERNATIVES[:-1]])
def test_no_student_is_trained_twice_and_none_is_left_out(objectives: tuple[str, ...]) -> None:
    own = configs(objectives=objectives)
    everyone = own.everyone()
    assert max(Counter(everyone).values()) == 1
    parts = [own.grid(), own.augmented(), *(own.control(name) for name in CONTROLS)]
    swept = [students for name in SWEEPS for students in own.sweep(name).values()]
    assert set(everyone) == {student for part in [*parts, *swept] for student in part}
    assert everyone[: len(parts[0])] == parts[0]


@pytest.mark.parametrize("name", SWEEPS)
def test_a_comparison_that_is_not_named_trains_nothing(name: str) -> None:
    base, alone = configs(controls=(), sweeps=()), configs(controls=(), sweeps=(name,))
    grid = {*OURS.grid(), *OURS.augmented()}
    assert set(base.everyone()) == grid
    students = {student for students in OURS.sweep(name).values() for student in students}
    assert set(alone.everyone()) == grid | students > grid
