"""The judged ledger in short: counts, verdicts by id, and values as text."""

import json

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
        "claims_reproduced": 2,
        "claims_not_reproduced": 1,
        "claims_not_testable_here": 1,
        "scorecard_summary": (
            "Of 4 claims (3 of v1 and 1 of v2), 2 came out as stated, 1 did not, and 1 cannot be tested in this run. "
            "Tested without a run: 1; on a run in the paper's own setting: 1; in another setting: 1."
        ),
    }
    table = summary.counts(MIXED).set_index("claims")
    assert table.loc["all"].tolist() == [2, 1, 1]
    assert table.loc["v1, another setting"].tolist() == [0, 1, 1]


def test_verdicts_are_plain_values_by_id() -> None:
    found = json.loads(json.dumps(summary.verdicts(MIXED)))
    assert found["v1-claim-0"] == {"verdict": "not reproduced", "reason": "It is within the tolerance."}
    assert list(found) == list(MIXED["id"])
