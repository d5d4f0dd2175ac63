"""Made-up tables of the controls, in the shape of ``Study.controls``; each function's arguments set its numbers."""

import itertools
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from asymdistill.models import students
from asymdistill.store import files

Row = dict[str, object]
COLUMNS = (
    *("control", "quantity", "model", "width", "seed", "objective", "augmented", "variant", "sigma", "x", "value"),
)
SEEDS = (42, 123, 456)
MODELS = ("S", "M", "L")
WIDTHS = {"S": 1.0, "M": 2.0, "L": 4.0, "w=0.5": 0.5, "w=3": 3.0, "w=10": 10.0}
SIGMAS = (0.0, 0.05, 0.1, 0.2)
FACTORS = ("shape", "colour", "size", "tilt", "outline", "position", "ground", "pattern", "tint")


def table(*controls: Iterable[Row]) -> pd.DataFrame:
    """Some controls' rows as one table; with none, a table without rows."""
    made = pd.DataFrame([row for rows in controls for row in rows], columns=list(COLUMNS))
    return made.astype({"seed": "Int64", "width": float, "sigma": float, "x": float, "value": float})


def read_back(controls: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """A table as a study reads it from its folder."""
    files.write_table(folder / "controls.csv", controls)
    return files.read_table(folder / "controls.csv")


def row(control: str, quantity: str, value: float, model: str | None = "teacher", **cells: object) -> Row:
    student = model in WIDTHS
    return {
        "control": control,
        "quantity": quantity,
        "model": model,
        "width": WIDTHS.get(str(model)),
        "objective": "cosine" if student else None,
        "augmented": False,
        "value": value,
        **cells,
    }


def wobble(seed: int, size: float = 0.2) -> float:
    """A seed's own deviation: -size, 0, +size for the three seeds, so that means stay as a test set them."""
    return size * (SEEDS.index(seed) - (len(SEEDS) - 1) / 2) if seed in SEEDS else size * ((seed % 3) - 1)


def every_student(models: tuple[str, ...] = MODELS, seeds: tuple[int, ...] = SEEDS) -> list[tuple[str, int]]:
    return list(itertools.product(models, seeds))


def underfitting(
    *,
    teacher: float = 90.0,
    measured: float = 16.0,
    predicted: float = 17.0,
    late: float = 25.0,
    seeds: tuple[int, ...] = SEEDS,
) -> list[Row]:
    made = [row("underfitting", "effective_rank", teacher + 1, variant="train")]
    made += [row("underfitting", "effective_rank", teacher, variant="test")]
    for model, seed in every_student(seeds=seeds):
        cells = {"seed": seed, "model": model}
        for variant, more in (("train", 1.0), ("test", 0.0)):
            own = {**cells, "variant": variant}
            made.append(row("underfitting", "effective_rank", measured + more + wobble(seed), **own))
            made.append(row("underfitting", "shrinkage_rank", predicted + more + wobble(seed), **own))
            made += [
                row("underfitting", "r_squared", 0.9 / k**0.7 + 0.02 * more, x=float(k), **own) for k in range(1, 65)
            ]
    for seed, (variant, shift) in itertools.product(seeds, (("constant", 0.0), ("cosine schedule", 2.0))):
        for epoch in range(1, 41):
            share = (epoch - 5) / 35 if epoch > 5 else 0.0
            rank = measured + (late + shift - measured) * share - 0.5 * max(0, 5 - epoch)
            own = {"model": "S", "seed": seed, "variant": variant, "x": float(epoch)}
            made.append(row("underfitting", "epoch_rank", rank + wobble(seed), **own))
            made.append(row("underfitting", "epoch_rank_train", rank + 1 + wobble(seed), **own))
            made.append(row("underfitting", "epoch_distance", 0.4 - 0.1 * share + wobble(seed, 0.01), **own))
    return made


def classes(
    *,
    teacher: float = 90.0,
    student: float = 16.0,
    teacher_within: float = 85.0,
    student_within: float = 14.0,
    last: float = 15.0,
    seeds: tuple[int, ...] = SEEDS,
) -> list[Row]:
    made = []
    for model, seed in [("teacher", None), *every_student(seeds=seeds)]:
        own = {"model": model, "seed": seed}
        mine = model == "teacher"
        values = {
            "between_rank": 7.5 if mine else 6.5,
            "means_rank": 7.8 if mine else 6.8,
            "within_rank": teacher_within if mine else student_within,
            "between_share": 0.3 if mine else 0.45,
            "effective_rank": teacher if mine else student,
        }
        made += [
            row("classes", key, value + (wobble(seed, 0.01) if seed else 0), **own) for key, value in values.items()
        ]
    for model, seed in [("teacher", None), *every_student(("S",), seeds)]:
        top = 60.0 if model == "teacher" else last
        for index, count in enumerate((2, 5, 10)):
            value = 10 + (top - 10) * index / 2 + (wobble(seed) if seed else 0)
            made.append(row("classes", "sweep_rank", value, model=model, seed=seed, x=float(count)))
    return made


def truncation(
    *,
    full: tuple[float, float] = (94.0, 84.0),
    cut: tuple[float, float] = (90.0, 80.0),
    student: tuple[float, float] = (72.0, 25.0),
    seeds: tuple[int, ...] = SEEDS,
) -> list[Row]:
    """Accuracies of the whole teacher, of its top 16 components and of the students: clean, and at the last noise."""
    made = [row("truncation", "effective_rank", 90.0, variant="full", x=128.0)]
    for sigma in SIGMAS:
        share = sigma / SIGMAS[-1]

        def at(pair: tuple[float, float], share: float = share) -> float:
            return pair[0] + (pair[1] - pair[0]) * share

        made.append(row("truncation", "accuracy", at(full), variant="full", sigma=sigma, x=128.0))
        for k in (2, 4, 8, 16, 32, 64):
            lost = 6.0 * (4 - min(4, k.bit_length() - 1))
            made.append(row("truncation", "accuracy", at(cut) - lost, variant="top", sigma=sigma, x=float(k)))
        own = {"sigma": sigma, "x": 16.0}
        made.append(row("truncation", "accuracy", max(10, at(cut) - 50), variant="bottom", **own))
        for draw in (0, 1, 2):
            made.append(row("truncation", "accuracy", at(cut) - 15 + draw, variant="random", seed=draw, **own))
        for model, seed in every_student(seeds=seeds):
            value = at(student) + wobble(seed) + WIDTHS[model] * (0.5 - share)
            made.append(row("truncation", "accuracy", value, model=model, seed=seed, variant="student", sigma=sigma))
    made += [row("truncation", "effective_rank", 0.8 * k, variant="top", x=float(k)) for k in (2, 4, 8, 16, 32, 64)]
    made.append(row("truncation", "effective_rank", 15.0, variant="bottom", x=16.0))
    made += [row("truncation", "effective_rank", 14.0, variant="random", x=16.0, seed=d) for d in (0, 1, 2)]
    return made


def capacity(
    *, by_width: float = 1.0, by_input: float = 0.5, by_field: float = 4.0, seeds: tuple[int, ...] = SEEDS
) -> list[Row]:
    """Students of rank 16, and by how much a greater width, input or receptive field raises it."""
    students_varied = [
        *(("width", model, students.parameter_count(WIDTHS[model]), by_width * WIDTHS[model] / 4) for model in MODELS),
        *(
            ("stated size", model, students.parameter_count(WIDTHS[model]), by_width * WIDTHS[model] / 4)
            for model in ("w=0.5", "w=3", "w=10")
        ),
        ("input", "S", 32, 0.0),
        ("input", "S", 64, by_input),
        ("receptive field", "S", 18, 0.0),
        ("receptive field", "S", 50, by_field),
    ]
    made = []
    for (variant, model, x, more), seed in itertools.product(students_varied, seeds):
        own = {"model": model, "seed": seed, "variant": variant, "x": float(x)}
        made.append(row("capacity", "effective_rank", 16 + more + wobble(seed), **own))
        made.append(row("capacity", "parameters", float(students.parameter_count(WIDTHS[model])), **own))
        made += [row("capacity", "accuracy", 70 + more - 200 * s + wobble(seed), sigma=s, **own) for s in SIGMAS]
    return made


def objective(
    *,
    cosine: float = 16.0,
    whitened: float = 40.0,
    centred: float = 22.0,
    labels: float = 9.0,
    untrained: float = 5.0,
    seeds: tuple[int, ...] = SEEDS,
) -> list[Row]:
    made = [row("objective", "effective_rank", 90.0)]
    made += [row("objective", "accuracy", 94 - 50 * sigma, sigma=sigma) for sigma in SIGMAS]
    ranks = {"cosine": cosine, "whitened": whitened, "centred": centred, "labels": labels, "random": untrained}
    for (variant, rank), seed in itertools.product(ranks.items(), seeds):
        target = "none" if variant == "random" else variant
        own = {"model": "S", "seed": seed, "objective": target, "variant": variant}
        made.append(row("objective", "effective_rank", rank + wobble(seed), **own))
        made += [row("objective", "accuracy", 70 - 200 * sigma + wobble(seed), sigma=sigma, **own) for sigma in SIGMAS]
    return made


def noise(
    *,
    narrow: float = 30.0,
    wide: float = 20.0,
    re_estimated: float = 15.0,
    trained: float = 35.0,
    re_narrow: float = 0.0,
    seeds: tuple[int, ...] = SEEDS,
) -> list[Row]:
    """Accuracies of S and L at the last noise level, and what two remedies add to them."""
    made = []
    for (model, end), seed in itertools.product((("S", narrow), ("L", wide)), seeds):
        for variant, gain in (
            ("plain", 0.0),
            ("batch statistics re-estimated", re_estimated + re_narrow * (model == "S")),
            ("trained with noise", trained),
            ("pixel noise", -5.0),
        ):
            if variant == "trained with noise" and model == "L" and seed != seeds[0]:
                continue
            for sigma in SIGMAS:
                value = 70 + (end + gain - 70) * sigma / SIGMAS[-1] + wobble(seed)
                made.append(row("noise", "accuracy", value, model=model, seed=seed, variant=variant, sigma=sigma))
    return made


def estimators(
    *, amplitude: float = 3.0, loss_of_colour: float = 0.1, scenes: bool = True, seeds: tuple[int, ...] = SEEDS
) -> list[Row]:
    """Ranks by sample size and estimator; ``amplitude`` is by how much that spectrum raises the students' ranks."""
    made = []
    counts = (125, 250, 500, 1000, 2000)
    for (model, rank), count, draw in itertools.product(
        (("teacher", 90.0), ("S", 16.0), ("M", 16.5), ("L", 17.0)), counts, (0, 1)
    ):
        grown = rank * (1 - 20 / count) + 0.1 * draw
        by = {
            "variance, centred": grown,
            "amplitude, centred": grown * (3.0 if model == "teacher" else amplitude),
            "variance, not centred": grown * 0.2,
        }
        made += [
            row("estimators", "rank_by_sample", value, model=model, seed=draw, x=float(count), variant=variant)
            for variant, value in by.items()
        ]
    known = (("variance, centred", 30.0), ("amplitude, centred", 60.0), ("variance, not centred", 30.0))
    for variant, true in known if scenes else ():
        made.append(row("estimators", "true_rank", true, model=None, variant=variant))
        for count, draw in itertools.product(counts, (0, 1)):
            value = true * (1 - 12.5 / count) + 0.1 * draw
            own = {"model": None, "x": float(count), "variant": variant, "seed": draw}
            made.append(row("estimators", "truth", value, **own))
    for model, seed in [("teacher", None), *every_student(seeds=seeds)]:
        rank = 90.0 if model == "teacher" else 15 + WIDTHS[model] / 2
        own = {"model": model, "seed": seed}
        made.append(row("estimators", "effective_rank", rank, **own))
        made.append(row("estimators", "bootstrap_low", rank - 0.4, **own))
        made.append(row("estimators", "bootstrap_high", rank + 0.2, **own))
        for index, factor in enumerate(FACTORS if scenes else ()):
            share = 0.2 / (index + 1) - (loss_of_colour * (factor == "colour") if seed else 0)
            made.append(row("estimators", "factor_share", share, variant=factor, **own))
    return made


def crossmodal(
    *, full: float = 90.0, top: float = 85.0, student: float = 40.0, captions: bool = True,
    seeds: tuple[int, ...] = SEEDS,
) -> list[Row]:  # fmt: skip
    made = [row("crossmodal", "chance", 10.0, model=None, variant="scenes-clip")]
    models = [("teacher", None, "full", full), ("teacher", None, "top 16", top)]
    models += [(model, seed, "student", student + wobble(seed)) for model, seed in every_student(seeds=seeds)]
    for model, seed, variant, clean in models:
        own = {"model": model, "seed": seed, "variant": variant}
        made.append(row("crossmodal", "modality_gap", 0.8 if model == "teacher" else 0.9, sigma=0.0, **own))
        for sigma in SIGMAS:
            made.append(row("crossmodal", "zero_shot", clean - 50 * sigma, sigma=sigma, **own))
            for rank in (1, 5, 10) if captions else ():
                made.append(row("crossmodal", f"retrieval_{rank}", clean * rank / 20 - 5 * sigma, sigma=sigma, **own))
    return made


def statistics(*, rank: float = 0.0, accuracy: float = 0.0, seeds: int = 10) -> list[Row]:
    """Widest against narrowest student: by how much rank and accuracy differ, the same noise of seeds always."""
    made = []
    for model, seed in itertools.product(("S", "L"), range(seeds)):
        wide = model == "L"
        tremble = ((seed * 7) % 10 - 4.5) / 10 * (1 if wide else -1)  # sums to 0 over ten seeds
        own = {"model": model, "seed": seed}
        made.append(row("statistics", "effective_rank", 16 + rank * wide + tremble, **own))
        made += [
            row("statistics", "accuracy", 70 - 200 * sigma + accuracy * wide + tremble, sigma=sigma, **own)
            for sigma in SIGMAS
        ]
    return made


def everything(seeds: tuple[int, ...] = SEEDS) -> pd.DataFrame:
    """All nine controls."""
    return table(
        underfitting(seeds=seeds),
        classes(seeds=seeds),
        truncation(seeds=seeds),
        capacity(seeds=seeds),
        objective(seeds=seeds),
        noise(seeds=seeds),
        estimators(seeds=seeds),
        crossmodal(seeds=seeds),
        statistics(seeds=10 if len(seeds) > 1 else 1),
    )
