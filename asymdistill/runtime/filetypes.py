"""What a file is that is not what its name says, for messages that tell what to do about it."""

from pathlib import Path

_BEGINNINGS = (
    (b"version https://git-lfs", "a Git LFS pointer in place of the file: fetch it with git lfs pull"),
    (b"/annex/objects/", "a git-annex pointer in place of the file: fetch it with git annex get"),
    (b"<", "a web page or other markup: download the file itself"),
    (b"{", "text, such as JSON"),
    (b"PK\x03\x04", "a ZIP archive, of .npz or another kind"),
    (b"\x93NUMPY", "a single NumPy array (.npy)"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x1f\x8b", "a file packed by gzip"),
    (b"\x80", "a Python pickle, which can run code and is never read"),
)


def found_in(path: Path) -> str:
    """What a file begins like, in words that follow "it is"; empty where nothing is known.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(1024)
    if not head:
        return "empty"
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for beginning, words in _BEGINNINGS:
        if start.startswith(beginning):
            return words
    return "text" if all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head) else ""


def explained(path: Path, otherwise: str) -> str:
    """What was found in a file that is of no use, or else some other words, in brackets; empty if there are none."""
    words = found_in(path) or otherwise
    return f" (it is {words})" if words else ""
