"""A golden value beside each version: what is stored must not change unless its version does.

The values are rounded, since another CPU rounds otherwise; a change of the arithmetic or of the recipe moves them more.
"""

import math
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import SMALL
from PIL import Image
from torch import Tensor

from asymdistill.config.names import UNTRAINED
from asymdistill.data import datasets
from asymdistill.data.views import GaussianNoise
from asymdistill.experiment.experiment import PROBE
from asymdistill.experiment.frozen_teacher import EMBEDDINGS
from asymdistill.experiment.images import IMAGES
from asymdistill.experiment.measurements import MEASUREMENT, Measurement
from asymdistill.experiment.model_quantities import QUANTITIES
from asymdistill.experiment.student_configs import StudentConfig
from asymdistill.experiment.trained_students import SNAPSHOT, STUDENT
from asymdistill.store.keys import Kind
from asymdistill.study.study import Study

Values = dict[str, list[float]]
OWN = SMALL | {"train_limit": 120, "test_limit": 120, "widths": [0.5], "seeds": [42], "class_counts": [2, 5]}
AFTER_TRAINING = 5e-3  # Adam's first steps have one length however small a gradient is, so that rounding shows
NOISE, PIXEL_NOISE = GaussianNoise(0.05), GaussianNoise(0.05, "pixel")

# By kind: the version, and what was computed under it.
GOLDEN: dict[str, tuple[int, Values]] = {
    "images": (
        1,
        {
            "scenes": [142.47, 87.542, 5.3385, 2.8402],
            "scenes, test": [149.91, 184.25, 5.3385, 5.164],
            "scenes of 2 classes": [142.95, 69.956, 0.70711, 0.7746],
            "scenes100": [145.72, 51.721, 58.076, -0.91924],
            "npz": [147.81, 288.58, 0.57735, 0.57735],
            "folder": [131.95, 95.576, 0.70711, 0.0],
        },
    ),
    "embeddings": (
        1,
        {
            "clean": [0.088388, -0.037107],
            "noise": [0.088388, -0.035308],
            "pixel noise": [0.088388, -0.059072],
            "2 classes": [0.088388, -0.098769],
        },
    ),
    "students": (
        1,
        {
            "cosine": [0.035566, 0.034298],
            "infonce": [0.035552, 0.024823],
            "views": [0.046935, 0.053079],
            "vicreg": [0.035614, 0.034784],
            "uniformity": [0.035531, 0.022369],
            "whitened": [0.035532, 0.023727],
            "centred": [0.035544, 0.024551],
            "labels": [0.035511, 0.019546],
            "none": [0.032103, -0.010032],
            "augmented": [0.03557, 0.03556],
            "annealed, noise": [0.035497, 0.063311],
            "2 classes, dilated": [0.03553, 0.032958],
            "another resolution": [0.035551, 0.032364],
        },
    ),
    "snapshots": (1, {"epoch 1": [0.032423, 0.01396], "epoch 2": [0.035566, 0.034298]}),
    "probes": (1, {"teacher": [0.48457, 0.089609]}),
}
# By quantity: the version of measurements, that of the quantity, and what was measured under them.
GOLDEN_MEASUREMENTS: dict[str, tuple[int, int, Values]] = {
    "size": (1, 1, {"": [128.0, 894144.0]}),
    "singular_values": (1, 1, {"": [1.5352, 1.1108, 0.89032, 0.8141, 0.64194, 0.57064]}),
    "effective_rank": (1, 1, {"test": [20.265], "train": [19.764]}),
    "alignment": (1, 1, {"": [0.0076904, 0.023215, 0.033924, 0.042683, 0.046714, 0.052555]}),
    "information": (1, 1, {"": [3.5093, -0.043515, -0.2838, -0.29604, -0.29529]}),
    "accuracy": (1, 1, {"": [13.333]}),
    "adapted_accuracy": (1, 1, {"": [14.167]}),
    "r_squared": (
        1,
        1,
        {
            "train": [0.27642, 0.014009, 0.007904, 0.00029347, 0.0013851, 0.0039324],
            "test": [0.01261, 0.0052863, 0.060904, 0.011672, 0.01691, 0.0058707],
        },
    ),
    "shrinkage_rank": (1, 1, {"train": [1.8573], "test": [9.9983]}),
    "distance": (1, 1, {"": [0.94878]}),
    "class_ranks": (1, 1, {"": [6.9904, 0.087668, 6.9904, 19.661]}),
    "truncated_rank": (1, 1, {"top": [3.5289], "random": [3.7641]}),
    "truncated_accuracy": (1, 1, {"top": [6.6667], "random": [9.1667]}),
    "rank_by_sample": (
        1,
        1,
        {
            "": [14.677, 17.076, 17.433, 15.772, 17.192, 20.265],
            "amplitude": [35.761, 36.746, 36.724, 36.503, 36.657, 67.679],
        },
    ),
    "true_rank_by_sample": (
        1,
        1,
        {
            "": [23.761, 23.765, 24.877, 24.466, 24.695, 30.51],
            "amplitude": [32.606, 32.76, 33.157, 33.109, 33.263, 36.621],
        },
    ),
    "bootstrap_interval": (1, 1, {"": [21.533, 24.986]}),
    "factor_shares": (1, 1, {"": [0.1834, 0.26817, 0.041312, 0.11354, 0.064512, 0.087668]}),
    "train_accuracy": (1, 1, {"": [40.833]}),
    "neighbour_accuracy": (1, 1, {"": [10.0]}),
    "neighbour_overlap": (1, 1, {"": [0.25333]}),
    "aligned_share": (1, 1, {"": [0.24313]}),
    "among_texts": (1, 1, {"": [1.1995, 0.0, 6.6667, 4.1667, 9.1667], "cut": [1.2118, 0.0, 6.6667, 4.1667, 10.0]}),
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, teacher_file: Path) -> Study:
    return Study.open("smoke", OWN | {"teacher_weights": teacher_file}, tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def student(study: Study) -> StudentConfig:
    """One whose weights are its seed's, the same on every CPU."""
    return study._run.configs.make(0.5, 42, UNTRAINED)


def fingerprint(tensors: Iterable[Tensor]) -> list[float]:
    """Root mean square, and the mean product with fixed random signs: two numbers that any change of results moves."""
    values = torch.cat([tensor.double().flatten() for tensor in tensors])
    signs = 2.0 * torch.randint(2, values.shape, generator=torch.Generator().manual_seed(0)) - 1
    return [float(values.square().mean().sqrt()), float((values * signs).sum() / math.sqrt(len(values)))]


def numbers(value: Any) -> list[float]:
    """The first numbers in something that JSON has."""
    if isinstance(value, dict | list):
        return [number for part in (value.values() if isinstance(value, dict) else value) for number in numbers(part)]
    return [float(value)]


def fault(
    what: str, version: object, stored_version: object, found: Values, stored: Values, rel: float, least: float = 0.0
) -> str | None:
    """What is wrong with a golden value; None if it is that of the version."""
    shown = {name: [float(f"{number:.6g}") for number in values] for name, values in found.items()}
    if version != stored_version:
        return f"the version of {what} is now {version}: store the value that belongs to it here: {shown}"
    for name in found.keys() | stored.keys():
        expected = stored.get(name, [])
        slack = max(least, rel * max(map(abs, expected), default=0.0))
        if found.get(name) != pytest.approx(expected, rel=rel, abs=slack):
            return f"results of {what} changed ({name}): raise its version (and store the new value here): {shown}"
    return None


def check(kind: Kind, found: Values, rel: float) -> None:
    version, stored = GOLDEN.get(kind.name, (0, {}))
    if message := fault(kind.name, kind.version, version, found, stored, rel):
        pytest.fail(message)


def test_images(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 48, 40, 3), dtype=np.uint8)
    labels = np.array([0, 1, 0, 1])
    arrays = {"train_images": pixels[0], "train_labels": labels, "test_images": pixels[1], "test_labels": labels}
    np.savez(tmp_path / "own.npz", **arrays, classes=["a", "b"])
    for split, images in zip(("train", "test"), pixels, strict=True):
        for number, image in enumerate(images):
            path = tmp_path / "own" / split / "ab"[labels[number]] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    sets = {
        "scenes": datasets.load("scenes", "train", limit=60),
        "scenes, test": datasets.load("scenes", "test", limit=60, seed=1),
        "scenes of 2 classes": datasets.load("scenes", "train", limit=60, classes=2),
        "scenes100": datasets.load("scenes100", "train", limit=200),
        "npz": datasets.load(str(tmp_path / "own.npz"), "train", limit=3),
        "folder": datasets.load(str(tmp_path / "own"), "test", image_size=24),
    }
    found = {name: fingerprint([own.images]) + fingerprint([own.labels]) for name, own in sets.items()}
    check(IMAGES, found, 1e-4)


def test_embeddings(study: Study) -> None:
    run = study._run
    found = {
        "clean": fingerprint([run.teacher.embeddings("test")]),
        "noise": fingerprint([run.teacher.embeddings("test", NOISE)]),
        "pixel noise": fingerprint([run.teacher.embeddings("test", PIXEL_NOISE)]),
        "2 classes": fingerprint([run.teacher.embeddings("train", classes=2)]),
    }
    check(EMBEDDINGS, found, 1e-3)


def test_students(study: Study) -> None:
    configs = study._run.configs
    objectives = ("cosine", "infonce", "views", "vicreg", "uniformity", "whitened", "centred", "labels", UNTRAINED)
    students = {name: configs.make(0.5, 42, name) for name in objectives} | {
        "augmented": configs.make(0.5, 42, "cosine", augmented=True),
        "annealed, noise": configs.make(0.5, 7, "cosine", schedule="cosine", noise=0.1),
        "2 classes, dilated": configs.make(0.5, 42, "cosine", classes=2, dilation=2),
        "another resolution": configs.make(0.5, 42, "cosine", resolution=24),
    }
    trained = study._run.students
    trained.train([*students.values()])
    found = {name: fingerprint(trained.network(own).state_dict().values()) for name, own in students.items()}
    check(STUDENT, found, AFTER_TRAINING)


def test_snapshots(study: Study) -> None:
    own = study._run.configs.make(0.5, 42, "cosine", snapshots=True)
    found = {f"epoch {n}": fingerprint(study._run.students.network(own, epoch=n).state_dict().values()) for n in (1, 2)}
    check(SNAPSHOT, found, AFTER_TRAINING)


def test_probes(study: Study) -> None:
    found = {"teacher": fingerprint(study._run.probe(None).tensors().values())}
    check(PROBE, found, 1e-3)


# What is measured, by quantity: of the student where nothing else is said.
TOP, RANDOM = (("variant", "top"), ("count", 4), ("draw", None)), (("variant", "random"), ("count", 4), ("draw", 1))
SIZES = (("sizes", (50, 120)),)
OF_THE_TEACHER = ("size", "truncated_rank", "truncated_accuracy", "true_rank_by_sample")
OPTIONS: dict[str, dict[str, tuple[tuple[str, Any], ...]]] = {
    "effective_rank": {"test": (), "train": (("split", "train"),)},
    "information": {"": (("batch_size", 32), ("temperature", 0.1))},
    "r_squared": {"train": (("split", "train"),), "test": (("split", "test"),)},
    "shrinkage_rank": {"train": (("split", "train"),), "test": (("split", "test"),)},
    "truncated_rank": {"top": TOP, "random": RANDOM},
    "truncated_accuracy": {"top": TOP, "random": RANDOM},
    "rank_by_sample": {"": SIZES, "amplitude": (*SIZES, ("spectrum", "amplitude"))},
    "true_rank_by_sample": {"": SIZES, "amplitude": (*SIZES, ("spectrum", "amplitude"))},
    "among_texts": {"": (), "cut": (("keep", 4),)},
}
ACCURACIES = (
    "accuracy",
    "train_accuracy",
    "adapted_accuracy",
    "truncated_accuracy",
    "neighbour_accuracy",
    "among_texts",
)
SHOWN = 6  # numbers of each measurement


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_measurements(study: Study, student: StudentConfig, quantity: str) -> None:
    model = None if quantity in OF_THE_TEACHER else student
    noise = NOISE if quantity in ("accuracy", "adapted_accuracy", "truncated_accuracy", "among_texts") else None
    found = {
        name: numbers(study._measurements.value(Measurement(quantity, model, noise, options)))[:SHOWN]
        for name, options in OPTIONS.get(quantity, {"": ()}).items()
    }
    versions = (MEASUREMENT.version, QUANTITIES[quantity].version)
    *stored_versions, stored = GOLDEN_MEASUREMENTS.get(quantity, (0, 0, {}))
    least = 100 * 2.01 / OWN["test_limit"] if quantity in ACCURACIES else 0.0  # two images may stand on the border
    if message := fault(f"measurements: {quantity}", versions, tuple(stored_versions), found, stored, 2e-3, least):
        pytest.fail(message)


# That the checks above would find what they look for


def test_every_kind_and_every_quantity_has_a_golden_value() -> None:
    modules = [module for name, module in sys.modules.items() if name.startswith("asymdistill.experiment.")]
    kinds = {kind.name for module in modules for kind in vars(module).values() if type(kind) is Kind}
    assert kinds == {*GOLDEN, MEASUREMENT.name}
    assert {*GOLDEN_MEASUREMENTS} == {*QUANTITIES}


def test_a_result_that_changed_without_its_version_is_found() -> None:
    stored = {"clean": [0.5, 2.0]}
    assert fault("probes", 1, 1, {"clean": [0.5001, 2.0]}, stored, 1e-3) is None
    for changed in ({"clean": [0.5, 2.01]}, {"clean": [0.5]}, {"other": [0.5, 2.0]}, {}):
        message = fault("probes", 1, 1, changed, stored, 1e-3)
        assert message is not None
        assert "results of probes changed" in message
        assert "raise its version (and store the new value here)" in message


def test_a_version_that_was_raised_without_a_new_value_is_found() -> None:
    stored = {"clean": [0.5, 2.0]}
    for found in (stored, {"clean": [0.6, 2.0]}):
        message = fault("probes", 2, 1, found, stored, 1e-3)
        assert message is not None
        assert message.startswith("the version of probes is now 2")


def test_a_fingerprint_is_moved_by_order_sign_and_size() -> None:
    values = torch.linspace(-1, 2, 100)
    prints = {tuple(fingerprint([own])) for own in (values, values.flip(0), -values, 1.01 * values, values[:99])}
    assert len(prints) == 5
    assert fingerprint([values[:40], values[40:]]) == fingerprint([values])
