"""What encoders see: the same noise for every model, and clean images to the bit where there is none."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from asymdistill.data import views
from asymdistill.data.preprocess import CLIP_MEAN, CLIP_STD
from asymdistill.data.views import GaussianNoise, View, embed, see
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


def seen_by_encoder(noise: GaussianNoise | None, *, count: int = 12, view: View = VIEW) -> Tensor:
    parts: list[Tensor] = []
    embed(recorder(parts), images(count), view, noise=noise)
    return torch.cat(parts)


def test_the_clean_view_is_the_normalised_image() -> None:
    pixels = images(3).double().permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(values, dtype=torch.float64).view(3, 1, 1) for values in (CLIP_MEAN, CLIP_STD))
    assert torch.allclose(see(images(3), VIEW).double(), (pixels - mean) / std, atol=1e-6)


@pytest.mark.parametrize("space", views.NOISE_SPACES)
def test_without_noise_an_encoder_sees_the_clean_image_to_the_bit(space: str) -> None:
    clean = VIEW(images())
    assert torch.equal(seen_by_encoder(None), clean)
    assert torch.equal(seen_by_encoder(GaussianNoise(0.0, space)), clean)
    assert torch.equal(see(images(), VIEW, GaussianNoise(0.0, space)), clean)


def test_noise_on_the_normalised_tensor_is_that_of_a_seeded_generator() -> None:
    draw = torch.randn(12, 3, 16, 16, generator=torch.Generator().manual_seed(5))
    expected = VIEW(images()) + 0.3 * draw
    assert torch.allclose(seen_by_encoder(GaussianNoise(0.3, seed=5)), expected, atol=1e-6)
    assert torch.allclose(see(images(), VIEW, GaussianNoise(0.3, seed=5)), expected, atol=1e-6)


def test_noise_on_pixels_is_rounded_and_clipped_as_a_photograph_would_be() -> None:
    draw = torch.randn(12, 16, 16, 3, generator=torch.Generator().manual_seed(5)).double()
    noisy = (images().double() / 255 + 0.4 * draw).clamp(0, 1) * 255
    levels = (seen_by_encoder(GaussianNoise(0.4, "pixel", 5)).permute(0, 2, 3, 1) * torch.tensor(CLIP_STD)).add(
        torch.tensor(CLIP_MEAN)
    ) * 255
    assert (levels - levels.round()).abs().max() < 1e-3
    assert (levels - noisy).abs().max() < 0.501
    assert levels.round().min() == 0
    assert levels.round().max() == 255


@pytest.mark.parametrize("space", views.NOISE_SPACES)
def test_all_models_see_the_same_noise_whatever_ran_before(space: str) -> None:
    noise = GaussianNoise(0.2, space, 3)
    first = seen_by_encoder(noise)
    torch.manual_seed(99)
    torch.randn(1000)
    seen_by_encoder(GaussianNoise(0.1, space, 3))
    assert torch.equal(seen_by_encoder(noise), first)
    assert not torch.equal(seen_by_encoder(GaussianNoise(0.2, space, 4)), first)


def test_drawing_noise_leaves_the_global_generator_alone() -> None:
    state = torch.get_rng_state()
    seen_by_encoder(GaussianNoise(0.2))
    assert torch.equal(torch.get_rng_state(), state)


def test_noise_of_two_strengths_is_one_draw_scaled() -> None:
    clean = seen_by_encoder(None)
    weak, strong = (seen_by_encoder(GaussianNoise(sigma, seed=1)) - clean for sigma in (0.1, 0.4))
    assert torch.allclose(4 * weak, strong, atol=1e-5)


def test_no_two_images_share_their_noise_across_batches() -> None:
    count = views.BATCH + 40
    noise = seen_by_encoder(GaussianNoise(1.0), count=count) - seen_by_encoder(None, count=count)
    assert not torch.allclose(noise[0], noise[views.BATCH], atol=1e-3)
    assert len(torch.unique(noise.flatten(1).mul(1e4).round(), dim=0)) == count
    assert noise.mean().abs() < 0.01
    assert abs(noise.std() - 1) < 0.01


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
    many = images(2 * views.BATCH + 3, side=2)
    embed(recorder(parts), many, View(2))
    assert [len(part) for part in parts] == [views.BATCH, views.BATCH, 3]
    assert torch.equal(torch.cat(parts), View(2)(many))


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


def test_a_view_resizes_and_normalises_by_its_own_numbers() -> None:
    view = View(8, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    grey = torch.full((2, 16, 16, 3), 51, dtype=torch.uint8)
    assert torch.allclose(view(grey), torch.full((2, 3, 8, 8), 0.2))


@pytest.mark.parametrize("sigma", [-0.1, float("nan"), float("inf")])
def test_a_strength_that_is_none_is_refused(sigma: float) -> None:
    with pytest.raises(InputError, match="sigma is"):
        GaussianNoise(sigma)


def test_bad_spaces_and_images_are_named() -> None:
    with pytest.raises(InputError, match="space is 'fourier'; allowed: 'normalised', 'pixel'"):
        GaussianNoise(0.1, "fourier")
    with pytest.raises(InputError, match="images must be a uint8 tensor"):
        embed(recorder([]), images().float(), VIEW)
    with pytest.raises(InputError, match="N x H x W x 3"):
        embed(recorder([]), images().permute(0, 3, 1, 2), VIEW)
