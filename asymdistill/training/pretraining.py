"""What the trainings of both embedded teachers share: the optimiser, the log, what is measured, the command line."""

import argparse
import json
import math
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol, Self

import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from asymdistill.data.preprocess import clip_preprocess
from asymdistill.data.scenes import SHAPES, generate
from asymdistill.metrics.spectrum import effective_rank
from asymdistill.models.mini_clip import RESOLUTION, ImageTower
from asymdistill.runtime.errors import InputError, check_positive

_PACKAGES = ("torch", "open_clip_torch", "numpy", "pillow", "scikit-learn")


class Descent(Protocol):
    """How the weights are moved."""

    @property
    def learning_rate(self) -> float:
        """At the end of the warm-up."""

    @property
    def weight_decay(self) -> float:
        """On matrices only."""

    @property
    def warmup(self) -> float:
        """Part of all steps in which the learning rate rises."""


def optimizer(parameters: Sequence[nn.Parameter], settings: Descent, steps: int) -> tuple[AdamW, LambdaLR]:
    """AdamW whose learning rate rises linearly and then falls along a cosine to zero, over so many steps."""
    descent = AdamW(
        [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": settings.weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=settings.learning_rate,
        betas=(0.9, 0.98),
    )
    rise = max(1, round(settings.warmup * steps))

    def rate(step: int) -> float:
        if step < rise:
            return (step + 1) / rise
        return (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise))) / 2

    return descent, LambdaLR(descent, rate)


def check_settings(settings: Any, positive: Sequence[str], most: Mapping[str, float]) -> None:
    """Raise ``InputError`` unless some settings are greater than zero, and others between zero and a bound each.

    The linear probe of each training needs images of two classes.
    """
    for name in positive:
        check_positive(name, getattr(settings, name))
    for name, bound in most.items():
        if not 0 <= getattr(settings, name) <= bound:
            raise InputError(f"{name} is {getattr(settings, name)}; allowed: 0 to {bound}")
    if settings.probe_images < 2:
        raise InputError(f"probe_images is {settings.probe_images}; it must be at least 2")


def step(loss: Tensor, descent: AdamW, schedule: LambdaLR) -> float:
    """Move the weights once against a loss, and the learning rate along its course; return the loss."""
    descent.zero_grad()
    torch.autograd.backward(loss)
    descent.step()
    schedule.step()
    return loss.item()


class Log:
    """A training's log, shown as it is written: settings and versions first.

    Args:
        path: the file.
        settings: a dataclass.
        before: lines of an earlier run, which are kept.
    """

    def __init__(self, path: Path, settings: Any, before: str = "") -> None:
        self._file = path.open("w", encoding="utf-8")
        self._file.write(before)
        versions = [f"python {platform.python_version()}", *(f"{name} {version(name)}" for name in _PACKAGES)]
        self.say(f"settings: {json.dumps(asdict(settings))}")
        self.say(f"versions: {', '.join(versions)}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def say(self, line: str) -> None:
        """Write a line to the file and to standard output."""
        for stream in (self._file, sys.stdout):
            print(line, file=stream, flush=True)

    def say_all(self, measured: Mapping[str, float]) -> None:
        """Write one line a measurement."""
        for name, value in measured.items():
            self.say(f"{name}: {value:.4f}")


@torch.no_grad()
def embed(tower: ImageTower, images: Tensor) -> Tensor:
    """Embeddings of uint8 images, N x 128, each of length 1."""
    parts = [tower(clip_preprocess(part, RESOLUTION)) for part in torch.split(images, 500)]
    return F.normalize(torch.cat(parts), dim=1)


def measure_on_scenes(tower: ImageTower, seed: int, probe_images: int) -> dict[str, float]:
    """Measure an image tower on scenes that it never saw.

    Args:
        tower: trained, in eval mode.
        seed: of the training; seed + 1 and seed + 2 draw the scenes.
        probe_images: on which a linear probe is fitted; half as many test it.

    Returns:
        What ``probe_and_rank`` gives, for shapes.
    """
    fitted, tested = (
        generate(count, seed=seed + offset)
        for offset, count in ((1, probe_images), (2, max(probe_images // 2, len(SHAPES))))
    )
    return probe_and_rank(tower, fitted, tested)


class Labelled(Protocol):
    """Images, uint8, N x H x W x 3, and their classes, int64, N."""

    @property
    def images(self) -> Tensor:
        """The images."""

    @property
    def labels(self) -> Tensor:
        """Their classes."""


def probe_and_rank(tower: ImageTower, fitted: Labelled, tested: Labelled) -> dict[str, float]:
    """Measure an image tower.

    Args:
        tower: trained, in eval mode.
        fitted: on which a linear probe is fitted.
        tested: on which it is tested.

    Returns:
        Accuracy of the probe, 0 to 1, and the effective rank of the centred test embeddings.
    """
    probe = LogisticRegression(max_iter=2000).fit(embed(tower, fitted.images).numpy(), fitted.labels.numpy())
    own = embed(tower, tested.images)
    return {
        "probe accuracy": float(probe.score(own.numpy(), tested.labels.numpy())),
        "effective rank": effective_rank(own),
    }


def command_line(
    module: str, settings: type[Any], train: Callable[..., None], arguments: list[str] | None, **paths: str
) -> int:
    """Run a training from the command line, with an option for each of its settings.

    Args:
        module: the module's name.
        settings: dataclass of the settings, each with a default.
        train: called with the folder, the settings, and the paths by name.
        arguments: words of the command line; None: the process's own.
        paths: further options that take a path, each with what it says of itself.

    Returns:
        The exit status: 0, or 2 for bad input.
    """
    parser = argparse.ArgumentParser(prog=f"python -m asymdistill.{module}", description="Train an embedded teacher.")
    parser.add_argument("--out", type=Path, required=True, help="folder for the weights and the log")
    for name, text in paths.items():
        parser.add_argument(f"--{name}", type=Path, help=text)
    for field in fields(settings):
        option = "--" + field.name.replace("_", "-")
        parser.add_argument(option, type=type(field.default), default=field.default, help="default: %(default)s")
    chosen = vars(parser.parse_args(arguments))
    out, given = chosen.pop("out"), {name: chosen.pop(name) for name in paths}
    try:
        train(out, settings(**chosen), **given)
    except (InputError, OSError) as error:
        print(f"asymdistill: error: {error}", file=sys.stderr)
        return 2
    return 0
