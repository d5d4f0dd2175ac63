"""Pixels: every mode by a stated rule, nothing hidden shown, and no file that asks for more memory than it should."""

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from asymdistill.data import pixels
from asymdistill.data.pixels import blend, read_square, to_levels
from asymdistill.runtime.errors import InputError


def saved(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


def only(image: np.ndarray) -> list[int]:
    """The one colour of an image."""
    (colour,) = np.unique(image.reshape(-1, 3), axis=0).tolist()
    return colour


# Modes (case 4: 16-bit greys came out white, floats black)


@pytest.mark.parametrize("end", ["png", "tif"])
@pytest.mark.parametrize(("value", "level"), [(0, 0), (255, 0), (32_768, 128), (65_535, 255)])
def test_of_16_bit_greys_the_upper_8_count(end: str, value: int, level: int, tmp_path: Path) -> None:
    path = saved(Image.fromarray(np.full((8, 8), value, np.uint16)), tmp_path / f"a.{end}")
    assert only(read_square(path, 8)) == [level] * 3


def test_16_bit_greys_of_other_files_are_the_same(tmp_path: Path) -> None:
    grey = np.full((8, 8), 32_768, ">u2")
    (tmp_path / "a.pgm").write_bytes(b"P5 8 8 65535\n" + grey.tobytes())
    assert only(read_square(tmp_path / "a.pgm", 8)) == [128] * 3
    big = saved(Image.frombytes("I;16B", (8, 8), grey.tobytes()), tmp_path / "b.tif")
    assert only(read_square(big, 8)) == [128] * 3


def test_floats_of_0_to_1_are_scaled_and_others_refused(tmp_path: Path) -> None:
    path = saved(Image.fromarray(np.full((8, 8), 0.5, np.float32)), tmp_path / "a.tif")
    assert only(read_square(path, 8)) == [128] * 3
    for value in (200.0, -0.5, float("nan")):
        saved(Image.fromarray(np.full((8, 8), value, np.float32)), path)
        with pytest.raises(InputError, match=r"a\.tif: its grey levels run from .* allowed: whole numbers of 0 to 255"):
            read_square(path, 8)


def test_32_bit_greys_of_0_to_255_are_taken_as_they_are_and_others_refused(tmp_path: Path) -> None:
    path = saved(Image.fromarray(np.full((8, 8), 77, np.int32)), tmp_path / "a.tif")
    assert only(read_square(path, 8)) == [77] * 3
    saved(Image.fromarray(np.full((8, 8), 40_000, np.int32)), path)
    with pytest.raises(InputError, match="run from 40000 to 40000"):
        read_square(path, 8)


def test_one_bit_palette_cmyk_and_ycbcr(tmp_path: Path) -> None:
    assert only(read_square(saved(Image.new("1", (8, 8), 1), tmp_path / "a.png"), 8)) == [255] * 3
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 10, 200, 30])
    assert only(read_square(saved(palette, tmp_path / "b.png"), 8)) == [10, 200, 30]
    cyan = only(read_square(saved(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), tmp_path / "c.tif"), 8))
    assert cyan == [0, 255, 255]
    assert only(read_square(saved(Image.new("RGB", (8, 8), (9, 9, 9)), tmp_path / "d.jpg"), 8)) == [9, 9, 9]


# Alpha (case 5: the noise under fully transparent pixels was shown)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_stays_hidden(mode: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (8, 8, len(mode)), dtype=np.uint8)
    noise[..., -1] = 0
    path = saved(Image.fromarray(noise, mode), tmp_path / "a.png")
    assert only(read_square(path, 8)) == list(pixels.BACKGROUND)
    noise[..., -1] = 255
    saved(Image.fromarray(noise, mode), path)
    colours = noise[..., :3] if mode == "RGBA" else np.repeat(noise[..., :1], 3, axis=2)
    assert np.array_equal(read_square(path, 8), colours)


def test_a_transparent_colour_of_a_palette_is_blended(tmp_path: Path) -> None:
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 10, 200, 30])
    for end in ("png", "gif"):
        path = saved(palette, tmp_path / f"a.{end}", transparency=1)
        assert only(read_square(path, 8)) == list(pixels.BACKGROUND)


def test_half_transparent_is_half_way_to_the_background() -> None:
    assert blend(np.array([0, 100, 255, 128], np.uint8)).tolist() == [127, 177, 255]
    assert blend(np.array([[1, 2, 3, 255], [1, 2, 3, 0]], np.uint8)).tolist() == [[1, 2, 3], [255, 255, 255]]


# Orientation and frames


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_as_its_exif_says(orientation: int, tmp_path: Path) -> None:
    upright = np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)
    stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
        5: upright.transpose(1, 0, 2), 6: np.rot90(upright, 1), 7: np.rot90(upright, 2).transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(Image.fromarray(np.ascontiguousarray(stored)), tmp_path / "a.png", exif=exif)
    assert np.array_equal(read_square(path, 16), upright)


def test_of_several_frames_the_first_counts(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (8, 8), (250, 0, 0)), Image.new("RGB", (8, 8), (0, 0, 250))
    for end in ("png", "tif"):
        path = saved(first, tmp_path / f"a.{end}", save_all=True, append_images=[second])
        assert only(read_square(path, 8)) == [250, 0, 0]


# Size (case 24: a line of 1 x 30,000 pixels took 5.9 GB)


def test_a_line_of_pixels_is_cropped_before_it_is_enlarged(tmp_path: Path) -> None:
    line = np.random.default_rng(0).integers(0, 256, (1, 30_000, 3), dtype=np.uint8)
    path = saved(Image.fromarray(line), tmp_path / "line.png")
    code = (
        "import resource, sys; from pathlib import Path; from asymdistill.data.pixels import read_square\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "assert read_square(Path(sys.argv[1]), 224).shape == (224, 224, 3)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 60_000  # kilobytes, Pillow's own modules with them
    middle = read_square(path, 4)
    assert np.array_equal(middle, np.repeat(read_square(path, 1), 4, axis=0)[:, :1].repeat(4, axis=1)) is False
    assert len(np.unique(middle, axis=0)) == 1  # one row, repeated


@pytest.mark.parametrize(("width", "height", "side"), [(64, 32, 16), (33, 100, 16), (5, 7, 16), (90, 60, 40)])
def test_cropping_first_gives_what_enlarging_first_does(width: int, height: int, side: int, tmp_path: Path) -> None:
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    smooth = np.stack([255 * x, 255 * y, 255 * x * y], axis=2).astype(np.uint8)
    path = saved(Image.fromarray(smooth), tmp_path / "a.png")
    scale = side / min(width, height)
    wide, tall = max(side, round(width * scale)), max(side, round(height * scale))
    whole = np.asarray(Image.open(path).resize((wide, tall), Image.Resampling.BICUBIC)).astype(int)
    left, top = (wide - side) // 2, (tall - side) // 2
    assert np.abs(read_square(path, side) - whole[top : top + side, left : left + side]).max() <= 1


def bomb(width: int, height: int) -> bytes:
    """A PNG of zeros, hardly larger than its header."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(12_000, 12_000), (14_000, 14_000), (2**31 - 1, 2**31 - 1), (30_000, 1_000_000)])
def test_an_image_that_is_too_large_when_decoded_is_refused(size: tuple[int, int], tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(bomb(*size))
    with pytest.raises(InputError, match=r"bomb\.png has .* pixels.*allowed: 134,217,728 in all"):
        read_square(tmp_path / "bomb.png", 8)


# Content


CONTENTS = {
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n": "Git LFS pointer.*git lfs pull",
    b"<!DOCTYPE html><html>": "web page",
    b"": "empty",
    b"nothing at all": "text",
    b"\x93NUMPY\x01\x00": "single NumPy array",
    b"\x00\x01\x02\x03": "of no kind that Pillow reads",
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n": "text",
}


@pytest.mark.parametrize("content", CONTENTS)
def test_a_file_that_is_no_image_is_explained(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.png is not a readable image \(.*{CONTENTS[content]}"):
        read_square(tmp_path / "a.png", 8)


def test_postscript_is_never_handed_to_its_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("started a program"))
    eps = io.BytesIO()
    Image.new("RGB", (8, 8)).save(eps, "EPS")
    (tmp_path / "a.png").write_bytes(eps.getvalue())
    with pytest.raises(InputError, match="not a readable image"):
        read_square(tmp_path / "a.png", 8)


def test_grey_levels_of_arrays() -> None:
    for dtype in (np.uint8, np.int64, ">i2", np.uint16):
        assert to_levels("x", np.array([0, 7, 255], dtype)).tolist() == [0, 7, 255]
    for kind in (np.float16, np.float32, ">f8"):
        levels = to_levels("x", (np.arange(256) / 255).astype(kind))
        assert np.array_equal(levels, np.arange(256))
    for wrong in ([0, 256], [-1, 0], [0.0, 1.5], [0.0, float("nan")], [float("inf")]):
        with pytest.raises(InputError, match="x run from"):
            to_levels("x", np.array(wrong))
    for dtype in (bool, "S1", "U1", complex, "M8[s]"):
        with pytest.raises(InputError, match="x must be uint8"):
            to_levels("x", np.zeros(2, dtype))
