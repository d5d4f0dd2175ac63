"""The controls as a study runs them: complete tables whose numbers come out again by other means."""

import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import SMALL
from sklearn.linear_model import LogisticRegression

from asymdistill.claims import quantities
from asymdistill.claims.quantities import measure
from asymdistill.claims.rows import Rows, Subject
from asymdistill.config.names import SCENES_CLIP, SCENES_SIMCLR, UNTRAINED
from asymdistill.config.settings import CONTROLS
from asymdistill.data import scenes
from asymdistill.data.datasets import ImageSet
from asymdistill.experiment.student_configs import StudentConfig
from asymdistill.metrics import spectrum
from asymdistill.models import students
from asymdistill.study import controls
from asymdistill.study.study import Study

FEW = {
    "controls": list(CONTROLS),
    "control_epochs": 3,
    "control_widths": [0.25],
    "control_resolution": 16,
    "class_counts": [2, 10],
    "statistics_seeds": 3,
    "augmentation_seeds": 0,
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, small_study: Study) -> Study:
    """The small study with every control, in a copy of its store: students and measurements that it has are found."""
    runs = tmp_path_factory.mktemp("controls")
    shutil.copytree(small_study.folder.parent, runs, dirs_exist_ok=True)
    made = Study.open("smoke", small_study.settings.model_dump() | FEW, runs)
    made.compute()
    return made


def student(study: Study, width: float, seed: int, objective: str = "cosine", **different: Any) -> StudentConfig:
    return study._run.configs.make(width, seed, objective, **different)


@pytest.fixture(scope="module")
def table(study: Study) -> pd.DataFrame:
    return study.controls()


def only(table: pd.DataFrame, control: str, quantity: str, **wanted: object) -> pd.DataFrame:
    own = table[(table["control"] == control) & (table["quantity"] == quantity)]
    for column, value in wanted.items():
        own = own[own[column] == value]
    assert len(own), (control, quantity, wanted)
    return own


def unit(tensor: torch.Tensor) -> np.ndarray:
    rows = tensor.detach().double().numpy()
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_every_control_has_rows_in_long_form(table: pd.DataFrame) -> None:
    identity = ["model", "width", "seed", "objective", "augmented"]
    assert list(table.columns) == ["control", "quantity", *identity, "variant", "sigma", "x", "value"]
    assert set(table["control"]) == set(CONTROLS)
    assert np.isfinite(table["value"].astype(float)).all()
    assert not table.duplicated([column for column in table.columns if column != "value"]).any()


def test_underfitting_compares_with_the_teacher_and_follows_long_trainings(study: Study, table: pd.DataFrame) -> None:
    run = study._run
    own, teacher = unit(run.encode(student(study, 1, 42), "test")), unit(run.encode(None, "test"))
    directions = np.linalg.svd(teacher - teacher.mean(0))[2]
    one, other = (rows - rows.mean(0) for rows in (own, teacher))
    expected = [np.corrcoef(one @ axis, other @ axis)[0, 1] ** 2 for axis in directions[:5]]
    measured = only(table, "underfitting", "r_squared", variant="test", model="S", seed=42).set_index("x")["value"]
    assert measured.loc[1:5].tolist() == pytest.approx(expected, abs=1e-4)
    for variant in ("constant", "cosine schedule"):
        followed = only(table, "underfitting", "epoch_rank", variant=variant, seed=123)
        assert followed["x"].tolist() == [1, 2, 3]
    last = run.encode(student(study, 0.5, 123, epochs=3, schedule="cosine", snapshots=True), "test")
    assert followed["value"].iloc[-1] == pytest.approx(spectrum.effective_rank(last), rel=1e-4)


def test_the_experiments_own_last_epoch_is_watched_in_longer_trainings(
    small_study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(small_study.folder.parent, tmp_path, dirs_exist_ok=True)
    changed = {"epochs": 4, "control_epochs": 10, "widths": [0.5], "seeds": [42], "controls": ["underfitting"]}
    own = Study.open("smoke", small_study.settings.model_dump() | FEW | changed, tmp_path)
    followed = only(own.controls(), "underfitting", "epoch_rank", variant="constant").set_index("x")["value"]
    assert followed.index.tolist() == [1, 2, 3, 4, 5, 7, 10]
    # At a constant rate, the student of ten epochs is after four of them that of four, to the bit.
    ranks = own.spectrum().query("model == 'w=0.5' and quantity == 'effective_rank' and estimator == 'per seed'")
    assert followed[4] == ranks["value"].item()
    assert followed.nunique() == 7
    rows = Rows(own)
    monkeypatch.setattr(quantities, "PAPER_STEPS", 4 * rows.steps_per_epoch)  # of fifty thousand images, it is far off
    gained = measure("regained_rank", rows, Subject("w=0.5"))
    teacher = own.spectrum().query("model == 'teacher' and quantity == 'effective_rank'")["value"].item()
    assert gained.tolist() == [100 * (followed[10] - followed[4]) / (teacher - followed[4])]


def test_classes_are_swept_with_as_many_images_each(study: Study, table: pd.DataFrame) -> None:
    run = study._run
    assert len(run.images.of("test", 2)) == len(run.images.of("test", 10)) == SMALL["test_limit"]
    assert set(run.images.of("train", 2).labels.tolist()) == {0, 1}
    for count in (2, 10):
        swept = only(table, "classes", "sweep_rank", x=count)
        assert sorted(swept["model"]) == ["teacher", "w=0.5", "w=0.5"]
    assert (only(table, "classes", "means_rank")["value"] <= 9).all()


def test_the_truncated_teacher_keeps_what_its_leading_components_hold(study: Study, table: pd.DataFrame) -> None:
    run = study._run
    train, test = unit(run.encode(None, "train")), unit(run.encode(None, "test"))
    directions = np.linalg.svd(train - train.mean(0))[2][:8]
    cut = [train.mean(0) + (rows - train.mean(0)) @ directions.T @ directions for rows in (train, test)]
    cut = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in cut]
    probe = LogisticRegression(max_iter=2000).fit(cut[0].astype(np.float32), run.images.train.labels)
    expected = 100 * (probe.predict(cut[1].astype(np.float32)) == run.images.test.labels.numpy()).mean()
    measured = only(table, "truncation", "accuracy", variant="top", x=8, sigma=0.0)["value"].item()
    assert measured == pytest.approx(expected, abs=100 * 1.01 / len(run.images.test))
    whole = study.robustness().query("model == 'teacher' and noise_space == 'normalised'")["accuracy"]
    assert only(table, "truncation", "accuracy", variant="full")["value"].tolist() == whole.tolist()
    assert only(table, "truncation", "accuracy", variant="random", sigma=0.2)["seed"].tolist() == [0, 1, 2]
    assert (only(table, "truncation", "effective_rank", variant="top")["value"] <= 128).all()


def test_capacity_changes_one_thing_at_a_time(table: pd.DataFrame) -> None:
    ranks = only(table, "capacity", "effective_rank")
    seen = {(row.variant, row.model, row.x) for row in ranks.itertuples()}
    assert {("input", "w=0.5", 32), ("input", "w=0.5", 16)} <= seen
    assert {("receptive field", "w=0.5", 18), ("receptive field", "w=0.5", 46)} <= seen
    assert ("stated size", "w=0.25", students.parameter_count(0.25, 128)) in seen
    assert {("width", "w=0.5"), ("width", "S")} <= {place[:2] for place in seen}
    (other,) = {place for place in seen if place[0] == "architecture"}
    assert other[2] == pytest.approx(students.parameter_count(0.5, 128), rel=0.05)
    accuracies = only(table, "capacity", "accuracy")
    assert {(row.variant, row.model, row.x) for row in accuracies.itertuples()} == seen


def test_objectives_are_trained_for_what_they_say(study: Study, table: pd.DataFrame) -> None:
    run = study._run
    assert set(only(table, "objective", "effective_rank")["variant"].dropna()) == {
        *("cosine", "labels", "random", "whitened", "centred"),
    }
    fresh = students.build(students.Design(0.5), 128, 42).state_dict()
    stored = run.students.network(student(study, 0.5, 42, UNTRAINED)).state_dict()
    assert all(torch.equal(fresh[name], stored[name]) for name in fresh)
    losses = run.students.losses(student(study, 0.5, 42, "labels"))
    assert losses[1] < losses[0] < 1.5 * np.log(10)


def test_noise_controls_leave_clean_images_as_they_are(table: pd.DataFrame) -> None:
    clean = table[(table["control"] == "noise") & (table["sigma"] == 0)]
    for _, own in clean[clean["variant"] != "trained with noise"].groupby(["model", "seed"]):
        assert own["value"].eq(own["value"].iloc[0]).all()
        assert set(own["variant"]) == {"plain", "batch statistics re-estimated", "pixel noise"}
    assert set(only(table, "noise", "accuracy", variant="trained with noise")["model"]) == {"w=0.5", "S"}


def test_estimators_agree_with_the_whole_sample_and_know_the_truth(study: Study, table: pd.DataFrame) -> None:
    own = study._run.encode(None, "test")
    whole = only(table, "estimators", "rank_by_sample", model="teacher", x=len(own), variant="amplitude, centred")
    assert whole["value"].tolist() == pytest.approx([spectrum.effective_rank(own, spectrum="amplitude")] * len(whole))
    low, high = (
        only(table, "estimators", f"bootstrap_{end}", model="teacher")["value"].item() for end in ("low", "high")
    )
    assert low < high
    assert set(only(table, "estimators", "factor_share")["variant"]) == set(scenes.FACTORS)
    assert len(only(table, "estimators", "true_rank")) == 3


def test_models_are_placed_among_the_teachers_texts(study: Study, table: pd.DataFrame) -> None:
    run = study._run
    texts = unit(run.teacher.network.encode_text([scenes.class_prompt(label) for label in range(10)]))
    guesses = (unit(run.encode(student(study, 1, 42), "test")) @ texts.T).argmax(1)
    expected = 100 * (guesses == run.images.test.labels.numpy()).mean()
    measured = only(table, "crossmodal", "zero_shot", model="S", seed=42, sigma=0.0)["value"].item()
    assert measured == pytest.approx(expected)
    recalls = [only(table, "crossmodal", f"retrieval_{top}", model="teacher", variant="full") for top in (1, 5, 10)]
    assert all((one["value"].to_numpy() <= other["value"].to_numpy()).all() for one, other in pairwise(recalls))
    assert only(table, "crossmodal", "chance")["value"].item() == 10


def test_further_seeds_stand_beside_the_grids(table: pd.DataFrame) -> None:
    for quantity in ("effective_rank", "accuracy"):
        for model in ("w=0.5", "S"):
            own = only(table, "statistics", quantity, model=model)
            assert sorted(set(own["seed"])) == [1, 42, 123]
    assert set(own["sigma"]) == {0.0, 0.2}


def test_a_teacher_that_knows_no_such_words_is_placed_nowhere(study: Study, tmp_path: Path) -> None:
    own = Study.open(
        "smoke",
        study.settings.model_dump() | {"controls": ["crossmodal", "estimators"], "widths": [0.5], "seeds": [42]},
        tmp_path,
    )
    test = own.images("test")
    renamed = ImageSet(test.images, test.labels, tuple(f"class{number}" for number in range(10)))  # and no factors
    own._run.images.of = lambda split, classes=None: renamed  # type: ignore[method-assign]
    table = own.controls()
    assert set(table["control"]) == {"estimators"}
    assert not table["quantity"].isin(["factor_share", "true_rank", "truth"]).any()


def test_where_the_teacher_reads_no_text_another_that_does_stands_in(study: Study, tmp_path: Path) -> None:
    changed = {"teacher": SCENES_SIMCLR, "other_teachers": [SCENES_CLIP], "other_datasets": ["scenes100"]}
    changed |= {"teacher_weights": None, "crossed_widths": [0.25], "seeds": [42], "controls": ["crossmodal"]}
    table = Study.open("smoke", study.settings.model_dump() | changed, tmp_path).controls()
    assert only(table, "crossmodal", "chance")["variant"].item() == SCENES_CLIP
    assert set(table["model"].dropna()) == {"teacher", "w=0.25"}
    # The shipped teacher knows its shapes by name; the study's own has no text tower at all.
    assert only(table, "crossmodal", "zero_shot", model="teacher", variant="full", sigma=0.0)["value"].item() > 60


def test_without_controls_there_is_an_empty_table(small_study: Study) -> None:
    empty = small_study.controls()
    assert tuple(empty.columns) == controls.COLUMNS
    assert empty.empty


def test_controls_added_later_find_the_grids_students(study: Study, small_study: Study) -> None:
    """The small study had trained its own; what else there is are the controls', each once."""
    found, made, _ = study.counts()["students"]
    grid = small_study._run.configs.everyone()
    assert found == len([student for student in grid if not student.augmented])
    assert made == len(set(study.students()) - set(grid))


def test_where_only_pixel_noise_is_asked_for_the_controls_measure_the_papers_kind_themselves(study: Study) -> None:
    few = {"noise_spaces": ["pixel"], "controls": ["noise"], "widths": [0.5], "seeds": [42]}
    other = Study.open("smoke", study.settings.model_dump() | few, study.folder.parent)
    plain = only(other.controls(), "noise", "accuracy", variant="plain")
    known = study.robustness().query("width == 0.5 and seed == 42 and noise_space == 'normalised'")
    assert plain["value"].tolist() == known["accuracy"].tolist()
    assert set(other.robustness()["noise_space"]) == {"pixel"}
