"""Image preprocessing on whole batches, on any device, equal to what Pillow and torchvision do image by image.

The teachers were trained on images that Pillow resampled, so a resampling of our own has to reproduce Pillow's: a
bicubic filter with a = -0.5, or a bilinear one, widened when it shrinks an image, and rounded to 8 bits after each of
its two passes. Both passes are products with a fixed matrix, which is why a batch can be done at once and on the device
where it lives.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from asymdistill.runtime.checks import check_images
from asymdistill.runtime.errors import InputError, check_option

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

RESIZE_MODES = ("shortest", "squash")

_CUBIC_A = -0.5
# Pillow keeps 32 - 8 - 2 bits behind the point in its weights for 8-bit images.
_FIXED_POINT = 2.0**22


def resize(
    images: Tensor,
    resolution: int,
    *,
    interpolation: str = "bicubic",
    crop: float = 1.0,
    resize_mode: str = "shortest",
) -> Tensor:
    """Resize to ``resolution`` / ``crop`` pixels with one of Pillow's filters, then crop the centre.

    This is torchvision's ``Resize`` and ``CenterCrop(resolution)`` on PIL images, grey level for grey level: weights in
    Pillow's fixed point, sums in float64, where they are exact, so that every device gives the same bytes whatever its
    settings for TF32 or autocast. An image that has its size already is only cropped.

    Args:
        images: uint8, N x H x W x 3.
        resolution: R, the side of the output in pixels.
        interpolation: Pillow's filter, ``bicubic`` or ``bilinear``.
        crop: share of the resized image's side that the crop keeps, timm's ``crop_pct``: the image is resized to
            floor(R / crop).
        resize_mode: ``shortest`` resizes the shorter side to that and keeps the aspect ratio; ``squash`` resizes both.

    Returns:
        uint8, N x 3 x R x R, on the device of ``images``.

    Raises:
        InputError: if ``images`` is no uint8 N x H x W x 3 tensor with pixels, ``resolution`` no positive integer,
            ``crop`` not in (0, 1], or another option not one of those above.
    """
    check_images("images", images)
    height, width = images.shape[1:3]
    short = min(height, width)
    if short < 1:
        raise InputError(f"images must have at least one pixel, got shape {tuple(images.shape)}")
    if not isinstance(resolution, int) or resolution < 1:
        raise InputError(f"resolution is {resolution!r}; it must be a positive integer")
    if not 0 < crop <= 1:
        raise InputError(f"crop is {crop!r}; it must be greater than 0 and at most 1")
    check_option("interpolation", interpolation, FILTERS)
    check_option("resize_mode", resize_mode, RESIZE_MODES)
    side = math.floor(resolution / crop)
    tall, wide = (side, side) if resize_mode == "squash" else (side * height // short, side * width // short)
    channels_first = images.permute(0, 3, 1, 2)
    if (tall, wide) == (height, width):
        top, left = _crop_start(height, resolution), _crop_start(width, resolution)
        return channels_first[..., top : top + resolution, left : left + resolution].contiguous()
    rows = _resample_matrix(height, tall, resolution, interpolation, images.device)
    columns = _resample_matrix(width, wide, resolution, interpolation, images.device)
    # Pillow's own rule since version 13; the order shows in the rounding between the passes.
    vertical_first = height > tall and height - tall > 2 * (width - wide)
    # a few images at a time stay in a CPU's cache, which doubles the speed; elsewhere it only bounds the memory
    parts = torch.split(channels_first, 8 if images.device.type == "cpu" else 512)
    return torch.cat([_resample(part, rows, columns, vertical_first) for part in parts])


def normalise(images: Tensor, mean: Sequence[float] = CLIP_MEAN, std: Sequence[float] = CLIP_STD) -> Tensor:
    """Scale grey levels to [0, 1], subtract ``mean`` and divide by ``std``, channel by channel.

    The steps and their order are those of torchvision's ``ToTensor`` and ``Normalize``, so the floats are the same.

    Args:
        images: uint8, N x 3 x H x W.
        mean: one value per channel, in units of the [0, 1] range.
        std: one positive value per channel, in the same units.

    Returns:
        float32, N x 3 x H x W.

    Raises:
        InputError: if ``images`` is no uint8 N x 3 x H x W tensor, or ``mean`` or ``std`` is not three usable numbers.
    """
    if not isinstance(images, Tensor) or images.dtype != torch.uint8:
        raise InputError(f"images must be a uint8 tensor, not {getattr(images, 'dtype', type(images).__name__)}")
    if images.ndim != 4 or images.shape[1] != 3:
        raise InputError(f"images must have shape N x 3 x H x W, not {tuple(images.shape)}")
    for name, values in (("mean", mean), ("std", std)):
        if len(values) != 3 or not all(map(math.isfinite, values)):
            raise InputError(f"{name} is {tuple(values)}; it must be three finite numbers, one per channel")
    if min(std) <= 0:
        raise InputError(f"std is {tuple(std)}; every value must be greater than 0")
    centre, spread = (_per_channel(tuple(values), images.device) for values in (mean, std))
    return images.to(torch.float32).div_(255).sub_(centre).div_(spread)


def clip_preprocess(
    images: Tensor,
    resolution: int = 224,
    *,
    mean: Sequence[float] = CLIP_MEAN,
    std: Sequence[float] = CLIP_STD,
) -> Tensor:
    """Prepare images for a teacher as CLIP does: bicubic resize, centre crop, scale to [0, 1], normalise.

    Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021, whose released code
    holds this pipeline. DINOv2 takes the same steps with ``IMAGENET_MEAN`` and ``IMAGENET_STD``.

    Args:
        images: uint8, N x H x W x 3.
        resolution: R, the side of the output in pixels; the images' own side means no resampling.
        mean: one value per channel, in units of the [0, 1] range.
        std: one positive value per channel, in the same units.

    Returns:
        float32, N x 3 x R x R, on the device of ``images``.

    Raises:
        InputError: as ``resize`` and ``normalise`` do.
    """
    return normalise(resize(images, resolution), mean, std)


def random_crop_flip(images: Tensor, *, generator: torch.Generator, padding: int = 4) -> Tensor:
    """Shift each image at random over a black border and mirror every second one, on average.

    The distribution is that of torchvision's ``RandomCrop((H, W), padding=padding)`` followed by
    ``RandomHorizontalFlip()``, drawn for each image by itself. The draws are made on the CPU, so one generator state
    gives one augmentation, whichever device holds the images.

    Args:
        images: uint8, N x H x W x 3.
        generator: a CPU generator; it advances with every call.
        padding: width of the black border in pixels; shifts run from -padding to +padding.

    Returns:
        uint8, N x H x W x 3, on the device of ``images``.

    Raises:
        InputError: if ``images`` has another type or shape, ``padding`` is negative or ``generator`` not on the CPU.
    """
    check_images("images", images)
    if not isinstance(padding, int) or padding < 0:
        raise InputError(f"padding is {padding!r}; it must be an integer of at least 0")
    if not isinstance(generator, torch.Generator) or generator.device.type != "cpu":
        raise InputError("generator must be a torch.Generator on the CPU")
    count, height, width = images.shape[:3]
    top, left = torch.randint(0, 2 * padding + 1, (2, count, 1), generator=generator)
    mirrored = torch.rand((count, 1), generator=generator) < 0.5
    x = torch.arange(width)
    rows = (top + torch.arange(height)).to(images.device)
    columns = (left + torch.where(mirrored, width - 1 - x, x)).to(images.device)
    padded = F.pad(images, (0, 0, padding, padding, padding, padding))
    which = torch.arange(count, device=images.device)
    return padded[which[:, None, None], rows[:, :, None], columns[:, None, :]]


def _resample(images: Tensor, rows: Tensor, columns: Tensor, vertical_first: bool) -> Tensor:
    """Resample N x 3 x H x W grey levels along one side, then along the other, rounding after each as Pillow does."""
    if vertical_first:
        vertical = _to_grey_levels(rows @ images.to(rows.dtype))
        return _to_grey_levels(vertical.to(columns.dtype) @ columns.T)
    horizontal = _to_grey_levels(images.to(columns.dtype) @ columns.T)
    return _to_grey_levels(rows @ horizontal.to(rows.dtype))


@lru_cache(maxsize=64)
def _resample_matrix(size_in: int, size_out: int, kept: int, interpolation: str, device: torch.device) -> Tensor:
    """Return the central ``kept`` rows of Pillow's size_out x size_in resampling matrix.

    Cropping the matrix crops the image, so pixels that the centre crop drops are never computed.
    """
    scale = size_in / size_out
    stretch = max(scale, 1.0)  # Pillow widens the filter when it shrinks an image: antialiasing
    kernel, radius = FILTERS[interpolation]
    radius *= stretch
    centre = (torch.arange(size_out, dtype=torch.float64)[:, None] + 0.5) * scale
    pixel = torch.arange(size_in, dtype=torch.float64)[None, :]
    # int() of a positive number, as in Pillow: which pixels count is part of the filter's definition
    inside = (pixel >= (centre - radius + 0.5).floor()) & (pixel < (centre + radius + 0.5).floor())
    weight = kernel((pixel - centre + 0.5) / stretch) * inside
    weight = weight / weight.sum(1, keepdim=True)
    weight = (weight.abs() * _FIXED_POINT + 0.5).floor() * weight.sign() / _FIXED_POINT
    start = _crop_start(size_out, kept)
    return weight[start : start + kept].to(device)


def _cubic(x: Tensor) -> Tensor:
    """Return Keys's cubic convolution kernel (IEEE Trans. ASSP 29, 1981) with a = -0.5 at ``x``, in pixels."""
    a, r = _CUBIC_A, x.abs()
    near = ((a + 2) * r - (a + 3)) * r * r + 1
    far = (((r - 5) * r + 8) * r - 4) * a
    return torch.where(r < 1, near, torch.where(r < 2, far, torch.zeros_like(r)))


def _triangle(x: Tensor) -> Tensor:
    """Return the kernel of linear interpolation at ``x``, in pixels."""
    return (1 - x.abs()).clamp_(min=0)


# Pillow's filters by name: the kernel and its radius in pixels.
FILTERS: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {"bicubic": (_cubic, 2.0), "bilinear": (_triangle, 1.0)}


def _crop_start(size: int, kept: int) -> int:
    """Return where torchvision's ``CenterCrop`` starts; ``round`` goes to the even number, and so does theirs."""
    return round((size - kept) / 2.0)


def _to_grey_levels(values: Tensor) -> Tensor:
    """Return floor(x + 0.5) clipped to 0..255 as uint8, in place as far as it goes: ``values`` is used up."""
    return values.add_(0.5).clamp_(0, 255).to(torch.uint8)  # the cast drops the fraction, which is the floor


@lru_cache(maxsize=64)
def _per_channel(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Return one value per channel as a float32 tensor that broadcasts over images, copied to a device only once."""
    return torch.tensor(values, dtype=torch.float32, device=device).view(-1, 1, 1)
