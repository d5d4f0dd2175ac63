"""Decision rules: each on numbers with an obvious answer, on its limit, and just beyond."""

import math

import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from asymdistill.claims.estimates import NotMeasured, without_seed
from asymdistill.claims.ledger import Claim
from asymdistill.claims.rules import Judgement, Wording, judge

WORDING = Wording("the rank of {}", 2)


def found(values: dict[str, list[float] | float], **fields: object) -> Judgement:
    """The judgement of a claim by values of one or more seeds, or by a number without a seed."""
    entry = {"id": "x", "paper": "v1", "source": "here", "statement": "So.", "quantity": "rank", "judged": "any"}
    claim = Claim.model_validate({**entry, "models": tuple(values), **fields})
    by_seed = {
        name: pd.Series(own, index=range(len(own))) if isinstance(own, list) else without_seed(own)
        for name, own in values.items()
    }
    return judge(claim, by_seed, WORDING)


# equal and count


@pytest.mark.parametrize("test", ["equal", "count"])
def test_a_value_within_the_tolerance_is_the_papers(test: str) -> None:
    for mean, holds in ((105.0, True), (95.0, True), (105.01, False), (94.99, False)):
        assert found({"S": mean}, test=test, value=100.0).holds is holds
    assert found({"S": 103.0}, test=test, value=100.0, spread=1.0).holds is False
    assert found({"S": 103.0}, test=test, value=100.0, spread=2.0).holds is True
    assert found({"S": 103.0}, test=test, value=100.0, spread=0.1, tolerance=3.0).holds is True


def test_the_mean_decides_and_not_the_seeds() -> None:
    seen = found({"S": [80.0, 100.0, 120.0]}, test="equal", value=100.0)
    assert seen.holds
    assert seen.estimate.mean == 100.0
    assert seen.sentence.startswith("the rank of S is 100.00 (95 % interval ")
    assert seen.sentence.endswith(", 3 seeds), within 5.00 of 100.00; its interval extends to both sides of that limit")


def test_of_several_models_the_furthest_off_decides() -> None:
    seen = found({"S": 101.0, "M": 94.0, "L": 104.0}, test="equal", value=100.0)
    assert (seen.holds, seen.model, seen.estimate.mean) == (False, "M", 94.0)
    assert seen.sentence == "At worst, the rank of M is 94.00, not within 5.00 of 100.00"


def test_an_interval_wholly_within_or_beyond_leaves_no_doubt() -> None:
    for mean in (100.0, 120.0):
        assert "both sides" not in found({"S": [mean - 0.1, mean, mean + 0.1]}, test="equal", value=100.0).sentence


# at_least and at_most


def test_a_limit_is_kept_or_not() -> None:
    for value, least, most in ((1.99, False, True), (2.0, True, True), (2.01, True, False)):
        assert found({"S": value}, test="at_least", limit=2.0).holds is least
        assert found({"S": value}, test="at_most", limit=2.0).holds is most
        assert found({"S": value}, test="at_most", value=2.0).holds is most


def test_a_limit_has_a_tolerance_where_its_entry_gives_one() -> None:
    assert found({"S": 84.0}, test="at_most", value=82.0, tolerance=2.0).holds
    assert not found({"S": 84.1}, test="at_most", value=82.0, tolerance=2.0).holds
    assert found({"S": 80.0}, test="at_least", value=82.0, tolerance=2.0).holds
    assert not found({"S": 79.9}, test="at_least", value=82.0, tolerance=2.0).holds


def test_every_model_keeps_to_the_limit() -> None:
    low = found({"S": 3.0, "M": 1.0}, test="at_least", limit=2.0)
    assert (low.holds, low.model, low.sentence) == (False, "M", "At worst, the rank of M is 1.00, not at least 2.00")
    high = found({"S": 3.0, "M": 1.0}, test="at_most", limit=2.0)
    assert (high.holds, high.model) == (False, "S")


def test_an_interval_across_the_limit_is_said() -> None:
    assert "extends to both sides" in found({"S": [1.0, 2.0, 6.0]}, test="at_least", limit=2.0).sentence
    assert "extends" not in found({"S": [2.9, 3.0, 3.1]}, test="at_least", limit=2.0).sentence


# same


def test_models_are_the_same_where_the_two_furthest_apart_are() -> None:
    values = {"S": [10.0, 20.0], "M": [11.5, 21.5], "L": [10.5, 20.5]}
    seen = found(values, test="same", tolerance=1.5)
    assert (seen.holds, seen.model) == (True, "M")
    assert (seen.estimate.mean, seen.estimate.low, seen.estimate.high) == (1.5, 1.5, 1.5)
    assert seen.sentence == (
        "At worst, the rank of M minus that of S is 1.50 (95 % interval 1.50 to 1.50, 2 seeds), within the 1.50 allowed"
    )
    assert not found(values, test="same", tolerance=1.49).holds


def test_sameness_does_not_depend_on_the_order_of_the_models() -> None:
    one, other = (found(dict(pairs), test="same", tolerance=1.0) for pairs in (
        [("S", [1.0, 2.0]), ("L", [3.0, 4.0])], [("L", [3.0, 4.0]), ("S", [1.0, 2.0])],
    ))  # fmt: skip
    assert one == other
    assert one.sentence.startswith("the rank of L minus that of S is 2.00")


# order


def test_an_order_needs_each_step_and_a_sure_difference_between_the_ends() -> None:
    seen = found({"S": [1.0, 2.0, 3.0], "M": [1.1, 2.1, 3.1], "L": [2.0, 3.0, 4.0]}, test="order")
    assert (seen.holds, seen.model, seen.estimate.mean) == (True, "L", 1.0)
    assert seen.sentence == "the rank of L minus that of S is +1.00 (95 % interval +1.00 to +1.00, 3 seeds), as claimed"


def test_a_step_in_the_wrong_direction_breaks_an_order() -> None:
    seen = found({"S": [1.0, 2.0, 3.0], "M": [0.9, 1.9, 2.9], "L": [2.0, 3.0, 4.0]}, test="order")
    assert not seen.holds
    assert seen.sentence.endswith(", but the rank of M minus that of S is -0.10")


def test_a_step_that_goes_nowhere_breaks_an_order() -> None:
    assert not found({"S": [1.0, 2.0], "M": [1.0, 2.0], "L": [2.0, 3.0]}, test="order").holds


def test_the_opposite_is_told_from_no_difference() -> None:
    opposite = found({"S": [5.0, 6.0, 7.0], "L": [4.0, 5.1, 6.0]}, test="order")
    unsure = found({"S": [5.0, 6.0, 7.0], "L": [9.0, 2.0, 8.0]}, test="order")
    assert not opposite.holds
    assert not unsure.holds
    assert opposite.sentence.endswith("the opposite of what is claimed")
    assert unsure.sentence.endswith("which is indistinguishable from no difference")


def test_an_interval_that_touches_0_proves_no_order() -> None:
    assert not found({"S": [1.0, 2.0], "L": [1.0, 2.0]}, test="order").holds


def test_the_teacher_is_ordered_against_every_seed() -> None:
    seen = found({"teacher": 4.0, "L": [30.0, 31.0, 32.0]}, test="order")
    assert (seen.holds, seen.estimate.mean, seen.estimate.seeds) == (True, 27.0, 3)


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=2, max_size=6))
def test_an_order_and_its_opposite_never_both_hold(pairs: list[tuple[float, float]]) -> None:
    first, second = [one for one, _ in pairs], [two for _, two in pairs]
    forward, backward = found({"S": first, "L": second}, test="order"), found({"L": second, "S": first}, test="order")
    assert not (forward.holds and backward.holds)
    assume(not math.isclose(forward.estimate.mean, 0, abs_tol=1e-9))
    assert forward.estimate.mean == pytest.approx(-backward.estimate.mean)
    assert (backward.holds) == ("opposite" in forward.sentence)


# Seeds


@pytest.mark.parametrize("test", ["order", "same"])
def test_models_with_one_seed_are_not_compared(test: str) -> None:
    for values in ({"S": [1.0], "L": [9.0]}, {"S": 1.0, "L": [9.0]}, {"S": [1.0, 2.0], "L": [9.0]}):
        with pytest.raises(NotMeasured, match="with one seed"):
            found(values, test=test, tolerance=1.0)


@pytest.mark.parametrize("test", ["order", "same"])
def test_models_with_one_seed_in_common_are_not_compared(test: str) -> None:
    claim = Claim.model_validate(
        {"id": "x", "paper": "v1", "source": "here", "statement": "So.", "quantity": "rank", "judged": "any",
         "models": ("S", "L"), "test": test, "tolerance": 1.0}
    )  # fmt: skip
    values = {"S": pd.Series([1.0, 2.0], index=[1, 2]), "L": pd.Series([3.0, 4.0], index=[2, 3])}
    with pytest.raises(NotMeasured, match="with one seed"):
        judge(claim, values, WORDING)


def test_one_seed_is_enough_for_a_value_and_is_said() -> None:
    assert found({"S": [3.0]}, test="at_least", limit=2.0).sentence == "the rank of S is 3.00 (one seed), at least 2.00"


def test_counts_are_told_with_thousands_apart() -> None:
    claim = Claim.model_validate(
        {"id": "x", "paper": "v1", "source": "here", "statement": "So.", "quantity": "size", "judged": "static",
         "model": "S", "test": "count", "value": 500_000}
    )  # fmt: skip
    seen = judge(claim, {"S": without_seed(811_264)}, Wording("the size of {}", 0))
    assert seen.sentence == "the size of S is 811,264, not within 25,000 of 500,000"
