"""Text from outside is shown as it is: never obeyed by a page, a figure or a terminal."""

import matplotlib.pyplot as plt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from asymdistill.runtime.markup import as_code, as_label, as_text, in_one_line, shorten_to

HOSTILE = (
    "<script>alert(1)</script>", "**bold** _it_ `code`", "[link](javascript:alert(1))", "$x$ and $$", "{{ config }}",
    "{raw}`html <b>`", "![](http://example.org/x.png)", "a\n\n# title", "&lt;b&gt; &amp;", "-->", "\\", "| a | b |",
)  # fmt: skip


def shown(markdown: str) -> str:
    """The text that a reader sees of one paragraph, if it holds nothing but text and code."""
    paragraph = MarkdownIt("commonmark", {"html": True}).parse(f"before {markdown} after")
    (inline,) = [token for token in paragraph if token.type == "inline"]
    assert {token.type for token in inline.children} <= {"text", "code_inline", "text_special"}
    return "".join(token.content for token in inline.children).removeprefix("before ").removesuffix(" after")


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_shows_what_was_given(text: str) -> None:
    assert shown(as_text(text)) == " ".join(text.split())
    assert shown(as_code(text)) == " ".join(text.split()).replace("`", "'")


@example(text="-")
@example(text="1.")
@given(text=st.text(st.characters(codec="utf-8"), min_size=1))
def test_markdown_shows_any_text(text: str) -> None:
    assert not set(as_text(text)) & set("<>`*_[]{}$\\|!\"'")
    assert "<" not in MarkdownIt("commonmark").render(as_text(text)).removeprefix("<p>").removesuffix("</p>\n")


@pytest.mark.parametrize("name", ["$$", "5$ to 10$", "a_b", "<i>", r"\$x", "$\\frac{", "x" * 5000, "^_^", "é☃"])
def test_a_figure_draws_any_name(name: str) -> None:
    """Case 18: two dollar signs were taken for a formula."""
    figure, axis = plt.subplots()
    drawn = axis.set_title(as_label(name))
    figure.canvas.draw()
    assert not drawn.get_parse_math() or len(drawn.get_text().replace("\\$", "$")) <= 60
    plt.close(figure)


def test_long_text_is_cut_at_a_space() -> None:
    assert shorten_to("one two three", 20) == "one two three"
    assert shorten_to("one two three four", 10) == "one two…"
    assert shorten_to("x" * 30, 10) == f"{'x' * 9}…"


def test_a_message_is_one_line_that_no_terminal_obeys() -> None:
    assert in_one_line("a\n b\tc\x1b[31mred\x07") == "a b c\ufffd[31mred\ufffd"
