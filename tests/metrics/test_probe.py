"""The probe against plain scikit-learn."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from asymdistill.metrics import probe as probing
from asymdistill.metrics.probe import Probe, fit_probe
from asymdistill.runtime.errors import InputError


def classes(rows: int, dim: int = 16, count: int = 5, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Overlapping Gaussian classes: hard enough that accuracies lie between chance and 100."""
    labels = np.random.default_rng(seed).integers(0, count, rows)
    centres = np.random.default_rng(99).normal(size=(count, dim))
    noise = np.random.default_rng(seed + 1).normal(size=(rows, dim))
    return torch.from_numpy(centres[labels] + 1.5 * noise), torch.from_numpy(labels)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("C", [1.0, 0.01])
def test_parity_with_plain_scikit_learn(C, dtype):
    train, train_labels = classes(800)
    test, test_labels = classes(500, seed=7)
    train, test = train.to(dtype), test.to(dtype)
    plain = LogisticRegression(max_iter=2000, C=C).fit(normalize(train.numpy()), train_labels.numpy())
    probe = fit_probe(train, train_labels, C=C)
    expected = 100 * plain.score(normalize(test.numpy()), test_labels.numpy())
    accuracy = probe.accuracy(test, test_labels)
    assert isinstance(accuracy, float)
    assert accuracy == pytest.approx(expected, abs=0.2 if dtype == torch.float32 else 1e-9)
    assert 30 < accuracy < 99


def test_classes_that_can_be_told_apart_are():
    corners = torch.eye(3).repeat(10, 1)
    labels = torch.tensor([2, 5, 9]).repeat(10)
    probe = fit_probe(corners, labels, C=100.0)
    assert torch.equal(probe.predict(corners), labels)
    assert probe.accuracy(corners, labels) == 100.0
    assert probe.accuracy(corners[:1], torch.tensor([5])) == 0.0


def test_the_length_of_embeddings_does_not_matter():
    train, labels = classes(300)
    lengths = torch.from_numpy(np.random.default_rng(3).uniform(0.1, 10, (300, 1)))
    assert torch.equal(fit_probe(train * lengths, labels).predict(train), fit_probe(train, labels).predict(train))


def test_half_precision_embeddings_are_widened():
    train, labels = classes(300)
    assert fit_probe(train.bfloat16(), labels).accuracy(train.bfloat16(), labels) > 50


def test_labels_unknown_to_the_probe_count_as_wrong():
    train, labels = classes(300)
    probe = fit_probe(train, labels)
    known = probe.accuracy(train[:10], labels[:10])
    stranger = torch.cat([labels[:10], torch.full((10,), 77)])
    assert probe.accuracy(torch.cat([train[:10], train[:10]]), stranger) == pytest.approx(known / 2)


def test_unusable_training_sets_are_refused():
    x, labels = classes(20)
    for bad in (x[:, 0], x[:1], x.long(), x * math.nan, x * math.inf, x.numpy()):
        with pytest.raises(InputError, match="embeddings"):
            fit_probe(bad, labels)
    for bad in (labels[:19], labels[None], labels.double(), labels > 2, labels.numpy()):
        with pytest.raises(InputError, match="labels must"):
            fit_probe(x, bad)
    with pytest.raises(InputError, match=r"labels are all 3; .* two classes"):
        fit_probe(x, torch.full((20,), 3))


@pytest.mark.parametrize("setting", [{"max_iter": 0}, {"max_iter": 10.0}, {"C": 0.0}, {"C": math.nan}])
def test_bad_settings_are_refused(setting):
    with pytest.raises(InputError, match=next(iter(setting))):
        fit_probe(*classes(20), **setting)


def test_a_fitted_probe_refuses_what_it_cannot_classify():
    x, labels = classes(50)
    probe = fit_probe(x, labels)
    with pytest.raises(InputError, match="N x 16, as in the fit"):
        probe.predict(x[:, :8])
    with pytest.raises(InputError, match="embeddings contains NaN"):
        probe.accuracy(x * math.nan, labels)
    with pytest.raises(InputError, match="labels must have shape"):
        probe.accuracy(x, labels[:49])


@pytest.mark.parametrize("count", [2, 5])
def test_a_probe_is_scikit_learns_and_is_stored_as_tensors(count):
    train, train_labels = classes(400, count=count)
    test, _ = classes(300, count=count, seed=7)
    plain = LogisticRegression(max_iter=2000).fit(normalize(train.numpy()), 3 * train_labels.numpy() - 1)
    fitted = fit_probe(train, 3 * train_labels - 1)
    assert {name: tensor.dtype for name, tensor in fitted.tensors().items()} == {
        "coefficients": torch.float64, "intercepts": torch.float64, "classes": torch.int64,
    }  # fmt: skip
    assert fitted.coefficients.shape == (1 if count == 2 else count, 16)
    np.testing.assert_allclose(fitted.coefficients.numpy(), plain.coef_, atol=1e-9)
    predicted = Probe.from_tensors(fitted.tensors()).predict(test)
    assert predicted.dtype == torch.int64
    np.testing.assert_array_equal(predicted.numpy(), plain.predict(normalize(test.numpy())))
    assert len(predicted.unique()) == count


def test_a_probe_of_single_precision_classifies_double_and_half_precision():
    train, labels = classes(300)
    fitted = fit_probe(train.float(), labels)
    assert fitted.coefficients.dtype == torch.float32
    assert fitted.accuracy(train, labels) == pytest.approx(fitted.accuracy(train.float(), labels), abs=0.5)
    assert fitted.accuracy(train.bfloat16(), labels) == pytest.approx(fitted.accuracy(train, labels), abs=3)


@pytest.fixture
def fits_tensors(monkeypatch):
    """A process in which scikit-learn may fit tensors where they are."""
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    monkeypatch.setattr("scipy._lib._array_api.SCIPY_ARRAY_API", "1")
    probing._can_fit_tensors.cache_clear()
    yield
    probing._can_fit_tensors.cache_clear()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_probe_fitted_on_tensors_where_they_are_is_the_same(dtype, fits_tensors):
    assert probing._can_fit_tensors()
    train, train_labels = classes(800)
    test, test_labels = classes(500, seed=7)
    features = torch.nn.functional.normalize(train.to(dtype), dim=1)
    there = probing._fit(features, train_labels, 2000, 1.0)
    plain = fit_probe(train.to(dtype), train_labels)
    assert all(isinstance(tensor, torch.Tensor) for tensor in there.tensors().values())
    np.testing.assert_allclose(there.coefficients.numpy(), plain.coefficients.numpy(), atol=2e-3)
    accuracy = there.accuracy(test.to(dtype), test_labels)
    assert accuracy == pytest.approx(plain.accuracy(test.to(dtype), test_labels), abs=0.1)


@pytest.mark.parametrize("lacking", ["environment", "scipy", "scikit-learn"])
def test_a_probe_for_a_gpu_is_fitted_on_the_cpu_where_scikit_learn_cannot_fit_there(lacking, monkeypatch, fits_tensors):
    if lacking == "environment":
        monkeypatch.delenv("SCIPY_ARRAY_API")
    if lacking == "scipy":  # imported before the variable was set
        monkeypatch.setattr("scipy._lib._array_api.SCIPY_ARRAY_API", False)
    if lacking == "scikit-learn":
        monkeypatch.setattr("sklearn.utils.get_tags", lambda _: SimpleNamespace(array_api_support=False))
    wanted = "scikit-learn that supports it" if lacking == "scikit-learn" else "SCIPY_ARRAY_API=1"
    train, labels = classes(200)
    expected = fit_probe(train, labels)
    with pytest.warns(RuntimeWarning, match=f"probes are fitted on the CPU; .* needs .*{wanted}") as caught:
        probes = [fit_probe(train, labels, device="cuda") for _ in range(2)]
    assert len(caught) == 1
    assert all(torch.equal(probe.coefficients, expected.coefficients) for probe in probes)
