"""The ledger: what the papers state, as data, and what a run says of each claim.

``load`` and ``published`` give the claims as the papers have them, ``evaluate`` judges them. A claim is judged without
a run (``static``), on any run, or, where it is an absolute value, only on a run in the setting that it takes. A verdict
from a run in another setting than the paper's is evidence from another setting, and says from which. ``judging`` says
how the numbers decide.
"""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from asymdistill.claims.estimates import NotMeasured, difference, enough_seeds, without_seed
from asymdistill.claims.facts import FACTS, number
from asymdistill.claims.ledger import COLUMNS, Claim, claims_of, load, published
from asymdistill.claims.quantities import AUGMENTED, EVERY_STUDENT, INFONCE, QUANTITIES, Results, Subject, measure
from asymdistill.claims.rules import NOT_REPRODUCED, NOT_TESTABLE, REPRODUCED, Finding, Words, judge
from asymdistill.config.names import TEACHER
from asymdistill.config.profiles import load_settings, profile_names
from asymdistill.config.settings import Settings

__all__ = ["COLUMNS", "EVALUATED", "evaluate", "load", "published"]
EVALUATED = (
    *("id", "paper", "source", "statement", "quantity", "test", "paper_value", "paper_spread", "measured", "low"),
    *("high", "seeds", "verdict", "evidence", "reason"),
)
ANY_RUN = "any"
STATIC, SAME_SETTING, OTHER_SETTING = "static", "same setting", "another setting"
# The settings that make the paper's setting. Which widths, seeds and noises a run has decides what can be judged.
SETTING = (
    *("dataset", "teacher", "train_limit", "test_limit", "resolution", "epochs", "batch_size", "learning_rate"),
    *("autocast", "metric_temperature", "metric_batch_size", "probe_max_iter"),
)
# What also makes it where students with InfoNCE are spoken of; the second paper publishes none of it.
INFONCE_SETTING = ("infonce_weight", "infonce_temperature", "infonce_symmetric")
TREATED = {
    AUGMENTED: "trained with augmentation",
    INFONCE: "trained with InfoNCE",
    "labels": "trained on labels",
    "cosine": "trained on cosine distance",
}


def evaluate(results: Results | None, ledger: pd.DataFrame | None = None) -> pd.DataFrame:
    """Judge every claim.

    Args:
        results: a study, or a recorded run; None: only what needs no run is judged.
        ledger: claims as ``load`` gives them, perhaps changed; None: those of the papers.

    Returns:
        One row a claim, with the columns id, paper, source, statement, quantity, test; paper_value and paper_spread,
        the paper's number, or the difference of its numbers where the claim is one; measured, with low and high, the
        ends of its 95 % interval over seeds, and seeds, their number (0 for what has none); verdict, ``reproduced``,
        ``not reproduced`` or ``not testable here``; evidence, ``static``, ``same setting`` or ``another setting``
        (also where no run was given); and reason, in sentences. NaN where there is nothing.

    Raises:
        InputError: an entry of the ledger is no claim.
    """
    table = load() if ledger is None else ledger
    run = None if results is None else _ReadOnce(results)
    rows = [_row(claim, run, table) for claim in claims_of(table)]
    return pd.DataFrame(rows, columns=list(EVALUATED))


class _ReadOnce:
    """A run whose tables are read, or found missing, once for all claims."""

    def __init__(self, results: Results) -> None:
        self.profile, self.settings = results.profile, results.settings
        self._read = cache(results.table)

    def table(self, name: str) -> pd.DataFrame | None:
        return self._read(name)


def _row(claim: Claim, results: Results | None, ledger: pd.DataFrame) -> dict[str, Any]:
    home = results is not None and not _differences(results.settings, claim, claim.home)
    row = {name: getattr(claim, name) for name in ("id", "paper", "source", "statement", "quantity", "test")}
    row |= {"paper_value": _papers(claim, ledger), "paper_spread": claim.spread}
    row["evidence"] = STATIC if claim.judged == STATIC else SAME_SETTING if home else OTHER_SETTING
    try:
        finding = _static(claim, ledger) if claim.judged == STATIC else _on_run(claim, results)
    except NotMeasured as missing:
        return row | {"seeds": 0, "verdict": NOT_TESTABLE, "reason": _sentence(str(missing))}
    found, reason = finding.estimate, _sentence(finding.sentence)
    if row["evidence"] == OTHER_SETTING and results is not None:
        reason += f" Evidence from {_described(results.settings, claim, claim.home)}."
    row |= {"measured": found.mean, "low": found.low, "high": found.high, "seeds": found.seeds}
    return row | {"verdict": REPRODUCED if finding.holds else NOT_REPRODUCED, "reason": reason}


def _static(claim: Claim, ledger: pd.DataFrame) -> Finding:
    """Judge a claim that needs no run."""
    if claim.quantity not in FACTS:
        raise NotMeasured(f"nothing here computes {claim.quantity}")
    fact = FACTS[claim.quantity]
    found = {label: fact.find(ledger, Subject.parse(label, claim.sigma)) for label in claim.subjects}
    if any(pd.isna(value) for value, _ in found.values()):
        raise NotMeasured("the ledger lacks a number that this follows from")
    samples = {_named(label): without_seed(value) for label, (value, _) in found.items()}
    finding = judge(claim, samples, Words(fact.words + _where(claim), fact.digits))
    how = {_named(label): how for label, (_, how) in found.items()}
    return replace(finding, sentence=f"{finding.sentence} ({how[finding.model]})")


def _on_run(claim: Claim, results: Results | None) -> Finding:
    """Judge a claim on a run."""
    if claim.untestable is not None:
        raise NotMeasured(claim.untestable)
    if results is None:
        raise NotMeasured("no run was given to judge it on")
    if claim.judged != ANY_RUN and _differences(results.settings, claim, claim.judged):
        where = _described(results.settings, claim, claim.judged)
        raise NotMeasured(f"it speaks of the setting of profile {claim.judged}, and this run has {where}")
    if claim.quantity not in QUANTITIES:
        raise NotMeasured(f"nothing here computes {claim.quantity}")
    quantity = QUANTITIES[claim.quantity]
    samples = {}
    for label in claim.subjects:
        values, name = measure(claim.quantity, results, Subject.parse(label, claim.sigma, claim.seed)), _named(label)
        if claim.minus is not None:
            other = measure(claim.quantity, results, Subject.parse(claim.minus, claim.sigma, claim.seed))
            values, name = difference(values, other), f"{name} less that of {_named(claim.minus)}"
        if claim.minus is not None or quantity.compares:
            enough_seeds(values)
        samples[name] = values
    return judge(claim, samples, Words(quantity.words + _where(claim), quantity.digits))


def _papers(claim: Claim, ledger: pd.DataFrame) -> float | None:
    """The paper's value; of a claim about several models, the difference of its own numbers where it gives them."""
    if claim.value is not None:
        return claim.value
    if claim.minus is None and claim.test not in ("order", "same"):
        return None
    own_paper = ledger[ledger["paper"] == claim.paper]
    try:
        own = [number(own_paper, claim.quantity, Subject.parse(label, claim.sigma)) for label in claim.subjects]
        if claim.minus is not None:
            return own[0] - number(own_paper, claim.quantity, Subject.parse(claim.minus, claim.sigma))
    except NotMeasured:
        return None
    return own[-1] - own[0] if claim.test == "order" else max(own) - min(own)


@cache
def _setting(profile: str) -> Settings | None:
    """The settings of a profile; None: there is none of that name."""
    return load_settings(profile)[1] if profile in profile_names() else None


def _differences(settings: Settings, claim: Claim, profile: str) -> dict[str, Any]:
    """The settings in which a run differs from the setting of a claim; all of them where there is no such profile."""
    treated = claim.quantity == "expansion" or any(INFONCE in label.split() for label in claim.subjects)
    names = SETTING + (INFONCE_SETTING if treated else ())
    theirs, own = _setting(profile), {name: getattr(settings, name) for name in names}
    return {name: value for name, value in own.items() if theirs is None or getattr(theirs, name) != value}


def _described(settings: Settings, claim: Claim, profile: str) -> str:
    """What a run's setting is, in words: images, teacher, and what else it takes to tell it from a claim's."""
    others = _differences(settings, claim, profile)
    images = Path(settings.dataset).name
    files = "" if images == settings.dataset else ", read from files,"
    text = f"data set {images}{files} with teacher {settings.teacher}"
    if {"dataset", "teacher"} & others.keys():
        return text
    return f"{text}, {', '.join(f'{name} = {value}' for name, value in others.items())}"


def _named(label: str) -> str:
    """A model in words."""
    subject = Subject.parse(label)
    own = f"the {subject.model}" if subject.model in (TEACHER, EVERY_STUDENT) else f"student {subject.model}"
    if subject.treatment.startswith("top "):
        return f"{own} cut to its {subject.treatment} components"
    return f"{own} {TREATED.get(subject.treatment, subject.treatment)}".strip()


def _where(claim: Claim) -> str:
    """The seed and the noise of a claim, where it names them."""
    seed = "" if claim.seed is None else f" of seed {claim.seed}"
    if claim.sigma is None:
        return seed
    return f"{seed} at sigma = {claim.sigma:g}" if claim.sigma else f"{seed} on clean images"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
