"""Chapter 2: how much of the students' variance lies within the teacher's leading components."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from asymdistill.claims.ledger import published
from asymdistill.plots.style import PAPER, STYLE, lines, panels, plain_log_ticks
from asymdistill.plots.tables import measures, pick, students_of

SHARE_COMPONENTS = 20  # the paper's Figure 1 speaks of the teacher's top 20


def shares(alignment: pd.DataFrame) -> Figure:
    """Cumulative share of each model's variance within the teacher's leading components."""
    with plt.rc_context(STYLE):
        figure, axes = panels([["share"]], 4.2)
        axis = axes["share"]
        lines(axis, alignment, "component", "share")
        for value in published("share_20")["value"]:
            axis.plot([SHARE_COMPONENTS], [value], "o", markeredgecolor="0.3", label="students, paper", **PAPER)
        axis.set(xscale="log", xlabel="leading components of the teacher (number)", ylabel="cumulative share")
        axis.set_ylim(0, 1.03)
        plain_log_ticks(axis)
        axis.legend(loc="lower right")
    return figure


def table(alignment: pd.DataFrame) -> pd.DataFrame:
    """Cumulative share at a few numbers of components, one row per model: mean ± standard deviation over seeds."""
    last = int(alignment["component"].max())
    wanted = [k for k in (1, 2, 5, 10, SHARE_COMPONENTS, 50, 100, 200) if k < last]
    return measures(alignment, wanted, column="component", value="share")


def numbers(alignment: pd.DataFrame) -> dict[str, float]:
    """Numbers for the prose: the students' smallest and largest share within the leading 20 components."""
    leading = min(SHARE_COMPONENTS, int(alignment["component"].max()))
    shares = pick(students_of(alignment), component=leading)["share"]
    return {"share20_min": float(shares.min()), "share20_max": float(shares.max())}
