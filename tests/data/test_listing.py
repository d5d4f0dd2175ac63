"""What counts as an image: links, hidden entries, extensions, and names in any bytes."""

import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from asymdistill.data import datasets
from asymdistill.data.listing import list_images, list_splits, natural, readable_extensions
from asymdistill.runtime.errors import InputError


def put(path: Path, grey: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = readable_extensions().get(path.suffix.lower(), "PNG")
    Image.fromarray(np.full((8, 8, 3), grey, np.uint8)).save(path, format=kind)
    return path


def tree(root: Path, classes: tuple[str, ...] = ("ant", "bee")) -> Path:
    for split in ("train", "test"):
        for number, name in enumerate(classes):
            put(root / split / name / "0.png", 20 * number)
    return root


# Links (case 1: the links led to other images, and the old tables came back)


@pytest.mark.parametrize("level", ["split", "class", "file"])
def test_other_images_behind_a_link_are_others(tmp_path: Path, level: str) -> None:
    for name, grey in (("first", 10), ("other", 200)):
        for split in ("train", "test"):
            for label in ("ant", "bee"):
                put(tmp_path / name / split / label / "0.png", grey)
    mine = tmp_path / "mine"
    inside = {"split": "train", "class": "train/ant", "file": "train/ant/0.png"}[level]

    def point_to(name: str) -> None:
        link = mine / inside
        link.unlink(missing_ok=True)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(tmp_path / name / inside)

    tree(mine) if level != "split" else put(mine / "test" / "ant" / "0.png") and put(mine / "test" / "bee" / "0.png")
    for place in ("train/ant/0.png", "train/ant"):
        if level == "class" and place == "train/ant":
            (mine / "train/ant/0.png").unlink()
            (mine / place).rmdir()
        elif level == "file" and place == "train/ant/0.png":
            (mine / place).unlink()
    seen = []
    for name in ("first", "other", "first"):
        point_to(name)
        images = datasets.load(str(mine), "train", image_size=8)
        seen.append((datasets.digest(str(mine)), int(images.images[images.labels == 0].max())))
    assert seen[0] == seen[2]
    assert seen[0][0] != seen[1][0]
    assert [grey for _, grey in seen] == [10, 200, 10]


def test_a_link_back_to_a_folder_above_it_is_not_followed(tmp_path: Path) -> None:
    tree(tmp_path)
    (tmp_path / "train" / "ant" / "again").symlink_to(tmp_path / "train" / "ant")
    (tmp_path / "train" / "ant" / "deeper").mkdir()
    (tmp_path / "train" / "ant" / "deeper" / "up").symlink_to(tmp_path / "train")
    names = [str(path.relative_to(tmp_path)) for path, label in list_images(tmp_path / "train").files if label == 0]
    assert names == ["train/ant/0.png"]


def test_a_broken_link_is_left_out_and_said(tmp_path: Path) -> None:
    tree(tmp_path)
    (tmp_path / "train" / "ant" / "1.png").symlink_to(tmp_path / "gone.png")
    assert list_images(tmp_path / "train").left_out == {"broken links": 1}


# Hidden entries and other kinds


def test_hidden_entries_are_nothing_and_other_kinds_are_counted(tmp_path: Path) -> None:
    before = datasets.digest(str(tree(tmp_path)))
    for hidden in (".ipynb_checkpoints/0.png", "__MACOSX/ant/0.png", "ant/.ipynb_checkpoints/0.png"):
        put(tmp_path / "train" / hidden)
    put(tmp_path / "train" / "ant" / "._0.png")
    for name in (".DS_Store", "ant/.DS_Store", "notes.txt"):
        (tmp_path / "train" / name).write_bytes(b"x")
    (tmp_path / ".DS_Store").write_bytes(b"x")
    for name in ("a.txt", "b.TXT", "LICENSE", "Thumbs.db", "page.pdf", "drawing.eps"):
        (tmp_path / "train" / "ant" / name).write_bytes(b"x")
    found = list_images(tmp_path / "train")
    assert found.classes == ("ant", "bee")
    assert [path.name for path, _ in found.files] == ["0.png", "0.png"]
    assert found.left_out == {"of .db": 1, "of .eps": 1, "of .pdf": 1, "of .txt": 2, "without an extension": 1}
    assert datasets.digest(str(tmp_path)) == before
    note = datasets.census(str(tmp_path)).note
    assert note == "left out, as no images: 1 of .db, 1 of .eps, 1 of .pdf, 2 of .txt, 1 without an extension in train/"


@pytest.mark.parametrize("end", [".jfif", ".JPG", ".Png", ".webp", ".jp2", ".TIF", ".bmp", ".gif", ".avif", ".tga"])
def test_every_extension_that_pillow_reads_counts_in_any_case(end: str, tmp_path: Path) -> None:
    put(tmp_path / "train" / "ant" / f"1{end}", 90)
    found = list_images(tmp_path / "train")
    assert [path.suffix for path, _ in found.files] == [end]
    assert not found.left_out
    tree(tmp_path)
    images = datasets.load(str(tmp_path), "train", image_size=8).images
    assert len(images) == 3


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    tree(tmp_path)
    os.mkfifo(tmp_path / "train" / "ant" / "1.png")
    assert list_images(tmp_path / "train").left_out == {"that are no regular files": 1}


# Names


def test_the_order_is_natural(tmp_path: Path) -> None:
    for name in ("class 10", "class 2", "class 1"):
        for number in (10, 9, 1):
            put(tmp_path / "train" / name / f"{number}.png")
    found = list_images(tmp_path / "train")
    assert found.classes == ("class 1", "class 2", "class 10")
    assert [path.stem for path, _ in found.files] == ["1", "9", "10"] * 3
    assert sorted(["b", "a10", "a9", "a", "10", "9", "A", "é"], key=natural) == [
        "9",
        "10",
        "A",
        "a",
        "a9",
        "a10",
        "b",
        "é",
    ]


def test_names_that_look_alike_are_one_class_in_both_splits(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    assert composed != decomposed
    for split, name in (("train", composed), ("test", decomposed)):
        put(tmp_path / split / name / "0.png")
        put(tmp_path / split / "tea" / "0.png")
    assert [found.classes for found in list_splits(tmp_path)] == [(composed, "tea")] * 2
    put(tmp_path / "test" / composed / "0.png")
    with pytest.raises(InputError, match="2 subfolders that are all called 'café'"):
        list_images(tmp_path / "test")


def test_names_in_latin_1_work(tmp_path: Path) -> None:
    for split in ("train", "test"):
        put(tmp_path / split / "ant" / "0.png")
        folder = os.fsencode(tmp_path / split) + b"/caf\xe9"
        os.mkdir(folder)
        os.rename(put(tmp_path / "x.png"), folder + b"/gr\xfcn.png")
    for split in list_splits(tmp_path):
        assert split.classes == ("ant", "café")
    assert datasets.load(str(tmp_path), "train", image_size=8).class_names == ("ant", "café")
    assert len(datasets.digest(str(tmp_path))) == 64
    with open(os.fsencode(tmp_path / "train") + b"/caf\xe9/gr\xfcn.png", "wb") as file:
        file.write(b"nothing")
    with pytest.raises(InputError, match="is not a readable image"):
        datasets.load(str(tmp_path), "train", image_size=8)


def test_classes_of_one_split_alone_are_named(tmp_path: Path) -> None:
    tree(tmp_path)
    put(tmp_path / "train" / "cat" / "0.png")
    with pytest.raises(InputError, match=r"only in train/: 'cat'; only in test/: none"):
        list_splits(tmp_path)


@pytest.mark.parametrize("name", ["a\nb", "tab\there", " "])
def test_a_name_that_no_table_can_show_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="allowed: text without control characters"):
        datasets.load(str(tree(tmp_path, ("ant", name))), "train")
