"""What an encoder sees of an image: its size, crop and normalisation, and the noise that is added."""

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from asymdistill.data.preprocess import CLIP_MEAN, CLIP_STD, normalise, resize
from asymdistill.runtime.checks import check_images
from asymdistill.runtime.errors import InputError, check_option

NOISE_SPACES = ("normalised", "pixel")
# Images whose noise is drawn from one seed: any part of a set that begins with a block has the same noise by itself.
BLOCK = 100


@dataclass(frozen=True)
class View:
    """How an encoder sees an image: resized, cropped and normalised; by default as CLIP and the paper's students do.

    Attributes:
        resolution: R, the side in pixels of what it sees.
        mean: per channel, in units of the [0, 1] range.
        std: per channel, in the same units.
        interpolation: the filter of ``preprocess.resize``.
        crop: share of the resized image's side that the centre crop keeps.
        resize_mode: ``shortest`` or ``squash``, as in ``preprocess.resize``.
    """

    resolution: int
    mean: tuple[float, ...] = CLIP_MEAN
    std: tuple[float, ...] = CLIP_STD
    interpolation: str = "bicubic"
    crop: float = 1.0
    resize_mode: str = "shortest"

    def __call__(self, images: Tensor) -> Tensor:
        """Turn uint8 images, N x H x W x 3, into float32 tensors, N x 3 x R x R, on the same device."""
        resized = resize(
            images,
            self.resolution,
            interpolation=self.interpolation,
            crop=self.crop,
            resize_mode=self.resize_mode,
        )
        return normalise(resized, self.mean, self.std)


@dataclass(frozen=True)
class GaussianNoise:
    """Additive Gaussian noise, the same for every model that gets the same images at the same resolution.

    Attributes:
        sigma: standard deviation; in units of the normalised tensor or of the [0, 1] range of pixels.
        space: ``normalised`` adds it to the network's input, as the paper does: at CLIP's scale, 0.1 is about 0.027
            of the pixel range, drawn anew for each upsampled pixel. ``pixel`` adds it to the original image, which is
            then clipped to [0, 1] and rounded to 256 levels, as a photograph would be.
        seed: seeds the draws. Two noises that differ in sigma alone are multiples of each other before clipping.
    """

    sigma: float
    space: str = "normalised"
    seed: int = 0

    def __post_init__(self) -> None:
        check_option("space", self.space, NOISE_SPACES)
        if not 0 <= self.sigma < float("inf"):
            raise InputError(f"sigma is {self.sigma}; it must be a finite number of at least 0")


def see(
    images: Tensor,
    view: View,
    noise: GaussianNoise | None = None,
    generator: torch.Generator | None = None,
    *,
    first: int = 0,
) -> Tensor:
    """What an encoder sees of some images: preprocessed, and with noise where there is any.

    Args:
        images: uint8, N x H x W x 3.
        view: resolution, crop and normalisation.
        noise: added in its own space; None, or a sigma of 0: none.
        generator: draws the noise and advances, as in training; None: the noise of these very images, see ``first``.
        first: index of the first of these images in their set, a multiple of ``BLOCK``: which noise is theirs.

    Returns:
        float32, N x 3 x R x R, on the device of ``images``.

    Raises:
        InputError: images of another type or shape, or a ``first`` that no block begins with.
    """
    check_images("images", images)
    if noise is None or noise.sigma == 0:
        return view(images)
    if first % BLOCK:
        raise InputError(f"first is {first}; allowed: multiples of {BLOCK}")
    if noise.space == "normalised":
        inputs = view(images)
        return inputs.add_(_draw(inputs, noise, generator, first), alpha=noise.sigma)
    noisy = images.float()
    noisy = noisy.add_(_draw(noisy, noise, generator, first), alpha=255 * noise.sigma)
    return view(noisy.round_().clamp_(0, 255).to(torch.uint8))


def _draw(like: Tensor, noise: GaussianNoise, generator: torch.Generator | None, first: int) -> Tensor:
    """Standard normal draws in the shape of a batch: from a generator, or block by block, each from its own seed."""
    if generator is not None:
        return torch.randn(like.shape, generator=generator, device=like.device)
    parts = []
    for start in range(0, len(like), BLOCK):
        block = torch.Generator(like.device).manual_seed(_block_seed(noise.seed, (first + start) // BLOCK))
        # A whole block, though less may be needed: fewer draws from the same generator need not be its first ones.
        whole = torch.randn((BLOCK, *like.shape[1:]), generator=block, device=like.device)
        parts.append(whole[: len(like) - start])
    return torch.cat(parts) if len(parts) != 1 else parts[0]


def _block_seed(seed: int, block: int) -> int:
    mixed = hashlib.sha256(f"noise {seed} block {block}".encode()).digest()
    return int.from_bytes(mixed[:8], "big") >> 1  # PyTorch takes 63 bits
