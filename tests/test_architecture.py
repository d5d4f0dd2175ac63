"""The house: every module says what it is, unpickles nothing, and imports what is declared."""

import ast
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import asymdistill

PACKAGE = Path(asymdistill.__file__).parent
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
NOTEBOOK = {
    *("IPython", "ipykernel", "jupyter_book", "jupytext", "myst_nb", "nbclient", "nbformat", "nbval", "papermill"),
    *("sphinx", "yaml"),
}


def parse(name: str) -> ast.Module:
    return ast.parse((PACKAGE / name).read_text("utf-8"))


def imported(nodes: list[ast.AST]) -> set[str]:
    """Dotted names of everything that some nodes import."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names.add(str(node.module))
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def top_level(name: str) -> set[str]:
    """Third parties that a module imports when it is imported itself: not those within functions."""
    inner = {
        id(node)
        for function in ast.walk(parse_once(name))
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
    }
    outer = [node for node in ast.walk(parse_once(name)) if id(node) not in inner]
    return {full.split(".")[0] for full in imported(outer)}


_PARSED: dict[str, ast.Module] = {}


def parse_once(name: str) -> ast.Module:
    return _PARSED.setdefault(name, parse(name))


@pytest.mark.parametrize("name", MODULES)
def test_a_module_says_what_it_is(name: str) -> None:
    assert ast.get_docstring(parse(name))


@pytest.mark.parametrize("name", MODULES)
def test_no_file_is_ever_unpickled(name: str) -> None:
    tree = parse(name)
    assert not imported(list(ast.walk(tree))) & {"pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"torch.load", "pd.read_pickle", "torch.hub.load", "eval", "exec"}
            if called in {"np.load", "numpy.load"}:
                assert "allow_pickle=False" in ast.unparse(node)


@pytest.mark.parametrize("name", MODULES)
def test_no_notebook_tool_is_needed_to_import_a_module(name: str) -> None:
    assert not top_level(name) & NOTEBOOK
    if not name.startswith("builder/"):
        anywhere = {full.split(".")[0] for full in imported(list(ast.walk(parse(name))))}
        assert not anywhere & NOTEBOOK


def requirements(extra: str | None = None) -> set[str]:
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text("utf-8"))["project"]
    listed = project["optional-dependencies"][extra] if extra else project["dependencies"]
    return {normal(re.split(r"[\[<>=!~; ]", line)[0]) for line in listed}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("name", MODULES)
def test_every_library_is_declared(name: str) -> None:
    providers = metadata.packages_distributions()
    third = top_level(name) - sys.stdlib_module_names - {"asymdistill"}
    undeclared = {library for library in third if not {normal(known) for known in providers[library]} & requirements()}
    assert not undeclared


def test_every_declared_library_is_used() -> None:
    providers = metadata.packages_distributions()
    everything = {full.split(".")[0] for name in MODULES for full in imported(list(ast.walk(parse(name))))}
    used = {normal(known) for library in everything for known in providers.get(library, [])}
    assert requirements() <= used


def test_every_function_of_the_package_is_annotated_and_every_public_one_documented() -> None:
    bare = []
    for name in MODULES:
        for node in ast.walk(parse(name)):
            if isinstance(node, ast.FunctionDef):
                arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                untyped = [a.arg for a in arguments if a.annotation is None and a.arg not in ("self", "cls")]
                if node.returns is None or untyped:
                    bare.append(f"{name}.{node.name}")
    assert not bare
