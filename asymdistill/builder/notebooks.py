"""Run the notebooks of a staged book with papermill, and make them ready to be read."""

import json
import logging
import os
import re
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from asymdistill.runtime.errors import InputError

LOGGER = logging.getLogger(__name__)

NO_WIDGETS = "ignore:IProgress not found"  # progress bars are for terminals and live notebooks
OPTION = re.compile(r"^# \| ?(.*)\n?", re.MULTILINE)
HIDDEN = {"remove-cell", "remove-input", "hide-input"}  # tags of cells that say it themselves


@contextmanager
def own_kernel() -> Iterator[None]:
    """Make the kernel ``python3`` run this interpreter, whatever kernels are registered on the machine."""
    from ipykernel.kernelspec import write_kernel_spec

    before = os.environ.get("JUPYTER_PATH")
    with TemporaryDirectory() as folder:
        # A kernel's stderr is shown while it runs: keep it free of noise.
        write_kernel_spec(
            Path(folder) / "kernels" / "python3",
            overrides={"env": {"PYTHONWARNINGS": NO_WIDGETS}},
            extra_arguments=["--log-level=CRITICAL"],
        )
        os.environ["JUPYTER_PATH"] = os.pathsep.join([folder] + ([before] if before else []))
        try:
            yield
        finally:
            os.environ.pop("JUPYTER_PATH")
            if before is not None:
                os.environ["JUPYTER_PATH"] = before


def execute(notebook: Path, parameters: Mapping[str, Any]) -> None:
    """Execute a staged notebook in place.

    Raises:
        InputError: the notebook lacks one of the parameters, or fails.
    """
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
            dict(parameters),
            kernel_name="python3",
            # Not papermill's `cwd`, which moves this whole process while other threads start their kernels.
            resources={"metadata": {"path": str(notebook.parent)}},
            progress_bar=False,
            stderr_file=sys.stderr,
        )
    except PapermillExecutionError as error:
        lines = str(error.evalue).strip().splitlines()
        raise InputError(f"notebook {notebook.stem} failed: {error.ename}: {lines[0] if lines else ''}") from error
    except DeadKernelError as error:
        raise InputError(f"notebook {notebook.stem} failed: its process died (out of memory?)") from error
    LOGGER.info("%s: %.1f s", notebook.stem, time.perf_counter() - started)
    present(notebook, parameters)


def present(notebook: Path, parameters: Mapping[str, Any]) -> None:
    """Make an executed notebook ready to be read: code is folded, but for the parameters that this run was given.

    Lines ``# | name: value`` at the head of a cell become its metadata ``mystnb``, such as a caption. The output to
    stderr, papermill's own cell and its metadata are dropped. Above the parameters stands the command that runs the
    notebook with them.
    """
    import yaml

    content = json.loads(notebook.read_text("utf-8"))
    content["cells"] = [cell for cell in content["cells"] if "injected-parameters" not in _tags(cell)]
    for cell in content["cells"]:
        cell["metadata"].pop("papermill", None)
        if cell["cell_type"] != "code":
            continue
        source = "".join(cell["source"])
        options = yaml.safe_load("\n".join(OPTION.findall(source))) or {}
        cell["metadata"].setdefault("mystnb", {}).update(options)
        cell["source"] = OPTION.sub("", source)
        cell["outputs"] = [output for output in cell["outputs"] if output.get("name") != "stderr"]
        if "parameters" in _tags(cell):
            cell["source"] = _given(cell["source"], parameters)
        elif not HIDDEN & {*_tags(cell)}:
            _tags(cell).append("hide-input")
    content["cells"] = [part for cell in content["cells"] for part in _with_command(cell, notebook.stem, parameters)]
    content["metadata"].pop("papermill", None)
    notebook.write_text(json.dumps(content, indent=1), "utf-8")


def _tags(cell: dict[str, Any]) -> list[str]:
    tags: list[str] = cell["metadata"].setdefault("tags", [])
    return tags


def _with_command(cell: dict[str, Any], name: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A cell, below the command if it is that of the parameters."""
    if "parameters" not in _tags(cell):
        return [cell]
    words = f"To make this page again, with these or other parameters:\n\n```bash\n{command(name, parameters)}\n```"
    return [{"cell_type": "markdown", "id": "command", "metadata": {}, "source": words}, cell]


def command(name: str, parameters: Mapping[str, Any]) -> str:
    """The command that runs a notebook with the parameters of a run; results are stored where they always are.

    Args:
        name: of the notebook.
        parameters: ``profile``, and ``overrides`` if there are any.
    """
    profile = _without_paths(parameters["profile"])
    words = ["papermill", f"notebooks/{name}.ipynb", "out.ipynb", "-p", "profile", profile]
    if parameters.get("overrides"):
        words += ["-p", "overrides", json.dumps(_without_paths(parameters["overrides"]), default=str)]
    return shlex.join(words)


def _given(source: str, parameters: Mapping[str, Any]) -> str:
    """The cell of parameters with the values of this run; paths of this machine are nobody's business."""
    values = {name: _without_paths(value) for name, value in parameters.items()}
    lines = ((line, line.partition(" = ")[0]) for line in source.splitlines())
    return "\n".join(f"{name} = {values[name]!r}" if name in values else line for line, name in lines)


def _without_paths(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_paths(one) for name, one in value.items()}
    return Path(value).name if isinstance(value, str) and os.path.isabs(value) else value
