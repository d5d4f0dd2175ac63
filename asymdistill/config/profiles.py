"""Named profiles, a user's own TOML file, and overrides: where settings come from.

A setting is looked up in this order: an override, the profile, the default of ``config.settings.Settings``.
"""

import json
import os
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, time
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from asymdistill.config.names import SHIPPED_TEACHERS, WEIGHTS_VARIABLE, teacher_library
from asymdistill.config.settings import OF_ITS_TEACHER, Settings
from asymdistill.runtime.errors import InputError, some_of, without_tilde

LONGEST = 200  # characters of a value in a message
LONGEST_LINE = 1000  # characters of what is said of several values
PATH_SETTINGS = ("dataset_root", "teacher_weights", "store")
_PLAIN = {"tuple_type": "allowed: a list, such as [1, 2]", "too_short": "allowed: a list of at least one"}


def profile_names() -> list[str]:
    """Names of the profiles that come with the package."""
    folder = resources.files("asymdistill.config") / "profiles"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_settings(profile: str | Path, overrides: Mapping[str, Any] | str | None = None) -> tuple[str, Settings]:
    """Read a profile and apply overrides.

    Where ``teacher_weights`` is not set, the environment variable ``ASYMDISTILL_TEACHER_WEIGHTS`` stands in for it. It
    counts for ``teacher`` only, and not for a teacher that comes with the package. What a profile sets of its own
    teacher, its weights and its resolution, does not hold for another that the overrides name.

    Args:
        profile: the name of a profile of the package, or a path to a TOML file.
        overrides: settings by name that replace those of the profile; also as JSON, which is what papermill's ``-p``
            passes on.

    Returns:
        The profile's short name (a file's stem) and its settings.

    Raises:
        InputError: no such profile, a file that is not TOML, a setting that is unknown or out of range, or a teacher's
            name that means nothing.
    """
    name, values = _profile_values(profile)
    given = _as_mapping(overrides)
    own = values.get("teacher", Settings.model_fields["teacher"].default)
    if given.get("teacher", own) != own:
        values = {key: value for key, value in values.items() if key not in OF_ITS_TEACHER}
    try:
        settings = Settings.model_validate(values | given)
    except ValidationError as error:
        raise InputError(one_line(error)) from None
    _check_teachers("teacher", settings.teacher)
    _check_teachers("other_teachers", *settings.other_teachers)
    weights = os.environ.get(WEIGHTS_VARIABLE)
    if weights and settings.teacher_weights is None and settings.teacher not in SHIPPED_TEACHERS:
        settings = settings.model_copy(update={"teacher_weights": Path(weights)})
    return name, settings


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Read a user's TOML file.

    Args:
        path: with or without a byte order mark at its beginning.
        what: it is, in messages.

    Raises:
        InputError: it does not exist, is a folder, or is not UTF-8 text or not TOML.
    """
    if not path.is_file():
        raise InputError(f"{what} {path} {'is a folder' if path.is_dir() else 'does not exist'}; allowed: a TOML file")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise InputError(f"{what} {path} is not UTF-8 text") from None
    except (ValueError, RecursionError) as error:  # also of numbers of thousands of digits
        raise InputError(f"{what} {path} is not valid TOML: {_short(error)}") from None


def relative_to(folder: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a file in a folder, to which paths among them are relative; those of overrides are as they stand."""
    found = dict(values)
    for key in PATH_SETTINGS:
        if isinstance(found.get(key), str) and found[key]:
            found[key] = folder / without_tilde(found[key])
    if isinstance(found.get("dataset"), str) and found["dataset"] and (folder / found["dataset"]).exists():
        found["dataset"] = str(folder / found["dataset"])
    return found


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


def _check_teachers(setting: str, *teachers: str) -> None:
    for teacher in teachers:
        try:
            teacher_library(teacher)
        except InputError as error:
            raise InputError(f"setting {setting!r}: {error}") from None


def _as_mapping(overrides: Mapping[str, Any] | str | None) -> dict[str, Any]:
    values: Any = overrides or {}
    if isinstance(values, str):
        try:
            values = json.loads(values)
        except (ValueError, RecursionError) as error:
            raise InputError(f"overrides {_short(values)} are not JSON: {_short(error)}") from None
    if not isinstance(values, Mapping):
        raise InputError(f"overrides must map settings to values, not {_short(repr(overrides))}")
    return dict(values)


def _parse_value(text: str) -> Any:
    with suppress(ValueError, RecursionError):
        values = tomllib.loads(f"value = {text}")
        # No setting is a date, and a text that goes on to define a second key is no value: both stay plain strings.
        return text if len(values) > 1 or isinstance(values["value"], date | time) else values["value"]
    with suppress(ValueError, RecursionError):
        return json.loads(text)
    return text


def _profile_values(profile: str | Path) -> tuple[str, dict[str, Any]]:
    """The short name of a profile, and the settings that it names."""
    path = without_tilde(profile)
    if path.suffix.lower() == ".toml":
        values = read_toml(path, "profile file")
        return path.stem, relative_to(path.resolve().parent, values)
    if str(profile) not in profile_names():
        raise InputError(
            f"no profile {str(profile)!r}; allowed: {', '.join(profile_names())}, or a path to a .toml file"
        )
    shipped = resources.files("asymdistill.config") / "profiles" / f"{profile}.toml"
    return str(profile), tomllib.loads(shipped.read_text("utf-8"))


def _short(text: object) -> str:
    """Something in one line of bounded length."""
    words = " ".join(str(text).split())
    return words if len(words) <= LONGEST else f"{words[:LONGEST]}…"


def one_line(error: ValidationError, model: type[BaseModel] = Settings, what: str = "setting") -> str:
    """What pydantic refused, in one line.

    Args:
        error: of the validation.
        model: that was validated.
        what: one of its fields is called.
    """
    parts, unknown = [], []
    found = error.errors()
    # A list whose only item is wrong is also said to be empty.
    wrong = {item["loc"][:1] for item in found if item["type"] != "too_short"}
    for item in found:
        if item["type"] == "too_short" and item["loc"] in wrong:
            continue
        name = str(item["loc"][0]) if item["loc"] else "settings"
        if item["type"] == "extra_forbidden":
            unknown.append(_short(repr(name)))
        else:
            message = _PLAIN.get(item["type"], item["msg"].removeprefix("Value error, "))
            parts.append(f"{what} {name!r} is {_short(repr(item['input']))}: {message}")
    words = [some_of(parts, "; ", LONGEST_LINE)] if parts else []
    if unknown:
        allowed = ", ".join(field.alias or own for own, field in model.model_fields.items())
        words.append(f"unknown {what}{'s' if len(unknown) > 1 else ''} {some_of(unknown)}; allowed: {allowed}")
    return "; ".join(words)
