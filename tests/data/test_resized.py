"""Images that are resized once: the same to the bit, shared by threads, and only where there is room."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from asymdistill.data import resized
from asymdistill.data.resized import Resident
from asymdistill.data.views import View

CPU = torch.device("cpu")


@pytest.mark.parametrize("shape", [(12, 12), (9, 14)])
def test_a_network_sees_the_same_to_the_bit(shape: tuple[int, int]) -> None:
    images = torch.randint(0, 256, (1234, *shape, 3), dtype=torch.uint8)
    view = View(20)
    kept = Resident(CPU)(images, 20)
    assert kept.shape == (1234, 20, 20, 3)
    assert torch.equal(view(kept), view(images))


def test_images_of_that_size_stay_as_they_are() -> None:
    images = torch.zeros(3, 12, 12, 3, dtype=torch.uint8)
    assert Resident(CPU)(images, 12) is images


def test_threads_share_what_is_made_once_for_each_resolution(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def resize(part: torch.Tensor, side: int) -> torch.Tensor:
        made.append(side)
        return part.new_zeros(len(part), 3, side, side)

    monkeypatch.setattr(resized, "resize", resize)
    images, other = torch.zeros(2, 5, 8, 8, 3, dtype=torch.uint8)
    keep = Resident(CPU)
    with ThreadPoolExecutor(8) as pool:
        first = list(pool.map(lambda side: keep(images, side), [16, 24] * 8))
    assert sorted(made) == [16, 24]
    assert len({id(kept) for kept in first}) == 2
    assert keep(other, 16) is not keep(images, 16)


def test_images_that_do_not_fit_are_left_to_be_resized_batch_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.zeros(10, 8, 8, 3, dtype=torch.uint8)
    needed = 10 * 3 * 16 * 16
    monkeypatch.setattr(resized, "room_for_images", lambda device: needed - 1)
    assert Resident(CPU)(images, 16) is images
    monkeypatch.setattr(resized, "room_for_images", lambda device: needed)
    assert Resident(CPU)(images, 16).shape == (10, 16, 16, 3)
