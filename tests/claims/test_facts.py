"""What needs no run: each number against its own computation from the papers' numbers, typed here again."""

import math

import numpy as np
import pytest
import scipy.stats
import torch

from asymdistill.claims import evaluate, facts
from asymdistill.claims.facts import FACTS
from asymdistill.claims.quantities import NotMeasured, Subject
from asymdistill.models import students

SEEDS = {"S": (71.08, 70.58, 71.66), "M": (72.48, 72.84, 71.65), "L": (73.21, 72.33, 73.28)}


def fact(name: str, label: str = "students", sigma: float | None = None) -> facts.Fact:
    return FACTS[name].find(evaluate.load(), Subject.parse(label, sigma))


def test_the_teachers_parameters_are_those_of_its_layers() -> None:
    """Counted by hand: CLIP ViT-B/32 has 12 blocks of width 768 for images, 12 of width 512 for text."""

    def block(width: int) -> int:
        attention = 4 * width * width + 4 * width
        mlp = 8 * width * width + 5 * width
        return attention + mlp + 4 * width

    image = 12 * block(768) + 3 * 32 * 32 * 768 + 768 + 50 * 768 + 4 * 768 + 768 * 512
    text = 12 * block(512) + 49408 * 512 + 77 * 512 + 2 * 512 + 512 * 512
    assert facts.teacher_parameters() == (image + text + 1, image)
    assert fact("parameters", "teacher").value == image + text + 1
    assert f"{image:,}" in fact("parameters", "teacher").how


def test_no_weights_are_made_to_count_the_teacher(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[torch.device] = []
    original = torch.nn.Linear.__init__

    def spy(self: torch.nn.Linear, *args: object, **kwargs: object) -> None:
        original(self, *args, **kwargs)  # type: ignore[arg-type]
        made.append(self.weight.device)

    monkeypatch.setattr(torch.nn.Linear, "__init__", spy)
    facts.teacher_parameters.cache_clear()
    facts.teacher_parameters()
    assert {device.type for device in made} == {"meta"}


@pytest.mark.parametrize(("model", "width"), [("S", 1), ("M", 2), ("L", 4)])
def test_the_students_parameters_are_those_of_a_real_network(model: str, width: int) -> None:
    network = students.ScalableCNN(width, 512)
    assert fact("parameters", model).value == sum(weight.numel() for weight in network.parameters())


def test_the_sizes_grow_by_less_than_four() -> None:
    assert fact("size_factor").value == pytest.approx(2_732_032 / 811_264)
    assert fact("size_factor").how == "2,732,032 parameters over 811,264"


@pytest.mark.parametrize(("model", "rank"), [("S", 15.91), ("M", 16.62), ("L", 16.66)])
def test_ranks_and_their_reduction_are_the_tables(model: str, rank: float) -> None:
    assert fact("published_rank", model).value == rank
    assert fact("published_reduction", model).value == pytest.approx(100 * (1 - rank / 88.68))


@pytest.mark.parametrize("model", SEEDS)
def test_means_and_spreads_are_numpys(model: str) -> None:
    assert fact("seed_mean", model).value == pytest.approx(np.mean(SEEDS[model]))
    assert fact("seed_spread", model).value == pytest.approx(np.std(SEEDS[model]))
    assert all(f"{value:g}" in fact("seed_mean", model).how for value in SEEDS[model])


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
    assert fact("figure_components").value == 28
    assert fact("notebook_rank", "M").value == 16.63


def test_seeds_behind_a_claim_are_counted() -> None:
    assert fact("information_seeds").value == 1
    assert fact("augmentation_seeds").value == 1
    ledger = evaluate.load()
    ledger.loc[ledger["quantity"].isin(["info_nce", "uniformity"]), "seeds"] = 3
    assert FACTS["information_seeds"].find(ledger, Subject("students")).value == 3


def test_the_second_papers_factor_is_a_ratio_of_its_ranks() -> None:
    assert fact("published_expansion").value == 38 / 16


def test_a_number_that_the_paper_does_not_give_is_named() -> None:
    with pytest.raises(NotMeasured, match="no accuracy of M"):
        fact("published_gain", "M augmented", 0.1)
    with pytest.raises(NotMeasured, match="no accuracy of a single seed of teacher"):
        fact("seed_mean", "teacher")


def test_every_static_claim_has_its_fact() -> None:
    static = evaluate.load().query("judged == 'static'")
    assert set(static["quantity"]) == set(FACTS)
