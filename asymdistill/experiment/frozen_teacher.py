"""The frozen teacher of an experiment, whose embeddings of images are computed once and stored."""

from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from asymdistill.config.settings import Settings
from asymdistill.data.datasets import Split
from asymdistill.data.views import BLOCK, GaussianNoise
from asymdistill.experiment.images import Images
from asymdistill.models import weights
from asymdistill.models.teacher_views import teacher_view
from asymdistill.models.teachers import Teacher, load_teacher, resolve_precision
from asymdistill.runtime.errors import Check, InputError
from asymdistill.runtime.executors import Executor
from asymdistill.runtime.memo import Memo, Value
from asymdistill.runtime.progress import Progress
from asymdistill.store.keys import Artifact, Kind
from asymdistill.store.store import Store

SEEING = ("data/preprocess.py", "data/views.py", "models/encoding.py", "models/folding.py")
EMBEDDINGS = Kind(
    "embeddings", 1, (*SEEING, "models/teachers.py", "models/mini_clip.py"), ("torch", "timm", "open_clip_torch")
)
_PART = 2 * BLOCK  # images that one thread embeds at a time


class FrozenTeacher:
    """The frozen teacher of an experiment.

    Args:
        settings: validated settings.
        images: of the experiment.
        store: where embeddings are kept.
        executor: embeds images in parts.
        device: where the teacher computes.
        loaded: images and teachers that experiments of one process share, by what loads them.

    Attributes:
        view: what it sees of an image.

    Raises:
        InputError: its library has no such teacher, it can't be shown images as asked, or its weights are not there.
    """

    def __init__(
        self, settings: Settings, images: Images, store: Store, executor: Executor, device: torch.device, loaded: Memo
    ) -> None:
        self._settings = settings
        self._images = images
        self._store = store
        self._executor = executor
        self._device = device
        self._loaded = loaded
        self._memo = Memo()
        self.view = teacher_view(settings.teacher, settings.teacher_resolution, crop=settings.teacher_crop)
        weights.find_weights(settings.teacher, settings.teacher_weights)

    @property
    def network(self) -> Teacher:
        """The teacher itself, loaded when first asked for."""
        own = self._settings
        options: dict[str, Any] = {
            "weights": own.teacher_weights,
            "device": self._device,
            "precision": own.teacher_precision,
            "resolution": own.teacher_resolution,
            "crop": own.teacher_crop,
        }
        key = ("teacher", own.teacher, *options.values())
        return self._loaded(key, lambda: load_teacher(own.teacher, **options))

    @cached_property
    def key(self) -> dict[str, Any]:
        """What names the teacher in the store: its name, the digest of its weights, its view, its arithmetic here."""
        own = self._settings
        return {
            "name": own.teacher,
            "weights": weights.weights_digest(own.teacher, own.teacher_weights),
            "view": asdict(self.view),
            "precision": resolve_precision(own.teacher_precision, self._device),
        }

    def embeddings(self, split: Split, noise: GaussianNoise | None = None, classes: int | None = None) -> Tensor:
        """Its embeddings of a split, N x d, float32 on the CPU, each of length 1."""
        artifact = self.artifact(split, noise, classes)

        def compute() -> dict[str, Tensor]:
            return {"embeddings": self._embed(self._images.of(split, classes).images, noise)}

        return self._memo(artifact, lambda: self._store.compute_once(artifact, compute)["embeddings"])

    def artifact(self, split: Split, noise: GaussianNoise | None = None, classes: int | None = None) -> Artifact:
        """What names its embeddings of a split."""
        images = self._images.artifact(split, classes)
        inputs = {"images": images.key, "teacher": self.key, "noise": noise and asdict(noise)}
        return Artifact(EMBEDDINGS, inputs, (images,))

    def statistic(self, function: Callable[[Tensor], Value], split: Split, classes: int | None = None) -> Value:
        """What a function gives of its clean embeddings of a split, computed once for all students."""
        return self._memo((function, split, classes), lambda: function(self.embeddings(split, classes=classes)))

    def _embed(self, images: Tensor, noise: GaussianNoise | None) -> Tensor:
        """Embeddings, part by part on one thread each: the same whatever the number of cores."""
        teacher = self.network
        found: dict[int, Tensor] = {}

        def work(first: int, check: Check) -> None:
            check()
            part = images[first : first + _PART]
            found[first] = teacher.encode(part, noise, first=first).cpu()
            progress.advance(len(part))

        with Progress(len(images), "teacher embeddings") as progress:
            self._executor.map(work, range(0, len(images), _PART))
        embeddings = torch.cat([found[first] for first in sorted(found)])
        if not bool((embeddings.norm(dim=1) > 0).all()):  # nor is the length of what is not a number
            own, side = self._settings, self.view.resolution
            raise InputError(
                f"teacher {own.teacher!r} ({own.teacher_weights or 'its own weights'}) gives embeddings that are zero "
                f"or not numbers at {side} x {side} pixels; allowed: another teacher_weights or teacher_resolution"
            )
        return embeddings
