"""Frozen teachers: the embedded mini-CLIP, and any of open_clip's or timm's by name, downloaded or from a file."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import open_clip
import timm
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import Tensor, nn

from asymdistill import towers
from asymdistill.checks import InputError
from asymdistill.encoding import View, embed

PRECISIONS = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
TIMM_RESOLUTION = 224


class Teacher(nn.Module):
    """A frozen image encoder, with its text encoder where it has one.

    It can't be put in train mode and none of its parameters takes a gradient.

    Args:
        name: what ``load_teacher`` was asked for.
        image_tower: maps normalised images, N x 3 x R x R, to N x d.
        view: how it sees an image.
        text_tower: maps a list of captions to M x d; None: images only.
        precision: its arithmetic on a GPU; embeddings are float32 all the same.

    Attributes:
        embedding_dim: d.
        resolution: R, in pixels.
    """

    def __init__(
        self,
        name: str,
        image_tower: nn.Module,
        view: View,
        *,
        text_tower: nn.Module | None = None,
        encode_captions: Callable[[Sequence[str]], Tensor] | None = None,
        precision: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.name = name
        self.view = view
        self.precision = precision
        self.image_tower = image_tower
        self.text_tower = text_tower
        self._encode_captions = encode_captions
        self.requires_grad_(False)
        super().train(False)
        side = view.resolution
        self.embedding_dim = int(self(torch.zeros(1, 3, side, side)).shape[1])

    @property
    def resolution(self) -> int:
        """Side in pixels of the images that the image tower takes."""
        return self.view.resolution

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def train(self, mode: bool = True) -> Self:
        """Stay in eval mode whatever ``mode`` is: a frozen teacher has no other."""
        return super().train(False)

    @torch.inference_mode()
    def forward(self, inputs: Tensor) -> Tensor:
        """Map normalised images, N x 3 x R x R, to embeddings, N x d, of any length."""
        embeddings: Tensor = self.image_tower(inputs)
        return embeddings

    def encode(self, images: Tensor) -> Tensor:
        """Map uint8 images, N x H x W x 3, to L2-normalised float32 embeddings, N x d, on the teacher's device."""
        return embed(self, images, self.view, device=self.device, precision=self.precision)

    def encode_text(self, captions: Sequence[str]) -> Tensor:
        """Map M captions to L2-normalised float32 embeddings, M x d, in the space of the images.

        Raises:
            InputError: this teacher has no text tower.
        """
        if self._encode_captions is None:
            raise InputError(f"teacher {self.name!r} has no text tower")
        with torch.inference_mode():
            embeddings = F.normalize(self._encode_captions(captions).float(), dim=1)
        # A clone, because tensors made under inference mode can't take part in a backward pass.
        return embeddings.clone()


def load_teacher(
    name: str,
    *,
    weights: Path | str | None = None,
    device: torch.device | str | None = None,
    precision: str = "float32",
) -> Teacher:
    """Load a frozen teacher.

    Args:
        name: ``embedded``; ``open_clip:<model>/<pretrained tag>``, say ``open_clip:ViT-B-32-quickgelu/openai``; or
            ``timm:<model>``, say ``timm:vit_small_patch14_dinov2.lvd142m``.
        weights: a safetensors file to read instead of the library's own download.
        device: where to put it; None: the CPU.
        precision: ``float32``, ``float16`` or ``bfloat16``, its arithmetic on a GPU.

    Raises:
        InputError: no such model, an activation function that does not fit the weights, weights that can't be had, or
            a file that is missing, damaged or of another architecture.
    """
    path = _check_weights(weights)
    if precision not in PRECISIONS:
        raise InputError(f"precision is {precision!r}; allowed: {', '.join(PRECISIONS)}")
    library, _, model = name.partition(":")
    loaders = {"embedded": _load_embedded, "open_clip": _load_open_clip, "timm": _load_timm}
    if library not in loaders or (library != "embedded") != bool(model):
        raise InputError(
            f"no teacher {name!r}; allowed: 'embedded', 'open_clip:<model>/<pretrained tag>', 'timm:<model>'"
        )
    try:
        teacher = loaders[library](model, path)
    except (SafetensorError, RuntimeError, KeyError, OSError) as error:
        raise InputError(_explain(name, path, error)) from None
    teacher.name = name
    teacher.precision = PRECISIONS[precision]
    return teacher.to(device or "cpu")


def _load_embedded(_: str, path: Path | None) -> Teacher:
    pair = towers.load_embedded(path)
    view = View(towers.RESOLUTION)
    return Teacher("embedded", pair.image, view, text_tower=pair.text, encode_captions=pair.text.encode)


def _load_open_clip(model: str, path: Path | None) -> Teacher:
    architecture, _, tag = model.partition("/")
    if architecture not in open_clip.list_models():
        raise InputError(f"open_clip has no model {architecture!r}; see open_clip.list_models()")
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if tag not in tags:
        raise InputError(f"open_clip has no weights {tag!r} for {architecture}; allowed: {', '.join(tags)}")
    _check_activation(architecture, tag)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        clip: Any = open_clip.create_model(architecture, pretrained=str(path) if path else tag, precision="fp32")
    tokenizer = open_clip.get_tokenizer(architecture)

    def encode_captions(captions: Sequence[str]) -> Tensor:
        tokens = tokenizer(list(captions)).to(next(clip.parameters()).device)
        embeddings: Tensor = clip.encode_text(tokens)
        return embeddings

    # The tag says how its weights were trained to see an image; a file of the same weights is no different.
    published = open_clip.get_pretrained_cfg(architecture, tag)
    size = clip.visual.image_size
    view = View(
        size[0] if isinstance(size, tuple) else size,
        tuple(published.get("mean") or open_clip.OPENAI_DATASET_MEAN),
        tuple(published.get("std") or open_clip.OPENAI_DATASET_STD),
    )
    return Teacher(model, clip.visual, view, text_tower=clip, encode_captions=encode_captions)


def _check_activation(architecture: str, tag: str) -> None:
    # open_clip only warns here, and the embeddings are then silently wrong.
    needs = bool(open_clip.get_pretrained_cfg(architecture, tag).get("quick_gelu", False))
    has = bool((open_clip.get_model_config(architecture) or {}).get("quick_gelu", False))
    if needs != has:
        right = f"{architecture}-quickgelu" if needs else architecture.removesuffix("-quickgelu")
        raise InputError(
            f"weights {tag!r} were trained {'with' if needs else 'without'} QuickGELU and {architecture} is "
            f"{'without' if needs else 'with'} it; use open_clip:{right}/{tag}"
        )


def _load_timm(model: str, path: Path | None) -> Teacher:
    if not timm.is_model(model.partition(".")[0]):
        raise InputError(f"timm has no model {model!r}; see timm.list_models()")
    published = timm.models.get_pretrained_cfg(model)
    if published is None:
        raise InputError(f"timm has no weights for {model!r}; see timm.list_pretrained()")
    # Transformers fix their resolution when they are made; the positions are then interpolated from the weights'.
    sized: dict[str, Any] = {"img_size": TIMM_RESOLUTION} if published.fixed_input_size else {}
    overlay = {"file": str(path)} if path else None
    network: Any = timm.create_model(model, pretrained=True, pretrained_cfg_overlay=overlay, **sized)
    # Only now, because timm doesn't insist that all weights are there when it makes a model without its classifier.
    network.reset_classifier(0)
    view = View(TIMM_RESOLUTION, tuple(network.pretrained_cfg["mean"]), tuple(network.pretrained_cfg["std"]))
    return Teacher(model, network, view)


def _check_weights(weights: Path | str | None) -> Path | None:
    if weights is None:
        return None
    path = Path(weights).expanduser()
    if path.suffix != ".safetensors":
        raise InputError(f"teacher_weights is {path}; only .safetensors files are read, since others can run code")
    if not path.is_file():
        raise InputError(f"teacher_weights {path} does not exist")
    return path


def _explain(name: str, path: Path | None, error: Exception) -> str:
    reason = " ".join(str(error).split())[:300]
    if path is None:
        return (
            f"the weights of teacher {name!r} could not be fetched; set teacher_weights to a .safetensors file of them "
            f"({reason})"
        )
    return f"teacher_weights {path} does not hold the weights of {name!r} ({reason})"
