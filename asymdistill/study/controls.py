"""The controls of a study: experiments that could prove the papers wrong, each a function from measurements to rows.

Rows have the columns of ``COLUMNS``: control, quantity, the model's identity, variant (what was changed), sigma (of
the noise, normalised space unless the variant says otherwise), x (whatever the quantity is plotted against), value.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from asymdistill.config.names import IDENTITY, UNTRAINED
from asymdistill.config.settings import Settings
from asymdistill.data.views import GaussianNoise
from asymdistill.models import students
from asymdistill.study.experiment import Experiment
from asymdistill.study.measurements import Measurement, Measurements
from asymdistill.study.student_configs import Model, StudentConfig, identity

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
Row = dict[str, Any]


class Control:
    """What the controls need: the experiment, its measurements, and the rows that they are put together from.

    Args:
        run: the experiment.
        measurements: of it.
    """

    def __init__(self, run: Experiment, measurements: Measurements) -> None:
        self.run = run
        self._measurements = measurements

    @property
    def settings(self) -> Settings:
        """Settings of the study."""
        return self.run.settings

    def rows(self, name: str) -> Iterator[Row]:
        """The rows of one control, one of ``config.settings.CONTROLS``."""
        for row in _FUNCTIONS[name](self):
            yield {"control": name} | row

    def measure(self, title: str, wanted: Sequence[Measurement]) -> None:
        """Measure what is missing, all models in parallel; rows that ask for it afterwards find it."""
        self._measurements.measure(wanted, title)

    def value(self, quantity: str, model: Model = None, noise: GaussianNoise | None = None, **options: Any) -> Any:
        """What was measured."""
        return self._measurements.value(Measurement(quantity, model, noise, tuple(options.items())))

    def noises(self, space: str = "normalised") -> list[GaussianNoise]:
        """The noise at every level of the settings."""
        return [GaussianNoise(sigma, space, self.settings.noise_seed) for sigma in self.settings.noise_levels]

    def accuracies(self, model: Model, space: str = "normalised", quantity: str = "accuracy") -> list[Measurement]:
        """Measurements of accuracy at every level."""
        return [Measurement(quantity, model, noise) for noise in self.noises(space)]

    def accuracy_rows(
        self, model: Model, variant: str, space: str = "normalised", quantity: str = "accuracy", **more: Any
    ) -> Iterator[Row]:
        """Rows of accuracy in percent, one per level of noise."""
        for noise in self.noises(space):
            yield row(model, "accuracy", self.value(quantity, model, noise), variant, sigma=noise.sigma, **more)

    def rank_row(self, model: Model, variant: str = "", quantity: str = "effective_rank", **more: Any) -> Row:
        """A row of effective rank on test images."""
        return row(model, quantity, self.value("effective_rank", model), variant, **more)

    @property
    def reads_texts(self) -> bool:
        """Whether the teacher has a text tower that knows the names of the classes."""
        return self.value("among_texts") is not None

    @property
    def students(self) -> list[StudentConfig]:
        """The grid's students of the first objective."""
        return self.run.configs.baseline()

    @property
    def models(self) -> list[Model]:
        """The grid's students of the first objective, and the teacher."""
        return [None, *self.students]

    def of_widths(self, *widths: float) -> list[StudentConfig]:
        """The grid's students of some widths."""
        return [student for student in self.students if student.width in widths]

    @property
    def ends(self) -> tuple[float, float]:
        """Width of the narrowest and of the widest student."""
        return self.settings.smallest_width, self.settings.largest_width


def row(model: Model, quantity: str, value: float, variant: str = "", **more: Any) -> Row:
    """A row of a control: one measurement, of a student or of the teacher (None)."""
    return identity(model) | {"quantity": quantity, "variant": variant, "value": float(value)} | more


def _ranks(models: Sequence[Model]) -> list[Measurement]:
    return [Measurement("effective_rank", model) for model in models]


def _underfitting(control: Control) -> Iterator[Row]:
    watched = {student: control.run.watched(student) for student in control.run.configs.longer()}
    splits = [(("split", split),) for split in ("train", "test")]
    names = ("effective_rank", "r_squared", "shrinkage_rank")
    control.measure(
        "comparing with the teacher",
        [Measurement(name, student, options=s) for student in control.students for name in names for s in splits]
        + [Measurement("effective_rank", options=split) for split in splits]
        + [
            Measurement(name, student, options=options)
            for student, epochs in watched.items()
            for epoch in epochs
            for name, options in _along(epoch)
        ],
    )
    for model in control.models:
        for split in ("train", "test"):
            yield row(model, "effective_rank", control.value("effective_rank", model, split=split), split)
            if model is not None:
                yield row(model, "shrinkage_rank", control.value("shrinkage_rank", model, split=split), split)
                for k, value in enumerate(control.value("r_squared", model, split=split), start=1):
                    yield row(model, "r_squared", value, split, x=k)
    for student, epochs in watched.items():
        variant = "cosine schedule" if student.schedule == "cosine" else student.schedule
        for epoch in epochs:
            for name, (quantity, options) in zip(("rank", "rank_train", "distance"), _along(epoch), strict=True):
                yield row(student, f"epoch_{name}", control.value(quantity, student, **dict(options)), variant, x=epoch)


def _along(epoch: int) -> tuple[tuple[str, tuple[tuple[str, Any], ...]], ...]:
    """What is measured after an epoch."""
    return (
        ("effective_rank", (("epoch", epoch),)),
        ("effective_rank", (("split", "train"), ("epoch", epoch))),
        ("distance", (("epoch", epoch),)),
    )


def _classes(control: Control) -> Iterator[Row]:
    treated = control.run.configs.by_classes()
    counts = list(dict.fromkeys(student.classes for student in treated))
    control.measure(
        "comparing classes",
        [Measurement(name, model) for model in control.models for name in ("effective_rank", "class_ranks")]
        + [Measurement("effective_rank", options=(("classes", count),)) for count in counts]
        + _ranks(treated),
    )
    for model in control.models:
        split = control.value("class_ranks", model)
        yield control.rank_row(model)
        for name in ("between", "within", "means"):
            yield row(model, f"{name}_rank", split[name])
        yield row(model, "between_share", split["between_share"])
    for count in counts:
        yield row(None, "sweep_rank", control.value("effective_rank", classes=count), x=count)
    for student in treated:
        yield control.rank_row(student, quantity="sweep_rank", x=student.classes)
    if control.settings.dataset == "scenes":
        for model in (None, *control.of_widths(control.ends[0])):
            yield control.rank_row(model, quantity="sweep_rank", x=control.run.sizes["classes"])


def _truncation(control: Control) -> Iterator[Row]:
    dim = control.value("size")["embedding_dim"]
    cuts: list[tuple[str, int, int | None]] = [("top", k, None) for k in KEPT if k < dim]
    if dim > TRUNCATED:
        cuts.append(("bottom", TRUNCATED, None))
        cuts += [("random", TRUNCATED, draw) for draw in range(RANDOM_DRAWS)]
    options: list[tuple[tuple[str, Any], ...]] = [
        tuple(zip(("variant", "count", "draw"), cut, strict=True)) for cut in cuts
    ]
    control.measure(
        "cutting the teacher",
        [Measurement("truncated_rank", options=cut) for cut in options]
        + [Measurement("truncated_accuracy", None, noise, cut) for cut in options for noise in control.noises()]
        + [m for model in control.models for m in control.accuracies(model)]
        + _ranks([None]),
    )
    for (variant, count, draw), cut in zip(cuts, options, strict=True):
        more: dict[str, Any] = {"x": count, "seed": draw}
        yield row(None, "effective_rank", control.value("truncated_rank", **dict(cut)), variant, **more)
        for noise in control.noises():
            accuracy = control.value("truncated_accuracy", None, noise, **dict(cut))
            yield row(None, "accuracy", accuracy, variant, sigma=noise.sigma, **more)
    yield control.rank_row(None, "full", x=dim)
    yield from control.accuracy_rows(None, "full", x=dim)
    for student in control.students:
        yield from control.accuracy_rows(student, "student")


def _capacity(control: Control) -> Iterator[Row]:
    dim, narrow = control.value("size")["embedding_dim"], control.of_widths(control.ends[0])
    base = control.students[0].resolution
    others = control.run.configs.by_capacity()

    def place(student: StudentConfig) -> tuple[str, float]:
        if student.resolution != base:
            return "input", student.resolution
        if student.architecture != students.CNN:
            return "architecture", student.design.parameter_count(dim)
        if student.dilation > 1:
            return "receptive field", students.receptive_field(student.dilation)
        known = student.width in control.settings.widths
        return ("width" if known else "stated size"), students.parameter_count(student.width, dim)

    everyone = list(dict.fromkeys([*control.students, *others]))
    wanted = [m for student in everyone for m in control.accuracies(student)]
    control.measure("measuring capacity", _ranks(everyone) + wanted)
    for student in everyone:
        variant, x = place(student)
        size = student.design.parameter_count(dim)
        places = [(variant, x)]
        if student in narrow:  # the plain narrow student is the other end of the two that change its input and field
            places += [("input", base), ("receptive field", students.receptive_field())]
        yield row(student, "parameters", size, variant, x=x)
        for variant, x in places:
            yield control.rank_row(student, variant, x=x)
            yield from control.accuracy_rows(student, variant, x=x)


def _objective(control: Control) -> Iterator[Row]:
    everyone: list[Model] = [*control.of_widths(control.ends[0]), *control.run.configs.by_objective(), None]
    wanted = [m for model in everyone for m in control.accuracies(model)]
    control.measure("measuring objectives", _ranks(everyone) + wanted)
    for model in everyone:
        variant = "" if model is None else "random" if model.objective == UNTRAINED else model.objective
        yield control.rank_row(model, variant)
        yield from control.accuracy_rows(model, variant)


def _noise(control: Control) -> Iterator[Row]:
    plain, treated = control.of_widths(*control.ends), control.run.configs.with_noise()
    control.measure(
        "controls of noise",
        [
            measurement
            for student in plain
            for measurement in (
                *control.accuracies(student),
                *control.accuracies(student, "pixel"),
                *control.accuracies(student, quantity="adapted_accuracy"),
            )
        ]
        + [measurement for student in treated for measurement in control.accuracies(student)],
    )
    for student in plain:
        yield from control.accuracy_rows(student, "plain")
        yield from control.accuracy_rows(student, "pixel noise", "pixel")
        yield from control.accuracy_rows(student, "batch statistics re-estimated", quantity="adapted_accuracy")
    for student in treated:
        yield from control.accuracy_rows(student, "trained with noise")


def _estimators(control: Control) -> Iterator[Row]:
    count, factors = len(control.run.test), control.run.test.factors
    sizes = (*(size for size in SAMPLES if size < count), count)
    first: list[Model] = [None, *(s for s in control.students if s.seed == control.settings.seeds[0])]
    known = ("effective_rank", "bootstrap_interval", *(["factor_shares"] if factors else []))
    of_samples = {variant: (("sizes", sizes), *options) for variant, options in ESTIMATORS.items()}
    control.measure(
        "questioning the estimators",
        [Measurement("rank_by_sample", model, options=o) for model in first for o in of_samples.values()]
        + [Measurement(name, model) for model in control.models for name in known]
        + [Measurement("true_rank_by_sample", options=o) for o in of_samples.values() if factors],
    )
    for model in first:
        for variant, options in of_samples.items():
            for size, draws in zip(sizes, control.value("rank_by_sample", model, **dict(options)), strict=True):
                for draw, rank in enumerate(draws):
                    yield row(model, "rank_by_sample", rank, variant, x=size, seed=draw)
    for model in control.models:
        low, high = control.value("bootstrap_interval", model)
        yield control.rank_row(model)
        yield row(model, "bootstrap_low", low)
        yield row(model, "bootstrap_high", high)
        for name, share in (control.value("factor_shares", model) if factors else {}).items():
            yield row(model, "factor_share", share, name)
    for variant, options in of_samples.items() if factors else ():
        truth = control.value("true_rank_by_sample", **dict(options))
        yield {"quantity": "true_rank", "variant": variant, "value": truth["true"]}
        for size, draws in zip(sizes, truth["draws"], strict=True):
            for draw, value in enumerate(draws):
                yield {"quantity": "truth", "variant": variant, "x": size, "seed": draw, "value": value}


def _crossmodal(control: Control) -> Iterator[Row]:
    """Students and the truncated teacher among the teacher's texts; no rows where it reads none."""
    if not control.reads_texts:
        return
    cut = (("keep", TRUNCATED),)
    control.measure(
        "placing students among texts",
        [Measurement("among_texts", model, noise) for model in control.models for noise in control.noises()]
        + [Measurement("among_texts", None, noise, cut) for noise in control.noises()],
    )
    yield {"quantity": "chance", "variant": control.settings.teacher, "value": 100 / control.run.sizes["classes"]}
    for model in control.models:
        for noise in control.noises():
            variants: dict[str, dict[str, Any]] = {"full" if model is None else "student": {}}
            if model is None:
                variants[f"top {TRUNCATED}"] = dict(cut)
            for variant, options in variants.items():
                for quantity, value in control.value("among_texts", model, noise, **options).items():
                    if quantity != "modality_gap" or noise.sigma == 0:
                        yield row(model, quantity, value, variant, sigma=noise.sigma)


def _statistics(control: Control) -> Iterator[Row]:
    everyone = [*control.of_widths(*control.ends), *control.run.configs.with_more_seeds()]
    wanted = [m for student in everyone for m in control.accuracies(student)]
    control.measure("measuring further seeds", _ranks(everyone) + wanted)
    for student in everyone:
        yield control.rank_row(student)
        yield from control.accuracy_rows(student, "")


_FUNCTIONS: dict[str, Callable[[Control], Iterator[Row]]] = {
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
