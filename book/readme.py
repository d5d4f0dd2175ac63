"""Renew the README's figure and result table from the embedded profile's run: `make notebooks` calls this.

The run is read where its tables are stored, and computed where they are not.
"""

import re
from pathlib import Path

import matplotlib as mpl

from asymdistill.claims import evaluate, summary
from asymdistill.claims.ledger import published
from asymdistill.plots import robustness
from asymdistill.plots.tables import beside_paper, merge_measures, pick
from asymdistill.study import Study

ROOT = Path(__file__).parent.parent
FIGURE = ROOT / "book" / "images" / "robustness.png"


def results(study: Study) -> str:
    """The result table in Markdown, the paper's values beside the run's, under a line that says what was run."""
    ranks = pick(study.baseline("spectrum"), "effective_rank", estimator="per seed")
    parts = {"rank": beside_paper(ranks, published("effective_rank"), ["model"], "value", 2)}
    paper = pick(published("accuracy"), augmented=False)
    for sigma, name in ((0.0, "probe %, clean"), (0.1, "probe %, σ = 0.1 on the input")):
        at = pick(study.baseline("robustness"), noise_space="normalised", sigma=sigma)
        parts[name] = beside_paper(at, pick(paper, sigma=sigma), ["model"], "accuracy", 2)
    table = merge_measures(parts).astype(str)
    rows = [list(table.columns), ["---", *["---:"] * (table.shape[1] - 1)], *table.to_numpy().tolist()]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    what = (
        "Effective rank and probe accuracy: mean ± standard deviation over seeds (ddof = 0). The last row is "
        "the widest student minus the narrowest."
    )
    verdicts = summary.summarise(evaluate.evaluate(study))["scorecard_summary"]
    return "\n".join([study.description(), "", *lines, "", what, "", verdicts])


def main() -> None:
    """Write the figure and the part of the README between its markers."""
    mpl.use("Agg")
    study = Study.open("embedded", runs_dir=ROOT / "runs")
    chance = 100 / len(study.images("test").class_names)
    FIGURE.parent.mkdir(exist_ok=True)
    figure = robustness.accuracy(study.baseline("robustness"), chance=chance, pixels=study.pixel_units())
    figure.savefig(FIGURE, dpi=110, bbox_inches="tight")
    path = ROOT / "README.md"
    text = path.read_text("utf-8")
    marked = re.compile(r"(<!-- results -->\n).*(<!-- end of results -->)", re.S)
    path.write_text(marked.sub(lambda match: f"{match[1]}{results(study)}\n{match[2]}", text), "utf-8")


if __name__ == "__main__":
    main()
