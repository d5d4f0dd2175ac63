"""The transformer student: as large as its convolutional counterpart, seeded, restored alike, and trainable."""

import pytest
import torch
from torch import nn

from asymdistill.data.views import View
from asymdistill.models import students, transformer_student
from asymdistill.models.students import CNN, TRANSFORMER, Design
from asymdistill.models.transformer_student import TransformerStudent
from asymdistill.runtime.errors import InputError
from asymdistill.training.distillation import Recipe, distil


def size(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(("channels", "resolution", "dim"), [(8, 32, 16), (144, 32, 1280), (64, 224, 512)])
def test_parameters_are_counted_by_formula(channels: int, resolution: int, dim: int) -> None:
    side = resolution // 8
    patches = channels * (3 * side**2 + 1) + 64 * channels
    layer = 12 * channels**2 + 13 * channels  # attention 4 c² + 4 c, MLP 8 c² + 5 c, two normalisations 4 c
    expected = patches + 4 * layer + 2 * channels + (channels + 1) * dim
    assert transformer_student.parameter_count(channels, resolution, dim) == expected


@pytest.mark.parametrize(("width", "dim", "resolution"), [(1, 1280, 32), (1, 384, 32), (4, 512, 224), (0.5, 1280, 64)])
def test_it_is_as_large_as_the_convolutional_student(width: float, dim: int, resolution: int) -> None:
    plain = Design(width, resolution=resolution)
    other = Design(width, architecture=TRANSFORMER, resolution=resolution)
    assert plain.parameter_count(dim) == size(students.ScalableCNN(width, dim))
    assert other.parameter_count(dim) == pytest.approx(plain.parameter_count(dim), rel=0.05)


def test_equal_seeds_give_equal_weights_and_a_restored_student_equal_outputs() -> None:
    design = Design(0.25, architecture=TRANSFORMER, resolution=16)
    first, again, other = (students.build(design, 24, seed).eval() for seed in (1, 1, 2))
    seen = torch.randn(3, 3, 16, 16)
    assert torch.equal(first(seen), again(seen))
    assert not torch.equal(first(seen), other(seen))
    assert first(seen).shape == (3, 24)
    assert torch.equal(students.restore(design, first.state_dict()).eval()(seen), first(seen))


def test_every_patch_counts_for_the_embedding() -> None:
    student = TransformerStudent(8, 16, 4).eval()
    with torch.no_grad():
        student.positions.normal_()
    seen = torch.zeros(1, 3, 16, 16, requires_grad=True)
    student(seen).sum().backward()
    assert seen.grad is not None
    touched = seen.grad[0].abs().sum(0).unfold(0, 2, 2).unfold(1, 2, 2).sum((-1, -2))
    assert touched.shape == (8, 8)
    assert (touched > 0).all()


@pytest.mark.parametrize(("resolution", "tokens"), [(32, 64), (28, 81), (5, 25), (224, 64)])
def test_any_resolution_will_do(resolution: int, tokens: int) -> None:
    student = TransformerStudent(8, resolution, 4)
    assert student.positions.shape == (1, tokens, 8)
    assert student(torch.zeros(2, 3, resolution, resolution)).shape == (2, 4)


@pytest.mark.parametrize("name", ["channels", "resolution", "embedding_dim"])
def test_a_number_that_is_not_positive_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=name):
        TransformerStudent(**({"channels": 8, "resolution": 16, "embedding_dim": 4} | {name: 0}))


def test_it_learns_from_its_teacher() -> None:
    images = torch.randint(0, 256, (64, 16, 16, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    targets = nn.functional.normalize(images.float().mean((1, 2)) @ torch.randn(3, 8, generator=torch.manual_seed(1)))
    student = students.build(Design(0.25, architecture=TRANSFORMER, resolution=16), 8, 0)
    losses = distil(student, images, targets, View(16), Recipe(epochs=8, batch_size=16), seed=0).losses
    assert losses[-1] < losses[0] / 2


def test_the_default_is_the_papers_network() -> None:
    assert Design(2).architecture == CNN
    assert isinstance(Design(2).network(8), students.ScalableCNN)
