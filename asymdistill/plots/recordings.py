"""Chapter 10: recorded runs beside the book's own, as tables and figures.

A recorded run is evidence about its own images, teacher and size, so its name states them in every table.
"""

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from asymdistill.claims import evaluate, summary
from asymdistill.claims.rows import Results
from asymdistill.claims.rules import NOT_TESTABLE
from asymdistill.config.names import OBJECTIVES, TEACHER, short_name
from asymdistill.config.settings import Settings
from asymdistill.plots.derived import ratios
from asymdistill.plots.scorecard import LOOKS
from asymdistill.plots.selection import pick, students_of, teacher_of, two
from asymdistill.plots.style import STYLE, dots, rank_axis, stacked
from asymdistill.plots.tables import NOTHING, shown, span
from asymdistill.runtime.markup import as_label

TITLE_WIDTH = 56  # characters per line of a panel's title
Ledgers = Mapping[str, pd.DataFrame]


class ShownRun(NamedTuple):
    """A run that chapter 10 shows: the book's own or a recorded one.

    Attributes:
        name: its name in every table and figure.
        results: its settings and tables.
        manifest: where, when and by which code it was computed.
    """

    name: str
    results: Results
    manifest: dict[str, Any]

    @property
    def settings(self) -> Settings:
        """Settings of the run."""
        return self.results.settings

    def table(self, name: str) -> pd.DataFrame:
        """A table by its name; empty if the run does not have it."""
        found = self.results.table(name)
        return pd.DataFrame() if found is None else found

    def ranks(self) -> pd.DataFrame:
        """Effective rank of the teacher and of each student of the first objective, one row per seed."""
        return self._first(self.gains())

    def gains(self) -> pd.DataFrame:
        """Effective rank of the teacher and of the students of every objective, one row per seed."""
        return pick(self.table("spectrum"), "effective_rank", estimator="per seed")

    def commit(self) -> str:
        """The commits at which its results were computed."""
        made: dict[str, list[str]] = self.manifest.get("made", {})
        return ", ".join(made.get("commit", [])) or str(self.manifest.get("commit", NOTHING))

    def test_images(self) -> int:
        """Number of test images behind its spectra."""
        return int(self.table("spectrum")["images"].iloc[0])

    def _first(self, table: pd.DataFrame) -> pd.DataFrame:
        return table[table["objective"].isna() | (table["objective"] == self.settings.baseline)]


def training_images(count: int | None) -> str:
    """Number of training images, as tables show it."""
    return f"{count:,}" if count else "all"


def input_size(settings: Settings) -> str:
    """What the students see, as tables show it."""
    side = settings.resolution
    return f"{side} × {side}" if side else "the teacher's resolution"


def table(runs: Sequence[ShownRun]) -> pd.DataFrame:
    """The summary for the front page: one row per run, with the teacher's rank and what the students keep of it."""
    rows = []
    for run in runs:
        ranks, gains = run.ranks(), run.gains()
        teacher, students = teacher_of(ranks)["value"], students_of(ranks)["value"]
        rows.append(
            {
                "run": run.name,
                "rank, teacher": shown(teacher),
                "rank, students": span(students),
                "share kept (%)": f"{100 * students.mean() / teacher.mean():.0f}",
                "factor by InfoNCE": span(ratios(gains)["value"], 2) if len(two(gains)) > 1 else NOTHING,
            }
        )
    return pd.DataFrame(rows)


def overview(runs: Sequence[ShownRun]) -> pd.DataFrame:
    """What each run is: one column per run, one row for each of images, teacher, students, training and origin."""
    return _columns({run.name: _facts(run) for run in runs}, "")


def _facts(run: ShownRun) -> dict[str, str]:
    own, sizes = run.settings, run.table("models").set_index("model")["parameters"]
    count = run.manifest.get("images", {}).get("train", own.train_limit)
    teacher = short_name(own.teacher_with_file) if own.teacher_weights else own.teacher
    return {
        "images": short_name(own.dataset),
        "training images": training_images(count),
        "test images": f"{run.test_images():,}",
        "teacher (parameters)": f"{teacher} ({sizes[TEACHER]:,})",
        "students (parameters)": ", ".join(f"{model} ({size:,})" for model, size in sizes.drop(TEACHER).items()),
        "input of the students": input_size(own),
        "seeds": f"{len(own.seeds)}",
        "epochs": f"{own.epochs}",
        "steps per epoch": f"{count // own.batch_size}" if count else NOTHING,
        "arithmetic of the teacher": run.manifest.get("teacher", {}).get("precision", own.teacher_precision),
        "arithmetic of the students": "float32" if own.autocast == "off" else own.autocast,
        "objectives": ", ".join(OBJECTIVES[kind] for kind in own.objectives),
        "augmented students": f"{own.augmentation_seeds}",
        "computed": f"{run.manifest['created'][:10]}, {run.manifest['device']}",
        "at commit": run.commit(),
    }


def ranks(runs: Sequence[ShownRun]) -> pd.DataFrame:
    """Effective ranks: one row per model, one column per run; of students also the share of the teacher's rank."""
    columns = {}
    for run in runs:
        own = run.ranks()
        whole = teacher_of(own)["value"].mean()
        cells = {str(model): shown(values) for model, values in own.groupby("model", sort=False)["value"]}
        for model, values in students_of(own).groupby("model", sort=False)["value"]:
            cells[str(model)] += f" ({100 * values.mean() / whole:.0f} %)"
        columns[run.name] = cells
    counts = pd.DataFrame([{"model": "test images", **{run.name: f"{run.test_images():,}" for run in runs}}])
    return pd.concat([_columns(columns, "model"), counts], ignore_index=True)


def ledgers(runs: Sequence[ShownRun]) -> dict[str, pd.DataFrame]:
    """Every claim judged on every run, by the name of the run; checks of the text are left out."""
    judged = {run.name: evaluate.evaluate(run.results) for run in runs}
    return {name: ledger[ledger["evidence"] != evaluate.CHECK] for name, ledger in judged.items()}


def verdict_counts(judged: Ledgers) -> pd.DataFrame:
    """Number of claims with each verdict, one row per run."""
    rows = [{"run": name, **summary.counts(ledger).drop(columns="claims").iloc[-1]} for name, ledger in judged.items()]
    return pd.DataFrame(rows)


def verdicts(judged: Ledgers) -> pd.DataFrame:
    """The claims that at least one run can judge: the paper's value, then the sign and the value of each run."""
    tables = {name: ledger.set_index("id") for name, ledger in judged.items()}
    rows = []
    for claim in next(iter(judged.values())).to_dict("records"):
        found = {name: table.loc[claim["id"]].to_dict() for name, table in tables.items()}
        if any(one["verdict"] != NOT_TESTABLE for one in found.values()):
            row = {"claim": f"{claim['statement']} ({claim['id']})", "paper": summary.values(claim)[0]}
            rows.append(row | {name: _verdict(one) for name, one in found.items()})
    return pd.DataFrame(rows, columns=["claim", "paper", *tables])


def rank_figure(runs: Sequence[ShownRun]) -> Figure:
    """Effective rank of the teacher and of each student of the first objective: one panel per run, one dot per seed."""
    tables = {fill(as_label(run.name, 200), TITLE_WIDTH): run.ranks() for run in runs}
    with plt.rc_context(STYLE):
        figure, axes = stacked(tables, [0.34 * table["model"].nunique() + 0.5 for table in tables.values()])
        for name, axis in axes.items():
            dots(axis, tables[name])
        rank_axis(axis)
    return figure


def _verdict(claim: dict[str, Any]) -> str:
    return NOTHING if claim["verdict"] == NOT_TESTABLE else f"{LOOKS[claim['verdict']][2]} {summary.values(claim)[1]}"


def _columns(columns: Mapping[str, Mapping[str, str]], first: str) -> pd.DataFrame:
    """A table with one column per run, from the cells of each by the name of the row."""
    names = dict.fromkeys(name for cells in columns.values() for name in cells)
    return pd.DataFrame(
        [{first: name, **{run: cells.get(name, NOTHING) for run, cells in columns.items()}} for name in names],
        columns=[first, *columns],
    )
