"""The file of a teacher's weights: one that the user names, or the one that open_clip or timm publishes."""

import os
from pathlib import Path
from typing import Any

import open_clip
import timm

from asymdistill.config.names import SHIPPED_TEACHERS
from asymdistill.runtime.download import HubFile, Unavailable
from asymdistill.runtime.errors import InputError

LIBRARIES = (*SHIPPED_TEACHERS, "open_clip", "timm")
VARIABLE = "ASYMDISTILL_TEACHER_WEIGHTS"


def find_weights(name: str, weights: Path | str | None = None) -> Path | None:
    """The file of a teacher's weights that the user named.

    Args:
        name: as for ``load_teacher``.
        weights: the setting ``teacher_weights``, which comes first. None: what the environment variable
            ``ASYMDISTILL_TEACHER_WEIGHTS`` names, unless the teacher is an embedded one.

    Returns:
        The file; None where none was named.

    Raises:
        InputError: it is not a safetensors file, or does not exist.
    """
    origin, named = "teacher_weights", weights
    if weights is None and name not in SHIPPED_TEACHERS:
        origin, named = VARIABLE, os.environ.get(VARIABLE) or None
    if named is None:
        return None
    path = Path(named).expanduser()
    if path.suffix != ".safetensors":
        raise InputError(f"{origin} is {path}; only .safetensors files are read, since others can run code")
    if not path.is_file():
        raise InputError(f"{origin} {path} does not exist")
    return path


def published(name: str) -> HubFile | None:
    """The file in which a teacher's library publishes its weights.

    It is the file that open_clip and timm themselves look for first in a project. Where it is missing they take a
    pickled one; we do not.

    Returns:
        None for the embedded teachers, which are shipped, and for weights that are not published as safetensors.

    Raises:
        InputError: no such teacher, or an activation function that does not fit the weights.
    """
    library, _, model = name.partition(":")
    if library not in LIBRARIES or (library not in SHIPPED_TEACHERS) != bool(model):
        raise InputError(
            f"no teacher {name!r}; allowed: {', '.join(map(repr, SHIPPED_TEACHERS))}, 'open_clip:<model>/<pretrained tag>', "
            "'timm:<model>'"
        )
    if library in SHIPPED_TEACHERS:
        return None
    return _published_by_open_clip(model) if library == "open_clip" else _published_by_timm(model)


def fetch(name: str, source: HubFile | None) -> Path:
    """The published file, from the hub's cache or the network.

    Args:
        name: the teacher's.
        source: what ``published`` says of it.

    Raises:
        InputError: it can't be had; the message says what to download, from where, and where to put it.
    """
    if source is None:
        raise InputError(
            f"the weights of teacher {name!r} are published in formats only that can run code; convert them to "
            f".safetensors and give them with --set teacher_weights=FILE or {VARIABLE}=FILE"
        )
    try:
        return source.fetch()
    except Unavailable as error:
        raise InputError(
            f"the weights of teacher {name!r} are not on this machine and could not be fetched ({error}); download "
            f"{source.name} of the project {source.project} on the Hugging Face hub and give it with "
            f"--set teacher_weights=FILE or {VARIABLE}=FILE, or put the project into the hub's cache as {source.folder}"
        ) from None


def _published_by_open_clip(model: str) -> HubFile | None:
    architecture, _, tag = model.partition("/")
    if architecture not in open_clip.list_models():
        raise InputError(f"open_clip has no model {architecture!r}; see open_clip.list_models()")
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if tag not in tags:
        raise InputError(f"open_clip has no weights {tag!r} for {architecture}; allowed: {', '.join(tags)}")
    _check_activation(architecture, tag)
    project, _, file = open_clip.get_pretrained_cfg(architecture, tag).get("hf_hub", "").rpartition("/")
    return _safe_file(project, {"": "open_clip_model.safetensors"}.get(file, file))


def _published_by_timm(model: str) -> HubFile | None:
    if not timm.is_model(model.partition(".")[0]):
        raise InputError(f"timm has no model {model!r}; see timm.list_models()")
    try:
        config: Any = timm.models.get_pretrained_cfg(model, allow_unregistered=False)
    except RuntimeError:
        raise InputError(f"timm has no weights for {model!r}; see timm.list_pretrained()") from None
    file = config.hf_hub_filename or ""
    renamed = {"": "model.safetensors", "open_clip_pytorch_model.bin": "open_clip_model.safetensors"}
    return _safe_file(config.hf_hub_id or "", renamed.get(file, file))


def _safe_file(project: str, file: str) -> HubFile | None:
    # Beside a pickled file of another name than a library's usual one, both look for a safe one of the same name.
    file = file.removesuffix(".bin") + ".safetensors" if file.endswith(".bin") else file
    if not project or not file.endswith(".safetensors"):
        return None
    project, _, revision = project.partition("@")
    return HubFile(project, file, revision or None)


def _check_activation(architecture: str, tag: str) -> None:
    # open_clip only warns here, and the embeddings are then silently wrong.
    needs = bool(open_clip.get_pretrained_cfg(architecture, tag).get("quick_gelu", False))
    has = bool((open_clip.get_model_config(architecture) or {}).get("quick_gelu", False))
    if needs != has:
        right = f"{architecture}-quickgelu" if needs else architecture.removesuffix("-quickgelu")
        raise InputError(
            f"weights {tag!r} were trained {'with' if needs else 'without'} QuickGELU and {architecture} is "
            f"{'without' if needs else 'with'} it; use open_clip:{right}/{tag}"
        )
