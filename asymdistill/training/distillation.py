"""Distilling one student from a frozen teacher."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from asymdistill.data.preprocess import random_crop_flip
from asymdistill.data.views import GaussianNoise, View, see
from asymdistill.runtime.checks import check_embeddings, check_images
from asymdistill.runtime.errors import InputError, check_option
from asymdistill.training.losses import cosine_distance

Objective = Callable[..., Tensor]
SCHEDULES = ("constant", "cosine")


class Diverged(InputError):
    """A training whose loss or weights are no longer finite.

    Args:
        step: the first step, from 1 over the whole training, whose loss is not finite; where only the weights are not,
            the last step of the epoch.
        loss: the loss of that step.
        learning_rate: of the recipe.
        student: how the message calls the student.
    """

    def __init__(self, step: int, loss: float, learning_rate: float, student: str = "the student") -> None:
        super().__init__(step, loss, learning_rate, student)
        self.step, self.loss, self.learning_rate, self.student = step, loss, learning_rate, student

    def __str__(self) -> str:
        return (
            f"{self.student} diverged: at step {self.step} the loss is {self.loss:g} or the weights are not finite; "
            f"learning_rate is {self.learning_rate:g}, try a lower one"
        )


@dataclass(frozen=True)
class Recipe:
    """How a student is trained; the defaults are the paper's.

    Attributes:
        epochs: passes over the images.
        batch_size: images per step; the last partial batch of an epoch is dropped.
        learning_rate: Adam's, at the beginning.
        objective: maps student embeddings, N x d, and targets to a scalar loss. The parameters of a module are trained
            along with the student's. One whose attribute ``two_views`` is true also takes the student's embeddings of
            cropped and flipped copies of the images.
        precision: type of the forward pass under autocast; the loss is always float32.
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
class TrainingState:
    """All that a training needs to continue after a whole epoch and give the same bytes as without a break.

    Attributes:
        epoch: whole epochs done.
        losses: mean loss of each of them.
        tensors: contiguous, on the CPU, by name: weights of the student and of the objective, Adam's moments and step
            counts, the learning rate, and the states of the random generators.
    """

    epoch: int
    losses: list[float]
    tensors: dict[str, Tensor]


@dataclass(frozen=True)
class Distilled:
    """A trained student and the mean loss of each epoch."""

    student: nn.Module
    losses: list[float]


def distil(
    student: nn.Module,
    images: Tensor,
    targets: Tensor | Callable[[Tensor], Tensor],
    view: View,
    recipe: Recipe,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    progress: Callable[[int], None] = lambda steps: None,
    watch: Callable[[int, nn.Module], None] = lambda epoch, student: None,
    resume: TrainingState | None = None,
    save: Callable[[TrainingState], None] | None = None,
) -> Distilled:
    """Train a student on a frozen teacher's embeddings.

    Without augmentation, ``targets`` are the teacher's embeddings of the very images, computed once. With it,
    ``targets`` is the teacher: each batch is cropped and flipped at random and the teacher sees the same result,
    because embeddings of the original image would teach the student something else.

    The images stay uint8; batches are gathered, augmented and preprocessed on ``device``. On a CPU the result depends
    on the seed alone, to the bit, as long as the number of threads is the same.

    Args:
        student: initialised; it is moved to ``device`` and trained in place.
        images: uint8, N x H x W x 3.
        targets: N x d; or whatever else the objective takes, one per image; or a function from uint8 images to
            embeddings, which turns augmentation on.
        view: what the student sees.
        recipe: epochs, batch size, learning rate, objective, precision, schedule, noise.
        seed: of the order of the images, the augmentation and the noise.
        device: where to train.
        progress: called after each step with the steps done so far; an exception in it stops the training.
        watch: called after each epoch with its number, from 1, and the student in eval mode.
        resume: what ``save`` was given in an earlier call with the same arguments; training goes on from there.
        save: called after each epoch but the last, once ``watch`` has returned.

    Returns:
        The student in eval mode, and its losses.

    Raises:
        InputError: shapes that do not match, fewer images than one batch, or a state of another training.
        Diverged: at the end of an epoch, if a loss or a weight is not finite.
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
    training = _Training(student, view, recipe, steps, seed, images.device)
    done, losses = (resume.epoch, list(resume.losses)) if resume else (0, [])
    if resume:
        training.restore(resume)
    for epoch in range(done + 1, recipe.epochs + 1):
        student.train()
        step_losses = torch.empty(steps, device=images.device)
        first = (epoch - 1) * steps + 1
        batches = _batches(images, targets, recipe.batch_size, training.generators["order"])
        for step, batch in enumerate(batches):
            step_losses[step] = training.step(*batch)
            progress(first + step)
        training.check_finite(step_losses, first)
        losses.append(float(step_losses.double().mean()))
        watch(epoch, student.eval())
        if save and epoch < recipe.epochs:
            save(TrainingState(epoch, list(losses), training.tensors()))
    return Distilled(student.eval(), losses)


def steps_per_epoch(images: int, batch_size: int) -> int:
    """Optimiser steps per epoch: whole batches only.

    Raises:
        InputError: there are fewer images than one batch.
    """
    if images < batch_size:
        raise InputError(f"{images} training images do not fill one batch of {batch_size}")
    return images // batch_size


class _Training:
    """What changes in a training from step to step: weights, Adam's moments, the schedule and the generators."""

    def __init__(
        self, student: nn.Module, view: View, recipe: Recipe, steps: int, seed: int, device: torch.device
    ) -> None:
        self.student = student.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.view, self.recipe, self.steps = view, recipe, steps
        self.modules = nn.ModuleDict({"student": self.student})
        if isinstance(recipe.objective, nn.Module):
            self.modules["objective"] = recipe.objective.to(device)
        # Fused: the same equations in one pass over the weights, a tenth of a small student's step.
        self.adam = torch.optim.Adam(self.modules.parameters(), lr=recipe.learning_rate, fused=True)
        self.schedule: torch.optim.lr_scheduler.LRScheduler = (
            torch.optim.lr_scheduler.CosineAnnealingLR(self.adam, recipe.epochs * steps)
            if recipe.schedule == "cosine"
            else torch.optim.lr_scheduler.ConstantLR(self.adam, factor=1.0)
        )
        # Second views have a generator of their own, so that the order of the images is the same without them.
        self.generators = {
            "order": torch.Generator().manual_seed(seed),
            "noise": torch.Generator(device).manual_seed(seed),
            "views": torch.Generator().manual_seed(seed),
        }

    def step(self, batch: Tensor, wanted: Tensor, original: Tensor) -> Tensor:
        """Move the weights once; return the loss, a scalar without gradient.

        Args:
            batch: images as the student learns from them.
            wanted: their targets.
            original: the same images without augmentation, from which second views are made.
        """
        second: tuple[Tensor, ...] = ()
        if getattr(self.recipe.objective, "two_views", False):
            second = (self.encode(random_crop_flip(original, generator=self.generators["views"])),)
        loss = self.recipe.objective(self.encode(batch), wanted, *second)
        self.adam.zero_grad(set_to_none=True)
        loss.backward()
        self.adam.step()
        self.schedule.step()
        return loss.detach()

    def encode(self, batch: Tensor) -> Tensor:
        """The student's float32 embeddings of uint8 images."""
        inputs = see(batch, self.view, self.recipe.noise, self.generators["noise"])
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=self.recipe.precision != torch.float32):
            embeddings: Tensor = self.student(inputs)
        return embeddings.float()

    def check_finite(self, losses: Tensor, first: int) -> None:
        """Raise ``Diverged`` unless all weights and the losses of an epoch, from step ``first`` on, are finite."""
        rate, finite = self.recipe.learning_rate, losses.isfinite()
        if not bool(finite.all()):
            bad = int(finite.int().argmin())
            raise Diverged(first + bad, float(losses[bad]), rate)
        if not all(bool(tensor.isfinite().all()) for tensor in self.modules.state_dict().values()):
            raise Diverged(first + len(losses) - 1, float(losses[-1]), rate)

    def tensors(self) -> dict[str, Tensor]:
        """Copies, contiguous and on the CPU, of everything that a step changes."""
        found = dict(self.modules.state_dict())
        for name, parameter in self.modules.named_parameters():
            found |= {f"adam.{name}.{key}": value for key, value in self.adam.state[parameter].items()}
        found |= {f"generator.{name}": generator.get_state() for name, generator in self.generators.items()}
        found["learning_rate"] = torch.tensor(self.adam.param_groups[0]["lr"], dtype=torch.float64)
        contiguous = torch.contiguous_format
        return {name: part.detach().to("cpu", copy=True, memory_format=contiguous) for name, part in found.items()}

    def restore(self, state: TrainingState) -> None:
        """Go back to where ``tensors`` was called."""
        saved, position = state.tensors, state.epoch * self.steps
        try:
            self.modules.load_state_dict({name: saved[name] for name in self.modules.state_dict()})
            for name, parameter in self.modules.named_parameters():
                moments = {key: saved[f"adam.{name}.{key}"] for key in ("exp_avg", "exp_avg_sq")}
                self.adam.state[parameter] = {
                    "step": saved[f"adam.{name}.step"].to(parameter.device, copy=True),
                    **{key: _laid_out_like(parameter, moment) for key, moment in moments.items()},
                }
            for name, generator in self.generators.items():
                generator.set_state(saved[f"generator.{name}"])
            self.adam.param_groups[0]["lr"] = float(saved["learning_rate"])
        except (KeyError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"the saved state belongs to another training: {reason}") from None
        self.schedule.load_state_dict({"last_epoch": position, "_step_count": position + 1})


def _laid_out_like(parameter: Tensor, saved: Tensor) -> Tensor:
    # A fused step walks through raw memory: contiguous moments beside channels-last weights are silently wrong.
    return torch.empty_like(parameter).copy_(saved)


def _batches(
    images: Tensor, targets: Tensor | Callable[[Tensor], Tensor], batch_size: int, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Batches of images as the student learns from them, of their targets, and of the original images."""
    order = torch.randperm(len(images), generator=generator).to(images.device)
    for indices in order[: len(order) - len(order) % batch_size].split(batch_size):
        batch = images[indices]
        if isinstance(targets, Tensor):
            yield batch, targets[indices], batch
        else:
            augmented = random_crop_flip(batch, generator=generator)
            # A clone, because tensors made under inference mode can't take part in a backward pass.
            yield augmented, targets(augmented).clone(), batch
