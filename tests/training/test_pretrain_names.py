"""The training of the third embedded teacher, and the teacher that is shipped."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from torch import Tensor
from torch.nn import functional as F

from asymdistill.data.datasets import ImageSet
from asymdistill.data.preprocess import clip_preprocess
from asymdistill.models import mini_clip
from asymdistill.models.mini_clip import ImageTower, TextTower, load_embedded
from asymdistill.models.teachers import load_teacher
from asymdistill.runtime.errors import InputError
from asymdistill.training import pretrain_names
from asymdistill.training.pretrain_names import COARSE, Settings, captions, main, train
from asymdistill.training.pretraining import embed

pytestmark = pytest.mark.usefixtures("one_thread")

FINE = [name for group in COARSE.values() for name in group.split()]
# In an order of their own, so that none can be taken for granted.
CLASSES = tuple(FINE[(37 * place + 11) % 100] for place in range(100))
TINY = {"epochs": 1, "limit": 240, "batch": 60, "probe_images": 200, "dropped": 0.0}
OPTIONS = [word for name, value in TINY.items() for word in (f"--{name.replace('_', '-')}", str(value))]
# Beside a checkout there may be CIFAR-100, as sheets of 25 x 20 images, one class a sheet.
SHEETS = Path(__file__).parents[3] / "shared" / "data" / "cifar100" / "test"
needs_sheets = pytest.mark.skipif(not SHEETS.is_dir(), reason="CIFAR-100's images don't lie beside the repository")


def patterns(each: int, seed: int) -> ImageSet:
    """Some images of each class: a pattern of 8 x 8 shades of its own colour, enlarged, and a little noise."""
    draw = np.random.default_rng(0)
    colours = draw.uniform(0, 255, (100, 1, 1, 3)) + draw.uniform(-40, 40, (100, 8, 8, 3))
    labels = np.tile(np.arange(100), each)
    noise = np.random.default_rng(seed).normal(0, 10, (len(labels), 32, 32, 3))
    images = np.kron(colours, np.ones((1, 4, 4, 1)))[labels] + noise
    return ImageSet(torch.from_numpy(images.clip(0, 255).astype(np.uint8)), torch.from_numpy(labels), CLASSES)


def written(path: Path, classes: tuple[str, ...] = CLASSES) -> Path:
    sets = {"train": patterns(3, seed=1), "test": patterns(1, seed=2)}
    arrays = {f"{split}_images": own.images.numpy() for split, own in sets.items()}
    arrays |= {f"{split}_labels": own.labels.numpy() for split, own in sets.items()}
    np.savez(path, **arrays, classes=np.array(classes))
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("images") / "patterns.npz")


# Names.


def test_twenty_coarse_classes_hold_five_of_a_hundred_fine_ones_each() -> None:
    assert len(COARSE) == 20
    assert all(len(group.split()) == 5 for group in COARSE.values())
    assert len(set(FINE)) == 100
    # Krizhevsky's own examples of the two levels.
    assert "whale" in COARSE["aquatic mammals"]
    assert "lawn_mower" in COARSE["vehicles 2"]


@needs_sheets
def test_the_fine_classes_are_those_of_cifar_100() -> None:
    assert sorted(FINE) == sorted({path.stem.rsplit("-", 2)[0] for path in SHEETS.glob("*.webp")})


def test_captions_name_the_fine_class_or_the_coarse_one_in_plain_words() -> None:
    fine, coarse, coarse_of = captions(CLASSES)
    assert fine == [f"a {' '.join(name.split('_'))}" for name in CLASSES]
    assert coarse == [f"a {name}" for name in COARSE]
    assert coarse_of.dtype == torch.int64
    assert all(name in list(COARSE.values())[group].split() for name, group in zip(CLASSES, coarse_of, strict=True))
    # A caption that named two classes would be true of an image it was not written for.
    assert len({*fine, *coarse}) == 120
    assert not any("_" in caption for caption in fine + coarse)


@pytest.mark.parametrize("names", [CLASSES[:99], (*CLASSES[:99], "cat"), (*CLASSES, "cat"), (*CLASSES, CLASSES[0]), ()])
def test_other_class_names_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="images must be CIFAR-100's, with its 100 class names") as caught:
        captions(names)
    assert "\n" not in str(caught.value)


# The training.


def test_a_match_is_a_caption_that_is_true_of_an_image(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Tensor] = []
    read: list[Tensor] = []
    given: list[tuple[Tensor, Tensor, Tensor]] = []

    class Watched(TextTower):
        def forward(self, numbers: Tensor) -> Tensor:
            read.append(numbers)
            return super().forward(numbers)

    def look(images: Tensor, *, generator: torch.Generator) -> Tensor:
        seen.append(images[:, 0, 0, 0].long())  # the class, see below
        return images

    def spy(images: Tensor, texts: Tensor, match: Tensor, scale: Tensor) -> Tensor:
        given.append((images, texts, match))
        return pretrain_loss(images, texts, match, scale)

    pretrain_loss = pretrain_names.contrastive_loss
    monkeypatch.setattr(pretrain_names, "TextTower", Watched)
    monkeypatch.setattr(pretrain_names, "random_crop_flip", look)
    monkeypatch.setattr(pretrain_names, "contrastive_loss", spy)
    labels = torch.arange(100).repeat(2)
    images = ImageSet(labels.to(torch.uint8)[:, None, None, None].expand(-1, 32, 32, 3).contiguous(), labels, CLASSES)
    settings = Settings(epochs=1, batch=65, coarse_share=0.4, dropped=0.0)
    ((found, _),) = train(settings, images)
    assert found.text is not None
    assert len(given) == len(seen) == len(read) == 3  # of 65; the last 5 images would make a smaller batch
    group_of = {name: group for group, names in COARSE.items() for name in names.split()}
    coarse = 0
    for shown, numbers, (pictures, texts, match) in zip(seen, read, given, strict=True):
        assert pictures.dtype == texts.dtype == torch.float32
        words = found.text.vocabulary.words
        texts_read = [" ".join(words[number - 1] for number in row if 0 < number <= len(words)) for row in numbers]
        true = [{f"a {CLASSES[c]}".replace("_", " "), f"a {group_of[CLASSES[c]]}"} for c in shown]
        assert match.tolist() == [[text in names for text in texts_read] for names in true]
        assert match.diagonal().all()
        coarse += sum(text[2:] in COARSE for text in texts_read)
    # Four standard deviations of the share of 195 draws.
    assert coarse / 195 == pytest.approx(0.4, abs=4 * math.sqrt(0.4 * 0.6 / 195))


def test_training_depends_on_the_seed_alone_and_moves_both_towers() -> None:
    images = patterns(1, seed=1)

    def weights(seed: int) -> list[Tensor]:
        torch.randn(seed + 5)
        settings = Settings(epochs=2, batch=50, seed=seed)
        for found, loss in train(settings, images):
            assert math.isfinite(loss)
            assert found.text is not None
            assert not found.image.training
            assert not found.text.training
        return [p.detach().clone() for tower in (found.image, found.text) for p in tower.parameters()]

    first, again, other = weights(1), weights(1), weights(2)
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
    assert not all(torch.equal(one, two) for one, two in zip(first, other, strict=True))
    torch.manual_seed(1)
    fine, coarse, _ = captions(CLASSES)
    vocabulary = mini_clip.Vocabulary(sorted({word for text in fine + coarse for word in text.split()}), 8)
    fresh = [p for tower in (ImageTower(), TextTower(vocabulary)) for p in tower.parameters()]
    assert all((one - two).abs().max() > 0 for one, two in zip(first, fresh, strict=True))


def test_classes_are_told_apart_by_their_names() -> None:
    images = patterns(12, seed=1)
    five = images.take((images.labels < 5).nonzero().flatten())
    losses = [loss for _, loss in train(Settings(epochs=4, batch=20, coarse_share=0.0, dropped=0.0), five)]
    assert losses[-1] < 0.5 * losses[0]
    # Who knows the names and nothing of the images can't get below the entropy of the five.
    assert losses[-1] < math.log(5) / 2


def test_the_trained_tower_drops_no_tokens_when_it_is_used() -> None:
    images = patterns(1, seed=1).take(torch.arange(40))
    ((found, _),) = train(Settings(epochs=1, batch=40, dropped=0.9), images)
    pixels = clip_preprocess(images.images[:4], 32)
    with torch.no_grad():
        assert torch.equal(found.image(pixels), found.image(pixels))


# From the command line.


def test_pretrain_names_from_end_to_end(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        assert main(["--out", str(folder), "--images", str(file), *OPTIONS]) == 0
        logs.append((folder / "embedded-names.log").read_text(encoding="utf-8"))
        assert capsys.readouterr().out == logs[-1]
        assert "/" not in logs[-1]
        assert {path.name.split(".")[0] for path in folder.iterdir()} == {"embedded-names"}
    measured = [[line for line in log.splitlines() if "accuracy" in line or "rank" in line] for log in logs]
    assert measured[0] == measured[1]
    assert [line.split(":")[0] for line in measured[0]] == ["probe accuracy", "effective rank", "zero-shot accuracy"]
    assert '"epochs": 1, "limit": 240, "seed": 0, "batch": 60' in logs[0]
    assert '"coarse_share": 0.2, "dropped": 0.0, "probe_images": 200}' in logs[0]
    assert re.search(r"^epoch 1: loss \d\.\d{4}, \d+ s$", logs[0], re.M)
    assert logs[0].splitlines()[-1].startswith("threads: 1, seconds: ")
    with safe_open(tmp_path / "a" / "embedded-names.safetensors", framework="pt") as weights:
        assert set(weights.metadata()) == {"format", "digest", "words", "length"}
    first, second = (load_embedded(tmp_path / folder / "embedded-names.safetensors") for folder in "ab")
    assert first.text is not None
    assert second.text is not None
    for one, two in ((first.image, second.image), (first.text, second.text)):
        states = zip(one.state_dict().values(), two.state_dict().values(), strict=True)
        assert all(torch.equal(tensor, other) for tensor, other in states)
    test = patterns(1, seed=2)
    with torch.no_grad():
        cosines = embed(first.image, test.images) @ F.normalize(first.text.encode(captions(CLASSES)[0]), dim=1).T
    accuracy = (cosines.argmax(dim=1) == test.labels).double().mean().item()
    assert measured[0][2] == f"zero-shot accuracy: {accuracy:.4f}"


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--epochs", "0", "epochs is 0; it must be a finite number greater than 0"),
        ("--batch", "-1", "batch is -1; it must be a finite number greater than 0"),
        ("--learning-rate", "nan", "learning_rate is nan; it must be a finite number greater than 0"),
        ("--probe-images", "1", "probe_images is 1; it must be at least 2"),
        ("--limit", "-1", "limit is -1; allowed: 0 to "),
        ("--limit", "301", "a limit of 301 images was asked for and only 300 are there"),
        ("--coarse-share", "1.5", "coarse_share is 1.5; allowed: 0 to 1"),
        ("--dropped", "1", "dropped is 1.0; allowed: 0 to 0.9"),
        ("--warmup", "-0.1", "warmup is -0.1; allowed: 0 to 1"),
        ("--seed", "-1", "seed is -1; allowed: 0 to "),
        ("--images", "gone.npz", "gone.npz does not exist"),
        ("--images", "gone", "no data set 'gone'; allowed: "),
    ],
)
def test_pretrain_names_refuses_in_one_line(
    option: str, value: str, message: str, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--out", str(tmp_path / "out"), "--images", str(file), f"{option}={value}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"asymdistill: error: {message}")
    assert not (tmp_path / "out").exists()


def test_other_images_are_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = written(tmp_path / "others.npz", tuple(f"thing {number}" for number in range(100)))
    assert main(["--out", str(tmp_path / "out"), "--images", str(others)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("asymdistill: error: images must be CIFAR-100's")
    assert not (tmp_path / "out").exists()


# The shipped weights.


def test_the_shipped_teacher_sees_photographs_and_reads_every_caption() -> None:
    teacher = load_teacher("embedded-names")
    assert (teacher.name, teacher.embedding_dim, teacher.resolution) == ("embedded-names", 128, 32)
    embeddings = teacher.encode(patterns(1, seed=3).images)
    assert embeddings.shape == (100, 128)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(100))
    fine, coarse, _ = captions(CLASSES)
    texts = teacher.encode_text(fine + coarse)
    assert texts.shape == (120, 128)
    # No two captions were learned as one.
    assert (texts @ texts.T - torch.eye(120)).max() < 0.99


def test_the_shipped_teacher_reads_one_of_cifar_10s_names() -> None:
    text = load_embedded(mini_clip.embedded_path("embedded-names")).text
    assert text is not None
    names = {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}
    assert names & set(text.vocabulary.words) == {"truck"}


def test_the_shipped_log_says_how_the_shipped_weights_were_trained() -> None:
    path = mini_clip.embedded_path("embedded-names")
    log = path.with_suffix(".log").read_text(encoding="utf-8")
    assert path.stat().st_size < 15_000_000
    for name, value in vars(Settings()).items():
        assert f'"{name}": {value}' in log
    found = {key: float(value) for key, value in re.findall(r"^([a-z -]+): ([\d.]+)$", log, re.M)}
    assert found["probe accuracy"] > 0.5
    assert found["zero-shot accuracy"] > 0.5
    assert len(re.findall(r"^epoch \d+: loss", log, re.M)) == Settings().epochs
    page = (Path(__file__).parents[2] / "book" / "methods.md").read_text(encoding="utf-8")
    told = page.partition("**The third embedded teacher**")[2].partition("\n\n")[0].replace("\n", " ")
    assert f"is right for {found['probe accuracy']:.0%}".replace("%", " %") in told
    assert f"the hundred names for {found['zero-shot accuracy']:.0%}".replace("%", " %") in told


@needs_sheets
def test_the_shipped_teacher_names_photographs_that_it_never_saw() -> None:
    names = sorted(FINE)
    chosen = range(0, 100, 4)
    images = []
    for label in chosen:
        with Image.open(SHEETS / f"{names[label]}-00-100.webp") as sheet:
            row = np.asarray(sheet.convert("RGB"))[:32].reshape(32, 25, 32, 3)
        images.append(torch.from_numpy(row.transpose(1, 0, 2, 3).copy()))
    teacher = load_teacher("embedded-names")
    texts = teacher.encode_text(captions(tuple(names))[0])
    guesses = (teacher.encode(torch.cat(images)) @ texts.T).argmax(dim=1)
    labels = torch.tensor(chosen).repeat_interleave(25)
    # The log says 0.52 for all 10,000; five standard deviations of 625 are 0.1, and chance gets 0.01.
    assert (guesses == labels).float().mean() > 0.42
