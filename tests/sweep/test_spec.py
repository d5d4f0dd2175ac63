"""What a sweep's file means, and what is refused of it."""

from pathlib import Path

import pytest

from asymdistill.runtime.errors import InputError
from asymdistill.sweep import spec

FILE = """
description = "An example."
profiles = ["smoke", "own.toml"]
quantities = ["effective_rank", "robustness"]

[set]
epochs = 3
dataset_root = "images"

[cross]
infonce_weight = [0.1, 1]
widths = [1, [2, 4]]

[zip]
teacher = ["scenes-clip", "scenes-simclr"]
crossed_widths = [[1], 2]
"""


def write(folder: Path, text: str) -> Path:
    (folder / "own.toml").write_text("train_limit = 99\n")
    path = folder / "mine.toml"
    path.write_text(text)
    return path


def test_lists_are_crossed_or_zipped_over_every_profile(tmp_path: Path) -> None:
    plan = spec.load(write(tmp_path, FILE))
    assert (plan.name, plan.spec.description) == ("mine", "An example.")
    assert plan.axes == ["infonce_weight", "teacher", "crossed_widths"]
    found = [
        (p.profile, p.axes["infonce_weight"], p.settings.widths, p.axes["teacher"], p.axes["crossed_widths"])
        for p in plan.points
    ]
    assert found == [
        (profile, weight, widths, teacher, crossed)
        for profile in ("smoke", "own")
        for weight in (0.1, 1)
        for widths in ((1,), (2, 4))
        for teacher, crossed in (("scenes-clip", "[1]"), ("scenes-simclr", 2))
    ]
    for point in plan.points:
        own = point.settings
        assert (own.infonce_weight, own.teacher) == (point.axes["infonce_weight"], point.axes["teacher"])
        assert own.crossed_widths == ((1,) if own.teacher == "scenes-clip" else (2,))
        assert (own.epochs, own.dataset_root) == (3, tmp_path / "images")  # relative to the file
        assert own.train_limit == (99 if point.profile == "own" else 320)


def test_a_file_that_varies_nothing_is_one_point_of_the_default_profile(tmp_path: Path) -> None:
    plan = spec.load(write(tmp_path, ""))
    assert [(point.profile, point.axes) for point in plan.points] == [("embedded", {})]
    assert plan.spec.quantities == ("effective_rank", "accuracy")


WRONG = {
    "epochs = ": "mine.toml is not valid TOML",
    "sets = 1": "unknown key 'sets'; allowed: description, profiles, quantities, set, cross, zip",
    "profiles = []": "key 'profiles' is []",
    'profiles = ["nope"]': "no profile 'nope'; allowed: ",
    'profiles = ["smoke", "smoke"]': "profiles has the same value twice",
    'quantities = ["rank"]': "key 'quantities' is 'rank': Input should be 'effective_rank', ",
    "[set]\nepoch = 1": "unknown setting 'epoch' in [set]; allowed: ",
    "[cross]\nepoch = [1]": "unknown setting 'epoch' in [cross]; allowed: ",
    "[cross]\nepochs = []": "key 'cross' is []",
    "[cross]\nepochs = 3": "key 'cross' is 3",
    "[cross]\nepochs = [1, 0]": "setting 'epochs' is 0",
    "[cross]\nepochs = [1, 2, 1]": "epochs has the same value twice",
    "[cross]\nworkers = [1, 2]": "setting 'workers' changes no result",
    "[set]\nepochs = 1\n[cross]\nepochs = [2]": "setting 'epochs' is in more than one of",
    "[zip]\nepochs = [1, 2]\nbatch_size = [1]": "[zip] has lists of unequal length: epochs 2, batch_size 1",
    f"[cross]\nseeds = {list(range(400))}\nepochs = {list(range(1, 400))}": "159,600 combinations; allowed: up to",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_named_in_one_line(text: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        spec.load(write(tmp_path, text))
    assert WRONG[text] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"sweep .*gone\.toml does not exist"):
        spec.load(tmp_path / "gone.toml")
