"""A study: the tables of what an experiment measured, computed or recorded."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asymdistill.study.evidence import Evidence as Evidence
    from asymdistill.study.study import Study as Study

_WHERE = {"Evidence": "evidence", "Study": "study"}


def __getattr__(name: str) -> Any:
    """Import what it takes to compute a study when it is asked for: recorded runs are read without it."""
    if name in _WHERE:
        return getattr(import_module(f"asymdistill.study.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
