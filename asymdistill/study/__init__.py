"""A study: which students are trained, what is measured, and the tables that hold it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asymdistill.study.study import Study as Study


def __getattr__(name: str) -> Any:
    """Import ``Study`` when it is asked for: recorded runs are read without what it takes to compute one."""
    if name == "Study":
        from asymdistill.study.study import Study

        return Study
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
