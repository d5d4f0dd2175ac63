"""What the rules do to a perfect replication of the paper, and to a true opposite, by simulation.

A perfect replication draws each model's seeds from normal distributions with the paper's means and spreads; where the
paper gives no spread, that of a run stands in. For a value, the paper's own seeds are drawn, too: its printed mean is
as uncertain as ours. In a true opposite an order is reversed, a value or a difference is off by twice the margin, and
what should be on one side of a limit is as far on the other.

A rule is fair if a perfect replication is contradicted in at most 5 % of draws. How often it is supported, and a true
opposite contradicted, is the power of the claim: with few seeds, *undecided* says little about the paper.
"""

import operator
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from asymdistill.claims.estimates import Interval, NotMeasured, interval_of_difference, interval_of_mean
from asymdistill.claims.facts import published_value
from asymdistill.claims.ledger import NUMBER, TEXT, Claim, paper_claims
from asymdistill.claims.quantities import measure
from asymdistill.claims.rows import Results, Rows, Subject
from asymdistill.claims.rules import Comparison, comparisons
from asymdistill.config.names import COSINE, TEACHER

COUNTS = (3, 10)  # seeds
RUNS = 2000
CHANCE = 10.0  # accuracy in percent of a guess among the ten classes of the paper's images
COLUMNS = ("id", "seeds", "supported", "contradicted", "opposite_contradicted")
Ledger = Sequence[Claim]


def power(
    results: Results | None = None,
    ledger: Ledger | None = None,
    *,
    only: Sequence[str] | None = None,
    counts: Sequence[int] = COUNTS,
    runs: int = RUNS,
) -> pd.DataFrame:
    """Simulate every claim that seeds decide and that the paper gives a size.

    Args:
        results: whose spreads stand in where the paper gives none; None: such claims are left out.
        ledger: the claims; None: those of the papers.
        only: the ids of the claims to simulate; None: all.
        counts: numbers of seeds.
        runs: simulated replications.

    Returns:
        One row per claim and number of seeds, with columns id and seeds; supported and contradicted, how often a
        perfect replication is; and opposite_contradicted, how often a true opposite is contradicted.
    """
    claims = paper_claims() if ledger is None else ledger
    run = None if results is None else Rows(results)
    rows = []
    for claim in claims:
        if only is not None and claim.id not in only:
            continue
        if claim.judged in (TEXT, NUMBER) or claim.untestable or all(TEACHER in label for label in claim.labels):
            continue
        for count in counts:
            own_paper = [one for one in claims if one.paper == claim.paper]
            draws = _Draws(claim, own_paper, run, (runs, count), np.random.default_rng([0, count]))
            try:
                rows.append({"id": claim.id, "seeds": count} | _rates(claim, draws))
            except NotMeasured:
                break
    return pd.DataFrame(rows, columns=list(COLUMNS))


class _Draws:
    """Values of models, drawn once for all that a claim compares: one row per simulated run, one column per seed."""

    def __init__(self, claim: Claim, ledger: Ledger, run: Rows | None, shape: tuple[int, int], rng: Any) -> None:
        self._claim, self._ledger, self._run, self._shape, self._rng = claim, ledger, run, shape, rng
        self._drawn: dict[tuple[str, Subject], np.ndarray] = {}

    def of(self, quantity: str, subject: Subject) -> np.ndarray:
        """Values of a quantity; what the paper gives no numbers of is computed from what it does."""
        if quantity == "loss":
            clean = self.of("accuracy", replace(subject, sigma=0.0))
            return np.asarray(100 * (clean - self.of("accuracy", subject)) / (clean - CHANCE))
        if quantity == "restored":
            plain = self.of("accuracy", replace(subject, treatment=""))
            gap = self.of("accuracy", Subject(TEACHER, sigma=subject.sigma)) - plain
            return np.asarray(100 * (self.of("accuracy", subject) - plain) / gap)
        if quantity == "rank_reduction":
            teacher = self.of("effective_rank", Subject(TEACHER))
            return np.asarray(100 * (1 - self.of("effective_rank", subject) / teacher))
        key = quantity, subject
        if key not in self._drawn:
            mean, spread = self._published(quantity, subject)
            self._drawn[key] = mean + spread * self._rng.standard_normal(self._shape)
        return self._drawn[key]

    def paper(self, quantity: str, subject: Subject, seeds: int) -> np.ndarray:
        """Values of the paper's own seeds."""
        again = _Draws(self._claim, self._ledger, self._run, (self._shape[0], seeds), self._rng)
        return again.of(quantity, subject)

    def spread_is_published(self, quantity: str, subject: Subject) -> bool:
        """Whether the paper gives a spread."""
        try:
            return not np.isnan(published_value(self._ledger, quantity, subject).spread)
        except NotMeasured:
            return False

    def _published(self, quantity: str, subject: Subject) -> tuple[float, float]:
        """Mean and standard deviation (ddof = 1) over seeds."""
        try:
            value, spread, seeds = published_value(self._ledger, quantity, subject)
        except NotMeasured:
            value, spread, seeds = self._claimed(quantity), np.nan, np.nan
        if subject.model == TEACHER:
            return value, 0.0
        if not np.isnan(spread):
            return value, spread * np.sqrt(seeds / (seeds - 1))
        return value, self._stand_in(quantity, subject)

    def _claimed(self, quantity: str) -> float:
        """The value of the claim itself, or of another about the same quantity of the same models."""
        own = (self._claim, *(one for one in self._ledger if one.judged not in (TEXT, NUMBER)))
        for claim in own:
            same = claim.paper_profile == self._claim.paper_profile and claim.labels == self._claim.labels
            if claim.value is not None and same and claim.quantity == quantity:
                return claim.value
        raise NotMeasured("the paper gives no size of this effect")

    def _stand_in(self, quantity: str, subject: Subject) -> float:
        """The spread of a run or, where that has too few seeds, the paper's of the untreated model."""
        if self._run is not None:
            try:
                found = measure(quantity, self._run, subject)
            except NotMeasured:
                found = pd.Series(dtype=float)
            if len(found) > 1:
                return float(found.std(ddof=1))
        if subject.treatment and subject.treatment != COSINE:
            return self._published(quantity, replace(subject, treatment=""))[1]
        raise NotMeasured("neither the paper nor the run gives a spread")


def _rates(claim: Claim, draws: _Draws) -> dict[str, float]:
    """How often a claim is supported and contradicted."""
    subjects = {label: Subject.parse(label, claim.sigma) for label in claim.labels}
    values = {label: draws.of(claim.quantity, subject) for label, subject in subjects.items()}
    if claim.minus is not None:
        other = draws.of(claim.quantity, Subject.parse(claim.minus, claim.sigma))
        values = {label: own - other for label, own in values.items()}
    perfect = _decide(claim, values, subjects, draws)
    opposite = _decide(claim, dict(_opposite(claim, values)), subjects, draws)
    return {
        "supported": _share(np.logical_and.reduce([one.supports for one in perfect])),
        "contradicted": _share(np.logical_or.reduce([one.contradicts for one in perfect])),
        "opposite_contradicted": _share(np.logical_or.reduce([one.contradicts for one in opposite])),
    }


def _share(decided: Any) -> float:
    return float(np.mean(decided))


def _decide(
    claim: Claim, values: dict[str, np.ndarray], subjects: dict[str, Subject], draws: _Draws
) -> list[Comparison]:
    def beside_paper(label: str, own: np.ndarray) -> Interval:
        subject, seeds = subjects[label], claim.seeds or 1
        theirs = draws.paper(claim.quantity, subject, seeds)
        published = draws.spread_is_published(claim.quantity, subject)
        spread = theirs.std(axis=-1) if published and seeds > 1 else None
        return interval_of_difference(own, theirs.mean(axis=-1), spread, seeds)

    return comparisons(claim, values, minus=operator.sub, interval=interval_of_mean, beside_paper=beside_paper)


def _opposite(claim: Claim, values: dict[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """The same draws, moved to where the claim is as wrong as it was right."""
    if claim.test == "order":
        yield from zip(values, reversed(values.values()), strict=True)
        return
    margin = claim.margin or 0.0
    first, last = next(iter(values.values())), list(values)[-1]
    for label, own in values.items():
        if claim.test == "equal":
            yield label, own + 2 * margin
        elif claim.test == "same":
            yield label, own + (2 * margin + first.mean() - own.mean()) * (label == last)
        else:
            limit = claim.limit if claim.value is None else claim.value
            assert limit is not None
            yield label, 2 * (limit + margin * (1 if claim.test == "at_most" else -1)) - own
