"""What readers see of the ledger: a summary, a table to filter, and a forest plot."""

import math
import re
from functools import cache
from html import escape
from importlib import resources
from string import Template
from textwrap import fill
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, FormatStrFormatter, LogLocator, NullFormatter

from asymdistill.claims.evaluate import OTHER_SETTING, SAME_SETTING, STATIC
from asymdistill.claims.facts import FACTS
from asymdistill.claims.ledger import Claim as Entry
from asymdistill.claims.ledger import entries
from asymdistill.claims.quantities import QUANTITIES
from asymdistill.claims.rules import NOT_REPRODUCED, NOT_TESTABLE, REPRODUCED
from asymdistill.plots import figures

Claim = dict[str, Any]
_PALETTE = sns.color_palette("colorblind")
# Colour, marker and sign of each verdict: three shapes, for readers and printers who see no colours.
LOOKS = {
    REPRODUCED: (_PALETTE[2], "o", "●"),
    NOT_REPRODUCED: (_PALETTE[3], "X", "✕"),
    NOT_TESTABLE: (_PALETTE[7], "s", "□"),
}
GROUNDS = {
    STATIC: "facts that need no run",
    SAME_SETTING: "the paper's own setting",
    OTHER_SETTING: "another setting",
}
DIFFERENCE = "difference in"
UNITS = {"accuracy": "%", "fall": "points", "info_nce": "nats", "uniformity": "log of a mean"}
_TOLERANCE = "0.85"
_OPEN: Any = {**figures.PAPER, "markerfacecolor": "none", "markersize": 8}
ROWS = 8  # claims in one figure, so that it fits a screen


def verdicts(ledger: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Verdict and reason of each claim by its id: what a build hands to the pages that name one."""
    return {str(row["id"]): {"verdict": row["verdict"], "reason": row["reason"]} for row in ledger.to_dict("records")}


def summary(ledger: pd.DataFrame) -> dict[str, Any]:
    """How many claims got which verdict: the counts, and a sentence that says them.

    Returns:
        ``claims``, ``claims_reproduced``, ``claims_not_reproduced``, ``claims_not_testable_here``, and
        ``scorecard_summary``.
    """
    found = {verdict: int((ledger["verdict"] == verdict).sum()) for verdict in LOOKS}
    tested = ledger.loc[ledger["verdict"] != NOT_TESTABLE, "evidence"]
    papers = " and ".join(f"{count} of {paper}" for paper, count in ledger["paper"].value_counts(sort=False).items())
    grounds = ", ".join(f"{int((tested == name).sum())} on {words}" for name, words in GROUNDS.items())
    text = (
        f"Of {len(ledger)} claims ({papers}), {found[REPRODUCED]} came out as stated, {found[NOT_REPRODUCED]} did not, "
        f"and {found[NOT_TESTABLE]} cannot be tested in this run. Of the {len(tested)} tested: {grounds}."
    )
    numbers = {f"claims_{verdict.replace(' ', '_')}": count for verdict, count in found.items()}
    return {"claims": len(ledger), **numbers, "scorecard_summary": text}


def counts(ledger: pd.DataFrame) -> pd.DataFrame:
    """Number of claims by paper and evidence, one row each, and by verdict, one column each."""
    kinds = ledger["paper"] + ", " + ledger["evidence"]
    found = pd.crosstab(kinds, ledger["verdict"], margins=True, margins_name="all")
    return found.reindex(columns=list(LOOKS), fill_value=0).rename_axis(index="claims", columns=None).reset_index()


def static(ledger: pd.DataFrame) -> str:
    """HTML of the claims that need no run: what the paper says, what is counted or computed, and the verdict."""
    own = ledger[ledger["evidence"] == STATIC].to_dict("records")
    rows = [[claim["statement"], *values(claim), claim["verdict"]] for claim in own]
    return in_words(pd.DataFrame(rows, columns=["claim", "paper", "computed", "verdict"]))


def untested(ledger: pd.DataFrame) -> str:
    """HTML of the reasons for which claims cannot be tested in this run, and how many each keeps."""
    reasons = ledger.loc[ledger["verdict"] == NOT_TESTABLE, "reason"].value_counts()
    return in_words(pd.DataFrame({"claims": reasons.to_numpy(), "why": reasons.index}))


def in_words(rows: pd.DataFrame) -> str:
    """HTML of a table whose lines may break, for sentences and for narrow screens."""
    cell = "font: inherit; font-size: 0.92em; padding: 0.3rem 0.25rem; text-align: left; vertical-align: top"
    rules = f"{{ {cell}; white-space: normal }} .words td:first-child {{ min-width: 8.5rem }}"
    style = f"<style>.words table.dataframe :is(th, td) {rules}</style>"
    return f'<div class="words">{style}{rows.to_html(index=False, border=0)}</div>'


def table(ledger: pd.DataFrame) -> str:
    """HTML of a table with one row a claim, which a few lines of script filter by paper, verdict, evidence and words.

    It holds all it needs, so it works without a network, in the book and in a notebook. Each row can be linked to, as
    ``#claim-<id>``. Without scripts the table is whole, and in a narrow column each row becomes a card.
    """
    template = Template((resources.files("asymdistill.builder") / "scorecard.html").read_text("utf-8"))
    names = ("claim", "paper", "measured", "verdict", "evidence", "why")
    facets = ("paper", "verdict", "evidence")
    return template.substitute(
        filters="\n".join(_filter(facet, list(dict.fromkeys(ledger[facet]))) for facet in facets),
        count=len(ledger),
        header="".join(f'<th role="columnheader" scope="col" data-name="{name}">{name}</th>' for name in names),
        rows="\n".join(_row(claim, facets) for claim in ordered(ledger).to_dict("records")),
    )


def ordered(ledger: pd.DataFrame) -> pd.DataFrame:
    """Claims by paper, and within it by section: abstract, sections, tables, figures, the rest."""
    places = ("abstract", "Section", "Table", "Figure")
    place = [next((i for i, word in enumerate(places) if s.startswith(word)), len(places)) for s in ledger["source"]]
    return ledger.assign(place=place).sort_values(["paper", "place", "source"], kind="stable").drop(columns="place")


def forest(ledger: pd.DataFrame) -> list[Figure]:
    """The paper's value of each claim as an open diamond, and what was measured with its 95 % interval.

    One panel a quantity, so that an axis has one unit; as many figures as it takes to keep each on a screen. Pale
    marks and dashed intervals are measurements in another setting than the paper's.

    Args:
        ledger: evaluated claims; those without a value of the paper or without a measured one are left out.
    """
    shown = ledger[ledger["paper_value"].notna() & ledger["measured"].notna()]
    shown = shown.assign(axis=[_axis(claim) for claim in shown.to_dict("records")])
    panels = [
        (str(label), own.iloc[start : start + ROWS])
        for label, own in shown.groupby("axis", sort=False)
        for start in range(0, len(own), ROWS)
    ]
    drawn: list[list[tuple[str, pd.DataFrame]]] = []
    for panel in panels:
        if drawn and sum(len(own) + 1 for _, own in [*drawn[-1], panel]) <= ROWS + 2:
            drawn[-1].append(panel)
        else:
            drawn.append([panel])
    return [_forest(group) for group in drawn] or [figures.placeholder("no claim has both values in this run")]


def _axis(claim: Claim) -> str:
    """What an axis shows: the quantity in words with its unit, values and differences apart."""
    known = QUANTITIES.get(claim["quantity"]) or FACTS.get(claim["quantity"])
    words = known.words if known else claim["quantity"]
    name = re.sub(r",? (closed by|of)( that of)? \{\}$", "", words).removeprefix("the ")
    unit = f" ({UNITS[claim['quantity']]})" if claim["quantity"] in UNITS else ""
    entry = _entries().get(claim["id"])
    if claim["test"] in ("order", "same") or (entry is not None and entry.minus is not None):
        return f"{DIFFERENCE} {name}{unit.replace('%', 'points')}"
    return f"{name}{unit}"


@cache
def _entries() -> dict[str, Entry]:
    return {entry.id: entry for entry in entries()}


def _forest(panels: list[tuple[str, pd.DataFrame]]) -> Figure:
    labels = [[fill(words, 74) for words in own["statement"]] for _, own in panels]
    lines = [sum(label.count("\n") + 2.6 for label in own) for own in labels]  # of text, two to a mark
    heights = [0.2 * count + 0.75 for count in lines]
    with plt.rc_context(figures.STYLE):
        size = (figures.WIDTH, sum(heights) + 0.9)
        layout: Any = {"height_ratios": heights, "layout": "constrained", "squeeze": False}
        figure: Figure
        figure, axes = plt.subplots(len(panels), 1, figsize=size, **layout)
        for axis, (unit, own), words, end in zip(axes.flat, panels, labels, lines, strict=True):
            top = 0.0
            for claim, label in zip(own.to_dict("records"), words, strict=True):
                axis.text(0, top, label, transform=axis.get_yaxis_transform(), fontsize=11, va="top")
                top += label.count("\n") + 2.6
                _interval(axis, top - 1, claim)
            if unit.startswith(DIFFERENCE):
                axis.axvline(0, color="0.5", linewidth=1, zorder=0)
            _scale(axis, pd.concat([own["paper_value"], own["measured"]]))
            axis.set(xlabel=unit, yticks=[], ylim=(end, -0.3))
            axis.spines["left"].set_visible(False)
        figure.legend(handles=_legend(), loc="outside upper left", ncols=2, columnspacing=1.2)
    return figure


def _interval(axis: Axes, y: float, claim: Claim) -> None:
    """The tolerance as a grey band, on it the measured value and its interval, and the paper's value over all."""
    colour, marker, _ = LOOKS[claim["verdict"]]
    elsewhere = claim["evidence"] == OTHER_SETTING
    entry = _entries().get(claim["id"])
    if entry is not None and entry.allowed is not None and claim["test"] in ("equal", "count"):
        ends = claim["paper_value"] - entry.allowed, claim["paper_value"] + entry.allowed
        axis.plot(ends, [y, y], color=_TOLERANCE, linewidth=11, solid_capstyle="butt")
    if not math.isnan(claim["low"]):
        axis.plot([claim["low"], claim["high"]], [y, y], color=colour, linewidth=2.5, linestyle=_dashes(elsewhere))
    filling = sns.light_palette(colour, 3)[1] if elsewhere else colour
    axis.plot(claim["measured"], y, marker, color=colour, markerfacecolor=filling, markersize=9, markeredgewidth=1.4)
    axis.plot(claim["paper_value"], y, "D", markeredgecolor="0.1", **_OPEN)


def _scale(axis: Axes, both: pd.Series) -> None:
    """Spread values of several sizes evenly, with ticks as people write them: 0.5, 20, 2M."""
    axis.margins(x=0.06)
    if both.min() > 0 and both.max() / both.min() > 20:
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1,) if both.max() / both.min() > 100 else (1, 2, 5)))
        axis.xaxis.set_minor_formatter(NullFormatter())
    axis.xaxis.set_major_formatter(EngFormatter(sep="") if both.max() > 1000 else FormatStrFormatter("%g"))


def _dashes(elsewhere: bool) -> Any:
    return (0, (2, 1)) if elsewhere else "-"


def _legend() -> list[Any]:
    handles = [figures.handle("0.1", "D", "the paper's value", hollow=True)]
    handles += [Line2D([], [], color=_TOLERANCE, linewidth=11, label="tolerance around it")]
    handles += [figures.handle(colour, marker, verdict) for verdict, (colour, marker, _) in LOOKS.items()]
    line: Any = {"color": "0.3", "marker": "o", "markersize": 8, "linewidth": 2.5}
    own = Line2D([], [], **line, label="the paper's setting, or no run")
    other = Line2D([], [], **line, markerfacecolor="0.85", linestyle=_dashes(True), label=OTHER_SETTING)
    return [*handles, own, other]


def _filter(name: str, values: list[str]) -> str:
    options = "".join(f"<option>{escape(value)}</option>" for value in values)
    return f'<label>{name} <select name="{name}"><option value="">all</option>{options}</select></label>'


def _row(claim: Claim, facets: tuple[str, ...]) -> str:
    data = " ".join(f'data-{facet}="{escape(claim[facet])}"' for facet in facets)
    name = escape(claim["id"])
    where = f'<small>{escape(claim["paper"])}, {escape(claim["source"])} · <a href="#claim-{name}">{name}</a></small>'
    paper, measured = values(claim)
    colour, _, sign = LOOKS[claim["verdict"]]
    cells = {
        "paper": paper,
        "measured": measured,
        "verdict": f'<b aria-hidden="true" style="color: {to_hex(colour)}">{sign}</b> {claim["verdict"]}',
        "evidence": claim["evidence"],
        "why": escape(claim["reason"]),
    }
    others = "".join(f'<td role="cell" data-name="{column}">{shown}</td>' for column, shown in cells.items())
    first = f'<th role="rowheader" scope="row">{escape(claim["statement"])} {where}</th>'
    return f'<tr role="row" id="claim-{name}" {data}>{first}{others}</tr>'


def values(claim: Claim) -> tuple[str, str]:
    """What the paper and this run say, as text: ``16.62 ± 0.40`` and ``12.31 [11.87, 12.75]``, a dash for nothing.

    Measured values have the paper's decimals, or as many as three digits take.
    """
    paper, spread = claim["paper_value"], claim["paper_spread"]
    typed = _decimals(paper)
    digits = max(typed, 0 if float(claim["measured"]).is_integer() else _three_digits(_magnitude(claim)))
    theirs = _number(paper, typed) + ("" if pd.isna(spread) else f" ± {_number(spread, _decimals(spread))}")
    interval = ""
    if not pd.isna(claim["low"]):
        interval = f" [{_number(claim['low'], digits)}, {_number(claim['high'], digits)}]"
    return theirs, _number(claim["measured"], digits) + interval


def _number(value: float, digits: int) -> str:
    return "–" if pd.isna(value) else f"{value:,.{digits}f}".replace("-", "−")


def _decimals(value: float) -> int:
    """Decimals of a number as it was typed."""
    return len(f"{value:.6f}".rstrip("0").partition(".")[2])


def _magnitude(claim: Claim) -> float:
    """How large a measured value is, or its interval where that is wider: near zero the value itself says nothing."""
    low, high = claim["low"], claim["high"]
    return float(claim["measured"]) if pd.isna(low) else float(max(abs(claim["measured"]), (high - low) / 2))


def _three_digits(value: float) -> int:
    return 2 if pd.isna(value) or value == 0 else max(2 - math.floor(math.log10(abs(value))), 0)
