"""The controls of a study: experiments that could prove the papers wrong, each a function from models to rows.

Rows have the columns of ``COLUMNS``: control, quantity, the model's identity, variant (what was changed), sigma (of
the noise, normalised space unless the variant says otherwise), x (whatever the quantity is plotted against), value.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from asymdistill.config.names import IDENTITY, TEACHER, UNTRAINED
from asymdistill.data.views import BATCH, GaussianNoise, see
from asymdistill.metrics import decomposition, resampling, spectrum
from asymdistill.metrics import probe as probing
from asymdistill.models import students
from asymdistill.study import crossmodal, student_configs
from asymdistill.study.crossmodal import TRUNCATED
from asymdistill.study.experiment import Experiment
from asymdistill.study.measurements import clean_probe, measured, under_noise
from asymdistill.study.run import Row
from asymdistill.study.student_configs import Arm, Model

COLUMNS = ("control", "quantity", *IDENTITY, "variant", "sigma", "x", "value")
KEPT = (2, 4, 8, 16, 32, 64, 128, 256)
RANDOM_DRAWS = 3
SAMPLES = (50, 100, 200, 500, 1000, 2000, 5000, 10_000)
BATCH_NORM_IMAGES = 5000
ESTIMATORS: dict[str, dict[str, Any]] = {
    "variance, centred": {},
    "amplitude, centred": {"spectrum": "amplitude"},
    "variance, not centred": {"center": False},
}
NORMALISED = ("normalised",)
Check = Callable[[], None]


def rows_of(control: str, run: Experiment, robustness: pd.DataFrame) -> Iterator[Row]:
    """The rows of one control.

    Args:
        control: one of ``config.CONTROLS``.
        run: the experiment, whose students are trained where they are missing.
        robustness: the study's table of that name, so that nothing in it is measured again.
    """
    run.train_students()
    for row in _FUNCTIONS[control](run, robustness):
        yield {"control": control} | row


def _models(run: Experiment) -> list[Model]:
    return [None, *run.arms()]


def _known(
    robustness: pd.DataFrame, variant: str, widths: tuple[float, ...], space: str = "normalised", **more: Any
) -> Iterator[Row]:
    """What the study measured already, of the students of some widths, as rows of a control."""
    own = robustness[robustness["width"].isin(widths) & (robustness["noise_space"] == space)]
    for row in own.to_dict("records"):
        shown = {name: row[name] for name in (*IDENTITY, "sigma")}
        yield shown | {"quantity": "accuracy", "variant": variant, "value": row["accuracy"]} | more


def _teachers(robustness: pd.DataFrame) -> Iterator[tuple[float, float]]:
    own = robustness[(robustness["model"] == TEACHER) & (robustness["noise_space"] == "normalised")]
    return zip(own["sigma"], own["accuracy"], strict=True)


def _rank(run: Experiment, model: Model, variant: str = "", quantity: str = "effective_rank", **more: Any) -> Row:
    return measured(model, quantity, spectrum.effective_rank(run.encode(model, "test")), variant, **more)


def _accuracies(run: Experiment, model: Model, check: Check, variant: str, **more: Any) -> list[Row]:
    rows = under_noise(run, model, check, spaces=NORMALISED)
    return [measured(model, "accuracy", row["accuracy"], variant, sigma=row["sigma"], **more) for row in rows]


def _underfitting(run: Experiment, robustness: pd.DataFrame) -> Iterator[Row]:
    def measure(model: Model, check: Check) -> list[Row]:
        rows = []
        for split in ("train", "test"):
            check()
            teacher, own = run.encode(None, split), run.encode(model, split)
            rows.append(measured(model, "effective_rank", spectrum.effective_rank(own), split))
            if model is not None:
                explained = decomposition.component_r_squared(own, teacher)
                rows.append(measured(model, "shrinkage_rank", decomposition.shrinkage_rank(teacher, explained), split))
                rows += [measured(model, "r_squared", v, split, x=k) for k, v in enumerate(explained.tolist(), start=1)]
        return rows

    yield from run.gather(measure, _models(run), "comparing with the teacher")
    for arm in student_configs.longer(run.settings):
        variant = "cosine schedule" if arm.schedule == "cosine" else arm.schedule
        for seen in run.history(arm):
            for quantity in seen.keys() - {"epoch"}:
                yield measured(arm, quantity, seen[quantity], variant, x=seen["epoch"])


def _classes(run: Experiment, robustness: pd.DataFrame) -> Iterator[Row]:
    for model in _models(run):
        own = run.encode(model, "test")
        split = decomposition.class_ranks(own, run.test.labels)
        yield measured(model, "effective_rank", spectrum.effective_rank(own))
        for name in ("between", "within", "means"):
            yield measured(model, f"{name}_rank", getattr(split, name))
        yield measured(model, "between_share", split.between_share)
    treated = student_configs.by_classes(run.settings, len(run.test.class_names))
    for count in dict.fromkeys(arm.classes for arm in treated):
        yield measured(None, "sweep_rank", spectrum.effective_rank(run.encode(None, "test", classes=count)), x=count)
    for arm in treated:
        yield _rank(run, arm, quantity="sweep_rank", x=arm.classes)
    if run.settings.dataset == "scenes":
        narrow = run.settings.smallest_width
        for model in (None, *(arm for arm in run.arms() if arm.width == narrow)):
            yield _rank(run, model, quantity="sweep_rank", x=len(run.test.class_names))


def _truncation(run: Experiment, robustness: pd.DataFrame) -> Iterator[Row]:
    train, dim = run.encode(None, "train"), run.teacher.embedding_dim
    mean, directions = decomposition.principal_directions(train)
    kept: list[tuple[str, int, int | None, Tensor]] = [("top", k, None, directions[:, :k]) for k in KEPT if k < dim]
    if dim > TRUNCATED:
        kept.append(("bottom", TRUNCATED, None, directions[:, -TRUNCATED:]))
        generator = torch.Generator().manual_seed(run.settings.noise_seed)
        bases = (decomposition.random_directions(dim, TRUNCATED, generator) for _ in range(RANDOM_DRAWS))
        kept += [("random", TRUNCATED, draw, basis) for draw, basis in enumerate(bases)]
    noises = [GaussianNoise(sigma, seed=run.settings.noise_seed) for sigma in run.settings.noise_levels]
    seen = {noise.sigma: run.encode(None, "test", noise) for noise in noises}
    for variant, count, draw, basis in kept:
        cut = partial(decomposition.truncate, mean=mean, directions=basis)
        more: dict[str, Any] = {"x": count, "seed": draw}
        yield measured(None, "effective_rank", spectrum.effective_rank(cut(run.encode(None, "test"))), variant, **more)
        probe = probing.fit_probe(cut(train).float(), run.train.labels, max_iter=run.settings.probe_max_iter)
        for sigma, embeddings in seen.items():
            accuracy = probe.accuracy(cut(embeddings).float(), run.test.labels)
            yield measured(None, "accuracy", accuracy, variant, sigma=sigma, **more)
    yield _rank(run, None, "full", x=dim)
    for sigma, accuracy in _teachers(robustness):
        yield measured(None, "accuracy", accuracy, "full", sigma=sigma, x=dim)
    yield from _known(robustness, "student", run.settings.widths)


def _capacity(run: Experiment, robustness: pd.DataFrame) -> Iterator[Row]:
    dim, base = run.teacher.embedding_dim, run.view(run.arms()[0]).resolution

    def place(arm: Arm) -> tuple[str, float]:
        if arm.resolution is not None:
            return "input", arm.resolution
        if arm.dilation > 1:
            return "receptive field", students.receptive_field(arm.dilation)
        known = arm.width in run.settings.widths
        return ("width" if known else "stated size"), students.parameter_count(arm.width, dim)

    def measure(model: Model, check: Check) -> list[Row]:
        assert model is not None
        variant, x = place(model)
        rows = [_rank(run, model, variant, x=x)]
        rows.append(measured(model, "parameters", students.parameter_count(model.width, dim), variant, x=x))
        return rows if variant == "width" else rows + _accuracies(run, model, check, variant, x=x)

    everyone = [*run.arms(), *student_configs.by_capacity(run.settings)]
    narrow = run.settings.smallest_width
    for row in run.gather(measure, everyone, "measuring capacity"):
        yield row
        # The plain narrow student is the other end of the two comparisons that change its input and its field.
        if row["variant"] == "width" and row["width"] == narrow and row["quantity"] == "effective_rank":
            yield row | {"variant": "input", "x": base}
            yield row | {"variant": "receptive field", "x": students.receptive_field()}
    for width in run.settings.widths:
        yield from _known(robustness, "width", (width,), x=students.parameter_count(width, dim))
    yield from _known(robustness, "input", (narrow,), x=base)
    yield from _known(robustness, "receptive field", (narrow,), x=students.receptive_field())


def _objective(run: Experiment, robustness: pd.DataFrame) -> Iterator[Row]:
    def measure(model: Model, check: Check) -> list[Row]:
        assert model is not None
        variant = "random" if model.objective == UNTRAINED else model.objective
        rows = [_rank(run, model, variant)]
        return rows if model in plain else rows + _accuracies(run, model, check, variant)

    narrow = run.settings.smallest_width
    plain = [arm for arm in run.arms() if arm.width == narrow]
    yield from run.gather(measure, [*plain, *student_configs.by_objective(run.settings)], "measuring objectives")
    yield from _known(robustness, run.settings.baseline, (narrow,))
    yield _rank(run, None)
    for sigma, accuracy in _teachers(robustness):
        yield measured(None, "accuracy", accuracy, sigma=sigma)


def _noise(run: Experiment, robustness: pd.DataFrame) -> Iterator[Row]:
    setting = run.settings
    ends = (setting.smallest_width, setting.largest_width)
    pixel_is_known = "pixel" in setting.noise_spaces

    def measure(model: Model, check: Check) -> list[Row]:
        assert model is not None
        if model.noise:
            return _accuracies(run, model, check, "trained with noise")

        def adapted(noise: GaussianNoise) -> Tensor:
            check()
            if noise.sigma == 0:  # the statistics of the training itself
                return run.encode(model, "test")
            images = run.train.images[:BATCH_NORM_IMAGES].split(BATCH)
            # Another draw than the test images', and not the same for every batch.
            draws = torch.Generator(run.device).manual_seed(setting.noise_seed + 1)
            inputs = (see(batch.to(run.device), run.view(model), noise, draws) for batch in images)
            student = decomposition.with_batch_statistics(run.student(model), inputs)
            return run.encode(model, "test", noise, encoder=student)

        probe = clean_probe(run, model)
        adaptive = under_noise(run, model, check, spaces=NORMALISED, probe=probe, encode=adapted)
        pixel = [] if pixel_is_known else under_noise(run, model, check, spaces=("pixel",), probe=probe)
        return [
            measured(model, "accuracy", row["accuracy"], variant, sigma=row["sigma"])
            for variant, rows in (("batch statistics re-estimated", adaptive), ("pixel noise", pixel))
            for row in rows
        ]

    yield from _known(robustness, "plain", ends)
    yield from _known(robustness, "pixel noise", ends, space="pixel")
    plain = [arm for arm in run.arms() if arm.width in ends]
    yield from run.gather(measure, [*plain, *student_configs.with_noise(setting)], "controls of noise")


def _estimators(run: Experiment, robustness: pd.DataFrame) -> Iterator[Row]:
    count = len(run.test)
    sizes = [size for size in SAMPLES if size < count] + [count]
    first = [None, *(arm for arm in run.arms() if arm.seed == run.settings.seeds[0])]
    for model in first:
        for variant, way in ESTIMATORS.items():
            ranks = resampling.rank_by_sample_size(run.encode(model, "test"), sizes, **way)
            for size, draws in ranks.items():
                for draw, rank in enumerate(draws):
                    yield measured(model, "rank_by_sample", rank, variant, x=size, seed=draw)

    def measure(model: Model, check: Check) -> list[Row]:
        own = run.encode(model, "test")
        low, high = resampling.bootstrap_interval(own)
        rows = [measured(model, "effective_rank", spectrum.effective_rank(own))]
        rows += [measured(model, "bootstrap_low", low), measured(model, "bootstrap_high", high)]
        shares = decomposition.factor_shares(own, run.test.factors) if run.test.factors else {}
        return rows + [measured(model, "factor_share", share, name) for name, share in shares.items()]

    yield from run.gather(measure, _models(run), "bootstrapping")
    if run.test.factors:
        for variant, way in ESTIMATORS.items():
            embeddings, rank = resampling.factor_embeddings(run.test.factors, spectrum=way.get("spectrum", "variance"))
            yield {"quantity": "true_rank", "variant": variant, "value": rank}
            for size, draws in resampling.rank_by_sample_size(embeddings, sizes, **way).items():
                for draw, value in enumerate(draws):
                    yield {"quantity": "truth", "variant": variant, "x": size, "seed": draw, "value": value}


def _statistics(run: Experiment, robustness: pd.DataFrame) -> Iterator[Row]:
    def measure(model: Model, check: Check) -> list[Row]:
        rows = [_rank(run, model)]
        return rows if model in run.arms() else rows + _accuracies(run, model, check, "")

    ends = (run.settings.smallest_width, run.settings.largest_width)
    grid = [arm for arm in run.arms() if arm.width in ends]
    yield from run.gather(measure, [*grid, *student_configs.with_more_seeds(run.settings)], "measuring further seeds")
    yield from _known(robustness, "", ends)


_FUNCTIONS: dict[str, Callable[[Experiment, pd.DataFrame], Iterator[Row]]] = {
    "underfitting": _underfitting,
    "classes": _classes,
    "truncation": _truncation,
    "capacity": _capacity,
    "objective": _objective,
    "noise": _noise,
    "estimators": _estimators,
    "crossmodal": lambda run, robustness: crossmodal.rows(run),
    "statistics": _statistics,
}
