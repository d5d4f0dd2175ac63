"""Trained students: each comes out as training alone gives it, bit for bit, whatever happened on the way."""

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import words_for
from damages import cut, empty, flip, folder_instead
from forked import Forked
from one_student import ALONE, Open, contents, weights_of

from asymdistill import cli
from asymdistill.config.profiles import load_settings
from asymdistill.experiment import trained_students
from asymdistill.experiment.experiment import Experiment
from asymdistill.experiment.student_configs import ALTERNATIVES, StudentConfig
from asymdistill.experiment.trained_students import _unfinished
from asymdistill.models import students
from asymdistill.runtime.errors import InputError
from asymdistill.store.files import DamagedFileWarning
from asymdistill.study.study import Study
from asymdistill.training import losses
from asymdistill.training.distillation import Diverged, Recipe, distil


def test_students_are_those_that_training_alone_gives(small_study: Study) -> None:
    run = small_study._run
    plain = next(config for config in run.configs.grid() if (config.width, config.seed) == (0.5, 123))
    for config in (plain, run.configs.augmented()[0]):
        student = students.build(config.design, 128, config.seed)
        targets = run.teacher.network.encode if config.augmented else run.encode(None, "train")
        recipe = Recipe(epochs=2, batch_size=40)
        result = distil(student, run.images.train.images, targets, run.view(config), recipe, seed=config.seed)
        stored = run.students.network(config)
        assert not stored.training
        for name, tensor in result.student.state_dict().items():
            assert torch.equal(stored.state_dict()[name], tensor), name
        assert run.students.losses(config) == result.losses


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
    run.students.train([*wanted])
    targets = run.encode(None, "train")
    found = set()
    for config, loss in wanted.items():
        recipe = Recipe(1, config.batch_size, config.learning_rate, loss)
        own = TARGETS[config.objective](targets) if config.objective in TARGETS else targets
        student = students.build(students.Design(0.5), 128, 42)
        result = distil(student, run.images.train.images, own, run.view(config), recipe, seed=42)
        stored = run.students.network(config).state_dict()
        assert all(torch.equal(stored[name], tensor) for name, tensor in result.student.state_dict().items()), config
        assert run.students.losses(config) == result.losses
        found.add(weights_of(run, config))
    assert len(found) == len(wanted)


def test_equal_configs_are_one_student_whoever_asks(small_study: Study) -> None:
    run = small_study._run
    config = run.configs.grid()[0]
    other = StudentConfig(**json.loads(json.dumps(run.students.artifact(config).inputs["config"])))
    assert run.students.artifact(other) == run.students.artifact(config)
    assert run.students.artifact(replace(config, width=config.width + 1e-9)) != run.students.artifact(config)


# Lost and damaged


def delete_record(run: Experiment, config: StudentConfig) -> None:
    run.store.path(run.students.artifact(config), ".json").unlink()


def delete_weights(run: Experiment, config: StudentConfig) -> None:
    run.store.path(run.students.artifact(config), ".safetensors").unlink()


def cut_weights(run: Experiment, config: StudentConfig) -> None:
    path = run.store.path(run.students.artifact(config), ".safetensors")
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
    copied.students.train(everyone)
    assert weights_of(copied, lost) == before
    assert copied.store.made == {"students": 1}


# Interrupted


KILLER = """
import os, signal
from types import SimpleNamespace
from asymdistill.experiment import trained_students

distil, steps, clock = trained_students.distil, [], trained_students.time.perf_counter
trained_students.time = SimpleNamespace(perf_counter=lambda: clock() * 1000)  # so that its seconds are recognised

def deadly(*positional, progress, **named):
    def step(done):
        progress(done)
        steps.append(done)
        if len(steps) == {after}:
            os.kill(os.getpid(), signal.{kind})
    return distil(*positional, progress=step, **named)

trained_students.distil = deadly
"""


def run_and_kill(kind: str, after: int, runs: Path, teacher: Path) -> tuple[int | None, str]:
    """The exit status of a run that is sent a signal after so many steps, and what it said on standard error."""
    words = ["run", "-p", "smoke", "--out", str(runs), *words_for(ALONE | {"teacher_weights": teacher})]
    process = Forked(words, runs.parent, KILLER.format(kind=kind, after=after))
    _, err = process.communicate()
    return process.returncode, err


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
        patch.setattr(trained_students, "distil", distil_)
        yield noted


@pytest.fixture(scope="module")
def undisturbed(teacher_file: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The weights of the one student, trained in one go."""
    settings = load_settings("smoke", ALONE | {"teacher_weights": teacher_file})[1]
    run = Experiment(settings, tmp_path_factory.mktemp("undisturbed"))
    run.students.train(run.configs.grid())
    return weights_of(run, run.configs.grid()[0])


def states(runs: Path) -> list[Path]:
    return list((runs / "store" / "students").rglob("*.state.*"))


@pytest.mark.slow
def test_killed_in_its_fourth_epoch_a_student_goes_on_after_the_third_to_the_same_bytes(
    open_run: Open, undisturbed: bytes, teacher_file: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, _ = run_and_kill("SIGKILL", 11, runs, teacher_file)
    assert status == -signal.SIGKILL
    assert len(states(runs)) == 1
    run = open_run()
    (student,) = run.configs.grid()
    assert run.students.count([student]) == (0, 1)
    before = _unfinished(run.store.unfinished(run.students.artifact(student)))[1]
    with steps_noted(monkeypatch) as steps:
        run.students.train([student])
    assert steps == list(range(10, 19))
    assert weights_of(run, student) == undisturbed
    record = run.store.record(run.students.artifact(student))
    assert record is not None
    assert record["seconds"] > before > 50  # a thousandfold by the killed process's clock
    assert len(record["value"]["losses"]) == 6
    assert not states(runs)


@pytest.mark.slow
def test_an_interrupt_is_one_line_and_the_epochs_that_are_done_are_kept(
    open_run: Open, undisturbed: bytes, teacher_file: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, err = run_and_kill("SIGINT", 11, runs, teacher_file)
    assert status == 130
    assert err.strip() == "asymdistill: interrupted; run the same command again to continue from what is stored"
    assert not [path for path in runs.rglob("*") if path.name.endswith(".tmp")]
    run = open_run()
    with steps_noted(monkeypatch) as steps:
        run.students.train(run.configs.grid())
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
        run.students.train([student])
    (state,) = states(runs)
    damage(state)
    with steps_noted(monkeypatch) as steps, pytest.warns(DamagedFileWarning, match="computing it again"):
        open_run().students.train([student])
    assert steps == list(range(1, 19))
    assert weights_of(run, student) == undisturbed
    assert not states(runs)


def test_every_epoch_that_is_watched_is_kept_whenever_training_was_interrupted(
    open_run: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"controls": ["underfitting"], "control_epochs": 6, "epochs": 4}
    run = open_run(**changes)
    student = run.configs.longer()[0]
    assert run.students.watched(student) == [1, 2, 3, 4, 5, 6]
    run.students.train([student])
    expected = [run.students.network(student, epoch).state_dict() for epoch in run.students.watched(student)]
    shutil.rmtree(run.store.folder)
    for _ in range(2):
        with steps_noted(monkeypatch, stop_after=7), pytest.raises(KeyboardInterrupt):
            open_run(**changes).students.train([student])
    again = open_run(**changes)
    again.students.train([student])
    for epoch, weights in zip(run.students.watched(student), expected, strict=True):
        found = again.students.network(student, epoch).state_dict()
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

    monkeypatch.setattr(trained_students, "distil", diverges)
    run = open_run()
    with pytest.raises(InputError, match=r"student w=0\.5, seed 42, cosine diverged: at step 9 the loss is nan"):
        run.students.train(run.configs.grid())
    assert not states(runs)
    assert not contents(runs / "store" / "students")


def test_a_student_that_fails_stops_the_others_and_leaves_no_file(
    open_run: Open, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trained_students, "distil", lambda *_, **__: 1 / 0)
    run = open_run(seeds=[1, 2, 3], workers=2)
    with pytest.raises(ZeroDivisionError):
        run.students.train(run.configs.grid())
    assert not contents(runs / "store" / "students")
    assert torch.get_num_threads() == 1
