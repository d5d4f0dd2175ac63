"""What the controls say: sentences whose every number and verb comes from a study's table of controls.

The controls of ranks are read in ``rank_readings``; here are those of robustness, of text and of statistics, and all
together. ``comparison`` says how ranges, paired changes and tests are written.
"""

from collections.abc import Callable

import pandas as pd

from asymdistill.plots import rank_readings
from asymdistill.plots.comparison import level, listed, p_value
from asymdistill.plots.rank_readings import Sentences
from asymdistill.plots.report import Reading
from asymdistill.plots.tables import MANY, ends, noise_loss, paired, paired_tests, pick, values_by, welch_from_paper

TITLES = {
    "underfitting": "Underfitting",
    "classes": "Class structure",
    "truncation": "Cause of fragility",
    "capacity": "Capacity and receptive field",
    "objective": "Objective",
    "noise": "Noise",
    "estimators": "Estimators",
    "crossmodal": "Across modalities",
    "statistics": "Statistics",
}
PAPER_COMPONENTS = 16  # where the ranks of the paper's students end
PAPER_SIGMA = 0.1  # where the order of its students inverts
REMEDIES = {
    "batch statistics re-estimated": "re-estimating the batch statistics", "trained with noise": "training with noise",
}  # fmt: skip
ABSENT = "This profile does not run this control."


def readings(controls: pd.DataFrame, *, epochs: int, images: int, published: pd.DataFrame) -> Reading:
    """What each control says, and a summary of all nine.

    Args:
        controls: a study's table of controls.
        epochs: passes over the images for which the profile trains.
        images: number of test images.
        published: the paper's accuracies, as ``claims.published("accuracy")`` has them.

    Returns:
        For each control ``reading_<control>``, a paragraph, and ``seen_<control>``, a sentence; and
        ``reading_controls``, all these sentences as a list in Markdown.
    """
    read: dict[str, Callable[[pd.DataFrame], Sentences]] = {
        "underfitting": lambda rows: rank_readings.underfitting(rows, epochs),
        "classes": rank_readings.classes,
        "truncation": _truncation,
        "capacity": rank_readings.capacity,
        "objective": rank_readings.objective,
        "noise": _noise,
        "estimators": rank_readings.estimators,
        "crossmodal": _crossmodal,
        "statistics": lambda rows: _statistics(rows, published),
    }
    found: Reading = {}
    for control, sentences in read.items():
        rows = pick(controls, control=control)
        text, seen = (ABSENT, ABSENT) if rows.empty else sentences(rows)
        counted = "" if rows.empty else f" All of this was measured on {images:,} test images."
        found |= {f"reading_{control}": text + counted, f"seen_{control}": seen}
    seen_in = [f"{n}. **{title}.** {found[f'seen_{name}']}" for n, (name, title) in enumerate(TITLES.items(), start=1)]
    return found | {"reading_controls": "\n".join(seen_in)}


def tests_for_readers(controls: pd.DataFrame) -> pd.DataFrame:
    """The paired tests of the ninth control as readers see them: one row a quantity and noise level."""
    tests = paired_tests(pick(controls, control="statistics"))
    names = [
        "effective rank" if pd.isna(sigma) else f"accuracy, σ = {sigma:g}"
        for sigma in tests["sigma"]
    ]  # fmt: skip
    shown = pd.DataFrame({"widest – narrowest": names})
    for name, column, digits in (
        *(("difference", "difference", 2), ("95 % from", "low", 2), ("to", "high", 2), ("t", "t", 2)),
        *(("p (t-test)", "p", 4), ("p (Wilcoxon)", "wilcoxon", 4)),
    ):
        shown[name] = [None if pd.isna(value) else f"{value:.{digits}f}" for value in tests[column]]
    return shown.assign(seeds=tests["seeds"])


def _truncation(rows: pd.DataFrame) -> Sentences:
    accuracy = pick(rows, "accuracy")
    loss, clean = noise_loss(accuracy), ends(accuracy, "sigma")[0]
    kept = min(pick(loss, variant="top")["x"], key=lambda count: abs(count - PAPER_COMPONENTS))
    cut = {variant: pick(loss, variant=variant, x=kept)["value"] for variant in ("top", "random", "bottom")}
    full, student = pick(loss, variant="full")["value"].mean(), pick(loss, variant="student")["value"]
    extra, brought = student.mean() - full, cut["top"].mean() - full
    if extra <= 0:
        verdict = "no more than the whole teacher, so there is no fragility of theirs to explain"
        shown = "which is no more than the whole teacher"
    elif brought <= extra / 3:
        verdict = shown = "while the cut teacher stays robust: a low rank does not bring their loss with it"
    elif brought >= 2 * extra / 3:
        verdict = shown = "and the cut teacher loses as much as they do"
    else:
        verdict = shown = "and the cut teacher lies between the whole one and them"
    rank = pick(rows, "effective_rank", variant="top", x=kept)["value"].mean()
    start = {variant: pick(clean, variant=variant, x=kept)["value"].mean() for variant in cut}
    whole = pick(clean, variant="full")["value"].mean()
    others = [f"{start[name]:.1f} % and {level(cut[name])} points for {name} ones" for name in ("random", "bottom")]
    text = (
        f"Cut to its top {kept:g} components, an effective rank of {rank:.1f}, the teacher begins at "
        f"{start['top']:.1f} % without noise and loses {cut['top'].mean():.1f} points up to sigma = "
        f"{accuracy['sigma'].max():g}; whole, it begins at {whole:.1f} % and loses {full:.1f}. The cut changes its "
        f"loss by {brought:+.1f} points. The students lose {level(student)}, {verdict}. With {kept:g} other "
        f"directions, the teacher's start and loss are {listed(others)}."
    )
    seen = (
        f"Under noise the whole teacher loses {full:.1f} points, its top {kept:g} components lose "
        f"{cut['top'].mean():.1f}, and the students {student.mean():.1f}, {shown}."
    )
    return text, seen


def _noise(rows: pd.DataFrame) -> Sentences:
    last = {str(variant): ends(own, "sigma")[1] for variant, own in rows.groupby("variant", sort=False)}
    loss, plain = values_by(pick(noise_loss(rows), variant="plain"), "model"), last["plain"]
    gains, short = [], []
    for variant, words in REMEDIES.items():
        gain = {model: paired(pick(plain, model=model), pick(last[variant], model=model)) for model in loss}
        share = {model: 100 * gain[model].mean() / lost.mean() for model, lost in loss.items() if lost.mean() > 0}
        changes = [
            f"{level(gain[model], sign=True)} points for {model}"
            + (f", or {share[model]:.0f} % of its loss" if model in share else "")
            for model in loss
        ]
        gains.append(f"{words} changes it by {listed(changes)}")
        short.append(f"{words} gives {listed([f'{gain[model].mean():+.1f} ({model})' for model in loss])}")
    at = f"At sigma = {plain['sigma'].max():g}"
    levels = [f"{level(values, 1, ' %')} for {model}" for model, values in values_by(plain, "model").items()]
    text = f"{at} the accuracy is {listed(levels)}. There, {'; '.join(gains)}."
    seen = f"{at}, in points of accuracy, {listed(short)}"
    narrow, wide = (part["model"].iloc[0] for part in ends(plain))
    lead, adapted, pixel = (
        paired(*ends(last[variant]), on=["seed"])
        for variant in ("plain", "batch statistics re-estimated", "pixel noise")
    )
    if narrow == wide:
        return text, f"{seen}."
    order = f"the order of {narrow} and {wide} {'turns round' if lead.mean() * adapted.mean() < 0 else 'stays'}"
    text += (
        f" There {wide} differs from {narrow} by {level(lead, sign=True)} points; with re-estimated statistics by "
        f"{level(adapted, sign=True)}, so that {order}; and under noise of {last['pixel noise']['sigma'].max():g} on "
        f"the pixels, by {level(pixel, sign=True)}."
    )
    return text, f"{seen}; with re-estimated statistics {order}."


def _crossmodal(rows: pd.DataFrame) -> Sentences:
    chance = pick(rows, "chance")["value"].mean()
    zero = pick(rows, "zero_shot")
    clean, noisy = (values_by(part, "variant") for part in ends(zero, "sigma"))
    cut = next(variant for variant in clean if variant.startswith("top"))
    student, above = clean["student"], int((clean["student"] > chance).sum())
    best = student.max()

    def compared(found: dict[str, pd.Series], unit: str, digits: int = 1) -> str:
        return (
            f"{level(found['full'], digits, unit)} for the teacher, {level(found[cut], digits, unit)} for its {cut} "
            f"components and {level(found['student'], digits, unit)} for the students"
        )

    text = (
        f"By class prompts, zero-shot accuracy without noise is {compared(clean, ' %')}; chance is {chance:.1f} %, and "
        f"{above} of {len(student)} students lie above it. At sigma = {zero['sigma'].max():g} it is "
        f"{compared(noisy, ' %')}. Cut, the teacher is "
        f"{'ahead of every student' if clean[cut].mean() > best else 'not ahead of every student'} on clean images."
    )
    found = ends(pick(rows, "retrieval_1"), "sigma")[0]
    if not found.empty:
        text += f" The own caption is the closest of all in {compared(values_by(found, 'variant'), ' %')}."
    gap = pick(rows, "modality_gap")
    if not gap.empty:
        text += f" The gap between the centres of images and texts is {compared(values_by(gap, 'variant'), '', 2)}."
    return text, f"Zero-shot accuracy is {compared(clean, ' %')}; chance is {chance:.1f} %."


def _statistics(rows: pd.DataFrame, published: pd.DataFrame) -> Sentences:
    theirs = welch_from_paper(published[~published["augmented"]], "S", "L", sigma=PAPER_SIGMA).iloc[0]
    paper = (
        f"The paper's own lead of S over L at sigma = {PAPER_SIGMA}, {theirs['difference']:.1f} points, has p = "
        f"{theirs['p']:.2f} by Welch's test from its printed means and spreads ({theirs['seeds']} seeds)"
    )
    tests = paired_tests(rows)
    narrow, wide = (part["model"].iloc[0] for part in ends(rows))
    if narrow == wide:
        return f"There is one width only, so nothing to compare. {paper}.", f"One width only. {paper}."
    if tests["p"].isna().all():
        return f"There is one seed only, so no test. {paper}.", f"One seed only. {paper}."
    said = []
    for test in tests.itertuples():
        name = "effective rank" if pd.isna(test.sigma) else f"accuracy at sigma = {test.sigma:g}"
        said.append(f"{test.difference:+.2f} in {name} ({test.low:+.2f} to {test.high:+.2f}, {p_value(test.p)})")
    clear = (tests["low"] > 0) | (tests["high"] < 0)
    strict = int((tests["p"] < 0.05 / len(tests)).sum())
    seeds = int(tests["seeds"].min())
    counted = f"{clear.sum()} of {len(tests)} intervals exclude zero"
    ranked = (
        f"; Wilcoxon's test has p < 0.05 for {int((tests['wilcoxon'] < 0.05).sum())}"
        if seeds >= MANY
        else f"; Wilcoxon's test cannot reach p < 0.05 with {seeds} seeds"
    )
    text = (
        f"Paired by seed ({seeds} seeds, 95 % intervals and p of the t-test), {wide} differs from {narrow} by "
        f"{listed(said)}. {counted}, {strict} of them with p below 0.05 / {len(tests)}, as so many tests ask "
        f"for{ranked}. {paper}."
    )
    near = (tests["sigma"] - PAPER_SIGMA).abs()
    shown = [said[0], *([] if near.isna().all() else [said[int(near.argmin())]])]
    return text, f"Over {seeds} seeds, {wide} differs from {narrow} by {listed(shown)}. {paper}."
