"""What can happen to a file of a store."""

from pathlib import Path


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def folder_instead(path: Path) -> None:
    path.unlink()
    (path / "something").mkdir(parents=True)


DAMAGES = (cut, empty, flip, folder_instead)
