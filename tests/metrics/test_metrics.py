"""The face of the metrics: everything from one place, and nothing imported that was not asked for."""

import pytest
from fresh_process import imported_in_turn

from asymdistill import metrics

HEAVY = {"torchmetrics", "sklearn", "scipy", "torchvision", "open_clip", "timm", "pandas", "matplotlib"}


def test_metrics_need_no_more_than_pytorch_set_nothing_for_the_process_and_import_libraries_when_asked() -> None:
    plain, with_probe, with_class = imported_in_turn(
        "import os, torch; before = dict(os.environ)\n"
        "from asymdistill.metrics import crossmodal, decomposition, neighbours, probe, resampling, spectrum\n"
        "from asymdistill.metrics import effective_rank, info_nce, uniformity\n"
        "effective_rank(torch.eye(3)), info_nce(torch.eye(3), torch.eye(3)), uniformity(torch.eye(3))\n"
        "assert os.environ == before",
        "from asymdistill.metrics import fit_probe; fit_probe(torch.eye(4), torch.arange(4) % 2)",
        "from asymdistill.metrics import EffectiveRank; EffectiveRank(4)",
    )
    assert not plain & HEAVY
    assert {"sklearn", "scipy"} <= with_probe
    assert "torchmetrics" in with_class - with_probe


def test_all_that_is_listed_is_there_and_nothing_else() -> None:
    assert all(callable(getattr(metrics, name)) for name in metrics.__all__)
    assert metrics.__all__ == sorted(metrics.__all__)
    with pytest.raises(AttributeError, match="no attribute 'rank_me'"):
        metrics.rank_me  # noqa: B018
