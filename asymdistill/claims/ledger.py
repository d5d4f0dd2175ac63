"""The papers' claims as data: what ``claims.toml`` holds, entry by entry, validated.

A claim speaks of a quantity of some models. A model is named by its label and, where it was not made as in the first
paper, by what was done to it: ``teacher``, ``S``, ``students`` (all of a run, averaged over widths), ``L augmented``,
``students infonce``, ``S labels``, ``teacher top 16``. What each of them is read from says ``quantities``.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Literal, Self

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from asymdistill.runtime.errors import InputError

Test = Literal["equal", "count", "at_least", "at_most", "same", "order"]
STUDENTS = ("S", "M", "L")
V1_SETTING = "cifar10-clip"


class Claim(BaseModel):
    """One claim of a paper. Frozen; unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(description="Its name here, which no other claim has.")
    paper: Literal["v1", "v2"] = Field(description="Version of the paper.")
    source: str = Field(description="Where it stands: abstract, section, table, figure or notebook.")
    statement: str = Field(description="What it says, in our words.")
    quantity: str = Field(description="What it speaks of, as `quantities` or, without a run, `facts` name it.")
    model: str | None = Field(None, description="The one model whose value a number is.")
    augmented: bool = Field(False, description="That model was trained with augmentation.")
    sigma: float | None = Field(None, description="Standard deviation of the noise; none: clean images.")
    value: float | None = Field(None, description="The paper's number.")
    spread: float | None = Field(None, description="Its standard deviation over seeds, ddof = 0 as in the paper.")
    seeds: int | None = Field(None, description="How many seeds the number rests on.")
    seed: int | None = Field(None, description="The one seed that a number is of.")
    models: tuple[str, ...] | None = Field(None, description="The models of a claim that is more than one number.")
    minus: str | None = Field(None, description="The model whose value is taken off that of each, seed by seed.")
    test: Test = Field(description="How it is judged; see `judging`.")
    tolerance: float | None = Field(None, gt=0, description="Where the rule of `judging` does not fit.")
    limit: float | None = Field(None, description="Of `at_least` and `at_most`, where the paper's value is none.")
    judged: str = Field(
        description="Where it can be judged: `static`, without a run; `any`, on any run; or the name of the profile "
        "whose setting it takes."
    )
    setting: str | None = Field(None, description="Profile of the paper's own setting, where `judged` is no profile.")
    untestable: str | None = Field(None, description="Why no run at all can judge it.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.test in ("at_least", "at_most") and (self.limit is None) == (self.value is None):
            raise ValueError(f"the test {self.test} needs a limit or a value")
        if self.test in ("equal", "count") and self.value is None:
            raise ValueError(f"the test {self.test} needs a value")
        if self.test == "same" and self.allowed is None:
            raise ValueError("the test same needs a tolerance, spread or value")
        if self.test in ("same", "order") and len(self.subjects) < 2:
            raise ValueError(f"the test {self.test} needs several models")
        return self

    @property
    def subjects(self) -> tuple[str, ...]:
        """The models that it speaks of; the paper's three students where it names none."""
        if self.models is not None:
            return self.models
        if self.model is None:
            return STUDENTS
        return (f"{self.model} augmented" if self.augmented else self.model,)

    @property
    def allowed(self) -> float | None:
        """How far a measured value may lie from the paper's: the tolerance, twice the spread, or 5 % of the value."""
        if self.tolerance is not None:
            return self.tolerance
        if self.spread is not None:
            return 2 * self.spread
        return None if self.value is None else 0.05 * abs(self.value)

    @property
    def home(self) -> str:
        """The profile that has the paper's own setting."""
        return self.setting or (V1_SETTING if self.judged in ("any", "static") else self.judged)


COLUMNS = tuple(Claim.model_fields)


@cache
def entries() -> tuple[Claim, ...]:
    """The claims of the papers."""
    text = (resources.files("asymdistill.claims") / "claims.toml").read_text("utf-8")
    return tuple(_claim(entry) for entry in tomllib.loads(text)["claim"])


def load() -> pd.DataFrame:
    """Every claim, one a row: the columns are the fields of ``Claim``, and nothing stands where an entry has none."""
    return pd.DataFrame([entry.model_dump() for entry in entries()], columns=list(COLUMNS))


def claims_of(ledger: pd.DataFrame | None = None) -> tuple[Claim, ...]:
    """The claims of a table that ``load`` gave and a caller may have changed; None: those of the papers.

    Raises:
        InputError: an entry that is none.
    """
    if ledger is None:
        return entries()
    return tuple(_claim(row) for row in ledger.to_dict("records"))


def published(quantity: str) -> pd.DataFrame:
    """The papers' own values of one quantity: the entries that are ``plain``.

    Raises:
        InputError: the papers give no such quantity.
    """
    table = plain(load())
    if quantity not in set(table["quantity"]):
        raise InputError(f"the papers give no {quantity!r}; allowed: {', '.join(sorted(set(table['quantity'])))}")
    return table[table["quantity"] == quantity].reset_index(drop=True)


def plain(ledger: pd.DataFrame) -> pd.DataFrame:
    """The entries that are a number of one model over all seeds, and not a claim about such numbers."""
    return ledger[ledger["models"].isna() & ledger["seed"].isna()]


def _claim(entry: Mapping[Any, Any]) -> Claim:
    given = {str(key): value for key, value in entry.items() if not (pd.api.types.is_scalar(value) and pd.isna(value))}
    try:
        return Claim.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = f", {first['loc'][0]}" if first["loc"] else ""
        raise InputError(f"claim {given.get('id')!r}{where}: {first['msg'].removeprefix('Value error, ')}") from None
