"""Experiments: embeddings are those of the models, and what is stored is not computed again."""

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import SMALL
from one_student import Open, contents

from asymdistill.data.views import GaussianNoise
from asymdistill.experiment import experiment, frozen_teacher, images, trained_students
from asymdistill.experiment.experiment import Experiment
from asymdistill.models.encoding import embed
from asymdistill.models.folding import folded
from asymdistill.runtime.errors import InputError
from asymdistill.study.study import Study

# What is computed


def test_a_finished_study_stores_what_it_should_and_nothing_else(small_study: Study) -> None:
    runs = small_study.folder.parent
    assert {path.name for path in runs.iterdir()} == {"store", small_study.folder.name}
    kinds = Counter((Path(name).parts[0], Path(name).suffix) for name in contents(runs / "store"))
    measured = kinds.pop(("measurements", ".json"))
    found, made, _ = small_study.counts()["measurements"]
    assert measured == found + made
    expected = {"students": 5, "embeddings": 4, "probes": 6}  # embeddings: clean of two splits, noise in two spaces
    both = (".json", ".safetensors")
    assert kinds == {(kind, suffix): number for kind, number in expected.items() for suffix in both}


def test_embeddings_are_those_of_the_models(small_study: Study) -> None:
    run = small_study._run
    config = run.configs.grid()[-1]
    assert torch.allclose(run.encode(None, "test"), run.teacher.network.encode(run.images.test.images), atol=1e-5)
    network = folded(run.students.network(config))
    own = embed(network, run.images.test.images, run.view(config))
    assert torch.equal(run.encode(config, "test"), own)
    assert torch.equal(run.encode(config, "test", GaussianNoise(0.0, "pixel")), own)
    noise = GaussianNoise(0.2, "pixel", 3)
    noisy = run.encode(config, "test", noise)
    assert torch.equal(noisy, embed(network, run.images.test.images, run.view(config), noise=noise))
    assert not torch.equal(noisy, own)
    assert len(run.encode(config, "train")) == SMALL["train_limit"]


def test_a_student_sees_its_own_resolution_with_the_teachers_normalisation(open_run: Open) -> None:
    run = open_run(resolution=24)
    seen = run.view(run.configs.grid()[0])
    assert seen.resolution == 24
    assert run.teacher.network.view.resolution == 32
    assert (seen.mean, seen.std) == (run.teacher.network.view.mean, run.teacher.network.view.std)


# Once, whoever asks


def test_what_is_stored_is_not_computed_again(copied: Experiment, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(runs)
    made_by = {trained_students: ["distil"], experiment: ["embed", "fit_probe"], frozen_teacher: ["load_teacher"]}
    for module, names in made_by.items():
        for name in names:
            monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("computed again"))
    copied.students.train(copied.configs.everyone())
    for model in (None, *copied.configs.grid()):
        copied.probe(model)
    copied.teacher.embeddings("train"), copied.teacher.embeddings("test", GaussianNoise(0.2, "pixel"))
    assert contents(runs) == before


def test_threads_that_ask_at_once_load_images_and_teacher_once_and_fit_a_probe_once(
    open_run: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: Counter[str] = Counter()

    def counted(owner: Any, name: str) -> None:
        function = getattr(owner, name)

        def call(*positional: Any, **named: Any) -> Any:
            calls[f"{name} {positional[1]}" if name == "load" else name] += 1
            return function(*positional, **named)

        monkeypatch.setattr(owner, name, call)

    for owner, name in ((images.datasets, "load"), (frozen_teacher, "load_teacher"), (experiment, "fit_probe")):
        counted(owner, name)
    run, other, start = open_run(epochs=1), open_run(epochs=1), threading.Barrier(6, timeout=60)
    student = run.configs.grid()[0]
    probes = []

    def ask(own: Experiment) -> None:
        start.wait()
        _ = own.images.train, own.images.test, own.teacher.network
        probes.append(own.probe(student))

    threads = [threading.Thread(target=ask, args=(own,)) for own in (run, run, run, run, other, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(probes) == 6
    # Two experiments are two processes, each with its images and its teacher in memory; the probe is shared.
    assert calls == {"load train": 2, "load test": 2, "load_teacher": 2, "fit_probe": 1}
    assert run.store.made["students"] + other.store.made["students"] == 1
    assert run.store.made["embeddings"] + other.store.made["embeddings"] == 1


# Bad input


def bad_inputs(tmp_path: Path) -> dict[str, dict[str, object]]:
    rng = np.random.default_rng(0)
    arrays = {
        "train_images": rng.integers(0, 256, (60, 32, 32, 3), dtype=np.uint8),
        "train_labels": np.arange(60) % 2,
        "test_images": rng.integers(0, 256, (30, 32, 32, 3), dtype=np.uint8),
        "test_labels": np.arange(30) % 2,
        "classes": np.array(["ant", "bee"]),
    }
    np.savez(tmp_path / "good.npz", **arrays)
    np.savez(tmp_path / "one_class.npz", **(arrays | {"train_labels": np.zeros(60, int)}))
    np.savez(tmp_path / "bad_test.npz", **(arrays | {"test_labels": np.full(30, 9)}))
    good = {"dataset": str(tmp_path / "good.npz"), "train_limit": None, "test_limit": None, "batch_size": 20}
    return {
        "no data": good | {"dataset": str(tmp_path / "none")},
        "a batch that is never full": good | {"batch_size": 61},
        "a batch of a comparison that is never full": good | {"sweeps": ["batch_size"], "batch_sizes": [61]},
        "too few test images": good | {"test_limit": 31},
        "one test image": good | {"test_limit": 1},
        "test labels beyond the classes": good | {"dataset": str(tmp_path / "bad_test.npz")},
        "one class": good | {"dataset": str(tmp_path / "one_class.npz")},
        "a student without channels": good | {"widths": [0.01, 1]},
        "no teacher": good | {"teacher_weights": str(tmp_path / "none.safetensors")},
        "no CIFAR": {"dataset": "cifar10", "dataset_root": str(tmp_path / "root"), "download": False},
        "another architecture": good | {"teacher": "timm:test_vit.r160_in1k"},
    }


BAD = [
    "no data", "a batch that is never full", "a batch of a comparison that is never full", "too few test images",
    "one test image", "test labels beyond the classes", "one class", "a student without channels", "no teacher",
    "no CIFAR", "another architecture",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_found_before_anything_is_written(
    name: str, teacher_file: Path, tmp_path: Path, runs: Path
) -> None:
    overrides = SMALL | {"teacher_weights": teacher_file} | bad_inputs(tmp_path)[name]
    with pytest.raises(InputError):
        Study.open("smoke", overrides, runs).compute()
    assert not runs.exists()
