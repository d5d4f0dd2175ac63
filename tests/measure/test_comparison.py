"""Other tools' formulas are theirs, and equal ours where the definitions do."""

import pytest
import torch

from asymdistill.measure import comparison
from asymdistill.metrics import spectrum

X = torch.randn(300, 12, generator=torch.Generator().manual_seed(0)) / torch.arange(1, 13).sqrt() + 0.5


def test_rankme_is_the_amplitude_rank_without_centring() -> None:
    # Their code, with its epsilon: https://arxiv.org/abs/2210.02885, eq. (1)
    _, values, _ = torch.linalg.svd(X.double())
    shares = values / torch.linalg.norm(values, ord=1) + 1e-7
    assert comparison.rankme(X) == pytest.approx(float(torch.exp(-torch.sum(shares * torch.log(shares)))), rel=1e-12)
    assert comparison.rankme(X) == pytest.approx(
        spectrum.effective_rank(X, center=False, spectrum="amplitude"), rel=1e-4
    )
    assert comparison.rankme(X) < 0.95 * spectrum.effective_rank(X, spectrum="amplitude")


def test_lightlys_spread_is_lightlys() -> None:
    debug = pytest.importorskip("lightly.utils.debug")
    assert comparison.std_of_l2_normalized(X) == pytest.approx(float(debug.std_of_l2_normalized(X)), rel=1e-5)


def test_covariances_give_what_singular_values_do() -> None:
    roots = spectrum.singular_values(X)
    assert comparison.lpca_participation_ratio(X) == pytest.approx(spectrum.participation_ratio_of(roots), rel=1e-12)
    assert comparison.lpca_ratio(X) == spectrum.dims_for_variance(X)


def test_scikit_dimension_has_the_same_numbers() -> None:
    lpca = pytest.importorskip("skdim").id.lPCA
    rows = X.double().numpy()
    pairs = {
        comparison.lpca_participation_ratio(X): lpca(ver="participation_ratio"),
        comparison.lpca_ratio(X): lpca(ver="ratio", alphaRatio=0.9),
        comparison.lpca_fo(X): lpca(),
    }
    for ours, estimator in pairs.items():
        assert estimator.fit(rows).dimension_ == pytest.approx(ours, rel=1e-10)


def test_the_table_has_both_where_both_are_there() -> None:
    made = comparison.table(X).set_index("measure")
    same = made[(made["theirs"] != "–") & (made["ours"] != "–")]
    assert len(same) == 4
    assert [float(value) for value in same["ours"]] == pytest.approx(
        [float(value) for value in same["theirs"]], rel=1e-3
    )
    assert set(made.loc[["lPCA, default (FO)", "std of unit rows"], "ours"]) == {"–"}
