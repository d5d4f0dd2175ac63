"""A Hugging Face hub of one's own: its cache on disk, a server of files, and servers that refuse or never answer."""

import hashlib
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def use(monkeypatch: pytest.MonkeyPatch, cache: Path, endpoint: str) -> None:
    """Let the hub's library keep its files in a folder and ask a server, for a second, as its environment would."""
    values = {
        "HF_HUB_CACHE": str(cache),
        "HF_HUB_OFFLINE": False,
        "HF_HUB_ETAG_TIMEOUT": 1,
        "ENDPOINT": endpoint,
        "HUGGINGFACE_CO_URL_TEMPLATE": endpoint + "/{repo_id}/resolve/{revision}/{filename}",
    }
    for name, value in values.items():
        monkeypatch.setattr(f"huggingface_hub.constants.{name}", value)
    monkeypatch.setattr("asymdistill.runtime.download.TIMEOUT", 1.0)


def store(cache: Path, project: str, name: str, content: bytes) -> Path:
    """Put a file into the hub's cache, laid out as a download leaves it."""
    folder = cache / f"models--{project.replace('/', '--')}"
    blob = folder / "blobs" / hashlib.sha256(content).hexdigest()
    link = folder / "snapshots" / COMMIT / name
    for path in (blob, link, folder / "refs" / "main"):
        path.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(content)
    link.symlink_to(blob)
    (folder / "refs" / "main").write_text(COMMIT)
    return link


def refusing() -> str:
    """The URL of a port on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@contextmanager
def black_hole() -> Iterator[str]:
    """The URL of a server that takes every connection and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@contextmanager
def serving(files: Mapping[str, bytes], *, delay: float = 0.0) -> Iterator[str]:
    """The URL of a server of files by path, with the headers that the hub sends; ``delay`` seconds before each byte."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            content = files.get(self.path)
            self.send_response(404 if content is None else 200)
            if content is None:
                self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{hashlib.sha256(content or b"").hexdigest()}"')
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            for byte in files.get(self.path, b"") if delay else ():
                time.sleep(delay)
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
            if not delay:
                self.wfile.write(files.get(self.path, b""))

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
