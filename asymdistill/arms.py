"""The arms of an experiment: which students are trained, the paper's grid and the controls' own."""

from dataclasses import dataclass, fields
from itertools import count, islice
from typing import Any

from asymdistill import students
from asymdistill.config import Settings
from asymdistill.encoding import View

TEACHER = "teacher"
IDENTITY = ("model", "width", "seed", "objective", "augmented")
UNTRAINED = "none"


@dataclass(frozen=True)
class Arm:
    """One student: what tells it from the others. Only width and seed differ within the paper's grid.

    Attributes:
        width: width factor of the network.
        seed: of initial weights, order of images and augmentation.
        objective: ``cosine``; ``whitened``, cosine to whitened targets; ``labels``, cross-entropy; or ``none``,
            not trained at all.
        augmented: trained on cropped and flipped images.
        epochs: None: the experiment's.
        schedule: of the learning rate, ``constant`` or ``cosine``.
        resolution: side of its input in pixels; None: the experiment's.
        dilation: of its convolutions.
        noise: standard deviation of noise on its input in training, in units of the normalised tensor.
        classes: trained and tested on so many of the classes; None: all.
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
        "model": students.label(model.width),
        "width": model.width,
        "seed": model.seed,
        "objective": model.objective,
        "augmented": model.augmented,
    }


def grid(settings: Settings) -> list[Arm]:
    """The students of the paper's grid: one a width and seed."""
    return [Arm(width, seed) for width in settings.widths for seed in settings.seeds]


def augmented(settings: Settings) -> list[Arm]:
    """The largest student again, trained on cropped and flipped images."""
    seeds = settings.seeds[: settings.augmentation_seeds]
    return [Arm(settings.largest_width, seed, augmented=True) for seed in seeds]


def longer(settings: Settings) -> list[Arm]:
    """The narrowest student trained for long, at a constant rate and with the rate annealed."""
    narrow, epochs = settings.smallest_width, settings.control_epochs
    return [
        Arm(narrow, seed, epochs=epochs, schedule=schedule)
        for schedule in ("constant", "cosine")
        for seed in settings.seeds
    ]


def by_classes(settings: Settings, classes: int) -> list[Arm]:
    """The narrowest student, trained and tested on some of the classes.

    With all of them it is one of the grid's where images can be drawn at will, and else another: it has fewer images.
    """
    most = classes - 1 if settings.dataset == "scenes" else classes
    counts = [count for count in settings.class_counts if count <= most]
    return [Arm(settings.smallest_width, seed, classes=count) for count in counts for seed in settings.seeds]


def by_capacity(settings: Settings) -> list[Arm]:
    """Other widths than the grid's, and the narrowest student with another input and another receptive field."""
    narrow = settings.smallest_width
    others = [width for width in settings.control_widths if width not in settings.widths]
    return [
        *(Arm(width, seed) for width in others for seed in settings.seeds),
        *(Arm(narrow, seed, resolution=settings.control_resolution) for seed in settings.seeds),
        *(Arm(narrow, seed, dilation=settings.control_dilation) for seed in settings.seeds),
    ]


def by_objective(settings: Settings) -> list[Arm]:
    """The narrowest student trained for something else, or for nothing."""
    objectives = ("whitened", "labels", UNTRAINED)
    return [Arm(settings.smallest_width, seed, objective) for objective in objectives for seed in settings.seeds]


def with_noise(settings: Settings) -> list[Arm]:
    """Students trained on noisy images: the narrowest with every seed, the widest with the first."""
    narrow = [Arm(settings.smallest_width, seed, noise=settings.control_noise) for seed in settings.seeds]
    return list(dict.fromkeys([*narrow, Arm(settings.largest_width, settings.seeds[0], noise=settings.control_noise)]))


def with_more_seeds(settings: Settings) -> list[Arm]:
    """The narrowest and the widest student, with further seeds than the grid's."""
    spare = (seed for seed in count(1) if seed not in settings.seeds)
    seeds = list(islice(spare, max(0, settings.statistics_seeds - len(settings.seeds))))
    ends = dict.fromkeys((settings.smallest_width, settings.largest_width))
    return [Arm(width, seed) for width in ends for seed in seeds]


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


def everyone(settings: Settings, classes: int) -> list[Arm]:
    """Every student of a study, each once: of the grid, augmented, and of the controls."""
    return list(dict.fromkeys([*grid(settings), *augmented(settings), *controls(settings, classes)]))


def epochs(arm: Arm, settings: Settings) -> int:
    """Passes of a student over its images."""
    return 0 if arm.objective == UNTRAINED else arm.epochs or settings.epochs


def view(arm: Arm, settings: Settings, teacher: View) -> View:
    """What a student sees: by default the teacher's own input."""
    return View(arm.resolution or settings.resolution or teacher.resolution, teacher.mean, teacher.std)
