"""Validated settings, with their defaults.

Values are validated here, once, so that no other module has to. Names of teachers are checked where settings are
loaded (``profiles.load_settings``): a recorded run can still be read when its teacher is no longer known.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Seed = Annotated[int, Field(ge=0, lt=2**32)]
# The upper limits are far beyond any use: they stop a slip of the finger before it fills the memory or runs for ever.
Count = Annotated[int, Field(ge=1, le=10**6)]
Images = Annotated[int, Field(ge=1, le=10**9)]
Side = Annotated[int, Field(ge=1, le=4096)]
StudentSide = Annotated[int, Field(ge=4, le=4096)]  # two poolings halve it
Few = Annotated[int, Field(ge=1, le=1000)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Width = Annotated[float, Field(gt=0, le=100)]
Temperature = Annotated[float, Field(ge=1e-3, le=1e3)]
Sigma = Annotated[float, Field(ge=0, le=100)]
NoiseSpace = Literal["normalised", "pixel"]
Control = Literal[
    "underfitting", "classes", "truncation", "capacity", "objective", "noise", "estimators", "crossmodal", "statistics"
]
CONTROLS: tuple[Control, ...] = get_args(Control)
Schedule = Literal["constant", "cosine"]
SCHEDULES: tuple[Schedule, ...] = get_args(Schedule)
Objective = Literal["cosine", "infonce", "views", "vicreg", "uniformity"]
Sweep = Literal["weight", "temperature", "batch_size", "width", "alternatives"]
SWEEPS: tuple[Sweep, ...] = get_args(Sweep)
OF_ITS_TEACHER = ("teacher_weights", "teacher_resolution")
"""Settings that are about the one teacher that a profile or a study names, and about no other."""
NO_RESULT = frozenset({"description", "workers", "device", "download", "dataset_root", "store"})
"""Settings that change no result."""


class Settings(BaseModel):
    """Every setting of a study. Frozen; unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: str = Field("", description="What the profile is for, in one line.")

    dataset: str = Field(
        "scenes",
        description="Images: `scenes`, `scenes100`, `cifar10`, `cifar100`, a path to an `.npz` file, or a path to a "
        "folder with `train/<class>/` and `test/<class>/`.",
    )
    dataset_root: Path | None = Field(
        None, description="Folder of CIFAR in torchvision's layout; none: the user's cache folder."
    )
    download: bool = Field(True, description="Let torchvision download CIFAR when it is not in `dataset_root`.")
    image_size: Side = Field(32, description="Side in pixels to which the images of a folder are resized.")
    train_limit: Images | None = Field(None, description="Number of training images, balanced over classes; none: all.")
    test_limit: Images | None = Field(None, description="Number of test images, balanced over classes; none: all.")
    data_seed: Seed = Field(
        0, description="Seed of the generated scenes, of subsets, and of the order of `.npz` files and folders."
    )

    teacher: str = Field(
        "scenes-clip",
        description="`imagenet-efficientnet-lite0`, `scenes-clip`, `scenes-simclr`, "
        "`open_clip:<model>/<pretrained tag>` or `timm:<model>`.",
    )
    teacher_weights: Path | None = Field(
        None, description="A safetensors file with the weights of `teacher`; none: the library's own download."
    )
    teacher_resolution: Side | None = Field(
        None, description="Side in pixels of what `teacher` sees; none: as it was published."
    )
    teacher_crop: bool = Field(
        True,
        description="Show teachers the centre of an image, cropped as was published for them; false: all of a square "
        "image.",
    )
    teacher_precision: Literal["auto", "float32", "float16", "bfloat16"] = Field(
        "auto",
        description="Arithmetic of the teacher; `auto`: bfloat16 on a processor with instructions for it, float32 "
        "elsewhere. A CPU takes `float16` for float32.",
    )

    resolution: StudentSide | None = Field(
        None, description="Side of the students' input in pixels; none: the teacher's, as in the paper."
    )
    widths: tuple[Width, ...] = Field((1, 2, 4), min_length=1, description="Width factors of the students.")
    seeds: tuple[Seed, ...] = Field((42, 123, 456), min_length=1, description="Seeds: one student per width and seed.")
    epochs: Count = Field(5, description="Passes over the training images.")
    batch_size: Annotated[int, Field(ge=2, le=10**6)] = Field(
        64, description="Images per step; the last partial batch of an epoch is dropped."
    )
    learning_rate: Positive = Field(1e-3, description="Learning rate of Adam, constant.")
    autocast: Literal["off", "bfloat16"] = Field(
        "off", description="Mixed precision of the students' forward pass; losses and metrics stay float32."
    )
    objectives: tuple[Objective, ...] = Field(
        ("cosine",),
        min_length=1,
        description="Objectives to train for, one student per objective, width and seed: `cosine`, or cosine plus a "
        "term: `infonce` (towards the teacher), `views` (InfoNCE between two views by the student), `vicreg` or "
        "`uniformity`. Chapters 1 to 5 and the controls use the first.",
    )
    infonce_weight: Positive = Field(1.0, description="Weight of the InfoNCE term in training.")
    infonce_temperature: Temperature = Field(0.1, description="Temperature of the InfoNCE term in training.")
    infonce_symmetric: bool = Field(False, description="Average both directions of the InfoNCE term's cross-entropy.")
    regulariser_weight: Positive = Field(1.0, description="Weight of the terms `vicreg` and `uniformity`.")
    augmentation_seeds: Annotated[int, Field(ge=0)] = Field(
        1,
        description="Number of seeds (the first ones) for which the widest student is also trained with augmentation.",
    )

    noise_levels: tuple[Sigma, ...] = Field(
        (0.0, 0.05, 0.1, 0.2), min_length=1, description="Standard deviations of the Gaussian noise."
    )
    noise_spaces: tuple[NoiseSpace, ...] = Field(
        ("normalised",),
        min_length=1,
        description="Where noise is added: to the `normalised` input tensor (the paper), or to the image in [0, 1] "
        "(`pixel`), clipped and rounded as a photograph would be.",
    )
    noise_seed: Seed = Field(
        0, description="Seed of the noise, which is the same for all models that take the same input."
    )
    metric_temperature: Temperature = Field(0.1, description="Temperature of the InfoNCE measurement.")
    metric_batch_size: Annotated[int, Field(ge=2)] = Field(
        64, description="Size of the batches within which InfoNCE and uniformity are measured."
    )
    probe_max_iter: Count = Field(2000, description="Maximum number of iterations of the linear probe's solver.")

    controls: tuple[Control, ...] = Field(CONTROLS, description="The controls to run; `[]` for none.")
    control_epochs: Count = Field(
        40, description="Passes over the training images in the control that trains for longer."
    )
    control_schedules: tuple[Schedule, ...] = Field(
        SCHEDULES,
        min_length=1,
        description="Learning rates of the control that trains for longer: `constant`, and annealed along a `cosine`.",
    )
    control_widths: tuple[Width, ...] = Field(
        (0.5, 3, 10), description="Further widths; the default gives the sizes that the first paper states."
    )
    control_resolution: StudentSide = Field(
        32, description="Side in pixels of the narrowest student's alternative input."
    )
    control_dilation: Few = Field(3, description="Dilation of the convolutions that widens the receptive field.")
    control_noise: Sigma = Field(
        0.1, description="Standard deviation of the noise for students that are trained with noise."
    )
    class_counts: tuple[Annotated[int, Field(ge=2)], ...] = Field(
        (2, 5, 10), description="Numbers of classes for the control that varies them."
    )
    statistics_seeds: Few = Field(
        10, description="Number of seeds for the comparison of the narrowest and the widest student."
    )

    sweeps: tuple[Sweep, ...] = Field(
        (),
        description="What chapter 6 varies: `weight` and `temperature` of the InfoNCE term, `batch_size`, `width` at "
        "the largest weight, and the `alternatives` to InfoNCE.",
    )
    infonce_weights: tuple[Positive, ...] = Field(
        (0.1, 0.3, 3, 10), min_length=1, description="Weights to try besides `infonce_weight`."
    )
    infonce_temperatures: tuple[Temperature, ...] = Field(
        (0.03, 0.3, 1), description="Temperatures to try besides `infonce_temperature`."
    )
    batch_sizes: tuple[Annotated[int, Field(ge=2)], ...] = Field(
        (16, 256), description="Batch sizes to try besides `batch_size`, with and without InfoNCE."
    )
    pushed_widths: tuple[Width, ...] = Field(
        (1, 4, 10), description="Widths at which the largest weight is tried, to see how far the rank can be pushed."
    )

    other_teachers: tuple[str, ...] = Field((), description="Teachers that chapter 7 compares with `teacher`.")
    other_datasets: tuple[str, ...] = Field((), description="Image sets that chapter 7 compares with `dataset`.")
    crossed_widths: tuple[Width, ...] | None = Field(
        None, description="Widths of the students with other teachers and images; none: `widths`."
    )

    store: Path | None = Field(
        None,
        description="Folder in which results are stored, once for all runs that share it; none: `store` beside the "
        "runs. Does not affect results.",
    )
    device: str = Field("auto", description="`auto`, `cpu`, `cuda` or `cuda:<index>`.")
    workers: Few | None = Field(
        None, description="Students trained in parallel on a CPU; none: one per core. Does not affect results."
    )

    @field_validator(
        *("widths", "seeds", "noise_levels", "noise_spaces", "controls", "control_schedules", "control_widths"),
        "class_counts",
        *("objectives", "sweeps", "infonce_weights", "infonce_temperatures", "batch_sizes", "pushed_widths"),
        *("other_teachers", "other_datasets", "crossed_widths"),
    )
    @classmethod
    def _distinct(cls, values: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        if values is not None and len(set(values)) != len(values):
            raise ValueError("values must be distinct")
        return values

    @field_validator("device")
    @classmethod
    def _known_device(cls, value: str) -> str:
        if value not in ("auto", "cpu", "cuda") and not re.fullmatch("cuda:[0-9]{1,3}", value):
            raise ValueError("allowed: 'auto', 'cpu', 'cuda', 'cuda:<index>'")
        return value

    @field_validator("dataset", "other_datasets", "dataset_root", "teacher_weights", "store", mode="before")
    @classmethod
    def _no_empty_path(cls, value: object) -> object:
        # It would be the working folder: a shell's variable that is not set.
        if value == "" or (isinstance(value, list | tuple) and "" in value):
            raise ValueError("allowed: a path that is not empty")
        return value

    @field_validator("store")
    @classmethod
    def _folder(cls, value: Path | None) -> Path | None:
        there = next((path for path in (value, *value.parents) if path.exists()), None) if value else None
        if there is not None and not there.is_dir():
            raise ValueError(f"{there} is a file; allowed: a folder, which is made where it is missing")
        return value

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        # Sorted once here, so that every table and figure lists students and noise levels in the same order.
        for name in ("widths", "noise_levels"):
            object.__setattr__(self, name, tuple(sorted(getattr(self, name))))
        return self

    @property
    def baseline(self) -> Objective:
        """The objective of the students in chapters 1 to 5 and in the controls."""
        return self.objectives[0]

    @property
    def teacher_with_file(self) -> str:
        """The teacher's name, and behind it the file of its weights: that may hold anything, whatever the name says."""
        return self.teacher + (f" ({self.teacher_weights.name})" if self.teacher_weights else "")

    @property
    def smallest_width(self) -> float:
        """Width of the student that most controls retrain."""
        return min(self.widths)

    @property
    def largest_width(self) -> float:
        """Width of the student that is retrained with augmentation."""
        return max(self.widths)
