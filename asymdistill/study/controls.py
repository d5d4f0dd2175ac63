"""The controls of a study: experiments that could prove the papers wrong, each a function from measurements to rows.

Rows have the columns of ``COLUMNS``: control, quantity, the model's identity, variant (what was changed), sigma (of
the noise, normalised space unless the variant says otherwise), x (whatever the quantity is plotted against), value.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from asymdistill.config.names import IDENTITY, UNTRAINED
from asymdistill.experiment.measurements import Measurement
from asymdistill.experiment.student_configs import Model, StudentConfig
from asymdistill.models import students
from asymdistill.study.rows import Measured, Row, row

COLUMNS = ("control", "quantity", *IDENTITY, "variant", "sigma", "x", "value")
TRUNCATED = 16  # the rank to which the papers say all students collapse
KEPT = (2, 4, 8, 16, 32, 64, 128, 256)
RANDOM_DRAWS = 3
SAMPLES = (50, 100, 200, 500, 1000, 2000, 5000, 10_000)
ESTIMATORS: dict[str, tuple[tuple[str, Any], ...]] = {
    "variance, centred": (),
    "amplitude, centred": (("spectrum", "amplitude"),),
    "variance, not centred": (("center", False),),
}


def rows(name: str, measured: Measured) -> Iterator[Row]:
    """The rows of one control.

    Args:
        name: one of ``config.settings.CONTROLS``.
        measured: the experiment and its measurements.
    """
    for found in _FUNCTIONS[name](measured):
        yield {"control": name} | found


def _ranks(models: Sequence[Model]) -> list[Measurement]:
    return [Measurement("effective_rank", model) for model in models]


def _underfitting(measured: Measured) -> Iterator[Row]:
    watched = {student: measured.run.students.watched(student) for student in measured.configs.longer()}
    splits = [(("split", split),) for split in ("train", "test")]
    names = ("effective_rank", "r_squared", "shrinkage_rank")
    measured.ensure(
        "comparing with the teacher",
        [Measurement(name, student, options=s) for student in measured.students for name in names for s in splits]
        + [Measurement("effective_rank", options=split) for split in splits]
        + [
            Measurement(name, student, options=options)
            for student, epochs in watched.items()
            for epoch in epochs
            for name, options in _along(epoch)
        ],
    )
    for model in measured.models:
        for split in ("train", "test"):
            yield row(model, "effective_rank", measured.value("effective_rank", model, split=split), split)
            if model is not None:
                yield row(model, "shrinkage_rank", measured.value("shrinkage_rank", model, split=split), split)
                for k, value in enumerate(measured.value("r_squared", model, split=split), start=1):
                    yield row(model, "r_squared", value, split, x=k)
    for student, epochs in watched.items():
        variant = "cosine schedule" if student.schedule == "cosine" else student.schedule
        for epoch in epochs:
            for name, (quantity, options) in zip(("rank", "rank_train", "distance"), _along(epoch), strict=True):
                value = measured.value(quantity, student, **dict(options))
                yield row(student, f"epoch_{name}", value, variant, x=epoch)


def _along(epoch: int) -> tuple[tuple[str, tuple[tuple[str, Any], ...]], ...]:
    """What is measured after an epoch."""
    return (
        ("effective_rank", (("epoch", epoch),)),
        ("effective_rank", (("split", "train"), ("epoch", epoch))),
        ("distance", (("epoch", epoch),)),
    )


def _classes(measured: Measured) -> Iterator[Row]:
    treated = measured.configs.by_classes()
    counts = list(dict.fromkeys(student.classes for student in treated))
    measured.ensure(
        "comparing classes",
        [Measurement(name, model) for model in measured.models for name in ("effective_rank", "class_ranks")]
        + [Measurement("effective_rank", options=(("classes", count),)) for count in counts]
        + _ranks(treated),
    )
    for model in measured.models:
        split = measured.value("class_ranks", model)
        yield measured.rank_row(model)
        for name in ("between", "within", "means"):
            yield row(model, f"{name}_rank", split[name])
        yield row(model, "between_share", split["between_share"])
    for count in counts:
        yield row(None, "sweep_rank", measured.value("effective_rank", classes=count), x=count)
    for student in treated:
        yield measured.rank_row(student, quantity="sweep_rank", x=student.classes)
    if measured.settings.dataset == "scenes":
        for model in (None, *measured.configs.narrow()):
            yield measured.rank_row(model, quantity="sweep_rank", x=measured.run.images.sizes["classes"])


def _truncation(measured: Measured) -> Iterator[Row]:
    dim = measured.value("size")["embedding_dim"]
    cuts: list[tuple[str, int, int | None]] = [("top", k, None) for k in KEPT if k < dim]
    if dim > TRUNCATED:
        cuts.append(("bottom", TRUNCATED, None))
        cuts += [("random", TRUNCATED, draw) for draw in range(RANDOM_DRAWS)]
    options: list[tuple[tuple[str, Any], ...]] = [
        tuple(zip(("variant", "count", "draw"), cut, strict=True)) for cut in cuts
    ]
    measured.ensure(
        "cutting the teacher",
        [Measurement("truncated_rank", options=cut) for cut in options]
        + [Measurement("truncated_accuracy", None, noise, cut) for cut in options for noise in measured.noises()]
        + [m for model in measured.models for m in measured.accuracies(model)]
        + _ranks([None]),
    )
    for (variant, count, draw), cut in zip(cuts, options, strict=True):
        more: dict[str, Any] = {"x": count, "seed": draw}
        yield row(None, "effective_rank", measured.value("truncated_rank", **dict(cut)), variant, **more)
        for noise in measured.noises():
            accuracy = measured.value("truncated_accuracy", None, noise, **dict(cut))
            yield row(None, "accuracy", accuracy, variant, sigma=noise.sigma, **more)
    yield measured.rank_row(None, "full", x=dim)
    yield from measured.accuracy_rows(None, "full", x=dim)
    for student in measured.students:
        yield from measured.accuracy_rows(student, "student")


def _capacity(measured: Measured) -> Iterator[Row]:
    dim, narrow = measured.value("size")["embedding_dim"], measured.configs.narrow()
    base = measured.students[0].resolution
    others = measured.configs.by_capacity()

    def place(student: StudentConfig) -> tuple[str, float]:
        if student.resolution != base:
            return "input", student.resolution
        if student.architecture != students.CNN:
            return "architecture", student.design.parameter_count(dim)
        if student.dilation > 1:
            return "receptive field", students.receptive_field(student.dilation)
        known = student.width in measured.settings.widths
        return ("width" if known else "stated size"), students.parameter_count(student.width, dim)

    everyone = list(dict.fromkeys([*measured.students, *others]))
    wanted = [m for student in everyone for m in measured.accuracies(student)]
    measured.ensure("measuring capacity", _ranks(everyone) + wanted)
    for student in everyone:
        variant, x = place(student)
        size = student.design.parameter_count(dim)
        places = [(variant, x)]
        if student in narrow:  # the plain narrow student is the other end of the two that change its input and field
            places += [("input", base), ("receptive field", students.receptive_field())]
        yield row(student, "parameters", size, variant, x=x)
        for variant, x in places:
            yield measured.rank_row(student, variant, x=x)
            yield from measured.accuracy_rows(student, variant, x=x)


def _objective(measured: Measured) -> Iterator[Row]:
    everyone: list[Model] = [*measured.configs.narrow(), *measured.configs.by_objective(), None]
    wanted = [m for model in everyone for m in measured.accuracies(model)]
    measured.ensure("measuring objectives", _ranks(everyone) + wanted)
    for model in everyone:
        variant = "" if model is None else "random" if model.objective == UNTRAINED else model.objective
        yield measured.rank_row(model, variant)
        yield from measured.accuracy_rows(model, variant)


def _noise(measured: Measured) -> Iterator[Row]:
    plain, treated = measured.configs.ends(), measured.configs.with_noise()
    measured.ensure(
        "controls of noise",
        [
            measurement
            for student in plain
            for measurement in (
                *measured.accuracies(student),
                *measured.accuracies(student, "pixel"),
                *measured.accuracies(student, quantity="adapted_accuracy"),
            )
        ]
        + [measurement for student in treated for measurement in measured.accuracies(student)],
    )
    for student in plain:
        yield from measured.accuracy_rows(student, "plain")
        yield from measured.accuracy_rows(student, "pixel noise", "pixel")
        yield from measured.accuracy_rows(student, "batch statistics re-estimated", quantity="adapted_accuracy")
    for student in treated:
        yield from measured.accuracy_rows(student, "trained with noise")


def _estimators(measured: Measured) -> Iterator[Row]:
    count, factors = len(measured.run.images.test), measured.run.images.test.factors
    sizes = (*(size for size in SAMPLES if size < count), count)
    first: list[Model] = [None, *(s for s in measured.students if s.seed == measured.settings.seeds[0])]
    known = ("effective_rank", "bootstrap_interval", *(["factor_shares"] if factors else []))
    of_samples = {variant: (("sizes", sizes), *options) for variant, options in ESTIMATORS.items()}
    measured.ensure(
        "questioning the estimators",
        [Measurement("rank_by_sample", model, options=o) for model in first for o in of_samples.values()]
        + [Measurement(name, model) for model in measured.models for name in known]
        + [Measurement("true_rank_by_sample", options=o) for o in of_samples.values() if factors],
    )
    for model in first:
        for variant, options in of_samples.items():
            for size, draws in zip(sizes, measured.value("rank_by_sample", model, **dict(options)), strict=True):
                for draw, rank in enumerate(draws):
                    yield row(model, "rank_by_sample", rank, variant, x=size, seed=draw)
    for model in measured.models:
        low, high = measured.value("bootstrap_interval", model)
        yield measured.rank_row(model)
        yield row(model, "bootstrap_low", low)
        yield row(model, "bootstrap_high", high)
        for name, share in (measured.value("factor_shares", model) if factors else {}).items():
            yield row(model, "factor_share", share, name)
    for variant, options in of_samples.items() if factors else ():
        truth = measured.value("true_rank_by_sample", **dict(options))
        yield {"quantity": "true_rank", "variant": variant, "value": truth["true"]}
        for size, draws in zip(sizes, truth["draws"], strict=True):
            for draw, value in enumerate(draws):
                yield {"quantity": "truth", "variant": variant, "x": size, "seed": draw, "value": value}


def _crossmodal(measured: Measured) -> Iterator[Row]:
    """Students and the truncated teacher among the teacher's texts; no rows where it reads none."""
    if not measured.reads_texts:
        return
    cut = (("keep", TRUNCATED),)
    measured.ensure(
        "placing students among texts",
        [Measurement("among_texts", model, noise) for model in measured.models for noise in measured.noises()]
        + [Measurement("among_texts", None, noise, cut) for noise in measured.noises()],
    )
    classes = measured.run.images.sizes["classes"]
    yield {"quantity": "chance", "variant": measured.settings.teacher, "value": 100 / classes}
    for model in measured.models:
        for noise in measured.noises():
            variants: dict[str, dict[str, Any]] = {"student": {}}
            if model is None:
                variants = {"full": {}, f"top {TRUNCATED}": dict(cut)}
            for variant, options in variants.items():
                for quantity, value in measured.value("among_texts", model, noise, **options).items():
                    if quantity != "modality_gap" or noise.sigma == 0:
                        yield row(model, quantity, value, variant, sigma=noise.sigma)


def _statistics(measured: Measured) -> Iterator[Row]:
    everyone = [*measured.configs.ends(), *measured.configs.with_more_seeds()]
    wanted = [m for student in everyone for m in measured.accuracies(student)]
    measured.ensure("measuring further seeds", _ranks(everyone) + wanted)
    for student in everyone:
        yield measured.rank_row(student)
        yield from measured.accuracy_rows(student, "")


_FUNCTIONS: dict[str, Callable[[Measured], Iterator[Row]]] = {
    "underfitting": _underfitting,
    "classes": _classes,
    "truncation": _truncation,
    "capacity": _capacity,
    "objective": _objective,
    "noise": _noise,
    "estimators": _estimators,
    "crossmodal": _crossmodal,
    "statistics": _statistics,
}
