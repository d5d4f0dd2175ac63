"""Metrics of embeddings: pure functions of tensors. Importing them needs only PyTorch.

``EffectiveRank``, a metric of torchmetrics, is imported only when it is asked for.
"""

from typing import TYPE_CHECKING

from asymdistill.metrics.contrastive import info_nce, mutual_information_bound, uniformity
from asymdistill.metrics.crossmodal import modality_gap, retrieval, zero_shot_accuracy
from asymdistill.metrics.decomposition import class_ranks, component_r_squared, factor_shares, shrinkage_rank, truncate
from asymdistill.metrics.neighbours import neighbour_accuracy, neighbour_overlap
from asymdistill.metrics.probe import Probe, fit_probe
from asymdistill.metrics.resampling import bootstrap_interval, jackknife_interval, rank_by_sample_size
from asymdistill.metrics.spectrum import (
    dims_for_variance,
    dims_for_variance_of,
    effective_rank,
    effective_rank_of,
    participation_ratio_of,
    singular_values,
    subspace_alignment,
)

if TYPE_CHECKING:
    from asymdistill.metrics.streaming import EffectiveRank

__all__ = [
    "EffectiveRank",
    "Probe",
    "bootstrap_interval",
    "class_ranks",
    "component_r_squared",
    "dims_for_variance",
    "dims_for_variance_of",
    "effective_rank",
    "effective_rank_of",
    "factor_shares",
    "fit_probe",
    "info_nce",
    "jackknife_interval",
    "modality_gap",
    "mutual_information_bound",
    "neighbour_accuracy",
    "neighbour_overlap",
    "participation_ratio_of",
    "rank_by_sample_size",
    "retrieval",
    "shrinkage_rank",
    "singular_values",
    "subspace_alignment",
    "truncate",
    "uniformity",
    "zero_shot_accuracy",
]


def __getattr__(name: str) -> object:
    """Import what needs torchmetrics (PEP 562)."""
    if name == "EffectiveRank":
        from asymdistill.metrics.streaming import EffectiveRank

        return EffectiveRank
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
