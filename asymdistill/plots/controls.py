"""Chapter 8: one figure per control.

Where a profile does not run a control, the figure says so; likewise a panel without numbers, such as caption retrieval
where images have no captions.
"""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from asymdistill.plots.control_tables import CENTRED, VARIED, by_target
from asymdistill.plots.derived import noise_loss, paired, paired_tests, percent
from asymdistill.plots.selection import ends, pick, students_of, teacher_of
from asymdistill.plots.style import (
    BLACK,
    GREY,
    HOLLOW,
    PUBLISHED,
    RANK,
    SMALL,
    at_chance,
    band,
    handle,
    legend_above,
    lines,
    model_handles,
    name_rows,
    noise_ticks,
    of_control,
    panels,
    plain_log_ticks,
    rank_axis,
    row_of_dots,
    say,
    style,
    title,
)
from asymdistill.runtime.markup import as_label

ACCURACY = "probe accuracy (%)"


@of_control("underfitting")
def underfitting(rows: pd.DataFrame, *, epochs: int) -> Figure:
    """R² per component, the rank it predicts against the measured rank, and the rank over the epochs.

    Args:
        rows: a study's table of controls.
        epochs: epochs for which the profile trains, marked by a vertical line.
    """
    figure, axes = panels([["r", "s"], ["e", "e"]], 4.5)
    lines(axes["r"], pick(rows, "r_squared", variant="test"), "x", "value")
    axes["r"].set(xscale="log", xlabel="teacher's component", ylabel="R² (test images)", ylim=(0, 1.03))
    plain_log_ticks(axes["r"], subs=(1,))
    measured, predicted = (pick(rows, name, variant="test") for name in ("effective_rank", "shrinkage_rank"))
    pairs = students_of(measured).merge(predicted, on=["model", "seed"])
    for model, (colour, marker) in style(pairs["model"]).items():
        own = pairs[pairs["model"] == model]
        axes["s"].plot(own["value_x"], own["value_y"], marker, color=colour, markersize=7, alpha=0.75)
    axes["s"].axline((0, 0), slope=1, color=GREY, linestyle=":")
    both = pairs[["value_x", "value_y"]].to_numpy()
    room = (both.min() - 0.5, both.max() + 0.5)
    axes["s"].set(xlabel="measured rank", ylabel="predicted rank", xlim=room, ylim=room)
    for variant, dashes in (("constant", "-"), ("cosine schedule", "--")):
        own = pick(rows, "epoch_rank", variant=variant)
        for colour, _ in style(own["model"]).values():
            label = {"constant": "constant rate", "cosine schedule": "annealed rate"}[variant]
            band(axes["e"], own, "x", "value", colour, linestyle=dashes, label=label)
    axes["e"].axvline(epochs, color=GREY, linestyle=":", label=f"this profile's {epochs} epochs")
    axes["e"].set(xlabel="epoch (number), narrowest student", ylabel="effective rank")
    axes["e"].xaxis.set_major_locator(MaxNLocator(integer=True))
    axes["e"].legend(loc="best")
    legend_above(figure, model_handles(pairs))
    return figure


@of_control("classes")
def classes(rows: pd.DataFrame) -> Figure:
    """Effective rank overall, within classes and of the class means; and against the number of classes."""
    figure, axes = panels([["d"], ["s"]], 4.5)
    parts = {"effective_rank": "all", "within_rank": "within classes", "means_rank": "class means"}
    for row, quantity in enumerate(parts):
        row_of_dots(axes["d"], pick(rows, quantity), row)
    name_rows(axes["d"], list(parts.values()))
    rank_axis(axes["d"])
    sweep = pick(rows, "sweep_rank")
    if sweep.empty:
        say(axes["s"], "the number of classes was not varied")
    else:
        lines(axes["s"], sweep, "x", "value", marks=True)
        axes["s"].set(xlabel="classes (number; equally many images)", ylabel="effective rank")
        axes["s"].set_xticks(sorted(sweep["x"].unique()))
    legend_above(figure, model_handles(rows))
    return figure


@of_control("truncation")
def truncation(rows: pd.DataFrame, *, chance: float | None) -> Figure:
    """Accuracy of the teacher cut to some of its directions and of the students, at the lowest and highest noise.

    Args:
        rows: a study's table of controls.
        chance: accuracy of guessing in percent; None where the number of classes is not known.
    """
    figure, axes = panels([["clean", "noisy"]], 4.0, sharex=True, sharey=True)
    accuracy = pick(rows, "accuracy")
    for axis, level in zip(axes.values(), ends(accuracy, "sigma"), strict=True):
        band(axis, pick(level, variant="top"), "x", "value", BLACK, marker="s", label="teacher, top k")
        for variant, marker, label in (("random", "D", "random k"), ("bottom", "v", "last k")):
            own = pick(level, variant=variant)
            axis.plot(own["x"], own["value"], marker, color=BLACK, **HOLLOW, label=label)
        axis.axhline(pick(level, variant="full")["value"].mean(), color=BLACK, linestyle="--", label="teacher, whole")
        for model, (colour, _) in style(pick(level, variant="student")["model"]).items():
            own = pick(level, variant="student", model=model)["value"]
            axis.axhline(own.mean(), color=colour, label=title(model))
            axis.axhspan(own.min(), own.max(), color=colour, alpha=0.15, linewidth=0)
        at_chance(axis, chance)
        axis.set(xscale="log", xlabel="components kept,\nk (number)", ylim=(0, 101))
        axis.set_title(f"σ = {level['sigma'].iloc[0]:g}")
        plain_log_ticks(axis, subs=(1, 3))
    axes["clean"].set_ylabel(ACCURACY)
    legend_above(figure, axes["clean"].get_legend_handles_labels()[0])
    return figure


@of_control("capacity")
def capacity(rows: pd.DataFrame) -> Figure:
    """Effective rank, and points of accuracy lost to noise, against size, input and receptive field."""
    layout = [[f"{row}{column}" for column in range(3)] for row in "rl"]
    figure, axes = panels(layout, 4.4)
    measures = {"r": pick(rows, "effective_rank"), "l": noise_loss(pick(rows, "accuracy"))}
    for column, (label, (variants, _, unit)) in enumerate(VARIED.items()):
        for row, table in measures.items():
            axis, own = axes[f"{row}{column}"], pick(table, variant=variants)
            own = own.assign(x=own["x"] * unit)
            axis.sharey(axes[f"{row}0"])
            axis.plot(own.groupby("x")["value"].mean(), color=GREY, linewidth=1, zorder=1)
            for model, (colour, marker) in style(own["model"]).items():
                points = own[own["model"] == model]
                axis.plot(points["x"], points["value"], marker, color=colour, alpha=0.75, label=title(model))
            axis.set_xscale("log")
            axis.set_xlabel(label.replace(" (", "\n(") if row == "l" else "")
            axis.tick_params(labelleft=column == 0, labelbottom=row == "l")
            axis.minorticks_off()
            axis.set_xlim(own["x"].min() / 1.3, own["x"].max() * 1.3)
            if column:
                axis.set_xticks(sorted(own["x"].unique()), [f"{x:g}" for x in sorted(own["x"].unique())])
            else:
                plain_log_ticks(axis)
    axes["r0"].set_ylabel("effective rank")
    axes["l0"].set_ylabel("lost to noise\n(points)")
    legend_above(figure, model_handles(students_of(rows)))
    return figure


@of_control("objective")
def objective(rows: pd.DataFrame) -> Figure:
    """Effective rank and accuracy of one network by what it was trained for, and those of the teacher."""
    figure, axes = panels([["r", "a"]], 3.4, sharey=True)
    found = by_target(rows)
    accuracy = pick(rows, "accuracy")
    for row, own in enumerate(found.values()):
        row_of_dots(axes["r"], pick(own, "effective_rank"), row)
        for level, look in zip(ends(pick(own, "accuracy"), "sigma"), ({}, HOLLOW), strict=True):
            row_of_dots(axes["a"], level, row, **look)
    name_rows(axes["r"], list(found))
    axes["r"].set(xlabel="effective rank\n(dimensions)")
    axes["a"].set(xlabel="probe accuracy\n(%)", xlim=(0, 101))
    low, high = (f"σ = {level['sigma'].iloc[0]:g}" for level in ends(accuracy, "sigma"))
    marks = [handle("0.3", "o", f"accuracy at {low}"), handle("0.3", "o", f"at {high}", hollow=True)]
    legend_above(figure, marks)
    return figure


@of_control("noise")
def noise(rows: pd.DataFrame, *, chance: float | None) -> Figure:
    """Accuracy under noise of the narrowest and the widest student, with two remedies, and under noise on pixels.

    Args:
        rows: a study's table of controls.
        chance: accuracy of guessing in percent; None where the number of classes is not known.
    """
    figure, axes = panels([["narrow", "wide"], ["p", "p"]], 4.6)
    dashes: dict[str, Any] = {"plain": "-", "batch statistics re-estimated": "--", "trained with noise": ":"}
    for name, own in zip(("narrow", "wide"), ends(rows), strict=True):
        model = own["model"].iloc[0]
        colour, marker = style([model])[model]
        for variant, dash in dashes.items():
            look = {"linestyle": dash, "marker": marker} | ({} if variant == "plain" else HOLLOW)
            band(axes[name], pick(own, variant=variant), "sigma", "value", colour, **look)
        axes[name].set(xlabel="noise, σ (normalised)", title=title(model))
    pixels = pick(rows, variant="pixel noise")
    lines(axes["p"], pixels, "sigma", "value", marks=True)
    axes["p"].set(xlabel="noise on the pixels, σ (range 0 to 1)", ylabel=ACCURACY)
    at_chance(axes["p"], chance)
    axes["wide"].sharey(axes["narrow"])
    for axis in axes.values():
        noise_ticks(axis, pixels["sigma"])
    axes["narrow"].set_ylabel(ACCURACY)
    axes["wide"].tick_params(labelleft=False)
    axes["p"].legend()
    legend_above(figure, [Line2D([], [], color=GREY, linestyle=dash, label=label) for label, dash in dashes.items()])
    return figure


@of_control("estimators")
def estimators(rows: pd.DataFrame) -> Figure:
    """Rank against the number of images, its error on known ranks, bootstrap intervals, and shares of factors."""
    figure, axes = panels([["n", "t"], ["b", "f"]], 4.9)
    lines(axes["n"], pick(rows, "rank_by_sample", variant=CENTRED), "x", "value", marks=True)
    truth = pick(rows, "truth").merge(pick(rows, "true_rank")[["variant", "value"]], on="variant")
    for variant, dash in ((CENTRED, "-"), ("amplitude, centred", "--"), ("variance, not centred", ":")):
        own = truth[truth["variant"] == variant]
        share = own.assign(share=100 * own["value_x"] / own["value_y"])
        band(axes["t"], share, "x", "share", GREY, linestyle=dash, label=variant)
    axes["t"].axhline(100, color=BLACK, linewidth=1)
    counts = sorted(pick(rows, "rank_by_sample")["x"].unique())[::-2]  # all labels would overlap
    for name, label in {"n": "effective rank", "t": "of the true rank (%)"}.items():
        axes[name].set(xscale="log", xlabel="images (number)", ylabel=label)
        axes[name].set_xticks(counts, [f"{count:g}" for count in counts])
        axes[name].minorticks_off()
    low, high, rank = (students_of(pick(rows, name)) for name in ("bootstrap_low", "bootstrap_high", "effective_rank"))
    intervals = rank.merge(low, on=["model", "seed"]).merge(high, on=["model", "seed"], suffixes=("", "_high"))
    looks = style(intervals["model"])
    for row, own in enumerate(intervals.itertuples()):
        colour, marker = looks[own.model]
        axes["b"].hlines(row, own.value_y, own.value, color=colour)
        axes["b"].plot([own.value_x], [row], marker, color=colour, markersize=5)
    axes["b"].set(xlabel="rank, 95 % interval", ylabel="students and seeds", yticks=[])
    axes["b"].invert_yaxis()
    shares = percent(rows, "factor_share")
    if truth.empty or shares.empty:
        for name in "tf":
            say(axes[name], "the images' factors\nare not known")
    else:
        axes["t"].legend(fontsize=SMALL)
        order = teacher_of(shares).sort_values("value", ascending=False)["variant"].tolist()
        for row, factor in enumerate(order):
            row_of_dots(axes["f"], pick(shares, variant=factor), row, markersize=5)
        name_rows(axes["f"], order, fontsize=SMALL)
        axes["f"].set(xlabel="share of variance (%)")
    legend_above(figure, model_handles(rows.dropna(subset="model")))
    return figure


@of_control("crossmodal")
def crossmodal(rows: pd.DataFrame) -> Figure:
    """Zero-shot accuracy and caption retrieval under noise, and the gap between images and texts."""
    figure, axes = panels([["z", "c"], ["g", "g"]], 4.5, height_ratios=[1.6, 1])
    cut = next(variant for variant in rows["variant"].dropna().unique() if variant.startswith("top"))
    for name, quantity, label in (
        ("z", "zero_shot", "zero-shot (%)"), ("c", "retrieval_1", "own caption first (%)"),
    ):  # fmt: skip
        own = pick(rows, quantity)
        if own.empty:
            say(axes[name], "the images have no captions")
            continue
        lines(axes[name], own[own["variant"] != cut], "sigma", "value", marks=True)
        band(axes[name], pick(own, variant=cut), "sigma", "value", BLACK, linestyle="--", marker="s", **HOLLOW)
        axes[name].set(xlabel="noise, σ (normalised)", ylabel=label)
        noise_ticks(axes[name], own["sigma"])
        axes[name].set_ylim(0, 103)
    chance = pick(rows, "chance")
    at_chance(axes["z"], chance["value"].mean())
    axes["z"].set_title(f"texts of {as_label(', '.join(chance['variant']))}", loc="left", fontsize=SMALL)
    gap = pick(rows, "modality_gap")
    names = {"full": "teacher", cut: f"its {cut}", "student": "students"}
    for row, variant in enumerate(names):
        row_of_dots(axes["g"], pick(gap, variant=variant), row, **(HOLLOW if variant == cut else {}))
    name_rows(axes["g"], list(names.values()))
    axes["g"].set(xlabel="distance between centres of images and texts (0 to 2)")
    legend_above(figure, [*model_handles(pick(rows, "zero_shot")), handle(BLACK, "s", f"its {cut}", hollow=True)], 5)
    return figure


@of_control("statistics")
def statistics(rows: pd.DataFrame, *, published: pd.DataFrame) -> Figure:
    """Differences between the widest and the narrowest student: each seed, the mean, and its 95 % interval.

    Args:
        rows: a study's table of controls.
        published: the paper's accuracies, as ``claims.published("accuracy")`` has them.
    """
    figure, axes = panels([["effective_rank"], ["accuracy"]], 4.2, height_ratios=[1, 3])
    narrow, wide = (part["model"].iloc[0] for part in ends(rows))
    tests = paired_tests(rows)
    paper = published[~published["augmented"]].pivot_table(index="sigma", columns="model", values="value")
    units = {"effective_rank": RANK, "accuracy": "probe accuracy (points)"}
    for quantity, unit in units.items():
        axis, own = axes[quantity], tests[tests["quantity"] == quantity]
        for row, test in enumerate(own.itertuples()):
            at = pick(rows, quantity) if pd.isna(test.sigma) else pick(rows, quantity, sigma=test.sigma)
            change = paired(*ends(at), on=["seed"])
            axis.plot(change, [row] * len(change), "o", color=GREY, alpha=0.4, markersize=5)
            axis.hlines(row, test.low, test.high, color=BLACK, linewidth=2)
            axis.plot([test.difference], [row], "D", color=BLACK, markersize=7)
            if quantity == "accuracy" and {narrow, wide} <= set(paper.columns) and test.sigma in paper.index:
                theirs = paper.loc[test.sigma, wide] - paper.loc[test.sigma, narrow]
                axis.plot([theirs], [row], "o", markeredgecolor=GREY, **PUBLISHED)
        axis.axvline(0, color=GREY, linewidth=1)
        name_rows(axis, ["rank"] if quantity == "effective_rank" else [f"σ = {sigma:g}" for sigma in own["sigma"]])
        axis.set(xlabel=f"{wide} – {narrow}: {unit}")
    marks = [handle(GREY, "o", "one seed"), handle(BLACK, "D", "mean, 95 % interval")]
    legend_above(figure, [*marks, handle(GREY, "o", "paper", hollow=True)])
    return figure
