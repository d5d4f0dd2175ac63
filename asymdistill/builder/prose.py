"""Checks of the book's prose: verdicts come from the ledger, and numbers are computed, not typed."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from asymdistill.claims import facts
from asymdistill.claims.ledger import load, paper_claims
from asymdistill.claims.quantities import LEADING
from asymdistill.config.profiles import load_settings
from asymdistill.runtime.errors import InputError

CLASSES = 10  # of CIFAR-10
SIGMA = 0.1  # the noise level in the first paper's text
_VERDICT = re.compile(r"\b(?:supported|contradicted|undecided|not\s+testable\s+here)\b", re.IGNORECASE)


def text_and_code() -> dict[str, str]:
    """The numbers on the page "Where text and code disagree", by name, as text.

    The papers' own numbers come from the ledger; the others are counted or computed from these.
    """
    from asymdistill.data.preprocess import CLIP_STD  # imports torch, which checking the prose does not need

    claims = load().set_index("id")
    paper, spread = claims["value"], claims["spread"]
    whole, image = facts.clip_parameters()
    code, stated = load_settings("cifar10-clip")[1], load_settings("cifar10-clip-stated")[1]
    sizes = [facts.student_parameters(width) for width in code.widths]
    small, large = paper["v1-size-s"], paper["v1-size-l"]
    welch = facts.significance(paper_claims(), SIGMA)
    centred_means = np.eye(CLASSES) - 1 / CLASSES  # ten points in general position, centred
    return {
        "teacher_text": f"{paper['v1-size-teacher'] / 1e6:.0f}M",
        "teacher_whole": f"{whole / 1e6:.1f}M",
        "teacher_image": f"{image / 1e6:.1f}M",
        "students_text": "{}, {} and {}".format(*(f"{paper[f'v1-size-{model}'] / 1e6:.1f}M" for model in "sml")),
        "students_code": "{:,}, {:,} and {:,}".format(*sizes),
        "students_stated": "{:,}, {:,} and {:,}".format(*map(facts.student_parameters, stated.widths)),
        "factor_text": f"{large / small:.0f}",
        "factor_code": f"{max(sizes) / min(sizes):.1f}",
        "ratio_text": f"{paper['v1-size-teacher'] / small:,.0f}",
        "ratio_code": f"{image / min(sizes):,.0f}",
        "components": f"{LEADING}",
        "share_text": f"{100 * paper['v1-share20']:.0f} %",
        "share_figure": f"{paper['v1-figure-share-20']:.2f}",
        "components_figure": f"{paper['v1-figure-components-90']:.0f}",
        "augmented_low": f"{paper['v1-augmented-l-0.1']:.2f}",
        "augmented_high": f"{paper['v1-augmented-l-0.2']:.2f}",
        "plain_low": f"{paper['v1-accuracy-l-0.1']:.2f} ± {spread['v1-accuracy-l-0.1']:.2f}",
        "undefined_names": f"{paper['v1-notebook-undefined']:.0f}",
        "second_pass": "{:.2f}, {:.2f} and {:.2f}".format(*(paper[f"v1-second-pass-{m}-0.1"] for m in "sml")),
        "second_pass_high": "{:.2f}, {:.2f} and {:.2f}".format(*(paper[f"v1-second-pass-{m}-0.2"] for m in "sml")),
        "rank_m_text": f"{paper['v1-rank-m']:.2f}",
        "rank_m_notebook": f"{paper['v1-notebook-rank-m']:.6f}",
        "plain_high": f"{paper['v1-accuracy-l-0.2']:.2f}",
        "welch": welch.how,
        "welch_p": f"{welch.value:.2f}",
        "seeds": f"{len(code.seeds)}",
        "epochs": f"{code.epochs}",
        "rank": f"{paper['v1-rank-16']:.0f}",
        "rank_infonce": f"{paper['v2-infonce-rank']:.0f}",
        "factor_infonce": f"{paper['v2-expansion']:.1f}",
        "factor_of_ranks": f"{facts.published_expansion(paper_claims()).value:.2f}",
        "rank_by_factor": f"{paper['v2-expansion'] * paper['v2-baseline-rank']:.1f}",
        "classes": f"{CLASSES}",
        "means_span": f"{np.linalg.matrix_rank(centred_means)}",
        "sigma_pixel": f"{SIGMA * np.mean(CLIP_STD):.3f}",
    }


def check(source: Path) -> None:
    """Refuse verdicts that are written by hand in the prose, where no run can correct them.

    Checked are the pages in ``book/`` and the Markdown cells in ``notebooks/``. Inline code is exempt: the build checks
    the role ``{verdict}``, and ``supported`` in code is the word, not a verdict.

    Args:
        source: the folder with ``book/`` and ``notebooks/``.

    Raises:
        InputError: a page states a verdict; the message names the page and quotes the words around it.
    """
    texts = [(path.name, path.read_text("utf-8")) for path in sorted((source / "book").rglob("*.md"))]
    for path in sorted((source / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text("utf-8"))["cells"]
        texts += [(path.name, "".join(cell["source"])) for cell in cells if cell["cell_type"] == "markdown"]
    for name, text in texts:
        for prose in _prose(text):
            if found := _VERDICT.search(prose):
                around = " ".join(prose[max(found.start() - 30, 0) : found.end() + 20].split())
                said = " ".join(found[0].lower().split())
                raise InputError(
                    f"{name} states a verdict in {around!r}; allowed: {{verdict}}`claim = {said}`, or the word in code"
                )


def _prose(text: str) -> Iterator[str]:
    """The paragraphs, headings, tables and HTML of a page, each without its inline code."""
    from markdown_it import MarkdownIt

    breaks = {"code_inline": " ", "softbreak": " ", "hardbreak": " "}
    for token in MarkdownIt("commonmark").parse(text):
        if token.type == "inline":
            yield "".join(breaks.get(part.type, part.content) for part in token.children or [])
        elif token.type == "html_block":
            yield token.content
        elif token.type == "fence" and re.match(r"\{(?!code|raw|math)", token.info):  # directives contain prose
            yield from _prose(token.content)
