"""Distillation, held against the same loop written plainly, to the bit where the arithmetic is the same."""

import dataclasses
import math
import threading

import pytest
import torch
from torch import Tensor, nn

from asymdistill import students
from asymdistill.checks import InputError
from asymdistill.encoding import GaussianNoise, View
from asymdistill.objectives import LabelLoss, cosine_distance
from asymdistill.preprocess import random_crop_flip
from asymdistill.training import Distilled, Recipe, distil, steps_per_epoch

pytestmark = pytest.mark.usefixtures("one_thread")

VIEW = View(16)
DIM = 6


def examples(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (count, 16, 16, 3), generator=generator, dtype=torch.uint8)
    return images, torch.randn(count, DIM, generator=generator)


def train(count: int = 20, *, seed: int = 3, recipe: Recipe | None = None, **options: object) -> Distilled:
    images, targets = examples(count)
    recipe = recipe or Recipe(epochs=2, batch_size=8)
    return distil(students.build(0.25, DIM, seed), images, targets, VIEW, recipe, seed=seed, **options)


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
    result = distil(students.build(0.25, DIM, 3), images, targets, VIEW, recipe, seed=3)
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
    losses = [distil(students.build(0.25, DIM, 3), images, targets, VIEW, recipe, seed=s).losses for s in (1, 1, 2)]
    assert losses[0] == losses[1] != losses[2]


def test_two_trainings_side_by_side_are_the_same_as_one_by_itself() -> None:
    alone = {seed: train(64, seed=seed) for seed in (1, 2)}
    made = {seed: students.build(0.25, DIM, seed) for seed in (1, 2)}
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

    student = students.build(0.25, DIM, 3)
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
    student = students.build(0.25, DIM, 3)
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
    student = students.build(0.25, DIM, 3)
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
    student = students.build(0.25, DIM, 3)
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
    result = distil(students.build(0.25, DIM, 3), images, labels, VIEW, recipe, seed=3)
    assert result.losses[-1] < 0.1 < result.losses[0]
    assert not torch.equal(objective.classifier.weight, before)
    with pytest.raises(InputError, match="targets have 3 rows for 32 images"):
        distil(students.build(0.25, DIM, 3), images, labels[:3], VIEW, recipe, seed=3)


def test_watching_sees_each_epoch_in_eval_mode_and_changes_nothing() -> None:
    modes: list[tuple[int, bool]] = []

    def watch(epoch: int, student: students.ScalableCNN) -> None:
        modes.append((epoch, student.training))
        student(torch.randn(2, 3, 16, 16))

    watched = train(watch=watch)
    assert modes == [(1, False), (2, False)]
    assert same(watched.student, train().student)
