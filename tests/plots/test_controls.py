"""The controls' figures: axes with units, one look a model, every seed where it belongs, and no crash on less."""

from collections.abc import Callable, Iterator
from pathlib import Path

import control_tables as made
import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from asymdistill.claims import evaluate
from asymdistill.plots import controls, style

PUBLISHED = evaluate.published("accuracy")
DRAW: dict[str, Callable[[pd.DataFrame], Figure]] = {
    "underfitting": lambda table: controls.underfitting(table, epochs=5),
    "classes": controls.classes,
    "truncation": lambda table: controls.truncation(table, chance=10.0),
    "capacity": controls.capacity,
    "objective": controls.objective,
    "noise": lambda table: controls.noise(table, chance=10.0),
    "estimators": controls.estimators,
    "crossmodal": controls.crossmodal,
    "statistics": lambda table: controls.statistics(table, published=PUBLISHED),
}


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


def shown(figure: Figure) -> list[Axes]:
    """Panels that hold data, after drawing everything."""
    figure.canvas.draw()
    return [axis for axis in figure.axes if axis.axison]


def drawn(axis: Axes, colour: style.Colour) -> list[tuple[float, float]]:
    """Points drawn in a model's colour."""
    points = [
        (float(x), float(y))
        for line in axis.get_lines()
        if to_rgb(line.get_color()) == pytest.approx(colour)
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    ]
    return sorted(points)


@pytest.mark.parametrize("seeds", [made.SEEDS, (42,)], ids=["three seeds", "one seed"])
@pytest.mark.parametrize("name", DRAW)
def test_every_panel_has_labelled_axes_and_fits_a_column(name: str, seeds: tuple[int, ...]) -> None:
    figure = DRAW[name](made.everything(seeds))
    for axis in shown(figure):
        below_another = axis.get_xlabel() == "" and not any(label.get_text() for label in axis.get_xticklabels())
        assert axis.get_xlabel() or below_another
        rows = [label.get_text() for label in axis.get_yticklabels()]
        beside_another = axis.get_ylabel() == "" and not any(rows)
        assert axis.get_ylabel() or any(any(sign.isalpha() for sign in text) for text in rows) or beside_another
    width, height = figure.get_size_inches()
    assert width == style.WIDTH
    assert height <= 4.9


@pytest.mark.parametrize("name", DRAW)
def test_a_control_that_was_not_run_is_said_to_be_absent(name: str) -> None:
    rest = made.everything()
    for table in (made.table(), rest[rest["control"] != name]):
        figure = DRAW[name](table)
        figure.canvas.draw()
        assert [text.get_text() for text in figure.texts] == ["this profile does not run this control"]


@pytest.mark.parametrize("name", ["objective", "statistics"])
def test_a_table_read_back_from_a_file_without_its_empty_strings_is_drawn_alike(name: str, tmp_path: Path) -> None:
    table = made.everything().fillna({"variant": ""})
    one, two = (shown(DRAW[name](rows)) for rows in (table, made.read_back(table, tmp_path)))
    for left, right in zip(one, two, strict=True):
        for a, b in zip(left.get_lines(), right.get_lines(), strict=True):
            assert list(a.get_ydata()) == pytest.approx(list(b.get_ydata()), nan_ok=True)


def test_models_have_the_colours_of_every_other_figure() -> None:
    looks = style.style(["teacher", "S", "M", "L"])
    axis = controls.classes(made.everything()).axes[0]
    for model, (colour, marker) in looks.items():
        own = [line for line in axis.get_lines() if to_rgb(line.get_color()) == pytest.approx(colour)]
        assert own, model
        assert {line.get_marker() for line in own} == {marker}


def test_the_shrinkage_null_is_drawn_against_the_measured_rank() -> None:
    table = made.table(made.underfitting(measured=16.0, predicted=30.0))
    axis = shown(controls.underfitting(table, epochs=5))[1]
    colour = style.style(["S"])["S"][0]
    assert drawn(axis, colour) == [pytest.approx(pair) for pair in ((15.8, 29.8), (16.0, 30.0), (16.2, 30.2))]
    assert axis.get_xlim() == axis.get_ylim()


def test_the_profiles_own_epochs_are_marked() -> None:
    axis = shown(controls.underfitting(made.everything(), epochs=7))[2]
    assert [7, 7] in [list(line.get_xdata()) for line in axis.get_lines()]
    assert "this profile's 7 epochs" in [text.get_text() for text in axis.get_legend().get_texts()]


def test_the_cut_teacher_is_drawn_clean_and_at_the_last_noise() -> None:
    table = made.table(made.truncation(cut=(90.0, 30.0)))
    clean, noisy = shown(controls.truncation(table, chance=10.0))
    assert (clean.get_title(), noisy.get_title()) == ("σ = 0", "σ = 0.2")
    black = style.style(["teacher"])["teacher"][0]
    assert (16.0, 90.0) in drawn(clean, black)
    assert (16.0, 30.0) in drawn(noisy, black)


def test_capacity_shows_every_seed_at_its_size() -> None:
    table = made.table(made.capacity(by_field=4.0))
    field = shown(controls.capacity(table))[2]
    assert field.get_ylabel() == ""
    colour = style.style(["S"])["S"][0]
    expected = [(18.0, 16 + made.wobble(seed)) for seed in made.SEEDS]
    expected += [(50.0, 20 + made.wobble(seed)) for seed in made.SEEDS]
    assert drawn(field, colour) == [pytest.approx(pair) for pair in expected]


def test_remedies_against_noise_are_told_apart_by_their_lines() -> None:
    narrow, wide, _ = shown(controls.noise(made.table(made.noise(narrow=30.0, trained=35.0)), chance=10.0))
    assert (narrow.get_title(), wide.get_title()) == ("student S", "student L")
    ends = {line.get_linestyle(): line.get_ydata()[-1] for line in narrow.get_lines() if len(line.get_xdata()) == 4}
    assert ends == {"-": pytest.approx(30), "--": pytest.approx(45), ":": pytest.approx(65)}


def test_without_known_factors_or_captions_the_panels_say_so() -> None:
    estimates = controls.estimators(made.table(made.estimators(scenes=False)))
    texts = controls.crossmodal(made.table(made.crossmodal(captions=False)))
    assert len(shown(estimates)) == 2
    assert len(shown(texts)) == 2
    assert "the images have no captions" in [text.get_text() for axis in texts.axes for text in axis.texts]


def test_one_number_of_classes_is_no_sweep() -> None:
    table = made.everything()
    figure = controls.classes(table[table["quantity"] != "sweep_rank"])
    assert len(shown(figure)) == 1


def test_differences_are_drawn_seed_by_seed_with_their_interval_and_the_papers() -> None:
    table = made.table(made.statistics(rank=2.0, seeds=10))
    rank, accuracy = shown(controls.statistics(table, published=PUBLISHED))
    wide, narrow = (
        table[(table["model"] == model) & (table["quantity"] == "effective_rank")]["value"].to_numpy()
        for model in ("L", "S")
    )
    dots = [line for line in rank.get_lines() if len(line.get_xdata()) == 10]
    assert list(dots[0].get_xdata()) == pytest.approx(list(wide - narrow))
    assert rank.get_xlabel().startswith("L – S: ")
    theirs = [float(line.get_xdata()[0]) for line in accuracy.get_lines() if line.get_markersize() == 10]
    assert theirs == pytest.approx([72.94 - 71.11, 69.09 - 67.82, 43.76 - 54.84, 14.05 - 27.35])


def test_widths_that_the_paper_does_not_run_have_no_mark_of_the_papers() -> None:
    table = made.table(made.statistics())
    table = table.replace({"model": {"L": "w=10"}})
    accuracy = shown(controls.statistics(table, published=PUBLISHED))[1]
    assert not [line for line in accuracy.get_lines() if line.get_markersize() == 10]
