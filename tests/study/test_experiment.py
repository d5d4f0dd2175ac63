"""Experiments: what is stored is not computed again, what is lost comes back bit for bit, whatever happened."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from command_line import ENVIRONMENT, words_for
from conftest import SMALL
from damages import cut, empty, flip, folder_instead
from safetensors.torch import save_file

from asymdistill import cli
from asymdistill.config.profiles import load_settings
from asymdistill.data.preprocess import IMAGENET_MEAN, IMAGENET_STD
from asymdistill.data.views import GaussianNoise, View
from asymdistill.models import students
from asymdistill.models.encoding import embed
from asymdistill.runtime.errors import InputError
from asymdistill.store.files import DamagedFileWarning
from asymdistill.study import experiment
from asymdistill.study.experiment import Experiment
from asymdistill.study.student_configs import ALTERNATIVES, StudentConfig
from asymdistill.study.study import Study
from asymdistill.training import losses
from asymdistill.training.distillation import Diverged, Recipe, distil

Open = Callable[..., Experiment]
# One student of six epochs of three steps each.
ALONE = SMALL | {"widths": [0.5], "seeds": [42], "epochs": 6, "augmentation_seeds": 0, "workers": 1}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def open_run(teacher_file: Path, runs: Path) -> Open:
    """An experiment with the settings of one student, but for what is named; each call is another process's."""

    def open_run(**changes: Any) -> Experiment:
        return Experiment(load_settings("smoke", ALONE | {"teacher_weights": teacher_file} | changes)[1], runs)

    return open_run


@pytest.fixture
def copied(small_study: Study, runs: Path) -> Experiment:
    """The small study's experiment, on a copy of its store."""
    shutil.copytree(small_study.folder.parent / "store", runs / "store")
    return Experiment(small_study.settings, runs)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but for locks."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def weights_of(run: Experiment, config: StudentConfig) -> bytes:
    return run.store.path(run.student_artifact(config), ".safetensors").read_bytes()


# What is computed


def test_a_finished_study_stores_what_it_should_and_nothing_else(small_study: Study) -> None:
    runs = small_study.folder.parent
    assert {path.name for path in runs.iterdir()} == {"store", small_study.folder.name}
    kinds = Counter((Path(name).parts[0], Path(name).suffix) for name in contents(runs / "store"))
    measured = kinds.pop(("measurements", ".json"))
    assert measured == small_study.counts()["measurements"][1]
    expected = {"students": 5, "embeddings": 4, "probes": 6}  # embeddings: clean of two splits, noise in two spaces
    both = (".json", ".safetensors")
    assert kinds == {(kind, suffix): number for kind, number in expected.items() for suffix in both}


def test_students_are_those_that_training_alone_gives(small_study: Study) -> None:
    run = small_study._run
    plain = next(config for config in run.configs.grid() if (config.width, config.seed) == (0.5, 123))
    for config in (plain, run.configs.augmented()[0]):
        student = students.build(config.design, 128, config.seed)
        targets = run.teacher.encode if config.augmented else run.encode(None, "train")
        recipe = Recipe(epochs=2, batch_size=40)
        result = distil(student, run.train.images, targets, run.view(config), recipe, seed=config.seed)
        stored = run.student(config)
        assert not stored.training
        for name, tensor in result.student.state_dict().items():
            assert torch.equal(stored.state_dict()[name], tensor), name
        assert run.losses(config) == result.losses


LOSSES = {
    "cosine": losses.cosine_distance,
    "infonce": losses.DistillationLoss(1.0, 0.1),
    "views": losses.DistillationLoss(1.0, 0.1, "views"),
    "vicreg": losses.RegularisedLoss(losses.variance_and_covariance, 1.0),
    "uniformity": losses.RegularisedLoss(losses.uniformity, 1.0),
    "whitened": losses.cosine_distance,
    "centred": losses.cosine_distance,
}
TARGETS = {"whitened": losses.whitened, "centred": losses.centred}


def test_a_student_is_trained_for_what_its_config_says(open_run: Open) -> None:
    run = open_run(epochs=1)
    make = run.configs.make
    wanted = {make(0.5, 42, objective): loss for objective, loss in LOSSES.items()} | {
        make(0.5, 42, "infonce", weight=10.0): losses.DistillationLoss(10.0, 0.1),
        make(0.5, 42, "infonce", temperature=1.0): losses.DistillationLoss(1.0, 1.0),
        make(0.5, 42, "infonce", symmetric=True): losses.DistillationLoss(1.0, 0.1, symmetric=True),
        make(0.5, 42, "cosine", batch_size=32): losses.cosine_distance,
        make(0.5, 42, "cosine", learning_rate=1e-2): losses.cosine_distance,
    }
    assert set(ALTERNATIVES) <= {config.objective for config in wanted}
    run.train_students([*wanted])
    targets = run.encode(None, "train")
    found = set()
    for config, loss in wanted.items():
        recipe = Recipe(1, config.batch_size, config.learning_rate, loss)
        own = TARGETS[config.objective](targets) if config.objective in TARGETS else targets
        result = distil(
            students.build(students.Design(0.5), 128, 42), run.train.images, own, run.view(config), recipe, seed=42
        )
        stored = run.student(config).state_dict()
        assert all(torch.equal(stored[name], tensor) for name, tensor in result.student.state_dict().items()), config
        assert run.losses(config) == result.losses
        found.add(weights_of(run, config))
    assert len(found) == len(wanted)


def test_embeddings_are_those_of_the_models(small_study: Study) -> None:
    run = small_study._run
    config = run.configs.grid()[-1]
    assert torch.allclose(run.encode(None, "test"), run.teacher.encode(run.test.images), atol=1e-5)
    own = embed(run.student(config), run.test.images, run.view(config))
    assert torch.equal(run.encode(config, "test"), own)
    assert torch.equal(run.encode(config, "test", GaussianNoise(0.0, "pixel")), own)
    noise = GaussianNoise(0.2, "pixel", 3)
    noisy = run.encode(config, "test", noise)
    assert torch.equal(noisy, embed(run.student(config), run.test.images, run.view(config), noise=noise))
    assert not torch.equal(noisy, own)
    assert len(run.encode(config, "train")) == SMALL["train_limit"]


def test_a_student_sees_its_own_resolution_with_the_teachers_normalisation(open_run: Open) -> None:
    run = open_run(resolution=24)
    seen = run.view(run.configs.grid()[0])
    assert seen.resolution == 24
    assert run.teacher.view.resolution == 32
    assert (seen.mean, seen.std) == (run.teacher.view.mean, run.teacher.view.std)


TIMM = "timm:test_efficientnet.r160_in1k"


@pytest.fixture
def cropping(tmp_path: Path) -> dict[str, Any]:
    """A teacher that was published for 160 x 160 pixels, cropped."""
    torch.manual_seed(0)
    state = timm.create_model(TIMM.removeprefix("timm:"), pretrained=False).state_dict()
    save_file(state, tmp_path / "cropping.safetensors")
    return {"teacher": TIMM, "teacher_weights": tmp_path / "cropping.safetensors"}


def test_a_teacher_sees_what_its_library_published_and_a_student_the_whole_picture(
    open_run: Open, cropping: dict[str, Any]
) -> None:
    run = open_run(**cropping)
    student = run.view(run.configs.grid()[0])
    assert run.view(None) == run.teacher.view == View(160, IMAGENET_MEAN, IMAGENET_STD, crop=0.95)
    assert student == View(160, IMAGENET_MEAN, IMAGENET_STD)
    changed = open_run(**cropping, teacher_resolution=64, teacher_crop=False)
    assert changed.teacher.view == changed.view(None) == View(64, IMAGENET_MEAN, IMAGENET_STD)
    assert changed.configs.grid()[0].resolution == 64


def test_what_a_teacher_sees_names_its_embeddings(open_run: Open, cropping: dict[str, Any]) -> None:
    changes: list[dict[str, Any]] = [{}, {"teacher_resolution": 64}, {"teacher_crop": False}]
    runs = [open_run(**cropping, **changed) for changed in changes]
    assert len({run.model_artifact(None, "test").key for run in runs}) == 3
    assert len({run.student_artifact(run.configs.make(0.5, 42, "cosine", resolution=32)).key for run in runs}) == 3
    # What is asked for otherwise and comes to the same is the same.
    same = open_run(**cropping, teacher_resolution=160)
    assert same.model_artifact(None, "test").key == runs[0].model_artifact(None, "test").key
    own = [
        open_run(teacher="scenes-clip", teacher_crop=crop).model_artifact(None, "test").key for crop in (True, False)
    ]
    assert own[0] == own[1]


def test_a_teacher_that_cannot_see_images_as_asked_is_refused_at_once(open_run: Open) -> None:
    with pytest.raises(InputError, match="teacher_resolution is 64; teacher 'scenes-clip' allows 32 only"):
        open_run(teacher="scenes-clip", teacher_resolution=64)


# Once, whoever asks


def test_what_is_stored_is_not_computed_again(copied: Experiment, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(runs)
    for name in ("distil", "embed", "fit_probe", "load_teacher"):
        monkeypatch.setattr(experiment, name, lambda *_, **__: pytest.fail("computed again"))
    copied.train_students(copied.configs.everyone())
    for model in (None, *copied.configs.grid()):
        copied.probe(model)
    copied.teacher_embeddings("train"), copied.teacher_embeddings("test", GaussianNoise(0.2, "pixel"))
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

    for owner, name in ((experiment.datasets, "load"), (experiment, "load_teacher"), (experiment, "fit_probe")):
        counted(owner, name)
    run, other, start = open_run(epochs=1), open_run(epochs=1), threading.Barrier(6, timeout=60)
    student = run.configs.grid()[0]
    probes = []

    def ask(own: Experiment) -> None:
        start.wait()
        own.images("train"), own.images("test"), own.teacher
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


# Lost and damaged


def delete_record(run: Experiment, config: StudentConfig) -> None:
    run.store.path(run.student_artifact(config), ".json").unlink()


def delete_weights(run: Experiment, config: StudentConfig) -> None:
    run.store.path(run.student_artifact(config), ".safetensors").unlink()


def cut_weights(run: Experiment, config: StudentConfig) -> None:
    path = run.store.path(run.student_artifact(config), ".safetensors")
    path.write_bytes(path.read_bytes()[:1000])


@pytest.mark.parametrize("harm", [delete_record, delete_weights, cut_weights])
@pytest.mark.parametrize("number", [0, -1], ids=["plain", "augmented"])
@pytest.mark.filterwarnings("ignore::asymdistill.store.files.DamagedFileWarning")
def test_a_lost_student_is_trained_again_alone_and_comes_out_the_same(
    copied: Experiment, harm: Callable[[Experiment, StudentConfig], None], number: int
) -> None:
    everyone = copied.configs.everyone()
    lost = everyone[number]
    before = weights_of(copied, lost)
    harm(copied, lost)
    copied.train_students(everyone)
    assert weights_of(copied, lost) == before
    assert copied.store.made == {"students": 1}


def test_damaged_teacher_embeddings_are_computed_again(copied: Experiment, small_study: Study) -> None:
    artifact = copied._embeddings_artifact("test", None, None)
    path = copied.store.path(artifact, ".safetensors")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.warns(DamagedFileWarning, match="safetensors is damaged"):
        again = copied.encode(None, "test")
    assert torch.equal(again, small_study._run.encode(None, "test"))


# Interrupted

KILLER = """
import os, signal, sys
from types import SimpleNamespace
from asymdistill import cli
from asymdistill.study import experiment

number, after, arguments = getattr(signal, sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
distil, steps, clock = experiment.distil, [], experiment.time.perf_counter
experiment.time = SimpleNamespace(perf_counter=lambda: clock() * 1000)  # so that its seconds are recognised

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


def run_and_kill(kind: str, after: int, runs: Path, teacher: Path) -> subprocess.CompletedProcess[str]:
    words = ["run", "-p", "smoke", "--out", str(runs), *words_for(ALONE | {"teacher_weights": teacher})]
    code = [sys.executable, "-c", KILLER, kind, str(after)]
    return subprocess.run([*code, *words], capture_output=True, text=True, timeout=300, env=os.environ | ENVIRONMENT)


@contextmanager
def steps_noted(monkeypatch: pytest.MonkeyPatch, stop_after: int | None = None) -> Iterator[list[int]]:
    """The numbers of all steps that are trained within; after so many of them training is interrupted."""
    noted: list[int] = []

    def distil_(*positional: Any, progress: Callable[[int], None], **named: Any) -> Any:
        def step(number: int) -> None:
            progress(number)
            noted.append(number)
            if len(noted) == stop_after:
                raise KeyboardInterrupt

        return distil(*positional, progress=step, **named)

    with monkeypatch.context() as patch:
        patch.setattr(experiment, "distil", distil_)
        yield noted


@pytest.fixture(scope="module")
def undisturbed(teacher_file: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The weights of the one student, trained in one go."""
    settings = load_settings("smoke", ALONE | {"teacher_weights": teacher_file})[1]
    run = Experiment(settings, tmp_path_factory.mktemp("undisturbed"))
    run.train_students(run.configs.grid())
    return weights_of(run, run.configs.grid()[0])


def states(runs: Path) -> list[Path]:
    return list((runs / "store" / "students").rglob("*.state.*"))


@pytest.mark.slow
def test_killed_in_its_fourth_epoch_a_student_goes_on_after_the_third_to_the_same_bytes(
    open_run: Open, undisturbed: bytes, teacher_file: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run_and_kill("SIGKILL", 11, runs, teacher_file)
    assert done.returncode == -signal.SIGKILL
    assert len(states(runs)) == 1
    run = open_run()
    (student,) = run.configs.grid()
    assert run.count_students([student]) == (0, 1)
    before = run._unfinished(run.store.unfinished(run.student_artifact(student)))[1]
    with steps_noted(monkeypatch) as steps:
        run.train_students([student])
    assert steps == list(range(10, 19))
    assert weights_of(run, student) == undisturbed
    record = run.store.record(run.student_artifact(student))
    assert record is not None
    assert record["seconds"] > before > 50  # a thousandfold by the killed process's clock
    assert len(record["value"]["losses"]) == 6
    assert not states(runs)


@pytest.mark.slow
def test_an_interrupt_is_one_line_and_the_epochs_that_are_done_are_kept(
    open_run: Open, undisturbed: bytes, teacher_file: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run_and_kill("SIGINT", 11, runs, teacher_file)
    assert done.returncode == 130
    assert done.stderr.strip() == "asymdistill: interrupted; run the same command again to continue from what is stored"
    assert not [path for path in runs.rglob("*") if path.name.endswith(".tmp")]
    run = open_run()
    with steps_noted(monkeypatch) as steps:
        run.train_students(run.configs.grid())
    assert steps[0] == 10
    assert weights_of(run, run.configs.grid()[0]) == undisturbed


@pytest.mark.parametrize(
    "damage",
    [cut, empty, flip, folder_instead],
)
def test_from_a_damaged_state_training_begins_anew_and_comes_to_the_same_bytes(
    open_run: Open,
    undisturbed: bytes,
    damage: Callable[[Path], None],
    runs: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = open_run()
    (student,) = run.configs.grid()
    with steps_noted(monkeypatch, stop_after=11), pytest.raises(KeyboardInterrupt):
        run.train_students([student])
    (state,) = states(runs)
    damage(state)
    with steps_noted(monkeypatch) as steps, pytest.warns(DamagedFileWarning, match="computing it again"):
        open_run().train_students([student])
    assert steps == list(range(1, 19))
    assert weights_of(run, student) == undisturbed
    assert not states(runs)


def test_every_epoch_that_is_watched_is_kept_whenever_training_was_interrupted(
    open_run: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"controls": ["underfitting"], "control_epochs": 6, "epochs": 4}
    run = open_run(**changes)
    student = run.configs.longer()[0]
    assert run.watched(student) == [1, 2, 3, 4, 5, 6]
    run.train_students([student])
    expected = [run.student(student, epoch).state_dict() for epoch in run.watched(student)]
    shutil.rmtree(run.store.folder)
    for _ in range(2):
        with steps_noted(monkeypatch, stop_after=7), pytest.raises(KeyboardInterrupt):
            open_run(**changes).train_students([student])
    again = open_run(**changes)
    again.train_students([student])
    for epoch, weights in zip(run.watched(student), expected, strict=True):
        found = again.student(student, epoch).state_dict()
        assert all(torch.equal(found[name], tensor) for name, tensor in weights.items())


# Failed


def test_a_diverged_student_is_one_line_and_is_not_stored(
    teacher_file: Path, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = ALONE | {"teacher_weights": teacher_file, "learning_rate": 1e30}
    for _ in range(2):
        assert cli.main(["run", "-p", "smoke", "--out", str(runs), *words_for(values)]) == 2
        out, err = capsys.readouterr()
        assert out == "students: 0 found, 1 to train\n"
        assert err == (
            "asymdistill: error: student w=0.5, seed 42, cosine diverged: at step 2 the loss is nan or the weights are "
            "not finite; learning_rate is 1e+30, try a lower one\n"
        )
        assert {path.parts[0] for path in map(Path, contents(runs / "store"))} == {"embeddings"}


def test_a_student_that_diverges_later_leaves_no_state_to_go_on_from(
    open_run: Open, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverges(*positional: Any, watch: Callable[..., None], **named: Any) -> Any:
        def bad(epoch: int, student: Any) -> None:
            watch(epoch, student)
            if epoch == 3:
                raise Diverged(9, float("nan"), 1e-3)

        return distil(*positional, watch=bad, **named)

    monkeypatch.setattr(experiment, "distil", diverges)
    run = open_run()
    with pytest.raises(InputError, match=r"student w=0\.5, seed 42, cosine diverged: at step 9 the loss is nan"):
        run.train_students(run.configs.grid())
    assert not states(runs)
    assert not contents(runs / "store" / "students")


def test_a_student_that_fails_stops_the_others_and_leaves_no_file(
    open_run: Open, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiment, "distil", lambda *_, **__: 1 / 0)
    run = open_run(seeds=[1, 2, 3], workers=2)
    with pytest.raises(ZeroDivisionError):
        run.train_students(run.configs.grid())
    assert not contents(runs / "store" / "students")
    assert torch.get_num_threads() == 1


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


def test_equal_configs_are_one_student_whoever_asks(small_study: Study) -> None:
    run = small_study._run
    config = run.configs.grid()[0]
    other = StudentConfig(**json.loads(json.dumps(run.student_artifact(config).inputs["config"])))
    assert run.student_artifact(other) == run.student_artifact(config)
    assert run.student_artifact(replace(config, width=config.width + 1e-9)) != run.student_artifact(config)


def test_a_teacher_whose_embeddings_have_no_direction_is_named_before_anything_is_stored(tmp_path: Path) -> None:
    """Enlarged from nothing but black borders, or with weights that are not numbers, an embedding means nothing."""
    own = Experiment(load_settings("smoke", SMALL)[1], tmp_path)
    for value in (0.0, float("nan")):
        own.teacher.encode = lambda images, noise, *, first, value=value: torch.full((len(images), 128), value)
        with pytest.raises(InputError, match=r"'scenes-clip' .* zero or not numbers at 32 x 32 pixels; allowed"):
            own.teacher_embeddings("train")
    assert not list((tmp_path / "store").rglob("*.safetensors"))
