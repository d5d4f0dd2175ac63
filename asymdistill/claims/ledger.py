"""The ledger: the papers' claims as data, read from ``claims.toml`` and validated.

Beside the claims it has published numbers that nobody claims anything with by themselves, such as the accuracy of one
seed: claims and tables are made from them, and they get no verdict.

A claim is about one quantity of one or more models. A label names a model and, if it was not trained as in the first
paper, its treatment: ``teacher``, ``S``, ``students`` (all students of a run, averaged over widths), ``L augmented``,
``students infonce``, ``S labels``, ``teacher top 16``.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Literal, Self

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from asymdistill.config.names import AUGMENTED, STUDENTS
from asymdistill.runtime.errors import InputError

Test = Literal["equal", "at_least", "at_most", "same", "order"]
ANY_RUN, TEXT, NUMBER = "any", "text", "number"
V1_PROFILE = "cifar10-clip"
PAPER_PROFILES = (V1_PROFILE, "cifar10-clip-infonce", "cifar100-dinov2")
"""The profiles with the settings that the papers report numbers for."""


class Claim(BaseModel):
    """One claim of a paper. Immutable; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    id: str = Field(description="Unique identifier of the claim.")
    paper: Literal["v1", "v2"] = Field(description="Version of the paper.")
    source: str = Field(description="Where the paper makes it: abstract, section, table, figure or notebook.")
    statement: str = Field(description="The claim in our words.")
    quantity: str = Field(description="A key of `quantities.QUANTITIES` or, if it needs no run, of `facts.FACTS`.")
    estimator: Literal["mean spectrum"] | None = Field(
        None, description="`mean spectrum`: of the singular values averaged over seeds; none: of each seed."
    )
    model: str | None = Field(None, description="The model that the paper's number belongs to, if it is one model.")
    augmented: bool = Field(False, description="Whether that model was trained with augmentation.")
    sigma: float | None = Field(None, description="Standard deviation of the noise; none: clean images.")
    value: float | None = Field(None, description="The paper's number.")
    spread: float | None = Field(None, description="Its standard deviation over seeds, ddof = 0 as in the paper.")
    seeds: int | None = Field(None, description="Number of seeds behind the paper's number.")
    seed: int | None = Field(None, description="The seed of a number that comes from a single seed.")
    models: tuple[str, ...] | None = Field(None, description="Labels of the models, if the claim is not one number.")
    minus: str | None = Field(None, description="Label of a model whose value is subtracted, seed by seed.")
    test: Test | None = Field(None, description="How the claim is judged; see `rules`. A mere number has none.")
    margin: float | None = Field(None, gt=0, description="Distance that counts as the same, or is allowed at a limit.")
    margin_reason: str | None = Field(None, description="Why this margin, or why this limit if the paper names none.")
    robustness: bool = Field(
        False, description="Whether models are compared by what noise costs them: nothing follows where it costs none."
    )
    premise: str | None = Field(
        None, description="Id of the claim that this one presupposes: where that is not supported, nothing follows."
    )
    limit: float | None = Field(None, description="Limit of `at_least` and `at_most`, if the paper gives no value.")
    judged: str = Field(
        description="Where the claim can be judged: `text`, without a run; `any`, on any run, because the paper states "
        "it in general; or the name of the profile whose setting a run must have, because it is an absolute number. "
        "`number`: a published number that is no claim by itself."
    )
    setting: str | None = Field(None, description="Profile of the paper's setting, where `judged` is not a profile.")
    untestable: str | None = Field(None, description="Why nothing here can judge the claim.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.judged == NUMBER) != (self.test is None):
            raise ValueError("a claim needs a test, and a number has none")
        if self.judged == NUMBER and self.value is None:
            raise ValueError("a number needs a value")
        if self.test in ("at_least", "at_most") and (self.limit is None) == (self.value is None):
            raise ValueError(f"the test {self.test} needs a limit or a value")
        if self.test == "equal" and self.value is None:
            raise ValueError("the test equal needs a value")
        if self.test in ("equal", "same") and self.margin is None:
            raise ValueError(f"the test {self.test} needs a margin")
        if (self.margin is None and self.limit is None) != (self.margin_reason is None):
            raise ValueError("a margin or a limit needs a margin_reason, and nothing else has one")
        if self.test in ("same", "order") and len(self.labels) < 2:
            raise ValueError(f"the test {self.test} needs several models")
        if self.judged not in (TEXT, ANY_RUN, NUMBER, *PAPER_PROFILES):
            raise ValueError(f"judged is {self.judged!r}; allowed: text, any, number, {', '.join(PAPER_PROFILES)}")
        if self.setting not in (None, *PAPER_PROFILES):
            raise ValueError(f"setting is {self.setting!r}; allowed: {', '.join(PAPER_PROFILES)}")
        return self

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the models that the claim is about; the paper's three students if it names none."""
        if self.models is not None:
            return self.models
        if self.model is None:
            return tuple(STUDENTS.values())
        return (f"{self.model} {AUGMENTED}" if self.augmented else self.model,)

    @property
    def is_model_value(self) -> bool:
        """Whether this is a number of one model over all seeds, as opposed to a claim about such numbers."""
        return self.models is None and self.seed is None

    @property
    def rounding(self) -> float:
        """By how much the number can differ from what was rounded to it: half a unit of its last decimal."""
        decimals = len(f"{self.value:.6f}".rstrip("0").partition(".")[2])
        return 0.5 * 10.0**-decimals

    @property
    def paper_profile(self) -> str:
        """The profile with the paper's own setting."""
        return self.setting or (V1_PROFILE if self.judged in (ANY_RUN, TEXT, NUMBER) else self.judged)


COLUMNS = tuple(Claim.model_fields)


@cache
def paper_claims() -> tuple[Claim, ...]:
    """The claims of the papers, with the numbers that are no claims by themselves."""
    return read((resources.files("asymdistill.claims") / "claims.toml").read_text("utf-8"))


def read(text: str) -> tuple[Claim, ...]:
    """The claims in a text such as that of ``claims.toml``.

    Raises:
        InputError: it is no TOML, has something beside claims, or claims that are not valid or do not fit together.
    """
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"claims.toml is not valid TOML: {error}") from None
    if [*found] != ["claim"] or not isinstance(found["claim"], list):
        raise InputError(f"claims.toml holds {', '.join(found) or 'nothing'}; allowed: entries under [[claim]] alone")
    return _checked(tuple(_claim(entry) for entry in found["claim"]))


def load() -> pd.DataFrame:
    """The ledger as a table: one row per claim or number, one column per field of ``Claim``."""
    return pd.DataFrame([claim.model_dump() for claim in paper_claims()], columns=list(COLUMNS))


def parse(ledger: pd.DataFrame) -> tuple[Claim, ...]:
    """The claims in a table such as ``load`` returns, perhaps edited.

    Raises:
        InputError: a row is not a valid claim, or they do not fit together. A premise can be any claim of the papers.
    """
    return _checked(tuple(_claim(row) for row in ledger.to_dict("records")), paper_claims())


def stated() -> dict[str, float]:
    """The papers' numbers by the ids of the claims that give one."""
    return {claim.id: claim.value for claim in paper_claims() if claim.value is not None}


def published(quantity: str) -> pd.DataFrame:
    """The papers' own values of one quantity, each of one model over all seeds.

    Raises:
        InputError: the papers report no such quantity.
    """
    table = load()[[claim.is_model_value for claim in paper_claims()]]
    if quantity not in set(table["quantity"]):
        raise InputError(f"the papers give no {quantity!r}; allowed: {', '.join(sorted(set(table['quantity'])))}")
    return table[table["quantity"] == quantity].reset_index(drop=True)


def _checked(claims: tuple[Claim, ...], others: tuple[Claim, ...] = ()) -> tuple[Claim, ...]:
    """Claims that fit together: each has an id of its own, and premises are claims, among these or others."""
    ids = [claim.id for claim in claims]
    known = {*ids, *(claim.id for claim in others)}
    for claim in claims:
        if ids.count(claim.id) > 1:
            raise InputError(f"claim {claim.id!r} stands in the ledger twice; allowed: an id of its own for each")
        if claim.premise is not None and claim.premise not in known:
            raise InputError(f"claim {claim.id!r}, premise: {claim.premise!r} is no claim; allowed: the id of one")
    return claims


def _claim(entry: Mapping[Any, Any]) -> Claim:
    given = {str(key): value for key, value in entry.items() if not (pd.api.types.is_scalar(value) and pd.isna(value))}
    try:
        return Claim.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = f", {first['loc'][0]}" if first["loc"] else ""
        raise InputError(f"claim {given.get('id')!r}{where}: {first['msg'].removeprefix('Value error, ')}") from None
