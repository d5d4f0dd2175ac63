"""What is reported of files: closed-form answers, parity with the metrics and other libraries, and honest intervals."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from asymdistill.measure import sums
from asymdistill.measure.report import TITLES, Report, measure, table
from asymdistill.metrics import spectrum
from asymdistill.metrics.contrastive import uniformity
from asymdistill.runtime.errors import InputError


def save(path: Path, rows: np.ndarray) -> Path:
    np.save(path, rows)
    return path


def sample(rows: int = 500, dim: int = 12, *, mean: float = 0.5, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, dim)) / np.sqrt(np.arange(1, dim + 1)) + mean


def without_intervals(report: Report) -> dict[str, float]:
    return {own.name: own.value for own in report.quantities}


def test_a_cross_has_the_answers_that_one_can_work_out(tmp_path: Path) -> None:
    # The four ends of two axes, often: two equal variances, norms of 3, directions that cancel.
    found = without_intervals(
        measure([save(tmp_path / "x.npy", np.tile(3.0 * np.r_[np.eye(2), -np.eye(2)], (100, 1)))])
    )
    assert found["effective_rank"] == pytest.approx(2)
    assert found["effective_rank_amplitude"] == pytest.approx(2)
    assert found["participation_ratio"] == pytest.approx(2)
    assert found["dims_for_90"] == 2
    assert found["mean_norm"] == pytest.approx(3)
    assert found["mean_direction_norm"] == pytest.approx(0, abs=1e-12)
    assert found["mean_cosine"] == pytest.approx(-1 / 399)
    # Of the 399 others, 99 are the point itself, 200 at a right angle (distance^2 = 2), 100 opposite (4).
    assert found["uniformity"] == pytest.approx(np.log((99 + 200 * np.exp(-4) + 100 * np.exp(-8)) / 399))


def test_numbers_are_those_of_the_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "_NUMBERS", 100)
    x = sample()
    found = measure([save(tmp_path / "a.npy", x[:123]), save(tmp_path / "b.npy", x[123:])])
    y = torch.from_numpy(x)
    values = without_intervals(found)
    units = x / np.linalg.norm(x, axis=1, keepdims=True)
    cosines = units @ units.T
    assert values == pytest.approx(
        {
            "effective_rank": spectrum.effective_rank(y),
            "effective_rank_amplitude": spectrum.effective_rank(y, spectrum="amplitude"),
            "participation_ratio": np.trace(np.cov(x.T)) ** 2 / np.square(np.cov(x.T)).sum(),
            "dims_for_90": spectrum.dims_for_variance(y),
            "mean_norm": np.linalg.norm(x, axis=1).mean(),
            "mean_cosine": cosines[~np.eye(500, dtype=bool)].mean(),
            "mean_direction_norm": np.linalg.norm(units.mean(0)),
            "uniformity": uniformity(y, batch_size=None, include_self=False),
        },
        rel=1e-10,
    )
    assert sum(found.variances) == pytest.approx(1)
    assert json.loads(json.dumps(found.to_dict()))["quantities"]["effective_rank"]["value"] == values["effective_rank"]


def test_files_merge_to_one_pass(tmp_path: Path) -> None:
    x = sample(1000, mean=100).astype("f4")
    whole = measure([save(tmp_path / "whole.npy", x)])
    (tmp_path / "shards").mkdir()
    for number, rows in enumerate(np.array_split(x, 9)):
        save(tmp_path / "shards" / f"{number}.npy", rows)
    for one, other in zip(whole.quantities, measure([tmp_path / "shards"]).quantities, strict=True):
        assert other.value == pytest.approx(one.value, rel=1e-10)
        assert (one.low is None) == (one.name == "dims_for_90")
        if one.low is not None:
            assert (other.low, other.high) == pytest.approx((one.low, one.high), rel=1e-10)


def test_alignment_to_a_second_set(tmp_path: Path) -> None:
    x = sample()
    other = x + np.random.default_rng(1).normal(size=x.shape) * 0.2
    found = measure([save(tmp_path / "x.npy", x)], [save(tmp_path / "y.npy", other)])
    pair = torch.from_numpy(x), torch.from_numpy(other)
    dims = spectrum.dims_for_variance(pair[1])
    assert found["variance_in_other"] == pytest.approx(float(spectrum.subspace_alignment(*pair)[dims - 1]), rel=1e-10)
    assert found["row_cosine"] == pytest.approx(float(torch.cosine_similarity(*pair).mean()), rel=1e-10)
    fewer = measure([tmp_path / "x.npy"], [save(tmp_path / "z.npy", other[:100])])
    assert "row_cosine" not in without_intervals(fewer)
    assert "variance_in_other" in without_intervals(fewer)
    with pytest.raises(InputError, match=r"w\.npy has dimension 11, the first set 12"):
        measure([tmp_path / "x.npy"], [save(tmp_path / "w.npy", other[:, 1:])])


@pytest.mark.parametrize("mean", [0.0, 1e3])
@pytest.mark.parametrize("condition", [1e2, 1e5, 1e12])
@pytest.mark.parametrize("kind", ["f2", "f4", "f8"])
def test_accuracy_is_what_the_help_says(kind: str, condition: float, mean: float, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(32, 32)))[0]
    x = (rng.normal(size=(1000, 32)) * np.geomspace(1, 1 / condition, 32) @ turn + mean).astype(kind)
    rows = x.astype("f8")
    exact = torch.from_numpy(np.linalg.svd(rows - rows.mean(0), compute_uv=False))
    found = measure([save(tmp_path / "x.npy", x)])
    assert found["effective_rank"] == pytest.approx(spectrum.effective_rank_of(exact), rel=1e-11)
    assert found["participation_ratio"] == pytest.approx(spectrum.participation_ratio_of(exact), rel=1e-11)
    assert found["dims_for_90"] == spectrum.dims_for_variance_of(exact)
    amplitude = spectrum.effective_rank_of(exact, spectrum="amplitude")
    tolerance = 1e-9 if exact[-1] > 1e-6 * exact[0] else 1e-4
    assert found["effective_rank_amplitude"] == pytest.approx(amplitude, rel=tolerance)


def test_the_interval_scatters_as_much_as_samples_do(tmp_path: Path) -> None:
    ranks, widths = [], []
    for seed in range(24):
        found = measure([save(tmp_path / "x.npy", sample(200, 6, seed=seed))])
        ranks.append(found["effective_rank"])
        (own,) = (own for own in found.quantities if own.name == "effective_rank")
        assert own.low is not None
        widths.append(own.value - own.low)
    # 2.093 is the quantile of Student's t for 20 blocks; a spread of 24 samples is good to about a seventh.
    assert np.mean(widths) / 2.093 == pytest.approx(np.std(ranks, ddof=1), rel=0.4)


def test_no_interval_where_there_is_none(tmp_path: Path) -> None:
    few = measure([save(tmp_path / "x.npy", sample(3))])
    assert {own.low for own in few.quantities} == {None}
    assert few.notes()[-1] == "intervals: none, for want of rows"
    one_differs = np.ones((100, 3))
    one_differs[7] = 2, 3, 4
    found = measure([save(tmp_path / "x.npy", one_differs)])
    assert found["effective_rank"] == pytest.approx(1)
    assert {own.low for own in found.quantities} == {None}


def test_what_cannot_be_measured_is_refused(tmp_path: Path) -> None:
    equal = save(tmp_path / "x.npy", np.full((30, 4), 0.1))
    with pytest.raises(InputError, match="all equal: no rank is defined"):
        measure([equal])
    with pytest.raises(InputError, match="all equal: no rank is defined"):
        measure([save(tmp_path / "y.npy", sample(30, 4))], [equal])
    with pytest.raises(InputError, match="blocks is 1; it must be at least 2"):
        measure([equal], blocks=1)


def test_reports_stand_side_by_side(tmp_path: Path) -> None:
    one, two = (measure([save(tmp_path / "x.npy", sample(seed=seed))]) for seed in range(2))
    made = table({"one": one, "two": two}).set_index("quantity")
    assert list(made.index) == [TITLES[own.name] for own in one.quantities]
    (rank,) = (own for own in two.quantities if own.name == "effective_rank")
    assert made.loc["effective rank (variance)", "two"] == f"{rank.value:.4g} ({rank.low:.4g} to {rank.high:.4g})"
    assert made.loc["dimensions for 90 % of the variance", "one"] == f"{one['dims_for_90']:g}"
