"""What a sweep needs: each result once, whichever of its points need it, found or missing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from asymdistill.sweep.tasks import Task


@dataclass
class Piece:
    """The teacher's embeddings of some images, or all that is measured of a model.

    Attributes:
        words: what it is.
        task: what a worker gets to compute it.
        found: whether all of it is stored.
        cost: of computing it, beside others.
        needs: keys of the embeddings that have to be there before.
        student: its key as a student; None: it is none.
        trained: whether that is stored.
        rows: of the table, each a sequence of values; None where it is not measured.
        error: why it is not there.
    """

    words: str
    task: Task
    found: bool
    cost: int = 1
    needs: tuple[str, ...] = ()
    student: str | None = None
    trained: bool = False
    rows: list[list[Any]] | None = None
    error: str | None = None


@dataclass
class Needs:
    """Everything that a sweep needs.

    Attributes:
        embeddings: by key.
        models: by the key of what is measured of them.
        places: for each point, by its number, the keys of its models.
    """

    embeddings: dict[str, Piece] = field(default_factory=dict)
    models: dict[str, Piece] = field(default_factory=dict)
    places: dict[int, list[str]] = field(default_factory=dict)

    def add(self, number: int, point: Task, where: str, found: Mapping[str, Any]) -> None:
        """Add what a point needs.

        Args:
            number: of the point.
            point: the beginning of its tasks.
            where: in words, what sets it apart.
            found: what ``tasks.examine`` says of it.
        """
        for key, need in found["embeddings"].items():
            words = f"{point['settings']['teacher']} of {point['settings']['dataset']}, {need['task']['split']}"
            self.embeddings.setdefault(key, Piece(words, point | need["task"], need["found"]))
        self.places[number] = [model["key"] for model in found["models"]]
        for model in found["models"]:
            piece = Piece(
                words=f"{model['words']}{where}",
                task=point | model["task"],
                found=model["result"] is not None,
                cost=model["cost"],
                needs=tuple(model["needs"]),
                student=model["student"],
                trained=model["trained"],
                rows=model["result"] and model["result"]["rows"],
            )
            self.models.setdefault(model["key"], piece)

    @property
    def missing(self) -> dict[str, Piece]:
        """The models that were not measured, or not completely."""
        return {key: piece for key, piece in self.models.items() if not piece.found}

    @property
    def missing_embeddings(self) -> dict[str, Piece]:
        """The embeddings that have to be computed for them."""
        needed = {key for piece in self.missing.values() for key in piece.needs}
        return {key: piece for key, piece in self.embeddings.items() if key in needed and not piece.found}

    @property
    def failed(self) -> dict[str, str]:
        """What failed, in words, and why."""
        pieces = (*self.embeddings.values(), *self.models.values())
        return {piece.words: piece.error for piece in pieces if piece.error is not None}

    def give_up(self) -> None:
        """Mark the models whose embeddings failed."""
        lost = {key for key, piece in self.embeddings.items() if piece.error is not None}
        for piece in self.missing.values():
            if lost.intersection(piece.needs):
                piece.error = "the teacher embeddings that it needs failed"

    def counts(self) -> dict[str, tuple[int, int]]:
        """How many students and sets of teacher embeddings there are, and how many of them are to be computed."""
        students = {piece.student for piece in self.models.values() if piece.student}
        untrained = {piece.student for piece in self.missing.values() if piece.student and not piece.trained}
        return {
            "students": (len(students), len(untrained)),
            "embeddings": (len(self.embeddings), len(self.missing_embeddings)),
        }
