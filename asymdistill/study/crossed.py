"""The settings of a study with other teachers and other images, each with each."""

from itertools import product
from typing import Any

from asymdistill.config.settings import OF_ITS_TEACHER, Settings


def crossed(settings: Settings) -> list[Settings]:
    """The settings of every further pair of data set and teacher, each with each; all else stays.

    Only what the chapter measures is run: no augmentation, no controls, none of chapter 6's comparisons, and noise in
    the normalised space only. Weights and a resolution that the settings name are their own teacher's only: the others
    see images at the resolution that they were published for.
    """
    datasets = dict.fromkeys((settings.dataset, *settings.other_datasets))
    teachers = dict.fromkeys((settings.teacher, *settings.other_teachers))
    less: dict[str, Any] = {"augmentation_seeds": 0, "controls": (), "sweeps": ()}
    less |= {"other_teachers": (), "other_datasets": (), "noise_spaces": ("normalised",)}
    less |= {"widths": settings.crossed_widths or settings.widths}
    found = []
    for dataset, teacher in product(datasets, teachers):
        if (dataset, teacher) == (settings.dataset, settings.teacher):
            continue
        own = {} if teacher == settings.teacher else dict.fromkeys(OF_ITS_TEACHER)
        changed = {"dataset": dataset, "teacher": teacher, **own, **less}
        found.append(Settings.model_validate(settings.model_dump() | changed))
    return found
