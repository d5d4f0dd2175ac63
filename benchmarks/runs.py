"""Whole runs: the grid of our pipeline against the reference, its growth, the precision of training, and the book."""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from asymdistill.config.profiles import load_settings
from asymdistill.data import datasets
from asymdistill.study import Study
from benchmarks.measuring import Record, module, watched
from benchmarks.pipelines import EPOCHS, RESOLUTION, SEEDS, TEACHER, WIDTHS

# Undoes what the command lines set, so that the reference runs as plain PyTorch does.
PLAIN = {"THP_MEM_ALLOC_ENABLE": "0", "SCIPY_ARRAY_API": "0"}
# The first paper's students on the embedded profile, and nothing else.
FIRST_PAPER = {
    "objectives": ["cosine"],
    "controls": [],
    "sweeps": [],
    "other_teachers": [],
    "other_datasets": [],
    "noise_levels": [0.0],
    "noise_spaces": ["normalised"],
    "augmentation_seeds": 0,
}
BOOK_PARTS = (4, 2, 1)  # a quarter of the default's training images, a half, and all
_COMMAND = "import sys; from asymdistill.cli import main; sys.exit(main())"


def grid(device: str) -> Iterator[Record]:
    """Our pipeline and the reference on the same images and machine, taking turns.

    Nine students for one epoch, with a quarter as many test images as training images. With five epochs, as in the
    paper, the reference would run its teacher five times as often.

    Yields:
        One record per round and pipeline: seconds of each stage and peak memory.
    """
    for number in (1, 2):
        yield {"round": number, "pipeline": "ours", **run("ours", device, 128)}
        yield {"round": number, "pipeline": "reference", **run("reference", device, 128)}


def growth(device: str) -> Iterator[Record]:
    """Our pipeline's grid, one record per number of training images."""
    for size in (64, 128, 256):
        yield {"quantity": "grid", "unit": "training images", "size": size, **run("ours", device, size)}


def run(
    pipeline: str,
    device: str,
    images: int,
    *,
    teacher: str = TEACHER,
    resolution: int = RESOLUTION,
    widths: Sequence[float] = WIDTHS,
    seeds: Sequence[int] = SEEDS,
) -> Record:
    """Run one pipeline on this many generated images, in a process of its own: a student of each width and seed."""
    with tempfile.TemporaryDirectory() as folder:
        file = _images(Path(folder) / "images.npz", images)
        options = ("--images", file, "--teacher", teacher, "--resolution", resolution, "--epochs", EPOCHS)
        students = ("--widths", *widths, "--seeds", *seeds)
        name, plain = ("our_pipeline", {}) if pipeline == "ours" else ("reference_pipeline", PLAIN)
        found = module(name, *options, *students, "--device", device, environment=plain)
    count = len(widths) * len(seeds)
    shared = {"images": images, "test_images": images // 4, "students": count, "epochs": EPOCHS}
    return {**shared, "resolution": resolution, **found, "per_image": found["seconds"] / (images * EPOCHS)}


def _images(path: Path, images: int) -> Path:
    train = datasets.load("scenes", "train", limit=images)
    test = datasets.load("scenes", "test", limit=images // 4)
    np.savez(
        path,
        train_images=train.images.numpy(), train_labels=train.labels.numpy(),
        test_images=test.images.numpy(), test_labels=test.labels.numpy(), classes=np.array(train.class_names),
    )  # fmt: skip
    return path


def precision(device: str) -> Iterator[Record]:
    """Whether students trained in bfloat16 end up where students trained in float32 do.

    Yields:
        One record per student and precision: its effective rank and its probe accuracy in percent.
    """
    for name, autocast in (("float32", "off"), ("bfloat16", "bfloat16")):
        with tempfile.TemporaryDirectory() as folder:
            study = Study.open("embedded", {**FIRST_PAPER, "autocast": autocast, "device": device}, folder)
            ranks, accuracies = study.spectrum(), study.robustness()
        ranks = ranks[(ranks["quantity"] == "effective_rank") & (ranks["estimator"] == "per seed")]
        both = ranks.merge(accuracies, on=["model", "width", "seed"]).dropna(subset=["seed"])
        for row in both.to_dict("records"):
            student = {"model": row["model"], "seed": int(row["seed"]), "precision": name}
            yield student | {"effective rank": row["value"], "accuracy": row["accuracy"]}


def book() -> Iterator[Record]:
    """The whole embedded book from nothing, pages included.

    Yields:
        One record per number of training images, the last being the profile's own: seconds and peak memory.
    """
    whole = load_settings("embedded")[1].train_limit
    assert whole is not None
    for part in BOOK_PARTS:
        images = whole // part
        with tempfile.TemporaryDirectory() as folder:
            changed = () if part == 1 else ("--set", f"train_limit={images}")
            places = ("--runs", str(Path(folder) / "runs"), "--out", str(Path(folder) / "build"))
            _, usage = watched((sys.executable, "-c", _COMMAND, "book", "--profile", "embedded", *places, *changed))
        yield {"profile": "embedded", "images": images, **usage}
