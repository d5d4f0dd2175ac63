"""What recorded runs say beside the book's own: sentences, and the papers' claims judged on each run.

Every number and verb comes from the runs' tables. In Markdown, there is one item a run.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from typing import Any

import pandas as pd

from asymdistill.builder.recordings import Run, accuracy_values, rank_values, test_images
from asymdistill.claims import evaluate, summary
from asymdistill.claims.rules import NOT_TESTABLE
from asymdistill.config.names import TEACHER
from asymdistill.config.settings import CONTROLS
from asymdistill.plots import control_report, expansion_report, report, scorecard
from asymdistill.plots.comparison import listed
from asymdistill.plots.report import Reading
from asymdistill.plots.tables import students_of, teacher_of

NONE = "No run is recorded in `results/`: this page shows this run alone."
Ledgers = Mapping[str, pd.DataFrame]


def readings(runs: Sequence[Run], judged: Ledgers) -> Reading:
    """What was seen, as Markdown with one item a run; ``seen_recorded`` is one sentence on the recorded runs.

    Returns:
        ``reading_recorded``, how many there are; the same with ``_teacher``, ``_ranks``, ``_noise``, ``_infonce``,
        ``_augmentation``, ``_controls``, ``_ledger`` and ``_signs`` (of verdicts) behind it; and ``seen_recorded``.
    """
    found = {
        "": NONE if len(runs) < 2 else f"Beside this run, {len(runs) - 1} recorded in `results/`.",
        "_teacher": _teachers(runs[1:]),
        "_ranks": _items(runs, _collapse),
        "_noise": _items(runs, lambda run: str(report.robustness(accuracy_values(run))["reading_robustness"])),
        "_infonce": _items(runs, _infonce) or "No run here has students of two objectives.",
        "_augmentation": _items(runs, _augmentation) or "No run here has augmented students.",
        "_controls": _controls(runs),
        "_ledger": _agreement(runs, judged),
        "_signs": "; ".join(f"{sign} {verdict}" for verdict, (_, _, sign) in list(scorecard.LOOKS.items())[:2]) + ".",
    }
    return {f"reading_recorded{name}": text for name, text in found.items()} | {"seen_recorded": _seen(runs[1:])}


def _seen(recorded: Sequence[Run]) -> str:
    if not recorded:
        return "No run is recorded beside this one."
    shares = []
    for run in recorded:
        own = rank_values(run)
        share = students_of(own)["value"].mean() / teacher_of(own)["value"].mean()
        shares.append(f"{100 * share:.0f} % ({run.name.removeprefix('recorded: ')})")
    return (
        f"In {len(recorded)} recorded run{'s' * (len(recorded) > 1)}, the students' mean effective rank, as a share of "
        f"their teacher's, is {listed(shares)}."
    )


def _teachers(recorded: Sequence[Run]) -> str:
    """What teachers the recorded runs have: size beside the students', and what the log of their training ends with."""
    said: dict[str, None] = {}  # runs may share a teacher: each sentence once, in order
    for run in recorded:
        sizes = run.table("models").set_index("model")["parameters"]
        teacher, students = sizes[TEACHER], sizes.drop(TEACHER)
        text = (
            f"`{run.settings.teacher}` has {teacher:,} parameters; of its {len(students)} students, with "
            f"{students.min():,} to {students.max():,} parameters, {(students > teacher).sum()} are larger than it. "
        )
        said[text + _training_of(run)] = None
    return " ".join(said)


def _training_of(run: Run) -> str:
    """The accuracies with which the training of a shipped teacher ended, as its log has them."""
    log = resources.files("asymdistill.models") / "weights" / f"{run.settings.teacher}.log"
    if run.settings.teacher_weights is not None or not log.is_file():
        return ""
    lines = [line.partition(": ") for line in log.read_text("utf-8").splitlines() if "accuracy: " in line]
    ended = {name: 100 * float(value) for name, _, value in lines}  # the last of each
    said = listed([f"{name} {value:.1f} %" for name, value in ended.items()])
    return f"Its training ended with {said}, on test images of its own data set."


def _collapse(run: Run) -> str:
    return str(report.collapse(run.first("spectrum"))["reading_collapse"])


def _infonce(run: Run) -> str:
    table = run.table("expansion")
    return str(expansion_report.expansion(table)["seen_expansion"]) if len(run.settings.objectives) > 1 else ""


def _augmentation(run: Run) -> str:
    table = run.table("augmentation")
    return "" if table.empty else str(report.augmentation(table)["reading_augmentation"])


def _controls(runs: Sequence[Run]) -> str:
    """One item a control that a recorded run has, and within it one a run."""
    wanted = [name for name in CONTROLS if any(name in run.settings.controls for run in runs[1:])]
    found: dict[str, Reading] = {}
    for run in runs if wanted else ():
        if run.settings.controls:
            about = {"epochs": run.settings.epochs, "images": test_images(run)}
            found[run.name] = control_report.readings(
                run.table("controls"), published=evaluate.published("accuracy"), **about
            )
    lines = []
    for name in wanted:
        lines.append(f"- **{control_report.TITLES[name]}.**")
        lines += [
            f"    - *{run.name}*: {found[run.name][f'seen_{name}']}" for run in runs if name in run.settings.controls
        ]
    return "\n".join(lines) or "No recorded run has controls."


def _agreement(runs: Sequence[Run], judged: Ledgers) -> str:
    """Of the claims that a recorded run and this one can judge, how many got the same verdict."""
    said = []
    own = judged[runs[0].name].set_index("id")["verdict"]
    for run in runs[1:]:
        other = judged[run.name].set_index("id")["verdict"]
        both = (own != NOT_TESTABLE) & (other != NOT_TESTABLE)
        differ = list(own.index[both & (own != other)])
        names = f"; they differ on {listed([f'`{name}`' for name in differ])}" if differ else ""
        same = both.sum() - len(differ)
        said.append(
            f"- *{run.name}*: this run and it can both judge {both.sum()} of the claims, and {same} of these got the "
            f"same verdict{names}."
        )
    return "\n".join(said) or NONE


def _items(runs: Sequence[Run], say: Callable[[Run], str]) -> str:
    """A list in Markdown, one item a run that there is something to say about."""
    return "\n".join(f"- *{run.name}*: {text}" for run in runs if (text := say(run)))


def ledgers(runs: Sequence[Run]) -> dict[str, pd.DataFrame]:
    """Every claim judged on every run, by the run's name; claims that need no run are left out."""
    judged = {run.name: evaluate.evaluate(run.results) for run in runs}
    return {name: ledger[ledger["evidence"] != evaluate.STATIC] for name, ledger in judged.items()}


def verdict_counts(judged: Ledgers) -> pd.DataFrame:
    """How many claims got which verdict on each run, one row each."""
    rows = [{"run": name, **summary.counts(ledger).drop(columns="claims").iloc[-1]} for name, ledger in judged.items()]
    return pd.DataFrame(rows)


def verdicts(judged: Ledgers) -> pd.DataFrame:
    """The claims that at least one run can judge: the paper's number, and each run's verdict, a sign, and number."""
    tables = {name: ledger.set_index("id") for name, ledger in judged.items()}
    rows = []
    for claim in next(iter(judged.values())).to_dict("records"):
        found = {name: table.loc[claim["id"]] for name, table in tables.items()}
        if all(one["verdict"] == NOT_TESTABLE for one in found.values()):
            continue
        row = {"claim": f"{claim['statement']} ({claim['id']})", "paper": summary.values(claim)[0]}
        rows.append(row | {name: _verdict(one.to_dict()) for name, one in found.items()})
    return pd.DataFrame(rows, columns=["claim", "paper", *tables])


def _verdict(claim: dict[str, Any]) -> str:
    if claim["verdict"] == NOT_TESTABLE:
        return "–"
    return f"{scorecard.LOOKS[claim['verdict']][2]} {summary.values(claim)[1]}"
