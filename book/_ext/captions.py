"""Captions and numbers for what notebooks show.

A code cell says at its head what can be seen in its output, and by which name pages refer to it::

    # | name: fig-ranks
    # | caption: Effective rank of each model, one dot per seed.

(The build turns such lines into the cell's metadata ``mystnb``, which this reads.)

What is named ``fig-`` becomes "Figure 3", all else "Table 2", counted through the book, and ``{numref}`fig-ranks` ``
leads there. The outputs of a cell share one caption, since they differ in nothing but the run. Wide tables scroll in a
frame of their own, which keyboards reach.
"""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.writers.html5 import HTML5Translator


class captioned_table(nodes.figure):
    """A table from a notebook, with its caption above it; captions of figures are written as ``figcaption``."""


class Captions(SphinxTransform):
    """Wrap the outputs of cells that have a caption, before Sphinx numbers figures and tables."""

    default_priority = 400

    def apply(self, **_: object) -> None:
        """Replace the outputs of each such cell by one figure or table that holds them."""
        for cell in list(self.document.findall(nodes.container)):
            said = cell.get("cell_metadata", {}).get("mystnb", {})
            outputs = [part for part in cell.children if part.get("nb_element") == "cell_code_output"]
            if "caption" not in said or not outputs:
                continue
            figure = said["name"].startswith("fig-")
            caption = nodes.caption(said["caption"], said["caption"])
            frame = nodes.figure() if figure else captioned_table()
            frame["classes"].append("from-notebook")
            frame["names"].append(nodes.fully_normalize_name(said["name"]))
            self.document.note_explicit_target(frame, frame)
            frame += [*outputs[0].children, caption] if figure else [caption, *outputs[0].children]
            outputs[0].children = []
            outputs[0] += frame


def visit_table(self: HTML5Translator, node: captioned_table) -> None:
    """Open the frame."""
    self.body.append(self.starttag(node, "figure", CLASS="table-figure"))


def depart_table(self: HTML5Translator, node: captioned_table) -> None:
    """Close it."""
    self.body.append("</figure>\n")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the transform, and tables as something that has numbers."""
    app.add_enumerable_node(captioned_table, "table", html=(visit_table, depart_table))
    app.add_transform(Captions)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
