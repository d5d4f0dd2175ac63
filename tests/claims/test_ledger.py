"""The ledger's entries: the papers' own numbers, each once, and claims in words that state their limits."""

import re

import pandas as pd
import pytest

from asymdistill.claims import evaluate, ledger
from asymdistill.claims.ledger import Claim
from asymdistill.config.profiles import profile_names
from asymdistill.runtime.errors import InputError

# What the first paper and its notebook report, transcribed independently of the ledger.
SPECTRUM = {
    "effective_rank": {"teacher": 88.68, "S": 15.91, "M": 16.62, "L": 16.66},
    "dims_for_90": {"teacher": 152, "S": 19, "M": 20, "L": 20},
    "info_nce": {"S": 3.3117, "M": 3.2996, "L": 3.2738},
    "uniformity": {"S": -0.4061, "M": -0.4153, "L": -0.4285},
    "parameters": {"teacher": 500e6, "S": 0.5e6, "M": 2e6, "L": 8e6},
}
ACCURACY = {
    "teacher": {0: (94.31, None), 0.05: (92.19, None), 0.1: (89.35, None), 0.2: (84.12, None)},
    "S": {0: (71.11, 0.44), 0.05: (67.82, 0.74), 0.1: (54.84, 3.73), 0.2: (27.35, 5.92)},
    "M": {0: (72.32, 0.50), 0.05: (68.36, 0.60), 0.1: (52.49, 7.52), 0.2: (24.15, 6.71)},
    "L": {0: (72.94, 0.43), 0.05: (69.09, 0.38), 0.1: (43.76, 6.10), 0.2: (14.05, 1.40)},
}
AUGMENTED = {0: 69.34, 0.05: 67.01, 0.1: 49.49, 0.2: 14.04}
BY_SEED = {"S": (71.08, 70.58, 71.66), "M": (72.48, 72.84, 71.65), "L": (73.21, 72.33, 73.28)}


def test_every_claim_has_its_own_id_and_a_source() -> None:
    table = evaluate.load()
    assert list(table.columns) == list(evaluate.COLUMNS)
    assert table["id"].is_unique
    assert table[["id", "paper", "source", "statement", "quantity", "judged"]].notna().all(axis=None)
    assert (table["test"].isna() == (table["judged"] == "number")).all()
    assert table["augmented"].dtype == bool
    assert len(table) >= 65
    assert set(table["paper"]) == {"v1", "v2"}


def test_no_two_claims_say_the_same() -> None:
    table = evaluate.load()
    assert table["statement"].is_unique


@pytest.mark.parametrize("quantity", SPECTRUM)
def test_quantities_are_the_papers(quantity: str) -> None:
    table = evaluate.published(quantity)
    assert dict(zip(table["model"], table["value"], strict=True)) == SPECTRUM[quantity]


def test_accuracies_are_the_papers() -> None:
    table = evaluate.published("accuracy")
    plain, treated = table[~table["augmented"]], table[table["augmented"]]
    listed = {
        (row.model, row.sigma): (row.value, None if row.spread != row.spread else row.spread)
        for row in plain.itertuples()
    }
    assert listed == {(model, s): pair for model, levels in ACCURACY.items() for s, pair in levels.items()}
    assert len(plain) == len(listed)
    assert dict(zip(treated["sigma"], treated["value"], strict=True)) == AUGMENTED
    assert set(treated["model"]) == {"L"}
    assert set(treated["seeds"]) == {1}


def test_accuracies_of_single_seeds_are_the_notebooks() -> None:
    table = evaluate.load()
    single = table[table["seed"].notna()].sort_values("seed")
    assert {model: tuple(own["value"]) for model, own in single.groupby("model")} == {
        model: (values[0], values[1], values[2]) for model, values in BY_SEED.items()
    }
    assert set(single["seed"]) == {42, 123, 456}


def test_the_share_at_20_components_is_the_text_s_and_the_reading_is_kept_apart() -> None:
    assert evaluate.published("share_20")["value"].tolist() == [0.9]
    readings = evaluate.load().set_index("id")
    assert (readings.loc[["v1-figure-share-20", "v1-figure-components-90"], "judged"] == "number").all()
    assert readings.loc["v1-figure-share-20", "value"] == 0.87
    assert readings.loc["v1-figure-components-90", "value"] == 28
    assert readings.loc[["v1-figure-share-20", "v1-figure-components-90"], "source"].str.contains("read off").all()


def test_a_spread_needs_several_seeds() -> None:
    table = evaluate.load()
    assert (table.loc[table["spread"].notna(), "seeds"] == 3).all()


def test_statements_state_the_value_and_the_model() -> None:
    for claim in evaluate.load().itertuples():
        numbers = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", claim.statement)]
        if claim.value == claim.value:
            scaled = {claim.value, claim.value / 1e6, 100 * claim.value}
            assert any(abs(number - value) < 1e-9 for number in numbers for value in scaled), claim.statement
        if claim.model in ("S", "M", "L"):
            assert re.search(rf"[Ss]tudent {claim.model}\b", claim.statement), claim.statement
        if claim.sigma > 0:
            assert claim.sigma in numbers, claim.statement


def test_every_margin_and_limit_has_a_reason() -> None:
    for claim in ledger.paper_claims():
        assert (claim.margin_reason is not None) == (claim.margin is not None or claim.limit is not None), claim.id
        assert claim.margin_reason is None or claim.margin_reason.endswith("."), claim.id


def test_a_margin_that_names_a_number_names_the_papers() -> None:
    """The differences between the paper's S and L that margins are."""
    claims = {claim.id: claim for claim in ledger.paper_claims()}
    for noise, share in (("0", 1), ("0.05", 1), ("0.1", 0.5), ("0.2", 0.5)):
        small, large = (claims[f"v1-accuracy-{model}-{noise}"] for model in "sl")
        assert small.margin == large.margin == pytest.approx(share * abs(small.value - large.value))
    for quantity in ("infonce", "uniformity"):
        small, large = (claims[f"v1-{quantity}-{model}"] for model in "sl")
        assert small.margin == large.margin == pytest.approx(abs(small.value - large.value))
    for noise in ("0", "0.05", "0.1"):
        treated, plain = claims[f"v1-augmented-l-{noise}"], claims[f"v1-accuracy-l-{noise}"]
        assert treated.margin == pytest.approx(abs(treated.value - plain.value))
    teacher, small, large = (claims[f"v1-rank-{model}"].value for model in ("teacher", "s", "l"))
    assert claims["v1-rank-s"].margin == pytest.approx(0.02 * (teacher - small), abs=0.05)
    assert claims["v1-rank-same"].margin == pytest.approx(2 * 100 * (large - small) / teacher, abs=0.05)
    assert claims["v1-rank-average"].limit == pytest.approx(0.1 * (large - small))
    assert claims["v2-expansion"].margin == pytest.approx((claims["v2-expansion"].value - 1) / 4)
    dino, wide = claims["v2-dinov2-baseline-rank"].value, claims["v2-dinov2-infonce-rank"].value
    assert claims["v2-dinov2-gains"].value == pytest.approx(wide / dino, abs=0.005)
    assert claims["v2-limit"].margin == pytest.approx((wide - dino) / 4)


def test_a_premise_is_a_claim_that_is_judged_and_presupposes_nothing_itself() -> None:
    claims = {claim.id: claim for claim in ledger.paper_claims()}
    premises = [claim.premise for claim in claims.values() if claim.premise]
    assert premises
    for name in premises:
        assert claims[name].judged == ledger.ANY_RUN
        assert claims[name].premise is None
        assert claims[name].untestable is None


def lost(claims: dict[str, Claim], model: str) -> float:
    clean, noisy = (claims[f"v1-accuracy-{model}-{noise}"].value for noise in ("0", "0.1"))
    return 100 * (clean - noisy) / (clean - 10)


def test_limits_on_lost_accuracy_are_shares_of_the_papers_losses() -> None:
    claims = {claim.id: claim for claim in ledger.paper_claims()}
    teacher, small, large = (lost(claims, model) for model in ("teacher", "s", "l"))
    assert (round(teacher, 1), round(small), round(large)) == (5.9, 27, 46)
    for name in ("v1-rank-causes-robustness-0.1", "v2-immunity-0.1", "v2-immunity-infonce-0.1"):
        assert claims[name].limit == pytest.approx((small - teacher) / 2, abs=0.5)
    assert claims["v1-infonce-decouples-0.1"].limit == pytest.approx((large - small) / 2, abs=0.5)


def test_claims_with_the_same_quantity_do_not_leak_into_the_papers_values() -> None:
    table = evaluate.load()
    worded = table[table["models"].notna()]
    assert {"effective_rank", "accuracy", "share_20", "info_nce", "uniformity"} <= set(worded["quantity"])
    for quantity in set(worded["quantity"]) & set(table.loc[table["models"].isna() & table["seed"].isna(), "quantity"]):
        assert not set(evaluate.published(quantity)["id"]) & set(worded["id"])


def test_a_quantity_that_the_papers_do_not_give_is_named() -> None:
    with pytest.raises(InputError, match="no 'entropy'; allowed: accuracy, dims_for_90, effective_rank"):
        evaluate.published("entropy")


def test_a_caller_cannot_change_the_ledger() -> None:
    table = evaluate.load()
    table["value"] = 0.0
    assert evaluate.load()["value"].nunique() > 20


def claim(**fields: object) -> Claim:
    return Claim.model_validate(
        {
            "id": "x",
            "paper": "v1",
            "source": "Table I",
            "statement": "It is so.",
            "quantity": "effective_rank",
            "test": "equal",
            "judged": "any",
            "margin": 1.0,
            "margin_reason": "So.",
            **fields,
        }
    )


@pytest.mark.parametrize(("value", "rounding"), [(88.68, 0.005), (152, 0.5), (2.4, 0.05), (-0.4061, 0.00005)])
def test_a_number_is_rounded_to_its_last_decimal(value: float, rounding: float) -> None:
    assert claim(value=value).rounding == pytest.approx(rounding)


def test_a_claim_speaks_of_its_model_of_its_models_or_of_the_papers_three_students() -> None:
    assert claim(value=1.0, model="teacher").labels == ("teacher",)
    assert claim(value=1.0, model="L", augmented=True).labels == ("L augmented",)
    assert claim(value=1.0, models=("L", "S")).labels == ("L", "S")
    assert claim(value=1.0).labels == ("S", "M", "L")


def test_the_papers_own_setting_is_the_first_papers_unless_an_entry_says_otherwise() -> None:
    assert claim(value=1.0).paper_profile == "cifar10-clip"
    assert claim(value=1.0, judged="cifar100-dinov2").paper_profile == "cifar100-dinov2"
    assert claim(value=1.0, setting="cifar100-dinov2").paper_profile == "cifar100-dinov2"


def test_every_profile_that_a_claim_names_exists() -> None:
    named = {claim.paper_profile for claim in ledger.paper_claims()} | set(evaluate.load()["judged"])
    assert named - {"any", "text", "number"} <= set(profile_names())


WRONG = {
    "test": ({"test": "about"}, "claim 'x', test: Input should be 'equal'"),
    "none": ({"test": None}, "claim 'x': a claim needs a test, and a number has none"),
    "number": ({"judged": "number"}, "claim 'x': a claim needs a test, and a number has none"),
    "empty": ({"judged": "number", "test": None, "value": None}, "claim 'x': a number needs a value"),
    "value": ({"value": None}, "claim 'x': the test equal needs a value"),
    "limit": ({"value": None, "test": "at_least"}, "claim 'x': the test at_least needs a limit or a value"),
    "both": ({"limit": 1.0, "test": "at_most"}, "claim 'x': the test at_most needs a limit or a value"),
    "same": ({"test": "same", "margin": None, "models": ("S", "L")}, "the test same needs a margin"),
    "reason": ({"margin_reason": None}, "claim 'x': a margin or a limit needs a margin_reason"),
    "order": ({"test": "order", "models": ("S",)}, "the test order needs several models"),
    "margin": ({"margin": -1.0}, "claim 'x', margin: Input should be greater than 0"),
    "paper": ({"paper": "v3"}, "claim 'x', paper: "),
    "judged": ({"judged": "smoke"}, "claim 'x': judged is 'smoke'; allowed: text, any, number, cifar10-clip, "),
    "setting": ({"setting": "smoke"}, "claim 'x': setting is 'smoke'; allowed: cifar10-clip, "),
    "premise": ({"premise": "y"}, "claim 'x', premise: 'y' is no claim; allowed: the id of one"),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_entry_that_is_no_claim_is_named(case: str) -> None:
    change, message = WRONG[case]
    table = evaluate.load().iloc[:1].assign(id="x", models=None)
    for column, value in change.items():
        table[column] = [value]
    with pytest.raises(InputError, match=re.escape(message)):
        ledger.parse(table)


def test_an_edited_ledger_has_ids_of_its_own_and_premises_among_the_papers_claims() -> None:
    table = evaluate.load()
    with pytest.raises(InputError, match="claim 'v1-rank-s' stands in the ledger twice"):
        ledger.parse(pd.concat([table, table[table["id"] == "v1-rank-s"]]))
    alone = table[table["premise"].notna()]
    assert [claim.premise for claim in ledger.parse(alone)] == alone["premise"].tolist() != []


def test_an_unknown_column_is_refused() -> None:
    with pytest.raises(InputError, match="Extra inputs are not permitted"):
        ledger.parse(evaluate.load().assign(verdict="supported"))


ENTRY = """[[claim]]
id = "a"
paper = "v1"
source = "abstract"
statement = "A number."
quantity = "effective_rank"
value = 1.5
judged = "number"
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[claim]\n", "claims.toml is not valid TOML: "),
        (
            ENTRY.replace("[[claim]]", "[[claims]]"),
            r"claims.toml holds claims; allowed: entries under \[\[claim\]\] alone",
        ),
        (ENTRY.replace("[[claim]]", "[claim]"), r"claims.toml holds claim; allowed: entries under \[\[claim\]\] alone"),
        ("", "claims.toml holds nothing; allowed: "),
        (ENTRY + ENTRY, "claim 'a' stands in the ledger twice; allowed: an id of its own for each"),
        (ENTRY + 'premise = "b"\n', "claim 'a', premise: 'b' is no claim; allowed: the id of one"),
        (ENTRY + "limit = inf\n", "claim 'a', limit: "),
    ],
)
def test_a_ledger_that_is_edited_wrongly_is_one_line(text: str, message: str) -> None:
    assert [claim.id for claim in ledger.read(ENTRY)] == ["a"]
    with pytest.raises(InputError, match=message):
        ledger.read(text)
