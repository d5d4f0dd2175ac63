"""The scorecard: the judged ledger as a table to filter and as a forest plot."""

import math
import re
from collections.abc import Mapping
from html import escape
from importlib import resources
from string import Template
from textwrap import fill
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, FormatStrFormatter, LogLocator, NullFormatter

from asymdistill.claims.evaluate import CHECK, OTHER_SETTING, OWN_SETTING
from asymdistill.claims.quantities import QUANTITIES
from asymdistill.claims.rules import CONTRADICTED, NOT_TESTABLE, SUPPORTED, UNDECIDED
from asymdistill.claims.summary import claimed, values
from asymdistill.config.names import THIS_COPY
from asymdistill.plots import style

Row = dict[str, Any]  # a judged claim
# Colour, marker and sign of each verdict: the shapes differ too, for readers and printers without colours. No model has
# one of these colours. On white, and in figures, a verdict has the colour here; on black, the one in ON_BLACK.
LOOKS: dict[str, tuple[style.Colour, str, str]] = {
    SUPPORTED: (to_rgb("#3c3a9e"), "o", "●"),
    CONTRADICTED: (to_rgb("#a3123f"), "X", "✕"),
    UNDECIDED: (to_rgb("#6b6100"), "^", "▲"),
    NOT_TESTABLE: (to_rgb("#55616e"), "s", "□"),
}
ON_BLACK: dict[str, style.Colour] = {
    SUPPORTED: to_rgb("#b3b1ff"),
    CONTRADICTED: to_rgb("#ff9bb3"),
    UNDECIDED: to_rgb("#dccf4e"),
    NOT_TESTABLE: to_rgb("#b4bfca"),
}
DIFFERENCE = "difference in"
UNITS = {"accuracy": "%", "info_nce": "nats", "uniformity": "log of a mean"}
_CLAIMED = "0.85"
_OPEN: Any = {**style.PUBLISHED, "markerfacecolor": "none", "markersize": 10}
ROWS = 8  # claims per figure, so that it fits a screen
LABEL = 58  # characters per line of a claim in a figure


def checks(ledger: pd.DataFrame) -> str:
    """HTML of the checks of the text, which need no run: the claimed range, the computed value, and the verdict.

    Args:
        ledger: claims as ``claims.evaluate.evaluate`` returns them; so in all functions here.
    """
    own = ledger[ledger["evidence"] == CHECK].to_dict("records")
    rows = [[row["statement"], claimed(row), values(row)[1], row["verdict"]] for row in own]
    return in_words(pd.DataFrame(rows, columns=["claim", "claimed", "computed", "verdict"]))


def untested(ledger: pd.DataFrame) -> str:
    """HTML of the reasons why claims cannot be tested in this run, and the number of claims for each."""
    reasons = ledger.loc[ledger["verdict"] == NOT_TESTABLE, "reason"].value_counts()
    return in_words(pd.DataFrame({"claims": reasons.to_numpy(), "why": reasons.index}))


def in_words(rows: pd.DataFrame, *, escape: bool = True) -> str:
    """HTML of a table whose cells wrap, for sentences, lines and narrow screens; they are text unless they are HTML."""
    cell = "font: inherit; font-size: 0.92em; padding: 0.3rem 0.25rem; text-align: left; vertical-align: top"
    rules = (
        f".words table.dataframe :is(th, td) {{ {cell}; white-space: normal }}"
        " .words table.dataframe thead th { font-weight: bold; vertical-align: bottom }"
        " .words td:first-child { min-width: 7rem } .words small { font: inherit }"
    )
    cells = rows.to_html(index=False, border=0, escape=escape)
    whole = cells.replace(" ± ", "&nbsp;±&nbsp;").replace(" %", "&nbsp;%")  # a number does not break
    whole = whole.replace("\\n", "<br>")  # pandas writes the end of a line so
    return f'<div class="words"><style>{rules}</style>{whole}</div>'


def table(ledger: pd.DataFrame, others: Mapping[str, pd.DataFrame] | None = None) -> str:
    """HTML of a table with one row per claim, which a short script filters by paper, verdict, evidence and words.

    It is self-contained, so that it works offline, in the book and in a notebook. Each row is a link target,
    ``#claim-<id>``. Without scripts the whole table is shown, and in a narrow column each row becomes a card.

    Args:
        ledger: claims as ``claims.evaluate.evaluate`` returns them.
        others: the same claims judged on other runs, by the runs' names; where one of them can judge a claim, its
            verdict stands below the reason of this one.
    """
    beside = {name: {row["id"]: row for row in own.to_dict("records")} for name, own in (others or {}).items()}
    template = Template((resources.files("asymdistill.plots") / "scorecard.html").read_text("utf-8"))
    names = ("claim", "paper", "measured", "claimed", "verdict", "evidence", "why")
    facets = ("paper", "verdict", "evidence")
    return template.substitute(
        filters="\n".join(_filter(facet, list(dict.fromkeys(ledger[facet]))) for facet in facets),
        count=len(ledger),
        header="".join(f'<th role="columnheader" scope="col" data-name="{cell}">{cell}</th>' for cell in names),
        rows="\n".join(_row(row, facets, beside) for row in ordered(ledger).to_dict("records")),
    )


def answers(judged: Mapping[str, pd.DataFrame]) -> str:
    """HTML of a chapter's claims: what each says, the paper's value and the claimed range, and each run's verdict.

    Args:
        judged: the same claims judged on each run, by the run's name.
    """
    tables = {name: {row["id"]: row for row in own.to_dict("records")} for name, own in judged.items()}
    rows = []
    for name, claim in next(iter(tables.values())).items():
        cells = {run: f"{_verdict(found[name])}{_measured(found[name])}" for run, found in tables.items()}
        paper = f"{values(claim)[0]}<br>" if pd.notna(claim["paper_value"]) else ""
        said = f"{paper}<small>{claimed(claim)}</small>"
        rows.append({"claim": escape(claim["statement"]), "paper": said, **cells})
    return in_words(pd.DataFrame(rows), escape=False)


def lines(judged: Mapping[str, pd.DataFrame]) -> str:
    """The claims as judged on recorded runs, as plain text that is the same on every machine: one line per claim."""
    rows = [row for name, own in judged.items() if name != THIS_COPY for row in own.to_dict("records")]
    return "\n".join(f"{row['id']}: {row['verdict']}{_measured(row).replace('<br>', ', ')}" for row in rows)


def _measured(row: Row) -> str:
    return "" if row["verdict"] == NOT_TESTABLE else f"<br>{values(row)[1]}"


def ordered(ledger: pd.DataFrame) -> pd.DataFrame:
    """The ledger sorted by paper and by place: abstract, sections, tables, figures, the rest."""
    places = ("abstract", "Section", "Table", "Figure")
    place = [next((i for i, word in enumerate(places) if s.startswith(word)), len(places)) for s in ledger["source"]]
    return ledger.assign(place=place).sort_values(["paper", "place", "source"], kind="stable").drop(columns="place")


def forest(ledger: pd.DataFrame) -> list[Figure]:
    """Forest plot: the paper's value of each claim as an open diamond, and the measured one with its 95 % interval.

    One panel per quantity, so that an axis has one unit, and as many figures as needed for each to fit a screen. Pale
    marks and dashed intervals are measurements in another setting than the paper's. Checks of the text are left out,
    and claims without a value of the paper or without a measured one.
    """
    judged = ledger[ledger["evidence"] != CHECK]
    shown = judged[judged["paper_value"].notna() & judged["measured"].notna()]
    shown = shown.assign(axis=[_axis(row) for row in shown.to_dict("records")])
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
    return [_forest(group) for group in drawn] or [style.placeholder("no claim has both values in this run")]


def _axis(row: Row) -> str:
    """The label of an axis: the quantity with its unit, with values and differences on separate axes."""
    quantity = QUANTITIES.get(row["quantity"])
    words = quantity.words if quantity else row["quantity"]
    name = re.sub(r" (by|of|to)( that of)? \{\}$", "", words).removeprefix("the ")
    unit = f" ({UNITS[row['quantity']]})" if row["quantity"] in UNITS else ""
    if row["test"] in ("order", "same"):
        return f"{DIFFERENCE} {name}{unit.replace('%', 'points')}"
    return f"{name}{unit}"


def _forest(panels: list[tuple[str, pd.DataFrame]]) -> Figure:
    labels = [[fill(words, LABEL) for words in own["statement"]] for _, own in panels]
    lines = [sum(label.count("\n") + 2.6 for label in own) for own in labels]  # of text, two to a mark
    heights = [0.2 * count + 0.75 for count in lines]
    with plt.rc_context(style.STYLE):
        size = (style.WIDTH, sum(heights) + 0.9)
        layout: Any = {"height_ratios": heights, "layout": "constrained", "squeeze": False}
        figure: Figure
        figure, axes = plt.subplots(len(panels), 1, figsize=size, **layout)
        for axis, (unit, own), words, end in zip(axes.flat, panels, labels, lines, strict=True):
            top = 0.0
            for row, label in zip(own.to_dict("records"), words, strict=True):
                axis.text(0, top, label, transform=axis.get_yaxis_transform(), fontsize=style.SMALL, va="top")
                top += label.count("\n") + 2.6
                _interval(axis, top - 1, row)
            if unit.startswith(DIFFERENCE):
                axis.axvline(0, color="0.5", linewidth=1, zorder=0)
            _scale(axis, pd.concat([own["paper_value"], own["measured"]]))
            axis.set(xlabel=unit, yticks=[], ylim=(end, -0.3))
            axis.spines["left"].set_visible(False)
        figure.legend(handles=_legend(), loc="outside upper left", ncols=2, columnspacing=0.8, handletextpad=0.4)
    return figure


def _interval(axis: Axes, y: float, row: Row) -> None:
    """The claimed range as a grey band, with the measured value and its interval and then the paper's value on top."""
    from seaborn import light_palette  # importing it takes longer than drawing most figures

    colour, marker, _ = LOOKS[row["verdict"]]
    elsewhere = row["evidence"] == OTHER_SETTING
    if not (math.isnan(row["claimed_low"]) or math.isnan(row["claimed_high"])):
        ends = row["claimed_low"], row["claimed_high"]
        axis.plot(ends, [y, y], color=_CLAIMED, linewidth=11, solid_capstyle="butt")
    if not math.isnan(row["low"]):
        axis.plot([row["low"], row["high"]], [y, y], color=colour, linewidth=2.5, linestyle=_dashes(elsewhere))
    filling = light_palette(colour, 3)[1] if elsewhere else colour
    axis.plot(row["measured"], y, marker, color=colour, markerfacecolor=filling, markersize=9, markeredgewidth=1.4)
    axis.plot(row["paper_value"], y, "D", markeredgecolor="0.1", **_OPEN)


def _scale(axis: Axes, both: pd.Series) -> None:
    """A logarithmic axis for values of very different sizes, with plain tick labels: 0.5, 20, 2M."""
    axis.margins(x=0.06)
    if both.min() > 0 and both.max() / both.min() > 20:
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1,) if both.max() / both.min() > 100 else (1, 2, 5)))
        axis.xaxis.set_minor_formatter(NullFormatter())
    axis.xaxis.set_major_formatter(EngFormatter(sep="") if both.max() > 1000 else FormatStrFormatter("%g"))


def _dashes(elsewhere: bool) -> Any:
    return (0, (2, 1)) if elsewhere else "-"


def _legend() -> list[Any]:
    handles = [style.handle("0.1", "D", "the paper's value", hollow=True)]
    handles += [Line2D([], [], color=_CLAIMED, linewidth=11, label="the claimed range")]
    handles += [style.handle(colour, marker, verdict) for verdict, (colour, marker, _) in LOOKS.items()]
    line: Any = {"color": "0.3", "marker": "o", "markersize": 8, "linewidth": 2.5}
    own = Line2D([], [], **line, label=OWN_SETTING)
    other = Line2D([], [], **line, markerfacecolor="0.85", linestyle=_dashes(True), label=OTHER_SETTING)
    return [*handles, own, other]


def _filter(name: str, values: list[str]) -> str:
    options = "".join(f"<option>{escape(value)}</option>" for value in values)
    return f'<label>{name} <select name="{name}"><option value="">all</option>{options}</select></label>'


def _row(row: Row, facets: tuple[str, ...], beside: Mapping[str, Mapping[str, Row]]) -> str:
    data = " ".join(f'data-{facet}="{escape(row[facet])}"' for facet in facets)
    name = escape(row["id"])
    where = f'<small>{escape(row["paper"])}, {escape(row["source"])} · <a href="#claim-{name}">{name}</a></small>'
    paper, measured = values(row)
    margin = "" if pd.isna(row["margin_reason"]) else f"<small>{escape(row['margin_reason'])}</small>"
    others = [(run, found[row["id"]]) for run, found in beside.items() if row["id"] in found]
    elsewhere = "".join(
        f"<small>{escape(run)}: {_verdict(other)}. {escape(other['reason'])}</small>"
        for run, other in others
        if other["verdict"] != NOT_TESTABLE
    )
    cells = {
        "paper": paper,
        "measured": measured,
        "claimed": claimed(row) + margin,
        "verdict": _verdict(row),
        "evidence": row["evidence"],
        "why": escape(row["reason"]) + elsewhere,
    }
    rest = "".join(f'<td role="cell" data-name="{column}">{shown}</td>' for column, shown in cells.items())
    first = f'<th role="rowheader" scope="row">{escape(row["statement"])} {where}</th>'
    return f'<tr role="row" id="claim-{name}" {data}>{first}{rest}</tr>'


def _verdict(row: Row) -> str:
    verdict = row["verdict"]
    (light, _, sign), dark = LOOKS[verdict], ON_BLACK[verdict]
    colour = f"light-dark({to_hex(light)}, {to_hex(dark)})"
    return f'<b aria-hidden="true" style="color: {colour}">{sign}</b> {verdict}'
