"""Ranks and accuracies with other teachers and images (chapter 7), of one study at a time."""

import pandas as pd

from asymdistill.config.names import IDENTITY
from asymdistill.config.settings import Settings

COLUMNS = ("dataset", "teacher", "classes", "quantity", *IDENTITY, "sigma", "value")


def of_study(settings: Settings, classes: int, spectrum: pd.DataFrame, robustness: pd.DataFrame) -> pd.DataFrame:
    """One study's part of chapter 7's table: the rank of each model, and its accuracy at each level of noise.

    Args:
        settings: of the study.
        classes: of its images.
        spectrum: its table of that name.
        robustness: its table of that name, with noise in the normalised space.

    Returns:
        Columns as in ``COLUMNS``.
    """
    ranks = spectrum[(spectrum["quantity"] == "effective_rank") & (spectrum["estimator"] == "per seed")]
    noise = robustness[robustness["noise_space"] == "normalised"].rename(columns={"accuracy": "value"})
    both = pd.concat([ranks, noise.assign(quantity="accuracy")], ignore_index=True)
    named = {"dataset": settings.dataset, "teacher": settings.teacher_with_file}
    return both.assign(**named, classes=classes)[list(COLUMNS)]
