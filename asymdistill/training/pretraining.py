"""Pretraining a teacher on Scenes: one loop, its optimiser and log, and the command line of every recipe.

A recipe holds the settings of a training and makes the task that is trained: a module that maps the indices of a
batch of scenes to a loss. ``scenes_clip`` and ``scenes_simclr`` are the two recipes.
"""

import argparse
import json
import math
import platform
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from asymdistill.data import scenes
from asymdistill.data.scenes import SHAPES, Scenes
from asymdistill.data.views import View
from asymdistill.metrics.probe import fit_probe
from asymdistill.metrics.spectrum import effective_rank
from asymdistill.models.encoding import embed
from asymdistill.models.mini_clip import RESOLUTION, Towers, load_towers, save_towers
from asymdistill.runtime.devices import has_bfloat16
from asymdistill.runtime.errors import InputError, check_positive

_PACKAGES = ("torch", "open_clip_torch", "numpy", "pillow", "scikit-learn")


class Task(nn.Module, ABC):
    """What a recipe trains: towers, whatever else has weights, and the loss of a batch.

    Attributes:
        towers: to be kept; whatever else the task holds is thrown away.
        generator: draws the order of the scenes.
    """

    towers: Towers
    generator: torch.Generator

    @abstractmethod
    def forward(self, chosen: Tensor) -> Tensor:
        """The loss, a float32 scalar, of the scenes with the indices ``chosen``, int64, N."""


@dataclass(frozen=True)
class Recipe(ABC):
    """The settings that all pretrainings share.

    Attributes:
        images: scenes to train on.
        epochs: passes over them.
        stop_after: epoch after which to stop early; 0: none. The learning rate is that of the full training.
        seed: of the scenes, the initial weights and everything random in training; seed + 1 and seed + 2 draw the
            scenes that the trained teacher is measured on.
        batch: scenes per step; the last partial batch of an epoch is dropped.
        learning_rate: of AdamW at the end of the warm-up, from where it falls along a cosine to zero.
        weight_decay: of AdamW, on matrices only.
        warmup: fraction of all steps in which the learning rate rises.
        probe_images: scenes that the linear probe is fitted on; half as many test it.
    """

    teacher: ClassVar[str]

    images: int = 24_000
    epochs: int = 12
    stop_after: int = 0
    seed: int = 0
    batch: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup: float = 0.05
    probe_images: int = 4_000

    def __post_init__(self) -> None:
        for name in ("images", "epochs", "batch", "learning_rate"):
            check_positive(name, getattr(self, name))
        for name, most in {"seed": 2**63, "stop_after": self.epochs, "warmup": 1}.items():
            self.check_range(name, most)
        if self.probe_images < 2:
            raise InputError(f"probe_images is {self.probe_images}; it must be at least 2")

    def check_range(self, name: str, most: float) -> None:
        """Raise ``InputError`` unless a setting is between 0 and ``most``."""
        if not 0 <= getattr(self, name) <= most:
            raise InputError(f"{name} is {getattr(self, name)}; allowed: 0 to {most}")

    @abstractmethod
    def task(self, start: Towers | None = None) -> Task:
        """What is trained, with initial weights: those of ``start``, or new ones."""

    def measure(self, towers: Towers) -> dict[str, float]:
        """Measure trained towers on scenes that they never saw.

        Returns:
            The accuracy of a linear probe, 0 to 1, and the effective rank of the centred test embeddings.
        """
        fitted, test = scenes.generate(self.probe_images, seed=self.seed + 1), self.test_scenes()
        own = embed(towers.image, test.images, View(RESOLUTION))
        probe = fit_probe(embed(towers.image, fitted.images, View(RESOLUTION)), fitted.labels)
        return {"probe accuracy": probe.accuracy(own, test.labels) / 100, "effective rank": effective_rank(own)}

    def test_scenes(self) -> Scenes:
        """The scenes that trained towers are tested on."""
        return scenes.generate(max(self.probe_images // 2, len(SHAPES)), seed=self.seed + 2)


@contextmanager
def fast_forward() -> Iterator[None]:
    """The arithmetic of a forward pass: bfloat16 where the CPU has instructions for it, and plain attention.

    Together they take half the time there; without such instructions, bfloat16 takes ten times as long as float32.
    """
    fast = has_bfloat16(torch.device("cpu"))
    with torch.autocast("cpu", torch.bfloat16, enabled=fast), sdpa_kernel(SDPBackend.MATH):
        yield


def make_optimizer(parameters: Sequence[nn.Parameter], recipe: Recipe, steps: int) -> tuple[AdamW, LambdaLR]:
    """AdamW whose learning rate rises linearly in the warm-up steps and then falls along a cosine to zero."""
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98))
    warmup_steps = max(1, round(recipe.warmup * steps))

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        return (1 + math.cos(math.pi * (step - warmup_steps) / max(1, steps - warmup_steps))) / 2

    return optimizer, LambdaLR(optimizer, factor)


def train(recipe: Recipe, task: Task) -> Iterator[float]:
    """Train a task in place.

    Yields:
        The mean loss of each epoch, with the task in eval mode.
    """
    batch = min(recipe.batch, recipe.images)
    steps = recipe.images // batch
    optimizer, schedule = make_optimizer(list(task.parameters()), recipe, recipe.epochs * steps)
    for _ in range(recipe.stop_after or recipe.epochs):
        task.train()
        losses = []
        for chosen in torch.randperm(recipe.images, generator=task.generator)[: steps * batch].split(batch):
            loss = task(chosen)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        task.eval()
        yield sum(losses) / steps


def pretrain(recipe: Recipe, out: Path, start: Path | None = None) -> None:
    """Train, measure and write a teacher's weights and log; the weights so far after each epoch.

    Args:
        recipe: the settings.
        out: folder for ``<teacher>.safetensors`` and ``<teacher>.log``, made if missing.
        start: weights of an earlier run to continue from, whose log is beside them; its lines come before this run's.
            None: new weights.

    Raises:
        InputError: ``start`` can't be read.
    """
    weights = out / f"{recipe.teacher}.safetensors"
    towers = load_towers(start) if start else None
    earlier = start.with_suffix(".log").read_text(encoding="utf-8") if start else ""
    out.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()
    with weights.with_suffix(".log").open("w", encoding="utf-8") as file:
        file.write(earlier)

        def log(line: str) -> None:
            for stream in (file, sys.stdout):
                print(line, file=stream, flush=True)

        log(f"settings: {json.dumps(asdict(recipe))}")
        versions = [f"{name} {version(name)}" for name in _PACKAGES]
        log(f"versions: {', '.join([f'python {platform.python_version()}', *versions])}")
        task = recipe.task(towers)
        for epoch, loss in enumerate(train(recipe, task), start=1):
            save_towers(weights, task.towers)
            log(f"epoch {epoch}: loss {loss:.4f}, {time.perf_counter() - begin:.0f} s")
        # The file is measured, not the towers in memory: it holds half precision.
        for name, value in recipe.measure(load_towers(weights)).items():
            log(f"{name}: {value:.4f}")
        log(f"threads: {torch.get_num_threads()}, seconds: {time.perf_counter() - begin:.0f}")


def command_line(recipe: type[Recipe], arguments: list[str] | None = None) -> int:
    """Run a pretraining from the command line, with an option for each setting of its recipe.

    Args:
        recipe: the class of the settings, each with a default.
        arguments: words of the command line; None: the process's own.

    Returns:
        The exit status: 0, or 2 for bad input.
    """
    parser = argparse.ArgumentParser(description=f"Train the teacher {recipe.teacher!r}.")
    parser.add_argument("--out", type=Path, required=True, help="folder for the weights and the log")
    parser.add_argument("--start", type=Path, help="weights of an earlier run to continue from")
    for field in fields(recipe):
        option = "--" + field.name.replace("_", "-")
        parser.add_argument(option, type=type(field.default), default=field.default, help="default: %(default)s")
    chosen = vars(parser.parse_args(arguments))
    out, start = chosen.pop("out"), chosen.pop("start")
    try:
        pretrain(recipe(**chosen), out, start)
    except (InputError, OSError) as error:
        print(f"asymdistill: error: {error}", file=sys.stderr)
        return 2
    return 0
