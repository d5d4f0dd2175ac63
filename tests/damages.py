"""What can happen to a file of a store, and what one from elsewhere may hold."""

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


class Trap:
    """A pickled one says whether it was ever unpickled."""

    sprung = False

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return Trap.spring, ()

    @staticmethod
    def spring() -> list[int]:
        Trap.sprung = True
        return []
