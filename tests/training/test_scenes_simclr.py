"""The training of the second embedded teacher, and what it shares with the first's."""

import math
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from asymdistill.data.preprocess import clip_preprocess
from asymdistill.data.scenes import generate
from asymdistill.metrics.spectrum import effective_rank
from asymdistill.models.mini_clip import ImageTower, load_embedded
from asymdistill.training import pretraining, scenes_simclr
from asymdistill.training.losses import nt_xent
from asymdistill.training.scenes_simclr import Settings, augmentation, main, train

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = {"images": 48, "epochs": 1, "batch": 16, "probe_images": 40}
OPTIONS = [word for name, value in TINY.items() for word in (f"--{name.replace('_', '-')}", str(value))]


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


def test_the_loss_is_given_two_views_of_the_same_scenes_in_the_same_order(
    images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[Tensor, Tensor, float]] = []

    def spy(first: Tensor, second: Tensor, *, temperature: float) -> Tensor:
        given.append((first.detach(), second.detach(), temperature))
        return nt_xent(first, second, temperature=temperature)

    monkeypatch.setattr(scenes_simclr, "nt_xent", spy)
    monkeypatch.setattr(scenes_simclr, "augmentation", lambda smallest_crop: nn.Identity())
    list(train(Settings(**TINY, temperature=0.3, dropped=0.0), images))
    assert len(given) == 3
    for first, second, temperature in given:
        assert first.shape == (16, 64)
        assert temperature == 0.3
        torch.testing.assert_close(first.float(), second.float(), atol=0.05, rtol=0.05)
        assert (first - first.roll(1, 0)).abs().amax(1).min() > 0.1


def test_training_depends_on_the_seed_alone_and_moves_the_tower(images: Tensor) -> None:
    def weights(seed: int) -> list[Tensor]:
        torch.randn(seed + 5)
        ((towers, loss),) = train(Settings(**TINY, seed=seed), images)
        assert math.isfinite(loss)
        assert towers.text is None
        assert not towers.image.training
        return [parameter.detach().clone() for parameter in towers.image.parameters()]

    first, again, other = weights(1), weights(1), weights(2)
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
    assert not all(torch.equal(one, two) for one, two in zip(first, other, strict=True))
    torch.manual_seed(1)
    moved = [(a - b).abs().max() > 0 for a, b in zip(first, ImageTower().parameters(), strict=True)]
    assert all(moved)


def test_the_trained_tower_drops_no_tokens_when_it_is_used(images: Tensor) -> None:
    ((towers, _),) = train(Settings(**TINY, dropped=0.9), images)
    pixels = clip_preprocess(images[:4], 32)
    with torch.no_grad():
        assert torch.equal(towers.image(pixels), towers.image(pixels))


def test_every_epoch_trains_in_train_mode(images: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[bool] = []

    class Watched(ImageTower):
        def forward(self, images: Tensor) -> Tensor:
            modes.append(self.training)
            return super().forward(images)

    monkeypatch.setattr(scenes_simclr, "ImageTower", Watched)
    for towers, _ in train(Settings(images=48, epochs=2, batch=16), images):
        assert not towers.image.training
    assert modes == [True] * 6


def test_scenes_are_told_apart_by_what_is_left_of_them(images: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    # With nothing but tokens dropped, a few steps are enough.
    monkeypatch.setattr(scenes_simclr, "augmentation", lambda smallest_crop: nn.Identity())
    losses = [loss for _, loss in train(Settings(images=48, epochs=6, batch=16, learning_rate=2e-3), images)]
    assert losses[-1] < 0.5 * losses[0]
    assert losses[-1] < math.log(2 * 16 - 1) / 2


# From the command line.


def test_pretrain_views_from_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        assert main(["--out", str(folder), *OPTIONS]) == 0
        logs.append((folder / "embedded-views.log").read_text(encoding="utf-8"))
        assert capsys.readouterr().out == logs[-1]
        assert "/" not in logs[-1]
        assert {path.name.split(".")[0] for path in folder.iterdir()} == {"embedded-views"}
    measured = [[line for line in log.splitlines() if "accuracy" in line or "rank" in line] for log in logs]
    assert measured[0] == measured[1]
    assert [line.split(":")[0] for line in measured[0]] == ["probe accuracy", "effective rank"]
    assert '"smallest_crop": 0.6' in logs[0]
    assert f"of {math.log(31):.4f} for chance" in logs[0]
    assert logs[0].splitlines()[-1].startswith("threads: 1, seconds: ")
    with safe_open(tmp_path / "a" / "embedded-views.safetensors", framework="pt") as file:
        assert set(file.metadata()) == {"format", "digest"}
    first, second = (load_embedded(tmp_path / folder / "embedded-views.safetensors") for folder in "ab")
    assert first.text is None
    states = (pair.image.state_dict() for pair in (first, second))
    assert all(torch.equal(one, two) for one, two in zip(*(state.values() for state in states), strict=True))


def test_chance_is_that_of_the_batches_there_are(tmp_path: Path) -> None:
    few = ["--images", "12", "--epochs", "1", "--probe-images", "40"]
    assert main(["--out", str(tmp_path), *few]) == 0
    log = (tmp_path / "embedded-views.log").read_text(encoding="utf-8")
    assert f"of {math.log(2 * 12 - 1):.4f} for chance" in log


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--epochs", "0", "epochs is 0; it must be a finite number greater than 0"),
        ("--temperature", "-1", "temperature is -1.0; it must be a finite number greater than 0"),
        ("--learning-rate", "nan", "learning_rate is nan; it must be a finite number greater than 0"),
        ("--smallest-crop", "1.5", "smallest_crop is 1.5; allowed: 0 to 1"),
        ("--dropped", "1", "dropped is 1.0; allowed: 0 to 0.9"),
        ("--warmup", "-0.1", "warmup is -0.1; allowed: 0 to 1"),
        ("--seed", "-1", "seed is -1; allowed: 0 to "),
    ],
)
def test_pretrain_views_refuses_in_one_line(
    option: str, value: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--out", str(tmp_path / "out"), f"{option}={value}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"asymdistill: error: {message}")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("no folder")
    assert main(["--out", str(tmp_path / "file" / "out"), *OPTIONS]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("asymdistill: error: ")


# What both trainings share.


def test_the_learning_rate_rises_in_a_line_and_falls_along_a_cosine() -> None:
    matrix, bias = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2))
    settings = Settings(learning_rate=0.5, warmup=0.2, weight_decay=0.3)
    descent, schedule = pretraining.optimizer([matrix, bias], settings, 20)
    rates = []
    for _ in range(20):
        rates.append(schedule.get_last_lr()[0])
        descent.step()
        schedule.step()
    rise, fall = [0.125, 0.25, 0.375, 0.5], [0.25 * (1 + math.cos(math.pi * step / 16)) for step in range(16)]
    assert rates == pytest.approx(rise + fall)
    assert schedule.get_last_lr()[0] == pytest.approx(0, abs=1e-12)
    decays = {id(p): group["weight_decay"] for group in descent.param_groups for p in group["params"]}
    assert decays == {id(matrix): 0.3, id(bias): 0.0}


def test_images_are_measured_on_scenes_of_the_next_two_seeds() -> None:
    torch.manual_seed(0)
    tower = ImageTower().eval()
    found = pretraining.measure_on_scenes(tower, 5, 60)
    fitted, tested = generate(60, seed=6), generate(30, seed=7)
    with torch.no_grad():
        own, others = (nn.functional.normalize(tower(clip_preprocess(s.images, 32)), dim=1) for s in (fitted, tested))
    probe = LogisticRegression(max_iter=2000).fit(own.numpy(), fitted.labels.numpy())
    assert found["probe accuracy"] == pytest.approx(probe.score(others.numpy(), tested.labels.numpy()))
    assert found["effective rank"] == pytest.approx(effective_rank(others), rel=1e-4)
