"""Keys of stored results: equal inputs give the same key on any machine."""

import ast
import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1]
# Up to 3.11.7, Python counts the depth of all threads' syntax trees in one place: two that parse at the same time can
# end in a SystemError (github.com/python/cpython/issues/106905).
_PARSING = threading.Lock()


@dataclass(frozen=True)
class Kind:
    """One kind of stored result.

    Attributes:
        name: of the kind, and of its folder in the store.
        version: raised by hand when the code below gives other results.
        modules: what computes it, relative to the package; changes to their code, but not to comments, are reported.
        libraries: those whose versions are recorded; another version is reported as well.
    """

    name: str
    version: int
    modules: tuple[str, ...]
    libraries: tuple[str, ...] = ("torch",)

    @property
    def code(self) -> str:
        """Digest of the code that computes it, without comments and docstrings."""
        return code_digest(self.modules)


@dataclass(frozen=True)
class Artifact:
    """A result that is stored, or will be, under a key made from its inputs.

    Attributes:
        kind: what it is.
        inputs: everything that changes it, resolved to plain values; the keys of the artifacts it is made from.
        sources: the artifacts it is made from, so that their code and versions are compared, too; not part of the key.
    """

    kind: Kind
    inputs: Mapping[str, Any]
    sources: tuple["Artifact", ...] = ()

    @cached_property
    def key(self) -> str:
        """Forty hexadecimal digits over kind, version and inputs."""
        named = {"kind": self.kind.name, "version": self.kind.version, "inputs": self.inputs}
        return hashlib.sha256(canonical(named).encode()).hexdigest()[:40]

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Artifact) and self.key == other.key


def canonical(value: object) -> str:
    """JSON with sorted keys and no spaces: one text for one value.

    Raises:
        ValueError: NaN or infinity, which no input may be.
        TypeError: something that JSON does not have.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


@cache
def code_digest(modules: tuple[str, ...]) -> str:
    """Sixteen hexadecimal digits over the code of some modules, without comments, docstrings and layout."""
    digest = hashlib.sha256()
    for module in sorted(modules):
        digest.update(f"{module}\n{_bare((PACKAGE / module).read_text('utf-8'))}\n".encode())
    return digest.hexdigest()[:16]


def _bare(source: str) -> str:
    with _PARSING:
        tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            assert isinstance(body, list)
            node.body = [part for part in body if not _is_text(part)] or [ast.Pass()]
    return ast.unparse(tree)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
