"""What judges recorded runs starts without PyTorch, the teachers' libraries, or those that draw."""

from pathlib import Path

import pytest
from fresh_process import imported_by

import asymdistill.claims

HEAVY = {"torch", "open_clip", "timm", "torchvision", "scipy", "sklearn", "matplotlib", "seaborn"}
CLAIMS = [f"asymdistill.claims.{path.stem}" for path in sorted(Path(asymdistill.claims.__path__[0]).glob("[a-z]*.py"))]


@pytest.mark.parametrize(
    "code",
    [
        f"import {', '.join(CLAIMS)}",
        "from asymdistill.claims.evaluate import evaluate; evaluate(None)",
        "import asymdistill.study.recorded",
        "import asymdistill.builder.prose",
    ],
)
def test_nothing_heavy_is_imported(code: str) -> None:
    found = imported_by(code)
    assert "pandas" in found
    assert not HEAVY & found
