"""What further objectives (chapter 6), and other teachers and images (chapter 7), do to the rank, as rows."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from asymdistill.config.names import GAINS, IDENTITY
from asymdistill.config.settings import Settings
from asymdistill.study.controls import Control, Row, row
from asymdistill.study.measurements import Measurement
from asymdistill.study.student_configs import Model

if TYPE_CHECKING:
    import pandas as pd

EXPANSION = ("comparison", "quantity", *IDENTITY, "sigma", "x", "value")
GENERALITY = ("dataset", "teacher", "classes", "quantity", *IDENTITY, "sigma", "value")
WORTH = ("neighbour_overlap", "distance", "aligned_share")  # of a student beside its teacher


def expansion_rows(comparison: str, control: Control) -> Iterator[Row]:
    """The rows of one of chapter 6's comparisons, with the columns of ``EXPANSION``; x is what is varied.

    Args:
        comparison: ``gains``, of all students of the grid, or one of ``config.settings.SWEEPS``.
        control: the experiment and its measurements.
    """
    configs = control.run.configs
    if comparison == GAINS:
        found = _worth(control, [None, *configs.grid()], "comparing objectives")
    elif comparison == "alternatives":
        others = [student for student in configs.swept(comparison) if student not in configs.grid()]
        found = _worth(control, others, "comparing alternatives")
    else:
        found = _swept(control, comparison)
    for one in found:
        yield {"comparison": comparison} | {name: value for name, value in one.items() if name != "variant"}


def _worth(control: Control, models: Sequence[Model], title: str) -> Iterator[Row]:
    """What embeddings are good for: rank, neighbours, how well they imitate, and accuracy under noise."""
    quantities = {
        model: ("effective_rank", "train_accuracy", "neighbour_accuracy", *(WORTH if model is not None else ()))
        for model in models
    }
    control.measure(
        title,
        [Measurement(quantity, model) for model in models for quantity in quantities[model]]
        + [measurement for model in models for measurement in control.accuracies(model)],
    )
    for model in models:
        for quantity in quantities[model]:
            yield row(model, quantity, control.value(quantity, model))
    for model in models:
        yield from control.accuracy_rows(model, "")


def _swept(control: Control, comparison: str) -> Iterator[Row]:
    control.measure(
        f"varying the {comparison.replace('_', ' ')}",
        [
            measurement
            for student in control.run.configs.swept(comparison)
            for measurement in (Measurement("effective_rank", student), Measurement("accuracy", student))
        ],
    )
    for value, students in control.run.configs.sweep(comparison).items():
        for student in students:
            yield control.rank_row(student) | {"x": value}
            yield row(student, "accuracy", control.value("accuracy", student), sigma=0.0, x=value)


def crossed(settings: Settings) -> list[Settings]:
    """The settings of every further pair of data set and teacher, each with each; all else stays.

    Only what the chapter measures is run: no augmentation, no controls, none of chapter 6's comparisons, and noise in
    the normalised space only. Weights and a resolution that the settings name are their own teacher's only: the others
    see images at the resolution that they were published for.
    """
    datasets = dict.fromkeys((settings.dataset, *settings.other_datasets))
    teachers = dict.fromkeys((settings.teacher, *settings.other_teachers))
    less: dict[str, Any] = {"augmentation_seeds": 0, "controls": (), "sweeps": ()}
    less |= {"other_teachers": (), "other_datasets": (), "noise_spaces": ("normalised",)}
    less |= {"widths": settings.crossed_widths or settings.widths}
    found = []
    for dataset, teacher in product(datasets, teachers):
        if (dataset, teacher) == (settings.dataset, settings.teacher):
            continue
        own = {} if teacher == settings.teacher else {"teacher_weights": None, "teacher_resolution": None}
        changed = {"dataset": dataset, "teacher": teacher, **own, **less}
        found.append(Settings.model_validate(settings.model_dump() | changed))
    return found


def generality_rows(
    settings: Settings, classes: int, spectrum: "pd.DataFrame", robustness: "pd.DataFrame"
) -> "pd.DataFrame":
    """One study's part of chapter 7's table: the rank of each model, and its accuracy at each level of noise.

    Args:
        settings: of the study.
        classes: of its images.
        spectrum: its table of that name.
        robustness: its table of that name, with noise in the normalised space.

    Returns:
        Columns as in ``GENERALITY``.
    """
    import pandas as pd

    ranks = spectrum[(spectrum["quantity"] == "effective_rank") & (spectrum["estimator"] == "per seed")]
    noise = robustness[robustness["noise_space"] == "normalised"].rename(columns={"accuracy": "value"})
    both = pd.concat([ranks, noise.assign(quantity="accuracy")], ignore_index=True)
    # A file may hold anything, whatever the network is called, so it belongs to the teacher's name.
    teacher = settings.teacher + (f" ({settings.teacher_weights.name})" if settings.teacher_weights else "")
    return both.assign(dataset=settings.dataset, teacher=teacher, classes=classes)[list(GENERALITY)]
