"""Texts beside the test images, as the teacher's text tower embeds them."""

import torch
from torch import Tensor

from asymdistill.config.names import SCENES_TEACHERS
from asymdistill.data import scenes
from asymdistill.data.views import BLOCK
from asymdistill.experiment.experiment import Experiment
from asymdistill.runtime.errors import InputError


def class_texts(run: Experiment) -> Tensor | None:
    """The text embeddings of the classes' names, C x d; None where the teacher reads no text or not these names."""
    template = "a {}" if run.settings.teacher in SCENES_TEACHERS else "a photo of a {}."
    try:
        return run.teacher.network.encode_text(
            [template.format(name.replace("_", " ")) for name in run.images.class_names]
        ).cpu()
    except InputError:
        return None


def scene_captions(run: Experiment) -> tuple[Tensor, Tensor] | None:
    """Text embeddings of the test images' full captions, N x d, and an id per distinct caption, N; or None."""
    factors = run.images.test.factors
    if not factors:
        return None
    captions = [
        scenes.caption({name: int(values[row]) for name, values in factors.items()}, list(factors))
        for row in range(len(run.images.test))
    ]
    ids = {text: number for number, text in enumerate(dict.fromkeys(captions))}
    texts = torch.cat(
        [run.teacher.network.encode_text(captions[at : at + BLOCK]) for at in range(0, len(captions), BLOCK)]
    )
    return texts.cpu(), torch.tensor([ids[text] for text in captions])
