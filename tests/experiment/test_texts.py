"""Texts beside images: what the teacher is given to read."""

from types import SimpleNamespace
from typing import Any

import torch

from asymdistill.config.names import SCENES_CLIP
from asymdistill.experiment.texts import class_texts
from asymdistill.models.teachers import load_teacher


def test_names_of_classes_are_read_as_words() -> None:
    teacher = load_teacher(SCENES_CLIP)
    run: Any = SimpleNamespace(
        settings=SimpleNamespace(teacher=SCENES_CLIP),
        teacher=SimpleNamespace(network=teacher),
        images=SimpleNamespace(class_names=("red_circle", "blue_ring")),
    )
    texts = class_texts(run)
    assert texts is not None
    assert torch.equal(texts, teacher.encode_text(["a red circle", "a blue ring"]))
