"""Tables for readers: runs beside the paper, rows and numbers as they are written."""

import subprocess
import sys

import pandas as pd
import study_tables

from asymdistill.claims.ledger import published
from asymdistill.plots import tables


def beside(ranks: dict[float, list[float]], digits: int = 2) -> pd.DataFrame:
    return tables.beside_paper(
        {"this copy": study_tables.per_seed(ranks)}, published("effective_rank"), ["model"], "value", digits
    )


def test_nothing_heavy_is_imported() -> None:
    code = "import sys, asymdistill.plots.tables; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "matplotlib", "seaborn", "scipy.stats"} & {*done.stdout.split()}


def test_beside_the_paper() -> None:
    shown = beside({1: [15.0, 17.0], 3: [10.0, 10.0]})
    assert shown.to_dict("records") == [
        {"model": "teacher", "paper": "88.68", "this copy": "90.00", "seeds": "1"},
        {"model": "S", "paper": "15.91", "this copy": "16.00 ± 1.00", "seeds": "2"},
        {"model": "w=3", "paper": "–", "this copy": "10.00 ± 0.00", "seeds": "2"},
        {"model": "w=3 − S", "paper": "–", "this copy": "−6.00 ± 1.00", "seeds": "2"},
    ]


def test_the_widest_minus_the_narrowest_student_is_paired_by_seed() -> None:
    shown = beside({1: [10.0, 20.0], 4: [11.0, 21.0]})
    last = shown.set_index("model").loc["L − S"]
    assert (last["paper"], last["this copy"], last["seeds"]) == ("0.75", "1.00 ± 0.00", "2")


def test_runs_stand_side_by_side_with_a_dash_for_what_one_lacks() -> None:
    ranks = {"photographs": {1: [14.0], 2: [8.0]}, "this copy": {1: [10.0, 20.0]}}
    runs = {name: study_tables.per_seed(own) for name, own in ranks.items()}
    shown = tables.beside_paper(runs, published("effective_rank"), ["model"], "value", 1).set_index("model")
    assert shown.columns.tolist() == ["paper", "photographs", "this copy", "seeds"]
    assert shown.loc["teacher"].tolist() == ["88.7", "90.0", "90.0", "1"]
    assert shown.loc["S"].tolist() == ["15.9", "14.0", "15.0 ± 5.0", "1 / 2"]
    assert shown.loc["M"].tolist() == ["16.6", "8.0", "–", "1"]
    assert shown.loc["M − S"].tolist() == ["0.7", "−6.0", "–", "1"]


def test_one_width_has_no_difference() -> None:
    shown = beside({1: [10.0, 20.0]})
    assert shown["model"].tolist() == ["teacher", "S"]


def test_an_empty_table_stays_empty_beside_the_paper() -> None:
    empty = study_tables.per_seed({1: [10.0]}).iloc[:0]
    assert tables.beside_paper({"this copy": empty}, published("effective_rank"), ["model"], "value", 2).empty


def test_quantities_stand_beside_each_other() -> None:
    runs = {"this copy": study_tables.spectrum({1: [10.0, 20.0]}).query("estimator == 'per seed'")}
    shown = tables.quantities_beside_paper(runs, {"rank": ("effective_rank", 1), "dims": ("dims_for_90", 0)})
    assert [*shown] == ["model", "rank: paper", "rank: this copy", "dims: paper", "dims: this copy", "seeds"]
    assert shown.set_index("model").loc["S", ["rank: this copy", "dims: this copy"]].tolist() == [
        "15.0 ± 5.0",
        "30 ± 10",
    ]


def test_readers_see_a_dash_where_there_is_nothing() -> None:
    shown = tables.for_readers(pd.DataFrame({"model": ["S", "M"], "rank": [1.5, None]}))
    assert shown.index.tolist() == ["S", "M"]
    assert shown["rank"].tolist() == [1.5, "–"]


def test_a_run_ends_with_ranks_and_accuracies() -> None:
    made = study_tables.everything((0.5, 1.0))
    ranks, accuracy = tables.summary(made).values()
    assert ranks["model"].tolist() == ["teacher", "w=0.5", "S"]
    assert ranks.set_index("model").loc["S", "effective_rank"] == "16.00 ± 0.00"
    assert accuracy.columns.tolist() == ["model", "space", *study_tables.SIGMAS]
    assert accuracy["space"].tolist() == ["normalised"] * 3 + ["pixel"] * 3
    assert accuracy.set_index(["model", "space"]).loc[("S", "pixel"), 0.1] == "62.0 ± 1.0"


def test_students_of_several_objectives_are_named_apart() -> None:
    rows = study_tables.training((1.0,))
    both = pd.concat([rows, rows.assign(objective="infonce")])
    assert set(tables.with_objective(both)["model"]) == {"S", "S infonce"}


def test_parameters_of_models_are_written_with_commas() -> None:
    own = pd.DataFrame({"model": ["teacher"], "width": [None], "parameters": [3371008], "embedding_dim": [1280]})
    assert tables.models(own).loc["teacher"].to_dict() == {"width": "–", "parameters": "3,371,008", "dimensions": 1280}


def test_a_notebook_leaves_nothing_of_a_table_out() -> None:
    long = "student S, " * 10
    rows = pd.DataFrame({"model": [f"{number} {long}" for number in range(80)]} | {f"c{n}": 1 for n in range(30)})
    html = tables.for_readers(rows)._repr_html_()
    assert all(f"{number} {long.strip()}" in html for number in range(80))
    assert html.count("<td>") == 80 * 30
    assert "..." not in html
