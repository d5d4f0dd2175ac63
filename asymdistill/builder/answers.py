"""What each chapter begins with: its claims, judged on recorded photographs and on this copy."""

from collections.abc import Sequence

import pandas as pd

from asymdistill.claims.evaluate import evaluate
from asymdistill.claims.rules import NOT_TESTABLE
from asymdistill.config.names import PHOTOGRAPHS, THIS_COPY
from asymdistill.study import Evidence


def judge(evidence: Evidence, claims: Sequence[str] | None = None) -> dict[str, pd.DataFrame]:
    """Claims as ``evaluate`` returns them, by what they were judged on: photographs, if there are any, and this copy.

    On photographs, each claim is judged on the largest recorded run that can.

    Args:
        evidence: the book's own run and the recorded ones.
        claims: their ids; None: all.

    Raises:
        InputError: there is no such claim.
    """
    found = {THIS_COPY: evaluate(evidence.study, only=claims)}
    ledgers = [evaluate(run, only=claims).set_index("id", drop=False) for run in evidence.on_photographs]
    if not ledgers:
        return found
    best = ledgers[0].copy()
    for smaller in ledgers[1:]:
        better = (best["verdict"] == NOT_TESTABLE) & (smaller["verdict"] != NOT_TESTABLE)
        best[better] = smaller[better]
    return {PHOTOGRAPHS: best.reset_index(drop=True)} | found
