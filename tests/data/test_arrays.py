"""``.npz`` files of every layout, and one line that names file, array, what was found and what is allowed."""

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damages import Trap

from asymdistill.data import arrays, datasets
from asymdistill.runtime import devices
from asymdistill.runtime.errors import InputError

RNG = np.random.default_rng(0)
PIXELS = {"train": RNG.integers(0, 256, (12, 8, 6, 3), np.uint8), "test": RNG.integers(0, 256, (6, 8, 6, 3), np.uint8)}
LABELS = {"train": np.arange(12) % 3, "test": np.arange(6) % 3}
OWN: dict[str, Any] = {f"{split}_images": own for split, own in PIXELS.items()}
OWN |= {f"{split}_labels": own for split, own in LABELS.items()} | {"classes": np.array(["ant", "bee", "cat"])}


def save(path: Path, **replaced: Any) -> Path:
    kept = {name: value for name, value in (OWN | replaced).items() if value is not None}
    np.savez_compressed(path, **kept)
    return path


def read(path: Path, split: str = "train") -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    return arrays.read_arrays(path, split)


def of_both(change: Any, what: str = "images") -> dict[str, Any]:
    return {f"{split}_{what}": change(OWN[f"{split}_{what}"]) for split in ("train", "test")}


# What works


IMAGES = {
    "whole numbers": lambda own: own.astype(np.int64),
    "floats of 0 to 1": lambda own: own.astype(np.float32) / 255,
    "half precision": lambda own: (own / 255).astype(np.float16),
    "big-endian": lambda own: own.astype(">u2"),
    "Fortran order": np.asfortranarray,
    "channels first": lambda own: own.transpose(0, 3, 1, 2),
    "opaque alpha": lambda own: np.concatenate([own, np.full_like(own[..., :1], 255)], axis=3),
}


@pytest.mark.parametrize("layout", IMAGES)
def test_images_of_every_layout_are_the_same(layout: str, tmp_path: Path) -> None:
    path = save(tmp_path / "a.npz", **of_both(IMAGES[layout]))
    for split in ("train", "test"):
        images, labels, names = read(path, split)
        assert np.array_equal(images, PIXELS[split])
        assert np.array_equal(labels, LABELS[split])
        assert names == ("ant", "bee", "cat")
        assert images.flags.c_contiguous
        assert images.dtype == np.uint8


@pytest.mark.parametrize("shape", ["N x H x W", "N x H x W x 1", "N x 1 x H x W"])
def test_greys_become_rgb(shape: str, tmp_path: Path) -> None:
    change = {
        "N x H x W": lambda own: own[..., 0],
        "N x H x W x 1": lambda own: own[..., :1],
        "N x 1 x H x W": lambda own: own[:, None, :, :, 0],
    }[shape]
    images, _, _ = read(save(tmp_path / "a.npz", **of_both(change)))
    assert np.array_equal(images, np.repeat(PIXELS["train"][..., :1], 3, axis=3))


LABEL_LAYOUTS = {
    "N x 1": lambda own: own[:, None],
    "one-hot": lambda own: np.eye(3)[own],
    "one-hot of booleans": lambda own: np.eye(3, dtype=bool)[own],
    "floats": lambda own: own.astype(np.float64),
    "big-endian": lambda own: own.astype(">i4"),
    "unsigned bytes": lambda own: own.astype(np.uint8),
}


@pytest.mark.parametrize("layout", LABEL_LAYOUTS)
def test_labels_of_every_layout_are_the_same(layout: str, tmp_path: Path) -> None:
    path = save(tmp_path / "a.npz", **of_both(LABEL_LAYOUTS[layout], "labels"))
    for split in ("train", "test"):
        _, labels, _ = read(path, split)
        assert labels.dtype == np.int64
        assert np.array_equal(labels, LABELS[split])


@pytest.mark.parametrize(
    "names",
    [np.array([b"ant", b"bee", b"cat"]), np.array(["ant", "bee", "cat"])[:, None], np.array(["ant", "bee", "cat"])],
)
def test_names_are_text_whether_text_or_bytes(names: np.ndarray, tmp_path: Path) -> None:
    """Case 8: they were called ``b'ant'``, in prompts too."""
    assert read(save(tmp_path / "a.npz", classes=names))[2] == ("ant", "bee", "cat")


def test_names_in_bytes_may_have_accents_and_are_composed(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npz", classes=np.array(["café".encode(), b"bee", "cafe\u0301s".encode()]))
    assert read(path)[2] == ("café", "bee", "cafés")


def test_the_layouts_of_medmnist_and_keras_are_read(tmp_path: Path) -> None:
    medmnist = {}
    for part in ("train", "val", "test"):
        split = "train" if part == "train" else "test"
        medmnist |= {f"{part}_images": PIXELS[split], f"{part}_labels": LABELS[split][:, None]}
    np.savez(tmp_path / "medmnist.npz", **medmnist)
    keras = {f"x_{split}": own for split, own in PIXELS.items()} | {f"y_{split}": own for split, own in LABELS.items()}
    np.savez(tmp_path / "keras.npz", **keras)
    without_test = {name: own for name, own in medmnist.items() if "test" not in name}
    np.savez(tmp_path / "val.npz", **without_test)
    for name in ("medmnist", "keras", "val"):
        for split in ("train", "test"):
            images, labels, names = read(tmp_path / f"{name}.npz", split)
            assert np.array_equal(images, PIXELS[split])
            assert np.array_equal(labels, LABELS[split])
            assert names == ("0", "1", "2")
    assert datasets.census(str(tmp_path / "keras.npz")).note == "without classes, they are called by their number"
    assert "val_images stands in for the test split" in datasets.census(str(tmp_path / "val.npz")).note


def test_an_upper_case_suffix_is_read(tmp_path: Path) -> None:
    save(tmp_path / "a.npz").rename(tmp_path / "A.NPZ")
    assert len(datasets.load(str(tmp_path / "A.NPZ"), "train")) == 12


# What does not


# ruff: noqa: E501
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "floats of 0 to 255": (of_both(lambda own: own.astype(np.float32)), "train_images run from 0 to 255 as float32; allowed"),
    "floats of -1 to 1": (of_both(lambda own: own / 127.5 - 1), "train_images run from -1 to 1 as float64; allowed"),
    "not a number": (of_both(lambda own: own * np.nan), "train_images run from nan to nan"),
    "16 bits": (of_both(lambda own: own.astype(np.uint16) * 257), "train_images run from 0 to 65535 as uint16"),
    "booleans": (of_both(lambda own: own > 9), "train_images must be uint8, other whole numbers or floats, not bool"),
    "text": (of_both(lambda own: own.astype("U3")), "train_images must be uint8"),
    "two channels": (of_both(lambda own: own[..., :2]), "train_images has shape 12 x 8 x 6 x 2; allowed"),
    "five dimensions": (of_both(lambda own: own[None]), "train_images has shape 1 x 12 x 8 x 6 x 3; allowed"),
    "no pixels": (of_both(lambda own: own[:, :0]), "train_images has shape 12 x 0 x 6 x 3; allowed"),
    "no images": (of_both(lambda own: own[:0]), "train_images has shape 0 x 8 x 6 x 3; allowed"),
    "an image too few": ({"train_images": PIXELS["train"][1:]}, "train_images has 11 images and train_labels 12 labels"),
    "labels from 1": (of_both(lambda own: own + 1, "labels"), "labels run from 1 to 3 and classes has 3 names.*subtract 1"),
    "labels beyond": ({"test_labels": LABELS["test"] + 9}, r"labels run from 0 to 11 and classes has 3 names; .*0 to 2$"),
    "labels below": (of_both(lambda own: own - 1, "labels"), "train_labels runs from -1 to 1; allowed"),
    "halves": (of_both(lambda own: own / 2, "labels"), "train_labels holds numbers that are not whole"),
    "infinite": (of_both(lambda own: own + np.inf, "labels"), "train_labels holds numbers that are not whole"),
    "two-hot": (of_both(lambda own: np.ones((len(own), 3)), "labels"), "train_labels is float64 of shape 12 x 3; allowed"),
    "complex": (of_both(lambda own: own + 0j, "labels"), "train_labels is complex128"),
    "words": (of_both(lambda own: own.astype("U1"), "labels"), "train_labels is <U1 of shape 12; allowed"),
    "huge": ({"train_labels": np.full(12, 2**64 - 1, np.uint64)}, "train_labels runs from 18446744073709551615"),
    "huge without names": ({"train_labels": np.full(12, 10**6), "classes": None}, "labels run up to 1000000, with fewer"),
    "one name": ({"classes": np.array("ant")}, "labels run from 0 to 2 and classes has 1 name"),
    "names that are objects": ({"classes": np.array(["a", None, "c"], object)}, "classes holds Python objects, .* never read"),
    "images that are objects": ({"train_images": np.array([None] * 12)}, "train_images holds Python objects"),
    "names in Latin-1": ({"classes": np.array([b"caf\xe9", b"b", b"c"])}, "classes holds bytes that are not UTF-8"),
    "no test split": ({"test_images": None, "test_labels": None}, "lacks test_images and test_labels; allowed: .*y_test"),
    "no labels": ({"train_labels": None}, "lacks train_labels; allowed"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_read_is_named_with_what_is_allowed(name: str, tmp_path: Path) -> None:
    replaced, message = WRONG[name]
    path = save(tmp_path / "a.npz", **replaced)
    with pytest.raises(InputError, match=message) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    "names", [["ant", "ant", "cat"], ["", "bee", "cat"], ["a\x07", "bee", "cat"], ["a\nb", "b", "c"]]
)
def test_names_that_are_no_names_are_refused(names: list[str], tmp_path: Path) -> None:
    path = save(tmp_path / "a.npz", classes=np.array(names))
    with pytest.raises(InputError, match=r"two classes are called 'ant'|a class is called '.*'; allowed: text"):
        datasets.load(str(path), "train")


def test_no_pickle_is_ever_run(tmp_path: Path) -> None:
    trapped = np.empty(12, object)
    trapped[:] = [Trap() for _ in range(12)]
    save(tmp_path / "objects.npz", train_images=trapped)
    (tmp_path / "bare.npz").write_bytes(pickle.dumps(Trap()))
    for name, words in (("objects", "holds Python objects"), ("bare", "a Python pickle, which can run code")):
        with pytest.raises(InputError, match=f"{name}.npz.*{words}"):
            read(tmp_path / f"{name}.npz")
    assert not Trap.sprung


def single_array() -> bytes:
    single = io.BytesIO()
    np.save(single, np.zeros(3))
    return single.getvalue()


CONTENTS = {
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n": "it is a Git LFS pointer .* git lfs pull",
    b"<html>404</html>": "it is a web page",
    b"\xef\xbb\xbf  <html>": "it is a web page",
    b"": "it is empty",
    b"no archive at all": "it is text",
    single_array(): r"it is a single NumPy array \(\.npy\)",
    b"PK\x03\x04" + bytes(40): "it is cut short, damaged, or holds something else",
    b"\x89HDF\r\n\x1a\n": "it is an HDF5 file",
    b"\x1f\x8b\x08": "it is a file packed by gzip",
    bytes(range(200)): "",
}


@pytest.mark.parametrize("content", CONTENTS)
def test_a_file_that_is_no_archive_is_explained(content: bytes, tmp_path: Path) -> None:
    """Case 17: of an LFS pointer NumPy said how to load it unsafely."""
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.npz is not a readable \.npz file.*{CONTENTS[content]}") as caught:
        read(tmp_path / "a.npz")
    assert "allow_pickle" not in str(caught.value)


def archive_of(path: Path, header: bytes, content: bytes = b"") -> Path:
    """An archive whose every array has this header."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in OWN:
            archive.writestr(f"{name}.npy", header + content)
    return path


def header_of(shape: str, descr: str = "|u1") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    "header",
    [
        header_of("(1000000000000,)"),
        header_of("(-1, 8, 8, 3)"),
        header_of("(1,) * 10**9"),
        header_of("__import__('os').system('true')"),
        b"\x93NUMPY\x02\x00\xff\xff\xff\x7f" + b" " * 100,
        b"\x93NUMPY\x02\x00\xff\xff\xff\x00" + b" " * 2**24,
        b"\x93NUMPY\x09\x00\x00\x00",
        b"not an array",
        b"",
    ],
)
def test_headers_that_lie_are_refused_before_any_memory_is_taken(header: bytes, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.npz is not a readable \.npz file"):
        read(archive_of(tmp_path / "a.npz", header))


def test_an_archive_that_does_not_fit_into_the_memory_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path / "a.npz")
    monkeypatch.setattr(devices, "free_and_total", lambda device: (1000, 10_000))
    monkeypatch.setattr(arrays, "_read", lambda *_: pytest.fail("read"))
    with pytest.raises(InputError, match=r"the arrays of .*a\.npz need 0\.0 GiB of memory; 0\.0 GiB are free"):
        read(path)
