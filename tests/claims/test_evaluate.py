"""Verdicts: every claim has one with its reason, each rule decides as it says, and a changed number changes it."""

import math

import pandas as pd
import pytest
from made_runs import accuracies, control, of_components, ranks, run, table

from asymdistill.claims import evaluate
from asymdistill.claims.facts import student_parameters
from asymdistill.runtime.errors import InputError
from asymdistill.study.study import Study

VERDICTS = {"reproduced", "not reproduced", "not testable here"}
PAPERS = {
    0.0: {"S": [71.08, 70.58, 71.66], "M": [72.48, 72.84, 71.65], "L": [73.21, 72.33, 73.28]},
    0.1: {"S": [54.0, 55.0, 54.0], "M": [52.0, 53.0, 54.0], "L": [43.0, 44.0, 45.0]},
}


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


# Every claim


@pytest.fixture(scope="module")
def without_run() -> pd.DataFrame:
    return evaluate.evaluate(None)


@pytest.fixture(scope="module")
def on_small(small_study: Study) -> pd.DataFrame:
    return evaluate.evaluate(small_study)


def test_every_claim_has_a_verdict_and_a_reason(without_run: pd.DataFrame, on_small: pd.DataFrame) -> None:
    for ledger in (without_run, on_small):
        assert list(ledger.columns) == list(evaluate.EVALUATED)
        assert len(ledger) == len(evaluate.load()) >= 65
        assert set(ledger["verdict"]) == VERDICTS
        assert set(ledger["evidence"]) == {"static", "another setting"}
        assert ledger["reason"].str.fullmatch(r"[A-Z].*\.").all()
        assert not ledger["reason"].str.contains(r"\bnan\b|None|_|\.\.").any()
        tested = ledger["verdict"] != "not testable here"
        assert (ledger["measured"].notna() == tested).all()
        assert (ledger["low"].isna() == (ledger["seeds"] < 2)).all()
        assert not (ledger["low"] > ledger["measured"]).any()
        assert not (ledger["high"] < ledger["measured"]).any()


def test_without_a_run_exactly_the_static_claims_are_judged(without_run: pd.DataFrame) -> None:
    tested = without_run[without_run["verdict"] != "not testable here"]
    assert set(tested["id"]) == set(evaluate.load().query("judged == 'static'")["id"])
    assert len(tested) >= 20
    assert (tested["evidence"] == "static").all()


def test_another_data_set_is_named_as_the_evidence(on_small: pd.DataFrame, small_study: Study) -> None:
    tested = on_small[(on_small["evidence"] != "static") & (on_small["verdict"] != "not testable here")]
    assert not tested.empty
    assert (
        tested["reason"]
        .str.endswith(f". Evidence from data set scenes with teacher {small_study.settings.teacher}.")
        .all()
    )


def test_what_the_small_study_lacks_is_said(on_small: pd.DataFrame) -> None:
    reason = on_small.set_index("id")["reason"]
    assert reason["v1-order-infonce"] == "This run has no student L."
    assert reason["v1-students-fall-s-0.1"] == "This run has no sigma 0.1."
    assert reason["v2-expansion"] == "No student of this run was trained on cosine with InfoNCE."
    assert reason["v1-bottleneck-absolute"] == "This run has no control underfitting."
    assert "profile cifar10-clip, and this run has data set scenes" in reason["v1-rank-s"]
    assert "without a seed" in reason["v1-locked-noise"]


# Settings


def test_an_absolute_value_is_judged_in_the_papers_setting_only() -> None:
    spectrum = ranks({"teacher": 88.0, "S": [15.0, 16.0, 17.0]})
    same = one(run(spectrum=spectrum), "v1-rank-s")
    assert (same["verdict"], same["evidence"]) == ("reproduced", "same setting")
    assert "Evidence" not in same["reason"]
    for overrides in ({"epochs": 6}, {"train_limit": 1000}, {"resolution": 32}, {"batch_size": 65}):
        other = one(run(overrides=overrides, spectrum=spectrum), "v1-rank-s")
        assert (other["verdict"], other["evidence"]) == ("not testable here", "another setting")
        ((name, value),) = overrides.items()
        assert f"{name} = {value}" in other["reason"]
    assert one(run("embedded", spectrum=spectrum), "v1-rank-s")["verdict"] == "not testable here"


def test_images_from_files_of_ones_own_are_another_setting() -> None:
    spectrum = ranks({"teacher": 88.68, **{model: [16.0, 16.5] for model in "SML"}})
    found = one(run(overrides={"dataset": "/data/cifar10"}, spectrum=spectrum), "v1-reduction")
    assert found["evidence"] == "another setting"
    assert "Evidence from data set cifar10, read from files, with teacher open_clip:" in found["reason"]


def test_weights_from_a_file_of_ones_own_are_another_setting() -> None:
    own = run("cifar10-clip", {"teacher_weights": "mine.safetensors"}, spectrum=ranks({"teacher": 88.68}))
    found = evaluate.evaluate(own).set_index("id").loc["v1-rank-teacher"]
    assert found["verdict"] == "not testable here"
    assert "teacher_weights = mine.safetensors" in found["reason"]
    published = run("cifar10-clip", spectrum=ranks({"teacher": 88.68}))
    assert evaluate.evaluate(published).set_index("id").loc["v1-rank-teacher", "verdict"] == "reproduced"


def test_seeds_widths_noise_and_controls_do_not_make_another_setting() -> None:
    overrides = {"seeds": [1, 2], "widths": [1, 4], "noise_levels": [0.1], "controls": [], "device": "cpu"}
    found = one(run(overrides=overrides, spectrum=ranks({"S": [15.0, 16.0, 17.0]})), "v1-rank-s")
    assert found["evidence"] == "same setting"


def test_the_second_papers_setting_is_its_own_profiles() -> None:
    spectrum = ranks({"teacher": 88.0, "S": [15.5, 16.0], "S infonce": [37.2, 38.4]})
    made = run("cifar10-clip-infonce", spectrum=spectrum)
    found = judged(made, "v2-expansion", "v2-infonce-rank", "v2-baseline-rank", "v1-rank-s")
    assert set(found["evidence"]) == {"same setting"}
    assert set(found["verdict"]) == {"reproduced"}
    assert found.loc["v2-infonce-rank", "measured"] == pytest.approx(37.8)
    elsewhere = run("embedded", spectrum=spectrum)
    assert one(elsewhere, "v2-expansion")["evidence"] == "another setting"
    absolute = one(elsewhere, "v2-infonce-rank")
    assert absolute["verdict"] == "not testable here"
    assert "profile cifar10-clip-infonce" in absolute["reason"]


def test_the_second_papers_other_images_and_teacher_are_a_setting_of_their_own() -> None:
    values = {"teacher": 250.0, "S": [53.0, 55.0], "M": [54.0, 54.5], "L": [53.5, 54.0]}
    wide = {f"{model} infonce": [value + 28 for value in values[model]] for model in "SML"}
    made = run("cifar100-dinov2", spectrum=ranks(values | wide))
    ids = [
        "v2-dinov2-baseline-rank",
        "v2-dinov2-infonce-rank",
        "v2-dinov2-gains",
        "v2-limit",
        "v2-dinov2-less-collapse",
    ]
    assert set(judged(made, *ids)["evidence"]) == {"same setting"}
    assert set(judged(made, *ids)["verdict"]) == {"reproduced"}
    crossed = judged(run("cifar100-clip", spectrum=ranks(values | wide)), *ids)
    assert set(crossed["evidence"]) == {"another setting"}
    assert crossed["verdict"].tolist() == ["not testable here"] * 2 + ["reproduced"] + ["not testable here"] * 2
    assert "data set cifar100 with teacher open_clip:" in crossed.loc["v2-limit", "reason"]


@pytest.mark.parametrize("change", [{"infonce_weight": 2.0}, {"infonce_temperature": 0.5}, {"infonce_symmetric": True}])
def test_another_infonce_term_is_another_setting_for_the_claims_about_it_only(change: dict[str, object]) -> None:
    curves = {"teacher": [2.0, 1.0, 0.5], "S": [[2.0, 0.2, 0.1]] * 2, "S infonce": [[2.0, 0.9, 0.4], [2.0, 0.8, 0.4]]}
    made = run(
        "cifar10-clip-infonce", change,
        spectrum=ranks({"teacher": 88.0, "S": [15.0, 16.0], "S infonce": [36.0, 38.4]}),
        singular_values=of_components(curves, "value"),
    )  # fmt: skip
    for name in ("v2-expansion", "v2-spectrum-follows"):
        found = one(made, name)
        assert (found["verdict"], found["evidence"]) == ("reproduced", "another setting")
        ((setting, value),) = change.items()
        assert f"{setting} = {value}." in found["reason"]
    assert one(made, "v2-infonce-rank")["verdict"] == "not testable here"
    assert set(judged(made, "v2-baseline-rank", "v1-rank-s")["evidence"]) == {"same setting"}


def test_what_else_is_varied_does_not_make_another_setting() -> None:
    changes = {"sweeps": [], "objectives": ["infonce", "cosine"], "regulariser_weight": 5, "infonce_weights": [3]}
    both = ranks({"S": [15.0, 16.0], "S infonce": [36.0, 38.4]})
    assert one(run("cifar10-clip-infonce", changes, spectrum=both), "v2-expansion")["evidence"] == "same setting"


def test_infonce_is_testable_as_soon_as_a_table_has_it() -> None:
    both = ranks({"teacher": 90.0, "S": [15.0, 16.0], "L": [10.0, 10.0], "S infonce": [36.0, 38.4]})
    found = one(run(spectrum=both), "v2-expansion")
    assert (found["verdict"], found["measured"], found["seeds"]) == ("reproduced", pytest.approx(2.4), 2)
    gone = one(run(spectrum=both[~both["objective"].eq("infonce")]), "v2-expansion")
    assert gone["reason"] == "No student of this run was trained on cosine with InfoNCE."


# Tests by name, on numbers with known answers; the rules themselves are in test_rules


def test_a_measured_value_comes_with_students_interval() -> None:
    found = one(run(spectrum=ranks({"S": [15.0, 16.0, 17.0]})), "v1-rank-s")
    half = 4.302653 / math.sqrt(3)  # t of 0.975 at two degrees of freedom; the deviation is 1
    assert (found["measured"], found["seeds"]) == (16.0, 3)
    assert found["low"] == pytest.approx(16 - half, abs=1e-5)
    assert found["high"] == pytest.approx(16 + half, abs=1e-5)
    assert "16.00 (95 % interval 13.52 to 18.48, 3 seeds), within 0.80 of 15.91" in found["reason"]


def test_the_teacher_has_no_interval() -> None:
    found = one(run(spectrum=ranks({"teacher": 88.0})), "v1-rank-teacher")
    assert (found["verdict"], found["measured"], found["seeds"]) == ("reproduced", 88.0, 0)
    assert math.isnan(found["low"])


def test_differences_are_paired_by_seed() -> None:
    """Seeds that differ more than the models leave a sure difference, if it is the same for each seed."""
    levels = {0.1: {"S": [40.0, 60.0, 80.0], "L": [30.0, 50.0, 70.5]}}
    found = one(run(robustness=accuracies(levels)), "v1-inversion-0.1")
    assert found["verdict"] == "reproduced"
    assert found["measured"] == pytest.approx((10 + 10 + 9.5) / 3)
    assert found["low"] > 9
    assert found["paper_value"] == pytest.approx(54.84 - 43.76)


def test_the_papers_own_run_inverts_and_grows_as_it_says() -> None:
    made = run(robustness=accuracies(PAPERS))
    found = judged(made, "v1-inversion-0.1", "v1-order-accuracy-0", "v1-accuracy-s-0", "v1-accuracy-m-0-seed123")
    assert found["verdict"].tolist()[0] == "reproduced"
    assert found["verdict"].tolist()[2:] == ["reproduced", "reproduced"]
    assert found.loc["v1-accuracy-m-0-seed123", "measured"] == 72.84
    assert "student M of seed 123 on clean images is 72.84 (one seed)" in found.loc["v1-accuracy-m-0-seed123", "reason"]


@pytest.mark.parametrize(
    "name", ["v1-inversion-0.1", "v1-order-accuracy-0", "v1-augmentation-clean", "v1-augmentation-gain-0.1",
             "v1-augmentation-restored-0.1", "v1-students-fall-s-0.1"],
)  # fmt: skip
def test_with_one_seed_models_are_not_compared(name: str) -> None:
    levels = {sigma: {"teacher": 90.0 - sigma, **{m: v[:1] for m, v in own.items()}} for sigma, own in PAPERS.items()}
    treated = accuracies({0.0: {"L augmented": [69.0]}, 0.1: {"L augmented": [49.0]}})
    found = one(run(robustness=accuracies(levels), augmentation=treated), name)
    assert found["verdict"] == "not testable here"
    assert "one seed" in found["reason"]


def test_one_augmented_seed_is_not_compared_with_three_plain_ones() -> None:
    treated = accuracies({0.1: {"L augmented": [49.0]}})
    made = run(robustness=accuracies(PAPERS), augmentation=treated)
    assert one(made, "v1-augmentation-gain-0.1")["verdict"] == "not testable here"


def test_augmentation_is_paired_with_the_plain_student_of_its_seed() -> None:
    treated = accuracies({0.1: {"L augmented": [41.0, 43.0, 43.0]}})
    found = one(run(robustness=accuracies(PAPERS), augmentation=treated), "v1-augmentation-gain-0.1")
    assert (found["verdict"], found["measured"]) == ("reproduced", pytest.approx(-5 / 3))
    assert found["paper_value"] == pytest.approx(49.49 - 43.76)


def test_a_missing_width_is_not_testable() -> None:
    found = one(run(spectrum=ranks({"teacher": 88.0, "S": [16.0, 16.1], "L": [16.0, 16.1]})), "v1-rank-same")
    assert (found["verdict"], found["reason"]) == ("not testable here", "This run has no student M.")


def test_a_number_that_is_none_is_not_testable() -> None:
    found = one(run(spectrum=ranks({"S": [16.0, math.nan]})), "v1-rank-s")
    assert (found["verdict"], found["reason"]) == ("not testable here", "This run's effective rank is not a number.")


def test_a_quantity_that_nothing_computes_is_not_testable() -> None:
    assert one(run(), "v1-rank-s", quantity="entropy")["reason"] == "Nothing here computes entropy."
    assert one(None, "v1-size-factor", quantity="entropy")["reason"] == "Nothing here computes entropy."


def test_a_table_is_read_once() -> None:
    made = run(spectrum=ranks({"S": [16.0, 16.1]}))
    evaluate.evaluate(made)
    assert len(made.asked) == len(set(made.asked))


# The cause of fragility, and what training and objective do to the rank


def fall_of(cut: float) -> object:
    """A run whose student S falls by 16 points at sigma = 0.1, and a teacher cut to 16 components by ``cut``."""
    rows = [
        control("truncation", {"teacher": value}, "accuracy", variant=variant, sigma=sigma, x=x)
        for variant, x, values in (
            ("top", 16.0, (90.0, 90.0 - cut)),
            ("top", 32.0, (91.0, 1.0)),
            ("random", 16.0, (50.0, 1.0)),
        )
        for sigma, value in zip((0.0, 0.1), values, strict=True)
    ]
    levels = {0.0: {"S": [70.0, 71.0]}, 0.1: {"S": [54.0, 55.0]}}
    return run(robustness=accuracies(levels), controls=pd.concat(rows))


def test_a_teacher_that_stays_robust_at_low_rank_refutes_that_rank_causes_fragility() -> None:
    robust, fragile = (one(fall_of(cut), "v1-rank-causes-robustness-0.1") for cut in (5.0, 20.0))
    assert (robust["verdict"], robust["measured"]) == ("not reproduced", pytest.approx(-11.0))
    assert (fragile["verdict"], fragile["measured"]) == ("reproduced", pytest.approx(4.0))
    assert "of the teacher cut to its top 16 components minus that of student S at sigma = 0.1" in robust["reason"]


def longer(late: list[float]) -> object:
    curves = {1: [10.0, 11.0], 5: [16.0, 15.0], 40: late}
    parts = [control("underfitting", {"S": v}, "epoch_rank", variant="constant", x=float(x)) for x, v in curves.items()]
    other = control("underfitting", {"S": [99.0, 99.0]}, "epoch_rank", variant="cosine schedule", x=40.0)
    return run(controls=pd.concat([*parts, other]))


def test_a_rank_that_grows_with_longer_training_refutes_an_absolute_bottleneck() -> None:
    grows, stays = (one(longer(late), "v1-bottleneck-absolute") for late in ([26.0, 25.0], [16.5, 15.5]))
    assert (grows["verdict"], grows["measured"]) == ("not reproduced", 10.0)
    assert (stays["verdict"], stays["measured"]) == ("reproduced", 0.5)


def test_a_lower_rank_on_labels_refutes_that_the_objective_collapses() -> None:
    def trained(labels: list[float]) -> object:
        parts = {"cosine": [16.0, 16.2, 16.1], "labels": labels}
        made = [control("objective", {"S": ranks}, "effective_rank", variant=name) for name, ranks in parts.items()]
        return run(controls=pd.concat(made))

    assert one(trained([9.0, 9.1, 9.2]), "v2-cause-objective")["verdict"] == "not reproduced"
    assert one(trained([30.0, 30.1, 30.2]), "v2-cause-objective")["verdict"] == "reproduced"


# Changing one number of the paper flips the verdict


@pytest.fixture(scope="module")
def everything() -> object:
    """A run in the paper's setting that measures just what the paper does."""
    values = {"teacher": 88.68, "S": [15.8, 15.9, 16.03], "M": [16.6, 16.61, 16.65], "L": [16.6, 16.7, 16.68]}
    return run(
        spectrum=pd.concat([ranks(values), ranks({"teacher": 152.0, "S": [19.0] * 3}, quantity="dims_for_90")]),
        robustness=accuracies({s: {"teacher": 94.31 - 49.6 * s, **own} for s, own in PAPERS.items()}),
        information=table({"S": [3.3, 3.31, 3.32]}, quantity="info_nce"),
    )


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("v1-rank-teacher", {"value": 44.0}),
        ("v1-rank-s", {"value": 30.0}),
        ("v1-dims90-teacher", {"value": 100}),
        ("v1-accuracy-s-0", {"value": 75.0}),
        ("v1-accuracy-s-0", {"value": 71.9, "spread": 0.01}),
        ("v1-accuracy-m-0-seed123", {"value": 70.0}),
        ("v1-infonce-s", {"value": 4.0}),
        ("v1-rank-16", {"value": 20}),
        ("v1-rank-same", {"tolerance": 0.1}),
        ("v1-reduction", {"value": 50}),
        ("v1-inversion-0.1", {"models": ("S", "L")}),
        ("v1-teacher-marginal-0.1", {"value": 1.0}),
        ("v1-students-fall-l-0.1", {"models": ("L", "teacher")}),
    ],
)  # fmt: skip
def test_a_changed_number_flips_the_verdict_of_a_run(everything: object, name: str, changes: dict[str, object]) -> None:
    assert one(everything, name)["verdict"] == "reproduced"
    assert one(everything, name, **changes)["verdict"] == "not reproduced"


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("v1-size-teacher", {"value": 151_277_313}),
        ("v1-size-s", {"value": student_parameters(1)}),
        ("v1-size-m", {"value": student_parameters(2)}),
        ("v1-size-l", {"value": student_parameters(4)}),
        ("v1-size-factor", {"value": 3.37}),
        ("v1-rank-16-published", {"value": 14}),
        ("v1-rank-m-notebook", {"value": 16.63}),
        ("v1-reduction-published", {"value": 70}),
        ("v1-share20-figure", {"value": 0.87}),
        ("v1-components90-figure", {"value": 28}),
        ("v1-mean-s-seeds", {"value": 71.2}),
        ("v1-spread-l-seeds", {"value": 0.53}),
        ("v1-significant-0.1-published", {"limit": 0.2}),
        ("v1-augmentation-gain-0.1-published", {"limit": 6.0}),
        ("v1-augmentation-restored-0.1-published", {"limit": 10.0}),
        ("v1-seeds-information", {"limit": 1}),
        ("v2-expansion-published", {"value": 2.0}),
    ],
)  # fmt: skip
def test_a_changed_number_flips_a_static_verdict(
    without_run: pd.DataFrame, name: str, changes: dict[str, object]
) -> None:
    before, after = without_run.set_index("id").loc[name, "verdict"], one(None, name, **changes)["verdict"]
    assert {before, after} == {"reproduced", "not reproduced"}


@pytest.mark.parametrize(
    ("changed", "value", "flipped"),
    [
        ("v1-rank-s", 60.0, "v1-reduction-published"),
        ("v1-rank-m", 30.0, "v1-rank-16-published"),
        ("v1-notebook-rank-m", 16.62, "v1-rank-m-notebook"),
        ("v1-figure-share-20", 0.91, "v1-share20-figure"),
        ("v1-figure-components-90", 19, "v1-components90-figure"),
        ("v1-accuracy-m-0-seed42", 73.0, "v1-mean-m-seeds"),
        ("v1-accuracy-l-0.1", 20.0, "v1-significant-0.1-published"),
        ("v1-augmented-l-0.1", 43.0, "v1-augmentation-gain-0.1-published"),
        ("v1-augmented-l-0.1", 80.0, "v1-augmentation-restored-0.1-published"),
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
    assert {before[flipped], after[flipped]} == {"reproduced", "not reproduced"}


def test_a_number_that_the_ledger_lacks_leaves_nothing_to_follow_from_it() -> None:
    ledger = evaluate.load()
    kept = ledger[~ledger["id"].isin(["v1-figure-share-20", "v1-rank-teacher"])]
    reason = evaluate.evaluate(None, kept).set_index("id")["reason"]
    assert reason["v1-share20-figure"] == "The ledger has no claim v1-figure-share-20."
    assert reason["v1-reduction-published"] == "The ledger has no effective rank of teacher."


def test_an_entry_that_is_no_claim_is_refused() -> None:
    with pytest.raises(InputError, match="claim 'v1-rank-s', test: "):
        one(None, "v1-rank-s", test="roughly")
