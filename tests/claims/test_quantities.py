"""Quantities: each read from the right rows and no others, on tables with obvious answers."""

import itertools
import re

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made_runs import accuracies, control, of_components, ranks, run, table

from asymdistill.claims import quantities
from asymdistill.claims.estimates import NotMeasured
from asymdistill.claims.quantities import QUANTITIES, measure, require_noise_that_costs, require_same_input
from asymdistill.claims.rows import Rows, Subject
from asymdistill.metrics import spectrum
from asymdistill.study.study import Study


def measured(name: str, results: object, label: str, sigma: float | None = None, estimator: str | None = None) -> dict:
    values = measure(name, Rows(results), Subject.parse(label, sigma, estimator))  # type: ignore[arg-type]
    return {None if pd.isna(key) else key: value for key, value in values.items()}


def refuses(message: str, name: str, results: object, label: str, sigma: float | None = None) -> None:
    with pytest.raises(NotMeasured, match=re.escape(message)):
        measured(name, results, label, sigma)


# Which rows


def test_a_model_is_not_taken_for_another_nor_for_its_treatments() -> None:
    made = run(spectrum=ranks({"teacher": 90.0, "S": [10.0, 12.0], "L": [20.0, 22.0], "S infonce": [40.0, 44.0]}))
    assert measured("effective_rank", made, "S") == {42: 10.0, 123: 12.0}
    assert measured("effective_rank", made, "S infonce") == {42: 40.0, 123: 44.0}
    assert measured("effective_rank", made, "teacher") == {None: 90.0}


def test_all_students_are_averaged_over_widths_and_kept_by_seed() -> None:
    made = run(spectrum=ranks({"teacher": 90.0, "S": [10.0, 12.0], "L": [20.0, 22.0], "S infonce": [40.0, 44.0]}))
    assert measured("effective_rank", made, "students") == {42: 15.0, 123: 17.0}
    assert measured("effective_rank", made, "students infonce") == {42: 40.0, 123: 44.0}


def test_what_is_missing_is_said() -> None:
    plain = ranks({"teacher": 90.0, "S": [10.0]})
    refuses("this run has no table spectrum", "effective_rank", run(), "S")
    refuses("this run has no student M", "effective_rank", run(spectrum=plain), "M")
    refuses("this run has no teacher", "effective_rank", run(spectrum=plain.iloc[1:]), "teacher")
    refuses(
        "no student of this run was trained on cosine with InfoNCE", "effective_rank", run(spectrum=plain), "S infonce"
    )
    refuses("this run has no quantity dims_for_90", "dims_for_90", run(spectrum=plain), "S")
    refuses("has nothing of S labels", "effective_rank", run(spectrum=plain), "S labels")
    refuses("no student of this run was trained with augmentation", "accuracy",
            run(augmentation=accuracies({0.0: {"L": [1.0]}}).iloc[:0]), "L augmented")  # fmt: skip
    refuses("this run has no sigma 0.3", "accuracy", run(robustness=accuracies({0.1: {"S": [5.0]}})), "S", 0.3)
    refuses("nothing here computes entropy", "entropy", run(), "S")
    refuses("is not a number", "effective_rank", run(spectrum=ranks({"S": [np.nan, 1.0]})), "S")


@pytest.mark.parametrize("name", QUANTITIES)
def test_every_quantity_of_an_empty_run_is_missing_and_has_words(name: str) -> None:
    refuses("this run has no ", name, run(), "S")
    empty = run(controls=control("none", {"S": [1.0]}, "none").iloc[:0])
    refuses("this run has no ", name, empty, "S")
    assert QUANTITIES[name].words.count("{}") == 1


# Spectra


def test_the_papers_estimator_is_kept_apart_from_ranks_by_seed() -> None:
    both = pd.concat([ranks({"S": [10.0, 12.0]}), ranks({"S": [11.3]}, estimator="mean spectrum")])
    assert measured("effective_rank", run(spectrum=both), "S") == {42: 10.0, 123: 12.0}
    assert measured("estimator_gap", run(spectrum=both), "S") == {None: pytest.approx(0.3)}
    single = pd.concat([ranks({"S": [10.0]}), ranks({"S": [10.0]}, estimator="mean spectrum")])
    refuses("with one seed", "estimator_gap", run(spectrum=single), "S")


SPECTRA = np.array([[4.0, 2.0, 1.0, 0.5], [5.0, 2.0, 0.5, 0.1], [3.0, 3.0, 1.0, 0.2]])


def test_the_rank_of_averaged_singular_values_is_one_value_with_a_jackknife_over_seeds() -> None:
    curves = {"S": SPECTRA.tolist(), "L": [[1.0] * 4] * 3, "teacher": [1.0, 1.0, 0.0, 0.0]}
    made = run(singular_values=of_components(curves, "value"))
    found = measured("effective_rank", made, "S", estimator="mean spectrum")
    own = np.array(list(found.values()))
    assert list(found) == [42, 123, 456]
    assert own.mean() == pytest.approx(quantities.effective_rank(SPECTRA.mean(axis=0)))
    without = [quantities.effective_rank(np.delete(SPECTRA, seed, axis=0).mean(axis=0)) for seed in range(3)]
    error = np.sqrt(2 / 3 * np.sum((without - np.mean(without)) ** 2))  # the textbook's standard error of a jackknife
    assert own.std(ddof=1) / np.sqrt(3) == pytest.approx(error)
    assert measured("effective_rank", made, "teacher", estimator="mean spectrum") == {None: pytest.approx(2.0)}
    assert list(measured("dims_for_90", made, "L", estimator="mean spectrum").values()) == [4.0] * 3
    reduction = measured("rank_reduction", made, "L", estimator="mean spectrum")
    assert list(reduction.values()) == pytest.approx([-100.0] * 3)


@given(st.lists(st.floats(0.01, 100), min_size=2, max_size=30))
def test_spectra_have_the_rank_and_dimensions_of_the_metrics(values: list[float]) -> None:
    ordered = sorted(values, reverse=True)
    own, theirs = np.array(ordered), torch.tensor(ordered, dtype=torch.float64)
    assert quantities.effective_rank(own) == pytest.approx(float(spectrum.effective_rank_of(theirs)), rel=1e-6)
    assert quantities.dims_for_90(own) == spectrum.dims_for_variance_of(theirs, 0.9)


def test_dimensions_are_read_under_their_name() -> None:
    both = pd.concat([ranks({"S": [10.0]}), ranks({"S": [19.0]}, quantity="dims_for_90")])
    assert measured("dims_for_90", run(spectrum=both), "S") == {42: 19.0}


def test_an_augmented_rank_is_in_the_table_of_augmentation() -> None:
    rows = table({"L": [16.0, 17.0], "L augmented": [18.0, 19.0]}, "effective_rank", sigma=0.0)
    noisy = rows.assign(sigma=0.1)
    made = run(augmentation=pd.concat([rows, noisy]), spectrum=ranks({"L": [16.0, 17.0]}))
    assert measured("effective_rank", made, "L augmented") == {42: 18.0, 123: 19.0}


def test_a_reduction_is_in_percent_of_the_teacher() -> None:
    made = run(spectrum=ranks({"teacher": 80.0, "S": [20.0, 16.0]}))
    assert measured("rank_reduction", made, "S") == {42: 75.0, 123: 80.0}


def test_an_expansion_is_a_ratio_student_by_student() -> None:
    plain, wide = {"S": [10.0, 20.0], "L": [40.0, 50.0]}, {"S infonce": [20.0, 80.0], "L infonce": [40.0, 100.0]}
    made = run(spectrum=ranks({"teacher": 90.0, **plain, **wide}))
    assert measured("expansion", made, "students") == {42: 1.5, 123: 3.0}
    only_small = run(spectrum=ranks({"teacher": 90.0, **plain, "S infonce": [20.0, 80.0]}))
    assert measured("expansion", only_small, "students") == {42: 2.0, 123: 4.0}


def test_the_distance_of_spectra_is_in_factors_of_ten_of_variance_shares() -> None:
    teacher = [10**0.5, 1.0, 0.0]
    curves = {"teacher": teacher, "S": [[1.0, 10**0.5, 0.0], [2 * 10**0.5, 2.0, 0.0]]}
    made = run(singular_values=of_components(curves, "value"))
    assert measured("spectrum_distance", made, "S") == {42: pytest.approx(1.0), 123: pytest.approx(0.0, abs=1e-12)}


def test_the_tail_of_a_spectrum_counts_for_nothing() -> None:
    curves = {"teacher": [1.0, 1.0, 1e-3], "S": [[1.0, 1.0, 1e-9]]}
    made = run(singular_values=of_components(curves, "value"))
    assert measured("spectrum_distance", made, "S")[42] < 1e-5


def test_a_student_without_variance_in_a_component_is_far_and_not_infinitely_so() -> None:
    made = run(singular_values=of_components({"teacher": [1.0, 1.0], "S": [[1.0, 0.0]]}, "value"))
    assert 5 < measured("spectrum_distance", made, "S")[42] < 12


def test_the_distance_of_all_students_with_infonce_is_averaged_over_widths_by_seed() -> None:
    teacher = [1.0, 1.0, 1.0, 0.0]
    near, far = [1.0, 1.0, 1.0, 0.0], [10.0, 1.0, 1.0, 0.0]
    curves = {"teacher": teacher, "S": [far, far], "S infonce": [near, far], "L infonce": [near, near]}
    made = run(singular_values=of_components(curves, "value"))
    shares = np.array([100, 1, 1]) / 102
    distance = np.abs(np.log10(3 * shares)).mean()
    assert measured("spectrum_distance", made, "students infonce") == {
        42: pytest.approx(0, abs=1e-12),
        123: pytest.approx(distance / 2),
    }
    assert measured("spectrum_distance", made, "students")[42] == pytest.approx(distance)
    assert measured("spectrum_distance", made, "S infonce")[123] == pytest.approx(distance)


def test_only_infonce_towards_the_teacher_counts_as_infonce() -> None:
    values = {"S": [10.0], "S infonce": [20.0], "S views": [90.0], "S vicreg": [91.0], "S uniformity": [92.0]}
    made = run(spectrum=ranks({"teacher": 99.0, **values}))
    assert measured("effective_rank", made, "students") == {42: 10.0}
    assert measured("effective_rank", made, "students infonce") == {42: 20.0}
    assert measured("expansion", made, "students") == {42: 2.0}
    others = run(spectrum=ranks({"teacher": 99.0, "S": [10.0], "S views": [90.0]}))
    refuses("no student of this run was trained on cosine with InfoNCE", "expansion", others, "students")


def test_a_run_without_the_first_papers_objective_says_nothing_of_it() -> None:
    """Its controls are of the students that it has, which are none of those that the papers speak of."""
    longer = [control("underfitting", {"S infonce": [v]}, "epoch_rank", variant="constant", x=x)
              for x, v in ((5.0, 16.0), (40.0, 18.0))]  # fmt: skip
    made = run(spectrum=ranks({"S infonce": [38.0]}), controls=pd.concat(longer))
    refuses("no student of this run was trained on cosine alone", "effective_rank", made, "S")
    refuses("this run has no objective cosine", "regained_rank", made, "S")
    assert measured("effective_rank", made, "S infonce") == {42: 38.0}


# Alignment


def test_a_run_of_infonce_alone_is_said_to_lack_the_first_papers_students_not_student_s() -> None:
    made = run(spectrum=ranks({"teacher": 90.0, "S infonce": [38.0, 39.0]}))
    refuses("no student of this run was trained on cosine alone", "effective_rank", made, "S")
    assert list(measured("effective_rank", made, "teacher").values()) == [90.0]


def test_the_share_is_that_of_twenty_components() -> None:
    curves = {"S": [[k / 40 for k in range(1, 41)], [min(1.0, k / 25) for k in range(1, 41)]]}
    made = run(alignment=of_components(curves, "share"))
    assert measured("share_20", made, "S") == {42: 0.5, 123: 0.8}
    refuses("this run has no component 20", "share_20", run(alignment=of_components({"S": [[1.0]]}, "share")), "S")


def test_curves_are_compared_where_they_are_furthest_apart() -> None:
    curves = {"S": [[0.5, 0.8, 1.0], [0.5, 0.8, 1.0]], "L": [[0.6, 0.5, 1.0], [0.5, 0.9, 1.0]]}
    made = run(alignment=of_components(curves, "share"))
    assert measured("alignment_gap", made, "L") == {42: pytest.approx(0.3), 123: pytest.approx(0.1)}
    assert measured("alignment_gap", made, "S") == {42: 0.0, 123: 0.0}


# Information and accuracy


def test_losses_are_read_under_their_names() -> None:
    rows = [table({"S": [value]}, quantity=name) for name, value in (("info_nce", 3.3), ("uniformity", -0.4))]
    made = run(information=pd.concat(rows))
    assert measured("info_nce", made, "S") == {42: 3.3}
    assert measured("uniformity", made, "S") == {42: -0.4}


LEVELS = {0.0: {"teacher": 90.0, "S": [70.0, 72.0], "L": [75.0, 77.0]},
          0.1: {"teacher": 85.0, "S": [50.0, 58.0], "L": [35.0, 45.0]}}  # fmt: skip


def test_accuracy_is_that_in_the_papers_noise_space() -> None:
    pixels = accuracies({0.1: {"S": [1.0, 2.0]}}, space="pixel")
    made = run(robustness=pd.concat([pixels, accuracies(LEVELS)]))
    assert measured("accuracy", made, "S", 0.1) == {42: 50.0, 123: 58.0}
    assert measured("accuracy", made, "S") == measured("accuracy", made, "S", 0.0) == {42: 70.0, 123: 72.0}


def test_a_loss_is_a_share_of_what_is_above_chance_on_clean_images_seed_by_seed() -> None:
    made = run(robustness=accuracies(LEVELS))
    expected = {42: 100 * 20 / 60, 123: 100 * 14 / 62}
    assert measured("loss", made, "S", 0.1) == pytest.approx(expected)
    assert measured("loss", made, "teacher", 0.1) == {None: 100 * 5 / 80}


@pytest.mark.parametrize("dataset", ["cifar100", "birds.npz", "own/cifar10.npz", "own/scenes"])
@pytest.mark.parametrize("classes", [2, 4, 100])
def test_chance_follows_the_number_of_classes_whatever_the_images_are_called(dataset: str, classes: int) -> None:
    """A file cifar10.npz of four classes counted as ten, and of birds.npz nobody knew."""
    made = run(overrides={"dataset": dataset}, robustness=accuracies(LEVELS))
    made.sizes = {"classes": classes}
    assert measured("loss", made, "teacher", 0.1) == {None: pytest.approx(100 * 5 / (90 - 100 / classes))}


def test_what_is_at_chance_has_nothing_to_lose() -> None:
    made = run(robustness=accuracies({0.0: {"S": [10.0, 70.0]}, 0.1: {"S": [9.0, 60.0]}}))
    refuses("the accuracy of S on clean images is not above chance", "loss", made, "S", 0.1)
    made.sizes = {}
    refuses("does not say how many classes", "loss", made, "S", 0.1)


def test_noise_costs_something_if_the_interval_of_one_models_loss_is_above_0() -> None:
    levels = {0.0: {"teacher": 90.0, "S": [70.0, 72.0], "L": [75.0, 77.0]}, 0.1: {"teacher": 90.0, "S": [70.0, 58.0]}}
    levels[0.1]["L"] = [70.0, 72.1]
    rows = Rows(run(robustness=accuracies(levels)))
    small, large, teacher = (Subject(model, sigma=0.1) for model in ("S", "L", "teacher"))
    require_noise_that_costs(rows, [small, large])
    for kept in ([small], [teacher], [small, teacher]):
        with pytest.raises(NotMeasured, match=r"σ = 0\.1 costs none of these models any measurable accuracy"):
            require_noise_that_costs(rows, kept)


@pytest.mark.parametrize(
    ("profile", "overrides", "refused"),
    [
        ("cifar10-clip", {}, False),
        ("cifar10-clip", {"resolution": 32}, True),
        ("cifar10-clip", {"resolution": 32, "teacher_resolution": 32}, False),
        ("cifar100-dinov2", {}, False),
        ("embedded", {}, True),
        ("smoke", {}, False),
    ],
)
def test_noise_on_inputs_of_different_size_sets_no_student_against_the_teacher(
    profile: str, overrides: dict[str, object], refused: bool
) -> None:
    rows, teacher = Rows(run(profile, overrides)), Subject("teacher")
    for alike in ([Subject("S"), Subject("L")], [teacher, Subject("teacher", "top 16")]):
        require_same_input(rows, alike)
    if not refused:
        require_same_input(rows, [Subject("S"), teacher])
        return
    with pytest.raises(NotMeasured, match=r"the students see 32 x 32 pixels and the teacher (224 x 224|128 x 128): "):
        require_same_input(rows, [Subject("S"), teacher])


def test_what_re_estimated_statistics_give_back_is_a_share_of_what_the_noise_costs() -> None:
    cells = {("plain", 0.0): [80.0, 70.0], ("plain", 0.1): [40.0, 60.0],
             ("batch statistics re-estimated", 0.1): [70.0, 60.0]}  # fmt: skip
    parts = [control("noise", {"L": own}, "accuracy", variant=name, sigma=s) for (name, s), own in cells.items()]
    assert measured("given_back", run(controls=pd.concat(parts)), "L", 0.1) == {42: 75.0, 123: 0.0}
    parts[1]["value"] = 90.0
    refuses("noise of σ = 0.1 costs student L nothing", "given_back", run(controls=pd.concat(parts)), "L", 0.1)


def test_what_augmentation_restores_is_a_part_of_the_way_to_the_teacher() -> None:
    made = run(robustness=accuracies(LEVELS), augmentation=accuracies({0.1: {"L augmented": [60.0, 35.0]}}))
    assert measured("restored", made, "L augmented", 0.1) == {42: 50.0, 123: -25.0}
    better = {0.1: {"teacher": 40.0, "L": [35.0, 45.0]}}
    lost = run(robustness=accuracies(better), augmentation=accuracies({0.1: {"L augmented": [60.0, 35.0]}}))
    refuses("the teacher is no better than student L", "restored", lost, "L augmented", 0.1)


def test_what_augmentation_restores_is_paired_by_the_seeds_that_both_have() -> None:
    three = {0.1: {"teacher": 80.0, "L": [40.0, 60.0, 90.0]}}  # the third is better than the teacher, and not augmented
    made = run(robustness=accuracies(three), augmentation=accuracies({0.1: {"L augmented": [60.0, 65.0]}}))
    assert measured("restored", made, "L augmented", 0.1) == {42: 50.0, 123: 25.0}
    other = accuracies({0.1: {"L augmented": [60.0, 65.0]}}).assign(seed=[7, 8])
    refuses("no seed in common", "restored", run(robustness=accuracies(three), augmentation=other), "L augmented", 0.1)


def test_a_cut_teacher_is_the_control_s_with_its_leading_components() -> None:
    cells = itertools.product(("top", "bottom"), (8.0, 16.0), (0.0, 0.1))
    made = [
        control("truncation", {"teacher": index}, "accuracy", variant=variant, x=x, sigma=sigma)
        for index, (variant, x, sigma) in enumerate(cells)
    ]
    ranks_too = control("truncation", {"teacher": 99.0}, "effective_rank", variant="top", x=16.0, sigma=0.0)
    results = run(controls=pd.concat([*made, ranks_too]))
    assert measured("accuracy", results, "teacher top 16", 0.1) == {None: 3.0}
    refuses("this run has no x 4.0", "accuracy", results, "teacher top 4", 0.1)


# Controls


def test_overfitting_is_the_distance_on_test_images_beyond_the_last_training_loss() -> None:
    losses = [table({"S": values}, "loss", epoch=epoch) for epoch, values in ((1, [0.9, 0.9]), (2, [0.3, 0.2]))]
    gains = table({"S": [0.4, 0.5], "S infonce": [9.0, 9.0]}, quantity="distance", comparison="gains")
    sweep = table({"S": [7.0, 7.0]}, quantity="distance", comparison="weight")
    made = run(training=pd.concat(losses), expansion=pd.concat([gains, sweep]))
    assert measured("overfitting", made, "S") == pytest.approx({42: 0.1, 123: 0.3})


def test_neighbours_are_those_of_the_comparison_of_objectives() -> None:
    parts = [table({"S": [value, value]}, quantity=quantity, comparison="gains")
             for quantity, value in (("neighbour_overlap", 0.2), ("neighbour_accuracy", 60.0))]  # fmt: skip
    assert measured("neighbour_overlap", run(expansion=pd.concat(parts)), "S") == {42: 0.2, 123: 0.2}


def test_an_estimators_rank_is_that_of_all_images() -> None:
    cells = itertools.product(("centred", "not centred"), (100.0, 200.0), range(2))
    rows = [
        control("estimators", {"teacher": float(index)}, "rank_by_sample", variant=f"variance, {name}", x=x)
        for index, (name, x, _) in enumerate(cells)
    ]
    made = run(controls=pd.concat(rows))
    assert measured("sampled_rank", made, "teacher centred") == {None: 2.5}
    assert measured("sampled_rank", made, "teacher not centred") == {None: 6.5}


def test_longer_training_is_measured_from_the_papers_length() -> None:
    curves = {1: [9.0, 9.0], 5: [16.0, 15.0], 20: [17.0, 17.0], 40: [18.0, 20.0]}
    rows = [control("underfitting", {"S": v}, "epoch_rank", variant="constant", x=float(x)) for x, v in curves.items()]
    own = {"spectrum": ranks({"teacher": 41.0}), "controls": pd.concat(rows)}
    assert measured("regained_rank", run(**own), "S") == {42: 100 * 2 / 25, 123: 100 * 5 / 26}
    fewer = run(**own)
    fewer.sizes["train"] = 12_800  # 200 steps an epoch: 20 epochs have the paper's 3,905
    assert measured("regained_rank", fewer, "S") == {42: 100 * 1 / 24, 123: 100 * 3 / 24}
    fewer.sizes["train"] = 12_000
    refuses("trained for longer than the paper's 3,905 steps", "regained_rank", fewer, "S")
    del fewer.sizes["train"]
    refuses("does not say how many training images", "regained_rank", fewer, "S")
    below = run(spectrum=ranks({"teacher": 15.5}), controls=pd.concat(rows))
    refuses("S has no lower rank than the teacher here", "regained_rank", below, "S")


def test_a_student_of_another_architecture_is_that_of_the_control_of_capacity() -> None:
    rows = [
        control("capacity", {"S": values}, "effective_rank", variant=name)
        for name, values in {"width": [30.0, 30.0], "architecture": [5.0, 10.0]}.items()
    ]
    results = run(spectrum=ranks({"teacher": 50.0, "S": [30.0, 30.0]}), controls=pd.concat(rows))
    assert measured("rank_reduction", results, "S other architecture") == {42: 90.0, 123: 80.0}
    without = run(spectrum=ranks({"teacher": 50.0}), controls=rows[0])
    refuses("this run has no variant architecture", "rank_reduction", without, "S other architecture")


def test_a_network_trained_for_something_else_is_a_variant_of_the_objective() -> None:
    made = {"cosine": [16.0, 17.0], "labels": [9.0, 8.0], "random": [5.0, 5.0]}
    rows = [control("objective", {"S": v}, "effective_rank", variant=name) for name, v in made.items()]
    results = run(controls=pd.concat(rows))
    assert measured("objective_rank", results, "S labels") == {42: 9.0, 123: 8.0}
    assert measured("objective_rank", results, "S cosine") == {42: 16.0, 123: 17.0}
    refuses("this run has no variant whitened", "objective_rank", results, "S whitened")


def test_other_targets_give_back_a_share_of_what_the_cosine_loss_costs() -> None:
    made = {"cosine": [16.0, 17.0], "centred": [26.0, 50.0]}
    rows = pd.concat([control("objective", {"S": v}, "effective_rank", variant=name) for name, v in made.items()])
    results = run(spectrum=ranks({"teacher": 36.0}), controls=rows)
    assert measured("rank_by_targets", results, "S centred") == {42: 50.0, 123: 100 * 33 / 19}
    below = run(spectrum=ranks({"teacher": 16.5}), controls=rows)
    refuses("S has no lower rank than the teacher here", "rank_by_targets", below, "S centred")


# A real study


def test_ranks_of_a_real_study_are_those_of_its_spectra(small_study: Study) -> None:
    values = small_study.table("singular_values").query("model == 'S' and not augmented")
    expected = {
        seed: spectrum.effective_rank_of(torch.tensor(own["value"].to_numpy())) for seed, own in values.groupby("seed")
    }
    assert measured("effective_rank", small_study, "S") == pytest.approx(expected)
    found = small_study.table("robustness").query("model == 'S' and sigma == 0.2 and noise_space == 'normalised'")
    assert list(measured("accuracy", small_study, "S", 0.2).values()) == found.sort_values("seed")["accuracy"].tolist()
    assert measured("accuracy", small_study, "S augmented", 0.2).keys() == {42}
