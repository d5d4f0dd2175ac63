"""The judged ledger in short: counts, verdicts by id, and values as text."""

import json

import pandas as pd
import pytest
from made_ledgers import MIXED, NAN, ledger

from asymdistill.claims import summary


@pytest.mark.parametrize(
    ("row", "paper", "measured"),
    [
        ({}, "16.62", "12.35 [11.50, 13.25]"),
        ({"paper_spread": 0.4}, "16.62 ± 0.4", "12.35 [11.50, 13.25]"),
        ({"paper_value": -0.4061, "measured": -0.41, "low": NAN, "high": NAN}, "−0.4061", "−0.4100"),
        ({"paper_value": 5e8, "measured": 151277313.0, "low": NAN, "high": NAN}, "500,000,000", "151,277,313"),
        ({"paper_value": 20.0, "measured": 12.6667, "low": 11.2, "high": 14.1}, "20", "12.7 [11.2, 14.1]"),
        ({"paper_value": 20.0, "measured": 0.0, "low": NAN, "high": NAN}, "20", "0"),
        ({"paper_value": NAN, "measured": 0.012345, "low": 0.011, "high": 0.013}, "–", "0.0123 [0.0110, 0.0130]"),
        ({"paper_value": NAN, "measured": 7e-15, "low": -0.746, "high": 0.746}, "–", "0.000 [−0.746, 0.746]"),
        ({"measured": NAN, "low": NAN, "high": NAN}, "16.62", "–"),
    ],
)
def test_numbers_have_the_papers_digits_or_three(row: dict[str, object], paper: str, measured: str) -> None:
    assert summary.values(ledger(row).iloc[0].to_dict()) == (paper, measured)


def test_the_summary_counts_every_claim_once() -> None:
    found = summary.summarise(MIXED)
    assert found == {
        "claims": 4,
        "claims_supported": 2,
        "claims_contradicted": 1,
        "claims_undecided": 0,
        "claims_not_testable_here": 1,
        "claims_by_seeds": 2,
        "claims_by_chance": "0.1",
        "scorecard_summary": (
            "Of 4 claims (3 of v1 and 1 of v2), 3 are judged here and 1 are not testable here. "
            "Checks of the text: 1 supported, 0 contradicted, 0 undecided. "
            "In the paper's own setting: 1 supported, 0 contradicted, 0 undecided. "
            "In another setting: 0 supported, 1 contradicted, 0 undecided."
        ),
    }
    table = summary.counts(MIXED).set_index("claims")
    assert table.loc["all"].tolist() == [2, 1, 0, 1]
    assert table.loc["v1, another setting"].tolist() == [0, 1, 0, 1]


def test_chance_supports_one_in_forty_of_what_seeds_decide() -> None:
    rows = [{"seeds": 3}] * 40 + [{"seeds": 0}, {"seeds": 0, "verdict": "not testable here"}]
    assert summary.by_chance(ledger(*rows)) == (40, pytest.approx(1.0))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"claimed_low": 14.5, "claimed_high": 17.5}, "14.5 to 17.5"),
        ({"test": "at_least", "claimed_low": 0.9, "claimed_high": NAN}, "at least 0.9"),
        ({"test": "at_most", "claimed_low": NAN, "claimed_high": -1.0}, "at most −1"),
        ({"test": "order", "claimed_low": 0.0, "claimed_high": NAN}, "above 0"),
    ],
)
def test_the_claimed_range_is_told_in_words(row: dict[str, object], words: str) -> None:
    assert summary.claimed(ledger(row).iloc[0].to_dict()) == words


POWER = pd.DataFrame(
    [
        {"id": "v1-claim-0", "seeds": seeds, "supported": 0.2495, "contradicted": 0.0, "opposite_contradicted": 0.6}
        for seeds in (3, 10)
    ]
)


def test_json_has_the_power_of_each_claim_by_number_of_seeds() -> None:
    found = json.loads(summary.to_json(MIXED, POWER))
    assert [row["id"] for row in found] == MIXED["id"].tolist()
    assert found[0]["power"]["10"] == {"supported": 0.2495, "contradicted": 0.0, "opposite_contradicted": 0.6}
    assert set(found[0]["power"]) == {"3", "10"}
    assert found[1]["power"] is None
    assert found[1]["measured"] is None


def test_the_table_of_power_is_in_percent() -> None:
    (row,) = summary.power_table(MIXED, POWER).to_dict("records")
    assert list(row.values()) == ["A number is what it is. (v1-claim-0)", "25", "0.0", "60", "25", "0.0", "60"]


def test_verdicts_are_plain_values_by_id() -> None:
    found = json.loads(json.dumps(summary.verdicts(MIXED)))
    assert found["v1-claim-0"] == {"verdict": "contradicted", "reason": "It is within the margin."}
    assert list(found) == list(MIXED["id"])
