"""Running an encoder over images: each once and in order, and the same noise whatever the batches and parts."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from asymdistill.data.views import BLOCK, NOISE_SPACES, GaussianNoise, View
from asymdistill.models.encoding import embed
from asymdistill.runtime.errors import InputError

VIEW = View(16)


def images(count: int = 12, side: int = 16, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, side, side, 3), generator=generator, dtype=torch.uint8)


def recorder(seen: list[Tensor]) -> Callable[[Tensor], Tensor]:
    def encoder(inputs: Tensor) -> Tensor:
        seen.append(inputs.clone())
        return inputs.flatten(1)[:, :5] + 7

    return encoder


def test_rows_have_length_one_and_the_direction_of_the_encoders_output() -> None:
    embeddings = embed(recorder([]), images(), VIEW)
    raw = VIEW(images()).flatten(1)[:, :5] + 7
    assert embeddings.dtype == torch.float32
    assert torch.allclose(embeddings.norm(dim=1), torch.ones(12), atol=1e-6)
    assert torch.allclose(embeddings, raw / raw.norm(dim=1, keepdim=True), atol=1e-6)


def test_what_comes_out_can_take_part_in_training() -> None:
    embeddings = embed(recorder([]), images(), VIEW)
    weight = torch.ones(5, requires_grad=True)
    (embeddings @ weight).sum().backward()
    assert weight.grad is not None
    assert not embeddings.requires_grad


def test_every_image_is_encoded_once_in_order() -> None:
    parts: list[Tensor] = []
    many = images(2 * BLOCK + 3, side=2)
    embed(recorder(parts), many, View(2), batch_size=40)
    assert [len(part) for part in parts] == [40, 40, 20, 40, 40, 20, 3]
    assert torch.equal(torch.cat(parts), View(2)(many))


@pytest.mark.parametrize("space", NOISE_SPACES)
def test_batches_and_parts_change_no_noise(space: str) -> None:
    many, noise = images(2 * BLOCK + 30, side=8), GaussianNoise(0.3, space, 2)
    seen: dict[int, Tensor] = {}
    for batch_size in (100, 50, 37):
        batches: list[Tensor] = []
        embed(recorder(batches), many, View(8), noise=noise, batch_size=batch_size)
        seen[batch_size] = torch.cat(batches)
    assert torch.equal(seen[50], seen[100])
    assert torch.equal(seen[37], seen[100])
    parts: list[Tensor] = []
    for first, last in ((0, BLOCK), (BLOCK, len(many))):
        embed(recorder(parts), many[first:last], View(8), noise=noise, first=first)
    assert torch.equal(torch.cat(parts), seen[100])
    assert not torch.equal(seen[100], View(8)(many))


def test_a_cpu_computes_in_float32_whatever_the_precision() -> None:
    torch.manual_seed(0)
    layer = torch.nn.Linear(768, 8)

    def encoder(inputs: Tensor) -> Tensor:
        assert not torch.is_autocast_enabled("cpu")
        output: Tensor = layer(inputs.flatten(1))
        assert output.dtype == torch.float32
        return output

    full = embed(encoder, images(), VIEW)
    assert torch.equal(embed(encoder, images(), VIEW, precision=torch.float16), full)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(embed(encoder, images(), VIEW), full)


def test_an_encoder_runs_without_gradients() -> None:
    layer = torch.nn.Linear(768, 8)
    assert not embed(lambda inputs: layer(inputs.flatten(1)), images(), VIEW).requires_grad


def test_bad_images_are_named() -> None:
    with pytest.raises(InputError, match="images must be a uint8 tensor"):
        embed(recorder([]), images().float(), VIEW)
    with pytest.raises(InputError, match="N x H x W x 3"):
        embed(recorder([]), images().permute(0, 3, 1, 2), VIEW)
