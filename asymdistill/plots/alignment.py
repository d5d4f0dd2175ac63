"""Chapter 2: how much of the students' variance lies within the teacher's leading components."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from asymdistill.claims.ledger import published
from asymdistill.config.names import PAPER
from asymdistill.plots.runs import Runs, of_each
from asymdistill.plots.selection import pick, students_of
from asymdistill.plots.style import PUBLISHED, STYLE, lines, plain_log_ticks, stacked
from asymdistill.plots.tables import dashed, measures, number

SHARE_COMPONENTS = 20  # the paper's Figure 1 speaks of the teacher's top 20


def shares(alignment: Runs) -> Figure:
    """Cumulative share of each model's variance within the teacher's leading components: one panel per run."""
    with plt.rc_context(STYLE):
        figure, axes = stacked(alignment, 3.2 if len(alignment) > 1 else 3.9)
        for name, axis in axes.items():
            lines(axis, alignment[name], "component", "share")
            for value in published("share_20")["value"]:
                axis.plot([SHARE_COMPONENTS], [value], "o", markeredgecolor="0.3", label="students, paper", **PUBLISHED)
            axis.set(xscale="log", ylabel="cumulative share", ylim=(0, 1.03))
            axis.legend(loc="lower right")
        axis.set_xlabel("leading components of the teacher (number)")
        plain_log_ticks(axis)
    return figure


def table(alignment: Runs) -> pd.DataFrame:
    """Cumulative share at a few numbers of components: the paper's text, then each run's models.

    Entries of runs are means ± standard deviations over seeds.
    """

    def shares(own: pd.DataFrame) -> pd.DataFrame:
        last = int(own["component"].max())
        wanted = [k for k in (1, 2, 5, 10, SHARE_COMPONENTS, 50, 100, 200) if k < last]
        return measures(own, wanted, column="component", value="share")

    stated = [number(value, None, 3) for value in published("share_20")["value"]]
    paper = pd.DataFrame({"from": PAPER, "model": "students, at least", SHARE_COMPONENTS: stated})
    found = dashed(pd.concat([of_each(alignment, shares), paper], ignore_index=True))
    return found.reindex([found.index[-1], *found.index[:-1]]).reset_index(drop=True)


def numbers(alignment: pd.DataFrame) -> dict[str, float]:
    """Numbers for the prose: the students' smallest and largest share within the leading 20 components."""
    leading = min(SHARE_COMPONENTS, int(alignment["component"].max()))
    shares = pick(students_of(alignment), component=leading)["share"]
    return {"share20_min": float(shares.min()), "share20_max": float(shares.max())}
