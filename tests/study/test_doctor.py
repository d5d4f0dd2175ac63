"""The doctor: what is missing is called missing, with where it was looked for, and nothing is fetched or written."""

import socket
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import fake_hub
import numpy as np
import pytest
import timm
import torch
import torchvision
from conftest import SMALL
from PIL import Image
from safetensors.torch import save_file

from asymdistill.config.profiles import load_settings
from asymdistill.models.weights import VARIABLE
from asymdistill.runtime.errors import InputError
from asymdistill.study import doctor, rehearsal
from asymdistill.study.doctor import Finding, examine

pytestmark = pytest.mark.usefixtures("one_thread", "alone")
TIMM = "timm:test_vit.r160_in1k"
GIB = 2**30


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty hub's cache, no file named in the environment, and a network that must not be asked."""

    def asked(*_: object, **__: object) -> None:
        raise AssertionError("the doctor asked the network")

    fake_hub.use(monkeypatch, tmp_path / "hub", fake_hub.refusing())
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", asked)
    monkeypatch.setattr(socket.socket, "connect", asked)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No rehearsal: a run is said to take ten seconds."""
    monkeypatch.setattr(rehearsal, "seconds", lambda plan: {"students": 7.0, "tables": 3.0})


def found(teacher_file: Path | None = None, **overrides: object) -> dict[str, Finding]:
    values: dict[str, object] = SMALL | overrides
    if teacher_file:
        values["teacher_weights"] = teacher_file
    return {finding.name: finding for finding in examine("smoke", load_settings("smoke", values)[1])}


# Everything there


def test_a_run_that_lacks_nothing_is_timed_and_weighed_and_nothing_is_written(
    teacher_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(rehearsal, "ENOUGH", 0.01)
    findings = found(teacher_file, workers=2)
    assert list(findings) == ["device", "images", "weights", "students", "memory", "time"]
    assert {finding.status for finding in findings.values()} == {"ok"}
    assert "CPU" in findings["device"].words
    assert str(teacher_file) in findings["weights"].words
    assert "5 in profile smoke: 4 of the grid, 1 augmented, 0 of the controls" in findings["students"].words
    assert "128 training and 160 test images" in findings["students"].words
    for part in ("libraries", "images", "embeddings", "teacher", "training", "free"):
        assert part in findings["memory"].words
    for part in ("images", "teacher", "students", "evaluation", "tables", "an estimate", "2 side by side"):
        assert part in findings["time"].words
    assert not list(tmp_path.iterdir())


def test_the_shipped_weights_are_named(quick: None) -> None:
    weights = found()["weights"]
    assert weights.status == "ok"
    assert "embedded.safetensors" in weights.words


# Device


def test_a_device_that_is_not_here_is_missing_beside_what_is(quick: None, teacher_file: Path) -> None:
    findings = found(teacher_file, device="cuda:77")
    assert findings["device"].status == "missing"
    assert "device is 'cuda:77'" in findings["device"].words
    assert "here: cpu, CPU (" in findings["device"].words
    assert findings["time"].words.startswith("about 10 s on CPU")


def test_other_devices_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"Fast GPU {device.index}")
    device, finding = doctor._device(load_settings("smoke", {"device": "cuda:1"})[1])
    assert device == torch.device("cuda:1")
    assert finding.words.startswith("Fast GPU 1; also here: cpu, CPU (")
    assert finding.words.endswith("cuda:0, Fast GPU 0")


# Images


def test_cifar_that_is_not_there_is_missing_and_still_counted(quick: None, teacher_file: Path, tmp_path: Path) -> None:
    limits = {"train_limit": None, "test_limit": None}
    for download, then in ((True, "a run downloads it from https://www.cs.toronto.edu/"), (False, "download is false")):
        findings = found(teacher_file, dataset="cifar100", dataset_root=tmp_path, download=download, **limits)
        images = findings["images"]
        assert images.status == "missing"
        assert f"neither cifar-100-python nor cifar-100-python.tar.gz is in {tmp_path}" in images.words
        assert then in images.words
        assert "50,000 training and 10,000 test images" in findings["students"].words


def test_cifar_is_found_unpacked_or_packed(
    quick: None, teacher_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = torchvision.datasets.CIFAR10
    archive = tmp_path / kind.filename
    archive.write_bytes(b"as released")
    monkeypatch.setattr(kind, "tgz_md5", torchvision.datasets.utils.calculate_md5(archive))
    images = found(teacher_file, dataset="cifar10", dataset_root=tmp_path)["images"]
    assert (images.status, images.words) == ("ok", f"cifar10 in {archive}, which a run unpacks")
    archive.write_bytes(b"cut")
    assert found(teacher_file, dataset="cifar10", dataset_root=tmp_path)["images"].status == "missing"
    monkeypatch.setitem(doctor.data.TORCHVISION, "cifar10", Unpacked)
    images = found(teacher_file, dataset="cifar10", dataset_root=tmp_path)["images"]
    assert (images.status, images.words) == ("ok", f"cifar10 in {tmp_path / kind.base_folder}")


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
                Image.new("RGB", (8, 8)).save(folder / f"{index}.png")
    return root


def test_ones_own_images_are_counted(quick: None, teacher_file: Path, tmp_path: Path) -> None:
    limits = {"train_limit": None, "test_limit": None}
    pixels = np.zeros((100, 8, 8, 3), np.uint8)
    archive = tmp_path / "mine.npz"
    labels = {"train_labels": np.arange(100) % 2, "test_labels": np.arange(8) % 2, "classes": ["ant", "bee"]}
    np.savez(archive, train_images=pixels, test_images=pixels[:8], **labels)
    for path in (archive, write_folder(tmp_path / "tree")):
        findings = found(teacher_file, dataset=str(path), **limits)
        expected = f"100 for training and 8 for testing, of 2 classes, in {path}"
        assert (findings["images"].status, findings["images"].words) == ("ok", expected)
        assert "100 training and 8 test images" in findings["students"].words


def test_images_that_make_no_run_are_missing_and_nothing_is_estimated(teacher_file: Path, tmp_path: Path) -> None:
    tree = write_folder(tmp_path / "tree")
    (tmp_path / "damaged.npz").write_bytes(b"none")
    (tmp_path / "bare").mkdir()
    wrong: dict[str, Mapping[str, object]] = {
        "no data set 'nowhere'; allowed": {"dataset": "nowhere"},
        "gone.npz does not exist": {"dataset": "gone.npz"},
        "damaged.npz is not a readable": {"dataset": str(tmp_path / "damaged.npz")},
        "train is not a folder of one subfolder": {"dataset": str(tmp_path / "bare")},
        "train_limit is 128": {"dataset": str(tree), "test_limit": 8},
        "test_limit is 9;": {"dataset": str(tree), "train_limit": 90, "test_limit": 9},
        "20 training images do not fill one batch of 40": {"train_limit": 20},
    }
    for message, overrides in wrong.items():
        findings = found(teacher_file, **overrides)
        assert message in findings["images"].words
        assert findings["images"].status == "missing"
        assert list(findings) == ["device", "images", "weights"]


# Weights


def test_weights_are_found_where_a_run_would_take_them(
    quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = found(teacher=TIMM)["weights"]
    assert missing.status == "missing"
    for part in ("teacher_weights", VARIABLE, "model.safetensors", str(tmp_path / "hub"), "timm/test_vit.r160_in1k"):
        assert part in missing.words

    weights = tmp_path / "vit.safetensors"
    save_file(timm.create_model("test_vit.r160_in1k", pretrained=False).state_dict(), weights)
    cached = fake_hub.store(tmp_path / "hub", "timm/test_vit.r160_in1k", "model.safetensors", weights.read_bytes())
    assert f"{TIMM} in {cached}" in found(teacher=TIMM)["weights"].words
    monkeypatch.setenv(VARIABLE, str(weights))
    finding = found(teacher=TIMM)["weights"]
    assert finding.status == "ok"
    assert f"{TIMM} in {weights}" in finding.words


def test_weights_that_are_no_good_are_missing(quick: None, tmp_path: Path) -> None:
    (tmp_path / "cut.safetensors").write_bytes(b"\xff" * 64)
    wrong = {
        "cut.safetensors does not hold the weights": {"teacher_weights": tmp_path / "cut.safetensors"},
        "gone.safetensors does not exist": {"teacher_weights": "gone.safetensors"},
        "only .safetensors files are read": {"teacher_weights": "weights.pt"},
    }
    for message, overrides in wrong.items():
        findings = found(teacher=TIMM, **overrides)
        assert message in findings["weights"].words
        assert findings["weights"].status == "missing"
        assert findings["time"].status == "ok"  # estimated with an untrained teacher


def test_a_teacher_that_does_not_exist_is_bad_input(quick: None) -> None:
    with pytest.raises(InputError, match="timm has no model"):
        found(teacher="timm:vit_enormous")
    with pytest.raises(InputError, match="use open_clip:ViT-B-32-quickgelu/openai"):
        found(teacher="open_clip:ViT-B-32/openai")


# Memory and time


@pytest.mark.parametrize(("need", "status"), [(3, "ok"), (5, "warning"), (9, "missing")])
def test_memory_that_is_taken_is_a_warning_and_that_is_not_there_missing(need: int, status: str) -> None:
    finding = doctor._memory("memory", {"images": GIB, "training": (need - 1) * GIB}, free=4 * GIB, total=8 * GIB)
    assert finding.status == status
    assert finding.words.startswith(f"about {need}.0 GiB needed, 4.0 GiB of 8.0 GiB free (images 1.0 GiB, training")


def test_memory_that_is_free_includes_what_this_process_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "free_and_total", lambda device: (2 * GIB, 8 * GIB))
    free, total = doctor._host_memory()
    assert free - 2 * GIB == pytest.approx(doctor._resident(), rel=0.1)
    assert total == 8 * GIB


def test_a_gpus_memory_is_weighed_too(quick: None, teacher_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = SimpleNamespace(type="cuda")
    monkeypatch.setattr(doctor, "_device", lambda settings: (gpu, Finding("device", "ok", "a GPU")))
    monkeypatch.setattr(doctor, "load_teacher", lambda *_, device, **__: doctor.untrained_teacher("embedded"))
    monkeypatch.setattr(doctor.manifest, "describe_device", lambda device: "a GPU")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (GIB // 1024, 2 * GIB))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: GIB // 1024)
    finding = found(teacher_file)["GPU memory"]
    assert finding.status == "warning"
    assert "2 MiB of 2.0 GiB free (images" in finding.words


def test_more_than_a_day_is_a_warning(teacher_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "seconds", lambda plan: {"students": 25 * 3600.0, "tables": 60.0})
    finding = found(teacher_file)["time"]
    assert finding.status == "warning"
    assert "about 25 h 01 min" in finding.words
    assert "(students 25 h 00 min, tables 1 min 00 s)" in finding.words


def test_a_control_that_would_fail_is_found_before_it_does(
    teacher_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal, "ENOUGH", 0.001)
    tree = write_folder(tmp_path / "tree")
    limits = {"train_limit": None, "test_limit": None, "batch_size": 90}
    control = {"controls": ["classes"], "class_counts": [2]}
    assert found(teacher_file, dataset=str(tree), **limits, **control)["time"].status == "ok"
    for name in ("cow", "dog"):
        for split in ("train", "test"):
            (tree / split / name).mkdir()
            Image.new("RGB", (8, 8)).save(tree / split / name / "0.png")
    finding = found(teacher_file, dataset=str(tree), **limits, **control)["time"]
    assert finding.status == "missing"
    assert "a run would fail: 50 training images do not fill one batch of 90" in finding.words
