"""Running an encoder over many images: what it sees, the noise added to it, and batching."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from asymdistill.data.preprocess import CLIP_MEAN, CLIP_STD, clip_preprocess
from asymdistill.runtime.checks import check_images
from asymdistill.runtime.errors import InputError, check_option

Encoder = Callable[[Tensor], Tensor]
NOISE_SPACES = ("normalised", "pixel")
# One size for all models: noise is drawn batch by batch, so that models differ in the noise they see if this does.
BATCH = 100


@dataclass(frozen=True)
class View:
    """How an encoder sees an image: resized to ``resolution`` and normalised by ``mean`` and ``std`` per channel."""

    resolution: int
    mean: tuple[float, ...] = CLIP_MEAN
    std: tuple[float, ...] = CLIP_STD

    def __call__(self, images: Tensor) -> Tensor:
        """Turn uint8 images, N x H x W x 3, into float32 tensors, N x 3 x R x R, on the same device."""
        return clip_preprocess(images, self.resolution, mean=self.mean, std=self.std)


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


def embed(
    encoder: Encoder,
    images: Tensor,
    view: View,
    *,
    device: torch.device | str = "cpu",
    noise: GaussianNoise | None = None,
    precision: torch.dtype = torch.float32,
) -> Tensor:
    """Encode images in batches, without gradients.

    Args:
        encoder: maps N x 3 x R x R float32 to N x d; the caller has put it in eval mode.
        images: uint8, N x H x W x 3, on any device.
        view: what the encoder sees.
        device: where the encoder lives.
        noise: added to what the encoder sees; None: none.
        precision: autocast type on a GPU; a CPU always computes in float32.

    Returns:
        float32, N x d, each row of length 1, on ``device``.

    Raises:
        InputError: images of another type or shape.
    """
    check_images("images", images)
    device = torch.device(device)
    generator = torch.Generator(device).manual_seed(noise.seed) if noise else None
    mixed = precision != torch.float32 and device.type == "cuda"
    parts = []
    with torch.inference_mode(), torch.autocast(device.type, precision if mixed else torch.bfloat16, enabled=mixed):
        for batch in images.split(BATCH):
            inputs = see(batch.to(device), view, noise, generator)
            parts.append(F.normalize(encoder(inputs).float(), dim=1))
    return torch.cat(parts).clone()


def see(
    images: Tensor, view: View, noise: GaussianNoise | None = None, generator: torch.Generator | None = None
) -> Tensor:
    """What an encoder sees of some images: preprocessed, and with noise where there is any.

    Args:
        images: uint8, N x H x W x 3.
        view: resolution and normalisation.
        noise: added in its own space; None, or a sigma of 0: none.
        generator: draws the noise and advances; None: one from the noise's own seed.

    Returns:
        float32, N x 3 x R x R, on the device of ``images``.
    """
    if noise is None or noise.sigma == 0:
        return view(images)
    generator = generator or torch.Generator(images.device).manual_seed(noise.seed)
    if noise.space == "normalised":
        inputs = view(images)
        draw = torch.randn(inputs.shape, generator=generator, device=inputs.device)
        return inputs.add_(draw, alpha=noise.sigma)
    draw = torch.randn(images.shape, generator=generator, device=images.device)
    noisy = images.float().add_(draw, alpha=255 * noise.sigma)
    return view(noisy.round_().clamp_(0, 255).to(torch.uint8))
