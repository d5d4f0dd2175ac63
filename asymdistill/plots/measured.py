"""The spectrum of embeddings that were read from files, as ``asymdistill measure --plot`` draws it."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from asymdistill.plots.style import BLACK, GREY, STYLE, WIDTH, plain_log_ticks

FLOOR = 1e-12  # of all variance; below are rounding and zeros


def spectrum(variances: Sequence[float], effective_rank: float) -> Figure:
    """Share of the variance in each principal direction, and the effective rank as a line.

    Args:
        variances: shares of the variance, largest first.
        effective_rank: of the variance spectrum.
    """
    shares = np.asarray(variances)
    components = np.arange(1, len(shares) + 1)
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(WIDTH, 4.2), layout="constrained")
        axis.plot(components[shares > FLOOR], shares[shares > FLOOR], "o-", color=BLACK, markersize=3)
        axis.axvline(effective_rank, color=GREY, linestyle="--", label=f"effective rank {effective_rank:.4g}")
        axis.set(xscale="log", yscale="log", xlabel="component (number)", ylabel="share of the variance")
        plain_log_ticks(axis)
        axis.legend()
    return figure
