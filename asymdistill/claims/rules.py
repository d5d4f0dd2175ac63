"""How claims are judged: one rule for and against, five tests.

A claim has a claimed range, and what was measured has a 95 % interval. The claim is *supported* if the interval lies
within the range, *contradicted* if it lies outside, and *undecided* if it does neither. With a single seed there is no
interval, and nothing is decided.

- ``equal``: the claimed range is the paper's value ± the claim's margin. The interval is that of the difference between
  ours and the paper's, which covers the spread of both (Welch); it is shown around our mean.
- ``at_least``, ``at_most``: the claimed range is one side of a limit: the paper's value if it gives one.
- ``same``: the claimed range is 0 ± the margin, for the difference between any two of the models.
- ``order``: the models are listed from the lowest to the highest claimed value. The claimed range is above 0, for the
  last minus the first, and each model's mean must lie above that of the one before.

Intervals are Student's over seeds; differences between models are paired by seed. Of a claim about several models
every one must be in the range, and one wholly outside contradicts it. What has no seed, such as the teacher, is a point
with the rounding of the paper's number; in checks of the text, the margin covers the rounding.

A margin is a share of the effect that is claimed, never of the value. ``power`` simulates what the rules do to a
perfect replication, and was run before any run was judged. Within half the difference between S and L, a clean accuracy
would be supported in 9 % of perfect replications with three seeds and in 31 % with ten: values whose difference is
small beside their spread have the whole (66 and 84 %), accuracies at sigma = 0.1 and 0.2 half. Within 1, the ranks of
S, M and L would be the same in 2 and 39 % (spread 0.25 over seeds): they have 1.5, as 1.7 % of the teacher's (31 and
100 %). The difference of 11 points at sigma = 0.1 is supported in 25 and 95 %.

Five were changed after runs had been judged. Two because they were no share of the claimed effect: ``v1-rank-same``
had its 1.5 dimensions under every teacher, and the limit of ``v1-rank-average`` was the rounding of a table, 0.005.
``v2-anisotropy`` was supported by any rise of the rank, which rival explanations predict as well, and
``v1-students-lose-0.1`` by any loss, so that it and its opposite, ``v2-immunity-0.1``, could both be supported.
``v1-bottleneck-absolute`` counted training that the paper's students had, where a run's own were trained for less.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pandas as pd

from asymdistill.claims.estimates import (
    Estimate,
    Interval,
    difference,
    has_no_seed,
    interval_of_difference,
    interval_of_mean,
    require_two_seeds,
)
from asymdistill.claims.ledger import TEXT, Claim

VERDICTS = SUPPORTED, CONTRADICTED, UNDECIDED, NOT_TESTABLE = (
    *("supported", "contradicted", "undecided"),
    "not testable here",
)
ROUNDING = 1e-9  # a value exactly on a limit is within it
Range = tuple[float, float]


@dataclass(frozen=True)
class Comparison:
    """One interval that a claim is decided by.

    Attributes:
        models: the model in words; of two that are compared, the one whose value the other's is subtracted from first.
        interval: what was measured.
        claimed: the claimed range, with infinite ends where it has none.
        strict: whether the ends of the range are outside it.
        in_order: whether the means of neighbouring models are in the claimed order.
    """

    models: tuple[str, ...]
    interval: Interval
    claimed: Range
    strict: bool = False
    in_order: Any = True

    @property
    def supports(self) -> Any:
        """Whether the interval lies within the claimed range."""
        slack = -ROUNDING if self.strict else ROUNDING
        low, high = self.claimed
        inside = (self.interval.low >= low - slack) & (self.interval.high <= high + slack)
        return inside & np.asarray(self.in_order)

    @property
    def contradicts(self) -> Any:
        """Whether the interval lies outside the claimed range."""
        low, high = self.claimed
        return (self.interval.high < low - ROUNDING) | (self.interval.low > high + ROUNDING)

    @property
    def verdict(self) -> str:
        """The verdict by this interval alone, of a single run."""
        return SUPPORTED if self.supports else CONTRADICTED if self.contradicts else UNDECIDED

    @property
    def room(self) -> float:
        """By how much the interval keeps within the claimed range."""
        return float(min(self.interval.low - self.claimed[0], self.claimed[1] - self.interval.high))


def comparisons(
    claim: Claim,
    values: Mapping[str, Any],
    *,
    minus: Callable[[Any, Any], Any],
    interval: Callable[[Any], Interval],
    beside_paper: Callable[[str, Any], Interval],
) -> list[Comparison]:
    """The intervals that decide a claim, of one run or of many.

    Args:
        claim: the claim.
        values: the values of each of its models, in the order of the claim.
        minus: the difference between two models' values.
        interval: the interval of the mean of values.
        beside_paper: the interval of the mean of values, of a model by its name, minus the paper's value.
    """
    claimed = claimed_range(claim)
    if claim.test == "equal":
        found = {model: beside_paper(model, own) for model, own in values.items()}
        shown = {model: Interval(*(part + claim.value for part in own)) for model, own in found.items()}
        return [Comparison((model,), own, claimed) for model, own in shown.items()]
    if claim.test in ("at_least", "at_most"):
        return [Comparison((model,), interval(own), claimed) for model, own in values.items()]
    if claim.test == "same":
        pairs = combinations(values, 2)
        apart = {(high, low): interval(minus(values[high], values[low])) for low, high in pairs}
        return [Comparison(pair, own, claimed) for pair, own in apart.items()]
    lowest, *_, highest = values
    steps = [interval(minus(values[upper], values[lower])).mean > 0 for lower, upper in pairwise(values)]
    whole = interval(minus(values[highest], values[lowest]))
    return [Comparison((highest, lowest), whole, claimed, True, np.logical_and.reduce(steps))]


def claimed_range(claim: Claim) -> Range:
    """The range that a claim says its interval lies in, with infinite ends where it names none."""
    margin, centre = claim.margin or 0.0, claim.value if claim.limit is None else claim.limit
    if claim.test == "order":
        return 0.0, math.inf
    if claim.test == "same":
        return -margin, margin
    assert centre is not None
    return (
        -math.inf if claim.test == "at_most" else centre - margin,
        math.inf if claim.test == "at_least" else centre + margin,
    )


@dataclass(frozen=True)
class Judgement:
    """The outcome of a test.

    Attributes:
        verdict: one of ``VERDICTS``.
        model: the model whose value decides, in words.
        estimate: what was measured, with the interval that decides.
        sentence: what was measured, with the numbers.
    """

    verdict: str
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

    def of(self, models: Sequence[str]) -> str:
        """The quantity of one model, or its difference from that of another."""
        return self.quantity.format(" minus that of ".join(models))

    def number(self, value: float, *, sign: bool = False) -> str:
        """One number, with thousands separators."""
        return f"{value:{'+' if sign else ''},.{self.digits}f}"

    def estimate(self, found: Estimate, *, sign: bool = False) -> str:
        """A mean, with its interval and number of seeds if it has them."""
        mean = self.number(found.mean, sign=sign)
        if found.seeds == 0:
            return mean
        low, high = (self.number(end, sign=sign) for end in (found.low, found.high))
        return f"{mean} (95 % interval {low} to {high}, {found.seeds} seeds)"


def judge(claim: Claim, values: Mapping[str, pd.Series], wording: Wording) -> Judgement:
    """Judge a claim by the values of its models.

    Args:
        claim: the claim.
        values: values by seed for each of its models, in the order of the claim, by the model's name in words.
        wording: how numbers are put into words.

    Raises:
        NotMeasured: too few seeds.
    """
    require_two_seeds(*values.values())
    found = comparisons(
        claim,
        values,
        minus=difference,
        interval=_interval,
        beside_paper=lambda _, own: _beside_paper(claim, own),
    )
    ranks = (CONTRADICTED, UNDECIDED, SUPPORTED)
    worst = min(found, key=lambda one: (ranks.index(one.verdict), one.room))
    if claim.test == "same" and worst.interval.mean < 0:  # the greater minus the smaller
        mean, low, high = worst.interval
        worst = Comparison(worst.models[::-1], Interval(-mean, -high, -low), worst.claimed)
    seeds = _seeds(values, worst)
    _, low, high = worst.interval if seeds else (0, math.nan, math.nan)
    estimate = Estimate(float(worst.interval.mean), float(low), float(high), seeds)
    start = "At worst, " if len(found) > 1 else ""
    signed = claim.test == "order"
    text = f"{start}{wording.of(worst.models)} is {wording.estimate(estimate, sign=signed)}"
    clause = "; ".join(_clauses(claim, worst, values, wording))
    return Judgement(worst.verdict, worst.models[0], estimate, f"{text}, {clause}")


def _seeds(values: Mapping[str, pd.Series], found: Comparison) -> int:
    """The number of seeds behind a comparison; 0 if none of its models has one."""
    own = [values[model] for model in found.models]
    shared = own[0] if len(own) == 1 else difference(own[0], own[1])
    return 0 if has_no_seed(shared) else len(shared)


def _interval(values: pd.Series) -> Interval:
    """The interval of a mean over seeds; a point, if the value has no seed."""
    require_two_seeds(values)
    if has_no_seed(values):
        return Interval(*[float(values.iloc[0])] * 3)
    return interval_of_mean(values.to_numpy(float))


def _beside_paper(claim: Claim, values: pd.Series) -> Interval:
    """The interval of ours minus the paper's, by the spread of both or, without seeds, by the paper's rounding."""
    assert claim.value is not None
    if has_no_seed(values):
        apart, rounding = float(values.iloc[0]) - claim.value, 0.0 if claim.judged == TEXT else claim.rounding
        return Interval(apart, apart - rounding, apart + rounding)
    return interval_of_difference(values.to_numpy(float), claim.value, claim.spread, claim.seeds or 1)


def _clauses(claim: Claim, found: Comparison, values: Mapping[str, pd.Series], wording: Wording) -> Iterator[str]:
    """What the interval says of the claimed range."""
    verdict, point = found.verdict, not _seeds(values, found)
    all_of, partly = ("", "too near to the edge, ") if point else ("all of it ", "only partly ")
    margin = wording.number(claim.margin or 0.0)
    if claim.test == "order":
        opposite, none = "the opposite of what is claimed", "which is indistinguishable from no difference"
        step_missing = found.interval.low > 0
        yield {SUPPORTED: "as claimed", CONTRADICTED: opposite, UNDECIDED: "as claimed" if step_missing else none}[
            verdict
        ]
        for lower, upper in pairwise(values) if step_missing and verdict == UNDECIDED else ():
            step = float(difference(values[upper], values[lower]).mean())
            if step <= 0:
                yield f"but {wording.of((upper, lower))} is {wording.number(step, sign=True)}"
    elif claim.test in ("at_least", "at_most"):
        sides = ("at least", "below") if claim.test == "at_least" else ("at most", "above")
        limit = wording.number(found.claimed[0] if claim.test == "at_least" else found.claimed[1])
        yield {
            SUPPORTED: f"{all_of}{sides[0]} {limit}",
            CONTRADICTED: f"{all_of}{sides[1]} {limit}",
            UNDECIDED: f"on both sides of {limit}",
        }[verdict]
    else:
        whole = f"{margin} of {wording.number(claim.value)}" if claim.value is not None else f"the margin of {margin}"
        beyond = (
            f"more than {margin} from {wording.number(claim.value)}" if claim.value is not None else f"beyond {whole}"
        )
        words = {SUPPORTED: f"{all_of}within", UNDECIDED: f"{partly}within"}
        yield f"{all_of}{beyond}" if verdict == CONTRADICTED else f"{words[verdict]} {whole}"
