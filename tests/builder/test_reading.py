"""What readers get of an executed notebook and of a run's tables."""

import json
import shlex
import zipfile
from pathlib import Path

from asymdistill.builder.downloads import ARCHIVE, write_downloads
from asymdistill.builder.notebooks import command, present


def code(source: str, *tags: str) -> dict[str, object]:
    outputs = [{"output_type": "stream", "name": name, "text": "said"} for name in ("stdout", "stderr")]
    return {
        "cell_type": "code",
        "source": source,
        "metadata": {"tags": list(tags), "papermill": {}},
        "outputs": outputs,
    }


def presented(path: Path, *cells: dict[str, object], **parameters: object) -> list[dict[str, object]]:
    path.write_text(json.dumps({"cells": cells, "metadata": {"papermill": {}}, "nbformat": 4, "nbformat_minor": 5}))
    present(path, parameters)
    return list(json.loads(path.read_text())["cells"])


def test_code_is_folded_and_parameters_are_shown_as_given(tmp_path: Path) -> None:
    source = 'profile = "embedded"\nruns_dir = None\nrecorded = "results"'
    cells = [
        code(source, "parameters"),
        code("profile = 1", "injected-parameters"),
        code("draw()"),
        code("x", "remove-cell"),
    ]
    path = tmp_path / "one.ipynb"
    line, given, drawn, removed = presented(path, *cells, profile="smoke", runs_dir=str(tmp_path / "runs"))
    assert line["cell_type"] == "markdown"
    assert "```bash\npapermill notebooks/one.ipynb out.ipynb -p profile smoke\n```" in str(line["source"])
    assert given["source"] == "profile = 'smoke'\nruns_dir = 'runs'\nrecorded = \"results\""
    assert [cell["metadata"]["tags"] for cell in (given, drawn, removed)] == [  # type: ignore[index]
        ["parameters"],
        ["hide-input"],
        ["remove-cell"],
    ]
    assert [output["name"] for output in drawn["outputs"]] == ["stdout"]  # type: ignore[attr-defined]


def test_the_command_of_a_page_can_be_copied_to_a_shell_and_names_no_place_of_this_machine() -> None:
    overrides = {"seeds": [1, 2], "dataset": "/home/someone's/mine.npz", "teacher": "timm:a b"}
    line = command("one", {"profile": "/home/someone/long.toml", "overrides": overrides, "runs_dir": "/home/runs"})
    *words, given = shlex.split(line)
    assert words == ["papermill", "notebooks/one.ipynb", "out.ipynb", "-p", "profile", "long.toml", "-p", "overrides"]
    assert json.loads(given) == {"seeds": [1, 2], "dataset": "mine.npz", "teacher": "timm:a b"}


def test_options_at_the_head_of_a_cell_become_its_metadata(tmp_path: Path) -> None:
    source = "# | name: fig-one\n# | caption: >-\n# |   One mark: one\n# |   seed.\ndraw()  # | no option"
    (cell,) = presented(tmp_path / "one.ipynb", code(source))
    assert cell["metadata"]["mystnb"] == {"name": "fig-one", "caption": "One mark: one seed."}  # type: ignore[index]
    assert cell["source"] == "draw()  # | no option"


def test_tables_are_listed_and_archived_the_same_way_each_time(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "control-noise.csv").write_text("a,b\n1,2\n3,4\n")
    (tmp_path / "run" / "control-noise.csv.sha256").write_text("0")
    for place in ("one", "two"):
        write_downloads(tmp_path / "run", tmp_path / place)
    page = (tmp_path / "one" / "tables.md").read_text()
    assert "| [control-noise.csv](one/tables/control-noise.csv) | what a control measured" in page
    assert page.rstrip().endswith("| 2 |")
    one, two = ((tmp_path / place / "tables" / ARCHIVE).read_bytes() for place in ("one", "two"))
    assert one == two
    with zipfile.ZipFile(tmp_path / "one" / "tables" / ARCHIVE) as archive:
        assert archive.namelist() == ["tables/control-noise.csv"]
