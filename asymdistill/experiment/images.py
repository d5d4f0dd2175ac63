"""The images of an experiment, loaded once for all that is made from them."""

from functools import cached_property
from typing import Any

import torch

from asymdistill.config.names import GENERATED_IMAGES, image_source
from asymdistill.config.settings import Settings
from asymdistill.data import datasets
from asymdistill.data.datasets import ImageSet, Split
from asymdistill.data.resized import Resident
from asymdistill.experiment.suitability import census, check_images, within_limits
from asymdistill.runtime.memo import Memo
from asymdistill.store.keys import Artifact, Kind

_LOADING = tuple(f"data/{name}.py" for name in ("arrays", "datasets", "listing", "pixels", "scenes"))
IMAGES = Kind("images", 1, _LOADING, ("numpy", "pillow"))


class Images:
    """The images of an experiment, loaded once.

    Args:
        settings: validated settings.
        device: where students see them.
        loaded: images and teachers that experiments of one process share, by what loads them.

    Attributes:
        resized: the images of a split at the resolution that students see.
    """

    def __init__(self, settings: Settings, device: torch.device, loaded: Memo) -> None:
        self._settings = settings
        self._loaded = loaded
        self._memo = Memo()
        self.resized = loaded(("resized", device), lambda: Resident(device))

    @property
    def train(self) -> ImageSet:
        """The training images."""
        return self.of("train")

    @property
    def test(self) -> ImageSet:
        """The test images, on which every metric is computed."""
        return self.of("test")

    def of(self, split: Split, classes: int | None = None) -> ImageSet:
        """The images of a split, or of its first ``classes`` classes: as many images for any number of classes."""
        return self._memo((split, classes), lambda: self._load(split, classes))

    def artifact(self, split: Split, classes: int | None = None) -> Artifact:
        """What names the images of a split: the digest of their files, and what is taken of them."""
        own = self._settings
        inputs = {
            "source": self.digest,
            "split": split,
            "limit": self._limit(split),
            "seed": own.data_seed,
            "rule": None if classes is None else {"classes": classes, "fewest": min(own.class_counts)},
            "side": own.image_size if image_source(own.dataset) == "folder" else None,
        }
        return Artifact(IMAGES, inputs)

    @cached_property
    def digest(self) -> str:
        """Digest of the images' files, or of the rules by which they are drawn.

        Raises:
            InputError: there are no such images.
        """
        dataset = self._settings.dataset
        return self._loaded(("digest", dataset), lambda: datasets.digest(dataset))

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.test.class_names

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Numbers of images in ``train`` and ``test``, and of ``classes``; Scenes are counted without being drawn."""
        if self._settings.dataset in GENERATED_IMAGES:
            there = within_limits(self._settings, census(self._settings))
            return {"train": there.train, "test": there.test, "classes": there.classes}
        return {"train": len(self.train), "test": len(self.test), "classes": len(self.class_names)}

    def check(self) -> None:
        """Find images that no table could be made of, or too few of them.

        Raises:
            InputError: it names what is wrong and what is allowed.
        """
        self._memo("checked", lambda: check_images(self._settings, self.train, self.test))

    def _limit(self, split: Split) -> int | None:
        return self._settings.train_limit if split == "train" else self._settings.test_limit

    def _load(self, split: Split, classes: int | None) -> ImageSet:
        own, limit = self._settings, self._limit(split)
        if classes is not None and own.dataset == "scenes":
            limit = len(self.of(split))  # any number of scenes can be drawn
        elif classes is not None:
            limit = min(self.of(split).labels.bincount().tolist()) * min(own.class_counts)
        options: dict[str, Any] = {
            "root": own.dataset_root,
            "download": own.download,
            "limit": limit,
            "seed": own.data_seed,
            "image_size": own.image_size,
            "classes": classes,
        }
        key = ("images", self.digest, split, *options.values())
        return self._loaded(key, lambda: datasets.load(own.dataset, split, **options))
