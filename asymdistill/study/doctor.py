"""What a run needs and whether it is there, said before anything runs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import psutil  # type: ignore[import-untyped]
import torch
from torchvision.datasets import ImageFolder
from torchvision.datasets.utils import check_integrity

from asymdistill.config.names import GENERATED_IMAGES, SHIPPED_TEACHERS
from asymdistill.config.settings import Settings
from asymdistill.data import datasets, scenes
from asymdistill.models import mini_clip, weights
from asymdistill.models.teachers import PRECISIONS, Teacher, load_teacher, untrained_teacher
from asymdistill.runtime import devices
from asymdistill.runtime.errors import InputError
from asymdistill.runtime.progress import duration
from asymdistill.study import forecast, generality, rehearsal
from asymdistill.study.forecast import Plan
from asymdistill.training.distillation import steps_per_epoch

Status = Literal["ok", "missing", "warning"]
CIFAR_COUNTS = (50_000, 10_000)
SIDE = 32  # of the images of Scenes and CIFAR, in pixels
LONG = 24 * 3600  # seconds from which on a run deserves a warning


@dataclass(frozen=True)
class Finding:
    """One thing that a run needs.

    Attributes:
        name: what it is.
        status: ``ok``; ``missing``: it is not on this machine; or ``warning``.
        words: what was found, where, or where it was looked for.
    """

    name: str
    status: Status
    words: str


@dataclass(frozen=True)
class Images:
    """What is known of images before they are read: numbers, side in pixels, number of classes."""

    train: int
    test: int
    side: int
    classes: int


def examine(profile: str, settings: Settings) -> list[Finding]:
    """Look for everything that a run needs, and estimate what it takes.

    Nothing is downloaded or written. What is trained for a moment, to time it, is thrown away.

    Args:
        profile: its name.
        settings: of the run.

    Returns:
        What was found of the device, the images, the teacher's weights, those of other teachers and other images that
        the settings name, the students, memory and time.

    Raises:
        InputError: the teacher does not exist.
    """
    libraries, there = _resident(), _host_memory()  # before anything is loaded
    device, of_device = _device(settings)
    images, of_images = _images(settings)
    teacher, of_weights = _weights(settings, device)
    findings, plans = [of_device, of_images, of_weights], []
    for other in generality.crossed(settings):
        further, of_further = _images(other)
        other_teacher, of_other = _weights(other, device)
        findings += [finding for finding in (of_further, of_other) if finding not in findings]
        if further is not None:
            plans.append(_plan(other, device, further, other_teacher))
    if images is None:
        return findings
    plan = _plan(settings, device, images, teacher)
    before = _resident()
    of_time = _time([plan, *plans])
    host = forecast.host_bytes(plan, libraries, _resident() - before)
    findings += [_students(profile, plan, plans), _memory("memory", host, *there)]
    if device.type == "cuda":
        free, total = devices.free_and_total(device)
        own = torch.cuda.memory_reserved(device)  # by the rehearsal
        findings.append(_memory("GPU memory", forecast.gpu_bytes(plan), free + own, total))
    return [*findings, of_time]


def _plan(settings: Settings, device: torch.device, images: Images, teacher: Teacher) -> Plan:
    return Plan(settings, device, images.train, images.test, images.side, images.classes, teacher)


def _device(settings: Settings) -> tuple[torch.device, Finding]:
    cpu = torch.device("cpu")
    known = [cpu, *(torch.device("cuda", index) for index in range(torch.cuda.device_count()))]
    try:
        device = devices.resolve_device(settings.device)
    except InputError as error:
        return cpu, Finding("device", "missing", f"{error}; here: {_named(known)}")
    chosen = cpu if device.type == "cpu" else torch.device("cuda", device.index or 0)
    others = [other for other in known if other != chosen]
    also = f"also here: {_named(others)}" if others else "no GPU is here"
    return device, Finding("device", "ok", f"{devices.describe_device(device)}; {also}")


def _named(devices: Sequence[torch.device]) -> str:
    return ", ".join(f"{device}, {devices.describe_device(device)}" for device in devices)


def _images(settings: Settings) -> tuple[Images | None, Finding]:
    name = settings.dataset
    try:
        if name in GENERATED_IMAGES:
            drawn, classes = datasets.SCENES_DEFAULT_COUNT, len(scenes.SHAPES)
            there = Images(drawn["train"], drawn["test"], SIDE, classes if name == "scenes" else 100)
            finding = Finding("images", "ok", f"{name}, which are drawn and need no file")
        elif name in datasets.TORCHVISION:
            there = Images(*CIFAR_COUNTS, SIDE, int(name.removeprefix("cifar")))
            finding = _cifar(settings)
        else:
            there = _folder(settings) if Path(name).expanduser().is_dir() else _archive(settings)
            words = (
                f"{there.train:,} for training and {there.test:,} for testing, of {there.classes} classes, in {name}"
            )
            finding = Finding("images", "ok", words)
        wanted = replace(there, train=settings.train_limit or there.train, test=settings.test_limit or there.test)
        for split in ("train", "test"):
            if name not in GENERATED_IMAGES and getattr(wanted, split) > getattr(there, split):
                raise InputError(
                    f"{split}_limit is {getattr(wanted, split)}; {name} has {getattr(there, split)} such images"
                )
        steps_per_epoch(wanted.train, settings.batch_size)
    except InputError as error:
        return None, Finding("images", "missing", str(error))
    return wanted, finding


def _cifar(settings: Settings) -> Finding:
    kind = datasets.TORCHVISION[settings.dataset]
    root = (settings.dataset_root or datasets.DEFAULT_ROOT).expanduser()
    try:
        kind(root, train=False)  # compares the MD5 of every file with the official one
        return Finding("images", "ok", f"{settings.dataset} in {root / kind.base_folder}")
    except (RuntimeError, OSError):
        if check_integrity(root / kind.filename, kind.tgz_md5):
            return Finding("images", "ok", f"{settings.dataset} in {root / kind.filename}, which a run unpacks")
    then = f"a run downloads it from {kind.url}" if settings.download else "download is false"
    words = f"neither {kind.base_folder} nor {kind.filename} is in {root} as released; {then}"
    return Finding("images", "missing", words)


def _folder(settings: Settings) -> Images:
    trees = {}
    for split in ("train", "test"):
        path = Path(settings.dataset).expanduser() / split
        try:
            trees[split] = ImageFolder(path)  # lists the files and opens none
        except FileNotFoundError as error:
            raise InputError(f"{path} is not a folder of one subfolder of images a class: {error}") from None
    classes = len(trees["train"].classes)
    return Images(len(trees["train"]), len(trees["test"]), settings.image_size, classes)


def _archive(settings: Settings) -> Images:
    train, test = datasets.load(settings.dataset, "train"), datasets.load(settings.dataset, "test")
    return Images(len(train), len(test), train.images.shape[1], len(train.class_names))


def _weights(settings: Settings, device: torch.device) -> tuple[Teacher, Finding]:
    name, source = settings.teacher, weights.published(settings.teacher)
    try:
        path = weights.find_weights(name, settings.teacher_weights)
        if path is None and name in SHIPPED_TEACHERS:
            path = mini_clip.embedded_path(name)
        if path is None and source is not None:
            path = source.cached()
        if path is not None:
            teacher = load_teacher(name, weights=path, device=device, precision=settings.teacher_precision)
            return teacher, Finding("weights", "ok", f"{name} in {path}, {_amount(path.stat().st_size)}")
        words = f"neither teacher_weights nor {weights.VARIABLE} names a file of {name}, "
        if source is None:
            words += "whose weights are published only in formats that can run code"
        else:
            words += f"and {source.name} is not in {source.folder}; a run downloads it from the hub's {source.project}"
    except InputError as error:
        words = str(error)
    teacher = untrained_teacher(name)
    teacher.precision = PRECISIONS[settings.teacher_precision]
    return teacher.to(device), Finding("weights", "missing", words)


def _students(profile: str, plan: Plan, crossed: Sequence[Plan]) -> Finding:
    augmented = sum(arm.augmented for arm in plan.students)
    rest = len(plan.students) - len(plan.grid) - augmented
    further = sum(len(other.students) for other in crossed)
    words = (
        f"{len(plan.students)} in profile {profile}: {len(plan.grid)} of the grid, {augmented} augmented, {rest} of "
        f"the controls and comparisons; {f'{further} more with other teachers or images; ' if further else ''}"
        f"{plan.train:,} training and {plan.test:,} test images"
    )
    return Finding("students", "ok", words)


def _memory(name: str, parts: Mapping[str, int], free: int, total: int) -> Finding:
    need = sum(parts.values())
    status: Status = "missing" if need > total else "warning" if need > free else "ok"
    listed = ", ".join(f"{part} {_amount(size)}" for part, size in parts.items())
    words = f"about {_amount(need)} needed, {_amount(free)} of {_amount(total)} free ({listed})"
    return Finding(name, status, words)


def _host_memory() -> tuple[int, int]:
    """Bytes free for a run that takes this process's place, and bytes in all."""
    free, total = devices.free_and_total(torch.device("cpu"))
    return free + _resident(), total


def _resident() -> int:
    return int(psutil.Process().memory_info().rss)


def _time(plans: Sequence[Plan]) -> Finding:
    """The time of some runs, one after the other."""
    parts: Counter[str] = Counter()
    try:
        for plan in plans:
            parts.update(rehearsal.seconds(plan))
    except InputError as error:  # of too few classes or images for a control
        return Finding("time", "missing", f"a run would fail: {error}")
    whole = sum(parts.values())
    listed = ", ".join(f"{part} {duration(seconds)}" for part, seconds in parts.items())
    words = (
        f"about {duration(whole)} on {devices.describe_device(plans[0].device)} ({listed}): an estimate, from some "
        f"steps of every network and batches of the teachers timed just now, {plans[0].workers} side by side"
    )
    return Finding("time", "warning" if whole > LONG else "ok", words)


def _amount(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
