"""The doctor: what is missing is called missing, with where it was looked for, and nothing is fetched or written."""

import socket
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fake_hub
import numpy as np
import pytest
import timm
import torch
import torchvision
from conftest import SMALL, threads
from fresh_process import imported_by
from PIL import Image
from safetensors.torch import save_file

from asymdistill.config.names import WEIGHTS_VARIABLE
from asymdistill.config.profiles import load_settings
from asymdistill.config.settings import Settings
from asymdistill.data import datasets
from asymdistill.models import students, teachers
from asymdistill.models.weights import shipped_path
from asymdistill.runtime import devices
from asymdistill.runtime.errors import InputError
from asymdistill.study import doctor
from asymdistill.study.doctor import Need, examine
from asymdistill.training import distillation

pytestmark = pytest.mark.usefixtures("alone")
TIMM = "timm:test_vit.r160_in1k"
GIB = 2**30


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty hub's cache, no file named in the environment, and a network that must not be asked."""

    def asked(*_: object, **__: object) -> None:
        raise AssertionError("the doctor asked the network")

    fake_hub.use(monkeypatch, tmp_path / "hub", fake_hub.refusing())
    monkeypatch.delenv(WEIGHTS_VARIABLE, raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", asked)
    monkeypatch.setattr(socket.socket, "connect", asked)


def settings(teacher_file: Path | None = None, **overrides: object) -> Settings:
    values: dict[str, object] = SMALL | overrides
    if teacher_file:
        values["teacher_weights"] = teacher_file
    return load_settings("smoke", values)[1]


def found(teacher_file: Path | None = None, **overrides: object) -> dict[str, Need]:
    return {need.name: need for need in examine(settings(teacher_file, **overrides))}


# Everything there


def test_the_default_profile_needs_no_library_of_teachers_images_or_tables() -> None:
    code = "from asymdistill import cli; assert cli.main(['doctor']) == 0"
    assert not imported_by(code) & {"torchvision", "open_clip", "timm", "pandas", "scipy", "sklearn", "matplotlib"}


def test_a_run_that_lacks_nothing_is_weighed_and_nothing_is_written_or_computed(
    teacher_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for owner, name in ((datasets.scenes, "generate"), (teachers, "load_teacher"), (distillation, "distil")):
        monkeypatch.setattr(owner, name, lambda *_, **__: pytest.fail("computed"))
    needs = found(teacher_file, workers=2)
    assert list(needs) == ["device", "images", "weights", "students", "memory"]
    assert {need.status for need in needs.values()} == {"ok"}
    assert "CPU" in needs["device"].words
    assert str(teacher_file) in needs["weights"].words
    assert needs["images"].words == "scenes, which are drawn and need no file"
    assert needs["students"].words.startswith("5: 4 of the grid, 1 augmented, 0 of the controls and comparisons")
    assert "128 training and 160 test images" in needs["students"].words
    for part in ("images", "embeddings", "teacher", "training", "free"):
        assert part in needs["memory"].words
    assert not list(tmp_path.iterdir())


def test_students_are_those_of_the_run(teacher_file: Path) -> None:
    overrides = {"controls": ["capacity", "noise"], "sweeps": ["weight"], "objectives": ["cosine", "infonce"]}
    words = found(teacher_file, **overrides)["students"].words
    # capacity: another input, dilation, architecture, 2 seeds each; noise: 2 seeds and the widest; weight: 10, 2 seeds
    assert words.startswith("20: 8 of the grid, 1 augmented, 11 of the controls and comparisons")


def test_the_shipped_weights_are_named() -> None:
    weights = found()["weights"]
    assert weights.status == "ok"
    assert "scenes-clip.safetensors" in weights.words


def test_other_teachers_and_images_are_examined_too(teacher_file: Path, tmp_path: Path) -> None:
    others = {"other_teachers": [TIMM, "scenes-simclr"], "other_datasets": ["cifar10", "scenes100"]}
    needs = examine(settings(teacher_file, dataset_root=tmp_path, **others))
    assert [need.name for need in needs] == [
        *("device", "images", "weights", "weights", "weights", "images", "images"),
        *("students", "memory"),
    ]
    missing = [need.words for need in needs if need.status == "missing"]
    assert len(missing) == 2
    assert any(f"names a file of {TIMM}" in words for words in missing)
    assert any("cifar-10-batches-py" in words for words in missing)


# Device


def test_a_device_that_is_not_here_is_missing_beside_what_is(teacher_file: Path) -> None:
    needs = found(teacher_file, device="cuda:77")
    assert needs["device"].status == "missing"
    assert "device is 'cuda:77'" in needs["device"].words
    assert "here: cpu, CPU (" in needs["device"].words
    assert needs["memory"].status == "ok"


def test_other_devices_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"Fast GPU {device.index}")
    device, need = doctor._device(settings(device="cuda:1"))
    assert device == torch.device("cuda:1")
    assert need.words.startswith("Fast GPU 1; also here: cpu, CPU (")
    assert need.words.endswith("cuda:0, Fast GPU 0")


# Images


def test_cifar_that_is_not_there_is_missing_and_still_counted(teacher_file: Path, tmp_path: Path) -> None:
    limits = {"train_limit": None, "test_limit": None}
    for download, then in ((True, "a run downloads it"), (False, "download is false")):
        needs = found(teacher_file, dataset="cifar100", dataset_root=tmp_path, download=download, **limits)
        images = needs["images"]
        assert images.status == "missing"
        assert f"neither cifar-100-python nor cifar-100-python.tar.gz is in {tmp_path}" in images.words
        assert then in images.words
        assert "50,000 training and 10,000 test images" in needs["students"].words


def test_cifar_is_found_unpacked_or_packed(teacher_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = torchvision.datasets.CIFAR10
    archive = tmp_path / kind.filename
    archive.write_bytes(b"as released")
    monkeypatch.setattr(kind, "tgz_md5", torchvision.datasets.utils.calculate_md5(archive))
    images = found(teacher_file, dataset="cifar10", dataset_root=tmp_path)["images"]
    assert (images.status, images.words) == ("ok", f"cifar10: {COUNTED}, in {archive}, which a run unpacks")
    archive.write_bytes(b"cut")
    assert found(teacher_file, dataset="cifar10", dataset_root=tmp_path)["images"].status == "missing"
    monkeypatch.setattr(torchvision.datasets, "CIFAR10", Unpacked)
    images = found(teacher_file, dataset="cifar10", dataset_root=tmp_path)["images"]
    assert (images.status, images.words) == ("ok", f"cifar10: {COUNTED}, in {tmp_path / kind.base_folder}")


COUNTED = "50,000 for training and 10,000 for testing, of 10 classes"


class Unpacked:
    """CIFAR whose files all have their MD5."""

    base_folder = torchvision.datasets.CIFAR10.base_folder

    def __init__(self, root: Path, train: bool) -> None:
        pass


def write_folder(root: Path) -> Path:
    for split, count in (("train", 50), ("test", 4)):
        for name in ("ant", "bee"):
            folder = root / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                Image.new("RGB", (8, 8), (index, 0, 0)).save(folder / f"{index}.png")
    return root


def test_ones_own_images_are_counted(teacher_file: Path, tmp_path: Path) -> None:
    limits = {"train_limit": None, "test_limit": None}
    pixels = np.random.default_rng(0).integers(0, 256, (100, 8, 8, 3), dtype=np.uint8)
    archive = tmp_path / "mine.npz"
    labels = {"train_labels": np.arange(100) % 2, "test_labels": np.arange(8) % 2, "classes": ["ant", "bee"]}
    np.savez(archive, train_images=pixels, test_images=pixels[:8], **labels)
    for path in (archive, write_folder(tmp_path / "tree")):
        needs = found(teacher_file, dataset=str(path), **limits)
        expected = f"100 for training and 8 for testing, of 2 classes, in {path}"
        assert (needs["images"].status, needs["images"].words) == ("ok", expected)
        assert "100 training and 8 test images" in needs["students"].words


def test_images_that_make_no_run_are_missing_and_nothing_is_estimated(teacher_file: Path, tmp_path: Path) -> None:
    tree = write_folder(tmp_path / "tree")
    (tmp_path / "damaged.npz").write_bytes(b"none")
    (tmp_path / "bare").mkdir()
    wrong: dict[str, Mapping[str, object]] = {
        "no data set 'nowhere'; allowed": {"dataset": "nowhere"},
        "gone.npz does not exist": {"dataset": "gone.npz"},
        "damaged.npz is not a readable": {"dataset": str(tmp_path / "damaged.npz")},
        "train is not a folder with one subfolder": {"dataset": str(tmp_path / "bare")},
        "train_limit is 128": {"dataset": str(tree), "test_limit": 8},
        "test_limit is 9,": {"dataset": str(tree), "train_limit": 90, "test_limit": 9},
        "20 training images do not fill one batch of 40": {"train_limit": 20},
    }
    for message, overrides in wrong.items():
        needs = found(teacher_file, **overrides)
        assert message in needs["images"].words
        assert needs["images"].status == "missing"
        assert list(needs) == ["device", "images", "weights"]


# Weights


def test_weights_are_found_where_a_run_would_take_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = found(teacher=TIMM)["weights"]
    assert missing.status == "missing"
    for part in (
        "teacher_weights",
        WEIGHTS_VARIABLE,
        "model.safetensors",
        str(tmp_path / "hub"),
        "timm/test_vit.r160_in1k",
    ):
        assert part in missing.words

    weights = tmp_path / "vit.safetensors"
    save_file(timm.create_model("test_vit.r160_in1k", pretrained=False).state_dict(), weights)
    cached = fake_hub.store(tmp_path / "hub", "timm/test_vit.r160_in1k", "model.safetensors", weights.read_bytes())
    assert f"{TIMM} in {cached}" in found(teacher=TIMM)["weights"].words
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(weights))
    need = found(teacher=TIMM)["weights"]
    assert need.status == "ok"
    assert f"{TIMM} in {weights}" in need.words


def test_weights_that_are_no_good_are_missing() -> None:
    wrong = {
        "is gone.safetensors, which does not exist": {"teacher_weights": "gone.safetensors"},
        "only .safetensors files are read": {"teacher_weights": "weights.pt"},
    }
    for message, overrides in wrong.items():
        needs = found(teacher=TIMM, **overrides)
        assert message in needs["weights"].words
        assert needs["weights"].status == "missing"
        assert needs["students"].status == "ok"


def test_weights_that_do_not_fit_the_teacher_are_missing_in_the_words_of_a_run(tmp_path: Path) -> None:
    """They were called ok, and a run found out after it had loaded its images."""
    other = tmp_path / "other.safetensors"
    save_file(timm.create_model("test_resnet.r160_in1k", pretrained=False).state_dict(), other)
    for name in (TIMM, "scenes-clip", "imagenet-efficientnet-lite0"):
        need = found(teacher=name, teacher_weights=other, teacher_resolution=None)["weights"]
        assert need.status == "missing"
        with pytest.raises(InputError) as caught:
            teachers.load_teacher(name, weights=other)
        assert need.words == str(caught.value)


@pytest.mark.parametrize("size", [0, 7, 50, -1])
def test_a_file_of_weights_that_was_cut_is_missing(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = shipped_path("scenes-clip").read_bytes()
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(whole[:size])
    cached = fake_hub.store(tmp_path / "hub", "timm/test_vit.r160_in1k", "model.safetensors", whole[:size])
    for path, overrides in ((cut, {"teacher_weights": cut}), (cached, {"teacher": TIMM})):
        need = found(**overrides)["weights"]
        assert need.status == "missing"
        assert f"{path} is no whole safetensors file (" in need.words


def test_a_teacher_that_does_not_exist_is_bad_input() -> None:
    with pytest.raises(InputError, match="timm has no model"):
        found(teacher="timm:vit_enormous")
    with pytest.raises(InputError, match="use open_clip:ViT-B-32-quickgelu/openai"):
        found(teacher="open_clip:ViT-B-32/openai")


# Memory


@pytest.mark.parametrize(("need", "status"), [(3, "ok"), (5, "warning"), (9, "missing")])
def test_memory_that_is_taken_is_a_warning_and_that_is_not_there_missing(
    need: int, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "free_and_total", lambda device: (4 * GIB, 8 * GIB))
    found = doctor._memory("memory", {"images": GIB, "training": (need - 1) * GIB}, torch.device("cpu"))
    assert found.status == status
    assert found.words.startswith(f"about {need}.0 GiB needed, 4.0 GiB of 8.0 GiB free (images 1.0 GiB, training")


def test_a_gpus_memory_is_weighed_too(teacher_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = SimpleNamespace(type="cuda")
    monkeypatch.setattr(doctor, "_device", lambda settings: (gpu, Need("device", "ok", "a GPU")))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (GIB // 1024, 2 * GIB))
    need = found(teacher_file)["GPU memory"]
    assert need.status == "warning"
    assert "1 MiB of 2.0 GiB free (images" in need.words
    assert "training" not in found(teacher_file)["memory"].words.replace("training 0 MiB", "")


def test_memory_is_counted_on_one_thread_and_the_number_of_threads_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    forward = students.ScalableCNN.forward
    monkeypatch.setattr(
        students.ScalableCNN, "forward", lambda *given: (seen.append(torch.get_num_threads()), forward(*given))[1]
    )
    with threads(2):
        doctor._activation_bytes.__wrapped__(0.25)
        assert (seen, torch.get_num_threads()) == ([1], 2)


def test_what_training_holds_grows_with_batch_width_and_input_and_two_views() -> None:
    student = doctor.StudentConfigs(settings(), 32, 10).grid()[0]

    def activations(**changes: Any) -> int:
        weights = students.parameter_count(changes.get("width", student.width))
        with_gradient_and_moments = 4 * 4 * weights
        return doctor._training_bytes(replace(student, **changes)) - with_gradient_and_moments

    one = activations()
    assert one > 0
    assert activations(batch_size=80) == pytest.approx(2 * one, rel=0.01)
    assert activations(objective="views") == pytest.approx(2 * one, rel=0.01)
    assert activations(resolution=64) == pytest.approx(4 * one, rel=0.05)
    assert activations(width=1.0) == pytest.approx(2 * one, rel=0.1)
