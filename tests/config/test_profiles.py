"""Profiles: the named ones say what the papers ran, and a user's file or override that is wrong is one line."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asymdistill.claims import evaluate
from asymdistill.config.names import EFFICIENTNET, SHIPPED_TEACHERS, WEIGHTS_VARIABLE
from asymdistill.config.profiles import load_settings, parse_assignments, profile_names
from asymdistill.config.settings import CONTROLS, SWEEPS, Settings
from asymdistill.runtime.errors import InputError

# The first paper's protocol, setting by setting.
PAPER = {
    "dataset": "cifar10",
    "train_limit": None,
    "test_limit": None,
    "teacher": "open_clip:ViT-B-32-quickgelu/openai",
    "teacher_weights": None,
    "teacher_resolution": None,
    "teacher_crop": False,
    "teacher_precision": "float16",
    "resolution": 224,
    "widths": (1.0, 2.0, 4.0),
    "seeds": (42, 123, 456),
    "epochs": 5,
    "batch_size": 64,
    "learning_rate": 1e-3,
    "autocast": "off",
    "augmentation_seeds": 3,
    "noise_levels": (0.0, 0.05, 0.1, 0.2),
    "noise_spaces": ("normalised",),
    "metric_temperature": 0.1,
    "metric_batch_size": 64,
    "probe_max_iter": 2000,
}
# What the second paper adds: its weight and temperature are the companion's.
EXPANSION = {
    "objectives": ("cosine", "infonce"),
    "infonce_weight": 1.0,
    "infonce_temperature": 0.1,
    "infonce_symmetric": False,
}
# What says how much is run, and is no part of the setting.
EXTENT = {"description", "controls", "sweeps", "augmentation_seeds", "objectives"}


@pytest.fixture(autouse=True)
def no_weights_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(WEIGHTS_VARIABLE, raising=False)


def dumped(name: str) -> dict[str, Any]:
    return load_settings(name)[1].model_dump()


def differing(first: str, second: str) -> set[str]:
    one, other = dumped(first), dumped(second)
    return {name for name in one if one[name] != other[name]}


def test_every_profile_loads_and_says_what_it_is_for() -> None:
    assert set(profile_names()) >= {
        *("smoke", "embedded", "cifar10-clip", "cifar10-clip-stated", "cifar10-clip-infonce"),
        *("cifar100-dinov2", "cifar10-dinov2", "cifar100-clip", "cifar10-effnet", "cifar100-effnet"),
    }
    for name in profile_names():
        short, settings = load_settings(name)
        assert short == name
        assert settings.description


def test_the_papers_profile_is_the_protocol() -> None:
    settings = load_settings("cifar10-clip")[1].model_dump()
    assert {name: settings[name] for name in PAPER} == PAPER


def test_the_profile_of_the_stated_sizes_differs_in_its_widths_and_runs_no_controls() -> None:
    ran, stated = (load_settings(name)[1].model_dump() for name in ("cifar10-clip", "cifar10-clip-stated"))
    assert {name for name in ran if ran[name] != stated[name]} == {"widths", "description", "controls"}
    assert stated["widths"] == (0.5, 3.0, 10.0)


def test_the_profiles_that_run_anywhere_need_no_download() -> None:
    embedded, smoke = (load_settings(name)[1] for name in ("embedded", "smoke"))
    assert embedded.dataset == smoke.dataset == "scenes"
    assert {embedded.teacher, smoke.teacher} <= {*SHIPPED_TEACHERS}
    assert {*embedded.other_teachers, *smoke.other_teachers} <= {*SHIPPED_TEACHERS}
    assert (embedded.widths, embedded.seeds) == ((1, 2, 4), (42, 123, 456))
    assert (smoke.widths, smoke.seeds, smoke.epochs) == ((1, 2), (42,), 1)
    assert (smoke.train_limit or 0) < 1000
    assert (embedded.train_limit or 0) >= 1000


@pytest.mark.parametrize("name", ["embedded", "smoke"])
def test_the_profiles_that_run_anywhere_have_the_second_papers_chapters_too(name: str) -> None:
    settings = load_settings(name)[1]
    assert settings.objectives == ("cosine", "infonce")
    assert settings.sweeps
    assert settings.other_teachers
    assert (settings.infonce_weight, settings.infonce_temperature) == (1.0, 0.1)


def test_the_profile_of_the_tests_runs_every_control_and_comparison() -> None:
    smoke = load_settings("smoke")[1]
    assert (smoke.controls, smoke.sweeps) == (CONTROLS, SWEEPS)
    assert (smoke.other_teachers, smoke.other_datasets) == (("scenes-simclr",), ("scenes100",))


def test_the_default_is_the_papers_experiment_with_a_teacher_trained_on_photographs() -> None:
    settings = load_settings("embedded")[1]
    assert (settings.teacher, settings.teacher_resolution, settings.teacher_crop) == (EFFICIENTNET, 128, False)
    assert settings.resolution == 32
    paper = load_settings("cifar10-clip")[1]
    for name in ("widths", "seeds", "epochs", "batch_size", "learning_rate", "noise_levels"):
        assert getattr(settings, name) == getattr(paper, name), name


def test_the_profiles_on_photographs_differ_in_their_images_alone() -> None:
    assert differing("cifar10-effnet", "cifar100-effnet") == {"dataset", "description"}
    settings = load_settings("cifar10-effnet")[1]
    assert (settings.teacher, settings.teacher_crop, settings.resolution) == (EFFICIENTNET, False, 32)
    assert settings.noise_spaces[0] == "pixel"


def test_the_profile_of_the_expansion_is_the_first_papers_with_a_term_more() -> None:
    plain, wide = dumped("cifar10-clip"), dumped("cifar10-clip-infonce")
    assert differing("cifar10-clip", "cifar10-clip-infonce") == EXTENT
    assert {name: wide[name] for name in EXPANSION} == EXPANSION
    assert plain["objectives"] == ("cosine",)
    assert wide["sweeps"] == SWEEPS
    assert wide["controls"] == ("underfitting", "capacity", "objective")
    # so that claims of the first paper's setting can be judged on it
    assert not set(evaluate.SETTING) & EXTENT


def test_the_profile_of_the_generality_is_the_expansions_on_other_images_with_another_teacher() -> None:
    changed = {"dataset", "teacher", "teacher_resolution", "description"}
    assert differing("cifar10-clip-infonce", "cifar100-dinov2") == changed
    assert dumped("cifar100-dinov2")["dataset"] == "cifar100"
    assert dumped("cifar100-dinov2")["teacher"] == "timm:vit_small_patch14_dinov2.lvd142m"
    assert dumped("cifar100-dinov2")["teacher_resolution"] == 224


@pytest.mark.parametrize(
    ("name", "changed", "kept"),
    [("cifar10-dinov2", {"dataset"}, "teacher"), ("cifar100-clip", {"teacher", "teacher_resolution"}, "dataset")],
)
def test_a_crossed_profile_changes_one_thing_and_runs_less(name: str, changed: set[str], kept: str) -> None:
    assert differing("cifar100-dinov2", name) == {*changed, "description", "controls", "sweeps"}
    crossed, expansion = dumped(name), dumped("cifar10-clip-infonce")
    assert (crossed["controls"], crossed["sweeps"]) == ((), ())
    assert {crossed[each] == expansion[each] for each in changed} == {True}
    assert crossed[kept] == dumped("cifar100-dinov2")[kept]


def test_overrides_win_over_the_profile_and_the_profile_over_defaults() -> None:
    settings = load_settings("smoke", {"epochs": 3, "widths": [4, 0.5]})[1]
    assert (settings.epochs, settings.widths) == (3, (0.5, 4))
    assert settings.train_limit == load_settings("smoke")[1].train_limit != Settings().train_limit
    assert settings.learning_rate == Settings().learning_rate
    assert load_settings("smoke", '{"epochs": 3}')[1].epochs == 3
    assert load_settings("smoke", "")[1] == load_settings("smoke")[1]


def test_an_unknown_setting_is_named_beside_the_allowed_ones() -> None:
    with pytest.raises(InputError, match=r"unknown setting 'epoch'; allowed: .*\bepochs\b") as caught:
        load_settings("smoke", {"epoch": 3})
    assert "\n" not in str(caught.value)


def test_several_mistakes_are_all_named() -> None:
    with pytest.raises(InputError, match=r"'seeds'.*; setting 'epochs'"):
        load_settings("smoke", {"epochs": 0, "seeds": []})


def test_several_unknown_settings_are_named_beside_one_list_of_the_allowed_ones() -> None:
    """A file of four made a line that named what is allowed four times."""
    with pytest.raises(
        InputError, match=r"'epochs' is 0: .*; unknown settings 'a', 'b', 'c', 'd'; allowed: "
    ) as caught:
        load_settings("smoke", {"a": 1, "b": 2, "epochs": 0, "c": 3, "d": 4})
    assert str(caught.value).count("teacher_resolution") == 1


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({f"key{number}": 1 for number in range(1000)}, "'key0', 'key1', .* and 9[0-9][0-9] more; allowed: "),
        ({"seeds": [-1] * 1000}, "'seeds' is -1: .* and 9[0-9][0-9] more$"),
        ({"k" * 10_000: 1}, "^unknown setting 'kkk"),
    ],
)
def test_a_line_does_not_grow_with_the_number_of_mistakes(overrides: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        load_settings("smoke", overrides)
    assert len(str(caught.value)) < 2500


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"seeds": 7}, r"setting 'seeds' is 7: allowed: a list, such as \[1, 2\]"),
        ({"seeds": []}, r"setting 'seeds' is \[\]: allowed: a list of at least one"),
        ({"seeds": [-1]}, "setting 'seeds' is -1: Input should be greater than or equal to 0"),
        ({"resolution": 3}, "setting 'resolution' is 3: Input should be greater than or equal to 4"),
        ({"batch_size": 1}, "setting 'batch_size' is 1: Input should be greater than or equal to 2"),
    ],
)
def test_what_is_allowed_instead_is_said_once_and_in_plain_words(overrides: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=f"^(profile smoke: )?{message}$"):
        load_settings("smoke", overrides)


@pytest.mark.parametrize("overrides", ["{", "[1]", "3", '"epochs"'])
def test_overrides_that_are_no_json_object_are_refused(overrides: str) -> None:
    with pytest.raises(InputError, match="overrides"):
        load_settings("smoke", overrides)


@pytest.mark.parametrize("name", ["nope", "", "Smoke", "smoke.json", "../profiles/smoke"])
def test_an_unknown_profile_is_named_beside_the_allowed_ones(name: str) -> None:
    with pytest.raises(InputError, match=r"allowed: .*cifar10-clip"):
        load_settings(name)


def test_a_profiles_name_may_be_a_path_object() -> None:
    assert load_settings(Path("smoke")) == load_settings("smoke")


def test_paths_in_a_profile_file_are_relative_to_that_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "mine.toml").write_text(
        'dataset = "images"\ndataset_root = "root"\nteacher_weights = "weights/t.safetensors"\nepochs = 2\n'
    )
    monkeypatch.chdir(tmp_path / "elsewhere")
    name, settings = load_settings("../mine.toml")
    assert name == "mine"
    assert settings.epochs == 2
    assert settings.dataset_root == tmp_path / "root"
    assert settings.teacher_weights == tmp_path / "weights" / "t.safetensors"
    assert settings.dataset == "images"  # no such folder beside the file: left as it stands
    (tmp_path / "images").mkdir()
    assert load_settings(tmp_path / "mine.toml")[1].dataset == str(tmp_path / "images")
    assert load_settings("../mine.toml", {"teacher_weights": "own.safetensors"})[1].teacher_weights == Path(
        "own.safetensors"
    )


@pytest.mark.parametrize("name", ["dataset", "dataset_root", "teacher_weights", "store"])
def test_an_empty_path_is_no_folder(name: str, tmp_path: Path) -> None:
    """It was the working folder, or that of the profile's file."""
    (tmp_path / "mine.toml").write_text(f'{name} = ""\n')
    for profile, overrides in (("smoke", {name: ""}), (tmp_path / "mine.toml", {})):
        with pytest.raises(InputError, match=f"setting '{name}' is '': allowed: a path that is not empty"):
            load_settings(profile, overrides)
    with pytest.raises(InputError, match=r"setting 'other_datasets' is .*: allowed: a path that is not empty"):
        load_settings("smoke", {"other_datasets": ["scenes100", ""]})


CLIP, DINO = "open_clip:ViT-B-32-quickgelu/openai", "timm:vit_small_patch14_dinov2.lvd142m"


def test_weights_named_in_the_environment_are_those_of_the_main_teacher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WEIGHTS_VARIABLE, "named.safetensors")
    own = {"teacher": CLIP, "other_teachers": [DINO]}
    assert load_settings("smoke", own)[1].teacher_weights == Path("named.safetensors")
    assert load_settings("smoke", own | {"teacher_weights": "set.safetensors"})[1].teacher_weights == Path(
        "set.safetensors"
    )
    assert load_settings("smoke")[1].teacher_weights is None  # a shipped teacher has its own
    monkeypatch.setenv(WEIGHTS_VARIABLE, "")
    assert load_settings("smoke", own)[1].teacher_weights is None


def test_settings_are_loaded_without_torch() -> None:
    program = (
        "import sys; from asymdistill.config.profiles import load_settings; load_settings('smoke')\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "pydantic" in loaded
    assert not {"torch", "numpy", "pandas", "sklearn", "open_clip", "timm", "torchvision", "matplotlib"} & set(loaded)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"epochs = ", "not valid TOML"),
        (b"epochs = 1\nepochs = 2\n", "not valid TOML"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"epochs = 0\n", "setting 'epochs'"),
        (b"[run]\nepochs = 1\n", "unknown setting 'run'"),
    ],
)
def test_a_damaged_profile_file_is_named_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        load_settings(path)
    assert "\n" not in str(caught.value)


def test_a_profile_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.toml does not exist"):
        load_settings(tmp_path / "gone.toml")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(value=json_values)
def test_every_json_value_survives_an_assignment(value: object) -> None:
    assert parse_assignments([f"key={json.dumps(value)}"]) == {"key": value}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("epochs=3", 3),
        (" widths = [1, 2.5] ", [1, 2.5]),
        ("download=false", False),
        ("train_limit=null", None),
        ("dataset=/some/folder", "/some/folder"),
        ("dataset=data/mine.npz", "data/mine.npz"),
        ("dataset='quoted'", "quoted"),
        ("teacher=open_clip:ViT-B-32-quickgelu/openai", "open_clip:ViT-B-32-quickgelu/openai"),
        ("learning_rate=1e-4", 1e-4),
        ("dataset=a=b", "a=b"),
        ("dataset=2026-01-31", "2026-01-31"),
        ("dataset=1\ny = 2", "1\ny = 2"),
        ("description=", ""),
    ],
)
def test_an_assignment_is_read_as_a_person_means_it(text: str, value: object) -> None:
    (parsed,) = parse_assignments([text]).values()
    assert parsed == value
    assert type(parsed) is type(value)


def test_the_last_assignment_of_a_name_wins() -> None:
    assert parse_assignments(["epochs=1", "epochs=2"]) == {"epochs": 2}


@pytest.mark.parametrize("word", ["epochs", "=3", "  =3", ""])
def test_a_word_that_assigns_nothing_is_refused(word: str) -> None:
    with pytest.raises(InputError, match="not of the form key=value"):
        parse_assignments([word])


def test_what_a_profile_says_of_its_own_teacher_does_not_hold_for_another() -> None:
    assert load_settings("embedded")[1].teacher_resolution == 128
    other = load_settings("embedded", {"teacher": "scenes-clip"})[1]
    assert (other.teacher_resolution, other.teacher_weights, other.resolution) == (None, None, 32)
    assert load_settings("embedded", {"teacher": EFFICIENTNET, "epochs": 1})[1].teacher_resolution == 128
    named = load_settings("embedded", {"teacher": "scenes-clip", "teacher_resolution": 64})[1]
    assert named.teacher_resolution == 64
