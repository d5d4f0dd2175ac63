"""Values that are computed when they are first asked for, once, whichever thread asks."""

from collections.abc import Callable, Hashable
from threading import Lock, RLock
from typing import Any, TypeVar, cast

Value = TypeVar("Value")


class Memo:
    """A cache in which each key has a lock of its own, so that two threads never compute the same value."""

    def __init__(self) -> None:
        self._values: dict[Hashable, Any] = {}
        self._locks: dict[Hashable, Any] = {}
        self._lock = Lock()

    def __call__(self, key: Hashable, compute: Callable[[], Value]) -> Value:
        """The value of a key; ``compute`` is called by whoever asks first, while others wait."""
        with self._lock:
            own = self._locks.setdefault(key, RLock())
        with own:
            if key not in self._values:
                self._values[key] = compute()
            return cast(Value, self._values[key])
