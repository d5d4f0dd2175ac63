"""Names: what the name of a teacher means, without its library."""

import pytest

from asymdistill.config.names import SHIPPED_TEACHERS, teacher_library
from asymdistill.runtime.errors import InputError


def test_a_name_says_where_a_teacher_comes_from() -> None:
    assert {teacher_library(name) for name in SHIPPED_TEACHERS} == {"shipped"}
    assert teacher_library("open_clip:ViT-B-32-quickgelu/openai") == "open_clip"
    assert teacher_library("timm:vit_small_patch14_dinov2.lvd142m") == "timm"


@pytest.mark.parametrize(
    "name", ["", "clip", "embedded:x", "shipped", "open_clip", "open_clip:", "timm", "timm:", ":", "hf:x", "Embedded"]
)
def test_any_other_name_is_refused_with_what_is_allowed(name: str) -> None:
    allowed = [*map(repr, SHIPPED_TEACHERS), "'open_clip:<model>/<pretrained tag>'", "'timm:<model>'"]
    with pytest.raises(InputError) as caught:
        teacher_library(name)
    assert str(caught.value) == f"no teacher {name!r}; allowed: {', '.join(allowed)}"
