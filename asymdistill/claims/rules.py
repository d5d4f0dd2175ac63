"""How claims are judged: six tests, one decision rule each.

The measured value of a model is its mean over seeds; that of a claim about several models is the least favourable of
theirs. The interval is Student's 95 % confidence interval over seeds; for two models, that of their differences, paired
by seed. It shows how certain a value is, and only ``order`` uses it in the decision.

- ``equal``: the measured value is within the tolerance of the paper's value.
- ``count``: the same for numbers that are counted and have no seeds; the paper rounds them.
- ``at_least``, ``at_most``: the measured value is not below, or not above, the limit: the paper's value if it gives
  one. There is a tolerance only if the entry has one.
- ``same``: the two models that are furthest apart are within the tolerance of each other.
- ``order``: the models are listed from the lowest to the highest claimed value. Each is above the one before it, and
  the interval of the difference between the last and the first excludes 0.

The tolerance is twice the paper's spread, or 5 % of the paper's value if it gives no spread; an entry with another one
says why. Trained students are compared over at least two seeds: with one, a difference between them cannot be
distinguished from chance, and nothing is decided.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise, permutations

import pandas as pd

from asymdistill.claims.estimates import Estimate, difference, require_two_seeds
from asymdistill.claims.ledger import Claim

VERDICTS = REPRODUCED, NOT_REPRODUCED, NOT_TESTABLE = "reproduced", "not reproduced", "not testable here"
ROUNDING = 1e-9  # a value exactly on a limit is within it
ByModel = Mapping[str, pd.Series]


@dataclass(frozen=True)
class Judgement:
    """The outcome of a test.

    Attributes:
        holds: whether the claim is reproduced.
        model: the model whose value decides, in words; of two that are compared, the one with the greater value.
        estimate: the measured value.
        sentence: what was measured, with the numbers.
    """

    holds: bool
    model: str
    estimate: Estimate
    sentence: str


@dataclass(frozen=True)
class Wording:
    """How the numbers of a claim are put into words.

    Attributes:
        quantity: the quantity, with braces in place of the model: ``the effective rank of {}``.
        digits: decimals to show.
    """

    quantity: str
    digits: int

    def of(self, model: str, *others: str) -> str:
        """The quantity of one model, or its difference from that of others."""
        return self.quantity.format(" minus that of ".join([model, *others]))

    def number(self, value: float, *, sign: bool = False) -> str:
        """One number, with thousands separators."""
        return f"{value:{'+' if sign else ''},.{self.digits}f}"

    def estimate(self, found: Estimate, *, sign: bool = False) -> str:
        """A mean, with its interval and number of seeds if it has them."""
        mean = self.number(found.mean, sign=sign)
        if found.seeds == 0:
            return mean
        if found.seeds == 1:
            return f"{mean} (one seed)"
        low, high = (self.number(end, sign=sign) for end in (found.low, found.high))
        return f"{mean} (95 % interval {low} to {high}, {found.seeds} seeds)"


def judge(claim: Claim, values: ByModel, wording: Wording) -> Judgement:
    """Judge a claim by the values of its models.

    Args:
        claim: the claim.
        values: values by seed for each of its models, in the order of the claim, by the model's name in words.
        wording: how numbers are put into words.

    Raises:
        NotMeasured: too few seeds.
    """
    return _RULES[claim.test](claim, values, wording)


def _equal(claim: Claim, values: ByModel, wording: Wording) -> Judgement:
    assert claim.value is not None
    assert claim.allowed is not None
    value, allowed = claim.value, claim.allowed
    model = max(values, key=lambda name: abs(values[name].mean() - value))
    found = Estimate.of(values[model])
    holds = abs(found.mean - value) <= allowed + ROUNDING
    within = f"{'within' if holds else 'not within'} {wording.number(allowed)} of {wording.number(value)}"
    doubt = _straddling(found, value - allowed, value + allowed)
    return Judgement(holds, model, found, f"{_of(model, values, wording)} {wording.estimate(found)}, {within}{doubt}")


def _threshold(claim: Claim, values: ByModel, wording: Wording) -> Judgement:
    limit, below = claim.limit if claim.value is None else claim.value, claim.test == "at_most"
    assert limit is not None
    limit += (claim.tolerance or 0.0) * (1 if below else -1)
    model = (max if below else min)(values, key=lambda name: values[name].mean())
    found = Estimate.of(values[model])
    holds = found.mean <= limit + ROUNDING if below else found.mean >= limit - ROUNDING
    side = f"{'' if holds else 'not '}{'at most' if below else 'at least'} {wording.number(limit)}"
    doubt = _straddling(found, -math.inf if below else limit, limit if below else math.inf)
    return Judgement(holds, model, found, f"{_of(model, values, wording)} {wording.estimate(found)}, {side}{doubt}")


def _same(claim: Claim, values: ByModel, wording: Wording) -> Judgement:
    assert claim.allowed is not None
    require_two_seeds(*values.values())
    apart = {pair: difference(values[pair[0]], values[pair[1]]) for pair in permutations(values, 2)}
    above, below = max(apart, key=lambda pair: apart[pair].mean())
    require_two_seeds(apart[above, below])
    found = Estimate.of(apart[above, below])
    holds = found.mean <= claim.allowed + ROUNDING
    within = f"{'within' if holds else 'more than'} the {wording.number(claim.allowed)} allowed"
    doubt = _straddling(found, -claim.allowed, claim.allowed)
    text = f"{_worst(values, 2)}{wording.of(above, below)} is {wording.estimate(found)}, {within}{doubt}"
    return Judgement(holds, above, found, text)


def _order(claim: Claim, values: ByModel, wording: Wording) -> Judgement:
    require_two_seeds(*values.values())
    lowest, *_, highest = values
    apart = difference(values[highest], values[lowest])
    require_two_seeds(apart)
    found = Estimate.of(apart)
    text = f"{wording.of(highest, lowest)} is {wording.estimate(found, sign=True)}"
    if not found.low > 0:
        seen = "the opposite of what is claimed" if found.high < 0 else "which is indistinguishable from no difference"
        return Judgement(False, highest, found, f"{text}, {seen}")
    for lower, upper in pairwise(values):
        step = float(difference(values[upper], values[lower]).mean())
        if step <= 0:
            broken = f"{wording.of(upper, lower)} is {wording.number(step, sign=True)}"
            return Judgement(False, highest, found, f"{text}, but {broken}")
    return Judgement(True, highest, found, f"{text}, as claimed")


def _of(model: str, values: ByModel, wording: Wording) -> str:
    """The start of a sentence about the one value that decides."""
    return f"{_worst(values, 1)}{wording.of(model)} is"


def _worst(values: ByModel, needed: int) -> str:
    return "At worst, " if len(values) > needed else ""


def _straddling(found: Estimate, low: float, high: float) -> str:
    """A clause for an interval that is partly within and partly outside what is allowed."""
    straddles = found.low < low < found.high or found.low < high < found.high
    return "; its interval extends to both sides of that limit" if straddles else ""


_RULES: dict[str, Callable[[Claim, ByModel, Wording], Judgement]] = {
    "equal": _equal,
    "count": _equal,
    "at_least": _threshold,
    "at_most": _threshold,
    "same": _same,
    "order": _order,
}
