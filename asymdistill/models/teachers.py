"""Frozen teachers: the embedded ones, and any of open_clip's or timm's by name, downloaded or from a file."""

import logging
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

from asymdistill.config.names import SHIPPED_TEACHERS
from asymdistill.data.views import View, embed
from asymdistill.models import mini_clip
from asymdistill.models.weights import fetch, published
from asymdistill.models.weights import find_weights as find_weights
from asymdistill.runtime.errors import InputError

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
        name: ``embedded``; ``embedded-views``; ``open_clip:<model>/<pretrained tag>``, say
            ``open_clip:ViT-B-32-quickgelu/openai``; or ``timm:<model>``, say
            ``timm:vit_small_patch14_dinov2.lvd142m``.
        weights: a safetensors file to read. None: what ``find_weights`` finds; else the shipped file for the embedded
            teachers, and for others what their library publishes, from the hub's cache or the network.
        device: where to put it; None: the CPU.
        precision: ``float32``, ``float16`` or ``bfloat16``, its arithmetic on a GPU.

    Raises:
        InputError: no such model, an activation function that does not fit the weights, weights that can't be had, or
            a file that is missing, damaged or of another architecture.
    """
    source, path = published(name), find_weights(name, weights)
    if precision not in PRECISIONS:
        raise InputError(f"precision is {precision!r}; allowed: {', '.join(PRECISIONS)}")
    if path is None and name not in SHIPPED_TEACHERS:
        path = fetch(name, source)
    try:
        teacher = _build(name, path)
    except (SafetensorError, RuntimeError, KeyError, OSError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{path} does not hold the weights of teacher {name!r} ({reason})") from None
    teacher.precision = PRECISIONS[precision]
    return teacher.to(device or "cpu")


def untrained_teacher(name: str) -> Teacher:
    """A teacher's architecture with random weights, of its size and speed; an embedded one as it is shipped.

    Raises:
        InputError: no such model.
    """
    published(name)
    silenced = logging.root.manager.disable
    logging.disable(logging.WARNING)  # open_clip warns that there are no weights
    try:
        return _build(name, None)
    finally:
        logging.disable(silenced)


def _build(name: str, path: Path | None) -> Teacher:
    library, _, model = name.partition(":")
    teacher = LOADERS[library](model or name, path)
    teacher.name = name
    return teacher


def _load_embedded(name: str, path: Path | None) -> Teacher:
    pair, view = mini_clip.load_embedded(path or mini_clip.embedded_path(name)), View(mini_clip.RESOLUTION)
    if pair.text is None:
        return Teacher(name, pair.image, view)
    return Teacher(name, pair.image, view, text_tower=pair.text, encode_captions=pair.text.encode)


def _load_open_clip(model: str, path: Path | None) -> Teacher:
    architecture, _, tag = model.partition("/")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        clip: Any = open_clip.create_model(architecture, pretrained=path and str(path), precision="fp32")
    try:
        tokenizer = open_clip.get_tokenizer(architecture)
    except ImportError as error:
        raise InputError(f"open_clip needs another package for the texts of {architecture}: {error}") from None

    def encode_captions(captions: Sequence[str]) -> Tensor:
        tokens = tokenizer(list(captions)).to(next(clip.parameters()).device)
        embeddings: Tensor = clip.encode_text(tokens)
        return embeddings

    # The tag says how its weights were trained to see an image; a file of the same weights is no different.
    config = open_clip.get_pretrained_cfg(architecture, tag)
    size = clip.visual.image_size
    view = View(
        size[0] if isinstance(size, tuple) else size,
        tuple(config.get("mean") or open_clip.OPENAI_DATASET_MEAN),
        tuple(config.get("std") or open_clip.OPENAI_DATASET_STD),
    )
    return Teacher(model, clip.visual, view, text_tower=clip, encode_captions=encode_captions)


def _load_timm(model: str, path: Path | None) -> Teacher:
    config: Any = timm.models.get_pretrained_cfg(model)
    # Transformers fix their resolution when they are made; the positions are then interpolated from the weights'.
    sized: dict[str, Any] = {"img_size": TIMM_RESOLUTION} if config.fixed_input_size else {}
    # Some weights were first published as arrays with names of their own; as safetensors they have timm's names.
    overlay = {"file": str(path), "custom_load": False} if path else None
    network: Any = timm.create_model(model, pretrained=path is not None, pretrained_cfg_overlay=overlay, **sized)
    # Only now, because timm doesn't insist that all weights are there when it makes a model without its classifier.
    network.reset_classifier(0)
    view = View(TIMM_RESOLUTION, tuple(network.pretrained_cfg["mean"]), tuple(network.pretrained_cfg["std"]))
    return Teacher(model, network, view)


LOADERS: dict[str, Callable[[str, Path | None], Teacher]] = {
    **dict.fromkeys(SHIPPED_TEACHERS, _load_embedded),
    "open_clip": _load_open_clip,
    "timm": _load_timm,
}
