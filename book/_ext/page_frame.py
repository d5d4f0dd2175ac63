"""What stands around every page: its description for search engines and previews, the way to its numbers and source."""

from html import escape
from textwrap import shorten
from typing import Any
from urllib.parse import urljoin

from docutils import nodes
from sphinx.application import Sphinx

TABLES = "book/tables"
LENGTH = 200  # characters of a description
BEGINNINGS = ("The question. ",)
SHOW = {"text": "Show source", "tooltip": "Show source", "label": "source-file-button", "icon": "fas fa-code"}


def describe(doctree: nodes.document | None, otherwise: str) -> str:
    """The first sentences of a page, or the book's title where there are none."""
    if doctree is None:
        return otherwise
    written = (part for part in doctree.findall(nodes.paragraph) if isinstance(part.parent, nodes.section))
    text = next((part.astext() for part in written), otherwise)
    for beginning in BEGINNINGS:
        text = text.removeprefix(beginning)
    return shorten(text, LENGTH, placeholder=" …")


def frame(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Add the description as Open Graph has it, and a link to the tables above the provenance."""
    book = app.config.html_title or app.config.project
    said = {
        "og:title": context.get("title") or book,
        "og:description": describe(doctree, book),
        "og:site_name": book,
        "og:type": "article",
    }
    if address := context.get("pageurl"):  # known where the settings say where the book is published
        said["og:url"] = address
        if image := doctree and next(doctree.findall(nodes.image), None):
            said["og:image"] = urljoin(address, image["uri"])
    tags = "".join(f'<meta property="{name}" content="{escape(text)}" />\n' for name, text in said.items())
    tags += f'<meta name="description" content="{escape(said["og:description"])}" />\n'
    context["metatags"] = context.get("metatags", "") + tags
    if TABLES in app.env.all_docs:
        link = f'<p class="tables-link"><a href="{context["pathto"](TABLES)}">All tables of this run as CSV</a></p>'
        context["theme_extra_footer"] = link + context.get("theme_extra_footer", "")


def lead_to_source(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Let the theme's button lead to what people edit, which is a notebook's .py, and add one that shows it."""
    groups = [group.get("buttons", []) for group in context.get("header_buttons", [])]
    for buttons in groups:
        for edit in [button for button in buttons if button.get("label") == "source-edit-button"]:
            edit["url"] = edit["url"].replace(".ipynb", ".py")
            buttons.append(edit | SHOW | {"url": edit["url"].replace("/edit/", "/blob/", 1)})


def setup(app: Sphinx) -> dict[str, bool]:
    """Listen to the making of pages."""
    app.connect("html-page-context", frame)
    app.connect("html-page-context", lead_to_source, priority=900)  # once the theme has made its buttons
    return {"parallel_read_safe": True, "parallel_write_safe": True}
