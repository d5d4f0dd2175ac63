"""What judges recorded runs starts without PyTorch, the teachers' libraries, or those that draw."""

from pathlib import Path

from fresh_process import imported_in_turn

import asymdistill.claims

HEAVY = {"torch", "open_clip", "timm", "torchvision", "scipy", "sklearn", "matplotlib", "seaborn"}
CLAIMS = [f"asymdistill.claims.{path.stem}" for path in sorted(Path(asymdistill.claims.__path__[0]).glob("[a-z]*.py"))]


def test_nothing_heavy_is_imported() -> None:
    codes = (
        "import asymdistill.builder.prose",
        "import asymdistill.study.recorded",
        f"import {', '.join(CLAIMS)}",
        "from asymdistill.claims.evaluate import evaluate; evaluate(None)",
    )
    for code, found in zip(codes, imported_in_turn(*codes), strict=True):
        assert "pandas" in found, code
        assert not HEAVY & found, code
