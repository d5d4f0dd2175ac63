"""The error that bad input raises, that which ends work early, and checks of plain values and paths."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

Check = Callable[[], None]
"""What a piece of work calls often, and what raises ``Stopped`` in it when it should end."""


class InputError(ValueError):
    """A setting, file or argument from outside is unusable.

    The message is one line that names what was wrong and what is allowed; the command line prints it as it is and
    exits with status 2.
    """


class Stopped(Exception):
    """Raised inside a piece of work when another one failed or the user interrupted."""


def check_option(name: str, value: object, allowed: Collection[object]) -> None:
    """Raise ``InputError`` unless ``value`` is one of ``allowed``."""
    if value not in allowed:
        raise InputError(f"{name} is {value!r}; allowed: {', '.join(map(repr, allowed))}")


def some_of(parts: Sequence[str], separator: str = ", ", longest: int = 300) -> str:
    """Parts of a message in a row: whole ones as far as there is room, at least one, and how many more there are."""
    shown, room = 0, longest
    for part in parts:
        room -= len(part) + len(separator)
        if room < 0 and shown:
            break
        shown += 1
    more = len(parts) - shown
    return separator.join([*parts[:shown], *([f"and {more} more"] if more else [])])


def check_positive(name: str, value: float) -> None:
    """Raise ``InputError`` unless ``value`` is a finite number greater than zero."""
    if not 0 < value < float("inf"):
        raise InputError(f"{name} is {value}; it must be a finite number greater than 0")


def without_tilde(path: Path | str) -> Path:
    """A path in which a tilde at the beginning is the home folder; a job may have neither HOME nor a known user.

    Raises:
        InputError: nobody knows where it is.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise InputError(f"{path} is in a home folder, and there is none: set HOME, or give another path") from None
