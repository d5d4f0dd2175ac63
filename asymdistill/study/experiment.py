"""An experiment: images, the frozen teacher, its students and their embeddings, each computed once and stored.

Data flows one way: settings, images, teacher embeddings, student configs, students, embeddings.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from asymdistill.config.names import GENERATED_IMAGES, TEACHER, UNTRAINED, image_source
from asymdistill.config.settings import Settings
from asymdistill.data import datasets
from asymdistill.data.datasets import ImageSet, Split
from asymdistill.data.resized import Resident
from asymdistill.data.views import BLOCK, GaussianNoise, View
from asymdistill.metrics import decomposition
from asymdistill.metrics.probe import Probe, fit_probe
from asymdistill.models import students, weights
from asymdistill.models.encoding import Encoder, embed
from asymdistill.models.teacher_views import teacher_view
from asymdistill.models.teachers import PRECISIONS, Teacher, load_teacher, resolve_precision
from asymdistill.runtime import devices
from asymdistill.runtime.errors import Check, InputError
from asymdistill.runtime.executors import executor_for
from asymdistill.runtime.memo import Memo, Value
from asymdistill.runtime.progress import Progress
from asymdistill.store import files
from asymdistill.store.keys import Artifact, Kind
from asymdistill.store.store import Store
from asymdistill.store.tasks import Task, compute_missing
from asymdistill.study.student_configs import Model, StudentConfig, StudentConfigs
from asymdistill.study.suitability import census, check_images, within_limits
from asymdistill.training import losses
from asymdistill.training.distillation import Diverged, Objective, Recipe, TrainingState, distil, steps_per_epoch

_SEEING = ("data/preprocess.py", "data/views.py", "models/encoding.py")
_TRAINING = (
    *_SEEING,
    "models/students.py",
    "models/transformer_student.py",
    "training/distillation.py",
    "training/losses.py",
)
_LOADING = tuple(f"data/{name}.py" for name in ("arrays", "datasets", "listing", "pixels", "scenes"))
IMAGES = Kind("images", 1, _LOADING, ("numpy", "pillow"))
EMBEDDINGS = Kind(
    "embeddings", 1, (*_SEEING, "models/teachers.py", "models/mini_clip.py"), ("torch", "timm", "open_clip_torch")
)
STUDENT = Kind("students", 1, _TRAINING)
SNAPSHOT = Kind("snapshots", 1, _TRAINING)
PROBE = Kind("probes", 1, ("metrics/probe.py",), ("torch", "scikit-learn"))

# Epochs after which snapshots are kept: about evenly spaced on a logarithmic scale.
WATCHED = (1, 2, 3, 5, 7, 10, 14, 20, 28, 40, 56, 80, 113, 160, 226, 320, 453, 640, 905)
TERMS = {"vicreg": losses.variance_and_covariance, "uniformity": losses.uniformity}
TARGETS = {"whitened": losses.whitened, "centred": losses.centred}
_PART = 2 * BLOCK  # images that one thread embeds at a time
_ROOM = 2**30  # bytes of the students' training embeddings that are kept


class Experiment:
    """The models of one set of settings.

    Args:
        settings: validated settings.
        runs_dir: the folder of runs; the store lies within it unless the settings name another.
        fresh: compute again what other code, other versions of a library or another kind of device made.
        loaded: images and teachers that experiments of one process share, by what loads them; None: it has its own.

    Raises:
        InputError: a device, a teacher, or a file of weights or images, that is not there.
    """

    def __init__(self, settings: Settings, runs_dir: Path, *, fresh: bool = False, loaded: Memo | None = None) -> None:
        self.settings = settings
        self.device = devices.resolve_device(settings.device)
        if self.device.type == "cuda":
            torch.backends.cudnn.allow_tf32 = False  # float32 is to mean float32; bfloat16 is there for speed
        self.executor = executor_for(self.device, settings.workers)
        # Names a teacher that its library does not have, or that can't be shown images as asked.
        self.teacher_view = teacher_view(settings.teacher, settings.teacher_resolution, crop=settings.teacher_crop)
        weights.find_weights(settings.teacher, settings.teacher_weights)
        self.store = Store(settings.store or runs_dir / "store", devices.kind_of_device(self.device), fresh=fresh)
        self._memo = Memo()
        self._of_training = Memo(_ROOM, lambda embeddings: embeddings.nbytes)
        self._loaded = loaded or Memo()
        self._images_digest = self._loaded(("digest", settings.dataset), lambda: datasets.digest(settings.dataset))
        self._resident = self._loaded(("resized", self.device), lambda: Resident(self.device))

    # Images

    @property
    def train(self) -> ImageSet:
        """The training images."""
        return self.images("train")

    @property
    def test(self) -> ImageSet:
        """The test images, on which every metric is computed."""
        return self.images("test")

    def images(self, split: Split, classes: int | None = None) -> ImageSet:
        """The images of a split, or of its first ``classes`` classes: as many images for any number of classes."""
        return self._memo(("images", split, classes), lambda: self._load(split, classes))

    def image_set(self, split: Split, classes: int | None = None) -> Artifact:
        """What names the images of a split: the digest of their files, and what is taken of them."""
        own = self.settings
        rule = None if classes is None else {"classes": classes, "fewest": min(own.class_counts)}
        limit = own.train_limit if split == "train" else own.test_limit
        inputs = {"source": self._images_digest, "split": split, "limit": limit, "seed": own.data_seed, "rule": rule}
        return Artifact(IMAGES, inputs | {"side": own.image_size if image_source(own.dataset) == "folder" else None})

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.test.class_names

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Numbers of images in ``train`` and ``test``, and of ``classes``; Scenes are counted without being drawn."""
        if self.settings.dataset in GENERATED_IMAGES:
            there = within_limits(self.settings, census(self.settings))
            return {"train": there.train, "test": there.test, "classes": there.classes}
        return {"train": len(self.train), "test": len(self.test), "classes": len(self.class_names)}

    def check_images(self) -> None:
        """Find images that no table could be made of, or too few of them.

        Raises:
            InputError: it names what is wrong and what is allowed.
        """
        self._memo("checked", lambda: check_images(self.settings, self.train, self.test))

    # Teacher

    @property
    def teacher(self) -> Teacher:
        """The frozen teacher."""
        own = self.settings
        options: dict[str, Any] = {
            "weights": own.teacher_weights,
            "device": self.device,
            "precision": own.teacher_precision,
            "resolution": own.teacher_resolution,
            "crop": own.teacher_crop,
        }
        key = ("teacher", own.teacher, *options.values())
        return self._loaded(key, lambda: load_teacher(own.teacher, **options))

    @cached_property
    def teacher_name(self) -> dict[str, Any]:
        """What names the teacher in keys: its name, the digest of its weights, its view, its arithmetic here."""
        own = self.settings
        return {
            "name": own.teacher,
            "weights": weights.weights_digest(own.teacher, own.teacher_weights),
            "view": asdict(self.teacher_view),
            "precision": resolve_precision(own.teacher_precision, self.device),
        }

    def teacher_embeddings(
        self, split: Split, noise: GaussianNoise | None = None, classes: int | None = None
    ) -> Tensor:
        """The teacher's embeddings of a split, N x d, float32 on the CPU, each of length 1."""
        artifact = self._embeddings_artifact(split, noise, classes)

        def compute() -> dict[str, Tensor]:
            return {"embeddings": self._embed_in_parts(self.images(split, classes).images, noise)}

        return self._memo(artifact, lambda: self.store.compute_once(artifact, compute)["embeddings"])

    def of_teacher(self, function: Callable[[Tensor], Value], split: Split, classes: int | None = None) -> Value:
        """What a function gives of the teacher's clean embeddings of a split, computed once for all students."""
        return self._memo((function, split, classes), lambda: function(self.teacher_embeddings(split, classes=classes)))

    def teacher_directions(self) -> tuple[Tensor, Tensor]:
        """Mean, d, and principal directions, d x d, of the teacher's training embeddings."""
        return self.of_teacher(decomposition.principal_directions, "train")

    # Students

    @cached_property
    def configs(self) -> StudentConfigs:
        """The students of these settings."""
        return StudentConfigs(self.settings, self.teacher_view.resolution, self.sizes["classes"])

    @cached_property
    def _grid(self) -> frozenset[StudentConfig]:
        return frozenset(self.configs.grid())

    def student(self, config: StudentConfig, epoch: int | None = None) -> nn.Module:
        """A trained student in eval mode on the device, or as it was after one of its watched epochs.

        It is trained where it is missing.
        """
        self.train_students([config])
        artifact = self.student_artifact(config) if epoch is None else self._snapshot(config, epoch)
        student = students.restore(config.design, self.store.tensors(artifact))
        student.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return student.eval()

    def losses(self, config: StudentConfig) -> list[float]:
        """Mean loss of each epoch of a student's training."""
        found: list[float] = self.store.value(self.student_artifact(config))["losses"]
        return found

    def student_artifact(self, config: StudentConfig) -> Artifact:
        """What names a student: its config, its images, and what it is trained towards."""
        towards = config.objective not in ("labels", UNTRAINED) and not config.augmented
        targets = self._embeddings_artifact("train", None, config.classes).key if towards else None
        images = None if config.objective == UNTRAINED else self.image_set("train", config.classes).key
        inputs = {"config": config.key, "images": images, "targets": targets, "teacher": self.teacher_name}
        return Artifact(STUDENT, inputs, (self._embeddings_artifact("train", None, config.classes),))

    def watched(self, config: StudentConfig) -> list[int]:
        """The epochs after which snapshots of a student are kept."""
        if not config.snapshots:
            return []
        always = (config.epochs, self.settings.epochs)
        return [epoch for epoch in range(1, config.epochs + 1) if epoch in WATCHED or epoch in always]

    def train_students(self, configs: Sequence[StudentConfig]) -> None:
        """Train the students that are not stored yet; what is done survives an interruption."""
        wanted = list(dict.fromkeys(configs))
        missing = [config for config in wanted if not self._is_trained(config)]
        if not missing:
            return
        self._check(missing)
        cost = {config: self._cost(config) for config in missing}
        total = {config: self.cost(config) for config in missing}
        # The longest first, so that no core idles at the end.
        missing.sort(key=lambda config: total[config], reverse=True)
        # Before the students ask for them in parallel.
        for config in missing:
            if self.student_artifact(config).inputs["targets"]:
                self.teacher_embeddings("train", classes=config.classes)
        with Progress(sum(total.values()), f"training {len(missing)} students") as progress:
            compute_missing(
                self.store, self.executor, [self._training(c, cost[c], total[c], progress) for c in missing]
            )

    def cost(self, config: StudentConfig) -> int:
        """What a student's training costs beside others: for order and progress, so roughly."""
        return self._cost(config) * self._steps(config)

    def count_students(self, configs: Sequence[StudentConfig]) -> tuple[int, int]:
        """How many of some students are stored, and how many are to be trained."""
        wanted = list(dict.fromkeys(configs))
        found = sum(self._is_trained(config) for config in wanted)
        return found, len(wanted) - found

    # What models make of images

    def view(self, model: Model) -> View:
        """What a model sees: the teacher its own view; a student the paper's, normalised as the teacher's."""
        seen = self.teacher_view
        return seen if model is None else View(model.resolution, seen.mean, seen.std)

    def encode(
        self,
        model: Model,
        split: Split,
        noise: GaussianNoise | None = None,
        *,
        classes: int | None = None,
        epoch: int | None = None,
        encoder: Encoder | None = None,
    ) -> Tensor:
        """Embeddings of a split, N x d, float32 on the CPU, each of length 1.

        Args:
            model: a student, or None for the teacher.
            split: ``train`` or ``test``.
            noise: added to what the model sees.
            classes: for the teacher, of images of so many classes only; a student has its own number.
            epoch: the student as it was after this epoch; None: in the end.
            encoder: used in the model's place, on the same view.
        """
        noise = noise if noise is not None and noise.sigma > 0 else None
        if model is None:
            return self.teacher_embeddings(split, noise, classes)
        plain = encoder is None and epoch is None and noise is None
        if not plain or model not in self._grid:
            return self._embed(encoder or self.student(model, epoch), model, split, noise)
        # Kept, because several tables need them: those of all students would fill the memory.
        kept = self._memo if split == "test" else self._of_training
        return kept((model, split), lambda: self._embed(self.student(model), model, split, None))

    def probe(
        self, model: Model, embeddings: Callable[[], Tensor] | None = None, cut: Mapping[str, Any] | None = None
    ) -> Probe:
        """The linear probe of a model's clean training embeddings, fitted once.

        Args:
            model: a student, or None for the teacher.
            embeddings: gives those to fit it to, where they are not the model's own.
            cut: what tells these from the model's own.
        """

        def fit() -> dict[str, Tensor]:
            rows = self.encode(model, "train") if embeddings is None else embeddings()
            labels = self.images("train", model.classes if model else None).labels
            return fit_probe(rows, labels, max_iter=self.settings.probe_max_iter, device=self.device).tensors()

        return Probe.from_tensors(self.store.compute_once(self.probe_artifact(model, cut), fit))

    def probe_artifact(self, model: Model, cut: Mapping[str, Any] | None = None) -> Artifact:
        """What names a model's probe."""
        images = self.image_set("train", model.classes if model else None).key
        inputs = {"model": self.model_key(model), "images": images, "max_iter": self.settings.probe_max_iter}
        return Artifact(PROBE, inputs | {"cut": cut and dict(cut)}, (self.model_artifact(model, "train"),))

    def model_key(self, model: Model) -> object:
        """What names a model in the keys of what is made with it."""
        return {TEACHER: self.teacher_name} if model is None else self.student_artifact(model).key

    def model_artifact(self, model: Model, split: Split, noise: GaussianNoise | None = None) -> Artifact:
        """What is stored of a model to measure it: the student, or the teacher's embeddings of a split."""
        return self._embeddings_artifact(split, noise, None) if model is None else self.student_artifact(model)

    # How it is done

    def _load(self, split: Split, classes: int | None) -> ImageSet:
        own = self.settings
        limit = own.train_limit if split == "train" else own.test_limit
        if classes is not None and own.dataset == "scenes":
            limit = len(self.images(split))  # any number of scenes can be drawn
        elif classes is not None:
            limit = min(self.images(split).labels.bincount().tolist()) * min(own.class_counts)
        options: dict[str, Any] = {
            "root": own.dataset_root,
            "download": own.download,
            "limit": limit,
            "seed": own.data_seed,
            "image_size": own.image_size,
            "classes": classes,
        }
        key = ("images", self._images_digest, split, *options.values())
        return self._loaded(key, lambda: datasets.load(own.dataset, split, **options))

    def _embeddings_artifact(self, split: Split, noise: GaussianNoise | None, classes: int | None) -> Artifact:
        images = self.image_set(split, classes)
        inputs = {"images": images.key, "teacher": self.teacher_name, "noise": noise and asdict(noise)}
        return Artifact(EMBEDDINGS, inputs, (images,))

    def _embed_in_parts(self, images: Tensor, noise: GaussianNoise | None) -> Tensor:
        """The teacher's embeddings, part by part on one thread each: the same whatever the number of cores."""
        teacher = self.teacher
        found: dict[int, Tensor] = {}

        def work(first: int, check: Check) -> None:
            check()
            part = images[first : first + _PART]
            found[first] = teacher.encode(part, noise, first=first).cpu()
            progress.advance(len(part))

        with Progress(len(images), "teacher embeddings") as progress:
            self.executor.map(work, range(0, len(images), _PART))
        embeddings = torch.cat([found[first] for first in sorted(found)])
        if not bool((embeddings.norm(dim=1) > 0).all()):  # nor is the length of what is not a number
            own, side = self.settings, self.teacher_view.resolution
            raise InputError(
                f"teacher {own.teacher!r} ({own.teacher_weights or 'its own weights'}) gives embeddings that are zero "
                f"or not numbers at {side} x {side} pixels; allowed: another teacher_weights or teacher_resolution"
            )
        return embeddings

    def _embed(self, encoder: Encoder, model: StudentConfig, split: Split, noise: GaussianNoise | None) -> Tensor:
        images, view = self.images(split, model.classes).images, self.view(model)
        if noise is None or noise.space == "normalised":
            images = self._resident(images, view.resolution)
        precision = PRECISIONS.get(self.settings.autocast, torch.float32)
        return embed(encoder, images, view, device=self.device, noise=noise, precision=precision).cpu()

    def _is_trained(self, config: StudentConfig) -> bool:
        wanted = [self.student_artifact(config), *(self._snapshot(config, epoch) for epoch in self.watched(config))]
        return all(self.store.record(artifact) is not None for artifact in wanted)

    def _snapshot(self, config: StudentConfig, epoch: int) -> Artifact:
        student = self.student_artifact(config)
        return Artifact(SNAPSHOT, {"student": student.key, "epoch": epoch}, student.sources)

    def _check(self, configs: Sequence[StudentConfig]) -> None:
        """Find a teacher, students and images that no table could be made of now, not after hours of training."""
        self.check_images()
        dim = self.teacher.embedding_dim
        for config in configs:
            with torch.device("meta"):
                config.design.network(dim)

    def _cost(self, config: StudentConfig) -> int:
        """What a step of a student's training costs beside others."""
        slow = (
            config.dilation > 1
            or config.architecture != students.CNN
            or config.augmented
            or config.objective == "views"
        )
        upscaling = (config.resolution / self.configs.make(config.width, 0, "cosine").resolution) ** 2
        return int(max(1, round(4 * config.width**1.5 * max(1, upscaling))) * (1 + slow))

    def _steps(self, config: StudentConfig) -> int:
        if not config.epochs:
            return 1
        return config.epochs * steps_per_epoch(len(self.images("train", config.classes)), config.batch_size)

    def _training(self, config: StudentConfig, cost: int, total: int, progress: Progress) -> Task:
        artifact = self.student_artifact(config)
        snapshots = [self._snapshot(config, epoch) for epoch in self.watched(config)]
        counted = 0

        def step(check: Check) -> None:
            nonlocal counted
            check()
            counted += cost
            progress.advance(cost)

        def compute(check: Check) -> None:
            self._train(config, artifact, lambda _: step(check))

        # Steps that an earlier attempt or another process made count as well.
        return Task((artifact, *snapshots), compute, lambda: progress.advance(total - counted))

    def _train(self, config: StudentConfig, artifact: Artifact, step: Callable[[int], None]) -> None:
        begin, path = time.perf_counter(), self.store.unfinished(artifact)
        state, before = self._unfinished(path)
        images, view = self.images("train", config.classes), self.view(config)
        # Crops are taken from the images as they came.
        as_they_came = config.augmented or config.objective == "views"

        def spent() -> float:
            return before + time.perf_counter() - begin

        def save(reached: TrainingState) -> None:
            numbers = {"epoch": [reached.epoch], "losses": reached.losses, "seconds": [spent()]}
            beside = {f"reached.{name}": torch.tensor(own, dtype=torch.float64) for name, own in numbers.items()}
            files.write_sealed_tensors(path, reached.tensors | beside)

        def watch(epoch: int, current: nn.Module) -> None:
            if epoch in self.watched(config):
                self.store.put(self._snapshot(config, epoch), tensors=current.state_dict())

        try:
            result = distil(
                students.build(config.design, self.teacher.embedding_dim, config.seed),
                images.images if as_they_came else self._resident(images.images, view.resolution),
                self._targets(config, images),
                view,
                self._recipe(config),
                seed=config.seed,
                device=self.device,
                progress=step,
                watch=watch,
                resume=state,
                save=save,
            )
        except Diverged as error:
            files.remove(path)
            raise Diverged(error.step, error.loss, error.learning_rate, config.described) from None
        tensors, value = result.student.state_dict(), {"losses": result.losses}
        self.store.put(artifact, value, tensors, seconds=spent())
        files.remove(path)

    def _unfinished(self, path: Path) -> tuple[TrainingState | None, float]:
        """The state in which an interrupted training was left, and the seconds that it had taken."""
        tensors = files.read_sealed_tensors(path)
        if tensors is None:
            return None, 0.0
        epoch, losses, seconds = (tensors.pop(f"reached.{name}").tolist() for name in ("epoch", "losses", "seconds"))
        return TrainingState(int(epoch[0]), losses, tensors), float(seconds[0])

    def _recipe(self, config: StudentConfig) -> Recipe:
        return Recipe(
            epochs=config.epochs,
            batch_size=config.batch_size,
            learning_rate=config.learning_rate,
            objective=self._loss(config),
            precision=PRECISIONS.get(config.autocast, torch.float32),
            schedule=config.schedule,
            noise=GaussianNoise(config.noise, seed=config.seed) if config.noise else None,
        )

    def _loss(self, config: StudentConfig) -> Objective:
        """What a student is trained to minimise."""
        if config.objective == "labels":
            classes = config.classes or self.sizes["classes"]
            return losses.LabelLoss(self.teacher.embedding_dim, classes, config.seed)
        if config.objective in TERMS:
            return losses.RegularisedLoss(TERMS[config.objective], config.weight)
        if config.temperature:
            positives = "views" if config.objective == "views" else "teacher"
            return losses.DistillationLoss(config.weight, config.temperature, positives, symmetric=config.symmetric)
        return losses.cosine_distance

    def _targets(self, config: StudentConfig, images: ImageSet) -> Tensor | Encoder:
        """What a student is trained towards."""
        if config.augmented:
            return self.teacher.encode
        if config.objective in ("labels", UNTRAINED):
            return images.labels
        embeddings = self.teacher_embeddings("train", classes=config.classes)
        change = TARGETS.get(config.objective)
        return change(embeddings) if change else embeddings
