"""What the controls of ranks say: underfitting, class structure, capacity, objective, and the estimator itself.

Each function takes the rows of its control and returns a paragraph, and one sentence that says what was seen.
"""

import pandas as pd

from asymdistill.config.names import TEACHER
from asymdistill.plots.comparison import level, listed, moves
from asymdistill.plots.tables import ends, noise_loss, paired, pick, students_of, teacher_of, values_by

CENTRED = "variance, centred"
OTHERS = {"whitened": "whitened targets", "labels": "labels", "random": "no training"}
OBJECTIVES = {
    "cosine": "the cosine loss",
    "infonce": "the cosine loss and InfoNCE",
    "views": "the cosine loss and InfoNCE between views",
    "vicreg": "the cosine loss and VICReg's terms",
    "uniformity": "the cosine loss and uniformity",
    **OTHERS,
}
Sentences = tuple[str, str]


def underfitting(rows: pd.DataFrame, epochs: int) -> Sentences:
    """Whether what the students have not learned predicts their rank, and what longer training changes.

    It suffices where the prediction misses by at most half as much as the teacher's own rank would.

    Args:
        rows: of the control.
        epochs: passes over the images for which the profile trains.
    """
    ranks = pick(rows, "effective_rank", variant="test")
    teacher, measured = teacher_of(ranks)["value"].mean(), students_of(ranks)
    predicted = pick(rows, "shrinkage_rank", variant="test")
    miss = paired(measured, predicted).abs().mean()
    gap = (measured["value"] - teacher).abs().mean()
    enough = miss <= gap / 2
    held = paired(pick(students_of(rows), "effective_rank", variant="train"), measured)
    known = pick(rows, "r_squared", variant="test").groupby("x")["value"].mean()
    strong = known[known > 0.5]
    upto = f", the last of which is component {strong.index[-1]:g}" if len(strong) else ""
    text = (
        f"On test images, the students' mean R² is {known.iloc[0]:.2f} for the teacher's first component and above 0.5 "
        f"for {len(strong)} of {len(known)}{upto}. From R² per component alone, shrinkage predicts for the students an "
        f"effective rank of {level(predicted['value'])}. Measured is {level(measured['value'])}, and the teacher has "
        f"{teacher:.1f}. On average the prediction misses by {miss:.1f}, the teacher's own rank by {gap:.1f}: what the "
        f"students have not learned {'suffices' if enough else 'does not suffice'} to predict their rank. From "
        f"training to test images their rank {moves(held)}."
    )
    seen = (
        f"Shrinkage alone predicts a rank of {predicted['value'].mean():.1f} where {measured['value'].mean():.1f} is "
        f"measured and the teacher has {teacher:.1f}"
    )
    constant = pick(rows, "epoch_rank", variant="constant")
    early, late = ends(constant[constant["x"] >= epochs], "x")
    if early.empty or (last := int(late["x"].max())) == epochs:
        return text, f"{seen}."
    name, change = late["model"].iloc[0], paired(early, late)
    near, far = (abs(part["value"].mean() - teacher) for part in (early, late))
    distance = pick(rows, "epoch_distance", variant="constant")
    learned = paired(*ends(distance[distance["x"] >= epochs], "x"))
    text += (
        f" From epoch {epochs} to {last} at a constant rate, the test rank of student {name} {moves(change)} and ends "
        f"{'closer to' if far < near else 'no closer to'} the teacher's, at {late['value'].mean():.1f}; its cosine "
        f"distance to the teacher {moves(learned, 3)}. With the rate annealed the rank ends at "
        f"{level(pick(rows, 'epoch_rank', variant='cosine schedule', x=last)['value'])}."
    )
    return text, f"{seen}; from epoch {epochs} to {last} the rank of {name} {moves(change)}."


def classes(rows: pd.DataFrame) -> Sentences:
    """Whether the loss of rank lies between classes or within them, and whether rank follows their number."""
    teacher = {name: values.mean() for name, values in values_by(teacher_of(rows), "quantity").items()}
    student = values_by(students_of(rows), "quantity")
    whole, within = (100 * (1 - student[name].mean() / teacher[name]) for name in ("effective_rank", "within_rank"))
    if whole <= 0:
        verdict = "On the whole the students' rank is not below the teacher's: there is no loss to divide"
    elif within <= 0:
        verdict = "Within classes no rank is lost"
    elif within < whole / 2:
        verdict = "Within classes the loss is less than half of that on the whole"
    else:
        verdict = "The loss is found within classes too, where class means play no part"
    compared = f"{_below(within)} the teacher's within classes and {_below(whole)} it on the whole"
    text = (
        f"The class means have an effective rank of {teacher['means_rank']:.1f} for the teacher and "
        f"{level(student['means_rank'])} for the students. Between classes lie {100 * teacher['between_share']:.0f} % "
        f"of the teacher's variance and {level(100 * student['between_share'], 0, ' %')} of the students'. Within "
        f"classes the rank is {teacher['within_rank']:.1f} for the teacher and {level(student['within_rank'])} for the "
        f"students. The students' rank is {compared}. {verdict}."
    )
    sweep = pick(rows, "sweep_rank")
    least, most = ends(students_of(sweep), "x")
    if least.empty or least["x"].iloc[0] == most["x"].iloc[0]:
        return text, f"The students' rank is {compared}."
    name, change = most["model"].iloc[0], paired(least, most)
    own = paired(*ends(teacher_of(sweep), "x"), on=["model"])
    span = f"from {least['x'].iloc[0]:g} to {most['x'].iloc[0]:g} classes"
    text += (
        f" With as many images but {span}, the rank of student {name} {moves(change)}, and the teacher's {moves(own)}."
    )
    return text, (
        f"The students' rank is {compared}; {span} that of {name} {moves(change)}, and the teacher's {moves(own)}."
    )


def capacity(rows: pd.DataFrame) -> Sentences:
    """Which of size, input and receptive field goes with a change of rank and of what noise costs."""
    ranks, losses = pick(rows, "effective_rank"), noise_loss(pick(rows, "accuracy"))
    changes, said = {}, []
    for label, variants, unit in (
        ("size", ["width", "stated size"], "parameters"),
        ("input", ["input"], "pixels a side"),
        ("receptive field", ["receptive field"], "pixels"),
    ):
        own, fragile = pick(ranks, variant=variants), pick(losses, variant=variants)
        if own["x"].nunique() < 2:
            continue
        changes[label] = paired(*ends(own, "x"), on=["seed"])
        means = own.groupby("x")["value"].mean()
        steady = means.is_monotonic_increasing or means.is_monotonic_decreasing
        between = "" if steady else f", not steadily (its mean is greatest at {means.idxmax():,.0f})"
        said.append(
            f"{label.capitalize()}: from {own['x'].min():,.0f} to {own['x'].max():,.0f} {unit} the rank "
            f"{moves(changes[label])}{between}, and the loss under noise "
            f"{moves(paired(*ends(fragile, 'x'), on=['seed']), unit=' points')}."
        )
    if not changes:
        return ("Nothing was varied here.",) * 2
    most = max(changes, key=lambda label: abs(changes[label].mean()))
    seen = listed([f"{level(change, sign=True)} with {label}" for label, change in changes.items()])
    return (
        f"{' '.join(said)} The largest change of rank comes with the {most}.",
        f"From the least to the greatest, the rank changes by {seen}.",
    )


def objective(rows: pd.DataFrame) -> Sentences:
    """Whether the same network has another rank when it is trained for something else."""
    ranks, losses = pick(rows, "effective_rank"), noise_loss(pick(rows, "accuracy"))
    base = next(variant for variant in students_of(ranks)["variant"] if variant not in OTHERS)
    teacher, plain = teacher_of(ranks)["value"].mean(), pick(ranks, variant=base)
    found, losing = (values_by(students_of(table), "variant") for table in (ranks, losses))
    lost = {variant: losing[variant] for variant in found}
    higher = [
        OBJECTIVES[variant]
        for variant in ("whitened", "labels")
        if variant in found and (paired(plain, pick(ranks, variant=variant)) > 0).all()
    ]
    name = plain["model"].iloc[0]
    verdict = (
        f"With {listed(higher)} its rank is higher than with {OBJECTIVES[base]} for every seed: the network itself can "
        "spread its embeddings further"
        if higher
        else f"Neither whitened targets nor labels give it a higher rank than {OBJECTIVES[base]} for every seed"
    )
    text = (
        f"One network, student {name}, has a rank of "
        f"{listed([f'{level(values)} with {OBJECTIVES[variant]}' for variant, values in found.items()])}; the teacher "
        f"has {teacher:.1f}. {verdict}. From the cleanest to the noisiest level, a probe loses "
        f"{listed([f'{level(values)} points with {OBJECTIVES[variant]}' for variant, values in lost.items()])}, and "
        f"{teacher_of(losses)['value'].mean():.1f} for the teacher."
    )
    seen = listed([f"{values.mean():.1f} with {OBJECTIVES[variant]}" for variant, values in found.items()])
    return text, f"Student {name} has a rank of {seen}; the teacher has {teacher:.1f}."


def estimators(rows: pd.DataFrame) -> Sentences:
    """How far the rank depends on the number of images and on the estimator, and how it does on known truth."""
    ranks = pick(rows, "rank_by_sample")
    few, many = (part.groupby(["variant", "model"], sort=False)["value"].mean() for part in ends(ranks, "x"))
    models = list(dict.fromkeys(ranks["model"]))
    ways = list(dict.fromkeys(ranks["variant"]))
    first = [f"“{way}”" for way in ways if many[way].idxmax() == TEACHER]
    others = [f"“{way}”" for way in ways if many[way].idxmax() != TEACHER]
    highest = "The teacher's rank is the highest " + (
        f"by {listed(first)}{' but not by ' if others else ''}{listed(others)}"
        if first
        else "by none of the estimators"
    )
    values = "; ".join(
        f"{way}, {', '.join(f'{model} {rank:.1f}' for model, rank in many[way].items())}" for way in ways
    )
    span = f"from {ranks['x'].min():,.0f} to {ranks['x'].max():,.0f} images"
    reads = {model: f"from {few[CENTRED, model]:.1f} to {many[CENTRED, model]:.1f}" for model in models}
    text = (
        f"The rank (variance, centred) depends on the number of images: {span} it goes "
        f"{listed([f'{words} ({model})' for model, words in reads.items()])}, as means over {ranks['seed'].nunique()} "
        f"draws. {highest} ({values}). "
    )
    low, high = (students_of(pick(rows, f"bootstrap_{end}")) for end in ("low", "high"))
    text += f"A 95 % bootstrap interval over images is {level(paired(low, high), 2)} wide for the students"
    (low_narrow, low_wide), (high_narrow, high_wide) = ends(low), ends(high)
    if low_narrow["model"].iloc[0] != low_wide["model"].iloc[0]:
        apart = paired(high_narrow, low_wide, on=["seed"]).gt(0) | paired(high_wide, low_narrow, on=["seed"]).gt(0)
        text += (
            f"; the intervals of {low_narrow['model'].iloc[0]} and {low_wide['model'].iloc[0]} lie apart for "
            f"{apart.sum()} of {len(apart)} seeds"
        )
    return f"{text}.{_truth(rows)}", (f"The teacher's rank reads {reads[models[0]]} {span}. {highest}.")


def _truth(rows: pd.DataFrame) -> str:
    """What is known only where the images' factors are: the estimator's error, and what each factor explains."""
    truth = pick(rows, "truth", variant=CENTRED)
    if truth.empty:
        return ""
    known = pick(rows, "true_rank", variant=CENTRED)["value"].mean()
    few, many = (part["value"].mean() for part in ends(truth, "x"))
    shares = pick(rows, "factor_share")
    change = students_of(shares).groupby("variant")["value"].mean() - teacher_of(shares).set_index("variant")["value"]
    return (
        f" Embeddings made of known factors have a rank of {known:.1f}; it reads {few:.1f} and {many:.1f} at these two "
        f"numbers of images, {100 * (few / known - 1):+.1f} and {100 * (many / known - 1):+.1f} %. Of the images' "
        f"factors, the students' variance follows {change.idxmin()} least compared with the teacher's "
        f"({100 * change.min():+.1f} points of its share), and {change.idxmax()} most ({100 * change.max():+.1f})."
    )


def _below(percent: float) -> str:
    return f"{abs(percent):.0f} % {'below' if percent >= 0 else 'above'}"
