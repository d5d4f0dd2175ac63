"""Distillation, held against the same loop written plainly, to the bit where the arithmetic is the same."""

import dataclasses
import math
import pickle
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from asymdistill.data.preprocess import random_crop_flip
from asymdistill.data.views import GaussianNoise, View
from asymdistill.models import students
from asymdistill.runtime.errors import InputError
from asymdistill.training import distillation
from asymdistill.training.distillation import Distilled, Diverged, Recipe, TrainingState, distil, steps_per_epoch
from asymdistill.training.losses import (
    DistillationLoss,
    LabelLoss,
    RegularisedLoss,
    cosine_distance,
    uniformity,
    variance_and_covariance,
)

VIEW = View(16)
DIM = 6


def examples(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (count, 16, 16, 3), generator=generator, dtype=torch.uint8)
    return images, torch.randn(count, DIM, generator=generator)


def train(count: int = 20, *, seed: int = 3, recipe: Recipe | None = None, **options: object) -> Distilled:
    images, targets = examples(count)
    recipe = recipe or Recipe(epochs=2, batch_size=8)
    return distil(students.build(students.Design(0.25), DIM, seed), images, targets, VIEW, recipe, seed=seed, **options)


def by_hand(images: Tensor, targets: Tensor, *, epochs: int, batch: int, rate: float, seed: int) -> tuple:
    """Cosine distillation with Adam's equations written out (Kingma & Ba, 2015, algorithm 1)."""
    torch.manual_seed(seed)
    student = students.ScalableCNN(0.25, DIM).to(memory_format=torch.channels_last)
    order = torch.Generator().manual_seed(seed)
    first, second = ([torch.zeros_like(p) for p in student.parameters()] for _ in range(2))
    losses, step = [], 0
    for _ in range(epochs):
        permutation, epoch = torch.randperm(len(images), generator=order), []
        for start in range(0, len(images) - batch + 1, batch):
            chosen = permutation[start : start + batch]
            outputs = student(VIEW(images[chosen]).contiguous(memory_format=torch.channels_last))
            loss = (1 - nn.functional.cosine_similarity(outputs, targets[chosen])).mean()
            gradients = torch.autograd.grad(loss, list(student.parameters()))
            step += 1
            with torch.no_grad():
                for p, g, m, v in zip(student.parameters(), gradients, first, second, strict=True):
                    m.mul_(0.9).add_(0.1 * g)
                    v.mul_(0.999).add_(0.001 * g * g)
                    p -= rate * (m / (1 - 0.9**step)) / ((v / (1 - 0.999**step)).sqrt() + 1e-8)
            epoch.append(loss.item())
        losses.append(sum(epoch) / len(epoch))
    return student.eval(), losses


def same(first: nn.Module, second: nn.Module) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(one, other) for one, other in pairs)


def test_the_defaults_are_the_papers() -> None:
    recipe = Recipe()
    assert (recipe.epochs, recipe.batch_size, recipe.learning_rate) == (5, 64, 1e-3)
    assert recipe.precision == torch.float32


def test_one_step_is_one_of_adam_on_the_cosine_distance() -> None:
    images, targets = examples(8)
    recipe = Recipe(epochs=1, batch_size=8, learning_rate=0.02)
    result = distil(students.build(students.Design(0.25), DIM, 3), images, targets, VIEW, recipe, seed=3)
    expected, losses = by_hand(images, targets, epochs=1, batch=8, rate=0.02, seed=3)
    assert result.losses == pytest.approx(losses, rel=1e-5)
    # In its first step Adam moves each weight by the rate in the direction of the gradient's sign: gradients near
    # zero, such as those of biases before a batch norm, have a sign that is rounding.
    for name, value in result.student.state_dict().items():
        if ".bias" not in name or "head" in name:
            assert torch.allclose(value.float(), expected.state_dict()[name].float(), atol=2e-4), name


def test_several_epochs_equal_the_plain_loop_and_drop_the_last_partial_batch() -> None:
    images, targets = examples(21)
    _, losses = by_hand(images, targets, epochs=3, batch=8, rate=1e-3, seed=3)
    result = train(21, recipe=Recipe(epochs=3, batch_size=8))
    assert result.losses == pytest.approx(losses, rel=1e-3)
    assert int(result.student.features[1].num_batches_tracked) == 3 * (21 // 8)
    assert steps_per_epoch(21, 8) == 2


def test_progress_counts_every_step() -> None:
    steps: list[int] = []
    train(21, progress=steps.append)
    assert steps == [1, 2, 3, 4]


def test_the_result_depends_on_the_seed_alone() -> None:
    torch.manual_seed(1)
    first = train()
    torch.manual_seed(2)
    torch.randn(10)
    second = train()
    assert same(first.student, second.student)
    assert first.losses == second.losses
    assert not same(first.student, train(seed=4).student)


def test_the_order_of_the_images_is_that_of_the_seed_not_of_the_weights() -> None:
    images, targets = examples(20)
    recipe = Recipe(epochs=1, batch_size=8)
    losses = [
        distil(students.build(students.Design(0.25), DIM, 3), images, targets, VIEW, recipe, seed=s).losses
        for s in (1, 1, 2)
    ]
    assert losses[0] == losses[1] != losses[2]


def test_two_trainings_side_by_side_are_the_same_as_one_by_itself() -> None:
    alone = {seed: train(64, seed=seed) for seed in (1, 2)}
    made = {seed: students.build(students.Design(0.25), DIM, seed) for seed in (1, 2)}
    images, targets = examples(64)
    together: dict[int, Distilled] = {}

    def work(seed: int) -> None:
        recipe = Recipe(epochs=2, batch_size=8)
        together[seed] = distil(made[seed], images, targets, VIEW, recipe, seed=seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in (1, 2):
        assert same(alone[seed].student, together[seed].student)
        assert alone[seed].losses == together[seed].losses


def test_the_student_learns_and_ends_in_eval_mode() -> None:
    result = train(64, recipe=Recipe(epochs=8, batch_size=16))
    assert result.losses[-1] < 0.8 * result.losses[0]
    assert not any(module.training for module in result.student.modules())


def test_with_augmentation_the_teacher_sees_the_very_image_the_student_sees() -> None:
    images, _ = examples(20)
    shown: list[Tensor] = []
    taken: list[Tensor] = []

    def teacher(batch: Tensor) -> Tensor:
        shown.append(batch.clone())
        with torch.inference_mode():
            return batch.float().flatten(1)[:, :DIM] - 100

    student = students.build(students.Design(0.25), DIM, 3)
    student.register_forward_pre_hook(lambda _, inputs: taken.append(inputs[0].detach().clone()))
    distil(student, images, teacher, VIEW, Recipe(epochs=2, batch_size=8), seed=3)
    assert len(shown) == len(taken) == 4
    for batch, inputs in zip(shown, taken, strict=True):
        assert torch.equal(VIEW(batch), inputs)
    # And that image is a crop and flip of the one drawn, from one generator that also drew the order.
    generator = torch.Generator().manual_seed(3)
    order = torch.randperm(20, generator=generator)
    first = random_crop_flip(images[order[:8]], generator=generator)
    assert torch.equal(shown[0], first)
    assert not torch.equal(shown[0], images[order[:8]])


def test_an_objective_of_ones_own_is_used() -> None:
    def constant(student: Tensor, teacher: Tensor) -> Tensor:
        assert student.shape == teacher.shape == (8, DIM)
        return 0 * student.sum() + 2

    result = train(recipe=Recipe(epochs=1, batch_size=8, objective=constant))
    assert result.losses == [2.0]


def test_in_bfloat16_the_loss_stays_float32() -> None:
    kinds: list[torch.dtype] = []

    def watch(student: Tensor, teacher: Tensor) -> Tensor:
        kinds.append(student.dtype)
        return (student - teacher).square().mean()

    outputs: list[torch.dtype] = []
    images, targets = examples(8)
    student = students.build(students.Design(0.25), DIM, 3)
    student.head[3].register_forward_hook(lambda module, inputs, output: outputs.append(output.dtype))
    recipe = Recipe(epochs=1, batch_size=8, objective=watch, precision=torch.bfloat16)
    distil(student, images, targets, VIEW, recipe, seed=1)
    assert kinds == [torch.float32]
    assert outputs == [torch.bfloat16]
    assert {parameter.dtype for parameter in student.parameters()} == {torch.float32}


def test_an_exception_in_progress_stops_the_training() -> None:
    steps: list[int] = []

    def stop(step: int) -> None:
        steps.append(step)
        if step == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        train(64, progress=stop)
    assert steps == [1, 2]


def test_inputs_that_do_not_fit_are_refused() -> None:
    images, targets = examples(20)
    student = students.build(students.Design(0.25), DIM, 3)
    recipe = Recipe(epochs=1, batch_size=8)
    with pytest.raises(InputError, match="7 training images do not fill one batch of 8"):
        distil(student, images[:7], targets[:7], VIEW, recipe, seed=1)
    with pytest.raises(InputError, match="targets have 19 rows for 20 images"):
        distil(student, images, targets[:19], VIEW, recipe, seed=1)
    with pytest.raises(InputError, match="NaN"):
        distil(student, images, targets * float("nan"), VIEW, recipe, seed=1)
    with pytest.raises(InputError, match="uint8"):
        distil(student, images.float(), targets, VIEW, recipe, seed=1)
    with pytest.raises(InputError, match="must both be N x d"):
        distil(student, images, targets[:, :3], VIEW, recipe, seed=1)


def test_a_cosine_schedule_anneals_the_rate_of_every_step() -> None:
    images, targets = examples(16)
    student = students.build(students.Design(0.25), DIM, 3)
    result = distil(student, images, targets, VIEW, Recipe(epochs=3, batch_size=8, schedule="cosine"), seed=3)
    torch.manual_seed(3)
    plain = students.ScalableCNN(0.25, DIM).to(memory_format=torch.channels_last)
    order, optimiser = torch.Generator().manual_seed(3), torch.optim.Adam(plain.parameters())
    for step in range(6):
        if step % 2 == 0:
            permutation = torch.randperm(16, generator=order)
        optimiser.param_groups[0]["lr"] = 1e-3 * (1 + math.cos(math.pi * step / 6)) / 2
        chosen = permutation[8 * (step % 2) : 8 * (step % 2) + 8]
        outputs = plain(VIEW(images[chosen]).contiguous(memory_format=torch.channels_last))
        optimiser.zero_grad()
        cosine_distance(outputs, targets[chosen]).backward()
        optimiser.step()
    expected = dict(plain.named_parameters())
    for name, value in result.student.named_parameters():
        if ".bias" not in name or "head" in name:  # the gradients of a bias before a batch norm are rounding
            assert torch.allclose(value, expected[name], atol=1e-5), name
    assert not same(result.student, train(16, recipe=Recipe(epochs=3, batch_size=8)).student)
    with pytest.raises(InputError, match="schedule is 'linear'; allowed: 'constant', 'cosine'"):
        Recipe(schedule="linear")


def test_noise_reaches_the_student_and_not_its_targets() -> None:
    seen: list[Tensor] = []

    def spy(student: Tensor, teacher: Tensor) -> Tensor:
        seen.append(teacher)
        return cosine_distance(student, teacher)

    recipe = Recipe(epochs=1, batch_size=8, objective=spy)
    noisy = dataclasses.replace(recipe, noise=GaussianNoise(0.5, seed=3))
    clean, disturbed = train(16, recipe=recipe), train(16, recipe=noisy)
    assert torch.equal(torch.stack(seen[:2]), torch.stack(seen[2:]))
    assert clean.losses != disturbed.losses
    assert disturbed.losses == train(16, recipe=noisy).losses
    assert train(16, recipe=dataclasses.replace(recipe, noise=GaussianNoise(0.0))).losses == clean.losses


def test_labels_are_learnt_with_a_classifier_that_is_trained_too() -> None:
    images = torch.zeros(32, 16, 16, 3, dtype=torch.uint8)
    labels = torch.arange(32) % 2
    images[labels == 1] = 200
    objective = LabelLoss(DIM, 2, seed=0)
    before = objective.classifier.weight.clone()
    recipe = Recipe(epochs=10, batch_size=8, learning_rate=1e-2, objective=objective)
    result = distil(students.build(students.Design(0.25), DIM, 3), images, labels, VIEW, recipe, seed=3)
    assert result.losses[-1] < 0.1 < result.losses[0]
    assert not torch.equal(objective.classifier.weight, before)
    with pytest.raises(InputError, match="targets have 3 rows for 32 images"):
        distil(students.build(students.Design(0.25), DIM, 3), images, labels[:3], VIEW, recipe, seed=3)


def test_watching_sees_each_epoch_in_eval_mode_and_changes_nothing() -> None:
    modes: list[tuple[int, bool]] = []

    def watch(epoch: int, student: students.ScalableCNN) -> None:
        modes.append((epoch, student.training))
        student(torch.randn(2, 3, 16, 16))

    watched = train(watch=watch)
    assert modes == [(1, False), (2, False)]
    assert same(watched.student, train().student)


class Spy(nn.Module):
    """The second paper's objective, which keeps what it is given."""

    def __init__(self, loss: DistillationLoss) -> None:
        super().__init__()
        self.loss = loss
        self.two_views = loss.two_views
        self.given: list[tuple[Tensor, ...]] = []

    def forward(self, *batch: Tensor) -> Tensor:
        self.given.append(tuple(part.detach().clone() for part in batch))
        return self.loss(*batch)


def views(weight: float = 1.0) -> DistillationLoss:
    return DistillationLoss(weight, positives="views")


def watched(
    objective: DistillationLoss, targets: Tensor | None = None, **options: object
) -> tuple[list[Tensor], list[tuple[Tensor, ...]], Distilled]:
    """Everything that a student saw in training, what its objective was given, and the result."""
    images, own = examples(20)
    student, spy, seen = students.build(students.Design(0.25), DIM, 3), Spy(objective), []
    student.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().clone()))
    recipe = Recipe(epochs=2, batch_size=8, objective=spy, **options)
    result = distil(student, images, own if targets is None else targets, VIEW, recipe, seed=3)
    return seen, spy.given, result


def test_the_second_view_is_a_cropped_and_flipped_copy_of_the_same_images() -> None:
    seen, given, _ = watched(views())
    images, targets = examples(20)
    order, crops = torch.Generator().manual_seed(3), torch.Generator().manual_seed(3)
    assert len(given) == 4
    assert len(seen) == 8
    steps = iter(zip(given, seen[::2], seen[1::2], strict=True))
    for _ in range(2):
        for chosen in torch.randperm(20, generator=order)[:16].split(8):
            batch, *shown = next(steps)
            copies = random_crop_flip(images[chosen], generator=crops)
            assert not torch.equal(copies, images[chosen])
            expected = [VIEW(copies), VIEW(images[chosen])]
            assert all(torch.equal(one, other) for one, other in zip(shown, expected, strict=True))
            assert torch.equal(batch[1], targets[chosen])


def test_the_objective_is_given_the_image_first_and_its_second_view_last() -> None:
    _, given, _ = watched(views())
    images, targets = examples(20)
    order, crops = torch.Generator().manual_seed(3), torch.Generator().manual_seed(3)
    chosen = torch.randperm(20, generator=order)[:8]
    student = students.build(students.Design(0.25), DIM, 3).train()
    expected = student(VIEW(images[chosen])), student(VIEW(random_crop_flip(images[chosen], generator=crops)))
    own, teacher, second = given[0]
    torch.testing.assert_close(own, expected[0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(second, expected[1], atol=1e-5, rtol=1e-4)
    assert torch.equal(teacher, targets[chosen])
    assert not torch.allclose(own, second, atol=1e-3)


def test_second_views_leave_the_images_and_targets_of_every_step_as_they_are() -> None:
    seen, given, _ = watched(views())
    alone, plain, _ = watched(DistillationLoss())
    assert len(plain) == len(given) == 4
    for (_, wanted, _), (_, expected) in zip(given, plain, strict=True):
        assert torch.equal(wanted, expected)
    assert torch.equal(torch.stack(seen[1::2]), torch.stack(alone))


@pytest.mark.parametrize("positives", ["teacher", "views"])
def test_without_weight_the_student_is_to_the_bit_that_of_the_cosine_distance(positives: str) -> None:
    without = DistillationLoss(0, positives=positives)
    result = train(recipe=Recipe(epochs=2, batch_size=8, objective=without))
    plain = train()
    assert same(result.student, plain.student)
    assert result.losses == plain.losses
    with_weight = DistillationLoss(0.5, positives=positives)
    assert not same(train(recipe=Recipe(epochs=2, batch_size=8, objective=with_weight)).student, plain.student)


def test_with_two_views_the_result_depends_on_the_seed_alone() -> None:
    recipe = Recipe(epochs=2, batch_size=8, objective=views())
    torch.manual_seed(1)
    first = train(recipe=recipe)
    torch.manual_seed(2)
    second = train(recipe=recipe)
    assert same(first.student, second.student)
    assert first.losses == second.losses
    assert not same(first.student, train(seed=4, recipe=recipe).student)


def test_both_views_teach_the_student() -> None:
    images, targets = examples(16)
    recipe = Recipe(epochs=2, batch_size=8, objective=DistillationLoss(0.7, 0.3, "views", symmetric=True))
    result = distil(students.build(students.Design(0.25), DIM, 3), images, targets, VIEW, recipe, seed=3)
    student = students.build(students.Design(0.25), DIM, 3).train()
    optimiser = torch.optim.Adam(student.parameters())
    order, crops = torch.Generator().manual_seed(3), torch.Generator().manual_seed(3)
    losses = []
    for _ in range(2):
        for chosen in torch.randperm(16, generator=order).split(8):
            copies = VIEW(random_crop_flip(images[chosen], generator=crops))
            both = [nn.functional.normalize(student(part), dim=1) for part in (copies, VIEW(images[chosen]))]
            distance = 1 - nn.functional.cosine_similarity(both[1], targets[chosen])
            # NT-Xent as its source writes it: of each view's others, the same image's.
            every = torch.cat(both)
            exponentials = (every @ every.T / 0.3).exp() * (1 - torch.eye(16))
            found = (both[0] * both[1]).sum(1).div(0.3).exp().repeat(2) / exponentials.sum(1)
            loss = distance.mean() - 0.7 * found.log().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
    assert result.losses == pytest.approx([sum(losses[:2]) / 2, sum(losses[2:]) / 2], rel=1e-4)
    expected = dict(student.named_parameters())
    for name, value in result.student.named_parameters():
        if ".bias" not in name or "head" in name:  # the gradients of a bias before a batch norm are rounding
            assert torch.allclose(value, expected[name], atol=2e-4), name


def test_two_views_in_bfloat16_reach_the_loss_in_float32() -> None:
    _, given, result = watched(views(), precision=torch.bfloat16)
    assert {part.dtype for batch in given for part in batch} == {torch.float32}
    assert all(math.isfinite(loss) for loss in result.losses)
    # What left the student was rounded to bfloat16, of both views.
    for own, _, second in given:
        assert all(torch.equal(part, part.bfloat16().float()) for part in (own, second))
    _, _, full = watched(views())
    assert result.losses == pytest.approx(full.losses, rel=0.05)
    assert result.losses != full.losses


def test_with_augmentation_the_second_view_is_another_copy_of_the_same_image() -> None:
    shown: list[Tensor] = []

    def teacher(batch: Tensor) -> Tensor:
        shown.append(batch.clone())
        return batch.float().flatten(1)[:, :DIM] - 100

    seen, given, _ = watched(views(), teacher)
    images, _ = examples(20)
    # The image's own augmentation is drawn along with the order, as it is without second views.
    order, crops = torch.Generator().manual_seed(3), torch.Generator().manual_seed(3)
    for epoch in range(2):
        for step, chosen in enumerate(torch.randperm(20, generator=order)[:16].split(8)):
            augmented = random_crop_flip(images[chosen], generator=order)
            second = random_crop_flip(images[chosen], generator=crops)
            place = 2 * epoch + step
            assert torch.equal(shown[place], augmented)
            assert torch.equal(seen[2 * place], VIEW(second))
            assert torch.equal(seen[2 * place + 1], VIEW(augmented))
            assert not torch.equal(augmented, second)
            assert torch.equal(given[place][1], augmented.float().flatten(1)[:, :DIM] - 100)


def test_noise_differs_between_the_two_views_and_neither_is_spared() -> None:
    noisy, _, result = watched(views(), noise=GaussianNoise(0.5, seed=9))
    clean, _, _ = watched(views())
    draws = [one - other for one, other in zip(noisy, clean, strict=True)]
    for draw in draws:
        assert draw.std().item() == pytest.approx(0.5, rel=0.1)
    for second, own in zip(draws[::2], draws[1::2], strict=True):
        correlation = torch.corrcoef(torch.stack([second.flatten(), own.flatten()]))[0, 1]
        assert abs(correlation) < 0.1
    assert result.losses == watched(views(), noise=GaussianNoise(0.5, seed=9))[2].losses


def test_contrast_between_views_draws_them_together_and_images_apart() -> None:
    images, targets = examples(64)

    def after(objective: DistillationLoss) -> tuple[Tensor, Tensor]:
        recipe = Recipe(epochs=12, batch_size=16, objective=objective)
        student = distil(students.build(students.Design(0.25), DIM, 3), images, targets, VIEW, recipe, seed=3).student
        copies = random_crop_flip(images, generator=torch.Generator().manual_seed(99))
        with torch.no_grad():
            return student(VIEW(images)), student(VIEW(copies))

    def found(pair: tuple[Tensor, Tensor]) -> float:
        one, other = (nn.functional.normalize(part, dim=1) for part in pair)
        return float(((one @ other.T).argmax(1) == torch.arange(64)).float().mean())

    assert found(after(views(5))) > 2 * found(after(DistillationLoss()))


# Resuming.

OBJECTIVES: dict[str, Callable[[], Callable[..., Tensor]]] = {
    "cosine": lambda: cosine_distance,
    "infonce": lambda: DistillationLoss(1.0),
    "views": lambda: views(),
    "vicreg": lambda: RegularisedLoss(variance_and_covariance),
    "uniformity": lambda: RegularisedLoss(uniformity),
    "labels": lambda: LabelLoss(DIM, 3, seed=5),
}


def augmenting(batch: Tensor) -> Tensor:
    return batch.float().flatten(1)[:, :DIM] - 100


def resumable(kind: str, *, augmented: bool = False, schedule: str = "cosine", **options: object) -> Distilled:
    """Three epochs of two steps each, with noise."""
    images, embeddings = examples(20)
    targets = augmenting if augmented else torch.arange(20) % 3 if kind == "labels" else embeddings
    objective = OBJECTIVES[kind]()
    noise = GaussianNoise(0.1, seed=2)
    recipe = Recipe(epochs=3, batch_size=8, objective=objective, schedule=schedule, noise=noise, learning_rate=0.01)
    result = distil(students.build(students.Design(0.25), DIM, 3), images, targets, VIEW, recipe, seed=3, **options)
    result.student.objective = objective if isinstance(objective, nn.Module) else nn.Identity()
    return result


def interrupted(kind: str, epoch: int, folder: Path, **options: object) -> TrainingState:
    """What is left on disk of a training that stops in the middle of the epoch after ``epoch``."""
    states: list[TrainingState] = []

    def stop(step: int) -> None:
        if step == 2 * epoch + 1:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        resumable(kind, progress=stop, save=states.append, **options)
    assert [state.epoch for state in states] == list(range(1, epoch + 1))
    save_file(states[-1].tensors, folder / "state.safetensors")
    return TrainingState(epoch, states[-1].losses, load_file(folder / "state.safetensors"))


def content(result: Distilled) -> dict[str, bytes]:
    return {name: tensor.contiguous().numpy().tobytes() for name, tensor in result.student.state_dict().items()}


@pytest.mark.parametrize("epoch", [1, 2])
@pytest.mark.parametrize(
    ("kind", "augmented"),
    [(kind, augmented) for kind in OBJECTIVES for augmented in (False, True) if (kind, augmented) != ("labels", True)],
)
def test_a_resumed_training_gives_the_same_bytes(kind: str, augmented: bool, epoch: int, tmp_path: Path) -> None:
    whole = resumable(kind, augmented=augmented)
    steps: list[int] = []
    state = interrupted(kind, epoch, tmp_path, augmented=augmented)
    resumed = resumable(kind, augmented=augmented, resume=state, progress=steps.append)
    assert content(resumed) == content(whole)
    assert resumed.losses == whole.losses
    assert steps == list(range(2 * epoch + 1, 7))


@pytest.mark.parametrize("schedule", distillation.SCHEDULES)
def test_a_resumed_training_saves_the_same_states(schedule: str, tmp_path: Path) -> None:
    whole: list[TrainingState] = []
    resumed: list[TrainingState] = []
    resumable("labels", schedule=schedule, save=whole.append)
    state = interrupted("labels", 1, tmp_path, schedule=schedule)
    resumable("labels", schedule=schedule, resume=state, save=resumed.append)
    assert [state.epoch for state in whole] == [1, 2]  # none after the last epoch
    (again,) = resumed
    assert again.losses == whole[1].losses
    assert again.tensors.keys() == whole[1].tensors.keys()
    assert all(torch.equal(tensor, whole[1].tensors[name]) for name, tensor in again.tensors.items())


def test_moments_that_are_not_laid_out_like_their_weights_would_give_another_student(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = interrupted("cosine", 1, tmp_path)
    monkeypatch.setattr(distillation, "_laid_out_like", lambda parameter, saved: saved.clone())
    assert content(resumable("cosine", resume=state)) != content(resumable("cosine"))


@pytest.mark.parametrize(
    "part", ["adam.student.head.1.weight.exp_avg", "adam.student.head.1.weight.step", "learning_rate", "order", "noise"]
)
def test_every_part_of_the_state_matters(part: str, tmp_path: Path) -> None:
    state = interrupted("cosine", 1, tmp_path)
    name = f"generator.{part}" if part in ("order", "noise") else part
    changed = torch.Generator().manual_seed(99).get_state() if part in ("order", "noise") else state.tensors[name] + 1
    resumed = resumable("cosine", resume=dataclasses.replace(state, tensors=state.tensors | {name: changed}))
    assert content(resumed) != content(resumable("cosine"))


def test_saving_changes_nothing_and_states_are_copies() -> None:
    states: list[TrainingState] = []
    digests: list[bytes] = []

    def save(state: TrainingState) -> None:
        states.append(state)
        digests.append(pickle.dumps((state.losses, {name: tensor.numpy() for name, tensor in state.tensors.items()})))

    assert content(resumable("infonce", save=save)) == content(resumable("infonce"))
    later = [pickle.dumps((s.losses, {name: tensor.numpy() for name, tensor in s.tensors.items()})) for s in states]
    assert digests == later


def test_an_epoch_is_watched_before_it_is_saved() -> None:
    events: list[tuple[str, int]] = []
    resumable(
        "cosine",
        watch=lambda epoch, student: events.append(("watch", epoch)),
        save=lambda state: events.append(("save", state.epoch)),
    )
    assert events == [("watch", 1), ("save", 1), ("watch", 2), ("save", 2), ("watch", 3)]


def test_the_state_of_another_training_is_refused(tmp_path: Path) -> None:
    state = interrupted("cosine", 1, tmp_path)
    with pytest.raises(InputError, match=r"the saved state belongs to another training: 'obj.*\.classifier\.weight'"):
        resumable("labels", resume=state)
    images, targets = examples(20)
    with pytest.raises(InputError, match=r"the saved state belongs to another training: .*size mismatch") as caught:
        distil(
            students.build(students.Design(0.5), DIM, 3),
            images,
            targets,
            VIEW,
            Recipe(batch_size=8),
            seed=3,
            resume=state,
        )
    assert "\n" not in str(caught.value)


# Divergence.


def test_a_loss_that_is_not_finite_is_named_with_its_step_and_learning_rate() -> None:
    calls: list[int] = []

    def objective(student: Tensor, teacher: Tensor) -> Tensor:
        calls.append(1)
        return cosine_distance(student, teacher) * (math.nan if len(calls) == 4 else 1)

    seen: list[int] = []
    saved: list[TrainingState] = []
    recipe = Recipe(epochs=3, batch_size=8, objective=objective, learning_rate=0.02)
    with pytest.raises(Diverged) as caught:
        train(24, recipe=recipe, watch=lambda epoch, student: seen.append(epoch), save=saved.append)
    error = caught.value
    assert (error.step, error.learning_rate) == (4, 0.02)
    assert math.isnan(error.loss)
    assert len(calls) == 6  # the epoch is finished, without a look at the device in every step
    assert (seen, [state.epoch for state in saved]) == ([1], [1])  # what came before is kept, and no more
    line = str(Diverged(error.step, error.loss, error.learning_rate, "S, seed 42"))
    assert line.startswith("S, seed 42 diverged: at step 4 the loss is nan ")
    assert "learning_rate is 0.02" in line
    assert "\n" not in line
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_weights_that_are_not_finite_are_noticed_where_the_losses_are() -> None:
    def objective(student: Tensor, teacher: Tensor) -> Tensor:
        # The root of zero has a finite value and no finite gradient.
        return cosine_distance(student, teacher) + (0 * student).square().sum().sqrt()

    with pytest.raises(Diverged, match="at step 1 ") as caught:
        train(8, recipe=Recipe(epochs=1, batch_size=8, objective=objective))
    assert math.isfinite(caught.value.loss)
    assert isinstance(caught.value, InputError)
