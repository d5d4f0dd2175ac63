"""What a run is: its hash changes with all that changes a result, and with nothing else."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from asymdistill.config.profiles import load_settings
from asymdistill.config.settings import Settings
from asymdistill.runtime import devices
from asymdistill.runtime.errors import InputError
from asymdistill.store import manifest
from asymdistill.study.experiment import Experiment
from asymdistill.study.run import NOT_HASHED

CHANGED = {
    "train_limit": 64,
    "test_limit": 50,
    "data_seed": 1,
    "dataset": "cifar10",
    "image_size": 16,
    "teacher": "timm:vit_small_patch14_dinov2.lvd142m",
    "teacher_precision": "float16",
    "resolution": 16,
    "widths": (1,),
    "seeds": (43,),
    "epochs": 2,
    "batch_size": 32,
    "learning_rate": 2e-3,
    "autocast": "bfloat16",
    "augmentation_seeds": 0,
    "noise_levels": (0.1,),
    "noise_spaces": ("pixel",),
    "noise_seed": 1,
    "metric_temperature": 0.2,
    "metric_batch_size": 32,
    "probe_max_iter": 100,
    "control_epochs": 3,
    "control_widths": (0.25,),
    "control_resolution": 48,
    "control_dilation": 2,
    "control_noise": 0.2,
    "class_counts": (3,),
    "statistics_seeds": 3,
    "objectives": ("cosine",),
    "infonce_weight": 2,
    "infonce_temperature": 0.2,
    "infonce_symmetric": True,
    "regulariser_weight": 2,
    "infonce_weights": (3,),
    "infonce_temperatures": (0.5,),
    "batch_sizes": (16,),
    "pushed_widths": (2,),
}
UNCHANGED = {
    "description": "other words",
    "workers": 1,
    "device": "cpu",
    "download": False,
    "dataset_root": "/other",
    "controls": [],
    "sweeps": [],
    "other_teachers": [],
    "other_datasets": [],
    "crossed_widths": [2],
}


def folder(runs: Path, weights: Path, **overrides: object) -> str:
    settings = load_settings("smoke", {"teacher_weights": weights, "device": "cpu"} | overrides)[1]
    return Experiment("smoke", settings, runs).folder.name


def test_every_setting_is_known_to_change_results_or_not() -> None:
    assert CHANGED.keys() | UNCHANGED.keys() | {"teacher_weights"} == Settings.model_fields.keys()
    assert UNCHANGED.keys() | {"teacher_weights"} == NOT_HASHED


@pytest.mark.parametrize(("name", "value"), CHANGED.items())
def test_a_setting_that_changes_results_changes_the_folder(
    tmp_path: Path, teacher_file: Path, name: str, value: object
) -> None:
    assert folder(tmp_path, teacher_file, **{name: value}) != folder(tmp_path, teacher_file)


@pytest.mark.parametrize(("name", "value"), UNCHANGED.items())
def test_a_setting_that_changes_no_result_keeps_the_folder(
    tmp_path: Path, teacher_file: Path, name: str, value: object
) -> None:
    assert folder(tmp_path, teacher_file, **{name: value}) == folder(tmp_path, teacher_file)
    assert not list(tmp_path.iterdir())


def test_the_teachers_weights_count_by_content_not_by_name(tmp_path: Path, teacher_file: Path) -> None:
    content = teacher_file.read_bytes()
    (tmp_path / "same.safetensors").write_bytes(content)
    (tmp_path / "other.safetensors").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert folder(tmp_path, tmp_path / "same.safetensors") == folder(tmp_path, teacher_file)
    assert folder(tmp_path, tmp_path / "other.safetensors") != folder(tmp_path, teacher_file)


def test_the_images_count_by_content(tmp_path: Path, teacher_file: Path) -> None:
    names = set()
    for content in (b"one", b"two"):
        (tmp_path / "a.npz").write_bytes(content)
        names.add(folder(tmp_path, teacher_file, dataset=str(tmp_path / "a.npz")))
    assert len(names) == 2


def test_a_key_covers_device_code_files_and_extras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"b")
    first = manifest.run_key({"x": 1, "y": 2}, cpu, [tmp_path / "a"], ["e"])
    assert len(first) == 10
    assert int(first, 16) >= 0
    assert manifest.run_key({"y": 2, "x": 1}, cpu, [tmp_path / "a"], ["e"]) == first
    others = {
        manifest.run_key({"x": 1, "y": 3}, cpu, [tmp_path / "a"], ["e"]),
        manifest.run_key({"x": 1, "y": 2}, cuda, [tmp_path / "a"], ["e"]),
        manifest.run_key({"x": 1, "y": 2}, cpu, [tmp_path / "b"], ["e"]),
        manifest.run_key({"x": 1, "y": 2}, cpu, [tmp_path / "a"], ["f"]),
        manifest.run_key({"x": 1, "y": 2}, cpu, [], ["e"]),
    }
    monkeypatch.setattr(manifest, "code_digest", lambda: "other code")
    others.add(manifest.run_key({"x": 1, "y": 2}, cpu, [tmp_path / "a"], ["e"]))
    assert len(others | {first}) == 7


def code_digest_of(package: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(manifest, "PACKAGE", package)
    return manifest.code_digest.__wrapped__()


def test_the_code_that_makes_results_counts_and_what_shows_them_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("training/losses.py", "metrics/spectrum.py", "plots/style.py", "cli.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"# {name}\n")
    first = code_digest_of(tmp_path, monkeypatch)
    for name, counts in {"training/losses.py": True, "metrics/spectrum.py": True, "plots/style.py": False}.items():
        before = (tmp_path / name).read_text()
        (tmp_path / name).write_text("# changed\n")
        assert (code_digest_of(tmp_path, monkeypatch) != first) == counts, name
        (tmp_path / name).write_text(before)
    for room in manifest.ROOMS:
        assert list((manifest.PACKAGE / room).glob("*.py")), "a room was renamed"


def test_a_device_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert devices.resolve_device("auto") == devices.resolve_device("cpu") == torch.device("cpu")
    for name in ("cuda", "cuda:0", "cuda:999"):
        with pytest.raises(InputError, match=f"device is '{name}' and 0 CUDA devices are here; allowed: 'cpu'"):
            devices.resolve_device(name)


def test_auto_takes_a_gpu_and_an_index_beyond_the_last_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert devices.resolve_device("auto") == torch.device("cuda")
    assert devices.resolve_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(InputError, match="'cuda:2' and 2 CUDA devices"):
        devices.resolve_device("cuda:2")


def test_devices_in_words() -> None:
    assert devices.describe_device(torch.device("cpu")).endswith(f", {devices.cores()} cores)")
    assert devices.cores() >= 1


def git(repository: Path, *words: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(repository), *identity, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit_of(package: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(manifest, "PACKAGE", package)
    return manifest.commit.__wrapped__()


def test_the_commit_is_the_checkouts_and_says_when_files_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package"
    (package / "store").mkdir(parents=True)
    (package / "store" / "manifest.py").write_text("1\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "package/store/manifest.py")
    git(tmp_path, "commit", "-q", "-m", "first")
    short = git(tmp_path, "rev-parse", "--short=10", "HEAD")
    assert commit_of(package, monkeypatch) == short
    (tmp_path / "notes.txt").write_text("outside the package\n")
    (package / "untracked.txt").write_text("not committed\n")
    assert commit_of(package, monkeypatch) == short
    (package / "store" / "manifest.py").write_text("2\n")
    assert commit_of(package, monkeypatch) == f"{short} with changes"


def test_outside_a_checkout_the_release_stands_for_the_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = f"release {manifest.versions()['asymdistill']}"
    assert commit_of(tmp_path, monkeypatch) == release
    # installed below a checkout of something else, which does not track it
    git(tmp_path, "init", "-q")
    (tmp_path / "site" / "store").mkdir(parents=True)
    (tmp_path / "site" / "store" / "manifest.py").write_text("1\n")
    assert commit_of(tmp_path / "site", monkeypatch) == release
    monkeypatch.setattr(
        manifest, "subprocess", SimpleNamespace(run=no_git, CalledProcessError=subprocess.CalledProcessError)
    )
    assert commit_of(tmp_path, monkeypatch) == release


def no_git(*_: object, **__: object) -> None:
    raise FileNotFoundError("git")


def test_versions_are_those_of_the_running_libraries() -> None:
    versions = manifest.versions()
    assert versions["python"] == ".".join(map(str, sys.version_info[:3]))
    assert versions["torch"].split("+")[0] == torch.__version__.split("+")[0]
    json.dumps(versions)


def test_weights_named_by_the_environment_count_as_those_of_the_setting(
    tmp_path: Path, teacher_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = {"teacher": "open_clip:ViT-B-32-quickgelu/openai"}
    named = folder(tmp_path, teacher_file, **other)
    monkeypatch.setenv("ASYMDISTILL_TEACHER_WEIGHTS", str(teacher_file))
    settings = load_settings("smoke", {"device": "cpu"} | other)[1]
    assert Experiment("smoke", settings, tmp_path).folder.name == named
