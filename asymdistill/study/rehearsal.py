"""How long a run will take, from a few steps of all that it does, timed on this machine."""

import heapq
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from asymdistill.config.names import GENERATED_IMAGES
from asymdistill.data import scenes
from asymdistill.data.views import BATCH, Encoder, View, embed
from asymdistill.metrics import probe as probing
from asymdistill.metrics import spectrum
from asymdistill.models.students import ScalableCNN
from asymdistill.models.teachers import PRECISIONS, Teacher
from asymdistill.runtime import executors
from asymdistill.study import student_configs
from asymdistill.study.experiment import WATCHED
from asymdistill.study.forecast import Plan
from asymdistill.study.student_configs import Arm
from asymdistill.training.distillation import Recipe, distil, steps_per_epoch

ENOUGH = 0.3  # seconds that a rehearsal must last to be believed
SLOW = 1.0  # seconds after which a rehearsal is not repeated with more images
MOST = 2048  # images in a rehearsal
PROBED = 2000  # embeddings to which a probe is fitted on trial
RANKS = 20  # effective ranks that cost about as much as all tables do for a model
RESAMPLES = 200  # and as much as the bootstrap of a model


@dataclass(frozen=True)
class Rates:
    """Seconds an image, with as many students side by side as there will be.

    Attributes:
        train: of a student's training.
        encode: of its evaluation.
    """

    train: float
    encode: float


def seconds(plan: Plan) -> dict[str, float]:
    """Seconds that the parts of a run take, extrapolated from a few steps of each.

    Every network is trained and evaluated for a moment at its own resolution, as many side by side as there will be.
    The teacher encodes a few images, and a probe is fitted to a few embeddings. A control counts as the training and
    evaluation of its students; what else it measures is not foreseen, but for the bootstrap.

    Returns:
        Seconds by part: images, teacher, students, evaluation, tables.
    """
    with torch.random.fork_rng(devices=[]):
        distinct = {_network(arm): arm for arm in plan.students}
        rates = {network: _rehearse(plan, arm) for network, arm in distinct.items()}
        copies = [plan.teacher] * plan.workers
        teacher = _rate(lambda n: _together(partial(_encode, plan, plan.teacher.view, n), copies), BATCH)
        probe, rank = _probe(plan), _rank(plan)
    levels = sum(sigma > 0 for sigma in plan.settings.noise_levels)
    spaces = len(plan.settings.noise_spaces)
    encoded = plan.train + plan.test + sum(plan.images(count) + plan.test for count in plan.subsets)
    evaluated = [_evaluation(plan, arm, rates[_network(arm)].encode) + probe for arm in plan.students]
    ranks = RANKS + (RESAMPLES if "estimators" in plan.settings.controls else 0)
    return {
        "images": encoded * _drawing() if plan.settings.dataset in GENERATED_IMAGES else 0.0,
        "teacher": encoded * teacher / plan.workers,  # it encodes alone, on all cores
        "students": makespan(
            [_training(plan, arm, rates[_network(arm)], teacher) for arm in plan.students], plan.workers
        ),
        "evaluation": makespan([spaces * levels * plan.test * teacher + probe, *evaluated], plan.workers),
        "tables": makespan([ranks * rank] * (1 + len(plan.grid)), plan.workers),
    }


def makespan(costs: Sequence[float], workers: int) -> float:
    """How long workers are busy of which each takes the longest piece of work left whenever it is free."""
    busy = [0.0] * workers
    for cost in sorted(costs, reverse=True):
        heapq.heapreplace(busy, busy[0] + cost)
    return max(busy)


def _training(plan: Plan, arm: Arm, rates: Rates, teacher: float) -> float:
    batch = student_configs.batch_size(arm, plan.settings)
    steps = plan.epochs(arm) * steps_per_epoch(plan.images(arm.classes), batch)
    watched = sum(epoch <= arm.epochs for epoch in WATCHED) if arm.epochs else 0
    an_image = rates.train * (2 if arm.objective == "views" else 1) + (teacher if arm.augmented else 0)
    return steps * batch * an_image + watched * (plan.train + plan.test) * rates.encode


def _evaluation(plan: Plan, arm: Arm, rate: float) -> float:
    if arm.epochs or arm.classes:  # only its rank is looked at
        return plan.test * rate
    spaces = len(plan.settings.noise_spaces) if arm.augmented or arm in plan.grid else 1
    levels = sum(sigma > 0 for sigma in plan.settings.noise_levels)
    return (plan.train + plan.test * (1 + spaces * levels)) * rate


def _network(arm: Arm) -> tuple[float, int, int | None]:
    return arm.width, arm.dilation, arm.resolution


def _rehearse(plan: Plan, arm: Arm) -> Rates:
    networks = [plan.build(arm) for _ in range(plan.workers)]
    view = plan.view(arm)
    train = _rate(lambda count: _together(partial(_train, plan, view, count), networks), plan.settings.batch_size)
    return Rates(train, _rate(lambda count: _together(partial(_encode, plan, view, count), networks), BATCH))


def _train(plan: Plan, view: View, count: int, student: ScalableCNN) -> None:
    targets = torch.randn(1, plan.teacher.embedding_dim).expand(count, -1)
    recipe = Recipe(epochs=1, batch_size=min(count, plan.settings.batch_size), precision=_autocast(plan))
    distil(student, _images(plan, count), targets, view, recipe, seed=0, device=plan.device)


def _encode(plan: Plan, view: View, count: int, encoder: Encoder) -> None:
    precision = encoder.precision if isinstance(encoder, Teacher) else _autocast(plan)
    embed(encoder, _images(plan, count), view, device=plan.device, precision=precision).cpu()


def _autocast(plan: Plan) -> torch.dtype:
    return PRECISIONS.get(plan.settings.autocast, torch.float32)


def _images(plan: Plan, count: int) -> Tensor:
    image = torch.randint(256, (1, plan.side, plan.side, 3), dtype=torch.uint8)
    return image.expand(count, -1, -1, -1)


def _together(work: Callable[[ScalableCNN | Teacher], object], models: Sequence[ScalableCNN | Teacher]) -> None:
    def one(model: ScalableCNN | Teacher, check: Callable[[], None]) -> None:
        work(model)

    executors.side_by_side(one, models, workers=len(models))


def _rate(work: Callable[[int], None], batch: int) -> float:
    """Seconds an image that ``work(images)`` takes in batches, from ever more images until it takes long enough."""
    earlier, latest = (0, 0.0), (2, _timed(partial(work, 2)))
    while latest[0] < MOST and latest[1] < (ENOUGH if earlier[0] else SLOW):
        count = 4 * latest[0]
        earlier, latest = latest, (count, _timed(partial(work, count)))
    count, elapsed = latest
    if earlier[0] and count < batch:  # what a batch costs however many images it has, all of them share
        elapsed += max(0.0, elapsed - earlier[1]) / (count - earlier[0]) * (batch - count)
        count = batch
    return elapsed / count


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _probe(plan: Plan) -> float:
    """Seconds that a probe takes: fitted to some made-up embeddings, which overlap as real ones do."""
    dim = plan.teacher.embedding_dim
    labels = torch.arange(min(PROBED, plan.train)) % plan.classes
    embeddings = torch.randn(plan.classes, dim)[labels] + 2 * torch.randn(len(labels), dim)

    def fit(_: object) -> None:
        probing.fit_probe(embeddings, labels, max_iter=plan.settings.probe_max_iter)

    return _timed(lambda: _together(fit, [plan.teacher])) * plan.train / len(labels)


def _rank(plan: Plan) -> float:
    """Seconds that an effective rank of the test embeddings takes."""
    embeddings = torch.randn(plan.test, plan.teacher.embedding_dim)
    spectrum.effective_rank(embeddings)
    return _timed(lambda: _together(lambda _: spectrum.effective_rank(embeddings), [plan.teacher]))


def _drawing() -> float:
    """Seconds that drawing a scene takes."""
    scenes.generate(1, seed=0)
    return _timed(lambda: scenes.generate(64, seed=0)) / 64
