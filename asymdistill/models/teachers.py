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
from asymdistill.models.weights import fetch, find_weights, published, shipped_path
from asymdistill.runtime.errors import InputError, check_option

PRECISIONS = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
TIMM_RESOLUTION = 224  # whatever a model was made for: its positions are interpolated


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

    Raises:
        InputError: no such model, an activation function that does not fit the weights, weights that can't be had, or
            a file that is missing, damaged or of another architecture.
    """
    check_option("precision", precision, PRECISIONS)
    published(name)  # refuses a model that does not exist, and weights that do not fit it, before any file is read
    path = find_weights(name, weights) or fetch(name)
    try:
        teacher = _build(name, path)
    except (SafetensorError, RuntimeError, KeyError, OSError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{path} does not hold the weights of teacher {name!r} ({reason})") from None
    teacher.precision = PRECISIONS[precision]
    return teacher.to(device or "cpu")


def untrained_teacher(name: str) -> Teacher:
    """A teacher's architecture with random weights, of its size and speed; one that comes with the package as it is.

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


def teacher_resolution(name: str) -> int:
    """Side in pixels of the images that a teacher takes, without loading weights or building a network.

    Raises:
        InputError: no such model.
    """
    published(name)
    library = teacher_library(name)
    if library == "shipped":
        return mini_clip.RESOLUTION
    if library == "timm":
        return TIMM_RESOLUTION
    import open_clip

    architecture = name.partition(":")[2].partition("/")[0]
    return _side(open_clip.get_model_config(architecture)["vision_cfg"]["image_size"])


def _build(name: str, path: Path | None) -> Teacher:
    return BUILDERS[teacher_library(name)](name, path)


def _build_shipped(name: str, path: Path | None) -> Teacher:
    towers = mini_clip.load_towers(path or shipped_path(name))
    encode_captions = towers.text and towers.text.encode
    view = View(mini_clip.RESOLUTION)
    return Teacher(name, towers.image, view, text_tower=towers.text, encode_captions=encode_captions)


def _build_open_clip(name: str, path: Path | None) -> Teacher:
    import open_clip

    architecture, _, tag = name.removeprefix("open_clip:").partition("/")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        clip: Any = open_clip.create_model(architecture, pretrained=path and str(path), precision="fp32")
    try:
        tokenizer = open_clip.get_tokenizer(architecture)
    except ImportError as error:
        raise InputError(f"open_clip needs another package for the texts of {architecture}: {error}") from None

    def encode_captions(captions: Sequence[str]) -> Tensor:
        token_ids = tokenizer(list(captions)).to(next(clip.parameters()).device)
        embeddings: Tensor = clip.encode_text(token_ids)
        return embeddings

    # The tag says how images were normalised in training, also where the same weights are read from a file.
    config = open_clip.get_pretrained_cfg(architecture, tag)
    view = View(
        _side(clip.visual.image_size),
        tuple(config.get("mean") or open_clip.OPENAI_DATASET_MEAN),
        tuple(config.get("std") or open_clip.OPENAI_DATASET_STD),
    )
    return Teacher(name, clip.visual, view, text_tower=clip, encode_captions=encode_captions)


def _build_timm(name: str, path: Path | None) -> Teacher:
    import timm

    model = name.removeprefix("timm:")
    config: Any = timm.models.get_pretrained_cfg(model)
    # Transformers fix their resolution when they are made; the positions are then interpolated from the weights'.
    sized: dict[str, Any] = {"img_size": TIMM_RESOLUTION} if config.fixed_input_size else {}
    # Some weights were first published as arrays with names of their own; as safetensors they have timm's names.
    overlay = {"file": str(path), "custom_load": False} if path else None
    network: Any = timm.create_model(model, pretrained=path is not None, pretrained_cfg_overlay=overlay, **sized)
    # Only now, because timm does not insist on all weights when it makes a model without its classifier.
    network.reset_classifier(0)
    view = View(TIMM_RESOLUTION, tuple(network.pretrained_cfg["mean"]), tuple(network.pretrained_cfg["std"]))
    return Teacher(name, network, view)


def _side(size: int | Sequence[int]) -> int:
    """One side of images whose size open_clip gives as a number or as height and width."""
    return size if isinstance(size, int) else size[0]


BUILDERS: dict[TeacherLibrary, Callable[[str, Path | None], Teacher]] = {
    "shipped": _build_shipped,
    "open_clip": _build_open_clip,
    "timm": _build_timm,
}
