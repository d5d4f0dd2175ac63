"""What other tools compute on the same embeddings, in a few lines each, beside what this package computes.

The formulas are theirs, centring and constants included; the tests hold them to the libraries where those are at hand.
"""

import pandas as pd
import torch
from torch import Tensor

from asymdistill.metrics.contrastive import unit_rows
from asymdistill.metrics.spectrum import (
    dims_for_variance,
    effective_rank,
    participation_ratio_of,
    singular_values,
)


def rankme(embeddings: Tensor) -> float:
    """Return RankMe: Garrido et al., "RankMe", ICML 2023, eq. (1). Not centred; 1e-7 is added to every share."""
    values = torch.linalg.svdvals(embeddings.double())
    shares = values / values.sum() + 1e-7
    return float(torch.exp(-(shares * shares.log()).sum()))


def std_of_l2_normalized(embeddings: Tensor) -> float:
    """Return what ``lightly.utils.debug`` watches: the mean over axes of the standard deviation of unit rows.

    From Chen & He, "Exploring Simple Siamese Representation Learning", CVPR 2021. It is 0 at full collapse and at most
    about 1 / sqrt(d), where rows spread evenly over the axes as they are; it counts no dimensions.
    """
    return float(unit_rows("embeddings", embeddings).std(0).mean())


def lpca_participation_ratio(embeddings: Tensor) -> float:
    """Return what scikit-dimension's ``lPCA(ver="participation_ratio")`` estimates, from the covariance matrix."""
    covariance = torch.cov(embeddings.double().T)
    return float(covariance.trace().square() / covariance.square().sum())


def lpca_ratio(embeddings: Tensor) -> int:
    """Return what scikit-dimension's ``lPCA(ver="ratio", alphaRatio=0.9)`` estimates."""
    variances = torch.linalg.eigvalsh(torch.cov(embeddings.double().T)).flip(0)
    return int((variances.cumsum(0) / variances.sum() < 0.9).sum()) + 1


def lpca_fo(embeddings: Tensor) -> int:
    """Return what scikit-dimension's ``lPCA()`` estimates, its default: directions above 5 % of the largest variance.

    From Fukunaga & Olsen, "An algorithm for finding intrinsic dimensionality of data", 1971.
    """
    variances = torch.linalg.eigvalsh(torch.cov(embeddings.double().T))
    return int((variances > 0.05 * variances.max()).sum())


def table(embeddings: Tensor) -> pd.DataFrame:
    """Every tool's number beside ours, where there is one that means the same.

    Args:
        embeddings: N x d, without rows of zeros.

    Returns:
        Columns tool, measure, theirs, ours and ``our name``, as text; a dash where there is no such number.
    """
    rows = [
        ("RankMe", "effective rank, not centred", rankme(embeddings),
         effective_rank(embeddings, center=False, spectrum="amplitude"), "amplitude, not centred"),
        ("RankMe", "after centring", rankme(embeddings.double() - embeddings.double().mean(0)),
         effective_rank(embeddings, spectrum="amplitude"), "amplitude"),
        ("scikit-dimension", "lPCA, participation ratio", lpca_participation_ratio(embeddings),
         participation_ratio_of(singular_values(embeddings)), "participation ratio"),
        ("scikit-dimension", "lPCA, 90 % of the variance", float(lpca_ratio(embeddings)),
         float(dims_for_variance(embeddings)), "dimensions for 90 %"),
        ("scikit-dimension", "lPCA, default (FO)", float(lpca_fo(embeddings)), None, "none"),
        ("lightly", "std of unit rows", std_of_l2_normalized(embeddings), None, "none"),
        ("none", "effective rank of variances", None, effective_rank(embeddings), "variance"),
    ]  # fmt: skip
    made = pd.DataFrame(rows, columns=["tool", "measure", "theirs", "ours", "our name"])
    shown = {name: ["–" if pd.isna(value) else f"{value:.6g}" for value in made[name]] for name in ("theirs", "ours")}
    return made.assign(**shown)
