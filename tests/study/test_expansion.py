"""Chapter 6: every number again from the students' embeddings, by numpy and scikit-learn alone."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from by_numpy import rank, unit
from conftest import EXPANDED
from sklearn.linear_model import LogisticRegression

from asymdistill.config.names import GAINS
from asymdistill.config.settings import SWEEPS
from asymdistill.data.datasets import Split
from asymdistill.experiment.student_configs import ALTERNATIVES, Model, StudentConfig
from asymdistill.study import expansion
from asymdistill.study.study import Study

COLUMNS = ["comparison", "quantity", "model", "width", "seed", "objective", "augmented", "sigma", "x", "value"]


WORTH = ["effective_rank", "train_accuracy", "neighbour_accuracy", "neighbour_overlap", "distance", "aligned_share"]


OF_TEACHER = ["effective_rank", "train_accuracy", "neighbour_accuracy"]


SEEDS = (42, 123)


ONE_IMAGE = 100 / EXPANDED["test_limit"]  # may stand on a border


@pytest.fixture(scope="module")
def table(expanded_study: Study) -> pd.DataFrame:
    return expanded_study.expansion()


@pytest.fixture
def copied(expanded_study: Study, tmp_path: Path) -> Path:
    """The runs and the store of a finished study, to be damaged or added to."""
    shutil.copytree(expanded_study.folder.parent, tmp_path / "runs")
    return tmp_path / "runs"


def student(own: Study, width: float, seed: int, objective: str) -> StudentConfig:
    return own._run.configs.make(width, seed, objective)


def probed(own: Study, model: Model, split: Split = "test") -> float:
    train, scored = (own._run.encode(model, which).numpy() for which in ("train", split))
    probe = LogisticRegression(max_iter=2000).fit(train, own.images("train").labels.numpy())
    return 100 * float(probe.score(scored, own.images(split).labels.numpy()))


def worth(own: Study, model: Model) -> dict[str, float]:
    """What a model's embeddings are good for, by the definitions."""
    train, test, teacher = unit(own, model, "train"), unit(own, model), unit(own, None)
    voters = np.argsort(-(test @ train.T), axis=1)[:, :20]
    elected = [np.bincount(own.images("train").labels.numpy()[row]).argmax() for row in voters]
    near = [np.argsort(-(rows @ rows.T - 9 * np.eye(len(rows))), axis=1)[:, :10] for rows in (test, teacher)]
    _, values, directions = np.linalg.svd(teacher - teacher.mean(0), full_matrices=False)
    leading = directions[: int(np.argmax(np.cumsum(values**2) / (values**2).sum() >= 0.9)) + 1]
    centred = test - test.mean(0)
    return {
        "effective_rank": rank(test),
        "train_accuracy": probed(own, model, "train"),
        "neighbour_accuracy": 100 * float((np.array(elected) == own.images("test").labels.numpy()).mean()),
        "neighbour_overlap": float(np.mean([len({*a} & {*b}) / 10 for a, b in zip(*near, strict=True)])),
        "distance": float((1 - (test * teacher).sum(1)).mean()),
        "aligned_share": float(((centred @ leading.T) ** 2).sum() / (centred**2).sum()),
    }


def rows_of(table: pd.DataFrame, one: StudentConfig) -> pd.DataFrame:
    return table[(table["width"] == one.width) & (table["seed"] == one.seed) & (table["objective"] == one.objective)]


def values(rows: pd.DataFrame) -> dict[str, float]:
    """The values that are of no level of noise, by quantity."""
    return rows[rows["sigma"].isna()].set_index("quantity")["value"].to_dict()


def near(expected: dict[str, float]) -> dict[str, object]:
    slack = {
        "train_accuracy": 100.1 / EXPANDED["train_limit"],
        "neighbour_accuracy": 1.01 * ONE_IMAGE,
        "neighbour_overlap": 2e-3,
    }
    return {name: pytest.approx(value, rel=1e-3, abs=slack.get(name, 0)) for name, value in expected.items()}


# What is told


def test_the_table_is_in_long_form(table: pd.DataFrame) -> None:
    assert list(table.columns) == COLUMNS
    assert list(expansion.COLUMNS) == COLUMNS
    assert list(dict.fromkeys(table["comparison"])) == [GAINS, *SWEEPS]
    assert not table.duplicated([name for name in COLUMNS if name != "value"]).any()
    assert np.isfinite(table["value"]).all()
    assert not table["augmented"].any()
    assert (table["x"].notna() == table["comparison"].isin(["weight", "temperature", "batch_size", "width"])).all()
    assert (table["sigma"].notna() == (table["quantity"] == "accuracy")).all()


def test_what_every_objective_gains_is_numpys(expanded_study: Study, table: pd.DataFrame) -> None:
    gains = table[table["comparison"] == "gains"]
    teacher = gains[gains["model"] == "teacher"]
    expected = worth(expanded_study, None)
    assert values(teacher) == near({name: expected[name] for name in OF_TEACHER})
    for objective in ("cosine", "infonce"):
        for seed in SEEDS:
            own = student(expanded_study, 0.5, seed, objective)
            assert values(rows_of(gains, own)) == near(worth(expanded_study, own))
    assert len(gains[gains["sigma"].isna()]) == len(OF_TEACHER) + 4 * len(WORTH)


def test_gains_in_accuracy_are_those_under_noise(expanded_study: Study, table: pd.DataFrame) -> None:
    named = ["model", "seed", "objective", "sigma"]
    noisy = expanded_study.robustness()
    known = noisy[noisy["noise_space"] == "normalised"].set_index(named)["accuracy"].rename("value")
    gains = table[(table["comparison"] == "gains") & (table["quantity"] == "accuracy")]
    assert len(gains) == 2 * 5
    pd.testing.assert_series_equal(gains.set_index(named)["value"], known)


def test_every_value_of_a_comparison_is_its_students(expanded_study: Study, table: pd.DataFrame) -> None:
    found: dict[StudentConfig, tuple[float, float]] = {}
    for name in ("weight", "temperature", "batch_size", "width"):
        own = table[table["comparison"] == name]
        sweep = expanded_study._run.configs.sweep(name)
        assert list(dict.fromkeys(own["x"])) == list(sweep)
        for x, students in sweep.items():
            for one in students:
                if one not in found:
                    found[one] = (rank(unit(expanded_study, one)), probed(expanded_study, one))
                rows = rows_of(own[own["x"] == x], one).set_index("quantity")
                assert len(rows) == 2
                assert rows.loc["effective_rank", "value"] == pytest.approx(found[one][0], rel=1e-3)
                assert rows.loc["accuracy", "value"] == pytest.approx(found[one][1], abs=1.01 * ONE_IMAGE)
                assert rows.loc["accuracy", "sigma"] == 0
        assert len(own) == 2 * sum(len(students) for students in sweep.values())
    assert len(found) == 14
    assert len({rank for rank, _ in found.values()}) == 14  # no student stands in for another


def test_the_experiments_own_value_is_measured_on_the_students_of_the_grid(
    expanded_study: Study, table: pd.DataFrame
) -> None:
    gains = table[table["comparison"] == "gains"]
    for name, x in (("weight", 1.0), ("temperature", 0.1), ("batch_size", 40)):
        own = table[(table["comparison"] == name) & (table["x"] == x)]
        assert len(own)
        for row in own.itertuples():
            same = rows_of(gains, student(expanded_study, row.width, row.seed, row.objective))
            same = same[(same["quantity"] == row.quantity) & (same["sigma"].fillna(0) == 0)]
            assert same["value"].item() == row.value


def test_alternatives_are_measured_as_the_grids_objectives_are(expanded_study: Study, table: pd.DataFrame) -> None:
    own = table[table["comparison"] == "alternatives"]
    assert list(dict.fromkeys(own["objective"])) == ["views", "vicreg", "uniformity", "whitened"]
    for objective in ("views", "whitened"):
        one = student(expanded_study, 0.5, 42, objective)
        rows = rows_of(own, one)
        assert values(rows) == near(worth(expanded_study, one))
        accuracy = rows[rows["quantity"] == "accuracy"].set_index("sigma")["value"]
        assert accuracy.index.tolist() == [0.0, 0.2]
        assert accuracy[0.0] == pytest.approx(probed(expanded_study, one), abs=1.01 * ONE_IMAGE)
    assert len(own) == 4 * 2 * (len(WORTH) + 2)


def test_objectives_do_what_they_are_for_even_to_students_this_small(expanded_study: Study) -> None:
    """A check that each objective reaches its student: no two leave the same weights."""
    students = [expanded_study._run.students.network(student(expanded_study, 0.5, 42, name)) for name in ALTERNATIVES]
    sums = {tuple(float(tensor.double().sum()) for tensor in one.state_dict().values()) for one in students}
    assert len(sums) == len(ALTERNATIVES)


# What is stored


def made(own: Study) -> dict[str, int]:
    """How many results a study computed itself, by kind."""
    return {kind: count for kind, (_, count, _) in own.counts().items() if count}


def test_comparisons_added_later_are_computed_without_computing_the_rest_again(
    expanded_study: Study, table: pd.DataFrame, copied: Path
) -> None:
    settings = expanded_study.settings
    less = settings.model_copy(update={"sweeps": ("temperature", "batch_size", "width")})
    fewer = Study("smoke", less, copied)
    assert fewer.folder != expanded_study.folder
    some = fewer.expansion()
    assert list(dict.fromkeys(some["comparison"])) == [GAINS, "temperature", "batch_size", "width"]
    pd.testing.assert_frame_equal(
        some, table[table["comparison"].isin(some["comparison"])].reset_index(drop=True), check_exact=True
    )
    assert not made(fewer)
    further = settings.model_copy(update={"infonce_weights": (10.0, 3.0)})
    wider = Study("smoke", further, copied)
    both = wider.expansion()
    assert set(both[both["comparison"] == "weight"]["x"]) == {0, 1, 3, 10}
    # Two seeds of one weight: a student, its rank, its probe and its clean accuracy each.
    assert made(wider) == {"students": 2, "probes": 2, "measurements": 4}
    known = both[~((both["comparison"] == "weight") & (both["x"] == 3))].reset_index(drop=True)
    pd.testing.assert_frame_equal(known, table, check_exact=True)


def test_without_comparisons_a_study_has_its_gains_alone(small_study: Study) -> None:
    table = small_study.expansion()
    assert list(table.columns) == COLUMNS
    assert set(table["comparison"]) == {GAINS}
    assert set(table["objective"].dropna()) == {"cosine"}
    assert table["sigma"].dropna().unique().tolist() == [0.0, 0.2]
    # of noise in pixels, which this study has too, chapter 6 says nothing
    noisy = small_study.robustness()
    assert len(table[table["quantity"] == "accuracy"]) == (noisy["noise_space"] == "normalised").sum()
