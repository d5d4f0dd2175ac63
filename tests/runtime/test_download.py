"""Downloads: what is there is fetched, however slowly it comes, and what is not is known in time."""

import socket
import time
import urllib.request
from pathlib import Path

import fake_hub
import pytest

from asymdistill.runtime import download
from asymdistill.runtime.download import HubFile, Unavailable

FILE = HubFile("someone/model", "model.safetensors")
PATH = "/someone/model/resolve/main/model.safetensors"


def test_a_silent_server_is_given_up_and_a_slow_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "TIMEOUT", 0.5)
    with download.timeout(), fake_hub.serving({"/archive": b"abcdefgh"}, delay=0.1) as url:
        with urllib.request.urlopen(f"{url}/archive") as response:
            assert response.read() == b"abcdefgh"
        with fake_hub.black_hole() as hole, pytest.raises(TimeoutError):
            urllib.request.urlopen(hole)


def test_the_timeout_ends_with_the_block() -> None:
    before = socket.getdefaulttimeout()
    with download.timeout():
        assert socket.getdefaulttimeout() == download.TIMEOUT != before
    assert socket.getdefaulttimeout() == before
    with pytest.raises(ZeroDivisionError), download.timeout():
        _ = 1 / 0
    assert socket.getdefaulttimeout() == before


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


@pytest.mark.parametrize("delay", [0, 0.15])
def test_a_missing_file_is_downloaded_into_the_cache_however_slowly_it_comes(
    delay: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DOWNLOAD_TIMEOUT", 0.5)
    with fake_hub.serving({PATH: b"weights"}, delay=delay) as url:
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


def test_a_hub_that_refuses_is_silent_or_is_not_to_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_hub.use(monkeypatch, tmp_path, fake_hub.refusing())
    start = time.monotonic()
    with pytest.raises(Unavailable, match="refused"):
        FILE.fetch()
    with fake_hub.black_hole() as url:
        fake_hub.use(monkeypatch, tmp_path, url)
        with pytest.raises(Unavailable, match="timed out"):
            FILE.fetch()
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        with pytest.raises(Unavailable, match="HF_HUB_OFFLINE"):
            FILE.fetch()
    assert time.monotonic() - start < 5
    assert not list(tmp_path.iterdir())
