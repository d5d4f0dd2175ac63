"""What a sweep varies: profiles and lists of settings, crossed or zipped, read from a TOML file."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from asymdistill.config.profiles import load_settings, one_line, read_toml, relative_to
from asymdistill.config.settings import NO_RESULT, Settings
from asymdistill.runtime.errors import InputError, without_tilde

Quantity = Literal[
    "effective_rank",
    "dims_for_90",
    "accuracy",
    "robustness",
    "train_accuracy",
    "neighbour_accuracy",
    "neighbour_overlap",
    "aligned_share",
    "distance",
    "shrinkage_rank",
    "information",
]
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
MOST = 100_000  # points: a slip of the finger is found before it fills the memory
# The columns that every table has for these are about a single student.
IDENTIFYING = {"widths": "width", "seeds": "seed", "objectives": "objective"}
Lists = dict[str, Annotated[list[Any], Field(min_length=1)]]


class Spec(BaseModel):
    """A sweep's file. Frozen; unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: str = Field("", description="What the sweep is for, in one line.")
    profiles: tuple[str, ...] = Field(
        ("embedded",), min_length=1, description="Names of profiles, or paths of TOML files relative to this one."
    )
    quantities: tuple[Quantity, ...] = Field(
        ("effective_rank", "accuracy"), min_length=1, description="What is measured of every student."
    )
    fixed: dict[str, Any] = Field({}, alias="set", description="Settings that replace those of the profiles.")
    crossed: Lists = Field({}, alias="cross", description="Lists of values of settings, each tried with each.")
    zipped: Lists = Field(
        {}, alias="zip", description="Lists of equal length: the first values together, then the second, and so on."
    )


@dataclass(frozen=True)
class Point:
    """One combination of what a sweep varies.

    Attributes:
        profile: short name of its profile.
        axes: values of what is varied, by the column's name in the table: numbers, truth values or text.
        settings: all settings.
    """

    profile: str
    axes: Mapping[str, Any]
    settings: Settings


@dataclass(frozen=True)
class Plan:
    """A sweep that is ready to run.

    Attributes:
        name: of its file.
        spec: as it was read.
        points: in the order of the file, the last list of ``[cross]`` and then ``[zip]`` varying fastest.
    """

    name: str
    spec: Spec
    points: tuple[Point, ...]

    @property
    def axes(self) -> list[str]:
        """The columns of what is varied."""
        return list(self.points[0].axes)


def load(path: str | Path) -> Plan:
    """Read a sweep's file.

    Raises:
        InputError: no such file, not TOML, an unknown key, setting or quantity, an empty list, lists of unequal length
            under ``[zip]``, a setting that is given twice or varied without changing a result, or a value out of range.
    """
    path = without_tilde(path)
    try:
        spec = Spec.model_validate(read_toml(path, "sweep"))
    except ValidationError as error:
        raise InputError(f"sweep {path}: {one_line(error, Spec, 'key')}") from None
    try:
        _check(spec)
        points = tuple(_points(spec, path.resolve().parent))
    except InputError as error:
        raise InputError(f"sweep {path}: {error}") from None
    return Plan(path.stem, spec, points)


def _check(spec: Spec) -> None:
    tables = {"set": spec.fixed, "cross": spec.crossed, "zip": spec.zipped}
    for table, values in tables.items():
        if unknown := [name for name in values if name not in Settings.model_fields]:
            raise InputError(
                f"unknown setting {unknown[0]!r} in [{table}]; allowed: {', '.join(Settings.model_fields)}"
            )
    names = [name for given in tables.values() for name in given]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"setting {twice[0]!r} is in more than one of [set], [cross] and [zip]")
    if idle := [name for name in (*spec.crossed, *spec.zipped) if name in NO_RESULT]:
        raise InputError(f"setting {idle[0]!r} changes no result: it can stand in [set], but cannot be varied")
    lengths = {name: len(values) for name, values in spec.zipped.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(
            f"[zip] has lists of unequal length: {', '.join(f'{n} {count}' for n, count in lengths.items())}"
        )
    lists: dict[str, list[Any]] = {"profiles": list(spec.profiles), "quantities": list(spec.quantities), **spec.crossed}
    for name, listed in lists.items():
        if any(value in listed[:index] for index, value in enumerate(listed)):
            raise InputError(f"{name} has the same value twice")
    count = len(spec.profiles) * max(lengths.values(), default=1)
    for listed in spec.crossed.values():
        count *= len(listed)
    if count > MOST:
        raise InputError(f"{count:,} combinations; allowed: up to {MOST:,}")


def _points(spec: Spec, folder: Path) -> Iterator[Point]:
    together = [dict(zip(spec.zipped, values, strict=True)) for values in zip(*spec.zipped.values(), strict=True)]
    crossed = (dict(zip(spec.crossed, values, strict=True)) for values in product(*spec.crossed.values()))
    for profile, own, zipped in product(spec.profiles, crossed, together or [{}]):
        varied = own | zipped
        values = {name: _as_list(name, value) for name, value in varied.items()}
        source = folder / without_tilde(profile) if profile.lower().endswith(".toml") else profile
        name, settings = load_settings(source, relative_to(folder, spec.fixed | values))
        axes = {name: _shown(value) for name, value in varied.items() if name not in IDENTIFYING}
        yield Point(name, axes, settings)


def _as_list(name: str, value: Any) -> Any:
    """A list of one, where a setting takes a list and the sweep tries its elements one by one."""
    annotation = Settings.model_fields[name].annotation
    takes_list = any(get_origin(kind) is tuple for kind in (annotation, *get_args(annotation)))
    return [value] if takes_list and not isinstance(value, list) else value


def _shown(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value
