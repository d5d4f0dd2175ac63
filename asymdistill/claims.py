"""The ledger: what the papers state, as data."""

import tomllib
from functools import cache
from importlib import resources

import pandas as pd

from asymdistill.checks import InputError

COLUMNS = (
    "id",
    "paper",
    "source",
    "statement",
    "quantity",
    "model",
    "augmented",
    "sigma",
    "value",
    "spread",
    "seeds",
)


@cache
def _read() -> tuple[dict[str, object], ...]:
    text = (resources.files("asymdistill") / "claims.toml").read_text("utf-8")
    return tuple(tomllib.loads(text)["claim"])


def load() -> pd.DataFrame:
    """Every claim, one a row.

    Returns:
        Columns id, paper (``v1`` or ``v2``), source, statement, quantity (as a study names it), model, augmented,
        sigma (of the noise), value and spread (standard deviation over seeds, ddof = 0) as the paper gives them, and
        seeds (how many the paper's number rests on).
    """
    table = pd.DataFrame(_read(), columns=list(COLUMNS))
    return table.assign(augmented=table["augmented"].notna())


def published(quantity: str) -> pd.DataFrame:
    """The papers' own values of one quantity.

    Raises:
        InputError: the papers give no such quantity.
    """
    table = load()
    if quantity not in set(table["quantity"]):
        raise InputError(f"the papers give no {quantity!r}; allowed: {', '.join(sorted(set(table['quantity'])))}")
    return table[table["quantity"] == quantity].reset_index(drop=True)
