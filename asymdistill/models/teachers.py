"""Frozen teachers: those that come with the package, and any of open_clip's or timm's by name.

A library is imported when a teacher of its own is asked for.
"""

import logging
import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from asymdistill.config.names import EFFICIENTNET, TeacherLibrary, teacher_library
from asymdistill.data.views import BLOCK, GaussianNoise, View
from asymdistill.models import mini_clip
from asymdistill.models.encoding import embed
from asymdistill.models.folding import folded
from asymdistill.models.teacher_views import teacher_view
from asymdistill.models.weights import fetch, find_weights, misfit, shipped_path
from asymdistill.runtime.devices import has_bfloat16
from asymdistill.runtime.errors import InputError, check_option

PRECISIONS = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
# Bytes of a batch's largest activation on a CPU, which should stay in its cache; a GPU takes whole blocks of images.
_CACHE = 32 * 2**20
NORMALISATION = (nn.LayerNorm, nn.GroupNorm, nn.modules.batchnorm._BatchNorm)


class Teacher(nn.Module):
    """A frozen image encoder, with its text encoder where it has one.

    It can't be put in train mode and none of its parameters takes a gradient.

    Args:
        name: what ``load_teacher`` was asked for.
        image_tower: maps normalised images, N x 3 x R x R, to N x d.
        view: how it sees an image.
        text_tower: holds the weights that ``encode_captions`` uses; None: images only.
        encode_captions: maps M captions to M x d.

    Attributes:
        embedding_dim: d.
        parameter_count: of the image tower, as it is published.
        resolution: R, in pixels.
        precision: arithmetic, float32 until ``compute_in``; embeddings are float32 in any case.
    """

    def __init__(
        self,
        name: str,
        image_tower: nn.Module,
        view: View,
        *,
        text_tower: nn.Module | None = None,
        encode_captions: Callable[[Sequence[str]], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        self.view = view
        self.precision = torch.float32
        self.image_tower = image_tower
        self.text_tower = text_tower
        self._encode_captions = encode_captions
        self.requires_grad_(False)
        super().train(False)
        self.parameter_count = sum(parameter.numel() for parameter in image_tower.parameters())
        self.embedding_dim, self._largest_activation = _sizes(image_tower, view.resolution)

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
        if self.device.type == "cpu":  # its weights have been converted
            inputs = inputs.to(self.precision)
        embeddings: Tensor = self.image_tower(inputs)
        return embeddings

    def compute_in(self, precision: torch.dtype) -> None:
        """Compute in this precision from now on.

        On a GPU that is autocast. On a CPU the weights are converted once, since autocast would convert them at every
        call; those of normalisation layers stay float32, which halves the error and costs nothing.

        Raises:
            InputError: the image tower can't.
        """
        self.precision = precision
        if self.device.type != "cpu" or precision == torch.float32:
            return
        for module in self.image_tower.modules():
            if not isinstance(module, NORMALISATION):
                for parameter in module.parameters(recurse=False):
                    parameter.data = parameter.data.to(precision)
        try:
            self(torch.zeros(1, 3, self.resolution, self.resolution))
        except RuntimeError as error:
            raise InputError(
                f"teacher {self.name!r} can't compute in {precision} on a CPU ({error}); allowed: "
                "teacher_precision = 'float32'"
            ) from None

    def encode(self, images: Tensor, noise: GaussianNoise | None = None, *, first: int = 0) -> Tensor:
        """Map uint8 images, N x H x W x 3, to L2-normalised float32 embeddings, N x d, on the teacher's device.

        Args:
            images: on any device.
            noise: added to what the teacher sees; None: none.
            first: index of the first of these images in their set, a multiple of ``views.BLOCK``.
        """
        return embed(
            self,
            images,
            self.view,
            device=self.device,
            noise=noise,
            first=first,
            precision=self.precision,
            batch_size=self._batch_size,
        )

    @property
    def _batch_size(self) -> int:
        """Images at a time: as many as a CPU's cache holds, in equal batches."""
        if self.device.type != "cpu":
            return BLOCK
        most = max(1, _CACHE // (self._largest_activation * self.precision.itemsize))
        return math.ceil(BLOCK / math.ceil(BLOCK / most))

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
        precision: its arithmetic, as for ``resolve_precision``.
        resolution: side in pixels of what it is to see; positions are interpolated. None: as published.
        crop: crop images as published; False: see the whole of a square one.

    Raises:
        InputError: no such model, an activation function that does not fit the weights, weights that can't be had,
            a file that is missing, damaged or of another architecture, or a resolution that the model does not take.
    """
    device = torch.device(device or "cpu")
    arithmetic = PRECISIONS[resolve_precision(precision, device)]
    # Refuses a model that does not exist, and weights that do not fit it, before any file is read.
    view = teacher_view(name, resolution, crop=crop)
    path = find_weights(name, weights) or fetch(name)
    try:
        teacher = _build(name, path, view)
    except (SafetensorError, RuntimeError, KeyError, OSError, AssertionError, MemoryError) as error:
        if "memory" in str(error):
            raise InputError(
                f"teacher {name!r} runs out of memory on images of {view.resolution} pixels a side; allowed: a smaller "
                "teacher_resolution"
            ) from None
        raise _misfit(name, path, view, error) from None
    teacher.to(device)
    teacher.compute_in(arithmetic)
    return teacher


def check_fit(name: str, path: Path, resolution: int | None = None) -> None:
    """Refuse a file of weights that do not fit a teacher, by the names and shapes of its tensors; none is read.

    Args:
        name: as for ``load_teacher``.
        path: a whole safetensors file.
        resolution: as for ``load_teacher``.

    Raises:
        InputError: the one that ``load_teacher`` raises.
    """
    view = teacher_view(name, resolution)
    try:
        # PyTorch warns that nothing is copied to tensors without memory.
        with torch.device("meta"), warnings.catch_warnings(action="ignore"):
            _build(name, path, view)
    except InputError:
        raise
    except Exception as error:
        # Some networks need values to be made, which says nothing about the file.
        if "state_dict" in str(error):
            raise _misfit(name, path, view, error) from None


def resolve_precision(precision: str, device: torch.device) -> str:
    """The arithmetic of a teacher on a device.

    Args:
        precision: ``float32``, ``float16`` (which a CPU takes for float32), ``bfloat16``, or ``auto``: bfloat16 on a
            CPU that has instructions for it, else float32.
        device: where the teacher is.

    Raises:
        InputError: another precision.
    """
    check_option("precision", precision, ("auto", *PRECISIONS))
    if precision == "auto":
        return "bfloat16" if has_bfloat16(device) else "float32"
    return "float32" if precision == "float16" and device.type == "cpu" else precision


def untrained_teacher(name: str, resolution: int | None = None) -> Teacher:
    """A teacher's architecture with random weights, of its size and speed; one that comes with the package as it is.

    Args:
        name: as for ``load_teacher``.
        resolution: as for ``load_teacher``.

    Raises:
        InputError: no such model, or a resolution that it does not take.
    """
    view = teacher_view(name, resolution)
    silenced = logging.root.manager.disable
    logging.disable(logging.WARNING)  # open_clip warns that there are no weights
    try:
        return _build(name, None, view)
    finally:
        logging.disable(silenced)


def _sizes(image_tower: nn.Module, side: int) -> tuple[int, int]:
    """Length of an embedding, and the most numbers that a layer puts out for one image."""
    outputs: list[int] = []

    def note(module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            outputs.append(output.numel())

    hooks = [module.register_forward_hook(note) for module in image_tower.modules()]
    try:
        with torch.inference_mode():
            embedding = image_tower(torch.zeros(1, 3, side, side))
    finally:
        for hook in hooks:
            hook.remove()
    return int(embedding.shape[1]), max(outputs)


def _misfit(name: str, path: Path, view: View, error: Exception) -> InputError:
    side = teacher_view(name).resolution
    words = "" if view.resolution == side else f", or it can't see {view.resolution} pixels a side, only {side}"
    return InputError(f"{path} does not hold the weights of teacher {name!r}{words} ({misfit(error)})")


def _build(name: str, path: Path | None, view: View) -> Teacher:
    return BUILDERS[teacher_library(name)](name, path, view)


def _build_shipped(name: str, path: Path | None, view: View) -> Teacher:
    path = path or shipped_path(name)
    if name == EFFICIENTNET:
        import timm

        network = timm.create_model("tf_efficientnet_lite0", num_classes=0)
        weights = {key: value.float() if value.is_floating_point() else value for key, value in load_file(path).items()}
        network.load_state_dict(weights)
        teacher = Teacher(name, network, view)
        teacher.image_tower = folded(teacher.image_tower)
        return teacher.to(memory_format=torch.channels_last)
    towers = mini_clip.load_towers(path)
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
            architecture,
            pretrained=path and str(path),
            precision="fp32",
            device=torch.get_default_device(),
            force_image_size=side,
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
