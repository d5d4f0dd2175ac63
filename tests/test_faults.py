"""Whatever happens to a run: it ends soon and says why, and the same command then gives the same tables."""

import errno
import io
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from command_line import complaints, read, words_for
from conftest import SMALL
from damages import cut, empty, flip, folder_instead
from forked import Forked

from asymdistill import cli
from asymdistill.experiment import trained_students
from asymdistill.store import files
from asymdistill.store.keys import Artifact
from asymdistill.store.store import Store
from asymdistill.study.study import Study

# Long enough to be ended in the middle.
LONG = SMALL | {"widths": [0.5], "seeds": [1, 2], "epochs": 12, "augmentation_seeds": 0, "noise_levels": [0.0]}


def tables(folder: Path) -> dict[str, bytes]:
    found = {path.name: path.read_bytes() for path in folder.rglob("tables/*.csv")}
    assert found
    return found


def leftovers(folder: Path) -> list[Path]:
    """Files that are neither results nor anything else that a run means to leave."""
    known = (".json", ".csv", ".sha256", ".safetensors", ".lock")
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix not in known]


def locks(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*.lock"))


def wait_for(there: Callable[[], object], process: Forked, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not there():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)


# Ended by a signal


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The tables of the long run that nothing happened to."""
    runs = tmp_path_factory.mktemp("undisturbed")
    Study.open("smoke", LONG, runs).compute()
    return tables(runs)


@pytest.mark.slow
def test_a_schedulers_signal_ends_a_run_within_seconds_and_the_same_command_goes_on(
    tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    words = ["run", "-p", "smoke", *words_for(LONG)]
    process = Forked(words, tmp_path)
    wait_for(lambda: [*tmp_path.rglob("*.state.safetensors")], process)
    begin = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert time.monotonic() - begin < 20
    assert process.returncode == 130
    assert complaints(err) == ["asymdistill: interrupted; run the same command again to continue from what is stored"]
    states = [*tmp_path.rglob("*.state.safetensors")]
    assert states
    assert not leftovers(tmp_path)
    # Killed at once in the middle, too: then go on.
    process = Forked(words, tmp_path)
    reached = {state: state.stat().st_mtime_ns for state in states}
    wait_for(lambda: any(not s.exists() or s.stat().st_mtime_ns > reached[s] for s in states), process)
    process.kill()
    process.communicate(timeout=60)
    process = Forked(words, tmp_path)
    _, err = process.communicate()
    assert (process.returncode, complaints(err)) == (0, [])
    assert tables(tmp_path / "runs") == undisturbed
    assert not [*tmp_path.rglob("*.state.safetensors")]


@pytest.mark.parametrize("moment", ["before", "in the middle", "after"])
def test_a_kill_while_a_state_is_written_loses_no_epoch(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A state and its checksum were two files: killed between them, a student began anew."""
    path = tmp_path / "a.state.safetensors"
    files.write_sealed_tensors(path, {"epoch": torch.tensor(1)})
    replace = Path.replace

    def killed(own: Path, target: Path) -> None:
        if moment == "after":
            replace(own, target)
        elif moment == "in the middle":
            own.write_bytes(own.read_bytes()[:50])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        files.write_sealed_tensors(path, {"epoch": torch.tensor(2)})
    read = files.read_sealed_tensors(path)
    assert read is not None
    assert int(read["epoch"]) == (2 if moment == "after" else 1)


# Damaged files


DAMAGES = (cut, empty, flip, folder_instead)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("kind", ["students", "embeddings", "probes", "measurements"])
@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
def test_every_kind_of_stored_result_that_is_damaged_is_found_and_said(
    small_study: Study, tmp_path: Path, kind: str, suffix: str, damage: Callable[[Path], None]
) -> None:
    store = Path(shutil.copytree(small_study.folder.parent / "store" / kind, tmp_path / "store" / kind)).parent
    found = sorted(store.rglob(f"*{suffix}"))
    if not found:
        assert (kind, suffix) == ("measurements", ".safetensors")
        return
    artifacts = {artifact.key: artifact for artifact in _artifacts(small_study, kind)}
    path = next(path for path in found if path.stem in artifacts)
    artifact = artifacts[path.stem]
    own = Store(store, small_study._run.store.device)
    assert Store(store, own.device).record(artifact) is not None
    damage(path)
    with pytest.warns(files.DamagedFileWarning, match=path.name):
        assert own.record(artifact) is None


def _artifacts(study: Study, kind: str) -> Iterator[Artifact]:
    run = study._run
    models = [None, *run.configs.grid()]
    if kind == "students":
        yield from (run.students.artifact(model) for model in models if model is not None)
    elif kind == "embeddings":
        yield run.teacher.artifact("test")
    elif kind == "probes":
        yield from (run.probe_artifact(model) for model in models)
    else:
        from asymdistill.experiment.measurements import Measurement

        yield from (study._measurements.artifact(Measurement("singular_values", model)) for model in models)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_state_of_training_is_said_and_the_student_begins_anew(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    path = tmp_path / "a.state.safetensors"
    files.write_sealed_tensors(path, {"epoch": torch.ones(9)})
    damage(path)
    with pytest.warns(files.DamagedFileWarning, match="computing it again"):
        assert files.read_sealed_tensors(path) is None
    files.write_sealed_tensors(path, {"epoch": torch.ones(9)})
    assert files.read_sealed_tensors(path) is not None


# Disks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "none", place], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_is_one_line_and_a_run_goes_on_once_there_is_room(
    small_disk: Path, small_study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = SMALL | {"teacher_weights": str(small_study.settings.teacher_weights)}
    words = ["run", "-p", "smoke", "--out", str(small_disk), *words_for(values)]
    assert cli.main(words) == 2
    err = capsys.readouterr().err
    assert [line for line in err.splitlines() if os.strerror(errno.ENOSPC) in line and str(small_disk) in line] == [
        err.strip()
    ]
    assert not [*small_disk.rglob("*.tmp")]
    subprocess.run(["mount", "-o", "remount,size=20m", small_disk], check=True)
    assert cli.main(words) == 0
    assert tables(small_disk) == tables(small_study.folder.parent)


def test_a_finished_run_is_read_from_a_disk_that_nobody_may_write_to(
    small_disk: Path, small_study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    subprocess.run(["mount", "-o", "remount,size=20m", small_disk], check=True)
    shutil.copytree(small_study.folder.parent, small_disk / "runs")
    values = SMALL | {"teacher_weights": str(small_study.settings.teacher_weights)}
    words = ["run", "-p", "smoke", "--out", str(small_disk / "runs")]
    assert cli.main([*words, *words_for(values)]) == 0
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    capsys.readouterr()
    assert cli.main([*words, *words_for(values)]) == 0
    assert read(capsys.readouterr().out).students == (5, 0)
    assert cli.main(["claims", str(small_disk / "runs" / small_study.folder.name), "--json"]) == 0
    capsys.readouterr()
    assert cli.main([*words, *words_for(values | {"epochs": 3})]) == 2
    err = capsys.readouterr().err
    assert os.strerror(errno.EROFS) in err
    assert err.count("\n") == 1


# Memory


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory")],
)
def test_no_memory_in_a_worker_is_one_line_and_stores_nothing(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def greedy(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(trained_students, "distil", greedy)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["run", "-p", "smoke", *words_for(SMALL)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("asymdistill: error: out of memory; asymdistill doctor says what a run needs")
    assert err.count("\n") == 1
    assert not [*tmp_path.rglob("store/students/**/*.json")]


# A loss that is not a number (case 11)


def test_a_rate_that_diverges_names_student_and_cause_as_often_as_it_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    held = []
    for _ in range(2):
        assert cli.main(["run", "-p", "smoke", *words_for(SMALL | {"learning_rate": 1e30, "workers": 1})]) == 2
        held.append(locks(tmp_path))
        assert not leftovers(tmp_path)
        err = capsys.readouterr().err
        assert "diverged: at step" in err
        assert "learning_rate is 1e+30, try a lower one" in err
        assert "student" in err
        assert not [*tmp_path.rglob("store/students/**/*")]
    assert held[0] == held[1]  # a file per result that was tried, as often as it is tried


# Text at the edges


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_output_goes_to_a_stream_of_any_encoding(
    encoding: str, small_study: Study, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Case 12: a UnicodeEncodeError after everything had been computed."""
    values = SMALL | {"teacher_weights": str(small_study.settings.teacher_weights)}
    commands = (
        ["run", "-p", "smoke", "--out", str(small_study.folder.parent), *words_for(values)],
        ["claims", str(small_study.folder)], ["claims", str(small_study.folder), "--json"],
        ["profiles"], ["profiles", "embedded"], ["doctor", "-p", "smoke", *words_for(values)],
    )  # fmt: skip
    for words in commands:
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        assert cli.main(words) == 0
        out.flush()
        written = out.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
        monkeypatch.undo()
        assert len(written) > 100
        if words[-1] == "--json":
            assert len(json.loads(written)) > 10
        elif words[0] == "claims":
            ids = [line.split()[1] for line in written.splitlines() if line[:1] in "│|" and "v1-" in line]
            assert "v1-size-teacher" in ids
            assert max(map(len, written.splitlines())) > 80  # a log has no columns: nothing is cut


@pytest.mark.parametrize(
    "words",
    ["dataset=cifar10", "teacher_weights=~/a.safetensors", "dataset=~/own.npz", "dataset_root=~/x", "-p ~/own.toml"],
)
def test_without_a_home_or_a_known_user_a_path_in_it_is_one_line(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unknown(user: object) -> None:
        raise KeyError(user)

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(pwd, "getpwnam", unknown)
    more = words.split() if words.startswith("-p") else ["--set", words, "--set", "download=false"]
    if words == "dataset_root=~/x":
        more += ["--set", "dataset=cifar10"]
    assert cli.main(["run", "-p", "smoke", *more]) == 2
    err = capsys.readouterr().err
    assert "is in a home folder, and there is none: set HOME, or give another path" in err
    assert err.count("\n") == 1
