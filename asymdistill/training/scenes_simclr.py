"""Train the second embedded teacher, from images alone: ``python -m asymdistill.training.scenes_simclr --out DIR``.

The image tower of the first teacher learns, without a caption or a label, to tell which two of a batch's augmented
views show the same generated scene: SimCLR (Chen et al., ICML 2020), with a projection head that is thrown away
afterwards. Colours alone would tell most scenes apart, so the views' colours are turned at random and half of the views
are grey. A view also loses half of its tokens at random (Li et al., "Scaling Language-Image Pre-Training via Masking",
CVPR 2023), which nearly halves the time. The shipped weights (log beside them) are from the defaults.
"""

import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from open_clip.transformer import PatchDropout
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torchvision.transforms import v2

from asymdistill.data.preprocess import clip_preprocess
from asymdistill.data.scenes import generate
from asymdistill.models.mini_clip import EMBEDDING_DIM, RESOLUTION, VIEWS, ImageTower, Towers, load_embedded, pack
from asymdistill.store import files
from asymdistill.training.losses import nt_xent
from asymdistill.training.pretraining import Log, check_settings, command_line, measure_on_scenes, optimizer, step

_HIDDEN, _PROJECTED = 256, 64


@dataclass(frozen=True)
class Settings:
    """What the training depends on.

    Attributes:
        images: Scenes to train on.
        epochs: Passes over them.
        seed: Of the scenes, the first weights and the views; seed + 1 and seed + 2 draw the scenes that the trained
            teacher is measured on.
        batch: Scenes a step, two views of each.
        learning_rate: Of AdamW at the end of the warm-up, from where it falls along a cosine to zero.
        weight_decay: Of AdamW, on matrices only.
        warmup: Part of all steps in which the learning rate rises.
        temperature: Of the contrastive loss.
        smallest_crop: Least part of a scene's area that a view shows.
        dropped: Part of a view's tokens that the tower doesn't see in training.
        probe_images: Scenes that the linear probe is fitted on; half as many test it.
    """

    images: int = 24_000
    epochs: int = 12
    seed: int = 0
    batch: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup: float = 0.05
    temperature: float = 0.1
    smallest_crop: float = 0.6
    dropped: float = 0.5
    probe_images: int = 4_000

    def __post_init__(self) -> None:
        positive = ("images", "epochs", "batch", "learning_rate", "temperature", "smallest_crop")
        check_settings(self, positive, {"seed": 2**63, "smallest_crop": 1, "warmup": 1, "dropped": 0.9})


def augmentation(smallest_crop: float) -> v2.Compose:
    """How a view is made from a scene: SimCLR's crops, flips and changes of colour, without its blur."""
    return v2.Compose([
        v2.RandomResizedCrop(RESOLUTION, (smallest_crop, 1.0), antialias=True),
        v2.RandomHorizontalFlip(),
        v2.ColorJitter(0.5, 0.5, 0.5, 0.5),
        v2.RandomGrayscale(0.5),
    ])  # fmt: skip


def train(settings: Settings, images: Tensor) -> Iterator[tuple[Towers, float]]:
    """Train the tower, yielding it with the epoch's mean loss after each epoch.

    Args:
        settings: What the training depends on.
        images: uint8, N x 32 x 32 x 3.

    Yields:
        The same tower each time, in eval mode and without a text tower, and the mean loss of the epoch in nats.
    """
    torch.manual_seed(settings.seed)  # torchvision's transforms draw from the global generator
    tower = ImageTower()
    tower.transformer.patch_dropout = PatchDropout(settings.dropped)  # it drops none in eval mode
    head = nn.Sequential(
        nn.Linear(EMBEDDING_DIM, _HIDDEN), nn.BatchNorm1d(_HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, _PROJECTED)
    )
    augment = augmentation(settings.smallest_crop)
    batch = min(settings.batch, len(images))
    steps = settings.epochs * (len(images) // batch)
    descent, schedule = optimizer([*tower.parameters(), *head.parameters()], settings, steps)
    upright = images.permute(0, 3, 1, 2).contiguous()
    for _ in range(settings.epochs):
        losses = []
        tower.train()
        for chosen in torch.split(torch.randperm(len(images)), batch):
            if len(chosen) < batch:
                continue
            views = torch.stack([augment(image) for image in upright[chosen] for _ in range(2)])
            # On a CPU with bfloat16, it and plain attention take half the time; the loss itself stays in float32.
            with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
                projected = head(tower(clip_preprocess(views.permute(0, 2, 3, 1), RESOLUTION)))
            loss = nt_xent(projected[0::2], projected[1::2], temperature=settings.temperature)
            losses.append(step(loss, descent, schedule))
        yield Towers(tower.eval()), float(np.mean(losses))


def pretrain(out: Path, settings: Settings) -> None:
    """Train, measure and write ``embedded-views.safetensors`` and its log; the weights so far after each epoch."""
    weights = out / f"{VIEWS}.safetensors"
    out.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()
    chance = math.log(2 * min(settings.batch, settings.images) - 1)
    with Log(weights.with_suffix(".log"), settings) as log:
        images = generate(settings.images, seed=settings.seed).images
        for epoch, (towers, loss) in enumerate(train(settings, images), start=1):
            files.write_tensors(weights, *pack(towers))
            seconds = time.perf_counter() - begin
            log.say(f"epoch {epoch}: loss {loss:.4f} of {chance:.4f} for chance, {seconds:.0f} s")
        # The file is measured, not the tower in memory: it holds half precision.
        log.say_all(measure_on_scenes(load_embedded(weights).image, settings.seed, settings.probe_images))
        log.say(f"threads: {torch.get_num_threads()}, seconds: {time.perf_counter() - begin:.0f}")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit status: 0, or 2 for bad input."""
    return command_line("pretrain_views", Settings, pretrain, arguments)


if __name__ == "__main__":
    sys.exit(main())
