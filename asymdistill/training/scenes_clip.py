"""Train the embedded teacher from nothing: ``python -m asymdistill.training.scenes_clip --out DIR``.

Two small towers learn contrastively which captions are true of which generated scenes. Plain CLIP on full captions
takes the easy way here: colours alone tell the pairs of a batch apart, so its loss falls while the shapes stay unseen.
Hence a caption names a few random factors only, and every caption of a batch that is true of an image counts as a
match, not its own alone. Once captions that mostly name the shape have taught it, a further run whose captions name it
less spreads the embedding over the other factors, which raises its rank. The shipped weights (log beside them) are from
``--out A --stop-after 4`` and then ``--out B --start A/embedded.safetensors --images 24000 --epochs 3 --shape-share 0.4
--most-named 4 --learning-rate 7e-4``.
"""

import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from asymdistill.data.preprocess import clip_preprocess
from asymdistill.data.scenes import FACTORS, SHAPES, Scenes, caption, class_prompt, generate
from asymdistill.models.mini_clip import (
    CAPTIONS,
    RESOLUTION,
    ImageTower,
    TextTower,
    Towers,
    Vocabulary,
    load_embedded,
    pack,
)
from asymdistill.store import files
from asymdistill.training.pretraining import (
    Log,
    check_settings,
    command_line,
    embed,
    measure_on_scenes,
    optimizer,
    step,
)

_NAMES = tuple(FACTORS)
_CONTEXT = ("a", "shape", "patterns", "at", "the", "on", "with", "outline")


@dataclass(frozen=True)
class Settings:
    """What the training depends on.

    Attributes:
        images: Scenes to train on.
        epochs: Passes over them.
        stop_after: Epoch after which to stop early; 0 for none.
        seed: Of the scenes, the towers' first weights and the captions; seed + 1 and seed + 2 draw the scenes that
            the trained teacher is measured on.
        batch: Scenes a step.
        learning_rate: Of AdamW at the end of the warm-up, from where it falls along a cosine to zero.
        weight_decay: Of AdamW, on matrices only.
        warmup: Part of all steps in which the learning rate rises.
        shape_share: Part of the captions that name the shape.
        most_named: Most factors that a caption names besides the shape.
        probe_images: Scenes that the linear probe is fitted on; half as many test it.
    """

    images: int = 48_000
    epochs: int = 8
    stop_after: int = 0
    seed: int = 0
    batch: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.1
    warmup: float = 0.05
    shape_share: float = 0.85
    most_named: int = 3
    probe_images: int = 4_000

    def __post_init__(self) -> None:
        positive = ("images", "epochs", "batch", "learning_rate")
        check_settings(
            self, positive, {"seed": 2**63, "stop_after": self.epochs, "shape_share": 1, "most_named": len(_NAMES) - 1}
        )


def vocabulary() -> Vocabulary:
    """Return every word that a caption of a scene can hold, sorted."""
    named = {word for values in FACTORS.values() for value in values for word in value.split()}
    return Vocabulary(sorted(named.union(_CONTEXT)))


def draw_names(count: int, settings: Settings, generator: torch.Generator) -> Tensor:
    """Draw which factors each caption names.

    Args:
        count: N, the number of captions.
        settings: ``shape_share`` and ``most_named``.
        generator: Source of chance.

    Returns:
        bool, N x factors in the order of ``FACTORS``; at least one in a row.
    """
    scores = torch.rand(count, len(_NAMES) - 1, generator=generator)
    others = torch.randint(0, settings.most_named + 1, (count, 1), generator=generator)
    chosen = scores.argsort(dim=1).argsort(dim=1) < others
    shape = (torch.rand(count, 1, generator=generator) < settings.shape_share) | (others == 0)
    return torch.cat([shape, chosen], dim=1)


def matches(factors: Tensor, named: Tensor) -> Tensor:
    """Tell which captions are true of which images: every factor that the caption names has the same value.

    Args:
        factors: int64, N x factors, the values of each image; caption j was written for image j.
        named: bool, N x factors, the factors that each caption names.

    Returns:
        bool, N images x N captions.
    """
    same = factors[:, None, :] == factors[None, :, :]
    return (same | ~named[None, :, :]).all(dim=2)


def contrastive_loss(images: Tensor, texts: Tensor, match: Tensor, scale: Tensor) -> Tensor:
    """Cross-entropy from images to captions and back, where all that match share the target equally.

    Args:
        images: N x d embeddings, of any length.
        texts: N x d embeddings, of any length.
        match: bool, N images x N captions, true on the diagonal.
        scale: Factor on the cosines, the inverse of the temperature.

    Returns:
        The mean of both directions, in nats, less the entropy of the targets: zero is the least possible.
    """
    logits = scale * F.normalize(images, dim=1) @ F.normalize(texts, dim=1).T
    target = match.to(logits.dtype)
    rows, columns = target / target.sum(1, keepdim=True), target / target.sum(0, keepdim=True)
    divergence = F.kl_div(logits.log_softmax(1), rows, reduction="batchmean")
    return (divergence + F.kl_div(logits.T.log_softmax(1), columns.T, reduction="batchmean")) / 2


def train(settings: Settings, scenes: Scenes, start: Towers | None = None) -> Iterator[tuple[Towers, float]]:
    """Train both towers, yielding them with the epoch's mean loss after each epoch.

    Args:
        settings: What the training depends on.
        scenes: The captioned images.
        start: Towers to train on; None for new ones.

    Yields:
        The same towers each time, in eval mode, and the mean loss of the epoch in nats.
    """
    torch.manual_seed(settings.seed)
    generator = torch.Generator().manual_seed(settings.seed)
    image, text = (start.image, start.text) if start else (ImageTower(), None)
    text = text or TextTower(vocabulary())
    nn.ModuleList([image, text]).requires_grad_(True)
    log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
    batch = min(settings.batch, len(scenes))
    steps = settings.epochs * (len(scenes) // batch)  # stopping early leaves the learning rate's course as it is
    descent, schedule = optimizer([*image.parameters(), *text.parameters(), log_scale], settings, steps)
    pixels = clip_preprocess(scenes.images, RESOLUTION)
    factors = torch.stack([scenes.factors[name] for name in _NAMES], dim=1)
    for _ in range(settings.stop_after or settings.epochs):
        losses = []
        image.train()
        text.train()
        for chosen in torch.split(torch.randperm(len(scenes), generator=generator), batch):
            if len(chosen) < batch:
                continue
            named = draw_names(batch, settings, generator)
            numbers = text.vocabulary.encode(_captions(factors[chosen], named))
            # On a CPU with bfloat16, it and plain attention take half the time; the loss itself stays in float32.
            with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
                embeddings, prompts = image(pixels[chosen]), text(numbers)
            match, scale = matches(factors[chosen], named), log_scale.clamp(max=math.log(100)).exp()
            loss = contrastive_loss(embeddings.float(), prompts.float(), match, scale)
            losses.append(step(loss, descent, schedule))
        yield Towers(image.eval(), text.eval()), float(np.mean(losses))


@torch.no_grad()
def measure(towers: Towers, settings: Settings) -> dict[str, float]:
    """Measure both towers on scenes that they never saw.

    Args:
        towers: Trained towers, in eval mode.
        settings: ``seed`` and ``probe_images``.

    Returns:
        What ``pretraining.measure_on_scenes`` gives, and the zero-shot accuracy by caption, 0 to 1.
    """
    test = generate(max(settings.probe_images // 2, len(SHAPES)), seed=settings.seed + 2)
    assert towers.text is not None
    prompts = F.normalize(towers.text.encode([class_prompt(label) for label in range(len(SHAPES))]), dim=1)
    guesses = (embed(towers.image, test.images) @ prompts.T).argmax(dim=1)
    found = measure_on_scenes(towers.image, settings.seed, settings.probe_images)
    return {**found, "zero-shot accuracy": float((guesses == test.labels).float().mean())}


def pretrain(out: Path, settings: Settings, start: Path | None = None) -> None:
    """Train, measure and write ``embedded.safetensors`` and ``embedded.log``; the weights so far after each epoch.

    Args:
        out: Folder for both files, made if missing.
        settings: What the training depends on.
        start: Weights to train on, of an earlier run whose log lies beside them; its lines go before this run's.
            None for new towers.

    Raises:
        InputError: If ``start`` can't be read.
    """
    weights = out / f"{CAPTIONS}.safetensors"
    towers_before = load_embedded(start) if start else None
    lines_before = start.with_suffix(".log").read_text(encoding="utf-8") if start else ""
    out.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()
    with Log(weights.with_suffix(".log"), settings, lines_before) as log:
        scenes = generate(settings.images, seed=settings.seed)
        for epoch, (towers, loss) in enumerate(train(settings, scenes, towers_before), start=1):
            files.write_tensors(weights, *pack(towers))
            log.say(f"epoch {epoch}: loss {loss:.4f}, {time.perf_counter() - begin:.0f} s")
        # The file is measured, not the towers in memory: it holds half precision.
        log.say_all(measure(load_embedded(weights), settings))
        log.say(f"threads: {torch.get_num_threads()}, seconds: {time.perf_counter() - begin:.0f}")


def _captions(factors: Tensor, named: Tensor) -> list[str]:
    pairs = zip(factors.tolist(), named.tolist(), strict=True)
    return [caption(dict(zip(_NAMES, values, strict=True)), list(compress(_NAMES, flags))) for values, flags in pairs]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit status: 0, or 2 for bad input."""
    earlier = "embedded.safetensors of an earlier run to train on"
    return command_line("pretrain", Settings, pretrain, arguments, start=earlier)


if __name__ == "__main__":
    sys.exit(main())
