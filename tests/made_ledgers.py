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
    "seeds": 3,
    "verdict": "reproduced",
    "evidence": "same setting",
    "reason": "It is within the tolerance.",
}


def ledger(*rows: dict[str, object]) -> pd.DataFrame:
    """Judged claims: each row says how it differs from an ordinary one."""
    return pd.DataFrame([{"id": f"v1-claim-{number}", **DEFAULTS, **row} for number, row in enumerate(rows)])


MIXED = ledger(
    {"verdict": "not reproduced", "evidence": "another setting"},
    {"verdict": "not testable here", "evidence": "another setting", "measured": NAN, "low": NAN, "high": NAN},
    {"paper": "v2", "id": "v2-in-words", "paper_value": NAN, "statement": "A <b> & a 'c'.", "source": "abstract"},
    {"source": "abstract", "evidence": "static", "quantity": "parameters", "low": NAN, "high": NAN},
)
