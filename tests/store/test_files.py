"""Files of a run: what is read is what was written, and nothing that is damaged is trusted."""

import math
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from asymdistill.store import files
from asymdistill.store.files import DamagedFileWarning


def example() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "model": ["teacher", "S"],
            "width": [None, 1.0],
            "seed": [None, 42],
            "augmented": [False, True],
            "value": [0.1 + 0.2, math.pi * 1e-200],
        }
    )


def flip_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def lose_checksum(path: Path) -> None:
    path.with_name(path.name + ".sha256").unlink()


def empty_checksum(path: Path) -> None:
    path.with_name(path.name + ".sha256").write_bytes(b"")


def garble_checksum(path: Path) -> None:
    path.with_name(path.name + ".sha256").write_bytes(b"\xff\xfe\xfd")


damages = pytest.mark.parametrize("damage", [flip_bit, truncate, lose_checksum, empty_checksum, garble_checksum])


def test_digests_are_sha256(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert files.digest_bytes(b"abc") == files.digest_file(tmp_path / "file") == known


@given(content=st.binary(max_size=200))
def test_the_checksum_file_names_the_digest_and_the_file(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "some file.bin"
    files.write_bytes(path, content)
    assert path.read_bytes() == content
    companion = path.with_name("some file.bin.sha256").read_text()
    assert companion == f"{files.digest_bytes(content)}  some file.bin\n"


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum on this machine")
def test_sha256sum_verifies_a_whole_file_and_rejects_a_damaged_one(tmp_path: Path) -> None:
    files.write_json(tmp_path / "deep" / "manifest.json", {"a": 1})
    command = ["sha256sum", "-c", "manifest.json.sha256"]
    assert subprocess.run(command, cwd=tmp_path / "deep", capture_output=True).returncode == 0
    flip_bit(tmp_path / "deep" / "manifest.json")
    assert subprocess.run(command, cwd=tmp_path / "deep", capture_output=True).returncode == 1


def test_tensors_come_back_to_the_bit(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    tensors = {
        "channels.last": torch.randn(2, 3, 4, 4, generator=generator).contiguous(memory_format=torch.channels_last),
        "transposed": torch.randn(3, 5, generator=generator, dtype=torch.float64).T,
        "half": torch.randn(7, generator=generator).half(),
        "count": torch.tensor(3),
        "special": torch.tensor([float("nan"), float("inf"), -0.0]),
        "grad": torch.ones(2, requires_grad=True),
    }
    files.write_tensors(tmp_path / "t.safetensors", tensors, {"losses": "[0.1, 0.2]"})
    read, strings = files.read_tensors(tmp_path / "t.safetensors") or ({}, {})
    assert strings == {"losses": "[0.1, 0.2]"}
    assert read.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert read[name].dtype == tensor.dtype
        assert torch.equal(read[name].nan_to_num(9), tensor.detach().nan_to_num(9))
        assert not read[name].requires_grad


def test_tensors_outlive_their_file(tmp_path: Path) -> None:
    files.write_tensors(tmp_path / "t.safetensors", {"a": torch.ones(100_000)})
    read, _ = files.read_tensors(tmp_path / "t.safetensors") or ({}, {})
    (tmp_path / "t.safetensors").write_bytes(b"")
    assert torch.equal(read["a"], torch.ones(100_000))


def test_tensors_without_strings_have_none(tmp_path: Path) -> None:
    files.write_tensors(tmp_path / "t.safetensors", {"a": torch.zeros(1)})
    assert files.read_tensors(tmp_path / "t.safetensors") == ({"a": torch.zeros(1)}, {})


@given(value=st.dictionaries(st.text(), st.floats(allow_nan=False) | st.text() | st.lists(st.integers())))
def test_json_comes_back(tmp_path_factory: pytest.TempPathFactory, value: dict[str, object]) -> None:
    path = tmp_path_factory.mktemp("json") / "value.json"
    files.write_json(path, value)
    assert files.read_json(path) == value


def test_what_is_absent_reads_as_nothing_and_without_a_warning(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    assert files.read_json(tmp_path / "none.json") is None
    assert files.read_tensors(tmp_path / "none.safetensors") is None
    assert not files.is_whole(tmp_path / "none")
    assert not recwarn.list
    assert not list(tmp_path.iterdir())


@damages
def test_damaged_files_read_as_nothing_with_a_warning(tmp_path: Path, damage) -> None:
    files.write_json(tmp_path / "a.json", {"a": 1})
    files.write_tensors(tmp_path / "a.safetensors", {"a": torch.zeros(3)})
    for path in (tmp_path / "a.json", tmp_path / "a.safetensors"):
        damage(path)
    with pytest.warns(DamagedFileWarning, match=r"a\.json is damaged"):
        assert files.read_json(tmp_path / "a.json") is None
    with pytest.warns(DamagedFileWarning, match=r"a\.safetensors is damaged"):
        assert files.read_tensors(tmp_path / "a.safetensors") is None


def test_a_table_is_the_same_when_computed_and_when_read(tmp_path: Path) -> None:
    path = tmp_path / "tables" / "example.csv"
    computed = files.stored_table(path, example)
    read = files.stored_table(path, lambda: pytest.fail("computed a second time"))
    pd.testing.assert_frame_equal(computed, read, check_exact=True)
    assert read["seed"].dtype == "Int64"
    assert pd.isna(read["seed"][0])
    assert read["seed"][1] == 42
    assert read["width"].dtype == np.float64
    assert read["augmented"].dtype == bool
    assert read["value"].tolist() == example()["value"].tolist()


@given(values=st.lists(st.floats(allow_nan=False, width=64), min_size=1, max_size=20))
def test_every_float_of_a_table_is_exact(tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
    path = tmp_path_factory.mktemp("floats") / "t.csv"
    read = files.stored_table(path, lambda: pd.DataFrame({"value": values}))
    assert read["value"].tolist() == values


def test_a_table_without_rows_keeps_its_columns(tmp_path: Path) -> None:
    empty = files.stored_table(tmp_path / "t.csv", lambda: example().iloc[:0])
    assert list(empty.columns) == list(example().columns)
    assert len(empty) == 0


@damages
def test_a_damaged_table_is_computed_again_and_then_whole(tmp_path: Path, damage) -> None:
    path = tmp_path / "t.csv"
    before = files.stored_table(path, example)
    content = path.read_bytes()
    damage(path)
    with pytest.warns(DamagedFileWarning, match=r"t\.csv is damaged"):
        pd.testing.assert_frame_equal(files.stored_table(path, example), before)
    assert path.read_bytes() == content
    assert files.is_whole(path)


def test_a_table_that_cannot_be_computed_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        files.stored_table(tmp_path / "t.csv", lambda: pd.DataFrame({"a": [1 / 0]}))
    assert not list(tmp_path.iterdir())


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    files.write_json(path, {"a": 1})

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            files.write_json(path, {"a": 2})
    assert files.read_json(path) == {"a": 1}
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.json", "a.json.sha256"]


def test_a_write_that_dies_between_file_and_checksum_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    files.write_json(path, {"a": 1})
    calls = []
    replace = files._replace

    def dies(target: Path, data: bytes) -> None:
        calls.append(target.name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        replace(target, data)

    with monkeypatch.context() as patch:
        patch.setattr(files, "_replace", dies)
        with pytest.raises(KeyboardInterrupt):
            files.write_json(path, {"a": 2})
    with pytest.warns(DamagedFileWarning):
        assert files.read_json(path) is None
    files.write_json(path, {"a": 2})
    assert files.read_json(path) == {"a": 2}
