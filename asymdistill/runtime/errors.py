"""The error that bad input raises, and checks of plain values."""

from collections.abc import Collection


class InputError(ValueError):
    """A setting, file or argument from outside is unusable.

    The message is one line that names what was wrong and what is allowed; the command line prints it as it is and
    exits with status 2.
    """


def check_option(name: str, value: object, allowed: Collection[object]) -> None:
    """Raise ``InputError`` unless ``value`` is one of ``allowed``."""
    if value not in allowed:
        raise InputError(f"{name} is {value!r}; allowed: {', '.join(map(repr, allowed))}")


def check_positive(name: str, value: float) -> None:
    """Raise ``InputError`` unless ``value`` is a finite number greater than zero."""
    if not 0 < value < float("inf"):
        raise InputError(f"{name} is {value}; it must be a finite number greater than 0")
