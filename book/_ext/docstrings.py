"""Lets docstrings write norms as ``||x||``, which reStructuredText would take for a substitution."""

import re

from sphinx.application import Sphinx

LITERAL = re.compile(r"(``.*?``)")


def escape_bars(app: Sphinx, what: str, name: str, subject: object, options: object, lines: list[str]) -> None:
    """Escape vertical bars outside literals, in place."""
    for number, line in enumerate(lines):
        parts = LITERAL.split(line)
        parts[::2] = [part.replace("|", r"\|") for part in parts[::2]]
        lines[number] = "".join(parts)


def setup(app: Sphinx) -> dict[str, bool]:
    """Listen to autodoc."""
    app.connect("autodoc-process-docstring", escape_bars)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
