"""The judged ledger in short: verdicts by claim, counts, and values as text. No figure is drawn here."""

import math
from typing import Any

import pandas as pd

from asymdistill.claims.evaluate import OTHER_SETTING, SAME_SETTING, STATIC
from asymdistill.claims.rules import NOT_REPRODUCED, NOT_TESTABLE, REPRODUCED, VERDICTS


def verdicts(ledger: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Verdict and reason of each claim by its id, for the pages that mention one."""
    return {str(row["id"]): {"verdict": row["verdict"], "reason": row["reason"]} for row in ledger.to_dict("records")}


def summarise(ledger: pd.DataFrame) -> dict[str, Any]:
    """Number of claims with each verdict, and a sentence that states these numbers.

    Args:
        ledger: claims as ``evaluate.evaluate`` returns them.

    Returns:
        ``claims``, ``claims_reproduced``, ``claims_not_reproduced``, ``claims_not_testable_here``, and
        ``scorecard_summary``.
    """
    found = {verdict: int((ledger["verdict"] == verdict).sum()) for verdict in VERDICTS}
    tested = ledger.loc[ledger["verdict"] != NOT_TESTABLE, "evidence"]
    papers = " and ".join(f"{count} of {paper}" for paper, count in ledger["paper"].value_counts(sort=False).items())
    static, same, other = (int((tested == kind).sum()) for kind in (STATIC, SAME_SETTING, OTHER_SETTING))
    text = (
        f"Of {len(ledger)} claims ({papers}), {found[REPRODUCED]} came out as stated, {found[NOT_REPRODUCED]} did not, "
        f"and {found[NOT_TESTABLE]} cannot be tested in this run. "
        f"Tested without a run: {static}; on a run in the paper's own setting: {same}; in another setting: {other}."
    )
    numbers = {f"claims_{verdict.replace(' ', '_')}": count for verdict, count in found.items()}
    return {"claims": len(ledger), **numbers, "scorecard_summary": text}


def counts(ledger: pd.DataFrame) -> pd.DataFrame:
    """Number of claims: one row per paper and kind of evidence, one column per verdict."""
    kinds = ledger["paper"] + ", " + ledger["evidence"]
    found = pd.crosstab(kinds, ledger["verdict"], margins=True, margins_name="all")
    return found.reindex(columns=list(VERDICTS), fill_value=0).rename_axis(index="claims", columns=None).reset_index()


def values(claim: dict[str, Any]) -> tuple[str, str]:
    """The paper's value and the measured one as text: ``16.62 ± 0.40`` and ``12.31 [11.87, 12.75]``, a dash for none.

    A measured value has as many decimals as the paper's, and at least three significant digits.

    Args:
        claim: a row of the table that ``evaluate.evaluate`` returns.
    """
    paper, spread, measured = claim["paper_value"], claim["paper_spread"], claim["measured"]
    low, high = claim["low"], claim["high"]
    # Near zero the value itself says nothing about its scale: the width of the interval does.
    scale = measured if pd.isna(low) else max(abs(measured), (high - low) / 2)
    digits = max(_decimals(paper), 0 if float(measured).is_integer() else _three_digits(scale))
    reported = _number(paper, _decimals(paper)) + (
        "" if pd.isna(spread) else f" ± {_number(spread, _decimals(spread))}"
    )
    interval = "" if pd.isna(low) else f" [{_number(low, digits)}, {_number(high, digits)}]"
    return reported, _number(measured, digits) + interval


def _number(value: float, digits: int) -> str:
    return "–" if pd.isna(value) else f"{value:,.{digits}f}".replace("-", "−")


def _decimals(value: float) -> int:
    """Decimals of a number as it was typed."""
    return len(f"{value:.6f}".rstrip("0").partition(".")[2])


def _three_digits(value: float) -> int:
    """Decimals that show three significant digits."""
    return 2 if pd.isna(value) or value == 0 else max(2 - math.floor(math.log10(abs(value))), 0)
