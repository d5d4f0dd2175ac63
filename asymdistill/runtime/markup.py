"""Text that people or files gave, such as names and descriptions, shown as it is wherever it ends up."""

import re
from textwrap import shorten


def as_code(text: object) -> str:
    """Inline code in Markdown; a backtick, which would end it, becomes an apostrophe."""
    return f"`{' '.join(str(text).split()).replace('`', chr(39))}`"


def as_text(text: object) -> str:
    """Plain text in Markdown and HTML: punctuation as character references, which are never taken for markup."""
    words = " ".join(str(text).split())
    return re.sub(r"[!-/:-@\[-`{-~]", lambda found: f"&#{ord(found[0])};", words)


def as_label(text: object, longest: int = 60) -> str:
    """A label in a figure, cut to a length; a dollar sign would begin a formula."""
    words = " ".join(str(text).split())
    return shorten_to(words, longest).replace("$", r"\$")


def shorten_to(text: str, longest: int) -> str:
    """Text cut to a length, at a space if there is one, with an ellipsis."""
    if len(text) <= longest:
        return text
    cut = shorten(text, longest, placeholder="…")
    return cut if len(cut) > longest // 2 else f"{text[: longest - 1]}…"


def in_one_line(text: str) -> str:
    """A message in one line, without characters that a terminal would obey."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in " ".join(text.split())
    )
