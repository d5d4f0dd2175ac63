"""Tables of chapter 6: every number from the table of the study."""

import expansion_tables as made
import numpy as np
import pandas as pd
import pytest
from expansion_tables import OWN, gains, of_copy

from asymdistill.config.names import OBJECTIVES
from asymdistill.plots import expansion_tables, generality
from asymdistill.plots.derived import ratios
from asymdistill.plots.tables import for_readers


def test_the_factor_is_taken_student_by_student() -> None:
    factor = ratios(gains(made.everything()))
    assert len(factor) == len(made.WIDTHS) * len(made.SEEDS)
    assert factor["value"].tolist() == pytest.approx([made.FACTOR] * len(factor))


def test_numbers_for_prose_are_means_over_students() -> None:
    numbers = expansion_tables.numbers(made.everything())
    assert numbers["expansion_factor"] == pytest.approx(made.FACTOR)
    assert numbers["er_mean_cosine"] == pytest.approx(made.PLAIN + 0.5)
    assert numbers["er_infonce"] == pytest.approx((made.PLAIN + 0.5) * made.FACTOR)
    assert {type(value) for value in numbers.values()} == {float}


def test_with_one_objective_there_is_no_factor() -> None:
    table = made.everything(("cosine",), sweeps=False)
    assert all(np.isnan(value) for value in expansion_tables.numbers(table).values())
    shown = expansion_tables.ranks({OWN: table})
    assert set(shown.loc[shown["from"] == OWN, "factor"]) == {"–"}
    assert "change" not in expansion_tables.worth({OWN: table})
    assert set(generality.table({OWN: made.crossed(("cosine",))}).get("factor", "–")) == {"–"}


def test_the_main_table_has_a_row_per_width() -> None:
    table = made.everything()
    table.loc[(table["objective"] == "infonce") & (table["model"] == "L") & (table["seed"] == 42), "value"] = 20.0
    shown = of_copy(expansion_tables.ranks({OWN: table})).set_index("student")
    assert list(shown.index) == list(made.WIDTHS)
    assert shown.loc["S"].tolist() == ["40.0", "10.5 ± 0.5", "15.8 ± 0.8", "1.50 ± 0.00", "1.50 to 1.50", 2]
    assert shown.loc["L", "range of factor"] == "1.50 to 2.00"


def test_the_papers_ranks_and_factor_come_first_and_runs_below_each_other() -> None:
    shown = expansion_tables.ranks({"photographs": made.everything(), OWN: made.everything()})
    assert shown["from"].tolist() == ["paper", *["photographs"] * 3, *[OWN] * 3]
    paper = shown.iloc[0]
    assert paper[["student", "teacher", "cosine alone", "cosine with InfoNCE", "factor"]].tolist() == [
        *("all", "88.7", "16.0", "38.0", "2.40"),
    ]


def test_another_second_objective_is_named() -> None:
    shown = expansion_tables.ranks({OWN: made.everything(("views", "vicreg"), sweeps=False)})
    assert {"InfoNCE between views", "VICReg's terms"} < {*shown}


def test_what_it_buys_is_shown_as_paired_changes_in_their_units() -> None:
    shown = of_copy(expansion_tables.worth({OWN: made.everything()})).set_index("measure")
    assert shown["change"].tolist() == [
        "5.0 ± 0.0", "3.0 ± 0.0", "2.0 ± 0.0", "−5.0 ± 0.0", "0.0 ± 0.0", "0.010 ± 0.000", "−7.0 ± 0.0"
    ]  # fmt: skip
    assert shown.loc["neighbours shared with the teacher (%)", "cosine alone"] == "30.0 ± 0.0"
    assert shown.loc["probe accuracy (%) at σ = 0.2", ["teacher", "students"]].tolist() == ["85.0", 6]
    assert shown.loc["cosine distance to the teacher", "teacher"] == "–"


def test_changes_are_paired_by_student() -> None:
    table = made.everything()
    own = (table["quantity"] == "distance") & (table["seed"] == 42)
    table.loc[own, "value"] += 0.1  # of both objectives, so that no change changes
    assert expansion_tables.worth({OWN: table}).set_index("measure").loc[
        "cosine distance to the teacher", "change"
    ] == ("0.010 ± 0.000")


def longer(rank: float) -> pd.DataFrame:
    found = {"control": "underfitting", "quantity": "epoch_rank", "variant": "constant"}
    rows = [
        made.of("S", seed, "cosine") | found | {"x": epoch, "value": rank if epoch == 20 else 10.0}
        for seed in made.SEEDS
        for epoch in (5.0, 20.0)
    ]
    return pd.DataFrame(rows).astype({"seed": "Int64"})


def test_longer_training_stands_between_the_two_objectives() -> None:
    own = gains(made.everything())
    shown = for_readers(expansion_tables.longer(own, longer(13.0), epochs=5))
    assert shown.to_numpy().tolist() == [
        [5, "10.5 ± 0.5", 2], [20, "13.0 ± 0.0", 2], [5, "15.8 ± 0.8", 2], ["–", "40.0", "–"]
    ]  # fmt: skip
    without = expansion_tables.longer(own, longer(13.0).iloc[:0], epochs=5)
    assert without["objective"].tolist() == ["cosine alone", "cosine with InfoNCE", "teacher"]


def test_sweeps_have_a_row_per_value_and_objective() -> None:
    shown = expansion_tables.sweeps({OWN: made.everything()}).set_index(["varied", "value", "objective"])
    assert len(shown) == 3 + 2 + 4
    assert shown.loc[("weight of InfoNCE", "0", "cosine alone"), "effective rank"] == "10.5 ± 0.5"
    assert shown.loc[("batch size", "16", "cosine with InfoNCE"), "effective rank"] == "15.8 ± 0.8"
    assert shown.loc[("temperature", "1", "cosine with InfoNCE"), "probe accuracy (%)"] == "75.0 ± 0.0"
    assert for_readers(expansion_tables.sweeps({OWN: made.everything(sweeps=False)})).empty


def test_alternatives_have_a_row_per_objective() -> None:
    shown = of_copy(expansion_tables.alternatives({OWN: made.everything()})).set_index("objective")
    assert list(shown.index) == list(OBJECTIVES.values())[:6]
    assert shown.loc["cosine alone"].tolist() == [
        "10.5 ± 0.5", "70.0 ± 0.0", 2, "20.0 ± 0.0", "60.0 ± 0.0", "30.0 ± 0.0", "0.200 ± 0.000"
    ]  # fmt: skip
