"""Images resized once and kept where they are used."""

import threading

import torch
from torch import Tensor

from asymdistill.data.preprocess import resize
from asymdistill.runtime.devices import free_and_total

_PART = 1000
# Part of the free memory that resized images may take: the rest is for those who use them.
_SHARE = {"cuda": 0.5, "cpu": 0.25}


class Resident:
    """Resized images, as long as they fit into the memory of the device that uses them; made once for each resolution.

    An image that has the resolution already passes through a ``views.View`` as it is, so a network sees the same to
    the bit. Several threads may ask at once.

    Args:
        device: where they are used.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        # With the originals, so that none of them can be mistaken for another at the same address.
        self._kept: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
        self._lock = threading.Lock()

    def __call__(self, images: Tensor, resolution: int) -> Tensor:
        """Return images that are resized, or as they came where they needn't be or don't fit.

        Args:
            images: uint8, N x H x W x 3.
            resolution: R, the side that is wanted, in pixels.

        Returns:
            uint8, N x R x R x 3 on the device; or ``images``.
        """
        if min(images.shape[1:3]) == resolution:
            return images
        with self._lock:
            key = (id(images), resolution)
            if key not in self._kept:
                fits = size_of(len(images), resolution) <= room_for_images(self.device)
                self._kept[key] = (images, self._resized(images, resolution) if fits else images)
            return self._kept[key][1]

    def _resized(self, images: Tensor, resolution: int) -> Tensor:
        kept = torch.empty(len(images), resolution, resolution, 3, dtype=torch.uint8, device=self.device)
        for part, room in zip(images.split(_PART), kept.split(_PART), strict=True):
            room.copy_(resize(part.to(self.device), resolution).permute(0, 2, 3, 1))
        return kept


def size_of(images: int, resolution: int) -> int:
    """Bytes that so many images take, resized to R x R."""
    return 3 * images * resolution**2


def room_for_images(device: torch.device) -> int:
    """Bytes that resized images of one kind may take on a device now."""
    return int(_SHARE.get(device.type, 0) * free_and_total(device)[0])
