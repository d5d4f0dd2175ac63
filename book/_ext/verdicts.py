"""The role ``verdict``: what the ledger says of a claim for this very run.

``{verdict}`v1-inversion-0.1` `` shows the verdict, its reason as a tooltip, and leads to the claim in the scorecard.
``{verdict}`v1-inversion-0.1 = contradicted` `` says as well what the sentence around it relies on: where the ledger
gives another verdict, or has no such claim, a warning fails the strict build.
"""

import json
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxRole

LOGGER = logging.getLogger(__name__)
VERDICTS = Path("book", "_generated", "verdicts.json")
SCORECARD = "notebooks/09_scorecard"


@cache
def ledger(path: Path) -> dict[str, dict[str, str]]:
    """Verdict and reason of each claim, as the build wrote them; none where the book is built without a run."""
    return dict(json.loads(path.read_text("utf-8"))) if path.is_file() else {}


class Verdict(SphinxRole):
    """A claim's verdict, checked where the prose names it too."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Read ``claim`` or ``claim = verdict``; warn where the ledger knows no such claim or says otherwise."""
        claim, _, said = (part.strip() for part in self.text.partition("="))
        known = ledger(Path(self.env.srcdir) / VERDICTS)
        if claim not in known:
            near = ", ".join(get_close_matches(claim, known)) or f"one of {len(known)}"
            LOGGER.warning("the ledger has no claim %r; allowed: %s", claim, near, location=self.get_location())
            return [nodes.Text(self.text)], []
        verdict, reason = known[claim]["verdict"], known[claim]["reason"]
        if said and said != verdict:
            words = "claim %r is %r in this run, and the prose says %r"
            LOGGER.warning(words, claim, verdict, said, location=self.get_location())
        shown = nodes.abbreviation(verdict, verdict, explanation=reason)
        page = self.env.app.builder.get_relative_uri(self.env.docname, SCORECARD)
        return [nodes.reference("", "", shown, internal=True, refuri=f"{page}#claim-{claim}", classes=["verdict"])], []


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the role."""
    app.add_role("verdict", Verdict())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
