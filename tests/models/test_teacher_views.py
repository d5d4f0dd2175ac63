"""What teachers see: equal to their own library's inference transform, or refused by name."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import timm
import torch
from open_clip import pretrained as registry
from open_clip.transform import PreprocessCfg, image_transform_v2, merge_preprocess_dict
from PIL import Image
from torch import Tensor, nn

from asymdistill.config.names import SCENES_CLIP, SCENES_SIMCLR, SHIPPED_TEACHERS
from asymdistill.data.preprocess import CLIP_MEAN, CLIP_STD, IMAGENET_MEAN, IMAGENET_STD
from asymdistill.data.views import View
from asymdistill.models.teacher_views import teacher_view
from asymdistill.runtime.errors import InputError

DINO = "timm:vit_small_patch14_dinov2.lvd142m"
# By name: resolution, interpolation, crop and resize mode, so that each kind of recipe is here for certain.
RECIPES: dict[str, tuple[int, str, float, str]] = {
    "open_clip:ViT-B-32-quickgelu/openai": (224, "bicubic", 1.0, "shortest"),
    "open_clip:ViT-B-16-SigLIP/webli": (224, "bicubic", 1.0, "squash"),
    "open_clip:MobileCLIP-S1/datacompdr": (256, "bilinear", 1.0, "shortest"),
    "open_clip:PE-Core-T-16-384/meta": (384, "bilinear", 1.0, "squash"),
    "open_clip:coca_ViT-B-32/laion2b_s13b_b90k": (224, "bicubic", 1.0, "shortest"),
    DINO: (518, "bicubic", 1.0, "shortest"),
    "timm:tf_efficientnet_lite0.in1k": (224, "bicubic", 0.875, "shortest"),
    "timm:resnet50.tv_in1k": (224, "bilinear", 0.875, "shortest"),
    "timm:resnet18.a1_in1k": (224, "bicubic", 0.95, "shortest"),
    "timm:vit_base_patch16_siglip_224.webli": (224, "bicubic", 0.9, "shortest"),
    "timm:convnext_base.fb_in22k_ft_in1k_384": (384, "bicubic", 1.0, "squash"),
}
SIZES = [(32, 32), (61, 47), (300, 420), (518, 224)]


def pictures(height: int, width: int) -> Tensor:
    """A smooth picture and a random one."""
    rng = np.random.default_rng(height)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    smooth = 255 * np.stack([x, y, np.sin(9 * x * y) ** 2], axis=-1)
    return torch.from_numpy(np.stack([smooth, rng.integers(0, 256, smooth.shape)]).astype(np.uint8))


def library_transform(name: str) -> Any:
    """What the library's own documentation says to do with a PIL image, without building a network."""
    library, _, model = name.partition(":")
    if library == "timm":
        config = timm.data.resolve_data_config({}, pretrained_cfg=timm.models.get_pretrained_cfg(model).to_dict())
        return timm.data.create_transform(**config, is_training=False)
    architecture, _, tag = model.partition("/")
    config = merge_preprocess_dict(PreprocessCfg(), open_clip.get_pretrained_cfg(architecture, tag))
    config["size"] = open_clip.get_model_config(architecture)["vision_cfg"]["image_size"]
    return image_transform_v2(PreprocessCfg(**config), is_train=False)


@pytest.mark.parametrize("name", RECIPES)
def test_a_view_is_the_librarys_own_inference_transform(name: str) -> None:
    view, transform = teacher_view(name), library_transform(name)
    assert (view.resolution, view.interpolation, view.crop, view.resize_mode) == RECIPES[name]
    for size in SIZES:
        images = pictures(*size)
        expected = torch.stack([transform(Image.fromarray(image.numpy())) for image in images])
        grey_level = 1 / (255 * min(view.std))
        assert (view(images) - expected).abs().max() < 1.001 * grey_level


def test_recipes_differ_where_it_shows() -> None:
    images = pictures(61, 47)
    plain = View(32)
    for other in (View(32, interpolation="bilinear"), View(32, crop=0.875), View(32, resize_mode="squash")):
        assert (other(images) - plain(images)).abs().mean() > 0.02


def test_without_its_crop_a_teacher_sees_a_square_image_whole() -> None:
    images = pictures(32, 32)
    for name in ("timm:tf_efficientnet_lite0.in1k", "timm:vit_base_patch16_siglip_224.webli"):
        published, whole = teacher_view(name), teacher_view(name, crop=False)
        plain = View(published.resolution, published.mean, published.std, published.interpolation)
        assert whole == plain
        assert torch.equal(whole(images), plain(images))
        assert not torch.equal(whole(images), published(images))
    assert teacher_view("open_clip:ViT-B-32-quickgelu/openai", crop=False) == View(224)
    assert teacher_view(DINO, 224, crop=False) == View(224, IMAGENET_MEAN, IMAGENET_STD)


def test_another_resolution_changes_nothing_else_of_a_view() -> None:
    assert teacher_view(DINO, 224) == View(224, IMAGENET_MEAN, IMAGENET_STD)
    assert teacher_view(DINO, 518) == teacher_view(DINO)
    half = (0.5, 0.5, 0.5)
    assert teacher_view("timm:tf_efficientnet_lite0.in1k", 130) == View(130, half, half, crop=0.875)
    assert teacher_view("open_clip:ViT-B-16-SigLIP/webli", 256) == View(256, half, half, resize_mode="squash")
    assert teacher_view(SCENES_CLIP, 32) == teacher_view(SCENES_SIMCLR) == View(32, CLIP_MEAN, CLIP_STD)


@pytest.mark.parametrize(
    ("name", "resolution", "message"),
    [
        ("timm:volo_d5_512.sail_in1k", None, "published with crop_pct 1.15, which adds a border; allowed: up to 1"),
        ("timm:vit_base_patch16_sapiens2.fb", None, "takes images of 1024 x 768 pixels; allowed: square ones"),
        (DINO, 225, "teacher_resolution is 225 .* patches of 14 x 14 pixels; allowed: multiples of 14"),
        ("open_clip:ViT-B-32-quickgelu/openai", 100, "patches of 32 x 32 pixels; allowed: multiples of 32"),
        ("open_clip:ViT-B-16-SigLIP/webli", 250, "patches of 16 x 16 pixels; allowed: multiples of 16"),
        ("open_clip:RN50-quickgelu/openai", 256, "teacher_resolution is 256; .* allows 224 only"),
        (SCENES_CLIP, 64, "teacher_resolution is 64; teacher 'scenes-clip' allows 32 only"),
        (SCENES_SIMCLR, 224, "teacher_resolution is 224; teacher 'scenes-simclr' allows 32 only"),
        ("timm:vit_enormous", None, "timm has no model"),
        ("clip", None, "no teacher 'clip'"),
    ],
)
def test_what_cannot_be_shown_is_refused_by_name(name: str, resolution: int | None, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        teacher_view(name, resolution)
    assert "\n" not in str(caught.value)
    assert name.partition(":")[2] in str(caught.value)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"resize_mode": "longest"}, "resize_mode 'longest', which is not reproduced here; allowed: shortest, squash"),
        ({"interpolation": "random"}, "interpolation 'random', .*; allowed: bicubic, bilinear"),
    ],
)
def test_a_recipe_of_open_clip_that_is_not_reproduced_is_refused(
    recipe: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = dict(registry._PRETRAINED["ViT-B-16"])
    monkeypatch.setitem(registry._PRETRAINED, "ViT-B-16", own | {"openai": own["datacomp_xl_s13b_b90k"] | recipe})
    with pytest.raises(InputError, match=f"'open_clip:ViT-B-16/openai' is published with {message}"):
        teacher_view("open_clip:ViT-B-16/openai")


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"crop_mode": "border"}, "resize_mode 'border'"),
        ({"interpolation": "lanczos"}, "interpolation 'lanczos'"),
        ({"interpolation": "random"}, "interpolation 'random'"),
    ],
)
def test_a_recipe_of_timm_that_is_not_reproduced_is_refused(
    recipe: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = timm.models.get_pretrained_cfg("resnet18.a1_in1k")
    for key, value in recipe.items():
        monkeypatch.setattr(config, key, value)
    monkeypatch.setattr(timm.models, "get_pretrained_cfg", lambda *_, **__: config)
    with pytest.raises(InputError, match=f"'timm:resnet18.a1_in1k' is published with {message}, which is not"):
        teacher_view("timm:resnet18.a1_in1k")


def test_no_network_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn.Module, "__init__", lambda self: pytest.fail("a network is built"))
    assert {teacher_view(name).resolution for name in (*SHIPPED_TEACHERS, *RECIPES)} == {32, 224, 256, 384, 518}


def test_a_resolution_that_open_clip_gives_as_height_and_width_is_one_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, size in (("Tiny-pair", [48, 48]), ("Tiny-oblong", [48, 32])):
        config = {"embed_dim": 24, "vision_cfg": {"image_size": size, "layers": 2, "width": 64, "patch_size": 16}}
        (tmp_path / f"{name}.json").write_text(json.dumps(config | {"text_cfg": {}}))
        open_clip.add_model_config(tmp_path / f"{name}.json")
        for spelling in (name, name.lower()):
            monkeypatch.setitem(registry._PRETRAINED, spelling, {"own": registry._pcfg()})
    assert teacher_view("open_clip:Tiny-pair/own") == View(48)
    with pytest.raises(InputError, match="'open_clip:Tiny-oblong/own' takes images of 48 x 32 pixels"):
        teacher_view("open_clip:Tiny-oblong/own")


def test_every_model_of_open_clip_has_a_view() -> None:
    found = []
    for name in (f"open_clip:{model}/{tag}" for model, tag in open_clip.list_pretrained()):
        with suppress(InputError):  # weights for another activation function
            found.append(teacher_view(name))
    assert len(found) > 150
    assert min(view.resolution for view in found) >= 160
    assert {view.interpolation for view in found} == {"bicubic", "bilinear"}
    assert {view.resize_mode for view in found} == {"shortest", "squash"}
