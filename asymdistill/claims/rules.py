"""How claims are judged: six tests, one rule of decision each.

The measured value of a model is the mean over its seeds; that of a claim about several models is the least favourable
of theirs. Its interval is Student's at 95 % over seeds, and for two models that of their differences seed by seed. It
shows how sure a value is, and only ``order`` takes it into its decision.

- ``equal``: the measured value lies within the tolerance of the paper's.
- ``count``: the same for numbers that are counted and have no seeds; the paper rounds them.
- ``at_least``, ``at_most``: the measured value is not below, or not above, the limit: the paper's value where it gives
  one. Here there is a tolerance only where the entry has one.
- ``same``: the two models that are furthest apart are within the tolerance of each other.
- ``order``: the models are listed from the least to the greatest value claimed. Each is above the one before it, and
  the interval of the difference between the last and the first excludes 0.

The tolerance is twice the paper's spread, and 5 % of the paper's value where it gives no spread; an entry that has
another one says why. Trained students are compared over at least two seeds: with one, a difference between them cannot
be told from luck, and nothing is decided.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise, permutations

import pandas as pd

from asymdistill.claims.estimates import Estimate, difference, enough_seeds
from asymdistill.claims.ledger import Claim

REPRODUCED, NOT_REPRODUCED, NOT_TESTABLE = "reproduced", "not reproduced", "not testable here"
ROUNDING = 1e-9  # so that a value on a limit is within it
Samples = Mapping[str, pd.Series]


@dataclass(frozen=True)
class Finding:
    """What was found of a claim.

    Attributes:
        holds: whether it is reproduced.
        model: whose value decides, in words; of two that are compared, the greater.
        estimate: the measured value.
        sentence: what was seen, with the numbers.
    """

    holds: bool
    model: str
    estimate: Estimate
    sentence: str


@dataclass(frozen=True)
class Words:
    """How a claim's numbers are told.

    Attributes:
        measured: what a number is, with braces for the model: ``the effective rank of {}``.
        digits: decimals.
    """

    measured: str
    digits: int

    def what(self, model: str, *others: str) -> str:
        """What a number is of: one model, or one less another."""
        return self.measured.format(" less that of ".join([model, *others]))

    def number(self, value: float, *, sign: bool = False) -> str:
        """One number, with thousands apart."""
        return f"{value:{'+' if sign else ''},.{self.digits}f}"

    def estimate(self, found: Estimate, *, sign: bool = False) -> str:
        """A mean, with its interval and seeds where it has them."""
        mean = self.number(found.mean, sign=sign)
        if found.seeds == 0:
            return mean
        if found.seeds == 1:
            return f"{mean} (one seed)"
        low, high = (self.number(end, sign=sign) for end in (found.low, found.high))
        return f"{mean} (95 % interval {low} to {high}, {found.seeds} seeds)"


def judge(claim: Claim, samples: Samples, words: Words) -> Finding:
    """Judge a claim by the values of its models.

    Args:
        claim: what is claimed.
        samples: values by seed of each model that it speaks of, in its order, by the model's name in words.
        words: how they are told.

    Raises:
        NotMeasured: too few seeds.
    """
    return _RULES[claim.test](claim, samples, words)


def _equal(claim: Claim, samples: Samples, words: Words) -> Finding:
    assert claim.value is not None
    assert claim.allowed is not None
    value, allowed = claim.value, claim.allowed
    name = max(samples, key=lambda own: abs(samples[own].mean() - value))
    found = Estimate.of(samples[name])
    holds = abs(found.mean - value) <= allowed + ROUNDING
    within = f"{'within' if holds else 'not within'} {words.number(allowed)} of {words.number(value)}"
    sure = _unless_sure(found, value - allowed, value + allowed)
    return Finding(holds, name, found, f"{_of(name, samples, words)} {words.estimate(found)}, {within}{sure}")


def _threshold(claim: Claim, samples: Samples, words: Words) -> Finding:
    limit, below = claim.limit if claim.value is None else claim.value, claim.test == "at_most"
    assert limit is not None
    limit += (claim.tolerance or 0.0) * (1 if below else -1)
    name = (max if below else min)(samples, key=lambda own: samples[own].mean())
    found = Estimate.of(samples[name])
    holds = found.mean <= limit + ROUNDING if below else found.mean >= limit - ROUNDING
    side = f"{'' if holds else 'not '}{'at most' if below else 'at least'} {words.number(limit)}"
    sure = _unless_sure(found, -math.inf if below else limit, limit if below else math.inf)
    return Finding(holds, name, found, f"{_of(name, samples, words)} {words.estimate(found)}, {side}{sure}")


def _same(claim: Claim, samples: Samples, words: Words) -> Finding:
    assert claim.allowed is not None
    enough_seeds(*samples.values())
    apart = {pair: difference(samples[pair[0]], samples[pair[1]]) for pair in permutations(samples, 2)}
    above, below = max(apart, key=lambda pair: apart[pair].mean())
    enough_seeds(apart[above, below])
    found = Estimate.of(apart[above, below])
    holds = found.mean <= claim.allowed + ROUNDING
    within = f"{'within' if holds else 'more than'} the {words.number(claim.allowed)} allowed"
    sure = _unless_sure(found, -claim.allowed, claim.allowed)
    text = f"{_worst(samples, 2)}{words.what(above, below)} is {words.estimate(found)}, {within}{sure}"
    return Finding(holds, above, found, text)


def _order(claim: Claim, samples: Samples, words: Words) -> Finding:
    enough_seeds(*samples.values())
    least, *_, greatest = samples
    values = difference(samples[greatest], samples[least])
    enough_seeds(values)
    found = Estimate.of(values)
    text = f"{words.what(greatest, least)} is {words.estimate(found, sign=True)}"
    if not found.low > 0:
        seen = "the opposite of what is claimed" if found.high < 0 else "which cannot be told from no difference"
        return Finding(False, greatest, found, f"{text}, {seen}")
    for lower, upper in pairwise(samples):
        step = float(difference(samples[upper], samples[lower]).mean())
        if step <= 0:
            broken = f"{words.what(upper, lower)} is {words.number(step, sign=True)}"
            return Finding(False, greatest, found, f"{text}, but {broken}")
    return Finding(True, greatest, found, f"{text}, as claimed")


def _of(name: str, samples: Samples, words: Words) -> str:
    """The start of a sentence on the one value that decides."""
    return f"{_worst(samples, 1)}{words.what(name)} is"


def _worst(samples: Samples, needed: int) -> str:
    return "At worst, " if len(samples) > needed else ""


def _unless_sure(found: Estimate, low: float, high: float) -> str:
    """A clause where the interval is partly within and partly beyond what is allowed."""
    straddles = found.low < low < found.high or found.low < high < found.high
    return "; its interval reaches to both sides of that limit" if straddles else ""


_RULES: dict[str, Callable[[Claim, Samples, Words], Finding]] = {
    "equal": _equal,
    "count": _equal,
    "at_least": _threshold,
    "at_most": _threshold,
    "same": _same,
    "order": _order,
}
