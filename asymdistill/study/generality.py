"""Other teachers and other images: which settings chapter 7 crosses, and what is measured with each."""

from itertools import product

import pandas as pd

from asymdistill.config.names import IDENTITY
from asymdistill.config.settings import Settings

COLUMNS = ("dataset", "teacher", "classes", "quantity", *IDENTITY, "sigma", "value")


def crossed(settings: Settings) -> list[Settings]:
    """The settings of every further pair of data set and teacher, each with each; all else stays.

    Only what the chapter measures is run: no augmentation, no controls, none of chapter 6's comparisons, and noise in
    the normalised space only. A file of weights that the settings name is of their own teacher only.
    """
    datasets = dict.fromkeys((settings.dataset, *settings.other_datasets))
    teachers = dict.fromkeys((settings.teacher, *settings.other_teachers))
    less = {"augmentation_seeds": 0, "controls": (), "sweeps": (), "other_teachers": (), "other_datasets": ()}
    less |= {"widths": settings.crossed_widths or settings.widths, "noise_spaces": ("normalised",)}
    found = []
    for dataset, teacher in product(datasets, teachers):
        if (dataset, teacher) == (settings.dataset, settings.teacher):
            continue
        weights = settings.teacher_weights if teacher == settings.teacher else None
        changed = {"dataset": dataset, "teacher": teacher, "teacher_weights": weights, **less}
        found.append(Settings.model_validate(settings.model_dump() | changed))
    return found


def rows(settings: Settings, classes: int, spectrum: pd.DataFrame, robustness: pd.DataFrame) -> pd.DataFrame:
    """One study's part of the table.

    Args:
        settings: of the study.
        classes: of its images.
        spectrum: its table of that name.
        robustness: its table of that name, with noise in the normalised space.

    Returns:
        Columns as in ``COLUMNS``: the effective rank of each model, and its accuracy at each level of noise.
    """
    ranks = spectrum[(spectrum["quantity"] == "effective_rank") & (spectrum["estimator"] == "per seed")]
    noise = robustness[robustness["noise_space"] == "normalised"].rename(columns={"accuracy": "value"})
    both = pd.concat([ranks, noise.assign(quantity="accuracy")], ignore_index=True)
    return both.assign(dataset=settings.dataset, teacher=settings.teacher, classes=classes)[list(COLUMNS)]
