"""Distilling one student from a frozen teacher."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from asymdistill.data.preprocess import random_crop_flip
from asymdistill.data.views import GaussianNoise, View, see
from asymdistill.models import students
from asymdistill.runtime.checks import check_embeddings, check_images
from asymdistill.runtime.errors import InputError, check_option
from asymdistill.training.losses import cosine_distance

Objective = Callable[..., Tensor]
SCHEDULES = ("constant", "cosine")


@dataclass(frozen=True)
class Recipe:
    """How a student is trained; the defaults are the paper's.

    Attributes:
        epochs: passes over the images.
        batch_size: images a step; the last partial batch of an epoch is dropped.
        learning_rate: Adam's, at the beginning.
        objective: maps student embeddings, N x d, and targets to a scalar loss. The parameters of a module are trained
            along with the student's. One whose attribute ``two_views`` is true is also given the student's embeddings
            of cropped and flipped copies of the images.
        precision: type of the forward pass under autocast; the loss is float32 whatever it is.
        schedule: ``constant``, or ``cosine``, which anneals the learning rate to zero, step by step.
        noise: on what the student sees; None: none.
    """

    epochs: int = 5
    batch_size: int = 64
    learning_rate: float = 1e-3
    objective: Objective = field(default=cosine_distance)
    precision: torch.dtype = torch.float32
    schedule: str = "constant"
    noise: GaussianNoise | None = None

    def __post_init__(self) -> None:
        check_option("schedule", self.schedule, SCHEDULES)


@dataclass(frozen=True)
class Distilled:
    """A trained student and the mean loss of each epoch."""

    student: students.ScalableCNN
    losses: list[float]


def distil(
    student: students.ScalableCNN,
    images: Tensor,
    targets: Tensor | Callable[[Tensor], Tensor],
    view: View,
    recipe: Recipe,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    progress: Callable[[int], None] = lambda steps: None,
    watch: Callable[[int, students.ScalableCNN], None] = lambda epoch, student: None,
) -> Distilled:
    """Train a student on a frozen teacher's embeddings.

    Without augmentation, ``targets`` are the teacher's embeddings of the very images, computed once. With it,
    ``targets`` is the teacher: each batch is cropped and flipped at random and the teacher sees the same result, for
    embeddings of the original image would teach the student something else.

    The images stay uint8; batches are gathered, augmented and preprocessed on ``device``. On a CPU the result depends
    on the seed alone, to the bit, as long as the number of threads is the same.

    Args:
        student: initialised; it is moved to ``device`` and trained in place.
        images: uint8, N x H x W x 3.
        targets: N x d; or whatever else the objective takes, one an image; or a function from uint8 images to
            embeddings, which turns augmentation on.
        view: what the student sees.
        recipe: epochs, batch size, learning rate, objective, precision, schedule, noise.
        seed: of the order of the images, the augmentation and the noise.
        device: where to train.
        progress: called after each step with the steps done so far; an exception in it stops the training.
        watch: called after each epoch with its number, from 1, and the student in eval mode.

    Returns:
        The student in eval mode, and its losses.

    Raises:
        InputError: shapes that do not match, or fewer images than one batch.
    """
    check_images("images", images)
    steps = steps_per_epoch(len(images), recipe.batch_size)
    if isinstance(targets, Tensor):
        if targets.is_floating_point():
            check_embeddings("targets", targets)
        if len(targets) != len(images):
            raise InputError(f"targets have {len(targets)} rows for {len(images)} images")
        targets = targets.to(device)
    images = images.to(device)
    student = student.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser, schedule = _optimiser(student, recipe, steps)
    generator, draws = torch.Generator().manual_seed(seed), torch.Generator(images.device).manual_seed(seed)
    # A generator of their own, so that second views leave the order of the images as it is without them.
    views = torch.Generator().manual_seed(seed) if getattr(recipe.objective, "two_views", False) else None
    losses, step = [], 0

    def encode(batch: Tensor) -> Tensor:
        inputs = see(batch, view, recipe.noise, draws).contiguous(memory_format=torch.channels_last)
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=recipe.precision != torch.float32):
            embeddings: Tensor = student(inputs)
        return embeddings.float()

    for epoch in range(1, recipe.epochs + 1):
        student.train()
        total = torch.zeros((), device=device)
        for batch, wanted, original in _batches(images, targets, recipe.batch_size, generator):
            second = () if views is None else (encode(random_crop_flip(original, generator=views)),)
            loss = recipe.objective(encode(batch), wanted, *second)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.detach()
            step += 1
            progress(step)
        losses.append(float(total) / steps)
        watch(epoch, student.eval())
    return Distilled(student.eval(), losses)


def steps_per_epoch(images: int, batch_size: int) -> int:
    """Optimiser steps an epoch: whole batches only.

    Raises:
        InputError: there is not one.
    """
    if images < batch_size:
        raise InputError(f"{images} training images do not fill one batch of {batch_size}")
    return images // batch_size


def _optimiser(
    student: students.ScalableCNN, recipe: Recipe, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    parameters = list(student.parameters())
    if isinstance(recipe.objective, nn.Module):
        parameters += recipe.objective.to(next(student.parameters()).device).parameters()
    # Fused: the same equations in one pass over the weights, a tenth of a small student's step.
    optimiser = torch.optim.Adam(parameters, lr=recipe.learning_rate, fused=True)
    if recipe.schedule == "cosine":
        return optimiser, torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.epochs * steps)
    return optimiser, torch.optim.lr_scheduler.ConstantLR(optimiser, factor=1.0)


def _batches(
    images: Tensor, targets: Tensor | Callable[[Tensor], Tensor], batch_size: int, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Images as they are learned from, what is wanted of them, and the images as they are."""
    order = torch.randperm(len(images), generator=generator).to(images.device)
    for indices in order[: len(order) - len(order) % batch_size].split(batch_size):
        batch = images[indices]
        if isinstance(targets, Tensor):
            yield batch, targets[indices], batch
        else:
            augmented = random_crop_flip(batch, generator=generator)
            # A clone, because tensors made under inference mode can't take part in a backward pass.
            yield augmented, targets(augmented).clone(), batch
