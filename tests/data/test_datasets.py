"""Images of every source: the right ones, in the right order, and one clear line where a file is no good."""

import os
import pickle
import shutil
import tarfile
import time
from collections import Counter
from pathlib import Path

import fake_hub
import numpy as np
import pytest
import torch
import torchvision
from damages import Trap
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from asymdistill.data import datasets, scenes
from asymdistill.data.datasets import Census
from asymdistill.runtime import download
from asymdistill.runtime.errors import InputError


def write_npz(path: Path, count: int = 30, side: int = 8, **replaced: object) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    arrays = {
        "train_images": rng.integers(0, 256, (count, side, side, 3), dtype=np.uint8),
        "test_images": rng.integers(0, 256, (count // 2, side, side, 3), dtype=np.uint8),
        "train_labels": np.arange(count) % 3,
        "test_labels": np.arange(count // 2) % 3,
        "classes": np.array(["ant", "bee", "cat"]),
    }
    arrays |= {name: np.asarray(value) for name, value in replaced.items()}
    np.savez_compressed(path, **{name: value for name, value in arrays.items() if value.size or name != "gone"})
    return arrays


def write_folder(root: Path, classes: tuple[str, ...] = ("ant", "bee"), each: int = 3) -> None:
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for name in classes:
            folder = root / split / name
            folder.mkdir(parents=True)
            for index in range(each):
                pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{index}.png")


# Scenes


def test_scenes_splits_are_apart_from_each_other_and_from_the_teachers() -> None:
    train, test = datasets.load("scenes", "train", limit=200), datasets.load("scenes", "test", limit=200)
    taught = [scenes.generate(200, seed=seed).images for seed in range(3)]
    kept = torch.cat([train.images, test.images, *taught]).flatten(1)
    assert len(torch.unique(kept, dim=0)) == len(kept)
    assert train.images.shape == (200, 32, 32, 3)
    assert train.class_names == scenes.SHAPES
    assert len(scenes.SHAPES) == 10


def test_scenes_depend_on_their_seed_alone() -> None:
    first, again, other = (datasets.load("scenes", "train", limit=20, seed=seed).images for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    # neighbouring seeds share no split either: the test images of one are not the training images of the next
    assert not torch.equal(datasets.load("scenes", "test", limit=20, seed=3).images, other)


# Scenes of a hundred classes


def test_a_hundred_classes_are_shape_and_colour() -> None:
    drawn = datasets.load("scenes100", "test", limit=300)
    assert len(drawn.class_names) == len(set(drawn.class_names)) == 100
    assert drawn.images.shape == (300, 32, 32, 3)
    colours = list(scenes.PALETTE)
    for label, shape, colour in zip(drawn.labels, drawn.factors["shape"], drawn.factors["colour"], strict=True):
        assert drawn.class_names[label] == f"{colours[colour]} {scenes.SHAPES[shape]}"
    assert set(drawn.factors) == set(scenes.FACTORS)
    assert all(len(values) == 300 for values in drawn.factors.values())


def test_a_hundred_classes_are_balanced_under_a_limit() -> None:
    drawn = datasets.load("scenes100", "train", limit=1000)
    assert drawn.labels.bincount(minlength=100).tolist() == [10] * 100
    few = datasets.load("scenes100", "train", limit=200).labels.bincount(minlength=100)
    assert int(few.sum()) == 200
    assert int(few.max()) <= 3  # a class of which enough were drawn has two, or three where another has fewer


def test_a_hundred_classes_share_no_image_between_the_splits_nor_with_ten() -> None:
    kinds = [(name, split) for name in ("scenes", "scenes100") for split in ("train", "test")]
    drawn = [datasets.load(name, split, limit=200).images for name, split in kinds]  # type: ignore[arg-type]
    assert len(torch.unique(torch.cat(drawn).flatten(1), dim=0)) == 800


def test_a_hundred_classes_depend_on_their_seed_alone() -> None:
    first, again, other = (datasets.load("scenes100", "train", limit=20, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.labels, again.labels)
    assert not torch.equal(first.images, other.images)


def test_some_of_a_hundred_classes_are_the_first_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "SCENES_DEFAULT_COUNT", {"train": 1500, "test": 500})
    some = datasets.load("scenes100", "train", classes=12, limit=60)
    assert some.class_names == datasets.load("scenes100", "test", limit=10).class_names[:12]
    assert some.labels.bincount(minlength=12).tolist() == [5] * 12
    assert torch.equal(10 * some.factors["shape"] + some.factors["colour"], some.labels)
    with pytest.raises(InputError, match="classes is 101"):
        datasets.load("scenes100", "test", classes=101)


# Subsets


@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=60),
    share=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_subset_is_as_balanced_as_the_classes_allow(labels: list[int], share: float, seed: int) -> None:
    limit = round(share * len(labels))
    chosen = datasets.balanced_subset(torch.tensor(labels), limit, seed=seed, classes=5).tolist()
    assert chosen == sorted(set(chosen))
    assert len(chosen) == limit
    there = Counter(labels)
    taken = Counter(labels[index] for index in chosen)
    most = max(taken.values(), default=0)
    # a class may lag behind the most frequent by more than one only where it has no more images
    assert all(taken[label] >= most - 1 or taken[label] == there[label] for label in there)


def test_a_subset_is_random_and_seeded() -> None:
    labels = torch.arange(100) % 10
    first, again, other = (datasets.balanced_subset(labels, 50, seed=seed, classes=10) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.bincount(labels[first]).tolist() == [5] * 10


def test_a_limit_beyond_the_images_is_refused(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz")
    with pytest.raises(InputError, match=r"train_limit is 31, and .*a\.npz has 30 train images; allowed: up to 30"):
        datasets.load(str(tmp_path / "a.npz"), "train", limit=31)


# .npz files


def test_an_npz_file_is_shuffled_with_its_labels_by_the_seed(tmp_path: Path) -> None:
    arrays = write_npz(tmp_path / "a.npz")
    loaded = datasets.load(str(tmp_path / "a.npz"), "train", seed=7)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(7))
    assert torch.equal(loaded.images, torch.from_numpy(arrays["train_images"])[order])
    assert torch.equal(loaded.labels, torch.from_numpy(arrays["train_labels"])[order])
    assert loaded.class_names == ("ant", "bee", "cat")
    assert not torch.equal(loaded.images, datasets.load(str(tmp_path / "a.npz"), "train", seed=8).images)
    assert len(datasets.load(str(tmp_path / "a.npz"), "test")) == 15


def test_a_limit_on_an_npz_file_is_balanced(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz", train_labels=[0] * 20 + [1] * 6 + [2] * 4)
    loaded = datasets.load(str(tmp_path / "a.npz"), "train", limit=12)
    assert torch.bincount(loaded.labels).tolist() == [4, 4, 4]


def test_an_archive_damaged_anywhere_is_refused_or_read_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    arrays = write_npz(path, count=6)
    whole = path.read_bytes()
    refused = 0
    for position in range(0, len(whole), 23):
        for damaged in (
            whole[:position],
            whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :],
        ):
            path.write_bytes(damaged)
            try:
                images = datasets.load(str(path), "train").images
            except InputError:
                refused += 1
            else:
                assert sorted(images.flatten().tolist()) == sorted(arrays["train_images"].flatten().tolist())
    assert refused > len(whole) // 23


# Folders


def test_a_folder_holds_one_class_a_subfolder(tmp_path: Path) -> None:
    write_folder(tmp_path)
    loaded = datasets.load(str(tmp_path), "train", image_size=8, seed=5)
    assert loaded.class_names == ("ant", "bee")
    files = sorted((tmp_path / "train").rglob("*.png"))
    order = torch.randperm(6, generator=torch.Generator().manual_seed(5)).tolist()
    for row, index in enumerate(order):
        assert np.array_equal(loaded.images[row].numpy(), np.asarray(Image.open(files[index])))
        assert loaded.class_names[loaded.labels[row]] == files[index].parent.name


@pytest.mark.parametrize(("width", "height"), [(64, 32), (32, 64), (33, 100), (5, 7), (16, 16)])
def test_an_image_that_is_not_square_is_scaled_and_cropped_as_torchvision_does(
    tmp_path: Path, width: int, height: int
) -> None:
    write_folder(tmp_path, each=1)
    gradient = np.linspace(0, 255, width * height * 3).reshape(height, width, 3).astype(np.uint8)
    file = tmp_path / "train" / "ant" / "0.png"
    Image.fromarray(gradient).save(file)
    loaded = datasets.load(str(tmp_path), "train", image_size=16)
    transforms = torchvision.transforms
    bicubic = transforms.InterpolationMode.BICUBIC
    expected = transforms.CenterCrop(16)(transforms.Resize(16, bicubic)(Image.open(file)))
    assert np.array_equal(loaded.images[loaded.labels == 0][0].numpy(), np.asarray(expected))


def test_an_image_damaged_anywhere_is_refused_by_name_or_read(tmp_path: Path) -> None:
    write_folder(tmp_path, each=1)
    file = tmp_path / "train" / "ant" / "0.png"
    whole = file.read_bytes()
    messages = []
    for position in range(0, len(whole), 3):
        for damaged in (whole[:position], whole[:position] + b"\xa5" * 4 + whole[position + 4 :]):
            file.write_bytes(damaged)
            try:
                datasets.load(str(tmp_path), "train", image_size=8)
            except InputError as error:
                messages.append(str(error))
    assert len(messages) > len(whole) // 3
    assert all(message.startswith(f"{file} is not a readable image") for message in messages)


def test_train_and_test_must_have_the_same_classes(tmp_path: Path) -> None:
    write_folder(tmp_path, classes=("ant", "bee", "cat"))
    os.rename(tmp_path / "test" / "ant", tmp_path / "test" / "asp")
    for split in ("train", "test"):
        with pytest.raises(InputError, match=r"only in train/: 'ant'; only in test/: 'asp'"):
            datasets.load(str(tmp_path), split)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / "train" / "empty").mkdir()
    (tmp_path / "test" / "empty").mkdir()
    with pytest.raises(InputError, match=r"train is not a folder with one subfolder"):
        datasets.load(str(tmp_path), "train")
    (tmp_path / "bare").mkdir()
    with pytest.raises(InputError, match=r"train is not a folder with one subfolder"):
        datasets.load(str(tmp_path / "bare"), "train")


def test_an_unknown_data_set_is_named_beside_the_allowed_ones(tmp_path: Path) -> None:
    for name in ("imagenet", str(tmp_path / "none"), "CIFAR10"):
        with pytest.raises(InputError, match=r"no data set .* allowed: 'scenes', 'scenes100', 'cifar10', 'cifar100'"):
            datasets.load(name, "train")
    with pytest.raises(InputError, match=r"none\.npz does not exist"):
        datasets.load(str(tmp_path / "none.npz"), "train")


# CIFAR through torchvision


def fake_cifar10(root: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Write the official files' layout with a few images, and let torchvision take their MD5s for the official."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    digests, train = {}, []
    for name in [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]:
        pixels = rng.integers(0, 256, (4, 3, 32, 32), dtype=np.uint8)
        if name != "test_batch":
            train.append(pixels)
        (folder / name).write_bytes(pickle.dumps({"data": pixels.reshape(4, 3072), "labels": [0, 1, 2, 1]}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": ["plane", "car", "bird"]}))
    for file in folder.iterdir():
        digests[file.name] = torchvision.datasets.utils.calculate_md5(file)
    chosen = torchvision.datasets.CIFAR10
    monkeypatch.setattr(chosen, "train_list", [[f"data_batch_{n}", digests[f"data_batch_{n}"]] for n in range(1, 6)])
    monkeypatch.setattr(chosen, "test_list", [["test_batch", digests["test_batch"]]])
    meta = {"filename": "batches.meta", "key": "label_names", "md5": digests["batches.meta"]}
    monkeypatch.setattr(chosen, "meta", meta)
    return np.concatenate(train).transpose(0, 2, 3, 1)


def test_cifar_keeps_the_order_of_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = fake_cifar10(tmp_path, monkeypatch)
    train = datasets.load("cifar10", "train", root=tmp_path, download=False, seed=9)
    assert np.array_equal(train.images.numpy(), expected)
    assert train.labels.tolist() == [0, 1, 2, 1] * 5
    assert train.class_names == ("plane", "car", "bird")
    assert len(datasets.load("cifar10", "test", root=tmp_path, download=False)) == 4
    few = datasets.load("cifar10", "train", root=tmp_path, download=False, limit=9)
    assert torch.bincount(few.labels).tolist() == [3, 3, 3]


def test_cifar_files_of_another_md5_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_cifar10(tmp_path, monkeypatch)
    (tmp_path / "cifar-10-batches-py" / "data_batch_3").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(InputError, match="cifar10 is not in"):
        datasets.load("cifar10", "train", root=tmp_path, download=False)
    assert not Trap.sprung


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_cifar_that_is_not_there_is_one_line_that_says_what_to_do(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"{name} is not in {tmp_path} .*set dataset_root") as caught:
        datasets.load(name, "train", root=tmp_path, download=False)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def pack_cifar10(source: Path, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pack a folder as the official archive is, and let torchvision take its MD5 for the official one."""
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(source / "cifar-10-batches-py", "cifar-10-batches-py")
    digest = torchvision.datasets.utils.calculate_md5(archive)
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "tgz_md5", digest)


def test_cifars_archive_is_unpacked_where_it_lies_and_nobody_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = fake_cifar10(tmp_path / "source", monkeypatch)
    root = tmp_path / "root"
    root.mkdir()
    pack_cifar10(tmp_path / "source", root / "cifar-10-python.tar.gz", monkeypatch)
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "url", f"{fake_hub.refusing()}/cifar-10-python.tar.gz")
    for may_download in (False, True):
        loaded = datasets.load("cifar10", "train", root=root, download=may_download)
        assert np.array_equal(loaded.images.numpy(), expected)


def test_cifar_is_downloaded_where_its_server_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = fake_cifar10(tmp_path / "source", monkeypatch)
    pack_cifar10(tmp_path / "source", tmp_path / "packed", monkeypatch)
    with fake_hub.serving({"/cifar-10-python.tar.gz": (tmp_path / "packed").read_bytes()}) as url:
        monkeypatch.setattr(torchvision.datasets.CIFAR10, "url", f"{url}/cifar-10-python.tar.gz")
        loaded = datasets.load("cifar10", "train", root=tmp_path / "root")
    assert np.array_equal(loaded.images.numpy(), expected)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_without_a_network_the_line_about_cifar_comes_in_time(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = datasets._cifar(name)
    monkeypatch.setattr(download, "TIMEOUT", 0.5)
    start = time.monotonic()
    with fake_hub.black_hole() as hole:
        for server, reason in ((hole, "timed out"), (fake_hub.refusing(), "refused")):
            monkeypatch.setattr(kind, "url", f"{server}/{kind.filename}")
            message = rf"{name} is not in {tmp_path} and could not be fetched \(.*({reason})"
            with pytest.raises(InputError, match=message) as caught:
                datasets.load(name, "train", root=tmp_path)
            assert "\n" not in str(caught.value)
            for part in (kind.filename, kind.base_folder, "University of Toronto", kind.url, ".npz", "train/<class>/"):
                assert part in str(caught.value)
    assert time.monotonic() - start < 10
    assert not list(tmp_path.iterdir())


# Digests


def test_a_digest_changes_when_what_files_hold_does_and_never_with_their_times(tmp_path: Path) -> None:
    for name in ("scenes", "scenes100", "cifar100"):
        assert datasets.digest(name) == name
    write_npz(tmp_path / "a.npz")
    first = datasets.digest(str(tmp_path / "a.npz"))
    shutil.copy(tmp_path / "a.npz", tmp_path / "b.npz")
    assert datasets.digest(str(tmp_path / "b.npz")) == first
    write_npz(tmp_path / "a.npz", classes=["ant", "bee", "dog"])
    assert datasets.digest(str(tmp_path / "a.npz")) != first

    tree = tmp_path / "tree"
    write_folder(tree)
    seen = [datasets.digest(str(tree))]
    file = tree / "test" / "bee" / "1.png"
    os.utime(file, ns=(1, 1))
    assert [datasets.digest(str(tree))] == seen
    shutil.copytree(tree, tmp_path / "copy")
    assert [datasets.digest(str(tmp_path / "copy"))] == seen
    file.rename(file.with_name("9.png"))
    seen.append(datasets.digest(str(tree)))
    file.with_name("9.png").write_bytes(b"other")
    seen.append(datasets.digest(str(tree)))
    file.with_name("9.png").unlink()
    seen.append(datasets.digest(str(tree)))
    assert len(set(seen)) == 4
    with pytest.raises(InputError, match="no data set"):
        datasets.digest(str(tmp_path / "none"))


# Census


def test_images_are_counted_before_they_are_read(tmp_path: Path) -> None:
    assert datasets.census("scenes") == Census(24_000, 5_000, 32, 10)
    assert datasets.census("scenes100").classes == 100
    write_npz(tmp_path / "a.npz")
    assert datasets.census(str(tmp_path / "a.npz")) == Census(30, 15, 8, 3, str(tmp_path / "a.npz"))
    write_folder(tmp_path / "tree")
    (tmp_path / "tree" / "train" / "ant" / "0.png").write_bytes(b"unread")
    assert datasets.census(str(tmp_path / "tree"), image_size=24) == Census(6, 6, 24, 2, str(tmp_path / "tree"))
    with pytest.raises(InputError, match="no data set"):
        datasets.census(str(tmp_path / "none"))


def test_a_census_says_where_cifar_is_or_that_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = (50_000, 10_000, 32, 10)
    missing = datasets.census("cifar10", root=tmp_path)
    assert missing == Census(*counted, missing=missing.missing)
    assert f"neither cifar-10-batches-py nor cifar-10-python.tar.gz is in {tmp_path}" in missing.missing
    fake_cifar10(tmp_path / "source", monkeypatch)
    pack_cifar10(tmp_path / "source", tmp_path / "cifar-10-python.tar.gz", monkeypatch)
    packed = datasets.census("cifar10", root=tmp_path)
    assert packed == Census(*counted, place=f"{tmp_path / 'cifar-10-python.tar.gz'}, which a run unpacks")
    unpacked = datasets.census("cifar10", root=tmp_path / "source")
    assert unpacked == Census(*counted, place=str(tmp_path / "source" / "cifar-10-batches-py"))


# ImageSet


def test_an_image_set_holds_what_fits_together() -> None:
    images = torch.zeros(3, 4, 4, 3, dtype=torch.uint8)
    chosen = datasets.ImageSet(images, torch.tensor([0, 1, 1]), ("a", "b")).take(torch.tensor([2, 0]))
    assert chosen.labels.tolist() == [1, 0]
    assert len(chosen) == 2
    for labels in (torch.tensor([0, 1]), torch.tensor([0.0, 1, 1]), torch.tensor([0, 1, 2]), torch.tensor([-1, 0, 1])):
        with pytest.raises(InputError, match="labels must"):
            datasets.ImageSet(images, labels, ("a", "b"))
    with pytest.raises(InputError, match="uint8"):
        datasets.ImageSet(images.float(), torch.tensor([0, 1, 1]), ("a", "b"))


def test_the_first_classes_only_and_a_limit_after_them(tmp_path: Path) -> None:
    arrays = write_npz(tmp_path / "data.npz")
    some = datasets.load(str(tmp_path / "data.npz"), "train", classes=2)
    assert some.class_names == ("ant", "bee")
    assert len(some) == (arrays["train_labels"] < 2).sum()
    assert datasets.load(str(tmp_path / "data.npz"), "train", classes=2, limit=4).labels.bincount().tolist() == [2, 2]
    with pytest.raises(InputError, match=r"classes is 99; allowed: 1, "):
        datasets.load(str(tmp_path / "data.npz"), "train", classes=99)


def test_scenes_keep_what_they_show() -> None:
    some = datasets.load("scenes", "test", limit=40, classes=2)
    assert some.class_names == scenes.SHAPES[:2]
    assert torch.equal(some.factors["shape"], some.labels)
    taken = some.take(torch.tensor([3, 1]))
    assert taken.factors["colour"].tolist() == some.factors["colour"][[3, 1]].tolist()
