"""Judge the ledger: each claim of the papers on a run.

``load`` and ``published`` give the claims as the papers make them, ``evaluate`` judges them. A claim is judged without
a run (``static``), on any run, or, if it is an absolute value, only on a run in the setting of the claim. A verdict
from a run in another setting than the paper's is evidence from another setting, and its reason says which. The decision
rules are in ``rules``.
"""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from asymdistill.claims.estimates import NotMeasured, difference, require_two_seeds, without_seed
from asymdistill.claims.facts import FACTS, Ledger, published_value
from asymdistill.claims.ledger import ANY_RUN, COLUMNS, STATIC, Claim, load, paper_claims, parse, published
from asymdistill.claims.quantities import QUANTITIES, Results, Rows, Subject, measure
from asymdistill.claims.rules import NOT_REPRODUCED, NOT_TESTABLE, REPRODUCED, Judgement, Wording, judge
from asymdistill.config.names import EVERY_STUDENT, INFONCE, TEACHER
from asymdistill.config.profiles import load_settings, profile_names
from asymdistill.config.settings import Settings

__all__ = ["COLUMNS", "EVALUATED", "OTHER_SETTING", "SAME_SETTING", "STATIC", "evaluate", "load", "published"]
EVALUATED = (
    *("id", "paper", "source", "statement", "quantity", "test", "paper_value", "paper_spread", "measured", "low"),
    *("high", "seeds", "verdict", "evidence", "reason"),
)
SAME_SETTING, OTHER_SETTING = "same setting", "another setting"
# The settings that define the paper's setting. Widths, seeds and noise levels only decide what can be judged.
SETTING = (
    *("dataset", "teacher", "train_limit", "test_limit", "resolution", "epochs", "batch_size", "learning_rate"),
    *("teacher_resolution", "teacher_crop", "autocast", "metric_temperature", "metric_batch_size", "probe_max_iter"),
)
# For claims about students trained with InfoNCE, these belong to the setting too; the second paper publishes none.
INFONCE_SETTING = ("infonce_weight", "infonce_temperature", "infonce_symmetric")


def evaluate(results: Results | None, ledger: pd.DataFrame | None = None) -> pd.DataFrame:
    """Judge every claim.

    Args:
        results: a study or a recorded run; None: only claims that need no run are judged.
        ledger: claims as ``load`` returns them, perhaps edited; None: those of the papers.

    Returns:
        One row per claim, with columns id, paper, source, statement, quantity and test; paper_value and paper_spread,
        the paper's number, or the difference between its numbers if the claim is about a difference; measured, with
        low and high, its 95 % confidence interval over seeds, and seeds, their number (0 for what has no seed);
        verdict, ``reproduced``, ``not reproduced`` or ``not testable here``; evidence, ``static``, ``same setting`` or
        ``another setting`` (also without a run); and reason, in sentences. NaN where there is nothing.

    Raises:
        InputError: a row of the ledger is not a valid claim.
    """
    claims = paper_claims() if ledger is None else parse(ledger)
    run = None if results is None else Rows(results)
    rows = [_row(claim, run, claims) for claim in claims]
    return pd.DataFrame(rows, columns=list(EVALUATED))


def _row(claim: Claim, run: Rows | None, ledger: Ledger) -> dict[str, Any]:
    same_setting = run is not None and not _differences(run.settings, claim, claim.paper_profile)
    row = {name: getattr(claim, name) for name in ("id", "paper", "source", "statement", "quantity", "test")}
    row |= {"paper_value": _paper_value(claim, ledger), "paper_spread": claim.spread}
    row["evidence"] = STATIC if claim.judged == STATIC else SAME_SETTING if same_setting else OTHER_SETTING
    try:
        judgement = _static(claim, ledger) if claim.judged == STATIC else _on_run(claim, run)
    except NotMeasured as missing:
        return row | {"seeds": 0, "verdict": NOT_TESTABLE, "reason": _sentence(str(missing))}
    found, reason = judgement.estimate, _sentence(judgement.sentence)
    if row["evidence"] == OTHER_SETTING and run is not None:
        reason += f" Evidence from {_described(run.settings, claim, claim.paper_profile)}."
    row |= {"measured": found.mean, "low": found.low, "high": found.high, "seeds": found.seeds}
    return row | {"verdict": REPRODUCED if judgement.holds else NOT_REPRODUCED, "reason": reason}


def _static(claim: Claim, ledger: Ledger) -> Judgement:
    """Judge a claim that needs no run."""
    if claim.quantity not in FACTS:
        raise NotMeasured(f"nothing here computes {claim.quantity}")
    quantity = FACTS[claim.quantity]
    facts = {_named(label): quantity.find(ledger, Subject.parse(label, claim.sigma)) for label in claim.labels}
    if any(pd.isna(fact.value) for fact in facts.values()):
        raise NotMeasured("the ledger lacks a number that this follows from")
    values = {model: without_seed(fact.value) for model, fact in facts.items()}
    judgement = judge(claim, values, Wording(quantity.words + _where(claim), quantity.digits))
    return replace(judgement, sentence=f"{judgement.sentence} ({facts[judgement.model].how})")


def _on_run(claim: Claim, run: Rows | None) -> Judgement:
    """Judge a claim on a run."""
    if claim.untestable is not None:
        raise NotMeasured(claim.untestable)
    if run is None:
        raise NotMeasured("no run was given to judge it on")
    if claim.judged != ANY_RUN and _differences(run.settings, claim, claim.judged):
        where = _described(run.settings, claim, claim.judged)
        raise NotMeasured(f"it needs the setting of profile {claim.judged}, and this run has {where}")
    if claim.quantity not in QUANTITIES:
        raise NotMeasured(f"nothing here computes {claim.quantity}")
    quantity = QUANTITIES[claim.quantity]
    values = {}
    for label in claim.labels:
        own, name = measure(claim.quantity, run, Subject.parse(label, claim.sigma, claim.seed)), _named(label)
        if claim.minus is not None:
            other = measure(claim.quantity, run, Subject.parse(claim.minus, claim.sigma, claim.seed))
            own, name = difference(own, other), f"{name} minus that of {_named(claim.minus)}"
        if claim.minus is not None or quantity.compares:
            require_two_seeds(own)
        values[name] = own
    return judge(claim, values, Wording(quantity.words + _where(claim), quantity.digits))


def _paper_value(claim: Claim, ledger: Ledger) -> float | None:
    """The paper's value; for a claim about several models, the difference between its own numbers if it gives them."""
    if claim.value is not None:
        return claim.value
    if claim.minus is None and claim.test not in ("order", "same"):
        return None
    own_paper = [other for other in ledger if other.paper == claim.paper]
    labels = claim.labels if claim.minus is None else (claim.minus, claim.labels[0])
    try:
        values = [
            published_value(own_paper, claim.quantity, Subject.parse(label, claim.sigma)).value for label in labels
        ]
    except NotMeasured:
        return None
    return max(values) - min(values) if claim.test == "same" else values[-1] - values[0]


@cache
def _setting(profile: str) -> Settings | None:
    """The settings of a profile; None if there is no profile of that name."""
    return load_settings(profile)[1] if profile in profile_names() else None


def _differences(settings: Settings, claim: Claim, profile: str) -> dict[str, Any]:
    """The settings in which a run differs from a profile; all of them if there is no such profile."""
    with_infonce = claim.quantity == "expansion" or any(INFONCE in label.split() for label in claim.labels)
    names = SETTING + (INFONCE_SETTING if with_infonce else ())
    theirs, own = _setting(profile), {name: getattr(settings, name) for name in names}
    differences = {name: value for name, value in own.items() if theirs is None or getattr(theirs, name) != value}
    if settings.teacher_weights is not None:
        # Only what the teacher's library publishes is known to be the paper's teacher: a file may hold anything.
        differences["teacher_weights"] = settings.teacher_weights.name
    return differences


def _described(settings: Settings, claim: Claim, profile: str) -> str:
    """The setting of a run in words: images, teacher and, if these are the profile's, whatever else differs."""
    others = _differences(settings, claim, profile)
    images = Path(settings.dataset).name
    files = "" if images == settings.dataset else ", read from files,"
    text = f"data set {images}{files} with teacher {settings.teacher}"
    if {"dataset", "teacher"} & others.keys():
        return text
    return f"{text}, {', '.join(f'{name} = {value}' for name, value in others.items())}"


def _named(label: str) -> str:
    """A model in words: ``student L trained with augmentation``."""
    subject = Subject.parse(label)
    own = f"the {subject.model}" if subject.model in (TEACHER, EVERY_STUDENT) else f"student {subject.model}"
    if subject.treatment.startswith("top "):
        return f"{own} cut to its {subject.treatment} components"
    return f"{own} {subject.training}" if subject.treatment else own


def _where(claim: Claim) -> str:
    """The seed and the noise level of a claim, if it names them."""
    seed = "" if claim.seed is None else f" of seed {claim.seed}"
    if claim.sigma is None:
        return seed
    return f"{seed} at sigma = {claim.sigma:g}" if claim.sigma else f"{seed} on clean images"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
