"""What needs no run: arithmetic on the papers' own numbers, readings of their figures, and counted parameters.

Each fact is a function of the ledger and of a subject, as ``quantities`` has them, so that a changed number of the
papers changes what follows from it.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import pandas as pd
import scipy.stats

from asymdistill.claims.estimates import NotMeasured
from asymdistill.claims.ledger import plain
from asymdistill.claims.quantities import AUGMENTED, Subject
from asymdistill.config.names import TEACHER
from asymdistill.models.students import parameter_count

CLIP = "ViT-B-32-quickgelu"  # open_clip's name of the first paper's teacher
WIDTHS = {"S": 1, "M": 2, "L": 4}


class Fact(NamedTuple):
    """A number that needs no run, and a clause that says what it follows from."""

    value: float
    how: str


class Welch(NamedTuple):
    """Welch's test between two means: their difference, t, the two-sided p, and the seeds behind each mean."""

    difference: float
    t: float
    p: float
    seeds: tuple[float, float]


def welch(published: pd.DataFrame, first: str, second: str, *, sigma: float) -> Welch:
    """Welch's t-test between two models from the paper's own means and spreads at one noise level.

    The paper's spreads are numpy's default, with ddof = 0; the test wants ddof = 1.

    Args:
        published: accuracies that are no augmented model's, with columns model, sigma, value, spread and seeds.
        first: a model.
        second: the model whose mean is taken off.
        sigma: standard deviation of the noise.
    """
    at = published[published["sigma"] == sigma].set_index("model")
    one, two = (
        (row["value"], row["spread"] * math.sqrt(row["seeds"] / (row["seeds"] - 1)), row["seeds"])
        for row in (at.loc[first], at.loc[second])
    )
    test = scipy.stats.ttest_ind_from_stats(*one, *two, equal_var=False)
    return Welch(float(one[0] - two[0]), float(test.statistic), float(test.pvalue), (one[2], two[2]))


@cache
def teacher_parameters() -> tuple[int, int]:
    """Parameters of CLIP ViT-B/32: of the whole, and of its image encoder; counted without any weights."""
    import open_clip
    import torch

    with torch.device("meta"):
        clip = open_clip.CLIP(**open_clip.get_model_config(CLIP))
    whole, image = (sum(weight.numel() for weight in part.parameters()) for part in (clip, clip.visual))
    return whole, image


def parameters(ledger: pd.DataFrame, subject: Subject) -> Fact:
    """Parameters of the teacher, or of a student as the released notebook makes it."""
    if subject.model == TEACHER:
        whole, image = teacher_parameters()
        return Fact(whole, f"both towers are counted; the image encoder, which is what is used, has {image:,}")
    width = WIDTHS[subject.model]
    return Fact(parameter_count(width), f"this is width {width} of the released notebook's family, with 512 outputs")


def size_factor(ledger: pd.DataFrame, subject: Subject) -> Fact:
    """How many times as many parameters the largest student has as the smallest."""
    small, large = (parameter_count(WIDTHS[model]) for model in ("S", "L"))
    return Fact(large / small, f"{large:,} parameters over {small:,}")


def published_rank(ledger: pd.DataFrame, subject: Subject) -> Fact:
    """A model's effective rank in the paper's table."""
    return Fact(number(ledger, "effective_rank", subject), "as Table I has it")


def notebook_rank(ledger: pd.DataFrame, subject: Subject) -> Fact:
    """Student M's effective rank as the released notebook prints it."""
    return Fact(_value(ledger, "v1-notebook-rank-m"), "as printed there")


def published_reduction(ledger: pd.DataFrame, subject: Subject) -> Fact:
    """By how many percent the published rank of a student is below the teacher's."""
    own, whole = (number(ledger, "effective_rank", who) for who in (subject, Subject(TEACHER)))
    return Fact(100 * (1 - own / whole), f"{own:g} against {whole:g}")


def published_expansion(ledger: pd.DataFrame, subject: Subject) -> Fact:
    """The factor between the second paper's two effective ranks on CIFAR-10."""
    before, after = (_value(ledger, name) for name in ("v2-baseline-rank", "v2-infonce-rank"))
    return Fact(after / before, f"{after:g} over {before:g}")


def figure_share(ledger: pd.DataFrame, subject: Subject) -> Fact:
    """Share of the students' variance at 20 components, read off the released figure."""
    return Fact(_value(ledger, "v1-figure-share-20"), "read off the released figure")


def figure_components(ledger: pd.DataFrame, subject: Subject) -> Fact:
    """Components at which 90 % of the students' variance is passed, read off the released figure."""
    return Fact(_value(ledger, "v1-figure-components-90"), "read off the released figure")


def seed_mean(ledger: pd.DataFrame, subject: Subject) -> Fact:
    """Mean of the accuracies that the notebook prints seed by seed."""
    values = _by_seed(ledger, subject)
    return Fact(values.mean(), f"the mean of {_listed(values)}")


def seed_spread(ledger: pd.DataFrame, subject: Subject) -> Fact:
    """Standard deviation, ddof = 0, of the accuracies that the notebook prints seed by seed."""
    values = _by_seed(ledger, subject)
    return Fact(values.std(ddof=0), f"the standard deviation, ddof = 0, of {_listed(values)}")


def significance(ledger: pd.DataFrame, subject: Subject) -> Fact:
    """The p of Welch's test between the published accuracies of students S and L."""
    table = plain(ledger)
    table = table[(table["quantity"] == "accuracy") & ~table["augmented"].astype(bool)]
    test = welch(table, "S", "L", sigma=subject.sigma)
    one, other = test.seeds
    how = f"t = {test.t:.2f} for a difference of {test.difference:.2f} points, over {one:.0f} and {other:.0f} seeds"
    return Fact(test.p, how)


def published_gain(ledger: pd.DataFrame, subject: Subject) -> Fact:
    """Points of published accuracy that a treatment adds."""
    treated, bare = (entry(ledger, "accuracy", who) for who in (subject, Subject(subject.model, "", subject.sigma)))
    how = (
        f"{treated['value']:.2f} from {treated['seeds']:.0f} seed, against {bare['value']:.2f} ± {bare['spread']:.2f} "
        f"from {bare['seeds']:.0f}"
    )
    return Fact(treated["value"] - bare["value"], how)


def published_restored(ledger: pd.DataFrame, subject: Subject) -> Fact:
    """How many percent of the way from a student's published accuracy to the teacher's its treatment goes."""
    whole = number(ledger, "accuracy", Subject(TEACHER, "", subject.sigma))
    bare = number(ledger, "accuracy", Subject(subject.model, "", subject.sigma))
    gain = published_gain(ledger, subject)
    return Fact(100 * gain.value / (whole - bare), f"{gain.how}, and {whole:g} for the teacher")


def information_seeds(ledger: pd.DataFrame, subject: Subject) -> Fact:
    """Fewest seeds behind a published InfoNCE or uniformity loss."""
    table = plain(ledger)
    return _fewest(table[table["quantity"].isin(["info_nce", "uniformity"])])


def augmentation_seeds(ledger: pd.DataFrame, subject: Subject) -> Fact:
    """Fewest seeds behind a published accuracy with augmentation."""
    table = plain(ledger)
    return _fewest(table[table["augmented"].astype(bool)])


def _fewest(entries: pd.DataFrame) -> Fact:
    return Fact(entries["seeds"].min(), f"the fewest behind any of {len(entries)} published numbers")


def _value(ledger: pd.DataFrame, name: str) -> float:
    found = ledger.loc[ledger["id"] == name, "value"]
    if found.empty:
        raise NotMeasured(f"the ledger has no claim {name}")
    return float(found.iloc[0])


def entry(ledger: pd.DataFrame, quantity: str, subject: Subject) -> pd.Series:
    """The entry that holds the paper's number of a quantity of a model.

    Raises:
        NotMeasured: the paper gives none.
    """
    table = plain(ledger)
    found = table[
        (table["quantity"] == quantity)
        & (table["model"] == subject.model)
        & (table["augmented"] == (subject.treatment == AUGMENTED))
        & (table["sigma"].fillna(0.0) == subject.sigma)
    ]
    if found.empty:
        raise NotMeasured(f"the ledger has no {quantity.replace('_', ' ')} of {subject.model}")
    return found.iloc[0]


def number(ledger: pd.DataFrame, quantity: str, subject: Subject) -> float:
    """The paper's number of a quantity of a model; raises as ``entry`` does."""
    return float(entry(ledger, quantity, subject)["value"])


def _by_seed(ledger: pd.DataFrame, subject: Subject) -> pd.Series:
    of_seeds = ledger[(ledger["quantity"] == "accuracy") & ledger["seed"].notna()]
    values = of_seeds.loc[of_seeds["model"] == subject.model, "value"]
    if values.empty:
        raise NotMeasured(f"the ledger has no accuracy of a single seed of {subject.model}")
    return values


def _listed(values: pd.Series) -> str:
    return ", ".join(f"{value:g}" for value in values)


class Static(NamedTuple):
    """How a fact is found; how it is told, in words with braces for the model, and with how many decimals."""

    find: Callable[[pd.DataFrame, Subject], Fact]
    words: str
    digits: int = 2


FACTS: dict[str, Static] = {
    "parameters": Static(parameters, "the number of parameters of {}", 0),
    "size_factor": Static(size_factor, "the factor in size between students S and L"),
    "published_rank": Static(published_rank, "the published effective rank of {}"),
    "notebook_rank": Static(notebook_rank, "the notebook's effective rank of {}", 3),
    "published_reduction": Static(published_reduction, "the published loss of dimensions, in percent, of {}"),
    "published_expansion": Static(published_expansion, "the factor between the published ranks"),
    "figure_share": Static(figure_share, "the share at 20 components"),
    "figure_components": Static(figure_components, "the number of components for 90 %", 0),
    "seed_mean": Static(seed_mean, "the mean accuracy of {}", 3),
    "seed_spread": Static(seed_spread, "the spread of the accuracies of {}", 3),
    "significance": Static(significance, "the p of Welch's test between students S and L", 3),
    "published_gain": Static(published_gain, "the published gain in accuracy of {}"),
    "published_restored": Static(published_restored, "the part of the gap to the teacher, in percent, closed by {}", 1),
    "information_seeds": Static(information_seeds, "the number of seeds behind InfoNCE and uniformity", 0),
    "augmentation_seeds": Static(augmentation_seeds, "the number of seeds behind the augmentation control", 0),
}
