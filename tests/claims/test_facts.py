"""Facts that need no run: each number against a computation from the papers' numbers, typed here again."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from asymdistill.claims import evaluate, facts, ledger
from asymdistill.claims.estimates import NotMeasured
from asymdistill.claims.facts import FACTS, PublishedValue
from asymdistill.claims.rows import Subject
from asymdistill.models.students import ScalableCNN

SEEDS = {"S": (71.08, 70.58, 71.66), "M": (72.48, 72.84, 71.65), "L": (73.21, 72.33, 73.28)}


def fact(name: str, label: str = "students", sigma: float | None = None) -> facts.Fact:
    return FACTS[name].find(ledger.paper_claims(), Subject.parse(label, sigma))


def parameters(network: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def test_the_teachers_parameters_are_those_of_open_clips_network() -> None:
    import open_clip

    with torch.device("meta"):
        clip = open_clip.CLIP(**open_clip.get_model_config("ViT-B-32-quickgelu"))
    assert facts.clip_parameters() == (parameters(clip), parameters(clip.visual))
    assert fact("parameters", "teacher").value == parameters(clip)
    assert f"{parameters(clip.visual):,}" in fact("parameters", "teacher").how


@pytest.mark.parametrize("width", [0.5, 1, 1.1, 2, 3, 4, 10])
def test_the_students_parameters_are_those_of_the_network(width: float) -> None:
    with torch.device("meta"):
        network = ScalableCNN(width, 512)
    assert facts.student_parameters(width) == parameters(network)


def test_the_students_are_those_of_the_papers_widths() -> None:
    sizes = {model: fact("parameters", model).value for model in ("S", "M", "L")}
    assert sizes == {"S": 811_264, "M": 1_405_440, "L": 2_732_032}
    assert fact("parameters", "M").how == "this is width 2 of the released notebook's family, with 512 outputs"


def test_the_sizes_grow_by_less_than_four() -> None:
    assert fact("size_factor").value == pytest.approx(2_732_032 / 811_264)
    assert fact("size_factor").how == "2,732,032 parameters over 811,264"


@pytest.mark.parametrize(("model", "rank"), [("S", 15.91), ("M", 16.62), ("L", 16.66)])
def test_ranks_and_their_reduction_are_the_tables(model: str, rank: float) -> None:
    assert fact("published_rank", model).value == rank
    assert fact("published_reduction", model).value == pytest.approx(100 * (1 - rank / 88.68))


@pytest.mark.parametrize(("model", "mean", "spread"), [("S", 71.11, 0.44), ("M", 72.32, 0.5), ("L", 72.94, 0.43)])
def test_means_and_spreads_of_the_table_are_set_against_numpys(model: str, mean: float, spread: float) -> None:
    assert fact("seed_mean_error", model).value == pytest.approx(abs(np.mean(SEEDS[model]) - mean))
    assert fact("seed_spread_error", model).value == pytest.approx(abs(np.std(SEEDS[model]) - spread))
    assert all(f"{value:g}" in fact("seed_mean_error", model).how for value in SEEDS[model])


@pytest.mark.parametrize(
    ("sigma", "first", "second"), [(0.1, (54.84, 3.73), (43.76, 6.10)), (0.2, (27.35, 5.92), (14.05, 1.40))]
)
def test_significance_is_that_of_samples_with_these_means_and_spreads(
    sigma: float, first: tuple[float, float], second: tuple[float, float]
) -> None:
    """Three values with a given mean and spread (ddof = 0) stand for the paper's, and scipy tests the values."""
    shape = np.array([-1.0, 0.0, 1.0]) * math.sqrt(1.5)  # mean 0, spread 1
    test = scipy.stats.ttest_ind(first[0] + first[1] * shape, second[0] + second[1] * shape, equal_var=False)
    assert fact("significance", sigma=sigma).value == pytest.approx(test.pvalue)
    assert f"t = {test.statistic:.2f}" in fact("significance", sigma=sigma).how


numbers = st.builds(PublishedValue, st.floats(-100, 100), st.floats(0.01, 20), st.integers(2, 20))


@given(numbers, numbers)
def test_welchs_test_is_scipys(first: PublishedValue, second: PublishedValue) -> None:
    one, two = ((own.value, own.spread * math.sqrt(own.seeds / (own.seeds - 1)), own.seeds) for own in (first, second))
    expected = scipy.stats.ttest_ind_from_stats(*one, *two, equal_var=False)
    found = facts.welch(first, second)
    assert found.t == pytest.approx(expected.statistic, rel=1e-9, abs=1e-12)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)
    assert (found.difference, found.seeds) == (first.value - second.value, (first.seeds, second.seeds))


def test_welchs_test_needs_two_seeds_of_each_model() -> None:
    with pytest.raises(NotMeasured, match="two seeds"):
        facts.welch(PublishedValue(1.0, 0.1, 3), PublishedValue(2.0, math.nan, 1))


def test_the_papers_inversion_is_not_significant() -> None:
    assert round(fact("significance", sigma=0.1).value, 2) == 0.11
    assert "t = 2.19" in fact("significance", sigma=0.1).how


@pytest.mark.parametrize(("sigma", "gain"), [(0.0, 69.34 - 72.94), (0.1, 49.49 - 43.76), (0.2, 14.04 - 14.05)])
def test_what_augmentation_gained_is_a_difference_of_published_numbers(sigma: float, gain: float) -> None:
    assert fact("published_gain", "L augmented", sigma).value == pytest.approx(gain)
    assert "from 1 seed" in fact("published_gain", "L augmented", sigma).how


def test_what_augmentation_restored_is_a_part_of_the_gap() -> None:
    assert fact("published_restored", "L augmented", 0.1).value == pytest.approx(100 * 5.73 / (89.35 - 43.76))


def test_readings_are_those_of_the_figure_and_the_notebook() -> None:
    assert fact("figure_share").value == 0.87
    assert fact("notebook_rank", "M").value == 16.628271
    assert [fact("second_pass_accuracy", model, 0.1).value for model in "SML"] == [49.91, 55.24, 41.09]
    names = fact("undefined_names")
    assert names.how.count(",") + names.how.count(" and ") + 1 == names.value == 4


def test_seeds_behind_a_claim_are_counted() -> None:
    assert fact("information_seeds").value == 1
    assert fact("robustness_seeds").value == 3
    table = evaluate.load()
    table.loc[table["quantity"].isin(["info_nce", "uniformity"]), "seeds"] = 3
    assert FACTS["information_seeds"].find(ledger.parse(table), Subject("students")).value == 3


def test_the_second_papers_factor_is_a_ratio_of_its_ranks() -> None:
    assert fact("published_expansion").value == 38 / 16


def test_a_number_that_the_paper_does_not_give_is_named() -> None:
    with pytest.raises(NotMeasured, match="no accuracy of M"):
        fact("published_gain", "M augmented", 0.1)
    with pytest.raises(NotMeasured, match="no accuracy of a single seed of teacher"):
        fact("seed_mean_error", "teacher")


def test_a_number_of_another_training_is_not_taken_for_the_plain_students() -> None:
    with pytest.raises(NotMeasured, match="no accuracy of S infonce"):
        facts.published_value(ledger.paper_claims(), "accuracy", Subject("S", "infonce", 0.1))


def test_every_check_of_the_text_has_its_fact() -> None:
    checks = evaluate.load().query("judged == 'text' and untestable.isna()")
    assert set(checks["quantity"]) == set(FACTS)
