"""Tables for readers: numbers as they are written, runs beside the paper, and readers' names."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from asymdistill.claims.ledger import published
from asymdistill.config.names import OBJECTIVES, PAPER
from asymdistill.plots.derived import mean_and_spread
from asymdistill.plots.runs import Runs
from asymdistill.plots.selection import pick, students_of

NOTHING = "–"  # in place of a number that is not there
MINUS = "\N{MINUS SIGN}"
IN_WORDS = {"sigma": "σ", "embedding_dim": "dimensions", "noise_space": "noise"}  # columns that tables show as they are


def number(value: float, spread: float | None, digits: int) -> str:
    """A value as tables show it, ± its spread if it has one, or a dash if there is none."""
    if pd.isna(value):
        return NOTHING
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
        return NOTHING
    return f"{number(values.min(), None, digits)} to {number(values.max(), None, digits)}"


def per_objective(own: pd.DataFrame, kinds: Sequence[str], digits: int = 1) -> dict[str, object]:
    """Cells of a table: mean ± standard deviation for each objective, under its name."""
    return {OBJECTIVES[kind]: shown(pick(own, objective=kind)["value"], digits) for kind in kinds}


def dashed(table: pd.DataFrame) -> pd.DataFrame:
    """The table with a dash where there is nothing."""
    whole = table.convert_dtypes()  # a column of counts with a gap is one of floats
    return whole.astype(object).where(table.notna(), NOTHING)


class Whole(pd.DataFrame):  # type: ignore[misc]  # pandas has no types
    """A table that a notebook shows whole: of others, pandas leaves out rows, columns and the ends of cells."""

    def _repr_html_(self) -> str:
        html: str = self.to_html(notebook=True)
        return html


def for_readers(table: pd.DataFrame) -> pd.DataFrame:
    """A table as it is shown: readers' names, the first column in place of row numbers, a dash where nothing is."""
    shown = dashed(table).rename(columns=IN_WORDS)
    first = shown.columns[0]
    return Whole(shown.set_index(first).rename_axis(index=None, columns=first))


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


def quantities_beside_paper(runs: Runs, quantities: Mapping[str, tuple[str, int]]) -> pd.DataFrame:
    """Several quantities, the paper's and of runs: one row per model, for each quantity a column per source.

    Args:
        runs: a table of each run, one row per quantity and seed.
        quantities: by the name that its columns begin with, a quantity and the decimals shown.
    """
    columns = []
    for name, (quantity, digits) in quantities.items():
        own = {run: pick(table, quantity) for run, table in runs.items()}
        part = beside_paper(own, published(quantity), ["model"], "value", digits).set_index("model")
        columns.append(part.drop(columns="seeds").add_prefix(f"{name}: "))
        seeds = part["seeds"]
    return pd.concat([*columns, seeds], axis=1).reset_index()


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
