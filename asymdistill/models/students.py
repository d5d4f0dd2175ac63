"""The students: one family of small convolutional networks, scaled in width, and a transformer of the same size."""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from asymdistill.models.transformer_student import TransformerStudent, channels_for, size_of
from asymdistill.runtime.errors import InputError, check_positive
from asymdistill.runtime.seeding import seeded

CNN, TRANSFORMER = "cnn", "transformer"
"""The architectures of students."""


class ScalableCNN(nn.Module):
    """Three convolutional blocks and a two-layer head, as in the papers' released notebook.

    Each block is a 3 x 3 convolution (padding 1), batch normalisation and ReLU, with 16, 32 and 64 times ``width``
    channels; 2 x 2 max pooling follows the first two, adaptive average pooling to 4 x 4 the third. The head is linear
    to 512, ReLU, linear to ``embedding_dim``. With 512 outputs, widths 1, 2 and 4 have 811,264, 1,405,440 and
    2,732,032 parameters.

    Args:
        width: width factor; fractions are allowed as long as each block keeps at least one channel.
        embedding_dim: dimensions of the output, those of the teacher.
        dilation: of the convolutions; above 1 it widens the receptive field and leaves the weights' number as it is.

    Raises:
        InputError: a width, dimension or dilation that is not positive.
    """

    def __init__(self, width: float, embedding_dim: int = 512, dilation: int = 1) -> None:
        super().__init__()
        check_positive("width", width)
        check_positive("embedding_dim", embedding_dim)
        check_positive("dilation", dilation)
        first, second, third = (int(channels * width) for channels in (16, 32, 64))
        if first < 1:
            raise InputError(f"width is {width}; it must be at least 1/16, one channel in the first block")
        self.features = nn.Sequential(
            *_block(3, first, dilation),
            nn.MaxPool2d(2),
            *_block(first, second, dilation),
            nn.MaxPool2d(2),
            *_block(second, third, dilation),
            nn.AdaptiveAvgPool2d(4),
        )
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(third * 16, 512), nn.ReLU(inplace=True), nn.Linear(512, embedding_dim)
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Map normalised images, N x 3 x R x R, to embeddings, N x ``embedding_dim`` (not normalised)."""
        embeddings: Tensor = self.head(self.features(inputs))
        return embeddings


@dataclass(frozen=True)
class Design:
    """What a student's network is, but for the length of its embedding.

    Attributes:
        width: width factor of the convolutional network.
        dilation: of its convolutions.
        architecture: ``CNN``, or ``TRANSFORMER`` with about as many parameters.
        resolution: side of the input in pixels, which only a transformer depends on.
    """

    width: float
    dilation: int = 1
    architecture: str = CNN
    resolution: int = 32

    def network(self, embedding_dim: int) -> nn.Module:
        """The network, with weights from PyTorch's global generator.

        Raises:
            InputError: there is no such network.
        """
        if self.architecture == CNN:
            return ScalableCNN(self.width, embedding_dim, self.dilation)
        channels = channels_for(parameter_count(self.width, embedding_dim), self.resolution, embedding_dim)
        return TransformerStudent(channels, self.resolution, embedding_dim)

    def parameter_count(self, embedding_dim: int) -> int:
        """Number of trainable parameters, computed without allocating them."""
        return size_of(lambda: self.network(embedding_dim))


def build(design: Design, embedding_dim: int, seed: int) -> nn.Module:
    """Build a student whose initial weights are those that ``torch.manual_seed(seed)`` gives.

    The global generator is left as it was found.
    """
    with seeded(seed):
        return design.network(embedding_dim)


def restore(design: Design, state: Mapping[str, Tensor]) -> nn.Module:
    """Build a student with weights that ``state_dict`` gave; the length of an embedding is theirs."""
    *_, last = (name for name in state if name.startswith("head.") and name.endswith("bias"))
    student = design.network(len(state[last]))
    student.load_state_dict(state)
    return student


def parameter_count(width: float, embedding_dim: int = 512) -> int:
    """Number of trainable parameters of a student, computed without allocating it."""
    return Design(width).parameter_count(embedding_dim)


def receptive_field(dilation: int = 1) -> int:
    """Side in pixels of the part of the input that one feature before the last pooling depends on, for any width."""
    side, step = 1, 1
    for pooled in (True, True, False):
        side += 2 * dilation * step + (step if pooled else 0)
        step *= 2 if pooled else 1
    return side


def with_batch_statistics(student: nn.Module, batches: Iterable[Tensor]) -> nn.Module:
    """Return a copy of a student whose batch-norm statistics are those of other inputs, for instance noisy ones.

    Running means and variances start afresh and become the plain averages over the batches, so batches should be of
    one size; no weight changes. This is the adaptation of Schneider et al., "Improving robustness against common
    corruptions by covariate shift adaptation", NeurIPS 2020, with none of the clean statistics kept.

    Args:
        student: left as it is.
        batches: what the student sees, each B x 3 x R x R, on the student's device.

    Returns:
        The copy, in eval mode.

    Raises:
        InputError: if there is no batch.
    """
    adapted = copy.deepcopy(student)
    update_bn(batches, adapted)
    counts = [buffer for name, buffer in adapted.named_buffers() if name.endswith("num_batches_tracked")]
    if not any(counts):
        raise InputError("batches is empty; batch-norm statistics need at least one batch")
    return adapted.eval()


def _block(inputs: int, outputs: int, dilation: int) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
