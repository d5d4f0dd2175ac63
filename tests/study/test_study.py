"""Tables: their shape, and every number in them against numpy's and scikit-learn's own, from the stored students."""

import hashlib
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import EXPANDED, SMALL
from sklearn.linear_model import LogisticRegression

from asymdistill.config.names import IDENTITY, TABLES, UNTRAINED
from asymdistill.config.settings import CONTROLS
from asymdistill.data.datasets import Split
from asymdistill.experiment.student_configs import ALTERNATIVES, StudentConfig
from asymdistill.measure.files import open_files
from asymdistill.metrics import effective_rank
from asymdistill.models import students
from asymdistill.runtime.errors import InputError
from asymdistill.study import study
from asymdistill.study.study import Study

STUDENTS, LEVELS, SPACES, DIM = 4, 2, 2, 128
# Columns beside the identity, and how many rows there are: a teacher, four students, one of them augmented.
SHAPES = {
    "training": (["epoch", "loss"], 2 * (STUDENTS + 1)),
    "singular_values": (["component", "value"], DIM * (1 + STUDENTS)),
    "spectrum": (["estimator", "images", "quantity", "value"], 3 * (1 + STUDENTS + 2)),
    "alignment": (["component", "share"], DIM * (1 + STUDENTS)),
    "information": (["quantity", "value"], 5 * (1 + STUDENTS)),
    "robustness": (["noise_space", "sigma", "accuracy"], (1 + STUDENTS) * SPACES * LEVELS),
    "augmentation": (["noise_space", "sigma", "accuracy", "effective_rank"], 2 * SPACES * LEVELS),
}


@pytest.fixture(scope="module")
def tables(small_study: Study) -> dict[str, pd.DataFrame]:
    return small_study.compute()


def student(own: Study, width: float, seed: int, objective: str = "cosine") -> StudentConfig:
    return own._run.configs.make(width, seed, objective)


def embeddings(small_study: Study, width: float | None, seed: int = 0, split: Split = "test") -> np.ndarray:
    """Unit embeddings in float64, from the stored weights alone."""
    run, images = small_study._run, small_study.images(split).images
    if width is None:
        output = run.teacher.network(run.teacher.network.view(images))
    else:
        own = student(small_study, width, seed)
        output = run.students.network(own)(run.view(own)(images).contiguous(memory_format=torch.channels_last))
    rows = output.detach().double().numpy()
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def each(small_study: Study) -> list[tuple[pd.Series, np.ndarray]]:
    """A mask for each model's rows, and its embeddings."""
    pairs = [(lambda table: table["model"] == "teacher", embeddings(small_study, None))]
    for width in small_study.settings.widths:
        for seed in small_study.settings.seeds:

            def own(table: pd.DataFrame, width: float = width, seed: int = seed) -> pd.Series:
                return (table["width"] == width) & (table["seed"] == seed).fillna(False)

            pairs.append((own, embeddings(small_study, width, seed)))
    return pairs


def singular(rows: np.ndarray) -> np.ndarray:
    return np.linalg.svd(rows - rows.mean(0), compute_uv=False)


def rank(values: np.ndarray) -> float:
    shares = values / values.sum()
    shares = shares[shares > 0]
    return math.exp(-(shares * np.log(shares)).sum())


def dims(values: np.ndarray) -> int:
    return int(np.argmax(np.cumsum(values**2) / (values**2).sum() >= 0.9)) + 1


@pytest.mark.parametrize("name", SHAPES)
def test_every_table_is_in_long_form(tables: dict[str, pd.DataFrame], name: str) -> None:
    columns, rows = SHAPES[name]
    table = tables[name]
    assert list(table.columns) == [*IDENTITY, *columns]
    assert len(table) == rows
    assert not table.duplicated([c for c in table.columns if c not in ("value", "loss", "share", "accuracy")]).any()
    assert table["augmented"].dtype == bool
    assert table["seed"].dtype == "Int64"
    teacher = table["model"] == "teacher"
    assert table.loc[teacher, ["width", "seed", "objective"]].isna().all(axis=None)
    assert table.loc[~teacher, ["width", "objective"]].notna().all(axis=None)
    measured = table[columns].select_dtypes("number").astype(float)
    assert np.isfinite(measured.to_numpy()).all()


# How many rows a student has in a table.
OF_A_STUDENT = {
    "training": 1,
    "singular_values": DIM,
    "spectrum": 3,
    "alignment": DIM,
    "information": 5,
    "robustness": 2,
}


@pytest.mark.parametrize("name", OF_A_STUDENT)
def test_tables_hold_the_students_of_every_objective(expanded_study: Study, name: str) -> None:
    table = expanded_study.table(name)
    own = table[table["seed"].notna() & (table["model"] != "teacher")]
    assert list(dict.fromkeys(own["objective"])) == ["cosine", "infonce"]
    assert (own.groupby(["objective", "seed"]).size() == OF_A_STUDENT[name]).all()
    measured = {"training": "loss", "alignment": "share", "robustness": "accuracy"}.get(name, "value")
    assert not table.duplicated([c for c in table.columns if c != measured]).any()
    first, second = (own[own["objective"] == o][measured].tolist() for o in ("cosine", "infonce"))
    assert first != second


@pytest.mark.parametrize("name", OF_A_STUDENT)
def test_the_baseline_of_a_table_is_the_teacher_and_the_first_objective(expanded_study: Study, name: str) -> None:
    whole, baseline = expanded_study.table(name), expanded_study.baseline(name)
    assert set(baseline["objective"].dropna()) == {"cosine"}
    assert (baseline["model"] == "teacher").sum() == (whole["model"] == "teacher").sum()
    pd.testing.assert_frame_equal(baseline, whole[whole["objective"] != "infonce"])
    assert len(baseline) < len(whole)


def test_a_mean_spectrum_is_of_one_objective(expanded_study: Study) -> None:
    table = expanded_study.spectrum()
    means = table[(table["estimator"] == "mean spectrum") & (table["quantity"] == "effective_rank")]
    assert means["objective"].tolist() == ["cosine", "infonce"]
    run = expanded_study._run
    for objective, value in zip(means["objective"], means["value"], strict=True):
        seeds = [student(expanded_study, 0.5, seed, objective) for seed in (42, 123)]
        values = np.mean([singular(run.encode(own, "test").double().numpy()) for own in seeds], axis=0)
        assert value == pytest.approx(rank(values**2), rel=1e-3)


def test_compute_gives_every_table(tables: dict[str, pd.DataFrame]) -> None:
    assert tables.keys() == {*SHAPES, "models", "controls", "expansion", "generality"} == {*TABLES}


def test_sizes_are_counted_from_the_networks(small_study: Study) -> None:
    models = small_study.models()
    assert models["model"].tolist() == ["teacher", "w=0.5", "S"]
    assert set(models["embedding_dim"]) == {DIM}
    teacher = sum(parameter.numel() for parameter in small_study._run.teacher.network.image_tower.parameters())
    sizes = [students.ScalableCNN(width, DIM) for width in (0.5, 1)]
    expected = [teacher, *(sum(parameter.numel() for parameter in student.parameters()) for student in sizes)]
    assert models["parameters"].tolist() == expected


def test_losses_are_the_stored_ones(small_study: Study, tables: dict[str, pd.DataFrame]) -> None:
    table = tables["training"]
    run = small_study._run
    for one in [*run.configs.grid(), *run.configs.augmented()]:
        own = table[(table["width"] == one.width) & (table["seed"] == one.seed) & (table["augmented"] == one.augmented)]
        assert own["epoch"].tolist() == [1, 2]
        assert own["loss"].tolist() == run.students.losses(one)


def test_singular_values_and_ranks_are_numpys(small_study: Study, tables: dict[str, pd.DataFrame]) -> None:
    spectrum = tables["spectrum"][tables["spectrum"]["estimator"] == "per seed"]
    for own, rows in each(small_study):
        values = singular(rows)
        listed = tables["singular_values"][own(tables["singular_values"])]
        assert listed["component"].tolist() == list(range(1, DIM + 1))
        assert np.allclose(listed["value"], values, atol=1e-4)
        measured = spectrum[own(spectrum)].set_index("quantity")["value"]
        assert measured["effective_rank"] == pytest.approx(rank(values**2), rel=1e-3)
        assert measured["effective_rank_amplitude"] == pytest.approx(rank(values), rel=1e-2)
        assert measured["dims_for_90"] == dims(values)


def test_the_mean_spectrum_is_averaged_before_the_rank_is_taken(
    small_study: Study, tables: dict[str, pd.DataFrame]
) -> None:
    table = tables["spectrum"]
    means = table[table["estimator"] == "mean spectrum"]
    assert means["seed"].isna().all()
    assert "teacher" not in set(means["model"])
    for width in (0.5, 1.0):
        values = np.mean([singular(embeddings(small_study, width, seed)) for seed in (42, 123)], axis=0)
        measured = means[means["width"] == width].set_index("quantity")["value"]
        assert measured["effective_rank"] == pytest.approx(rank(values**2), rel=1e-3)
        assert measured["dims_for_90"] == dims(values)
        per_seed = table[(table["width"] == width) & (table["estimator"] == "per seed")]
        average = per_seed[per_seed["quantity"] == "effective_rank"]["value"].mean()
        assert abs(measured["effective_rank"] - average) > 1e-6  # another estimator than the mean of ranks
    assert set(table["images"]) == {SMALL["test_limit"]}


def test_alignment_is_the_share_on_the_teachers_components(small_study: Study, tables: dict[str, pd.DataFrame]) -> None:
    table = tables["alignment"]
    teacher = embeddings(small_study, None)
    directions = np.linalg.svd(teacher - teacher.mean(0))[2]
    for own, rows in each(small_study):
        held = (((rows - rows.mean(0)) @ directions.T) ** 2).sum(0).cumsum()
        shares = table[own(table)]["share"].to_numpy()
        assert np.allclose(shares, held / held[-1], atol=2e-3)
        assert shares[-1] == pytest.approx(1)
        assert (np.diff(shares) >= 0).all()


def test_information_is_by_its_definition_within_batches(small_study: Study, tables: dict[str, pd.DataFrame]) -> None:
    table, teacher = tables["information"], embeddings(small_study, None)
    for own, rows in each(small_study):
        measured = table[own(table)].set_index("quantity")["value"]
        losses, inner, outer = [], [], []
        for start in range(0, len(rows), 32):
            part, target = rows[start : start + 32], teacher[start : start + 32]
            logits = part @ target.T / 0.1
            losses.append((np.log(np.exp(logits).sum(1)) - np.diag(logits)).mean())
            squared = ((part[:, None] - part[None]) ** 2).sum(2)
            inner.append(np.log(np.exp(-2 * squared).mean()))
            outer.append(np.log(np.exp(-2 * squared[~np.eye(len(part), dtype=bool)]).mean()))
        squared = ((rows[:, None] - rows[None]) ** 2).sum(2)
        every = np.log(np.exp(-2 * squared[~np.eye(len(rows), dtype=bool)]).mean())
        assert measured["info_nce"] == pytest.approx(np.mean(losses), abs=1e-4)
        assert measured["mutual_information_bound"] == pytest.approx(math.log(32) - np.mean(losses), abs=1e-4)
        assert measured["uniformity"] == pytest.approx(np.mean(inner), abs=1e-4)
        assert measured["uniformity_without_self"] == pytest.approx(np.mean(outer), abs=1e-4)
        assert measured["uniformity_all_pairs"] == pytest.approx(every, abs=1e-4)


def drawn(shape: tuple[int, ...], seed: int = 0) -> torch.Tensor:
    """The noise of a set of images by its rule: one generator per hundred of them, seeded by a hash."""
    parts = []
    for block in range(-(-shape[0] // 100)):
        digest = hashlib.sha256(f"noise {seed} block {block}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
        parts.append(torch.randn((100, *shape[1:]), generator=generator))
    return torch.cat(parts)[: shape[0]]


@pytest.mark.parametrize("space", ["normalised", "pixel"])
def test_accuracy_is_that_of_the_clean_probe_under_noise(
    small_study: Study, tables: dict[str, pd.DataFrame], space: str
) -> None:
    table, run, test = tables["robustness"], small_study._run, small_study.images("test")
    fitted = embeddings(small_study, 1, 42, "train")
    probe = LogisticRegression(max_iter=2000).fit(fitted.astype(np.float32), small_study.images("train").labels.numpy())
    config = student(small_study, 1, 42)
    network, view = run.students.network(config), run.view(config)
    own = table[(table["width"] == 1) & (table["seed"] == 42) & (table["noise_space"] == space)]
    assert own["sigma"].tolist() == [0.0, 0.2]
    for sigma, accuracy in zip(own["sigma"], own["accuracy"], strict=True):
        if space == "normalised":
            clean = view(test.images)
            seen = clean + sigma * drawn(tuple(clean.shape))
        else:
            noisy = test.images + 255 * sigma * drawn(tuple(test.images.shape))
            seen = view(noisy.round().clamp(0, 255).to(torch.uint8))
        output = network(seen.contiguous(memory_format=torch.channels_last)).detach()
        rows = (output / output.norm(dim=1, keepdim=True)).numpy()
        expected = 100 * (probe.predict(rows) == test.labels.numpy()).mean()
        assert accuracy == pytest.approx(expected, abs=100 * 2.01 / len(test))  # two images may stand on the border


def test_clean_images_are_the_same_in_both_spaces(tables: dict[str, pd.DataFrame]) -> None:
    table = tables["robustness"]
    spaces = table.pivot_table(index=["model", "width", "seed"], columns=["noise_space", "sigma"], values="accuracy")
    assert (spaces[("normalised", 0.0)] == spaces[("pixel", 0.0)]).all()


def test_augmentation_stands_beside_the_same_student_without(tables: dict[str, pd.DataFrame]) -> None:
    table, robustness, spectrum = (tables[name] for name in ("augmentation", "robustness", "spectrum"))
    assert set(table["width"]) == {1.0}
    assert set(table["seed"]) == {42}
    plain, treated = table[~table["augmented"]], table[table["augmented"]]
    same = robustness[(robustness["width"] == 1) & (robustness["seed"] == 42)]
    assert plain["accuracy"].tolist() == same["accuracy"].tolist()
    ranks = spectrum[(spectrum["width"] == 1) & (spectrum["seed"] == 42) & (spectrum["quantity"] == "effective_rank")]
    assert plain["effective_rank"].iloc[0] == pytest.approx(ranks["value"].iloc[0], rel=1e-9)
    assert (treated["effective_rank"] == treated["effective_rank"].iloc[0]).all()
    assert treated["effective_rank"].iloc[0] != plain["effective_rank"].iloc[0]


ALONE = EXPANDED | {
    "train_limit": 40,
    "test_limit": 40,
    "batch_size": 20,
    "seeds": [42],
    "augmentation_seeds": 1,
    "sweeps": ["alternatives"],
    "other_teachers": [],
    "other_datasets": [],
    "controls": CONTROLS,
    "control_epochs": 2,
    "control_widths": [0.25],
    "control_resolution": 24,
    "class_counts": [2, 10],
    "statistics_seeds": 2,
}


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["infonce", "views"])
def test_with_another_objective_alone_chapters_and_controls_are_about_its_students(
    teacher_file: Path, tmp_path: Path, objective: str
) -> None:
    changed = {"objectives": [objective], "teacher_weights": teacher_file}
    own = Study.open("smoke", ALONE | changed, tmp_path)
    tables = own.compute()
    assert tables.keys() == {*TABLES}
    for name in ("training", "models", *SHAPES):
        assert set(tables[name]["objective"].dropna()) == {objective}, name
        pd.testing.assert_frame_equal(own.baseline(name), tables[name])
    controls = tables["controls"]
    assert set(controls["control"]) == {*CONTROLS}
    others = {"objective": {"whitened", "centred", "labels", UNTRAINED}}
    for name, rows in controls.groupby("control"):
        assert set(rows["objective"].dropna()) - others.get(name, set()) <= {objective}, name
    # the control of objectives has one row a student and measurement, each under the name of its own
    rows = controls[(controls["control"] == "objective") & (controls["model"] != "teacher")]
    assert set(rows["variant"]) == {objective, "whitened", "centred", "labels", "random"}
    assert (rows["variant"].replace("random", UNTRAINED) == rows["objective"]).all()
    assert not rows.duplicated([c for c in rows.columns if c != "value"]).any()
    accuracy = rows[(rows["quantity"] == "accuracy") & (rows["variant"] == objective)]
    assert accuracy["value"].tolist() == tables["robustness"].query("model != 'teacher'")["accuracy"].tolist()
    gains = tables["expansion"].query("comparison == 'gains'")
    assert set(gains["objective"].dropna()) == {objective}
    alternatives = tables["expansion"].query("comparison == 'alternatives'")
    assert set(alternatives["objective"]) == {*ALTERNATIVES} - {objective}
    assert set(tables["generality"]["objective"].dropna()) == {objective}


# A hundred classes


@pytest.fixture(scope="module")
def hundred_npz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hundred classes, each of a colour of its own: two training images a class and two for testing."""
    rng = np.random.default_rng(0)
    colours = rng.integers(40, 216, (100, 1, 1, 3))
    labels = np.repeat(np.arange(100), 2)
    noisy = [(colours[labels] + rng.integers(-30, 31, (200, 8, 8, 3))).astype(np.uint8) for _ in range(2)]
    path = tmp_path_factory.mktemp("images") / "hundred.npz"
    names = [f"colour {number}" for number in range(100)]
    np.savez(path, train_images=noisy[0], test_images=noisy[1], train_labels=labels, test_labels=labels, classes=names)
    return path


HUNDRED = EXPANDED | {"seeds": [42], "widths": [0.25], "controls": CONTROLS, "train_limit": 200, "test_limit": 200,
                      "control_epochs": 2, "control_widths": [0.5], "control_resolution": 24,
                      "statistics_seeds": 2, "augmentation_seeds": 1, "other_teachers": []}  # fmt: skip


def check_hundred(own: Study) -> dict[str, pd.DataFrame]:
    tables = own.compute()
    assert tables.keys() == {*TABLES}
    assert all(len(table) for table in tables.values())
    for table in tables.values():
        measured = table[[c for c in ("value", "loss", "share", "accuracy") if c in table]]
        assert np.isfinite(measured.to_numpy(float)).all()
    generality = tables["generality"]
    assert set(generality[generality["dataset"] == own.settings.dataset]["classes"]) == {100}
    train, test = (own._run.encode(None, split).numpy() for split in ("train", "test"))
    probe = LogisticRegression(max_iter=2000).fit(train, own.images("train").labels.numpy())
    expected = 100 * probe.score(test, own.images("test").labels.numpy())
    teacher = tables["robustness"].query("model == 'teacher' and sigma == 0")["accuracy"].item()
    assert teacher == pytest.approx(expected, abs=101 / len(test))
    return tables


@pytest.mark.slow
def test_a_hundred_classes_from_a_file_go_through_every_table(
    hundred_npz: Path, teacher_file: Path, tmp_path: Path
) -> None:
    changed = {"dataset": str(hundred_npz), "other_datasets": ["scenes"], "batch_size": 20, "class_counts": [10, 50]}
    own = Study.open("smoke", HUNDRED | changed | {"teacher_weights": teacher_file}, tmp_path)
    tables = check_hundred(own)
    assert set(tables["generality"]["classes"]) == {10, 100}
    controls = tables["controls"]
    # no teacher of captions has read these classes' names; all else speaks of a hundred
    assert set(controls["control"]) == {*CONTROLS} - {"crossmodal"}
    means = controls[(controls["control"] == "classes") & (controls["quantity"] == "means_rank")]
    assert means["value"].between(1, 99).all()
    sweep = controls[controls["quantity"] == "sweep_rank"]
    assert set(sweep["x"]) == {10, 50}
    learned = tables["robustness"].query("model == 'teacher' and sigma == 0")["accuracy"].item()
    assert learned > 10  # ten times what chance gets: labels and images belong together


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The number of unique classes")
def test_a_hundred_classes_of_scenes_go_through_every_table(teacher_file: Path, tmp_path: Path) -> None:
    without_classes = tuple(name for name in CONTROLS if name != "classes")
    changed = {"dataset": "scenes100", "other_datasets": [], "test_limit": 150, "controls": without_classes}
    own = Study.open("smoke", HUNDRED | changed | {"teacher_weights": teacher_file}, tmp_path)
    controls = check_hundred(own)["controls"]
    assert set(controls["control"]) == set(without_classes)
    # the teacher of captions knows every colour and shape, so that students are placed among a hundred names
    assert controls[controls["quantity"] == "chance"]["value"].item() == 1
    zero_shot = controls[(controls["quantity"] == "zero_shot") & (controls["model"] != "teacher")]
    assert zero_shot["value"].between(0, 100).all()
    assert {"colour", "shape"} <= set(controls[controls["quantity"] == "factor_share"]["variant"])


# Once computed


def test_a_second_study_of_the_same_settings_computes_nothing(
    small_study: Study, tables: dict[str, pd.DataFrame]
) -> None:
    again = Study(small_study.profile, small_study.settings, small_study.folder.parent)
    for name, table in again.compute().items():
        pd.testing.assert_frame_equal(table, tables[name], check_exact=True)
    assert {kind: made for kind, (_, made, _) in again.counts().items() if made} == {}
    assert again.count_students() == (STUDENTS + 1, 0)


def test_a_lost_measurement_is_computed_again_to_the_same_number(small_study: Study, tmp_path: Path) -> None:
    shutil.copytree(small_study.folder.parent, tmp_path, dirs_exist_ok=True)
    own = Study(small_study.profile, small_study.settings, tmp_path)
    shutil.rmtree(own._run.store.folder / "measurements")
    pd.testing.assert_frame_equal(own.information(), small_study.information(), rtol=1e-4)
    assert own.counts()["measurements"][1] == STUDENTS + 1


def test_augmented_and_plain_students_are_of_the_same_seeds(small_study: Study, tmp_path: Path) -> None:
    shutil.copytree(small_study.folder.parent, tmp_path, dirs_exist_ok=True)
    changed = {"seeds": [42, 123, 7], "augmentation_seeds": 2, "widths": [0.5], "noise_spaces": ["normalised"]}
    own = Study.open("smoke", small_study.settings.model_dump() | changed, tmp_path)
    table = own.augmentation()
    plain, treated = table[~table["augmented"]], table[table["augmented"]]
    assert plain["seed"].tolist() == treated["seed"].tolist() == [42, 42, 123, 123]
    assert sorted(set(own.robustness()["seed"].dropna())) == [7, 42, 123]


def test_without_augmented_students_their_table_is_empty(teacher_file: Path, tmp_path: Path) -> None:
    changed = {"augmentation_seeds": 0, "widths": [0.5], "seeds": [1], "epochs": 1, "noise_spaces": ["normalised"]}
    own = Study.open("smoke", SMALL | changed | {"teacher_weights": teacher_file}, tmp_path)
    table = own.augmentation()
    assert list(table.columns) == [*IDENTITY, *SHAPES["augmentation"][0]]
    assert len(table) == 0
    assert len(own.training()) == 1


# A tiny study with every control and comparison has the same bytes whoever computes it, and how

TINY = ALONE | {
    "widths": [0.25, 0.5],
    "control_widths": [1],
    "objectives": ["cosine", "infonce"],
    "sweeps": ["weight", "temperature", "batch_size", "width", "alternatives"],
    "batch_sizes": [10],
}
COMPUTE = """
import json, sys
from asymdistill.study.study import Study
for changed, runs in json.loads(sys.argv[1]):
    study = Study.open("smoke", changed, runs)
    study.compute()
    print(json.dumps({kind: made for kind, (_, made, _) in study.counts().items()}))
"""


def csvs(runs: Path) -> dict[str, bytes]:
    """Every table of every study below a folder."""
    return {str(path.relative_to(runs)): path.read_bytes() for path in runs.glob("*/tables/*.csv")}


def compute(hash_seed: str, *studies: tuple[dict[str, object], Path]) -> list[dict[str, int]]:
    """Compute studies in a process with its own hash seed; tell how many results each made itself."""
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", COMPUTE, json.dumps(studies, default=str)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_tables_are_the_same_bytes_whatever_the_hash_seed_and_the_number_of_workers(
    teacher_file: Path, tmp_path: Path
) -> None:
    here, alone, sharing = (tmp_path / name for name in ("here", "alone", "sharing"))
    settings = TINY | {"teacher_weights": teacher_file}
    Study.open("smoke", settings | {"workers": 1}, here).compute()
    hash_seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    shared, made = compute(
        hash_seed, (settings | {"store": here / "store"}, sharing), (settings | {"workers": 2}, alone)
    )
    assert not any(shared.values())
    assert min(made[kind] for kind in ("embeddings", "students", "probes", "measurements")) > 0
    first = csvs(here)
    assert {name.split("/")[-1] for name in first} >= {f"control-{name}.csv" for name in CONTROLS}
    assert csvs(alone) == first
    assert csvs(sharing) == first


# How a study is opened and described


def test_ways_to_open_a_study(teacher_file: Path, tmp_path: Path) -> None:
    first = Study.open("smoke", {"epochs": 3, "teacher_weights": teacher_file}, tmp_path)
    as_json = Study.open("smoke", f'{{"epochs": 3, "teacher_weights": "{teacher_file}"}}', tmp_path)
    assert as_json.folder == first.folder
    assert as_json.settings == first.settings
    assert first.folder.parent == tmp_path
    with pytest.raises(InputError, match="unknown setting 'epoch'"):
        Study.open("smoke", {"epoch": 3})
    assert not list(tmp_path.iterdir())


def test_a_folder_is_named_by_the_settings_that_change_results(teacher_file: Path, tmp_path: Path) -> None:
    def folder(**changed: object) -> Path:
        return Study.open("smoke", {"teacher_weights": teacher_file} | changed, tmp_path).folder

    assert folder(workers=1) == folder(workers=2) == folder(store=tmp_path / "elsewhere") == folder(description="")
    assert len({folder(), folder(epochs=3), folder(controls=[]), folder(noise_levels=[0.5])}) == 4


def test_runs_lie_in_the_books_checkout_or_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    monkeypatch.chdir(notebooks)
    assert study.default_runs_dir() == notebooks / "runs"
    (tmp_path / "_toc.yml").touch()
    assert study.default_runs_dir() == tmp_path / "runs"
    monkeypatch.chdir(tmp_path)
    assert study.default_runs_dir() == tmp_path / "runs"


def test_the_description_says_what_this_study_is(small_study: Study) -> None:
    text = small_study.description()
    for part in (
        "smoke",
        "128",
        "160",
        "scenes",
        "scenes-clip",
        "0.5, 1",
        "42, 123",
        "2 epochs (6 steps)",
        small_study.folder.name,
    ):
        assert part in text
    assert "\n" not in text


def test_embeddings_are_saved_for_other_tools(small_study: Study, tmp_path: Path) -> None:
    paths = small_study.save_embeddings(tmp_path / "out")
    assert list(paths) == ["teacher", "w=0.5", "S"]
    ranks = small_study.spectrum().query("estimator == 'per seed' and quantity == 'effective_rank'")
    for name, path in paths.items():
        (file,) = open_files([path])
        rows = torch.cat(list(file.read(0, file.rows, 1000)))
        own = ranks[
            (ranks["model"] == name) & (ranks["seed"].isna() | (ranks["seed"] == small_study.settings.seeds[0]))
        ]
        assert len(rows) == len(small_study.images("test"))
        assert effective_rank(rows) == pytest.approx(float(own["value"].iloc[0]), rel=1e-6)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(path.name for path in paths.values())
