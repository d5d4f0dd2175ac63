"""What a command prints: tables, and lines that any terminal, log or encoding can hold."""

import io
import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from asymdistill.runtime.markup import in_one_line

UNCUT = 100_000  # columns where there is no terminal: a job's log holds lines of any length


def console() -> Console:
    """Standard output; what is printed is taken as it is, not for markup."""
    return Console(markup=False, emoji=False, width=None if sys.stdout.isatty() else UNCUT)


def print_table(title: str, header: Iterable[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table of which nothing is cut."""
    table = Table(title=title, title_justify="left")
    for name in header:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console().print(table)


def write_in_any_encoding() -> None:
    """Let output go on where a terminal's or a log's encoding lacks a character: another is shown in its place."""
    for stream, errors in ((sys.stdout, "replace"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


def warning_in_one_line(message: Warning | str, *_: object, **__: object) -> str:
    """A warning as it is printed, without the line of code that it comes from."""
    return f"asymdistill: warning: {in_one_line(str(message))}\n"
