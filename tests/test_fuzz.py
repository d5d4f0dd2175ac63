"""Random damage to every kind of file that people feed it: what is read makes sense, and all else is one line.

``FUZZ_EXAMPLES`` sets how many examples each test tries: 100, which takes seconds, where it is not set. With 50,000
(``FUZZ_EXAMPLES=50000 pytest tests/test_fuzz.py``) the file takes about an hour.
"""

import io
import os
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save

from asymdistill.config.profiles import load_settings, parse_assignments
from asymdistill.config.settings import Settings
from asymdistill.data import arrays
from asymdistill.data.pixels import read_square
from asymdistill.models.weights import find_weights
from asymdistill.runtime.errors import InputError
from asymdistill.store import files

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "100"))
CLIP = "open_clip:ViT-B-32-quickgelu/openai"
fuzzed = settings(
    max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@st.composite
def damaged(draw: st.DrawFn, whole: bytes, longest: int = 40) -> bytes:
    """Some bytes, cut, overwritten and lengthened in a few places."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        kind = draw(st.sampled_from(("cut", "write", "insert", "remove", "flip")))
        some = draw(st.binary(min_size=1, max_size=longest)) if kind in ("write", "insert") else b""
        if kind == "cut":
            del content[at:]
        elif kind == "write":
            content[at : at + len(some)] = some
        elif kind == "insert":
            content[at:at] = some
        elif kind == "remove":
            del content[at : at + draw(st.integers(1, longest))]
        elif at < len(content):
            content[at] ^= 1 << draw(st.integers(0, 7))
    return bytes(content)


def read_or_refused(read: Callable[[], Any], path: Path) -> Any:
    """What was read, or None where it was refused in one line."""
    try:
        return read()
    except InputError as error:
        message = str(error)
    assert message.strip()
    assert "allow_pickle" not in message
    assert len(message) < 3000
    return None


# Profiles

PROFILE = b"""description = "x"
epochs = 3
widths = [1, 2.5]
teacher = "scenes-clip"
[[a.b]]
c = {d = 1e3, e = 2020-01-01}
"""


@fuzzed
@given(
    content=damaged(PROFILE)
    | st.binary(max_size=200)
    | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))
)
def test_profiles(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_bytes(content)
    found = read_or_refused(lambda: load_settings(tmp_path / "own.toml"), tmp_path)
    assert found is None or isinstance(found[1], Settings)


@fuzzed
@given(name=st.sampled_from(sorted(Settings.model_fields)), value=st.text(max_size=60))
def test_overrides(name: str, value: str) -> None:
    found = read_or_refused(lambda: load_settings("smoke", parse_assignments([f"{name}={value}"])), Path())
    assert found is None or isinstance(found[1], Settings)


@fuzzed
@given(text=st.text(max_size=80) | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(repr))
def test_overrides_as_json(text: str) -> None:
    found = read_or_refused(lambda: load_settings("smoke", text), Path())
    assert found is None or isinstance(found[1], Settings)


# Arrays


def archive(**own: Any) -> bytes:
    content = io.BytesIO()
    np.savez(content, **own)
    return content.getvalue()


SMALL = {
    "train_images": np.arange(4 * 4 * 4 * 3, dtype=np.uint8).reshape(4, 4, 4, 3),
    "test_images": np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3),
    "train_labels": np.array([0, 1, 0, 1]),
    "test_labels": np.array([0, 1]),
    "classes": np.array(["ant", "bee"]),
}


def check_arrays(path: Path) -> None:
    found = read_or_refused(lambda: arrays.read_arrays(path, "train"), path)
    if found is not None:
        images, labels, names = found
        assert (images.dtype, images.ndim, images.shape[3]) == (np.uint8, 4, 3)
        assert (labels.dtype, labels.shape) == (np.int64, images.shape[:1])
        assert 0 <= labels.min() <= labels.max() < len(names)


@fuzzed
@given(content=damaged(archive(**SMALL)))
def test_damaged_archives(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "own.npz").write_bytes(content)
    check_arrays(tmp_path / "own.npz")


TYPES = st.sampled_from(
    ["u1", "i1", ">i2", "u2", "i8", "u8", "f2", "f4", ">f8", "?", "c8", "U3", "S2", "M8[s]", "O", "V4"]
)


@fuzzed
@given(data=st.data(), name=st.sampled_from(sorted(SMALL)))
def test_arrays_of_any_type_and_shape(data: st.DataObject, name: str, tmp_path: Path) -> None:
    shape = tuple(data.draw(st.lists(st.integers(0, 4), max_size=5)))
    own = np.zeros(shape, data.draw(TYPES))
    if own.dtype.kind in "iuf" and own.size:
        own.flat[0] = data.draw(st.sampled_from([0, 1, 2, 100]))
        if own.dtype.kind == "f":
            own.flat[-1] = data.draw(st.sampled_from([0.5, -1, np.nan, np.inf]))
    (tmp_path / "own.npz").write_bytes(archive(**(SMALL | {name: own})))
    check_arrays(tmp_path / "own.npz")


# Images


def picture(kind: str, mode: str, **options: Any) -> bytes:
    content = io.BytesIO()
    ramp = Image.fromarray(np.arange(12 * 10 * 3, dtype=np.uint8).reshape(10, 12, 3))
    ramp.convert(mode).save(content, kind, **options)
    return content.getvalue()


PICTURES = [
    picture("PNG", "RGB"), picture("PNG", "P"), picture("PNG", "LA"), picture("PNG", "I;16"), picture("JPEG", "RGB"),
    picture("JPEG", "CMYK"), picture("GIF", "P"), picture("TIFF", "RGB", compression="tiff_lzw"), picture("TIFF", "F"),
    picture("BMP", "RGB"), picture("WEBP", "RGBA", lossless=True), picture("PPM", "L"), picture("TGA", "RGB"),
    picture("ICO", "RGBA"), picture("JPEG2000", "RGB"), picture("PCX", "L"), picture("SGI", "RGB"),
]  # fmt: skip


@fuzzed
@given(content=st.sampled_from(PICTURES).flatmap(damaged))
def test_images(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "own.png").write_bytes(content)
    found = read_or_refused(lambda: read_square(tmp_path / "own.png", 8), tmp_path)
    assert found is None or (found.shape, found.dtype) == ((8, 8, 3), np.uint8)


# Weights and states of training

TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(3), "c": torch.ones(4, dtype=torch.bfloat16)}
SAFE = save(TENSORS, {"format": "pt"})
LENGTH = struct.unpack("<Q", SAFE[:8])[0]


@fuzzed
@given(
    header=damaged(SAFE[8 : 8 + LENGTH]), length=st.just(None) | st.integers(0, 2**64 - 1), body=st.binary(max_size=60)
)
def test_headers_of_safetensors(header: bytes, length: int | None, body: bytes, tmp_path: Path) -> None:
    size = len(header) if length is None else length
    (tmp_path / "own.safetensors").write_bytes(struct.pack("<Q", size) + header + body)
    found = read_or_refused(lambda: find_weights(CLIP, tmp_path / "own.safetensors"), tmp_path)
    assert found in (None, tmp_path / "own.safetensors")


@fuzzed
@given(data=st.data())
def test_states_of_training(data: st.DataObject, tmp_path: Path) -> None:
    path = tmp_path / "own.state.safetensors"
    files.write_sealed_tensors(path, TENSORS)
    content = data.draw(damaged(path.read_bytes()))
    assume(content != path.read_bytes())
    path.write_bytes(content)
    with warnings.catch_warnings(action="ignore", category=files.DamagedFileWarning):
        found = files.read_sealed_tensors(path)
    assert found is None or all(torch.equal(found[name], own) for name, own in TENSORS.items())


def test_what_is_whole_is_read(tmp_path: Path) -> None:
    """That the tests above begin with files that are read."""
    (tmp_path / "own.toml").write_bytes(PROFILE.split(b"[[")[0])
    assert load_settings(tmp_path / "own.toml")[1].epochs == 3
    (tmp_path / "own.npz").write_bytes(archive(**SMALL))
    assert len(arrays.read_arrays(tmp_path / "own.npz", "train")[0]) == 4
    (tmp_path / "own.safetensors").write_bytes(SAFE)
    assert find_weights(CLIP, tmp_path / "own.safetensors")
    for number, content in enumerate(PICTURES):
        (tmp_path / "own.png").write_bytes(content)
        if content[:2] in (b"II", b"MM") and number == 8:
            with pytest.raises(InputError, match="run from"):
                read_square(tmp_path / "own.png", 8)  # floats beyond 1
        else:
            assert read_square(tmp_path / "own.png", 8).shape == (8, 8, 3)
