"""The scorecard: every claim in its table, and marks and intervals in its forest plot."""

import re
from html import escape
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
from made_ledgers import MIXED, NAN, ledger
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from asymdistill.claims import evaluate
from asymdistill.claims.summary import claimed
from asymdistill.plots import scorecard, style


class Cells(HTMLParser):
    """Rows of the table, as text by column, and the options of the filters."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: dict[str, dict[str, str]] = {}
        self.data: dict[str, dict[str, str | None]] = {}
        self.options: dict[str, list[str]] = {}
        self.tags: list[str] = []
        self.at: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        if tag == "tr" and values.get("id"):
            self.at = [str(values["id"])]
            self.rows[self.at[0]] = {}
            self.data[self.at[0]] = {k.removeprefix("data-"): v for k, v in values.items() if k.startswith("data-")}
        elif tag in ("th", "td") and self.at:
            self.at[1:] = [str(values.get("data-name", "claim"))]
            self.rows[self.at[0]][self.at[1]] = ""
        elif tag == "select":
            self.select = self.options.setdefault(str(values["name"]), [])

    def handle_data(self, data: str) -> None:
        if len(self.at) == 2:
            self.rows[self.at[0]][self.at[1]] += data
        if self.tags[-1:] == ["option"] and data.strip():
            self.select.append(data.strip())


def test_the_table_has_every_claim_as_a_row_that_can_be_linked_to() -> None:
    html = scorecard.table(MIXED)
    cells = Cells(html)
    assert set(cells.rows) == {f"claim-{name}" for name in MIXED["id"]}
    assert list(cells.rows["claim-v1-claim-0"]) == [
        "claim",
        "paper",
        "measured",
        "claimed",
        "verdict",
        "evidence",
        "why",
    ]
    assert cells.rows["claim-v2-in-words"]["claim"].startswith("A <b> & a 'c'. v2, abstract · v2-in-words")
    assert cells.rows["claim-v1-claim-0"]["verdict"] == "✕ contradicted"
    assert cells.rows["claim-v1-claim-0"]["claimed"] == "11 to 14A share <of> the effect."
    assert cells.rows["claim-v1-claim-1"]["measured"] == "–"
    assert '<p role="status" aria-live="polite">4 of 4 claims</p>' in html


def test_the_table_of_the_papers_claims_leaves_none_out() -> None:
    evaluated = evaluate.evaluate(None)
    rows = Cells(scorecard.table(evaluated)).rows
    assert set(rows) == {f"claim-{name}" for name in evaluate.load().query("judged != 'number'")["id"]}
    assert all(claim["verdict"] in rows[f"claim-{claim['id']}"]["verdict"] for claim in evaluated.to_dict("records"))


def test_the_table_goes_by_paper_and_section() -> None:
    shuffled = ledger(
        *(
            {"source": source}
            for source in ("notebook", "Figure 2; notebook", "Section III-D", "Table I", "Section II")
        ),
        *({"source": source} for source in ("abstract; Table I", "Figure 2")),
        {"paper": "v2", "source": "abstract"},
    ).iloc[::-1]
    found = scorecard.ordered(shuffled)
    assert list(found["source"]) == [
        *("abstract; Table I", "Section II", "Section III-D", "Table I", "Figure 2", "Figure 2; notebook"),
        *("notebook", "abstract"),
    ]
    assert [row.removeprefix("claim-") for row in Cells(scorecard.table(shuffled)).rows] == list(found["id"])


def test_each_filter_offers_what_is_there_and_finds_it_in_the_rows() -> None:
    cells = Cells(scorecard.table(MIXED))
    assert cells.options == {
        "paper": ["all", "v1", "v2"],
        "verdict": ["all", "contradicted", "not testable here", "supported"],
        "evidence": ["all", "another setting", "the paper's own setting", "check of the text"],
    }
    for name, row in zip(MIXED["id"], MIXED.to_dict("records"), strict=True):
        assert cells.data[f"claim-{name}"] == {facet: row[facet] for facet in cells.options}


def test_every_control_of_the_table_has_a_label() -> None:
    html = scorecard.table(MIXED)
    controls = re.findall(r"<(?:select|input)\b", html)
    assert len(re.findall(r"<label>\w+ <(?:select|input)\b", html)) == len(controls) == 4


def test_the_table_is_small_and_takes_nothing_from_elsewhere() -> None:
    html = scorecard.table(MIXED)
    assert len(html) < 6000 + 1200 * len(MIXED)
    assert not re.search(r"https?:|\bsrc=|@import|url\(|fetch\(", html)


def test_what_needs_no_run_and_what_cannot_be_tested_have_tables() -> None:
    checks = scorecard.checks(MIXED)
    assert re.findall(r"<td>(.*)</td>", checks) == ["A number is what it is.", "11 to 14", "12.35", "supported"]
    twice = pd.concat([MIXED, MIXED.assign(verdict="not testable here", reason="No <seeds>.")])
    assert re.findall(r"<td>(.*)</td>", scorecard.untested(twice)) == [
        *("4", "No &lt;seeds&gt;."),
        *("1", "It is within the margin."),
    ]


def test_the_verdicts_of_other_runs_stand_beside_this_ones_where_they_can_judge() -> None:
    other = MIXED.assign(verdict=["supported", "undecided", "not testable here", "contradicted"], measured=7.0)
    cells = Cells(scorecard.table(MIXED, {"photo<graphs>": other, "nothing": other.iloc[:0]}))
    shown = [cells.rows[f"claim-{name}"]["why"] for name in MIXED["id"]]
    assert shown[0].strip().endswith("photo<graphs>: ● supported. It is within the margin.")
    assert "photo<graphs>: ▲ undecided. It is" in shown[1]
    assert "photo<graphs>" not in shown[2]
    assert cells.data["claim-v1-claim-0"]["verdict"] == "contradicted"  # the filter goes by this run


def lines(figure: Figure) -> list[Line2D]:
    return [line for axis in figure.axes for line in axis.lines]


def marks(drawn: list[Figure]) -> list[tuple[float, float, str, str]]:
    """What each figure shows of its claims: the paper's value, the measured one, its marker and its colour."""
    found = []
    for figure in drawn:
        for axis in figure.axes:
            points = [line for line in axis.lines if len(line.get_xdata()) == 1]
            for measured, paper in zip(points[::2], points[1::2], strict=True):
                assert paper.get_marker() == "D"
                assert paper.get_markerfacecolor() == "none"
                assert measured.get_ydata() == paper.get_ydata()
                colour = to_hex(measured.get_markeredgecolor())
                found.append((paper.get_xdata()[0], measured.get_xdata()[0], measured.get_marker(), colour))
    return found


def test_the_forest_plot_has_each_claim_with_both_values_once_in_the_look_of_its_verdict() -> None:
    both = [
        {"verdict": verdict, "quantity": quantity, "measured": 10.0 + row, "paper_value": 20.0 + row}
        for row, (verdict, quantity) in enumerate((v, q) for v in scorecard.LOOKS for q in ("accuracy", "info_nce"))
    ]
    drawn = scorecard.forest(ledger(*both, {"paper_value": NAN}, {"measured": NAN, "low": NAN, "high": NAN}))
    expected = []
    for row in both:
        colour, marker, _ = scorecard.LOOKS[str(row["verdict"])]
        expected.append((row["paper_value"], row["measured"], marker, to_hex(colour)))
    assert sorted(marks(drawn)) == sorted(expected)
    assert all(len({look[part] for look in scorecard.LOOKS.values()}) == 4 for part in (0, 1, 2))


def test_an_interval_is_drawn_from_low_to_high_and_other_settings_are_dashed_and_pale() -> None:
    rows = [{"evidence": name} for name in ("the paper's own setting", "another setting")]
    (figure,) = scorecard.forest(ledger(*rows, {"evidence": "check of the text"}))
    intervals = [line for line in lines(figure) if len(line.get_xdata()) == 2 and line.get_linewidth() < 5]
    assert [list(line.get_xdata()) for line in intervals] == [[11.5, 13.25]] * 2
    assert [line.is_dashed() for line in intervals] == [False, True]
    own, other = [line.get_markerfacecolor() for line in lines(figure) if line.get_marker() == "o"]
    assert own == scorecard.LOOKS["supported"][0]
    assert sum(other[:3]) > sum(own)


def test_differences_are_set_against_zero() -> None:
    values, differences = [
        lines(figure) for test in ("equal", "order") for figure in scorecard.forest(ledger({"test": test}))
    ]
    assert [0, 0] in [list(line.get_xdata()) for line in differences]
    assert [0, 0] not in [list(line.get_xdata()) for line in values]


def test_a_claimed_range_with_two_ends_is_a_band() -> None:
    (figure,) = scorecard.forest(ledger({"low": NAN, "high": NAN}, {"claimed_high": NAN, "low": NAN, "high": NAN}))
    (band,) = [line for line in lines(figure) if len(line.get_xdata()) == 2]
    assert list(band.get_xdata()) == [11.0, 14.0]
    assert band.get_zorder() <= min(line.get_zorder() for line in lines(figure))


def test_one_axis_has_one_quantity_and_one_figure_fits_a_screen() -> None:
    rows = [{"quantity": name} for name, count in (("accuracy", 18), ("info_nce", 3)) for _ in range(count)]
    orders = [{"quantity": "accuracy", "test": test} for test in ("order", "same")]
    drawn = scorecard.forest(ledger(*rows, *orders, {"quantity": "invented"}))
    panels = [[len(axis.texts) for axis in figure.axes] for figure in drawn]
    assert sum(map(sum, panels)) == 24
    assert all(sum(rows) <= scorecard.ROWS for rows in panels)
    assert all(figure.get_figheight() < 9 for figure in drawn)
    labels = [axis.get_xlabel() for figure in drawn for axis in figure.axes]
    assert list(dict.fromkeys(labels)) == [
        "accuracy (%)",
        "InfoNCE loss (nats)",
        "difference in accuracy (points)",
        "invented",
    ]


def test_no_letter_of_the_forest_plot_is_cut_off() -> None:
    rows = [
        {"statement": "Words of a claim that goes on. " * 9},
        {"quantity": "parameters", "paper_value": 5e8, "measured": 811264.0},
    ]
    for figure in scorecard.forest(ledger(*rows)):
        figure.canvas.draw()
        inside = figure.bbox.padded(2)
        texts = [text for axis in figure.axes for text in [*axis.texts, axis.xaxis.label]]
        for text in [*texts, *figure.legends[0].get_texts()]:
            box = text.get_window_extent()
            assert inside.x0 <= box.x0, text
            assert box.x1 <= inside.x1, text
            assert inside.y0 <= box.y0, text
            assert box.y1 <= inside.y1, text


def test_with_nothing_to_compare_the_forest_plot_says_so() -> None:
    (figure,) = scorecard.forest(ledger({"measured": NAN, "low": NAN, "high": NAN}))
    assert [text.get_text() for text in figure.texts] == ["no claim has both values in this run"]


def test_answers_have_a_verdict_and_a_value_for_each_run_and_lines_those_of_recorded_runs() -> None:
    own = MIXED.iloc[:3]
    other = own.assign(statement="<b>", verdict=scorecard.NOT_TESTABLE)
    shown = scorecard.answers({"photographs": own, "this copy": other})
    for row in own.to_dict("records"):
        assert escape(row["statement"]) in shown
        assert row["verdict"] in shown
        assert f"<small>{claimed(row)}</small>" in shown
    assert shown.count(scorecard.NOT_TESTABLE) >= 3
    assert "&lt;b&gt;" in scorecard.answers({"this copy": other})
    lines = scorecard.lines({"photographs": own, "this copy": other}).splitlines()
    assert [line.partition(":")[0] for line in lines] == own["id"].tolist()


def test_no_verdict_has_the_colour_of_a_model_and_each_can_be_read_on_white_and_on_black() -> None:
    models = ["teacher", "S", "M", "L", *(f"w={width}" for width in (0.25, 0.5, *range(5, 40)))]
    taken = {to_hex(colour) for colour, _ in style.style(models).values()}
    on_white = {name: colour for name, (colour, _, _) in scorecard.LOOKS.items()}
    for looks, paper in ((on_white, "white"), (scorecard.ON_BLACK, "#121212")):
        assert not taken & {to_hex(colour) for colour in looks.values()}
        assert len(set(looks.values())) == 4
        assert all(contrast(colour, paper) >= 4.5 for colour in looks.values()), paper


def contrast(one: Any, other: Any) -> float:
    """The ratio of WCAG 2.1, from 1 to 21."""

    def luminance(colour: Any) -> float:
        channels = np.array(to_rgb(colour))
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)
