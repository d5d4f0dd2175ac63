"""What comes from the network: asked for once, in bounded time, so that its absence is known within seconds."""

import threading
import urllib.request
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache

Answer = TypeVar("Answer")
PATIENCE = 3.0  # seconds; with the time that the libraries take to start, a command fails within ten
HANGING = 2 * PATIENCE  # seconds after which a question that nobody waits for any more ends


class Unavailable(OSError):
    """Something could not be had from the network; the message is the reason, in one line."""


def within(seconds: float, ask: Callable[[], Answer]) -> Answer:
    """Call ``ask`` and stop waiting for it after some seconds.

    A socket's own timeout bounds neither the look-up of a name nor how many addresses are tried in turn. So the call
    runs in a thread of its own, which is left behind where it hangs.

    Args:
        seconds: how long to wait.
        ask: called without arguments.

    Returns:
        What ``ask`` returns.

    Raises:
        Unavailable: ``ask`` raised something, or took too long.
    """
    future: Future[Answer] = Future()

    def run() -> None:
        try:
            future.set_result(ask())
        except Exception as error:  # what it raises depends on the library that asks, and on its version
            future.set_exception(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not future.done():
        raise Unavailable(f"no answer within {seconds:g} seconds")
    try:
        return future.result()
    except Exception as error:
        raise Unavailable(_reason(error)) from None


def expect_answer(url: str) -> None:
    """Make sure that a server begins to send what it has at a URL, through the proxy that the environment names.

    Raises:
        Unavailable: it does not.
    """

    def first_byte() -> None:
        request = urllib.request.Request(url, headers={"User-Agent": "asymdistill"})
        with urllib.request.urlopen(request, timeout=HANGING) as response:
            response.read(1)

    within(PATIENCE, first_byte)


@dataclass(frozen=True)
class HubFile:
    """A file of a project on the Hugging Face hub.

    Attributes:
        project: the repository's id, say ``timm/vit_base_patch32_clip_224.openai``.
        name: the file's.
        revision: branch, tag or commit; None: the main branch.
    """

    project: str
    name: str
    revision: str | None = None

    @property
    def folder(self) -> Path:
        """Where the hub's cache keeps the project."""
        return Path(constants.HF_HUB_CACHE) / f"models--{self.project.replace('/', '--')}"

    def cached(self) -> Path | None:
        """The file in the hub's cache, or None; the network is not asked."""
        found = try_to_load_from_cache(self.project, self.name, revision=self.revision)
        return Path(found) if isinstance(found, str) else None

    def fetch(self) -> Path:
        """The file in the hub's cache, downloaded where it is missing.

        Raises:
            Unavailable: the hub does not answer, is not to be asked (``HF_HUB_OFFLINE``), or has no such file.
        """
        found = self.cached()
        if found is not None:
            return found
        # Asked for once first, because the download itself tries again for most of a minute.
        url = hf_hub_url(self.project, self.name, revision=self.revision)
        within(PATIENCE, lambda: get_hf_file_metadata(url, timeout=HANGING))
        try:
            return Path(hf_hub_download(self.project, self.name, revision=self.revision))
        except Exception as error:  # of several libraries that have no common ancestor
            raise Unavailable(_reason(error)) from None


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
