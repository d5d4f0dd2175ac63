"""Made-up ledgers, as if judged."""

import math

import pandas as pd

NAN = math.nan
DEFAULTS = {
    "paper": "v1",
    "source": "Table I",
    "statement": "A number is what it is.",
    "quantity": "effective_rank",
    "test": "equal",
    "paper_value": 16.62,
    "paper_spread": NAN,
    "measured": 12.3456,
    "low": 11.5,
    "high": 13.25,
    "claimed_low": 11.0,
    "claimed_high": 14.0,
    "margin": 1.5,
    "margin_reason": "A share <of> the effect.",
    "seeds": 3,
    "verdict": "supported",
    "evidence": "the paper's own setting",
    "reason": "It is within the margin.",
}


def ledger(*rows: dict[str, object]) -> pd.DataFrame:
    """Judged claims: each row says how it differs from an ordinary one."""
    return pd.DataFrame([{"id": f"v1-claim-{number}", **DEFAULTS, **row} for number, row in enumerate(rows)])


POINT = {"low": NAN, "high": NAN}
UNMEASURED = {"measured": NAN, **POINT}
MIXED = ledger(
    {"verdict": "contradicted", "evidence": "another setting"},
    {"verdict": "not testable here", "evidence": "another setting", "seeds": 0, **UNMEASURED},
    {"paper": "v2", "id": "v2-in-words", "paper_value": NAN, "statement": "A <b> & a 'c'.", "source": "abstract"},
    {"source": "abstract", "evidence": "check of the text", "quantity": "parameters", "seeds": 0, **POINT},
)
