"""What the tables say: summaries for readers, and sentences whose every number and verb comes from the tables."""

from typing import Any

import pandas as pd

from asymdistill.config.names import TEACHER

Reading = dict[str, Any]
SHARE_COMPONENTS = 20  # the paper's Figure 1 speaks of the teacher's top 20


def collapse(spectrum: pd.DataFrame) -> Reading:
    """Chapter 1: whether the students lose rank, and whether width matters."""
    ranks = spectrum[spectrum["estimator"] == "per seed"].query("quantity == 'effective_rank'")
    dims = spectrum[spectrum["estimator"] == "per seed"].query("quantity == 'dims_for_90'")
    teacher = _only(ranks, TEACHER)
    students = ranks[ranks["model"] != TEACHER]
    narrow, wide = _ends(students)
    low, high = students["value"].min(), students["value"].max()
    mean = students["value"].mean()
    gap = wide["value"].mean() - narrow["value"].mean()
    images = int(spectrum["images"].iloc[0])
    text = (
        f"The teacher's effective rank is {teacher:.1f} and that of the {len(students)} students lies between "
        f"{low:.1f} and {high:.1f} (mean {mean:.1f}; {images:,} test images), {abs(100 * (1 - mean / teacher)):.0f} % "
        f"{'below' if mean < teacher else 'above'} the teacher's. "
    )
    if _name(narrow) != _name(wide):
        text += (
            f"From {_name(narrow)} to {_name(wide)} the mean over seeds changes by {gap:+.1f}; the ranges of their "
            f"seeds {'overlap' if _overlap(narrow['value'], wide['value']) else 'do not overlap'}."
        )
    return {
        "er_teacher": float(teacher),
        "er_student_min": float(low),
        "er_student_max": float(high),
        "er_mean": float(mean),
        "er_gap": float(gap),
        "dims90_teacher": float(_only(dims, TEACHER)),
        "dims90_student": _range(dims[dims["model"] != TEACHER]["value"]),
        "reading_collapse": text,
    }


def alignment(table: pd.DataFrame) -> Reading:
    """Chapter 2: whether the students' variance lies in the teacher's leading components, alike for all widths."""
    students = table[table["model"] != TEACHER]
    last = int(table["component"].max())
    leading = min(SHARE_COMPONENTS, last)
    shares = students[students["component"] == leading]["share"]
    teacher = _only(table[table["component"] == leading], TEACHER, "share")
    passed = students[students["share"] >= 0.9].groupby(["width", "seed"])["component"].min()
    text = (
        f"The teacher's leading {leading} of {last} components hold {shares.min():.3f} to {shares.max():.3f} of the "
        f"students' variance, and {teacher:.3f} of its own; the students pass 0.90 at {_range(passed)} components. "
    )
    narrow, wide = _ends(students)
    if _name(narrow) != _name(wide):
        curves = students.pivot_table(index="component", columns="width", values="share")
        distance = (curves.max(axis=1) - curves.min(axis=1)).max()
        text += f"The mean curves of the widths are at most {distance:.3f} apart."
    return {
        "share20_min": float(shares.min()),
        "share20_max": float(shares.max()),
        "reading_alignment": text,
    }


def information(table: pd.DataFrame) -> Reading:
    """Chapter 3: whether InfoNCE and uniformity improve with width."""
    students = table[table["model"] != TEACHER]
    sentences = []
    for quantity, name in (("info_nce", "InfoNCE loss"), ("uniformity", "uniformity loss")):
        means = students[students["quantity"] == quantity].groupby(["width", "model"])["value"].mean()
        listed = ", ".join(f"{value:.3f} ({model})" for (_, model), value in means.items())
        steps = means.diff().dropna()
        verb = "falls with every step in width" if (steps < 0).all() else "does not fall with every step in width"
        sentences.append(f"The mean {name} is {listed}" + (f": it {verb}." if len(steps) else "."))
    seeds = students["seed"].nunique()
    sentences.append(f"Each is a mean over {seeds} seed{'s' if seeds > 1 else ''}.")
    return {"reading_infonce": " ".join(sentences)}


def robustness(table: pd.DataFrame) -> Reading:
    """Chapter 4: who keeps its accuracy under noise, and whether the order of the widths inverts."""
    own = table[table["noise_space"] == table["noise_space"].iloc[0]]
    levels = sorted(own["sigma"].unique())
    means = own.groupby(["model", "sigma"])["accuracy"].mean()
    narrow, wide = _ends(own[own["model"] != TEACHER])
    names = [TEACHER, *dict.fromkeys([narrow["model"].iloc[0], wide["model"].iloc[0]])]
    falls = [f"{means[name, levels[0]]:.1f} to {means[name, levels[-1]]:.1f} % ({name})" for name in names]
    text = (
        f"From sigma = {levels[0]:g} to {levels[-1]:g} in {own['noise_space'].iloc[0]} space, the probe's accuracy "
        f"goes from {', '.join(falls)}."
    )
    if _name(narrow) != _name(wide):
        lead = wide.set_index(["sigma", "seed"])["accuracy"] - narrow.set_index(["sigma", "seed"])["accuracy"]
        leads = [f"{lead[sigma].mean():+.1f} at {sigma:g}" for sigma in levels]
        ahead = ", ".join(str(int((lead[sigma] > 0).sum())) for sigma in levels)
        text += (
            f" S{_name(wide)[1:]} leads {_name(narrow)} by, in points, {', '.join(leads)}; it is ahead for "
            f"{ahead} of {narrow['seed'].nunique()} seeds at these levels."
        )
    return {"acc_teacher_clean": float(means[TEACHER, levels[0]]), "reading_robustness": text}


def augmentation(table: pd.DataFrame) -> Reading:
    """Chapter 5: what augmentation changes, seed by seed."""
    if table.empty:
        return {"reading_augmentation": "No student was trained with augmentation."}
    own = table[table["noise_space"] == table["noise_space"].iloc[0]]
    accuracy = own.pivot_table(index=["sigma", "seed"], columns="augmented", values="accuracy")
    change = accuracy[True] - accuracy[False]
    sentences = []
    for sigma, values in change.groupby("sigma"):
        sentences.append(f"{values.mean():+.1f} points at sigma = {sigma:g} (seeds: {_range(values, 1, sign=True)})")
    ranks = own.groupby("augmented")["effective_rank"].mean()
    seeds = own["seed"].nunique()
    text = (
        f"Augmentation changes the accuracy of student {own['model'].iloc[0]} by {'; '.join(sentences)}. Its mean "
        f"effective rank is {ranks[True]:.1f} with and {ranks[False]:.1f} without ({seeds} seed{'s' * (seeds > 1)})."
    )
    return {"reading_augmentation": text}


def _only(table: pd.DataFrame, model: str, value: str = "value") -> float:
    return float(table.loc[table["model"] == model, value].iloc[0])


def _ends(students: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of the narrowest and of the widest student."""
    widths = students["width"]
    return students[widths == widths.min()], students[widths == widths.max()]


def _name(rows: pd.DataFrame) -> str:
    return f"student {rows['model'].iloc[0]}"


def _overlap(first: pd.Series, second: pd.Series) -> bool:
    return bool(first.min() <= second.max() and second.min() <= first.max())


def _range(values: pd.Series, digits: int = 0, *, sign: bool = False) -> str:
    low, high = (f"{value:{'+' if sign else ''}.{digits}f}" for value in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"
