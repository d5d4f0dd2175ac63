"""Which students a study trains: each fully described, the papers' grid and those of the controls and comparisons."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import count, islice
from typing import Any

from asymdistill.config.names import COSINE, INFONCE, TEACHER, UNTRAINED, student_name
from asymdistill.config.settings import Settings
from asymdistill.models.students import CNN, TRANSFORMER, Design

ALTERNATIVES = (COSINE, INFONCE, "views", "vicreg", "uniformity", "whitened")
CONTRASTIVE, REGULARISED = (INFONCE, "views"), ("vicreg", "uniformity")


@dataclass(frozen=True)
class StudentConfig:
    """One student, resolved: equal configs are one student, whoever asks for it.

    What does not matter to an objective has the value 0, so that it tells no two students apart.

    Attributes:
        width: width factor of the network.
        seed: of initial weights, order of images, augmentation and noise.
        objective: a key of ``config.names.OBJECTIVES``.
        resolution: side of its input in pixels.
        epochs: passes over the images.
        batch_size: images per step.
        learning_rate: Adam's, at the beginning.
        schedule: of the learning rate, ``constant`` or ``cosine``.
        autocast: mixed precision of the forward pass, ``off`` or ``bfloat16``.
        augmented: trained on cropped and flipped images.
        dilation: of its convolutions.
        noise: standard deviation of noise on its input in training, in units of the normalised tensor.
        classes: trained and tested on the first so many classes; None: all.
        weight: of the term beside the cosine distance.
        temperature: of a contrastive term.
        symmetric: whether a contrastive term takes both directions.
        snapshots: whether its weights are kept after some of its epochs, for measurements along its training.
        architecture: of its network, one of ``models.students``.
    """

    width: float
    seed: int
    objective: str
    resolution: int
    epochs: int
    batch_size: int
    learning_rate: float
    schedule: str = "constant"
    autocast: str = "off"
    augmented: bool = False
    dilation: int = 1
    noise: float = 0.0
    classes: int | None = None
    weight: float = 0.0
    temperature: float = 0.0
    symmetric: bool = False
    snapshots: bool = False
    architecture: str = CNN

    @property
    def key(self) -> dict[str, Any]:
        """What names it in the store. The architecture came later: its default is left out, so that keys stay valid."""
        values = asdict(self)
        return values if self.architecture != CNN else {k: v for k, v in values.items() if k != "architecture"}

    @property
    def design(self) -> Design:
        """Its network."""
        return Design(self.width, self.dilation, self.architecture, self.resolution)

    @property
    def imitates_stored_embeddings(self) -> bool:
        """Whether it is trained towards embeddings of the images as they are, which are stored; not towards labels."""
        return self.objective not in ("labels", UNTRAINED) and not self.augmented

    @property
    def takes_crops(self) -> bool:
        """Whether it is trained on random crops of the images."""
        return self.augmented or self.objective == "views"

    @property
    def identity(self) -> dict[str, Any]:
        """The columns that tell the student from the other models in every table."""
        return {
            "model": student_name(self.width),
            "width": self.width,
            "seed": self.seed,
            "objective": self.objective,
            "augmented": self.augmented,
        }

    @property
    def described(self) -> str:
        """The student in a few words, for messages: ``student S, seed 42, infonce``."""
        different = {
            name: value
            for name, value in asdict(replace(self, width=1.0, seed=0, objective="")).items()
            if value != getattr(StudentConfig, name, value)
        }
        more = "".join(f", {name} {value}" for name, value in different.items() if name not in ("snapshots", "weight"))
        return f"student {student_name(self.width)}, seed {self.seed}, {self.objective}{more}"


Model = StudentConfig | None  # None is the teacher


def identity(model: Model) -> dict[str, Any]:
    """The columns that tell a model, a student or the teacher (None), from the others in every table."""
    if model is not None:
        return model.identity
    return {"model": TEACHER, "width": None, "seed": None, "objective": None, "augmented": False}


class StudentConfigs:
    """The students of some settings.

    Args:
        settings: validated settings.
        resolution: side in pixels of what the teacher sees, which students see where the settings say nothing else.
        classes: how many classes the images have.
    """

    def __init__(self, settings: Settings, resolution: int, classes: int) -> None:
        self._settings = settings
        self._resolution = settings.resolution or resolution
        self._classes = classes

    def make(self, width: float, seed: int, objective: str, **different: Any) -> StudentConfig:
        """A student with this study's settings, but for what is named."""
        own = self._settings
        values: dict[str, Any] = {
            "resolution": self._resolution,
            "epochs": own.epochs,
            "batch_size": own.batch_size,
            "learning_rate": own.learning_rate,
            "autocast": own.autocast,
        }
        if objective in CONTRASTIVE:
            values |= {"weight": own.infonce_weight, "temperature": own.infonce_temperature}
            values |= {"symmetric": own.infonce_symmetric}
        if objective in REGULARISED:
            values |= {"weight": own.regulariser_weight}
        if objective == UNTRAINED:
            values |= {"epochs": 0, "batch_size": 1, "learning_rate": 0.0, "autocast": "off"}
        return StudentConfig(float(width), seed, objective, **(values | different))

    def grid(self, objective: str | None = None) -> list[StudentConfig]:
        """One student per width and seed, as in the papers, for each objective of the settings or for one."""
        own = self._settings
        objectives = own.objectives if objective is None else (objective,)
        return [self.make(width, seed, o) for o in objectives for width in own.widths for seed in own.seeds]

    def baseline(self) -> list[StudentConfig]:
        """The grid's students of the first objective: the first paper's."""
        return self.grid(self._settings.baseline)

    def ends(self) -> list[StudentConfig]:
        """The narrowest and the widest of them."""
        widths = (self._settings.smallest_width, self._settings.largest_width)
        return [student for student in self.baseline() if student.width in widths]

    def augmented(self) -> list[StudentConfig]:
        """The widest student again, trained on cropped and flipped images."""
        own = self._settings
        seeds = own.seeds[: own.augmentation_seeds]
        return [self.make(own.largest_width, seed, own.baseline, augmented=True) for seed in seeds]

    def narrow(self, objective: str | None = None, **different: Any) -> list[StudentConfig]:
        """The narrowest student with every seed, different in something from those of the grid."""
        own = self._settings
        return [self.make(own.smallest_width, seed, objective or own.baseline, **different) for seed in own.seeds]

    def longer(self) -> list[StudentConfig]:
        """The narrowest student trained for long, by each schedule of the learning rate."""
        own = self._settings
        longer: dict[str, Any] = {"epochs": own.control_epochs, "snapshots": True}
        return [s for schedule in own.control_schedules for s in self.narrow(schedule=schedule, **longer)]

    def by_classes(self) -> list[StudentConfig]:
        """The narrowest student, trained and tested on some of the classes.

        With all of them it is one of the grid's where images can be drawn at will; else it is another, with fewer
        images.
        """
        most = self._classes - 1 if self._settings.dataset == "scenes" else self._classes
        counts = [number for number in self._settings.class_counts if number <= most]
        return [student for number in counts for student in self.narrow(classes=number)]

    def by_capacity(self) -> list[StudentConfig]:
        """Other widths than the grid's, and the narrowest student with another input, receptive field, architecture."""
        own = self._settings
        others = [width for width in own.control_widths if width not in own.widths]
        return [
            *(self.make(width, seed, own.baseline) for width in others for seed in own.seeds),
            *self.narrow(resolution=own.control_resolution),
            *self.narrow(dilation=own.control_dilation),
            *self.narrow(architecture=TRANSFORMER),
        ]

    def by_objective(self) -> list[StudentConfig]:
        """The narrowest student trained for something else than the teacher's embeddings as they are, or not at all."""
        others = ("whitened", "centred", "labels", UNTRAINED)
        return [student for objective in others for student in self.narrow(objective)]

    def with_noise(self) -> list[StudentConfig]:
        """Students trained on noisy images: the narrowest with every seed, the widest with the first."""
        own, noise = self._settings, self._settings.control_noise
        widest = self.make(own.largest_width, own.seeds[0], own.baseline, noise=noise)
        return list(dict.fromkeys([*self.narrow(noise=noise), widest]))

    def with_more_seeds(self) -> list[StudentConfig]:
        """The narrowest and the widest student, with further seeds than the grid's."""
        own = self._settings
        spare = (seed for seed in count(1) if seed not in own.seeds)
        seeds = list(islice(spare, max(0, own.statistics_seeds - len(own.seeds))))
        ends = dict.fromkeys((own.smallest_width, own.largest_width))
        return [self.make(width, seed, own.baseline) for width in ends for seed in seeds]

    def control(self, name: str) -> list[StudentConfig]:
        """The students that a control trains beside the grid."""
        made = {
            "underfitting": self.longer,
            "classes": self.by_classes,
            "capacity": self.by_capacity,
            "objective": self.by_objective,
            "noise": self.with_noise,
            "statistics": self.with_more_seeds,
        }
        return made[name]() if name in made else []

    def sweep(self, name: str) -> dict[Any, list[StudentConfig]]:
        """The students of one of chapter 6's comparisons, by the value of what is varied in it.

        Args:
            name: one of ``config.settings.SWEEPS``.
        """
        own = self._settings
        if name == "weight":
            weights = sorted({own.infonce_weight, *own.infonce_weights})
            return {0.0: self.narrow(COSINE)} | {weight: self.narrow(INFONCE, weight=weight) for weight in weights}
        if name == "temperature":
            tried = sorted({own.infonce_temperature, *own.infonce_temperatures})
            return {value: self.narrow(INFONCE, temperature=value) for value in tried}
        if name == "batch_size":
            sizes = sorted({own.batch_size, *own.batch_sizes})
            return {
                size: [student for kind in (COSINE, INFONCE) for student in self.narrow(kind, batch_size=size)]
                for size in sizes
            }
        if name == "width":
            most = max(own.infonce_weight, *own.infonce_weights)
            return {
                width: [self.make(width, seed, INFONCE, weight=most) for seed in own.seeds]
                for width in sorted(own.pushed_widths)
            }
        return {objective: self.narrow(objective) for objective in ALTERNATIVES}

    def swept(self, name: str) -> list[StudentConfig]:
        """The students of one of chapter 6's comparisons, each once."""
        return list(dict.fromkeys(student for found in self.sweep(name).values() for student in found))

    def everyone(self) -> list[StudentConfig]:
        """Every student of the study, each once."""
        return list(dict.fromkeys(self._everyone()))

    def _everyone(self) -> Iterator[StudentConfig]:
        yield from self.grid()
        yield from self.augmented()
        for control in self._settings.controls:
            yield from self.control(control)
        for name in self._settings.sweeps:
            yield from self.swept(name)
