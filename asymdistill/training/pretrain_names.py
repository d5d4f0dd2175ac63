"""Train the third embedded teacher, on photographs.

``python -m asymdistill.training.pretrain_names --images DATA --out DIR``.

The two towers of the first teacher learn contrastively which names are those of which image of CIFAR-100: its fine
class, or the coarse class that holds it. The image tower loses half of its tokens at random (Li et al., "Scaling
Language-Image Pre-Training via Masking", CVPR 2023), which nearly halves the time. The shipped weights (log beside
them) are from the defaults.
"""

import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from open_clip.transformer import PatchDropout
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from asymdistill.data import datasets
from asymdistill.data.preprocess import clip_preprocess, random_crop_flip
from asymdistill.models.mini_clip import (
    NAMES,
    RESOLUTION,
    ImageTower,
    TextTower,
    Towers,
    Vocabulary,
    load_embedded,
    pack,
)
from asymdistill.runtime.errors import InputError
from asymdistill.store import files
from asymdistill.training.pretraining import Log, check_settings, command_line, embed, optimizer, probe_and_rank, step
from asymdistill.training.scenes_clip import contrastive_loss, matches

# CIFAR-100's own twenty groups of five (Krizhevsky, 2009).
COARSE = {
    "aquatic mammals": "beaver dolphin otter seal whale",
    "fish": "aquarium_fish flatfish ray shark trout",
    "flowers": "orchid poppy rose sunflower tulip",
    "food containers": "bottle bowl can cup plate",
    "fruit and vegetables": "apple mushroom orange pear sweet_pepper",
    "household electrical devices": "clock keyboard lamp telephone television",
    "household furniture": "bed chair couch table wardrobe",
    "insects": "bee beetle butterfly caterpillar cockroach",
    "large carnivores": "bear leopard lion tiger wolf",
    "large man-made outdoor things": "bridge castle house road skyscraper",
    "large natural outdoor scenes": "cloud forest mountain plain sea",
    "large omnivores and herbivores": "camel cattle chimpanzee elephant kangaroo",
    "medium-sized mammals": "fox porcupine possum raccoon skunk",
    "non-insect invertebrates": "crab lobster snail spider worm",
    "people": "baby boy girl man woman",
    "reptiles": "crocodile dinosaur lizard snake turtle",
    "small mammals": "hamster mouse rabbit shrew squirrel",
    "trees": "maple_tree oak_tree palm_tree pine_tree willow_tree",
    "vehicles 1": "bicycle bus motorcycle pickup_truck train",
    "vehicles 2": "lawn_mower rocket streetcar tank tractor",
}
_LENGTH = 8  # words of the longest caption, and the number that ends it


@dataclass(frozen=True)
class Settings:
    """What the training depends on.

    Attributes:
        epochs: Passes over the training images.
        limit: Training images to use, balanced over the classes; 0 for all.
        seed: Of the subset, the first weights, the captions and the augmentation.
        batch: Images a step.
        learning_rate: Of AdamW at the end of the warm-up, from where it falls along a cosine to zero.
        weight_decay: Of AdamW, on matrices only.
        warmup: Part of all steps in which the learning rate rises.
        coarse_share: Part of the captions that name the coarse class.
        dropped: Part of an image's tokens that the tower doesn't see in training.
        probe_images: Of the training images, those that the linear probe is fitted on; fewer where there are fewer.
    """

    epochs: int = 20
    limit: int = 0
    seed: int = 0
    batch: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.1
    warmup: float = 0.05
    coarse_share: float = 0.2
    dropped: float = 0.5
    probe_images: int = 10_000

    def __post_init__(self) -> None:
        positive = ("epochs", "batch", "learning_rate")
        check_settings(self, positive, {"limit": 2**31, "seed": 2**63, "warmup": 1, "coarse_share": 1, "dropped": 0.9})


def captions(class_names: tuple[str, ...]) -> tuple[list[str], list[str], Tensor]:
    """Return the captions of the fine classes, those of the coarse ones, and each fine class's coarse class.

    Args:
        class_names: CIFAR-100's, in any order.

    Raises:
        InputError: Other names.
    """
    coarse_of = {fine: number for number, group in enumerate(COARSE.values()) for fine in group.split()}
    if sorted(class_names) != sorted(coarse_of):
        raise InputError(f"images must be CIFAR-100's, with its 100 class names; these have {len(class_names)} others")
    fine = [f"a {name.replace('_', ' ')}" for name in class_names]
    return fine, [f"a {name}" for name in COARSE], torch.tensor([coarse_of[name] for name in class_names])


def train(settings: Settings, images: datasets.ImageSet) -> Iterator[tuple[Towers, float]]:
    """Train both towers, yielding them with the epoch's mean loss after each epoch.

    Args:
        settings: What the training depends on.
        images: CIFAR-100's.

    Yields:
        The same towers each time, in eval mode, and the mean loss of the epoch in nats.
    """
    torch.manual_seed(settings.seed)  # PatchDropout draws from the global generator
    generator = torch.Generator().manual_seed(settings.seed)
    fine, coarse, coarse_of = captions(images.class_names)
    vocabulary = Vocabulary(sorted({word for caption in fine + coarse for word in caption.split()}), _LENGTH)
    towers = Towers(ImageTower(), TextTower(vocabulary))
    towers.image.transformer.patch_dropout = PatchDropout(settings.dropped)  # it drops none in eval mode
    assert towers.text is not None
    both = nn.ModuleList([towers.image, towers.text])
    log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
    batch = min(settings.batch, len(images))
    steps = settings.epochs * (len(images) // batch)
    descent, schedule = optimizer([*both.parameters(), log_scale], settings, steps)
    numbers = vocabulary.encode(fine + coarse)
    factors = torch.stack([images.labels, coarse_of[images.labels]], dim=1)
    for _ in range(settings.epochs):
        losses = []
        both.train()
        for chosen in torch.randperm(len(images), generator=generator)[: len(images) // batch * batch].split(batch):
            pixels = clip_preprocess(random_crop_flip(images.images[chosen], generator=generator), RESOLUTION)
            by_coarse = torch.rand(batch, generator=generator) < settings.coarse_share
            caption = torch.where(by_coarse, len(fine) + factors[chosen, 1], factors[chosen, 0])
            # On a CPU with bfloat16, it and plain attention take half the time; the loss itself stays in float32.
            with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
                embeddings, prompts = towers.image(pixels), towers.text(numbers[caption])
            match = matches(factors[chosen], torch.stack([~by_coarse, by_coarse], dim=1))
            scale = log_scale.clamp(max=math.log(100)).exp()
            loss = contrastive_loss(embeddings.float(), prompts.float(), match, scale)
            losses.append(step(loss, descent, schedule))
        both.eval()
        yield towers, float(np.mean(losses))


@torch.no_grad()
def measure(towers: Towers, fitted: datasets.ImageSet, tested: datasets.ImageSet) -> dict[str, float]:
    """Measure both towers: what ``pretraining.probe_and_rank`` gives, and the zero-shot accuracy by name, 0 to 1."""
    assert towers.text is not None
    prompts = F.normalize(towers.text.encode(captions(tested.class_names)[0]), dim=1)
    guesses = (embed(towers.image, tested.images) @ prompts.T).argmax(dim=1)
    found = probe_and_rank(towers.image, fitted, tested)
    return {**found, "zero-shot accuracy": float((guesses == tested.labels).float().mean())}


def pretrain(out: Path, settings: Settings, images: Path | None = None) -> None:
    """Train, measure and write ``embedded-names.safetensors`` and its log; the weights so far after each epoch.

    Args:
        out: Folder for both files, made if missing.
        settings: What the training depends on.
        images: CIFAR-100 as an ``.npz`` file or a folder of images; None for torchvision's own download.

    Raises:
        InputError: If the images can't be read or are others.
    """
    weights = out / f"{NAMES}.safetensors"
    source = "cifar100" if images is None else str(images)
    fitted = datasets.load(source, "train", limit=settings.limit or None, seed=settings.seed)
    tested = datasets.load(source, "test", seed=settings.seed)
    captions(fitted.class_names)  # before anything is written
    out.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()
    with Log(weights.with_suffix(".log"), settings) as log:
        for epoch, (towers, loss) in enumerate(train(settings, fitted), start=1):
            files.write_tensors(weights, *pack(towers))
            log.say(f"epoch {epoch}: loss {loss:.4f}, {time.perf_counter() - begin:.0f} s")
        # The file is measured, not the towers in memory: it holds half precision.
        probed = min(settings.probe_images, len(fitted))
        some = fitted.take(datasets.balanced_subset(fitted.labels, probed, seed=settings.seed, classes=len(COARSE) * 5))
        log.say_all(measure(load_embedded(weights), some, tested))
        log.say(f"threads: {torch.get_num_threads()}, seconds: {time.perf_counter() - begin:.0f}")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit status: 0, or 2 for bad input."""
    return command_line("pretrain_names", Settings, pretrain, arguments, images="CIFAR-100: an .npz file or a folder")


if __name__ == "__main__":
    sys.exit(main())
