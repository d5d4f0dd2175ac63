"""Chapter 3: InfoNCE and uniformity of the students."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from asymdistill.claims.ledger import published
from asymdistill.plots.style import STYLE, dots, panels
from asymdistill.plots.tables import beside_paper, measures, merge_measures, pick, students_of

LABELS = {"info_nce": "InfoNCE loss (nats)", "uniformity": "uniformity loss (log of a mean)"}


def losses(information: pd.DataFrame) -> Figure:
    """InfoNCE and uniformity of each student, one dot per seed."""
    students = students_of(information)
    with plt.rc_context(STYLE):
        figure, axes = panels([[quantity] for quantity in LABELS], 1.1 * students["model"].nunique() + 2.2)
        for quantity, label in LABELS.items():
            dots(axes[quantity], pick(students, quantity))
            axes[quantity].set_xlabel(label)
    return figure


def table(information: pd.DataFrame) -> pd.DataFrame:
    """InfoNCE and uniformity loss beside the paper's, one row per student."""
    students = students_of(information)
    parts = {
        name: beside_paper(pick(students, quantity), published(quantity), ["model"], "value", 4)
        for name, quantity in (("InfoNCE", "info_nce"), ("uniformity", "uniformity"))
    }
    return merge_measures(parts)


def estimators(information: pd.DataFrame) -> pd.DataFrame:
    """The bound on mutual information, and uniformity by estimator, one row per model."""
    wanted = {
        "mutual_information_bound": "bound on mutual information",
        "uniformity": "uniformity",
        "uniformity_without_self": "without self-pairs",
        "uniformity_all_pairs": "over all pairs",
    }
    return measures(information, list(wanted)).rename(columns=wanted)
