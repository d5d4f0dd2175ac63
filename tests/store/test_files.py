"""Files of a run: what is read is what was written, and nothing that is damaged is trusted."""

import errno
import math
import os
import shutil
import subprocess
import threading
import warnings
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


def folder_instead(path: Path) -> None:
    path.unlink()
    (path / "something").mkdir(parents=True)


def folder_for_checksum(path: Path) -> None:
    folder_instead(path.with_name(path.name + ".sha256"))


damages = pytest.mark.parametrize(
    "damage",
    [flip_bit, truncate, lose_checksum, empty_checksum, garble_checksum, folder_instead, folder_for_checksum],
)


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
    digest = files.write_safetensors(tmp_path / "t.safetensors", tensors)
    assert digest == files.digest_file(tmp_path / "t.safetensors")
    read = files.read_safetensors(tmp_path / "t.safetensors")
    assert read.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert read[name].dtype == tensor.dtype
        assert torch.equal(read[name].nan_to_num(9), tensor.detach().nan_to_num(9))
        assert not read[name].requires_grad


def test_tensors_outlive_their_file(tmp_path: Path) -> None:
    files.write_safetensors(tmp_path / "t.safetensors", {"a": torch.ones(100_000)})
    read = files.read_safetensors(tmp_path / "t.safetensors")
    (tmp_path / "t.safetensors").write_bytes(b"")
    assert torch.equal(read["a"], torch.ones(100_000))


def test_sealed_tensors_come_back_and_go(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "t.safetensors"
    files.write_sealed_tensors(path, {"a": torch.ones(3)})
    assert [file.name for file in path.parent.iterdir()] == ["t.safetensors"]  # one file, whole or not at all
    read = files.read_sealed_tensors(path) or {}
    assert torch.equal(read["a"], torch.ones(3))
    for _ in range(2):
        files.remove(path)
        assert not list(path.parent.iterdir())


@given(value=st.dictionaries(st.text(), st.floats(allow_nan=False) | st.text() | st.lists(st.integers())))
def test_json_comes_back(tmp_path_factory: pytest.TempPathFactory, value: dict[str, object]) -> None:
    path = tmp_path_factory.mktemp("json") / "value.json"
    files.write_json(path, value)
    assert files.read_json(path) == value


def test_what_is_absent_reads_as_nothing_and_without_a_warning(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    assert files.read_json(tmp_path / "none.json") is None
    assert files.read_sealed_tensors(tmp_path / "none.safetensors") is None
    assert not files.is_intact(tmp_path / "none")
    assert not files.matches(tmp_path / "none", files.digest_bytes(b""))
    assert not recwarn.list
    assert not list(tmp_path.iterdir())


@damages
def test_damaged_files_read_as_nothing_with_a_warning_and_can_be_written_again(tmp_path: Path, damage) -> None:
    path, tensors = tmp_path / "a.json", tmp_path / "a.safetensors"
    for _ in range(2):
        files.write_json(path, {"a": 1})
        files.write_sealed_tensors(tensors, {"a": torch.zeros(3)})
        assert files.read_json(path) == {"a": 1}
        assert (files.read_sealed_tensors(tensors) or {}).keys() == {"a"}
        damage(path)
        with pytest.warns(DamagedFileWarning, match=r"a\.json is damaged"):
            assert files.read_json(path) is None
        if damage in (flip_bit, truncate, folder_instead):
            damage(tensors)
            with pytest.warns(DamagedFileWarning, match=r"a\.safetensors is damaged"):
                assert files.read_sealed_tensors(tensors) is None


def test_a_flipped_bit_anywhere_in_sealed_tensors_is_found(tmp_path: Path) -> None:
    path, tensors = (
        tmp_path / "a.safetensors",
        {"a": torch.arange(6.0), "b": torch.tensor([True]), "c": torch.tensor(7)},
    )
    files.write_sealed_tensors(path, tensors)
    whole = path.read_bytes()
    for position in range(len(whole)):
        for bit in (1, 32):
            path.write_bytes(whole[:position] + bytes([whole[position] ^ bit]) + whole[position + 1 :])
            with warnings.catch_warnings(action="ignore", category=DamagedFileWarning):
                read = files.read_sealed_tensors(path)
            assert read is None or all(torch.equal(read[name], own) for name, own in tensors.items())


def test_a_full_disk_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    files.write_file(tmp_path / "a.json", b"before")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: .*a\.json"):
        files.write_file(tmp_path / "a.json", b"after")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]


def stored(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    files.write_table(path, table)
    return files.read_table(path)


def test_a_table_is_read_with_the_types_that_it_had(tmp_path: Path) -> None:
    read = stored(tmp_path / "tables" / "example.csv", example())
    pd.testing.assert_frame_equal(read, example().astype({"seed": "Int64"}), check_exact=True)
    assert pd.isna(read["seed"][0])
    assert read["seed"][1] == 42
    assert read["width"].dtype == np.float64
    assert read["augmented"].dtype == bool
    assert read["value"].tolist() == example()["value"].tolist()


@given(values=st.lists(st.floats(allow_nan=False, width=64), min_size=1, max_size=20))
def test_every_float_of_a_table_is_exact(tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
    read = stored(tmp_path_factory.mktemp("floats") / "t.csv", pd.DataFrame({"value": values}))
    assert read["value"].tolist() == values


def test_a_table_without_rows_keeps_its_columns(tmp_path: Path) -> None:
    empty = stored(tmp_path / "t.csv", example().iloc[:0])
    assert list(empty.columns) == list(example().columns)
    assert len(empty) == 0


def test_the_same_table_is_not_written_again_and_another_is(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    files.write_table(path, example())
    before = path.stat().st_mtime_ns
    files.write_table(path, example())
    assert path.stat().st_mtime_ns == before
    files.write_table(path, example().assign(value=1.0))
    assert files.read_table(path)["value"].tolist() == [1.0, 1.0]
    assert files.is_intact(path)


@damages
def test_a_damaged_table_is_said_and_written_again(tmp_path: Path, damage) -> None:
    path = tmp_path / "t.csv"
    files.write_table(path, example())
    content = path.read_bytes()
    damage(path)
    with pytest.warns(DamagedFileWarning, match=r"t\.csv is damaged"):
        files.write_table(path, example())
    assert path.read_bytes() == content
    assert files.is_intact(path)


def test_two_writers_of_one_name_never_share_a_temporary_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither threads of one process nor processes of equal numbers in two containers."""
    names, replace = [], Path.replace

    def noted(self: Path, target: Path) -> Path:
        names.append(self.name)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", noted)
    monkeypatch.setattr("os.getpid", lambda: 1)
    contents = [bytes([number]) * 100_000 for number in range(8)]
    threads = [threading.Thread(target=files.write_file, args=(tmp_path / "x", content)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(names)) == 8
    assert (tmp_path / "x").read_bytes() in contents
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


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
    write = files.write_file

    def dies(target: Path, data: bytes) -> None:
        calls.append(target.name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        write(target, data)

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_file", dies)
        with pytest.raises(KeyboardInterrupt):
            files.write_json(path, {"a": 2})
    with pytest.warns(DamagedFileWarning):
        assert files.read_json(path) is None
    files.write_json(path, {"a": 2})
    assert files.read_json(path) == {"a": 2}


@pytest.mark.parametrize("content", ["null", "{", '"x"', "[1]"])
def test_json_that_is_no_mapping_counts_as_damaged_whatever_its_checksum(content: str, tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    files.write_bytes(path, content.encode())
    with pytest.warns(DamagedFileWarning, match="manifest"):
        assert files.read_json(path) is None


def test_what_is_there_already_is_not_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "manifest.json"
    files.write_json(path, {"a": 1})
    monkeypatch.setattr(files, "write_file", lambda *_, **__: pytest.fail("written"))
    files.write_json(path, {"a": 1})
    assert files.read_json(path) == {"a": 1}
