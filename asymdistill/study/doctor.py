"""What a run needs and whether it is here, checked before anything runs."""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import torch
from torch import Tensor

from asymdistill.config.names import GENERATED_IMAGES, TORCHVISION_IMAGES, WEIGHTS_VARIABLE
from asymdistill.config.settings import Settings
from asymdistill.data import datasets, resized
from asymdistill.experiment import suitability
from asymdistill.experiment.student_configs import StudentConfig, StudentConfigs
from asymdistill.models import students, teachers, weights
from asymdistill.models.teacher_views import teacher_view
from asymdistill.runtime import devices
from asymdistill.runtime.errors import InputError
from asymdistill.runtime.executors import executor_for
from asymdistill.study.crossed import crossed

Status = Literal["ok", "missing", "warning"]
FLOAT = 4  # bytes
SIDE = 32  # pixels of images on which activations are counted
WIDEST = 512  # dimensions of an embedding: those of the papers' teacher


@dataclass(frozen=True)
class Need:
    """One thing that a run needs.

    Attributes:
        name: what it is.
        status: ``ok``; ``missing``: it is not on this machine; or ``warning``.
        words: what was found and where, or where it was looked for.
    """

    name: str
    status: Status
    words: str


def examine(settings: Settings) -> list[Need]:
    """Look for everything that a run needs. Nothing is downloaded, written or computed.

    Args:
        settings: of the run.

    Returns:
        What was found of the device, the images, the teacher's weights, those of other teachers and other images that
        the settings name, the students, and memory.

    Raises:
        InputError: the teacher does not exist.
    """
    device, found = _device(settings)
    images, of_images = _images(settings)
    needs = [found, of_images, _weights(settings)]
    for other in crossed(settings):
        needs += [need for need in (_images(other)[1], _weights(other)) if need not in needs]
    if images is None:
        return needs
    seen = teacher_view(settings.teacher, settings.teacher_resolution, crop=settings.teacher_crop)
    configs = StudentConfigs(settings, seen.resolution, images.classes)
    needs.append(_students(configs, images))
    needs.append(_memory("memory", _host_bytes(settings, images, configs.everyone(), device), torch.device("cpu")))
    if device.type == "cuda":
        needs.append(_memory("GPU memory", _gpu_bytes(settings, images, configs.everyone()), device))
    return needs


def _device(settings: Settings) -> tuple[torch.device, Need]:
    cpu = torch.device("cpu")
    known = [cpu, *(torch.device("cuda", index) for index in range(torch.cuda.device_count()))]
    try:
        device = devices.resolve_device(settings.device)
    except InputError as error:
        return cpu, Need("device", "missing", f"{error}; here: {_named(known)}")
    chosen = cpu if device.type == "cpu" else torch.device("cuda", device.index or 0)
    others = [other for other in known if other != chosen]
    also = f"also here: {_named(others)}" if others else "no GPU is here"
    return device, Need("device", "ok", f"{devices.describe_device(device)}; {also}")


def _named(known: Sequence[torch.device]) -> str:
    return ", ".join(f"{device}, {devices.describe_device(device)}" for device in known)


def _images(settings: Settings) -> tuple[datasets.Census | None, Need]:
    """What images there are, and whether they are enough."""
    name = settings.dataset
    try:
        there = suitability.census(settings)
        suitability.check_beforehand(settings, there)
        wanted = suitability.within_limits(settings, there)
    except InputError as error:
        return None, Need("images", "missing", str(error))
    if there.missing:
        then = "a run downloads it" if settings.download else "download is false"
        return wanted, Need("images", "missing", f"{there.missing}; {then}")
    if name in GENERATED_IMAGES:
        return wanted, Need("images", "ok", f"{name}, which are drawn and need no file")
    note = f"; {there.note}" if there.note else ""
    words = f"{there.train:,} for training and {there.test:,} for testing, of {there.classes} classes, in "
    words += f"{there.place}{note}"
    return wanted, Need("images", "ok", f"{name}: {words}" if name in TORCHVISION_IMAGES else words)


def _weights(settings: Settings) -> Need:
    name, source = settings.teacher, weights.published(settings.teacher)
    try:
        path = weights.find_weights(name, settings.teacher_weights)
        if path is None and source is not None:
            path = source.cached()
        if path is not None:
            weights.check_header(name, path)
            if path != weights.shipped_path(name):  # whose digest has been compared
                teachers.check_fit(name, path, settings.teacher_resolution)
            return Need("weights", "ok", f"{name} in {path}, {_amount(path.stat().st_size)}")
    except InputError as error:
        return Need("weights", "missing", str(error))
    words = f"neither teacher_weights nor {WEIGHTS_VARIABLE} names a file of {name}, "
    if source is None:
        words += "whose weights are published only in formats that can run code"
    else:
        words += f"and {source.name} is not in {source.folder}; a run downloads it from the hub's {source.project}"
    return Need("weights", "missing", words)


def _students(configs: StudentConfigs, images: datasets.Census) -> Need:
    everyone, grid = configs.everyone(), configs.grid()
    augmented = sum(student.augmented for student in everyone)
    words = (
        f"{len(everyone)}: {len(grid)} of the grid, {augmented} augmented, {len(everyone) - len(grid) - augmented} of "
        f"the controls and comparisons; {images.train:,} training and {images.test:,} test images"
    )
    return Need("students", "ok", words)


def _memory(name: str, parts: Mapping[str, int], device: torch.device) -> Need:
    free, total = devices.free_and_total(device)
    need = sum(parts.values())
    status: Status = "missing" if need > total else "warning" if need > free else "ok"
    listed = ", ".join(f"{part} {_amount(size)}" for part, size in parts.items())
    return Need(name, status, f"about {_amount(need)} needed, {_amount(free)} of {_amount(total)} free ({listed})")


def _host_bytes(
    settings: Settings, images: datasets.Census, everyone: Sequence[StudentConfig], device: torch.device
) -> dict[str, int]:
    """The memory that the parts of a run need on the host."""
    grid = len(settings.widths) * len(settings.seeds) * len(settings.objectives)
    at_once = executor_for(device, settings.workers).workers
    training = heapq.nlargest(at_once, (_training_bytes(student) for student in _distinct(everyone)))
    return {
        "images": (images.train + images.test) * images.side**2 * 3,
        "resized images": _resized_bytes(images, everyone, device) if device.type == "cpu" else 0,
        "embeddings": (images.train + images.test * (1 + grid)) * WIDEST * FLOAT,
        "teacher": _teacher_bytes(settings),
        "training": at_once * max(training, default=0) if device.type == "cpu" else 0,
    }


def _gpu_bytes(settings: Settings, images: datasets.Census, everyone: Sequence[StudentConfig]) -> dict[str, int]:
    """The memory that the parts of a run need on a GPU."""
    return {
        "images": images.train * images.side**2 * 3,
        "resized images": _resized_bytes(images, everyone, torch.device("cuda")),
        "targets": images.train * WIDEST * FLOAT,
        "teacher": _teacher_bytes(settings),
        "training": max(_training_bytes(student) for student in _distinct(everyone)),
    }


def _distinct(everyone: Sequence[StudentConfig]) -> list[StudentConfig]:
    """One student of each size of network, input and batch."""
    kinds = {(s.width, s.resolution, s.batch_size, s.objective == "views"): s for s in everyone}
    return [*kinds.values()]


def _training_bytes(config: StudentConfig) -> int:
    """What training a student holds: what the backward pass needs of a batch, and four times the weights.

    The four are the weights themselves, their gradient, and Adam's two moments.
    """
    images = config.batch_size * (2 if config.objective == "views" else 1)
    weights = students.parameter_count(config.width, WIDEST)
    return round(images * _activation_bytes(config.width) * config.resolution**2) + 4 * FLOAT * weights


@cache
def _activation_bytes(width: float) -> float:
    """What the backward pass needs of one pixel, found on two small images, since one has no batch statistics."""
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor
        return tensor

    network = students.build(students.Design(width), WIDEST, seed=0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # more of them spend up to a second waiting for each other on images so small
    try:
        # Not on the meta device, which takes seconds to import.
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            network(torch.zeros(2, 3, SIDE, SIDE))
    finally:
        torch.set_num_threads(threads)
    weights = {parameter.untyped_storage()._cdata for parameter in network.parameters()}
    return sum(kept[key].untyped_storage().nbytes() for key in kept.keys() - weights) / (2 * SIDE**2)


def _resized_bytes(images: datasets.Census, everyone: Sequence[StudentConfig], device: torch.device) -> int:
    """What is kept resized: all images at each resolution that a student sees, as far as there is room for them."""
    resolutions = {student.resolution for student in everyone} - {images.side}
    sizes = [resized.size_of(n, resolution) for resolution in resolutions for n in (images.train, images.test)]
    return sum(size for size in sizes if size <= resized.room_for_images(device))


def _teacher_bytes(settings: Settings) -> int:
    """Twice the size of the file of the teacher's weights, where it is here: it may hold half precision."""
    try:
        path = weights.find_weights(settings.teacher, settings.teacher_weights)
        source = weights.published(settings.teacher)
        path = path or (source.cached() if source else None)
    except InputError:
        return 0
    return 2 * path.stat().st_size if path else 0


def _amount(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
