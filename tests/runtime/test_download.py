"""The network: what is there is fetched, and what is not is known within seconds, whatever keeps it from answering."""

import socket
import threading
import time
from pathlib import Path

import fake_hub
import pytest

from asymdistill.runtime import download
from asymdistill.runtime.download import HubFile, Unavailable, expect_answer, within

FILE = HubFile("someone/model", "model.safetensors")
PATH = "/someone/model/resolve/main/model.safetensors"


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for half a second only."""
    monkeypatch.setattr(download, "PATIENCE", 0.5)


def test_an_answer_in_time_is_given_back() -> None:
    assert within(5, lambda: 7) == 7


def test_what_is_raised_while_asking_is_the_reason_in_one_line() -> None:
    def ask() -> None:
        raise KeyError("no\n   such\nthing")

    with pytest.raises(Unavailable, match="such"):
        within(5, ask)
    with pytest.raises(Unavailable, match=r"^ZeroDivisionError$"):
        within(5, lambda: (_ for _ in ()).throw(ZeroDivisionError()))


def test_what_never_answers_is_given_up_and_left_behind() -> None:
    forever = threading.Event()
    start = time.monotonic()
    with pytest.raises(Unavailable, match=r"^no answer within 0\.3 seconds$"):
        within(0.3, forever.wait)
    assert 0.3 <= time.monotonic() - start < 3
    forever.set()


def test_a_name_that_is_looked_up_for_ever_is_given_up(hasty: None, monkeypatch: pytest.MonkeyPatch) -> None:
    forever = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: forever.wait())
    with pytest.raises(Unavailable, match="no answer within"):
        expect_answer("http://cifar.invalid/archive")
    forever.set()


def test_a_server_that_sends_a_byte_answers() -> None:
    with fake_hub.serving({"/archive": b"abc"}) as url:
        expect_answer(f"{url}/archive")
        with pytest.raises(Unavailable, match="404"):
            expect_answer(f"{url}/other")


def test_a_server_that_refuses_or_is_silent_does_not(hasty: None) -> None:
    with pytest.raises(Unavailable, match="refused"):
        expect_answer(fake_hub.refusing())
    with fake_hub.black_hole() as url, pytest.raises(Unavailable, match=r"^no answer within 0\.5 seconds$"):
        expect_answer(url)


# The hub


def test_a_cached_file_is_found_without_asking_anyone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_hub.black_hole() as url:
        fake_hub.use(monkeypatch, tmp_path, url)
        assert FILE.cached() is None
        link = fake_hub.store(tmp_path, FILE.project, FILE.name, b"weights")
        start = time.monotonic()
        assert FILE.cached() == FILE.fetch() == link
        assert time.monotonic() - start < 1
        assert FILE.folder == tmp_path / "models--someone--model"
        assert FILE.folder in link.parents
        assert HubFile(FILE.project, FILE.name, "other").cached() is None
        assert HubFile(FILE.project, FILE.name, fake_hub.COMMIT).cached() == link


def test_a_missing_file_is_downloaded_into_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_hub.serving({PATH: b"weights"}) as url:
        fake_hub.use(monkeypatch, tmp_path, url)
        path = FILE.fetch()
    assert path.read_bytes() == b"weights"
    assert FILE.folder in path.parents
    fake_hub.use(monkeypatch, tmp_path, fake_hub.refusing())
    assert FILE.fetch() == path


def test_a_file_that_the_project_lacks_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_hub.serving({"/someone/model/resolve/main/model.bin": b"pickle"}) as url:
        fake_hub.use(monkeypatch, tmp_path, url)
        with pytest.raises(Unavailable, match="404"):
            FILE.fetch()


def test_a_hub_that_refuses_is_silent_or_is_not_to_be_asked(
    hasty: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_hub.use(monkeypatch, tmp_path, fake_hub.refusing())
    start = time.monotonic()
    with pytest.raises(Unavailable, match="refused"):
        FILE.fetch()
    with fake_hub.black_hole() as url:
        fake_hub.use(monkeypatch, tmp_path, url)
        with pytest.raises(Unavailable, match=r"^no answer within 0\.5 seconds$"):
            FILE.fetch()
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        with pytest.raises(Unavailable, match="HF_HUB_OFFLINE"):
            FILE.fetch()
    assert time.monotonic() - start < 5
    assert not list(tmp_path.iterdir())
