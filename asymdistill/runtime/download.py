"""Downloads: each file is asked for once, so that a missing network gives one clear error without long waits."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TIMEOUT = 30.0  # seconds of silence, not of a whole download


class Unavailable(OSError):
    """Something could not be downloaded; the message is the reason, in one line."""


@contextmanager
def timeout() -> Iterator[None]:
    """Give up on connections that are silent for ``TIMEOUT`` seconds, in libraries that would wait forever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@dataclass(frozen=True)
class HubFile:
    """A file of a project on the Hugging Face hub.

    Attributes:
        project: the repository's id, such as ``timm/vit_base_patch32_clip_224.openai``.
        name: the file's name.
        revision: branch, tag or commit; None: the main branch.
    """

    project: str
    name: str
    revision: str | None = None

    @property
    def folder(self) -> Path:
        """Where the hub's cache keeps the project."""
        from huggingface_hub import constants

        return Path(constants.HF_HUB_CACHE) / f"models--{self.project.replace('/', '--')}"

    def cached(self) -> Path | None:
        """The file in the hub's cache, or None; nothing is downloaded."""
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(self.project, self.name, revision=self.revision)
        return Path(found) if isinstance(found, str) else None

    def fetch(self) -> Path:
        """The file in the hub's cache, downloaded where it is missing.

        The hub's own environment variables apply: ``HF_HUB_OFFLINE``, ``HF_HUB_DOWNLOAD_TIMEOUT`` and, if it is more
        than ``TIMEOUT``, ``HF_HUB_ETAG_TIMEOUT`` for the first answer.

        Raises:
            Unavailable: the hub does not answer, downloads are switched off, or it has no such file.
        """
        from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url

        found = self.cached()
        if found is not None:
            return found
        patience = max(TIMEOUT, constants.HF_HUB_ETAG_TIMEOUT)
        try:
            # Asked for once first, because the download itself tries six times, for up to a minute each.
            get_hf_file_metadata(hf_hub_url(self.project, self.name, revision=self.revision), timeout=patience)
            return Path(hf_hub_download(self.project, self.name, revision=self.revision, etag_timeout=patience))
        except Exception as error:  # of several libraries that have no common ancestor
            raise Unavailable(" ".join(str(error).split())[:200] or type(error).__name__) from None
