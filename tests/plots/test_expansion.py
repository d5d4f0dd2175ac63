"""Figures and tables of chapters 6 and 7: labelled axes, every student in its place, every number from the table."""

from collections.abc import Callable, Iterator

import expansion_tables as made
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from asymdistill.config.names import OBJECTIVES
from asymdistill.plots import expansion, generality, style
from asymdistill.plots.tables import cells, for_readers, ratios

OWN = "this copy"


def of_copy(table: pd.DataFrame, name: str = OWN) -> pd.DataFrame:
    """The rows of one run in a table that has several, without their name."""
    return table[table["from"] == name].drop(columns="from")


def gains(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["comparison"] == "gains"]


def singular_values(objectives: tuple[str, ...] = ("cosine", "infonce")) -> pd.DataFrame:
    models = [made.of("teacher"), *(made.of(m, s, o) for o in objectives for m in made.WIDTHS for s in made.SEEDS)]
    rows = [model | {"component": k, "value": 2.0**-k} for model in models for k in range(1, 9)]
    return pd.DataFrame(rows).astype({"seed": "Int64"})


DRAW: dict[str, Callable[[tuple[str, ...]], Figure]] = {
    "spectra": lambda kinds: expansion.spectra({OWN: singular_values(kinds)}),
    "ranks": lambda kinds: expansion.ranks({OWN: made.everything(kinds)}, published=2.4),
    "sweeps": lambda kinds: expansion.sweeps(made.everything(kinds, sweeps=len(kinds) > 1)),
    "worth": lambda kinds: expansion.worth(gains(made.everything(kinds))),
    "noise": lambda kinds: expansion.noise({OWN: made.everything(kinds)}, chance={OWN: 10}),
    "alternatives": lambda kinds: expansion.alternatives(made.everything(kinds, sweeps=len(kinds) > 1)),
    "limit": lambda kinds: generality.limit(made.everything(kinds, sweeps=len(kinds) > 1), weight=1, largest=10),
    "ranks elsewhere": lambda kinds: generality.ranks({OWN: made.crossed(kinds)}),
    "noise elsewhere": lambda kinds: generality.noise(made.crossed(kinds)),
}


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.mark.parametrize("kinds", [("cosine", "infonce"), ("cosine", "views"), ("infonce", "vicreg")])
@pytest.mark.parametrize("name", DRAW)
def test_every_panel_is_labelled_and_fits_a_column(name: str, kinds: tuple[str, ...]) -> None:
    figure = DRAW[name](kinds)
    figure.canvas.draw()
    assert figure.get_size_inches()[0] == pytest.approx(style.WIDTH)
    for axis in figure.axes:
        above_another = not any(label.get_text() and label.get_visible() for label in axis.get_xticklabels())
        assert axis.get_xlabel() or above_another
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == list(dict.fromkeys(labels))


@pytest.mark.parametrize("name", DRAW)
def test_with_one_objective_a_line_says_so(name: str) -> None:
    figure = DRAW[name](("cosine",))
    assert not any(axis.axison for axis in figure.axes)
    assert "one objective only" in figure.texts[0].get_text()


def test_what_a_profile_does_not_vary_is_said() -> None:
    table = made.everything(sweeps=False)
    for figure in (expansion.sweeps(table), generality.limit(table, weight=1, largest=10)):
        assert figure.texts


def test_each_student_is_in_its_models_colour_filled_or_open() -> None:
    figure = expansion.ranks({OWN: made.everything()}, published=2.4)
    axis = figure.axes[0]
    looks = style.style(["S"])
    colour = looks["S"][0]
    own = [line for line in axis.get_lines() if to_rgb(line.get_color()) == pytest.approx(colour)]
    filled, hollow = (
        sorted(np.concatenate([line.get_xdata() for line in own if (line.get_markerfacecolor() == "white") is open]))
        for open in (False, True)
    )
    assert filled == pytest.approx([10.0, 11.0])
    assert hollow == pytest.approx([15.0, 16.5])


def test_the_papers_factor_is_marked_as_such() -> None:
    figure = expansion.ranks({OWN: made.everything()}, published=2.4)
    dotted = [line for line in figure.axes[1].get_lines() if line.get_linestyle() == ":"]
    assert [line.get_xdata()[0] for line in dotted] == [2.4]
    assert "factor in the paper" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_noise_is_drawn_for_the_images_with_the_most_classes() -> None:
    figure = generality.noise(made.crossed())
    assert [axis.get_title().replace("\n", " ") for axis in figure.axes] == [
        "teacher ViT-B-32-quickgelu",
        "teacher vit_s",
    ]
    chance = [line for line in figure.axes[0].get_lines() if line.get_linestyle() == ":"]
    assert chance[0].get_ydata()[0] == pytest.approx(1.0)


def test_the_factor_is_taken_student_by_student() -> None:
    factor = ratios(gains(made.everything()))
    assert len(factor) == len(made.WIDTHS) * len(made.SEEDS)
    assert factor["value"].tolist() == pytest.approx([made.FACTOR] * len(factor))


def test_numbers_for_prose_are_means_over_students() -> None:
    numbers = expansion.numbers(made.everything())
    assert numbers["expansion_factor"] == pytest.approx(made.FACTOR)
    assert numbers["er_mean_cosine"] == pytest.approx(made.PLAIN + 0.5)
    assert numbers["er_infonce"] == pytest.approx((made.PLAIN + 0.5) * made.FACTOR)
    assert {type(value) for value in numbers.values()} == {float}


def test_with_one_objective_there_is_no_factor() -> None:
    table = made.everything(("cosine",), sweeps=False)
    assert all(np.isnan(value) for value in expansion.numbers(table).values())
    shown = expansion.table({OWN: table})
    assert set(shown.loc[shown["from"] == OWN, "factor"]) == {"–"}
    assert "change" not in expansion.worth_table({OWN: table})
    assert set(generality.table({OWN: made.crossed(("cosine",))}).get("factor", "–")) == {"–"}


def test_the_main_table_has_a_row_per_width() -> None:
    table = made.everything()
    table.loc[(table["objective"] == "infonce") & (table["model"] == "L") & (table["seed"] == 42), "value"] = 20.0
    shown = of_copy(expansion.table({OWN: table})).set_index("student")
    assert list(shown.index) == list(made.WIDTHS)
    assert shown.loc["S"].tolist() == ["40.0", "10.5 ± 0.5", "15.8 ± 0.8", "1.50 ± 0.00", "1.50 to 1.50", 2]
    assert shown.loc["L", "range of factor"] == "1.50 to 2.00"


def test_the_papers_ranks_and_factor_come_first_and_runs_below_each_other() -> None:
    shown = expansion.table({"photographs": made.everything(), OWN: made.everything()})
    assert shown["from"].tolist() == ["paper", *["photographs"] * 3, *[OWN] * 3]
    paper = shown.iloc[0]
    assert paper[["student", "teacher", "cosine alone", "cosine with InfoNCE", "factor"]].tolist() == [
        *("all", "88.7", "16.0", "38.0", "2.40"),
    ]


def test_a_run_with_one_objective_leaves_the_figure_to_the_others() -> None:
    figure = expansion.ranks({"photographs": made.everything(("cosine",)), OWN: made.everything()}, published=2.4)
    assert [axis.get_title(loc="center") for axis in figure.axes[::2]] == [""]
    assert [axis.get_title(loc="left") for axis in figure.axes[::2]] == [OWN]


def test_another_second_objective_is_named() -> None:
    shown = expansion.table({OWN: made.everything(("views", "vicreg"), sweeps=False)})
    assert {"InfoNCE between views", "VICReg's terms"} < {*shown}


def test_what_it_buys_is_shown_as_paired_changes_in_their_units() -> None:
    shown = of_copy(expansion.worth_table({OWN: made.everything()})).set_index("measure")
    assert shown["change"].tolist() == [
        "5.0 ± 0.0", "3.0 ± 0.0", "2.0 ± 0.0", "-5.0 ± 0.0", "0.0 ± 0.0", "0.010 ± 0.000", "-7.0 ± 0.0"
    ]  # fmt: skip
    assert shown.loc["neighbours shared with the teacher (%)", "cosine alone"] == "30.0 ± 0.0"
    assert shown.loc["probe accuracy (%) at σ = 0.2", ["teacher", "students"]].tolist() == ["85.0", 6]
    assert shown.loc["cosine distance to the teacher", "teacher"] == "–"


def test_changes_are_paired_by_student() -> None:
    table = made.everything()
    own = (table["quantity"] == "distance") & (table["seed"] == 42)
    table.loc[own, "value"] += 0.1  # of both objectives, so that no change changes
    assert expansion.worth_table({OWN: table}).set_index("measure").loc["cosine distance to the teacher", "change"] == (
        "0.010 ± 0.000"
    )


def longer(rank: float) -> pd.DataFrame:
    found = {"control": "underfitting", "quantity": "epoch_rank", "variant": "constant"}
    rows = [
        made.of("S", seed, "cosine") | found | {"x": epoch, "value": rank if epoch == 20 else 10.0}
        for seed in made.SEEDS
        for epoch in (5.0, 20.0)
    ]
    return pd.DataFrame(rows).astype({"seed": "Int64"})


def test_longer_training_stands_between_the_two_objectives() -> None:
    own = gains(made.everything())
    shown = for_readers(expansion.longer_table(own, longer(13.0), epochs=5))
    assert shown.to_numpy().tolist() == [
        [5, "10.5 ± 0.5", 2], [20, "13.0 ± 0.0", 2], [5, "15.8 ± 0.8", 2], ["–", "40.0", "–"]
    ]  # fmt: skip
    without = expansion.longer_table(own, longer(13.0).iloc[:0], epochs=5)
    assert without["objective"].tolist() == ["cosine alone", "cosine with InfoNCE", "teacher"]


def test_sweeps_have_a_row_per_value_and_objective() -> None:
    shown = expansion.sweeps_table({OWN: made.everything()}).set_index(["varied", "value", "objective"])
    assert len(shown) == 3 + 2 + 4
    assert shown.loc[("weight of InfoNCE", "0", "cosine alone"), "effective rank"] == "10.5 ± 0.5"
    assert shown.loc[("batch size", "16", "cosine with InfoNCE"), "effective rank"] == "15.8 ± 0.8"
    assert shown.loc[("temperature", "1", "cosine with InfoNCE"), "probe accuracy (%)"] == "75.0 ± 0.0"
    assert for_readers(expansion.sweeps_table({OWN: made.everything(sweeps=False)})).empty


def test_alternatives_have_a_row_per_objective() -> None:
    shown = of_copy(expansion.alternatives_table({OWN: made.everything()})).set_index("objective")
    assert list(shown.index) == list(OBJECTIVES.values())[:6]
    assert shown.loc["cosine alone"].tolist() == [
        "10.5 ± 0.5", "70.0 ± 0.0", 2, "20.0 ± 0.0", "60.0 ± 0.0", "30.0 ± 0.0", "0.200 ± 0.000"
    ]  # fmt: skip


def test_teachers_and_images_have_a_row_per_pair_under_short_names() -> None:
    found = cells(made.crossed())
    assert list(found) == [
        ("cifar10", "ViT-B-32-quickgelu"), ("cifar10", "vit_s"), ("mine", "ViT-B-32-quickgelu"), ("mine", "vit_s")
    ]  # fmt: skip
    assert sum(map(len, found.values())) == len(made.crossed())
    runs = {OWN: made.crossed()}
    for shown in (of_copy(generality.table(runs)), generality.noise_table(runs)):
        assert shown[["images", "teacher"]].to_numpy().tolist() == [list(pair) for pair in found]
        assert set(shown["students"]) == {6}


def test_the_second_papers_two_settings_come_before_the_runs() -> None:
    shown = generality.table({OWN: made.crossed()})
    stated = shown[shown["from"] == "paper"][["images", "teacher", "teacher's rank", "cosine alone"]]
    assert stated.to_numpy().tolist() == [
        ["CIFAR-10", "CLIP ViT-B/32", "88.7", "16.0"], ["CIFAR-100", "DINOv2", "–", "54.0"]
    ]  # fmt: skip


def test_ranks_elsewhere_are_set_beside_their_own_teacher() -> None:
    shown = of_copy(generality.table({OWN: made.crossed()})).iloc[0]
    assert shown["teacher's rank"] == "40.0"
    assert shown["factor"] == "1.50 ± 0.00"
    assert shown["below teacher (%)"] == "74"  # 10.5 of 40


LITE0, CLIP = "imagenet-efficientnet-lite0", "open_clip:ViT-B-32-quickgelu/openai"


def of_teachers(**ranks: float) -> pd.DataFrame:
    """A table of generality on one set of images: teachers by the names of the arguments, with these ranks."""
    names = {"clip": CLIP, "lite0": LITE0, "other": "timm:mixer_b16"}
    table = made.crossed()
    table = table[(table["dataset"] == "cifar10") & (table["teacher"] == CLIP)]
    whole = (table["quantity"] == "effective_rank") & (table["model"] == "teacher")
    parts = [table.assign(teacher=names[n], value=table["value"].mask(whole, rank)) for n, rank in ranks.items()]
    return pd.concat(parts, ignore_index=True)


def test_a_students_rank_stands_beside_that_of_each_of_its_teachers() -> None:
    shown = generality.asymmetry_table({OWN: of_teachers(lite0=100.0, clip=42.0, other=21.0)}).set_index("teacher")
    assert shown["architecture"].tolist() == ["convolutional network", "transformer", "unknown"]
    assert shown["teacher's rank"].tolist() == ["100.0", "42.0", "21.0"]
    assert set(shown["student"]) == {"S"}
    assert set(shown["student's rank"]) == {"10.5 ± 0.5"}  # of the first objective: 10 and 11
    assert shown["share (%)"].tolist() == ["10.5 ± 0.5", "25.0 ± 1.2", "50.0 ± 2.4"]
    assert set(shown["seeds"]) == {2}
    assert len(generality.asymmetry_table({OWN: made.crossed()})) == 4


def test_teachers_are_compared_by_the_narrowest_student_of_them_all() -> None:
    table = of_teachers(lite0=100.0, clip=42.0)
    few = table[(table["teacher"] == LITE0) | ~table["model"].isin(["S"])]
    assert generality.asymmetry_table({OWN: few})["student"].tolist() == ["M", "M"]
    apart = few[(few["teacher"] == CLIP) | few["model"].isin(["teacher", "S"])]
    assert generality.asymmetry_table({OWN: apart})["student"].tolist() == ["S", "M"]


def test_convolutional_teachers_are_drawn_filled_and_transformers_open() -> None:
    figure = generality.asymmetry({OWN: of_teachers(lite0=100.0, clip=42.0, other=21.0)})
    figure.canvas.draw()
    axis = figure.axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == [
        "cifar10\nimagenet-efficientnet-lite0", "cifar10\nViT-B-32-quickgelu"
    ]  # fmt: skip
    filled, hollow = axis.get_lines()
    assert (filled.get_markerfacecolor() == "white", hollow.get_markerfacecolor()) == (False, "white")
    assert list(filled.get_xdata()) == pytest.approx([10.0, 11.0])
    assert list(hollow.get_xdata()) == pytest.approx([1000 / 42, 1100 / 42])
    assert figure.get_size_inches()[0] == pytest.approx(style.WIDTH)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["student S", "teacher: convolutional network", "teacher: transformer"]


@pytest.mark.parametrize("teachers", [{"lite0": 100.0}, {"clip": 42.0}, {"lite0": 100.0, "other": 21.0}])
def test_teachers_of_one_kind_are_not_drawn(teachers: dict[str, float]) -> None:
    figure = generality.asymmetry({OWN: of_teachers(**teachers)})
    assert not any(axis.axison for axis in figure.axes)
    assert "nothing to compare" in figure.texts[0].get_text()
    assert len(generality.asymmetry_table({OWN: of_teachers(**teachers)})) == len(teachers)


def test_losses_to_noise_are_the_teachers_and_each_objectives() -> None:
    shown = (
        of_copy(generality.noise_table({OWN: made.crossed()})).set_index(["images", "teacher"]).loc[("mine", "vit_s")]
    )
    assert shown.tolist() == [100, "10.0", "20.0 ± 0.0", "32.0 ± 0.0", 6]


def test_the_limit_has_a_row_per_width_and_a_column_per_weight() -> None:
    shown = generality.limit_table(made.everything(), weight=1, largest=10).set_index("student")
    assert list(shown) == ["cosine alone", "weight 1", "weight 10", "teacher", "seeds"]
    assert shown.loc["L"].tolist() == ["10.5 ± 0.5", "15.8 ± 0.8", "34.0 ± 0.0", "40.0", 2]
    assert shown.loc["M", "weight 10"] == "–"
    assert "weight 10" not in generality.limit_table(made.everything(sweeps=False), weight=1, largest=10)
