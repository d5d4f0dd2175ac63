"""Every kind of file yields the rows that it holds, and what holds none is named in one line."""

import io
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from asymdistill.measure.files import EmbeddingFile, open_files
from asymdistill.runtime.errors import InputError

ROWS = np.random.default_rng(0).normal(size=(37, 5))
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def content(file: EmbeddingFile, start: int = 0, stop: int | None = None, size: int = 8) -> torch.Tensor:
    blocks = list(file.read(start, file.rows if stop is None else stop, size))
    assert max(map(len, blocks)) <= size
    return torch.cat(blocks)


def bfloat16_bytes(rows: np.ndarray) -> np.ndarray:
    return torch.from_numpy(rows).bfloat16().view(torch.int16).numpy().view("V2")


def make(path: Path, kind: str = "float32") -> Path:
    """The rows in one of the formats, beside arrays or columns that are not embeddings."""
    rows = ROWS.astype(kind)
    if path.suffix == ".npy":
        np.save(path, rows)
    elif path.suffix == ".npz":
        np.savez_compressed(path, labels=np.arange(37), embeddings=rows, names=np.array(["x"], dtype=object))
    elif path.suffix == ".safetensors":
        save_file({"embeddings": torch.from_numpy(rows), "labels": torch.arange(37)}, path)
    elif path.suffix == ".parquet":
        pytest.importorskip("pyarrow")
        pd.DataFrame({"id": range(37), "embeddings": list(rows)}).to_parquet(path, row_group_size=10)
    else:
        pd.DataFrame(rows).to_csv(path)
    return path


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors", ".parquet", ".csv"])
def test_every_format_yields_its_rows_from_anywhere(suffix: str, tmp_path: Path) -> None:
    (file,) = open_files([make(tmp_path / f"x{suffix}")])
    assert (file.rows, file.dim, file.dtype) == (37, 5, "float64" if suffix == ".csv" else "float32")
    expected = torch.from_numpy(ROWS.astype("float32")).double()
    torch.testing.assert_close(content(file).double(), expected, rtol=1e-7, atol=0)
    torch.testing.assert_close(content(file, 11, 30).double(), expected[11:30], rtol=1e-7, atol=0)


@pytest.mark.parametrize("kind", ["<f2", ">f4", "<f8"])
def test_types_and_byte_orders_of_numpy(kind: str, tmp_path: Path) -> None:
    for suffix in (".npy", ".npz"):
        (file,) = open_files([make(tmp_path / f"x{suffix}", kind)])
        assert file.dtype == np.dtype(kind).name
        assert np.array_equal(content(file).numpy(), ROWS.astype(kind))


def test_bfloat16(tmp_path: Path) -> None:
    expected = torch.from_numpy(ROWS).bfloat16()
    save_file({"x": expected}, tmp_path / "x.safetensors")
    np.save(tmp_path / "x.npy", bfloat16_bytes(ROWS))
    for name in ("x.safetensors", "x.npy"):
        (file,) = open_files([tmp_path / name])
        assert file.dtype == "bfloat16"
        assert torch.equal(content(file), expected)


def test_columns_of_fortran_and_of_parquet_and_numbered_titles_of_csv(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.asfortranarray(ROWS))
    pd.DataFrame(ROWS).to_csv(tmp_path / "x.csv", index=False)
    np.savetxt(tmp_path / "y.csv", ROWS, delimiter=",")
    paths = [tmp_path / "x.npy", tmp_path / "x.csv", tmp_path / "y.csv"]
    if pytest.importorskip("pyarrow"):
        frame = pd.DataFrame(ROWS, columns=[f"d{column}" for column in range(5)])
        frame.assign(id=range(37)).to_parquet(tmp_path / "x.parquet")
        paths.append(tmp_path / "x.parquet")
    for file in open_files(paths):
        np.testing.assert_allclose(content(file).numpy(), ROWS, rtol=1e-14)


def test_a_folder_is_its_files_in_order(tmp_path: Path) -> None:
    for number in (2, 0, 1):
        np.save(tmp_path / f"shard-{number}.npy", ROWS[10 * number : 10 * number + 10])
    (tmp_path / "readme.txt").write_text("shards")
    (tmp_path / ".hidden.npy").write_text("unfinished")
    assert np.array_equal(torch.cat([content(file) for file in open_files([tmp_path])]).numpy(), ROWS[:30])


def test_one_of_several_is_chosen_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", train=ROWS, test=-ROWS)
    with pytest.raises(InputError, match=r"several; choose one by --name: 'train' .float64., 'test'"):
        open_files([tmp_path / "x.npz"])
    (file,) = open_files([tmp_path / "x.npz"], "test")
    assert np.array_equal(content(file).numpy(), -ROWS)
    with pytest.raises(InputError, match="has no array 'val'; allowed: 'train'"):
        open_files([tmp_path / "x.npz"], "val")


def saved(rows: object, **options: bool) -> bytes:
    out = io.BytesIO()
    np.save(out, rows, **options)
    return out.getvalue()


def zipped(**arrays: object) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


BAD = {
    "empty.npy": (b"", "is empty"),
    "empty.csv": (b"", "is empty"),
    "none.npy": (saved(np.zeros((0, 4))), "has shape 0 x 4"),
    "pickled.npy": (saved(np.array([{}], dtype=object), allow_pickle=True), "pickled Python objects, which are never"),
    "pickle.npy": (b"\x80\x04\x95", "is no array of NumPy"),
    "text.npy": (b"1,2,3\n", "is no array of NumPy"),
    "text.npz": (b"1,2,3\n", r"is no \.npz file"),
    "text.safetensors": (b"1,2,3\n", r"is no \.safetensors file"),
    "text.parquet": (b"1,2,3\n", "Parquet"),
    "pointer.npy": (LFS.encode(), "is a pointer of Git LFS"),
    "pointer.parquet": (LFS.encode(), "is a pointer of Git LFS"),
    "cut.npy": (saved(ROWS)[:-9], "is cut off"),
    "one.npy": (saved(ROWS[:, :1]), "has shape 37 x 1; allowed: N x d, with d of at least 2"),
    "flat.npy": (saved(ROWS[0]), "has shape 5; allowed"),
    "scalar.npy": (saved(np.float64(1)), r"has shape \(\); allowed"),
    "cube.npy": (saved(ROWS[:, None]), "has shape 37 x 1 x 5; allowed"),
    "whole.npy": (saved(ROWS.astype(int)), "holds int64; embeddings are float16, bfloat16, float32 or float64"),
    "complex.npy": (saved(ROWS + 1j), "holds complex128"),
    "labels.npz": (zipped(labels=np.arange(3)), "none of float16.*'labels' .int64."),
    "objects.npz": (zipped(x=np.array([{}], dtype=object)), "none of float16.*object"),
    "columns.npz": (zipped(x=np.asfortranarray(ROWS)), "column by column"),
    "binary.csv": (b"\xff\xfe\x00\x01\n", "is no text"),
    "one.csv": (b"1\n2\n", "has shape 2 x 1"),
    "title.csv": (b"a,b\n", "has shape 0 x 2"),
    "long.csv": (b"1,2\n\n3,4,5\n", "line 3 has 3 cells, the first 2"),
    "short.csv": (b",a,b\n1,2\n", "line 2 has 2 cells, the first 3"),
    "rows.txt": (b"1,2\n", "is no file of embeddings; allowed: .npy, "),
    "gone.npy": (None, "does not exist"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_holds_no_embeddings_is_named(name: str, tmp_path: Path) -> None:
    data, message = BAD[name]
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=message) as raised:
        open_files([tmp_path / name])
    assert name in str(raised.value)


def test_a_word_among_numbers_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1,2\n3,x\n")
    (file,) = open_files([tmp_path / "x.csv"])
    with pytest.raises(InputError, match=r"x\.csv: line 3, column 2: 'x' is no number$"):
        content(file)


def test_a_damaged_archive(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.tile(ROWS, (1000, 1)))
    data = bytearray((tmp_path / "x.npz").read_bytes())
    data[len(data) // 2] ^= 255
    (tmp_path / "x.npz").write_bytes(bytes(data))
    (file,) = open_files([tmp_path / "x.npz"])
    with pytest.raises(InputError, match="is damaged"):
        content(file)
    with zipfile.ZipFile(tmp_path / "y.npz", "w") as archive:
        archive.writestr("note.txt", "no array")
    with pytest.raises(InputError, match="is no array of NumPy"):
        open_files([tmp_path / "y.npz"])


def test_dimensions_must_agree_and_a_folder_must_hold_something(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", ROWS)
    np.save(tmp_path / "b.npy", ROWS[:, :4])
    with pytest.raises(InputError, match=r"b\.npy has dimension 4, but .*a\.npy has 5"):
        open_files([tmp_path])
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="has no file of embeddings"):
        open_files([tmp_path / "folder"])


def test_lists_of_parquet_must_agree_and_have_no_gaps(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    for bad in ([[1.0, 2.0], [3.0]], [[1.0, 2.0], None], [[1.0, 2.0], [3.0, None]]):
        pd.DataFrame({"x": bad}).to_parquet(tmp_path / "x.parquet")
        (file,) = open_files([tmp_path / "x.parquet"])
        with pytest.raises(InputError, match="among rows 0 to 1"):
            content(file)


def test_without_pyarrow_parquet_is_refused_with_a_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"needs pyarrow; pip install 'asymdistill\[parquet\]'"):
        open_files([tmp_path / "x.parquet"])
