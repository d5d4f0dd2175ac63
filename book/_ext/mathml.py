"""Equations as MathML, which browsers draw by themselves: no script, no download, readable offline."""

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

LOGGER = logging.getLogger(__name__)


def _mathml(node: nodes.math | nodes.math_block, *, block: bool) -> str | None:
    """Return the MathML of a node, or None, with a warning that fails a strict build, where the TeX is beyond it."""
    text = node.astext().strip()
    try:
        return str(tex2mathml(text, as_block=block))
    except Exception as error:  # on TeX that it does not know, the parser fails in every way there is
        LOGGER.warning("equation %r cannot be shown: %s", text, error, location=node)
        return None


def visit_inline(self: HTML5Translator, node: nodes.math) -> None:
    """Write an inline equation."""
    self.body.append(_mathml(node, block=False) or self.encode(node.astext()))
    raise nodes.SkipNode


def visit_block(self: HTML5Translator, node: nodes.math_block) -> None:
    """Write a displayed equation, with its number where it has one."""
    self.body.append(self.starttag(node, "div", CLASS="math-block"))
    self.body.append(_mathml(node, block=True) or self.encode(node.astext()))
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer under the name ``mathml``."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
