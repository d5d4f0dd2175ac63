"""What the tables say: summaries for readers, and sentences whose every number and verb comes from the tables."""

from typing import Any

import pandas as pd

from asymdistill.claims.facts import welch
from asymdistill.config.names import TEACHER

Reading = dict[str, Any]
SHARE_COMPONENTS = 20  # the paper's Figure 1 speaks of the teacher's top 20


def mean_and_spread(table: pd.DataFrame, by: list[str], value: str = "value") -> pd.DataFrame:
    """Mean, standard deviation (ddof = 0, as in the paper) and number of seeds, in the order of the table."""
    grouped = table.groupby(by, sort=False, dropna=False)[value]
    return grouped.agg(mean="mean", spread=lambda values: values.std(ddof=0), seeds="size").reset_index()


def beside_paper(table: pd.DataFrame, published: pd.DataFrame, by: list[str], value: str, digits: int) -> pd.DataFrame:
    """The paper's numbers beside this run's.

    Args:
        table: a study's table, one row a seed.
        published: the paper's values, with the columns of ``by``.
        by: columns that make a row of the answer, the first being ``model``.
        value: the measured column.
        digits: decimals shown.

    Returns:
        Columns ``by``, ``paper`` and ``this run`` (mean ± standard deviation over seeds) and ``seeds``.
    """
    measured = mean_and_spread(table, by, value)
    theirs = published[[*by, "value", "spread"]].rename(columns={"value": "paper", "spread": "paper_spread"})
    joined = measured.merge(theirs, how="left", on=by)
    shown = joined[by].copy()
    shown["paper"] = [_number(v, s, digits) for v, s in zip(joined["paper"], joined["paper_spread"], strict=True)]
    shown["this run"] = [_number(m, s if n > 1 else None, digits) for m, s, n in _triples(joined)]
    shown["seeds"] = joined["seeds"]
    return shown


def for_readers(table: pd.DataFrame) -> pd.DataFrame:
    """A table as it is shown: the first column in place of row numbers, a dash where there is nothing."""
    shown = table.astype(object).where(table.notna(), "–")
    first = shown.columns[0]
    return shown.set_index(first).rename_axis(index=None, columns=first)


def summary(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The two tables that a run ends with: effective ranks, and accuracies under noise."""
    spectrum, robustness = with_objective(tables["spectrum"]), with_objective(tables["robustness"])
    accuracies = [
        measures(own, list(own["sigma"].unique()), column="sigma", value="accuracy", digits=1).assign(space=space)
        for space, own in robustness.groupby("noise_space", sort=False)
    ]
    accuracy = pd.concat(accuracies)
    return {
        "Spectrum of the test embeddings (mean ± standard deviation over seeds)": measures(
            _per_seed(spectrum), list(spectrum["quantity"].unique()), digits=2
        ),
        "Probe accuracy in %, by standard deviation of the noise": accuracy[
            ["model", "space", *accuracy.columns.drop(["model", "space"])]
        ],
    }


def with_objective(table: pd.DataFrame) -> pd.DataFrame:
    """A table whose models' names say what they were trained for, where it is more than the cosine distance."""
    plain = table["objective"].isna() | (table["objective"] == "cosine")
    return table.assign(model=table["model"].where(plain, table["model"] + " " + table["objective"].astype("string")))


def estimators(spectrum: pd.DataFrame) -> pd.DataFrame:
    """Effective rank by estimator, one row each and one column a model."""
    table = spectrum[spectrum["quantity"].isin(["effective_rank", "effective_rank_amplitude"])]
    means = table.groupby(["model", "quantity", "estimator"], sort=False)["value"].mean().reset_index()
    spectra = means["quantity"].map({"effective_rank": "variance", "effective_rank_amplitude": "amplitude"})
    averages = means["estimator"].map({"per seed": "mean of the ranks", "mean spectrum": "rank of the mean spectrum"})
    means["estimator"] = spectra + ": " + averages
    means["shown"] = [_number(value, None, 2) for value in means["value"]]
    wide = means.pivot_table(index="estimator", columns="model", values="shown", aggfunc="first", sort=False)
    return wide.reset_index().rename_axis(columns=None)


def alignment_table(table: pd.DataFrame) -> pd.DataFrame:
    """Cumulative share at a few numbers of components, mean ± standard deviation over seeds."""
    last = int(table["component"].max())
    wanted = [k for k in (1, 2, 5, 10, SHARE_COMPONENTS, 50, 100, 200) if k < last]
    return measures(table[table["component"].isin(wanted)], wanted, column="component", value="share", digits=3)


def measures(
    table: pd.DataFrame, wanted: list[Any], *, column: str = "quantity", value: str = "value", digits: int = 3
) -> pd.DataFrame:
    """One row a model and one column for each wanted value of ``column``: mean ± standard deviation over seeds."""
    means = mean_and_spread(table[table[column].isin(wanted)], ["model", column], value)
    means["shown"] = [_number(m, s if n > 1 else None, digits) for m, s, n in _triples(means)]
    return _wide(means, column)


def welch_from_paper(published: pd.DataFrame, first: str, second: str, *, sigma: float) -> pd.DataFrame:
    """Welch's t-test between two students from the paper's own means and spreads, as ``facts.welch`` has it."""
    test = welch(published, first, second, sigma=sigma)
    row = {
        "students": f"{first} – {second}",
        "sigma": sigma,
        "difference": round(test.difference, 2),
        "t": round(test.t, 2),
        "p": round(test.p, 2),
        "seeds": " and ".join(f"{count:.0f}" for count in test.seeds),
    }
    return pd.DataFrame([row])


def collapse(spectrum: pd.DataFrame) -> Reading:
    """Chapter 1: whether the students lose rank, and whether width matters."""
    ranks = _per_seed(spectrum).query("quantity == 'effective_rank'")
    dims = _per_seed(spectrum).query("quantity == 'dims_for_90'")
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


def _per_seed(spectrum: pd.DataFrame) -> pd.DataFrame:
    return spectrum[spectrum["estimator"] == "per seed"]


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


def _number(value: float, spread: float | None, digits: int) -> str:
    if pd.isna(value):
        return "–"
    return f"{value:.{digits}f}" + ("" if spread is None or pd.isna(spread) else f" ± {spread:.{digits}f}")


def _triples(table: pd.DataFrame) -> Any:
    return zip(table["mean"], table["spread"], table["seeds"], strict=True)


def _wide(table: pd.DataFrame, column: str) -> pd.DataFrame:
    wide = table.pivot_table(index="model", columns=column, values="shown", aggfunc="first", sort=False)
    return wide.reset_index().rename_axis(columns=None)
