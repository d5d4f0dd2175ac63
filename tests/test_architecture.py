"""What linters cannot see: the package unpickles nothing, and declares exactly the libraries that it imports."""

import ast
import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest

import asymdistill

PACKAGE = Path(asymdistill.__file__).parent
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
UNPICKLERS = {"pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"}
# Imported within functions of the builder only; the extra "book" declares them.
BOOK = {"fontTools", "ipykernel", "markdown_it", "nbclient", "papermill", "yaml"}
# Imported only to read such files; an extra of its own.
PARQUET = {"pyarrow"}
# Imported only where an address of a Ray cluster is given; an extra of its own, and too large for the tests'.
CLUSTER = {"ray"}


@cache
def parse(name: str) -> ast.Module:
    return ast.parse((PACKAGE / name).read_text("utf-8"))


def libraries(name: str) -> set[str]:
    """Top-level names of everything that a module imports, at its top or within its functions."""
    names = set()
    for node in ast.walk(parse(name)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names.add(str(node.module).split(".")[0])
    return names


@pytest.mark.parametrize("name", MODULES)
def test_no_file_is_ever_unpickled(name: str) -> None:
    assert not libraries(name) & UNPICKLERS
    for node in ast.walk(parse(name)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"torch.load", "pd.read_pickle", "torch.hub.load", "eval", "exec"}
            if called in {"np.load", "numpy.load"}:
                assert "allow_pickle=False" in ast.unparse(node)


def requirements(extra: str | None = None) -> set[str]:
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text("utf-8"))["project"]
    listed = project["optional-dependencies"][extra] if extra else project["dependencies"]
    return {normal(re.split(r"[\[<>=!~; ]", line)[0]) for line in listed}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_library_is_declared_and_every_declared_library_is_used() -> None:
    providers = metadata.packages_distributions()
    own = {library for name in MODULES for library in libraries(name)} - sys.stdlib_module_names - {"asymdistill"}
    for library in own:
        declared = requirements() | (requirements("book") if library in BOOK else set())
        declared |= requirements("parquet") if library in PARQUET else set()
        declared |= requirements("cluster") if library in CLUSTER else set()
        assert {normal(provider) for provider in providers.get(library, [library])} & declared, library
    assert requirements() <= {
        normal(provider) for library in own - PARQUET - CLUSTER for provider in providers[library]
    }


def test_the_builder_is_imported_without_the_extra_book() -> None:
    missing = BOOK | {"IPython", "jupyter_book", "jupytext", "myst_nb", "nbformat", "sphinx"}
    code = f"import sys; sys.modules.update(dict.fromkeys({missing})); import asymdistill.builder.build"
    code += "; assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
