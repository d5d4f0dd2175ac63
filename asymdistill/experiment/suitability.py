"""Whether images can make the tables of a study: one look, for ``run`` and ``doctor``, before anything is trained."""

from collections.abc import Sequence
from dataclasses import replace

from asymdistill.config.names import GENERATED_IMAGES, image_source
from asymdistill.config.settings import Settings
from asymdistill.data import datasets, scenes
from asymdistill.data.datasets import Census, ImageSet, Split
from asymdistill.experiment.student_configs import StudentConfigs
from asymdistill.runtime.errors import InputError
from asymdistill.training.distillation import steps_per_epoch

SPLITS: tuple[Split, ...] = ("train", "test")
BOOTSTRAPPED = 10  # the fewest images that the bootstrap takes
NAMED = 5  # classes at most in one message
Counts = dict[Split, Sequence[int]]


def census(settings: Settings) -> Census:
    """What there is of a study's images; nothing is downloaded or drawn."""
    return datasets.census(settings.dataset, root=settings.dataset_root, image_size=settings.image_size)


def within_limits(settings: Settings, there: Census) -> Census:
    """What a study takes of the images that there are.

    Raises:
        InputError: there are fewer than a limit asks for.
    """
    wanted = replace(there, train=settings.train_limit or there.train, test=settings.test_limit or there.test)
    if settings.dataset not in GENERATED_IMAGES:
        for split in SPLITS:
            datasets.check_limit(settings.dataset, split, getattr(wanted, split), getattr(there, split))
    return wanted


def check_beforehand(settings: Settings, there: Census) -> None:
    """The check below, of images that need not be there: only a user's own are loaded, of others the numbers are known.

    Args:
        settings: of the study.
        there: the census of its images.

    Raises:
        InputError: as ``check_images`` does, or fewer images than a limit asks for.
    """
    wanted = within_limits(settings, there)
    if image_source(settings.dataset) in ("generated", "torchvision"):
        names = [str(number) for number in range(wanted.classes)]
        _check(settings, names, {split: _even(getattr(wanted, split), wanted.classes) for split in SPLITS})
        return
    train, test = (
        datasets.load(settings.dataset, split, limit=limit, seed=settings.data_seed, image_size=settings.image_size)
        for split, limit in zip(SPLITS, (settings.train_limit, settings.test_limit), strict=True)
    )
    check_images(settings, train, test)


def check_images(settings: Settings, train: ImageSet, test: ImageSet) -> None:
    """Refuse images that no table could be made of, or too few of them for what the settings ask for.

    Args:
        settings: of the study.
        train: the training images.
        test: the test images.

    Raises:
        InputError: it names the split, the class and the control.
    """
    names = test.class_names
    loaded: dict[Split, ImageSet] = {"train": train, "test": test}
    _check(
        settings, names, {split: own.labels.bincount(minlength=len(names)).tolist() for split, own in loaded.items()}
    )
    for split, own in loaded.items():
        if bool((own.images == own.images[:1]).all()):
            raise InputError(f"all {len(own)} {split} images are equal; allowed: images that differ")


def _check(settings: Settings, names: Sequence[str], counts: Counts) -> None:
    _check_classes(names, counts)
    if settings.dataset not in GENERATED_IMAGES:  # of which a class may be missing by chance
        _check_both_splits(names, counts)
    _check_controls(settings, names, counts)
    for student in StudentConfigs(settings, 1, len(names)).everyone():
        if student.epochs:
            steps_per_epoch(_images_of(settings, counts["train"], student.classes), student.batch_size)


def _even(images: int, classes: int) -> list[int]:
    return [images // classes + (number < images % classes) for number in range(classes)]


def _check_classes(names: Sequence[str], counts: Counts) -> None:
    for split in SPLITS:
        if sum(counts[split]) < 2:
            raise InputError(f"{sum(counts[split])} images in the {split} split; at least two are needed")
        if sum(count > 0 for count in counts[split]) < 2:
            raise InputError(f"the {split} images are all of one class; a probe needs at least two")


def _check_both_splits(names: Sequence[str], counts: Counts) -> None:
    for split, other in (SPLITS, SPLITS[::-1]):
        missing = [
            name for name, own, more in zip(names, counts[split], counts[other], strict=True) if more and not own
        ]
        # A limit below the number of classes takes one image of each of some: that is what was asked for.
        if missing and sum(counts[split]) >= sum(count > 0 for count in counts[other]):
            raise InputError(
                f"the {split} split has no images of {_listed(missing)}, and the {other} split has; allowed: the same "
                "classes in both"
            )


def _check_controls(settings: Settings, names: Sequence[str], counts: Counts) -> None:
    test = sum(counts["test"])
    if "classes" in settings.controls:
        treated = StudentConfigs(settings, 1, len(names)).by_classes()
        for split in SPLITS if treated and settings.dataset != "scenes" else ():
            empty = [name for name, count in zip(names, counts[split], strict=True) if not count]
            if empty:
                raise InputError(
                    f"control 'classes' compares as many images for each number of classes, and the {split} split has "
                    f"none of {_listed(empty)}; allowed: images of every class, or controls without 'classes'"
                )
            few, needed = _images_of(settings, counts[split], 2), settings.batch_size if split == "train" else 2
            if few < needed:
                name = names[counts[split].index(min(counts[split]))]
                raise InputError(
                    f"control 'classes' takes {few} images of the {split} split, since class {name!r} has "
                    f"{min(counts[split])} there; at least {needed} are needed: more images, or controls without "
                    "'classes'"
                )
        if test <= sum(count > 0 for count in counts["test"]):
            raise InputError(
                f"control 'classes' compares images within classes, and of {test} test images no class has two; "
                "allowed: more images, or controls without 'classes'"
            )
    if "estimators" in settings.controls:
        values = (len(scenes.FACTORS[name]) for name in scenes.INDEPENDENT_FACTORS)
        needed = max(BOOTSTRAPPED, *values) if settings.dataset in GENERATED_IMAGES else BOOTSTRAPPED
        if test < needed:
            raise InputError(
                f"control 'estimators' needs at least {needed} test images, not {test}; allowed: more images, or "
                "controls without 'estimators'"
            )


def _images_of(settings: Settings, counts: Sequence[int], classes: int | None) -> int:
    """How many images there are for students of so many classes: as many as the smallest class allows."""
    if classes is None or settings.dataset == "scenes":
        return sum(counts)
    return min(counts) * min(settings.class_counts)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ("class " if len(names) == 1 else "classes ") + ", ".join(map(repr, names[:NAMED])) + more
