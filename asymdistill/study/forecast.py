"""What a run consists of, as far as its settings and images tell, and the memory that this needs."""

import heapq
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from asymdistill.config.settings import Settings
from asymdistill.data.resized import room_for_images, size_of
from asymdistill.data.views import View
from asymdistill.models.students import ScalableCNN
from asymdistill.models.teachers import Teacher
from asymdistill.runtime import devices
from asymdistill.study import student_configs
from asymdistill.study.student_configs import Arm

FLOAT = 4  # bytes


@dataclass(frozen=True)
class Plan:
    """What a run consists of.

    Attributes:
        settings: of the run.
        device: where it runs.
        train: number of training images.
        test: number of test images.
        side: of an image in pixels, before it is resized.
        classes: of the images.
        teacher: of the run, or an untrained one of the same architecture.
    """

    settings: Settings
    device: torch.device
    train: int
    test: int
    side: int
    classes: int
    teacher: Teacher

    @cached_property
    def grid(self) -> list[Arm]:
        """The students of the grid, of every objective."""
        return student_configs.grid(self.settings)

    @cached_property
    def students(self) -> list[Arm]:
        """All students: of the grid, augmented, and of the controls."""
        return student_configs.everyone(self.settings, self.classes)

    @property
    def workers(self) -> int:
        """Students trained side by side."""
        return 1 if self.device.type == "cuda" else self.settings.workers or devices.cores()

    @property
    def subsets(self) -> list[int]:
        """Numbers of classes to which images and teacher are also restricted."""
        return list({arm.classes: None for arm in self.students if arm.classes})

    def images(self, classes: int | None = None) -> int:
        """Training images of so many of the classes."""
        if classes is None or self.settings.dataset == "scenes":
            return self.train
        return self.train // self.classes * min(self.settings.class_counts)

    def epochs(self, arm: Arm) -> int:
        """Passes of a student over its images."""
        return student_configs.epochs(arm, self.settings)

    def view(self, arm: Arm) -> View:
        """What a student sees."""
        return student_configs.view(arm, self.settings, self.teacher.view)

    def build(self, arm: Arm) -> ScalableCNN:
        """A student's network."""
        return ScalableCNN(arm.width, self.teacher.embedding_dim, arm.dilation)


def host_bytes(plan: Plan, libraries: int, rehearsed: int) -> dict[str, int]:
    """The memory that the parts of a run need on the host, in bytes.

    Args:
        plan: what the run consists of.
        libraries: what Python and its libraries take before anything is loaded.
        rehearsed: by how much this process grew in ``rehearsal.seconds``.

    Returns:
        Bytes by part. Embeddings are those that are kept. Training is the larger of ``rehearsed``, which has what the
        allocator does not give back, and of the largest students side by side, whole batches of which may not have
        been rehearsed: see ``training_bytes``.
    """
    subsets = sum(plan.images(count) + plan.test for count in plan.subsets)
    embeddings = plan.train + plan.test * (1 + len(plan.grid)) + subsets
    side_by_side = heapq.nlargest(plan.workers, (training_bytes(plan, arm) for arm in plan.students))
    return {
        "Python and its libraries": libraries,
        "images": (plan.train + plan.test + subsets) * plan.side**2 * 3,
        "resized images": _resized_bytes(plan) if plan.device.type == "cpu" else 0,
        "embeddings": embeddings * plan.teacher.embedding_dim * FLOAT,
        "teacher": _teacher_bytes(plan),
        "training": max(rehearsed, sum(side_by_side) if plan.device.type == "cpu" else 0),
    }


def gpu_bytes(plan: Plan) -> dict[str, int]:
    """The memory that the parts of a run need on a GPU, in bytes: see ``host_bytes``."""
    return {
        "images": plan.train * plan.side**2 * 3,
        "resized images": _resized_bytes(plan),
        "targets": plan.train * plan.teacher.embedding_dim * FLOAT,
        "teacher": _teacher_bytes(plan),
        "training": max(training_bytes(plan, arm) for arm in plan.students),
    }


def training_bytes(plan: Plan, arm: Arm) -> int:
    """What training a student holds: what the backward pass needs of a batch, and four times the weights.

    The four are the weights themselves, their gradient, and Adam's two moments.
    """
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor
        return tensor

    side = plan.view(arm).resolution
    with torch.device("meta"), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network = plan.build(arm)  # on this device shapes are computed and nothing else
        for _ in range(2 if arm.objective == "views" else 1):
            network(torch.zeros(student_configs.batch_size(arm, plan.settings), 3, side, side))
    weights = {parameter.untyped_storage()._cdata: parameter for parameter in network.parameters()}
    activations = [kept[key].untyped_storage().nbytes() for key in kept.keys() - weights.keys()]
    return int(sum(activations)) + 4 * FLOAT * sum(weight.numel() for weight in weights.values())


def _resized_bytes(plan: Plan) -> int:
    """What ``resident`` keeps: all images at each resolution that a network sees, as far as there is room for them."""
    resolutions = {plan.teacher.view.resolution, *(plan.view(arm).resolution for arm in plan.students)} - {plan.side}
    counts = [plan.train, plan.test]
    for classes in plan.subsets:
        counts += [plan.images(classes), plan.test]
    sizes = [size_of(count, resolution) for resolution in resolutions for count in counts]
    return sum(size for size in sizes if size <= room_for_images(plan.device))


def _teacher_bytes(plan: Plan) -> int:
    return sum(weight.numel() * weight.element_size() for weight in plan.teacher.parameters())
