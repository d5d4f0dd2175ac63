"""Chapters 6 and 7: every number again from the students' embeddings, by numpy and scikit-learn alone."""

import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import EXPANDED
from sklearn.linear_model import LogisticRegression

from asymdistill.config.names import GAINS, SCENES_CLIP, SCENES_SIMCLR
from asymdistill.config.profiles import load_settings
from asymdistill.config.settings import SWEEPS, Settings
from asymdistill.data.datasets import Split
from asymdistill.runtime.errors import InputError
from asymdistill.study import comparisons
from asymdistill.study.student_configs import ALTERNATIVES, Model, StudentConfig
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


def unit(own: Study, model: Model, split: Split = "test") -> np.ndarray:
    rows = own._run.encode(model, split).double().numpy()
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def rank(rows: np.ndarray) -> float:
    shares = np.linalg.svd(rows - rows.mean(0), compute_uv=False) ** 2
    shares = shares[shares > 0] / shares.sum()
    return math.exp(-(shares * np.log(shares)).sum())


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
    assert list(comparisons.EXPANSION) == COLUMNS
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
    students = [expanded_study._run.student(student(expanded_study, 0.5, 42, name)) for name in ALTERNATIVES]
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


# Other teachers and images

PAIRS = [(images, teacher) for images in ("scenes", "scenes100") for teacher in (SCENES_CLIP, SCENES_SIMCLR)]
# A file of weights belongs to the name of the teacher that it is of.
NAMED = [(images, teacher + " (scenes-clip.safetensors)" * (teacher == SCENES_CLIP)) for images, teacher in PAIRS]
# What a crossed study does without, beside the images and the teacher that it changes.
LESS = {"augmentation_seeds", "controls", "sweeps", "other_teachers", "other_datasets", "widths", "noise_spaces"}


def settings(**overrides: object) -> Settings:
    return load_settings("smoke", overrides)[1]


@pytest.fixture(scope="module")
def generality(expanded_study: Study) -> pd.DataFrame:
    return expanded_study.generality()


def test_every_image_set_is_paired_with_every_teacher_once() -> None:
    own, other = SCENES_CLIP, "timm:test_vit.r160_in1k"
    found = comparisons.crossed(settings(teacher=own, other_teachers=[other], other_datasets=["a.npz", "b"]))
    pairs = [(one.dataset, one.teacher) for one in found]
    assert pairs == [("scenes", other), ("a.npz", own), ("a.npz", other), ("b", own), ("b", other)]


def test_ones_own_images_or_teacher_among_the_others_are_not_run_twice() -> None:
    both = [SCENES_CLIP, SCENES_SIMCLR]
    again = settings(teacher=SCENES_CLIP, other_teachers=both, other_datasets=["scenes"])
    assert [(one.dataset, one.teacher) for one in comparisons.crossed(again)] == [("scenes", SCENES_SIMCLR)]
    assert comparisons.crossed(settings(other_teachers=[], other_datasets=[])) == []


def test_a_crossed_study_changes_images_and_teacher_and_runs_less() -> None:
    base = settings(**EXPANDED, resolution=24, data_seed=3)
    for one in comparisons.crossed(base):
        changed = {name for name in Settings.model_fields if getattr(one, name) != getattr(base, name)}
        pair = {name for name in ("dataset", "teacher") if getattr(one, name) != getattr(base, name)}
        assert pair
        assert changed - pair <= LESS
        assert (one.controls, one.sweeps, one.other_teachers, one.other_datasets) == ((), (), (), ())
        assert (one.objectives, one.seeds, one.epochs) == (base.objectives, base.seeds, base.epochs)
        assert one.augmentation_seeds == 0


def test_widths_and_noise_are_those_that_the_chapter_measures() -> None:
    wide = settings(widths=[1, 2], crossed_widths=[4, 0.5], noise_spaces=["pixel"])
    assert {one.widths for one in comparisons.crossed(wide)} == {(0.5, 4)}
    assert {one.noise_spaces for one in comparisons.crossed(wide)} == {("normalised",)}
    same = settings(widths=[1, 2], crossed_widths=None)
    assert {one.widths for one in comparisons.crossed(same)} == {(1, 2)}


def test_a_file_of_weights_is_of_its_own_teacher_only() -> None:
    both = {"teacher": SCENES_CLIP, "other_teachers": [SCENES_SIMCLR]}
    found = comparisons.crossed(settings(**both, teacher_weights="mine.safetensors"))
    weights = {(one.dataset, one.teacher): one.teacher_weights for one in found}
    assert weights == {
        ("scenes", SCENES_SIMCLR): None,
        ("scenes100", SCENES_CLIP): Path("mine.safetensors"),
        ("scenes100", SCENES_SIMCLR): None,
    }


def test_a_resolution_is_of_its_own_teacher_only_and_a_crop_of_all() -> None:
    own, other = "timm:test_vit.r160_in1k", SCENES_CLIP
    base = settings(teacher=own, teacher_resolution=96, teacher_crop=False, other_teachers=[other])
    found = {
        (one.dataset, one.teacher): (one.teacher_resolution, one.teacher_crop) for one in comparisons.crossed(base)
    }
    assert found == {
        ("scenes", other): (None, False),
        ("scenes100", own): (96, False),
        ("scenes100", other): (None, False),
    }


def test_the_table_of_other_teachers_and_images_is_in_long_form(generality: pd.DataFrame) -> None:
    identity = ["model", "width", "seed", "objective", "augmented"]
    assert list(generality.columns) == ["dataset", "teacher", "classes", "quantity", *identity, "sigma", "value"]
    assert list(generality[["dataset", "teacher"]].drop_duplicates().itertuples(index=False, name=None)) == NAMED
    assert not generality.duplicated([name for name in generality.columns if name != "value"]).any()
    assert dict(zip(generality["dataset"], generality["classes"], strict=True)) == {"scenes": 10, "scenes100": 100}
    assert set(generality["quantity"]) == {"effective_rank", "accuracy"}
    assert set(generality["objective"].dropna()) == {"cosine", "infonce"}
    assert (generality["sigma"].notna() == (generality["quantity"] == "accuracy")).all()
    assert generality["sigma"].dropna().unique().tolist() == [0.0, 0.2]
    # a teacher, and two seeds of two objectives: a rank and two accuracies each
    assert generality.groupby(["dataset", "teacher"]).size().tolist() == [3 * 5] * 4


def test_every_number_is_that_of_its_own_study(expanded_study: Study, generality: pd.DataFrame) -> None:
    studies = [expanded_study, *expanded_study.crossed()]
    assert [(one.settings.dataset, one.settings.teacher) for one in studies] == PAIRS
    for one, (images, teacher) in zip(studies, NAMED, strict=True):
        own = generality[(generality["dataset"] == images) & (generality["teacher"] == teacher)]
        assert set(own["width"].dropna()) == set(one.settings.widths)
        ranks = own[own["quantity"] == "effective_rank"]
        models = [None, *one._run.configs.grid()]
        assert [None if pd.isna(seed) else seed for seed in ranks["seed"]] == [m and m.seed for m in models]
        assert ranks["objective"].fillna("").tolist() == [m.objective if m else "" for m in models]
        expected = [rank(unit(one, model)) for model in models]
        assert ranks["value"].tolist() == pytest.approx(expected, rel=1e-3)
        noisy = one.robustness()
        accuracy = own[own["quantity"] == "accuracy"]
        assert accuracy["value"].tolist() == noisy[noisy["noise_space"] == "normalised"]["accuracy"].tolist()
    ranks = generality[generality["quantity"] == "effective_rank"]
    assert ranks["value"].nunique() == 4 * 5  # no study stands in for another


def test_crossed_studies_have_folders_of_their_own_and_share_the_store(expanded_study: Study) -> None:
    runs = expanded_study.folder.parent
    crossed = list(expanded_study.crossed())
    folders = {one.folder for one in crossed}
    assert len({expanded_study.folder, *folders}) == 4
    assert {path for path in runs.iterdir() if path.name != "store"} == {expanded_study.folder, *folders}
    assert all(folder.name.startswith("smoke-crossed-") for folder in folders)
    for one in crossed:
        assert one._run.store.folder == expanded_study._run.store.folder
        kept = one.manifest()["settings"]
        assert (kept["dataset"], kept["teacher"]) == (one.settings.dataset, one.settings.teacher)
        assert one.count_students() == (4, 0)


def test_others_that_are_added_later_leave_what_is_stored(small_study: Study, tmp_path: Path) -> None:
    shutil.copytree(small_study.folder.parent, tmp_path, dirs_exist_ok=True)
    alone = Study(small_study.profile, small_study.settings, tmp_path)
    first = alone.generality()
    assert set(zip(first["dataset"], first["teacher"], strict=True)) == {NAMED[0]}
    changed = {"other_datasets": ("scenes100",), "crossed_widths": (0.25,), "seeds": (42,)}
    more = Study(small_study.profile, small_study.settings.model_copy(update=changed), tmp_path)
    both = more.generality()
    own = both[both["dataset"] == "scenes"].reset_index(drop=True)
    pd.testing.assert_frame_equal(own, first[first["seed"].fillna(42) == 42].reset_index(drop=True))
    assert set(both[both["dataset"] == "scenes100"]["width"].dropna()) == {0.25}
    assert not made(more)  # of its own images and teacher; the crossed study counts for itself


def test_weights_of_another_teacher_that_are_not_here_are_missed_before_anything_is_trained(tmp_path: Path) -> None:
    own = Study.open("smoke", EXPANDED | {"other_teachers": ["timm:resnet18"], "other_datasets": []}, tmp_path)
    with pytest.raises(InputError, match="the weights of teacher 'timm:resnet18' are not on this machine"):
        own.compute()
    assert own.count_students()[0] == 0
