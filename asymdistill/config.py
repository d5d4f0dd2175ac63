"""Validated settings: named profiles, a user's own TOML file, and overrides.

A setting is looked up in this order: an override, the profile, the default below. Everything is validated here, once,
so that no later floor meets an impossible value.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, time
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from asymdistill.checks import InputError

Seed = Annotated[int, Field(ge=0, lt=2**32)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Sigma = Annotated[float, Field(ge=0, allow_inf_nan=False)]
NoiseSpace = Literal["normalised", "pixel"]
Control = Literal[
    "underfitting", "classes", "truncation", "capacity", "objective", "noise", "estimators", "crossmodal", "statistics"
]
CONTROLS: tuple[Control, ...] = get_args(Control)

PATH_SETTINGS = ("dataset_root", "teacher_weights")


class Settings(BaseModel):
    """Every setting of a study. Frozen; unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: str = Field("", description="One line that says what the profile is for.")

    dataset: str = Field(
        "scenes",
        description="Images: `scenes`, `cifar10`, `cifar100`, a path to an `.npz` file, or a path to a folder with "
        "`train/<class>/` and `test/<class>/`.",
    )
    dataset_root: Path | None = Field(
        None, description="Where torchvision keeps CIFAR; default: the user's cache folder."
    )
    download: bool = Field(True, description="Let torchvision download CIFAR when it is not in `dataset_root`.")
    image_size: Count = Field(32, description="Side in pixels to which the images of a folder are brought.")
    train_limit: Count | None = Field(None, description="Training images, balanced over classes; none: all.")
    test_limit: Count | None = Field(None, description="Test images, balanced over classes; none: all.")
    data_seed: Seed = Field(0, description="Seeds Scenes, subsets and the order of `.npz` files and folders.")

    teacher: str = Field("embedded", description="`embedded`, `open_clip:<model>/<pretrained tag>` or `timm:<model>`.")
    teacher_weights: Path | None = Field(
        None, description="A safetensors file with the teacher's weights; none: the library's own download."
    )
    teacher_precision: Literal["float32", "float16", "bfloat16"] = Field(
        "float32", description="Arithmetic of the teacher on a GPU; on a CPU it is always float32."
    )

    resolution: Count | None = Field(
        None, description="Side of the tensors that the students see; none: the teacher's own, as in the paper."
    )
    widths: tuple[Positive, ...] = Field((1, 2, 4), min_length=1, description="Width factors of the students.")
    seeds: tuple[Seed, ...] = Field((42, 123, 456), min_length=1, description="One student a width and seed.")
    epochs: Count = Field(5, description="Passes over the training images.")
    batch_size: Count = Field(64, description="Images a step; the last partial batch of an epoch is dropped.")
    learning_rate: Positive = Field(1e-3, description="Adam's learning rate, constant.")
    autocast: Literal["off", "bfloat16"] = Field(
        "off", description="Mixed precision of the students' forward pass; losses and metrics stay float32."
    )
    augmentation_seeds: Annotated[int, Field(ge=0)] = Field(
        1, description="Seeds (the first ones) for which the largest student is also trained with augmentation."
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
    noise_seed: Seed = Field(0, description="Seeds the noise, which is the same for all models.")
    infonce_temperature: Positive = Field(0.1, description="Temperature of the InfoNCE measurement.")
    metric_batch_size: Annotated[int, Field(ge=2)] = Field(
        64, description="Batch within which InfoNCE and uniformity are measured."
    )
    probe_max_iter: Count = Field(2000, description="Iterations allowed to the linear probe.")

    controls: tuple[Control, ...] = Field(CONTROLS, description="The controls to run; none of them: `[]`.")
    control_epochs: Count = Field(40, description="Passes over the images of the control that trains for long.")
    control_widths: tuple[Positive, ...] = Field(
        (0.5, 3, 10), description="Further widths: by default those that have the sizes that the first paper states."
    )
    control_resolution: Count = Field(32, description="Side of the other input that the narrowest student is given.")
    control_dilation: Count = Field(3, description="Dilation of the convolutions that widens the receptive field.")
    control_noise: Sigma = Field(0.1, description="Noise on the input of students that are trained with noise.")
    class_counts: tuple[Annotated[int, Field(ge=2)], ...] = Field(
        (2, 5, 10), description="Numbers of classes for the control that varies them."
    )
    statistics_seeds: Count = Field(10, description="Seeds for the comparison of the narrowest and widest student.")

    device: str = Field("auto", description="`auto`, `cpu`, `cuda` or `cuda:<index>`.")
    workers: Count | None = Field(
        None, description="Students trained side by side on a CPU; none: one a core. Changes no result."
    )

    @field_validator("widths", "seeds", "noise_levels", "noise_spaces", "controls", "control_widths", "class_counts")
    @classmethod
    def _distinct(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(values)) != len(values):
            raise ValueError("values must be distinct")
        return values

    @field_validator("device")
    @classmethod
    def _known_device(cls, value: str) -> str:
        if value not in ("auto", "cpu", "cuda") and not re.fullmatch("cuda:[0-9]{1,3}", value):
            raise ValueError("allowed: 'auto', 'cpu', 'cuda', 'cuda:<index>'")
        return value

    @field_validator("teacher")
    @classmethod
    def _known_teacher(cls, value: str) -> str:
        library, _, rest = value.partition(":")
        if value != "embedded" and not (library in ("open_clip", "timm") and rest):
            raise ValueError("allowed: 'embedded', 'open_clip:<model>/<pretrained tag>', 'timm:<model>'")
        return value

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        # Sorted once here, so that every table and figure lists students and noise levels in the same order.
        for name in ("widths", "noise_levels"):
            object.__setattr__(self, name, tuple(sorted(getattr(self, name))))
        return self

    @property
    def smallest_width(self) -> float:
        """Width of the student that most controls train again."""
        return min(self.widths)

    @property
    def largest_width(self) -> float:
        """Width of the student that the augmentation control trains again."""
        return max(self.widths)


def profile_names() -> list[str]:
    """Names of the profiles that come with the package."""
    folder = resources.files("asymdistill") / "profiles"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_settings(profile: str | Path, overrides: Mapping[str, Any] | str | None = None) -> tuple[str, Settings]:
    """Read a profile and apply overrides.

    Args:
        profile: the name of a profile of the package, or a path to a TOML file.
        overrides: settings by name that replace those of the profile; also as JSON, which is what papermill's ``-p``
            passes on.

    Returns:
        The profile's short name (a file's stem) and its settings.

    Raises:
        InputError: no such profile, a file that is not TOML, or a setting that is unknown or out of range.
    """
    name, text, base = _profile_text(profile)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"profile {profile} is not valid TOML: {error}") from None
    for key in PATH_SETTINGS:
        # Paths in a profile file are relative to that file, overrides to the working folder.
        if base and isinstance(values.get(key), str):
            values[key] = base / Path(values[key]).expanduser()
    if base and isinstance(values.get("dataset"), str) and (base / values["dataset"]).exists():
        values["dataset"] = str(base / values["dataset"])
    try:
        return name, Settings.model_validate(values | _as_mapping(overrides))
    except ValidationError as error:
        raise InputError(_one_line(error)) from None


def parse_assignments(assignments: list[str]) -> dict[str, Any]:
    """Turn ``key=value`` words into overrides; a value is read as TOML or JSON, else as a plain string.

    Raises:
        InputError: a word without ``=``.
    """
    overrides: dict[str, Any] = {}
    for assignment in assignments:
        key, separator, text = assignment.partition("=")
        if not separator or not key.strip():
            raise InputError(f"--set {assignment!r} is not of the form key=value")
        overrides[key.strip()] = _parse_value(text.strip())
    return overrides


def _as_mapping(overrides: Mapping[str, Any] | str | None) -> dict[str, Any]:
    values: Any = overrides or {}
    if isinstance(values, str):
        try:
            values = json.loads(values)
        except json.JSONDecodeError as error:
            raise InputError(f"overrides {overrides!r} are not JSON: {error}") from None
    if not isinstance(values, Mapping):
        raise InputError(f"overrides must map settings to values, not {overrides!r}")
    return dict(values)


def _parse_value(text: str) -> Any:
    with suppress(tomllib.TOMLDecodeError):
        values = tomllib.loads(f"value = {text}")
        # A date is the value of no setting, and a text that begins a second one is no value: both stand for themselves.
        return text if len(values) > 1 or isinstance(values["value"], date | time) else values["value"]
    with suppress(json.JSONDecodeError):
        return json.loads(text)
    return text


def _profile_text(profile: str | Path) -> tuple[str, str, Path | None]:
    path = Path(profile).expanduser()
    if path.suffix == ".toml":
        if not path.is_file():
            raise InputError(f"profile file {profile} does not exist")
        try:
            return path.stem, path.read_text(encoding="utf-8"), path.resolve().parent
        except UnicodeDecodeError:
            raise InputError(f"profile file {profile} is not UTF-8 text") from None
    if str(profile) not in profile_names():
        raise InputError(
            f"no profile {str(profile)!r}; allowed: {', '.join(profile_names())}, or a path to a .toml file"
        )
    return str(profile), (resources.files("asymdistill") / "profiles" / f"{profile}.toml").read_text("utf-8"), None


def _one_line(error: ValidationError) -> str:
    parts = []
    for item in error.errors():
        name = str(item["loc"][0]) if item["loc"] else "settings"
        if item["type"] == "extra_forbidden":
            parts.append(f"unknown setting {name!r}; allowed: {', '.join(Settings.model_fields)}")
        else:
            message = item["msg"].removeprefix("Value error, ")
            parts.append(f"setting {name!r} is {item['input']!r}: {message}")
    return "; ".join(parts)
