"""The notebooks: paired, parameterised, runnable headless in any order, and honest about what made their outputs."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import IPython
import jupytext
import nbformat
import pytest
import torch
from conftest import SMALL

from asymdistill import metrics
from asymdistill.builder import repository
from asymdistill.builder.notebooks import command
from asymdistill.claims import evaluate, summary
from asymdistill.plots import alignment, collapse, expansion_tables, robustness
from asymdistill.runtime.errors import InputError
from asymdistill.study import Study

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NAMES = [path.stem for path in NOTEBOOKS]
# Parameters beside profile, overrides and runs_dir: a recorded run, but not in chapters on this copy alone.
PARAMETERS = {"11_cost": [], "12_measure": [], "13_sweep": ["sweep", "quantity", "x", "panel", "recorded"]}


def papermill(notebook: str, out: Path, cwd: Path, **parameters: object) -> subprocess.CompletedProcess[str]:
    """Run papermill as a researcher does, on the interpreter that runs the tests."""
    words = [word for name, value in parameters.items() for word in ("-p", name, str(value))]
    return run([sys.executable, "-m", "papermill", "--no-progress-bar", notebook, str(out), *words], cwd)


def run(words: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command where the programs of this interpreter are found first."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=600)


def code_cells(path: Path) -> list[Any]:
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]


def shown_text(path: Path) -> str:
    """Everything that an executed notebook prints or shows as text."""
    outputs = [output for cell in nbformat.read(path, 4).cells for output in cell.get("outputs", [])]
    texts = [output.get("text", "") for output in outputs]
    texts += [output.get("data", {}).get(kind, "") for output in outputs for kind in ("text/plain", "text/markdown")]
    return "\n".join(texts)


def test_every_notebook_has_a_pair() -> None:
    assert sorted(path.stem for path in (ROOT / "notebooks").glob("*.py")) == NAMES
    assert len(NAMES) >= 5


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_pairs_say_the_same(path: Path) -> None:
    assert jupytext.writes(jupytext.read(path), "py:percent") == path.with_suffix(".py").read_text("utf-8")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_one_parameters_cell_and_the_common_kernel(path: Path) -> None:
    notebook = nbformat.read(path, 4)
    cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    names = ["profile", "overrides", "runs_dir", *PARAMETERS.get(path.stem, ["recorded"])]
    assert [re.findall(r"^(\w+) =", cell.source, re.M) for cell in cells] == [names]
    assert notebook.metadata.kernelspec.name == "python3"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_no_algorithm_in_a_notebook(path: Path) -> None:
    code = "\n".join(cell.source for cell in code_cells(path)[1:])
    assert not re.search(r"^\s*(def|class|while|import (torch|numpy|pandas))\b", code, re.M)
    assert not re.search(r"\bpip\b", code)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_the_first_cell_installs_the_package_from_the_book_s_repository_where_it_is_missing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = repository.address(ROOT / "_config.yml")
    cell = code_cells(path)[0].source
    assert f'\nrepository = "{address}"\n' in cell
    run: list[str] = []
    magic = types.SimpleNamespace(system=run.append, run_line_magic=lambda name, line: run.append(f"%{name} {line}"))
    monkeypatch.setattr(IPython, "get_ipython", lambda: magic)
    there = cell.replace(f'repository = "{address}"', 'repository = "https://github.com/someone/something"')
    exec(there, {})
    assert run == []  # the package is here
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    exec(cell.replace(f'repository = "{address}"', 'repository = ""'), {})
    assert run == []
    exec(there, {})
    assert run == [
        "git clone --quiet --depth 1 https://github.com/someone/something book",
        "%pip install --quiet './book[book]'",
        "%cd -q book/notebooks",
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_no_line_of_prose_is_lost_as_a_comment(path: Path) -> None:
    prose = [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown"]
    assert not [line for text in prose for line in text.splitlines() if line.lstrip().startswith("%")]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_stored_outputs_are_whole_and_say_what_made_them(path: Path) -> None:
    notebook = nbformat.read(path, 4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    text = shown_text(path)
    assert re.search(r"\*\*Profile `embedded`\*\*.* at commit `[0-9a-f]{10}", text)
    assert str(Path.home()) not in json.dumps(notebook)
    assert str(ROOT) not in json.dumps(notebook)


def test_trainings_are_watched_as_the_page_on_measuring_shows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = nbformat.read(ROOT / "notebooks" / "12_measure.ipynb", 4).cells
    loop, callback = re.findall(r"```python\n(.*?)```", "\n".join(cell.source for cell in cells), re.S)
    batches = [torch.randn(40, 64, generator=torch.Generator().manual_seed(seed)) for seed in range(5)]
    rank = metrics.effective_rank(torch.cat(batches))
    exec(loop, {"epochs": 2, "loader": batches, "train_step": lambda images: images})
    assert capsys.readouterr().out == f"epoch 0: effective rank {rank:.1f}\nepoch 1: effective rank {rank:.1f}\n"

    for name in ("lightning", "lightning.pytorch"):
        monkeypatch.setitem(sys.modules, name, types.SimpleNamespace(Callback=object))
    names: dict[str, Any] = {}
    exec(callback, names)
    logged = []
    module = types.SimpleNamespace(log=lambda name, value: logged.append((name, float(value))))
    watch = names["WatchRank"]()
    watch.setup(None, module, "fit")
    for _ in range(2):
        for number, batch in enumerate(batches):
            watch.on_train_batch_end(None, module, {"embeddings": batch}, batch, number)
        watch.on_train_epoch_end(None, module)
    assert logged == [("effective_rank", pytest.approx(rank))] * 2


def glued_numbers(path: Path) -> dict[str, float]:
    """Numbers that an executed notebook hands to the prose of the book."""
    outputs = [output for cell in nbformat.read(path, 4).cells for output in cell.get("outputs", [])]
    glued = [output for output in outputs if "scrapbook" in output.get("metadata", {})]
    records = {
        output.metadata["scrapbook"]["name"]: output.data.get("application/papermill.record/text/plain", "")
        for output in glued
    }
    return {name: float(text) for name, text in records.items() if re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", text)}


@pytest.mark.slow
def test_stored_numbers_come_out_again() -> None:
    # The run is left where nbval, which comes after the tests, finds it.
    study = Study.open("embedded", runs_dir=ROOT / "runs")
    stored = {name: value for path in NOTEBOOKS for name, value in glued_numbers(path).items()}
    fresh = {
        **collapse.numbers(study.baseline("spectrum")),
        **alignment.numbers(study.baseline("alignment")),
        **robustness.numbers(study.baseline("robustness")),
        **expansion_tables.numbers(study.expansion()),
        **summary.summarise(evaluate.evaluate(study)),
    }
    # Another processor adds floats in another order, and training amplifies that: less than seeds do, more than ulps.
    tolerance = {"er_teacher": 1e-3, "acc_teacher_clean": 1e-3, "dims90_teacher": 0.1}
    assert set(tolerance) < set(stored)
    for name in stored:
        assert stored[name] == pytest.approx(fresh[name], rel=tolerance.get(name, 0.1)), name


# A study of one student and few images.
FEW = {
    "train_limit": 64, "test_limit": 64, "batch_size": 32, "widths": [1], "noise_levels": [0.0, 0.2],
    "objectives": ["cosine"], "controls": [], "sweeps": [], "other_teachers": [], "other_datasets": [],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", ["01_collapse", "05_augmentation", "11_cost"])
def test_runs_alone_on_smoke(name: str, tmp_path: Path) -> None:
    # On a store of its own: no notebook may lean on another. All of them run for the book of tests/builder/test_build.
    out, runs = tmp_path / "out.ipynb", tmp_path / "runs"
    # The command that a page of the book shows, where only results and the notebook go elsewhere.
    line = command(name, {"profile": "smoke", "overrides": FEW, "runs_dir": "elsewhere"}).replace("out.ipynb", str(out))
    done = run(["bash", "-c", f"{line} --no-progress-bar -p runs_dir {runs}"], ROOT)
    assert done.returncode == 0, done.stderr
    assert "**Profile `smoke`**: 64 training and 64 test images of `scenes`" in shown_text(out)
    assert len(list(runs.glob("smoke-*"))) == 1


@pytest.mark.slow
def test_chapters_with_different_overrides_share_what_they_have_in_common(tmp_path: Path) -> None:
    def stored() -> dict[str, int]:
        kinds = ("students", "embeddings", "measurements")
        return {kind: len(list((tmp_path / "runs" / "store" / kind).rglob("*.json"))) for kind in kinds}

    def chapter(name: str, overrides: str) -> str:
        out = tmp_path / f"{name}.ipynb"
        given = {"profile": "smoke", "overrides": overrides, "runs_dir": tmp_path / "runs", "recorded": None}
        done = papermill(f"notebooks/{name}.ipynb", out, ROOT, **given)
        assert done.returncode == 0, done.stderr
        return shown_text(out)

    chapter("02_alignment", '{"seeds": [11], "noise_levels": [0, 0.2], "controls": []}')
    before = stored()
    text = chapter("04_robustness", '{"seeds": [11], "noise_levels": [0, 0.1, 0.3], "controls": []}')
    after = stored()
    assert "seeds 11," in text
    levels = re.findall(r"teacher\s+([\d.]+)\s+input", text)
    assert list(dict.fromkeys(levels)) == ["0", "0.1", "0.3"]
    assert after["students"] == before["students"]
    assert after["embeddings"] - before["embeddings"] == 2  # the teacher's under each noise
    # Four students, of two widths and two objectives, and the teacher, at three levels.
    assert after["measurements"] - before["measurements"] == (4 + 1) * 3


BAD = {
    '{"sedes": [7]}': "unknown setting 'sedes'; allowed: ",
    '{"noise_levels": [-1]}': "setting 'noise_levels' is -1",
    "{seeds: 7": "are not JSON",
}


@pytest.mark.parametrize("overrides", BAD)
def test_a_bad_setting_is_refused_by_name(overrides: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=re.escape(BAD[overrides])):
        Study.open("smoke", overrides, tmp_path)


@pytest.mark.slow
def test_papermill_ends_on_a_bad_setting_and_names_it(tmp_path: Path) -> None:
    given = {"profile": "smoke", "overrides": '{"sedes": [7]}', "runs_dir": tmp_path}
    done = papermill("notebooks/01_collapse.ipynb", tmp_path / "out.ipynb", ROOT, **given)
    assert done.returncode != 0
    assert BAD['{"sedes": [7]}'] in re.sub(r"\x1b\[[0-9;]*m", "", done.stderr)


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 1])
def test_recorded_runs_are_shown_where_there_are_any(count: int, small_study: Study, tmp_path: Path) -> None:
    (tmp_path / "_toc.yml").touch()
    for name in ("notebooks", "results"):
        (tmp_path / name).mkdir()
    if count:
        kept = shutil.ignore_patterns("students", "teacher")
        shutil.copytree(small_study.folder, tmp_path / "results" / small_study.folder.name, ignore=kept)
    runs = shutil.copytree(small_study.folder.parent, tmp_path / "runs")
    overrides = json.dumps(SMALL | {"teacher_weights": str(small_study.settings.teacher_weights)})
    out = tmp_path / "out.ipynb"
    source = ROOT / "notebooks" / "10_recorded.ipynb"
    given = {"profile": "smoke", "overrides": overrides, "runs_dir": runs}
    done = papermill(str(source), out, tmp_path / "notebooks", **given)
    assert done.returncode == 0, done.stderr
    name = "Scenes, teacher scenes-clip, 128 training images"
    assert (name in out.read_text("utf-8")) == (count == 1)
