"""Parts of messages: whole ones, as many as there is room for, and how many more there are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asymdistill.runtime.errors import some_of


@pytest.mark.parametrize(
    ("parts", "longest", "said"),
    [
        ([], 10, ""),
        (["long"], 1, "long"),
        (["a", "b", "c"], 9, "a, b, c"),
        (["a", "b", "c"], 8, "a, b, and 1 more"),
        (["long", "b", "c"], 1, "long, and 2 more"),
    ],
)
def test_whole_parts_are_named_and_the_rest_counted(parts: list[str], longest: int, said: str) -> None:
    assert some_of(parts, longest=longest) == said


@given(st.lists(st.text("ab", min_size=1, max_size=8), max_size=30), st.integers(1, 60))
def test_no_part_is_cut_and_none_is_lost(parts: list[str], longest: int) -> None:
    *shown, last = some_of(parts, "; ", longest).split("; ")
    more = int(last.split()[1]) if last.startswith("and ") else 0
    shown += [] if more or not last else [last]
    assert shown == parts[: len(shown)]
    assert len(shown) + more == len(parts)
    assert len("; ".join(shown)) <= longest or len(shown) == 1
