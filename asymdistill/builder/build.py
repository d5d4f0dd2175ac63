"""Build the book: run every notebook in a staging copy, then let Jupyter Book turn the copy into HTML.

Nothing is written beside the sources. A second build reads the stored results of the study again, and runs only those
notebooks for which something has changed.
"""

import html
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import Any

from asymdistill.builder import prose, repository
from asymdistill.builder.downloads import write_downloads
from asymdistill.builder.executed import Executed
from asymdistill.builder.notebooks import execute, own_kernel
from asymdistill.builder.pages import finish
from asymdistill.config.profiles import PATH_SETTINGS, load_settings, profile_names
from asymdistill.config.settings import Settings
from asymdistill.runtime.errors import InputError
from asymdistill.runtime.markup import as_code, as_text

BOOK_PACKAGES = ("ipykernel", "jupyter_book", "nbclient", "papermill", "sphinx_design", "yaml")
JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"


def build(
    profile: str,
    *,
    runs_dir: Path,
    source: Path,
    out: Path,
    provenance: Mapping[str, str],
    overrides: Mapping[str, Any] | None = None,
    tables: Path,
    studies: Mapping[Path, object],
    verdicts: Mapping[str, Mapping[str, str]] | None = None,
) -> Path:
    """Run the notebooks on a profile, in parallel, and build the book from them.

    Notebooks that the last book in ``out`` ran, and for which nothing has changed since, are taken from there.

    Args:
        profile: the name of a profile, or the path of a TOML file.
        runs_dir: where studies keep their results. All notebooks read the same study: compute it first, or several
            notebooks will start the same work at once.
        source: the folder with ``_config.yml``, ``_toc.yml``, ``book/`` and ``notebooks/``; it is only read.
        out: the output folder.
        provenance: names and values shown in the footer of every page.
        overrides: settings that replace those of the profile.
        tables: folder with the tables of the run, for readers to download.
        studies: what the studies that notebooks read are made from, by their folders.
        verdicts: verdict and reason for each claim, by its id, for the pages that mention one.

    Returns:
        The folder with the finished HTML, ``out/html``.

    Raises:
        InputError: a missing package, an unknown profile, setting, notebook or parameter, a verdict written by hand
            in the prose, a repository's address that no link can be made of, a notebook that fails, or a page that does
            not build. A book already in ``out`` is left untouched.
    """
    from asymdistill.runtime.devices import cores  # imports torch

    check(source)
    name, settings = load_settings(profile, overrides)
    out, source = out.resolve(), source.resolve()
    stage = _stage(source, out / "stage")
    parameters = {
        "profile": str(Path(profile).expanduser().resolve()) if profile.endswith(".toml") else profile,
        "overrides": _absolute(overrides or {}),
        "runs_dir": str(runs_dir.resolve()),
    }
    executed = Executed(out / "executed", stage, parameters, studies)
    outdated = executed.outdated()
    with own_kernel(), ThreadPoolExecutor(cores()) as pool:
        running = [pool.submit(execute, path, parameters) for path in outdated]
        try:
            for notebook in running:
                notebook.result()
        finally:
            pool.shutdown(cancel_futures=True)
    executed.keep(outdated)
    generated = stage / "book" / "_generated"
    _write_generated(generated, name, settings, overrides or {})
    write_downloads(tables, generated)
    (generated / "verdicts.json").write_text(json.dumps(verdicts or {}), "utf-8")
    _configure(stage / "_config.yml", provenance)
    return _publish(_make_html(stage, out), out / "html")


def check(source: Path) -> None:
    """Check that a book can be built from a folder, before anything expensive is computed.

    Raises:
        InputError: a package of the extra ``book`` or a part of the sources is missing, the repository's address is
            none, or the prose states a verdict.
    """
    missing = [name for name in BOOK_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"the book needs {', '.join(missing)}: pip install 'asymdistill[book]'")
    for required in ("_config.yml", "_toc.yml", "book", "notebooks"):
        if not (source / required).exists():
            raise InputError(f"{source.resolve()} holds no book: {required} is missing")
    repository.address(source / "_config.yml")
    prose.check(source)


def _absolute(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Overrides with absolute paths, since notebooks run in another folder."""
    return {
        key: str(Path(value).expanduser().resolve())
        if value is not None and (key in PATH_SETTINGS or (key == "dataset" and Path(value).expanduser().exists()))
        else value
        for key, value in overrides.items()
    }


def _stage(source: Path, stage: Path) -> Path:
    """Copy the sources of the book, keeping their relative paths."""
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
    if (source / "benchmarks").is_dir():  # the records of costs, and the code that shows them
        shutil.copytree(source / "benchmarks", stage / "benchmarks", ignore=shutil.ignore_patterns("__pycache__"))
    return stage


def _write_generated(folder: Path, profile: str, settings: Settings, overrides: Mapping[str, Any]) -> None:
    """Write the Markdown that pages include: which run this is, all settings, and the profiles."""
    changed = f" Overrides: {', '.join(f'`{key}` = {_setting(getattr(settings, key))}' for key in overrides)}."
    said = as_text(settings.description)
    run = f"This copy was computed with the profile **{as_text(profile)}**. {said}{changed if overrides else ''}"
    entries = []
    for name, field in Settings.model_fields.items():
        value, default = getattr(settings, name), _setting(field.default)
        here = "" if value == field.default or name == "description" else f"; here {_setting(value)}"
        entries += [f"`{name}`", f": {field.description}", f"  *Default {default}{here}.*", ""]
    tabs = ["::::{tab-set}"]
    for name in profile_names():
        text = (resources.files("asymdistill.config") / "profiles" / f"{name}.toml").read_text("utf-8").strip()
        tabs += [f":::{{tab-item}} {name}", "```toml", text, "```", ":::"]
    folder.mkdir()
    for page, lines in {"run": [run], "settings": entries, "profiles": [*tabs, "::::"]}.items():
        (folder / f"{page}.md").write_text("\n".join([*lines, ""]), "utf-8")


def _setting(value: object) -> str:
    """The value of a setting in Markdown."""
    if value is None or value == "":
        return "none"
    if isinstance(value, Path) or (isinstance(value, str) and os.path.isabs(value)):
        return as_code(Path(value).name)  # paths of this machine are nobody's business
    return as_code(list(value) if isinstance(value, tuple) else value)


def _configure(config: Path, provenance: Mapping[str, str]) -> None:
    """Put the provenance of the run under every page, and links to the repository beside it if it has an address."""
    import yaml

    content = yaml.safe_load(config.read_text("utf-8"))
    items = " · ".join(f"{html.escape(name)} {html.escape(str(value))}" for name, value in provenance.items())
    content.setdefault("html", {})["extra_footer"] = f'<p class="provenance">Computed with {items}</p>'
    repository.link(content, repository.address(config))
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
    # Jupyter Book writes characters that the encoding of a log need not have.
    environment = os.environ | {"PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace", env=environment
    )
    (out / "build.log").write_text(done.stdout, "utf-8")
    if done.returncode:
        plain = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
        found = [line for line in plain.splitlines() if re.search(r"WARNING: |ERROR: |^\w+(Error|Exception): ", line)]
        first = found[0].replace(f"{stage}{os.sep}", "") if found else "see the log"
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise InputError(f"the book does not build: {first}{more}; log: {out / 'build.log'}")
    return finish(work / "_build" / "html", stage)


def _publish(built: Path, final: Path) -> Path:
    """Replace the previous book by the new one, by renaming."""
    old = final.with_name(f"{final.name}.old")
    if old.exists():
        shutil.rmtree(old)
    if final.exists():
        final.rename(old)
    built.rename(final)
    if old.exists():
        shutil.rmtree(old)
    return final
