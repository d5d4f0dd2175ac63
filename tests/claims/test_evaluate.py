"""Verdicts: every claim has one with its reason, settings decide what is judged, and a changed number changes it."""

import math

import numpy as np
import pandas as pd
import pytest
from made_runs import accuracies, control, of_components, ranks, run, table

from asymdistill.claims import evaluate
from asymdistill.claims.rules import CONTRADICTED, NOT_TESTABLE, SUPPORTED, UNDECIDED, VERDICTS
from asymdistill.runtime.errors import InputError
from asymdistill.study.study import Study

CLEAN = {"S": [71.08, 70.58, 71.66], "M": [72.48, 72.84, 71.65], "L": [73.21, 72.33, 73.28]}
NOISY = {"S": [54.0, 55.0, 54.0], "M": [52.0, 53.0, 52.4], "L": [43.0, 44.0, 45.0]}
PAPERS = {0.0: {"teacher": 94.31, **CLEAN}, 0.1: {"teacher": 89.35, **NOISY}}


def judged(results: object, *ids: str, **changes: object) -> pd.DataFrame:
    """Some claims, perhaps with changed entries, judged on a run."""
    ledger = evaluate.load()
    chosen = ledger["id"].isin(ids)
    assert chosen.sum() == len(ids)
    for column, value in changes.items():
        new = pd.Series([value] * len(ledger), dtype=object)
        ledger[column] = ledger[column].astype(object).where(~chosen, new)
    return evaluate.evaluate(results, ledger).set_index("id").loc[list(ids)]  # type: ignore[arg-type]


def one(results: object, name: str, **changes: object) -> pd.Series:
    return judged(results, name, **changes).iloc[0]


def papers() -> object:
    return run(robustness=accuracies(PAPERS))


# Every claim


@pytest.fixture(scope="module")
def without_run() -> pd.DataFrame:
    return evaluate.evaluate(None)


@pytest.fixture(scope="module")
def on_small(small_study: Study) -> pd.DataFrame:
    return evaluate.evaluate(small_study)


def test_every_claim_has_a_verdict_and_a_reason(without_run: pd.DataFrame, on_small: pd.DataFrame) -> None:
    claims = evaluate.load().query("judged != 'number'")
    for ledger in (without_run, on_small):
        assert list(ledger.columns) == list(evaluate.EVALUATED)
        assert ledger["id"].tolist() == claims["id"].tolist()
        assert set(ledger["verdict"]) <= set(VERDICTS)
        assert set(ledger["evidence"]) == {evaluate.CHECK, evaluate.OTHER_SETTING}
        assert ledger["reason"].str.fullmatch(r"[A-Z].*\.").all()
        plain = ledger.loc[ledger["id"] != "v1-sequential", "reason"].str.replace("set_seed", "")  # others name code
        assert not plain.str.contains(r"\bnan\b|None|_|\.\.").any()
        tested = ledger["verdict"] != NOT_TESTABLE
        assert (ledger["measured"].notna() == tested).all()
        assert (ledger["claimed_low"].notna() | ledger["claimed_high"].notna()).all()
        assert (ledger["low"].isna() == (ledger["seeds"] < 2)).all()
        assert not (ledger["low"] > ledger["measured"]).any()
        assert not (ledger["high"] < ledger["measured"]).any()


def test_the_verdict_is_where_the_interval_lies(on_small: pd.DataFrame) -> None:
    """Read off the table alone, which is all that a reader has."""
    for row in on_small[on_small["seeds"] > 1].to_dict("records"):
        low, high = (-math.inf if math.isnan(row["claimed_low"]) else row["claimed_low"],
                     math.inf if math.isnan(row["claimed_high"]) else row["claimed_high"])  # fmt: skip
        expected = UNDECIDED
        if low <= row["low"] and row["high"] <= high:
            expected = SUPPORTED
        elif row["high"] < low or row["low"] > high:
            expected = CONTRADICTED
        assert row["verdict"] == expected or (row["test"], row["verdict"]) == ("order", UNDECIDED), row["id"]


def test_without_a_run_exactly_the_checks_of_the_text_are_judged(without_run: pd.DataFrame) -> None:
    tested = without_run[without_run["verdict"] != NOT_TESTABLE]
    assert set(tested["id"]) == set(evaluate.load().query("judged == 'text' and untestable.isna()")["id"])
    assert len(tested) >= 20
    assert (tested["evidence"] == evaluate.CHECK).all()


def test_another_data_set_is_named_as_the_evidence(on_small: pd.DataFrame, small_study: Study) -> None:
    tested = on_small[(on_small["evidence"] != evaluate.CHECK) & (on_small["verdict"] != NOT_TESTABLE)]
    assert not tested.empty
    settings = small_study.settings
    where = f" data set scenes with teacher {settings.teacher_with_file} and {settings.train_limit} training images."
    assert tested["reason"].str.endswith(where).all()


def test_what_the_small_study_lacks_is_said(on_small: pd.DataFrame) -> None:
    reason = on_small.set_index("id")["reason"]
    assert reason["v1-order-infonce"] == "This run has no student L."
    assert reason["v1-students-lose-0.1"] == "This run has no sigma 0.1."
    assert reason["v2-expands"] == "No student of this run was trained on cosine with InfoNCE."
    assert reason["v1-bottleneck-absolute"] == "This run has no control 'underfitting'."
    assert "profile cifar10-clip, and this run has data set scenes" in reason["v1-rank-s"]
    assert reason["v2-architecture"] == "This run has no control 'capacity'."


# Settings


def test_an_absolute_number_is_judged_in_the_papers_setting_only() -> None:
    same = one(papers(), "v1-accuracy-s-0")
    assert (same["verdict"], same["evidence"]) == (SUPPORTED, evaluate.OWN_SETTING)
    assert "Evidence" not in same["reason"]
    for overrides in ({"epochs": 6}, {"train_limit": 1000}, {"resolution": 32}, {"batch_size": 65}):
        other = one(run(overrides=overrides, robustness=accuracies(PAPERS)), "v1-accuracy-s-0")
        assert (other["verdict"], other["evidence"]) == (NOT_TESTABLE, evaluate.OTHER_SETTING)
        ((name, value),) = overrides.items()
        assert f"{name} = {value}" in other["reason"]
    assert one(run("embedded", robustness=accuracies(PAPERS)), "v1-accuracy-s-0")["verdict"] == NOT_TESTABLE


def test_images_from_files_of_ones_own_are_another_setting() -> None:
    spectrum = ranks({"teacher": 88.68, **{model: [16.0, 16.5] for model in "SML"}})
    found = one(run(overrides={"dataset": "/data/cifar10"}, spectrum=spectrum), "v1-rank-same")
    assert found["evidence"] == evaluate.OTHER_SETTING
    assert "Evidence from data set cifar10, read from files, with teacher open_clip:" in found["reason"]


def test_weights_from_a_file_of_ones_own_are_another_setting() -> None:
    own = run("cifar10-clip", {"teacher_weights": "mine.safetensors"}, robustness=accuracies(PAPERS))
    found = one(own, "v1-accuracy-teacher-0")
    assert found["verdict"] == NOT_TESTABLE
    assert "(mine.safetensors)" in found["reason"]
    assert one(papers(), "v1-accuracy-teacher-0")["verdict"] == SUPPORTED


def test_seeds_widths_noise_and_controls_do_not_make_another_setting() -> None:
    overrides = {"seeds": [1, 2], "widths": [1, 4], "noise_levels": [0.1], "controls": [], "device": "cpu"}
    found = one(run(overrides=overrides, robustness=accuracies(PAPERS)), "v1-accuracy-s-0")
    assert found["evidence"] == evaluate.OWN_SETTING


def test_the_second_papers_setting_is_its_own_profiles() -> None:
    spectrum = ranks({"teacher": 88.0, "S": [15.6, 15.8, 16.0], "S infonce": [37.8, 38.1, 38.4]})
    made = run("cifar10-clip-infonce", spectrum=spectrum)
    found = judged(made, "v2-expansion", "v2-infonce-rank", "v2-expands")
    assert set(found["evidence"]) == {evaluate.OWN_SETTING}
    assert set(found["verdict"]) == {SUPPORTED}
    assert found.loc["v2-infonce-rank", "measured"] == pytest.approx(38.1)


def test_of_the_factor_another_setting_judges_only_that_it_is_above_1() -> None:
    spectrum = ranks({"teacher": 88.0, "S": [15.6, 15.8, 16.0], "S infonce": [37.8, 38.1, 38.4]})
    found = judged(run("embedded", spectrum=spectrum), "v2-expansion", "v2-expands", "v2-infonce-rank")
    assert found["verdict"].tolist() == [NOT_TESTABLE, SUPPORTED, NOT_TESTABLE]
    assert set(found["evidence"]) == {evaluate.OTHER_SETTING}
    assert "profile cifar10-clip-infonce" in found.loc["v2-expansion", "reason"]
    barely = ranks({"teacher": 88.0, "S": [15.0, 16.0, 17.0], "S infonce": [16.0, 16.0, 16.6]})
    assert one(run("embedded", spectrum=barely), "v2-expands")["verdict"] == UNDECIDED


def test_the_second_papers_other_images_and_teacher_are_a_setting_of_their_own() -> None:
    values = {"teacher": 250.0, "S": [53.9, 54.0, 54.1], "M": [54.1, 54.2, 54.2], "L": [53.9, 54.0, 54.0]}
    wide = {f"{model} infonce": [value + 28 for value in values[model]] for model in "SML"}
    made = run("cifar100-dinov2", spectrum=ranks(values | wide))
    ids = [
        "v2-dinov2-baseline-rank",
        "v2-dinov2-infonce-rank",
        "v2-dinov2-gains",
        "v2-limit",
        "v2-dinov2-less-collapse",
    ]
    assert set(judged(made, *ids)["evidence"]) == {evaluate.OWN_SETTING}
    assert set(judged(made, *ids)["verdict"]) == {SUPPORTED}
    crossed = judged(run("cifar100-clip", spectrum=ranks(values | wide)), *ids)
    assert set(crossed["verdict"]) == {NOT_TESTABLE}
    assert "data set cifar100 with teacher open_clip:" in crossed.loc["v2-limit", "reason"]


@pytest.mark.parametrize("change", [{"infonce_weight": 2.0}, {"infonce_temperature": 0.5}, {"infonce_symmetric": True}])
def test_another_infonce_term_is_another_setting_for_the_claims_about_it_only(change: dict[str, object]) -> None:
    curves = {"teacher": [2.0, 1.0, 0.5], "S": [[2.0, 0.2, 0.1]] * 2, "S infonce": [[2.0, 0.9, 0.4], [2.0, 0.8, 0.4]]}
    made = run(
        "cifar10-clip-infonce", change,
        spectrum=ranks({"teacher": 88.0, "S": [15.0, 16.0], "S infonce": [36.0, 38.4]}),
        singular_values=of_components(curves, "value"),
        robustness=accuracies(PAPERS),
    )  # fmt: skip
    for name in ("v2-expands", "v2-spectrum-follows"):
        found = one(made, name)
        assert (found["verdict"], found["evidence"]) == (SUPPORTED, evaluate.OTHER_SETTING)
        ((setting, value),) = change.items()
        assert f"{setting} = {value}." in found["reason"]
    assert one(made, "v2-infonce-rank")["verdict"] == NOT_TESTABLE
    assert one(made, "v1-accuracy-s-0")["evidence"] == evaluate.OWN_SETTING


def test_what_else_is_varied_does_not_make_another_setting() -> None:
    changes = {"sweeps": [], "objectives": ["infonce", "cosine"], "regulariser_weight": 5, "infonce_weights": [3]}
    both = ranks({"S": [15.0, 16.0], "S infonce": [36.0, 38.4]})
    assert one(run("cifar10-clip-infonce", changes, spectrum=both), "v2-expansion")["evidence"] == evaluate.OWN_SETTING


# Tests by name, on numbers with known answers; the rules themselves are in test_rules


def test_a_value_comes_with_welchs_interval_around_ours() -> None:
    """Ours is the paper's own three seeds, so that both sides have the same error."""
    found = one(papers(), "v1-accuracy-s-0")
    error = np.std(CLEAN["S"], ddof=1) / math.sqrt(3)
    half = 2.776445 * math.sqrt(2) * error  # four degrees of freedom, but for the rounding of the printed spread
    assert found["measured"] == pytest.approx(71.106667)
    assert found["high"] - found["low"] == pytest.approx(2 * half, rel=0.01)
    assert (found["claimed_low"], found["claimed_high"]) == (pytest.approx(71.11 - 1.83), pytest.approx(71.11 + 1.83))
    assert "between the paper's S and L" in found["margin_reason"]


def test_a_published_rank_is_compared_with_that_of_averaged_singular_values() -> None:
    flat, steep = [1.0] * 16, [1.0] * 15 + [0.9]
    curves = {"S": [flat, steep, flat], "teacher": [1.0] * 89}
    made = run(singular_values=of_components(curves, "value"), spectrum=ranks({"S": [3.0] * 3, "teacher": 5.0}))
    found = judged(made, "v1-rank-s", "v1-rank-teacher")
    mean = np.array([1.0] * 15 + [(2 + 0.9) / 3]) ** 2
    p = mean / mean.sum()
    assert found.loc["v1-rank-s", "measured"] == pytest.approx(np.exp(-np.sum(p * np.log(p))), abs=1e-6)
    assert found.loc["v1-rank-s", "seeds"] == 3
    assert found.loc["v1-rank-s", "verdict"] == SUPPORTED
    assert found.loc["v1-rank-teacher", "measured"] == pytest.approx(89, abs=1e-4)
    assert math.isnan(found.loc["v1-rank-teacher", "low"])


def test_differences_are_paired_by_seed() -> None:
    """Seeds that differ more than the models leave a sure difference, if it is the same for each seed."""
    levels = {0.0: {"S": [90.0] * 3, "L": [90.0] * 3}, 0.1: {"S": [40.0, 50.0, 60.0], "L": [30.0, 40.0, 50.5]}}
    found = one(run(robustness=accuracies(levels)), "v1-inversion-0.1")
    assert found["verdict"] == SUPPORTED
    assert found["measured"] == pytest.approx((10 + 10 + 9.5) / 3)
    assert found["low"] > 9
    assert found["paper_value"] == pytest.approx(54.84 - 43.76)


def test_the_papers_own_run_comes_out_as_it_says() -> None:
    ids = ["v1-inversion-0.1", "v1-inverse-scaling-0.1", "v1-accuracy-s-0", "v1-low-pass-0.1", "v1-students-lose-0.1",
           "v1-teacher-marginal-0.1"]  # fmt: skip
    assert set(judged(papers(), *ids)["verdict"]) == {SUPPORTED}


@pytest.mark.parametrize(
    "name", ["v1-inversion-0.1", "v1-order-accuracy-0", "v1-augmentation-clean", "v1-augmentation-restored-0.1",
             "v1-students-lose-0.1", "v1-accuracy-s-0"],
)  # fmt: skip
def test_with_one_seed_nothing_is_decided_about_students(name: str) -> None:
    levels = {s: {m: v[:1] if isinstance(v, list) else v for m, v in own.items()} for s, own in PAPERS.items()}
    treated = accuracies({0.0: {"L augmented": [69.0]}, 0.1: {"L augmented": [49.0]}})
    found = one(run(robustness=accuracies(levels), augmentation=treated), name)
    assert found["verdict"] == NOT_TESTABLE
    assert "one seed" in found["reason"]


def test_one_augmented_seed_is_not_compared_with_three_plain_ones() -> None:
    treated = accuracies({0.0: {"L augmented": [69.0]}})
    made = run(robustness=accuracies(PAPERS), augmentation=treated)
    assert one(made, "v1-augmentation-clean")["verdict"] == NOT_TESTABLE


def test_augmentation_is_paired_with_the_plain_student_of_its_seed() -> None:
    treated = accuracies({0.0: {"L augmented": [69.2, 68.4, 69.2]}})
    found = one(run(robustness=accuracies(PAPERS), augmentation=treated), "v1-augmentation-clean")
    assert (found["verdict"], found["measured"]) == (SUPPORTED, pytest.approx((4.01 + 3.93 + 4.08) / 3))
    assert found["paper_value"] == pytest.approx(72.94 - 69.34)


def test_noise_that_costs_nobody_anything_tells_no_model_from_another() -> None:
    kept = {0.0: {"teacher": 90.0, "S": [50.0, 51.0, 52.0], "L": [40.0, 41.0, 42.0]}}
    kept[0.1] = kept[0.0] | {"teacher": 89.0}
    found = judged(run(robustness=accuracies(kept)), "v1-inversion-0.1", "v1-low-pass-0.1")
    assert set(found["verdict"]) == {NOT_TESTABLE}
    assert found["reason"].str.contains("costs none of these models any measurable accuracy").all()
    three = {s: own | {"M": own["S"]} for s, own in kept.items()}
    assert (
        one(run(robustness=accuracies(three)), "v1-students-lose-0.1")["verdict"] == CONTRADICTED
    )  # the teacher's falls


def test_where_noise_costs_nothing_there_is_no_robustness_to_restore() -> None:
    plain, treated = {"teacher": 90.0, "L": [50.0, 51.0, 52.0]}, {"L augmented": [48.0, 49.5, 50.0]}
    kept = [accuracies(dict.fromkeys((0.0, 0.1, 0.2), own)) for own in (plain, treated)]
    ids = ["v1-augmentation-same-0.2", "v1-augmentation-restored-0.1", "v1-augmentation-restored-0.2"]
    found = judged(run(robustness=kept[0], augmentation=kept[1]), *ids)
    assert found["reason"].str.contains("costs none of these models any measurable accuracy").all()
    lost = accuracies({0.0: plain, 0.1: plain | {"L": [30.0, 30.2, 30.4]}})
    cured = one(run(robustness=lost, augmentation=kept[1]), "v1-augmentation-restored-0.1")
    assert cured["measured"] == pytest.approx(np.mean([100 * 18 / 60, 100 * 19.3 / 59.8, 100 * 19.6 / 59.6]))


def test_a_student_is_not_set_against_a_teacher_whose_input_has_another_noise() -> None:
    ids = ["v1-students-lose-0.1", "v2-immunity-0.1"]
    found = judged(run(overrides={"resolution": 32}, robustness=accuracies(PAPERS)), *ids, "v1-low-pass-0.1")
    assert found["verdict"].tolist() == [NOT_TESTABLE, NOT_TESTABLE, SUPPORTED]
    assert (
        found.loc[ids, "reason"]
        .str.contains("the students see 32 x 32 pixels and the teacher 224 x 224", case=False)
        .all()
    )


def test_where_a_claims_premise_does_not_hold_it_is_not_supported_for_nothing() -> None:
    """With InfoNCE, L loses no more than S: that decouples only where L loses more without it."""
    same = {"S infonce": [60.0, 61.0, 62.0], "L infonce": [60.5, 61.2, 62.3]}
    noisy = {"S infonce": [50.0, 51.0, 52.0], "L infonce": [50.4, 51.1, 52.4]}
    brittle = {"S": [60.0, 61.0, 62.0], "L": [40.0, 41.0, 42.0]}
    for extra, verdict, premise in ((brittle, SUPPORTED, ""), ({"L": [60.3, 61.2, 62.0]}, NOT_TESTABLE, "undecided"),
                                    ({"L": [69.0, 70.0, 71.0]}, NOT_TESTABLE, "contradicted")):  # fmt: skip
        plain = {"S": [70.0, 71.0, 72.0], "L": [70.5, 71.2, 72.3]}
        results = run(robustness=accuracies({0.0: plain | same, 0.1: noisy | brittle | extra}))
        found = one(results, "v1-infonce-decouples-0.1")
        assert found["verdict"] == verdict, found["reason"]
        if premise:
            assert found["reason"] == f"This presupposes the claim v1-low-pass-0.1, which is {premise} on this run."


def test_a_claim_about_the_papers_teacher_is_judged_with_that_teacher() -> None:
    assert one(papers(), "v1-teacher-marginal-0.1")["verdict"] == SUPPORTED
    assert one(run("embedded", robustness=accuracies(PAPERS)), "v1-teacher-marginal-0.1")["verdict"] == NOT_TESTABLE


def test_capacity_is_judged_by_the_share_that_is_lost() -> None:
    """Two dimensions apart are much under one teacher and little under another."""
    students = {"S": [16.0, 16.1], "M": [17.0, 17.1], "L": [18.0, 18.1]}
    verdicts = [
        one(run(spectrum=ranks({"teacher": whole, **students})), "v1-rank-same")["verdict"] for whole in (88.0, 260.0)
    ]
    assert verdicts == [CONTRADICTED, SUPPORTED]


def test_a_low_accuracy_is_no_robustness() -> None:
    """L loses more points, and a smaller share of what it has above chance."""
    levels = {0.0: {"S": [20.0, 20.2, 19.8], "L": [80.0, 80.0, 80.0]}, 0.1: {"S": [15.0] * 3, "L": [70.0, 70.1, 69.9]}}
    assert one(run(robustness=accuracies(levels)), "v1-low-pass-0.1")["verdict"] == CONTRADICTED


def test_the_cut_teacher_is_set_against_the_whole_one() -> None:
    def cut(at_noise: float) -> object:
        cells = {"variant": "top", "x": 16.0}
        parts = [control("truncation", {"teacher": value}, "accuracy", sigma=sigma, **cells)
                 for sigma, value in ((0.0, 90.0), (0.1, at_noise))]  # fmt: skip
        return run(controls=pd.concat(parts), robustness=accuracies(PAPERS))

    same, worse = (one(cut(value), "v1-rank-causes-robustness-0.1") for value in (86.0, 70.0))
    assert (same["verdict"], worse["verdict"]) == (CONTRADICTED, SUPPORTED)
    assert worse["measured"] == pytest.approx(100 * 20 / 80 - 100 * 4.96 / 84.31)


def test_a_missing_width_is_not_testable() -> None:
    found = one(run(spectrum=ranks({"teacher": 88.0, "S": [16.0, 16.1], "L": [16.0, 16.1]})), "v1-rank-same")
    assert (found["verdict"], found["reason"]) == (NOT_TESTABLE, "This run has no student M.")


def test_a_number_that_is_none_is_not_testable() -> None:
    found = one(run(robustness=accuracies({0.0: {"S": [16.0, math.nan]}})), "v1-accuracy-s-0")
    assert (found["verdict"], found["reason"]) == (NOT_TESTABLE, "This run's accuracy is not a number.")


def test_a_collapse_is_the_objectives_if_other_targets_of_the_same_network_have_more_rank() -> None:
    def trained(whitened: list[float]) -> object:
        parts = {"cosine": [16.0, 16.2, 16.1], "whitened": whitened, "labels": [99.0] * 3}
        made = [control("objective", {"S": own}, "effective_rank", variant=name) for name, own in parts.items()]
        return run(controls=pd.concat(made))

    assert one(trained([9.0, 9.1, 9.2]), "v2-cause-objective")["verdict"] == CONTRADICTED
    assert one(trained([30.0, 30.1, 30.2]), "v2-cause-objective")["verdict"] == SUPPORTED


# Changing one number of the paper changes the verdict


@pytest.mark.parametrize(
    ("name", "changes", "verdict"),
    [
        ("v1-accuracy-s-0", {"value": 75.0}, CONTRADICTED),
        ("v1-accuracy-s-0", {"margin": 0.5}, UNDECIDED),
        ("v1-accuracy-s-0", {"spread": 3.0}, UNDECIDED),
        ("v1-accuracy-teacher-0", {"value": 90.0}, CONTRADICTED),
        ("v1-inversion-0.1", {"models": ("S", "L")}, CONTRADICTED),
        ("v1-teacher-marginal-0.1", {"limit": 1.0}, CONTRADICTED),
        ("v1-students-lose-0.1", {"limit": 99.0}, CONTRADICTED),
    ],
)  # fmt: skip
def test_a_changed_number_changes_the_verdict_of_a_run(name: str, changes: dict[str, object], verdict: str) -> None:
    assert one(papers(), name)["verdict"] == SUPPORTED
    assert one(papers(), name, **changes)["verdict"] == verdict


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("v1-size-teacher", {"value": 151_277_313}),
        ("v1-size-factor", {"value": 3.37, "margin": 0.05}),
        ("v1-rank-16-published", {"value": 14}),
        ("v1-rank-m-notebook", {"value": 16.63, "margin": 0.01}),
        ("v1-reduction-published", {"value": 70}),
        ("v1-share20-figure", {"value": 0.87}),
        ("v1-seeds-mean", {"limit": 0.0001}),
        ("v1-significant-0.1-published", {"limit": 0.2}),
        ("v1-augmentation-clean-published", {"limit": -6.0}),
        ("v1-augmentation-restored-0.1-published", {"limit": 10.0}),
        ("v1-seeds-information", {"limit": 1}),
        ("v1-sequential", {"value": 4}),
        ("v2-expansion-published", {"value": 2.0}),
    ],
)  # fmt: skip
def test_a_changed_number_flips_a_check_of_the_text(
    without_run: pd.DataFrame, name: str, changes: dict[str, object]
) -> None:
    before, after = without_run.set_index("id").loc[name, "verdict"], one(None, name, **changes)["verdict"]
    assert {before, after} == {SUPPORTED, CONTRADICTED}


@pytest.mark.parametrize(
    ("changed", "value", "flipped"),
    [
        ("v1-rank-s", 60.0, "v1-reduction-published"),
        ("v1-rank-m", 30.0, "v1-rank-16-published"),
        ("v1-notebook-rank-m", 16.62, "v1-rank-m-notebook"),
        ("v1-figure-share-20", 0.91, "v1-share20-figure"),
        ("v1-accuracy-m-0-seed42", 73.0, "v1-seeds-mean"),
        ("v1-accuracy-m-0-seed42", 73.0, "v1-seeds-spread"),
        ("v1-accuracy-l-0.1", 20.0, "v1-significant-0.1-published"),
        ("v1-augmented-l-0.1", 80.0, "v1-augmentation-restored-0.1-published"),
        ("v1-second-pass-m-0.1", 45.0, "v1-second-pass-s-m-0.1"),
        ("v1-second-pass-m-0.2", 30.0, "v1-second-pass-s-m-0.2"),
        ("v1-notebook-uncentred", 1, "v1-centred"),
        ("v1-notebook-undefined", 0, "v1-sequential"),
        ("v2-infonce-rank", 82, "v2-expansion-published"),
    ],
)
def test_a_changed_number_flips_what_follows_from_it(
    without_run: pd.DataFrame, changed: str, value: float, flipped: str
) -> None:
    ledger = evaluate.load()
    ledger.loc[ledger["id"] == changed, "value"] = value
    after = evaluate.evaluate(None, ledger).set_index("id")["verdict"]
    before = without_run.set_index("id")["verdict"]
    assert {before[flipped], after[flipped]} == {SUPPORTED, CONTRADICTED}


def test_a_number_that_the_ledger_lacks_leaves_nothing_to_follow_from_it() -> None:
    ledger = evaluate.load()
    kept = ledger[~ledger["id"].isin(["v1-figure-share-20", "v1-rank-teacher"])]
    reason = evaluate.evaluate(None, kept).set_index("id")["reason"]
    assert reason["v1-share20-figure"] == "The ledger has no claim v1-figure-share-20."
    assert reason["v1-reduction-published"] == "The ledger has no effective rank of teacher."


def test_an_entry_that_is_no_claim_is_refused() -> None:
    with pytest.raises(InputError, match="claim 'v1-rank-s', test: "):
        one(None, "v1-rank-s", test="roughly")


def test_a_loss_needs_the_number_of_classes() -> None:
    made = run(overrides={"dataset": "/data/birds"}, robustness=accuracies(PAPERS))
    made.sizes = {}
    assert "does not say how many classes" in one(made, "v1-low-pass-0.1")["reason"]
    assert one(made, "v1-inversion-0.1")["verdict"] == SUPPORTED


def test_information_orders_are_judged_from_lowest_to_highest() -> None:
    values = {"S": [3.31, 3.312, 3.311], "M": [3.30, 3.301, 3.299], "L": [3.27, 3.271, 3.272]}
    assert one(run(information=table(values, quantity="info_nce")), "v1-order-infonce")["verdict"] == SUPPORTED


def test_a_quantity_that_nothing_computes_is_not_testable() -> None:
    assert one(run(), "v1-rank-s", quantity="entropy")["reason"] == "Nothing here computes entropy."
    assert one(None, "v1-size-factor", quantity="entropy")["reason"] == "Nothing here computes entropy."


def test_a_table_is_read_once() -> None:
    made = run(spectrum=ranks({"S": [16.0, 16.1]}))
    evaluate.evaluate(made)
    assert len(made.asked) == len(set(made.asked))
