"""Nothing is computed twice: runs that share a store pay for what is new, and say what they found and computed."""

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from command_line import Counts, Output, complaints, read, words_for
from conftest import SMALL
from damages import cut, empty, flip, folder_instead
from forked import Forked

import asymdistill
from asymdistill import cli
from asymdistill.store.files import DamagedFileWarning
from asymdistill.study.recorded import Recorded
from asymdistill.study.study import Study

Run = Callable[..., Output]
STUDENTS, MODELS = 5, 6  # of the small study, and with the teacher


def settings_of(study: Study) -> dict[str, Any]:
    return SMALL | {"teacher_weights": str(study.settings.teacher_weights)}


def measured_of(study: Study) -> Counter[str]:
    """How many measurements there are of each model of a finished study."""
    records = study._run.store.used()["measurements"].values()
    return Counter(json.dumps(record["inputs"]["model"], sort_keys=True) for record in records)


def teacher_of(study: Study) -> str:
    return json.dumps(study._run.model_key(None), sort_keys=True)


@pytest.fixture
def base(small_study: Study, tmp_path: Path) -> Path:
    """A folder of runs of one's own, whose store holds the small study's results."""
    shutil.copytree(small_study.folder.parent / "store", tmp_path / "runs" / "store")
    return tmp_path / "runs"


@pytest.fixture
def run(small_study: Study, base: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command ``run`` with the small study's settings, but for what is named, on these runs."""

    def run(*words: str, profile: str = "smoke", out: Path = base, **changes: Any) -> Output:
        capsys.readouterr()
        values = words_for(settings_of(small_study) | changes)
        assert cli.main(["run", "-p", profile, "--out", str(out), *words, *values]) == 0
        return read(capsys.readouterr().out)

    return run


@pytest.fixture
def everything(small_study: Study) -> dict[str, Counts]:
    """What a run says that finds all of the small study."""
    return {"students": Counts(STUDENTS, 0), "measurements": Counts(measured_of(small_study).total(), 0)}


def tables(folder: Path) -> dict[str, bytes]:
    found = {path.name: path.read_bytes() for path in (folder / "tables").glob("*.csv")}
    assert found
    return found


def table(folder: Path, name: str) -> pd.DataFrame:
    found = Recorded(folder).table(name)
    assert found is not None
    return found


def test_the_same_settings_find_everything(run: Run, small_study: Study, everything: dict[str, Counts]) -> None:
    done = run()
    assert done.students == (STUDENTS, 0)
    assert done.kinds == everything
    assert tables(done.folder) == tables(small_study.folder)


def test_another_noise_level_trains_no_student_and_reads_the_known_ones(
    run: Run, small_study: Study, everything: dict[str, Counts]
) -> None:
    done = run(noise_levels=[0.0, 0.2, 0.3])
    new = len(SMALL["noise_spaces"])  # type: ignore[arg-type]
    assert done.students == (STUDENTS, 0)
    assert done.kinds == {
        "students": Counts(STUDENTS, 0),
        "embeddings": Counts(2, new),  # no clean one is computed
        "probes": Counts(MODELS, 0),
        "measurements": Counts(everything["measurements"].found, MODELS * new),
    }
    before, after = table(small_study.folder, "robustness"), table(done.folder, "robustness")
    assert len(after) == len(before) * 3 // 2
    assert after[after["sigma"] != 0.3].reset_index(drop=True).equals(before)
    assert tables(done.folder)["spectrum.csv"] == tables(small_study.folder)["spectrum.csv"]


def test_one_more_seed_trains_only_its_students(run: Run, small_study: Study, everything: dict[str, Counts]) -> None:
    new = len(SMALL["widths"])  # type: ignore[arg-type]
    done = run(seeds=[42, 123, 7])
    assert done.students == (STUDENTS, new)
    of_one = measured_of(small_study)[json.dumps(small_study._run.model_key(small_study.students()[0]))]
    assert done.kinds == {
        "students": Counts(STUDENTS, new),
        "embeddings": Counts(2, 0),
        "probes": Counts(0, new),
        "measurements": Counts(everything["measurements"].found, new * of_one),
    }


def test_another_profile_with_the_same_settings_computes_nothing(
    run: Run, small_study: Study, everything: dict[str, Counts], tmp_path: Path
) -> None:
    shipped = Path(asymdistill.__file__).parent / "config" / "profiles" / "smoke.toml"
    copy = shutil.copy(shipped, tmp_path / "mine.toml")
    done = run(profile=str(copy))
    assert done.folder.name == small_study.folder.name.replace("smoke", "mine")
    assert done.kinds == everything
    assert tables(done.folder) == tables(small_study.folder)


def test_more_epochs_train_all_students_and_embed_nothing(
    run: Run, small_study: Study, everything: dict[str, Counts]
) -> None:
    done = run(epochs=3)
    assert done.students == (0, STUDENTS)
    of_teacher = measured_of(small_study)[teacher_of(small_study)]
    assert done.kinds == {
        "students": Counts(0, STUDENTS),
        "embeddings": Counts(2, 0),
        "probes": Counts(0, STUDENTS),
        "measurements": Counts(of_teacher, everything["measurements"].found - of_teacher),
    }


def test_settings_that_matter_to_others_only_change_nothing(run: Run, everything: dict[str, Counts]) -> None:
    done = run(infonce_weight=3, control_epochs=7, workers=1, class_counts=[3])
    assert done.kinds == everything


# Elsewhere


def test_a_store_copied_elsewhere_and_named_from_another_folder_is_found(
    run: Run, base: Path, everything: dict[str, Counts], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.move(base / "store", tmp_path / "other" / "place")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    done = run(out=Path("results"), store="../other/place")
    assert done.kinds == everything
    assert [path.name for path in Path("results").iterdir()] == [done.folder.name]
    assert not (base / "store").exists()


# Edited code


def edited(package: Path, module: str, old: str, new: str) -> None:
    path = package / "asymdistill" / module
    code = path.read_text("utf-8")
    assert code.count(old) == 1
    path.write_text(code.replace(old, new), encoding="utf-8")


@pytest.mark.slow
def test_edited_code_is_said_where_it_counts_and_computed_again_only_if_asked(
    small_study: Study, base: Path, everything: dict[str, Counts], tmp_path: Path
) -> None:
    package = tmp_path / "package"
    shutil.copytree(Path(asymdistill.__file__).parent, package / "asymdistill")
    words = ["run", "-p", "smoke", "--out", str(base), *words_for(settings_of(small_study))]

    def run(*more: str) -> Output:
        process = Forked([*words, *more], tmp_path, PYTHONPATH=str(package))
        out, err = process.communicate()
        assert (process.returncode, complaints(err)) == (0, [])
        return read(out)

    edited(package, "training/losses.py", "equation (1) of the first paper", "the first paper's equation (1)")
    edited(package, "training/losses.py", "    return (1 - F.cos", "    # A comment.\n    return (1 - F.cos")
    assert run().kinds == everything

    edited(package, "training/losses.py", "    return (1 - F.cos", "    return 3 * (1 - F.cos")
    done = run()
    of_students = everything["measurements"].found - measured_of(small_study)[teacher_of(small_study)]
    said = "; of those found, {} by other code: --fresh computes them again"
    assert done.kinds == {
        "students": Counts(STUDENTS, 0, said.format(STUDENTS)),
        "measurements": Counts(everything["measurements"].found, 0, said.format(of_students)),
    }
    assert tables(done.folder) == tables(small_study.folder)

    done = run("--fresh")
    assert done.students == (0, STUDENTS)
    assert done.kinds == {
        "students": Counts(0, STUDENTS),
        "embeddings": Counts(2, 0),
        "probes": Counts(0, STUDENTS),
        "measurements": Counts(everything["measurements"].found - of_students, of_students),
    }
    ratio = table(done.folder, "training")["loss"] / table(small_study.folder, "training")["loss"]
    assert ratio.between(2.5, 3.5).all()
    # Adam takes nearly the same steps for thrice the loss: accuracies on so few images need not tell these students
    # apart, their spectra do.
    assert not table(done.folder, "spectrum").equals(table(small_study.folder, "spectrum"))


# Damage


@pytest.mark.slow
def test_whatever_is_damaged_is_said_and_computed_again_to_the_same_tables(
    run: Run, base: Path, small_study: Study, everything: dict[str, Counts]
) -> None:
    folder = Path(shutil.copytree(small_study.folder, base / small_study.folder.name))
    files = sorted(path for path in base.rglob("*") if path.suffix in (".json", ".safetensors", ".csv"))
    assert len(files) > 90
    for number, path in enumerate(files):
        (cut, empty, flip, folder_instead)[number % 4](path)
    with pytest.warns(DamagedFileWarning) as warned:
        done = run()
    said = {str(warning.message).split(" is damaged")[0] for warning in warned}
    # Of a result whose record is damaged, the tensors are not looked at.
    assert {str(path) for path in files if path.suffix != ".safetensors"} <= said
    computed = {kind: Counts(0, counts.found) for kind, counts in everything.items()}
    assert done.kinds == computed | {"embeddings": Counts(0, 4), "probes": Counts(0, MODELS)}
    assert done.folder == folder
    assert tables(done.folder) == tables(small_study.folder)
    assert run().kinds == everything


# Two processes

# Each waits in its first training until the other is in one, too.
TOGETHER = """
import os, time
from pathlib import Path
from asymdistill.experiment import trained_students

own, meeting = {own!r}, Path({meeting!r})
distil = trained_students.distil

def together(*positional, **named):
    (meeting / own).touch()
    deadline = time.monotonic() + 60
    while len(list(meeting.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    return distil(*positional, **named)

trained_students.distil = together
print("process", os.getpid())
"""
# What `unshare --pid --fork --mount-proc --uts` does, and a clock that is minutes behind.
HOST = """
import ctypes, datetime, os, socket, subprocess
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWPID = 0x20000, 0x4000000, 0x20000000
assert ctypes.CDLL(None).unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWPID) == 0
if child := os.fork():
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
subprocess.run(["mount", "--make-rprivate", "/"], check=True)
subprocess.run(["mount", "-t", "proc", "proc", "/proc"], check=True)
socket.sethostname({own!r})

class Late(datetime.datetime):
    @classmethod
    def now(cls, zone=None):
        return super().now(zone) - datetime.timedelta(minutes={late})

from asymdistill.store import store
from asymdistill.study import manifest
store.datetime = manifest.datetime = Late
"""
FEW = {"widths": [0.5], "seeds": [42, 123, 7], "augmentation_seeds": 0, "noise_levels": [0.0], "workers": 1}


@pytest.mark.slow
@pytest.mark.parametrize("before", ["", HOST], ids=["processes", "hosts"])
def test_two_processes_share_the_work(before: str, small_study: Study, tmp_path: Path) -> None:
    """They meet in their first training: so they work on different students."""
    unshare = ["unshare", "--pid", "--fork", "--mount-proc", "--uts", "true"]
    if before and (not shutil.which(unshare[0]) or subprocess.run(unshare, capture_output=True).returncode):
        pytest.skip("no namespaces are allowed here")
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    words = ["run", "-p", "smoke", "--out", "runs", *words_for(settings_of(small_study) | FEW)]
    processes = [
        Forked(words, tmp_path, (before + TOGETHER).format(own=own, meeting=str(meeting), late=late))
        for own, late in (("one", 0), ("other", 7))
    ]
    ended = [(*process.communicate(timeout=300), process.returncode) for process in processes]
    assert [(complaints(err), code) for _, err, code in ended] == [([], 0)] * 2
    numbers = {out.splitlines()[0] for out, _, _ in ended}
    assert len(numbers) == (1 if before else 2)
    one, other = (read(out) for out, _, _ in ended)
    assert {path.name for path in meeting.iterdir()} == {"one", "other"}
    assert one.students == other.students == (0, 3)
    trained = [done.kinds["students"].computed for done in (one, other)]
    assert sum(trained) == 3
    assert min(trained) >= 1
    for kind in ("embeddings", "probes", "measurements"):
        stored = len(list((tmp_path / "runs" / "store" / kind).rglob("*.json")))
        assert sum(done.kinds.get(kind, Counts(0, 0)).computed for done in (one, other)) == stored, kind
    assert not [path for path in (tmp_path / "runs").rglob("*") if "tmp" in path.suffix or ".state." in path.name]
    manifest = json.loads((tmp_path / one.folder / "manifest.json").read_text())
    assert len(manifest["results"]["students"]) == 3
