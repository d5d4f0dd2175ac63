"""Selecting, comparing and summarising the rows of a study's tables.

A change is taken between two students that share model and seed, or only the seed where widths are compared.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from asymdistill.config.names import OBJECTIVES, PAPER, SHORT_NAMES, TEACHER

MINUS = "\N{MINUS SIGN}"
MANY = 6  # pairs from which on Wilcoxon's signed-rank test can give p < 0.05
IN_WORDS = {"sigma": "σ", "embedding_dim": "dimensions", "noise_space": "noise"}  # columns that tables show as they are
Runs = Mapping[str, pd.DataFrame]
"""A table of each of several runs, by the name that the run has in tables and figures, the book's own last."""
STUDENT = ["model", "seed"]  # what a student shares with that of another objective


def pick(rows: pd.DataFrame, quantity: str | list[str] | None = None, **equal: Any) -> pd.DataFrame:
    """Rows of one quantity with these values in these columns.

    Args:
        rows: rows of a study's table.
        quantity: None for all.
        equal: for each column a value, or a list of allowed values.
    """
    if quantity is not None:
        equal = {"quantity": quantity, **equal}
    for column, value in equal.items():
        rows = rows[rows[column].isin(value if isinstance(value, list) else [value])]
    return rows


def teacher_of(rows: pd.DataFrame) -> pd.DataFrame:
    """The teacher's rows."""
    return rows[rows["model"] == TEACHER]


def students_of(rows: pd.DataFrame) -> pd.DataFrame:
    """The students' rows."""
    return rows[rows["width"].notna()]


def ends(rows: pd.DataFrame, column: str = "width") -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows where a column is smallest and where it is largest; by default, the narrowest and the widest student."""
    return rows[rows[column] == rows[column].min()], rows[rows[column] == rows[column].max()]


def clean(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows without noise: those of the lowest noise level, and those that have no noise level."""
    return rows[rows["sigma"].isna() | (rows["sigma"] == rows["sigma"].min())]


def percent(table: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """Rows of a quantity that is a share, in percent."""
    own = pick(table, quantity)
    return own.assign(value=100 * own["value"])


def objectives(table: pd.DataFrame) -> list[str]:
    """The objectives that a table's students were trained for, in its order."""
    return list(dict.fromkeys(table["objective"].dropna()))


def two(table: pd.DataFrame) -> Sequence[str]:
    """The first objective and the second, if there is one."""
    return objectives(table)[:2]


def by_objective(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Rows of the narrowest student for each objective that it was trained for."""
    narrow = ends(students_of(pick(table, comparison=["gains", "alternatives"])))[0]
    return {kind: pick(narrow, objective=kind) for kind in OBJECTIVES if kind in set(narrow["objective"])}


def cells(generality: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    """Rows by data set and teacher, under names short enough for a figure."""
    return {
        (short_name(str(dataset)), short_name(str(teacher))): own
        for (dataset, teacher), own in generality.groupby(["dataset", "teacher"], sort=False)
    }


def short_name(name: str) -> str:
    """A data set or teacher without library, folder or training tag; a teacher from a file goes by the file's name."""
    if name.endswith(")"):
        name = name.rpartition("(")[2]
    plain = name.partition(":")[2].split("/")[0] if ":" in name else name.rstrip("/").split("/")[-1]
    return SHORT_NAMES.get(plain := plain.split(".")[0], plain)


def noise_loss(accuracy: pd.DataFrame) -> pd.DataFrame:
    """Accuracy lost from the lowest to the highest noise level, in points: one row per model and variant."""
    keys = [column for column in accuracy.columns if column not in ("sigma", "value")]
    levels = accuracy.sort_values("sigma", kind="stable").groupby(keys, dropna=False, sort=False)["value"]
    return (levels.first() - levels.last()).reset_index()


def ratios(gains: pd.DataFrame) -> pd.DataFrame:
    """Effective rank with the second objective divided by that with the first, student by student.

    Args:
        gains: rows of the comparison ``gains`` in a study's table of expansion.

    Returns:
        Columns model, seed and value: one row per width and seed.
    """
    first, second = (pick(gains, "effective_rank", objective=kind).set_index(STUDENT)["value"] for kind in two(gains))
    return (second / first).reset_index()


def per_objective(own: pd.DataFrame, kinds: Sequence[str], digits: int = 1) -> dict[str, object]:
    """Cells of a table: mean ± standard deviation for each objective, under its name."""
    return {OBJECTIVES[kind]: shown(pick(own, objective=kind)["value"], digits) for kind in kinds}


def paired(before: pd.DataFrame, after: pd.DataFrame, on: Sequence[str] = ("model", "seed")) -> pd.Series:
    """Differences, after - before, of the rows that share the columns ``on``; empty if there are none."""
    one, two = (rows.set_index(list(on))["value"] for rows in (before, after))
    shared = one.index.intersection(two.index)
    return two[shared] - one[shared]


def paired_tests(rows: pd.DataFrame) -> pd.DataFrame:
    """Tests of the widest against the narrowest student, paired by seed, for each quantity and noise level.

    Args:
        rows: those of the control ``statistics``.

    Returns:
        Columns quantity, sigma, difference (mean of widest - narrowest), low and high (its 95 % confidence interval
        from Student's t), t and p (two-sided paired t-test), wilcoxon (p of the signed-rank test; NaN below six pairs,
        where it cannot reach 0.05), seeds. With a single pair there are differences only.
    """
    import scipy.stats

    made = []
    for (quantity, sigma), own in rows.groupby(["quantity", "sigma"], dropna=False, sort=False):
        change = paired(*ends(own), on=["seed"])
        found = {"quantity": quantity, "sigma": sigma, "difference": change.mean(), "seeds": len(change)}
        if len(change) > 1:
            test = scipy.stats.ttest_1samp(change.to_numpy(float), 0)
            low, high = test.confidence_interval(0.95)
            found |= {"low": low, "high": high, "t": test.statistic, "p": test.pvalue}
        if len(change) >= MANY and change.any():
            found["wilcoxon"] = scipy.stats.wilcoxon(change.to_numpy(float)).pvalue
        made.append(found)
    columns = ["quantity", "sigma", "difference", "low", "high", "t", "p", "wilcoxon", "seeds"]
    return pd.DataFrame(made, columns=columns).astype(dict.fromkeys(columns[1:-1], float))


def mean_and_spread(table: pd.DataFrame, by: list[str], value: str = "value") -> pd.DataFrame:
    """Mean, standard deviation (ddof = 0, as in the paper) and number of seeds, in the order of the table."""
    grouped = table.groupby(by, sort=False, dropna=False)[value]
    return grouped.agg(mean="mean", spread=lambda values: values.std(ddof=0), seeds="size").reset_index()


def beside_paper(runs: Runs, published: pd.DataFrame, by: list[str], value: str, digits: int) -> pd.DataFrame:
    """The paper's numbers beside those of runs.

    Where a run has several widths, its last rows are the widest minus the narrowest student: of a run paired by seed,
    of the paper the difference of its means.

    Args:
        runs: a table of each run, one row per seed, by the name that the run has in columns.
        published: the paper's values, with the columns of ``by``.
        by: columns that identify a row of the result, the first being ``model``.
        value: the measured column.
        digits: decimals shown.

    Returns:
        Columns ``by``, ``paper``, one per run (mean ± standard deviation over seeds), and ``seeds``: their number, for
        each run if the numbers differ. Rows are those of the last run, then any that only others have.
    """
    theirs, found = published[[*by, "value", "spread"]], {}
    for name, table in runs.items():
        pair = _narrowest_and_widest(table)
        if pair is not None:
            table = pd.concat([table, _difference(table, *pair[::-1], ["seed", *by[1:]], value)])
            without = theirs.assign(spread=float("nan"))
            theirs = pd.concat([theirs, _difference(without, *pair[::-1], [*by[1:], "spread"], "value")])
        found[name] = mean_and_spread(table, by, value).set_index(by)
    theirs = theirs.drop_duplicates(by).set_index(by)
    rows = pd.concat([measured[[]] for measured in reversed(found.values())])
    rows = rows[~rows.index.duplicated()]
    theirs = theirs.reindex(rows.index)
    cells = {PAPER: [number(v, s, digits) for v, s in zip(theirs["value"], theirs["spread"], strict=True)]}
    cells |= {name: _numbers(measured.reindex(rows.index), digits) for name, measured in found.items()}
    counts = pd.DataFrame({name: measured["seeds"].reindex(rows.index) for name, measured in found.items()})
    cells["seeds"] = [
        " / ".join(dict.fromkeys(f"{count:.0f}" for count in row.dropna())) for _, row in counts.iterrows()
    ]
    return pd.DataFrame(cells, index=rows.index).reset_index()


def _narrowest_and_widest(table: pd.DataFrame) -> tuple[str, str] | None:
    """The names of the narrowest and the widest student; None where there is a single width."""
    students = students_of(table).sort_values("width", kind="stable")["model"].astype(str).tolist()
    return (students[0], students[-1]) if len(set(students)) > 1 else None


def _difference(rows: pd.DataFrame, first: str, second: str, on: list[str], value: str) -> pd.DataFrame:
    """Rows of one model minus those of another that share the columns ``on``."""
    columns = ["model", *on, value]
    both = pick(rows, model=first)[columns].merge(pick(rows, model=second)[columns], on=on)
    change = both[f"{value}_x"] - both[f"{value}_y"]
    return both[on].assign(**{"model": f"{first} − {second}", value: change})


def merge_measures(parts: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Several tables of ``beside_paper``, by their names, as one: one row per model, for each table its columns."""
    tables = {name: part.set_index("model") for name, part in parts.items()}
    named = [table.drop(columns="seeds").add_prefix(f"{name}: ") for name, table in tables.items()]
    return pd.concat([*named, next(iter(tables.values()))["seeds"]], axis=1).reset_index()


def variance_shares(singular_values: pd.DataFrame) -> pd.DataFrame:
    """Singular values with a further column ``share``: of its model's variance that each component holds."""
    squared = singular_values["value"] ** 2
    keys = [singular_values[name].astype("string") for name in ("model", "objective", "seed")]
    return singular_values.assign(share=squared / squared.groupby(keys, dropna=False).transform("sum"))


def with_control(controls: Runs, name: str) -> dict[str, pd.DataFrame]:
    """The rows of one control, of the runs that have any."""
    return {run: rows for run, table in controls.items() if len(rows := pick(table, control=name))}


def options_of(run: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of one run: a mapping has values by names of runs, and None for others; anything else is for all."""
    return {name: value.get(run) if isinstance(value, Mapping) else value for name, value in options.items()}


def of_each(runs: Runs, make: Callable[..., pd.DataFrame], **options: Any) -> pd.DataFrame:
    """A table that is made of each run, one below the other, under the runs' names in a first column.

    Args:
        runs: a table of each.
        make: makes the table from it.
        options: further arguments of ``make``, see ``options_of``.
    """
    made = [make(table, **options_of(name, options)) for name, table in runs.items()]
    for name, own in zip(runs, made, strict=True):
        own.insert(0, "from", name)
    return pd.concat(made, ignore_index=True)


def measures(
    table: pd.DataFrame, wanted: list[Any], *, column: str = "quantity", value: str = "value", digits: int = 3
) -> pd.DataFrame:
    """One row per model and one column for each wanted value of ``column``: mean ± standard deviation over seeds."""
    means = mean_and_spread(table[table[column].isin(wanted)], ["model", column], value)
    means["shown"] = _numbers(means, digits)
    return wide(means, index="model", columns=column)


def wide(shown: pd.DataFrame, *, index: str, columns: str) -> pd.DataFrame:
    """The column ``shown`` spread out: one row per entry of ``index``, one column per entry of ``columns``."""
    made = shown.pivot_table(index=index, columns=columns, values="shown", aggfunc="first", sort=False)
    return made.reset_index().rename_axis(columns=None)


def number(value: float, spread: float | None, digits: int) -> str:
    """A value as tables show it, ± its spread if it has one, or a dash if there is none."""
    if pd.isna(value):
        return "–"
    after = "" if spread is None or pd.isna(spread) else f" ± {spread:.{digits}f}"
    return f"{value:.{digits}f}".replace("-", MINUS) + after


def _numbers(means: pd.DataFrame, digits: int) -> list[str]:
    """Means ± spreads; a single seed has no spread."""
    rows = zip(means["mean"], means["spread"], means["seeds"], strict=True)
    return [number(mean, spread if seeds > 1 else None, digits) for mean, spread, seeds in rows]


def shown(values: pd.Series, digits: int = 1) -> str:
    """Mean ± standard deviation (ddof = 0) of some values; a single value alone, a dash for none."""
    return number(values.mean(), values.std(ddof=0) if len(values) > 1 else None, digits)


def span(values: pd.Series, digits: int = 1) -> str:
    """The range of some values, smallest to largest; a dash for none."""
    if values.empty:
        return "–"
    return f"{number(values.min(), None, digits)} to {number(values.max(), None, digits)}"


def dashed(table: pd.DataFrame) -> pd.DataFrame:
    """The table with a dash where there is nothing."""
    whole = table.convert_dtypes()  # a column of counts with a gap is one of floats
    return whole.astype(object).where(table.notna(), "–")


def for_readers(table: pd.DataFrame) -> pd.DataFrame:
    """A table as it is shown: readers' names, the first column in place of row numbers, a dash where nothing is."""
    shown = dashed(table).rename(columns=IN_WORDS)
    first = shown.columns[0]
    return shown.set_index(first).rename_axis(index=None, columns=first)


def models(table: pd.DataFrame) -> pd.DataFrame:
    """The models of a study as a table for readers: width, number of parameters, dimensions of the embeddings."""
    shown = table[["model", "width", "parameters", "embedding_dim"]]
    return for_readers(shown.assign(parameters=[f"{count:,}" for count in table["parameters"]]))


def with_objective(table: pd.DataFrame) -> pd.DataFrame:
    """The table, with the objective in a model's name unless it is the cosine distance alone."""
    plain = table["objective"].isna() | (table["objective"] == "cosine")
    return table.assign(model=table["model"].where(plain, table["model"] + " " + table["objective"].astype("string")))


def summary(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The two tables that a run ends with, under their captions: effective ranks, and accuracies under noise."""
    spectrum, robustness = with_objective(tables["spectrum"]), with_objective(tables["robustness"])
    per_seed = pick(spectrum, estimator="per seed")
    accuracies = []
    for space, own in robustness.groupby("noise_space", sort=False):
        shown = measures(own, list(own["sigma"].unique()), column="sigma", value="accuracy", digits=1)
        shown.insert(1, "space", space)
        accuracies.append(shown)
    return {
        "Spectrum of the test embeddings (mean ± standard deviation over seeds)": measures(
            per_seed, list(spectrum["quantity"].unique()), digits=2
        ),
        "Probe accuracy in %, by standard deviation of the noise": pd.concat(accuracies),
    }
