"""Facts that need no run: arithmetic on the papers' own numbers, readings of their figures, parameter counts.

Each fact is a function of the ledger and of a subject, so that a corrected number of the papers changes all that
follows from it.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from asymdistill.claims.estimates import NotMeasured
from asymdistill.claims.ledger import Claim
from asymdistill.claims.rows import Subject
from asymdistill.claims.student_t import two_sided_p
from asymdistill.config.names import AUGMENTED, STUDENTS, TEACHER

WIDTHS = {label: width for width, label in STUDENTS.items()}
Ledger = Sequence[Claim]
OUTPUTS = 512  # of the released notebook's students, as many as the teacher has


class Fact(NamedTuple):
    """A number that needs no run, and a clause that says where it comes from."""

    value: float
    how: str


class PublishedValue(NamedTuple):
    """A published number of one model: its value, its standard deviation (ddof = 0) over seeds, and their number."""

    value: float
    spread: float
    seeds: float


class Welch(NamedTuple):
    """Welch's test between two means.

    Attributes:
        difference: first mean minus the second.
        t: the statistic.
        p: the two-sided p-value.
        seeds: number of seeds behind each mean.
    """

    difference: float
    t: float
    p: float
    seeds: tuple[float, float]


def welch(first: PublishedValue, second: PublishedValue) -> Welch:
    """Welch's t-test between two published means.

    A published spread s has ddof = 0, so that the squared standard error of a mean over n seeds is s² / (n - 1).

    Args:
        first: a mean with its spread and seeds.
        second: the mean to subtract.

    Raises:
        NotMeasured: a mean of fewer than two seeds.
    """
    if min(first.seeds, second.seeds) < 2:
        raise NotMeasured("Welch's test needs two seeds of each model")
    errors = [own.spread**2 / (own.seeds - 1) for own in (first, second)]
    squared = sum(errors)
    freedom = squared**2 / (errors[0] ** 2 / (first.seeds - 1) + errors[1] ** 2 / (second.seeds - 1))
    difference = first.value - second.value
    t = difference / math.sqrt(squared)
    return Welch(difference, t, two_sided_p(t, freedom), (first.seeds, second.seeds))


def student_parameters(width: float) -> int:
    """Number of parameters of a student, by formula.

    Three 3 x 3 convolutions with biases and batch normalisation, and a head of two linear layers with 512 hidden units.

    Args:
        width: width factor.
    """
    channels = [3, *(int(width * base) for base in (16, 32, 64))]
    blocks = sum(after * (9 * before + 3) for before, after in pairwise(channels))
    return blocks + (16 * channels[-1] + 1) * 512 + (512 + 1) * OUTPUTS


def clip_parameters() -> tuple[int, int]:
    """Number of parameters of CLIP ViT-B/32, by formula: of the whole model, and of its image encoder alone.

    Both towers are transformers of 12 blocks: 768 wide on 49 patches of 32 x 32 pixels and a class token, and 512 wide
    on 77 tokens out of 49,408. Each ends in a projection to 512 dimensions.
    """

    def blocks(width: int) -> int:
        return 12 * (12 * width**2 + 13 * width)  # attention 4 w² + 4 w, MLP 8 w² + 5 w, two normalisations 4 w

    image = blocks(768) + 768 * (3 * 32**2 + 1 + 50 + 4 + 512)  # patches, class token, positions, 2 norms, projection
    text = blocks(512) + 512 * (49408 + 77 + 2 + 512)  # tokens, positions, normalisation, projection
    return image + text + 1, image  # the temperature belongs to neither


def _parameters(ledger: Ledger, subject: Subject) -> Fact:
    """Parameters of the teacher, or of a student as the released notebook builds it."""
    if subject.model == TEACHER:
        whole, image = clip_parameters()
        return Fact(whole, f"both towers are counted; the image encoder, which is what is used, has {image:,}")
    width = WIDTHS[subject.model]
    how = f"this is width {width:g} of the released notebook's family, with {OUTPUTS} outputs"
    return Fact(student_parameters(width), how)


def _size_factor(ledger: Ledger, subject: Subject) -> Fact:
    """Ratio of the parameters of the largest student to those of the smallest."""
    small, large = (student_parameters(WIDTHS[model]) for model in ("S", "L"))
    return Fact(large / small, f"{large:,} parameters over {small:,}")


def _published_rank(ledger: Ledger, subject: Subject) -> Fact:
    """A model's effective rank in the paper's table."""
    return Fact(published_value(ledger, "effective_rank", subject).value, "as Table I has it")


def _published_reduction(ledger: Ledger, subject: Subject) -> Fact:
    """By how many percent the published rank of a student is below the teacher's."""
    own, teacher = (published_value(ledger, "effective_rank", who).value for who in (subject, Subject(TEACHER)))
    return Fact(100 * (1 - own / teacher), f"{own:g} against {teacher:g}")


def published_expansion(ledger: Ledger) -> Fact:
    """Ratio of the second paper's two effective ranks on CIFAR-10."""
    before, after = (_value(ledger, name) for name in ("v2-baseline-rank", "v2-infonce-rank"))
    return Fact(after / before, f"{after:g} over {before:g}")


def _seed_mean_error(ledger: Ledger, subject: Subject) -> Fact:
    """Distance of the table's accuracy from the mean of those that the notebook prints for single seeds."""
    values, printed = _of_single_seeds(ledger, subject), published_value(ledger, "accuracy", subject)
    how = f"the mean of {_listed(values)}, against {printed.value:g}"
    return Fact(abs(float(np.mean(values)) - printed.value), how)


def _seed_spread_error(ledger: Ledger, subject: Subject) -> Fact:
    """Distance of the table's spread from the standard deviation, ddof = 0, of those accuracies."""
    values, printed = _of_single_seeds(ledger, subject), published_value(ledger, "accuracy", subject)
    how = f"the standard deviation, ddof = 0, of {_listed(values)}, against {printed.spread:g}"
    return Fact(abs(float(np.std(values)) - printed.spread), how)


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def significance(ledger: Ledger, sigma: float) -> Fact:
    """The p-value of Welch's test between the published accuracies of students S and L at one noise level."""
    test = welch(*(published_value(ledger, "accuracy", Subject(model, sigma=sigma)) for model in ("S", "L")))
    one, other = test.seeds
    how = f"t = {test.t:.2f} for a difference of {test.difference:.2f} points, over {one:.0f} and {other:.0f} seeds"
    return Fact(test.p, how)


def _published_gain(ledger: Ledger, subject: Subject) -> Fact:
    """Points of published accuracy that a treatment adds."""
    treated = published_value(ledger, "accuracy", subject)
    plain = published_value(ledger, "accuracy", Subject(subject.model, "", subject.sigma))
    how = (
        f"{treated.value:.2f} from {treated.seeds:.0f} seed, against {plain.value:.2f} ± {plain.spread:.2f} "
        f"from {plain.seeds:.0f}"
    )
    return Fact(treated.value - plain.value, how)


def _published_restored(ledger: Ledger, subject: Subject) -> Fact:
    """Share of the gap between a student's published accuracy and the teacher's that its treatment closes, in %."""
    teacher = published_value(ledger, "accuracy", Subject(TEACHER, "", subject.sigma)).value
    plain = published_value(ledger, "accuracy", Subject(subject.model, "", subject.sigma)).value
    gain = _published_gain(ledger, subject)
    return Fact(100 * gain.value / (teacher - plain), f"{gain.how}, and {teacher:g} for the teacher")


def _information_seeds(ledger: Ledger, subject: Subject) -> Fact:
    """Fewest seeds behind a published InfoNCE or uniformity loss."""
    return _fewest_seeds([claim for claim in ledger if claim.quantity in ("info_nce", "uniformity")])


def _robustness_seeds(ledger: Ledger, subject: Subject) -> Fact:
    """Fewest seeds behind a published accuracy of the students under noise."""
    plain = [claim for claim in ledger if claim.quantity == "accuracy" and claim.sigma and not claim.augmented]
    return _fewest_seeds([claim for claim in plain if claim.model != TEACHER])


def _second_pass(ledger: Ledger, subject: Subject) -> Fact:
    """A student's accuracy in the notebook's second robustness pass."""
    return Fact(published_value(ledger, "second_pass_accuracy", subject).value, "from a single seed")


def _fewest_seeds(claims: Ledger) -> Fact:
    seeds = [claim.seeds for claim in claims if claim.is_model_value and claim.seeds is not None]
    return Fact(min(seeds, default=math.nan), f"the fewest behind any of {len(seeds)} published numbers")


def _reading(claim: str, how: str) -> Callable[[Ledger, Subject], Fact]:
    """A number that was read off a figure or the notebook: the value of another claim."""
    return lambda ledger, subject: Fact(_value(ledger, claim), how)


def _value(ledger: Ledger, name: str) -> float:
    """The value of a claim by its id."""
    for claim in ledger:
        if claim.id == name and claim.value is not None:
            return claim.value
    raise NotMeasured(f"the ledger has no claim {name}")


def published_value(ledger: Ledger, quantity: str, subject: Subject) -> PublishedValue:
    """The paper's number for a quantity of a model over all seeds.

    Raises:
        NotMeasured: the paper gives none.
    """
    if subject.treatment not in ("", AUGMENTED):
        raise NotMeasured(f"the ledger has no {quantity.replace('_', ' ')} of {subject.model} {subject.treatment}")
    wanted = (quantity, subject.model, subject.treatment == AUGMENTED, subject.sigma)
    for claim in ledger:
        if claim.is_model_value and (claim.quantity, claim.model, claim.augmented, claim.sigma or 0.0) == wanted:
            return PublishedValue(
                *(math.nan if one is None else one for one in (claim.value, claim.spread, claim.seeds))
            )
    raise NotMeasured(f"the ledger has no {quantity.replace('_', ' ')} of {subject.model}")


def _of_single_seeds(ledger: Ledger, subject: Subject) -> list[float]:
    """The accuracies of a model that the notebook prints for single seeds."""
    values = [
        claim.value
        for claim in ledger
        if (claim.quantity, claim.model) == ("accuracy", subject.model) and claim.seed is not None
        if claim.value is not None
    ]
    if not values:
        raise NotMeasured(f"the ledger has no accuracy of a single seed of {subject.model}")
    return values


class StaticQuantity(NamedTuple):
    """How a fact is found and worded.

    Attributes:
        find: computes it from the ledger.
        words: the quantity in words, with braces in place of the model.
        digits: decimals to show.
    """

    find: Callable[[Ledger, Subject], Fact]
    words: str
    digits: int = 2


_FIGURE = "read off the released figure"
FACTS: dict[str, StaticQuantity] = {
    "parameters": StaticQuantity(_parameters, "the number of parameters of {}", 0),
    "size_factor": StaticQuantity(_size_factor, "the factor in size between students S and L"),
    "published_rank": StaticQuantity(_published_rank, "the published effective rank of {}"),
    "notebook_rank": StaticQuantity(
        _reading("v1-notebook-rank-m", "as printed there"), "the notebook's effective rank of {}", 3
    ),
    "published_reduction": StaticQuantity(
        _published_reduction, "the published percentage of effective dimensions lost by {}"
    ),
    "published_expansion": StaticQuantity(
        lambda ledger, subject: published_expansion(ledger), "the factor between the published ranks"
    ),
    "figure_share": StaticQuantity(_reading("v1-figure-share-20", _FIGURE), "the share at 20 components"),
    "seed_mean_error": StaticQuantity(_seed_mean_error, "the error of the mean accuracy of {}", 3),
    "seed_spread_error": StaticQuantity(_seed_spread_error, "the error of the spread of the accuracies of {}", 3),
    "significance": StaticQuantity(
        lambda ledger, subject: significance(ledger, subject.sigma),
        "the p-value of Welch's test between students S and L",
        3,
    ),
    "published_gain": StaticQuantity(_published_gain, "the published gain in accuracy of {}"),
    "published_restored": StaticQuantity(
        _published_restored, "the published percentage of the gap to the teacher closed by {}", 1
    ),
    "information_seeds": StaticQuantity(
        _information_seeds, "the number of seeds behind the InfoNCE and uniformity losses", 0
    ),
    "robustness_seeds": StaticQuantity(_robustness_seeds, "the number of seeds behind the accuracies under noise", 0),
    "second_pass_accuracy": StaticQuantity(_second_pass, "the accuracy in the second pass of {}"),
    "undefined_names": StaticQuantity(
        _reading("v1-notebook-undefined", "set_seed, models_dict, svd_results and student_test_embeddings_dict"),
        "the number of names that are used and not defined",
        0,
    ),
    "noise_generators": StaticQuantity(
        _reading(
            "v1-notebook-noise-generators",
            "the loaders have one; the noise comes from torch's global stream, so that it follows the seed, but "
            "differs from model to model",
        ),
        "the number of generators of the noise",
        0,
    ),
    "unseeded_noise": StaticQuantity(
        _reading("v1-notebook-unseeded-noise", "the file calls set_seed, though it does not define it"),
        "the number of draws of noise without a seed",
        0,
    ),
    "uncentred_ranks": StaticQuantity(
        _reading("v1-notebook-uncentred", "the mean of all test embeddings is subtracted before the decomposition"),
        "the number of published ranks of embeddings that were not centred",
        0,
    ),
    "infonce_16_bit": StaticQuantity(
        _reading("v1-notebook-infonce-16-bit", "the teacher's embeddings are cast; those for the probe are not"),
        "the number of 16-bit inputs of InfoNCE",
        0,
    ),
}
