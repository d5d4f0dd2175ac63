"""Recipes: what each student is trained for, by its config."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from asymdistill.config.profiles import load_settings
from asymdistill.experiment import recipes
from asymdistill.experiment.student_configs import ALTERNATIVES, StudentConfigs
from asymdistill.training import losses

STUDENT, GOAL, OTHER = torch.randn(3, 12, 128, generator=torch.Generator().manual_seed(0))


def configs(**values: object) -> StudentConfigs:
    return StudentConfigs(load_settings("smoke", values)[1], 32, 10)


OURS = configs()


def loss_of(objective: str, *more: torch.Tensor, different: dict[str, float] | None = None, **values: object) -> float:
    """The loss of a student with an objective, in an experiment with other settings."""
    student = configs(**values).make(1, 7, objective, **(different or {}))
    return float(recipes.loss(student, 128, 10)(STUDENT, GOAL, *more))


def test_a_student_is_trained_for_its_objective_with_the_experiments_weight_and_temperature() -> None:
    distance = float(losses.cosine_distance(STUDENT, GOAL))
    contrast = {t: float(losses.info_nce(STUDENT, GOAL, temperature=t)) for t in (0.1, 0.5)}
    both = float(losses.info_nce(STUDENT, GOAL, temperature=0.1, symmetric=True))
    assert loss_of("cosine") == loss_of("whitened") == loss_of("centred") == distance
    assert loss_of("infonce") == pytest.approx(distance + contrast[0.1])
    changed_both = loss_of("infonce", infonce_weight=3, infonce_temperature=0.5)
    assert changed_both == pytest.approx(distance + 3 * contrast[0.5])
    assert loss_of("infonce", infonce_symmetric=True) == pytest.approx(distance + both)
    assert both != pytest.approx(contrast[0.1])


def test_a_students_own_weight_and_temperature_come_first() -> None:
    expected = float(losses.cosine_distance(STUDENT, GOAL) + 0.5 * losses.info_nce(STUDENT, GOAL, temperature=0.5))
    own = {"weight": 0.5, "temperature": 0.5}
    assert loss_of("infonce", different=own, infonce_weight=9, infonce_temperature=2) == pytest.approx(expected)


def test_only_views_take_a_second_view() -> None:
    two = {name: recipes.loss(OURS.make(1, 7, name), 128, 10) for name in (*ALTERNATIVES, "labels")}
    assert [name for name, chosen in two.items() if getattr(chosen, "two_views", False)] == ["views"]
    contrast = losses.nt_xent(STUDENT, OTHER, temperature=0.1, symmetric=False)
    expected = losses.cosine_distance(STUDENT, GOAL) + 2 * contrast
    assert loss_of("views", OTHER, infonce_weight=2) == pytest.approx(float(expected))


@pytest.mark.parametrize(
    ("name", "term"), [("vicreg", losses.variance_and_covariance), ("uniformity", losses.uniformity)]
)
def test_other_terms_have_a_weight_of_their_own(name: str, term: Callable[..., torch.Tensor]) -> None:
    expected = float(losses.cosine_distance(STUDENT, GOAL) + 4 * term(STUDENT))
    assert loss_of(name, regulariser_weight=4, infonce_weight=9) == pytest.approx(expected)


def test_a_student_of_labels_has_a_classifier_of_its_own_seed() -> None:
    first, again, other = (recipes.loss(OURS.make(1, seed, "labels"), 128, 10) for seed in (7, 7, 8))
    assert isinstance(first, nn.Module)
    assert [tuple(parameter.shape) for parameter in first.parameters()] == [(10, 128), (10,)]
    weights = [next(chosen.parameters()) for chosen in (first, again, other)]  # type: ignore[union-attr]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_the_recipe_is_the_students_own() -> None:
    student = OURS.make(1, 7, "cosine", batch_size=16, epochs=3, schedule="cosine", noise=0.3)
    recipe = recipes.recipe(student, 128, 10)
    assert (recipe.batch_size, recipe.epochs, recipe.schedule) == (16, 3, "cosine")
    assert recipe.noise is not None
    assert (recipe.noise.sigma, recipe.noise.space, recipe.noise.seed) == (0.3, "normalised", 7)
    assert recipes.recipe(OURS.make(1, 7, "cosine"), 128, 10).noise is None
