"""The spectrum of embeddings that were read from files, as ``asymdistill measure --plot`` draws it."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter

from asymdistill.plots.style import BLACK, GREY, STYLE, WIDTH, lines, panels, plain_log_ticks

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
        axis.yaxis.set_major_formatter(FormatStrFormatter("%g"))
        plain_log_ticks(axis)
        axis.legend()
    return figure


def by_sample_size(ranks: Mapping[str, Mapping[int, Sequence[float]]]) -> Figure:
    """Effective rank over the number of embeddings: one line per set, within a band over random subsamples.

    Args:
        ranks: for each set and size the ranks of the draws, as ``metrics.rank_by_sample_size`` returns them.
    """
    rows = [
        {"model": name, "rows": size, "rank": rank}
        for name, sizes in ranks.items()
        for size, drawn in sizes.items()
        for rank in drawn
    ]
    with plt.rc_context(STYLE):
        figure, axes = panels([["rank"]], 4.2)
        axis = axes["rank"]
        lines(axis, pd.DataFrame(rows), "rows", "rank", marks=True)
        axis.set(xscale="log", xlabel="embeddings (number)", ylabel="effective rank")
        plain_log_ticks(axis)
        axis.legend()
    return figure
