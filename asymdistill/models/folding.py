"""Networks for inference, with fewer passes over memory."""

import copy
from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def folded(network: nn.Module) -> nn.Module:
    """A copy, in eval mode, in which every batch normalisation is folded into the convolution before it.

    What follows the normalisation, as the activation within one of timm's, stays. Embeddings are the same but for
    rounding.
    """
    network = copy.deepcopy(network).eval()
    for parent in [*network.modules()]:
        for (before, convolution), (name, norm) in pairwise([*parent.named_children()]):
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(parent, before, fuse_conv_bn_eval(convolution, norm))
                setattr(parent, name, getattr(norm, "act", nn.Identity()))
    return network
