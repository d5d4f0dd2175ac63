"""The whole grid, ours against the reference: same images, same machine, taking turns."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from asymdistill.data import datasets
from benchmarks.measuring import Record, module

STUDENTS, EPOCHS = 9, 1
TEACHER, RESOLUTION = "open_clip:ViT-B-32-quickgelu/openai", 224
# What asymdistill sets for itself, so that the reference runs as plain PyTorch would.
PLAIN = {"THP_MEM_ALLOC_ENABLE": "0", "SCIPY_ARRAY_API": "0"}


def measure(device: str, images: int = 128, rounds: int = 2) -> Iterator[Record]:
    """One record a round and pipeline: its stages, seconds and memory.

    Nine students for one epoch, on a quarter as many test images as training images. With five epochs, as in the paper,
    the reference would run its teacher five times as often.
    """
    for number in range(1, rounds + 1):
        yield {"round": number, "pipeline": "ours", **run("ours", device, images)}
        yield {"round": number, "pipeline": "reference", **run("reference", device, images)}


def growth(device: str, sizes: tuple[int, ...] = (64, 128, 256)) -> Iterator[Record]:
    """Seconds of our grid over the number of training images."""
    for size in sizes:
        yield {"quantity": "grid", "unit": "training images", "size": size, **run("ours", device, size)}


def run(pipeline: str, device: str, images: int, *, teacher: str = TEACHER, resolution: int = RESOLUTION) -> Record:
    """Run one pipeline on so many generated images in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        file = _images(Path(folder) / "images.npz", images)
        options = ("--images", file, "--teacher", teacher, "--resolution", resolution, "--epochs", EPOCHS)
        name, plain = ("our_pipeline", {}) if pipeline == "ours" else ("reference_pipeline", PLAIN)
        found = module(name, *options, "--device", device, environment=plain)
    shared = {"images": images, "test_images": images // 4, "students": STUDENTS, "epochs": EPOCHS}
    return {**shared, "resolution": resolution, **found, "per_image": found["seconds"] / (images * EPOCHS)}


def _images(path: Path, images: int) -> Path:
    train, test = (datasets.load("scenes", split, limit=count) for split, count in _counts(images))
    np.savez(
        path,
        train_images=train.images.numpy(), train_labels=train.labels.numpy(),
        test_images=test.images.numpy(), test_labels=test.labels.numpy(), classes=np.array(train.class_names),
    )  # fmt: skip
    return path


def _counts(images: int) -> tuple[tuple[datasets.Split, int], tuple[datasets.Split, int]]:
    return ("train", images), ("test", images // 4)
