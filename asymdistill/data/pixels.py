"""Pixels of every kind of image file and array, brought to one: uint8, RGB."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from asymdistill.data.listing import readable_extensions
from asymdistill.runtime.errors import InputError
from asymdistill.runtime.filetypes import explained

if TYPE_CHECKING:
    from PIL import Image

BACKGROUND = (255, 255, 255)
"""The colour behind transparent pixels, RGB."""
MOST_PIXELS = 2**27
"""The most pixels that an image file may have when it is decoded: 400 MB of RGB, more than any camera's."""


def read_square(path: Path, side: int) -> NDArray[np.uint8]:
    """The centre of an image file, as a square.

    The first frame counts, turned as its EXIF orientation says. Transparent pixels are blended with ``BACKGROUND``;
    palettes, CMYK and greys become RGB, of 16-bit greys the upper 8 bits, as Pillow takes them of 16-bit colours. Grey
    levels that are floats must lie in 0 to 1. The shorter side is resized to ``side`` with Pillow's bicubic filter, of
    the longer one only what is kept: a line of pixels is not enlarged before it is cropped.

    Args:
        path: of the file.
        side: S, in pixels.

    Returns:
        S x S x 3.

    Raises:
        InputError: the file is damaged, no image, too large when decoded, or of grey levels in no stated range.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    formats = sorted({*readable_extensions().values()})
    try:
        # Pillow warns of large images and of odd metadata; the limit here is our own.
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=formats) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                raise InputError(f"{path} has {width} x {height} pixels; allowed: {MOST_PIXELS:,} in all")
            upright = ImageOps.exif_transpose(image)
            upright.format = image.format  # which the copy forgets
            return np.asarray(_square(_to_rgb(upright), side))
    except InputError as error:
        raise InputError(str(error) if str(path) in str(error) else f"{path}: {error}") from None
    except Image.DecompressionBombError:
        raise InputError(f"{path} has more pixels than are read; allowed: {MOST_PIXELS:,} in all") from None
    except Exception as error:  # decoders raise whatever their parts happen to
        reason = "its content is of no kind that Pillow reads"
        if not isinstance(error, UnidentifiedImageError):
            reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path} is not a readable image{explained(path, '') or f' ({reason})'}") from None


def to_levels(name: str, values: NDArray[Any]) -> NDArray[np.uint8]:
    """Grey levels as uint8: whole numbers of 0 to 255 as they are; floats of 0 to 1 times 255, rounded.

    Raises:
        InputError: any other values, or some that are not numbers; ``name`` says of what.
    """
    if values.dtype == np.uint8:
        return values
    whole = np.issubdtype(values.dtype, np.integer)
    if not whole and not np.issubdtype(values.dtype, np.floating):
        raise InputError(f"{name} must be uint8, other whole numbers or floats, not {values.dtype}")
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if not 0 <= low <= high <= (255 if whole else 1):  # nor are those that are not numbers
        raise InputError(
            f"{name} run from {low:g} to {high:g} as {values.dtype}; allowed: whole numbers of 0 to 255, or floats of "
            "0 to 1"
        )
    levels: NDArray[np.uint8] = (values if whole else np.rint(values * values.dtype.type(255))).astype(np.uint8)
    return levels


def blend(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Blend RGBA pixels, ... x 4, with ``BACKGROUND``; returns RGB, ... x 3."""
    alpha = pixels[..., 3:].astype(np.uint16)
    mixed = pixels[..., :3] * alpha + np.array(BACKGROUND, np.uint16) * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)


def _to_rgb(image: "Image.Image") -> "Image.Image":
    from PIL import Image

    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        return Image.fromarray((np.asarray(image).astype(np.int64) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("F", "I"):
        return Image.fromarray(to_levels("its grey levels", np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        return Image.fromarray(blend(np.asarray(image.convert("RGBA"))))
    return image.convert("RGB")


def _square(image: "Image.Image", side: int) -> "Image.Image":
    from PIL import Image

    width, height = image.size
    if (width, height) == (side, side):
        return image
    scale = side / min(width, height)
    wide, tall = max(side, round(width * scale)), max(side, round(height * scale))
    left, top = (wide - side) // 2, (tall - side) // 2
    box = (left * width / wide, top * height / tall, (left + side) * width / wide, (top + side) * height / tall)
    box = (box[0], box[1], min(box[2], width), min(box[3], height))  # division may round upwards
    return image.resize((side, side), Image.Resampling.BICUBIC, box=box)
