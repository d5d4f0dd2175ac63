"""Finding the runs that chapter 10 shows: the book's own and all recorded ones."""

from asymdistill.config.names import THIS_COPY, short_name
from asymdistill.plots.recordings import ShownRun, training_images
from asymdistill.study import Evidence
from asymdistill.study.recorded import Recorded


def gather(evidence: Evidence) -> list[ShownRun]:
    """The book's own run, already computed, then all recorded runs, those with the most training images first."""
    labels = [_label(run) for run in evidence.recorded]
    found = [ShownRun(THIS_COPY, evidence.study, evidence.study.manifest())]
    for run, label in zip(evidence.recorded, labels, strict=True):
        name = f"{label} ({run.folder.name})" if labels.count(label) > 1 else label
        found.append(ShownRun(name, run, run.manifest))
    return found


def _label(run: Recorded) -> str:
    own = run.settings
    teacher = short_name(own.teacher_weights.name if own.teacher_weights else own.teacher)
    return f"{short_name(own.dataset)}, teacher {teacher}, {training_images(run.sizes.get('train'))} training images"
