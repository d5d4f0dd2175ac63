"""Settings: the profiles say what the papers ran, and whatever is wrong is named in one line."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from asymdistill.checks import InputError
from asymdistill.config import Settings
from asymdistill.profile import load_settings, parse_assignments, profile_names

# The first paper's protocol, setting by setting.
PAPER = {
    "dataset": "cifar10",
    "train_limit": None,
    "test_limit": None,
    "teacher": "open_clip:ViT-B-32-quickgelu/openai",
    "teacher_weights": None,
    "teacher_precision": "float16",
    "resolution": 224,
    "widths": (1.0, 2.0, 4.0),
    "seeds": (42, 123, 456),
    "epochs": 5,
    "batch_size": 64,
    "learning_rate": 1e-3,
    "autocast": "off",
    "augmentation_seeds": 1,
    "noise_levels": (0.0, 0.05, 0.1, 0.2),
    "noise_spaces": ("normalised",),
    "metric_temperature": 0.1,
    "metric_batch_size": 64,
    "probe_max_iter": 2000,
}

BAD = {
    "epochs": (0, -1, 1.5, "many", None),
    "batch_size": (0, -64),
    "widths": ([], [0], [-1], [1, 1.0], [float("inf")], [float("nan")], "wide"),
    "seeds": ([], [-1], [1, 1], [2**32], [0.5]),
    "learning_rate": (0, -1e-3, float("nan"), float("inf")),
    "noise_levels": ([], [-0.1], [0.1, 0.1], [float("nan")]),
    "noise_spaces": ([], ["fourier"], ["pixel", "pixel"]),
    "metric_batch_size": (1, 0),
    "augmentation_seeds": (-1,),
    "train_limit": (0, -5),
    "image_size": (0,),
    "device": ("tpu", "cuda:", "cuda:x", "cuda:-1", "cuda:\u00b2", "cuda:99999999999999", "CPU", ""),
    "teacher": ("clip", "open_clip:", "timm:", ":", ""),
    "teacher_precision": ("fp16",),
    "autocast": ("float16",),
    "metric_temperature": (0,),
    "data_seed": (-1,),
    "probe_max_iter": (0,),
}


def test_every_profile_loads_and_says_what_it_is_for() -> None:
    assert set(profile_names()) >= {"smoke", "embedded", "cifar10-clip", "cifar10-clip-stated"}
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
    assert (embedded.dataset, embedded.teacher) == (smoke.dataset, smoke.teacher) == ("scenes", "embedded")
    assert (embedded.widths, embedded.seeds) == ((1, 2, 4), (42, 123, 456))
    assert (smoke.widths, smoke.seeds, smoke.epochs) == ((1, 2), (42,), 1)
    assert (smoke.train_limit or 0) < 1000
    assert (embedded.train_limit or 0) >= 1000


def test_overrides_win_over_the_profile_and_the_profile_over_defaults() -> None:
    settings = load_settings("smoke", {"epochs": 3, "widths": [4, 0.5]})[1]
    assert (settings.epochs, settings.widths) == (3, (0.5, 4))
    assert settings.train_limit == load_settings("smoke")[1].train_limit != Settings().train_limit
    assert settings.learning_rate == Settings().learning_rate
    assert load_settings("smoke", '{"epochs": 3}')[1].epochs == 3
    assert load_settings("smoke", "")[1] == load_settings("smoke")[1]


def test_widths_and_noise_levels_are_put_in_order_and_the_order_of_seeds_is_kept() -> None:
    settings = Settings(widths=(4, 1, 2), noise_levels=(0.2, 0.0, 0.1), seeds=(456, 42))
    assert settings.widths == (1, 2, 4)
    assert settings.largest_width == 4
    assert settings.noise_levels == (0.0, 0.1, 0.2)
    assert settings.seeds == (456, 42)
    with pytest.raises(ValidationError, match="frozen"):
        settings.epochs = 1


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_value_out_of_range_is_named_in_one_line(name: str, value: object) -> None:
    with pytest.raises(InputError, match=f"setting '{name}'") as caught:
        load_settings("smoke", {name: value})
    assert "\n" not in str(caught.value)


def test_an_unknown_setting_is_named_beside_the_allowed_ones() -> None:
    with pytest.raises(InputError, match=r"unknown setting 'epoch'; allowed: .*\bepochs\b") as caught:
        load_settings("smoke", {"epoch": 3})
    assert "\n" not in str(caught.value)


def test_several_mistakes_are_all_named() -> None:
    with pytest.raises(InputError, match=r"'seeds'.*; setting 'epochs'"):
        load_settings("smoke", {"epochs": 0, "seeds": []})


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
