"""What encoders see: the same noise for every model, and clean images to the bit where there is none."""

import pytest
import torch
from torch import Tensor

from asymdistill.data import views
from asymdistill.data.preprocess import CLIP_MEAN, CLIP_STD
from asymdistill.data.views import BLOCK, GaussianNoise, View, see
from asymdistill.runtime.errors import InputError

VIEW = View(16)


def images(count: int = 12, side: int = 16, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, side, side, 3), generator=generator, dtype=torch.uint8)


def noise_of(count: int, first: int = 0, seed: int = 1) -> Tensor:
    """The noise that is added to some images of a set, at sigma = 1 on 8 x 8 pixels."""
    black = torch.zeros(count, 8, 8, 3, dtype=torch.uint8)
    return see(black, View(8), GaussianNoise(1.0, seed=seed), first=first) - View(8)(black)


def test_the_clean_view_is_the_normalised_image() -> None:
    pixels = images(3).double().permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(values, dtype=torch.float64).view(3, 1, 1) for values in (CLIP_MEAN, CLIP_STD))
    assert torch.allclose(see(images(3), VIEW).double(), (pixels - mean) / std, atol=1e-6)


@pytest.mark.parametrize("space", views.NOISE_SPACES)
def test_without_noise_an_encoder_sees_the_clean_image_to_the_bit(space: str) -> None:
    clean = VIEW(images())
    assert torch.equal(see(images(), VIEW), clean)
    assert torch.equal(see(images(), VIEW, GaussianNoise(0.0, space)), clean)


def test_a_generator_that_is_given_draws_the_noise_and_advances() -> None:
    draw = torch.randn(12, 3, 16, 16, generator=torch.Generator().manual_seed(5))
    generator = torch.Generator().manual_seed(5)
    assert torch.allclose(see(images(), VIEW, GaussianNoise(0.3), generator), VIEW(images()) + 0.3 * draw, atol=1e-6)
    assert not torch.equal(see(images(), VIEW, GaussianNoise(0.3), generator), VIEW(images()) + 0.3 * draw)


def test_noise_on_pixels_is_rounded_and_clipped_as_a_photograph_would_be() -> None:
    draw = torch.randn(12, 16, 16, 3, generator=torch.Generator().manual_seed(5)).double()
    noisy = (images().double() / 255 + 0.4 * draw).clamp(0, 1) * 255
    seen = see(images(), VIEW, GaussianNoise(0.4, "pixel"), torch.Generator().manual_seed(5)).permute(0, 2, 3, 1)
    levels = (seen * torch.tensor(CLIP_STD) + torch.tensor(CLIP_MEAN)) * 255
    assert (levels - levels.round()).abs().max() < 1e-3
    assert (levels - noisy).abs().max() < 0.501
    assert levels.round().min() == 0
    assert levels.round().max() == 255


@pytest.mark.parametrize("space", views.NOISE_SPACES)
def test_all_models_see_the_same_noise_whatever_ran_before(space: str) -> None:
    noise = GaussianNoise(0.2, space, 3)
    first = see(images(), VIEW, noise)
    torch.manual_seed(99)
    torch.randn(1000)
    see(images(), VIEW, GaussianNoise(0.1, space, 3))
    assert torch.equal(see(images(), VIEW, noise), first)
    assert not torch.equal(see(images(), VIEW, GaussianNoise(0.2, space, 4)), first)


def test_drawing_noise_leaves_the_global_generator_alone() -> None:
    state = torch.get_rng_state()
    see(images(), VIEW, GaussianNoise(0.2))
    assert torch.equal(torch.get_rng_state(), state)


def test_noise_of_two_strengths_is_one_draw_scaled() -> None:
    clean = VIEW(images())
    weak, strong = (see(images(), VIEW, GaussianNoise(sigma, seed=1)) - clean for sigma in (0.1, 0.4))
    assert torch.allclose(4 * weak, strong, atol=1e-5)


@pytest.mark.parametrize("space", views.NOISE_SPACES)
def test_the_noise_of_an_image_depends_on_its_place_alone(space: str) -> None:
    many, noise = images(3 * BLOCK + 7, side=8), GaussianNoise(0.2, space, 3)
    whole = see(many, View(8), noise)
    for first, last in ((0, 1), (0, BLOCK + 30), (BLOCK, 3 * BLOCK), (3 * BLOCK, len(many))):
        assert torch.equal(see(many[first:last], View(8), noise, first=first), whole[first:last])
    assert not torch.equal(see(many[:BLOCK], View(8), noise, first=BLOCK), whole[:BLOCK])


def test_no_two_images_and_no_two_seeds_share_their_noise() -> None:
    count = 2 * BLOCK + 40
    noise = noise_of(count)
    # Seed 0 of block 1 beside seed 1 of block 0 is where an unmixed sum of the two would repeat itself.
    others = torch.cat([noise, noise_of(count, seed=0), noise_of(count, seed=2)])
    assert len(torch.unique(others.flatten(1).mul(1e4).round(), dim=0)) == 3 * count
    assert noise.mean().abs() < 0.01
    assert abs(noise.std() - 1) < 0.01
    between = torch.corrcoef(noise[::BLOCK].flatten(1))
    assert (between - torch.eye(3)).abs().max() < 0.4


def test_the_noise_never_changes() -> None:
    """Stored results depend on it: raise the versions of what is stored when these numbers change."""
    drawn = noise_of(2, first=5 * BLOCK)[:, 0, 0, 0]
    assert torch.allclose(drawn, torch.tensor([1.012637, -1.660545]), atol=1e-6)


def test_a_part_begins_with_a_block() -> None:
    with pytest.raises(InputError, match="first is 50; allowed: multiples of 100"):
        see(images(), VIEW, GaussianNoise(0.1), first=50)


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
        see(images().float(), VIEW)
    with pytest.raises(InputError, match="N x H x W x 3"):
        see(images().permute(0, 3, 1, 2), VIEW)
