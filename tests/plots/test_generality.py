"""Chapter 7: every number from the table, every student beside its own teacher."""

import expansion_tables as made
import pandas as pd
import pytest
from expansion_tables import OWN, of_copy

from asymdistill.plots import generality, style


def test_noise_is_drawn_for_the_images_with_the_most_classes() -> None:
    figure = generality.noise(made.crossed())
    assert [axis.get_title().replace("\n", " ") for axis in figure.axes] == [
        "teacher ViT-B-32-quickgelu",
        "teacher vit_s",
    ]
    chance = [line for line in figure.axes[0].get_lines() if line.get_linestyle() == ":"]
    assert chance[0].get_ydata()[0] == pytest.approx(1.0)


def test_teachers_and_images_have_a_row_per_pair_under_short_names() -> None:
    found = generality.cells(made.crossed())
    assert list(found) == [
        ("CIFAR-10", "ViT-B-32-quickgelu"), ("CIFAR-10", "vit_s"), ("mine", "ViT-B-32-quickgelu"), ("mine", "vit_s")
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
        "CIFAR-10\nEfficientNet-Lite0", "CIFAR-10\nViT-B-32-quickgelu"
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
    assert shown.tolist() == [100, 0.2, "10.0", "20.0 ± 0.0", "32.0 ± 0.0", 6]


def test_losses_to_noise_are_up_to_one_level_that_every_pair_has() -> None:
    table = made.crossed()
    less = table[table["sigma"] != 0.2].assign(dataset="elsewhere")
    assert set(generality.noise_table({"photographs": less, OWN: table})["σ"]) == {0.1}
    rest = table[table["sigma"] != 0.1]
    assert set(generality.noise_table({"photographs": less, OWN: rest})["σ"]) == {0.1, 0.2}  # they share none


def test_the_limit_has_a_row_per_width_and_a_column_per_weight() -> None:
    shown = generality.limit_table(made.everything(), weight=1, largest=10).set_index("student")
    assert list(shown) == ["cosine alone", "weight 1", "weight 10", "teacher", "seeds"]
    assert shown.loc["L"].tolist() == ["10.5 ± 0.5", "15.8 ± 0.8", "34.0 ± 0.0", "40.0", 2]
    assert shown.loc["M", "weight 10"] == "–"
    assert "weight 10" not in generality.limit_table(made.everything(sweeps=False), weight=1, largest=10)
