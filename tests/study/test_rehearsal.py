"""The time that a run takes: sums that can be done by hand, a clock that is known, and a run beside its forecast."""

import time
from functools import partial
from pathlib import Path

import pytest
import torch
from conftest import SMALL
from hypothesis import given
from hypothesis import strategies as st

from asymdistill.config.profiles import load_settings
from asymdistill.models.teachers import load_teacher
from asymdistill.study import rehearsal
from asymdistill.study.forecast import Plan
from asymdistill.study.rehearsal import Rates, makespan
from asymdistill.study.study import Study

pytestmark = pytest.mark.usefixtures("one_thread")


def plan_of(teacher_file: Path, **overrides: object) -> Plan:
    settings = load_settings("smoke", SMALL | overrides)[1]
    images = settings.train_limit, settings.test_limit
    return Plan(settings, torch.device("cpu"), *images, 32, 10, load_teacher("embedded", weights=teacher_file))


# Adding up


@pytest.mark.parametrize(
    ("costs", "workers", "expected"),
    [([], 2, 0), ([3], 2, 3), ([1, 1, 1], 1, 3), ([1, 1, 1], 2, 2), ([2, 3, 4, 5], 2, 7), ([1, 1, 8], 3, 8)],
)
def test_a_makespan_by_hand(costs: list[float], workers: int, expected: float) -> None:
    assert makespan(costs, workers) == expected


@given(costs=st.lists(st.floats(0, 100), max_size=20), workers=st.integers(1, 6))
def test_a_makespan_lies_between_the_even_share_and_all(costs: list[float], workers: int) -> None:
    total = sum(costs)
    assert max(total / workers, max(costs, default=0)) <= makespan(costs, workers) + 1e-9
    assert makespan(costs, workers) <= total / workers + max(costs, default=0) + 1e-9


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every image takes a student 1 s to train on and 0.1 s to encode, the teacher 10 s; a probe 2 s, a rank 3 s."""
    monkeypatch.setattr(rehearsal, "_rehearse", lambda plan, arm: Rates(train=1.0, encode=0.1))
    monkeypatch.setattr(rehearsal, "_rate", lambda work, batch: 10.0)
    monkeypatch.setattr(rehearsal, "_probe", lambda plan: 2.0)
    monkeypatch.setattr(rehearsal, "_rank", lambda plan: 3.0)
    monkeypatch.setattr(rehearsal, "_drawing", lambda: 0.5)


def test_the_parts_of_a_run_by_hand(known: None, teacher_file: Path) -> None:
    # 128 images in batches of 40 are 3 steps; 2 epochs; 4 students and an augmented one; 160 test images; one noise
    # level in two spaces.
    parts = rehearsal.seconds(plan_of(teacher_file, workers=1))
    assert parts["images"] == pytest.approx(288 * 0.5)
    assert parts["teacher"] == pytest.approx(288 * 10)
    assert parts["students"] == pytest.approx(5 * 2 * 120 * 1.0 + 2 * 120 * 10)
    assert parts["evaluation"] == pytest.approx(2 * 160 * 10 + 2 + 5 * ((128 + 3 * 160) * 0.1 + 2))
    assert parts["tables"] == pytest.approx(rehearsal.RANKS * 3 * 5)


def test_the_work_is_shared_among_the_workers(known: None, teacher_file: Path) -> None:
    parts = rehearsal.seconds(plan_of(teacher_file, workers=2))
    assert parts["teacher"] == pytest.approx(288 * 10 / 2)
    assert parts["students"] == pytest.approx(2 * 120 * 11)  # the augmented one takes longer than all others
    assert parts["evaluation"] == pytest.approx(2 * 160 * 10 + 2)  # and the teacher longer than all students


def test_epochs_and_controls_count(known: None, teacher_file: Path) -> None:
    def students(**overrides: object) -> float:
        return rehearsal.seconds(plan_of(teacher_file, workers=1, augmentation_seeds=0, **overrides))["students"]

    assert students(epochs=6) == pytest.approx(3 * students())
    # Two schedules and two seeds, three steps an epoch, and a look after each of the first three epochs and the fifth.
    longer = students(controls=["underfitting"], control_epochs=5) - students()
    assert longer == pytest.approx(4 * (5 * 120 * 1.0 + 4 * 288 * 0.1))
    with_bootstrap = rehearsal.seconds(plan_of(teacher_file, workers=1, controls=["estimators"]))["tables"]
    assert with_bootstrap == pytest.approx((rehearsal.RANKS + rehearsal.RESAMPLES) * 3 * 5)


def test_objectives_and_comparisons_count_with_their_batches_and_views(known: None, teacher_file: Path) -> None:
    def parts(**overrides: object) -> dict[str, float]:
        one = {"workers": 1, "augmentation_seeds": 0, "widths": [1], "seeds": [42]}
        return rehearsal.seconds(plan_of(teacher_file, **(one | overrides)))

    plain, both, views = (
        parts(objectives=chosen) for chosen in (["cosine"], ["cosine", "infonce"], ["cosine", "views"])
    )
    assert plain["students"] == pytest.approx(2 * 120 * 1.0)
    assert both["students"] == pytest.approx(2 * plain["students"])
    assert views["students"] == pytest.approx(3 * plain["students"])  # its second view doubles a step
    assert both["tables"] == pytest.approx(plain["tables"] * 3 / 2)
    # of 128 images there are 4 whole batches of 32 and one of 100
    batches = {"sweeps": ["batch_size"], "objectives": ["cosine", "infonce"], "batch_sizes": [32, 100]}
    assert parts(**batches)["students"] == pytest.approx(2 * 2 * (120 + 128 + 100))


# Measuring


def clock(monkeypatch: pytest.MonkeyPatch, seconds: object) -> list[int]:
    """Let some work on ``n`` images take ``seconds(n)``; returns how many images it was done on."""
    done: list[int] = []

    def timed(work: partial[None]) -> float:
        done.append(work.args[0])
        return seconds(work.args[0])  # type: ignore[operator]

    monkeypatch.setattr(rehearsal, "_timed", timed)
    return done


def test_a_rate_is_that_of_whole_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    done = clock(monkeypatch, lambda images: 0.2 + 0.02 * images)
    assert rehearsal._rate(lambda images: None, 64) == pytest.approx(0.2 / 64 + 0.02)
    assert done == [2, 8]


def test_fast_work_is_timed_on_more_images_and_slow_work_once(monkeypatch: pytest.MonkeyPatch) -> None:
    done = clock(monkeypatch, lambda images: 0.001 * images)
    assert rehearsal._rate(lambda images: None, 64) == pytest.approx(0.001)
    assert done == [2, 8, 32, 128, 512]
    done = clock(monkeypatch, lambda images: 3.0 * images)
    assert rehearsal._rate(lambda images: None, 64) == pytest.approx(3.0)
    assert done == [2]
    done = clock(monkeypatch, lambda images: 0.0)
    assert rehearsal._rate(lambda images: None, 64) == 0
    assert done[-1] == rehearsal.MOST


def test_a_wait_is_measured() -> None:
    assert 0.05 <= rehearsal._timed(lambda: time.sleep(0.05)) < 1


def test_a_rehearsal_leaves_the_generator_and_the_teacher_as_they_were(
    teacher_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal, "ENOUGH", 0.001)
    plan = plan_of(teacher_file, workers=2, controls=["capacity"])
    before, weights = torch.get_rng_state(), plan.teacher.state_dict()
    copies = {name: tensor.clone() for name, tensor in weights.items()}
    parts = rehearsal.seconds(plan)
    assert all(seconds > 0 for seconds in parts.values())
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(tensor, copies[name]) for name, tensor in weights.items())


@pytest.mark.slow
def test_the_forecast_of_a_run_comes_near_the_run(teacher_file: Path, tmp_path: Path) -> None:
    overrides = SMALL | {"train_limit": 640, "epochs": 3, "workers": 1, "teacher_weights": teacher_file}
    expected = sum(rehearsal.seconds(plan_of(teacher_file, **overrides)).values())
    start = time.perf_counter()
    Study.from_profile("smoke", runs_dir=tmp_path, **overrides).compute()
    taken = time.perf_counter() - start
    assert taken / 5 < expected < 5 * taken
