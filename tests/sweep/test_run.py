"""A sweep computes what is missing, once, and its table says what a study of each point would."""

import json
import multiprocessing
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import forked
import pandas as pd
import pytest
from conftest import SMALL

from asymdistill.experiment import frozen_teacher, images, trained_students
from asymdistill.runtime.errors import Check, InputError
from asymdistill.runtime.pools import InTurn, Pool, ProcessPool, ThreadPool
from asymdistill.study.recorded import recorded_runs
from asymdistill.study.study import Study
from asymdistill.sweep import spec, table, tasks
from asymdistill.sweep.run import Sweep
from asymdistill.sweep.table import RecordedSweep

QUANTITIES = ("effective_rank", "dims_for_90", "accuracy", "robustness", "information")
FEW = SMALL | {"widths": [0.5], "seeds": [42], "epochs": 1, "noise_levels": [0.0]}


def plan(folder: Path, teacher: Path, settings: dict[str, Any], **keys: Any) -> spec.Plan:
    """A sweep's file and what it means; strings and numbers of TOML are those of JSON."""
    lines = [f"{name} = {json.dumps(value)}" for name, value in keys.items() if not isinstance(value, dict)]
    sections = {name: value for name, value in keys.items() if isinstance(value, dict)}
    for section, values in {"set": settings | {"teacher_weights": str(teacher)}, **sections}.items():
        lines += [f"[{section}]", *(f"{name} = {json.dumps(value)}" for name, value in values.items())]
    path = folder / "mine.toml"
    path.write_text("\n".join(['profiles = ["smoke"]', *lines]))
    return spec.load(path)


def run(own: spec.Plan, runs: Path, made: Callable[[int], Pool] = ThreadPool, **options: Any) -> Sweep:
    pool = made(2)
    sweep = Sweep(own, runs, pool, **options)
    sweep.run()
    pool.close()
    return sweep


def test_the_table_is_that_of_a_study_and_nothing_is_computed_again(
    small_study: Study, teacher_file: Path, tmp_path: Path
) -> None:
    runs = Path(shutil.copytree(small_study.folder.parent, tmp_path / "runs"))
    settings = {name: value for name, value in SMALL.items() if name != "epochs"}
    own = plan(tmp_path, teacher_file, settings, quantities=QUANTITIES, cross={"epochs": [2]})
    sweep = run(own, runs)
    assert sweep.needs.counts() == {"students": (4, 0), "embeddings": (4, 0)}
    assert not sweep.made
    found = RecordedSweep(sweep.folder).table
    assert found.columns.tolist()[:2] == ["profile", "epochs"]
    assert set(found["epochs"]) == {2}
    joined = ["model", "width", "seed", "objective", "augmented", "quantity"]
    spectrum = small_study.spectrum().query("estimator == 'per seed'")
    both = found.merge(spectrum, on=joined)
    assert len(both) == 2 * 5  # effective_rank and dims_for_90 of four students and the teacher
    assert both["value_x"].to_numpy() == pytest.approx(both["value_y"].to_numpy(), rel=1e-9)
    both = found.merge(small_study.information(), on=joined)
    assert len(both) == 5 * 5
    assert (both["value_x"] == both["value_y"]).all()
    under = found[found["quantity"] == "robustness"]
    both = under.merge(small_study.robustness(), on=[*joined[:-1], "noise_space", "sigma"])
    assert len(both) == len(under) == 5 * 4
    assert (both["value"] == both["accuracy"]).all()
    clean = under[(under["sigma"] == 0) & (under["noise_space"] == "pixel")]["value"]
    assert found[found["quantity"] == "accuracy"]["value"].tolist() == clean.tolist()
    pd.testing.assert_frame_equal(
        pd.read_parquet(sweep.folder / table.PARQUET), found, check_dtype=False, check_index_type=False
    )


def test_what_points_share_is_computed_once_and_found_again(teacher_file: Path, tmp_path: Path) -> None:
    settings = {name: value for name, value in FEW.items() if name not in ("objectives", "seeds")}
    cross = {"infonce_weight": [0.1, 10], "seeds": [1, 2]}
    own = plan(tmp_path, teacher_file, settings | {"objectives": ["cosine", "infonce"]}, cross=cross)
    assert len(own.points) == 4
    sweep = run(own, tmp_path / "runs")
    assert sweep.needs.counts() == {"students": (6, 6), "embeddings": (2, 2)}  # two of the cosine loss, four of InfoNCE
    assert sweep.needs.failed == {}
    assert sweep.made == Counter(students=6, embeddings=2, probes=7, measurements=14)
    found = RecordedSweep(sweep.folder)
    assert found.manifest["axes"] == ["infonce_weight"]
    assert found.manifest["students"] == 6
    assert found.manifest["models"] == {"all": 7, "measured": 7, "failed": 0}
    assert found.manifest["spec"]["cross"] == cross
    rows = found.table.query("quantity == 'effective_rank'")
    assert len(rows) == 4 * 3  # the teacher and two students at each point
    cosine = rows[rows["objective"] == "cosine"]
    assert cosine.groupby("seed")["value"].nunique().tolist() == [1, 1]
    assert rows[rows["objective"] == "infonce"]["value"].nunique() == 4

    records = [json.loads(path.read_text()) for path in (tmp_path / "runs" / "store").glob("[sm]*/*/*.json")]
    for kind, count in {"students": 6, "measurements": 14}.items():
        own_seconds = [record["seconds"] for record in records if record["kind"] == kind]
        assert len(own_seconds) == count
        assert found.manifest["seconds"][kind] == pytest.approx(sum(own_seconds), abs=0.02)

    again = run(own, tmp_path / "runs")
    assert again.needs.counts() == {"students": (6, 0), "embeddings": (2, 0)}
    assert not again.made
    assert again.manifest()["seconds"] == pytest.approx(found.manifest["seconds"], abs=0.02)
    assert again.differences() == []
    assert again.folder == sweep.folder
    more = plan(tmp_path, teacher_file, settings | {"objectives": ["cosine", "infonce"]},
                cross={"infonce_weight": [0.1, 10, 3], "seeds": [1, 2]})  # fmt: skip
    assert Sweep(more, tmp_path / "runs", InTurn()).needs.counts() == {"students": (8, 2), "embeddings": (2, 0)}


@pytest.mark.slow
def test_processes_write_what_threads_write(
    teacher_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = forked.server()  # that processes may be spawned, too, is tested on other work
    monkeypatch.setattr(multiprocessing, "get_context", lambda _: context)
    own = plan(tmp_path, teacher_file, FEW | {"seeds": [1, 2]})
    threads, processes = (run(own, tmp_path / made.__name__, made) for made in (ThreadPool, ProcessPool))
    assert threads.made == processes.made
    assert (threads.folder / table.CSV).read_bytes() == (processes.folder / table.CSV).read_bytes()


def test_what_fails_is_tried_again_then_named_while_others_go_on(
    teacher_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: Counter[int] = Counter()
    distil = trained_students.distil

    def failing(*positional: Any, seed: int, **named: Any) -> Any:
        trained[seed] += 1
        if seed == 2 or (seed == 3 and trained[seed] == 1):
            raise RuntimeError("no luck")
        return distil(*positional, seed=seed, **named)

    monkeypatch.setattr(trained_students, "distil", failing)
    settings = {name: value for name, value in FEW.items() if name != "seeds"}
    own = plan(tmp_path, teacher_file, settings, cross={"seeds": [1, 2, 3]})
    sweep = run(own, tmp_path / "runs", retries=1)
    assert sweep.needs.failed == {"student w=0.5, seed 2, cosine": "RuntimeError: no luck"}
    assert trained == {1: 1, 2: 2, 3: 2}
    found = RecordedSweep(sweep.folder)
    assert found.manifest["models"] == {"all": 4, "measured": 3, "failed": 1}
    assert set(found.table["seed"].dropna()) == {1, 3}
    monkeypatch.undo()
    assert run(own, tmp_path / "runs").made["students"] == 1


def test_embeddings_that_fail_are_named_once(
    teacher_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(task: tasks.Task, check: Check) -> Any:
        raise RuntimeError("no memory")

    monkeypatch.setattr(tasks, "embed", failing)
    sweep = run(plan(tmp_path, teacher_file, FEW), tmp_path / "runs", retries=0)
    assert sweep.needs.failed == {
        "scenes-clip of scenes, train": "RuntimeError: no memory",
        "scenes-clip of scenes, test": "RuntimeError: no memory",
        "teacher": "the teacher embeddings that it needs failed",
        "student w=0.5, seed 42, cosine": "the teacher embeddings that it needs failed",
    }
    assert RecordedSweep(sweep.folder).table.empty


def test_images_and_teacher_are_loaded_once(
    teacher_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: Counter[str] = Counter()

    def counted(name: str, function: Any) -> Any:
        def call(*positional: Any, **named: Any) -> Any:
            loaded[name] += 1
            return function(*positional, **named)

        return call

    monkeypatch.setattr(frozen_teacher, "load_teacher", counted("teacher", frozen_teacher.load_teacher))
    monkeypatch.setattr(images.datasets, "load", counted("images", images.datasets.load))
    tasks._loaded.cache_clear()
    settings = {name: value for name, value in FEW.items() if name != "epochs"}
    run(plan(tmp_path, teacher_file, settings, cross={"epochs": [1, 2], "infonce_weight": [1, 2]}), tmp_path / "runs")
    assert loaded == {"teacher": 1, "images": 2}


def test_a_table_is_written_while_results_come(
    teacher_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "PAUSE", 0.0)
    monkeypatch.setattr(table, "SHARE", 1e9)
    written: list[int] = []
    write = table.TableFile.write

    def seen(self: table.TableFile, rows: Any) -> None:
        write(self, rows)
        written.append(len(pd.read_csv(self._folder / table.CSV)))

    monkeypatch.setattr(table.TableFile, "write", seen)
    settings = {name: value for name, value in FEW.items() if name != "seeds"}
    run(plan(tmp_path, teacher_file, settings | {"seeds": [1, 2]}), tmp_path / "runs")
    assert written == [2, 4, 6, 6]


def test_a_finished_sweep_is_recorded_and_read_again(teacher_file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"manifest\.spec\.set\.teacher_weights is an absolute path"):
        table.record(run(plan(tmp_path, teacher_file, FEW), tmp_path / "runs").folder, tmp_path / "results")
    shutil.copy(teacher_file, tmp_path / "mine.safetensors")
    sweep = run(plan(tmp_path, Path("mine.safetensors"), FEW), tmp_path / "runs")
    kept = table.record(sweep.folder, tmp_path / "results")
    assert kept == tmp_path / "results" / "sweeps" / sweep.folder.name
    assert {path.name for path in kept.iterdir()} == {
        f"{name}{end}" for name in (table.MANIFEST, table.CSV) for end in ("", ".sha256")
    }
    pd.testing.assert_frame_equal(RecordedSweep(kept).table, RecordedSweep(sweep.folder).table)
    assert recorded_runs(tmp_path / "results") == []  # a sweep is no run
    (kept / table.CSV).write_text("x")
    with pytest.raises(InputError, match="holds no sweep, or a damaged one"):
        RecordedSweep(kept)


def test_an_unfinished_sweep_is_not_recorded(
    teacher_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(task: tasks.Task, check: Check) -> Any:
        raise RuntimeError("no memory")

    monkeypatch.setattr(tasks, "compute", failing)
    sweep = run(plan(tmp_path, teacher_file, FEW), tmp_path / "runs", retries=0)
    with pytest.raises(InputError, match="is no finished sweep: 2 of 2 models are not measured"):
        table.record(sweep.folder, tmp_path / "results")
    assert not (tmp_path / "results").exists()
