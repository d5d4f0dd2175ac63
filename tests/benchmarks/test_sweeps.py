"""A simulated sweep does all of its tasks, and its driver keeps little of each."""

from pathlib import Path

from asymdistill.runtime.pools import ThreadPool
from asymdistill.sweep.table import RecordedSweep
from benchmarks import sweeps


def test_all_tasks_are_done_in_little_memory(tmp_path: Path) -> None:
    pool = ThreadPool(2)
    sweeps.simulate(pool, 200, tmp_path)
    found = sweeps.simulate(pool, 2000, tmp_path)
    pool.close()
    assert found["seconds"] > 0
    assert found["used_gib"] < 0.05
    (folder,) = (path for path in tmp_path.glob("sweep-*") if len(RecordedSweep(path).table) == 2 * 2000)
    assert RecordedSweep(folder).manifest["students"] == 2000
