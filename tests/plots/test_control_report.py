"""What the controls are said to show follows from their numbers, in either direction."""

import re
from pathlib import Path

import control_tables as made
import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from asymdistill.claims import evaluate
from asymdistill.plots import comparison, control_report
from asymdistill.plots.control_report import ABSENT, TITLES
from asymdistill.plots.report import Reading

PUBLISHED = evaluate.published("accuracy")


def read(*controls: list[made.Row], epochs: int = 5) -> Reading:
    return control_report.readings(made.table(*controls), epochs=epochs, images=2000, published=PUBLISHED)


def said(control: str, rows: list[made.Row], **options: int) -> str:
    return str(read(rows, **options)[f"reading_{control}"])


def numbers(text: str) -> list[str]:
    return re.findall(r"[+-]?\d+(?:[.,]\d+)*", text)


# All together


@pytest.mark.parametrize("seeds", [made.SEEDS, (42,)], ids=["three seeds", "one seed"])
def test_every_control_has_a_paragraph_and_a_sentence_of_prose(seeds: tuple[int, ...], tmp_path: Path) -> None:
    table = made.read_back(made.everything(seeds), tmp_path)
    found = control_report.readings(table, epochs=5, images=2000, published=PUBLISHED)
    assert set(found) == {f"{part}_{name}" for part in ("reading", "seen") for name in TITLES} | {"reading_controls"}
    for name in TITLES:
        paragraph, sentence = found[f"reading_{name}"], found[f"seen_{name}"]
        assert paragraph.endswith(" All of this was measured on 2,000 test images.")
        assert numbers(sentence)
        for text in (paragraph, sentence):
            assert text.endswith(".")
            assert not re.search(r"\bnan\b|\binf\b|\.\.|  | ,|[<>]NA|reproduced|testable", text), text


def test_the_summary_lists_the_nine_sentences() -> None:
    found = control_report.readings(made.everything(), epochs=5, images=2000, published=PUBLISHED)
    lines = found["reading_controls"].splitlines()
    assert len(lines) == len(TITLES) == 9
    for number, (line, (name, title)) in enumerate(zip(lines, TITLES.items(), strict=True), start=1):
        assert line == f"{number}. **{title}.** {found[f'seen_{name}']}"


@pytest.mark.parametrize("name", TITLES)
def test_a_control_that_was_not_run_is_said_to_be_absent(name: str) -> None:
    table = made.everything()
    found = control_report.readings(table[table["control"] != name], epochs=5, images=2000, published=PUBLISHED)
    assert found[f"reading_{name}"] == found[f"seen_{name}"] == ABSENT
    assert [key for key, text in found.items() if text == ABSENT] == [f"reading_{name}", f"seen_{name}"]


def test_a_study_without_controls_says_so_nine_times() -> None:
    assert list(read().values()).count(ABSENT) == 18


# 1. Underfitting


def test_a_rank_that_shrinkage_predicts_is_called_predicted() -> None:
    text = said("underfitting", made.underfitting(teacher=90.0, measured=16.0, predicted=17.0))
    assert "17.0 (16.8 to 17.2, n = 9)" in text
    assert "16.0 (15.8 to 16.2, n = 9)" in text
    assert "misses by 1.0, the teacher's own rank by 74.0" in text
    assert "have not learned suffices" in text


def test_a_rank_that_shrinkage_does_not_predict_is_not_called_predicted() -> None:
    text = said("underfitting", made.underfitting(teacher=90.0, measured=16.0, predicted=60.0))
    assert "misses by 44.0" in text
    assert "have not learned does not suffice" in text


@pytest.mark.parametrize(
    ("late", "moved", "end"), [(25.0, "rises by 9.0", "closer to"), (10.0, "falls by 6.0", "no closer to")]
)
def test_longer_training_is_said_to_raise_or_to_lower_the_rank(late: float, moved: str, end: str) -> None:
    found = read(made.underfitting(late=late))
    text = found["reading_underfitting"]
    assert f"From epoch 5 to 40 at a constant rate, the test rank of student S {moved}" in text
    assert f"and ends {end} the teacher's, at {late:.1f}" in text
    assert "distance to the teacher falls by 0.100" in text
    assert f"the rank ends at {late + 2:.1f} ({late + 1.8:.1f} to {late + 2.2:.1f}, n = 3)" in text
    assert f"from epoch 5 to 40 the rank of S {moved}" in found["seen_underfitting"]


def test_how_far_down_the_teachers_spectrum_the_students_know_it_is_said() -> None:
    fades = said("underfitting", made.underfitting())  # R² of 0.9 / k^0.7
    assert (
        "0.90 for the teacher's first component and above 0.5 for 2 of 64, the last of which is component 2." in fades
    )
    rows = [{**row, "value": 0.3} if row["quantity"] == "r_squared" else row for row in made.underfitting()]
    assert "0.30 for the teacher's first component and above 0.5 for 0 of 64." in said("underfitting", rows)


def test_without_epochs_beyond_the_profiles_nothing_is_said_of_longer_training() -> None:
    for epochs in (40, 50):
        assert "constant rate" not in said("underfitting", made.underfitting(), epochs=epochs)


def test_a_student_of_higher_rank_on_test_images_is_said_to_gain() -> None:
    assert "From training to test images their rank falls by 1.0" in said("underfitting", made.underfitting())


# 2. Class structure


@pytest.mark.parametrize(
    ("student", "within", "words"),
    [
        (16.0, 14.0, "The loss is found within classes too"),
        (45.0, 80.0, "less than half"),
        (45.0, 86.0, "Within classes no rank is lost"),
        (95.0, 80.0, "there is no loss to divide"),
    ],
)
def test_where_the_rank_is_lost_is_read_from_both_ranks(student: float, within: float, words: str) -> None:
    text = said("classes", made.classes(teacher=90.0, teacher_within=85.0, student=student, student_within=within))
    assert words in text
    below = ("above" if within > 85 else "below"), ("above" if student > 90 else "below")
    shares = (f"{abs(100 * (1 - within / 85)):.0f} %", f"{abs(100 * (1 - student / 90)):.0f} %")
    assert f"{shares[0]} {below[0]} the teacher's within classes and {shares[1]} {below[1]} it on the whole" in text


def test_the_number_of_classes_is_said_to_raise_or_to_lower_the_rank() -> None:
    rises, falls = (said("classes", made.classes(last=last)) for last in (15.0, 7.0))
    assert "from 2 to 10 classes, the rank of student S rises by 5.0 (+5.0 to +5.0, n = 3)" in rises
    assert "the teacher's rises by 50.0." in rises
    assert "the rank of student S falls by 3.0" in falls


def test_one_number_of_classes_is_no_sweep() -> None:
    rows = [row for row in made.classes() if row["quantity"] != "sweep_rank" or row["x"] == 10]
    assert "classes, the rank of student" not in said("classes", rows)


# 3. Cause of fragility


@pytest.mark.parametrize(
    ("cut_end", "words"),
    [
        (80.0, "while the cut teacher stays robust"),
        (60.0, "lies between the whole one and them"),
        (41.0, "loses as much as they do"),
    ],
)
def test_the_cut_teacher_stays_robust_or_loses_as_much_as_the_students(cut_end: float, words: str) -> None:
    found = read(made.truncation(full=(94.0, 84.0), cut=(90.0, cut_end), student=(72.0, 25.0)))
    for key in ("reading_truncation", "seen_truncation"):
        assert words in found[key]
        assert sum(verdict in found[key] for verdict in ("stays robust", "lies between", "loses as much")) == 1
    text = found["reading_truncation"]
    assert f"The cut changes its loss by {80 - cut_end:+.1f} points." in text
    assert "top 16 components, an effective rank of 12.8" in text
    assert f"loses {90 - cut_end:.1f} points up to sigma = 0.2" in text
    assert "whole, it begins at 94.0 % and loses 10.0" in text
    assert "The students lose 49.3 (48.0 to 51.0, n = 9)" in text


def test_students_no_more_fragile_than_the_teacher_leave_nothing_to_explain() -> None:
    found = read(made.truncation(full=(95.0, 75.0), cut=(90.0, 50.0), student=(60.0, 50.0)))
    assert (
        "no more than the whole teacher, so there is no fragility of theirs to explain" in found["reading_truncation"]
    )
    assert "stays robust" not in found["reading_truncation"]


# 4. Capacity and receptive field


@pytest.mark.parametrize(("by_width", "by_field", "most"), [(1.0, 4.0, "receptive field"), (-9.0, 4.0, "size")])
def test_the_largest_change_of_rank_is_named_whatever_its_sign(by_width: float, by_field: float, most: str) -> None:
    found = read(made.capacity(by_width=by_width, by_input=0.5, by_field=by_field))
    text = found["reading_capacity"]
    assert f"The largest change of rank comes with the {most}." in text
    # From w = 0.5 to 10, 9.5 of the units of which four make by_width.
    change = by_width * 9.5 / 4
    verb = "rises" if change > 0 else "falls"
    assert f"Size: from 531,456 to 7,817,728 parameters the rank {verb} by {abs(change):.1f}" in text
    assert "Input: from 32 to 64 pixels a side the rank rises by 0.5" in text
    assert "Receptive field: from 18 to 50 pixels the rank rises by 4.0 (+4.0 to +4.0, n = 3)" in text
    assert f"{change:+.1f}" in found["seen_capacity"]


def test_a_rank_that_does_not_follow_size_steadily_is_said_to_peak() -> None:
    assert "not steadily" not in said("capacity", made.capacity(by_width=1.0))
    rows = made.capacity(by_width=1.0)
    for row in rows:
        row["value"] += 5.0 * (row["quantity"] == "effective_rank" and row["model"] == "M")  # type: ignore[operator]
    assert "rises by 2.4 (+2.4 to +2.4, n = 3), not steadily (its mean is greatest at 1,405,440)" in said(
        "capacity", rows
    )


def test_what_was_not_varied_is_not_compared() -> None:
    rows = [row for row in made.capacity() if row["variant"] == "width" and row["model"] == "S"]
    assert read(rows)["seen_capacity"] == "Nothing was varied here."
    rows = [row for row in made.capacity() if row["variant"] == "input"]
    assert "Receptive field" not in said("capacity", rows)


# 5. Objective


@pytest.mark.parametrize(
    ("whitened", "labels", "words"),
    [
        (40.0, 9.0, "With whitened targets its rank is higher"),
        (10.0, 20.0, "With labels its rank is higher"),
        (40.0, 20.0, "With whitened targets and labels its rank is higher"),
        (16.0, 9.0, "Neither whitened targets nor labels give it a higher rank"),
    ],
)
def test_a_higher_rank_counts_only_if_every_seed_has_it(whitened: float, labels: float, words: str) -> None:
    found = read(made.objective(cosine=16.0, whitened=whitened, labels=labels, untrained=5.0))
    assert words in found["reading_objective"]
    assert (
        f"{whitened:.1f} with whitened targets, {labels:.1f} with labels and 5.0 with no training"
        in (found["seen_objective"])
    )


def test_one_seed_against_the_rest_is_no_higher_rank() -> None:
    rows = made.objective(whitened=40.0, labels=9.0)
    for row in rows:
        if (row.get("variant"), row["quantity"], row.get("seed")) == ("whitened", "effective_rank", 42):
            row["value"] = 10.0
    assert "Neither" in said("objective", rows)


# 6. Noise


def test_what_each_remedy_gives_back_is_counted_by_student() -> None:
    text = said("noise", made.noise(narrow=30.0, wide=20.0, re_estimated=15.0, trained=35.0))
    assert "30.0 % (29.8 to 30.2, n = 3) for S and 20.0 % (19.8 to 20.2, n = 3) for L" in text
    adapted, trained = text.split(" There, ")[1].split("; ")[:2]
    assert adapted.startswith("re-estimating the batch statistics changes it by +15.0")
    assert "for S, or 38 % of its loss" in adapted
    assert "for L, or 30 % of its loss" in adapted
    assert trained.startswith("training with noise changes it by +35.0 (+35.0 to +35.0, n = 3) points for S, or 88 %")
    assert "+35.0 points for L, or 70 % of its loss" in trained  # one seed: no range


def test_a_remedy_that_harms_is_said_to_take_away() -> None:
    text = said("noise", made.noise(narrow=30.0, wide=20.0, re_estimated=-8.0))
    assert "changes it by -8.0" in text
    assert "-20 % of its loss" in text


@pytest.mark.parametrize(("extra", "words"), [(0.0, "stays"), (-25.0, "turns round")])
def test_the_order_under_noise_stays_or_turns_round(extra: float, words: str) -> None:
    found = read(made.noise(narrow=30.0, wide=20.0, re_estimated=15.0, re_narrow=extra))
    for key in ("reading_noise", "seen_noise"):
        assert f"the order of S and L {words}" in found[key]
    assert "There L differs from S by -10.0" in found["reading_noise"]


def test_one_width_has_no_order_under_noise() -> None:
    rows = [row for row in made.noise() if row["model"] == "S"]
    assert "order" not in read(rows)["seen_noise"]


# 7. Estimators


def test_estimators_agree_or_disagree_on_who_has_the_highest_rank() -> None:
    agree, disagree = (read(made.estimators(amplitude=amplitude)) for amplitude in (3.0, 30.0))
    for key in ("reading_estimators", "seen_estimators"):
        assert "highest by “variance, centred”, “amplitude, centred” and “variance, not centred”" in agree[key]
        assert (
            "highest by “variance, centred” and “variance, not centred” but not by “amplitude, centred”"
            in disagree[key]
        )
    assert "S 47.7, M 49.2, L 50.6; variance, not centred, teacher 17.8" in agree["reading_estimators"]


def test_the_error_of_the_estimate_is_held_against_the_truth() -> None:
    text = said("estimators", made.estimators())
    assert "from 125 to 2,000 images it goes from 75.6 to 89.1 (teacher)" in text
    # 30 (1 - 12.5 / N) and 0.05, the mean of the two draws' additions.
    assert "a rank of 30.0; it reads 27.1 and 29.9" in text
    assert "-9.8 and -0.5 %" in text


def test_the_factor_that_students_lose_is_named() -> None:
    loses, gains = (said("estimators", made.estimators(loss_of_colour=loss)) for loss in (0.1, -0.1))
    assert "follows colour least compared with the teacher's (-10.0 points of its share)" in loses
    assert "and colour most (+10.0)" in gains
    assert "colour least" not in gains


def test_intervals_that_overlap_are_not_counted_as_apart() -> None:
    apart = made.estimators()
    assert "0.60 (0.60 to 0.60, n = 9) wide" in said("estimators", apart)
    assert "the intervals of S and L lie apart for 3 of 3 seeds" in said("estimators", apart)
    wide = [{**row, "value": row["value"] + 2 * (row["quantity"] == "bootstrap_high")} for row in apart]
    assert "lie apart for 0 of 3 seeds" in said("estimators", wide)


def test_unknown_factors_are_not_spoken_of() -> None:
    assert "factors" not in said("estimators", made.estimators(scenes=False))


# 8. Across modalities


def test_the_cut_teacher_is_ahead_of_every_student_or_not() -> None:
    ahead, behind = (said("crossmodal", made.crossmodal(top=top, student=40.0)) for top in (85.0, 30.0))
    assert "Cut, the teacher is ahead of every student" in ahead
    assert "Cut, the teacher is not ahead of every student" in behind
    assert "90.0 % for the teacher, 85.0 % for its top 16 components and 40.0 % (39.8 to 40.2, n = 9)" in ahead
    assert "At sigma = 0.2 it is 80.0 % for the teacher" in ahead


def test_students_above_chance_are_counted() -> None:
    assert "chance is 10.0 %, and 9 of 9 students lie above it" in said("crossmodal", made.crossmodal(student=40.0))
    assert "chance is 10.0 %, and 3 of 9 students lie above it" in said("crossmodal", made.crossmodal(student=10.0))


def test_without_captions_nothing_is_said_of_retrieval() -> None:
    assert "The own caption is the closest of all in 4.5 % for the teacher" in said("crossmodal", made.crossmodal())
    assert "own caption" not in said("crossmodal", made.crossmodal(captions=False))


# 9. Statistics


def test_paired_tests_are_those_of_scipy_and_of_the_textbook() -> None:
    rows = made.table(made.statistics(rank=0.7, seeds=8))
    found = comparison.paired_tests(rows).iloc[0]
    ranks = rows[rows["quantity"] == "effective_rank"]
    wide, narrow = (ranks[ranks["model"] == model]["value"].to_numpy() for model in ("L", "S"))
    test = scipy.stats.ttest_rel(wide, narrow)
    assert (found["t"], found["p"]) == (pytest.approx(test.statistic), pytest.approx(test.pvalue))
    assert found["wilcoxon"] == pytest.approx(scipy.stats.wilcoxon(wide, narrow).pvalue)
    change = wide - narrow
    half = 2.364624 * change.std(ddof=1) / np.sqrt(8)  # Student's t, 7 degrees of freedom, 97.5 %
    assert (found["low"], found["high"]) == (
        pytest.approx(change.mean() - half, abs=1e-5),
        pytest.approx(change.mean() + half, abs=1e-5),
    )
    assert found["seeds"] == 8


def test_seeds_are_paired_whatever_the_order_of_the_rows() -> None:
    rows = made.table(made.statistics(rank=0.7, seeds=8))
    mixed = rows.sample(frac=1, random_state=0)
    one, two = (comparison.paired_tests(table).set_index(["quantity", "sigma"]).sort_index() for table in (rows, mixed))
    pd.testing.assert_frame_equal(one, two)


def test_a_seed_of_one_student_alone_is_no_pair() -> None:
    rows = made.table(made.statistics(seeds=4))
    rows = rows[~((rows["model"] == "L") & (rows["seed"] == 3))]
    assert set(comparison.paired_tests(rows)["seeds"]) == {3}


def test_intervals_that_exclude_zero_are_counted() -> None:
    nothing, rank, both = (
        read(made.statistics(rank=rank, accuracy=accuracy)) for rank, accuracy in ((0, 0), (2, 0), (-2, -3))
    )
    assert "0 of 5 intervals exclude zero, 0 of them with p below 0.05 / 5" in nothing["reading_statistics"]
    assert "1 of 5 intervals exclude zero, 1 of them" in rank["reading_statistics"]
    assert "L differs from S by +2.00 in effective rank" in rank["reading_statistics"]
    assert "5 of 5 intervals exclude zero" in both["reading_statistics"]
    assert "Over 10 seeds, L differs from S by -2.00 in effective rank" in both["seen_statistics"]
    assert "-3.00 in accuracy at sigma = 0.1 (" in both["seen_statistics"]
    assert "-2.00 in effective rank" in both["reading_statistics"]
    assert "Wilcoxon's test has p < 0.05 for 5" in both["reading_statistics"]


def test_few_seeds_are_said_to_be_too_few_for_wilcoxon() -> None:
    assert "cannot reach p < 0.05 with 5 seeds" in said("statistics", made.statistics(rank=2.0, seeds=5))


def test_one_seed_is_no_test_but_the_papers_own_is() -> None:
    text = said("statistics", made.statistics(seeds=1))
    assert "one seed only, so no test" in text
    assert "11.1 points, has p = 0.11 by Welch's test from its printed means and spreads (3 and 3 seeds)" in text
    assert comparison.paired_tests(made.table(made.statistics(seeds=1)))["p"].isna().all()


def test_one_width_is_not_compared_with_itself() -> None:
    rows = [row for row in made.statistics() if row["model"] == "S"]
    assert "one width only" in said("statistics", rows)


def test_readers_see_a_row_a_test_and_a_gap_where_there_is_none() -> None:
    ten, three = (
        control_report.tests_for_readers(made.table(made.statistics(rank=2.0, seeds=seeds))) for seeds in (10, 3)
    )
    assert ten["widest – narrowest"].tolist() == ["effective rank", *(f"accuracy, σ = {s:g}" for s in made.SIGMAS)]
    assert ten["difference"].tolist() == ["2.00", "0.00", "0.00", "0.00", "0.00"]
    assert not ten.isna().any(axis=None)
    assert three.columns[three.isna().all()].tolist() == ["p (Wilcoxon)"]
    assert three["seeds"].tolist() == [3] * 5


# How things are written


@given(st.lists(st.floats(-99, 99), min_size=1, max_size=9))
def test_a_level_holds_its_mean_and_range_and_count(values: list[float]) -> None:
    text = comparison.level(pd.Series(values), digits=2)
    stated = [float(number) for number in re.findall(r"-?\d+\.\d+", text)]
    assert stated[0] == pytest.approx(np.mean(values), abs=0.0051)
    if len(values) > 1:
        assert stated[1:] == [pytest.approx(min(values), abs=0.0051), pytest.approx(max(values), abs=0.0051)]
        assert text.endswith(f"n = {len(values)})")
    else:
        assert "n =" not in text


@given(st.lists(st.floats(-99, 99), min_size=2, max_size=9))
def test_a_change_and_its_reverse_go_opposite_ways(values: list[float]) -> None:
    one, two = comparison.moves(pd.Series(values)), comparison.moves(-pd.Series(values))
    verbs = {one.split()[0], two.split()[0]}
    assert verbs in ({"rises", "falls"}, {"changes"})
    assert one.split()[2] == two.split()[2]


def test_the_loss_to_noise_is_taken_from_the_least_to_the_greatest_level() -> None:
    table = made.table(made.noise(narrow=30.0, wide=20.0))
    loss = comparison.noise_loss(table.sample(frac=1, random_state=0))
    own = comparison.pick(loss, variant="plain", model="S")["value"]
    assert len(own) == 3
    assert own.mean() == pytest.approx(40.0)


def test_p_values_are_written_as_people_do() -> None:
    assert [comparison.p_value(p) for p in (0.0004, 0.0346, 1.0)] == ["p < 0.001", "p = 0.035", "p = 1.000"]


def test_items_are_listed_in_one_sentence() -> None:
    assert [comparison.listed(list("abc")[:n]) for n in (1, 2, 3)] == ["a", "a and b", "a, b and c"]
