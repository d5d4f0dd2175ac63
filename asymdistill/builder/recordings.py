"""Finding the runs that chapter 10 shows: the book's own and all recorded ones."""

from collections.abc import Sequence

from asymdistill.config.names import THIS_COPY, short_name
from asymdistill.plots.recordings import ShownRun, input_size, training_images
from asymdistill.study import Evidence
from asymdistill.study.recorded import Recorded


def gather(evidence: Evidence) -> list[ShownRun]:
    """The book's own run, already computed, then all recorded runs, those with the most training images first."""
    own = ShownRun(THIS_COPY, evidence.study, evidence.study.manifest())
    names = _names(evidence.recorded)
    return [own, *(ShownRun(name, run, run.manifest) for name, run in zip(names, evidence.recorded, strict=True))]


def _names(runs: Sequence[Recorded]) -> list[str]:
    """A name for each run: images and teacher, and only where that is not enough, more of what it is."""
    names = [""] * len(runs)
    for describe in (_images_and_teacher, _input_size, _folder):
        more = [describe(run) for run in runs]
        alike = [{own for own, other in zip(more, names, strict=True) if other == name} for name in names]
        names = [
            name + one if len(found) > 1 or not name else name
            for name, one, found in zip(names, more, alike, strict=True)
        ]
    return names


def _images_and_teacher(run: Recorded) -> str:
    own = run.settings
    teacher = short_name(own.teacher_with_file)
    return f"{short_name(own.dataset)}, teacher {teacher}, {training_images(run.sizes.get('train'))} training images"


def _input_size(run: Recorded) -> str:
    return f", students at {input_size(run.settings)}"


def _folder(run: Recorded) -> str:
    return f" ({run.folder.name})"
