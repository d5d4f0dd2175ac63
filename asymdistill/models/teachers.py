"""Frozen teachers: those that come with the package, and any of open_clip's or timm's by name.

A library is imported when a teacher of its own is asked for.
"""

import logging
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import Tensor, nn

from asymdistill.config.names import TeacherLibrary, teacher_library
from asymdistill.data.views import View
from asymdistill.models import mini_clip
from asymdistill.models.encoding import embed
from asymdistill.models.teacher_views import teacher_view
from asymdistill.models.weights import fetch, find_weights, shipped_path
from asymdistill.runtime.errors import InputError, check_option

PRECISIONS = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


class Teacher(nn.Module):
    """A frozen image encoder, with its text encoder where it has one.

    It can't be put in train mode and none of its parameters takes a gradient.

    Args:
        name: what ``load_teacher`` was asked for.
        image_tower: maps normalised images, N x 3 x R x R, to N x d.
        view: how it sees an image.
        text_tower: holds the weights that ``encode_captions`` uses; None: images only.
        encode_captions: maps M captions to M x d.
        precision: arithmetic on a GPU; the embeddings are float32 in any case.

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
    resolution: int | None = None,
    crop: bool = True,
) -> Teacher:
    """Load a frozen teacher.

    Args:
        name: one that comes with the package (``config.names.SHIPPED_TEACHERS``);
            ``open_clip:<model>/<pretrained tag>``, say ``open_clip:ViT-B-32-quickgelu/openai``; or ``timm:<model>``,
            say ``timm:vit_small_patch14_dinov2.lvd142m``.
        weights: a safetensors file to read. None: the one that comes with the package, or that the teacher's library
            publishes, from the hub's cache or the internet.
        device: where to put it; None: the CPU.
        precision: ``float32``, ``float16`` or ``bfloat16``, its arithmetic on a GPU.
        resolution: side in pixels of what it is to see; positions are interpolated. None: as published.
        crop: crop images as published; False: see the whole of a square one.

    Raises:
        InputError: no such model, an activation function that does not fit the weights, weights that can't be had,
            a file that is missing, damaged or of another architecture, or a resolution that the model does not take.
    """
    check_option("precision", precision, PRECISIONS)
    # Refuses a model that does not exist, and weights that do not fit it, before any file is read.
    view = teacher_view(name, resolution, crop=crop)
    path = find_weights(name, weights) or fetch(name)
    try:
        teacher = _build(name, path, view)
    except (SafetensorError, RuntimeError, KeyError, OSError, AssertionError) as error:
        reason = " ".join(str(error).split())[:300]
        side = teacher_view(name).resolution
        words = "" if view.resolution == side else f", or it can't see {view.resolution} pixels a side, only {side}"
        raise InputError(f"{path} does not hold the weights of teacher {name!r}{words} ({reason})") from None
    teacher.precision = PRECISIONS[precision]
    return teacher.to(device or "cpu")


def untrained_teacher(name: str) -> Teacher:
    """A teacher's architecture with random weights, of its size and speed; one that comes with the package as it is.

    Raises:
        InputError: no such model.
    """
    view = teacher_view(name)
    silenced = logging.root.manager.disable
    logging.disable(logging.WARNING)  # open_clip warns that there are no weights
    try:
        return _build(name, None, view)
    finally:
        logging.disable(silenced)


def _build(name: str, path: Path | None, view: View) -> Teacher:
    return BUILDERS[teacher_library(name)](name, path, view)


def _build_shipped(name: str, path: Path | None, view: View) -> Teacher:
    towers = mini_clip.load_towers(path or shipped_path(name))
    encode_captions = towers.text and towers.text.encode
    return Teacher(name, towers.image, view, text_tower=towers.text, encode_captions=encode_captions)


class _OpenClipImages(nn.Module):
    """open_clip's own way from images to embeddings: the towers of some models return all tokens beside them."""

    def __init__(self, clip: Any) -> None:
        super().__init__()
        self.visual = clip.visual
        self._encode = clip.encode_image

    def forward(self, inputs: Tensor) -> Tensor:
        embeddings: Tensor = self._encode(inputs, normalize=False)
        return embeddings


def _build_open_clip(name: str, path: Path | None, view: View) -> Teacher:
    import open_clip

    architecture = name.removeprefix("open_clip:").partition("/")[0]
    side = view.resolution if view.resolution != teacher_view(name).resolution else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        clip: Any = open_clip.create_model(
            architecture, pretrained=path and str(path), precision="fp32", force_image_size=side
        )
    try:
        tokenizer = open_clip.get_tokenizer(architecture)
    except ImportError as error:
        raise InputError(f"open_clip needs another package for the texts of {architecture}: {error}") from None

    def encode_captions(captions: Sequence[str]) -> Tensor:
        token_ids = tokenizer(list(captions)).to(next(clip.parameters()).device)
        embeddings: Tensor = clip.encode_text(token_ids)
        return embeddings

    return Teacher(name, _OpenClipImages(clip), view, text_tower=clip, encode_captions=encode_captions)


def _build_timm(name: str, path: Path | None, view: View) -> Teacher:
    import timm

    model = name.removeprefix("timm:")
    config: Any = timm.models.get_pretrained_cfg(model)
    # Transformers fix their resolution when they are made; the positions are then interpolated from the weights'.
    sized: dict[str, Any] = {"img_size": view.resolution} if config.fixed_input_size else {}
    # Some weights were first published as arrays with names of their own; as safetensors they have timm's names.
    overlay = {"file": str(path), "custom_load": False} if path else None
    network: Any = timm.create_model(model, pretrained=path is not None, pretrained_cfg_overlay=overlay, **sized)
    # Only now, because timm does not insist on all weights when it makes a model without its classifier.
    network.reset_classifier(0)
    return Teacher(name, network, view)


BUILDERS: dict[TeacherLibrary, Callable[[str, Path | None, View], Teacher]] = {
    "shipped": _build_shipped,
    "open_clip": _build_open_clip,
    "timm": _build_timm,
}
