"""Finding the runs that chapter 10 shows: the book's own and all recorded ones."""

import math
from pathlib import Path

from asymdistill.config.names import CLASSES
from asymdistill.config.settings import Settings
from asymdistill.plots.recordings import ShownRun, images_name, input_size, training_images
from asymdistill.study.recorded import Recorded
from asymdistill.study.study import Study, default_runs_dir

OWN = "this run"


def gather(study: Study, folder: str | Path | None = None) -> list[ShownRun]:
    """The book's own run, then all recorded runs, those with the most training images first.

    Args:
        study: the book's own run, already computed.
        folder: where recorded runs are kept; None: ``results`` beside the folder of runs.

    Raises:
        InputError: a folder among the recorded runs holds no run that this version can read.
    """
    place = default_runs_dir().with_name("results") if folder is None else Path(folder)
    folders = (path for path in sorted(place.glob("*")) if path.is_dir() and not path.name.startswith("."))
    recorded = sorted((Recorded(path) for path in folders), key=_order)
    labels = [_label(run.settings) for run in recorded]
    found = [ShownRun(OWN, study, study.manifest(), len(study.images("test").class_names))]
    for run, label in zip(recorded, labels, strict=True):
        name = f"{label} ({run.folder.name})" if labels.count(label) > 1 else label
        found.append(ShownRun(name, run, run.manifest, CLASSES.get(Path(run.settings.dataset).stem)))
    return found


def _label(settings: Settings) -> str:
    images = f"{training_images(settings)} training images"
    return f"recorded: {images_name(settings)}, students at {input_size(settings)}, {images}"


def _order(run: Recorded) -> tuple[float, int]:
    return -(run.settings.train_limit or math.inf), run.settings.resolution or 0
