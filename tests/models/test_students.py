"""The students: the sizes that the papers' notebook runs, layer by layer, and their batch-norm statistics."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from asymdistill.config.names import student_name
from asymdistill.models import students
from asymdistill.runtime.errors import InputError

# Those of the notebook, then those that the text states as 0.5M, 2.0M and 8.0M.
SIZES = {1: 811_264, 2: 1_405_440, 4: 2_732_032, 0.5: 531_456, 3: 2_045_696, 10: 7_817_728}


def by_hand(width: int) -> nn.Sequential:
    """The network of the protocol, written out layer by layer."""
    one, two, three = 16 * width, 32 * width, 64 * width
    return nn.Sequential(
        nn.Conv2d(3, one, kernel_size=3, padding=1),
        nn.BatchNorm2d(one),
        nn.ReLU(),
        nn.MaxPool2d(kernel_size=2, stride=2),
        nn.Conv2d(one, two, kernel_size=3, padding=1),
        nn.BatchNorm2d(two),
        nn.ReLU(),
        nn.MaxPool2d(kernel_size=2, stride=2),
        nn.Conv2d(two, three, kernel_size=3, padding=1),
        nn.BatchNorm2d(three),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d((4, 4)),
        nn.Flatten(),
        nn.Linear(three * 4 * 4, 512),
        nn.ReLU(),
        nn.Linear(512, 512),
    )


@pytest.mark.parametrize(("width", "size"), SIZES.items())
def test_parameter_counts(width: float, size: int) -> None:
    assert students.parameter_count(width) == size
    assert sum(parameter.numel() for parameter in students.ScalableCNN(width).parameters()) == size


@pytest.mark.parametrize(("width", "stated"), [(0.5, 0.5e6), (3, 2.0e6), (10, 8.0e6)])
def test_three_widths_have_the_sizes_that_the_text_states(width: float, stated: float) -> None:
    assert students.parameter_count(width) == pytest.approx(stated, rel=0.07)


@given(width=st.floats(1 / 16, 4), dim=st.integers(1, 600))
def test_parameter_counts_by_arithmetic(width: float, dim: int) -> None:
    channels = [3, *(int(base * width) for base in (16, 32, 64))]
    blocks = sum(9 * before * after + after + 2 * after for before, after in pairwise(channels))
    head = (16 * channels[3] + 1) * 512 + 513 * dim
    assert students.parameter_count(width, dim) == blocks + head


@pytest.mark.parametrize("width", [1, 2, 4])
@pytest.mark.parametrize("training", [True, False])
def test_the_same_seed_gives_the_same_network_as_the_protocol(width: int, training: bool) -> None:
    torch.manual_seed(42)
    expected = by_hand(width).train(training)
    student = students.build(students.Design(width), 512, seed=42).train(training)
    inputs = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(student(inputs), expected(inputs))
    pairs = zip(student.state_dict().values(), expected.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_the_global_generator_is_left_as_it_was() -> None:
    state = torch.get_rng_state()
    first, again, other = (students.build(students.Design(1), 8, seed) for seed in (1, 1, 2))
    students.parameter_count(2)
    assert torch.equal(torch.get_rng_state(), state)
    weights = [student.head[1].weight for student in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("side", [16, 32, 224])
def test_any_resolution_gives_the_embedding(side: int) -> None:
    assert students.ScalableCNN(1 / 16, 7).eval()(torch.zeros(1, 3, side, side)).shape == (1, 7)


@pytest.mark.parametrize("width", [0, -1, float("nan"), float("inf"), 0.06])
def test_bad_widths_are_named(width: float) -> None:
    with pytest.raises(InputError, match="width is"):
        students.ScalableCNN(width)


def test_a_bad_dimension_is_named() -> None:
    with pytest.raises(InputError, match="embedding_dim is 0"):
        students.ScalableCNN(1, 0)


@pytest.mark.parametrize(
    ("width", "name"), [(1, "S"), (2.0, "M"), (4, "L"), (0.5, "w=0.5"), (3.0, "w=3"), (10, "w=10")]
)
def test_labels(width: float, name: str) -> None:
    assert student_name(width) == name


@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_the_receptive_field_is_what_a_feature_depends_on(dilation: int) -> None:
    student = students.ScalableCNN(0.25, 8, dilation).eval()
    image = torch.zeros(1, 3, 96, 96, requires_grad=True)
    convolutions = [layer for layer in student.features if isinstance(layer, nn.Conv2d)]
    for layer in convolutions:
        nn.init.ones_(layer.weight)
        nn.init.ones_(layer.bias)
    # An average in place of each maximum: its gradient reaches every pixel that the maximum could come from.
    layers = [nn.AvgPool2d(2) if isinstance(layer, nn.MaxPool2d) else layer for layer in student.features[:-1]]
    for layer in layers:
        if isinstance(layer, nn.ReLU):
            layer.inplace = False
    features = nn.Sequential(*layers)(image)
    features[0, :, 12, 12].sum().backward()
    columns = image.grad.abs().sum((0, 1, 2)).nonzero().flatten()
    assert int(columns.max() - columns.min()) + 1 == students.receptive_field(dilation)


def test_dilation_changes_what_is_seen_and_not_the_number_or_start_of_the_weights() -> None:
    plain, dilated = students.build(students.Design(1), 16, 42), students.build(students.Design(1, dilation=3), 16, 42)
    pairs = zip(plain.state_dict().values(), dilated.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert dilated.features(images).shape == plain.features(images).shape
    assert not torch.allclose(dilated(images), plain(images))
    with pytest.raises(InputError, match="dilation is 0"):
        students.ScalableCNN(1, 8, 0)


# --- batch-norm statistics


def test_statistics_are_the_plain_average_over_batches() -> None:
    student = students.build(students.Design(0.5), 8, seed=0)
    batches = [torch.randn(6, 3, 16, 16, generator=torch.Generator().manual_seed(i)) + i for i in range(3)]
    adapted = students.with_batch_statistics(student, iter(batches))
    with torch.no_grad():
        seen = [student.features[0](batch).transpose(0, 1).flatten(1) for batch in batches]
    torch.testing.assert_close(adapted.features[1].running_mean, torch.stack([x.mean(1) for x in seen]).mean(0))
    torch.testing.assert_close(adapted.features[1].running_var, torch.stack([x.var(1) for x in seen]).mean(0))


def test_only_the_statistics_of_a_copy_change() -> None:
    student = students.build(students.Design(0.5), 8, seed=0).eval()
    before = {name: value.clone() for name, value in student.state_dict().items()}
    adapted = students.with_batch_statistics(student, [torch.randn(6, 3, 16, 16) + 1])
    assert not adapted.training
    assert not student.training
    for name, value in student.state_dict().items():
        assert torch.equal(value, before[name])
    changed = {name for name, value in adapted.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {name for name in before if name.endswith(("running_mean", "running_var", "num_batches_tracked"))}
    assert [module.momentum for module in adapted.modules() if isinstance(module, torch.nn.BatchNorm2d)] == [0.1] * 3


def test_scaled_inputs_are_embedded_as_before_once_the_statistics_are_theirs() -> None:
    student = students.build(students.Design(1), 8, seed=0)
    inputs = torch.randn(64, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    clean = students.with_batch_statistics(student, [inputs])
    with torch.inference_mode():
        adapted = students.with_batch_statistics(student, [3 * inputs])
        torch.testing.assert_close(adapted(3 * inputs), clean(inputs), atol=1e-4, rtol=0)
        assert (clean(3 * inputs) - clean(inputs)).abs().max() > 0.1


def test_no_batch_gives_no_statistics() -> None:
    with pytest.raises(InputError, match="batches is empty"):
        students.with_batch_statistics(students.build(students.Design(0.5), 8, seed=0), [])
