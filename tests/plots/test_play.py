"""Figures to play with: still pictures that agree with the tables, and what they show once a reader moves something."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import browser
import control_tables as made
import numpy as np
import pandas as pd
import pytest
import study_tables
import torch

from asymdistill.config.names import TEACHER
from asymdistill.metrics import decomposition, spectrum
from asymdistill.plots import cut_teacher, explanations, spectrum_lab
from asymdistill.plots.selection import pick

IMAGES = 400
LIMIT = 150_000  # bytes of one figure
EPOCHS = {"photographs": 5, "this copy": 5}
Table = pd.DataFrame
Open = Callable[..., Any]


def falling(count: int, power: float, seed: int = 0) -> torch.Tensor:
    """Singular values of so many unit vectors whose mean is not zero: their squares sum to 0.6 of the number."""
    noise = torch.rand(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    values = torch.arange(1, count + 1, dtype=torch.float64) ** -power * (1 - 0.01 * noise)
    return values.sort(descending=True)[0] * (0.6 * IMAGES / values.square().sum()).sqrt()


def singular_values(count: int) -> Table:
    rows = [
        model | {"component": component, "value": value}
        for number, model in enumerate(study_tables.models((1.0, 2.0, 4.0), 2))
        for component, value in enumerate(falling(count, 0.4 + 0.1 * number, number).tolist(), start=1)
    ]
    return study_tables.table(rows)


RUNS = {"photographs": singular_values(200), "this copy": singular_values(90)}
CONTROLS = {
    "photographs": made.table(made.underfitting(), made.truncation()),
    "this copy": made.table(made.underfitting(measured=11), made.truncation(cut=(80.0, 60.0))),
}
COUNTS = dict.fromkeys(RUNS, IMAGES)
FIGURES = {
    "spectrum": spectrum_lab.spectrum_lab(RUNS, COUNTS),
    "explanations": explanations.underfit_or_bottleneck(CONTROLS, RUNS, COUNTS, EPOCHS),
    "truncation": cut_teacher.cut_the_teacher(CONTROLS),
}


def of_model(table: Table, model: str) -> torch.Tensor:
    rows = pick(table, model=model)
    first = rows[rows["seed"].isna() | (rows["seed"] == rows["seed"].iloc[0])]
    return torch.tensor(first["value"].to_numpy(float))


def shown(html: str, name: str) -> list[float]:
    """The numbers that a still picture shows under a name, one for each run."""
    return [float(text) for text in re.findall(f'<output name="{name}">([^<]*)</output>', html)]


def digits(value: float) -> Any:
    """The value to three digits."""
    return pytest.approx(value, rel=1e-3)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_small_needs_nothing_from_elsewhere_and_stands_still_without_scripts(name: str) -> None:
    html = FIGURES[name]
    assert len(html.encode()) < LIMIT
    assert not re.search(r"https?:|\bsrc=|@import|url\(|fetch\(|import ", html)
    assert len(re.findall(r"<form[^>]* hidden>", html)) == html.count("<form")  # the script shows them
    assert re.findall(r'<section data-run="([^"]*)"( hidden)?>', html) == [
        ("photographs", ""),
        ("this copy", " hidden"),
    ]
    assert html.count("<svg") == html.count('role="img"') == 2


def test_the_largest_spectra_of_two_runs_fit_the_limit() -> None:
    table = singular_values(1280)
    assert len(spectrum_lab.spectrum_lab({"photographs": table, "this copy": table}, COUNTS).encode()) < LIMIT


def test_the_still_spectrum_has_the_numbers_of_the_metrics() -> None:
    for index, table in enumerate(RUNS.values()):
        values = of_model(table, TEACHER)
        for name, kind in (("rank", "variance"), ("amplitude", "amplitude")):
            expected = spectrum.effective_rank_of(values, spectrum=kind)
            assert shown(FIGURES["spectrum"], name)[index] == digits(expected)
        assert shown(FIGURES["spectrum"], "dims")[index] == spectrum.dims_for_variance_of(values)
        assert shown(FIGURES["spectrum"], "mean")[index] == digits(40)


def test_bars_stand_for_all_components_in_groups_that_double() -> None:
    data = json.loads(re.findall(r'<script type="application/json">(.*?)</script>', FIGURES["spectrum"])[0])
    groups = data["groups"]
    assert groups[:4] == [[1, 1], [2, 2], [3, 4], [5, 8]]
    assert groups[-1] == [129, 200]
    assert [high + 1 for _, high in groups[:-1]] == [low for low, _ in groups[1:]]
    assert list(data["models"]) == [TEACHER, "S", "M", "L"]


def test_shrinkage_explains_the_share_and_fades_with_the_variance() -> None:
    variances = falling(200, 0.7).square().numpy()
    for share in (0.05, 0.3, 0.9):
        r_squared = explanations.shrunk(variances, share)
        assert (variances * r_squared).sum() / variances.sum() == pytest.approx(share)
        assert (np.diff(r_squared) < 0).all()
        # R² = l / (l + c): the odds of what is known are in proportion to the variance.
        assert np.ptp((r_squared / (1 - r_squared)) / variances) == pytest.approx(0, abs=1e-9 / variances.min())


def test_a_bottleneck_explains_the_share_with_the_first_components() -> None:
    variances = falling(200, 0.7).square().numpy()
    r_squared = explanations.cut_off(variances, 0.3)
    assert (variances * r_squared).sum() / variances.sum() == pytest.approx(0.3)
    known = int(r_squared.sum())
    assert r_squared[:known].tolist() == [1.0] * known
    assert r_squared[known + 1 :].tolist() == [0.0] * (199 - known)


def test_what_is_explained_follows_from_the_cosine_distance_of_best_guesses() -> None:
    generator = torch.Generator().manual_seed(0)
    scale = torch.arange(1, 301, dtype=torch.float64) ** -0.5
    targets = scale * torch.randn(4000, 300, generator=generator, dtype=torch.float64)
    targets[:, 0] += 3
    targets = torch.nn.functional.normalize(targets, dim=1)
    mean = targets.mean(0)
    _, directions = decomposition.principal_directions(targets)
    for kept in (20, 80, 200):
        guesses = mean + (targets - mean) @ directions[:, :kept] @ directions[:, :kept].T
        distance = float((1 - torch.nn.functional.cosine_similarity(guesses, targets)).mean())
        whole, held = (part.square().sum() for part in (targets - mean, guesses - mean))
        found = explanations.explained(distance, float(mean.square().sum()))
        assert found == pytest.approx(float(held / whole), abs=0.02)


def test_the_predicted_rank_is_that_of_the_shrunk_spectrum() -> None:
    values = of_model(RUNS["photographs"], TEACHER)[:64]  # for so many components there is an R²
    share = explanations.explained(0.4, 0.4)
    r_squared = torch.from_numpy(explanations.shrunk(values.square().numpy(), share))
    expected = spectrum.effective_rank_of(values * r_squared.sqrt())
    assert shown(FIGURES["explanations"], "predicted")[0] == digits(expected)
    assert shown(FIGURES["explanations"], "rank") == [16.0, 11.0]


def test_the_cut_teacher_stands_beside_its_students() -> None:
    html = FIGURES["truncation"]
    assert shown(html, "kept") == [16, 16]
    assert shown(html, "sigma") == [0.2, 0.2]
    assert shown(html, "cut") == [80.0, 60.0]
    assert shown(html, "cut lost") == [10.0, 20.0]
    assert shown(html, TEACHER) == [84.0, 84.0]
    assert shown(html, "S") == [digits(24.5)] * 2


@pytest.mark.parametrize("controls", [{}, {"this copy": made.table()}], ids=["no run", "no rows"])
def test_without_numbers_there_are_words(controls: dict[str, Table]) -> None:
    assert cut_teacher.cut_the_teacher(controls) == explanations.underfit_or_bottleneck(controls, {}, {}, {})
    assert "No run" in cut_teacher.cut_the_teacher(controls)


# In a browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    if browser.chromium() is None:
        pytest.skip("no chromium: nobody plays with the figures (Debian: apt-get install chromium)")
    with browser.opened() as opened:
        yield opened


@pytest.fixture
def play(chromium: Any, tmp_path: Path) -> Iterator[Open]:
    """Opens a figure on a page of its own and returns Playwright's page; no script may complain."""
    complaints: list[str] = []
    pages = []

    def opened(name: str, **context: Any) -> Any:
        path = tmp_path / f"{name}.html"
        head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{name}</title>'
        style = "<style>:root { color-scheme: light dark; background: Canvas; color: CanvasText } "
        style += "body { margin: 32px }</style>"  # as wide as a column of the book on a phone
        body = f"<main><h1>{name}</h1>{FIGURES[name]}</main>"
        path.write_text(f'<!doctype html><html lang="en"><head>{head}{style}</head><body>{body}</body></html>')
        page = chromium.new_page(**{"viewport": {"width": 390, "height": 844}} | context)
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(path.as_uri())
        pages.append(page)
        return page

    yield opened
    for page in pages:
        page.close()
    assert not complaints


def says(page: Any, name: str) -> float:
    """What the shown run's figure says."""
    return float(page.locator(f'section:not([hidden]) output[name="{name}"]').inner_text())


def bars(page: Any) -> Any:
    return page.locator("section:not([hidden]) .handles input")


def raised(values: torch.Tensor, low: int, high: int, percent: float) -> torch.Tensor:
    """The spectrum once a group of components holds so many percent of what all held before."""
    squares = values.square()
    wanted = percent / 100 * squares.sum()
    squares[low - 1 : high] *= wanted / squares[low - 1 : high].sum()
    return squares.sqrt()


def test_dragging_a_bar_changes_rank_dimensions_and_curve(play: Open) -> None:
    page = play("spectrum")
    values = of_model(RUNS["photographs"], TEACHER)
    assert says(page, "rank") == digits(spectrum.effective_rank_of(values))
    curve = page.locator('section:not([hidden]) path[data-name="held"]')
    before = curve.get_attribute("d")
    bar = bars(page).nth(0)
    box, highest = bar.bounding_box(), float(bar.get_attribute("max"))
    middle = box["x"] + box["width"] / 2
    page.mouse.move(middle, box["y"] + box["height"] * (1 - float(bar.input_value()) / highest))
    page.mouse.down()
    page.mouse.move(middle, box["y"] + 8, steps=4)
    page.mouse.up()
    percent = float(bar.input_value())
    assert percent > 0.85 * highest
    now = raised(values, 1, 1, percent)
    assert says(page, "rank") == digits(spectrum.effective_rank_of(now))
    assert says(page, "amplitude") == digits(spectrum.effective_rank_of(now, spectrum="amplitude"))
    assert says(page, "dims") == spectrum.dims_for_variance_of(now)
    assert curve.get_attribute("d") != before
    page.get_by_role("button", name="back to what was measured").first.click()
    assert says(page, "rank") == digits(spectrum.effective_rank_of(values))
    assert curve.get_attribute("d") == before


def test_keys_move_a_bar_and_choose_a_model(play: Open) -> None:
    page = play("spectrum")
    page.get_by_label("model").first.select_option("M")
    values = of_model(RUNS["photographs"], "M")
    assert says(page, "rank") == digits(spectrum.effective_rank_of(values))
    last = bars(page).nth(bars(page).count() - 1)
    last.focus()
    for _ in range(6):
        page.keyboard.press("ArrowUp")
    now = raised(values, 129, 200, float(last.input_value()))
    assert says(page, "rank") == digits(spectrum.effective_rank_of(now))
    assert spectrum.effective_rank_of(now) > spectrum.effective_rank_of(values)
    page.keyboard.press("Home")  # down to nothing
    assert says(page, "rank") == digits(spectrum.effective_rank_of(values[:128]))


def test_what_a_mean_that_is_not_subtracted_does(play: Open) -> None:
    page = play("spectrum")
    page.get_by_label("subtract the mean").first.click()
    values = of_model(RUNS["photographs"], TEACHER)
    mean = torch.tensor([(0.4 * IMAGES) ** 0.5], dtype=torch.float64)
    assert says(page, "rank") == digits(spectrum.effective_rank_of(torch.cat([mean, values])))
    assert says(page, "dims") == spectrum.dims_for_variance_of(torch.cat([mean, values]))


def test_a_tap_moves_a_bar_and_another_run_has_its_own(play: Open) -> None:
    page = play("spectrum", has_touch=True)
    page.locator("select[name=run]").select_option("this copy")
    values = of_model(RUNS["this copy"], TEACHER)
    assert says(page, "rank") == digits(spectrum.effective_rank_of(values))
    box = bars(page).nth(3).bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 4)
    now = raised(values, 5, 8, float(bars(page).nth(3).input_value()))
    assert says(page, "rank") == digits(spectrum.effective_rank_of(now))
    assert abs(says(page, "rank") / spectrum.effective_rank_of(values) - 1) > 0.01


def test_explanations_predict_what_their_formulas_say(play: Open) -> None:
    page = play("explanations")
    values = of_model(RUNS["photographs"], TEACHER)[:64]
    variances = values.square().numpy()
    page.get_by_label("variance explained (%)").first.fill("35")
    for label, explain in (("underfitting", explanations.shrunk), ("bottleneck", explanations.cut_off)):
        page.get_by_label(label).first.check()
        expected = spectrum.effective_rank_of(values * torch.from_numpy(explain(variances, 0.35)).sqrt())
        assert says(page, "predicted") == digits(expected)
    slider = page.get_by_label("epoch", exact=True).first
    slider.focus()
    page.keyboard.press("End")
    assert says(page, "epoch") == 40
    assert says(page, "rank") == digits(25)
    assert says(page, "share") == digits(100 * explanations.explained(0.3, 0.4))


def test_sliders_cut_the_teacher_and_set_the_noise(play: Open) -> None:
    page = play("truncation")
    kept, sigma = (page.get_by_label(label).first for label in ("components kept", "noise on the input, σ"))
    kept.fill("0")
    sigma.fill("0")
    assert [says(page, name) for name in ("kept", "sigma", "cut", "cut lost", "rank")] == [2, 0, 72, 0, 1.6]
    kept.focus()
    page.keyboard.press("End")
    assert [says(page, name) for name in ("kept", "cut", "teacher")] == [128, 94, 94]


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize(("mode", "width"), [("light", 1280), ("dark", 390)])
def test_a_figure_fits_a_phone_and_hinders_nobody(name: str, mode: str, width: int, play: Open) -> None:
    page = play(name, color_scheme=mode, viewport={"width": width, "height": 844})
    assert page.evaluate(browser.WIDER) <= 0
    page.evaluate(browser.axe())
    found = page.evaluate(browser.AXE)
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found if one["impact"] in browser.SERIOUS] == []
    letters = page.evaluate(
        "() => [...document.querySelectorAll('.play section:not([hidden]) svg text')]"
        ".map(text => parseFloat(getComputedStyle(text).fontSize) * text.ownerSVGElement.getScreenCTM().a)"
    )
    assert min(letters) >= 11


@pytest.mark.parametrize("name", FIGURES)
def test_the_picture_stands_without_scripts_and_on_paper(name: str, play: Open) -> None:
    page = play(name, java_script_enabled=False)
    assert page.locator("svg").first.is_visible()
    assert not page.locator("form, .handles").first.is_visible()
    page = play(name)
    page.emulate_media(media="print")
    assert page.locator("svg").first.is_visible()
    assert not page.locator("section form").first.is_visible()
