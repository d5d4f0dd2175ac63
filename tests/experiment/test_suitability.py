"""Images that no table can be made of are named before anything is trained, by ``run`` and ``doctor`` alike."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SMALL

from asymdistill.config.profiles import load_settings
from asymdistill.config.settings import CONTROLS, Settings
from asymdistill.experiment import frozen_teacher, suitability, trained_students
from asymdistill.runtime.errors import InputError
from asymdistill.study.doctor import examine
from asymdistill.study.study import Study

RNG = np.random.default_rng(0)
NAMES = ("ant", "bee", "cat", "dog")


def own(path: Path, train: list[int], test: list[int], names: tuple[str, ...] = NAMES, **replaced: Any) -> str:
    """Images with so many per class in each split."""
    arrays: dict[str, Any] = {"classes": np.array(names)}
    for split, counts in (("train", train), ("test", test)):
        arrays[f"{split}_labels"] = np.repeat(np.arange(len(counts)), counts)
        arrays[f"{split}_images"] = RNG.integers(0, 256, (sum(counts), 32, 32, 3), dtype=np.uint8)
    np.savez(path / "own.npz", **(arrays | replaced))
    return str(path / "own.npz")


def settings(dataset: str, **changes: Any) -> Settings:
    values = SMALL | {"train_limit": None, "test_limit": None, "dataset": dataset, "class_counts": [2, 3]}
    return load_settings("smoke", values | changes)[1]


def many(count: int) -> np.ndarray:
    return np.full((count, 32, 32, 3), 7, np.uint8)


# By name: images per class in train and test, what is replaced, settings, and the line.
WRONG: dict[str, tuple[list[int], list[int], dict[str, Any], dict[str, Any], str]] = {
    "a class that is absent from the test split": (
        [20] * 4, [9, 9, 9, 0], {}, {"controls": ["classes"]},
        "the test split has no images of class 'dog', and the train split has",
    ),
    "the same without the control": (
        [20] * 4, [9, 9, 9, 0], {}, {}, "the test split has no images of class 'dog', and the train split has",
    ),
    "a class that is absent from the train split": (
        [20, 0, 20, 20], [9] * 4, {}, {}, "the train split has no images of class 'bee', and the test split has",
    ),
    "labels from 1 with a dummy name": (
        [0, 20, 20, 20], [0, 9, 9, 9], {}, {"controls": ["classes"]},
        "control 'classes' compares as many images .* train split has none of class 'ant'; allowed",
    ),
    "a class with few images": (
        [60, 60, 3, 60], [9] * 4, {}, {"controls": ["classes"]},
        "control 'classes' takes 6 images of the train split, since class 'cat' has 3 there; at least 40 are needed",
    ),
    "one test image of each class": (
        [60] * 4, [1] * 4, {}, {"controls": ["classes"]}, "of 4 test images no class has two",
    ),
    "too few for the bootstrap": (
        [60] * 4, [2] * 4, {}, {"controls": ["estimators"]},
        "control 'estimators' needs at least 10 test images, not 8",
    ),
    "fewer than a batch": ([5] * 4, [9] * 4, {}, {}, "20 training images do not fill one batch of 40"),
    "fewer than a batch of a comparison": (
        [20] * 4, [9] * 4, {}, {"sweeps": ["batch_size"], "batch_sizes": [200]}, "do not fill one batch of 200",
    ),
    "one class": ([60, 0, 0, 0], [9, 0, 0, 0], {}, {}, "train images are all of one class"),
    "images that are all equal": ([20] * 4, [9] * 4, {"train_images": many(80)}, {}, "all 80 train images are equal"),
    "equal test images": ([20] * 4, [9] * 4, {"test_images": many(36)}, {}, "all 36 test images are equal"),
    "more than there are": ([20] * 4, [9] * 4, {}, {"test_limit": 37}, "37"),
    "not a number": (
        [20] * 4, [9] * 4, {"train_images": np.full((80, 32, 32, 3), np.nan)}, {}, "train_images run from nan to nan",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_run_and_doctor_say_the_same_before_anything_is_trained(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case 9: a RuntimeError after seven students, where the doctor had said ok."""
    monkeypatch.setattr(trained_students, "distil", lambda *_, **__: pytest.fail("trained"))
    monkeypatch.setattr(frozen_teacher, "load_teacher", lambda *_, **__: pytest.fail("loaded a teacher"))
    train, test, replaced, changes, message = WRONG[name]
    chosen = settings(own(tmp_path, train, test, **replaced), **changes)
    with pytest.raises(InputError, match=message):
        Study("own", chosen, tmp_path / "runs").compute()
    assert not list((tmp_path / "runs").glob("*")) if (tmp_path / "runs").exists() else True
    need = next(need for need in examine(chosen) if need.name == "images")
    assert need.status == "missing"
    with pytest.raises(InputError, match=message):
        raise InputError(need.words)


RIGHT: dict[str, tuple[list[int], list[int], dict[str, Any]]] = {
    "every control": ([20] * 4, [9] * 4, {"controls": list(CONTROLS)}),
    "classes of many sizes": ([20, 30, 40, 50], [3, 9, 20, 2], {"controls": ["classes", "estimators"]}),
    "classes that nobody has": ([20, 20, 0, 20], [9, 9, 0, 9], {}),
    "fewer test images than classes": ([20] * 4, [9] * 4, {"test_limit": 3}),
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_can_make_tables_is_let_through(name: str, tmp_path: Path) -> None:
    train, test, changes = RIGHT[name]
    chosen = settings(own(tmp_path, train, test), **changes)
    suitability.check_beforehand(chosen, suitability.census(chosen))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test_limit": 1}, "1 images in the test split"),
        ({"test_limit": 9, "controls": ["estimators"]}, "needs at least 10 test images, not 9"),
        ({"dataset": "scenes100", "train_limit": 99, "controls": ["classes"]}, "train split has none of class '99'"),
        ({"train_limit": 39}, "39 training images do not fill one batch of 40"),
    ],
)
def test_images_that_are_drawn_are_counted_and_not_drawn(
    changes: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suitability.datasets.scenes, "generate", lambda *_, **__: pytest.fail("drew"))
    chosen = settings(**({"dataset": "scenes", "train_limit": 128, "test_limit": 160} | changes))
    with pytest.raises(InputError, match=message):
        suitability.check_beforehand(chosen, suitability.census(chosen))


def test_other_images_are_looked_at_before_the_first_student(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trained_students, "distil", lambda *_, **__: pytest.fail("trained"))
    other = own(tmp_path, [20] * 4, [9, 9, 9, 0])
    wrong = {
        "the test split has no images of class 'dog'": {"other_datasets": [other]},
        "cifar10 is missing: .*; download is false": {"other_datasets": ["cifar10"], "dataset_root": tmp_path},
    }
    for message, changes in wrong.items():
        limits = {"train_limit": 40, "test_limit": 20, "download": False}
        with pytest.raises(InputError, match=message):
            Study("own", settings("scenes", **limits, **changes), tmp_path / "runs").compute()
