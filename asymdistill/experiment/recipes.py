"""How a student is trained, by its config."""

import torch
from torch import Tensor

from asymdistill.data.views import GaussianNoise
from asymdistill.experiment.student_configs import StudentConfig
from asymdistill.models.teachers import PRECISIONS
from asymdistill.training import losses
from asymdistill.training.distillation import Objective, Recipe

_TERMS = {"vicreg": losses.variance_and_covariance, "uniformity": losses.uniformity}
_CHANGES = {"whitened": losses.whitened, "centred": losses.centred}


def recipe(config: StudentConfig, dim: int, classes: int) -> Recipe:
    """The recipe of a student's training.

    Args:
        config: the student.
        dim: dimensions of an embedding.
        classes: how many classes its images have.
    """
    return Recipe(
        epochs=config.epochs,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        objective=loss(config, dim, classes),
        precision=PRECISIONS.get(config.autocast, torch.float32),
        schedule=config.schedule,
        noise=GaussianNoise(config.noise, seed=config.seed) if config.noise else None,
    )


def loss(config: StudentConfig, dim: int, classes: int) -> Objective:
    """What a student is trained to minimise; the arguments are those of ``recipe``."""
    if config.objective == "labels":
        return losses.LabelLoss(dim, classes, config.seed)
    if config.objective in _TERMS:
        return losses.RegularisedLoss(_TERMS[config.objective], config.weight)
    if config.temperature:
        positives = "views" if config.objective == "views" else "teacher"
        return losses.DistillationLoss(config.weight, config.temperature, positives, symmetric=config.symmetric)
    return losses.cosine_distance


def targets(config: StudentConfig, embeddings: Tensor) -> Tensor:
    """The teacher's embeddings, N x d, as a student is trained towards them: changed by some objectives."""
    change = _CHANGES.get(config.objective)
    return change(embeddings) if change else embeddings
