"""The book's prose, held to its numbers: verdicts that the ledger gives, and values that are computed, not typed."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from asymdistill.claims import facts
from asymdistill.claims.ledger import load
from asymdistill.claims.quantities import EVERY_STUDENT, LEADING, Subject
from asymdistill.config.profiles import load_settings
from asymdistill.data.preprocess import CLIP_STD
from asymdistill.models.students import parameter_count
from asymdistill.runtime.errors import InputError

CLASSES = 10  # of CIFAR-10
SIGMA = 0.1  # the noise that the first paper's text speaks of
_NAMED = re.compile(r"\b(not\s+)?reproduced\b|\bnot\s+testable\s+here\b", re.IGNORECASE)


def text_and_code() -> dict[str, str]:
    """The numbers on the page "Where text and code disagree", by name, as they are shown.

    What is the papers' own comes from the ledger; the rest is counted, or follows from it.
    """
    claims = load()
    paper, spread = (claims.set_index("id")[column] for column in ("value", "spread"))
    whole, image = facts.teacher_parameters()
    code, stated = load_settings("cifar10-clip")[1], load_settings("cifar10-clip-stated")[1]
    sizes = [parameter_count(width) for width in code.widths]
    small, large = paper["v1-size-s"], paper["v1-size-l"]
    welch = facts.significance(claims, Subject(EVERY_STUDENT, sigma=SIGMA))
    centred_means = np.eye(CLASSES) - 1 / CLASSES  # ten points in general position, less their mean
    return {
        "teacher_text": f"{paper['v1-size-teacher'] / 1e6:.0f}M",
        "teacher_whole": f"{whole / 1e6:.1f}M",
        "teacher_image": f"{image / 1e6:.1f}M",
        "students_text": _listed([f"{paper[f'v1-size-{model}'] / 1e6:.1f}M" for model in "sml"]),
        "students_code": _listed([f"{size:,}" for size in sizes]),
        "students_stated": _listed([f"{parameter_count(width):,}" for width in stated.widths]),
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
        "plain_high": f"{paper['v1-accuracy-l-0.2']:.2f}",
        "welch": welch.how,
        "welch_p": f"{welch.value:.2f}",
        "seeds": f"{len(code.seeds)}",
        "epochs": f"{code.epochs}",
        "rank": f"{paper['v1-rank-16']:.0f}",
        "rank_infonce": f"{paper['v2-infonce-rank']:.0f}",
        "factor_infonce": f"{paper['v2-expansion']:.1f}",
        "factor_of_ranks": f"{facts.published_expansion(claims, Subject(EVERY_STUDENT)).value:.2f}",
        "rank_by_factor": f"{paper['v2-expansion'] * paper['v2-baseline-rank']:.1f}",
        "classes": f"{CLASSES}",
        "means_span": f"{np.linalg.matrix_rank(centred_means)}",
        "sigma_pixel": f"{SIGMA * np.mean(CLIP_STD):.3f}",
    }


def _listed(parts: list[str]) -> str:
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def check(source: Path) -> None:
    """Refuse prose that names a verdict by itself, where no run can correct it.

    Read are the pages in ``book/`` and the Markdown cells in ``notebooks/``. Words in code are free: the role
    ``{verdict}`` is checked by the build, and ``reproduced`` in code is the word, not a verdict.

    Args:
        source: the folder that holds ``book/`` and ``notebooks/``.

    Raises:
        InputError: a page names a verdict; the message has the page and the words around it.
    """
    texts = [(path.name, path.read_text("utf-8")) for path in sorted((source / "book").rglob("*.md"))]
    for path in sorted((source / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text("utf-8"))["cells"]
        texts += [(path.name, "".join(cell["source"])) for cell in cells if cell["cell_type"] == "markdown"]
    for name, text in texts:
        for prose in _prose(text):
            if found := _NAMED.search(prose):
                around = " ".join(prose[max(found.start() - 30, 0) : found.end() + 20].split())
                said = " ".join(found[0].lower().split())
                raise InputError(
                    f"{name} names a verdict in {around!r}; allowed: {{verdict}}`claim = {said}`, or the word in code"
                )


def _prose(text: str) -> Iterator[str]:
    """The paragraphs, headings, tables and HTML of a page, each without what is set as code."""
    from markdown_it import MarkdownIt

    breaks = {"code_inline": " ", "softbreak": " ", "hardbreak": " "}
    for token in MarkdownIt("commonmark").parse(text):
        if token.type == "inline":
            yield "".join(breaks.get(part.type, part.content) for part in token.children or [])
        elif token.type == "html_block":
            yield token.content
        elif token.type == "fence" and re.match(r"\{(?!code|raw|math)", token.info):  # a directive holds prose again
            yield from _prose(token.content)
