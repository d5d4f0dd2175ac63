"""The rows of the tables of chapters 1 to 5, each table a function of the measurements."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch

from asymdistill.config.names import student_name
from asymdistill.experiment.measurements import Measurement
from asymdistill.experiment.student_configs import Model, identity
from asymdistill.metrics import spectrum as spectra
from asymdistill.models import students
from asymdistill.study.rows import Measured, Row

INFORMATION = (
    *("info_nce", "mutual_information_bound", "uniformity", "uniformity_without_self"),
    "uniformity_all_pairs",
)


def models(measured: Measured) -> Iterator[Row]:
    """Sizes: of the teacher, and of the students of each width."""
    found = measured.value("size")
    dim = found["embedding_dim"]
    yield identity(None) | found
    for width in measured.settings.widths:
        row = _of_all_seeds(width, measured.settings.baseline)
        yield row | {"parameters": students.parameter_count(width, dim), "embedding_dim": dim}


def training(measured: Measured) -> Iterator[Row]:
    """Losses: one row per student and epoch."""
    wanted = [*measured.configs.grid(), *measured.configs.augmented()]
    measured.run.students.train(wanted)
    for student in wanted:
        for epoch, loss in enumerate(measured.run.students.losses(student), start=1):
            yield student.identity | {"epoch": epoch, "loss": loss}


def singular_values(measured: Measured) -> Iterator[Row]:
    """Singular values: one row per model and component."""
    for model, values in _of_the_grid(measured, "singular_values"):
        for component, value in enumerate(values, start=1):
            yield identity(model) | {"component": component, "value": value}


def spectrum(measured: Measured) -> Iterator[Row]:
    """What spectra say: of each model, then of the singular values of each width and objective, averaged over seeds."""
    images = measured.run.images.sizes["test"]
    averaged: dict[tuple[str, float], list[torch.Tensor]] = {}
    for model, found in _of_the_grid(measured, "singular_values"):
        values = torch.tensor(found, dtype=torch.float64)
        yield from _of_spectrum(identity(model) | {"estimator": "per seed", "images": images}, values)
        if model is not None:
            averaged.setdefault((model.objective, model.width), []).append(values)
    for (objective, width), of_seeds in averaged.items():
        row = _of_all_seeds(width, objective) | {"estimator": "mean spectrum", "images": images}
        yield from _of_spectrum(row, torch.stack(of_seeds).mean(0))


def alignment(measured: Measured) -> Iterator[Row]:
    """Shares of variance within the teacher's leading components: one row per model and number of components."""
    for model, shares in _of_the_grid(measured, "alignment"):
        for component, share in enumerate(shares, start=1):
            yield identity(model) | {"component": component, "share": share}


def information(measured: Measured) -> Iterator[Row]:
    """InfoNCE and uniformity: one row per model and quantity."""
    own = measured.settings
    options = (("batch_size", own.metric_batch_size), ("temperature", own.metric_temperature))
    for model, found in _of_the_grid(measured, "information", options):
        for quantity in INFORMATION:
            yield identity(model) | {"quantity": quantity, "value": found[quantity]}


def robustness(measured: Measured, spaces: Sequence[str]) -> Iterator[Row]:
    """Accuracy under noise: one row per model, space of the noise, and level."""
    for _, row in _under_noise(measured, [None, *measured.configs.grid()], spaces):
        yield row


def augmentation(measured: Measured) -> Iterator[Row]:
    """Accuracy under noise and effective rank of students trained without augmentation, and of the same with it."""
    treated = measured.configs.augmented()
    both: list[Model] = [*(replace(student, augmented=False) for student in treated), *treated]
    measured.ensure("ranks", [Measurement("effective_rank", model) for model in both])
    for model, row in _under_noise(measured, both, measured.settings.noise_spaces):
        yield row | {"effective_rank": measured.value("effective_rank", model)}


def _of_the_grid(
    measured: Measured, quantity: str, options: tuple[tuple[str, Any], ...] = ()
) -> Iterator[tuple[Model, Any]]:
    """What was measured of the teacher and of each student of the grid."""
    of: list[Model] = [None, *measured.configs.grid()]
    measured.ensure(quantity.replace("_", " "), [Measurement(quantity, model, options=options) for model in of])
    for model in of:
        yield model, measured.value(quantity, model, **dict(options))


def _under_noise(measured: Measured, of: Sequence[Model], spaces: Sequence[str]) -> Iterator[tuple[Model, Row]]:
    """Rows of accuracy under noise, each with its model."""
    wanted = [(model, space) for model in of for space in spaces]
    measured.ensure("probing under noise", [one for pair in wanted for one in measured.accuracies(*pair)])
    for model, space in wanted:
        for noise in measured.noises(space):
            accuracy = measured.value("accuracy", model, noise)
            yield model, identity(model) | {"noise_space": space, "sigma": noise.sigma, "accuracy": accuracy}


def _of_all_seeds(width: float, objective: str) -> Row:
    """The identity of the students of a width, whatever their seed."""
    named = {"model": student_name(width), "width": width, "seed": None, "objective": objective}
    return named | {"augmented": False}


def _of_spectrum(row: Row, values: torch.Tensor) -> Iterator[Row]:
    found = {
        "effective_rank": spectra.effective_rank_of(values),
        "effective_rank_amplitude": spectra.effective_rank_of(values, spectrum="amplitude"),
        "dims_for_90": spectra.dims_for_variance_of(values, 0.9),
    }
    for quantity, value in found.items():
        yield row | {"quantity": quantity, "value": float(value)}
