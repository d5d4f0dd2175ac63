"""``asymdistill measure``: a table or JSON of any embeddings, and one line for what cannot be measured."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import shell

from asymdistill import cli
from asymdistill.measure.report import TITLES, measure

ROWS = np.random.default_rng(0).normal(size=(200, 6)) / np.arange(1, 7) + 0.3


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with two sets of embeddings, one of them in shards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    np.save("x.npy", ROWS.astype("f2"))
    (tmp_path / "shards").mkdir()
    np.savez("shards/a.npz", ROWS[:90])
    np.savetxt("shards/b.csv", ROWS[90:], delimiter=",")
    return tmp_path


def test_the_table_says_what_was_measured(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["measure", "x.npy", "--against", "shards", "--plot", "spectrum.svg"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    report = measure([Path("x.npy")], [Path("shards")])
    for own in report.quantities:
        assert f"│ {TITLES[own.name]} " in out
        assert f" {own.value:.5g} " in out
    assert len(report.quantities) == len(TITLES)
    assert "200 x 6, float16; the spectrum is centred" in out
    assert "uniformity: t = 2, all pairs of 200 evenly spaced rows" in out
    assert "jackknife, 20 blocks of consecutive rows" in out
    drawn = Path("spectrum.svg").read_text()
    assert drawn.startswith("<?xml")
    assert f"effective rank {report['effective_rank']:.4g}" in drawn


def test_json_holds_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["measure", "shards", "--json", "--blocks", "4"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["rows"], found["dim"], found["dtypes"], found["blocks"]) == (200, 6, ["float64"], 4)
    assert found["quantities"] == measure([Path("shards")], blocks=4).to_dict()["quantities"]
    assert len(found["variances"]) == 6


WRONG = {
    "measure": "Missing argument",
    "measure gone.npy": "gone.npy does not exist",
    "measure x.npy wide.npy": "wide.npy has dimension 7, but x.npy has 6",
    "measure x.npy --against wide.npy": "wide.npy has dimension 7, the first set 6",
    "measure nan.npy --plot out.svg": "nan.npy: row 3 has NaN or infinite values",
    "measure one.npy": "one.npy has one row",
    "measure x.npy --name y": "x.npy has no names, but --name is 'y'",
    "measure x.npy --blocks 1": "blocks is 1; it must be at least 2",
    "measure x.npy --address nowhere": "address",  # needs Ray, or is none
    "measure x.npy --plot out.png": "plot is out.png; it must end in .svg",
    "measure x.npy --plot gone/out.svg": "plot is gone/out.svg; it must end in .svg and lie in a folder that exists",
}


@pytest.mark.parametrize("words", WRONG)
def test_what_is_wrong_is_one_line(words: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save("wide.npy", np.ones((4, 7)))
    np.save("one.npy", ROWS[:1])
    np.save("nan.npy", np.where(np.arange(200)[:, None] == 3, np.nan, ROWS))
    before = set(folder.rglob("*"))
    assert cli.main(words.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("asymdistill: error: ")
    assert err.count("\n") == 1
    assert WRONG[words] in err
    assert set(folder.rglob("*")) == before


def test_in_a_shell(folder: Path) -> None:
    done = shell(["measure", "x.npy", "--json"], folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["rows"] == 200
    assert {path.name for path in folder.iterdir()} == {"x.npy", "shards"}


CONSTANT = """
import sys
from collections.abc import Iterator
from pathlib import Path
import torch
from asymdistill.measure.files import EmbeddingFile
from asymdistill.measure.report import report
from benchmarks.measuring import most_used
held = torch.randn(2**16, 64).half()
def read(start: int, stop: int, size: int):
    for begin in range(start, stop, size):
        yield held[: min(size, stop - begin)].clone()
def used(rows: int) -> float:
    return most_used(lambda: report([EmbeddingFile(Path("x"), rows, 64, "float16", read)]))
used(100_000)
# The least of three: how many blocks the threads hold at one time is chance, and memory that grows does so each time.
print(*(min(used(rows) for _ in range(3)) for rows in (200_000, 2_000_000)))
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_rows() -> None:
    done = subprocess.run([sys.executable, "-c", CONSTANT], capture_output=True, text=True, check=True)
    few, many = map(float, done.stdout.split())
    assert many < few + 0.1  # GiB; the further rows are 0.21 GiB
