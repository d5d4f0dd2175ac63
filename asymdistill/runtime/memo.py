"""Values that are computed when they are first asked for, once, whichever thread asks."""

import math
from collections.abc import Callable, Hashable
from threading import Lock, RLock
from typing import Any, TypeVar, cast

Value = TypeVar("Value")


class Memo:
    """A cache in which each key has a lock of its own, so that two threads never compute the same value.

    Args:
        room: sizes of the values that are kept add up to this at most; one that does not fit is computed at each call.
        size: of a value.
    """

    def __init__(self, room: float = math.inf, size: Callable[[Any], int] = lambda _: 0) -> None:
        self._room = room
        self._size = size
        self._values: dict[Hashable, Any] = {}
        self._locks: dict[Hashable, Any] = {}
        self._lock = Lock()

    def __call__(self, key: Hashable, compute: Callable[[], Value]) -> Value:
        """The value of a key; ``compute`` is called by whoever asks first, while others wait."""
        with self._lock:
            own = self._locks.setdefault(key, RLock())
        with own:
            if key in self._values:
                return cast(Value, self._values[key])
            value = compute()
            with self._lock:
                if (size := self._size(value)) <= self._room:
                    self._room -= size
                    self._values[key] = value
            return value
