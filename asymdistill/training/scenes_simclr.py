"""Pretrain a teacher on images of Scenes alone: ``python -m asymdistill.training.scenes_simclr --out DIR``.

Without a caption or a label, an image tower learns to tell which two of a batch's augmented views show the same
generated scene: SimCLR (Chen et al., ICML 2020), with a projection head that is thrown away afterwards. Colours alone
would tell most scenes apart, so the views' hues are shifted at random and half of the views are grey. A view also loses
half of its tokens at random (Li et al., "Scaling Language-Image Pre-Training via Masking", CVPR 2023), which nearly
halves the time. The shipped weights, whose log is beside them, are from the defaults.
"""

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from asymdistill.config.names import SCENES_SIMCLR
from asymdistill.data.preprocess import clip_preprocess
from asymdistill.data.scenes import generate
from asymdistill.models.mini_clip import EMBEDDING_DIM, RESOLUTION, ImageTower, Towers
from asymdistill.runtime.errors import check_positive
from asymdistill.training.losses import nt_xent
from asymdistill.training.pretraining import Recipe, Task, command_line, fast_forward

_HIDDEN, _PROJECTED = 256, 64


@dataclass(frozen=True)
class SimclrRecipe(Recipe):
    """Settings of the training on augmented views, besides those of every recipe.

    Attributes:
        temperature: of the contrastive loss.
        smallest_crop: least fraction of a scene's area that a view shows.
        dropped: fraction of a view's tokens that the tower does not see in training.
    """

    teacher = SCENES_SIMCLR

    temperature: float = 0.1
    smallest_crop: float = 0.6
    dropped: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive("temperature", self.temperature)
        check_positive("smallest_crop", self.smallest_crop)
        self.check_range("smallest_crop", 1)
        self.check_range("dropped", 0.9)

    def task(self, start: Towers | None = None) -> Task:
        """An image tower with a projection head, and the loss of two views of each scene."""
        return ViewMatching(self, start)

    def measure(self, towers: Towers) -> dict[str, float]:
        """What every recipe measures, and the loss of guessing, to compare the epochs' losses with."""
        guessing = math.log(2 * min(self.batch, self.images) - 1)
        return super().measure(towers) | {"loss at chance": guessing}


class ViewMatching(Task):
    """An image tower, trained to tell which views show the same scene.

    Args:
        recipe: number and seed of the scenes, and how views are made and compared.
        start: tower to go on from; None: a new one.
    """

    def __init__(self, recipe: SimclrRecipe, start: Towers | None = None) -> None:
        from open_clip.transformer import PatchDropout

        super().__init__()
        self.recipe = recipe
        self.scenes = generate(recipe.images, seed=recipe.seed).images.permute(0, 3, 1, 2).contiguous()
        torch.manual_seed(recipe.seed)  # torchvision's transforms draw from the global generator, and so does the order
        self.generator = torch.default_generator
        self.tower = start.image if start else ImageTower()
        self.tower.transformer.patch_dropout = PatchDropout(recipe.dropped)  # it drops none in eval mode
        self.towers = Towers(self.tower)
        self.head = nn.Sequential(
            nn.Linear(EMBEDDING_DIM, _HIDDEN), nn.BatchNorm1d(_HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, _PROJECTED)
        )
        self.augment = augmentation(recipe.smallest_crop)
        self.requires_grad_(True)

    def forward(self, chosen: Tensor) -> Tensor:
        """The contrastive loss of two views of each of some scenes."""
        views = torch.stack([self.augment(scene) for scene in self.scenes[chosen] for _ in range(2)])
        with fast_forward():
            projected = self.head(self.tower(clip_preprocess(views.permute(0, 2, 3, 1), RESOLUTION)))
        return nt_xent(projected[0::2], projected[1::2], temperature=self.recipe.temperature)


def augmentation(smallest_crop: float) -> Callable[[Tensor], Tensor]:
    """How a view is made of a scene: SimCLR's crops, flips and changes of colour, without its blur."""
    from torchvision.transforms import v2

    transform: Callable[[Tensor], Tensor] = v2.Compose([
        v2.RandomResizedCrop(RESOLUTION, (smallest_crop, 1.0), antialias=True),
        v2.RandomHorizontalFlip(),
        v2.ColorJitter(0.5, 0.5, 0.5, 0.5),
        v2.RandomGrayscale(0.5),
    ])  # fmt: skip
    return transform


if __name__ == "__main__":
    sys.exit(command_line(SimclrRecipe))
