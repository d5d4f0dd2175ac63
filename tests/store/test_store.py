"""The store: what is found is what was stored, whoever stored it, and nothing damaged or half-written counts."""

import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from damages import DAMAGES

from asymdistill.store import keys, store
from asymdistill.store.files import DamagedFileWarning
from asymdistill.store.keys import Artifact, Kind
from asymdistill.store.store import Store

HERE = "CPU (here)"
KIND = Kind("things", 1, ("store/keys.py",))
THING = Artifact(KIND, {"width": 0.5, "seed": 42})
NAN = '{"inputs": {}, "made": [], "seal": "", "tensors": null, "value": NaN}'
TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1.5, float("nan")])}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def stored(folder: Path) -> Path:
    Store(folder, HERE).put(THING, {"losses": [0.5, 0.25]}, TENSORS, seconds=1.25)
    return folder


def test_what_is_stored_is_found_by_another_process_and_counted_once(stored: Path) -> None:
    found = Store(stored, HERE)
    for _ in range(2):
        assert found.value(THING) == {"losses": [0.5, 0.25]}
        tensors = found.tensors(THING)
        assert tensors.keys() == TENSORS.keys()
        assert all(torch.equal(tensors[name].nan_to_num(9), TENSORS[name].nan_to_num(9)) for name in TENSORS)
    assert (found.found, found.made, found.differing) == ({"things": 1}, {}, {})


def test_what_is_not_stored_is_absent_and_not_counted(folder: Path) -> None:
    empty = Store(folder, HERE)
    assert empty.record(THING) is None
    for read in (empty.value, empty.tensors):
        with pytest.raises(KeyError):
            read(THING)
    assert (empty.found, empty.made, empty.used()) == ({}, {}, {})
    assert not folder.exists()


def test_what_a_process_made_itself_is_not_found_but_made(folder: Path) -> None:
    own = Store(folder, HERE)
    own.put(THING, 1)
    assert own.value(THING) == 1
    assert (own.found, own.made) == ({}, {"things": 1})


def test_a_record_says_what_made_it_and_what_it_took(stored: Path) -> None:
    record = Store(stored, HERE).record(THING)
    assert record is not None
    assert (record["kind"], record["version"], record["inputs"]) == ("things", 1, {"width": 0.5, "seed": 42})
    assert record["seconds"] == 1.25
    assert record["made"] == sorted([HERE, f"code {KIND.code} of things", f"torch {torch.__version__.split('+')[0]}"])
    assert record["device"] == HERE
    assert record["commit"]
    assert Store(stored, HERE).used() == {}
    reader = Store(stored, HERE)
    reader.record(THING)
    assert reader.used() == {"things": {THING.key: record}}


@pytest.mark.parametrize("inputs", [{"width": 1, "seed": 42}, {"width": 0.5}, {"width": 0.5, "seed": 42, "more": None}])
def test_other_inputs_and_other_versions_are_other_results(stored: Path, inputs: dict[str, Any]) -> None:
    found = Store(stored, HERE)
    assert found.record(Artifact(KIND, inputs)) is None
    assert found.record(Artifact(Kind("things", 2, KIND.modules), THING.inputs)) is None
    assert found.record(Artifact(Kind("others", 1, KIND.modules), THING.inputs)) is None


def test_a_store_copied_elsewhere_is_found(stored: Path, tmp_path: Path) -> None:
    shutil.copytree(stored, tmp_path / "other" / "place")
    assert Store(tmp_path / "other" / "place", HERE).value(THING) == {"losses": [0.5, 0.25]}


# Damage


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
def test_damage_is_said_and_mended_by_storing_again(stored: Path, damage: Callable[[Path], None], suffix: str) -> None:
    path = Store(stored, HERE).path(THING, suffix)
    before = path.read_bytes()
    damage(path)
    found = Store(stored, HERE)
    with pytest.warns(DamagedFileWarning, match=f"{path.name} is damaged or incomplete: computing it again"):
        assert found.record(THING) is None
    assert found.found == {}
    found.put(THING, {"losses": [0.5, 0.25]}, TENSORS, seconds=1.25)
    again = Store(stored, HERE)
    assert again.value(THING) == {"losses": [0.5, 0.25]}
    assert again.tensors(THING).keys() == TENSORS.keys()
    if suffix == ".safetensors":
        assert path.read_bytes() == before


def test_every_byte_of_a_record_counts(folder: Path) -> None:
    # Of seventeen digits the last may be another and the number the same.
    whole = Store(folder, HERE)
    whole.put(THING, {"rank": 0.23619694162736327}, seconds=1.25)
    path = whole.path(THING, ".json")
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.warns(DamagedFileWarning):
            assert Store(folder, HERE).record(THING) is None
    path.write_bytes(content)
    assert Store(folder, HERE).value(THING) == {"rank": 0.23619694162736327}


def test_tensors_without_a_record_are_not_there_yet_and_nothing_is_said(stored: Path) -> None:
    found = Store(stored, HERE)
    found.path(THING, ".json").unlink()
    assert found.record(THING) is None


def test_a_record_without_its_tensors_is_damaged(stored: Path) -> None:
    found = Store(stored, HERE)
    found.path(THING, ".safetensors").unlink()
    with pytest.warns(DamagedFileWarning, match="safetensors is damaged"):
        assert found.record(THING) is None


def test_a_record_of_another_key_is_damaged(stored: Path) -> None:
    other = Artifact(KIND, {"width": 4, "seed": 1})
    found = Store(stored, HERE)
    for suffix in (".json", ".safetensors"):
        found.path(other, suffix).parent.mkdir(exist_ok=True)
        shutil.copy(found.path(THING, suffix), found.path(other, suffix))
    with pytest.warns(DamagedFileWarning):
        assert found.record(other) is None


@pytest.mark.parametrize("text", ["[]", "null", "1", "{}", '{"seal": 1}', "\xff", NAN])
def test_any_other_content_is_damage_and_no_traceback(stored: Path, text: str) -> None:
    found = Store(stored, HERE)
    found.path(THING, ".json").write_bytes(text.encode("latin-1"))
    with pytest.warns(DamagedFileWarning):
        assert found.record(THING) is None


def test_what_cannot_be_stored_leaves_no_record(folder: Path) -> None:
    own = Store(folder, HERE)
    with pytest.raises(ValueError, match="JSON"):
        own.put(THING, float("nan"), TENSORS)
    assert (own.record(THING), own.made) == (None, {})
    assert Store(folder, HERE).record(THING) is None


# Made otherwise


def edit(monkeypatch: pytest.MonkeyPatch, kind: Kind) -> None:
    """As if somebody had edited the code of a kind without raising its version."""
    digest = keys.code_digest
    changed = lambda modules: "edited" if modules == kind.modules else digest(modules)  # noqa: E731
    monkeypatch.setattr(keys, "code_digest", changed)


def test_other_code_is_said_costs_nothing_and_is_computed_again_only_if_asked(
    stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(monkeypatch, KIND)
    found = Store(stored, HERE)
    assert found.value(THING) == {"losses": [0.5, 0.25]}
    assert found.found == {"things": 1}
    assert found.differing == {"things": {"other code": 1}}
    fresh = Store(stored, HERE, fresh=True)
    assert fresh.record(THING) is None
    assert (fresh.found, fresh.differing) == ({}, {})
    fresh.put(THING, "again")
    for again in (Store(stored, HERE, fresh=True), Store(stored, HERE)):
        assert again.value(THING) == "again"
        assert again.differing == {}


def test_another_device_and_another_version_of_a_library_are_said(
    stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "versions", lambda libraries: dict.fromkeys(libraries, "99"))
    found = Store(stored, "GPU")
    found.record(THING)
    assert found.differing == {"things": {HERE: 1, f"torch {torch.__version__.split('+')[0]}": 1}}
    assert Store(stored, "GPU", fresh=True).record(THING) is None


SOURCE = Artifact(Kind("sources", 1, ("store/files.py",)), {"x": 1})
PRODUCT = Artifact(Kind("products", 1, ("store/tasks.py",)), {"source": SOURCE.key}, (SOURCE,))


@pytest.fixture
def derived(folder: Path) -> Path:
    own = Store(folder, HERE)
    own.put(SOURCE, 1)
    own.put(PRODUCT, 2)
    return folder


def test_what_is_made_from_something_that_other_code_made_is_so_too(
    derived: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(monkeypatch, SOURCE.kind)
    found = Store(derived, HERE)
    found.record(SOURCE), found.record(PRODUCT)
    assert found.differing == {"sources": {"other code": 1}, "products": {"other code": 1}}
    fresh = Store(derived, HERE, fresh=True)
    fresh.put(SOURCE, 10)
    assert fresh.record(PRODUCT) is None  # else it would stay the product of what is no longer there
    fresh.put(PRODUCT, 20)
    again = Store(derived, HERE, fresh=True)
    assert (again.value(SOURCE), again.value(PRODUCT), again.differing) == (10, 20, {})


def test_what_is_made_here_from_what_was_found_says_what_made_that(folder: Path) -> None:
    Store(folder, "GPU").put(SOURCE, 1)
    own = Store(folder, HERE)
    own.record(SOURCE)
    own.put(PRODUCT, 2)
    found = Store(folder, HERE)
    found.record(PRODUCT)
    assert found.differing == {"products": {"GPU": 1}}


def test_an_unfinished_state_is_not_taken_up_by_other_code(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = Store(stored, HERE).unfinished(THING), Store(stored, "GPU").unfinished(THING)
    assert here == Store(stored, HERE).unfinished(THING)
    edit(monkeypatch, KIND)
    assert len({here, there, Store(stored, HERE).unfinished(THING)}) == 3


# Locks


def test_a_lock_is_held_by_one_thread_at_a_time(folder: Path) -> None:
    own, holding, most = Store(folder, HERE), [], []

    def work() -> None:
        with own.lock("x") as held:
            assert held
            holding.append(1)
            most.append(len(holding))
            holding.pop()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 8


def test_who_does_not_wait_is_told_and_another_key_is_free(folder: Path) -> None:
    with Store(folder, HERE).lock("x") as first:
        assert first
        with Store(folder, HERE).lock("x", wait=False) as second, Store(folder, HERE).lock("y", wait=False) as third:
            assert (second, third) == (False, True)
    with Store(folder, HERE).lock("x", wait=False) as again:
        assert again


def test_waiting_ends_when_the_check_raises(folder: Path) -> None:
    with (
        Store(folder, HERE).lock("x"),
        pytest.raises(ZeroDivisionError),
        Store(folder, HERE).lock("x", check=lambda: 1 / 0),  # type: ignore[arg-type, return-value]
    ):
        pytest.fail("both hold it")


# On a host of its own, as far as its name goes, where that is allowed.
OWNER = """
import ctypes, os, socket, sys, time
from pathlib import Path
from asymdistill.store.store import Store
CLONE_NEWUTS = 0x4000000
if ctypes.CDLL(None).unshare(CLONE_NEWUTS) == 0:
    socket.sethostname("elsewhere")
with Store(Path(sys.argv[1]), "").lock("x"):
    print(os.getpid(), "on", socket.gethostname(), flush=True)
    time.sleep(600)
"""


@contextmanager
def owner(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process, which holds the lock x, and its number and host."""
    process = subprocess.Popen([sys.executable, "-c", OWNER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process:
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_a_dead_owners_lock_is_free(folder: Path) -> None:
    with owner(folder) as (process, _):
        with Store(folder, HERE).lock("x", wait=False) as held:
            assert not held
        process.send_signal(signal.SIGKILL)
        process.wait()
        with Store(folder, HERE).lock("x", wait=False) as held:
            assert held


def test_a_long_wait_is_said_once_with_the_process_and_host_that_hold_the_lock(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As where a host died and a file server keeps its locks: removing the lock's file is what ends the wait."""
    monkeypatch.setattr(store, "PATIENCE", 0.0)
    monkeypatch.setattr(store, "POLL", 0.01)
    path, looks = folder / "locks" / "x.lock", 0

    def look() -> None:
        nonlocal looks
        looks += 1
        if looks == 5:
            path.unlink()

    with owner(folder) as (process, where):
        process.send_signal(signal.SIGSTOP)
        with Store(folder, HERE).lock("x", check=look) as held:
            assert held
    assert looks == 5
    assert capsys.readouterr().err == f"waiting for process {where}, which holds {path}\n"


def test_what_is_written_in_a_lock_decides_nothing(folder: Path) -> None:
    path = folder / "locks" / "x.lock"
    path.parent.mkdir(parents=True)
    path.write_text("process 1 on elsewhere, which died")
    with Store(folder, HERE).lock("x", wait=False) as held:
        assert held
        path.write_bytes(b"")
        with Store(folder, HERE).lock("x", wait=False) as second:
            assert not second


@pytest.mark.parametrize("minutes", [-10, 10])
def test_no_clock_decides(stored: Path, minutes: int) -> None:
    """Times of files are those of another host or a file server, whose clock is another."""
    with Store(stored, HERE).lock("x"):
        for path in stored.rglob("*"):
            os.utime(path, (then := path.stat().st_mtime + 60 * minutes, then))
        with Store(stored, HERE).lock("x", wait=False) as second:
            assert not second
    with Store(stored, HERE).lock("x", wait=False) as held:
        assert held
    found = Store(stored, HERE, fresh=True)
    assert found.value(THING) == {"losses": [0.5, 0.25]}


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_without_locks_every_key_is_free_and_no_marker_outlives_its_owner(
    folder: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def none(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", none)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Store(folder, HERE).lock("x") as first, Store(folder, HERE).lock("x", wait=False) as second:
            assert (first, second) == (True, True)


def test_two_that_store_the_same_at_once_leave_one_whole_result(folder: Path) -> None:
    """As where a file system has no locks: the last rename decides."""
    threads = [
        threading.Thread(target=Store(folder, HERE).put, args=(THING, number, {"a": torch.ones(1000)}))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Store(folder, HERE).value(THING) in range(8)
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    assert names == {f"{THING.key}.json", f"{THING.key}.safetensors"}


def test_a_record_is_one_line_of_json(stored: Path) -> None:
    (line,) = Store(stored, HERE).path(THING, ".json").read_text().splitlines()
    assert json.loads(line)["inputs"] == {"width": 0.5, "seed": 42}
