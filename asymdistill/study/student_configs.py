"""The arms of an experiment: which students are trained, the paper's grid and the controls' own."""

from dataclasses import dataclass, fields
from itertools import count, islice
from typing import Any

from asymdistill.config.names import INFONCE, TEACHER, UNTRAINED, student_name
from asymdistill.config.settings import Settings
from asymdistill.data.views import View
from asymdistill.training import losses
from asymdistill.training.distillation import Objective

ALTERNATIVES = ("cosine", INFONCE, "views", "vicreg", "uniformity", "whitened")
TERMS = {"vicreg": losses.variance_and_covariance, "uniformity": losses.uniformity}


@dataclass(frozen=True)
class Arm:
    """One student: what tells it from the others. Only width and seed differ within the paper's grid.

    Attributes:
        width: width factor of the network.
        seed: of initial weights, order of images and augmentation.
        objective: one of ``config.Objective``; ``whitened``, cosine to whitened targets; ``labels``, cross-entropy; or
            ``none``, not trained at all.
        augmented: trained on cropped and flipped images.
        epochs: None: the experiment's.
        schedule: of the learning rate, ``constant`` or ``cosine``.
        resolution: side of its input in pixels; None: the experiment's.
        dilation: of its convolutions.
        noise: standard deviation of noise on its input in training, in units of the normalised tensor.
        classes: trained and tested on so many of the classes; None: all.
        weight: of the InfoNCE term; None: the experiment's.
        temperature: of the InfoNCE term; None: the experiment's.
        batch_size: None: the experiment's.
    """

    width: float
    seed: int
    objective: str = "cosine"
    augmented: bool = False
    epochs: int | None = None
    schedule: str = "constant"
    resolution: int | None = None
    dilation: int = 1
    noise: float = 0.0
    classes: int | None = None
    weight: float | None = None
    temperature: float | None = None
    batch_size: int | None = None

    @property
    def name(self) -> str:
        """Name of its file: width, seed, objective, and whatever else is unlike the grid's."""
        parts = [f"w{self.width:g}", f"s{self.seed}", self.objective]
        for field in fields(self)[3:]:
            value = getattr(self, field.name)
            if value != field.default:
                parts.append(field.name if value is True else f"{field.name}{value}")
        return "-".join(parts)


Model = Arm | None  # None is the teacher


def identity(model: Model) -> dict[str, Any]:
    """The columns that tell a model, a student or the teacher (None), from the others in every table."""
    if model is None:
        return {"model": TEACHER, "width": None, "seed": None, "objective": None, "augmented": False}
    return {
        "model": student_name(model.width),
        "width": model.width,
        "seed": model.seed,
        "objective": model.objective,
        "augmented": model.augmented,
    }


def grid(settings: Settings) -> list[Arm]:
    """The students of the grid: one a width and seed, as in the papers, for each objective."""
    return [
        Arm(width, seed, objective)
        for objective in settings.objectives
        for width in settings.widths
        for seed in settings.seeds
    ]


def baseline(settings: Settings) -> list[Arm]:
    """The students of the grid that were trained for the first objective: the first paper's."""
    return [arm for arm in grid(settings) if arm.objective == settings.baseline]


def augmented(settings: Settings) -> list[Arm]:
    """The largest student again, trained on cropped and flipped images."""
    seeds = settings.seeds[: settings.augmentation_seeds]
    return [Arm(settings.largest_width, seed, settings.baseline, augmented=True) for seed in seeds]


def narrow(settings: Settings, objective: str | None = None, **different: Any) -> list[Arm]:
    """The narrowest student with every seed, different in something from those of the grid."""
    objective = objective or settings.baseline
    return [Arm(settings.smallest_width, seed, objective, **different) for seed in settings.seeds]


def longer(settings: Settings) -> list[Arm]:
    """The narrowest student trained for long, at a constant rate and with the rate annealed."""
    return [
        arm
        for schedule in ("constant", "cosine")
        for arm in narrow(settings, epochs=settings.control_epochs, schedule=schedule)
    ]


def by_classes(settings: Settings, classes: int) -> list[Arm]:
    """The narrowest student, trained and tested on some of the classes.

    With all of them it is one of the grid's where images can be drawn at will, and else another: it has fewer images.
    """
    most = classes - 1 if settings.dataset == "scenes" else classes
    counts = [count for count in settings.class_counts if count <= most]
    return [arm for count in counts for arm in narrow(settings, classes=count)]


def by_capacity(settings: Settings) -> list[Arm]:
    """Other widths than the grid's, and the narrowest student with another input and another receptive field."""
    others = [width for width in settings.control_widths if width not in settings.widths]
    return [
        *(Arm(width, seed, settings.baseline) for width in others for seed in settings.seeds),
        *narrow(settings, resolution=settings.control_resolution),
        *narrow(settings, dilation=settings.control_dilation),
    ]


def by_objective(settings: Settings) -> list[Arm]:
    """The narrowest student trained for something else than a teacher's embeddings, or for nothing."""
    return [arm for objective in ("whitened", "labels", UNTRAINED) for arm in narrow(settings, objective)]


def with_noise(settings: Settings) -> list[Arm]:
    """Students trained on noisy images: the narrowest with every seed, the widest with the first."""
    noise = settings.control_noise
    widest = Arm(settings.largest_width, settings.seeds[0], settings.baseline, noise=noise)
    return list(dict.fromkeys([*narrow(settings, noise=noise), widest]))


def with_more_seeds(settings: Settings) -> list[Arm]:
    """The narrowest and the widest student, with further seeds than the grid's."""
    spare = (seed for seed in count(1) if seed not in settings.seeds)
    seeds = list(islice(spare, max(0, settings.statistics_seeds - len(settings.seeds))))
    ends = dict.fromkeys((settings.smallest_width, settings.largest_width))
    return [Arm(width, seed, settings.baseline) for width in ends for seed in seeds]


def controls(settings: Settings, classes: int) -> list[Arm]:
    """Every student that the controls of these settings train beside the grid.

    Args:
        settings: of the study; ``settings.controls`` names the controls.
        classes: how many classes the images have.
    """
    arms = {
        "underfitting": longer(settings),
        "classes": by_classes(settings, classes),
        "capacity": by_capacity(settings),
        "objective": by_objective(settings),
        "noise": with_noise(settings),
        "statistics": with_more_seeds(settings),
    }
    return list(dict.fromkeys(arm for control in settings.controls for arm in arms.get(control, [])))


def sweep(name: str, settings: Settings) -> dict[Any, list[Arm]]:
    """The students that one of chapter 6's comparisons trains, by what is varied in it.

    Where a value is the experiment's own, they are students of the grid, if it has them.

    Args:
        name: one of ``config.SWEEPS``.
        settings: of the study.
    """
    if name == "weight":
        own = settings.infonce_weight
        weights = {w: None if w == own else w for w in sorted({own, *settings.infonce_weights})}
        return {0.0: narrow(settings, "cosine")} | {w: narrow(settings, INFONCE, weight=v) for w, v in weights.items()}
    if name == "temperature":
        own = settings.infonce_temperature
        tried = sorted({own, *settings.infonce_temperatures})
        return {t: narrow(settings, INFONCE, temperature=None if t == own else t) for t in tried}
    if name == "batch_size":
        sizes = sorted({settings.batch_size, *settings.batch_sizes})
        different = {size: {} if size == settings.batch_size else {"batch_size": size} for size in sizes}
        return {
            size: [arm for kind in ("cosine", INFONCE) for arm in narrow(settings, kind, **different[size])]
            for size in sizes
        }
    if name == "width":
        own, most = settings.infonce_weight, max(settings.infonce_weight, *settings.infonce_weights)
        weight = None if most == own else most
        return {
            width: [Arm(width, seed, INFONCE, weight=weight) for seed in settings.seeds]
            for width in sorted(settings.pushed_widths)
        }
    return {objective: narrow(settings, objective) for objective in ALTERNATIVES}


def everyone(settings: Settings, classes: int) -> list[Arm]:
    """Every student of a study, each once: of the grid, augmented, of the controls, and of chapter 6's comparisons."""
    swept = [arm for name in settings.sweeps for arms in sweep(name, settings).values() for arm in arms]
    return list(dict.fromkeys([*grid(settings), *augmented(settings), *controls(settings, classes), *swept]))


def epochs(arm: Arm, settings: Settings) -> int:
    """Passes of a student over its images."""
    return 0 if arm.objective == UNTRAINED else arm.epochs or settings.epochs


def batch_size(arm: Arm, settings: Settings) -> int:
    """Images a step of a student's training."""
    return arm.batch_size or settings.batch_size


def view(arm: Arm, settings: Settings, teacher: View) -> View:
    """What a student sees: by default the teacher's own input."""
    return View(arm.resolution or settings.resolution or teacher.resolution, teacher.mean, teacher.std)


def objective(arm: Arm, settings: Settings, *, dim: int, classes: int) -> Objective:
    """What a student is trained to minimise.

    Args:
        arm: the student.
        settings: of the study.
        dim: of the teacher's embeddings.
        classes: number of classes of the images.
    """
    if arm.objective == "labels":
        return losses.LabelLoss(dim, classes, arm.seed)
    if arm.objective in TERMS:
        return losses.RegularisedLoss(TERMS[arm.objective], settings.regulariser_weight)
    if arm.objective in (INFONCE, "views"):
        return losses.DistillationLoss(
            settings.infonce_weight if arm.weight is None else arm.weight,
            settings.infonce_temperature if arm.temperature is None else arm.temperature,
            "views" if arm.objective == "views" else "teacher",
            symmetric=settings.infonce_symmetric,
        )
    return losses.cosine_distance
