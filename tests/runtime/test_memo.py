"""Memo: each value is computed once, whichever thread asks, and two values at the same time."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from asymdistill.runtime.memo import Memo

WAIT = 20.0


def test_a_value_is_computed_once_however_many_threads_ask() -> None:
    memo, calls, start = Memo(), [], threading.Barrier(8, timeout=WAIT)

    def compute() -> object:
        calls.append(1)
        time.sleep(0.05)  # long enough for all others to ask meanwhile
        return object()

    def ask(_: int) -> object:
        start.wait()
        return memo("x", compute)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(8)))
    assert len(calls) == 1
    assert len(set(map(id, found))) == 1


def test_another_value_is_computed_meanwhile() -> None:
    memo, both = Memo(), threading.Barrier(2, timeout=WAIT)
    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(lambda key: memo(key, both.wait) in (0, 1), "ab")) == [True, True]


def test_none_is_a_value_like_any_other() -> None:
    memo = Memo()
    assert memo("x", lambda: None) is None
    assert memo("x", lambda: pytest.fail("computed again")) is None


def test_a_value_may_need_another_and_itself_only_once() -> None:
    memo = Memo()
    assert memo("sum", lambda: memo("one", lambda: 1) + memo("two", lambda: 2)) == 3
    assert memo("two", lambda: pytest.fail("computed again")) == 2


def test_what_failed_is_tried_again() -> None:
    memo = Memo()
    with pytest.raises(ZeroDivisionError):
        memo("x", lambda: 1 / 0)
    assert memo("x", lambda: 1) == 1


def test_two_memos_share_nothing() -> None:
    one, other = Memo(), Memo()
    assert (one("x", lambda: 1), other("x", lambda: 2)) == (1, 2)


def test_what_does_not_fit_is_not_kept_and_what_is_kept_stays() -> None:
    memo = Memo(room=5, size=len)
    assert memo("a", lambda: "aaa") == "aaa"
    assert memo("b", lambda: "bbb") == "bbb"  # no room is left for it
    assert memo("c", lambda: "cc") == "cc"
    assert [memo(key, lambda: "new") for key in "abc"] == ["aaa", "new", "cc"]
