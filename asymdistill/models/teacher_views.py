"""What each teacher sees, as its library publishes it, without loading weights or building a network.

A library is imported when a teacher of its own is asked for.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from asymdistill.config.names import EFFICIENTNET, TeacherLibrary, teacher_library
from asymdistill.data.preprocess import FILTERS, RESIZE_MODES
from asymdistill.data.views import View
from asymdistill.models import mini_clip
from asymdistill.models.weights import published
from asymdistill.runtime.errors import InputError

EFFICIENTNET_VIEW = View(224, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), crop=0.875)
"""What timm publishes for its ``tf_efficientnet_lite0``, here so that the default needs no library to be asked."""


def teacher_view(name: str, resolution: int | None = None, *, crop: bool = True) -> View:
    """How a teacher sees an image: by default by the recipe that its library publishes.

    Args:
        name: as for ``load_teacher``.
        resolution: side in pixels of what it is to see; None: as published.
        crop: crop as published; False: keep the whole shorter side of an image, and so a whole square one.

    Raises:
        InputError: no such model, a published recipe that ``View`` can't reproduce, or a resolution that the model
            does not take.
    """
    published(name)
    return VIEWS[teacher_library(name)](name.partition(":")[2] or name, resolution, crop)


def timm_view(model: str, resolution: int | None = None, crop: bool = True) -> View:
    """The view of timm's own inference transform for one of its models; arguments as for ``teacher_view``."""
    import timm

    library: Any = timm
    config = library.data.resolve_data_config(pretrained_cfg=library.models.get_pretrained_cfg(model).to_dict())
    modes = {"center": "shortest"}  # timm's word for it
    config["resize_mode"] = modes.get(config["crop_mode"], config["crop_mode"])
    view = _published_view(f"timm:{model}", config["input_size"][1:], config)
    return _adapted(f"timm:{model}", view, resolution, crop, _patch_in(model))


def _open_clip_view(model: str, resolution: int | None, crop: bool) -> View:
    import open_clip

    architecture, _, tag = model.partition("/")
    name, vision = f"open_clip:{model}", open_clip.get_model_config(architecture)["vision_cfg"]
    defaults = {"mean": open_clip.OPENAI_DATASET_MEAN, "std": open_clip.OPENAI_DATASET_STD}
    defaults |= {"interpolation": "bicubic", "resize_mode": "shortest", "crop_pct": 1.0}
    # The tag says how images were prepared in training, also where the same weights are read from a file.
    tagged = {key: value for key, value in open_clip.get_pretrained_cfg(architecture, tag).items() if value is not None}
    size = vision["image_size"]
    view = _published_view(name, (size, size) if isinstance(size, int) else size, defaults | tagged)
    if isinstance(vision.get("layers"), list):  # a ResNet, in which the attention that pools has a place for each pixel
        return _as_published(name, view, resolution)
    patch = _patch_in(vision["timm_model_name"]) if "timm_model_name" in vision else vision.get("patch_size")
    return _adapted(name, view, resolution, crop, patch)


def _shipped_view(name: str, resolution: int | None, crop: bool) -> View:
    if name == EFFICIENTNET:
        return _adapted(name, EFFICIENTNET_VIEW, resolution, crop, None)
    return _as_published(name, View(mini_clip.RESOLUTION), resolution)


def _published_view(name: str, size: Sequence[int], config: Mapping[str, Any]) -> View:
    """The view that a library's config describes, if it can be reproduced."""
    height, width = size
    if height != width:
        raise InputError(f"teacher {name!r} takes images of {height} x {width} pixels; allowed: square ones")
    for key, allowed in (("interpolation", FILTERS), ("resize_mode", RESIZE_MODES)):
        if config[key] not in allowed:
            raise InputError(
                f"teacher {name!r} is published with {key} {config[key]!r}, which is not reproduced here; "
                f"allowed: {', '.join(allowed)}"
            )
    crop = config["crop_pct"]
    if not 0 < crop <= 1:
        raise InputError(f"teacher {name!r} is published with crop_pct {crop}, which adds a border; allowed: up to 1")
    mean, std = tuple(config["mean"]), tuple(config["std"])
    return View(height, mean, std, config["interpolation"], float(crop), config["resize_mode"])


def _adapted(name: str, view: View, resolution: int | None, crop: bool, patch: int | None) -> View:
    """The view at another resolution or without its crop."""
    if not crop:
        view = replace(view, crop=1.0)
    if resolution is None or resolution == view.resolution:
        return view
    if patch and resolution % patch:
        raise InputError(
            f"teacher_resolution is {resolution} and teacher {name!r} has patches of {patch} x {patch} pixels; "
            f"allowed: multiples of {patch}"
        )
    return replace(view, resolution=resolution)


def _as_published(name: str, view: View, resolution: int | None) -> View:
    if resolution not in (None, view.resolution):
        raise InputError(f"teacher_resolution is {resolution}; teacher {name!r} allows {view.resolution} only")
    return view


def _patch_in(model: str) -> int | None:
    """Side of the patches that a name of timm's speaks of; None: of none."""
    found = re.search(r"patch(\d+)", model)
    return int(found[1]) if found else None


VIEWS: dict[TeacherLibrary, Callable[[str, int | None, bool], View]] = {
    "shipped": _shipped_view,
    "open_clip": _open_clip_view,
    "timm": timm_view,
}
