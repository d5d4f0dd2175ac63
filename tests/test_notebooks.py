"""The notebooks: paired, parameterised, runnable headless in any order, and honest about what made their outputs."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest

from asymdistill.claims import evaluate, summary
from asymdistill.plots import alignment, collapse, expansion, robustness
from asymdistill.study import Study

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NAMES = [path.stem for path in NOTEBOOKS]


def papermill(notebook: str, out: Path, cwd: Path, **parameters: object) -> subprocess.CompletedProcess[str]:
    """Run papermill as a researcher does, on the interpreter that runs the tests."""
    words = [word for name, value in parameters.items() for word in ("-p", name, str(value))]
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", notebook, str(out), *words]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=600)


def shown_text(path: Path) -> str:
    """Everything that an executed notebook prints or shows as text."""
    outputs = [output for cell in nbformat.read(path, 4).cells for output in cell.get("outputs", [])]
    texts = [output.get("text", "") for output in outputs]
    texts += [output.get("data", {}).get(kind, "") for output in outputs for kind in ("text/plain", "text/markdown")]
    return "\n".join(texts)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder of runs, shared by the notebooks of this module as by those of a book."""
    return tmp_path_factory.mktemp("runs")


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
    assert [re.findall(r"^(\w+) =", cell.source, re.M) for cell in cells] == [["profile", "overrides", "runs_dir"]]
    assert notebook.metadata.kernelspec.name == "python3"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_no_algorithm_in_a_notebook(path: Path) -> None:
    code = "\n".join(cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code")
    assert not re.search(r"^\s*(def|class|while|import (torch|numpy|pandas))\b", code, re.M)
    assert "pip install" not in code


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
        **expansion.numbers(study.expansion()),
        **summary.summarise(evaluate.evaluate(study)),
    }
    # Another processor adds floats in another order, and training amplifies that: less than seeds do, more than ulps.
    tolerance = {"er_teacher": 1e-3, "acc_teacher_clean": 1e-3, "dims90_teacher": 0.1}
    assert set(tolerance) < set(stored)
    for name in stored:
        assert stored[name] == pytest.approx(fresh[name], rel=tolerance.get(name, 0.1)), name


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES[::-1])
def test_runs_alone_on_smoke(name: str, runs: Path, tmp_path: Path) -> None:
    # From the last to the first: no notebook may lean on one before it.
    out = tmp_path / "out.ipynb"
    done = papermill(f"notebooks/{name}.ipynb", out, ROOT, profile="smoke", runs_dir=runs)
    assert done.returncode == 0, done.stderr
    assert "**Profile `smoke`**: 320 training and 200 test images of `scenes`" in shown_text(out)
    assert len([path for path in runs.glob("smoke-*") if "crossed" not in path.name]) == 1


@pytest.mark.slow
def test_levels_and_seeds_from_the_command_line(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.ipynb"
    overrides = '{"seeds": [7], "noise_levels": [0, 0.1, 0.3]}'
    done = papermill("notebooks/04_robustness.ipynb", out, ROOT, profile="smoke", overrides=overrides, runs_dir=runs)
    assert done.returncode == 0, done.stderr
    text = shown_text(out)
    assert "seeds 7," in text
    table = text[text.index("sigma") :]
    assert re.findall(r"teacher\s+(\d\.\d+)", table) == ["0.0", "0.1", "0.3"]


@pytest.mark.slow
def test_chapters_with_different_overrides_share_what_they_have_in_common(runs: Path, tmp_path: Path) -> None:
    def stored() -> dict[str, int]:
        kinds = ("students", "embeddings", "measurements")
        return {kind: len(list((runs / "store" / kind).rglob("*.json"))) for kind in kinds}

    def chapter(name: str, overrides: str) -> None:
        out = tmp_path / f"{name}.ipynb"
        done = papermill(f"notebooks/{name}.ipynb", out, ROOT, profile="smoke", overrides=overrides, runs_dir=runs)
        assert done.returncode == 0, done.stderr

    chapter("02_alignment", '{"seeds": [11], "noise_levels": [0, 0.1]}')
    before = stored()
    chapter("04_robustness", '{"seeds": [11], "noise_levels": [0, 0.25]}')
    after = stored()
    assert after["students"] == before["students"]
    assert after["embeddings"] - before["embeddings"] == 1  # the teacher's under the noise
    # Four students, of two widths and two objectives, at two levels; the teacher's clean accuracy may be there already.
    assert after["measurements"] - before["measurements"] in (4 * 2 + 1, 4 * 2 + 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ('{"sedes": [7]}', "unknown setting 'sedes'; allowed: "),
        ('{"noise_levels": [-1]}', "setting 'noise_levels' is -1"),
        ("{seeds: 7", "are not JSON"),
    ],
)
def test_a_bad_setting_is_refused_by_name(overrides: str, message: str, runs: Path, tmp_path: Path) -> None:
    done = papermill(
        "notebooks/01_collapse.ipynb", tmp_path / "out.ipynb", ROOT, profile="smoke", overrides=overrides, runs_dir=runs
    )
    assert done.returncode != 0
    assert message in re.sub(r"\x1b\[[0-9;]*m", "", done.stderr)


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 1])
def test_recorded_runs_are_shown_where_there_are_any(
    count: int, small_study: Study, runs: Path, tmp_path: Path
) -> None:
    (tmp_path / "_toc.yml").touch()
    for name in ("notebooks", "results"):
        (tmp_path / name).mkdir()
    if count:
        kept = shutil.ignore_patterns("students", "teacher")
        shutil.copytree(small_study.folder, tmp_path / "results" / small_study.folder.name, ignore=kept)
    out = tmp_path / "out.ipynb"
    source = ROOT / "notebooks" / "10_recorded.ipynb"
    done = papermill(str(source), out, tmp_path / "notebooks", profile="smoke", runs_dir=runs)
    assert done.returncode == 0, done.stderr
    name = "recorded: Scenes, students at the teacher's resolution, 128 training images"
    assert (name in out.read_text("utf-8")) == (count == 1)
