"""The page that sets the paper's profile beside the notebook, held to the profile, the tests and itself."""

import ast
import re
import tomllib
from functools import cache
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import pytest

from asymdistill.config import Settings
from asymdistill.profile import load_settings

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "book" / "fidelity.md").read_text("utf-8")
PROFILE = "cifar10-clip"
HEADER = ["setting", "the notebook", "our profile", "held by"]


class Line(NamedTuple):
    """One row of the page's table."""

    setting: str
    notebook: str
    profile: str
    held_by: str


def lines_of(page: str) -> list[Line]:
    rows = [[cell.strip() for cell in row.strip().strip("|").split("|")] for row in page.splitlines() if row[:1] == "|"]
    assert rows[0] == HEADER
    return [Line(*row) for row in rows[2:]]


LINES = lines_of(PAGE)
BY_SETTING = {line.setting: line for line in LINES}


@cache
def names_in(file: str) -> set[str]:
    if not (TESTS / file).is_file():
        return set()
    return {
        node.name for node in ast.parse((TESTS / file).read_text("utf-8")).body if isinstance(node, ast.FunctionDef)
    }


def profile_file() -> dict[str, object]:
    """What the profile's file sets itself."""
    text = (resources.files("asymdistill") / "profiles" / f"{PROFILE}.toml").read_text("utf-8")
    return {key: value for key, value in tomllib.loads(text).items() if key != "description"}


def assignments(line: Line) -> list[tuple[str, object, bool]]:
    """Settings that a row gives a value to: name, value, and whether it calls that the default."""
    found = re.findall(r"(default )?`(\w+ = [^`]+)`", line.profile)
    return [(*next(iter(tomllib.loads(text).items())), bool(default)) for default, text in found]


def faults(line: Line, settings: Settings) -> list[str]:
    """What is wrong with a row; nothing, if it tells the truth about the profile and the tests."""
    wrong = [f"{line.setting}: an empty cell"] if not all(line) else []
    named = re.findall(r"`([^`]*)`", line.held_by)
    if not named:
        wrong.append(f"{line.setting}: no test")
    for name in named:
        file, _, test = name.partition("::")
        if test not in names_in(file):
            wrong.append(f"{line.setting}: there is no test {name}")
    values = settings.model_dump(mode="json")
    for key, value, default in assignments(line):
        if key not in values or values[key] != value:
            wrong.append(f"{line.setting}: the profile has {key} = {values.get(key)!r}, not {value!r}")
        if default == (key in profile_file()):
            wrong.append(f"{line.setting}: the profile's file {'sets' if default else 'does not set'} {key}")
    return wrong


def settings() -> Settings:
    return load_settings(PROFILE)[1]


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.setting)
def test_each_line_names_tests_that_exist_and_values_that_the_profile_has(line: Line) -> None:
    assert faults(line, settings()) == []


def test_every_setting_of_the_profile_is_on_the_page_and_no_line_stands_twice() -> None:
    assert profile_file().keys() <= set(re.findall(r"`(\w+)(?: = [^`]+)?`", PAGE))
    assert len(BY_SETTING) == len(LINES)


def test_tests_named_beside_the_table_exist_too() -> None:
    _, _, below = PAGE.partition("(where-we-differ)=")
    named = re.findall(r"`(\w+\.py)::(\w+)`", below)
    assert named
    assert [f"{file}::{test}" for file, test in named if test not in names_in(file)] == []


def test_every_difference_is_listed_and_every_listed_one_is_in_the_table() -> None:
    table, _, below = PAGE.partition("(where-we-differ)=")
    listed = [int(number) for number in re.findall(r"^(\d+)\. \*\*", below, flags=re.MULTILINE)]
    assert listed == list(range(1, len(listed) + 1))
    referred = {int(number) for found in re.findall(r"differs: ([\d, ]+)\|", table) for number in found.split(",")}
    assert referred == set(listed)


# That the checks above would find what they look for


@pytest.mark.parametrize("line", [line for line in LINES if assignments(line)], ids=lambda line: line.setting)
def test_a_value_that_is_not_the_profiles_is_found(line: Line) -> None:
    for key, value, _ in assignments(line):
        other = f"{value}x" if isinstance(value, str) else [*value, 9] if isinstance(value, list) else value + 1
        doctored = re.sub(rf"`{key} = [^`]+`", f"`{key} = {other!r}`".replace("'", '"'), line.profile)
        assert doctored != line.profile
        assert any(
            f"the profile has {key} = " in fault for fault in faults(line._replace(profile=doctored), settings())
        )


def test_a_profile_that_changed_is_found() -> None:
    for name, value in {"epochs": 6, "resolution": 32, "noise_levels": [0.0, 0.1], "autocast": "bfloat16"}.items():
        changed = load_settings(PROFILE, {name: value})[1]
        assert [fault for line in LINES for fault in faults(line, changed) if f"has {name} = " in fault]


def test_other_faults_are_found() -> None:
    line = BY_SETTING["epochs"]
    doctored = {
        "there is no test test_golden.py::test_none": line._replace(held_by="`test_golden.py::test_none`"),
        "there is no test test_none.py::test_x": line._replace(held_by="`test_none.py::test_x`"),
        "no test": line._replace(held_by="none"),
        "has epoch = None": line._replace(profile="`epoch = 5`"),
        "file sets epochs": line._replace(profile="default `epochs = 5`"),
        "file does not set noise_seed": line._replace(profile="`noise_seed = 0`"),
        "an empty cell": line._replace(notebook=""),
    }
    for message, wrong in doctored.items():
        assert any(message in fault for fault in faults(wrong, settings())), message
