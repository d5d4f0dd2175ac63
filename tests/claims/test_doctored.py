"""Doctored runs: a recorded run's tables with one quantity shifted to the claim's side, the other side, the middle."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from made_runs import Made

from asymdistill.claims import evaluate
from asymdistill.claims.rules import CONTRADICTED, SUPPORTED, UNDECIDED
from asymdistill.config.names import TABLES
from asymdistill.config.profiles import load_settings
from asymdistill.study.folders import RESULTS
from asymdistill.study.recorded import recorded_runs

RUNS = recorded_runs(RESULTS)  # the largest first; none where nothing is recorded
pytestmark = pytest.mark.skipif(not RUNS, reason="no run is recorded here")
STUDENT = "model == '{}' and objective == '{}' and not augmented"


class Case(NamedTuple):
    """What is doctored: rows of a table by a query, and what the shift is added to: a number, or other rows by seed."""

    table: str
    query: str
    base: str | float
    shifts: tuple[float, float, float]
    column: str = "value"


def student(model: str, objective: str = "cosine", **cells: object) -> str:
    more = "".join(f" and {name} == {value!r}" for name, value in cells.items())
    return STUDENT.format(model, objective) + more


def rank(model: str, objective: str = "cosine") -> str:
    return student(model, objective, quantity="effective_rank", estimator="per seed")


def accuracy(model: str, sigma: float, objective: str = "cosine") -> str:
    return student(model, objective, sigma=sigma, noise_space="normalised")


def control(name: str, **cells: object) -> str:
    return f"control == '{name}'" + "".join(f" and {cell} == {value!r}" for cell, value in cells.items())


# Shifts: to the claim's side, to the other side, and to where the interval lies across the edge.
CASES = {
    "v1-inversion-0.1": Case("robustness", accuracy("S", 0.1), accuracy("L", 0.1), (10, -10, 0.0), "accuracy"),
    "v1-order-accuracy-0": Case("robustness", accuracy("L", 0.0), accuracy("M", 0.0), (9, -9, -1.6), "accuracy"),
    "v1-order-infonce": Case("information", student("S", quantity="info_nce"),
                             student("M", quantity="info_nce"), (1, -1, 0.0)),
    "v1-rank-same": Case("spectrum", f"({rank('M')}) or ({rank('S')})", rank("L"), (0.0, 9.0, 0.017 * 259.8)),
    "v1-alignment-same": Case("alignment", student("L"), student("S"), (0.0, 0.2, 0.05), "share"),
    "v1-bottleneck-absolute": Case(
        "controls", control("underfitting", quantity="epoch_rank", variant="constant") + " and x > 5",
        control("underfitting", quantity="epoch_rank", variant="constant", x=5.0), (0.0, 50.0, 0.02 * 243)),
    "v2-cause-objective": Case("controls", control("objective", quantity="effective_rank", variant="whitened"),
                               control("objective", quantity="effective_rank", variant="cosine"), (9, -9, 0.0)),
    "v1-neighbours": Case("expansion", student("M", quantity="neighbour_overlap", comparison="gains"), 0.0,
                          (0.1, 0.9, 0.5)),
    "v1-accuracy-s-0": Case("robustness", accuracy("S", 0.0), 71.11, (0.0, 9.0, 1.83), "accuracy"),
    "v1-accuracy-teacher-0": Case("robustness", "model == 'teacher' and sigma == 0.0", 94.31, (0.5, 9.0, 1.0),
                                  "accuracy"),
}  # fmt: skip


@pytest.fixture(scope="module")
def runs() -> list[dict[str, pd.DataFrame]]:
    """The tables of each recorded run."""
    return [{name: found for name in TABLES if (found := run.table(name)) is not None} for run in RUNS]


def doctored(runs: list[dict[str, pd.DataFrame]], case: Case, shift: float) -> Made:
    """A run in the paper's own setting with the tables of the first run that has the quantity, but for the quantity."""
    tables = next(one for one in runs if case.table in one and len(one[case.table].query(case.query)))
    table = tables[case.table].copy()
    chosen = table.query(case.query).index
    if isinstance(case.base, str):
        index = ["seed", "component"] if "component" in table else ["seed"]
        values = table.query(case.base).groupby(index)[case.column].mean()
        base: float | np.ndarray = table.loc[chosen, index].join(values, on=index)[case.column].to_numpy()
    else:
        base = case.base
    seeds = table.loc[chosen, "seed"].rank(method="dense").fillna(2).to_numpy(float)
    wiggle = 0.01 * abs(max(case.shifts, key=abs)) * (seeds - 2)  # so that seeds differ
    table.loc[chosen, case.column] = base + shift + wiggle
    return Made(load_settings("cifar10-clip")[1], tables | {case.table: table})


@pytest.mark.parametrize("name", CASES)
def test_the_verdict_follows_the_shift(name: str, runs: list[dict[str, pd.DataFrame]]) -> None:
    ledger = evaluate.load()
    ledger = ledger[(ledger["id"] == name) | (ledger["judged"] == "number")]
    for shift, verdict in zip(CASES[name].shifts, (SUPPORTED, CONTRADICTED, UNDECIDED), strict=True):
        (row,) = evaluate.evaluate(doctored(runs, CASES[name], shift), ledger).to_dict("records")
        assert row["verdict"] == verdict, row["reason"]
