"""Golden values: every metric, and the first steps of a training, computed a second time by other means.

Metrics are computed again by numpy and scikit-learn, in float64; the student by torch's own layers and by numpy; Adam
by its equations. Nothing of the package stands on the expected side. Beside most values stands what a slightly
different reading of the papers would give, so that a test that could not tell the two apart fails.
"""

import math
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import SMALL
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image
from sklearn.linear_model import LogisticRegression
from torch import nn

from asymdistill.config.profiles import load_settings
from asymdistill.data.preprocess import clip_preprocess
from asymdistill.data.views import View
from asymdistill.experiment.student_configs import StudentConfigs
from asymdistill.metrics import contrastive, spectrum
from asymdistill.metrics.probe import fit_probe
from asymdistill.models import students
from asymdistill.plots import derived
from asymdistill.study.study import Study
from asymdistill.training.distillation import Recipe, distil
from asymdistill.training.losses import cosine_distance

BATCH, TEMPERATURE = 64, 0.1


# The metrics by their definitions


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.sqrt((rows**2).sum(1, keepdims=True))


def singular(rows: np.ndarray, center: bool = True) -> np.ndarray:
    return np.linalg.svd(rows - rows.mean(0) if center else rows, compute_uv=False)


def rank(weights: np.ndarray) -> float:
    """Exponential of the entropy: of squared singular values (variance) or of plain ones (amplitude)."""
    p = weights / weights.sum()
    return math.exp(-(p * np.log(p + 1e-10)).sum())


def dims_for_90(values: np.ndarray) -> int:
    return int(np.argmax(np.cumsum(values**2) / (values**2).sum() >= 0.9)) + 1


def alignment(student: np.ndarray, teacher: np.ndarray) -> np.ndarray:
    directions = np.linalg.svd(teacher - teacher.mean(0))[2]
    centred = student - student.mean(0)
    return ((centred @ directions.T) ** 2).sum(0).cumsum() / (centred**2).sum()


def batches(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def info_nce_of_batches(student: np.ndarray, teacher: np.ndarray, size: int = BATCH) -> list[float]:
    losses = []
    for own, targets in zip(batches(unit(student), size), batches(unit(teacher), size), strict=True):
        similar = np.exp(own @ targets.T / TEMPERATURE)
        losses.append(float(np.mean(-np.log(np.diag(similar) / similar.sum(1)))))
    return losses


def uniformity_of_batches(rows: np.ndarray, size: int = BATCH, own: bool = True) -> list[float]:
    values = []
    for batch in batches(unit(rows), size):
        squared = ((batch[:, None] - batch[None]) ** 2).sum(2)
        pairs = np.ones(squared.shape, dtype=bool) if own else ~np.eye(len(batch), dtype=bool)
        values.append(math.log(np.exp(-2 * squared[pairs]).mean()))
    return values


def plain_probe(rows: np.ndarray, labels: np.ndarray) -> LogisticRegression:
    return LogisticRegression(solver="lbfgs", C=1.0, max_iter=2000).fit(unit(rows), labels)


def accuracy(train: np.ndarray, labels: np.ndarray, test: np.ndarray, test_labels: np.ndarray) -> float:
    return 100 * plain_probe(train, labels).score(unit(test), test_labels)


# On small tensors


class Data(NamedTuple):
    teacher: np.ndarray
    student: np.ndarray
    labels: np.ndarray


@pytest.fixture(scope="module")
def data() -> Data:
    """150 images of three overlapping classes: two whole batches of 64, and a last one of 22.

    The spread of the teacher's twelve dimensions fades from 3 to 0.3. The student has them mixed at random, the later
    ones faintly, and noise on top. Both have a mean far from zero.
    """
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 150)
    centres = rng.normal(size=(3, 12))
    teacher = (centres[labels] + 1.2 * rng.normal(size=(150, 12))) * np.linspace(3, 0.3, 12) + 4
    mixing = rng.normal(size=(12, 12)) * np.geomspace(1, 0.05, 12)[:, None]
    student = (teacher - teacher.mean(0)) @ mixing + rng.normal(size=(150, 12)) + 3
    return Data(teacher, student, labels)


def tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(values)


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize(("kind", "power"), [("variance", 2), ("amplitude", 1)])
def test_the_effective_rank_of_either_spectrum(data: Data, kind: str, power: int, center: bool) -> None:
    expected = {
        (exponent, mean_off): rank(singular(data.student, mean_off) ** exponent)
        for exponent in (1, 2)
        for mean_off in (True, False)
    }
    measured = spectrum.effective_rank(tensor(data.student), spectrum=kind, center=center)
    assert measured == pytest.approx(expected[power, center], rel=1e-9)
    # The four readings are far apart on these data.
    assert min(abs(measured - other) for key, other in expected.items() if key != (power, center)) > 0.1
    values = singular(data.student, center)
    assert spectrum.effective_rank_of(tensor(values), spectrum=kind) == pytest.approx(
        expected[power, center], rel=1e-12
    )
    assert np.allclose(spectrum.singular_values(tensor(data.student), center=center).numpy(), values, rtol=1e-9)


def test_the_papers_rank_is_of_centred_variance(data: Data) -> None:
    rows = tensor(data.student)
    assert spectrum.effective_rank(rows) == spectrum.effective_rank(rows, spectrum="variance", center=True)


def test_dimensions_for_90_percent(data: Data) -> None:
    for rows in (data.teacher, data.student):
        values = singular(rows)
        expected = dims_for_90(values)
        assert spectrum.dims_for_variance(tensor(rows)) == expected
        assert spectrum.dims_for_variance_of(tensor(values)) == expected
        # Of plain singular values, or without centring, it would be another number.
        assert expected not in {dims_for_90(np.sqrt(values)), dims_for_90(singular(rows, center=False))}


def test_the_component_that_reaches_90_percent_counts() -> None:
    """Squares of 8, 1 and 1: the second reaches 0.9 exactly."""
    assert spectrum.dims_for_variance_of(torch.tensor([8.0, 1.0, 1.0]).double().sqrt()) == 2


def test_the_alignment_curve(data: Data) -> None:
    measured = spectrum.subspace_alignment(tensor(data.student), tensor(data.teacher)).numpy()
    assert np.allclose(measured, alignment(data.student, data.teacher), atol=1e-12)
    assert measured[-1] == pytest.approx(1)
    assert not np.allclose(measured, alignment(data.teacher, data.student), atol=0.05)  # the other way round


def test_info_nce_with_a_smaller_last_batch(data: Data) -> None:
    losses = info_nce_of_batches(data.student, data.teacher)
    sizes = [len(rows) for rows in batches(data.student, BATCH)]
    assert sizes == [64, 64, 22]
    measured = contrastive.info_nce(tensor(data.student), tensor(data.teacher))
    assert measured == pytest.approx(np.mean(losses), rel=1e-9)
    assert contrastive.mutual_information_bound(measured) == pytest.approx(math.log(64) - np.mean(losses), rel=1e-9)
    # Neither without the last batch, nor weighted by size, nor from teacher to student.
    for other in (
        np.mean(losses[:2]),
        np.average(losses, weights=sizes),
        np.mean(info_nce_of_batches(data.teacher, data.student)),
    ):
        assert abs(measured - other) > 1e-3


def test_uniformity_pairs_each_point_with_itself(data: Data) -> None:
    values = uniformity_of_batches(data.student)
    measured = contrastive.uniformity(tensor(data.student))
    assert measured == pytest.approx(np.mean(values), rel=1e-9)
    without = contrastive.uniformity(tensor(data.student), include_self=False)
    assert without == pytest.approx(np.mean(uniformity_of_batches(data.student, own=False)), rel=1e-9)
    everything = contrastive.uniformity(tensor(data.student), batch_size=None, include_self=False)
    assert everything == pytest.approx(uniformity_of_batches(data.student, 150, own=False)[0], rel=1e-9)
    for other in (without, everything, np.mean(values[:2]), np.average(values, weights=[64, 64, 22])):
        assert abs(measured - other) > 1e-3


def test_the_probe_is_scikit_learns(data: Data) -> None:
    first, rest = slice(0, 90), slice(90, 150)
    for rows in (data.student, data.teacher):
        probe = fit_probe(tensor(rows[first]), tensor(data.labels[first]))
        expected = accuracy(rows[first], data.labels[first], rows[rest], data.labels[rest])
        assert probe.accuracy(tensor(rows[rest]), tensor(data.labels[rest])) == pytest.approx(expected, abs=1e-9)
        assert 50 < expected < 95
        plain = plain_probe(rows[first], data.labels[first])
        assert np.allclose(probe.coefficients.numpy(), plain.coef_, atol=1e-9)


def test_a_spread_is_numpys_std() -> None:
    """The paper prints 71.11 +- 0.44 for these three; with ddof = 1 it would be 0.54."""
    accuracies = [71.08, 70.58, 71.66]
    row = derived.mean_and_spread(pd.DataFrame({"model": "S", "value": accuracies}), ["model"]).iloc[0]
    assert (row["mean"], row["spread"]) == (pytest.approx(np.mean(accuracies)), pytest.approx(np.std(accuracies)))
    assert (f"{row['mean']:.2f}", f"{row['spread']:.2f}") == ("71.11", "0.44")


# On the tables of whole studies


@pytest.fixture(scope="module")
def ragged_study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The shipped teacher, three seeds as the paper has, and 150 test images in batches of 64: the last has 22."""
    overrides = SMALL | {
        "train_limit": 320,
        "test_limit": 150,
        "widths": [0.5],
        "seeds": [42, 123, 456],
        "batch_size": 64,
        "metric_batch_size": 64,
        "augmentation_seeds": 0,
        "noise_levels": [0.0],
        "noise_spaces": ["normalised"],
    }
    study = Study.open("smoke", overrides, tmp_path_factory.mktemp("runs"))
    study.compute()
    return study


@pytest.fixture(params=["small_study", "ragged_study"])
def study(request: pytest.FixtureRequest) -> Study:
    return request.getfixturevalue(request.param)


def embeddings(study: Study, split: str = "test") -> dict[tuple[float, int] | None, np.ndarray]:
    """Those of the teacher (None) and of each student by width and seed, in float64."""
    models = {None: None} | {(student.width, student.seed): student for student in study._run.configs.grid()}
    return {key: study._run.encode(model, split).double().numpy() for key, model in models.items()}


def rows_of(table: pd.DataFrame, model: tuple[float, int] | None) -> pd.DataFrame:
    if model is None:
        return table[table["model"] == "teacher"]
    return table[(table["width"] == model[0]) & (table["seed"] == model[1]).fillna(False)]


def test_the_spectrum_table_per_seed(study: Study) -> None:
    table = study.spectrum()
    table = table[table["estimator"] == "per seed"]
    for model, rows in embeddings(study).items():
        values, measured = singular(rows), rows_of(table, model).set_index("quantity")["value"]
        assert measured["effective_rank"] == pytest.approx(rank(values**2), rel=1e-6)
        assert measured["effective_rank_amplitude"] == pytest.approx(rank(values), rel=1e-6)
        assert measured["dims_for_90"] == dims_for_90(values)


def test_the_papers_average_is_of_singular_values(ragged_study: Study) -> None:
    own = [singular(rows) for model, rows in embeddings(ragged_study).items() if model]
    assert len(own) == 3
    table = ragged_study.spectrum()
    table = table[table["width"] == 0.5].set_index(["estimator", "quantity"])["value"]
    of_the_mean = rank(np.mean(own, axis=0) ** 2)
    mean_of_ranks = np.mean([rank(values**2) for values in own])
    assert table["mean spectrum", "effective_rank"] == pytest.approx(of_the_mean, rel=1e-6)
    assert table["per seed", "effective_rank"].mean() == pytest.approx(mean_of_ranks, rel=1e-6)
    assert abs(of_the_mean - mean_of_ranks) > 1e-4 * mean_of_ranks
    assert table["mean spectrum", "dims_for_90"] == dims_for_90(np.mean(own, axis=0))
    # Nor is it the rank of the mean variances.
    assert abs(rank(np.mean([values**2 for values in own], axis=0)) - of_the_mean) > 1e-4 * of_the_mean


def test_the_alignment_table(study: Study) -> None:
    table, all_rows = study.alignment(), embeddings(study)
    for model, rows in all_rows.items():
        measured = rows_of(table, model)
        assert measured["component"].tolist() == list(range(1, rows.shape[1] + 1))
        assert np.allclose(measured["share"], alignment(rows, all_rows[None]), atol=1e-6)


def test_the_information_table(study: Study) -> None:
    table, all_rows, size = study.information(), embeddings(study), study.settings.metric_batch_size
    for model, rows in all_rows.items():
        measured = rows_of(table, model).set_index("quantity")["value"]
        loss = np.mean(info_nce_of_batches(rows, all_rows[None], size))
        assert measured["info_nce"] == pytest.approx(loss, rel=1e-6)
        assert measured["mutual_information_bound"] == pytest.approx(math.log(size) - loss, rel=1e-6)
        assert measured["uniformity"] == pytest.approx(np.mean(uniformity_of_batches(rows, size)), rel=1e-6)
        others = np.mean(uniformity_of_batches(rows, size, own=False))
        assert measured["uniformity_without_self"] == pytest.approx(others, rel=1e-6)
        every = uniformity_of_batches(rows, len(rows), own=False)[0]
        assert measured["uniformity_all_pairs"] == pytest.approx(every, rel=1e-6)


def test_the_clean_accuracies(study: Study) -> None:
    table = study.robustness()
    clean = table[(table["sigma"] == 0) & (table["noise_space"] == "normalised")]
    labels, test_labels = (study.images(split).labels.numpy() for split in ("train", "test"))
    train, test = embeddings(study, "train"), embeddings(study)
    for model in train:
        expected = accuracy(train[model], labels, test[model], test_labels)
        # The probe is fitted in float32: an image that stands on a border may fall on either side of it.
        assert rows_of(clean, model)["accuracy"].item() == pytest.approx(expected, abs=100 * 1.01 / len(test_labels))


def test_the_augmented_student_is_probed_on_clean_images(small_study: Study) -> None:
    run, table = small_study._run, small_study.augmentation()
    (student,) = run.configs.augmented()
    train, test = (run.encode(student, split).double().numpy() for split in ("train", "test"))
    own = table[table["augmented"] & (table["sigma"] == 0) & (table["noise_space"] == "normalised")].iloc[0]
    expected = accuracy(train, run.images.train.labels.numpy(), test, run.images.test.labels.numpy())
    assert own["accuracy"] == pytest.approx(expected, abs=100 * 1.01 / len(test))
    assert own["effective_rank"] == pytest.approx(rank(singular(test) ** 2), rel=1e-6)


def test_the_papers_profile_trains_its_students_and_two_more() -> None:
    configs = StudentConfigs(load_settings("cifar10-clip")[1], 224, 10)
    pairs = [(student.width, student.seed) for student in configs.grid()]
    assert pairs == [(width, seed) for width in (1, 2, 4) for seed in (42, 123, 456)]
    augmented = [(student.width, student.seed, student.augmented) for student in configs.augmented()]
    assert augmented == [(4, seed, True) for seed in (42, 123, 456)]  # the paper has that of 42 only
    assert {student.resolution for student in (*configs.grid(), *configs.augmented())} == {224}


# What the models see


def test_what_students_and_teacher_see() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    resized = [np.asarray(Image.fromarray(image).resize((224, 224), Image.Resampling.BICUBIC)) for image in pixels]
    mean = np.array([0.48145466, 0.4578275, 0.40821073])
    std = np.array([0.26862954, 0.26130258, 0.27577711])
    expected = ((np.stack(resized) / 255 - mean) / std).transpose(0, 3, 1, 2)
    assert np.allclose(View(224)(tensor(pixels)).numpy(), expected, atol=1e-6)
    assert torch.equal(View(224)(tensor(pixels)), clip_preprocess(tensor(pixels)))


def test_stored_teacher_embeddings_are_those_of_a_batch(small_study: Study) -> None:
    """The notebook asks the teacher again in every batch; it is frozen and sees clean images, so this is the same."""
    run = small_study._run
    stored, chosen = run.encode(None, "train"), torch.randperm(128, generator=torch.Generator().manual_seed(1))[:64]
    teacher, images = run.teacher.network, run.images.train.images[chosen]
    again = teacher.train().encode(images)
    assert torch.allclose(again, stored[chosen], atol=1e-6)
    assert not torch.allclose(teacher.encode(images.flip(2)), stored[chosen], atol=1e-2)


# The student


def layers_in_order(width: int, dim: int) -> nn.Sequential:
    """The notebook's layers, made in its order: each draws its weights from torch's global generator."""
    network = nn.Sequential()
    channels = 3
    for factor, pool in ((16, nn.MaxPool2d(2)), (32, nn.MaxPool2d(2)), (64, nn.AdaptiveAvgPool2d((4, 4)))):
        network.append(nn.Conv2d(channels, factor * width, 3, padding=1))
        network.append(nn.BatchNorm2d(factor * width))
        network.append(nn.ReLU())
        network.append(pool)
        channels = factor * width
    network.append(nn.Flatten())
    network.append(nn.Linear(channels * 16, 512))
    network.append(nn.ReLU())
    network.append(nn.Linear(512, dim))
    return network


def same_weights(first: nn.Module, second: nn.Module) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(one, other) for one, other in pairs)


@pytest.mark.parametrize("seed", [42, 123, 456])
@pytest.mark.parametrize("width", [1, 2, 4])
def test_initial_weights_are_those_of_the_seed(width: int, seed: int) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        expected = layers_in_order(width, 512)
    assert same_weights(students.build(students.Design(width), 512, seed), expected)
    assert not same_weights(students.build(students.Design(width), 512, seed + 1), expected)


def test_of_three_students_made_in_a_row_the_notebooks_first_is_ours() -> None:
    """The notebook sets a seed once and makes S, M and L from the one stream; here each starts from its seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(42)
        small, middle, _ = (layers_in_order(width, 512) for width in (1, 2, 4))
    assert same_weights(students.build(students.Design(1), 512, 42), small)
    assert not same_weights(students.build(students.Design(2), 512, 42), middle)


def numpy_student(student: students.ScalableCNN, inputs: np.ndarray, *, training: bool) -> np.ndarray:
    """The network written out in float64; ``inputs`` are N x 3 x 32 x 32."""
    state = {name: value.double().numpy() for name, value in student.state_dict().items()}
    weights = [(key.removesuffix(".weight"), value) for key, value in state.items() if key.endswith(".weight")]
    (conv1, _), (bn1, _), (conv2, _), (bn2, _), (conv3, _), (bn3, _), (hidden, _), (last, _) = weights

    def pool(x: np.ndarray, size: int, how: str) -> np.ndarray:
        n, c, side = x.shape[:3]
        windows = x.reshape(n, c, side // size, size, side // size, size)
        return windows.max((3, 5)) if how == "max" else windows.mean((3, 5))

    def block(x: np.ndarray, conv: str, norm: str) -> np.ndarray:
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        windows = sliding_window_view(padded, (3, 3), axis=(2, 3))
        x = np.einsum("nchwij,ocij->nohw", windows, state[f"{conv}.weight"], optimize=True)
        x = x + state[f"{conv}.bias"][:, None, None]
        mean, var = state[f"{norm}.running_mean"], state[f"{norm}.running_var"]
        if training:
            mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
        x = (x - mean[:, None, None]) / np.sqrt(var + 1e-5)[:, None, None]
        return np.maximum(x * state[f"{norm}.weight"][:, None, None] + state[f"{norm}.bias"][:, None, None], 0)

    x = pool(block(inputs, conv1, bn1), 2, "max")
    x = pool(block(x, conv2, bn2), 2, "max")
    x = pool(block(x, conv3, bn3), 2, "mean")  # 8 x 8 to 4 x 4
    x = np.maximum(x.reshape(len(x), -1) @ state[f"{hidden}.weight"].T + state[f"{hidden}.bias"], 0)
    return x @ state[f"{last}.weight"].T + state[f"{last}.bias"]


@pytest.mark.parametrize("training", [True, False])
def test_the_forward_pass_is_its_equations(training: bool) -> None:
    student = students.build(students.Design(1), 24, seed=42)
    inputs = np.random.default_rng(2).normal(size=(6, 3, 32, 32))
    student.train()(tensor(inputs).float())  # so that the running statistics are not those of the beginning
    expected = numpy_student(student, inputs, training=training)
    assert np.allclose(student.train(training)(tensor(inputs).float()).detach().numpy(), expected, atol=1e-5)
    other = numpy_student(student, inputs, training=not training)
    assert not np.allclose(expected, other, atol=1e-2)


def test_the_loss_is_one_minus_the_cosine(data: Data) -> None:
    expected = np.mean(1 - (unit(data.student) * unit(data.teacher)).sum(1))
    measured = cosine_distance(tensor(data.student).float(), tensor(data.teacher).float())
    assert measured.item() == pytest.approx(expected, rel=1e-5)


# Its training

ADAM = {"rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "l2": 0.0, "decay": 0.0}
SEED, DIM = 7, 10
SETTLED = 1e-5


def examples(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)
    return tensor(images), tensor(rng.normal(size=(count, DIM))).float()


class Steps(NamedTuple):
    """Weights after some steps, by layer; the smallest absolute gradient each had on the way; the loss of each step."""

    weights: dict[str, np.ndarray]
    smallest: dict[str, np.ndarray]
    losses: list[float]


def adam_by_hand(steps: int, **changed: float) -> Steps:
    """Steps on one batch of 64 in float64 (Kingma & Ba, 2015, algorithm 1); the gradients are autograd's."""
    adam = ADAM | changed
    images, targets = examples(BATCH)
    inputs, wanted = View(16)(images), nn.functional.normalize(targets, dim=1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network = layers_in_order(1, DIM)
    weights = {name: value.detach().double().numpy() for name, value in network.named_parameters()}
    first, second = ({name: np.zeros_like(value) for name, value in weights.items()} for _ in range(2))
    smallest, losses = {name: np.full_like(value, np.inf) for name, value in weights.items()}, []
    for step in range(1, steps + 1):
        network.load_state_dict({name: tensor(value) for name, value in weights.items()}, strict=False)
        loss = (1 - (nn.functional.normalize(network(inputs), dim=1) * wanted).sum(1)).mean()
        gradients = torch.autograd.grad(loss, list(network.parameters()))
        losses.append(loss.item())
        for name, gradient in zip(weights, gradients, strict=True):
            g, value = gradient.double().numpy(), weights[name]
            smallest[name] = np.minimum(smallest[name], np.abs(g))
            g = g + adam["l2"] * value
            first[name] = adam["beta1"] * first[name] + (1 - adam["beta1"]) * g
            second[name] = adam["beta2"] * second[name] + (1 - adam["beta2"]) * g**2
            mean, square = first[name] / (1 - adam["beta1"] ** step), second[name] / (1 - adam["beta2"] ** step)
            move = mean / (np.sqrt(square) + adam["epsilon"]) + adam["decay"] * value
            weights[name] = value - adam["rate"] * move
    return Steps(weights, smallest, losses)


@cache
def distilled(steps: int) -> tuple[list[np.ndarray], list[float]]:
    """The package's own: one batch an epoch, so that the order of the images permutes the batch and nothing else."""
    images, targets = examples(BATCH)
    recipe = Recipe(epochs=steps, batch_size=BATCH)
    result = distil(students.build(students.Design(1), DIM, SEED), images, targets, View(16), recipe, seed=SEED)
    return [value.detach().double().numpy() for value in result.student.parameters()], result.losses


def distance(steps: int, **changed: float) -> float:
    """Largest difference of a weight from the one by hand, where Adam's step is more than rounding.

    Adam divides a gradient by its own size, so that one that is zero but for rounding gives a step of any sign.
    """
    expected, (ours, _) = adam_by_hand(steps, **changed), distilled(steps)
    return max(
        float(np.abs(value - expected.weights[name])[expected.smallest[name] > SETTLED].max(initial=0))
        for name, value in zip(expected.weights, ours, strict=True)
    )


def test_one_step_is_adams() -> None:
    assert distance(1) < 2e-7
    assert distance(1, rate=1.01e-3) > 5e-6
    assert distance(1, epsilon=1e-6) > 5e-6
    expected = adam_by_hand(1)
    assert distilled(1)[1] == pytest.approx(expected.losses, rel=1e-5)
    # Batch norm takes the biases before it away again: their gradients are rounding, and so are their steps.
    unsettled = {name for name, smallest in expected.smallest.items() if smallest.max() <= SETTLED}
    assert unsettled == {"0.bias", "4.bias", "8.bias"}
    compared = [(smallest > SETTLED).mean() for name, smallest in expected.smallest.items() if name not in unsettled]
    assert min(compared) > 0.8
    start = [value.detach().double().numpy() for value in students.build(students.Design(1), DIM, SEED).parameters()]
    moved = max(np.abs(after - before).max() for after, before in zip(distilled(1)[0], start, strict=True))
    assert moved == pytest.approx(1e-3, rel=1e-3)


def test_three_steps_are_adams() -> None:
    assert distance(3) < 1e-5
    assert distilled(3)[1] == pytest.approx(adam_by_hand(3).losses, rel=1e-5)


@pytest.mark.parametrize(
    "changed", [{"rate": 9.9e-4}, {"beta1": 0.85}, {"beta2": 0.99}, {"epsilon": 1e-6}, {"l2": 1e-4}, {"decay": 0.01}]
)
def test_another_optimiser_would_be_seen(changed: dict[str, float]) -> None:
    assert distance(3, **changed) > 2e-5


def seen_in_training(count: int, epochs: int, seed: int) -> list[torch.Tensor]:
    """The inputs of every step."""
    images, targets = examples(count)
    student, seen = students.build(students.Design(1 / 16), DIM, SEED), []
    student.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().clone()))
    distil(student, images, targets, View(16), Recipe(epochs=epochs, batch_size=BATCH), seed=seed)
    return seen


@pytest.mark.parametrize("seed", [42, 123, 456])
def test_an_epoch_is_a_seeded_permutation(seed: int) -> None:
    images, _ = examples(150)
    seen, generator = seen_in_training(150, 2, seed), torch.Generator().manual_seed(seed)
    assert [len(inputs) for inputs in seen] == [64] * 4
    for epoch in (seen[:2], seen[2:]):
        order = torch.randperm(150, generator=generator)
        assert torch.equal(torch.cat(epoch), View(16)(images[order[:128]]))


def test_torchs_loader_with_the_same_seed_gives_another_order() -> None:
    """It draws a number of its own before the permutation: the notebook's order is as random, but is not ours."""
    loader = torch.utils.data.DataLoader(
        torch.arange(150), batch_size=64, shuffle=True, drop_last=True, generator=torch.Generator().manual_seed(42)
    )
    order = torch.cat(list(loader))
    generator = torch.Generator().manual_seed(42)
    assert not torch.equal(order, torch.randperm(150, generator=generator)[:128])
    generator.manual_seed(42)
    torch.empty((), dtype=torch.int64).random_(generator=generator)
    assert torch.equal(order, torch.randperm(150, generator=generator)[:128])
