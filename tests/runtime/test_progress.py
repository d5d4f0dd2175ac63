"""Progress: a line now and then where no one watches, a bar where someone does, times as a person says them."""

import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asymdistill.runtime import progress
from asymdistill.runtime.progress import Progress, duration


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 00 min"),
        (7800, "2 h 10 min"),
        (90_061, "25 h 01 min"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@given(seconds=st.floats(0, 1e6))
def test_a_duration_is_right_to_its_last_place(seconds: float) -> None:
    units = {"s": 1, "min": 60, "h": 3600}
    words = duration(seconds).split()
    said = sum(int(number) * units[unit] for number, unit in zip(words[::2], words[1::2], strict=True))
    last = units[words[-1]]
    assert abs(said - seconds) <= (0.5 if last == 1 else last)


def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_short_work_says_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    now = clock(monkeypatch)
    with Progress(100, "work") as steps:
        for _ in range(100):
            now[0] += 0.1
            steps.advance()
    assert capsys.readouterr() == ("", "")


def test_long_work_says_now_and_then_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = clock(monkeypatch)
    with Progress(100, "training 3 students") as steps:
        for _ in range(100):
            now[0] += 1
            steps.advance()
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "training 3 students: 15 %, 1 min 25 s left",
        "training 3 students: 30 %, 1 min 10 s left",
        "training 3 students: 45 %, 55 s left",
        "training 3 students: 60 %, 40 s left",
        "training 3 students: 75 %, 25 s left",
        "training 3 students: 90 %, 10 s left",
    ]


def test_work_says_that_it_goes_on_and_how(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    now = clock(monkeypatch)
    with Progress(4, "sweep") as steps:
        for done in range(3):
            now[0] += 20
            steps.advance(min(done, 1), f"{done} done, 2 running")
    assert capsys.readouterr().err.splitlines() == [
        "sweep: 0 %, 0 done, 2 running, unknown time left",
        "sweep: 25 %, 1 done, 2 running, 2 min 00 s left",
        "sweep: 50 %, 2 done, 2 running, 1 min 00 s left",
    ]


def test_what_is_part_of_something_greater_says_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    token = progress.silent.set(True)
    with Progress(10, "some work") as steps:
        steps.advance(10)
    progress.silent.reset(token)
    assert capsys.readouterr().err == ""


def test_steps_are_counted_from_all_threads(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = clock(monkeypatch)
    with Progress(4001, "work") as steps:
        threads = [threading.Thread(target=lambda: [steps.advance() for _ in range(1000)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        now[0] += 60
        steps.advance()
    assert capsys.readouterr().err == "work: 100 %, 0 s left\n"


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Progress(10, "some work") as steps:
        steps.advance(10)
    err = capsys.readouterr().err
    assert "some work" in err
    assert "\r" in err
