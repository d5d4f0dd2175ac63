"""Digests of files: those of their content, computed once."""

import hashlib
import os
from pathlib import Path

import pytest

from asymdistill.runtime.digests import file_digest


def test_a_digest_is_that_of_the_content_and_follows_it(tmp_path: Path) -> None:
    file, copy = tmp_path / "a", tmp_path / "b"
    for content in (b"one", b"three"):
        file.write_bytes(content)
        copy.write_bytes(content)
        assert file_digest(file) == file_digest(copy) == hashlib.sha256(content).hexdigest()


def test_a_file_is_read_once_while_it_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"one")
    first = file_digest(file)
    monkeypatch.setattr(hashlib, "file_digest", lambda *_: pytest.fail("read again"))
    assert file_digest(file) == first
    os.utime(file, ns=(1, 1))
    with pytest.raises(pytest.fail.Exception):
        file_digest(file)
