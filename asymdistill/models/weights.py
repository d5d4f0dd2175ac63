"""Files of teachers' weights: the one that the user names, that comes with the package, or that a library publishes."""

import re
from importlib import resources
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from asymdistill.config.names import (
    EFFICIENTNET,
    SCENES_CLIP,
    SCENES_SIMCLR,
    SCENES_TEACHERS,
    WEIGHTS_VARIABLE,
    teacher_library,
)
from asymdistill.runtime.digests import file_digest
from asymdistill.runtime.download import HubFile, Unavailable
from asymdistill.runtime.errors import InputError, some_of, without_tilde
from asymdistill.runtime.filetypes import explained
from asymdistill.runtime.markup import shorten_to

# SHA-256 of the files that come with the package: a flipped byte changes embeddings without a word.
SHIPPED_DIGESTS = {
    EFFICIENTNET: "fc9e08c043ae1fdc60ce06bc9275a162639ff6cf4d618db2731ae72e73247b32",
    SCENES_CLIP: "8d7c8dc70116baaa23a4f29688ba6247ed68e25775f731043a10b706d49aeb31",
    SCENES_SIMCLR: "6a23cabbc690f4039929cd8bfae7295b12ea67bdfe4cc7ea860f160b9f61f6e9",
}
# What PyTorch says of a state dict, line by line.
_PARTS = re.compile(r"^(Missing|Unexpected) key\(s\) in state_dict: (.*)\. $", re.MULTILINE)
_NAME = re.compile(r'"([^"]*)"')
_SHAPES = re.compile(
    r"^size mismatch for (.*): copying .*? torch\.Size\((.*?)\) .*? torch\.Size\((.*?)\)", re.MULTILINE
)
_WORDS = {"Missing": "missing", "Unexpected": "not expected"}


def find_weights(name: str, weights: Path | str | None = None) -> Path | None:
    """The file of a teacher's weights that the user named or that comes with the package.

    Args:
        name: as for ``load_teacher``.
        weights: the file that the user named, if any.

    Returns:
        The file; None: it is one that the teacher's library publishes.

    Raises:
        InputError: no such teacher, a named file that is missing or not in the safetensors format, or one of the
            package that is missing or damaged.
    """
    library = teacher_library(name)
    if weights is None:
        return _shipped(name) if library == "shipped" else None
    path, origin = without_tilde(weights), f"teacher_weights (or {WEIGHTS_VARIABLE})"
    if path.suffix.lower() != ".safetensors":
        raise InputError(f"{origin} is {path}; only .safetensors files are read, since others can run code")
    if not path.is_file():
        raise InputError(f"{origin} is {path}, which {'is no file' if path.exists() else 'does not exist'}")
    check_header(name, path)
    return path


def check_header(name: str, path: Path) -> None:
    """Refuse a file that is not whole, or is another teacher's as far as its header says.

    Raises:
        InputError: it says what the file is.
    """
    try:
        with safe_open(path, "pt") as file:  # reads the header alone, and holds the file's size against it
            strings = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is no whole safetensors file{explained(path, str(error))}") from None
    if name in SCENES_TEACHERS and "format" in strings and ("words" in strings) != (name == SCENES_CLIP):
        own, other = ("a", "no") if name == SCENES_CLIP else ("no", "a")
        raise InputError(
            f"{path} does not hold the weights of teacher {name!r}: it has {other} text tower; allowed: a file with "
            f"{own} text tower"
        )


def misfit(error: Exception) -> str:
    """Why weights do not fit a network, from the error of loading them: tensors by name, as far as there is room."""
    _, *lines = str(error).split("\n\t")
    said = dict(_PARTS.findall("\n".join(lines)))
    parts = [
        f"{words}: {some_of(_NAME.findall(said[key]), longest=100)}" for key, words in _WORDS.items() if key in said
    ]
    shapes = [f"{name} {own} in place of {wanted}" for name, own, wanted in _SHAPES.findall("\n".join(lines))]
    parts += [f"of another shape: {some_of(shapes, longest=100)}"] if shapes else []
    return "; ".join(parts) or shorten_to(" ".join(str(error).split()), 300)


def shipped_path(name: str) -> Path:
    """Where the weights of a teacher that comes with the package are."""
    return Path(str(resources.files("asymdistill.models") / "weights" / f"{name}.safetensors"))


def _shipped(name: str) -> Path:
    path = shipped_path(name)
    if not path.is_file() or file_digest(path) != SHIPPED_DIGESTS[name]:
        state = "damaged" if path.is_file() else "missing"
        raise InputError(f"the weights of teacher {name!r}, {path}, are {state}; install the package again")
    return path


def published(name: str) -> HubFile | None:
    """The file in which a teacher's library publishes its weights; nothing is downloaded.

    It is the file that open_clip and timm themselves look for first in a project. Where it is missing they read a
    pickled one; we do not.

    Returns:
        None for the teachers that come with the package, and for weights that are not published as safetensors.

    Raises:
        InputError: no such teacher, or an activation function that does not fit the weights.
    """
    library, model = teacher_library(name), name.partition(":")[2]
    if library == "shipped":
        return None
    return _published_by_open_clip(model) if library == "open_clip" else _published_by_timm(model)


def fetch(name: str) -> Path:
    """The file that a teacher's library publishes, from the hub's cache or the internet.

    Raises:
        InputError: it can't be had; the message says what to download, from where, and where to put it.
    """
    source = published(name)
    if source is None:
        raise InputError(
            f"the weights of teacher {name!r} are published only in formats that can run code; convert them to "
            f".safetensors and give them with --set teacher_weights=FILE or {WEIGHTS_VARIABLE}=FILE"
        )
    try:
        return source.fetch()
    except Unavailable as error:
        raise InputError(
            f"the weights of teacher {name!r} are not on this machine and could not be fetched ({error}); download "
            f"{source.name} of the project {source.project} on the Hugging Face hub and give it with "
            f"--set teacher_weights=FILE or {WEIGHTS_VARIABLE}=FILE, or copy the project's cache to {source.folder}"
        ) from None


def weights_digest(name: str, weights: Path | str | None = None) -> str:
    """SHA-256, in hexadecimal, of the file that ``load_teacher`` reads for these arguments.

    A published file is fetched where it is missing.

    Raises:
        InputError: as ``find_weights`` and ``fetch`` do.
    """
    return file_digest(find_weights(name, weights) or fetch(name))


def _published_by_open_clip(model: str) -> HubFile | None:
    import open_clip

    architecture, _, tag = model.partition("/")
    if architecture not in open_clip.list_models():
        raise InputError(f"open_clip has no model {architecture!r}; see open_clip.list_models()")
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if tag not in tags:
        raise InputError(f"open_clip has no weights {tag!r} for {architecture}; allowed: {', '.join(tags)}")
    config = open_clip.get_pretrained_cfg(architecture, tag)
    # open_clip only warns here, and the embeddings are then silently wrong.
    needs = bool(config.get("quick_gelu", False))
    has = bool((open_clip.get_model_config(architecture) or {}).get("quick_gelu", False))
    if needs != has:
        right = f"{architecture}-quickgelu" if needs else architecture.removesuffix("-quickgelu")
        raise InputError(
            f"weights {tag!r} were trained {'with' if needs else 'without'} QuickGELU and {architecture} is "
            f"{'without' if needs else 'with'} it; use open_clip:{right}/{tag}"
        )
    project, _, file = config.get("hf_hub", "").rpartition("/")
    return _safe_file(project, file or "open_clip_model.safetensors")


def _published_by_timm(model: str) -> HubFile | None:
    import timm

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
    # Where a pickled file has a name of its own, both libraries look for a safe one of the same name beside it.
    file = file.removesuffix(".bin") + ".safetensors" if file.endswith(".bin") else file
    if not project or not file.endswith(".safetensors"):
        return None
    project, _, revision = project.partition("@")
    return HubFile(project, file, revision or None)
