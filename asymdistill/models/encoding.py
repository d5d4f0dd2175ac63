"""Running an encoder over many images."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from asymdistill.data.views import BLOCK, GaussianNoise, View, see
from asymdistill.runtime.checks import check_images

Encoder = Callable[[Tensor], Tensor]


def embed(
    encoder: Encoder,
    images: Tensor,
    view: View,
    *,
    device: torch.device | str = "cpu",
    noise: GaussianNoise | None = None,
    first: int = 0,
    precision: torch.dtype = torch.float32,
    batch_size: int = BLOCK,
) -> Tensor:
    """Encode images in batches, without gradients.

    Args:
        encoder: maps N x 3 x R x R float32 to N x d; the caller has put it in eval mode.
        images: uint8, N x H x W x 3, on any device.
        view: what the encoder sees.
        device: where the encoder lives.
        noise: added to what the encoder sees; None: none. It depends on an image's place in its set alone.
        first: index of the first of these images in their set, a multiple of ``views.BLOCK``.
        precision: autocast type on a GPU; a CPU computes in the encoder's own.
        batch_size: images that the encoder is given at a time, at most ``views.BLOCK``.

    Returns:
        float32, N x d, each row of length 1, on ``device``.

    Raises:
        InputError: images of another type or shape.
    """
    check_images("images", images)
    device = torch.device(device)
    mixed = precision != torch.float32 and device.type == "cuda"
    parts = []
    with torch.inference_mode(), torch.autocast(device.type, precision if mixed else torch.bfloat16, enabled=mixed):
        for start in range(0, len(images), BLOCK):
            block = images[start : start + BLOCK].to(device)
            for batch in see(block, view, noise, first=first + start).split(batch_size):
                parts.append(F.normalize(encoder(batch).float(), dim=1))
    return torch.cat(parts).clone()
