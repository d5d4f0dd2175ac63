"""What counts as an image in a folder: one list, for loading, for the digest and for those who look beforehand."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from asymdistill.runtime.errors import InputError

# Formats that Pillow opens by starting another program, or only where another library is plugged in, or never decodes.
_UNREADABLE = frozenset({"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG"})
_NOT_OURS = frozenset({"__MACOSX", "$RECYCLE.BIN", "System Volume Information"})


@dataclass(frozen=True)
class Listing:
    """The images of one split.

    Attributes:
        folder: holds one subfolder per class.
        classes: their names, in natural order (``class 2`` before ``class 10``), in Unicode's composed form.
        files: every image with the index of its class, class by class, in natural order within it.
        left_out: number of files that are no images, by kind.
    """

    folder: Path
    classes: tuple[str, ...]
    files: tuple[tuple[Path, int], ...]
    left_out: dict[str, int]


def list_images(folder: Path) -> Listing:
    """List the images of a split: in ``folder/<class>/``, at any depth, linked files and folders included.

    A file counts by its extension, in any case, if Pillow reads that kind. Hidden files and folders count as absent,
    and so do those that macOS and Windows leave behind. Files of any other kind are counted, and left out.

    Raises:
        InputError: no subfolders, one without images, or two whose names look alike.
    """
    subfolders = _subfolders(folder)
    if not subfolders:
        raise InputError(f"{folder} is not a folder with one subfolder of images per class")
    names = [class_name(subfolder.name) for subfolder in subfolders]
    for name, number in Counter(names).items():
        if number > 1:
            raise InputError(f"{folder} has {number} subfolders that are all called {name!r} once accents are composed")
    files: list[tuple[Path, int]] = []
    above = frozenset({folder.resolve(), *folder.resolve().parents})
    left_out: Counter[str] = Counter()
    for label, subfolder in enumerate(subfolders):
        before = len(files)
        for path in _walk(subfolder, above):
            if kind := _why_left_out(path):
                left_out[kind] += 1
            else:
                files.append((path, label))
        if len(files) == before:
            raise InputError(
                f"{folder} is not a folder with one subfolder of images per class: {subfolder.name!r} holds none"
            )
    return Listing(folder, tuple(names), tuple(files), dict(sorted(left_out.items())))


def list_splits(folder: Path) -> tuple[Listing, Listing]:
    """The images of ``folder/train`` and ``folder/test``, which have the same classes.

    Raises:
        InputError: as ``list_images`` does, or classes that are in one of them only.
    """
    train, test = list_images(folder / "train"), list_images(folder / "test")
    if train.classes != test.classes:
        # Labels number the classes of one split: another set of classes in the other would silently renumber them.
        raise InputError(
            f"train/ and test/ in {folder} must have the same classes; only in train/: {_without(train, test)}; "
            f"only in test/: {_without(test, train)}"
        )
    return train, test


def class_name(name: str) -> str:
    """The name of a class as text: composed (NFC), since two systems may write one name in two ways.

    Names on a disk are bytes. Where they are not UTF-8, they count as Latin-1, in which every byte is a character.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        name = os.fsencode(name).decode("latin-1")
    return unicodedata.normalize("NFC", name)


def in_words(left_out: dict[str, int]) -> str:
    """What was left out, in words: ``3 of .txt, 1 broken link``; empty if nothing was."""
    return ", ".join(f"{number} {kind}" for kind, number in left_out.items())


def natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """A key that sorts numbers within names by their value."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts], name


@cache
def readable_extensions() -> dict[str, str]:
    """Extensions, in lower case, with the format that Pillow reads under each."""
    from PIL import Image

    Image.init()
    known = Image.registered_extensions()
    return {end: kind for end, kind in known.items() if kind in Image.OPEN and kind not in _UNREADABLE}


def _subfolders(folder: Path) -> list[Path]:
    try:
        found = [path for path in folder.iterdir() if path.is_dir() and not _is_hidden(path)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(found, key=lambda path: natural(class_name(path.name)))


def _walk(folder: Path, above: frozenset[Path]) -> Iterator[Path]:
    """Every file below a folder in natural order; a link back to a folder that it lies in is not followed."""
    real = folder.resolve()
    if real in above:
        return
    for path in sorted(folder.iterdir(), key=lambda path: natural(class_name(path.name))):
        if _is_hidden(path):
            continue
        if path.is_dir():
            yield from _walk(path, above | {real})
        else:
            yield path


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(".") or path.name in _NOT_OURS


def _why_left_out(path: Path) -> str:
    """The kind of a file that is no image; empty for an image."""
    if path.is_symlink() and not path.exists():
        return "broken links"
    if not path.is_file():
        return "that are no regular files"
    if path.suffix.lower() in readable_extensions():
        return ""
    return f"of {path.suffix.lower()}" if path.suffix else "without an extension"


def _without(one: Listing, other: Listing) -> str:
    return ", ".join(map(repr, (name for name in one.classes if name not in other.classes))) or "none"
