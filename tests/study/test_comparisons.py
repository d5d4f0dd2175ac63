"""Chapter 6's tables: every number again from the students' embeddings, by numpy and scikit-learn alone."""

import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import EXPANDED
from sklearn.linear_model import LogisticRegression

from asymdistill.config.settings import SWEEPS
from asymdistill.store.files import DamagedFileWarning
from asymdistill.study import experiment, student_configs, study
from asymdistill.study.student_configs import Arm, Model
from asymdistill.study.study import Study

pytestmark = pytest.mark.usefixtures("one_thread")

COLUMNS = ["comparison", "quantity", "model", "width", "seed", "objective", "augmented", "sigma", "x", "value"]
WORTH = ["effective_rank", "neighbour_accuracy", "neighbour_overlap", "distance", "aligned_share"]
OF_TEACHER = ["effective_rank", "neighbour_accuracy"]
SEEDS = (42, 123)
ONE_IMAGE = 100 / EXPANDED["test_limit"]  # may stand on a border


@pytest.fixture(scope="module")
def table(expanded_study: Study) -> pd.DataFrame:
    return expanded_study.expansion()


@pytest.fixture
def copied(expanded_study: Study, tmp_path: Path) -> Study:
    """A finished study of one's own, to be damaged or added to."""
    shutil.copytree(expanded_study.folder, tmp_path / expanded_study.folder.name)
    return Study(expanded_study.profile, expanded_study.settings, tmp_path)


def unit(own: Study, model: Model, split: str = "test") -> np.ndarray:
    rows = own.experiment.encode(model, split).double().numpy()  # type: ignore[arg-type]
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def rank(rows: np.ndarray) -> float:
    shares = np.linalg.svd(rows - rows.mean(0), compute_uv=False) ** 2
    shares = shares[shares > 0] / shares.sum()
    return math.exp(-(shares * np.log(shares)).sum())


def probed(own: Study, model: Model) -> float:
    train, test = (own.experiment.encode(model, split).numpy() for split in ("train", "test"))
    probe = LogisticRegression(max_iter=2000).fit(train, own.experiment.train.labels.numpy())
    return 100 * float(probe.score(test, own.experiment.test.labels.numpy()))


def worth(own: Study, model: Model) -> dict[str, float]:
    """What a model's embeddings are good for, by the definitions."""
    train, test, teacher = unit(own, model, "train"), unit(own, model), unit(own, None)
    voters = np.argsort(-(test @ train.T), axis=1)[:, :20]
    elected = [np.bincount(own.experiment.train.labels.numpy()[row]).argmax() for row in voters]
    near = [np.argsort(-(rows @ rows.T - 9 * np.eye(len(rows))), axis=1)[:, :10] for rows in (test, teacher)]
    _, values, directions = np.linalg.svd(teacher - teacher.mean(0), full_matrices=False)
    leading = directions[: int(np.argmax(np.cumsum(values**2) / (values**2).sum() >= 0.9)) + 1]
    centred = test - test.mean(0)
    return {
        "effective_rank": rank(test),
        "neighbour_accuracy": 100 * float((np.array(elected) == own.experiment.test.labels.numpy()).mean()),
        "neighbour_overlap": float(np.mean([len({*a} & {*b}) / 10 for a, b in zip(*near, strict=True)])),
        "distance": float((1 - (test * teacher).sum(1)).mean()),
        "aligned_share": float(((centred @ leading.T) ** 2).sum() / (centred**2).sum()),
    }


def rows_of(table: pd.DataFrame, arm: Arm) -> pd.DataFrame:
    return table[(table["width"] == arm.width) & (table["seed"] == arm.seed) & (table["objective"] == arm.objective)]


def values(rows: pd.DataFrame) -> dict[str, float]:
    """The values that are of no level of noise, by quantity."""
    return rows[rows["sigma"].isna()].set_index("quantity")["value"].to_dict()


def near(expected: dict[str, float]) -> dict[str, object]:
    slack = {"neighbour_accuracy": 1.01 * ONE_IMAGE, "neighbour_overlap": 2e-3}
    return {name: pytest.approx(value, rel=1e-3, abs=slack.get(name, 0)) for name, value in expected.items()}


# What is told


def test_the_table_is_in_long_form(table: pd.DataFrame) -> None:
    assert list(table.columns) == COLUMNS
    assert list(dict.fromkeys(table["comparison"])) == ["gains", *SWEEPS]
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
            arm = Arm(0.5, seed, objective)
            assert values(rows_of(gains, arm)) == near(worth(expanded_study, arm))
    assert len(gains[gains["sigma"].isna()]) == len(OF_TEACHER) + 4 * len(WORTH)


def test_gains_in_accuracy_are_those_under_noise(expanded_study: Study, table: pd.DataFrame) -> None:
    named = ["model", "seed", "objective", "sigma"]
    noisy = expanded_study.robustness()
    known = noisy[noisy["noise_space"] == "normalised"].set_index(named)["accuracy"].rename("value")
    gains = table[(table["comparison"] == "gains") & (table["quantity"] == "accuracy")]
    assert len(gains) == 2 * 5
    pd.testing.assert_series_equal(gains.set_index(named)["value"], known)


def test_every_value_of_a_comparison_is_its_students(expanded_study: Study, table: pd.DataFrame) -> None:
    found: dict[Arm, tuple[float, float]] = {}
    for name in ("weight", "temperature", "batch_size", "width"):
        own = table[table["comparison"] == name]
        sweep = student_configs.sweep(name, expanded_study.settings)
        assert list(dict.fromkeys(own["x"])) == list(sweep)
        for x, students in sweep.items():
            for arm in students:
                if arm not in found:
                    found[arm] = (rank(unit(expanded_study, arm)), probed(expanded_study, arm))
                rows = rows_of(own[own["x"] == x], arm).set_index("quantity")
                assert len(rows) == 2
                assert rows.loc["effective_rank", "value"] == pytest.approx(found[arm][0], rel=1e-3)
                assert rows.loc["accuracy", "value"] == pytest.approx(found[arm][1], abs=1.01 * ONE_IMAGE)
                assert rows.loc["accuracy", "sigma"] == 0
        assert len(own) == 2 * sum(len(students) for students in sweep.values())
    assert len(found) == 14
    assert len({rank for rank, _ in found.values()}) == 14  # no student stands in for another


def test_the_experiments_own_value_is_measured_on_the_students_of_the_grid(table: pd.DataFrame) -> None:
    gains = table[table["comparison"] == "gains"]
    for name, x in (("weight", 1.0), ("temperature", 0.1), ("batch_size", 40)):
        own = table[(table["comparison"] == name) & (table["x"] == x)]
        assert len(own)
        for row in own.itertuples():
            same = rows_of(gains, Arm(row.width, row.seed, row.objective))
            same = same[(same["quantity"] == row.quantity) & (same["sigma"].fillna(0) == 0)]
            assert same["value"].item() == row.value


def test_alternatives_are_measured_as_the_grids_objectives_are(expanded_study: Study, table: pd.DataFrame) -> None:
    own = table[table["comparison"] == "alternatives"]
    assert list(dict.fromkeys(own["objective"])) == ["views", "vicreg", "uniformity", "whitened"]
    for objective in ("views", "whitened"):
        arm = Arm(0.5, 42, objective)
        rows = rows_of(own, arm)
        assert values(rows) == near(worth(expanded_study, arm))
        accuracy = rows[rows["quantity"] == "accuracy"].set_index("sigma")["value"]
        assert accuracy.index.tolist() == [0.0, 0.2]
        assert accuracy[0.0] == pytest.approx(probed(expanded_study, arm), abs=1.01 * ONE_IMAGE)
    assert len(own) == 4 * 2 * (len(WORTH) + 2)


def test_objectives_do_what_they_are_for_even_to_students_this_small(expanded_study: Study) -> None:
    """A check that each objective reaches its student: no two leave the same weights."""
    run = expanded_study.experiment
    weights = [run.student(Arm(0.5, 42, name)).state_dict().values() for name in student_configs.ALTERNATIVES]
    assert len({tuple(float(tensor.double().sum()) for tensor in own) for own in weights}) == len(
        student_configs.ALTERNATIVES
    )


# What is stored


def digests(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_comparisons_added_later_are_computed_without_computing_the_rest_again(
    copied: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = [f"expansion-{name}.csv" for name in ("weight", "alternatives")]
    for name in gone:
        (copied.folder / "tables" / name).unlink()
        (copied.folder / "tables" / f"{name}.sha256").unlink()
    for path in copied.folder.glob("students/*"):
        if "weight10.0" in path.name or "vicreg" in path.name:
            path.unlink()
    less = copied.settings.model_copy(update={"sweeps": ("temperature", "batch_size", "width")})
    before = digests(copied.folder)
    trained: list[int] = []
    distil = experiment.distil
    monkeypatch.setattr(experiment, "distil", lambda *given, **named: trained.append(1) or distil(*given, **named))
    fewer = Study(copied.profile, less, copied.folder.parent)
    assert fewer.folder == copied.folder
    assert set(fewer.expansion()["comparison"]) == {"gains", "temperature", "batch_size", "width"}
    assert not trained
    assert digests(copied.folder) == before
    whole = Study(copied.profile, copied.settings, copied.folder.parent).expansion()
    assert len(trained) == 6  # two seeds of vicreg, of the weight 10, and of the same weight at another width
    after = digests(copied.folder)
    assert {name for name in before if after[name] != before[name]} == {"manifest.json", "manifest.json.sha256"}
    assert {name for name in after.keys() - before.keys() if "tables/" in name} == {
        f"tables/{name}{ending}" for name in gone for ending in ("", ".sha256")
    }
    assert set(whole["comparison"]) == {"gains", *SWEEPS}


@pytest.mark.parametrize("name", ["gains", "weight"])
@pytest.mark.parametrize("keep", [0, 200])
def test_a_damaged_comparison_is_computed_again_to_the_same_numbers(
    copied: Study, table: pd.DataFrame, name: str, keep: int
) -> None:
    path = copied.folder / "tables" / f"expansion-{name}.csv"
    path.write_bytes(path.read_bytes()[:keep])
    others = {file: content for file, content in digests(copied.folder).items() if name not in file}
    with pytest.warns(DamagedFileWarning, match=f"expansion-{name}.csv is damaged"):
        again = copied.expansion()
    pd.testing.assert_frame_equal(again, table, rtol=1e-4)
    after = digests(copied.folder)
    assert all(after[file] == content for file, content in others.items() if "manifest" not in file)


def test_a_comparison_that_is_killed_midway_leaves_no_table(copied: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    path = copied.folder / "tables" / "expansion-weight.csv"
    path.unlink()
    monkeypatch.setattr(study.expansion, "clean_probe", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        copied.expansion()
    assert not [file for file in path.parent.iterdir() if "weight" in file.name and file.suffix == ".csv"]
    assert not [file for file in path.parent.iterdir() if file.name.endswith(".tmp")]


def test_without_comparisons_a_study_has_its_gains_alone(small_study: Study) -> None:
    table = small_study.expansion()
    assert list(table.columns) == COLUMNS
    assert set(table["comparison"]) == {"gains"}
    assert set(table["objective"].dropna()) == {"cosine"}
    assert table["sigma"].dropna().unique().tolist() == [0.0, 0.2]
    # of noise in pixels, which this study has too, chapter 6 says nothing
    noisy = small_study.robustness()
    assert len(table[table["quantity"] == "accuracy"]) == (noisy["noise_space"] == "normalised").sum()
