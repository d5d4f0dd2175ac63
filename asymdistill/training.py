"""Distilling one student from a frozen teacher."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from asymdistill import students
from asymdistill.checks import InputError, check_embeddings, check_images
from asymdistill.encoding import View
from asymdistill.objectives import cosine_distance
from asymdistill.preprocess import random_crop_flip

Objective = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Recipe:
    """How a student is trained; the defaults are the paper's.

    Attributes:
        epochs: passes over the images.
        batch_size: images a step; the last partial batch of an epoch is dropped.
        learning_rate: Adam's, constant.
        objective: maps student and teacher embeddings, both N x d, to a scalar loss.
        precision: type of the forward pass under autocast; the loss is float32 whatever it is.
    """

    epochs: int = 5
    batch_size: int = 64
    learning_rate: float = 1e-3
    objective: Objective = field(default=cosine_distance)
    precision: torch.dtype = torch.float32


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
        targets: N x d, or a function from uint8 images to embeddings, which turns augmentation on.
        view: what the student sees.
        recipe: epochs, batch size, learning rate, objective, precision.
        seed: of the order of the images and of the augmentation.
        device: where to train.
        progress: called after each step with the steps done so far; an exception in it stops the training.

    Returns:
        The student in eval mode, and its losses.

    Raises:
        InputError: shapes that do not match, or fewer images than one batch.
    """
    check_images("images", images)
    if len(images) < recipe.batch_size:
        raise InputError(f"{len(images)} training images do not fill one batch of {recipe.batch_size}")
    if isinstance(targets, Tensor):
        check_embeddings("targets", targets)
        if len(targets) != len(images):
            raise InputError(f"targets have {len(targets)} rows for {len(images)} images")
        targets = targets.to(device)
    images = images.to(device)
    student = student.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimiser = torch.optim.Adam(student.parameters(), lr=recipe.learning_rate)
    generator = torch.Generator().manual_seed(seed)
    losses, step = [], 0
    for _ in range(recipe.epochs):
        total = torch.zeros((), device=device)
        for batch, wanted in _batches(images, targets, recipe.batch_size, generator):
            inputs = view(batch).contiguous(memory_format=torch.channels_last)
            with torch.autocast(inputs.device.type, torch.bfloat16, enabled=recipe.precision != torch.float32):
                embeddings = student(inputs)
            loss = recipe.objective(embeddings.float(), wanted)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            total += loss.detach()
            step += 1
            progress(step)
        losses.append(float(total) / steps_per_epoch(len(images), recipe.batch_size))
    return Distilled(student.eval(), losses)


def steps_per_epoch(images: int, batch_size: int) -> int:
    """Optimiser steps an epoch: whole batches only."""
    return images // batch_size


def _batches(
    images: Tensor, targets: Tensor | Callable[[Tensor], Tensor], batch_size: int, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    order = torch.randperm(len(images), generator=generator).to(images.device)
    for indices in order[: len(order) - len(order) % batch_size].split(batch_size):
        batch = images[indices]
        if isinstance(targets, Tensor):
            yield batch, targets[indices]
        else:
            augmented = random_crop_flip(batch, generator=generator)
            # A clone, because tensors made under inference mode can't take part in a backward pass.
            yield augmented, targets(augmented).clone()
