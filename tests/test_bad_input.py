"""Bad input of every kind, to every command: one line that names it, status 2, and nothing half-written."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from asymdistill import cli
from asymdistill.config.settings import Settings

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 123\n"
PAGE = b"<!DOCTYPE html><title>404</title>"

# By setting: values that are refused, as words of the command line.
SETTINGS: dict[str, tuple[str, ...]] = {
    "description": ("1", "[1]"),
    "dataset": ("1", "nowhere", "nowhere.npz", "", "/dev/null", "a\x1b[2Jb"),
    "dataset_root": ("1", ""),
    "download": ("perhaps",),
    "image_size": ("0", "-1", "5000", "1.5"),
    "train_limit": ("0", "10000000000", "5", "1e3x"),
    "test_limit": ("0", "1", "-3"),
    "data_seed": ("-1", "4294967296"),
    "teacher": ("clip", "open_clip:", "timm:nothing", "open_clip:ViT-B-32/none", "open_clip:none/openai", "1"),
    "teacher_weights": ("none.safetensors", "weights.pt", "1", ".", ""),
    "teacher_resolution": ("64", "0", "99999999"),
    "teacher_crop": ("perhaps",),
    "teacher_precision": ("float8",),
    "resolution": ("0", "4097"),
    "widths": ("[]", "[0]", "[1e9]", "[0.001]", "[nan]", '["wide"]', "[1,1]"),
    "seeds": ("[]", "[-1]", "[1,1]", "[1.5]"),
    "epochs": ("0", "many", "1000000000", "1" + "0" * 5000),
    "batch_size": ("0", "321", "1e99"),
    "learning_rate": ("0", "nan", "inf", "-1"),
    "autocast": ("on",),
    "objectives": ("[]", '["none"]', "cosine"),
    "infonce_weight": ("0", "inf"),
    "infonce_temperature": ("0", "1e-9"),
    "infonce_symmetric": ("perhaps",),
    "regulariser_weight": ("-1",),
    "augmentation_seeds": ("-1",),
    "noise_levels": ("[]", "[-1]", "[1e300]", "[0,0]"),
    "noise_spaces": ("[]", '["fourier"]'),
    "noise_seed": ("-1",),
    "metric_temperature": ("0", "1e-300"),
    "metric_batch_size": ("1",),
    "probe_max_iter": ("0",),
    "controls": ('["none"]', "all", '["noise","noise"]'),
    "control_epochs": ("0", "10000000000"),
    "control_schedules": ("[]", '["linear"]'),
    "control_widths": ("[0]",),
    "control_resolution": ("0", "1000000"),
    "control_dilation": ("0", "1000000"),
    "control_noise": ("-1", "1e300"),
    "class_counts": ("[1]",),
    "statistics_seeds": ("0", "1000000000"),
    "sweeps": ('["depth"]',),
    "infonce_weights": ("[]", "[0]"),
    "infonce_temperatures": ("[0]",),
    "batch_sizes": ("[1]", "[321]"),
    "pushed_widths": ("[0]",),
    "other_teachers": ('["clip"]', '["timm:nothing"]'),
    "other_datasets": ('["nowhere"]', '["nowhere.npz"]', '[""]'),
    "crossed_widths": ("[0]",),
    "store": ("1", "", "/dev/null", "/dev/null/store"),
    "device": ("tpu", "cuda:99"),
    "workers": ("0", "100000"),
}
# By file: its content, and what is run with it; LFS pointers, pages and pickles in place of each kind.
PROFILES = {
    "cut.toml": b'epochs = "',
    "table.toml": b"[epochs]\nx = 1\n",
    "latin.toml": b'description = "caf\xe9"\n',
    "wide.toml": "epochs = 3\n".encode("utf-16"),
    "null.toml": b"epochs = 3\0\n",
    "deep.toml": b"widths = " + b"[" * 100_000,
    "long.toml": b"epochs = " + b"9" * 5000,
    "twice.toml": b"epochs = 3\nepochs = 4\n",
    "date.toml": b"epochs = 2020-01-01\n",
    "page.toml": PAGE,
    "lfs.toml": LFS,
    "unknown.toml": b'epoch = 3\n"<script>" = 1\n',
}
WEIGHTS = {
    "empty.safetensors": b"",
    "lfs.safetensors": LFS,
    "page.safetensors": PAGE,
    "pickle.safetensors": b"\x80\x02}q\x00.",
    "huge.safetensors": b"\xff" * 8 + b"{}",
    "text.safetensors": b"weights",
    "other.safetensors": b"\x02" + bytes(7) + b"{}",
}
ARRAYS = {
    "empty.npz": b"",
    "lfs.npz": LFS,
    "page.npz": PAGE,
    "pickle.npz": b"\x80\x02}q\x00.",
    "zip.npz": b"PK\x05\x06" + bytes(18),
}
IMAGES = {"cut.png": b"\x89PNG\r\n\x1a\n", "lfs.png": LFS, "page.jpg": PAGE, "empty.webp": b"", "text.tif": b"II*\0"}
COMMANDS = (
    "", "rum", "run extra", "run --bogus", "run --profile", "run -p", "run -p nope", "run -p gone.toml", "run -p .",
    "run -p folder.toml", "run --set epochs", "run --set =3", "run --set epoch=3", "run --set", "run --out",
    "run -p ../../etc/passwd", "run -p /etc/passwd", "book", "book --source gone", "book -p nope", "claims",
    "claims gone", "claims .", "claims /etc/passwd", "claims a b", "record", "record gone", "record .",
    "record /etc/passwd", "record . --out", "doctor -p nope", "doctor --set epochs=0", "doctor extra",
    "profiles nope", "profiles a b", "profiles gone.toml", "profiles folder.toml",
    "run -p smoke --set epochs=3 --set epochs",
)  # fmt: skip


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ASYMDISTILL_TEACHER_WEIGHTS", raising=False)
    (tmp_path / "folder.toml").mkdir()
    return tmp_path


def refused(words: list[str], place: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must be refused; its one line."""
    before = {path: path.is_file() and path.read_bytes() for path in place.rglob("*")}
    assert cli.main(words) == 2
    out, err = capsys.readouterr()
    assert err.startswith("asymdistill: error: ")
    assert err.count("\n") == 1
    assert 25 < len(err) < 3000
    assert "\x1b" not in out + err
    assert not any(advice in err for advice in ("allow_pickle", "weights_only", "Traceback", "LOAD_TRUNCATED"))
    assert {path: path.is_file() and path.read_bytes() for path in place.rglob("*")} == before
    return err


def test_every_setting_has_a_case() -> None:
    assert SETTINGS.keys() == Settings.model_fields.keys()


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in SETTINGS.items() for value in values])
def test_a_setting(name: str, value: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = refused(["run", "-p", "smoke", "--set", f"{name}={value}"], place, capsys)
    model = value.strip("[]\"'").removeprefix("timm:").removeprefix("open_clip:")
    assert name in line or any(part in line for part in (repr(model[:20]), model[:20], *model.split("/")) if part)


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command(words: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(words.split(), place, capsys)


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("command", ["run -p", "profiles"])
def test_a_profile(command: str, name: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / name).write_bytes(PROFILES[name])
    line = refused([*command.split(), name], place, capsys)
    assert name in line or "setting 'epochs'" in line or "unknown setting" in line


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights(name: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / name).write_bytes(WEIGHTS[name])
    assert name in refused(["run", "-p", "smoke", "--set", f"teacher_weights={name}"], place, capsys)


OWN = {
    "train_images": np.random.default_rng(0).integers(0, 256, (400, 8, 8, 3), np.uint8),
    "test_images": np.random.default_rng(1).integers(0, 256, (300, 8, 8, 3), np.uint8),
    "train_labels": np.arange(400) % 4,
    "test_labels": np.arange(300) % 4,
    "classes": np.array(["ant", "bee", "cat", "dog"]),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays(name: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / name).write_bytes(ARRAYS[name])
    assert name in refused(["run", "-p", "smoke", "--set", f"dataset={name}"], place, capsys)


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_in_a_folder(name: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for split in ("train", "test"):
        for label in ("ant", "bee"):
            (place / "own" / split / label).mkdir(parents=True)
            Image.new("RGB", (8, 8)).save(place / "own" / split / label / "0.png")
    (place / "own" / "train" / "bee" / name).write_bytes(IMAGES[name])
    words = ["run", "-p", "smoke", "--set", "dataset=own", "--set", "train_limit=2", "--set", "test_limit=2"]
    assert name in refused(words, place, capsys)


def test_a_folder_of_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "own" / "train").mkdir(parents=True)
    assert "own/train is not a folder with" in refused(["run", "-p", "smoke", "--set", "dataset=own"], place, capsys)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(place / "own.npz", **OWN)
    (place / "own.npz").chmod(0)
    assert "own.npz" in refused(["run", "-p", "smoke", "--set", "dataset=own.npz"], place, capsys)


@pytest.mark.parametrize("manifest", [b"", b"{", b"[]", b"null", PAGE, b'{"profile": "x", "settings": 3}', b"\xff\xfe"])
@pytest.mark.parametrize("command", ["claims", "record"])
def test_a_manifest(command: str, manifest: bytes, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from asymdistill.store import files

    (place / "run").mkdir()
    files.write_bytes(place / "run" / "manifest.json", manifest)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)
        assert "damaged or of another version" in refused([command, "run"], place, capsys)
