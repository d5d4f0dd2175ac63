"""Measurements: one quantity of one model each, stored once; tables are put together from them."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from asymdistill.config.names import SCENES_TEACHERS
from asymdistill.data import scenes
from asymdistill.data.datasets import Split
from asymdistill.data.views import BLOCK, GaussianNoise, see
from asymdistill.metrics import contrastive, crossmodal, decomposition, neighbours, resampling, spectrum
from asymdistill.models.students import with_batch_statistics
from asymdistill.runtime.errors import Check, InputError
from asymdistill.runtime.memo import Value
from asymdistill.runtime.progress import Progress
from asymdistill.store.keys import Artifact, Kind
from asymdistill.store.tasks import Task, compute_missing
from asymdistill.study.experiment import Experiment
from asymdistill.study.student_configs import Model, StudentConfig
from asymdistill.training.losses import cosine_distance

MEASUREMENT = Kind(
    "measurements",
    1,
    ("study/measurements.py", *(f"metrics/{name}.py" for name in ("contrastive", "crossmodal", "decomposition")),
     *(f"metrics/{name}.py" for name in ("neighbours", "probe", "resampling", "spectrum"))),
    ("torch", "scikit-learn", "scipy"),
)  # fmt: skip
BATCH_NORM_IMAGES = 5000
NEIGHBOURS = 20  # that vote on a class
SHARED = 10  # among which those are counted that student and teacher have in common


@dataclass(frozen=True)
class Measurement:
    """What is measured: a quantity of a model.

    Attributes:
        quantity: a name in ``QUANTITIES``.
        model: a student, or None for the teacher.
        noise: added to what the model sees; None: none.
        options: further arguments of the quantity's function, by name.
    """

    quantity: str
    model: Model = None
    noise: GaussianNoise | None = None
    options: tuple[tuple[str, Any], ...] = ()


@dataclass
class Subject:
    """A model while it is measured, with its embeddings, each computed when first asked for.

    Attributes:
        run: the experiment.
        model: a student, or None for the teacher.
        noise: added to what the model sees.
        check: called between steps; an exception in it ends the work.
    """

    run: Experiment
    model: Model
    noise: GaussianNoise | None
    check: Check
    _kept: dict[Any, Tensor] = field(default_factory=dict)

    @property
    def student(self) -> StudentConfig:
        """The model, which is a student."""
        assert self.model is not None
        return self.model

    @property
    def classes(self) -> int | None:
        """How many classes its images are from; None: all."""
        return self.model.classes if self.model else None

    def embeddings(self, split: Split = "test", *, epoch: int | None = None, classes: int | None = None) -> Tensor:
        """Clean embeddings of a split."""
        key = (split, epoch, classes)
        if key not in self._kept:
            self.check()
            self._kept[key] = self.run.encode(self.model, split, epoch=epoch, classes=classes)
        return self._kept[key]

    def noisy(self) -> Tensor:
        """Test embeddings under the noise."""
        if self.noise is None or self.noise.sigma == 0:
            return self.embeddings()
        self.check()
        return self.run.encode(self.model, "test", self.noise)

    def teacher(self, split: Split = "test") -> Tensor:
        """The teacher's clean embeddings of the same images."""
        return self.run.teacher_embeddings(split, classes=self.classes)

    def of_teacher(self, function: Callable[[Tensor], Value], split: Split = "test") -> Value:
        """What a function gives of the teacher's embeddings, computed once for all students."""
        return self.run.of_teacher(function, split, self.classes)

    def r_squared(self, split: Split) -> Tensor:
        """How much of each of the teacher's principal components it knows."""
        key = ("r_squared", split)
        if key not in self._kept:
            own, teacher = self.embeddings(split), self.teacher(split)
            self.check()
            _, directions = self.of_teacher(decomposition.principal_directions, split)
            self._kept[key] = decomposition.component_r_squared(own, teacher, directions)
        return self._kept[key]

    def aligned_shares(self) -> Tensor:
        """Cumulative share of its variance within the teacher's leading directions."""
        key = "aligned shares"
        if key not in self._kept:
            directions = self.of_teacher(spectrum.leading_directions)
            self._kept[key] = spectrum.subspace_alignment(self.embeddings(), self.teacher(), directions)
        return self._kept[key]

    def labels(self, split: Split = "test") -> Tensor:
        """Classes of the images."""
        return self.run.images(split, self.classes).labels

    def again(self, noise: GaussianNoise | None) -> "Subject":
        """The same model under another noise, reusing the embeddings that it has."""
        return Subject(self.run, self.model, noise, self.check, self._kept)


# One function per quantity. A change of what one returns raises its version in QUANTITIES.


def size(subject: Subject) -> dict[str, int]:
    """Parameters of the teacher's image tower, and length of an embedding."""
    tower = subject.run.teacher.image_tower
    parameters = sum(parameter.numel() for parameter in tower.parameters())
    return {"parameters": parameters, "embedding_dim": subject.embeddings().shape[1]}


def singular_values(subject: Subject) -> list[float]:
    """Singular values of the centred test embeddings, largest first."""
    values: list[float] = spectrum.singular_values(subject.embeddings()).tolist()
    return values


def effective_rank(
    subject: Subject, *, split: Split = "test", epoch: int | None = None, classes: int | None = None
) -> float:
    """Effective rank (variance, centred) of a split; after an epoch; for the teacher, of some of the classes."""
    return spectrum.effective_rank(subject.embeddings(split, epoch=epoch, classes=classes))


def alignment(subject: Subject) -> list[float]:
    """Cumulative share of the variance within the teacher's leading components."""
    shares: list[float] = subject.aligned_shares().tolist()
    return shares


def information(subject: Subject, *, batch_size: int, temperature: float) -> dict[str, float]:
    """InfoNCE, its bound in nats, and uniformity by several estimators."""
    own = subject.embeddings()
    loss = contrastive.info_nce(own, subject.teacher(), temperature=temperature, batch_size=batch_size)
    return {
        "info_nce": loss,
        "mutual_information_bound": contrastive.mutual_information_bound(loss, batch_size),
        "uniformity": contrastive.uniformity(own, batch_size=batch_size),
        "uniformity_without_self": contrastive.uniformity(own, batch_size=batch_size, include_self=False),
        "uniformity_all_pairs": contrastive.uniformity(own, batch_size=None, include_self=False),
    }


def accuracy(subject: Subject) -> float:
    """Accuracy in percent of the clean probe, under the noise."""
    return subject.run.probe(subject.model).accuracy(subject.noisy(), subject.labels())


def train_accuracy(subject: Subject) -> float:
    """Accuracy in percent of the clean probe on the training images, on which it was fitted."""
    return subject.run.probe(subject.model).accuracy(subject.embeddings("train"), subject.labels("train"))


def adapted_accuracy(subject: Subject) -> float:
    """The same after batch-norm statistics were re-estimated on training images under the noise."""
    run, noise = subject.run, subject.noise
    if noise is None or noise.sigma == 0:  # the statistics of the training itself
        return accuracy(subject)
    images = run.train.images[:BATCH_NORM_IMAGES].split(BLOCK)
    # Another draw than the test images', and not the same for every batch.
    other = GaussianNoise(noise.sigma, noise.space, noise.seed + 1)
    view = run.view(subject.model)
    seen = (see(batch.to(run.device), view, other, first=BLOCK * i) for i, batch in enumerate(images))
    student = with_batch_statistics(run.student(subject.student), seen)
    subject.check()
    embeddings = run.encode(subject.model, "test", noise, encoder=student)
    return run.probe(subject.model).accuracy(embeddings, subject.labels())


def r_squared(subject: Subject, *, split: Split) -> list[float]:
    """How much of each principal component of the teacher the student knows."""
    found: list[float] = subject.r_squared(split).tolist()
    return found


def shrinkage_rank(subject: Subject, *, split: Split) -> float:
    """The effective rank that underfitting alone predicts."""
    roots = subject.of_teacher(spectrum.singular_values, split)
    return decomposition.shrinkage_rank(subject.teacher(split), subject.r_squared(split), roots)


def distance(subject: Subject, *, epoch: int | None = None) -> float:
    """Mean cosine distance to the teacher on test images."""
    return float(cosine_distance(subject.embeddings(epoch=epoch), subject.teacher()))


def class_ranks(subject: Subject) -> dict[str, float]:
    """Effective ranks between and within classes, and the share of variance between them."""
    return asdict(decomposition.class_ranks(subject.embeddings(), subject.labels()))


def truncated(subject: Subject, *, variant: str, count: int, draw: int | None) -> Callable[[Tensor], Tensor]:
    """How the teacher is cut to some of its directions: ``top`` or ``bottom`` ones, or a ``random`` subspace."""
    mean, directions = subject.run.teacher_directions()
    if variant == "random":
        assert draw is not None
        generator = torch.Generator().manual_seed(subject.run.settings.noise_seed)
        bases = [decomposition.random_directions(len(mean), count, generator) for _ in range(draw + 1)]
        directions = bases[draw]
    else:
        directions = directions[:, :count] if variant == "top" else directions[:, -count:]
    return partial(decomposition.truncate, mean=mean, directions=directions)


def truncated_rank(subject: Subject, **cut: Any) -> float:
    """Effective rank of the truncated teacher."""
    return spectrum.effective_rank(truncated(subject, **cut)(subject.embeddings()))


def truncated_accuracy(subject: Subject, **cut: Any) -> float:
    """Accuracy in percent of the truncated teacher's own clean probe, under the noise."""
    short = truncated(subject, **cut)
    probe = subject.run.probe(None, lambda: short(subject.embeddings("train")).float(), cut)
    return probe.accuracy(short(subject.noisy()).float(), subject.labels())


def rank_by_sample(subject: Subject, *, sizes: Sequence[int], **estimator: Any) -> list[list[float]]:
    """Effective rank of random subsamples, for each size the draws."""
    return [*resampling.rank_by_sample_size(subject.embeddings(), sizes, **estimator).values()]


def true_rank_by_sample(subject: Subject, *, sizes: Sequence[int], **estimator: Any) -> dict[str, Any]:
    """The same of embeddings that are made of the images' known factors, and their true rank."""
    factors = subject.run.test.factors
    values = {name: len(scenes.FACTORS[name]) for name in scenes.INDEPENDENT_FACTORS}
    kind = estimator.get("spectrum", "variance")
    embeddings, rank = resampling.factor_embeddings(factors, values, spectrum=kind)
    return {"true": rank, "draws": [*resampling.rank_by_sample_size(embeddings, sizes, **estimator).values()]}


def bootstrap_interval(subject: Subject) -> list[float]:
    """95 % interval of the effective rank over images."""
    return [*resampling.bootstrap_interval(subject.embeddings())]


def factor_shares(subject: Subject) -> dict[str, float]:
    """Share of the variance that each known factor of the images explains."""
    return decomposition.factor_shares(subject.embeddings(), subject.run.test.factors)


def neighbour_accuracy(subject: Subject) -> float:
    """Accuracy in percent of a vote of the nearest training embeddings."""
    train = subject.embeddings("train")
    k = min(NEIGHBOURS, len(train))
    return neighbours.neighbour_accuracy(train, subject.labels("train"), subject.embeddings(), subject.labels(), k=k)


def neighbour_overlap(subject: Subject) -> float:
    """Share of the nearest neighbours that student and teacher have in common."""
    own = subject.embeddings()
    return neighbours.neighbour_overlap(own, subject.teacher(), k=min(SHARED, len(own) - 1))


def aligned_share(subject: Subject) -> float:
    """Share of the variance within the leading components that hold 90 % of the teacher's."""
    return float(subject.aligned_shares()[subject.of_teacher(spectrum.dims_for_variance) - 1])


def among_texts(subject: Subject, *, keep: int | None = None) -> dict[str, float] | None:
    """Zero-shot accuracy, modality gap and caption retrieval; None where the teacher reads no such text.

    Args:
        subject: the model.
        keep: cut it to so many of its principal directions first; None: whole.
    """
    texts = class_texts(subject.run)
    if texts is None:
        return None
    captions = scene_captions(subject.run)
    images = subject.noisy()
    if keep is not None:
        images = truncated(subject, variant="top", count=keep, draw=None)(images)
    labels = subject.labels()
    found = {"zero_shot": crossmodal.zero_shot_accuracy(images, texts, labels)}
    found["modality_gap"] = crossmodal.modality_gap(images, texts[labels] if captions is None else captions[0])
    if captions is not None:
        recall = crossmodal.retrieval(images, captions[0], caption_ids=captions[1])
        found |= {f"retrieval_{top}": value for top, value in recall.items()}
    return found


def class_texts(run: Experiment) -> Tensor | None:
    """The text embeddings of the classes' names, C x d; None where the teacher reads no text or not these names."""
    template = "a {}" if run.settings.teacher in SCENES_TEACHERS else "a photo of a {}."
    try:
        return run.teacher.encode_text([template.format(name.replace("_", " ")) for name in run.class_names]).cpu()
    except InputError:
        return None


def scene_captions(run: Experiment) -> tuple[Tensor, Tensor] | None:
    """Text embeddings of the test images' full captions, N x d, and an id per distinct caption, N; or None."""
    factors = run.test.factors
    if not factors:
        return None
    captions = [
        scenes.caption({name: int(values[row]) for name, values in factors.items()}, list(factors))
        for row in range(len(run.test))
    ]
    ids = {text: number for number, text in enumerate(dict.fromkeys(captions))}
    texts = torch.cat([run.teacher.encode_text(captions[at : at + BLOCK]) for at in range(0, len(captions), BLOCK)])
    return texts.cpu(), torch.tensor([ids[text] for text in captions])


@dataclass(frozen=True)
class Quantity:
    """How a quantity is measured.

    Attributes:
        function: of a subject and options; what it returns is anything that JSON has.
        version: raised by hand when it returns something else.
        uses: what it depends on beside the model and the test images: ``train``, ``probe``, ``teacher`` or
            ``noise seed``.
    """

    function: Callable[..., Any]
    version: int = 1
    uses: tuple[str, ...] = ()


QUANTITIES: dict[str, Quantity] = {
    "size": Quantity(size),
    "singular_values": Quantity(singular_values),
    "effective_rank": Quantity(effective_rank),
    "alignment": Quantity(alignment, uses=("teacher",)),
    "information": Quantity(information, uses=("teacher",)),
    "accuracy": Quantity(accuracy, uses=("probe",)),
    "train_accuracy": Quantity(train_accuracy, uses=("train", "probe")),
    "adapted_accuracy": Quantity(adapted_accuracy, uses=("probe",)),
    "r_squared": Quantity(r_squared, uses=("teacher",)),
    "shrinkage_rank": Quantity(shrinkage_rank, uses=("teacher",)),
    "distance": Quantity(distance, uses=("teacher",)),
    "class_ranks": Quantity(class_ranks),
    "truncated_rank": Quantity(truncated_rank, uses=("train", "noise seed")),
    "truncated_accuracy": Quantity(truncated_accuracy, uses=("probe", "noise seed")),
    "rank_by_sample": Quantity(rank_by_sample),
    "true_rank_by_sample": Quantity(true_rank_by_sample),
    "bootstrap_interval": Quantity(bootstrap_interval),
    "factor_shares": Quantity(factor_shares),
    "neighbour_accuracy": Quantity(neighbour_accuracy, uses=("train",)),
    "neighbour_overlap": Quantity(neighbour_overlap, uses=("teacher",)),
    "aligned_share": Quantity(aligned_share, uses=("teacher",)),
    "among_texts": Quantity(among_texts, uses=("train", "teacher")),
}


class Measurements:
    """The measurements of an experiment, each computed once and stored.

    Args:
        run: the experiment.
    """

    def __init__(self, run: Experiment) -> None:
        self._run = run
        self.used: dict[str, None] = {}

    def measure(self, wanted: Iterable[Measurement], title: str) -> None:
        """Measure what is not stored yet, the models in parallel.

        Args:
            wanted: in any order.
            title: of the progress bar.
        """
        run = self._run
        measurements = list(dict.fromkeys(wanted))
        run.train_students([m.model for m in measurements if m.model is not None])
        missing = [m for m in measurements if run.store.record(self.artifact(m)) is None]
        if not missing:
            return
        run.teacher_embeddings("test"), run.teacher_embeddings("train")  # before several ask for them in parallel
        for noise in dict.fromkeys(m.noise for m in missing if m.model is None and m.noise and m.noise.sigma):
            run.teacher_embeddings("test", noise)
        groups: dict[object, list[Measurement]] = {}
        for measurement in missing:
            # A student's embeddings are made once for all that is measured of it; the teacher's are stored.
            groups.setdefault(measurement.model or measurement, []).append(measurement)
        with Progress(len(missing), title) as progress:
            compute_missing(run.store, run.executor, [self._task(group, progress) for group in groups.values()])

    def value(self, measurement: Measurement) -> Any:
        """What was measured; it is measured where it is missing."""
        artifact = self.artifact(measurement)
        if self._run.store.record(artifact) is None:
            self.measure([measurement], measurement.quantity.replace("_", " "))
        return self._run.store.value(artifact)

    def artifact(self, measurement: Measurement) -> Artifact:
        """What names a measurement."""
        run, model, quantity = self._run, measurement.model, QUANTITIES[measurement.quantity]
        classes = model.classes if model else dict(measurement.options).get("classes")
        noise = measurement.noise if measurement.noise and measurement.noise.sigma else None
        sources = [run.model_artifact(model, "test", noise)]
        inputs: dict[str, Any] = {
            "quantity": measurement.quantity,
            "version": quantity.version,
            "model": run.model_key(model),
            "images": run.image_set("test", classes).key,
            "noise": noise and asdict(noise),
            "autocast": run.settings.autocast if model else "off",
            "options": dict(measurement.options),
        }
        if "train" in quantity.uses or inputs["options"].get("split") == "train":
            inputs["train"] = run.image_set("train", classes).key
        if "teacher" in quantity.uses:
            inputs["teacher"] = run.teacher_name
        if "probe" in quantity.uses:
            sources.append(run.probe_artifact(model))
            inputs["probe"] = sources[-1].key
        if "noise seed" in quantity.uses:
            inputs["noise_seed"] = run.settings.noise_seed
        return Artifact(MEASUREMENT, inputs, tuple(sources))

    def _task(self, group: Sequence[Measurement], progress: Progress) -> Task:
        subjects: dict[GaussianNoise | None, Subject] = {}

        def compute(check: Check) -> None:
            first = Subject(self._run, group[0].model, None, check)
            for measurement in group:
                artifact = self.artifact(measurement)
                if self._run.store.record(artifact) is None:
                    check()
                    begin = time.perf_counter()
                    subject = subjects.setdefault(measurement.noise, first.again(measurement.noise))
                    options: Mapping[str, Any] = dict(measurement.options)
                    value = QUANTITIES[measurement.quantity].function(subject, **options)
                    self._run.store.put(artifact, value, seconds=time.perf_counter() - begin)

        # One lock per student, since another process may be missing others of its measurements.
        model = group[0].model
        lock = f"{self._run.student_artifact(model).key}.measurements" if model else None
        return Task(tuple(self.artifact(m) for m in group), compute, lambda: progress.advance(len(group)), lock)
