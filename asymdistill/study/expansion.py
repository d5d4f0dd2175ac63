"""What further objectives do to the rank (chapter 6), as rows."""

from collections.abc import Iterator, Sequence

from asymdistill.config.names import GAINS, IDENTITY
from asymdistill.experiment.measurements import Measurement
from asymdistill.experiment.student_configs import Model
from asymdistill.study.rows import Measured, Row, row

COLUMNS = ("comparison", "quantity", *IDENTITY, "sigma", "x", "value")
WORTH = ("neighbour_overlap", "distance", "aligned_share")  # of a student beside its teacher


def rows(comparison: str, measured: Measured) -> Iterator[Row]:
    """The rows of one of chapter 6's comparisons, with the columns of ``COLUMNS``; x is what is varied.

    Args:
        comparison: ``gains``, of all students of the grid, or one of ``config.settings.SWEEPS``.
        measured: the experiment and its measurements.
    """
    configs = measured.configs
    if comparison == GAINS:
        found = _worth(measured, [None, *configs.grid()], "comparing objectives")
    elif comparison == "alternatives":
        others = [student for student in configs.swept(comparison) if student not in configs.grid()]
        found = _worth(measured, others, "comparing alternatives")
    else:
        found = _swept(measured, comparison)
    for one in found:
        yield {"comparison": comparison} | {name: value for name, value in one.items() if name != "variant"}


def _worth(measured: Measured, models: Sequence[Model], title: str) -> Iterator[Row]:
    """What embeddings are good for: rank, neighbours, how well they imitate, and accuracy under noise."""
    quantities = {
        model: ("effective_rank", "train_accuracy", "neighbour_accuracy", *(WORTH if model is not None else ()))
        for model in models
    }
    measured.ensure(
        title,
        [Measurement(quantity, model) for model in models for quantity in quantities[model]]
        + [measurement for model in models for measurement in measured.accuracies(model)],
    )
    for model in models:
        for quantity in quantities[model]:
            yield row(model, quantity, measured.value(quantity, model))
    for model in models:
        yield from measured.accuracy_rows(model, "")


def _swept(measured: Measured, comparison: str) -> Iterator[Row]:
    measured.ensure(
        f"varying the {comparison.replace('_', ' ')}",
        [
            measurement
            for student in measured.configs.swept(comparison)
            for measurement in (Measurement("effective_rank", student), Measurement("accuracy", student))
        ],
    )
    for value, students in measured.configs.sweep(comparison).items():
        for student in students:
            yield measured.rank_row(student) | {"x": value}
            yield row(student, "accuracy", measured.value("accuracy", student), sigma=0.0, x=value)
