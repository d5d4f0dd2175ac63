"""A student of another architecture: a small vision transformer with as many parameters as a convolutional one."""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn

from asymdistill.runtime.errors import check_positive

LAYERS, HEADS = 4, 4
PATCHES = 8  # on each side of the image, so that the number of parameters hardly depends on the resolution
STEP = 8  # in which the number of channels grows


class TransformerStudent(nn.Module):
    """A pre-norm vision transformer: 64 patches, four layers, mean over the patches, and a linear layer.

    The blocks are PyTorch's ``TransformerEncoderLayer``, with an MLP four times as wide as its input and GELU; there is
    no dropout. Positions are learned. (Dosovitskiy et al., "An image is worth 16 x 16 words", ICLR 2021.)

    Args:
        channels: of the patches' embeddings, a multiple of ``STEP``.
        resolution: side of the input in pixels; where eight patches do not divide it there are a few more, and the last
            pixels are not seen.
        embedding_dim: dimensions of the output, those of the teacher.

    Raises:
        InputError: a number that is not positive.
    """

    def __init__(self, channels: int, resolution: int, embedding_dim: int) -> None:
        super().__init__()
        for name, value in (("channels", channels), ("resolution", resolution), ("embedding_dim", embedding_dim)):
            check_positive(name, value)
        side = max(1, resolution // PATCHES)
        self.patches = nn.Conv2d(3, channels, side, side)
        # In place: to multiply otherwise on the device "meta", PyTorch first imports its compiler, for seconds.
        self.positions = nn.Parameter(torch.randn(1, (resolution // side) ** 2, channels).mul_(0.02))
        layer = nn.TransformerEncoderLayer(
            channels, HEADS, 4 * channels, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(layer, LAYERS, nn.LayerNorm(channels), enable_nested_tensor=False)
        self.head = nn.Linear(channels, embedding_dim)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map normalised images, N x 3 x R x R, to embeddings, N x ``embedding_dim`` (not normalised)."""
        tokens = self.patches(inputs).flatten(2).transpose(1, 2) + self.positions
        embeddings: Tensor = self.head(self.blocks(tokens).mean(1))
        return embeddings


def size_of(build: Callable[[], nn.Module]) -> int:
    """Number of trainable parameters of a network, computed without allocating them."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build().parameters())


def parameter_count(channels: int, resolution: int, embedding_dim: int) -> int:
    """Number of trainable parameters, computed without allocating them."""
    return size_of(lambda: TransformerStudent(channels, resolution, embedding_dim))


@cache
def channels_for(parameters: int, resolution: int, embedding_dim: int) -> int:
    """The number of channels at which the number of parameters is nearest to a given one."""
    channels = STEP
    while parameter_count(channels + STEP, resolution, embedding_dim) <= parameters:
        channels += STEP
    both = (channels, channels + STEP)
    return min(both, key=lambda own: abs(parameter_count(own, resolution, embedding_dim) - parameters))
