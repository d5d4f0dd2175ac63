"""The page that sets profiles beside what the papers publish, held to the profiles, the tests and itself."""

import ast
import re
import tomllib
from functools import cache
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from asymdistill.config.profiles import load_settings
from asymdistill.config.settings import Settings
from asymdistill.experiment.student_configs import StudentConfigs
from asymdistill.training.losses import DistillationLoss

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "book" / "fidelity.md").read_text("utf-8")
FIRST, SECOND = "cifar10-clip", "cifar100-dinov2"
PROFILES = {"the notebook": FIRST, "abstract, captions, arXiv's page": SECOND}  # by what a table sets beside them


class Line(NamedTuple):
    """One row of a table of the page, and the profile that the table is of."""

    setting: str
    paper: str
    ours: str
    held_by: str
    profile: str


def lines_of(page: str) -> list[Line]:
    lines = []
    for table in re.findall(r"(?:^\|.*\n)+", page, re.M):
        rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()]
        setting, paper, *ours = rows[0]
        assert [setting, *ours] == ["setting", "our profile", "held by"]
        lines += [Line(*row, PROFILES[paper]) for row in rows[2:]]
    return lines


LINES = lines_of(PAGE)
BY_SETTING = {(line.profile, line.setting): line for line in LINES}


@cache
def names_in(file: str) -> set[str]:
    if not (TESTS / file).is_file():
        return set()
    return {
        node.name for node in ast.parse((TESTS / file).read_text("utf-8")).body if isinstance(node, ast.FunctionDef)
    }


@cache
def profile_file(profile: str) -> dict[str, object]:
    """What a profile's file sets itself."""
    text = (resources.files("asymdistill.config") / "profiles" / f"{profile}.toml").read_text("utf-8")
    return {key: value for key, value in tomllib.loads(text).items() if key != "description"}


def assignments(line: Line) -> list[tuple[str, object, bool]]:
    """Settings that a row gives a value to: name, value, and whether it calls that the default."""
    found = re.findall(r"(default )?`(\w+ = [^`]+)`", line.ours)
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
        if default == (key in profile_file(line.profile)):
            wrong.append(f"{line.setting}: the profile's file {'sets' if default else 'does not set'} {key}")
    return wrong


def settings(profile: str) -> Settings:
    return load_settings(profile)[1]


def configs(profile: str) -> StudentConfigs:
    return StudentConfigs(settings(profile), resolution=224, classes=100)


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.setting)
def test_each_line_names_tests_that_exist_and_values_that_the_profile_has(line: Line) -> None:
    assert faults(line, settings(line.profile)) == []


@pytest.mark.parametrize("profile", PROFILES.values())
def test_every_setting_of_the_profile_is_on_the_page_and_no_line_stands_twice(profile: str) -> None:
    assert profile_file(profile).keys() <= set(re.findall(r"`(\w+)(?: = [^`]+)?`", PAGE))
    assert any(line.profile == profile for line in LINES)
    assert len(BY_SETTING) == len(LINES)


def test_tests_named_beside_the_table_exist_too() -> None:
    _, _, below = PAGE.partition("(where-we-differ)=")
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", below)
    assert named
    assert [f"{file}::{test}" for file, test in named if test not in names_in(file)] == []


def test_every_difference_is_listed_and_every_listed_one_is_in_the_table() -> None:
    table, _, below = PAGE.partition("(where-we-differ)=")
    listed = [int(number) for number in re.findall(r"^(\d+)\. \*\*", below, flags=re.MULTILINE)]
    assert listed == list(range(1, len(listed) + 1))
    referred = {int(number) for found in re.findall(r"differs: ([\d, ]+)\|", table) for number in found.split(",")}
    assert referred == set(listed)


# The second paper's table


def differences(first: str, second: str) -> set[str]:
    one, other = (settings(name).model_dump(exclude={"description"}) for name in (first, second))
    return {name for name in one if one[name] != other[name]}


def listed(profile: str) -> set[str]:
    return {key for line in LINES if line.profile == profile for key, _, _ in assignments(line)}


def test_what_the_second_table_does_not_list_is_the_first_papers() -> None:
    changed = differences(FIRST, SECOND)
    assert changed >= {"dataset", "teacher", "objectives"}
    assert changed <= listed(SECOND)


def test_the_other_profiles_of_the_second_paper_differ_as_the_page_says() -> None:
    expansion = "cifar10-clip-infonce"
    assert differences(SECOND, expansion) == {"dataset", "teacher", "teacher_resolution"}
    assert not differences(FIRST, expansion) & {"dataset", "teacher"}
    bare = {"controls", "sweeps", "infonce_weights", "batch_sizes", "infonce_temperatures", "pushed_widths"}
    for name, changed in (("cifar10-dinov2", {"dataset"}), ("cifar100-clip", {"teacher", "teacher_resolution"})):
        assert changed <= differences(SECOND, name) <= changed | bare
        assert settings(name).controls == settings(name).sweeps == ()


SECOND_PAPERS = (SECOND, "cifar10-clip-infonce", "cifar10-dinov2", "cifar100-clip")


@pytest.mark.parametrize("profile", SECOND_PAPERS)
def test_the_second_papers_profiles_train_each_student_for_both_objectives(profile: str) -> None:
    own = configs(profile)
    plain = {(float(width), seed) for width in (1, 2, 4) for seed in (42, 123, 456)}
    for objective in ("cosine", "infonce"):
        assert {(student.width, student.seed) for student in own.grid(objective)} == plain
    assert len(own.grid()) == 2 * len(plain)
    assert own.augmented() == []


@pytest.mark.parametrize("profile", SECOND_PAPERS)
def test_the_infonce_term_of_a_profile_is_the_one_that_the_page_describes(profile: str) -> None:
    student, teacher = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0)).double()
    config = configs(profile).make(1, 42, "infonce")
    assert not config.symmetric
    loss = DistillationLoss(config.weight, config.temperature)(student, teacher)
    own, theirs = (rows.numpy() / np.linalg.norm(rows.numpy(), axis=1, keepdims=True) for rows in (student, teacher))
    cosines = own @ theirs.T
    picked = np.diag(cosines) / 0.1 - np.log(np.exp(cosines / 0.1).sum(axis=1))
    assert loss.item() == pytest.approx((1 - np.diag(cosines)).mean() - 1.0 * picked.mean(), rel=1e-5)


def test_each_value_that_the_page_lists_is_tried() -> None:
    own = configs(SECOND)
    tried = {name: set(own.sweep(name)) for name in settings(SECOND).sweeps}
    assert tried == {
        "weight": {0, 0.1, 0.3, 1, 3, 10},
        "temperature": {0.03, 0.1, 0.3, 1},
        "batch_size": {16, 64, 256},
        "width": {1, 4, 10},
        "alternatives": {"cosine", "infonce", "views", "vicreg", "uniformity", "whitened"},
    }
    assert {student.weight for student in own.swept("width")} == {10}
    assert {student.weight for name in ("vicreg", "uniformity") for student in own.sweep("alternatives")[name]} == {1}


# That the checks above would find what they look for


@pytest.mark.parametrize("line", [line for line in LINES if assignments(line)], ids=lambda line: line.setting)
def test_a_value_that_is_not_the_profiles_is_found(line: Line) -> None:
    for key, value, _ in assignments(line):
        other = f"{value}x" if isinstance(value, str) else [*value, 9] if isinstance(value, list) else value + 1
        doctored = re.sub(rf"`{key} = [^`]+`", f"`{key} = {other!r}`".replace("'", '"'), line.ours)
        assert doctored != line.ours
        found = faults(line._replace(ours=doctored), settings(line.profile))
        assert any(f"the profile has {key} = " in fault for fault in found)


@pytest.mark.parametrize(
    ("profile", "changes"),
    [
        (FIRST, {"epochs": 6, "resolution": 32, "noise_levels": [0.0, 0.1], "objectives": ["infonce"]}),
        (SECOND, {"infonce_weight": 2, "objectives": ["cosine"], "controls": [], "infonce_symmetric": True}),
    ],
)
def test_a_profile_that_changed_is_found(profile: str, changes: dict[str, object]) -> None:
    for name, value in changes.items():
        changed = load_settings(profile, {name: value})[1]
        own = [line for line in LINES if line.profile == profile]
        assert [fault for line in own for fault in faults(line, changed) if f"has {name} = " in fault]


def test_other_faults_are_found() -> None:
    line = BY_SETTING[FIRST, "epochs"]
    doctored = {
        "there is no test test_golden.py::test_none": line._replace(held_by="`test_golden.py::test_none`"),
        "there is no test test_none.py::test_x": line._replace(held_by="`test_none.py::test_x`"),
        "no test": line._replace(held_by="none"),
        "has epoch = None": line._replace(ours="`epoch = 5`"),
        "file sets epochs": line._replace(ours="default `epochs = 5`"),
        "file does not set noise_seed": line._replace(ours="`noise_seed = 0`"),
        "an empty cell": line._replace(paper=""),
    }
    for message, wrong in doctored.items():
        assert any(message in fault for fault in faults(wrong, settings(FIRST))), message
