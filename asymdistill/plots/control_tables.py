"""Chapter 8: one table per control, and a table of all nine.

Where a profile does not run a control, the table says so. Numbers are means ± standard deviations (ddof = 0) over
seeds, or over random draws where a table says so.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import Any

import pandas as pd

from asymdistill.config.names import CONTROL_TITLES, OBJECTIVES, TEACHER
from asymdistill.plots.derived import noise_loss, noise_share, paired, paired_tests, percent
from asymdistill.plots.runs import Runs, of_each, with_control
from asymdistill.plots.selection import ends, pick, students_of, teacher_of
from asymdistill.plots.style import title
from asymdistill.plots.tables import NOTHING, number, shown

CENTRED = "variance, centred"
VARIED = {
    "parameters (millions)": (["width", "stated size"], "{:.2f}M parameters", 1e-6),
    "input side (pixels)": (["input"], "input of {:g} pixels", 1),
    "receptive field (pixels)": (["receptive field"], "receptive field of {:g} pixels", 1),
}
"""What the control of capacity varies: by axis label, the variants, how a value is written, and its unit."""
SMALLEST_P = 0.0001  # what the decimals of a table can show
PAPER_COMPONENTS = 16  # where the ranks of the paper's students end
Row = dict[str, Any]


def table_of(name: str) -> Callable[[Callable[..., Iterator[Row]]], Callable[..., pd.DataFrame]]:
    """Decorator: a table of the rows of one control, run below run, or one line that says that none ran it.

    What is decorated makes it of one run; what comes out takes the tables of controls of several, and options that may
    be mappings from a run to a value.
    """

    def decorate(make: Callable[..., Iterator[Row]]) -> Callable[..., pd.DataFrame]:
        @wraps(make)
        def made(controls: Runs, **options: Any) -> pd.DataFrame:
            ran = with_control(controls, name)
            if not ran:
                return pd.DataFrame([{"control": CONTROL_TITLES[name], "numbers": "no run here has this control"}])
            table = of_each(ran, lambda rows, **own: pd.DataFrame(make(rows, **own)), **options).convert_dtypes()
            return table[sorted(table, key=lambda column: column.startswith("seeds"))]

        return made

    return decorate


@table_of("underfitting")
def underfitting_table(rows: pd.DataFrame, *, epochs: int) -> Iterator[Row]:
    """One row per model, and one for the narrowest student before and after longer training.

    Args:
        rows: a study's table of controls.
        epochs: epochs for which the profile trains.
    """
    for model, own in pick(rows, variant=["test", "train"]).groupby("model", sort=False):
        test, known = pick(own, variant="test"), pick(own, "r_squared", variant="test")
        yield {
            "model": title(str(model)),
            "rank": shown(pick(test, "effective_rank")["value"]),
            "rank predicted": shown(pick(test, "shrinkage_rank")["value"]),
            "rank (training images)": shown(pick(own, "effective_rank", variant="train")["value"]),
            "R² of component 1": shown(pick(known, x=1)["value"], 2),
            "components with R² > 0.5": shown((known["value"] > 0.5).groupby(known["seed"]).sum()),
            "seeds": _count(own),
        }
    for (variant, epoch), own in _longer(rows, epochs).groupby(["variant", "x"], sort=False):
        rate = "constant" if variant == "constant" else "annealed"
        yield {
            "model": f"{title(own['model'].iloc[0])}, epoch {epoch:g}, {rate} rate",
            "rank": shown(pick(own, "epoch_rank")["value"]),
            "rank (training images)": shown(pick(own, "epoch_rank_train")["value"]),
            "cosine distance": shown(pick(own, "epoch_distance")["value"], 3),
            "seeds": _count(own),
        }


def _longer(rows: pd.DataFrame, epochs: int) -> pd.DataFrame:
    """Of longer training: the profile's last epoch, or the first one watched after it, and the last of all."""
    watched = rows[rows["x"].ge(epochs) & rows["quantity"].str.startswith("epoch_")]
    first, last = ends(watched, "x")
    own = pd.concat([pick(first, variant="constant"), last]).drop_duplicates()
    return own.sort_values(["variant", "x"], kind="stable")


@table_of("classes")
def classes_table(rows: pd.DataFrame) -> Iterator[Row]:
    """One row per model: ranks overall, within classes and of class means, and the rank by number of classes."""
    counts = sorted(pick(rows, "sweep_rank")["x"].unique())
    for model, own in rows.groupby("model", sort=False):
        values = {quantity: part["value"] for quantity, part in own.groupby("quantity")}
        yield {
            "model": title(str(model)),
            "rank": shown(values["effective_rank"]),
            "within classes": shown(values["within_rank"]),
            "class means": shown(values["means_rank"]),
            "variance between classes (%)": shown(100 * values["between_share"]),
            **{f"rank, {k:g} classes": shown(pick(own, "sweep_rank", x=k)["value"]) for k in counts},
            "seeds": _count(own),
        }


@table_of("truncation")
def truncation_table(rows: pd.DataFrame, *, chance: float | None) -> Iterator[Row]:
    """Accuracy and its loss to noise: the whole teacher, the teacher cut to about 16 directions, and each student.

    Args:
        rows: a study's table of controls.
        chance: accuracy of guessing in percent; None where the number of classes is not known.
    """
    k = min(pick(rows, variant="top")["x"], key=lambda count: abs(count - PAPER_COMPONENTS))
    cuts = {"its top": "top", "random": "random", "its last": "bottom"}
    own = {"whole teacher": pick(rows, variant="full")}
    own |= {f"{name} {k:g} directions": pick(rows, variant=variant, x=k) for name, variant in cuts.items()}
    own |= {title(str(m)): part for m, part in pick(rows, variant="student").groupby("model", sort=False)}
    for model, part in own.items():
        if not part.empty:  # a teacher of few dimensions is cut to top directions only
            rank = shown(pick(part, "effective_rank")["value"])
            share = shown(noise_share(pick(part, "accuracy"), chance)["value"].dropna())
            row = {"model": model, "rank": rank, **_under_noise(part), "lost (% of what is above guessing)": share}
            yield row | {"seeds or draws": _count(part)}


@table_of("capacity")
def capacity_table(rows: pd.DataFrame) -> Iterator[Row]:
    """Rank, accuracy and its loss to noise: one row per value of what is varied, and one per architecture."""
    for variants, words, unit in (*VARIED.values(), (["architecture"], "transformer of {:.2f}M parameters", 1e-6)):
        for (x, model), own in pick(rows, variant=variants).groupby(["x", "model"]):
            rank = shown(pick(own, "effective_rank")["value"])
            yield {
                "varied": words.format(x * unit),
                "student": model,
                "rank": rank,
                **_under_noise(own),
                "seeds": _count(own),
            }


@table_of("objective")
def objective_table(rows: pd.DataFrame) -> Iterator[Row]:
    """Rank, accuracy and its loss to noise: one row for the teacher and one per objective."""
    for target, own in by_target(rows).items():
        rank = shown(pick(own, "effective_rank")["value"])
        yield {"trained for": target, "rank": rank, **_under_noise(own), "seeds": _count(own)}


def by_target(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The rows of the control of objectives: the teacher's, and the student's by what it was trained for."""
    students = students_of(rows).groupby("objective", sort=False)
    return {TEACHER: teacher_of(rows)} | {OBJECTIVES[str(kind)]: own for kind, own in students}


@table_of("noise")
def noise_table(rows: pd.DataFrame) -> Iterator[Row]:
    """Accuracy under noise, and what each remedy gains at the highest level: one row per student and remedy."""
    highest = ends(rows, "sigma")[1]
    for (model, variant), own in rows.sort_values("width", kind="stable").groupby(["model", "variant"], sort=False):
        row = {"model": f"{title(str(model))}, {variant}", **_under_noise(own)}
        if variant not in ("plain", "pixel noise"):
            gain = paired(pick(highest, variant="plain"), pick(highest, variant=variant, model=model))
            row["gained (points)"] = shown(gain)
        yield row | {"seeds": _count(own)}


@table_of("estimators")
def estimators_table(rows: pd.DataFrame) -> Iterator[Row]:
    """One column per model: ranks by estimator and number of images, bootstrap intervals, shares of the factors.

    Ranks by number of images are means over random draws; the other rows are means over seeds. Two further columns
    hold the true rank of made-up embeddings, and the estimate of it.
    """
    for variant, ranks in pick(rows, "rank_by_sample").groupby("variant", sort=False):
        for part, images in zip(ends(ranks, "x"), (f"{ranks['x'].min():,.0f}", "all"), strict=True):
            made_up = pick(rows, "truth", variant=variant, x=part["x"].iloc[0])
            row = {"quantity": f"rank ({variant}), {images} images", **_by_model(part)}
            if not made_up.empty:
                row["true rank"] = shown(pick(rows, "true_rank", variant=variant)["value"])
                row["estimated"] = shown(made_up["value"])
            yield row
    for end in ("low", "high"):
        yield {"quantity": f"95 % interval, {end}"} | _by_model(pick(rows, f"bootstrap_{end}"))
    for factor, shares in percent(rows, "factor_share").groupby("variant", sort=False):
        yield {"quantity": f"variance by {factor} (%)"} | _by_model(shares)


@table_of("crossmodal")
def crossmodal_table(rows: pd.DataFrame) -> Iterator[Row]:
    """Zero-shot accuracy, caption retrieval and modality gap: one row per model, the cut teacher, and guessing."""
    for (model, variant), own in rows.dropna(subset="model").groupby(["model", "variant"], sort=False):
        row = {"model": title(str(model)) if variant in ("full", "student") else f"its {variant} components"}
        row |= _at_ends(pick(own, "zero_shot"), "zero-shot (%)") | _at_ends(pick(own, "retrieval_1"), "own caption (%)")
        yield {**row, "gap": shown(pick(own, "modality_gap")["value"], 2), "seeds": _count(own)}
    chance = shown(pick(rows, "chance")["value"])
    yield {"model": "guessing"} | dict.fromkeys(_at_ends(pick(rows, "zero_shot"), "zero-shot (%)"), chance)


@table_of("statistics")
def statistics_table(rows: pd.DataFrame) -> Iterator[Row]:
    """Paired tests of the widest against the narrowest student: one row per quantity and noise level."""
    digits = {"difference": 2, "low": 2, "high": 2, "t": 2, "p": 4, "wilcoxon": 4}
    names = {"low": "95 % from", "high": "to", "p": "p (t-test)", "wilcoxon": "p (Wilcoxon)"}
    for test in paired_tests(rows).to_dict("records"):
        sigma = test["sigma"]
        row = {"widest – narrowest": "effective rank" if pd.isna(sigma) else f"accuracy, σ = {sigma:g}"}
        row |= {names.get(key, key): number(test[key], None, places) for key, places in digits.items()}
        row |= {names[key]: f"< {SMALLEST_P}" for key in ("p", "wilcoxon") if test[key] < SMALLEST_P}
        yield row | {"seeds": test["seeds"]}


def table(controls: Runs, *, epochs: Mapping[str, int], chance: Mapping[str, float]) -> pd.DataFrame:
    """One row per control: what was compared, and for each run the numbers that decide, from the control's own table.

    Args:
        controls: a table of controls of each run.
        epochs: by the name of the run, the epochs for which it trains.
        chance: by the name of the run, the accuracy of guessing in percent.
    """
    rows = []
    options: dict[str, dict[str, Any]] = {"underfitting": {"epochs": epochs}, "truncation": {"chance": chance}}
    for name, (make, compared, columns, kept) in _DECISIVE.items():
        row = {"control": CONTROL_TITLES[name], "what was compared": compared} | dict.fromkeys(controls, "not run")
        own = make(controls, **options.get(name, {}))
        for run, part in own.groupby("from", sort=False) if "from" in own else ():
            cells = part.drop(columns="from").set_index(own.columns[1]).filter(regex=columns).replace(NOTHING, None)
            wanted = ((label, found.dropna()) for label, found in cells.iterrows() if re.search(kept, str(label)))
            row[run] = "\n".join(f"{label}: {' / '.join(found)}" for label, found in wanted if len(found))
        rows.append(row)
    return pd.DataFrame(rows)


# For each control: its table, what was compared, and which columns and rows of the table decide (as patterns).
_DECISIVE: dict[str, tuple[Callable[..., pd.DataFrame], str, str, str]] = {
    "underfitting": (underfitting_table, "effective rank / predicted by shrinkage alone", "^rank(| predicted)$", ""),
    "classes": (classes_table, "effective rank overall / within classes", "^(rank|within classes)$", ""),
    "truncation": (
        truncation_table,
        "% of the accuracy above guessing that the strongest noise costs",
        "^lost .%",
        "",
    ),
    "capacity": (capacity_table, "effective rank", "^rank", ""),
    "objective": (objective_table, "effective rank", "^rank", ""),
    "noise": (noise_table, "points of accuracy gained at the highest noise", "^gained", ""),
    "estimators": (
        estimators_table,
        "effective rank of teacher / students, narrowest first",
        "^(teacher|student)",
        "all images",
    ),
    "crossmodal": (crossmodal_table, "zero-shot accuracy (%) at the lowest / highest noise", "^zero-shot", ""),
    "statistics": (statistics_table, "widest – narrowest student / 95 % interval", "^(difference|95|to$)", ""),
}


def _by_model(rows: pd.DataFrame) -> Row:
    """Cells of a table: mean ± standard deviation of each model."""
    return {title(str(model)): shown(own["value"]) for model, own in rows.groupby("model", sort=False)}


def _at_ends(rows: pd.DataFrame, label: str) -> Row:
    """Cells of a table: mean ± standard deviation at the lowest and at the highest noise level."""
    return {f"{label}, σ = {own['sigma'].iloc[0]:g}": shown(own["value"]) for own in ends(rows, "sigma") if len(own)}


def _under_noise(rows: pd.DataFrame) -> Row:
    """Cells of a table: accuracy at the lowest and highest noise level, and the loss between them."""
    accuracy = pick(rows, "accuracy")
    return _at_ends(accuracy, "accuracy (%)") | {"lost (points)": shown(noise_loss(accuracy)["value"])}


def _count(rows: pd.DataFrame) -> int | None:
    """The number of seeds; none where the only model is the teacher."""
    return rows["seed"].nunique() or None
