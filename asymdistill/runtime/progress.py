"""Progress of long work: a bar on a terminal, now and then a line elsewhere."""

import sys
import threading
import time
from contextvars import ContextVar
from types import TracebackType
from typing import Self

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 15.0
silent: ContextVar[bool] = ContextVar("silent", default=False)
"""Whether work that begins here says nothing, because it is part of something greater that does."""


class Progress:
    """Counts steps of one piece of work, from any thread, and says how far it is and how long it will take.

    On a terminal it is a bar with the time left. Where standard error is a file or a notebook, a bar would flood the
    page, so a line is written every fifteen seconds instead, and nothing for work that ends before that.

    Args:
        total: steps that the whole work has.
        what: a few words that name the work.
    """

    def __init__(self, total: int, what: str) -> None:
        self._total = total
        self._what = what
        self._done = 0
        self._lock = threading.Lock()
        self._start = self._last = time.monotonic()
        self._silent = silent.get()
        bar = sys.stderr.isatty() and not self._silent
        self._bar = tqdm(total=total, desc=what, leave=False, dynamic_ncols=True) if bar else None

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Count ``steps`` more.

        Args:
            steps: none, to say only that the work goes on.
            note: a few words on how it goes.
        """
        with self._lock:
            self._done += steps
            if self._bar is not None:
                self._bar.set_postfix_str(note, refresh=not steps)
                self._bar.update(steps)
                return
            now = time.monotonic()
            if not self._silent and now - self._last >= SECONDS_BETWEEN_LINES:
                self._last = now
                left = (now - self._start) * (self._total - self._done) / self._done if self._done else None
                words = "unknown time left" if left is None else f"{duration(left)} left"
                words = ", ".join(filter(None, [f"{100 * self._done / self._total:.0f} %", note, words]))
                print(f"{self._what}: {words}", file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()


def say(words: str) -> None:
    """Write a line on standard error, above a bar that is there."""
    tqdm.write(words, file=sys.stderr)


def duration(seconds: float) -> str:
    """Seconds in words: ``42 s``, ``3 min 05 s``, ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
