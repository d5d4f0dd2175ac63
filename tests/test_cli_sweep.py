"""``asymdistill sweep``: what it says, what it refuses, and that it goes on after an interruption."""

import json
import re
import signal
import time
from pathlib import Path

import pandas as pd
import pytest
from command_line import complaints
from conftest import SMALL
from forked import Forked

from asymdistill import cli

SETTINGS = SMALL | {"widths": [0.5], "noise_levels": [0.0]}
DRY = "students: {} in all, {} found, {} missing\nembeddings: 2 in all, {} found, {} missing\n"


def write(folder: Path, teacher: Path, **settings: object) -> None:
    lines = [f"{name} = {json.dumps(value)}" for name, value in (SETTINGS | settings).items() if name != "epochs"]
    (folder / "mine.toml").write_text(
        "\n".join(['profiles = ["smoke"]', "[cross]", "epochs = [1, 2]", "[set]", *lines])
        + f"\nteacher_weights = {json.dumps(str(teacher))}\n"
    )


@pytest.fixture
def folder(tmp_path: Path, teacher_file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, teacher_file)
    return tmp_path


def test_it_says_what_is_missing_and_then_computes_that(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sweep", "mine.toml", "--dry-run"]) == 0
    assert capsys.readouterr() == (DRY.format(4, 0, 4, 0, 2), "")
    assert not list(folder.rglob("*.csv"))
    assert cli.main(["sweep", "mine.toml"]) == 0
    out, err = capsys.readouterr()
    assert complaints(err) == []
    assert out.startswith(DRY.format(4, 0, 4, 0, 2))
    assert "\nstudents: 4 computed\n" in out
    (place,) = re.findall(r"^table and manifest: (.*)$", out, re.M)
    table = pd.read_csv(Path(place) / "table.csv")
    assert set(table["epochs"]) == {1, 2}
    assert set(table["quantity"]) == {"effective_rank", "accuracy"}
    assert cli.main(["sweep", "mine.toml"]) == 0
    assert capsys.readouterr().out == DRY.format(4, 4, 0, 2, 0) + f"table and manifest: {place}\n"


def test_what_fails_is_one_line_each_and_status_1(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(self: object, config: object, *more: object) -> None:
        raise RuntimeError("no\nluck")

    monkeypatch.setattr("asymdistill.experiment.trained_students.TrainedStudents._train", failing)
    assert cli.main(["sweep", "mine.toml", "--retries", "0"]) == 1
    out, err = capsys.readouterr()
    expected = [
        f"asymdistill: failed: student w=0.5, seed {seed}, cosine, epochs {epochs}: RuntimeError: no luck"
        for epochs in (1, 2)
        for seed in (42, 123)
    ]
    assert complaints(err) == expected
    assert "table and manifest: " in out


WRONG = {
    "sweep": "Missing argument",
    "sweep gone.toml": "sweep gone.toml does not exist",
    "sweep mine.toml --gpus 0.5": "gpus is 0.5, but there is no GPU",
    "sweep mine.toml --gpus 0": "gpus is 0; it must be above 0 and at most 1",
    "sweep mine.toml --gpus 2": "gpus is 2; it must be above 0 and at most 1",
    "sweep mine.toml --retries -1": "--retries",
    "sweep mine.toml --address nowhere": "address",  # needs Ray, or is none
    "sweep images.toml": "gone.npz does not exist",
    "sweep weights.toml": "gone.safetensors, which does not exist",
}


@pytest.mark.parametrize("words", WRONG)
def test_what_is_wrong_is_one_line(words: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "images.toml").write_text('profiles = ["smoke"]\n[set]\ndataset = "gone.npz"')
    (folder / "weights.toml").write_text('profiles = ["smoke"]\n[set]\nteacher_weights = "gone.safetensors"')
    before = set(folder.rglob("*"))
    assert cli.main(words.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("asymdistill: error: ")
    assert err.count("\n") == 1
    assert WRONG[words] in err
    assert set(folder.rglob("*")) == before


@pytest.mark.slow
def test_an_interrupted_sweep_goes_on(folder: Path, teacher_file: Path) -> None:
    write(folder, teacher_file, train_limit=320)
    words = ["sweep", "mine.toml"]
    process = Forked(words, folder)
    while not list(folder.glob("runs/store/students/*/*.json")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, len(complaints(err))) == (130, 1)
    made = len(list(folder.glob("runs/store/students/*/*.json")))
    assert 1 <= made < 4
    process = Forked(words, folder)
    out, err = process.communicate()
    assert (process.returncode, complaints(err)) == (0, [])
    assert f"\nstudents: {4 - made} computed\n" in out
    assert len(pd.read_csv(next(folder.glob("runs/sweep-*/table.csv")))) == 12
