"""A small CLIP for 32 x 32 images: the architecture of the teachers that were trained on Scenes.

Both towers are open_clip's own transformers, with about a hundredth of CLIP's parameters. The image tower has a
convolutional stem of two strided 3 x 3 layers in place of CLIP's patch embedding, which does not learn shapes on images
this small. The text tower reads whole words from a fixed list. A teacher without captions is an image tower alone. One
safetensors file holds the weights and the word list.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from asymdistill.models.weights import misfit
from asymdistill.runtime.errors import InputError

EMBEDDING_DIM = 128
RESOLUTION = 32
FORMAT = "asymdistill embedded teacher, 1"

_WIDTH, _HEADS = 128, 4
_IMAGE_LAYERS, _TEXT_LAYERS = 4, 2
_STEM_CHANNELS = 64


class ImageTower(nn.Module):
    """Vision transformer over 8 x 8 tokens from a convolutional stem, about 0.9M parameters."""

    def __init__(self) -> None:
        from open_clip.transformer import VisionTransformer

        super().__init__()
        self.transformer = VisionTransformer(
            image_size=RESOLUTION // 4, patch_size=1, width=_WIDTH, layers=_IMAGE_LAYERS, heads=_HEADS, mlp_ratio=4.0,
            output_dim=EMBEDDING_DIM, pool_type="avg", final_ln_after_pool=True,
        )  # fmt: skip
        self.transformer.conv1 = nn.Sequential(
            nn.Conv2d(3, _STEM_CHANNELS, kernel_size=3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(_STEM_CHANNELS),
            nn.GELU(),
            nn.Conv2d(_STEM_CHANNELS, _WIDTH, kernel_size=3, stride=2, padding=1),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Embed normalised images, N x 3 x 32 x 32, as vectors of any length, N x 128."""
        if images.shape[1:] != (3, RESOLUTION, RESOLUTION):
            raise InputError(f"images must have shape N x 3 x {RESOLUTION} x {RESOLUTION}, not {tuple(images.shape)}")
        embeddings: Tensor = self.transformer(images)
        return embeddings


class Vocabulary:
    """A fixed list of words and their token ids.

    Id 0 is padding, ids 1 to n are the words in the order given, and n + 1 ends a caption: the text tower reads its
    output at the highest id, as CLIP's does.

    Args:
        words: distinct lower-case words.
        length: most tokens in a caption, including the one that ends it.

    Raises:
        InputError: no words, or a word twice.
    """

    def __init__(self, words: Iterable[str], length: int = 24) -> None:
        self.words = tuple(words)
        self.length = length
        self._ids = {word: token_id for token_id, word in enumerate(self.words, start=1)}
        if len(self._ids) != len(self.words) or not self.words:
            raise InputError("words must be distinct, and at least one")

    def __len__(self) -> int:
        return len(self.words) + 2

    def encode(self, captions: Sequence[str]) -> Tensor:
        """Turn captions into token ids.

        Args:
            captions: N captions, words separated by white space; case does not matter.

        Returns:
            int64, N x L where L is the number of tokens in the longest caption.

        Raises:
            InputError: no captions, a word that is not in the list, or a caption that is too long.
        """
        if not captions:
            raise InputError("captions is empty; at least one is needed")
        rows = [[self._id(word) for word in text.lower().split()] + [len(self.words) + 1] for text in captions]
        longest = max(map(len, rows))
        if longest > self.length:
            raise InputError(f"a caption has {longest - 1} words; at most {self.length - 1} are allowed")
        return torch.tensor([row + [0] * (longest - len(row)) for row in rows])

    def _id(self, word: str) -> int:
        if word not in self._ids:
            raise InputError(f"the teacher does not know the word {word!r}; known: {' '.join(self.words)}")
        return self._ids[word]


class TextTower(nn.Module):
    """Causal text transformer over whole words, about 0.4M parameters.

    Args:
        vocabulary: the words it reads.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        from open_clip.transformer import TextTransformer

        super().__init__()
        self.vocabulary = vocabulary
        self.transformer = TextTransformer(
            context_length=vocabulary.length, vocab_size=len(vocabulary), width=_WIDTH, heads=_HEADS,
            layers=_TEXT_LAYERS, output_dim=EMBEDDING_DIM, pool_type="argmax",
        )  # fmt: skip

    def forward(self, token_ids: Tensor) -> Tensor:
        """Embed captions given as token ids, N x L, as vectors of any length, N x 128."""
        # The mask is causal and the ending token comes last, so padding to any length changes nothing.
        padded = nn.functional.pad(token_ids, (0, self.vocabulary.length - token_ids.shape[1]))
        embeddings: Tensor = self.transformer(padded)
        return embeddings

    def encode(self, captions: Sequence[str]) -> Tensor:
        """Embed N captions as vectors of any length, N x 128, on the tower's device."""
        device = self.transformer.positional_embedding.device
        embeddings: Tensor = self(self.vocabulary.encode(captions).to(device))
        return embeddings


@dataclass(frozen=True)
class Towers:
    """An image tower and, where there is one, a text tower that embeds captions in the same 128 dimensions."""

    image: ImageTower
    text: TextTower | None = None

    def modules(self) -> nn.ModuleDict:
        """The towers by name, ``image`` and ``text``."""
        return nn.ModuleDict({"image": self.image} | ({} if self.text is None else {"text": self.text}))


def pack(towers: Towers) -> tuple[dict[str, Tensor], dict[str, str]]:
    """What a file of weights holds: the tensors in half precision and the metadata beside them.

    Returns:
        float16 (and integer) tensors by name, and strings: the format, a digest of the tensors, and with a text tower
        the word list and the length of a caption as JSON.
    """
    tensors = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in towers.modules().state_dict().items()
    }
    strings = {"format": FORMAT, "digest": _digest(tensors)}
    if towers.text is not None:
        vocabulary = towers.text.vocabulary
        strings |= {"words": json.dumps(vocabulary.words), "length": json.dumps(vocabulary.length)}
    return tensors, strings


def save_towers(path: Path, towers: Towers) -> None:
    """Write a file that ``load_towers`` reads, whole or not at all."""
    tensors, strings = pack(towers)
    temporary = path.with_name(f".{path.name}.tmp")
    save_file(tensors, temporary, strings)
    temporary.replace(path)


def load_towers(path: Path) -> Towers:
    """Load the towers in a file: float32, in eval mode, frozen, on the CPU.

    Raises:
        InputError: the file is missing, damaged, or holds something else.
    """
    try:
        with safe_open(path, framework="pt") as file:
            strings = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise InputError(f"can't read the teacher's weights {path}: {error}") from error
    if strings.get("format") != FORMAT:
        raise InputError(f"{path} holds no such teacher: its format is {strings.get('format')!r}, not {FORMAT!r}")
    if strings.get("digest") != _digest(tensors):
        raise InputError(f"{path} is damaged: its weights don't match the digest stored beside them")
    try:
        text = None
        if "words" in strings:
            text = TextTower(Vocabulary(json.loads(strings["words"]), json.loads(strings["length"])))
        towers = Towers(ImageTower(), text)
        towers.modules().load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{path} does not fit the architecture ({misfit(error)})") from error
    towers.modules().eval().requires_grad_(False)
    return towers


def _digest(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()
