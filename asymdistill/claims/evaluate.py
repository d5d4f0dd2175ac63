"""Judge the ledger: each claim of the papers on a run.

``load`` and ``published`` give the claims as the papers make them, ``evaluate`` judges them. There are three kinds of
evidence. *Checks of the text* need no run. Claims that the paper states in general are judged on any run; whether that
run has *the paper's own setting* or *another setting* is said beside the verdict. Absolute numbers are judged in the
paper's own setting only. The decision rules are in ``rules``.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from asymdistill.claims.estimates import NotMeasured, difference, without_seed
from asymdistill.claims.facts import FACTS, Ledger, published_value
from asymdistill.claims.ledger import ANY_RUN, COLUMNS, NUMBER, TEXT, Claim, load, paper_claims, parse, published
from asymdistill.claims.quantities import QUANTITIES, measure, require_noise_that_costs, require_same_input
from asymdistill.claims.rows import Results, Rows, Subject
from asymdistill.claims.rules import NOT_TESTABLE, SUPPORTED, Judgement, Wording, claimed_range, judge
from asymdistill.config.names import AUGMENTED, EVERY_STUDENT, INFONCE, TEACHER
from asymdistill.config.profiles import load_settings, profile_names
from asymdistill.config.settings import Settings
from asymdistill.runtime.errors import check_option

__all__ = ["CHECK", "COLUMNS", "EVALUATED", "KINDS", "OTHER_SETTING", "OWN_SETTING", "evaluate", "load", "published"]
EVALUATED = (
    *("id", "paper", "source", "statement", "quantity", "test", "paper_value", "paper_spread", "measured", "low"),
    *("high", "claimed_low", "claimed_high", "margin", "margin_reason", "seeds", "verdict", "evidence", "reason"),
)
KINDS = CHECK, OWN_SETTING, OTHER_SETTING = "check of the text", "the paper's own setting", "another setting"
# The settings that define the paper's setting. Widths, seeds and noise levels only decide what can be judged.
SETTING = (
    *("dataset", "teacher", "train_limit", "test_limit", "resolution", "epochs", "batch_size", "learning_rate"),
    *("teacher_resolution", "teacher_crop", "autocast", "metric_temperature", "metric_batch_size", "probe_max_iter"),
)
# For claims about students trained with InfoNCE, these belong to the setting too; the second paper publishes none.
INFONCE_SETTING = ("infonce_weight", "infonce_temperature", "infonce_symmetric")


def evaluate(
    results: Results | None, ledger: pd.DataFrame | None = None, *, only: Sequence[str] | None = None
) -> pd.DataFrame:
    """Judge every claim, or some.

    Args:
        results: a study or a recorded run; None: only claims that need no run are judged.
        ledger: the ledger as ``load`` returns it, perhaps edited; None: that of the papers.
        only: the ids of the claims to judge, in the order of the result; None: all. Only tables that they need are
            asked for.

    Returns:
        One row per claim, with columns id, paper, source, statement, quantity and test; paper_value and paper_spread,
        the paper's number, or the difference between its numbers if the claim is about a difference; measured, with
        low and high, the ends of the 95 % interval that decides; claimed_low and claimed_high, the ends of the claimed
        range (NaN: it has none there); margin and margin_reason; seeds, the number of seeds (0 for what has none);
        verdict, one of ``rules.VERDICTS``; evidence, one of ``KINDS`` (without a run, too); and reason, in sentences.
        NaN where there is nothing.

    Raises:
        InputError: a row of the ledger is not a valid claim, or an id is that of none.
    """
    claims = paper_claims() if ledger is None else parse(ledger)
    run = None if results is None else Rows(results)
    judged = {claim.id: claim for claim in claims if claim.judged != NUMBER}
    for name in only or ():
        check_option("claim", name, judged)
    rows = [_row(judged[name], run, claims) for name in (judged if only is None else only)]
    return pd.DataFrame(rows, columns=list(EVALUATED)).astype(_NUMBERS)


_NUMBERS = dict.fromkeys(("paper_value", "paper_spread", "measured", "low", "high", "margin"), float)
_NUMBERS |= dict.fromkeys(("claimed_low", "claimed_high"), float)


def _row(claim: Claim, run: Rows | None, ledger: Ledger) -> dict[str, Any]:
    own_setting = run is not None and not _differences(run.settings, claim, claim.paper_profile)
    row = {name: getattr(claim, name) for name in ("id", "paper", "source", "statement", "quantity", "test")}
    row |= {"paper_value": _paper_value(claim, ledger), "paper_spread": claim.spread}
    low, high = (None if math.isinf(end) else end for end in claimed_range(claim))
    row |= {"claimed_low": low, "claimed_high": high, "margin": claim.margin, "margin_reason": claim.margin_reason}
    row["evidence"] = CHECK if claim.judged == TEXT else OWN_SETTING if own_setting else OTHER_SETTING
    try:
        judgement = _on_text(claim, ledger) if claim.judged == TEXT else _on_run(claim, run, ledger)
    except NotMeasured as missing:
        return row | {"seeds": 0, "verdict": NOT_TESTABLE, "reason": _sentence(str(missing))}
    found, reason = judgement.estimate, _sentence(judgement.sentence)
    if row["evidence"] == OTHER_SETTING and run is not None:
        reason += f" Evidence from {_described(run.settings, claim, claim.paper_profile)}."
    row |= {"measured": found.mean, "low": found.low, "high": found.high, "seeds": found.seeds}
    return row | {"verdict": judgement.verdict, "reason": reason}


def _on_text(claim: Claim, ledger: Ledger) -> Judgement:
    """Judge a claim that needs no run."""
    if claim.untestable is not None:
        raise NotMeasured(claim.untestable)
    if claim.quantity not in FACTS:
        raise NotMeasured(f"nothing here computes {claim.quantity}")
    quantity = FACTS[claim.quantity]
    facts = {_named(label): quantity.find(ledger, Subject.parse(label, claim.sigma)) for label in claim.labels}
    if any(pd.isna(fact.value) for fact in facts.values()):
        raise NotMeasured("the ledger lacks a number that this follows from")
    values = {model: without_seed(fact.value) for model, fact in facts.items()}
    judgement = judge(claim, values, Wording(quantity.words + _where(claim), quantity.digits))
    return replace(judgement, sentence=f"{judgement.sentence} ({facts[judgement.model].how})")


def _on_run(claim: Claim, run: Rows | None, ledger: Ledger) -> Judgement:
    """Judge a claim on a run."""
    if claim.untestable is not None:
        raise NotMeasured(claim.untestable)
    if run is None:
        raise NotMeasured("no run was given to judge it on")
    if claim.judged != ANY_RUN and _differences(run.settings, claim, claim.judged):
        where = _described(run.settings, claim, claim.judged)
        raise NotMeasured(f"an absolute number needs the setting of profile {claim.judged}, and this run has {where}")
    values = claim_values(claim, run)
    _require_premise(claim, run, ledger)
    quantity = QUANTITIES[claim.quantity]
    judgement = judge(claim, values, Wording(quantity.words + _where(claim), quantity.digits))
    if claim.robustness:
        labels = claim.labels if claim.minus is None else (*claim.labels, claim.minus)
        subjects = [Subject.parse(label, claim.sigma) for label in labels]
        subjects += [replace(one, treatment="") for one in subjects if one.treatment == AUGMENTED]
        require_same_input(run, subjects)
        require_noise_that_costs(run, subjects)
    return judgement


def _require_premise(claim: Claim, run: Rows, ledger: Ledger) -> None:
    """Refuse to judge a claim where what it presupposes is not supported: it would hold for nothing."""
    if claim.premise is None:
        return
    verdict = _row({one.id: one for one in (*paper_claims(), *ledger)}[claim.premise], run, ledger)["verdict"]
    if verdict != SUPPORTED:
        raise NotMeasured(f"this presupposes the claim {claim.premise}, which is {verdict} on this run")


def claim_values(claim: Claim, run: Rows) -> dict[str, pd.Series]:
    """What a run measures of a claim: values by seed for each of its models, by the model's name in words.

    Raises:
        NotMeasured: the run lacks what the quantity needs.
    """
    values = {}
    for label in claim.labels:
        own = measure(claim.quantity, run, Subject.parse(label, claim.sigma, claim.estimator))
        name = _named(label)
        if claim.minus is not None:
            other = measure(claim.quantity, run, Subject.parse(claim.minus, claim.sigma, claim.estimator))
            own, name = difference(own, other), f"{name} minus that of {_named(claim.minus)}"
        values[name] = own
    return values


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
        # Only weights that are fetched by their published name are known to be the paper's: a file may hold anything.
        differences["teacher_weights"] = settings.teacher_weights.name
    return differences


def _described(settings: Settings, claim: Claim, profile: str) -> str:
    """The setting of a run in words: images, teacher and, if these are the profile's, whatever else differs."""
    others = _differences(settings, claim, profile)
    images = Path(settings.dataset).name
    files = "" if images == settings.dataset else ", read from files,"
    text = f"data set {images}{files} with teacher {settings.teacher_with_file}"
    others.pop("teacher_weights", None)
    if {"dataset", "teacher"} & others.keys():
        return text + (f" and {settings.train_limit:,} training images" if settings.train_limit else "")
    return ", ".join([text, *(f"{name} = {value}" for name, value in others.items())])


def _named(label: str) -> str:
    """A model in words: ``student L trained with augmentation``."""
    subject = Subject.parse(label)
    own = f"the {subject.model}" if subject.model in (TEACHER, EVERY_STUDENT) else f"student {subject.model}"
    if subject.treatment.startswith("top "):
        return f"{own} cut to its {subject.treatment} components"
    return f"{own} {subject.training}" if subject.treatment else own


def _where(claim: Claim) -> str:
    """The noise level of a claim, if it names one."""
    if claim.sigma is None:
        return ""
    return f" at σ = {claim.sigma:g}" if claim.sigma else " on clean images"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
