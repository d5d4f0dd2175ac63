"""An experiment: images, the frozen teacher, and its trained students, kept in the run's folder.

Data flows one way: settings, images, teacher embeddings, students, embeddings.
"""

import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from asymdistill.config.settings import Settings
from asymdistill.data import datasets
from asymdistill.data.resized import Resident
from asymdistill.data.views import Encoder, GaussianNoise, View, embed
from asymdistill.metrics import spectrum
from asymdistill.models import students
from asymdistill.models.teachers import PRECISIONS, Teacher, load_teacher
from asymdistill.runtime.errors import InputError
from asymdistill.runtime.progress import Progress
from asymdistill.store import files
from asymdistill.study import student_configs
from asymdistill.study.run import Row, Run
from asymdistill.study.student_configs import Arm, Model
from asymdistill.training import losses as objectives
from asymdistill.training.distillation import Recipe, distil, steps_per_epoch

# Epochs after which a long training is looked at: about evenly spaced on a logarithmic scale.
WATCHED = (1, 2, 3, 5, 7, 10, 14, 20, 28, 40, 56, 80, 113, 160, 226, 320, 453, 640, 905)


class Experiment(Run):
    """The models of one set of settings, each computed once and stored.

    Args:
        profile: name of the profile, for the folder and the reader.
        settings: validated settings.
        runs_dir: where the folders of runs lie.

    Raises:
        InputError: a device, file or image set that is not there.
    """

    def __init__(self, profile: str, settings: Settings, runs_dir: str | Path) -> None:
        super().__init__(profile, settings, runs_dir)
        self._images: dict[tuple[datasets.Split, int | None], datasets.ImageSet] = {}
        self._resident = Resident(self.device)
        self._encoded: dict[tuple[Model, datasets.Split, int | None, GaussianNoise | None], Tensor] = {}

    @property
    def train(self) -> datasets.ImageSet:
        """The training images."""
        return self.images("train")

    @property
    def test(self) -> datasets.ImageSet:
        """The test images, on which every metric is computed."""
        return self.images("test")

    def images(self, split: datasets.Split, classes: int | None = None) -> datasets.ImageSet:
        """The images of a split, or some from its first so many classes: as many whatever that number is."""
        if (split, classes) not in self._images:
            limit = self.settings.train_limit if split == "train" else self.settings.test_limit
            if classes is not None and self.settings.dataset == "scenes":
                limit = len(self.images(split))  # any number of scenes can be drawn
            elif classes is not None:
                whole = self.images(split)
                limit = min(whole.labels.bincount().tolist()) * min(self.settings.class_counts)
            self._images[split, classes] = self._load(split, limit, classes)
        return self._images[split, classes]

    @cached_property
    def teacher(self) -> Teacher:
        """The frozen teacher."""
        return load_teacher(
            self.settings.teacher,
            weights=self.settings.teacher_weights,
            device=self.device,
            precision=self.settings.teacher_precision,
        )

    def view(self, model: Model) -> View:
        """What a model sees: a student by default the teacher's own input."""
        seen = self.teacher.view
        return seen if model is None else student_configs.view(model, self.settings, seen)

    def arms(self) -> list[Arm]:
        """The students of the first paper's grid: one a width and seed, trained for the first objective."""
        return student_configs.baseline(self.settings)

    def grid(self) -> list[Arm]:
        """These and, for every further objective, as many."""
        return student_configs.grid(self.settings)

    def augmented_arms(self) -> list[Arm]:
        """The largest student again, trained on cropped and flipped images."""
        return student_configs.augmented(self.settings)

    def student(self, arm: Arm) -> students.ScalableCNN:
        """A trained student, in eval mode on the device; where it is missing, all that are missing are trained."""
        student = students.ScalableCNN(arm.width, self.teacher.embedding_dim, arm.dilation)
        student.load_state_dict(self._stored_student(arm)[0])
        student.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return student.eval()

    def losses(self, arm: Arm) -> list[float]:
        """Mean loss of each epoch of a student's training."""
        losses: list[float] = self._stored_record(arm)["losses"]
        return losses

    def history(self, arm: Arm) -> list[Row]:
        """What was measured during a long training, by epoch; empty for the others."""
        history: list[Row] = self._stored_record(arm)["history"]
        return history

    def train_students(self) -> None:
        """Train every student that is not stored yet; what is done survives an interruption."""
        wanted = student_configs.everyone(self.settings, len(self.test.class_names))
        missing = [arm for arm in wanted if not files.is_whole(self._student_path(arm))]
        if not missing:
            return
        self._check_images()
        cost = {arm: self._cost(arm) for arm in missing}
        total = {arm: cost[arm] * self._steps(arm) for arm in missing}
        # The longest first, so that no core idles at the end.
        missing.sort(key=lambda arm: total[arm], reverse=True)
        # Made here one by one, because making a student sets the global seed.
        dim = self.teacher.embedding_dim
        made = {arm: students.build(arm.width, dim, arm.seed, arm.dilation) for arm in missing}
        self.encode(None, "test")  # before the students ask for it side by side
        for classes in {arm.classes for arm in missing}:
            self.encode(None, "train", classes=classes)
        with (
            self.timed("train students"),
            Progress(sum(total.values()), f"training {len(missing)} students") as progress,
        ):

            def work(arm: Arm, check: Callable[[], None]) -> None:
                def step(_: int) -> None:
                    check()
                    progress.advance(cost[arm])

                self._train(arm, made.pop(arm), step)

            self.side_by_side(work, missing)

    def encode(
        self,
        model: Model,
        split: datasets.Split,
        noise: GaussianNoise | None = None,
        *,
        classes: int | None = None,
        encoder: Encoder | None = None,
    ) -> Tensor:
        """Embeddings of a split, N x d, float32 on the CPU, each of length 1.

        Args:
            model: a student, or None for the teacher.
            split: ``train`` or ``test``.
            noise: added to what the model sees; see ``encoding.GaussianNoise``.
            classes: for the teacher, of images of so many classes only; a student has its own number.
            encoder: used in the model's place, on the same view.
        """
        classes = classes if model is None else model.classes
        noise = noise if noise is not None and noise.sigma > 0 else None
        if encoder is not None:
            return self._embed(model, split, classes, noise, encoder)
        key = (model, split, classes, noise)
        if key in self._encoded:
            return self._encoded[key]
        stored = model is None and noise is None
        own = self._teacher_embeddings(split, classes) if stored else self._embed(model, split, classes, noise)
        # Kept only where several tables need them: embeddings of all students would fill the memory.
        if model is None or (noise is None and split == "test" and model in self.grid()):
            self._encoded[key] = own
        return own

    def _load(self, split: datasets.Split, limit: int | None, classes: int | None) -> datasets.ImageSet:
        setting = self.settings
        return datasets.load(
            setting.dataset,
            split,
            root=setting.dataset_root,
            download=setting.download,
            limit=limit,
            seed=setting.data_seed,
            image_size=setting.image_size,
            classes=classes,
        )

    def _check_images(self) -> None:
        """Find images that no table could be made of now, not after hours of training."""
        for arm in student_configs.everyone(self.settings, len(self.test.class_names)):
            steps_per_epoch(len(self.images("train", arm.classes)), student_configs.batch_size(arm, self.settings))
        if len(self.train.labels.unique()) < 2:
            raise InputError("the training images are all of one class; a probe needs at least two")
        if len(self.test) < 2:
            raise InputError(f"{len(self.test)} test images; at least two are needed")

    def _student_path(self, arm: Arm) -> Path:
        return self.folder / "students" / f"{arm.name}.safetensors"

    def _stored_student(self, arm: Arm) -> tuple[dict[str, Tensor], dict[str, str]]:
        stored = files.read_tensors(self._student_path(arm))
        if stored is None:
            self.train_students()
            stored = files.read_tensors(self._student_path(arm))
        if stored is None:
            raise KeyError(f"{arm} is none of this experiment's students")
        return stored

    def _cost(self, arm: Arm) -> int:
        """What a step of a student's training costs beside others: for order and progress, so roughly."""
        slow = arm.dilation > 1 or arm.augmented or arm.objective == "views"
        upscaling = (self.view(arm).resolution / self.view(Arm(arm.width, arm.seed)).resolution) ** 2
        return int(max(1, round(4 * arm.width**1.5 * max(1, upscaling))) * (1 + slow))

    def _steps(self, arm: Arm) -> int:
        images = len(self.images("train", arm.classes))
        return student_configs.epochs(arm, self.settings) * steps_per_epoch(
            images, student_configs.batch_size(arm, self.settings)
        )

    def _stored_record(self, arm: Arm) -> Row:
        record: Row = json.loads(self._stored_student(arm)[1]["record"])
        return record

    def _train(self, arm: Arm, student: students.ScalableCNN, step: Callable[[int], None]) -> None:
        setting = self.settings
        images, view = self.images("train", arm.classes), self.view(arm)
        # Crops are taken from the images as they came.
        as_they_came = arm.augmented or arm.objective == "views"
        recipe = Recipe(
            epochs=student_configs.epochs(arm, setting),
            batch_size=student_configs.batch_size(arm, setting),
            learning_rate=setting.learning_rate,
            objective=student_configs.objective(
                arm, setting, dim=self.teacher.embedding_dim, classes=len(images.class_names)
            ),
            precision=torch.float32 if setting.autocast == "off" else PRECISIONS[setting.autocast],
            schedule=arm.schedule,
            noise=GaussianNoise(arm.noise, seed=arm.seed) if arm.noise else None,
        )
        history: list[Row] = []

        def watch(epoch: int, current: students.ScalableCNN) -> None:
            if arm.epochs and (epoch in WATCHED or epoch == arm.epochs):
                history.append({"epoch": epoch, **self._progress_of(arm, current)})

        result = distil(
            student,
            images.images if as_they_came else self._resident(images.images, view.resolution),
            self._targets(arm, images),
            view,
            recipe,
            seed=arm.seed,
            device=self.device,
            progress=step,
            watch=watch,
        )
        # One entry, because safetensors writes several in no fixed order, and a student's file is to be reproducible.
        record = {"record": json.dumps({"losses": result.losses, "history": history})}
        files.write_tensors(self._student_path(arm), result.student.state_dict(), record)

    def _targets(self, arm: Arm, images: datasets.ImageSet) -> Tensor | Encoder:
        """What a student is trained towards."""
        if arm.augmented:
            return self.teacher.encode
        if arm.objective == "labels":
            return images.labels
        embeddings = self.encode(None, "train", classes=arm.classes)
        return objectives.whitened(embeddings) if arm.objective == "whitened" else embeddings

    def _progress_of(self, arm: Arm, student: students.ScalableCNN) -> Row:
        train, test = (self.encode(arm, split, encoder=student) for split in ("train", "test"))
        return {
            "epoch_rank": spectrum.effective_rank(test),
            "epoch_rank_train": spectrum.effective_rank(train),
            "epoch_distance": float(objectives.cosine_distance(test, self.encode(None, "test"))),
        }

    def _teacher_embeddings(self, split: datasets.Split, classes: int | None) -> Tensor:
        suffix = "" if classes is None else f"-classes{classes}"
        path = self.folder / "teacher" / f"{split}{suffix}.safetensors"
        stored = files.read_tensors(path)
        if stored is None:
            with self.timed("teacher embeddings"):
                embeddings = self._embed(None, split, classes)
                files.write_tensors(path, {"embeddings": embeddings})
            return embeddings
        return stored[0]["embeddings"]

    def _embed(
        self,
        model: Model,
        split: datasets.Split,
        classes: int | None,
        noise: GaussianNoise | None = None,
        encoder: Encoder | None = None,
    ) -> Tensor:
        images, view = self.images(split, classes).images, self.view(model)
        if noise is None or noise.space == "normalised":
            images = self._resident(images, view.resolution)
        encoder = encoder or (self.teacher if model is None else self.student(model))
        precision = self.teacher.precision if model is None else PRECISIONS.get(self.settings.autocast, torch.float32)
        return embed(encoder, images, view, device=self.device, noise=noise, precision=precision).cpu()
