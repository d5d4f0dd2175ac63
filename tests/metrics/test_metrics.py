"""The face of the metrics: everything from one place, and nothing imported that was not asked for."""

import subprocess
import sys

import pytest

from asymdistill import metrics

HEAVY = ("torchmetrics", "sklearn", "scipy", "torchvision", "open_clip", "timm", "pandas", "matplotlib")


def imported_by(code: str) -> set[str]:
    """Which of the heavy libraries a fresh process has imported after some code."""
    script = f"import sys\n{code}\nprint(*(name for name in {HEAVY} if name in sys.modules))"
    return set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    )


@pytest.mark.parametrize(
    "code",
    [
        "import asymdistill.metrics",
        "import asymdistill.metrics.spectrum",
        "from asymdistill.metrics import crossmodal, decomposition, neighbours, probe, resampling",
        "import torch; from asymdistill.metrics import effective_rank; effective_rank(torch.eye(3))",
        "import torch; from asymdistill.metrics import info_nce, uniformity; info_nce(torch.eye(3), torch.eye(3))",
    ],
)
def test_metrics_need_no_more_than_pytorch(code: str) -> None:
    assert imported_by(code) == set()


def test_only_the_streaming_rank_imports_torchmetrics() -> None:
    assert "torchmetrics" in imported_by("from asymdistill.metrics import EffectiveRank; EffectiveRank(4)")


def test_a_probe_imports_scikit_learn_when_it_is_fitted() -> None:
    code = "import torch; from asymdistill.metrics import fit_probe; fit_probe(torch.eye(4), torch.arange(4) % 2)"
    assert {"sklearn", "scipy"} <= imported_by(code)


def test_importing_the_package_sets_nothing_for_the_process() -> None:
    code = "import os; before = dict(os.environ); import asymdistill, asymdistill.metrics; assert os.environ == before"
    imported_by(code)


def test_all_that_is_listed_is_there_and_nothing_else() -> None:
    assert all(callable(getattr(metrics, name)) for name in metrics.__all__)
    assert metrics.__all__ == sorted(metrics.__all__)
    with pytest.raises(AttributeError, match="no attribute 'rank_me'"):
        metrics.rank_me  # noqa: B018
