"""The controls' figures and tables: axes with units, every seed where it belongs, every number from the table."""

from pathlib import Path
from typing import Any

import control_tables as made
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from asymdistill.claims import evaluate
from asymdistill.config.names import CONTROL_TITLES
from asymdistill.config.settings import CONTROLS
from asymdistill.plots import control_tables, controls, style
from asymdistill.plots.tables import for_readers

PUBLISHED = evaluate.published("accuracy")
OPTIONS = {
    "underfitting": {"epochs": {"this copy": 5}},
    "truncation": {"chance": {"this copy": 10.0}},
    "noise": {"chance": {"this copy": 10.0}},
    "statistics": {"published": PUBLISHED},
}


def draw(name: str, table: pd.DataFrame, **options: Any) -> Figure:
    """The figure of one control of one run."""
    (figure,) = getattr(controls, name)({"this copy": table}, **{**OPTIONS.get(name, {}), **options})
    return figure


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
@pytest.mark.parametrize("name", CONTROLS)
def test_every_panel_has_labelled_axes_and_fits_a_column(name: str, seeds: tuple[int, ...]) -> None:
    figure = draw(name, made.everything(seeds))
    for axis in shown(figure):
        below_another = axis.get_xlabel() == "" and not any(label.get_text() for label in axis.get_xticklabels())
        assert axis.get_xlabel() or below_another
        rows = [label.get_text() for label in axis.get_yticklabels()]
        beside_another = axis.get_ylabel() == "" and not any(rows)
        assert axis.get_ylabel() or any(any(sign.isalpha() for sign in text) for text in rows) or beside_another
    width, height = figure.get_size_inches()
    assert width == style.WIDTH
    assert height <= 4.9


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_that_was_not_run_is_said_to_be_absent(name: str) -> None:
    rest = made.everything()
    for table in (made.table(), rest[rest["control"] != name]):
        figure = draw(name, table)
        figure.canvas.draw()
        assert [text.get_text() for text in figure.texts] == ["no run here has this control"]


@pytest.mark.parametrize("name", ["objective", "statistics"])
def test_a_table_read_back_from_a_file_without_its_empty_strings_is_drawn_alike(name: str, tmp_path: Path) -> None:
    table = made.everything().fillna({"variant": ""})
    one, two = (shown(draw(name, rows)) for rows in (table, made.read_back(table, tmp_path)))
    for left, right in zip(one, two, strict=True):
        for a, b in zip(left.get_lines(), right.get_lines(), strict=True):
            assert list(a.get_ydata()) == pytest.approx(list(b.get_ydata()), nan_ok=True)


def test_models_have_the_colours_of_every_other_figure() -> None:
    looks = style.style(["teacher", "S", "M", "L"])
    axis = draw("classes", made.everything()).axes[0]
    for model, (colour, marker) in looks.items():
        own = [line for line in axis.get_lines() if to_rgb(line.get_color()) == pytest.approx(colour)]
        assert own, model
        assert {line.get_marker() for line in own} == {marker}


def test_the_shrinkage_null_is_drawn_against_the_measured_rank() -> None:
    table = made.table(made.underfitting(measured=16.0, predicted=30.0))
    axis = shown(draw("underfitting", table, epochs={"this copy": 5}))[1]
    colour = style.style(["S"])["S"][0]
    assert drawn(axis, colour) == [pytest.approx(pair) for pair in ((15.8, 29.8), (16.0, 30.0), (16.2, 30.2))]
    assert axis.get_xlim() == axis.get_ylim()


def test_the_profiles_own_epochs_are_marked() -> None:
    axis = shown(draw("underfitting", made.everything(), epochs={"this copy": 7}))[2]
    assert [7, 7] in [list(line.get_xdata()) for line in axis.get_lines()]
    assert "this profile's 7 epochs" in [text.get_text() for text in axis.get_legend().get_texts()]


def test_the_cut_teacher_is_drawn_clean_and_at_the_last_noise() -> None:
    table = made.table(made.truncation(cut=(90.0, 30.0)))
    clean, noisy = shown(draw("truncation", table))
    assert (clean.get_title(), noisy.get_title()) == ("σ = 0", "σ = 0.2")
    black = style.style(["teacher"])["teacher"][0]
    assert (16.0, 90.0) in drawn(clean, black)
    assert (16.0, 30.0) in drawn(noisy, black)


def test_capacity_shows_every_seed_at_its_size() -> None:
    table = made.table(made.capacity(by_field=4.0))
    field = shown(draw("capacity", table))[2]
    assert field.get_ylabel() == ""
    colour = style.style(["S"])["S"][0]
    expected = [(18.0, 16 + made.wobble(seed)) for seed in made.SEEDS]
    expected += [(50.0, 20 + made.wobble(seed)) for seed in made.SEEDS]
    assert drawn(field, colour) == [pytest.approx(pair) for pair in expected]


def test_remedies_against_noise_are_told_apart_by_their_lines() -> None:
    narrow, wide, _ = shown(draw("noise", made.table(made.noise(narrow=30.0, trained=35.0))))
    assert (narrow.get_title(), wide.get_title()) == ("student S", "student L")
    ends = {line.get_linestyle(): line.get_ydata()[-1] for line in narrow.get_lines() if len(line.get_xdata()) == 4}
    assert ends == {"-": pytest.approx(30), "--": pytest.approx(45), ":": pytest.approx(65)}


def test_without_known_factors_or_captions_the_panels_say_so() -> None:
    estimates = draw("estimators", made.table(made.estimators(scenes=False)))
    texts = draw("crossmodal", made.table(made.crossmodal(captions=False)))
    assert len(shown(estimates)) == 2
    assert len(shown(texts)) == 2
    assert "the images have no captions" in [text.get_text() for axis in texts.axes for text in axis.texts]


def test_one_number_of_classes_is_no_sweep() -> None:
    table = made.everything()
    figure = draw("classes", table[table["quantity"] != "sweep_rank"])
    assert len(shown(figure)) == 1


def test_differences_are_drawn_seed_by_seed_with_their_interval_and_the_papers() -> None:
    table = made.table(made.statistics(rank=2.0, seeds=10))
    rank, accuracy = shown(draw("statistics", table))
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
    accuracy = shown(draw("statistics", table))[1]
    assert not [line for line in accuracy.get_lines() if line.get_markersize() == 10]


def table(name: str, controls_table: pd.DataFrame) -> pd.DataFrame:
    """The table of one control of one run by its first column."""
    of = {"underfitting": {"epochs": {"this copy": 5}}, "truncation": {"chance": {"this copy": 10.0}}}
    options: dict[str, object] = dict(of.get(name, {}))
    made_of: pd.DataFrame = getattr(control_tables, f"{name}_table")({"this copy": controls_table}, **options)
    own = made_of.drop(columns="from", errors="ignore")
    return own.set_index(own.columns[0])


def summarised(controls_table: pd.DataFrame) -> pd.DataFrame:
    return control_tables.table({"this copy": controls_table}, epochs={"this copy": 5}, chance={"this copy": 10.0})


@pytest.mark.parametrize("seeds", [made.SEEDS, (42,)], ids=["three seeds", "one seed"])
def test_every_control_has_a_table_and_a_row_of_the_summary(seeds: tuple[int, ...], tmp_path: Path) -> None:
    everything = made.read_back(made.everything(seeds), tmp_path)
    summary = summarised(everything)
    assert summary["control"].tolist() == list(CONTROL_TITLES.values())
    for text in summary["this copy"]:
        assert ": " in text
        assert "nan" not in text.lower()
        assert "NA" not in text
    for name in CONTROLS:
        shown = table(name, everything)
        assert len(shown) > 1
        spread = len(seeds) > 1 or name in ("truncation", "estimators")  # which have random draws
        assert ("±" in shown.to_string()) == (spread and name != "statistics")  # which has intervals


@pytest.mark.parametrize("name", CONTROLS)
def test_the_table_of_a_control_that_was_not_run_says_so(name: str) -> None:
    everything = made.everything((42,))  # with one seed there is no signed-rank test, which takes a second
    rest = everything[everything["control"] != name]
    assert for_readers(table(name, rest).reset_index()).to_numpy().tolist() == [["no run here has this control"]]
    absent = summarised(rest)["this copy"] == "not run"
    assert absent.tolist() == [key == name for key in CONTROL_TITLES]


def test_runs_stand_below_each_other_and_those_without_a_control_are_left_out() -> None:
    runs = {"photographs": made.table(made.classes()), "this copy": made.everything()}
    assert list(dict.fromkeys(control_tables.classes_table(runs)["from"])) == ["photographs", "this copy"]
    assert set(control_tables.truncation_table(runs, chance={})["from"]) == {"this copy"}
    assert [len(figures) for figures in (controls.classes(runs), controls.objective(runs))] == [2, 1]
    names = [figure.get_suptitle() or figure.legends[0].get_title().get_text() for figure in controls.classes(runs)]
    assert names == ["photographs", "this copy"]
    summary = control_tables.table(runs, epochs={"photographs": 5, "this copy": 5}, chance={}).set_index("control")
    assert summary.loc["Objective", "photographs"] == "not run"
    assert summary.loc["Class structure", "photographs"] != "not run"


def test_the_predicted_rank_stands_beside_the_measured_one() -> None:
    rows = made.table(made.underfitting(teacher=90.0, measured=16.0, predicted=60.0, late=25.0))
    shown = table("underfitting", rows)
    assert shown.loc["student M", ["rank", "rank predicted"]].tolist() == ["16.0 ± 0.2", "60.0 ± 0.2"]
    assert shown.loc["student S", "components with R² > 0.5"] == "2.0 ± 0.0"  # R² of 0.9 / k^0.7
    assert shown.loc["student S, epoch 40, constant rate", ["rank", "cosine distance"]].tolist() == [
        "25.0 ± 0.2", "0.300 ± 0.008"
    ]  # fmt: skip
    assert shown.loc["student S, epoch 40, annealed rate", "rank"] == "27.0 ± 0.2"
    assert "student S, epoch 5, constant rate" in shown.index
    summary = summarised(rows)["this copy"][0]
    assert summary.startswith("teacher: 90.0\nstudent S: 16.0 ± 0.2 / 60.0 ± 0.2\n")


def test_a_profile_of_as_many_epochs_has_no_longer_training() -> None:
    rows = made.table(made.underfitting())
    shown = control_tables.underfitting_table({"this copy": rows}, epochs={"this copy": 40})["model"]
    assert [name for name in shown if "epoch" in name] == [
        "student S, epoch 40, constant rate", "student S, epoch 40, annealed rate"
    ]  # fmt: skip


def test_ranks_within_classes_stand_beside_the_whole() -> None:
    rows = made.table(made.classes(teacher=90.0, teacher_within=85.0, student=45.0, student_within=80.0, last=7.0))
    shown = table("classes", rows)
    assert shown.loc["teacher", ["rank", "within classes", "rank, 10 classes"]].tolist() == ["90.0", "85.0", "60.0"]
    assert shown.loc["student S", ["rank", "within classes"]].tolist() == ["45.0 ± 0.0", "80.0 ± 0.0"]
    assert shown.loc["student S", "rank, 10 classes"] == "7.0 ± 0.2"
    assert shown["rank, 10 classes"].isna().tolist() == [False] * 4
    assert shown.loc["student L", "rank, 10 classes"] == "–"


def test_the_cut_teacher_stands_beside_the_whole_one_and_the_students() -> None:
    rows = made.table(made.truncation(full=(94.0, 84.0), cut=(90.0, 60.0), student=(72.0, 25.0)))
    shown = table("truncation", rows)
    assert shown["lost (points)"].tolist()[:2] == ["10.0", "30.0"]
    assert shown.loc["its top 16 directions", "rank"] == "12.8"
    assert shown.loc["random 16 directions", "seeds or draws"] == 3
    assert shown.loc["student L", "lost (points)"] == "51.0 ± 0.0"


def test_a_teacher_of_few_dimensions_is_cut_to_fewer() -> None:
    rows = pd.DataFrame(made.truncation())
    few = made.table(rows[~rows["variant"].isin(["random", "bottom"]) & ~(rows["x"] > 8)].to_dict("records"))
    few = pd.concat([few, made.table(rows[rows["variant"] == "full"].assign(x=10.0).to_dict("records"))])
    assert table("truncation", few).index.tolist()[:3] == ["whole teacher", "its top 8 directions", "student S"]


def test_capacity_has_a_row_per_value_in_its_unit() -> None:
    shown = table("capacity", made.table(made.capacity(by_field=4.0)))
    assert shown.loc["receptive field of 50 pixels", "rank"] == "20.0 ± 0.2"
    assert shown.loc["7.82M parameters", "student"] == "w=10"
    assert [name for name in shown.index if "parameters" in name] == sorted(
        (name for name in shown.index if "parameters" in name), key=lambda name: float(name.split("M")[0])
    )


def test_objectives_are_named_as_everywhere() -> None:
    shown = table("objective", made.table(made.objective(whitened=40.0, centred=22.0, labels=9.0, untrained=5.0)))
    assert shown["rank"].to_dict() == {
        "teacher": "90.0", "cosine alone": "16.0 ± 0.2", "whitened targets": "40.0 ± 0.2",
        "centred targets": "22.0 ± 0.2", "labels": "9.0 ± 0.2", "no training": "5.0 ± 0.2",
    }  # fmt: skip


def test_what_a_remedy_gains_is_paired_at_the_highest_noise() -> None:
    shown = table("noise", made.table(made.noise(narrow=30.0, wide=20.0, re_estimated=-8.0, trained=35.0)))
    assert shown["gained (points)"].dropna().to_dict() == {
        "student S, batch statistics re-estimated": "−8.0 ± 0.0", "student S, trained with noise": "35.0 ± 0.0",
        "student L, batch statistics re-estimated": "−8.0 ± 0.0", "student L, trained with noise": "35.0",
    }  # fmt: skip
    assert shown.loc["student L, trained with noise", "seeds"] == 1


def test_estimates_stand_beside_the_known_rank() -> None:
    shown = table("estimators", made.table(made.estimators(loss_of_colour=0.1)))
    # 30 (1 - 12.5 / N) and 0.05, the mean of the two draws' additions.
    assert shown.loc["rank (variance, centred), 125 images", ["true rank", "estimated"]].tolist() == [
        "30.0", "27.1 ± 0.1"
    ]  # fmt: skip
    assert shown.loc["95 % interval, high", "teacher"] == "90.2"
    assert shown.loc["variance by colour (%)", ["teacher", "student L"]].tolist() == ["10.0", "0.0 ± 0.0"]
    unknown = table("estimators", made.table(made.estimators(scenes=False)))
    assert "true rank" not in unknown
    assert not [name for name in unknown.index if name.startswith("variance by")]


def test_the_cut_teacher_and_guessing_stand_beside_the_students_among_texts() -> None:
    shown = table("crossmodal", made.table(made.crossmodal(top=30.0, student=40.0)))
    assert shown["zero-shot (%), σ = 0"].tolist() == ["90.0", "30.0", "40.0 ± 0.2", "40.0 ± 0.2", "40.0 ± 0.2", "10.0"]
    assert shown.loc["student S", ["zero-shot (%), σ = 0.2", "gap"]].tolist() == ["30.0 ± 0.2", "0.90 ± 0.00"]
    assert not [name for name in table("crossmodal", made.table(made.crossmodal(captions=False))) if "caption" in name]


def test_tests_have_a_row_each_and_a_gap_where_there_is_none() -> None:
    ten, three = (table("statistics", made.table(made.statistics(rank=2.0, seeds=seeds))) for seeds in (10, 3))
    assert ten.index.tolist() == ["effective rank", *(f"accuracy, σ = {s:g}" for s in made.SIGMAS)]
    assert ten["difference"].tolist() == ["2.00", "0.00", "0.00", "0.00", "0.00"]
    assert "–" not in ten.to_numpy()
    assert three.columns[(three == "–").all()].tolist() == ["p (Wilcoxon)"]
    assert three["seeds"].tolist() == [3] * 5


def test_a_p_that_is_too_small_for_its_digits_is_not_zero() -> None:
    shown = table("statistics", made.table(made.statistics(rank=50.0, seeds=10)))
    assert shown.loc["effective rank", "p (t-test)"] == "< 0.0001"
