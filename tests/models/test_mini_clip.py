"""The small CLIP: its towers, its token ids, its file, and the teachers that come with the package."""

import re
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from asymdistill.config.names import SCENES_CLIP, SCENES_SIMCLR, SCENES_TEACHERS
from asymdistill.data import scenes
from asymdistill.data.views import View
from asymdistill.metrics.probe import fit_probe
from asymdistill.metrics.spectrum import effective_rank
from asymdistill.models import encoding, mini_clip
from asymdistill.models.mini_clip import (
    EMBEDDING_DIM,
    ImageTower,
    TextTower,
    Towers,
    Vocabulary,
    load_towers,
    save_towers,
)
from asymdistill.models.teachers import Teacher, load_teacher
from asymdistill.models.weights import shipped_path
from asymdistill.runtime.errors import InputError
from asymdistill.training import scenes_clip


def embed(tower: ImageTower, images: Tensor) -> Tensor:
    return encoding.embed(tower, images, View(32))


@pytest.fixture(scope="module")
def shipped() -> Towers:
    return load_towers(shipped_path(SCENES_CLIP))


@pytest.fixture(scope="module")
def fresh() -> Towers:
    torch.manual_seed(0)
    return Towers(ImageTower().eval(), TextTower(scenes_clip.vocabulary()).eval())


@pytest.fixture
def written(fresh: Towers, tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    save_towers(path, fresh)
    return path


def logged(name: str) -> dict[str, float]:
    """What the log beside shipped weights ends on."""
    log = shipped_path(name).with_suffix(".log").read_text(encoding="utf-8")
    return {key: float(value) for key, value in re.findall(r"^(probe accuracy|effective rank): (.*)$", log, re.M)}


@pytest.fixture(scope="module")
def unseen() -> tuple[scenes.Scenes, scenes.Scenes]:
    """Scenes that no teacher was trained or measured on."""
    return scenes.generate(2000, seed=31), scenes.generate(1000, seed=32)


@pytest.mark.parametrize("name", SCENES_TEACHERS)
def test_a_shipped_teacher_sees_what_its_log_says(name: str, unseen: tuple[scenes.Scenes, scenes.Scenes]) -> None:
    tower = load_towers(shipped_path(name)).image
    train, test = unseen
    fitted, tested = embed(tower, train.images), embed(tower, test.images)
    assert tested.shape == (1000, EMBEDDING_DIM)
    assert tested.dtype == torch.float32
    assert torch.isfinite(tested).all()
    accuracy = fit_probe(fitted, train.labels).accuracy(tested, test.labels) / 100
    # Fitted on half as many scenes as the log's probe, which costs some; ten shapes, so chance gets 0.1.
    assert accuracy >= max(0.85 * logged(name)["probe accuracy"], 0.3)
    assert effective_rank(tested) == pytest.approx(logged(name)["effective rank"], rel=0.1)
    assert logged(name)["effective rank"] > 8


@pytest.fixture(scope="module")
def described(shipped: Towers) -> tuple[scenes.Scenes, Tensor]:
    """Further scenes, and their embeddings."""
    test = scenes.generate(500, seed=33)
    return test, embed(shipped.image, test.images)


def test_the_shipped_towers_tell_shapes_by_their_names(
    shipped: Towers, described: tuple[scenes.Scenes, Tensor]
) -> None:
    test, embeddings = described
    prompts = F.normalize(shipped.text.encode([scenes.class_prompt(label) for label in range(10)]), dim=1)
    assert ((embeddings @ prompts.T).argmax(dim=1) == test.labels).float().mean() > 0.8


@pytest.mark.parametrize("factor", ["colour", "outline", "ground", "pattern"])
def test_the_text_tower_names_other_factors_too(
    shipped: Towers, described: tuple[scenes.Scenes, Tensor], factor: str
) -> None:
    test, embeddings = described
    values = len(scenes.FACTORS[factor])
    prompts = F.normalize(shipped.text.encode([scenes.caption({factor: i}, [factor]) for i in range(values)]), dim=1)
    guesses = (embeddings @ prompts.T).argmax(dim=1)
    assert (guesses == test.factors[factor]).float().mean() > max(0.5, 2 / values)


@pytest.mark.parametrize("name", SCENES_TEACHERS)
def test_the_shipped_files_are_small_and_complete(name: str) -> None:
    path = shipped_path(name)
    assert path.stat().st_size < 5_000_000
    log = path.with_suffix(".log").read_text(encoding="utf-8")
    assert {"probe accuracy", "effective rank"} == logged(name).keys()
    assert re.search(r"^threads: \d+, seconds: \d+$", log, re.M)
    assert "/" not in log


def test_only_the_teacher_that_learned_from_captions_reads_them(shipped: Towers) -> None:
    assert shipped.text.vocabulary.words == scenes_clip.vocabulary().words
    assert load_towers(shipped_path(SCENES_SIMCLR)).text is None


def test_the_towers_are_frozen_and_of_the_stated_size(shipped: Towers) -> None:
    for tower, millions in ((shipped.image, 0.9), (shipped.text, 0.4)):
        assert not tower.training
        assert not any(parameter.requires_grad for parameter in tower.parameters())
        assert all(parameter.dtype == torch.float32 for parameter in tower.parameters())
        assert sum(parameter.numel() for parameter in tower.parameters()) / 1e6 == pytest.approx(millions, abs=0.05)


def test_embeddings_do_not_depend_on_the_batch(fresh: Towers) -> None:
    images = torch.randn(5, 3, 32, 32)
    captions = ["a heart", "a small red star on blue with pink waves", "a ring"]
    with torch.no_grad():
        torch.testing.assert_close(fresh.image(images)[1:2], fresh.image(images[1:2]), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(
            fresh.text.encode(captions)[:1], fresh.text.encode(captions[:1]), atol=1e-4, rtol=1e-4
        )


def test_a_written_file_gives_the_same_towers(fresh: Towers, written: Path) -> None:
    loaded = load_towers(written)
    images = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(loaded.image(images), fresh.image(images), atol=0.02, rtol=0.02)
        torch.testing.assert_close(loaded.text.encode(["a ring"]), fresh.text.encode(["a ring"]), atol=0.02, rtol=0.02)


def test_an_image_tower_by_itself_is_written_and_read_without_texts(fresh: Towers, tmp_path: Path) -> None:
    path = tmp_path / "alone.safetensors"
    tensors, strings = mini_clip.pack(Towers(fresh.image))
    assert strings.keys() == {"format", "digest"}
    assert all(name.startswith("image.") for name in tensors)
    save_towers(path, Towers(fresh.image))
    assert [file.name for file in tmp_path.iterdir()] == ["alone.safetensors"]
    loaded = load_towers(path)
    assert loaded.text is None
    assert not loaded.image.training
    assert not any(parameter.requires_grad for parameter in loaded.image.parameters())
    for name, tensor in loaded.image.state_dict().items():
        assert torch.equal(tensor, tensors[f"image.{name}"].to(tensor.dtype))
    teacher = load_teacher(SCENES_SIMCLR, weights=path)
    images = scenes.generate(4, seed=3).images
    assert torch.equal(teacher.encode(images), Teacher(SCENES_SIMCLR, loaded.image, teacher.view).encode(images))
    with pytest.raises(InputError, match="it has no text tower; allowed: a file with a text tower"):
        load_teacher(SCENES_CLIP, weights=path)
    with pytest.raises(InputError, match=f"^teacher {SCENES_SIMCLR!r} has no text tower$"):
        teacher.encode_text(["a ring"])


def test_wrong_image_shape(fresh: Towers) -> None:
    with pytest.raises(InputError, match="N x 3 x 32 x 32, not \\(1, 3, 64, 64\\)"):
        fresh.image(torch.zeros(1, 3, 64, 64))


def test_unknown_word_is_named(fresh: Towers) -> None:
    with pytest.raises(InputError, match="'giraffe'"):
        fresh.text.encode(["a red giraffe"])


@given(data=st.data())
@settings(max_examples=50)
def test_every_caption_of_a_scene_can_be_read(data: st.DataObject) -> None:
    words = scenes_clip.vocabulary()
    factors = {name: data.draw(st.integers(0, len(values) - 1)) for name, values in scenes.FACTORS.items()}
    names = data.draw(st.lists(st.sampled_from(sorted(scenes.FACTORS)), unique=True))
    text = scenes.caption(factors, names)
    (token_ids,) = words.encode([text.upper()]).tolist()
    assert " ".join(words.words[token_id - 1] for token_id in token_ids[:-1]) == text
    assert token_ids[-1] == max(token_ids) == len(words) - 1


def test_vocabulary_pads_and_refuses() -> None:
    words = Vocabulary(["a", "ring"], length=3)
    assert words.encode(["a ring", "ring"]).tolist() == [[1, 2, 3], [2, 3, 0]]
    with pytest.raises(InputError, match="3 words; at most 2"):
        words.encode(["a a a"])
    with pytest.raises(InputError, match="empty"):
        words.encode([])
    with pytest.raises(InputError, match="distinct"):
        Vocabulary(["a", "a"])


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"can't read .*nowhere\.safetensors"):
        load_towers(tmp_path / "nowhere.safetensors")


def test_a_flipped_byte_or_a_cut_is_noticed(written: Path) -> None:
    whole = written.read_bytes()
    written.write_bytes(whole[:-1000] + bytes([whole[-1000] ^ 1]) + whole[-999:])
    with pytest.raises(InputError, match=r"weights\.safetensors is damaged"):
        load_towers(written)
    written.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"can't read .*weights\.safetensors"):
        load_towers(written)
    written.write_bytes(b"")
    with pytest.raises(InputError, match=r"can't read .*weights\.safetensors"):
        load_towers(written)


def test_other_safetensors_are_refused(fresh: Towers, written: Path) -> None:
    save_file({"weight": torch.zeros(2)}, written)
    with pytest.raises(InputError, match="holds no such teacher"):
        load_towers(written)
    tensors, strings = mini_clip.pack(fresh)
    tensors.pop("image.transformer.proj")
    save_file(tensors, written, {**strings, "digest": mini_clip._digest(tensors)})
    with pytest.raises(InputError, match=r"does not fit.*transformer\.proj"):
        load_towers(written)
