"""The control that leaves the image side: students and the truncated teacher placed among the teacher's texts."""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from asymdistill.config.names import SHIPPED_TEACHERS
from asymdistill.data import scenes
from asymdistill.data.views import BATCH, GaussianNoise
from asymdistill.metrics import crossmodal, decomposition
from asymdistill.runtime.errors import InputError
from asymdistill.study.experiment import Experiment
from asymdistill.study.measurements import measured
from asymdistill.study.run import Row
from asymdistill.study.student_configs import Model

TRUNCATED = 16  # the rank to which the papers say all students collapse
Check = Callable[[], None]


def rows(run: Experiment) -> Iterator[Row]:
    """The rows of the control; none where the teacher reads no text."""
    texts = class_texts(run)
    if texts is None:
        return
    captions = scene_captions(run)
    mean, directions = decomposition.principal_directions(run.encode(None, "train"))
    cut = partial(decomposition.truncate, mean=mean, directions=directions[:, :TRUNCATED])
    yield {"quantity": "chance", "value": 100 / len(texts)}

    def place(model: Model, images: Tensor, variant: str, sigma: float) -> list[Row]:
        accuracy = crossmodal.zero_shot_accuracy(images, texts, run.test.labels)
        found = [measured(model, "zero_shot", accuracy, variant, sigma=sigma)]
        if sigma == 0:
            gap = crossmodal.modality_gap(images, texts[run.test.labels] if captions is None else captions[0])
            found.append(measured(model, "modality_gap", gap, variant, sigma=sigma))
        if captions is not None:
            recall = crossmodal.retrieval(images, captions[0], caption_ids=captions[1])
            found += [measured(model, f"retrieval_{top}", value, variant, sigma=sigma) for top, value in recall.items()]
        return found

    def measure(model: Model, check: Check) -> list[Row]:
        found = []
        for sigma in run.settings.noise_levels:
            check()
            images = run.encode(model, "test", GaussianNoise(sigma, seed=run.settings.noise_seed))
            found += place(model, images, "full" if model is None else "student", sigma)
            if model is None:
                found += place(model, cut(images), f"top {TRUNCATED}", sigma)
        return found

    yield from run.gather(measure, [None, *run.arms()], "placing students among texts")


def class_texts(run: Experiment) -> Tensor | None:
    """The text embeddings of the classes' names, C x d; None where the teacher reads no text or not these names."""
    template = "a {}" if run.settings.teacher in SHIPPED_TEACHERS else "a photo of a {}."
    try:
        return run.teacher.encode_text([template.format(name.replace("_", " ")) for name in run.test.class_names]).cpu()
    except InputError:
        return None


def scene_captions(run: Experiment) -> tuple[Tensor, Tensor] | None:
    """Text embeddings of the test images' full captions, N x d, and a number for each distinct one, N; or None."""
    factors = run.test.factors
    if not factors:
        return None
    captions = [
        scenes.caption({name: int(values[row]) for name, values in factors.items()}, list(factors))
        for row in range(len(run.test))
    ]
    numbers = {text: number for number, text in enumerate(dict.fromkeys(captions))}
    texts = torch.cat([run.teacher.encode_text(captions[at : at + BATCH]) for at in range(0, len(captions), BATCH)])
    return texts.cpu(), torch.tensor([numbers[text] for text in captions])
