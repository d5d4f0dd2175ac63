"""The embedded teachers, shipped with the package: a mini-CLIP of two small transformers, and one without captions.

Both towers are open_clip's own, at a fiftieth of CLIP's size. The image tower has a convolutional stem of two strided
3 x 3 layers instead of CLIP's patch embedding, because on 32 x 32 images a plain one doesn't learn shapes. The text
tower reads whole words from a fixed list. The second teacher is the image tower alone. Weights, word list and
architecture travel in one safetensors file.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import torch
from open_clip.transformer import TextTransformer, VisionTransformer
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from asymdistill.config.names import SHIPPED_TEACHERS
from asymdistill.runtime.errors import InputError

EMBEDDING_DIM = 128
RESOLUTION = 32
FORMAT = "asymdistill embedded teacher, 1"
# The names of the shipped teachers: trained on Scenes with captions, on augmented views of Scenes alone, and on
# photographs with the names of their classes.
CAPTIONS, VIEWS = SHIPPED_TEACHERS

_WIDTH, _HEADS = 128, 4
_IMAGE_LAYERS, _TEXT_LAYERS = 4, 2
_STEM_CHANNELS = 64


class ImageTower(nn.Module):
    """Vision transformer over 8 x 8 tokens from a convolutional stem, about 0.9M parameters."""

    def __init__(self) -> None:
        super().__init__()
        grid = RESOLUTION // 4
        self.transformer = VisionTransformer(
            image_size=grid, patch_size=1, width=_WIDTH, layers=_IMAGE_LAYERS, heads=_HEADS, mlp_ratio=4.0,
            output_dim=EMBEDDING_DIM, pool_type="avg", final_ln_after_pool=True,
        )  # fmt: skip
        self.transformer.conv1 = nn.Sequential(
            nn.Conv2d(3, _STEM_CHANNELS, kernel_size=3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(_STEM_CHANNELS),
            nn.GELU(),
            nn.Conv2d(_STEM_CHANNELS, _WIDTH, kernel_size=3, stride=2, padding=1),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Embed normalised images, N x 3 x 32 x 32, as unnormalised vectors, N x 128."""
        if images.shape[1:] != (3, RESOLUTION, RESOLUTION):
            raise InputError(f"images must have shape N x 3 x {RESOLUTION} x {RESOLUTION}, not {tuple(images.shape)}")
        embeddings: Tensor = self.transformer(images)
        return embeddings


class Vocabulary:
    """A fixed list of words and the numbers that stand for them.

    Number 0 pads, numbers 1 to n are the words in the order given, n + 1 ends a caption: the text tower reads its
    output at the highest number, as CLIP's does.

    Args:
        words: Distinct lower case words.
        length: Most numbers in a caption, the one that ends it included.
    """

    def __init__(self, words: Iterable[str], length: int = 24) -> None:
        self.words = tuple(words)
        self.length = length
        self._numbers = {word: number for number, word in enumerate(self.words, start=1)}
        if len(self._numbers) != len(self.words) or not self.words:
            raise InputError("words must be distinct, and at least one")

    def __len__(self) -> int:
        return len(self.words) + 2

    def encode(self, captions: Sequence[str]) -> Tensor:
        """Turn captions into numbers.

        Args:
            captions: N captions, words separated by white space; upper case counts as lower case.

        Returns:
            int64, N x L where L is the longest caption's length.

        Raises:
            InputError: For no captions, a word that is not in the list, or a caption that is too long.
        """
        if not captions:
            raise InputError("captions is empty; at least one is needed")
        rows = [[self._number(word) for word in text.lower().split()] + [len(self.words) + 1] for text in captions]
        longest = max(map(len, rows))
        if longest > self.length:
            raise InputError(f"a caption has {longest - 1} words; at most {self.length - 1} are allowed")
        return torch.tensor([row + [0] * (longest - len(row)) for row in rows])

    def _number(self, word: str) -> int:
        if word not in self._numbers:
            raise InputError(f"the embedded teacher doesn't know the word {word!r}; known: {' '.join(self.words)}")
        return self._numbers[word]


class TextTower(nn.Module):
    """Causal text transformer over whole words, about 0.4M parameters.

    Args:
        vocabulary: The words it reads.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.transformer = TextTransformer(
            context_length=vocabulary.length, vocab_size=len(vocabulary), width=_WIDTH, heads=_HEADS,
            layers=_TEXT_LAYERS, output_dim=EMBEDDING_DIM, pool_type="argmax",
        )  # fmt: skip

    def forward(self, numbers: Tensor) -> Tensor:
        """Embed captions given as the vocabulary's numbers, N x L, as unnormalised vectors, N x 128."""
        # The mask is causal and the ending number comes last, so padding to any length changes nothing.
        padded = nn.functional.pad(numbers, (0, self.vocabulary.length - numbers.shape[1]))
        embeddings: Tensor = self.transformer(padded)
        return embeddings

    def encode(self, captions: Sequence[str]) -> Tensor:
        """Embed captions, N strings, as unnormalised vectors, N x 128, on the tower's device."""
        device = self.transformer.positional_embedding.device
        embeddings: Tensor = self(self.vocabulary.encode(captions).to(device))
        return embeddings


@dataclass(frozen=True)
class Towers:
    """An embedded teacher: its image tower, and a text tower in the same space of 128 dimensions where it has one."""

    image: ImageTower
    text: TextTower | None = None


def pack(towers: Towers) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return what ``load_embedded`` reads from a file: the weights in half precision and the metadata beside them.

    Args:
        towers: One tower or both.

    Returns:
        float16 (and integer) tensors by name, and strings: the format, a digest of the tensors, and with a text tower
        the word list and caption length as JSON.
    """
    states = {"image": towers.image.state_dict()}
    strings = {"format": FORMAT}
    if towers.text is not None:
        states["text"] = towers.text.state_dict()
        words = towers.text.vocabulary
        strings |= {"words": json.dumps(words.words), "length": json.dumps(words.length)}
    tensors = {
        f"{tower}.{name}": tensor.detach().half() if tensor.is_floating_point() else tensor.detach()
        for tower, state in states.items()
        for name, tensor in state.items()
    }
    return tensors, strings | {"digest": _digest(tensors)}


def _digest(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].contiguous().numpy().tobytes())
    return digest.hexdigest()


def embedded_path(name: str = CAPTIONS) -> Path:
    """Return where the shipped weights of an embedded teacher lie."""
    return Path(str(resources.files("asymdistill.models") / "weights" / f"{name}.safetensors"))


def load_embedded(path: str | Path | None = None) -> Towers:
    """Load the towers of an embedded teacher: float32, in eval mode, frozen.

    Args:
        path: A file written by ``python -m asymdistill.training.scenes_clip`` or
            ``scenes_simclr``; None for the first that is shipped.

    Returns:
        Its towers, on the CPU.

    Raises:
        InputError: If the file is missing, damaged, or no embedded teacher.
    """
    file = embedded_path() if path is None else Path(path)
    try:
        with safe_open(file, framework="pt") as weights:
            header = weights.metadata() or {}
            tensors = {name: weights.get_tensor(name) for name in weights.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise InputError(f"can't read the embedded teacher {file}: {error}") from error
    if header.get("format") != FORMAT:
        raise InputError(f"{file} is no embedded teacher: its format is {header.get('format')!r}, not {FORMAT!r}")
    if header.get("digest") != _digest(tensors):
        raise InputError(f"{file} is damaged: its weights don't match the digest stored beside them")
    try:
        text = (
            TextTower(Vocabulary(json.loads(header["words"]), json.loads(header["length"])))
            if "words" in header
            else None
        )
        towers = Towers(ImageTower(), text)
        for name, tower in (("image.", towers.image), ("text.", towers.text)):
            if tower is None:
                continue
            tower.load_state_dict({key.removeprefix(name): t for key, t in tensors.items() if key.startswith(name)})
            tower.eval().requires_grad_(False)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{file} doesn't fit the embedded teacher: {' '.join(str(error).split())[:200]}") from error
    return towers
