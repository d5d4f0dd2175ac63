"""The builder on a book of two pages and one notebook: what it builds, what it refuses, what it leaves untouched."""

import hashlib
import html
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from asymdistill.builder import build as builder
from asymdistill.builder import repository
from asymdistill.runtime.errors import InputError
from asymdistill.store import files

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("papermill")
pytest.importorskip("jupyter_book")

CONFIG = """
title: A small book
only_build_toc_files: true
execute: {execute_notebooks: "off", stderr_output: remove}
"""
TOC = """
format: jb-book
root: book/index
chapters:
  - file: book/second
  - file: notebooks/one
"""
INDEX = """
# Front

The rank is {glue:text}`../notebooks/one.ipynb::rank:.2f` on {glue:text}`../notebooks/one.ipynb::profile:s`.
"""
PARAMETERS = 'profile = "embedded"\noverrides = {}\nruns_dir = "../runs"'
GLUE = """
import sys
from myst_nb import glue
glue("rank", 3.14159)
glue("profile", profile)
print("interpreter", sys.executable)
print("seeds", overrides.get("seeds"))
"""


def write_notebook(path: Path, *, parameters: str = PARAMETERS, code: str = GLUE, more: str = "") -> None:
    cell = nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell("# One"),
            cell,
            *(nbformat.v4.new_code_cell(text.strip()) for text in (code, more)),
        ],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(notebook, path)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "book").mkdir(parents=True)
    (folder / "notebooks").mkdir()
    (folder / "_config.yml").write_text(CONFIG)
    (folder / "_toc.yml").write_text(TOC)
    (folder / "book" / "index.md").write_text(INDEX)
    (folder / "book" / "second.md").write_text("# Second\n\nSee [the first page](index.md).\n")
    write_notebook(folder / "notebooks" / "one.ipynb")
    return folder


def build(source: Path, **options: object) -> Path:
    arguments: dict[str, object] = {"runs_dir": source.parent / "runs", "source": source, "out": source.parent / "out"}
    arguments |= {"tables": source.parent / "tables", "studies": {}}
    arguments["provenance"] = {"profile": "smoke"}
    return builder.build("smoke", **(arguments | options))  # type: ignore[arg-type]


def digests(folder: Path) -> dict[str, str]:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def test_good_build(source: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    foreign = tmp_path / "jupyter" / "kernels" / "python3"
    foreign.mkdir(parents=True)
    (foreign / "kernel.json").write_text('{"argv": ["false"], "display_name": "foreign", "language": "python"}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    before = digests(source)

    overrides = {"seeds": [7], "dataset_root": tmp_path / "images"}
    folder = build(source, overrides=overrides, provenance={"profile": "smoke", "device": "a <fast> one"})

    assert digests(source) == before
    front = (folder / "book" / "index.html").read_text()
    assert "3.14" in front
    assert "smoke" in front
    chapter = (folder / "notebooks" / "one.html").read_text()
    assert sys.executable in chapter
    assert "seeds [7]" in chapter
    assert chapter.count("runs_dir") == 1  # the notebook's own parameters, not the cell that was put in
    for page in ("book/index", "book/second", "notebooks/one"):
        text = (folder / f"{page}.html").read_text()
        assert "Computed with profile smoke · device a &lt;fast&gt; one" in text.split('class="provenance"')[1]
    made_on = str(tmp_path).encode()
    assert not [path for path in folder.rglob("*.ipynb") if made_on in path.read_bytes()]


def test_a_second_build_runs_no_notebook_and_gives_the_same_pages(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = digests(build(source))
    monkeypatch.setattr(builder, "execute", lambda path, parameters: pytest.fail(f"{path.name} is run again"))
    assert digests(build(source)) == before


ADDRESS = "https://github.com/someone/something"
LINKED = (
    f"{ADDRESS}/issues/new",
    f"{ADDRESS}/edit/main/notebooks/one.py",  # the source, not what is made of it
    f"{ADDRESS}/blob/main/notebooks/one.py",
    "https://mybinder.org/v2/gh/someone/something/main?urlpath=lab/tree/notebooks/one.ipynb",
    "https://colab.research.google.com/github/someone/something/blob/main/notebooks/one.ipynb",
)


def test_one_setting_gives_every_page_its_links(source: Path) -> None:
    root = Path(__file__).parents[2]
    given = yaml.safe_load((root / "_config.yml").read_text())
    settings = {name: given[name] for name in ("repository", "launch_buttons")} | yaml.safe_load(CONFIG)
    settings["repository"]["url"] = ADDRESS
    settings["sphinx"] = {"local_extensions": dict.fromkeys(("captions", "page_frame"), "book/_ext")}
    shutil.copytree(root / "book" / "_ext", source / "book" / "_ext")
    (source / "_config.yml").write_text(yaml.safe_dump(settings))
    drawn = "# | name: fig-one\n# | caption: Two <b> marks.\n"
    drawn += "import IPython.display\nIPython.display.HTML('<hr class=mine>')"
    picture = "\nimport io, PIL.Image\nfile = io.BytesIO()\nPIL.Image.new('L', (1, 1)).save(file, 'png')\n"
    picture += "IPython.display.Image(file.getvalue())"
    below = "# | name: tab-one\n# | caption: A table.\n" + GLUE + picture
    write_notebook(source / "notebooks" / "one.ipynb", code=drawn, more=below)
    folder = build(source, overrides={"seeds": [7, 8]})
    chapter, second = (
        html.unescape((folder / f"{name}.html").read_text()) for name in ("notebooks/one", "book/second")
    )
    assert [link for link in LINKED if link not in chapter] == []
    assert f"{ADDRESS}/edit/main/book/second.md" in second
    assert f"{ADDRESS}/edit/main/notebooks/one.ipynb" not in chapter
    for tag in ("og:url", "og:image"):
        (address,) = re.findall(f'<meta property="{tag}" content="([^"]*)"', chapter)
        path = folder / address.removeprefix("https://someone.github.io/something/")
        assert path.is_file(), address
    command = """papermill notebooks/one.ipynb out.ipynb -p profile smoke -p overrides '{"seeds": [7, 8]}'"""
    assert command in re.sub(r"<[^>]*>", "", chapter)
    figure, table = re.findall(r"<figure[^>]*>(.*?)</figure>", chapter, re.S)
    assert "<hr class=mine>" in figure
    captions = [
        re.findall(r'<figcaption>.*<span class="caption-text">(.*?)</span>', part, re.S) for part in (figure, table)
    ]
    assert captions == [["Two <b> marks."], ["A table."]]
    assert table.index("<figcaption>") < table.index("<img")


def test_without_an_address_there_are_no_links() -> None:
    content = yaml.safe_load((Path(__file__).parents[2] / "_config.yml").read_text())
    repository.link(content, "")
    assert "launch_buttons" not in content
    assert {content["html"][name] for name in repository.BUTTONS} == {False}


@pytest.mark.parametrize("address", ["someone/something", "https://example.org/x", "https://github.com/someone"])
def test_an_address_that_no_link_can_be_made_of_is_refused_at_once(address: str, source: Path) -> None:
    (source / "_config.yml").write_text(f"{CONFIG}\nrepository: {{url: {address!r}}}")
    with pytest.raises(
        InputError, match=r"repository.url in _config.yml is .*; allowed: https://github.com/OWNER/NAME"
    ):
        build(source)


def test_colab_reads_only_from_github() -> None:
    content = {"launch_buttons": {"binderhub_url": "binder", "colab_url": "colab"}}
    repository.link(content, "https://gitlab.com/someone/something")
    assert content["launch_buttons"] == {"binderhub_url": "binder"}


def test_the_book_lies_on_github_pages_unless_the_settings_say_otherwise() -> None:
    content: dict[str, Any] = {}
    repository.link(content, "https://github.com/Someone/something")
    assert content["html"]["baseurl"] == "https://someone.github.io/something/"
    content = {"html": {"baseurl": "https://example.org/"}}
    repository.link(content, "https://github.com/Someone/something")
    assert content["html"]["baseurl"] == "https://example.org/"


def test_a_notebook_is_told_the_address(tmp_path: Path) -> None:
    notebook = tmp_path / "one.py"
    notebook.write_text('x = 1\nrepository = ""\nif repository:\n    y = "repository = 1"\n')
    for address in (ADDRESS, ""):
        repository.tell(notebook, address)
        assert notebook.read_text() == f'x = 1\nrepository = "{address}"\nif repository:\n    y = "repository = 1"\n'


def test_failures_leave_the_book_before_them(source: Path) -> None:
    good = source.parent / "out" / "html"
    good.mkdir(parents=True)
    (good / "index.html").write_text("the book before")
    notebook = source / "notebooks" / "one.ipynb"

    write_notebook(notebook, code='raise KeyError("no such width")')
    with pytest.raises(InputError, match=r"notebook one failed: KeyError: 'no such width'") as failed:
        build(source)
    assert "\n" not in str(failed.value)

    write_notebook(notebook, parameters='profile = "embedded"\noverrides = {}')
    with pytest.raises(InputError, match=r"notebook one has no parameter runs_dir; .* declares: profile, overrides"):
        build(source)

    write_notebook(notebook, code=GLUE.replace('glue("rank", 3.14159)', ""))
    with pytest.raises(InputError, match=r"does not build: .*'rank' not found in doc 'notebooks/one'") as failed:
        build(source)
    assert "\n" not in str(failed.value)

    assert [path.name for path in good.iterdir()] == ["index.html"]


def test_figures_of_notebooks_reach_other_pages(source: Path) -> None:
    drawn = "import io, IPython.display, PIL.Image\nfile = io.BytesIO()\nPIL.Image.new('L', (1, 1)).save(file, 'png')\n"
    drawn += "glue('figure', IPython.display.Image(file.getvalue()), display=False)"
    write_notebook(source / "notebooks" / "one.ipynb", code=GLUE + drawn)
    pasted = "\n```{glue:} figure\n:doc: ../notebooks/one.ipynb\n```\n"
    (source / "book" / "index.md").write_text(INDEX + pasted)
    folder = build(source)
    image = re.search(r'<img[^>]* src="([^"]+)"', (folder / "book" / "index.html").read_text())
    assert image is not None
    assert (folder / "book" / image[1]).read_bytes().startswith(b"\x89PNG")


def test_a_page_without_its_image_is_refused(source: Path) -> None:
    with (source / "book" / "second.md").open("a") as page:
        page.write('\n```{raw} html\n<img alt="lost" src="../_images/lost.png">\n```\n')
    with pytest.raises(InputError, match=r"second\.html shows \.\./_images/lost\.png, which isn't there"):
        build(source)


def test_bad_input_is_refused_at_once(source: Path) -> None:
    with pytest.raises(InputError, match="unknown setting 'sedes'"):
        build(source, overrides={"sedes": [1]})
    (source / "_toc.yml").unlink()
    with pytest.raises(InputError, match=r"_toc\.yml is missing"):
        build(source)


def test_a_missing_extra_is_named(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder, "BOOK_PACKAGES", ("yaml", "no_such_package"))
    with pytest.raises(InputError, match=r"needs no_such_package: pip install 'asymdistill\[book\]'"):
        build(source)


def test_relative_paths_hold_in_the_notebooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.npz").touch()
    given = {"dataset": "mine.npz", "dataset_root": "data", "teacher_weights": None, "seeds": [1]}
    expected = {"dataset": str(tmp_path / "mine.npz"), "dataset_root": str(tmp_path / "data")}
    assert builder._absolute(given) == given | expected
    assert builder._absolute({"dataset": "scenes"}) == {"dataset": "scenes"}


def test_notebooks_find_recorded_runs_and_benchmarks_in_the_stage(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Notebooks run in threads: one that moves this process has another one start in the wrong folder.
    here = os.getcwd()
    monkeypatch.setattr(os, "chdir", lambda folder: folder == here or pytest.fail(f"moved to {folder}"))
    (source / "results" / "run").mkdir(parents=True)
    (source / "results" / "run" / "manifest.json").write_text("{}")
    (source / "benchmarks" / "__pycache__").mkdir(parents=True)
    files.write_json(source / "benchmarks" / "cpu.json", {})
    (source / "benchmarks" / "__init__.py").write_text("WHERE = __file__")
    look = "from pathlib import Path\nprint([Path('..', name).exists() for name in ('results/run/manifest.json', "
    look += "'benchmarks/cpu.json', 'benchmarks/cpu.json.sha256', 'benchmarks/__pycache__')])\n"
    look += "sys.path += ['..']\nimport benchmarks\nprint(Path(benchmarks.WHERE).resolve().parts[-3:])"
    write_notebook(source / "notebooks" / "one.ipynb", code=f"{GLUE}\n{look}")
    page = html.unescape((build(source) / "notebooks" / "one.html").read_text())
    assert "[True, True, True, False]" in page
    assert "('stage', 'benchmarks', '__init__.py')" in page
