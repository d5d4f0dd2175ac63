"""The readings of chapters 6 and 7: every number from the table, in either direction, and words where there is none."""

import expansion_tables as made
import pandas as pd
import pytest

from asymdistill.config.names import OBJECTIVES
from asymdistill.plots import expansion_report
from asymdistill.plots.tables import cells, objectives, ratios

PARAGRAPHS = {"reading_expansion", "reading_worth", "reading_sweeps", "reading_alternatives", "reading_limit"}


def test_the_factor_is_taken_student_by_student() -> None:
    factor = ratios(made.everything()[lambda table: table["comparison"] == "gains"])
    assert len(factor) == len(made.WIDTHS) * len(made.SEEDS)
    assert factor["value"].tolist() == pytest.approx([made.FACTOR] * len(factor))


def test_numbers_are_means_over_students() -> None:
    reading = expansion_report.expansion(made.everything())
    assert reading["expansion_factor"] == pytest.approx(made.FACTOR)
    assert reading["er_mean_cosine"] == pytest.approx(made.PLAIN + 0.5)
    assert reading["er_infonce"] == pytest.approx((made.PLAIN + 0.5) * made.FACTOR)
    assert all(isinstance(reading[key], float) for key in ("expansion_factor", "er_infonce", "er_mean_cosine"))


def test_the_reading_names_every_width_and_counts_the_students_that_gained() -> None:
    text = expansion_report.expansion(made.everything())["reading_expansion"]
    assert "10.5 (10.0 to 11.0, n = 2) to 15.8 (15.0 to 16.5, n = 2) (S)" in text
    assert "(M)" in text
    assert "the teacher's is 40.0" in text
    assert "above 1 for 6 of 6 students" in text


def test_the_reading_turns_with_the_numbers() -> None:
    table = made.everything()
    plain, treated = table["objective"] == "cosine", table["objective"] == "infonce"
    table.loc[plain, "objective"], table.loc[treated, "objective"] = "infonce", "cosine"
    table = table.sort_values("objective", key=lambda names: names.map({"cosine": 0, "infonce": 1}), kind="stable")
    reading = expansion_report.expansion(table)
    assert "above 1 for 0 of 6 students" in reading["reading_expansion"]
    assert "the probe's accuracy falls by 5.0 points" in reading["reading_worth"]
    assert "the probe's accuracy rises by 5.0" in expansion_report.expansion(made.everything())["reading_worth"]


def test_what_it_buys_is_told_with_its_units() -> None:
    text = expansion_report.expansion(made.everything())["reading_worth"]
    assert "the share of the teacher's nearest neighbours falls by 5.0 points" in text
    assert "the cosine distance to the teacher rises by 0.010" in text
    assert "the share of variance where the teacher has 90 % of its own changes by 0.0 points" in text
    assert "the probe's accuracy at sigma = 0.2 falls by 7.0 points" in text


def test_sweeps_tell_where_the_rank_is_least_and_greatest() -> None:
    table = made.everything()
    table.loc[(table["comparison"] == "weight") & (table["x"] == 10.0), "value"] = 20.0
    text = expansion_report.expansion(table)["reading_sweeps"]
    assert "Along the weight, the rank lies between 15.8 (at 1) and 20.0 (at 10)" in text
    assert "the accuracy, in percent, 20.0 (at 10) and 75.0 (at 1)" in text
    assert "Without InfoNCE, along the batch size, the rank lies between 10.5 (at 16) and 10.5 (at 16)" in text


def test_alternatives_are_ordered_by_their_numbers() -> None:
    table = made.everything()
    own = table["objective"] == "vicreg"
    table.loc[own & (table["quantity"] == "effective_rank"), "value"] = 99.0
    table.loc[own & (table["quantity"] == "accuracy"), "value"] = 3.0
    text = expansion_report.expansion(table)["reading_alternatives"]
    assert "Of 6 objectives, the highest rank is 99.0 (VICReg's terms)" in text
    assert "the most neighbours in common with the teacher 30.0 % (cosine alone)" in text
    assert "By rank they come in the order VICReg's terms, " in text
    assert text.endswith(" and VICReg's terms.")


def test_the_limit_tells_each_width_and_the_highest_of_all() -> None:
    text = expansion_report.expansion(made.everything())["reading_limit"]
    assert "31.0 (31.0 to 31.0, n = 2) (S) and 34.0 (34.0 to 34.0, n = 2) (L)" in text
    assert "34.0 (student L, cosine with InfoNCE)" in text


def test_tables_for_readers_have_a_row_for_each_value_objective_and_pair() -> None:
    varied = expansion_report.varied(made.everything()).set_index(["varied", "value", "objective"])
    assert len(varied) == 3 + 2 + 4
    assert varied.loc[("weight", "0", "cosine alone"), "effective rank"] == "10.5 ± 0.5"
    assert varied.loc[("batch size", "16", "cosine with InfoNCE"), "effective rank"] == "15.8 ± 0.8"
    assert varied.loc[("temperature", "1", "cosine with InfoNCE"), "accuracy (%)"] == "75.0 ± 0.0"
    compared = expansion_report.compared(made.everything()).set_index("objective")
    assert list(compared.index) == list(OBJECTIVES.values())
    assert compared.loc["cosine alone"].tolist() == [
        "10.5 ± 0.5", "70.0 ± 0.0", 2, "20.0 ± 0.0", "60.0 ± 0.0", "30.0 ± 0.0", "0.200 ± 0.000"
    ]  # fmt: skip
    crossed = expansion_report.crossed(made.crossed())
    assert crossed[["images", "teacher"]].to_numpy().tolist() == [list(pair) for pair in cells(made.crossed())]
    assert set(crossed["factor"]) == {"1.50 ± 0.00"}
    assert set(crossed["students"]) == {6}
    assert "factor" not in expansion_report.crossed(made.crossed(("cosine",)))


def test_without_sweeps_the_reading_says_so() -> None:
    reading = expansion_report.expansion(made.everything(sweeps=False))
    assert reading["reading_sweeps"] == "This profile varies none of them."
    assert reading["reading_limit"] == "This profile does not push weight and width."


def test_with_one_objective_there_is_nothing_to_compare() -> None:
    reading = expansion_report.expansion(made.everything(("cosine",), sweeps=False))
    assert {reading[key] for key in PARAGRAPHS} == {expansion_report.ONE}
    assert pd.isna(reading["expansion_factor"])
    assert set(expansion_report.generality(made.crossed(("cosine",))).values()) == {expansion_report.ONE}


def test_another_second_objective_is_named() -> None:
    assert "InfoNCE between views" in expansion_report.expansion(made.everything(("cosine", "views")))["reading_worth"]
    assert objectives(made.everything(("views", "vicreg"), sweeps=False)) == ["views", "vicreg"]


def test_teachers_and_images_are_named_briefly_and_none_is_lost() -> None:
    found = cells(made.crossed())
    assert list(found) == [
        ("cifar10", "ViT-B-32-quickgelu"), ("cifar10", "vit_s"), ("mine", "ViT-B-32-quickgelu"), ("mine", "vit_s")
    ]  # fmt: skip
    assert sum(map(len, found.values())) == len(made.crossed())


def test_generality_tells_each_pair_and_noise_where_the_classes_are_most() -> None:
    reading = expansion_report.generality(made.crossed())
    assert reading["reading_generality"].endswith(reading["seen_generality"])
    assert reading["seen_generality"].count("1.50 (1.50 to 1.50, n = 6) with ") == 4
    assert "have 74 to 74 % fewer dimensions" in reading["reading_generality"]
    assert reading["reading_elsewhere"].count("on mine") == 2
    assert "cifar10" not in reading["reading_elsewhere"]
    assert (
        "costs the teacher 10.0 points of accuracy, 20.0 (20.0 to 20.0, n = 6) for the students of cosine alone"
        in (reading["reading_elsewhere"])
    )


def controls(rank: float) -> pd.DataFrame:
    found = {"control": "underfitting", "quantity": "epoch_rank", "variant": "constant"}
    rows = [
        made.of("S", seed, "cosine") | found | {"x": epoch, "value": rank if epoch == 20 else 10.0}
        for seed in made.SEEDS
        for epoch in (5.0, 20.0)
    ]
    return pd.DataFrame(rows).astype({"seed": "Int64"})


@pytest.mark.parametrize(
    ("rank", "words"), [(13.0, "+2.8 (+2.0 to +3.5, n = 2)"), (18.0, "-2.2 (-3.0 to -1.5, n = 2)")]
)
def test_longer_training_is_set_beside_it(rank: float, words: str) -> None:
    gains = made.everything()[lambda table: table["comparison"] == "gains"]
    text = expansion_report.longer(gains, controls(rank))["reading_longer"]
    assert f"for 20 epochs, ends at a rank of {rank:.1f}" in text
    assert f"the difference is {words}" in text
    assert expansion_report.longer(gains, controls(rank).iloc[:0])["reading_longer"] == expansion_report.ABSENT
