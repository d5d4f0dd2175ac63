"""Build the book: run every notebook in a staging copy, then let Jupyter Book make strict HTML of it.

Nothing is written beside the sources. What is read again by a second build is the studies' own stored tables; pages
and executed notebooks are always made anew, so that none can be stale.
"""

import base64
import hashlib
import html
import importlib.util
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from asymdistill.builder import prose
from asymdistill.config.profiles import PATH_SETTINGS, load_settings, profile_names
from asymdistill.config.settings import Settings
from asymdistill.runtime import devices
from asymdistill.runtime.errors import InputError

LOGGER = logging.getLogger(__name__)

EXTRA = ("ipykernel", "jupyter_book", "nbclient", "papermill", "sphinx_design", "yaml")
TQDM_HINT = "ignore:IProgress not found"  # bars are for terminals and live notebooks
GLUED_PNG = r'"application/papermill\.record/image/png": "([^"]+)"'
JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"


def build(
    profile: str,
    *,
    runs_dir: Path,
    source: Path,
    out: Path,
    provenance: Mapping[str, str],
    overrides: Mapping[str, Any] | None = None,
    verdicts: Mapping[str, Mapping[str, str]] | None = None,
) -> Path:
    """Run the notebooks on a profile, side by side, and build the book from them.

    Args:
        profile: the name of a profile, or a path to a TOML file.
        runs_dir: where studies keep their results. The notebooks share one study: compute it first, since several of
            them would otherwise begin the same work at once.
        source: the folder that holds ``_config.yml``, ``_toc.yml``, ``book/`` and ``notebooks/``; it is only read.
        out: the folder for what is built.
        provenance: what the footer of every page says, names and values.
        overrides: settings that replace those of the profile.
        verdicts: verdict and reason of each claim, as ``scorecard.verdicts`` gives them, for pages that name one.

    Returns:
        The folder of the finished HTML, ``out/html``.

    Raises:
        InputError: a missing extra, an unknown profile, setting, notebook or parameter, prose that names a verdict by
            itself, a notebook that fails, or a page that does not build. Then a book that stood in ``out`` before is
            still whole.
    """
    check(source)
    name, settings = load_settings(profile, overrides)
    out, source = out.resolve(), source.resolve()
    stage = _stage(source, out / "stage")
    parameters = {
        "profile": str(Path(profile).expanduser().resolve()) if profile.endswith(".toml") else profile,
        "overrides": _absolute(overrides or {}),
        "runs_dir": str(runs_dir.resolve()),
    }
    with _own_kernel(), ThreadPoolExecutor(devices.cores()) as pool:
        running = [pool.submit(_execute, path, parameters) for path in sorted((stage / "notebooks").glob("*.ipynb"))]
        try:
            for notebook in running:
                notebook.result()
        finally:
            pool.shutdown(cancel_futures=True)
    generated = stage / "book" / "_generated"
    _write_generated(generated, name, settings, overrides or {})
    (generated / "verdicts.json").write_text(json.dumps(verdicts or {}), "utf-8")
    _write_footer(stage / "_config.yml", provenance)
    return _publish(_make_html(stage, out), out / "html")


def check(source: Path) -> None:
    """Raise ``InputError`` unless a book can be built from a folder: to ask before anything long is computed."""
    missing = [name for name in EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"the book needs {', '.join(missing)}: pip install 'asymdistill[book]'")
    for required in ("_config.yml", "_toc.yml", "book", "notebooks"):
        if not (source / required).exists():
            raise InputError(f"{source.resolve()} holds no book: {required} is missing")
    prose.check(source)


def _absolute(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Overrides whose relative paths still hold from the folder in which notebooks run."""
    return {
        key: str(Path(value).expanduser().resolve())
        if value is not None and (key in PATH_SETTINGS or (key == "dataset" and Path(value).expanduser().exists()))
        else value
        for key, value in overrides.items()
    }


def _stage(source: Path, stage: Path) -> Path:
    """Copy what the book is made of, with the same relative paths."""
    if stage.exists():
        shutil.rmtree(stage)
    shutil.copytree(source / "book", stage / "book", ignore=shutil.ignore_patterns("__pycache__", "_generated"))
    (stage / "notebooks").mkdir()
    for notebook in sorted((source / "notebooks").glob("*.ipynb")):
        shutil.copy2(notebook, stage / "notebooks")
    for config in ("_config.yml", "_toc.yml"):
        shutil.copy2(source / config, stage)
    if (source / "results").is_dir():
        shutil.copytree(source / "results", stage / "results")
    for measured in sorted((source / "benchmarks").glob("*.json*")):  # with their checksums
        (stage / "benchmarks").mkdir(exist_ok=True)
        shutil.copy2(measured, stage / "benchmarks")
    return stage


@contextmanager
def _own_kernel() -> Iterator[None]:
    """Make the kernel ``python3`` mean this interpreter, whatever is registered on the machine."""
    from ipykernel.kernelspec import write_kernel_spec

    before = os.environ.get("JUPYTER_PATH")
    with TemporaryDirectory() as folder:
        # A kernel's stderr is passed on while it runs; what follows would only be noise there.
        write_kernel_spec(
            Path(folder) / "kernels" / "python3",
            overrides={"env": {"PYTHONWARNINGS": TQDM_HINT}},
            extra_arguments=["--log-level=CRITICAL"],
        )
        os.environ["JUPYTER_PATH"] = os.pathsep.join([folder] + ([before] if before else []))
        try:
            yield
        finally:
            os.environ.pop("JUPYTER_PATH")
            if before is not None:
                os.environ["JUPYTER_PATH"] = before


def _execute(notebook: Path, parameters: dict[str, Any]) -> None:
    """Run a staged notebook in place."""
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    logging.getLogger("papermill").setLevel(logging.WARNING)
    declared = papermill.inspect_notebook(notebook)
    unknown = [name for name in parameters if name not in declared]
    if unknown:
        raise InputError(
            f"notebook {notebook.stem} has no parameter {', '.join(unknown)}; "
            f"its cell tagged 'parameters' declares: {', '.join(declared) or 'none'}"
        )
    started = time.perf_counter()
    try:
        papermill.execute_notebook(
            notebook,
            notebook,
            parameters,
            kernel_name="python3",
            cwd=notebook.parent,
            progress_bar=False,
            stderr_file=sys.stderr,
        )
    except PapermillExecutionError as error:
        lines = str(error.evalue).strip().splitlines()
        raise InputError(f"notebook {notebook.stem} failed: {error.ename}: {lines[0] if lines else ''}") from error
    except DeadKernelError as error:
        raise InputError(f"notebook {notebook.stem} failed: its process died (out of memory?)") from error
    LOGGER.info("%s: %.1f s", notebook.stem, time.perf_counter() - started)
    _ready_for_the_book(notebook, parameters)


def _ready_for_the_book(notebook: Path, parameters: dict[str, Any]) -> None:
    """Hide the cells that papermill needs, and leave out what readers have no use for."""
    content = json.loads(notebook.read_text("utf-8"))
    given = [parameters["profile"], parameters["runs_dir"], *parameters["overrides"].values()]
    paths = [value for value in given if isinstance(value, str) and os.path.isabs(value)]
    for cell in content["cells"]:
        tags = cell["metadata"].setdefault("tags", [])
        if "injected-parameters" in tags:
            tags.append("remove-cell")
            # A page's source can be downloaded: it should not tell where this machine keeps its files.
            for path in paths:
                cell["source"] = "".join(cell["source"]).replace(path, Path(path).name)
        elif "parameters" in tags:
            tags.append("hide-input")
        if "outputs" in cell:
            cell["outputs"] = [output for output in cell["outputs"] if output.get("name") != "stderr"]
        cell["metadata"].pop("papermill", None)
    content["metadata"].pop("papermill", None)
    notebook.write_text(json.dumps(content, indent=1), "utf-8")


def _write_generated(folder: Path, profile: str, settings: Settings, overrides: Mapping[str, Any]) -> None:
    """Write what pages include: which run this is, every setting, and the profiles."""
    changed = f" Changed there: {', '.join(f'`{key}` = {_shown(getattr(settings, key))}' for key in overrides)}."
    run = f"This copy was computed with the profile **{profile}**. {settings.description}{changed if overrides else ''}"
    entries = []
    for name, field in Settings.model_fields.items():
        value, default = getattr(settings, name), _shown(field.default)
        here = "" if value == field.default or name == "description" else f"; here {_shown(value)}"
        entries += [f"`{name}`", f": {field.description}", f"  *Default {default}{here}.*", ""]
    tabs = ["::::{tab-set}"]
    for name in profile_names():
        text = (resources.files("asymdistill.config") / "profiles" / f"{name}.toml").read_text("utf-8").strip()
        tabs += [f":::{{tab-item}} {name}", "```toml", text, "```", ":::"]
    folder.mkdir()
    for page, lines in {"run": [run], "settings": entries, "profiles": [*tabs, "::::"]}.items():
        (folder / f"{page}.md").write_text("\n".join([*lines, ""]), "utf-8")


def _shown(value: object) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, Path) or (isinstance(value, str) and os.path.isabs(value)):
        return f"`{Path(value).name}`"  # not where this machine keeps it
    return f"`{list(value) if isinstance(value, tuple) else value}`"


def _write_footer(config: Path, provenance: Mapping[str, str]) -> None:
    """Say under every page what was run, where and when."""
    import yaml

    content = yaml.safe_load(config.read_text("utf-8"))
    items = " · ".join(f"{html.escape(name)} {html.escape(str(value))}" for name, value in provenance.items())
    content.setdefault("html", {})["extra_footer"] = f'<p class="provenance">Computed with {items}</p>'
    config.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), "utf-8")


def _make_html(stage: Path, out: Path) -> Path:
    """Run Jupyter Book with this interpreter; any warning fails the build."""
    work = out / "sphinx"
    if work.exists():
        shutil.rmtree(work)
    command = [
        sys.executable,
        "-c",
        JUPYTER_BOOK,
        "build",
        str(stage),
        "--path-output",
        str(work),
        "-W",
        "--keep-going",
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    (out / "build.log").write_text(done.stdout, "utf-8")
    if done.returncode:
        plain = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
        found = [line for line in plain.splitlines() if re.search(r"WARNING: |ERROR: |^\w+(Error|Exception): ", line)]
        first = found[0].replace(f"{stage}{os.sep}", "") if found else "see the log"
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise InputError(f"the book does not build: {first}{more}; log: {out / 'build.log'}")
    return _with_all_images(work / "_build" / "html", stage)


def _with_all_images(pages: Path, stage: Path) -> Path:
    """Add the figures that pages take from notebooks; refuse pages that show an image that isn't there.

    MyST-NB refers to such a figure by the hash of its bytes and relies on the notebook's own page to have written it,
    which it does only where it shows the very same bytes. Nothing warns where it doesn't.
    """
    (pages / "_images").mkdir(exist_ok=True)
    for notebook in (stage / "notebooks").glob("*.ipynb"):
        for glued in re.findall(GLUED_PNG, notebook.read_text("utf-8")):
            content = base64.b64decode(glued.replace("\\n", ""))
            (pages / "_images" / f"{hashlib.sha256(content).hexdigest()}.png").write_bytes(content)
    for page in sorted(pages.rglob("*.html")):
        for image in re.findall(r'<img[^>]* src="([^":?#]+)"', page.read_text("utf-8")):
            if not (page.parent / image).is_file():
                raise InputError(f"the book does not build: {page.relative_to(pages)} shows {image}, which isn't there")
    return pages


def _publish(built: Path, final: Path) -> Path:
    """Put a finished book in the place of the one before, by renaming."""
    old = final.with_name(f"{final.name}.old")
    if old.exists():
        shutil.rmtree(old)
    if final.exists():
        final.rename(old)
    built.rename(final)
    if old.exists():
        shutil.rmtree(old)
    return final
