"""The ledger: the papers' own numbers, each once."""

import re

import pytest

from asymdistill import claims
from asymdistill.checks import InputError

# What the first paper and its notebook report, transcribed independently of the ledger.
SPECTRUM = {
    "effective_rank": {"teacher": 88.68, "S": 15.91, "M": 16.62, "L": 16.66},
    "dims_for_90": {"teacher": 152, "S": 19, "M": 20, "L": 20},
    "info_nce": {"S": 3.3117, "M": 3.2996, "L": 3.2738},
    "uniformity": {"S": -0.4061, "M": -0.4153, "L": -0.4285},
    "parameters": {"teacher": 500e6, "S": 0.5e6, "M": 2e6, "L": 8e6},
}
ACCURACY = {
    "teacher": {0: (94.31, None), 0.05: (92.19, None), 0.1: (89.35, None), 0.2: (84.12, None)},
    "S": {0: (71.11, 0.44), 0.05: (67.82, 0.74), 0.1: (54.84, 3.73), 0.2: (27.35, 5.92)},
    "M": {0: (72.32, 0.50), 0.05: (68.36, 0.60), 0.1: (52.49, 7.52), 0.2: (24.15, 6.71)},
    "L": {0: (72.94, 0.43), 0.05: (69.09, 0.38), 0.1: (43.76, 6.10), 0.2: (14.05, 1.40)},
}
AUGMENTED = {0: 69.34, 0.05: 67.01, 0.1: 49.49, 0.2: 14.04}


def test_every_claim_has_its_own_id_and_a_source() -> None:
    table = claims.load()
    assert list(table.columns) == list(claims.COLUMNS)
    assert table["id"].is_unique
    assert table[["id", "paper", "source", "statement", "quantity", "value"]].notna().all(axis=None)
    assert set(table["paper"]) <= {"v1", "v2"}
    assert table["augmented"].dtype == bool


@pytest.mark.parametrize("quantity", SPECTRUM)
def test_quantities_are_the_papers(quantity: str) -> None:
    table = claims.published(quantity)
    assert dict(zip(table["model"], table["value"], strict=True)) == SPECTRUM[quantity]


def test_accuracies_are_the_papers() -> None:
    table = claims.published("accuracy")
    plain, treated = table[~table["augmented"]], table[table["augmented"]]
    listed = {
        (row.model, row.sigma): (row.value, None if row.spread != row.spread else row.spread)
        for row in plain.itertuples()
    }
    assert listed == {(model, s): pair for model, levels in ACCURACY.items() for s, pair in levels.items()}
    assert dict(zip(treated["sigma"], treated["value"], strict=True)) == AUGMENTED
    assert set(treated["model"]) == {"L"}
    assert set(treated["seeds"]) == {1}


def test_a_spread_needs_several_seeds() -> None:
    table = claims.load()
    assert (table.loc[table["spread"].notna(), "seeds"] == 3).all()


def test_statements_state_the_value() -> None:
    for claim in claims.load().itertuples():
        numbers = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", claim.statement)]
        scaled = {claim.value, claim.value / 1e6, 100 * claim.value}
        assert any(abs(number - value) < 1e-9 for number in numbers for value in scaled), claim.statement
        if claim.model in ("S", "M", "L"):
            assert re.search(rf"[Ss]tudent {claim.model}\b", claim.statement), claim.statement


def test_a_quantity_that_the_papers_do_not_give_is_named() -> None:
    with pytest.raises(InputError, match="no 'entropy'; allowed: accuracy, dims_for_90, effective_rank"):
        claims.published("entropy")


def test_a_caller_cannot_change_the_ledger() -> None:
    table = claims.load()
    table["value"] = 0.0
    assert (claims.load()["value"] != 0).all()
