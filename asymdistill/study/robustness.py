"""How much of a clean probe's accuracy an encoder keeps when its input is noisy."""

from collections.abc import Callable, Sequence

from torch import Tensor

from asymdistill.data.views import GaussianNoise
from asymdistill.metrics.probe import Probe


def noise_sweep(
    encode: Callable[[GaussianNoise], Tensor],
    probe: Probe,
    labels: Tensor,
    *,
    levels: Sequence[float],
    space: str = "normalised",
    seed: int = 0,
) -> dict[float, float]:
    """Accuracy of one fixed probe, fitted on clean embeddings, at several noise levels.

    Args:
        encode: maps a noise to the test images' embeddings under it, N x d.
        probe: fitted on the clean training embeddings.
        labels: int64, N.
        levels: standard deviations of the noise.
        space: ``normalised`` or ``pixel``; see ``encoding.GaussianNoise``.
        seed: of the noise.

    Returns:
        Accuracy in percent for each level.
    """
    return {level: probe.accuracy(encode(GaussianNoise(level, space, seed)), labels) for level in levels}
