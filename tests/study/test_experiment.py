"""Experiments: what is stored is not computed again, what is lost comes back bit for bit, whatever happened."""

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SMALL, make_teacher

from asymdistill.config.profiles import load_settings
from asymdistill.data.views import GaussianNoise, embed
from asymdistill.models import students
from asymdistill.runtime.errors import InputError
from asymdistill.store.files import DamagedFileWarning
from asymdistill.study import experiment, student_configs
from asymdistill.study import run as run_module
from asymdistill.study.experiment import Experiment
from asymdistill.study.student_configs import Arm
from asymdistill.study.study import Study
from asymdistill.training import losses
from asymdistill.training.distillation import Recipe, distil

pytestmark = pytest.mark.usefixtures("one_thread")

NAMES = ["w0.5-s123-cosine", "w0.5-s42-cosine", "w1-s123-cosine", "w1-s42-cosine", "w1-s42-cosine-augmented"]


def digests(folder: Path) -> dict[str, bytes]:
    """Content of every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def stamps(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


@pytest.fixture
def copied(small_study: Study, tmp_path: Path) -> Study:
    """A finished study of one's own, to be damaged."""
    shutil.copytree(small_study.folder, tmp_path / small_study.folder.name)
    return Study(small_study.profile, small_study.settings, tmp_path)


def test_names_of_students() -> None:
    assert Arm(1.0, 42).name == "w1-s42-cosine"
    assert Arm(0.5, 7, "infonce", augmented=True).name == "w0.5-s7-infonce-augmented"


def test_the_grid_and_its_augmented_students() -> None:
    settings = load_settings("embedded", {"augmentation_seeds": 2, "device": "cpu"})[1]
    run = Experiment("embedded", settings, "nowhere")
    assert run.arms() == [Arm(w, s) for w in (1, 2, 4) for s in (42, 123, 456)]
    assert run.grid() == [*run.arms(), *(Arm(arm.width, arm.seed, "infonce") for arm in run.arms())]
    assert run.augmented_arms() == [Arm(4, 42, augmented=True), Arm(4, 123, augmented=True)]


def test_a_finished_run_holds_what_it_should_and_nothing_else(small_study: Study) -> None:
    tables = ["alignment", "augmentation", "expansion-gains", "information", "models", "robustness", "singular_values"]
    tables += ["spectrum", "training"]
    files = ["manifest.json", "teacher/test.safetensors", "teacher/train.safetensors"]
    files += [f"students/{name}.safetensors" for name in NAMES] + [f"tables/{name}.csv" for name in tables]
    expected = sorted([*files, *(f"{name}.sha256" for name in files)])
    assert sorted(digests(small_study.folder)) == expected
    assert [entry.name for entry in small_study.folder.parent.iterdir()] == [small_study.folder.name]


def test_the_manifest_says_what_made_the_run(small_study: Study) -> None:
    record = json.loads((small_study.folder / "manifest.json").read_text())
    assert record["run"] == small_study.folder.name
    assert record["profile"] == "smoke"
    assert record["settings"]["epochs"] == SMALL["epochs"]
    assert "workers" not in record["settings"]
    assert record["versions"]["torch"]
    assert {"teacher embeddings", "train students", "table spectrum"} <= record["seconds"].keys()
    assert all(seconds >= 0 for seconds in record["seconds"].values())


def test_seconds_of_a_step_leave_out_those_of_the_steps_within(copied: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(run_module.time, "perf_counter", lambda: now[0])
    run = copied.experiment
    with run.timed("outer"):
        now[0] += 1
        for _ in range(2):
            with run.timed("inner"):
                now[0] += 10
        now[0] += 2
    with suppress(ZeroDivisionError), run.timed("outer"), run.timed("inner"):
        now[0] += 100
        raise ZeroDivisionError
    with run.timed("outer"):
        now[0] += 4
    seconds = run.manifest()["seconds"]
    assert (seconds["outer"], seconds["inner"]) == (7, 20)


def test_students_are_those_that_training_alone_gives(small_study: Study) -> None:
    run = small_study.experiment
    for arm in (Arm(0.5, 123), Arm(1, 42, augmented=True)):
        recipe = Recipe(epochs=2, batch_size=40)
        student = students.build(arm.width, 128, arm.seed)
        targets = run.teacher.encode if arm.augmented else run.encode(None, "train")
        result = distil(student, run.train.images, targets, run.view(arm), recipe, seed=arm.seed)
        stored = run.student(arm)
        assert not stored.training
        for name, tensor in result.student.state_dict().items():
            assert torch.equal(stored.state_dict()[name], tensor), name
        assert run.losses(arm) == result.losses


@pytest.mark.parametrize("objective", student_configs.ALTERNATIVES)
def test_students_of_every_objective_are_those_that_training_alone_gives(expanded_study: Study, objective: str) -> None:
    run, arm = expanded_study.experiment, Arm(0.5, 42, objective)
    targets = run.encode(None, "train")
    loss = {
        "cosine": losses.cosine_distance,
        "infonce": losses.DistillationLoss(1.0, 0.1),
        "views": losses.DistillationLoss(1.0, 0.1, "views"),
        "vicreg": losses.RegularisedLoss(losses.variance_and_covariance, 1.0),
        "uniformity": losses.RegularisedLoss(losses.uniformity, 1.0),
        "whitened": losses.cosine_distance,
    }[objective]
    recipe = Recipe(epochs=1, batch_size=40, objective=loss)
    targets = losses.whitened(targets) if objective == "whitened" else targets
    result = distil(students.build(0.5, 128, 42), run.train.images, targets, run.view(arm), recipe, seed=42)
    stored = run.student(arm).state_dict()
    assert all(torch.equal(stored[name], tensor) for name, tensor in result.student.state_dict().items())
    assert run.losses(arm) == result.losses


def test_a_students_own_weight_temperature_and_batch_size_are_trained_with(expanded_study: Study) -> None:
    run = expanded_study.experiment
    own = {
        Arm(0.5, 123, "infonce", weight=10.0): (losses.DistillationLoss(10.0, 0.1), 40),
        Arm(0.5, 123, "infonce", temperature=1.0): (losses.DistillationLoss(1.0, 1.0), 40),
        Arm(0.5, 123, "infonce", batch_size=32): (losses.DistillationLoss(1.0, 0.1), 32),
        Arm(0.5, 123, "cosine", batch_size=32): (losses.cosine_distance, 32),
    }
    for arm, (loss, size) in own.items():
        recipe, targets = Recipe(epochs=1, batch_size=size, objective=loss), run.encode(None, "train")
        result = distil(students.build(0.5, 128, 123), run.train.images, targets, run.view(arm), recipe, seed=123)
        assert run.losses(arm) == result.losses, arm.name


def test_controls_are_about_the_first_of_several_objectives(teacher_file: Path, tmp_path: Path) -> None:
    overrides = SMALL | {"teacher_weights": teacher_file, "objectives": ["views", "cosine"]}
    run = Experiment("smoke", load_settings("smoke", overrides)[1], tmp_path)
    assert run.arms() == [Arm(width, seed, "views") for width in (0.5, 1) for seed in (42, 123)]
    assert run.grid() == [*run.arms(), *(Arm(width, seed) for width in (0.5, 1) for seed in (42, 123))]
    assert run.augmented_arms() == [Arm(1, 42, "views", augmented=True)]


def test_embeddings_are_those_of_the_models(small_study: Study) -> None:
    run = small_study.experiment
    arm = Arm(1, 42)
    teacher = run.teacher.encode(run.test.images)
    assert torch.allclose(run.encode(None, "test"), teacher, atol=1e-5)
    own = embed(run.student(arm), run.test.images, run.view(arm))
    assert torch.equal(run.encode(arm, "test"), own)
    assert torch.equal(run.encode(arm, "test", GaussianNoise(0.0, "pixel")), own)
    noise = GaussianNoise(0.2, "pixel", 3)
    noisy = run.encode(arm, "test", noise)
    assert torch.equal(noisy, embed(run.student(arm), run.test.images, run.view(arm), noise=noise))
    assert not torch.equal(noisy, own)
    assert len(run.encode(arm, "train")) == SMALL["train_limit"]


def test_a_student_sees_its_own_resolution_with_the_teachers_normalisation(teacher_file: Path, tmp_path: Path) -> None:
    settings = load_settings("smoke", {"teacher_weights": teacher_file, "resolution": 24, "device": "cpu"})[1]
    run = Experiment("smoke", settings, tmp_path)
    seen = run.view(run.arms()[0])
    assert seen.resolution == 24
    assert run.teacher.view.resolution == 32
    assert (seen.mean, seen.std) == (run.teacher.view.mean, run.teacher.view.std)


def test_what_is_stored_is_not_computed_again(copied: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digests(copied.folder)
    for name in ("distil", "embed"):
        monkeypatch.setattr(experiment, name, lambda *_, **__: pytest.fail("computed again"))
    copied.compute()
    copied.experiment.train_students()
    assert digests(copied.folder) == before


def delete(path: Path) -> None:
    path.unlink()


def delete_both(path: Path) -> None:
    path.unlink()
    path.with_name(path.name + ".sha256").unlink()


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


@pytest.mark.parametrize("harm", [delete, delete_both, damage])
@pytest.mark.parametrize("name", ["w0.5-s42-cosine", "w1-s42-cosine-augmented"])
@pytest.mark.filterwarnings("ignore::asymdistill.store.files.DamagedFileWarning")
def test_a_lost_student_is_trained_again_alone_and_comes_out_the_same(copied: Study, harm, name: str) -> None:
    folder = copied.folder / "students"
    lost = folder / f"{name}.safetensors"
    content, before = lost.read_bytes(), stamps(folder)
    harm(lost)
    copied.experiment.train_students()
    assert lost.read_bytes() == content
    after = stamps(folder)
    changed = {file for file in before if before[file] != after[file]}
    assert changed == {lost.name, f"{lost.name}.sha256"}
    assert before.keys() == after.keys()


def test_damaged_teacher_embeddings_are_computed_again(copied: Study) -> None:
    path = copied.folder / "teacher" / "test.safetensors"
    expected = copied.experiment.encode(None, "test")
    damage(path)
    fresh = Study(copied.profile, copied.settings, copied.folder.parent).experiment
    with pytest.warns(DamagedFileWarning, match=r"test\.safetensors is damaged"):
        again = fresh.encode(None, "test")
    assert torch.allclose(again, expected, atol=1e-5)
    assert not torch.equal(again, torch.zeros_like(again))


def test_a_damaged_manifest_is_begun_again(copied: Study) -> None:
    damage_one = copied.folder / "manifest.json"
    damage_one.write_text("{")
    with pytest.warns(DamagedFileWarning), copied.experiment.timed("more"):
        pass
    assert copied.experiment.manifest()["seconds"].keys() == {"more"}


def test_a_student_that_is_none_of_the_grid_is_an_error(copied: Study) -> None:
    with pytest.raises(KeyError, match="none of this experiment's students"):
        copied.experiment.student(Arm(3, 42))


def test_one_worker_and_two_give_the_same_students(small_study: Study, tmp_path: Path) -> None:
    contents = []
    for workers in (1, 2):
        settings = small_study.settings.model_copy(update={"workers": workers})
        run = Experiment("smoke", settings, tmp_path / str(workers))
        shutil.copytree(small_study.folder / "teacher", run.folder / "teacher")
        run.train_students()
        contents.append(digests(run.folder / "students"))
    assert contents[0] == contents[1] == digests(small_study.folder / "students")


KILLER = """
import os, signal, sys
from asymdistill import cli, experiment

number, after, arguments = getattr(signal, sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
distil, steps = experiment.distil, []

def deadly(*positional, progress, **named):
    def step(done):
        progress(done)
        steps.append(done)
        if len(steps) == after:
            os.kill(os.getpid(), number)
    return distil(*positional, progress=step, **named)

experiment.distil = deadly
sys.exit(cli.main(arguments))
"""


def run_and_kill(kind: str, after: int, runs: Path, study: Study) -> subprocess.CompletedProcess[str]:
    values = {**SMALL, "teacher_weights": str(study.settings.teacher_weights), "workers": 1}
    words = [word for key, value in values.items() for word in ("--set", f"{key}={json.dumps(value)}")]
    command = [sys.executable, "-c", KILLER, kind, str(after), "run", "-p", "smoke", "--out", str(runs), *words]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)


@pytest.mark.slow
def test_a_run_killed_in_mid_training_goes_on_to_the_same_end(small_study: Study, tmp_path: Path) -> None:
    # Two epochs of three steps each: the eighth step is one of the second student's.
    done = run_and_kill("SIGKILL", 8, tmp_path, small_study)
    assert done.returncode == -signal.SIGKILL
    folder = tmp_path / small_study.folder.name
    assert len(list((folder / "students").glob("*.safetensors"))) == 1
    resumed = Study(small_study.profile, small_study.settings, tmp_path)
    tables = resumed.compute()
    assert digests(folder / "students") == digests(small_study.folder / "students")
    for name, table in small_study.compute().items():
        assert table.equals(tables[name]) or np.allclose(
            table.select_dtypes("number").astype(float), tables[name].select_dtypes("number").astype(float),
            atol=1e-4, equal_nan=True,
        )  # fmt: skip
    assert not [path for path in folder.rglob("*") if path.name.startswith(".")]


@pytest.mark.slow
def test_an_interrupt_is_one_line_and_what_is_done_is_kept(small_study: Study, tmp_path: Path) -> None:
    done = run_and_kill("SIGINT", 8, tmp_path, small_study)
    assert done.returncode == 130
    assert done.stderr.strip() == "asymdistill: interrupted; the same command goes on from what is stored"
    folder = tmp_path / small_study.folder.name
    stored = digests(folder / "students")
    assert len(stored) == 2
    assert stored.items() <= digests(small_study.folder / "students").items()
    assert not [path for path in folder.rglob("*") if path.name.endswith(".tmp")]


def test_a_student_that_fails_stops_the_others_and_leaves_no_file(
    teacher_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiment, "distil", lambda *_, **__: 1 / 0)
    study = Study.from_profile("smoke", runs_dir=tmp_path, teacher_weights=teacher_file, **SMALL)
    with pytest.raises(ZeroDivisionError):
        study.compute()
    assert not (study.folder / "students").exists()
    assert torch.get_num_threads() == 1


def test_different_settings_have_different_folders(small_study: Study, tmp_path: Path) -> None:
    other_teacher = make_teacher(tmp_path / "other.safetensors", seed=1)
    runs = small_study.folder.parent
    base = {**SMALL, "teacher_weights": small_study.settings.teacher_weights}
    same = Study.from_profile("smoke", runs_dir=runs, **base, workers=2, description="other words")
    folders = {
        Study.from_profile("smoke", runs_dir=runs, **(base | change)).folder
        for change in ({"epochs": 3}, {"seeds": [42]}, {"teacher_weights": other_teacher})
    }
    assert same.folder == small_study.folder
    assert len(folders | {small_study.folder}) == 4


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
def test_bad_input_is_found_before_anything_is_written(name: str, teacher_file: Path, tmp_path: Path) -> None:
    overrides = {**SMALL, "teacher_weights": teacher_file, **bad_inputs(tmp_path)[name]}
    runs = tmp_path / "runs"
    with pytest.raises(InputError):
        Study.from_profile("smoke", runs_dir=runs, **overrides).compute()
    assert not runs.exists()
