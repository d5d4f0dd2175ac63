"""A GPU gives what a CPU gives; skipped where there is none.

By itself it needs no more than training does: ``pytest --noconftest tests/test_gpu.py``.
"""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from asymdistill.data.preprocess import random_crop_flip, resize
from asymdistill.data.scenes import generate
from asymdistill.data.views import GaussianNoise, View, see
from asymdistill.metrics import EffectiveRank, effective_rank, fit_probe, info_nce, singular_values, uniformity
from asymdistill.models.students import Design, build
from asymdistill.models.teachers import load_teacher
from asymdistill.study.study import Study
from asymdistill.training.distillation import Recipe, TrainingState, distil

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")

EFFICIENTNET = "imagenet-efficientnet-lite0"
IMAGES = torch.randint(0, 256, (300, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
ROWS = torch.randn(300, 24, generator=torch.Generator().manual_seed(1)) * torch.linspace(1, 0.1, 24)


def distance(one: Tensor, other: Tensor) -> float:
    return float((one.cpu().double() - other.cpu().double()).norm() / other.cpu().double().norm())


@pytest.fixture(autouse=True)
def full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


@pytest.mark.parametrize("side", [16, 33, 224])
def test_images_are_resized_to_the_same_bytes(side: int) -> None:
    assert torch.equal(resize(IMAGES.cuda(), side).cpu(), resize(IMAGES, side))


def test_augmentation_is_the_same() -> None:
    here, there = (
        random_crop_flip(images, generator=torch.Generator().manual_seed(2)) for images in (IMAGES, IMAGES.cuda())
    )
    assert torch.equal(here, there.cpu())


@pytest.mark.parametrize("space", ["pixel", "normalised"])
def test_noise_of_a_set_does_not_depend_on_how_it_is_split(space: str) -> None:
    images, noise = IMAGES.cuda(), GaussianNoise(0.1, space)
    whole = see(images, View(32), noise)
    assert torch.equal(
        whole, torch.cat([see(images[at : at + 100], View(32), noise, first=at) for at in (0, 100, 200)])
    )
    clean = see(images, View(32))
    assert 0 < float((whole - clean).std()) < 1


def test_the_teacher_gives_the_same_embeddings() -> None:
    here, there = (
        load_teacher(EFFICIENTNET, device=device, crop=False).encode(IMAGES[:100]) for device in ("cpu", "cuda")
    )
    assert distance(there, here) < 1e-4


def test_metrics_take_tensors_where_they_are() -> None:
    there = ROWS.cuda()
    assert effective_rank(there) == pytest.approx(effective_rank(ROWS), rel=1e-6)
    assert distance(singular_values(there), singular_values(ROWS)) < 1e-6
    assert info_nce(there, there.roll(1, 0)) == pytest.approx(info_nce(ROWS, ROWS.roll(1, 0)), rel=1e-5)
    assert uniformity(there) == pytest.approx(uniformity(ROWS), rel=1e-5)
    streamed = EffectiveRank(24).cuda()
    streamed.update(there[:100])
    streamed.update(there[100:])
    assert float(streamed.compute()) == pytest.approx(effective_rank(ROWS), rel=1e-6)


def test_a_probe_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = (ROWS[:, 0] > 0).long() + (ROWS[:, 1] > 0.5).long()
    here, there = (fit_probe(ROWS, labels, device=device) for device in ("cpu", "cuda"))
    assert distance(there.coefficients, here.coefficients) < 1e-2
    assert there.accuracy(ROWS.cuda(), labels.cuda()) == pytest.approx(here.accuracy(ROWS, labels), abs=1)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_training_goes_on_after_a_break_as_if_there_had_been_none(precision: torch.dtype) -> None:
    targets = torch.nn.functional.normalize(torch.randn(300, 24, generator=torch.Generator().manual_seed(3)), dim=1)
    states: list[TrainingState] = []

    def train(**more: object) -> Tensor:
        student = build(Design(1), 24, seed=5)
        recipe = Recipe(epochs=3, batch_size=60, precision=precision, noise=GaussianNoise(0.05))
        done = distil(student, IMAGES, targets, View(32), recipe, seed=5, device="cuda", **more)  # type: ignore[arg-type]
        assert len(done.losses) == 3
        assert done.losses[-1] < done.losses[0]
        return torch.cat([value.flatten().double() for value in done.student.state_dict().values()])

    whole = train(save=states.append)
    assert [state.epoch for state in states] == [1, 2]
    # The order in which a GPU adds is not fixed, so the bytes need not be the same.
    assert distance(train(resume=states[1]), whole) < (1e-3 if precision == torch.float32 else 2e-2)


def test_a_student_trained_on_a_gpu_is_as_good_as_one_trained_on_a_cpu() -> None:
    scenes = generate(640, seed=0).images
    targets = load_teacher(EFFICIENTNET, device="cuda", resolution=64).encode(scenes).cpu()
    recipe = Recipe(epochs=2, batch_size=32)
    here, there = (
        distil(build(Design(1), targets.shape[1], seed=1), scenes, targets, View(32), recipe, seed=1, device=device)
        for device in ("cpu", "cuda")
    )
    assert there.losses == pytest.approx(here.losses, rel=0.02)


def test_a_study_runs_and_is_found_again(tmp_path: Path) -> None:
    overrides = {
        **{
            "device": "cuda",
            "teacher": EFFICIENTNET,
            "teacher_resolution": 64,
            "resolution": 32,
            "autocast": "bfloat16",
        },
        **{"noise_spaces": ["normalised", "pixel"], "augmentation_seeds": 1, "other_teachers": []},
    }
    tables = Study.open("smoke", overrides, tmp_path).compute()
    assert tables
    assert all(len(table) for table in tables.values())
    again = Study.open("smoke", overrides, tmp_path)
    again.compute()
    assert not sum(made for _, made, _ in again.counts().values())
