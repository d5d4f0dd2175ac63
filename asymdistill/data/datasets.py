"""Images of every source in one shape: uint8 in memory, labels and class names with them."""

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from asymdistill.config.names import GENERATED_IMAGES, TORCHVISION_IMAGES, image_source
from asymdistill.data import arrays, listing, scenes
from asymdistill.data.pixels import read_square
from asymdistill.runtime.checks import check_images
from asymdistill.runtime.devices import check_room
from asymdistill.runtime.digests import file_digest
from asymdistill.runtime.download import timeout
from asymdistill.runtime.errors import InputError, check_option, without_tilde

Split = Literal["train", "test"]
DEFAULT_ROOT = Path("~/.cache/asymdistill")
SCENES_DEFAULT_COUNT = {"train": 24_000, "test": 5_000}
CIFAR_COUNT = {"train": 50_000, "test": 10_000}
SIDE = 32  # of the images of Scenes and CIFAR, in pixels
SCENE_BYTES = SIDE**2 * 3 + 1000  # with its factors and what they are drawn from
FOLDER_RULES = 2  # raised by hand when folders give other images: listing and pixels


@dataclass(frozen=True)
class ImageSet:
    """Images with their labels.

    Attributes:
        images: uint8, N x H x W x 3, RGB.
        labels: int64, N, indices into ``class_names``.
        class_names: one name per class.
        factors: of Scenes, what each image shows: see ``scenes.Scenes``; empty for other images.
    """

    images: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    factors: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_images("images", self.images)
        if self.labels.shape != self.images.shape[:1] or self.labels.dtype != torch.int64:
            raise InputError(
                f"labels must be int64 of shape {tuple(self.images.shape[:1])}, "
                f"not {self.labels.dtype} of shape {tuple(self.labels.shape)}"
            )
        if len(self.labels) and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < len(self.class_names):
            raise InputError(f"labels must lie in 0..{len(self.class_names) - 1}, one per class name")
        for name in self.class_names:
            if not name.strip() or any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
                raise InputError(f"a class is called {name!r}; allowed: text without control characters")
        if len(set(self.class_names)) < len(self.class_names):
            twice = next(name for name in self.class_names if self.class_names.count(name) > 1)
            raise InputError(f"two classes are called {twice!r}; allowed: names that differ")

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: Tensor) -> "ImageSet":
        """The images at ``indices``, in that order."""
        factors = {name: values[indices] for name, values in self.factors.items()}
        return ImageSet(self.images[indices], self.labels[indices], self.class_names, factors)


def load(
    dataset: str,
    split: Split,
    *,
    root: Path | None = None,
    download: bool = True,
    limit: int | None = None,
    seed: int = 0,
    image_size: int = 32,
    classes: int | None = None,
) -> ImageSet:
    """Load one split of a data set.

    torchvision's sets keep the order of their files, as the paper's metrics within batches need. An ``.npz`` file or
    a folder usually stands class by class, which would make each such batch one class, so they are shuffled by
    ``seed``; so is what a limit leaves of them.

    Args:
        dataset: ``scenes``; ``scenes100``, whose 100 classes are shape and colour; ``cifar10``; ``cifar100``; a path to
            an ``.npz`` file or to a folder of ``train/<class>/`` and ``test/<class>/``.
        split: ``train`` or ``test``.
        root: where torchvision keeps its files; default: the user's cache folder.
        download: let torchvision download what is missing there.
        limit: keep so many images, balanced over the classes; None: all.
        seed: seeds Scenes, the subset and the shuffling.
        image_size: side in pixels to which the images of a folder are brought.
        classes: keep the images of the first so many classes only, before any limit; None: of all.

    Raises:
        InputError: nothing by that name, files that are missing or of another form, more classes or a limit of more
            images than are there.
    """
    if dataset == "scenes":
        return _load_scenes(split, limit, seed, classes or len(scenes.SHAPES))
    if dataset == "scenes100":
        loaded = _load_scenes100(split, None if classes else limit, seed)
    elif image_source(dataset) == "torchvision":
        loaded = _load_torchvision(dataset, split, without_tilde(root or DEFAULT_ROOT), download)
    else:
        path = _locate(dataset)
        loaded = _load_npz(path, split) if image_source(dataset) == "npz" else _load_folder(path, split, image_size)
        generator = torch.Generator().manual_seed(seed)
        loaded = loaded.take(torch.randperm(len(loaded), generator=generator))
    if classes is not None:
        check_option("classes", classes, range(1, len(loaded.class_names) + 1))
        kept = loaded.take((loaded.labels < classes).nonzero().flatten())
        loaded = ImageSet(kept.images, kept.labels, kept.class_names[:classes], kept.factors)
    if limit is None:
        return loaded
    check_limit(dataset, split, limit, len(loaded))
    return loaded.take(balanced_subset(loaded.labels, limit, seed=seed, classes=len(loaded.class_names)))


def check_limit(dataset: str, split: Split, limit: int, count: int) -> None:
    """Raise ``InputError`` where there are fewer images than a limit asks for."""
    if limit > count:
        raise InputError(
            f"{split}_limit is {limit}, and {dataset} has {count} {split} images; allowed: up to {count}, or null, "
            "which is all"
        )


def balanced_subset(labels: Tensor, limit: int, *, seed: int, classes: int) -> Tensor:
    """Indices, ascending, of ``limit`` images, no more than there are, at random and evenly over the classes."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=generator)
    # The k-th image of each class, for k = 0, 1, ...: taking images by that rank takes one of each class in turn.
    rank = torch.empty(len(labels), dtype=torch.int64)
    for label in range(classes):
        members = order[labels[order] == label]
        rank[members] = torch.arange(len(members))
    by_rank = order[torch.argsort(rank[order], stable=True)]
    return by_rank[:limit].sort().values


def digest(dataset: str) -> str:
    """What tells the images of one source from others: a name, or a digest of the content of their files.

    torchvision checks its own files by MD5. Times of modification play no part, so that a copy is the same, and of a
    folder only what counts as an image.

    Raises:
        InputError: nothing by that name, or a folder of another form.
    """
    source = image_source(dataset)
    if source in ("generated", "torchvision"):
        return dataset
    path = _locate(dataset)
    if source == "npz":
        return file_digest(path)
    files = (file for split in listing.list_splits(path) for file, _ in split.files)
    entries = (f"{file.relative_to(path).as_posix()} {file_digest(file)}\n" for file in files)
    named = "".join((f"folder, rules {FOLDER_RULES}\n", *entries))
    return hashlib.sha256(named.encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(frozen=True)
class Census:
    """What is known of images without reading them all: numbers, side in pixels, number of classes, and where they are.

    Attributes:
        train: number of training images.
        test: number of test images.
        side: of an image in pixels.
        classes: number of classes.
        place: where they are; empty for images that are drawn.
        missing: what is not there, in words; empty where nothing is missing.
        note: what was left out or stands in for something else, in words.
    """

    train: int
    test: int
    side: int
    classes: int
    place: str = ""
    missing: str = ""
    note: str = ""


def census(dataset: str, *, root: Path | None = None, image_size: int = 32) -> Census:
    """Count images, without a download.

    Args:
        dataset: as for ``load``.
        root: where torchvision keeps its files; default: the user's cache folder.
        image_size: side in pixels to which the images of a folder are brought.

    Raises:
        InputError: nothing by that name, or files of another form.
    """
    source = image_source(dataset)
    if source == "generated":
        count = SCENES_DEFAULT_COUNT
        return Census(count["train"], count["test"], SIDE, len(scenes.SHAPES) if dataset == "scenes" else 100)
    if source == "torchvision":
        return _cifar_census(dataset, without_tilde(root or DEFAULT_ROOT))
    path = _locate(dataset)
    if source == "npz":
        train, test = load(dataset, "train"), load(dataset, "test")
        own = len(train), len(test), train.images.shape[1], len(train.class_names)
    else:
        trees = listing.list_splits(path)
        own = len(trees[0].files), len(trees[1].files), image_size, len(trees[0].classes)
    return Census(*own, dataset, note=note(dataset))


def note(dataset: str) -> str:
    """What was left out of a user's own images, or stands in for something else, in words; empty if nothing.

    Raises:
        InputError: as ``census`` does.
    """
    source = image_source(dataset)
    if source == "npz":
        return arrays.note(_locate(dataset))
    if source != "folder":
        return ""
    trees = listing.list_splits(_locate(dataset))
    left = ", ".join(f"{listing.in_words(tree.left_out)} in {tree.folder.name}/" for tree in trees if tree.left_out)
    return f"left out, as no images: {left}" if left else ""


def _load_scenes(split: Split, limit: int | None, seed: int, classes: int) -> ImageSet:
    # The two splits must never share a scene, and neither may share one with the images that trained the teacher.
    count = limit or SCENES_DEFAULT_COUNT[split]
    check_room(f"{count:,} scenes", SCENE_BYTES * count)
    drawn = scenes.generate(count, seed=1_000_003 + 2 * seed + (split == "test"), classes=classes)
    return ImageSet(drawn.images, drawn.labels, scenes.SHAPES[:classes], drawn.factors)


def _load_scenes100(split: Split, limit: int | None, seed: int) -> ImageSet:
    # Other scenes than those of ten classes, so that a measurement on these is one on images of its own; and twice as
    # many as are asked for, since shape and colour are drawn apart and a limit is to find them in equal numbers.
    count = 2 * limit if limit else SCENES_DEFAULT_COUNT[split]
    check_room(f"{count:,} scenes", SCENE_BYTES * count)
    drawn = scenes.generate(count, seed=2_000_003 + 2 * seed + (split == "test"))
    colours = tuple(scenes.PALETTE)
    labels = drawn.factors["shape"] * len(colours) + drawn.factors["colour"]
    names = tuple(f"{colour} {shape}" for shape in scenes.SHAPES for colour in colours)
    return ImageSet(drawn.images, labels, names, drawn.factors)


def _load_torchvision(dataset: str, split: Split, root: Path, download: bool) -> ImageSet:
    kind = _cifar(dataset)
    try:
        source = _open_cifar(kind, root, split == "train", download)
    except (RuntimeError, OSError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{dataset} is not in {root} and could not be fetched ({reason}); put {kind.filename} there, from CIFAR's "
            f"page at the University of Toronto ({kind.url}), packed or unpacked as {kind.base_folder}, set "
            "dataset_root to a folder that holds it so, or set dataset to an .npz file or to a folder of "
            "train/<class>/ and test/<class>/"
        ) from None
    labels = torch.tensor(source.targets, dtype=torch.int64)
    return ImageSet(torch.from_numpy(source.data), labels, tuple(source.classes))


def _open_cifar(kind: Any, root: Path, train: bool, download: bool) -> Any:
    # torchvision unpickles these files, but only after each has matched the MD5 of the official release.
    try:
        return kind(root, train=train)
    except (RuntimeError, OSError):
        if not download and not _has_archive(kind, root):
            raise OSError("download is false") from None
    with timeout():  # torchvision itself sets none
        return kind(root, train=train, download=True)  # unpacks the archive where it is there


def _cifar(dataset: str) -> Any:
    from torchvision.datasets import CIFAR10, CIFAR100

    return {"cifar10": CIFAR10, "cifar100": CIFAR100}[dataset]


def _has_archive(kind: Any, root: Path) -> bool:
    from torchvision.datasets.utils import check_integrity

    return bool(check_integrity(root / kind.filename, kind.tgz_md5))


def _cifar_census(dataset: str, root: Path) -> Census:
    kind, classes = _cifar(dataset), int(dataset.removeprefix("cifar"))
    counted = (CIFAR_COUNT["train"], CIFAR_COUNT["test"], SIDE, classes)
    try:
        kind(root, train=False)  # compares the MD5 of every file with the official one
        return Census(*counted, place=str(root / kind.base_folder))
    except (RuntimeError, OSError):
        if _has_archive(kind, root):
            return Census(*counted, place=f"{root / kind.filename}, which a run unpacks")
    words = f"neither {kind.base_folder} nor {kind.filename} is in {root} as released ({kind.url})"
    return Census(*counted, missing=words)


def _locate(dataset: str) -> Path:
    """The existing path that a data set of the user's own names."""
    path = without_tilde(dataset)
    if image_source(dataset) == "npz":
        if not path.is_file():
            raise InputError(f"{path} does not exist")
    elif not dataset or not path.is_dir():
        listed = ", ".join(map(repr, (*GENERATED_IMAGES, *TORCHVISION_IMAGES)))
        raise InputError(
            f"no data set {dataset!r}; allowed: {listed}, a path to an .npz file, or a path to an existing folder with "
            "train/ and test/"
        )
    return path


def _load_npz(path: Path, split: Split) -> ImageSet:
    images, labels, names = arrays.read_arrays(path, split)
    return ImageSet(torch.from_numpy(images), torch.from_numpy(labels), names)


def _load_folder(path: Path, split: Split, image_size: int) -> ImageSet:
    train, test = listing.list_splits(path)
    tree = train if split == "train" else test
    check_room(f"{len(tree.files):,} images of {path}", len(tree.files) * image_size**2 * 3)
    images = np.empty((len(tree.files), image_size, image_size, 3), np.uint8)
    for row, (file, _) in enumerate(tree.files):
        images[row] = read_square(file, image_size)
    labels = torch.tensor([label for _, label in tree.files], dtype=torch.int64)
    return ImageSet(torch.from_numpy(images), labels, tree.classes)
