"""Renew the README's figure and result table from the embedded profile's run: `make notebooks` calls this.

The run is read where its tables are stored, and computed where they are not.
"""

import re
from pathlib import Path

import matplotlib as mpl
import pandas as pd

from asymdistill.builder import scorecard
from asymdistill.claims import evaluate
from asymdistill.plots import figures, report
from asymdistill.study.study import Study

ROOT = Path(__file__).parent.parent
FIGURE = ROOT / "book" / "images" / "robustness.png"


def results(study: Study) -> str:
    """The result table in Markdown, the paper's values beside the run's, and a line that says what made it."""
    spectrum, robustness = study.baseline("spectrum"), study.baseline("robustness")
    ranks = spectrum[(spectrum["estimator"] == "per seed") & (spectrum["quantity"] == "effective_rank")]
    paper = evaluate.published("accuracy").query("not augmented")
    rows = [_column(report.beside_paper(ranks, evaluate.published("effective_rank"), ["model"], "value", 2), "rank")]
    for sigma in (0.0, 0.1):
        at = robustness[(robustness["noise_space"] == "normalised") & (robustness["sigma"] == sigma)]
        table = report.beside_paper(at, paper[paper["sigma"] == sigma], ["model"], "accuracy", 2)
        rows.append(_column(table, "probe %, clean" if sigma == 0 else f"probe %, σ = {sigma:g}"))
    table = pd.concat(rows, axis=1)
    header = f"| model | {' | '.join(table.columns)} |"
    lines = [f"| {model} | {' | '.join(values)} |" for model, values in zip(table.index, table.to_numpy(), strict=True)]
    rule = "| --- |" + " ---: |" * len(table.columns)
    what = "Mean ± standard deviation over seeds (ddof = 0): effective rank, and accuracy of a linear probe."
    verdicts = scorecard.summary(evaluate.evaluate(study))["scorecard_summary"]
    return "\n".join([study.description(), "", header, rule, *lines, "", what, "", verdicts])


def _column(table: pd.DataFrame, name: str) -> pd.DataFrame:
    table = table.set_index("model")
    return table[["paper", "this run"]].rename(columns={"paper": f"{name}: paper", "this run": f"{name}: run"})


def main() -> None:
    """Write the figure and the part of the README between its markers."""
    mpl.use("Agg")
    study = Study.from_profile("embedded", runs_dir=ROOT / "runs")
    chance = 100 / len(study.experiment.test.class_names)
    FIGURE.parent.mkdir(exist_ok=True)
    own = study.baseline("robustness").query("noise_space == 'normalised'")
    figures.robustness(own, chance=chance).savefig(FIGURE, dpi=110)
    path = ROOT / "README.md"
    text = path.read_text("utf-8")
    marked = re.compile(r"(<!-- results -->\n).*(<!-- end of results -->)", re.S)
    path.write_text(marked.sub(lambda match: f"{match[1]}{results(study)}\n{match[2]}", text), "utf-8")


if __name__ == "__main__":
    main()
