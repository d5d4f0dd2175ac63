"""An experiment: images, the frozen teacher, and its trained students, kept in the run's folder.

Data flows one way: settings, images, teacher embeddings, students, embeddings.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from asymdistill import artifacts, data, manifest, parallel, students, towers
from asymdistill.checks import InputError
from asymdistill.config import Settings
from asymdistill.encoding import Encoder, GaussianNoise, View, embed
from asymdistill.parallel import Item
from asymdistill.progress import Progress
from asymdistill.teachers import PRECISIONS, Teacher, load_teacher
from asymdistill.training import Recipe, distil, steps_per_epoch

# Settings that change no result, or that enter the hash in another form.
NOT_HASHED = {"description", "workers", "device", "download", "dataset_root", "teacher_weights"}


@dataclass(frozen=True)
class Arm:
    """One student of an experiment: what tells it from the others."""

    width: float
    seed: int
    objective: str = "cosine"
    augmented: bool = False

    @property
    def name(self) -> str:
        """Name of its file."""
        return f"w{self.width:g}-s{self.seed}-{self.objective}" + ("-augmented" if self.augmented else "")


Model = Arm | None  # None is the teacher


class Experiment:
    """The models of one set of settings, each computed once and stored.

    Args:
        profile: name of the profile, for the folder and the reader.
        settings: validated settings.
        runs_dir: where the folders of runs lie.

    Raises:
        InputError: a device, file or image set that is not there.
    """

    def __init__(self, profile: str, settings: Settings, runs_dir: str | Path) -> None:
        self.profile = profile
        self.settings = settings
        self.device = manifest.resolve_device(settings.device)
        self.folder = Path(runs_dir) / f"{profile}-{self._key()}"
        self._encoded: dict[tuple[Model, data.Split], Tensor] = {}
        self._nested = 0.0

    @cached_property
    def train(self) -> data.ImageSet:
        """The training images."""
        return self._images("train", self.settings.train_limit)

    @cached_property
    def test(self) -> data.ImageSet:
        """The test images, on which every metric is computed."""
        return self._images("test", self.settings.test_limit)

    @cached_property
    def teacher(self) -> Teacher:
        """The frozen teacher."""
        return load_teacher(
            self.settings.teacher,
            weights=self.settings.teacher_weights,
            device=self.device,
            precision=self.settings.teacher_precision,
        )

    @cached_property
    def view(self) -> View:
        """What the students see: by default the teacher's own input."""
        seen = self.teacher.view
        return View(self.settings.resolution or seen.resolution, seen.mean, seen.std)

    def arms(self) -> list[Arm]:
        """The students of the paper's grid: one a width and seed."""
        return [Arm(width, seed) for width in self.settings.widths for seed in self.settings.seeds]

    def augmented_arms(self) -> list[Arm]:
        """The largest student again, trained on cropped and flipped images."""
        seeds = self.settings.seeds[: self.settings.augmentation_seeds]
        return [Arm(self.settings.largest_width, seed, augmented=True) for seed in seeds]

    def student(self, arm: Arm) -> students.ScalableCNN:
        """A trained student, in eval mode on the device; it is trained with the whole grid where it is missing."""
        student = students.ScalableCNN(arm.width, self.teacher.embedding_dim)
        student.load_state_dict(self._stored_student(arm)[0])
        student.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return student.eval()

    def losses(self, arm: Arm) -> list[float]:
        """Mean loss of each epoch of a student's training."""
        losses: list[float] = json.loads(self._stored_student(arm)[1]["losses"])
        return losses

    def train_students(self) -> None:
        """Train every student that is not stored yet; what is done survives an interruption."""
        arms = [*self.arms(), *self.augmented_arms()]
        missing = [arm for arm in arms if not artifacts.is_whole(self._student_path(arm))]
        if not missing:
            return
        self._check_images()
        # The longest first, so that no core idles at the end.
        missing.sort(key=lambda arm: (arm.augmented, arm.width), reverse=True)
        # Made here one by one, because making a student sets the global seed.
        made = {arm: students.build(arm.width, self.teacher.embedding_dim, arm.seed) for arm in missing}
        targets = self.encode(None, "train")
        steps = self.settings.epochs * steps_per_epoch(len(self.train), self.settings.batch_size)
        # What a step costs grows faster than the width; the progress shown counts that.
        cost = {arm: max(1, round(4 * arm.width**1.5)) for arm in missing}
        with (
            self.timed("train students"),
            Progress(steps * sum(cost.values()), f"training {len(missing)} students") as progress,
        ):

            def work(arm: Arm, check: Callable[[], None]) -> None:
                def step(_: int) -> None:
                    check()
                    progress.advance(cost[arm])

                self._train(arm, made.pop(arm), targets, step)

            self.side_by_side(work, missing)

    def side_by_side(self, work: Callable[[Item, Callable[[], None]], None], items: Sequence[Item]) -> None:
        """Do independent work on as many items at a time as there are cores, or on one where there is a GPU.

        See ``parallel.side_by_side``.
        """
        workers = 1 if self.device.type == "cuda" else self.settings.workers or manifest.cores()
        if items:
            parallel.side_by_side(work, items, workers=min(workers, len(items)))

    def encode(self, model: Model, split: data.Split, noise: GaussianNoise | None = None) -> Tensor:
        """Embeddings of a split, N x d, float32 on the CPU, each of length 1.

        Args:
            model: a student, or None for the teacher.
            split: ``train`` or ``test``.
            noise: added to what the model sees; see ``encoding.GaussianNoise``.
        """
        if noise is not None and noise.sigma > 0:
            return self._embed(model, split, noise)
        if (model, split) not in self._encoded:
            self._encoded[model, split] = (
                self._teacher_embeddings(split) if model is None else self._embed(model, split)
            )
        return self._encoded[model, split]

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Add the seconds that a step took to the run's manifest, less those of the steps timed within it."""
        start, outer, self._nested = time.perf_counter(), self._nested, 0.0
        yield
        elapsed = time.perf_counter() - start
        record = self.manifest()
        record["seconds"][step] = round(record["seconds"].get(step, 0) + elapsed - self._nested, 2)
        self._nested = outer + elapsed
        artifacts.write_json(self.folder / "manifest.json", record)

    def manifest(self) -> dict[str, Any]:
        """What made this run: settings, versions, device, commit, and seconds a step."""
        stored = artifacts.read_json(self.folder / "manifest.json")
        return stored or {
            "profile": self.profile,
            "run": self.folder.name,
            "commit": manifest.commit(),
            "device": manifest.describe_device(self.device),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": manifest.versions(),
            "settings": self.settings.model_dump(mode="json", exclude={"workers"}),
            "seconds": {},
        }

    def _key(self) -> str:
        setting = self.settings
        weights = setting.teacher_weights or (towers.embedded_path() if setting.teacher == "embedded" else None)
        files = [weights] if weights and weights.is_file() else []
        extra = [data.fingerprint(setting.dataset, setting.image_size)]
        return manifest.run_key(setting.model_dump(mode="json", exclude=NOT_HASHED), self.device, files, extra)

    def _images(self, split: data.Split, limit: int | None) -> data.ImageSet:
        setting = self.settings
        return data.load(
            setting.dataset,
            split,
            root=setting.dataset_root,
            download=setting.download,
            limit=limit,
            seed=setting.data_seed,
            image_size=setting.image_size,
        )

    def _check_images(self) -> None:
        """Find images that no table could be made of now, not after hours of training."""
        if len(self.train) < self.settings.batch_size:
            raise InputError(f"{len(self.train)} training images do not fill one batch of {self.settings.batch_size}")
        if len(self.train.labels.unique()) < 2:
            raise InputError("the training images are all of one class; a probe needs at least two")
        if len(self.test) < 2:
            raise InputError(f"{len(self.test)} test images; at least two are needed")

    def _student_path(self, arm: Arm) -> Path:
        return self.folder / "students" / f"{arm.name}.safetensors"

    def _stored_student(self, arm: Arm) -> tuple[dict[str, Tensor], dict[str, str]]:
        stored = artifacts.read_tensors(self._student_path(arm))
        if stored is None:
            self.train_students()
            stored = artifacts.read_tensors(self._student_path(arm))
        if stored is None:
            raise KeyError(f"{arm} is none of this experiment's students")
        return stored

    def _train(self, arm: Arm, student: students.ScalableCNN, targets: Tensor, step: Callable[[int], None]) -> None:
        setting = self.settings
        recipe = Recipe(
            epochs=setting.epochs,
            batch_size=setting.batch_size,
            learning_rate=setting.learning_rate,
            precision=torch.float32 if setting.autocast == "off" else PRECISIONS[setting.autocast],
        )
        result = distil(
            student,
            self.train.images,
            self.teacher.encode if arm.augmented else targets,
            self.view,
            recipe,
            seed=arm.seed,
            device=self.device,
            progress=step,
        )
        artifacts.write_tensors(
            self._student_path(arm), result.student.state_dict(), {"losses": json.dumps(result.losses)}
        )

    def _teacher_embeddings(self, split: data.Split) -> Tensor:
        path = self.folder / "teacher" / f"{split}.safetensors"
        stored = artifacts.read_tensors(path)
        if stored is None:
            with self.timed("teacher embeddings"):
                embeddings = self._embed(None, split)
                artifacts.write_tensors(path, {"embeddings": embeddings})
            return embeddings
        return stored[0]["embeddings"]

    def _embed(self, model: Model, split: data.Split, noise: GaussianNoise | None = None) -> Tensor:
        images = (self.train if split == "train" else self.test).images
        encoder: Encoder = self.teacher if model is None else self.student(model)
        view = self.teacher.view if model is None else self.view
        precision = self.teacher.precision if model is None else PRECISIONS.get(self.settings.autocast, torch.float32)
        return embed(encoder, images, view, device=self.device, noise=noise, precision=precision).cpu()
