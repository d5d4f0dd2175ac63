"""What can be measured of a model: one function per quantity."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from asymdistill.data import scenes
from asymdistill.data.datasets import Split
from asymdistill.data.views import BLOCK, GaussianNoise, see
from asymdistill.experiment.subject import Subject
from asymdistill.experiment.texts import class_texts, scene_captions
from asymdistill.metrics import contrastive, crossmodal, decomposition, neighbours, resampling, spectrum
from asymdistill.models.students import with_batch_statistics
from asymdistill.training.losses import cosine_distance

BATCH_NORM_IMAGES = 5000
NEIGHBOURS = 20  # that vote on a class
SHARED = 10  # among which those are counted that student and teacher have in common


def size(subject: Subject) -> dict[str, int]:
    """Parameters of the teacher's image tower, and length of an embedding."""
    parameters = subject.run.teacher.network.parameter_count
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
    if noise is None:  # the statistics of the training itself
        return accuracy(subject)
    images = run.images.train.images[:BATCH_NORM_IMAGES].split(BLOCK)
    # Another draw than the test images', and not the same for every batch.
    other = GaussianNoise(noise.sigma, noise.space, noise.seed + 1)
    view = run.view(subject.model)
    seen = (see(batch.to(run.device), view, other, first=BLOCK * i) for i, batch in enumerate(images))
    student = with_batch_statistics(run.students.network(subject.student), seen)
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
    mean, directions = subject.of_teacher(decomposition.principal_directions, "train")
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
    factors = subject.run.images.test.factors
    values = {name: len(scenes.FACTORS[name]) for name in scenes.INDEPENDENT_FACTORS}
    kind = estimator.get("spectrum", "variance")
    embeddings, rank = resampling.factor_embeddings(factors, values, spectrum=kind)
    return {"true": rank, "draws": [*resampling.rank_by_sample_size(embeddings, sizes, **estimator).values()]}


def bootstrap_interval(subject: Subject) -> list[float]:
    """95 % interval of the effective rank over images."""
    return [*resampling.bootstrap_interval(subject.embeddings())]


def factor_shares(subject: Subject) -> dict[str, float]:
    """Share of the variance that each known factor of the images explains."""
    return decomposition.factor_shares(subject.embeddings(), subject.run.images.test.factors)


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
