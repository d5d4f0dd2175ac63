"""The judged ledger in short: verdicts by claim, counts, and values as text. No figure is drawn here."""

import json
import math
from typing import Any

import pandas as pd

from asymdistill.claims.estimates import LEVEL
from asymdistill.claims.evaluate import KINDS
from asymdistill.claims.rules import CONTRADICTED, NOT_TESTABLE, SUPPORTED, UNDECIDED, VERDICTS


def verdicts(ledger: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Verdict and reason of each claim by its id, for the pages that mention one."""
    return {str(row["id"]): {"verdict": row["verdict"], "reason": row["reason"]} for row in ledger.to_dict("records")}


def summarise(ledger: pd.DataFrame) -> dict[str, Any]:
    """Number of claims with each verdict, and sentences that state these numbers for each kind of evidence.

    Args:
        ledger: claims as ``evaluate.evaluate`` returns them.

    Returns:
        ``claims``, ``claims_supported``, ``claims_contradicted``, ``claims_undecided``, ``claims_not_testable_here``,
        ``claims_by_seeds`` and ``claims_by_chance`` (see ``by_chance``), and ``scorecard_summary``.
    """
    found = {verdict: int((ledger["verdict"] == verdict).sum()) for verdict in VERDICTS}
    papers = " and ".join(f"{count} of {paper}" for paper, count in ledger["paper"].value_counts(sort=False).items())
    judged = ledger[ledger["verdict"] != NOT_TESTABLE]
    parts = [f"{_capital(kind)}: {_counted(judged[judged['evidence'] == kind])}." for kind in KINDS]
    text = (
        f"Of {len(ledger)} claims ({papers}), {len(judged)} are judged here and {found[NOT_TESTABLE]} are "
        f"{NOT_TESTABLE}. {' '.join(parts)}"
    )
    numbers: dict[str, Any] = {f"claims_{verdict.replace(' ', '_')}": count for verdict, count in found.items()}
    count, chance = by_chance(ledger)
    numbers |= {"claims_by_seeds": count, "claims_by_chance": f"{chance:.1f}"}
    return {"claims": len(ledger), **numbers, "scorecard_summary": text}


def by_chance(ledger: pd.DataFrame) -> tuple[int, float]:
    """How many claims are judged by intervals over seeds, and how many of these chance alone would support, at most.

    Where there is no difference, or where the truth is on the edge of the claimed range, an interval of 95 % lies
    within the range with a probability of 2.5 % at most, and outside as often.
    """
    count = int(((ledger["seeds"] > 1) & (ledger["verdict"] != NOT_TESTABLE)).sum())
    return count, count * LEVEL / 2


def _counted(judged: pd.DataFrame) -> str:
    words = [(judged["verdict"] == verdict).sum() for verdict in (SUPPORTED, CONTRADICTED, UNDECIDED)]
    if not sum(words):
        return "none"
    return ", ".join(f"{n} {verdict}" for n, verdict in zip(words, (SUPPORTED, CONTRADICTED, UNDECIDED), strict=True))


def _capital(text: str) -> str:
    return {"check of the text": "Checks of the text"}.get(text, f"In {text}")


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
    digits = _digits(claim)
    reported = _number(paper, _decimals(paper)) + (
        "" if pd.isna(spread) else f" ± {_number(spread, _decimals(spread))}"
    )
    interval = "" if pd.isna(low) else f" [{_number(low, digits)}, {_number(high, digits)}]"
    return reported, _number(measured, digits) + interval


def claimed(claim: dict[str, Any]) -> str:
    """The claimed range as text: ``14.5 to 17.5``, ``at least 0.9``, ``above 0``."""
    low, high = claim["claimed_low"], claim["claimed_high"]
    low_text, high_text = (_number(end, min(_decimals(end), 6)) for end in (low, high))
    if claim["test"] == "order":
        return f"above {low_text}"
    if pd.isna(high):
        return f"at least {low_text}"
    return f"at most {high_text}" if pd.isna(low) else f"{low_text} to {high_text}"


def to_json(ledger: pd.DataFrame, power: pd.DataFrame) -> str:
    """The judged ledger as a JSON list, one object per claim, each with its power by number of seeds.

    Args:
        ledger: claims as ``evaluate.evaluate`` returns them.
        power: what ``power.power`` returns.
    """
    rows = json.loads(ledger.to_json(orient="records"))
    by_claim = {name: own.set_index("seeds").drop(columns="id") for name, own in power.groupby("id")}
    for row in rows:
        own = by_claim.get(row["id"])
        row["power"] = None if own is None else json.loads(own.to_json(orient="index"))
    return json.dumps(rows, indent=2, ensure_ascii=False)


def power_table(ledger: pd.DataFrame, power: pd.DataFrame) -> pd.DataFrame:
    """The power of claims for readers, in percent: one row per claim, two columns per number of seeds.

    Args:
        ledger: claims as ``evaluate.evaluate`` returns them.
        power: what ``power.power`` returns.
    """
    rows: dict[str, dict[str, str]] = {}
    statements = ledger.set_index("id")["statement"]
    for row in power.to_dict("records"):
        name, seeds = row["id"], f"{row['seeds']} seeds"
        cells = rows.setdefault(name, {"claim": f"{statements[name]} ({name})"})
        cells[f"a true claim is supported, {seeds}"] = f"{100 * row['supported']:.0f}"
        cells[f"a true claim is contradicted, {seeds}"] = f"{100 * row['contradicted']:.1f}"
        cells[f"the opposite is contradicted, {seeds}"] = f"{100 * row['opposite_contradicted']:.0f}"
    return pd.DataFrame(rows.values())


def _digits(claim: dict[str, Any]) -> int:
    measured, low, high = claim["measured"], claim["low"], claim["high"]
    # Near zero the value itself says nothing about its scale: the width of the interval does.
    scale = measured if pd.isna(low) else max(abs(measured), (high - low) / 2)
    return max(_decimals(claim["paper_value"]), 0 if float(measured).is_integer() else _three_digits(scale))


def _number(value: float, digits: int) -> str:
    return "–" if pd.isna(value) else f"{value:,.{digits}f}".replace("-", "−")


def _decimals(value: float) -> int:
    """Decimals of a number as it was typed."""
    return len(f"{value:.6f}".rstrip("0").partition(".")[2])


def _three_digits(value: float) -> int:
    """Decimals that show three significant digits."""
    return 2 if pd.isna(value) or value == 0 else max(2 - math.floor(math.log10(abs(value))), 0)
