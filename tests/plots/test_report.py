"""What is said about tables is true of them: orderings inverted or not, one width or one seed or several."""

import itertools
import re
from pathlib import Path

import pandas as pd
import pytest
from conftest import SMALL

from asymdistill.claims import evaluate
from asymdistill.config.names import student_name
from asymdistill.plots import report
from asymdistill.store import files
from asymdistill.study.study import Study


def models(widths: tuple[float, ...], seeds: tuple[int, ...], *, teacher: bool = True) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    if teacher:
        rows.append({"model": "teacher", "width": None, "seed": None, "objective": None, "augmented": False})
    for width, seed in itertools.product(widths, seeds):
        rows.append(
            {"model": student_name(width), "width": width, "seed": seed, "objective": "cosine", "augmented": False}
        )
    return rows


def table(rows: list[dict[str, object]]) -> pd.DataFrame:
    return pd.DataFrame(rows).astype({"seed": "Int64", "width": float, "augmented": bool})


def spectrum(ranks: dict[float, list[float]], teacher: float = 90.0) -> pd.DataFrame:
    """A spectrum table: the ranks of each width's students, seed by seed."""
    rows = []
    for model in models(tuple(ranks), tuple(range(len(next(iter(ranks.values())))))):
        width = model["width"]
        value = teacher if width is None else ranks[width][model["seed"]]
        for quantity, factor in (("effective_rank", 1), ("effective_rank_amplitude", 3), ("dims_for_90", 2)):
            row = {"estimator": "per seed", "images": 2000, "quantity": quantity, "value": factor * value}
            rows.append(model | row)
    for width, values in ranks.items():
        model = models((width,), (0,), teacher=False)[0] | {"seed": None}
        row = {"estimator": "mean spectrum", "images": 2000, "quantity": "effective_rank", "value": 1.5 * max(values)}
        rows.append(model | row)
    return table(rows)


def robustness(accuracy: dict[float, dict[float, list[float]]], teacher: dict[float, float]) -> pd.DataFrame:
    """A robustness table: accuracies by width, sigma and seed."""
    rows = []
    seeds = tuple(range(len(next(iter(next(iter(accuracy.values())).values())))))
    for model in models(tuple(accuracy), seeds):
        for sigma in teacher:
            width = model["width"]
            value = teacher[sigma] if width is None else accuracy[width][sigma][model["seed"]]
            rows.append(model | {"noise_space": "normalised", "sigma": sigma, "accuracy": value})
    return table(rows)


def numbers(text: str) -> list[str]:
    return re.findall(r"[+-]?\d+(?:[.,]\d+)*", text)


# Means and spreads


def test_spread_is_numpys_default() -> None:
    made = report.mean_and_spread(spectrum({1: [1.0, 3.0]}).query("estimator == 'per seed'"), ["model", "quantity"])
    own = made[(made["model"] == "S") & (made["quantity"] == "effective_rank")].iloc[0]
    assert (own["mean"], own["spread"], own["seeds"]) == (2.0, 1.0, 2)


def test_beside_the_paper() -> None:
    ranks = spectrum({1: [15.0, 17.0], 3: [10.0, 10.0]}).query("estimator == 'per seed'")
    ranks = ranks[ranks["quantity"] == "effective_rank"]
    shown = report.beside_paper(ranks, evaluate.published("effective_rank"), ["model"], "value", 2)
    assert shown.to_dict("records") == [
        {"model": "teacher", "paper": "88.68", "this run": "90.00", "seeds": 1},
        {"model": "S", "paper": "15.91", "this run": "16.00 ± 1.00", "seeds": 2},
        {"model": "w=3", "paper": "–", "this run": "10.00 ± 0.00", "seeds": 2},
    ]


def test_accuracies_beside_the_paper_keep_the_augmented_student_apart() -> None:
    measured = robustness({4: {0.0: [70.0], 0.1: [40.0]}}, {0.0: 90.0, 0.1: 80.0})
    treated = measured[measured["model"] == "L"].assign(augmented=True, accuracy=[60.0, 50.0])
    paper = evaluate.published("accuracy")
    by = ["model", "augmented", "sigma"]
    shown = report.beside_paper(pd.concat([measured, treated]), paper, by, "accuracy", 2)
    rows = shown[shown["model"] == "L"].set_index(["augmented", "sigma"])
    assert rows["paper"].to_dict() == {
        (False, 0.0): "72.94 ± 0.43",
        (False, 0.1): "43.76 ± 6.10",
        (True, 0.0): "69.34",
        (True, 0.1): "49.49",
    }
    assert rows["this run"].tolist() == ["70.00", "40.00", "60.00", "50.00"]


def test_estimators_stand_side_by_side() -> None:
    shown = report.estimators(spectrum({1: [10.0, 20.0]})).set_index("estimator")
    assert shown.loc["variance: mean of the ranks", "S"] == "15.00"
    assert shown.loc["variance: rank of the mean spectrum", "S"] == "30.00"
    assert shown.loc["amplitude: mean of the ranks", "S"] == "45.00"
    teacher = report.for_readers(shown.reset_index())["teacher"]
    assert teacher["variance: rank of the mean spectrum"] == "–"


def test_a_run_ends_with_ranks_and_accuracies(small_study: Study) -> None:
    tables = small_study.compute()
    ranks, accuracy = report.summary(tables).values()
    assert ranks["model"].tolist() == ["teacher", "w=0.5", "S"]
    spaces = len(SMALL["noise_spaces"])
    assert accuracy["model"].tolist() == ["teacher", "w=0.5", "S"] * spaces
    own = tables["spectrum"].query("estimator == 'per seed' and quantity == 'effective_rank' and width == 1")["value"]
    assert ranks.set_index("model").loc["S", "effective_rank"] == f"{own.mean():.2f} ± {own.std(ddof=0):.2f}"
    assert accuracy.columns.tolist() == ["model", "space", *SMALL["noise_levels"]]


def test_the_alignment_table_has_a_few_components(small_study: Study) -> None:
    shown = report.alignment_table(small_study.alignment())
    assert list(shown.columns) == ["model", 1, 2, 5, 10, 20, 50, 100]
    own = small_study.alignment().query("model == 'teacher' and component == 20")["share"].iloc[0]
    assert shown.set_index("model").loc["teacher", 20] == f"{own:.3f}"


# Welch's test


def test_welch_on_the_papers_own_numbers() -> None:
    paper = evaluate.published("accuracy").query("not augmented")
    row = report.welch_from_paper(paper, "S", "L", sigma=0.1).iloc[0]
    assert (row["t"], row["p"]) == (2.19, 0.11)
    assert row["difference"] == pytest.approx(54.84 - 43.76)


# Chapter 1


def test_the_collapse_is_read_from_the_table() -> None:
    reading = report.collapse(spectrum({1: [15.0, 17.0], 4: [18.0, 20.0]}))
    text = reading["reading_collapse"]
    assert (reading["er_teacher"], reading["er_student_min"], reading["er_student_max"]) == (90.0, 15.0, 20.0)
    assert (reading["er_mean"], reading["er_gap"]) == (17.5, 3.0)
    assert (reading["dims90_teacher"], reading["dims90_student"]) == (180.0, "30 to 40")
    assert {"90.0", "15.0", "20.0", "17.5", "2,000", "81", "+3.0"} <= set(numbers(text))
    assert "below" in text
    assert "do not overlap" in text
    assert all(isinstance(value, float | str) for value in reading.values())


def test_students_above_the_teacher_and_overlapping_ranges_are_said_as_such() -> None:
    text = report.collapse(spectrum({1: [10.0, 18.0], 4: [9.0, 17.0]}, teacher=5.0))["reading_collapse"]
    assert "above" in text
    assert "below" not in text
    assert "do not overlap" not in text
    assert "overlap" in text
    assert "-1.0" in numbers(text)


def test_one_width_is_not_compared_with_itself() -> None:
    text = report.collapse(spectrum({1: [10.0, 18.0]}))["reading_collapse"]
    assert "overlap" not in text
    text = report.collapse(spectrum({3: [10.0]}))["reading_collapse"]
    assert "w=3" not in text


# Chapter 2


def alignment(shares: dict[float, list[list[float]]], teacher: list[float]) -> pd.DataFrame:
    rows = []
    for model in models(tuple(shares), tuple(range(len(next(iter(shares.values())))))):
        values = teacher if model["width"] is None else shares[model["width"]][model["seed"]]
        rows += [model | {"component": k, "share": share} for k, share in enumerate(values, start=1)]
    return table(rows)


def test_alignment_is_read_from_the_table() -> None:
    made = alignment({1: [[0.5, 0.92, 1.0], [0.6, 0.8, 1.0]], 2: [[0.7, 0.95, 1.0], [0.8, 0.99, 1.0]]}, [0.4, 0.7, 1.0])
    text = report.alignment(made)["reading_alignment"]
    assert "2 to 3 components" in text
    assert "0.200" in numbers(text)  # widths 1 and 2 at the first component: 0.55 and 0.75
    long = alignment({1: [[k / 30 for k in range(1, 31)]]}, [min(1.0, k / 20) for k in range(1, 31)])
    reading = report.alignment(long)
    assert reading["share20_min"] == reading["share20_max"] == pytest.approx(20 / 30)
    assert {"20", "30", "0.667", "1.000", "27"} <= set(numbers(reading["reading_alignment"]))


# Chapter 3


def information(values: dict[float, tuple[float, float]], seeds: int = 1) -> pd.DataFrame:
    rows = []
    for model in models(tuple(values), tuple(range(seeds))):
        pair = (1.0, -1.0) if model["width"] is None else values[model["width"]]
        for quantity, value in zip(("info_nce", "uniformity"), pair, strict=True):
            rows.append(model | {"quantity": quantity, "value": value})
    return table(rows)


def test_a_loss_that_falls_with_every_step_is_told_from_one_that_does_not() -> None:
    falls, rises = (report.information(information(made))["reading_infonce"].split(". ") for made in (
        {1: (3.3, -0.1), 2: (3.2, -0.2), 10: (3.1, -0.15)}, {1: (3.1, -0.3), 2: (3.2, -0.4), 10: (3.0, -0.5)},
    ))  # fmt: skip
    assert "does not" not in falls[0]
    assert "does not" in falls[1]
    assert "does not" in rises[0]
    assert "does not" not in rises[1]
    assert falls[0].index("3.300 (S)") < falls[0].index("3.200 (M)") < falls[0].index("3.100 (w=10)")


def test_the_number_of_seeds_is_said_and_one_width_has_no_trend() -> None:
    assert "3 seeds" in report.information(information({1: (3.3, -0.1)}, seeds=3))["reading_infonce"]
    text = report.information(information({1: (3.3, -0.1)}))["reading_infonce"]
    assert "1 seed." in text
    assert "fall" not in text


# Chapter 4


def test_an_inversion_under_noise_is_seen_and_counted() -> None:
    made = robustness(
        {1: {0.0: [70, 72, 71], 0.1: [55, 54, 50]}, 4: {0.0: [73, 71, 74], 0.1: [44, 43, 51]}}, {0.0: 94.3, 0.1: 89.4}
    )
    reading = report.robustness(made)
    text = reading["reading_robustness"]
    assert reading["acc_teacher_clean"] == 94.3
    assert {"94.3", "89.4", "+1.7", "-7.0"} <= set(numbers(text))
    assert re.search(r"2, 1 of 3 seeds", text)


def test_no_inversion_is_said_where_there_is_none() -> None:
    made = robustness({1: {0.0: [70.0], 0.1: [50.0]}, 4: {0.0: [73.0], 0.1: [60.0]}}, {0.0: 94.3, 0.1: 89.4})
    text = report.robustness(made)["reading_robustness"]
    assert {"+3.0", "+10.0"} <= set(numbers(text))
    assert re.search(r"1, 1 of 1 seed", text)


def test_without_a_clean_level_nothing_is_said_of_clean_images() -> None:
    made = robustness({3: {0.1: [50.0], 0.2: [40.0]}}, {0.1: 80.0, 0.2: 70.0})
    text = report.robustness(made)["reading_robustness"]
    assert "clean images" not in text
    assert {"80.0", "70.0", "0.1", "0.2"} <= set(numbers(text))


# Chapter 5


def test_what_augmentation_changes_is_paired_by_seed() -> None:
    plain = robustness({4: {0.0: [70, 74], 0.1: [40, 50]}}, {0.0: 94.0, 0.1: 89.0})
    plain = plain[plain["model"] == "L"].assign(effective_rank=16.0)
    treated = plain.assign(augmented=True, effective_rank=18.0, accuracy=[68.0, 52.0, 73.0, 50.0])
    text = report.augmentation(pd.concat([plain, treated]))["reading_augmentation"]
    assert {"-1.5", "-2.0", "-1.0", "+6.0", "+0.0", "+12.0", "18.0", "16.0"} <= set(numbers(text))
    assert "student L" in text
    assert "2 seeds" in text


def test_no_augmented_student_is_said_as_such(small_study: Study, tmp_path: Path) -> None:
    empty = files.stored_table(tmp_path / "augmentation.csv", lambda: small_study.augmentation().iloc[:0])
    assert "No student" in report.augmentation(empty)["reading_augmentation"]
    by = ["model", "augmented", "sigma"]
    assert report.beside_paper(empty, evaluate.published("accuracy"), by, "accuracy", 2).empty


def test_every_reading_of_a_real_study_is_prose_and_plain_numbers(small_study: Study) -> None:
    tables = small_study.compute()
    readings = [
        report.collapse(tables["spectrum"]),
        report.alignment(tables["alignment"]),
        report.information(tables["information"]),
        report.robustness(tables["robustness"]),
        report.augmentation(tables["augmentation"]),
    ]
    for reading in readings:
        for key, value in reading.items():
            assert type(value) in (float, str), key
            assert "nan" not in str(value)
