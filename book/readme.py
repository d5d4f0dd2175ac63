"""Renew the README's figure and table from recorded runs and the embedded profile's: `make notebooks` calls this.

The run is read where its tables are stored, and computed where they are not.
"""

import re
from pathlib import Path

import matplotlib as mpl

from asymdistill.builder.answers import judge
from asymdistill.claims import summary
from asymdistill.plots import collapse, headline
from asymdistill.plots.tables import dashed
from asymdistill.study import Evidence, Study
from asymdistill.study.folders import RESULTS

ROOT = Path(__file__).parent.parent
FIGURE = ROOT / "book" / "images" / "ranks.png"


def results(evidence: Evidence) -> str:
    """The papers' main numbers in Markdown, on photographs and in this copy, and the verdicts on both."""
    tables = (evidence.baseline("spectrum"), evidence.baseline("robustness"))
    table = dashed(headline.table(*tables, evidence.table("expansion"), evidence.table("augmentation"))).astype(str)
    rows = [list(table.columns), ["---", *["---:"] * (table.shape[1] - 1)], *table.to_numpy().tolist()]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    judged = {name: summary.summarise(ledger)["scorecard_summary"] for name, ledger in judge(evidence).items()}
    verdicts = [f"Verdicts, {name}: {text}" for name, text in judged.items()]
    names = ("spectrum", "robustness", "expansion", "augmentation")
    return "\n\n".join(
        ["\n".join(lines), headline.note(evidence.pixels("robustness")), evidence.description(*names), *verdicts]
    )


def main() -> None:
    """Write the figure and the part of the README between its markers."""
    mpl.use("Agg")
    study = Study.open("embedded", runs_dir=ROOT / "runs")
    evidence = Evidence(study, ROOT / RESULTS)
    FIGURE.parent.mkdir(exist_ok=True)
    figure = collapse.ranks(evidence.baseline("spectrum"))
    figure.savefig(FIGURE, dpi=110, bbox_inches="tight")
    path = ROOT / "README.md"
    text = path.read_text("utf-8")
    marked = re.compile(r"(<!-- results -->\n).*(<!-- end of results -->)", re.S)
    path.write_text(marked.sub(lambda match: f"{match[1]}{results(evidence)}\n{match[2]}", text), "utf-8")


if __name__ == "__main__":
    main()
