"""The face of the metrics: everything from one place, and nothing imported that was not asked for."""

import pytest
from fresh_process import imported_by

from asymdistill import metrics

HEAVY = {"torchmetrics", "sklearn", "scipy", "torchvision", "open_clip", "timm", "pandas", "matplotlib"}


def test_metrics_need_no_more_than_pytorch_and_set_nothing_for_the_process() -> None:
    code = (
        "import os, torch; before = dict(os.environ)\n"
        "from asymdistill.metrics import crossmodal, decomposition, neighbours, probe, resampling, spectrum\n"
        "from asymdistill.metrics import effective_rank, info_nce, uniformity\n"
        "effective_rank(torch.eye(3)), info_nce(torch.eye(3), torch.eye(3)), uniformity(torch.eye(3))\n"
        "assert os.environ == before"
    )
    assert not imported_by(code) & HEAVY


def test_what_needs_a_library_imports_it_when_it_is_asked_for() -> None:
    assert "torchmetrics" in imported_by("from asymdistill.metrics import EffectiveRank; EffectiveRank(4)")
    code = "import torch; from asymdistill.metrics import fit_probe; fit_probe(torch.eye(4), torch.arange(4) % 2)"
    assert {"sklearn", "scipy"} <= imported_by(code)


def test_all_that_is_listed_is_there_and_nothing_else() -> None:
    assert all(callable(getattr(metrics, name)) for name in metrics.__all__)
    assert metrics.__all__ == sorted(metrics.__all__)
    with pytest.raises(AttributeError, match="no attribute 'rank_me'"):
        metrics.rank_me  # noqa: B018
