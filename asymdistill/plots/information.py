"""Chapter 3: InfoNCE and uniformity of the students."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from asymdistill.claims.ledger import published
from asymdistill.config.names import PAPER
from asymdistill.plots.runs import Runs
from asymdistill.plots.selection import pick, students_of
from asymdistill.plots.style import HOLLOW, STYLE, dots, panels
from asymdistill.plots.tables import measures, quantities_beside_paper

LABELS = {"info_nce": "InfoNCE loss\n(nats)", "uniformity": "uniformity loss\n(log of a mean)"}


def losses(information: Runs) -> Figure:
    """InfoNCE and uniformity of each student: one row of panels for the paper and one per run, one dot per seed."""
    paper = pd.concat([published(quantity) for quantity in LABELS])
    tables = {PAPER: paper} | {name: students_of(table) for name, table in information.items()}
    heights = [0.34 * table["model"].nunique() + 0.5 for table in tables.values()]
    with plt.rc_context(STYLE):
        layout = [[f"{name} {quantity}" for quantity in LABELS] for name in tables]
        figure, axes = panels(layout, sum(heights) + 0.5 * len(tables) + 0.3, height_ratios=heights)
        for name, table in tables.items():
            for quantity in LABELS:
                axis = axes[f"{name} {quantity}"]
                dots(axis, pick(table, quantity), **(HOLLOW if name == PAPER else {}))
                axis.margins(x=0.1)
                axis.xaxis.set_major_locator(MaxNLocator(2))
            axes[f"{name} info_nce"].set_title(name, loc="left")
            axes[f"{name} uniformity"].tick_params(labelleft=False)
        for quantity, label in LABELS.items():
            axes[f"{name} {quantity}"].set_xlabel(label)
    return figure


def table(information: Runs) -> pd.DataFrame:
    """InfoNCE and uniformity loss, the paper's and of each run: one row per student."""
    students = {name: students_of(table) for name, table in information.items()}
    return quantities_beside_paper(students, {"InfoNCE": ("info_nce", 4), "uniformity": ("uniformity", 4)})


def estimators(information: pd.DataFrame) -> pd.DataFrame:
    """The bound on mutual information, and uniformity by estimator, one row per model."""
    wanted = {
        "mutual_information_bound": "bound on mutual information",
        "uniformity": "uniformity",
        "uniformity_without_self": "without self-pairs",
        "uniformity_all_pairs": "over all pairs",
    }
    return measures(information, list(wanted)).rename(columns=wanted)
