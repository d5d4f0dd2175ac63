"""Images in an ``.npz`` file: which arrays are read, in which layouts, and one line where one is of no use."""

import io
import math
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asymdistill.data.pixels import blend, to_levels
from asymdistill.runtime.devices import check_room
from asymdistill.runtime.errors import InputError, some_of
from asymdistill.runtime.filetypes import explained

Arrays = dict[str, NDArray[Any]]

# By split, the names of images and labels, the first of which counts: our own and MedMNIST's, then Keras's. Where there
# is no test split, the one for validation is.
NAMES = {
    "train": (("train_images", "train_labels"), ("x_train", "y_train")),
    "test": (
        *(("test_images", "test_labels"), ("x_test", "y_test")),
        *(("val_images", "val_labels"), ("x_val", "y_val")),
    ),
}
CLASSES = "classes"
_LONGEST_HEADER = 20_000  # bytes: NumPy reads however many a header claims to have


@dataclass(frozen=True)
class Header:
    """What an archive says of an array."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def size(self) -> int:
        """Bytes of the array."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_arrays(path: Path, split: str) -> tuple[NDArray[np.uint8], NDArray[np.int64], tuple[str, ...]]:
    """One split of the images in an ``.npz`` file.

    Images are N x H x W x 3 or x 4 (with alpha, blended with white), x 1, N x H x W (greys), or channels first, in
    numbers as ``pixels.to_levels`` takes them. Labels are N or N x 1 whole numbers from 0, as floats, too, or one-hot.
    ``classes`` names the classes, in text or bytes of UTF-8; without it, they are called by their number.

    Args:
        path: of the file.
        split: ``train`` or ``test``.

    Returns:
        Images, N x H x W x 3, labels, N, and the names of the classes.

    Raises:
        InputError: the file is no such archive, lacks an array or holds one of another kind, or does not fit into the
            memory; it names file and array, what was found and what is allowed.
    """
    headers = _headers(path)
    chosen = {part: _choose(path, headers, part) for part in NAMES}
    wanted = [chosen[split][0], chosen["train"][1], chosen["test"][1], *([CLASSES] if CLASSES in headers else [])]
    check_room(f"the arrays of {path}", 2 * sum(headers[name].size for name in wanted))
    arrays = _read(path, wanted)
    labels = {part: _labels(f"{path}: {name}", arrays[name]) for part, (_, name) in chosen.items()}
    names = _class_names(path, arrays.get(CLASSES), labels)
    images_name, labels_name = chosen[split]
    images = _images(f"{path}: {images_name}", arrays[images_name])
    if len(images) != len(labels[split]):
        raise InputError(
            f"{path}: {images_name} has {len(images)} images and {labels_name} {len(labels[split])} labels"
        )
    return images, labels[split], names


def note(path: Path) -> str:
    """What is to be said of the file beside its numbers; empty if it is nothing."""
    headers = _headers(path)
    said = [] if CLASSES in headers else [f"without {CLASSES}, they are called by their number"]
    images, _ = _choose(path, headers, "test")
    said += [f"{images} stands in for the test split"] if images in ("val_images", "x_val") else []
    return "; ".join(said)


def _headers(path: Path) -> dict[str, Header]:
    """The arrays in an archive, by name, from their headers alone."""
    from numpy.lib import format as npy

    found = {}
    try:
        with np.load(path, allow_pickle=False) as archive:
            for member in archive.zip.infolist():
                with archive.zip.open(member) as file:
                    start = io.BytesIO(file.read(_LONGEST_HEADER))
                read = npy.read_array_header_1_0 if npy.read_magic(start) == (1, 0) else npy.read_array_header_2_0
                shape, _, dtype = read(start)
                header = Header(shape, dtype)
                if not dtype.hasobject and header.size != member.file_size - start.tell():
                    raise ValueError("an array is longer or shorter than its header says")
                found[member.filename.removesuffix(".npy")] = header
    except Exception:  # a damaged archive raises whatever its parts happen to; NumPy advises to load it unsafely
        raise _unreadable(path) from None
    return found


def _read(path: Path, names: list[str]) -> Arrays:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: np.asarray(archive[name]) for name in names}
    except Exception:  # as above
        raise _unreadable(path) from None


def _unreadable(path: Path) -> InputError:
    with path.open("rb") as file:
        is_archive = file.read(4) == b"PK\x03\x04"
    words = " (it is cut short, damaged, or holds something else than arrays)" if is_archive else explained(path, "")
    return InputError(f"{path} is not a readable .npz file{words}")


def _choose(path: Path, headers: dict[str, Header], split: str) -> tuple[str, str]:
    """The names of a split's images and labels."""
    for names in NAMES[split]:
        if all(name in headers for name in names):
            for name in (*names, CLASSES):
                if name in headers and headers[name].dtype.hasobject:
                    raise InputError(
                        f"{path}: {name} holds Python objects, which can run code and are never read; save numbers, or "
                        "text of one type such as np.array(names, dtype=str)"
                    )
            return names
    here = next((names for names in NAMES[split] if headers.keys() & {*names}), NAMES[split][0])
    missing = " and ".join(name for name in here if name not in headers)
    layouts = " or ".join(f"{images}, {labels}" for images, labels in NAMES[split][:2])
    held = some_of([*headers], longest=200) or "nothing"
    raise InputError(f"{path} lacks {missing}; allowed: {layouts}; it holds {held}")


def _images(name: str, images: NDArray[Any]) -> NDArray[np.uint8]:
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim == 4 and images.shape[3] not in (1, 3, 4) and images.shape[1] in (1, 3, 4):
        images = images.transpose(0, 2, 3, 1)
    if images.ndim != 4 or images.shape[3] not in (1, 3, 4) or 0 in images.shape:
        raise InputError(
            f"{name} has shape {' x '.join(map(str, images.shape))}; allowed: N x H x W x 3, also x 1 or x 4, channels "
            "first, or N x H x W"
        )
    levels = to_levels(name, images)
    if levels.shape[3] == 4:
        levels = blend(levels)
    return np.ascontiguousarray(levels) if levels.shape[3] == 3 else np.repeat(levels, 3, axis=3)


def _labels(name: str, labels: NDArray[Any]) -> NDArray[np.int64]:
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    numeric = labels.dtype == bool or np.issubdtype(labels.dtype, np.number)
    two = labels.ndim == 2 and numeric and labels.size > 0
    if two and bool(np.isin(labels, (0, 1)).all()) and bool((labels.sum(axis=1) == 1).all()):
        labels = labels.argmax(axis=1)
    if labels.ndim != 1 or not numeric or np.iscomplexobj(labels) or not labels.size:
        shape = " x ".join(map(str, labels.shape))
        raise InputError(
            f"{name} is {labels.dtype} of shape {shape}; allowed: N whole numbers, N x 1, or one-hot N x C"
        )
    if not bool(np.isfinite(labels).all()) or bool((labels != np.floor(labels)).any()):
        raise InputError(f"{name} holds numbers that are not whole; allowed: whole numbers from 0")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= 2**31:
        raise InputError(f"{name} runs from {low} to {high}; allowed: whole numbers from 0, one per class")
    return labels.astype(np.int64)


def _class_names(path: Path, names: NDArray[Any] | None, labels: dict[str, NDArray[np.int64]]) -> tuple[str, ...]:
    both = np.concatenate([*labels.values()])
    low, high = int(both.min()), int(both.max())
    if names is None:
        if high >= sum(map(len, labels.values())):
            raise InputError(
                f"{path}: labels run up to {high}, with fewer images than that; allowed: one per class, from 0"
            )
        return tuple(map(str, range(high + 1)))
    try:
        texts = [name.decode() if isinstance(name, bytes) else str(name) for name in names.ravel().tolist()]
    except UnicodeDecodeError:
        raise InputError(f"{path}: {CLASSES} holds bytes that are not UTF-8; save the names as text") from None
    found = tuple(unicodedata.normalize("NFC", text) for text in texts)
    if high >= len(found):
        hint = "; labels that begin at 1 are one too high: subtract 1" if (low, high) == (1, len(found)) else ""
        raise InputError(
            f"{path}: labels run from {low} to {high} and {CLASSES} has {len(found)} names; allowed: labels of 0 to "
            f"{len(found) - 1}{hint}"
        )
    return found
