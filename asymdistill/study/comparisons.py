"""What objectives beside the cosine distance do to the rank, and what it buys: chapter 6's measurements as rows.

Rows have the columns of ``COLUMNS``: comparison, quantity, the model's identity, sigma (of the noise, in the normalised
space), x (what is varied), value.
"""

from collections.abc import Callable, Iterator

import pandas as pd
from torch import Tensor

from asymdistill.config.names import IDENTITY
from asymdistill.metrics import neighbours, spectrum
from asymdistill.study import student_configs
from asymdistill.study.experiment import Experiment
from asymdistill.study.measurements import clean_probe, measured, under_noise
from asymdistill.study.run import Row
from asymdistill.study.student_configs import Arm, Model
from asymdistill.training import losses

COLUMNS = ("comparison", "quantity", *IDENTITY, "sigma", "x", "value")
GAINS = "gains"  # the comparison that every study has
NEIGHBOURS = 20  # that vote on a class
SHARED = 10  # among which those are counted that student and teacher have in common
Check = Callable[[], None]


def rows_of(comparison: str, run: Experiment, robustness: pd.DataFrame) -> Iterator[Row]:
    """The rows of one comparison.

    Args:
        comparison: ``gains``, of all students of the grid, or one of ``config.SWEEPS``.
        run: the experiment, whose students are trained where they are missing.
        robustness: the study's table of that name, so that nothing in it is measured again.
    """
    run.train_students()
    if comparison == GAINS:
        found = _gains(run, robustness)
    elif comparison == "alternatives":
        found = _alternatives(run)
    else:
        found = _swept(run, comparison)
    for row in found:
        yield {"comparison": comparison} | row


def _gains(run: Experiment, robustness: pd.DataFrame) -> Iterator[Row]:
    yield from run.gather(lambda model, check: _worth(run, model, check), [None, *run.grid()], "comparing objectives")
    for row in robustness[robustness["noise_space"] == "normalised"].to_dict("records"):
        known = {name: row[name] for name in (*IDENTITY, "sigma")}
        yield known | {"quantity": "accuracy", "value": row["accuracy"]}


def _alternatives(run: Experiment) -> Iterator[Row]:
    """The same for those students of the comparison that are none of the grid's."""

    def measure(model: Model, check: Check) -> list[Row]:
        noisy = under_noise(run, model, check, spaces=("normalised",))
        found = [measured(model, "accuracy", row["accuracy"], sigma=row["sigma"]) for row in noisy]
        return [*_worth(run, model, check), *found]

    others = [arm for arm in _students(run, "alternatives") if arm not in run.grid()]
    for row in run.gather(measure, others, "comparing alternatives"):
        yield _without_variant(row)


def _swept(run: Experiment, comparison: str) -> Iterator[Row]:
    found: dict[Model, list[Row]] = {}

    def measure(model: Model, check: Check) -> list[Row]:
        own = run.encode(model, "test")
        check()
        accuracy = clean_probe(run, model).accuracy(own, run.test.labels)
        found[model] = [
            measured(model, "effective_rank", spectrum.effective_rank(own)),
            measured(model, "accuracy", accuracy, sigma=0.0),
        ]
        return found[model]

    # All are measured before the first is told, since some stand at more than one value.
    list(run.gather(measure, _students(run, comparison), f"varying the {comparison.replace('_', ' ')}"))
    for value, students in student_configs.sweep(comparison, run.settings).items():
        for row in (row for student in students for row in found[student]):
            yield _without_variant(row) | {"x": value}


def _worth(run: Experiment, model: Model, check: Check) -> list[Row]:
    """What a model's embeddings are good for, but for the probe: rank, neighbours, and how well it imitates."""
    train, test, teacher = run.encode(model, "train"), run.encode(model, "test"), run.encode(None, "test")
    k = min(NEIGHBOURS, len(train))
    check()
    found = {
        "effective_rank": spectrum.effective_rank(test),
        "neighbour_accuracy": neighbours.neighbour_accuracy(train, run.train.labels, test, run.test.labels, k=k),
    }
    if model is not None:
        found["neighbour_overlap"] = neighbours.neighbour_overlap(test, teacher, k=min(SHARED, len(test) - 1))
        found["distance"] = float(losses.cosine_distance(test, teacher))
        found["aligned_share"] = _aligned(test, teacher)
    return [_without_variant(measured(model, quantity, value)) for quantity, value in found.items()]


def _aligned(student: Tensor, teacher: Tensor) -> float:
    """Share of a student's variance within the leading components that hold 90 % of the teacher's."""
    count = spectrum.dims_for_variance(teacher, 0.9)
    return float(spectrum.subspace_alignment(student, teacher)[count - 1])


def _students(run: Experiment, comparison: str) -> list[Arm]:
    return list(
        dict.fromkeys(arm for found in student_configs.sweep(comparison, run.settings).values() for arm in found)
    )


def _without_variant(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != "variant"}
