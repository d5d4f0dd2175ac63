"""The files of teachers' weights: the user's own first, never a pickled one, and one line where they can't be had."""

import hashlib
import time
from contextlib import suppress
from pathlib import Path

import fake_hub
import huggingface_hub
import open_clip
import pytest
import timm
import torch
from open_clip import pretrained as registry
from safetensors.torch import save_file
from torch import nn

from asymdistill.config.names import SCENES_CLIP, SCENES_SIMCLR, SHIPPED_TEACHERS, WEIGHTS_VARIABLE
from asymdistill.models import weights
from asymdistill.models.weights import fetch, find_weights, misfit, published, shipped_path, weights_digest
from asymdistill.runtime.download import HubFile
from asymdistill.runtime.errors import InputError

CLIP = "open_clip:ViT-B-32-quickgelu/openai"
DINO = "timm:vit_small_patch14_dinov2.lvd142m"
HUBS = {
    CLIP: HubFile("timm/vit_base_patch32_clip_224.openai", "open_clip_model.safetensors"),
    DINO: HubFile("timm/vit_small_patch14_dinov2.lvd142m", "model.safetensors"),
}


# Files of the user's own


def test_a_named_file_comes_before_all_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = tmp_path / "named.safetensors"
    save_file({"named": torch.ones(1)}, named)
    assert find_weights(CLIP) is None
    assert find_weights(SCENES_CLIP) == shipped_path(SCENES_CLIP)
    for name in (CLIP, DINO, SCENES_CLIP):
        assert find_weights(name, named) == find_weights(name, str(named)) == named
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_weights(CLIP, "~/named.safetensors") == named


def test_the_environment_variable_is_not_read_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # It counts for the setting ``teacher`` only, in ``load_settings``: other teachers would be given its file.
    (tmp_path / "clip.safetensors").touch()
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(tmp_path / "clip.safetensors"))
    assert find_weights(DINO) is find_weights(CLIP) is None


def test_a_file_that_is_missing_or_no_safetensors_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").touch()
    for name, message in (
        ("weights.bin", r"weights\.bin; only \.safetensors files are read"),
        ("gone.safetensors", r"gone\.safetensors, which does not exist"),
    ):
        with pytest.raises(InputError, match=rf"^teacher_weights \(or {WEIGHTS_VARIABLE}\) is .*{message}"):
            find_weights(CLIP, tmp_path / name)


FILES = {
    b"version https://git-lfs.github.com/spec/v1\n": "it is a Git LFS pointer .* git lfs pull",
    b"<!doctype html>": "it is a web page",
    b"": "it is empty",
    b"\x80\x02}q\x00.": "it is a Python pickle, which can run code and is never read",
    b"\xff\xff\xff\xff\xff\xff\xff\x7f{}": "header",
    b"\x02\x00\x00\x00\x00\x00\x00\x00{}" + bytes(9): "",
}


@pytest.mark.parametrize("content", FILES)
def test_a_file_that_holds_something_else_is_explained(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.safetensors is no whole safetensors file \(.*{FILES[content]}"):
        find_weights(CLIP, tmp_path / "a.safetensors")


def test_weights_of_the_two_teachers_of_scenes_are_not_interchanged() -> None:
    for name, other in ((SCENES_CLIP, SCENES_SIMCLR), (SCENES_SIMCLR, SCENES_CLIP)):
        with pytest.raises(
            InputError, match=rf"{other}\.safetensors does not hold the weights of teacher '{name}': it"
        ):
            find_weights(name, shipped_path(other))
        assert find_weights(name, shipped_path(name)) == shipped_path(name)


def network(layers: range, width: int) -> nn.Module:
    return nn.ModuleDict({f"a_layer_of_a_long_name_{number}": nn.Linear(width, 2, bias=False) for number in layers})


def test_why_weights_do_not_fit_is_said_by_whole_names_and_how_many_more_there_are() -> None:
    """The line was cut within a name of what is missing, so that what was not expected was never said."""
    with pytest.raises(RuntimeError) as caught:
        network(range(100), 3).load_state_dict(network(range(50, 150), 5).state_dict())
    assert misfit(caught.value) == (
        "missing: a_layer_of_a_long_name_0.weight, a_layer_of_a_long_name_1.weight, a_layer_of_a_long_name_2.weight, "
        "and 47 more; not expected: a_layer_of_a_long_name_100.weight, a_layer_of_a_long_name_101.weight, and 48 more; "
        "of another shape: a_layer_of_a_long_name_50.weight [2, 5] in place of [2, 3], and 49 more"
    )


@pytest.mark.parametrize("text", ["", "KeyError: x", "a " * 1000])
def test_another_error_is_said_in_its_own_words(text: str) -> None:
    said = misfit(KeyError(text)).removesuffix("…")
    assert " ".join(str(KeyError(text)).split()).startswith(said)
    assert len(said) <= 300


# Digests


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_digest_is_that_of_the_file_that_would_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_hub.use(monkeypatch, tmp_path / "hub", fake_hub.refusing())
    named = tmp_path / "named.safetensors"
    save_file({"named": torch.ones(1)}, named)
    assert weights_digest(CLIP, named) == sha256(named.read_bytes())
    assert weights_digest(SCENES_CLIP) == sha256(shipped_path(SCENES_CLIP).read_bytes())
    fake_hub.store(tmp_path / "hub", HUBS[CLIP].project, HUBS[CLIP].name, b"cached")
    assert weights_digest(CLIP) == sha256(b"cached")


def test_a_digest_of_a_missing_file_fetches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_hub.serving({f"/{HUBS[DINO].project}/resolve/main/{HUBS[DINO].name}": b"published"}) as url:
        fake_hub.use(monkeypatch, tmp_path, url)
        assert weights_digest(DINO) == sha256(b"published")
    assert HUBS[DINO].cached() is not None


# What the libraries publish


def test_the_papers_teachers_are_published_as_safetensors() -> None:
    assert {name: published(name) for name in HUBS} == HUBS
    assert published(SCENES_CLIP) is None


def test_a_file_is_the_one_that_open_clip_would_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_hub.use(monkeypatch, tmp_path, fake_hub.refusing())
    asked = [("ViT-B-32-quickgelu", "openai"), ("ViT-B-32", "laion2b_s34b_b79k"), ("ViTamin-S", "datacomp1b")]
    for architecture, tag in asked:
        source = published(f"open_clip:{architecture}/{tag}")
        assert source is not None
        for name in (source.name, "open_clip_pytorch_model.bin", "model.safetensors", "pytorch_model.bin"):
            fake_hub.store(tmp_path, source.project, name, name.encode())
        own = registry.download_pretrained(open_clip.get_pretrained_cfg(architecture, tag))
        assert Path(own) == source.fetch()
        assert own.endswith(".safetensors")


def test_a_file_is_the_one_that_timm_would_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_hub.use(monkeypatch, tmp_path, fake_hub.refusing())
    taken: list[str] = []
    monkeypatch.setattr("safetensors.torch.load_file", lambda path, **_: taken.append(path))
    for model in ("vit_small_patch14_dinov2.lvd142m", "vit_base_patch16_clip_224.openai", "resnet18.a1_in1k"):
        config, source = timm.models.get_pretrained_cfg(model), published(f"timm:{model}")
        assert source is not None
        for name in ("model.safetensors", "open_clip_model.safetensors", "pytorch_model.bin"):
            fake_hub.store(tmp_path, source.project, name, name.encode())
        arguments = {"filename": config.hf_hub_filename} if config.hf_hub_filename else {}
        timm.models.load_state_dict_from_hf(config.hf_hub_id, **arguments)
        assert Path(taken[-1]) == source.fetch()


def test_every_name_in_both_libraries_gives_a_safetensors_file_or_none() -> None:
    names = [f"open_clip:{model}/{tag}" for model, tag in open_clip.list_pretrained()]
    names += [f"timm:{model}" for model in timm.list_pretrained()]
    found = {}
    for name in names:
        with suppress(InputError):  # an activation function that does not fit the weights
            found[name] = published(name)
    hub = [source for source in found.values() if source]
    assert all(source.name.endswith(".safetensors") and source.project.count("/") == 1 for source in hub)
    assert len(hub) > 0.9 * len(names)
    none = [name for name, source in found.items() if source is None]
    assert none
    assert all(not timm.models.get_pretrained_cfg(name.removeprefix("timm:")).hf_hub_id for name in none)


def test_a_revision_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    config = timm.models.PretrainedCfg(hf_hub_id="someone/model@v2", hf_hub_filename="weights.bin")
    monkeypatch.setattr(timm.models, "get_pretrained_cfg", lambda *_, **__: config)
    assert published("timm:resnet18") == HubFile("someone/model", "weights.safetensors", "v2")


def test_weights_that_are_only_published_pickled_are_refused() -> None:
    name = "timm:vit_huge_patch16_gap_448.in1k_ijepa"
    assert published(name) is None
    with pytest.raises(InputError, match=rf"only in formats that can run code; convert .* {WEIGHTS_VARIABLE}=FILE$"):
        fetch(name)


# Without a network


@pytest.mark.parametrize("name", HUBS)
@pytest.mark.parametrize("network_is", ["refusing", "silent", "not to be asked"])
def test_weights_that_cannot_be_had_are_one_line_within_seconds(
    name: str, network_is: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_hub.black_hole() as hole:
        fake_hub.use(monkeypatch, tmp_path, hole if network_is == "silent" else fake_hub.refusing())
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", network_is == "not to be asked")
        start = time.monotonic()
        with pytest.raises(InputError) as caught:
            fetch(name)
    assert time.monotonic() - start < 2
    message, source = str(caught.value), HUBS[name]
    assert "\n" not in message
    for part in (name, source.name, source.project, "--set teacher_weights=FILE", f"{WEIGHTS_VARIABLE}=FILE"):
        assert part in message
    assert str(tmp_path / f"models--{source.project.replace('/', '--')}") in message
    assert {"refusing": "refused", "silent": "timed out", "not to be asked": "HF_HUB_OFFLINE"}[network_is] in message
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["flipped", "missing"])
def test_weights_of_the_package_that_are_damaged_or_missing_are_refused(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flipped byte in the numbers is a whole safetensors file still: only the digest tells."""
    path = tmp_path / "scenes-clip.safetensors"
    if damage == "flipped":
        content = bytearray(shipped_path(SCENES_CLIP).read_bytes())
        content[-1000] ^= 255
        path.write_bytes(content)
    monkeypatch.setattr(weights, "shipped_path", lambda name: path)
    words = "are missing" if damage == "missing" else "are damaged"
    with pytest.raises(InputError, match=f"weights of teacher 'scenes-clip', .* {words}; install the package again"):
        find_weights(SCENES_CLIP)


def test_every_teacher_of_the_package_has_its_digest() -> None:
    assert {*weights.SHIPPED_DIGESTS} == {*SHIPPED_TEACHERS}
    for name in SHIPPED_TEACHERS:
        assert weights_digest(name) == weights.SHIPPED_DIGESTS[name]
