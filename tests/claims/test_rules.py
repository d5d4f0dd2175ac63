"""Decision rules: each on intervals within, outside, and across the claimed range, the same way for and against."""

import math

import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from asymdistill.claims.estimates import NotMeasured, without_seed
from asymdistill.claims.ledger import Claim
from asymdistill.claims.rules import CONTRADICTED, SUPPORTED, UNDECIDED, Judgement, Wording, claimed_range, judge

WORDING = Wording("the rank of {}", 2)
HALF = 4.302653 / math.sqrt(3)  # of the interval of three seeds whose standard deviation is 1


def found(values: dict[str, list[float] | float], **fields: object) -> Judgement:
    """The judgement of a claim by values of one or more seeds, or by a number without a seed."""
    entry = {"id": "x", "paper": "v1", "source": "here", "statement": "So.", "quantity": "rank", "judged": "any"}
    entry |= {"margin_reason": "Because."} if {"margin", "limit"} & fields.keys() else {}
    claim = Claim.model_validate({**entry, "models": tuple(values), **fields})
    by_seed = {
        name: pd.Series(own, index=range(len(own))) if isinstance(own, list) else without_seed(own)
        for name, own in values.items()
    }
    return judge(claim, by_seed, WORDING)


def around(mean: float, spread: float = 1.0) -> list[float]:
    """Three seeds with this mean and standard deviation."""
    return [mean - spread, mean, mean + spread]


# equal


def test_without_seeds_a_value_is_a_point_with_the_rounding_of_the_papers() -> None:
    for value, verdict in (
        (101.4, SUPPORTED), (101.6, UNDECIDED), (102.4, UNDECIDED), (102.6, CONTRADICTED), (97.4, CONTRADICTED),
    ):  # fmt: skip
        seen = found({"teacher": value}, test="equal", value=100.0, margin=2.0)
        assert seen.verdict == verdict, value
        assert (seen.estimate.mean, seen.estimate.seeds) == (value, 0)
        assert math.isnan(seen.estimate.low)
    assert found({"teacher": 101.0}, test="equal", value=100.25, margin=0.747).verdict == UNDECIDED
    assert found({"teacher": 101.0}, test="equal", value=100.25, margin=0.76).verdict == SUPPORTED


def test_in_a_check_of_the_text_the_margin_covers_the_rounding() -> None:
    for value, verdict in ((101.9, SUPPORTED), (102.1, CONTRADICTED)):
        assert found({"S": value}, test="equal", value=100.0, margin=2.0, judged="text").verdict == verdict


def test_a_value_is_compared_by_the_spread_of_both_sides() -> None:
    """Equal spreads and three seeds each: Welch's interval is Student's with four degrees of freedom."""
    half = 2.776445 * math.sqrt(2 / 3)
    seen = found({"S": around(101.0)}, test="equal", value=100.0, spread=math.sqrt(2 / 3), seeds=3, margin=5.0)
    assert seen.estimate.low == pytest.approx(101 - half, rel=1e-5)
    assert seen.estimate.high == pytest.approx(101 + half, rel=1e-5)
    assert seen.verdict == SUPPORTED
    assert (
        seen.sentence
        == "the rank of S is 101.00 (95 % interval 98.73 to 103.27, 3 seeds), all of it within 5.00 of 100.00"
    )


@pytest.mark.parametrize("seeds", [1, 3])
def test_where_the_paper_gives_no_spread_ours_stands_in_with_its_seeds(seeds: int) -> None:
    half = 4.302653 * math.sqrt(1 / 3 + 1 / seeds)
    seen = found({"S": around(101.0)}, test="equal", value=100.0, seeds=seeds, margin=9.0)
    assert (seen.estimate.low, seen.estimate.high) == (pytest.approx(101 - half), pytest.approx(101 + half))


def test_a_value_within_outside_and_across_its_margin() -> None:
    more = {"test": "equal", "value": 100.0, "spread": 0.5, "seeds": 3, "margin": 3.0}
    assert found({"S": around(100.0, 0.5)}, **more).verdict == SUPPORTED
    across, outside = (
        found({"S": around(103.0, 0.5)}, **more),
        found({"S": around(96.0, 0.1)}, **more | {"margin": 1.0}),
    )
    assert (across.verdict, outside.verdict) == (UNDECIDED, CONTRADICTED)
    assert across.sentence.endswith("only partly within 3.00 of 100.00")
    assert outside.sentence.endswith("all of it more than 1.00 from 100.00")


def test_of_several_models_each_has_to_be_in_the_range_and_one_outside_contradicts() -> None:
    more = {"test": "equal", "value": 100.0, "margin": 5.0}
    seen = found({"S": 101.0, "M": 94.0, "L": 104.0}, **more)
    assert (seen.verdict, seen.model, seen.estimate.mean) == (CONTRADICTED, "M", 94.0)
    assert seen.sentence == "At worst, the rank of M is 94.00, more than 5.00 from 100.00"
    assert found({"S": 101.0, "M": 97.0, "L": 104.0}, **more).model == "L"
    unsure = {"S": around(100.0, 0.1), "M": around(100.0, 9.0)}
    assert (found(unsure, **more).verdict, found(unsure, **more).model) == (UNDECIDED, "M")
    assert found(unsure | {"L": around(200.0, 0.1)}, **more).model == "L"


# at_least and at_most


def test_a_limit_is_kept_or_not() -> None:
    for value, least, most in (
        (1.99, CONTRADICTED, SUPPORTED),
        (2.0, SUPPORTED, SUPPORTED),
        (2.01, SUPPORTED, CONTRADICTED),
    ):
        assert found({"S": value}, test="at_least", limit=2.0).verdict == least
        assert found({"S": value}, test="at_most", limit=2.0).verdict == most
        assert found({"S": value}, test="at_most", value=2.0).verdict == most


def test_the_interval_and_not_the_mean_keeps_to_a_limit() -> None:
    for mean, verdict in ((2 + HALF + 0.01, SUPPORTED), (2 + HALF - 0.01, UNDECIDED), (2 - HALF - 0.01, CONTRADICTED)):
        assert found({"S": around(mean)}, test="at_least", limit=2.0).verdict == verdict
        assert found({"S": around(4 - mean)}, test="at_most", limit=2.0).verdict == verdict
    assert found({"S": around(2.0)}, test="at_least", limit=2.0).sentence.endswith("on both sides of 2.00")
    assert found({"S": around(9.0)}, test="at_most", limit=2.0).sentence.endswith("all of it above 2.00")


def test_a_margin_moves_a_limit_in_favour_of_the_claim() -> None:
    assert found({"S": 84.0}, test="at_most", value=82.0, margin=2.0).verdict == SUPPORTED
    assert found({"S": 84.1}, test="at_most", value=82.0, margin=2.0).verdict == CONTRADICTED
    assert found({"S": 80.0}, test="at_least", value=82.0, margin=2.0).verdict == SUPPORTED
    assert found({"S": 79.9}, test="at_least", value=82.0, margin=2.0).verdict == CONTRADICTED


def test_every_model_keeps_to_the_limit() -> None:
    low = found({"S": 3.0, "M": 1.0}, test="at_least", limit=2.0)
    assert (low.verdict, low.model) == (CONTRADICTED, "M")
    assert low.sentence == "At worst, the rank of M is 1.00, below 2.00"
    high = found({"S": 3.0, "M": 1.0}, test="at_most", limit=2.0)
    assert (high.verdict, high.model) == (CONTRADICTED, "S")


@pytest.mark.parametrize(
    ("more", "claimed"),
    [
        ({"test": "equal", "value": 100.0, "margin": 5.0}, (95.0, 105.0)),
        ({"test": "at_least", "limit": 2.0}, (2.0, math.inf)),
        ({"test": "at_most", "value": 82.0, "margin": 7.0}, (-math.inf, 89.0)),
        ({"test": "same", "margin": 1.5, "models": ("S", "L")}, (-1.5, 1.5)),
        ({"test": "order", "models": ("S", "L")}, (0.0, math.inf)),
    ],
)
def test_the_claimed_range_follows_from_the_claim_alone(more: dict[str, object], claimed: tuple[float, float]) -> None:
    entry = {"id": "x", "paper": "v1", "source": "here", "statement": "So.", "quantity": "rank", "judged": "any"}
    entry |= {"margin_reason": "Because."} if {"margin", "limit"} & more.keys() else {}
    assert claimed_range(Claim.model_validate(entry | more)) == claimed


# same


def test_models_are_the_same_if_the_interval_of_every_difference_is_within_the_margin() -> None:
    values = {"S": [10.0, 20.0], "M": [11.5, 21.5], "L": [10.5, 20.5]}
    seen = found(values, test="same", margin=1.5)
    assert (seen.verdict, seen.model) == (SUPPORTED, "M")
    assert (seen.estimate.mean, seen.estimate.low, seen.estimate.high) == (1.5, 1.5, 1.5)
    assert seen.sentence == (
        "At worst, the rank of M minus that of S is 1.50 (95 % interval 1.50 to 1.50, 2 seeds), "
        "all of it within the margin of 1.50"
    )
    assert found(values, test="same", margin=1.49).verdict == CONTRADICTED


def test_a_small_difference_that_is_uncertain_is_not_called_the_same() -> None:
    values = {"S": [10.0, 10.0, 10.0], "L": around(10.0)}
    assert found(values, test="same", margin=HALF - 0.01).verdict == UNDECIDED
    assert found(values, test="same", margin=HALF + 0.01).verdict == SUPPORTED


def test_sameness_does_not_depend_on_the_order_of_the_models() -> None:
    one, other = (found(dict(pairs), test="same", margin=1.0) for pairs in (
        [("S", [1.0, 2.0]), ("L", [3.0, 4.0])], [("L", [3.0, 4.0]), ("S", [1.0, 2.0])],
    ))  # fmt: skip
    assert one == other
    assert one.sentence.startswith("the rank of L minus that of S is 2.00")


# order


def test_an_order_needs_each_step_and_an_interval_above_0_between_the_ends() -> None:
    seen = found({"S": [1.0, 2.0, 3.0], "M": [1.1, 2.1, 3.1], "L": [2.0, 3.0, 4.0]}, test="order")
    assert (seen.verdict, seen.model, seen.estimate.mean) == (SUPPORTED, "L", 1.0)
    assert seen.sentence == "the rank of L minus that of S is +1.00 (95 % interval +1.00 to +1.00, 3 seeds), as claimed"


@pytest.mark.parametrize("shift", [-0.1, 0.0])
def test_a_step_in_the_wrong_direction_or_nowhere_leaves_an_order_undecided(shift: float) -> None:
    middle = [one + shift for one in (1.0, 2.0, 3.0)]
    seen = found({"S": [1.0, 2.0, 3.0], "M": middle, "L": [2.0, 3.0, 4.0]}, test="order")
    assert seen.verdict == UNDECIDED
    assert seen.sentence.endswith(f"as claimed; but the rank of M minus that of S is {shift:+.2f}")


def test_the_opposite_is_told_from_no_difference() -> None:
    opposite = found({"S": [5.0, 6.0, 7.0], "L": [4.0, 5.1, 6.0]}, test="order")
    unsure = found({"S": [5.0, 6.0, 7.0], "L": [9.0, 2.0, 8.0]}, test="order")
    assert (opposite.verdict, unsure.verdict) == (CONTRADICTED, UNDECIDED)
    assert opposite.sentence.endswith("the opposite of what is claimed")
    assert unsure.sentence.endswith("which is indistinguishable from no difference")


def test_no_difference_at_all_decides_no_order() -> None:
    assert found({"S": [1.0, 2.0], "L": [1.0, 2.0]}, test="order").verdict == UNDECIDED
    assert found({"S": 1.0, "L": 1.0}, test="order").verdict == UNDECIDED


def test_the_teacher_is_ordered_against_every_seed() -> None:
    seen = found({"teacher": 4.0, "L": [30.0, 31.0, 32.0]}, test="order")
    assert (seen.verdict, seen.estimate.mean, seen.estimate.seeds) == (SUPPORTED, 27.0, 3)


# For and against


pairs = st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=2, max_size=6)
MIRRORED = {SUPPORTED: CONTRADICTED, CONTRADICTED: SUPPORTED, UNDECIDED: UNDECIDED}


@given(pairs)
def test_an_order_is_supported_just_where_its_opposite_is_contradicted(pairs: list[tuple[float, float]]) -> None:
    first, second = [one for one, _ in pairs], [two for _, two in pairs]
    forward, backward = found({"S": first, "L": second}, test="order"), found({"L": second, "S": first}, test="order")
    assert forward.verdict == MIRRORED[backward.verdict]
    assert forward.estimate.mean == pytest.approx(-backward.estimate.mean, abs=1e-9)


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=6), st.floats(-50, 50))
def test_a_limit_is_kept_just_where_the_other_side_is_not(values: list[float], limit: float) -> None:
    assume(max(*values, limit) - min(*values, limit) > 1e-6)
    least, most = (found({"S": values}, test=test, limit=limit).verdict for test in ("at_least", "at_most"))
    assert least == MIRRORED[most]


@given(st.lists(st.floats(0.1, 50), min_size=2, max_size=6), st.floats(0.1, 20))
def test_the_same_data_are_never_for_two_claims_that_exclude_each_other(values: list[float], margin: float) -> None:
    same = found({"S": values, "L": [0.0] * len(values)}, test="same", margin=margin).verdict
    larger = found({"S": values}, test="at_least", limit=margin * 1.001).verdict
    assert not (same == larger == SUPPORTED)


# Seeds


@pytest.mark.parametrize(
    "more",
    [
        {"test": "order"},
        {"test": "same", "margin": 1.0},
        {"test": "equal", "value": 1.0, "margin": 1.0},
        {"test": "at_least", "limit": 1.0},
    ],
)
def test_with_one_seed_nothing_is_decided(more: dict[str, object]) -> None:
    for values in ({"S": [1.0], "L": [9.0]}, {"S": 1.0, "L": [9.0]}, {"S": [1.0, 2.0], "L": [9.0]}):
        with pytest.raises(NotMeasured, match="with one seed"):
            found(values, **more)


@pytest.mark.parametrize("more", [{"test": "order"}, {"test": "same", "margin": 1.0, "margin_reason": "So."}])
def test_models_with_one_seed_in_common_are_not_compared(more: dict[str, object]) -> None:
    claim = Claim.model_validate(
        {"id": "x", "paper": "v1", "source": "here", "statement": "So.", "quantity": "rank", "judged": "any",
         "models": ("S", "L"), **more}
    )  # fmt: skip
    values = {"S": pd.Series([1.0, 2.0], index=[1, 2]), "L": pd.Series([3.0, 4.0], index=[2, 3])}
    with pytest.raises(NotMeasured, match="with one seed"):
        judge(claim, values, WORDING)


def test_counts_are_told_with_thousands_apart() -> None:
    claim = Claim.model_validate(
        {"id": "x", "paper": "v1", "source": "here", "statement": "So.", "quantity": "size", "judged": "text",
         "model": "S", "test": "equal", "value": 500_000, "margin": 50_000, "margin_reason": "Rounding."}
    )  # fmt: skip
    seen = judge(claim, {"S": without_seed(811_264)}, Wording("the size of {}", 0))
    assert seen.sentence == "the size of S is 811,264, more than 50,000 from 500,000"
