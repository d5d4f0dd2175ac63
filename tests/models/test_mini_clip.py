import re
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from sklearn.linear_model import LogisticRegression
from torch.nn import functional as F

from asymdistill.config.names import SHIPPED_TEACHERS
from asymdistill.data import scenes
from asymdistill.metrics.spectrum import effective_rank
from asymdistill.models import mini_clip
from asymdistill.models.mini_clip import EMBEDDING_DIM, ImageTower, TextTower, Towers, Vocabulary, load_embedded
from asymdistill.models.teachers import load_teacher
from asymdistill.runtime.errors import InputError
from asymdistill.training import scenes_clip
from asymdistill.training.pretraining import embed


@pytest.fixture(scope="module")
def shipped() -> Towers:
    return load_embedded()


@pytest.fixture(scope="module")
def fresh() -> Towers:
    torch.manual_seed(0)
    return Towers(ImageTower().eval(), TextTower(scenes_clip.vocabulary()).eval())


@pytest.fixture
def written(fresh: Towers, tmp_path: Path) -> Path:
    path = tmp_path / "embedded.safetensors"
    tensors, strings = mini_clip.pack(fresh)
    save_file(tensors, path, strings)
    return path


def logged(name: str) -> dict[str, float]:
    """What the log beside shipped weights ends on."""
    log = mini_clip.embedded_path(name).with_suffix(".log").read_text(encoding="utf-8")
    return {key: float(value) for key, value in re.findall(r"^(probe accuracy|effective rank): (.*)$", log, re.M)}


@pytest.fixture(scope="module")
def unseen() -> tuple[scenes.Scenes, scenes.Scenes]:
    """Scenes that no teacher was trained or measured on."""
    return scenes.generate(2000, seed=31), scenes.generate(1000, seed=32)


@pytest.mark.parametrize(
    "name", [mini_clip.CAPTIONS, mini_clip.VIEWS]
)  # the third, on photographs, has a test of its own
def test_a_shipped_teacher_sees_what_its_log_says(name: str, unseen: tuple[scenes.Scenes, scenes.Scenes]) -> None:
    tower = load_embedded(mini_clip.embedded_path(name)).image
    train, test = unseen
    fitted, tested = embed(tower, train.images), embed(tower, test.images)
    assert tested.shape == (1000, EMBEDDING_DIM)
    assert tested.dtype == torch.float32
    assert torch.isfinite(tested).all()
    probe = LogisticRegression(max_iter=2000).fit(fitted.numpy(), train.labels.numpy())
    # Fitted on half as many scenes as the log's probe, which costs some; ten shapes, so chance gets 0.1.
    assert probe.score(tested.numpy(), test.labels.numpy()) >= max(0.85 * logged(name)["probe accuracy"], 0.3)
    assert effective_rank(tested) == pytest.approx(logged(name)["effective rank"], rel=0.1)
    assert logged(name)["effective rank"] > 8


def test_the_shipped_towers_tell_shapes_by_their_names(shipped: Towers) -> None:
    test = scenes.generate(500, seed=33)
    prompts = F.normalize(shipped.text.encode([scenes.class_prompt(label) for label in range(10)]), dim=1)
    assert ((embed(shipped.image, test.images) @ prompts.T).argmax(dim=1) == test.labels).float().mean() > 0.8


@pytest.mark.parametrize("factor", ["colour", "outline", "ground", "pattern"])
def test_the_text_tower_names_other_factors_too(shipped: Towers, factor: str) -> None:
    test = scenes.generate(500, seed=33)
    values = len(scenes.FACTORS[factor])
    prompts = F.normalize(shipped.text.encode([scenes.caption({factor: i}, [factor]) for i in range(values)]), dim=1)
    guesses = (embed(shipped.image, test.images) @ prompts.T).argmax(dim=1)
    assert (guesses == test.factors[factor]).float().mean() > max(0.5, 2 / values)


@pytest.mark.parametrize("name", SHIPPED_TEACHERS)
def test_the_shipped_files_are_small_and_complete(name: str) -> None:
    path = mini_clip.embedded_path(name)
    assert path.stat().st_size < 5_000_000
    log = path.with_suffix(".log").read_text(encoding="utf-8")
    assert {"probe accuracy", "effective rank"} == logged(name).keys()
    assert re.search(r"^threads: \d+, seconds: \d+$", log, re.M)
    assert "/" not in log


def test_the_teachers_that_learned_from_texts_read_them(shipped: Towers) -> None:
    assert shipped.text.vocabulary.words == scenes_clip.vocabulary().words
    assert load_embedded(mini_clip.embedded_path(mini_clip.VIEWS)).text is None
    named = load_embedded(mini_clip.embedded_path(mini_clip.NAMES))
    assert {"sunflower", "pickup", "truck"} < set(named.text.vocabulary.words)


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
    loaded = load_embedded(written)
    images = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(loaded.image(images), fresh.image(images), atol=0.02, rtol=0.02)
        torch.testing.assert_close(loaded.text.encode(["a ring"]), fresh.text.encode(["a ring"]), atol=0.02, rtol=0.02)


def test_an_image_tower_by_itself_is_written_and_read_without_texts(fresh: Towers, tmp_path: Path) -> None:
    path = tmp_path / "alone.safetensors"
    tensors, strings = mini_clip.pack(Towers(fresh.image))
    assert strings.keys() == {"format", "digest"}
    assert all(name.startswith("image.") for name in tensors)
    save_file(tensors, path, strings)
    loaded = load_embedded(path)
    assert loaded.text is None
    assert not loaded.image.training
    assert not any(parameter.requires_grad for parameter in loaded.image.parameters())
    for name, tensor in loaded.image.state_dict().items():
        assert torch.equal(tensor, tensors[f"image.{name}"].to(tensor.dtype))
    teacher = load_teacher("embedded-views", weights=path)
    images = scenes.generate(4, seed=3).images
    assert torch.equal(teacher.encode(images), load_teacher("embedded", weights=path).encode(images))
    with pytest.raises(InputError, match=r"^teacher 'embedded-views' has no text tower$"):
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
    (numbers,) = words.encode([text.upper()]).tolist()
    assert " ".join(words.words[number - 1] for number in numbers[:-1]) == text
    assert numbers[-1] == max(numbers) == len(words) - 1


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
    with pytest.raises(InputError, match=r"can't read .*nowhere.safetensors"):
        load_embedded(tmp_path / "nowhere.safetensors")


def test_a_flipped_byte_or_a_cut_is_noticed(written: Path) -> None:
    whole = written.read_bytes()
    written.write_bytes(whole[:-1000] + bytes([whole[-1000] ^ 1]) + whole[-999:])
    with pytest.raises(InputError, match=r"embedded\.safetensors is damaged"):
        load_embedded(written)
    written.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"can't read .*embedded.safetensors"):
        load_embedded(written)
    written.write_bytes(b"")
    with pytest.raises(InputError, match=r"can't read .*embedded.safetensors"):
        load_embedded(written)


def test_other_safetensors_are_refused(fresh: Towers, written: Path) -> None:
    save_file({"weight": torch.zeros(2)}, written)
    with pytest.raises(InputError, match="no embedded teacher"):
        load_embedded(written)
    tensors, strings = mini_clip.pack(fresh)
    tensors.pop("image.transformer.proj")
    save_file(tensors, written, {**strings, "digest": mini_clip._digest(tensors)})
    with pytest.raises(InputError, match=r"doesn't fit.*transformer\.proj"):
        load_embedded(written)


def test_matches_are_captions_that_are_true() -> None:
    factors = torch.tensor([[0, 1, 2], [0, 1, 3], [5, 1, 2]])
    named = torch.tensor([[True, True, False], [False, False, True], [True, False, False]])
    # caption 0: first two factors are 0, 1; caption 1: third is 3; caption 2: first is 5.
    expected = [[True, False, False], [True, True, False], [False, False, True]]
    assert scenes_clip.matches(factors, named).tolist() == expected


def test_the_loss_is_zero_where_cosines_tell_all() -> None:
    match = torch.eye(3, dtype=torch.bool)
    vectors = torch.eye(3)
    assert scenes_clip.contrastive_loss(vectors, vectors, match, torch.tensor(100.0)) < 1e-6
    assert scenes_clip.contrastive_loss(vectors, vectors.roll(1, 0), match, torch.tensor(100.0)) > 50
    every = torch.ones(3, 3, dtype=torch.bool)
    assert scenes_clip.contrastive_loss(torch.ones(3, 2), torch.ones(3, 2), every, torch.tensor(10.0)).abs() < 1e-6


def test_captions_name_at_least_one_factor_and_mostly_the_shape() -> None:
    chosen = scenes_clip.draw_names(5000, scenes_clip.Settings(), torch.Generator().manual_seed(0))
    assert chosen.any(dim=1).all()
    assert chosen.sum(dim=1).max() == 1 + scenes_clip.Settings().most_named
    shares = chosen.float().mean(dim=0)
    assert shares[0] > 0.8
    assert shares[1:].max() - shares[1:].min() < 0.05


def test_pretrain_from_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--images", "64", "--epochs", "1", "--batch", "32", "--probe-images", "40"]
    logs = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        assert scenes_clip.main(["--out", str(folder), *arguments]) == 0
        logs.append((folder / "embedded.log").read_text(encoding="utf-8"))
        assert str(folder) not in logs[-1]
        assert load_embedded(folder / "embedded.safetensors").text.vocabulary.words
    assert "epoch 1: loss" in logs[0]
    assert "epoch 1: loss" in capsys.readouterr().out
    assert [line for line in logs[0].splitlines() if "accuracy" in line or "rank" in line] == [
        line for line in logs[1].splitlines() if "accuracy" in line or "rank" in line
    ]
    with safe_open(tmp_path / "a" / "embedded.safetensors", framework="pt") as file:
        assert set(file.metadata()) == {"format", "words", "length", "digest"}
    assert {path.name.split(".")[0] for path in (tmp_path / "a").iterdir()} == {"embedded"}


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--epochs", "0", "epochs is 0;"),
        ("--shape-share", "1.5", "shape_share is 1.5; allowed: 0 to 1"),
        ("--stop-after", "9", "stop_after is 9; allowed: 0 to 8"),
        ("--start", "nowhere.safetensors", "can't read the embedded teacher nowhere.safetensors"),
    ],
)
def test_pretrain_refuses_in_one_line(
    option: str, value: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert scenes_clip.main(["--out", str(tmp_path / "out"), option, value]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"asymdistill: error: {message}")
    assert not (tmp_path / "out").exists()


def test_pretrain_trains_on_and_keeps_the_earlier_log(tmp_path: Path) -> None:
    tiny = ["--images", "32", "--epochs", "2", "--stop-after", "1", "--batch", "16", "--probe-images", "20"]
    assert scenes_clip.main(["--out", str(tmp_path / "a"), *tiny]) == 0
    before = (tmp_path / "a" / "embedded.log").read_text(encoding="utf-8")
    assert "epoch 2" not in before
    start = tmp_path / "a" / "embedded.safetensors"
    assert scenes_clip.main(["--out", str(tmp_path / "b"), "--start", str(start), *tiny]) == 0
    after = (tmp_path / "b" / "embedded.log").read_text(encoding="utf-8")
    assert after.startswith(before)
    assert after.count("epoch 1: loss") == 2
    first, second = (load_embedded(tmp_path / folder / "embedded.safetensors") for folder in "ab")
    changes = [(p - q).abs().max() for p, q in zip(first.image.parameters(), second.image.parameters(), strict=True)]
    assert 0 < max(changes) < 0.05
