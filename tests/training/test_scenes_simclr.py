"""The recipe that trains on augmented views."""

import math

import pytest
import torch
from torch import Tensor, nn

from asymdistill.data.preprocess import clip_preprocess
from asymdistill.data.scenes import generate
from asymdistill.models.mini_clip import ImageTower
from asymdistill.runtime.errors import InputError
from asymdistill.training import scenes_simclr
from asymdistill.training.losses import nt_xent
from asymdistill.training.pretraining import train
from asymdistill.training.scenes_simclr import SimclrRecipe, ViewMatching, augmentation

TINY = {"images": 48, "epochs": 1, "batch": 16, "probe_images": 40}


@pytest.fixture(scope="module")
def images() -> Tensor:
    return generate(TINY["images"], seed=0).images


# A view.


def views_of(image: Tensor, count: int = 400) -> Tensor:
    torch.manual_seed(0)
    augment = augmentation(0.6)
    return torch.stack([augment(image) for _ in range(count)])


def test_half_of_the_views_are_grey_and_none_is_like_another(images: Tensor) -> None:
    views = views_of(images[0].permute(2, 0, 1))
    assert views.shape == (400, 3, 32, 32)
    assert views.dtype == torch.uint8
    grey = (views == views[:, :1]).all(dim=(1, 2, 3)).float().mean().item()
    # Four standard deviations of the share of 400 draws.
    assert grey == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(400))
    assert len({view.numpy().tobytes() for view in views}) == 400


def test_half_of_the_views_are_mirrored() -> None:
    # Dark on the left and bright on the right, whatever happens to the colours.
    ramp = torch.linspace(0, 255, 32).expand(3, 32, 32).to(torch.uint8)
    brightness = views_of(ramp).float().mean(dim=(1, 2))
    rises = brightness[:, 16:].mean(1) > brightness[:, :16].mean(1)
    assert rises.float().mean().item() == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(400))


# The training.


def losses_of(**settings: float) -> tuple[list[float], ViewMatching]:
    recipe = SimclrRecipe(**(TINY | settings))
    task = ViewMatching(recipe)
    return list(train(recipe, task)), task


def test_the_loss_is_given_two_views_of_the_same_scenes_in_the_same_order(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[Tensor, Tensor, float]] = []

    def spy(first: Tensor, second: Tensor, *, temperature: float) -> Tensor:
        given.append((first.detach(), second.detach(), temperature))
        return nt_xent(first, second, temperature=temperature)

    monkeypatch.setattr(scenes_simclr, "nt_xent", spy)
    monkeypatch.setattr(scenes_simclr, "augmentation", lambda smallest_crop: nn.Identity())
    losses_of(temperature=0.3, dropped=0.0)
    assert len(given) == 3
    for first, second, temperature in given:
        assert first.shape == (16, 64)
        assert temperature == 0.3
        torch.testing.assert_close(first.float(), second.float(), atol=0.05, rtol=0.05)
        assert (first - first.roll(1, 0)).abs().amax(1).min() > 0.1


def test_training_depends_on_the_seed_alone_and_moves_the_tower() -> None:
    def weights(seed: int) -> list[Tensor]:
        torch.randn(seed + 5)
        (loss,), task = losses_of(seed=seed)
        assert math.isfinite(loss)
        assert task.towers.text is None
        assert not task.towers.image.training
        return [parameter.detach().clone() for parameter in task.towers.image.parameters()]

    first, again, other = weights(1), weights(1), weights(2)
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
    assert not all(torch.equal(one, two) for one, two in zip(first, other, strict=True))
    torch.manual_seed(1)
    moved = [(a - b).abs().max() > 0 for a, b in zip(first, ImageTower().parameters(), strict=True)]
    assert all(moved)


def test_the_trained_tower_drops_no_tokens_when_it_is_used(images: Tensor) -> None:
    _, task = losses_of(dropped=0.9)
    pixels = clip_preprocess(images[:4], 32)
    with torch.no_grad():
        assert torch.equal(task.towers.image(pixels), task.towers.image(pixels))
        task.train()
        assert not torch.equal(task.towers.image(pixels), task.towers.image(pixels))


def test_every_epoch_trains_in_train_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[bool] = []

    class Watched(ImageTower):
        def forward(self, images: Tensor) -> Tensor:
            modes.append(self.training)
            return super().forward(images)

    monkeypatch.setattr(scenes_simclr, "ImageTower", Watched)
    recipe = SimclrRecipe(images=48, epochs=2, batch=16)
    task = ViewMatching(recipe)
    for _ in train(recipe, task):
        assert not any(module.training for module in task.modules())
    assert modes == [True] * 6


def test_scenes_are_told_apart_by_what_is_left_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    # With nothing but tokens dropped, a few steps are enough.
    monkeypatch.setattr(scenes_simclr, "augmentation", lambda smallest_crop: nn.Identity())
    losses, _ = losses_of(epochs=6, learning_rate=2e-3)
    assert losses[-1] < 0.5 * losses[0]
    assert losses[-1] < math.log(2 * 16 - 1) / 2


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("temperature", -1.0, "temperature is -1.0; it must be a finite number greater than 0"),
        ("smallest_crop", 0, "smallest_crop is 0; it must be a finite number greater than 0"),
        ("smallest_crop", 1.5, "smallest_crop is 1.5; allowed: 0 to 1"),
        ("dropped", 1.0, "dropped is 1.0; allowed: 0 to 0.9"),
    ],
)
def test_settings_out_of_range_are_refused(setting: str, value: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        SimclrRecipe(**{setting: value})
