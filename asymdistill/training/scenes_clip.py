"""Pretrain a teacher on captions of Scenes: ``python -m asymdistill.training.scenes_clip --out DIR``.

Two small towers learn contrastively which captions are true of which generated scenes. Plain CLIP on full captions
takes a short cut here: colours alone tell the pairs of a batch apart, so its loss falls while the shapes are not
learned. Hence a caption names a few random factors only, and every caption of a batch that is true of an image counts
as a match, not its own alone. Captions that mostly name the shape teach it; a second run, whose captions name the shape
less often, spreads the embedding over the other factors, which raises its rank. The shipped weights, whose log is
beside them, are from ``--out A --stop-after 4`` and then ``--out B --start A/scenes-clip.safetensors --images 24000
--epochs 3 --shape-share 0.4 --most-named 4 --learning-rate 7e-4``.
"""

import math
import sys
from dataclasses import dataclass
from itertools import compress

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from asymdistill.config.names import SCENES_CLIP
from asymdistill.data.preprocess import clip_preprocess
from asymdistill.data.scenes import FACTORS, SHAPES, caption, class_prompt, generate
from asymdistill.data.views import View
from asymdistill.models.encoding import embed
from asymdistill.models.mini_clip import RESOLUTION, ImageTower, TextTower, Towers, Vocabulary
from asymdistill.training.pretraining import Recipe, Task, command_line, fast_forward

_NAMES = tuple(FACTORS)
_CONTEXT = ("a", "shape", "patterns", "at", "the", "on", "with", "outline")


@dataclass(frozen=True)
class ClipRecipe(Recipe):
    """Settings of the training on captions, besides those of every recipe.

    Attributes:
        shape_share: fraction of the captions that name the shape.
        most_named: most factors that a caption names besides the shape.
    """

    teacher = SCENES_CLIP

    images: int = 48_000
    epochs: int = 8
    weight_decay: float = 0.1
    shape_share: float = 0.85
    most_named: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_range("shape_share", 1)
        self.check_range("most_named", len(_NAMES) - 1)

    def task(self, start: Towers | None = None) -> Task:
        """Two towers and a temperature, and the loss of scenes with captions that are drawn for them."""
        return Captioning(self, start)

    def measure(self, towers: Towers) -> dict[str, float]:
        """What every recipe measures, and the zero-shot accuracy by caption, 0 to 1."""
        assert towers.text is not None
        test = self.test_scenes()
        with torch.no_grad():
            prompts = F.normalize(towers.text.encode([class_prompt(label) for label in range(len(SHAPES))]), dim=1)
        guesses = (embed(towers.image, test.images, View(RESOLUTION)) @ prompts.T).argmax(dim=1)
        return super().measure(towers) | {"zero-shot accuracy": float((guesses == test.labels).float().mean())}


class Captioning(Task):
    """Both towers, trained to tell which captions are true of which scenes.

    Args:
        recipe: number and seed of the scenes, and how captions are drawn.
        start: towers to go on from, the text tower being new if there is none; None: new ones.
    """

    def __init__(self, recipe: ClipRecipe, start: Towers | None = None) -> None:
        super().__init__()
        self.recipe = recipe
        scenes = generate(recipe.images, seed=recipe.seed)
        self.pixels = clip_preprocess(scenes.images, RESOLUTION)
        self.factors = torch.stack([scenes.factors[name] for name in _NAMES], dim=1)
        torch.manual_seed(recipe.seed)
        self.generator = torch.Generator().manual_seed(recipe.seed)
        self.image = start.image if start else ImageTower()
        self.text = (start and start.text) or TextTower(vocabulary())
        self.towers = Towers(self.image, self.text)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        self.requires_grad_(True)

    def forward(self, chosen: Tensor) -> Tensor:
        """The contrastive loss of some scenes, with new captions."""
        factors = self.factors[chosen]
        named = draw_named_factors(len(chosen), self.recipe, self.generator)
        token_ids = self.text.vocabulary.encode(_captions(factors, named))
        with fast_forward():
            images, captions = self.image(self.pixels[chosen]), self.text(token_ids)
        scale = self.log_scale.clamp(max=math.log(100)).exp()
        return contrastive_loss(images.float(), captions.float(), matches(factors, named), scale)


def vocabulary() -> Vocabulary:
    """Every word that a caption of a scene can hold, sorted."""
    named = {word for values in FACTORS.values() for value in values for word in value.split()}
    return Vocabulary(sorted(named.union(_CONTEXT)))


def draw_named_factors(count: int, recipe: ClipRecipe, generator: torch.Generator) -> Tensor:
    """Draw which factors each caption names.

    Args:
        count: N, the number of captions.
        recipe: ``shape_share`` and ``most_named``.
        generator: source of randomness.

    Returns:
        bool, N x factors in the order of ``FACTORS``; at least one per row.
    """
    scores = torch.rand(count, len(_NAMES) - 1, generator=generator)
    others = torch.randint(0, recipe.most_named + 1, (count, 1), generator=generator)
    chosen = scores.argsort(dim=1).argsort(dim=1) < others
    shape = (torch.rand(count, 1, generator=generator) < recipe.shape_share) | (others == 0)
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


def contrastive_loss(images: Tensor, captions: Tensor, match: Tensor, scale: Tensor) -> Tensor:
    """Cross-entropy from images to captions and back, where all that match share the target equally.

    Args:
        images: N x d embeddings, of any length.
        captions: N x d embeddings, of any length.
        match: bool, N images x N captions, true on the diagonal.
        scale: factor on the cosines, the inverse of the temperature.

    Returns:
        The mean of both directions, in nats, less the entropy of the targets: zero is the least possible.
    """
    logits = scale * F.normalize(images, dim=1) @ F.normalize(captions, dim=1).T
    target = match.to(logits.dtype)
    rows, columns = target / target.sum(1, keepdim=True), target / target.sum(0, keepdim=True)
    divergence = F.kl_div(logits.log_softmax(1), rows, reduction="batchmean")
    return (divergence + F.kl_div(logits.T.log_softmax(1), columns.T, reduction="batchmean")) / 2


def _captions(factors: Tensor, named: Tensor) -> list[str]:
    pairs = zip(factors.tolist(), named.tolist(), strict=True)
    return [caption(dict(zip(_NAMES, values, strict=True)), list(compress(_NAMES, flags))) for values, flags in pairs]


if __name__ == "__main__":
    sys.exit(command_line(ClipRecipe))
