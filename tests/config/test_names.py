"""Names: what the name of a teacher means, without its library."""

import pytest

from asymdistill.config.names import (
    CONVOLUTIONAL,
    SHIPPED_TEACHERS,
    TRANSFORMER,
    UNKNOWN,
    architecture,
    short_name,
    teacher_library,
)
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


KINDS = {
    CONVOLUTIONAL: (
        *("imagenet-efficientnet-lite0", "open_clip:RN50-quickgelu/openai"),
        *("timm:resnet50.a1_in1k", "timm:efficientnet_b0.ra_in1k", "timm:tf_efficientnet_lite0"),
    ),
    TRANSFORMER: (
        *("scenes-clip", "scenes-simclr", "open_clip:ViT-B-32-quickgelu/openai"),
        "timm:vit_small_patch14_dinov2.lvd142m",
        "timm:vit_small_patch14_dinov2.lvd142m (mine.safetensors)",
    ),
    # Networks of both kinds of layers, and names that say nothing.
    UNKNOWN: ("open_clip:ViTamin-L/datacomp1b", "timm:vitamin_base_224", "open_clip:coca_ViT-L-14/x", "timm:mixer", ""),
}


@pytest.mark.parametrize(("kind", "teacher"), [(kind, name) for kind, names in KINDS.items() for name in names])
def test_a_name_says_what_kind_of_network_a_teacher_is(kind: str, teacher: str) -> None:
    assert architecture(teacher) == kind


def test_the_architecture_of_every_teacher_that_is_shipped_is_known() -> None:
    assert UNKNOWN not in map(architecture, SHIPPED_TEACHERS)


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("scenes", "Scenes"),
        ("data/cifar10.npz", "CIFAR-10"),
        ("scenes-clip", "scenes-clip"),
        ("photos/mine.npz", "mine"),
        ("photos/folder/", "folder"),
        ("open_clip:ViT-B-32-quickgelu/openai", "ViT-B-32-quickgelu"),
        ("timm:vit_small_patch14_dinov2.lvd142m", "vit_small_patch14_dinov2"),
        ("timm:vit_small_patch14_dinov2.lvd142m (mine.safetensors)", "mine"),
    ],
)
def test_a_short_name_has_no_library_folder_or_training_tag(name: str, short: str) -> None:
    assert short_name(name) == short
