"""Teachers: frozen, equal to their own library's result, and refused in one line where something does not fit."""

import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import fake_hub
import numpy as np
import open_clip
import pytest
import timm
import torch
from damages import Trap
from fresh_process import imported_in_turn
from open_clip import pretrained as registry
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from asymdistill.config.names import EFFICIENTNET, SCENES_CLIP, SCENES_SIMCLR, SHIPPED_TEACHERS, WEIGHTS_VARIABLE
from asymdistill.config.profiles import load_settings
from asymdistill.data import scenes
from asymdistill.data.preprocess import IMAGENET_MEAN, IMAGENET_STD
from asymdistill.data.views import View
from asymdistill.models import mini_clip
from asymdistill.models.teacher_views import teacher_view
from asymdistill.models.teachers import (
    NORMALISATION,
    Teacher,
    check_fit,
    load_teacher,
    resolve_precision,
    untrained_teacher,
)
from asymdistill.models.weights import shipped_path
from asymdistill.runtime.errors import InputError

DINO = "vit_small_patch14_dinov2.lvd142m"
TINY = {
    "embed_dim": 24,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 48, "layers": 2, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


def photographs(count: int = 3) -> Tensor:
    return scenes.generate(count, seed=5).images


def unit(embeddings: Tensor) -> Tensor:
    return embeddings / embeddings.norm(dim=1, keepdim=True)


def save(model: nn.Module, path: Path) -> Path:
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, path)
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache, empty, and no network."""
    fake_hub.use(monkeypatch, tmp_path / "hub", fake_hub.refusing())
    return tmp_path / "hub"


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Register a tiny CLIP with and without QuickGELU, each with weights trained the one way and the other."""
    folder = tmp_path_factory.mktemp("tiny")
    for name, quick in (("Tiny-quickgelu", True), ("Tiny", False)):
        (folder / f"{name}.json").write_text(json.dumps(TINY | {"quick_gelu": quick}))
        open_clip.add_model_config(folder / f"{name}.json")
    return folder


@pytest.fixture
def tiny(tiny_clip: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The weights of the tiny CLIP, which the tag ``openai`` stands for."""
    quick = {"openai": registry._pcfg("https://nowhere.invalid/openai.pt", hf_hub="someone/tiny/", quick_gelu=True)}
    plain = {"plain": registry._pcfg("https://nowhere.invalid/plain.pt", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))}
    for name in ("tiny-quickgelu", "tiny", "Tiny-quickgelu", "Tiny"):
        monkeypatch.setitem(registry._PRETRAINED, name, quick | plain)
    torch.manual_seed(0)
    return save(open_clip.create_model("Tiny-quickgelu"), tiny_clip / "tiny.safetensors")


# Teachers that come with the package


def drawn() -> Tensor:
    """Three pictures of 64 x 64 pixels: a ramp of colours, a chequerboard and a disc."""
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    ramp = torch.stack([4 * x, 4 * y, 255 - 2 * x - 2 * y], dim=2)
    board = 255 * ((x // 8 + y // 8) % 2)[..., None].expand(64, 64, 3)
    disc = torch.where(((x - 32) ** 2 + (y - 32) ** 2 < 400)[..., None], torch.tensor([230, 40, 30]), 120)
    return torch.stack([ramp, board, disc]).to(torch.uint8)


def test_the_imagenet_teachers_embeddings_are_those_it_was_shipped_with() -> None:
    teacher = load_teacher(EFFICIENTNET)
    assert (teacher.embedding_dim, teacher.text_tower) == (1280, None)
    assert teacher.view == View(224, (0.5,) * 3, (0.5,) * 3, crop=0.875)
    embeddings = teacher.encode(drawn())
    assert embeddings.shape == (3, 1280)
    # From the original float32 weights in timm's network, with timm's own transform.
    largest = embeddings.topk(3, dim=1)
    assert largest.indices.tolist() == [[113, 930, 897], [1085, 556, 39], [71, 1231, 689]]
    values = [[0.36825, 0.36601, 0.28719], [0.31766, 0.27987, 0.25698], [0.29255, 0.19191, 0.17944]]
    assert torch.allclose(largest.values, torch.tensor(values), atol=6e-3)
    assert (embeddings @ embeddings.T)[0, 1:].tolist() == pytest.approx([0.1117, 0.2302], abs=6e-3)
    assert teacher.parameter_count == 3_371_008


def test_batch_normalisation_is_folded_into_the_convolutions_and_changes_nothing() -> None:
    network = timm.create_model("tf_efficientnet_lite0", num_classes=0).eval()
    network.load_state_dict({key: value.float() for key, value in load_file(shipped_path(EFFICIENTNET)).items()})
    teacher = load_teacher(EFFICIENTNET, resolution=64)
    assert not [module for module in teacher.modules() if isinstance(module, nn.BatchNorm2d)]
    assert not [parameter for parameter in teacher.parameters() if parameter.requires_grad]
    inputs = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(teacher(inputs), network(inputs), rtol=1e-4, atol=2e-5)


def test_the_imagenet_teacher_sees_other_resolutions_and_the_whole_picture() -> None:
    whole, small = load_teacher(EFFICIENTNET, crop=False), load_teacher(EFFICIENTNET, resolution=128, crop=False)
    assert small.view == View(128, (0.5,) * 3, (0.5,) * 3)
    cosines = (whole.encode(photographs(20)) * small.encode(photographs(20))).sum(dim=1)
    assert 0.3 < cosines.mean() < 0.99


def test_the_embedded_teacher_is_its_towers(teacher_file: Path) -> None:
    teacher, pair = load_teacher(SCENES_CLIP, weights=teacher_file), mini_clip.load_towers(teacher_file)
    images = photographs(20)
    embeddings = teacher.encode(images)
    assert (teacher.name, teacher.embedding_dim, teacher.resolution) == (SCENES_CLIP, 128, 32)
    assert embeddings.shape == (20, 128)
    assert embeddings.dtype == torch.float32
    assert torch.allclose(embeddings, unit(pair.image(View(32)(images))), atol=1e-6)
    captions = ["a red circle", "a square at the left"]
    assert torch.allclose(teacher.encode_text(captions), unit(pair.text.encode(captions)), atol=1e-6)


def test_the_embedded_teacher_without_captions_sees_images_alone() -> None:
    teacher, pair = load_teacher(SCENES_SIMCLR), mini_clip.load_towers(shipped_path(SCENES_SIMCLR))
    images = photographs(20)
    embeddings = teacher.encode(images)
    assert (teacher.name, teacher.embedding_dim, teacher.resolution) == (SCENES_SIMCLR, 128, 32)
    assert pair.text is None
    assert torch.allclose(embeddings, unit(pair.image(View(32)(images))), atol=1e-6)
    assert not torch.allclose(embeddings, load_teacher(SCENES_CLIP).encode(images), atol=0.1)
    with pytest.raises(InputError, match=f"{SCENES_SIMCLR!r} has no text tower"):
        teacher.encode_text(["a red circle"])


def test_a_teacher_is_frozen_for_good(teacher_file: Path) -> None:
    teacher = load_teacher(SCENES_CLIP, weights=teacher_file)
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    first = teacher.encode(photographs())
    assert teacher.train() is teacher
    nn.ModuleList([teacher]).train()
    assert not any(module.training for module in teacher.modules())
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert torch.equal(teacher.encode(photographs()), first)
    assert all(torch.equal(tensor, before[name]) for name, tensor in teacher.state_dict().items())


def test_embeddings_can_be_targets_of_a_training_and_carry_no_gradient(teacher_file: Path) -> None:
    teacher = load_teacher(SCENES_CLIP, weights=teacher_file)
    weight = torch.ones(128, requires_grad=True)
    for embeddings in (teacher.encode(photographs()), teacher.encode_text(["a red circle"])):
        assert not embeddings.requires_grad
        assert not embeddings.is_inference()
        (embeddings @ weight).sum().backward()
    assert weight.grad is not None


@pytest.mark.parametrize(
    ("precision", "device", "fast", "arithmetic"),
    [
        *(("auto", "cpu", True, "bfloat16"), ("auto", "cpu", False, "float32"), ("auto", "cuda", False, "float32")),
        *(("float16", "cpu", True, "float32"), ("float16", "cuda", False, "float16")),
        *(("bfloat16", "cpu", False, "bfloat16"), ("float32", "cpu", True, "float32")),
    ],
)
def test_precision_is_what_the_device_is_good_at(
    precision: str, device: str, fast: bool, arithmetic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: fast, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False, raising=False)
    assert resolve_precision(precision, torch.device(device)) == arithmetic


def test_an_unknown_precision_is_refused(teacher_file: Path) -> None:
    with pytest.raises(InputError, match="precision is 'fp8'; allowed: 'auto', 'float32', 'float16', 'bfloat16'"):
        load_teacher(SCENES_CLIP, weights=teacher_file, precision="fp8")


def test_bfloat16_on_a_cpu_converts_weights_but_those_of_normalisation_and_changes_little(teacher_file: Path) -> None:
    full, half, fast = (
        load_teacher(SCENES_CLIP, weights=teacher_file, precision=p) for p in ("float32", "float16", "bfloat16")
    )
    assert torch.equal(full.encode(photographs()), half.encode(photographs()))
    types = {
        (isinstance(module, NORMALISATION), parameter.dtype)
        for module in fast.image_tower.modules()
        for parameter in module.parameters(recurse=False)
    }
    assert types == {(True, torch.float32), (False, torch.bfloat16)}
    embeddings = fast.encode(photographs())
    assert embeddings.dtype == torch.float32
    cosines = (embeddings * full.encode(photographs())).sum(dim=1)
    assert 0.995 < cosines.min() < 1 - 1e-6
    # The text tower stays as it was.
    assert torch.equal(fast.encode_text(["a red circle"]), full.encode_text(["a red circle"]))


def test_a_tower_that_cannot_compute_in_bfloat16_is_named() -> None:
    class Strict(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(12, 5)

        def forward(self, inputs: Tensor) -> Tensor:
            return self.layer(inputs.flatten(1).float())

    with pytest.raises(
        InputError, match=r"'strict' can't compute in torch\.bfloat16 on a CPU .*allowed: teacher_precis"
    ):
        Teacher("strict", Strict(), View(2)).compute_in(torch.bfloat16)


@pytest.mark.parametrize(("side", "size"), [(8, 100), (64, 34), (128, 8)])
def test_a_batchs_largest_activation_stays_in_the_cache(side: int, size: int) -> None:
    sizes: list[int] = []

    class Wide(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(3, 60, 1)

        def forward(self, inputs: Tensor) -> Tensor:
            sizes.append(len(inputs))
            return self.layer(inputs).mean((2, 3))

    Teacher("wide", Wide(), View(side)).encode(torch.zeros(100, 4, 4, 3, dtype=torch.uint8))
    assert max(sizes) == size
    assert 4 * 60 * side**2 * size <= 32 * 2**20


def test_a_teacher_without_a_text_tower_says_so() -> None:
    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(12, 5)

        def forward(self, inputs: Tensor) -> Tensor:
            return self.layer(inputs.flatten(1))

    teacher = Teacher("flat", Flat(), View(2))
    assert teacher.embedding_dim == 5
    with pytest.raises(InputError, match="'flat' has no text tower"):
        teacher.encode_text(["a circle"])


# open_clip


def compare_with_open_clip(model: nn.Module, teacher: Teacher, size: int, mean: tuple, std: tuple) -> None:
    images = photographs()
    transform = open_clip.image_transform(size, is_train=False, mean=mean, std=std)
    prepared = torch.stack([transform(Image.fromarray(np.asarray(image))) for image in images])
    with torch.no_grad():
        expected = model.eval().encode_image(prepared, normalize=True)
        words = model.encode_text(open_clip.tokenize(["a dog", "two cats"]), normalize=True)
    assert torch.allclose(teacher.encode(images), expected, atol=1e-5)
    assert torch.allclose(teacher.encode_text(["a dog", "two cats"]), words, atol=1e-5)


def test_open_clips_result_on_pillows_preprocessing(tiny: Path) -> None:
    torch.manual_seed(0)
    model = open_clip.create_model("Tiny-quickgelu")
    teacher = load_teacher("open_clip:Tiny-quickgelu/openai", weights=tiny)
    assert (teacher.embedding_dim, teacher.resolution) == (24, 48)
    compare_with_open_clip(model, teacher, 48, open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)


def test_a_tags_own_normalisation_is_used(tiny: Path) -> None:
    model = open_clip.create_model("Tiny", pretrained=str(tiny))
    teacher = load_teacher("open_clip:Tiny/plain", weights=tiny)
    compare_with_open_clip(model, teacher, 48, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def test_another_resolution_and_no_crop_are_open_clips_own(tiny: Path) -> None:
    model = open_clip.create_model("Tiny", pretrained=str(tiny), force_image_size=96)
    teacher = load_teacher("open_clip:Tiny/plain", weights=tiny, resolution=96, crop=False)
    assert teacher.resolution == 96
    compare_with_open_clip(model, teacher, 96, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    with pytest.raises(InputError, match=r"teacher_resolution is 90 .* allowed: multiples of 16"):
        load_teacher("open_clip:Tiny/plain", weights=tiny, resolution=90)


def test_coca_gives_the_embedding_of_an_image_and_not_its_tokens(
    tiny_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vision = TINY["vision_cfg"] | {"attentional_pool": True, "attn_pooler_heads": 4, "output_tokens": True}
    text = TINY["text_cfg"] | {"embed_cls": True, "output_tokens": True}
    config = {"embed_dim": 24, "vision_cfg": vision, "text_cfg": text, "custom_text": True}
    decoder = {"context_length": 76, "vocab_size": 49408, "width": 24, "heads": 2, "layers": 1}
    (tmp_path / "coca_Tiny.json").write_text(json.dumps(config | {"multimodal_cfg": decoder}))
    open_clip.add_model_config(tmp_path / "coca_Tiny.json")
    for name in ("coca_Tiny", "coca_tiny"):
        monkeypatch.setitem(registry._PRETRAINED, name, {"own": registry._pcfg()})
    torch.manual_seed(0)
    model = open_clip.create_model("coca_Tiny").eval()
    assert isinstance(model.visual(torch.zeros(1, 3, 48, 48)), tuple)
    teacher = load_teacher("open_clip:coca_Tiny/own", weights=save(model, tmp_path / "coca.safetensors"))
    assert teacher.embedding_dim == 24
    compare_with_open_clip(model, teacher, 48, open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)


def test_an_activation_that_does_not_fit_the_weights_is_refused(tiny: Path) -> None:
    with pytest.raises(InputError, match=r"with QuickGELU and Tiny is without it; use open_clip:Tiny-quickgelu/openai"):
        load_teacher("open_clip:Tiny/openai", weights=tiny)
    with pytest.raises(InputError, match="without QuickGELU and Tiny-quickgelu is with it; use open_clip:Tiny/plain"):
        load_teacher("open_clip:Tiny-quickgelu/plain", weights=tiny)


def test_openais_weights_are_refused_without_quickgelu_before_anything_is_fetched() -> None:
    with pytest.raises(InputError, match="use open_clip:ViT-B-32-quickgelu/openai"):
        load_teacher("open_clip:ViT-B-32/openai")


@pytest.mark.slow
def test_the_papers_teacher_from_the_hubs_cache(cache: Path) -> None:
    torch.manual_seed(0)
    model = open_clip.create_model("ViT-B-32-quickgelu")
    content = save(model, cache.with_name("clip.safetensors")).read_bytes()
    fake_hub.store(cache, "timm/vit_base_patch32_clip_224.openai", "open_clip_model.safetensors", content)
    teacher = load_teacher("open_clip:ViT-B-32-quickgelu/openai")
    assert (teacher.embedding_dim, teacher.resolution) == (512, 224)
    # 151.3M in all, 87.8M in the image encoder that is used, not the 500M that the paper states
    assert sum(parameter.numel() for parameter in model.parameters()) == 151_277_313
    assert sum(parameter.numel() for parameter in teacher.image_tower.parameters()) == 87_849_216
    compare_with_open_clip(model, teacher, 224, open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)


# timm


@pytest.fixture(scope="module")
def dino(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path]:
    torch.manual_seed(0)
    model = timm.create_model(DINO, pretrained=False, num_classes=0).eval()
    nn.init.normal_(model.pos_embed, std=0.5)  # so that positions matter
    return model, save(model, tmp_path_factory.mktemp("dino") / "dino.safetensors")


def test_dinov2_made_for_518_pixels_is_timms_own_at_224(dino: tuple[nn.Module, Path]) -> None:
    model, path = dino
    assert model.pos_embed.shape[1] == (518 // 14) ** 2 + 1
    teacher = load_teacher(f"timm:{DINO}", weights=path, resolution=224)
    assert (teacher.embedding_dim, teacher.resolution) == (384, 224)
    assert teacher.view == View(224, IMAGENET_MEAN, IMAGENET_STD)
    transform = timm.data.create_transform(
        (3, 224, 224), interpolation="bicubic", mean=IMAGENET_MEAN, std=IMAGENET_STD, crop_pct=1.0
    )
    images = photographs(2)
    prepared = torch.stack([transform(Image.fromarray(np.asarray(image))) for image in images])
    model.set_input_size(img_size=224)
    with torch.no_grad():
        expected = unit(model(prepared))
    assert torch.allclose(teacher.encode(images), expected, atol=1e-5)
    with pytest.raises(InputError, match="has no text tower"):
        teacher.encode_text(["a dog"])


def test_a_convolutional_teacher_sees_any_resolution_and_a_transformer_interpolates(tmp_path: Path) -> None:
    images = photographs(2)
    for name in ("test_efficientnet.r160_in1k", "test_vit.r160_in1k"):
        torch.manual_seed(0)
        weights = save(timm.create_model(name, pretrained=False), tmp_path / f"{name}.safetensors")
        published = load_teacher(f"timm:{name}", weights=weights)
        small = load_teacher(f"timm:{name}", weights=weights, resolution=64, crop=False)
        assert small.view == teacher_view(f"timm:{name}", 64, crop=False)
        assert (small.resolution, small.view.crop, published.resolution) == (64, 1.0, 160)
        assert small.encode(images).shape == published.encode(images).shape


def test_a_network_that_cannot_be_made_for_a_resolution_is_refused_by_name(tmp_path: Path) -> None:
    name = "levit_128s.fb_dist_in1k"  # whose attention has a bias for every pair of places
    weights = save(timm.create_model(name, pretrained=False), tmp_path / "levit.safetensors")
    with pytest.raises(InputError, match=rf"teacher 'timm:{name}', or it can't see 256 pixels a side, only 224 \("):
        load_teacher(f"timm:{name}", weights=weights, resolution=256)


def test_a_classifier_of_timms_gives_its_features_and_insists_on_all_its_weights(tmp_path: Path) -> None:
    name = "test_vit.r160_in1k"
    torch.manual_seed(0)
    model = timm.create_model(name, pretrained=False).eval()
    teacher = load_teacher(f"timm:{name}", weights=save(model, tmp_path / "whole.safetensors"))
    assert (teacher.resolution, teacher.view.crop) == (160, 0.95)
    model.reset_classifier(0)
    images = photographs(2)
    with torch.no_grad():
        assert torch.allclose(teacher.encode(images), unit(model(teacher.view(images))), atol=1e-5)
    state = dict(list(teacher.image_tower.state_dict().items())[:10])
    save_file({key: tensor.contiguous() for key, tensor in state.items()}, tmp_path / "part.safetensors")
    with pytest.raises(InputError, match=r"part\.safetensors does not hold the weights"):
        load_teacher(f"timm:{name}", weights=tmp_path / "part.safetensors")


def test_weights_of_another_architecture_are_refused(
    dino: tuple[nn.Module, Path], teacher_file: Path, tiny: Path
) -> None:
    files = {SCENES_CLIP: tiny, f"timm:{DINO}": teacher_file, "open_clip:Tiny-quickgelu/openai": dino[1]}
    for name, path in files.items():
        with pytest.raises(InputError, match=path.name) as caught:
            load_teacher(name, weights=path)
        assert "\n" not in str(caught.value)
        with pytest.raises(InputError, match=f"^{re.escape(str(caught.value))}$"):
            check_fit(name, path)


def test_that_weights_fit_is_seen_without_reading_them(
    dino: tuple[nn.Module, Path], teacher_file: Path, tiny: Path, tmp_path: Path
) -> None:
    own = {f"timm:{DINO}": dino[1], SCENES_CLIP: teacher_file, "open_clip:Tiny-quickgelu/openai": tiny}
    for name, path in (own | {EFFICIENTNET: shipped_path(EFFICIENTNET)}).items():
        before = torch.random.get_rng_state()
        check_fit(name, path)
        assert torch.equal(torch.random.get_rng_state(), before)


def test_damaged_files_are_refused(dino: tuple[nn.Module, Path], teacher_file: Path, tiny: Path) -> None:
    files = {SCENES_CLIP: teacher_file, "open_clip:Tiny-quickgelu/openai": tiny, f"timm:{DINO}": dino[1]}
    for name, path in files.items():
        damaged = tiny.with_name("damaged.safetensors")
        for content in (b"", path.read_bytes()[:-100], b"\xff" * 64):
            damaged.write_bytes(content)
            with pytest.raises(InputError, match=r"damaged\.safetensors") as caught:
                load_teacher(name, weights=damaged)
            assert "\n" not in str(caught.value)


# Names


@pytest.mark.parametrize("name", ["", "clip", "embedded:x", "open_clip:", "open_clip", "timm:", "hf:bert", "Embedded"])
def test_unknown_teachers_are_named_beside_the_allowed_ones(name: str) -> None:
    with pytest.raises(InputError, match=f"allowed: {', '.join(map(repr, SHIPPED_TEACHERS))}, 'open_clip:"):
        load_teacher(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("open_clip:ViT-B-31/openai", "open_clip has no model 'ViT-B-31'"),
        ("open_clip:ViT-B-32-quickgelu", "no weights '' for ViT-B-32-quickgelu; allowed: .*openai"),
        ("open_clip:ViT-B-32-quickgelu/mine", "no weights 'mine' for ViT-B-32-quickgelu; allowed: .*openai"),
        ("timm:vit_enormous", "timm has no model 'vit_enormous'"),
        (f"timm:{DINO}x", "timm has no weights for 'vit_small_patch14_dinov2.lvd142mx'"),
    ],
)
def test_unknown_models_and_weights_are_named(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_teacher(name)
    assert "\n" not in str(caught.value)


def test_only_safetensors_are_read(tmp_path: Path) -> None:
    for name in ("weights.pt", "weights.bin", "weights"):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(InputError, match=r"only \.safetensors files are read"):
            load_teacher(SCENES_CLIP, weights=tmp_path / name)
    with pytest.raises(InputError, match="does not exist"):
        load_teacher(SCENES_CLIP, weights=tmp_path / "gone.safetensors")
    with pytest.raises(InputError, match="precision is 'int8'; allowed: 'auto', 'float32'"):
        load_teacher(SCENES_CLIP, precision="int8")


# Where weights come from


def same(first: nn.Module, second: nn.Module) -> bool:
    one, other = first.state_dict(), second.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_open_clips_own_download_gives_the_same_weights(
    tiny: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_hub.serving({"/someone/tiny/resolve/main/open_clip_model.safetensors": tiny.read_bytes()}) as url:
        fake_hub.use(monkeypatch, cache, url)
        downloaded = load_teacher("open_clip:Tiny-quickgelu/openai")
    fake_hub.use(monkeypatch, cache, fake_hub.refusing())
    again = load_teacher("open_clip:Tiny-quickgelu/openai")
    own = open_clip.create_model("Tiny-quickgelu", pretrained="openai")
    assert same(downloaded.text_tower, own)
    assert same(again.text_tower, own)
    assert not same(untrained_teacher("open_clip:Tiny-quickgelu/openai").text_tower, own)


@pytest.mark.parametrize("name", [DINO, "test_vit.r160_in1k", "vit_tiny_r_s16_p8_224.augreg_in21k"])
def test_timms_own_download_gives_the_same_weights(name: str, cache: Path) -> None:
    torch.manual_seed(0)
    content = save(timm.create_model(name, pretrained=False), cache.with_name("timm.safetensors")).read_bytes()
    fake_hub.store(cache, f"timm/{name}", "model.safetensors", content)
    teacher = load_teacher(f"timm:{name}")
    own = timm.create_model(name, pretrained=True)
    own.reset_classifier(0)
    assert same(teacher.image_tower, own)
    assert not same(untrained_teacher(f"timm:{name}").image_tower, own)


def test_a_file_named_in_the_environment_is_read_for_the_main_teacher_only(
    tiny: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(tiny))
    teacher, other = "open_clip:Tiny-quickgelu/openai", "timm:test_vit.r160_in1k"
    settings = load_settings("smoke", {"teacher": teacher, "other_teachers": [other]})[1]
    expected = load_teacher(teacher, weights=tiny)
    assert same(load_teacher(settings.teacher, weights=settings.teacher_weights), expected)
    torch.manual_seed(0)
    content = save(timm.create_model(other[5:], pretrained=False), cache.with_name("timm.safetensors")).read_bytes()
    fake_hub.store(cache, f"timm/{other[5:]}", "model.safetensors", content)
    assert load_teacher(other).name == other


@pytest.mark.parametrize(
    ("name", "project", "file"),
    [
        ("open_clip:Tiny-quickgelu/openai", "someone/tiny", "open_clip_pytorch_model.bin"),
        ("timm:test_vit.r160_in1k", "timm/test_vit.r160_in1k", "pytorch_model.bin"),
    ],
)
def test_a_pickled_file_in_the_hubs_cache_is_never_read(
    name: str, project: str, file: str, tiny: Path, cache: Path
) -> None:
    fake_hub.store(cache, project, file, pickle.dumps(Trap()))
    with pytest.raises(InputError, match=r"could not be fetched .*download \w+\.safetensors of"):
        load_teacher(name)
    assert not Trap.sprung


def test_a_damaged_file_in_the_hubs_cache_is_named(tiny: Path, cache: Path) -> None:
    link = fake_hub.store(cache, "someone/tiny", "open_clip_model.safetensors", tiny.read_bytes()[:-100])
    with pytest.raises(InputError, match="does not hold the weights of teacher 'open_clip:Tiny") as caught:
        load_teacher("open_clip:Tiny-quickgelu/openai")
    assert str(link) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [f"timm:{DINO}", "open_clip:ViT-B-32-quickgelu/openai"])
def test_weights_that_cannot_be_fetched_are_one_line_that_says_what_to_do(name: str, cache: Path) -> None:
    with pytest.raises(InputError, match=r"could not be fetched .* --set teacher_weights=FILE or ") as caught:
        load_teacher(name)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("silent", [True, False])
def test_without_a_network_the_line_comes_within_ten_seconds(silent: bool, tmp_path: Path) -> None:
    program = (
        "import sys, time, open_clip, timm; from asymdistill.models.teachers import load_teacher\n"
        "from asymdistill.runtime import download; download.TIMEOUT = 2.0\n"
        "for name in sys.argv[1:]:\n"
        "    start = time.monotonic()\n"
        "    try: load_teacher(name)\n"
        "    except ValueError as error: print(time.monotonic() - start, error)"
    )
    names = [f"timm:{DINO}", "open_clip:ViT-B-32-quickgelu/openai"]
    with fake_hub.black_hole() as hole:
        endpoint = hole if silent else fake_hub.refusing()
        hub = {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0", "HF_HUB_ETAG_TIMEOUT": "2"}
        command = [sys.executable, "-c", program, *names]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=os.environ | hub)
    lines = [line.partition(" ") for line in done.stdout.splitlines()]
    assert len(lines) == len(names)
    for name, (seconds, _, line) in zip(names, lines, strict=True):
        assert name in line
        assert "timed out" in line if silent else "refused" in line
        assert ".safetensors of the project timm/vit_" in line
        assert float(seconds) < 10
    assert done.stderr == ""


def test_an_untrained_teacher_has_the_architecture_and_says_nothing(
    tiny: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in (SCENES_CLIP, "open_clip:Tiny-quickgelu/openai", "timm:test_vit.r160_in1k"):
        teacher = untrained_teacher(name)
        assert (teacher.name, teacher.view) == (name, teacher_view(name))
    assert capfd.readouterr() == ("", "")
    with pytest.raises(InputError, match="timm has no model"):
        untrained_teacher("timm:vit_enormous")


# How much is imported

HEAVY = {"open_clip", "timm", "torchvision", "transformers", "huggingface_hub", "sklearn", "scipy", "pandas"}


def test_students_import_nothing_beyond_torch_and_libraries_come_with_a_teacher_of_theirs() -> None:
    with_torch, with_students, with_teachers, with_published = imported_in_turn(
        "import torch",
        "import asymdistill.models.students",
        "import asymdistill.models.teachers, asymdistill.models.weights, asymdistill.models.mini_clip\n"
        "from asymdistill.models.teacher_views import teacher_view\n"
        f"assert teacher_view({SCENES_CLIP!r}).resolution == 32",
        f"from asymdistill.models import weights; weights.published('timm:{DINO}')",
    )
    assert not with_students - with_torch - {"asymdistill"} - sys.stdlib_module_names
    assert {"torch", "safetensors"} <= with_teachers
    assert not with_teachers & HEAVY
    assert "timm" in with_published
