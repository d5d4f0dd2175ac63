"""Sweeps on Ray: workers, nodes and the driver may be killed; everything is there in the end, and nothing twice.

What takes nodes of its own runs by ``pytest -m cluster tests/sweep``, a few minutes.
"""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from command_line import ENVIRONMENT, command, complaints
from conftest import SMALL
from pool_work import attempts, double, fragile
from ray_processes import rays, until

from asymdistill.runtime.cluster import RayPool
from asymdistill.runtime.errors import InputError
from asymdistill.runtime.pools import outcomes

pytest.importorskip("ray", reason="Ray is not installed: pip install 'asymdistill[cluster]'")
from ray.cluster_utils import Cluster

pytestmark = pytest.mark.usefixtures("quiet_ray")
SETTINGS = SMALL | {"train_limit": 300, "test_limit": 100, "widths": [0.5], "epochs": 3, "noise_levels": [0.0]}
SEEDS = [1, 2, 3, 4, 5, 6]


def test_tasks_on_ray_have_outcomes_whatever_happens_to_some(tmp_path: Path) -> None:
    pool = RayPool("local")
    try:
        cases: list[dict[str, Any]] = [
            {"name": "a"},
            {"name": "b", "failures": 1},
            {"name": "c", "failures": 3, "how": "die"},
            {"name": "d", "failures": 1, "how": "die"},
            {"name": "e", "failures": 1, "how": "refuse"},
        ]
        tasks = [case | {"folder": str(tmp_path)} for case in cases]
        found = {task["name"]: reply.error or reply.result for task, reply in outcomes(pool, fragile, tasks, retries=1)}
        lost = "its worker or node was lost (WorkerCrashedError)"
        assert found == {"a": "a", "b": "b", "c": lost, "d": "d", "e": "no such thing"}
        assert [attempts(tmp_path, name) for name in "abcde"] == [1, 2, 2, 2, 1]
        doubled = {task: reply.result for task, reply in outcomes(pool, double, range(50))}
        assert doubled == {number: 2 * number for number in range(50)}
        assert rays()
    finally:
        pool.close()
    until(lambda: not rays())


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("nowhere", "address is 'nowhere'; allowed: HOST:PORT, 'auto', 'local'"),
        ("localhost:1", "nothing answers at address localhost:1"),
        ("auto", "no Ray cluster at auto"),
    ],
)
def test_an_address_where_there_is_no_cluster_is_one_line(
    address: str, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))  # where Ray looks for a cluster of this machine
    with pytest.raises(InputError) as caught:
        RayPool(address)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


class Sweeping:
    """A sweep from the command line, and every record that was ever written to its store.

    Args:
        folder: of the sweep's file and the runs.
        address: of the cluster.
    """

    def __init__(self, folder: Path, address: str) -> None:
        self.folder = folder
        self.words = ["sweep", "mine.toml", "--address", address]
        self.written: set[tuple[str, int]] = set()
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()

    def _watch(self) -> None:
        while not self._ended.wait(0.02):
            self.written |= {(path.stem, path.stat().st_ino) for path in self.records()}

    def records(self, kind: str = "*") -> list[Path]:
        return list(self.folder.glob(f"runs/store/{kind}/*/*.json"))

    def start(self) -> "subprocess.Popen[str]":
        environment = os.environ | ENVIRONMENT
        piped = subprocess.PIPE
        return subprocess.Popen(
            command(self.words), cwd=self.folder, env=environment, stdout=piped, stderr=piped, text=True
        )

    def begun(self, students: int = 1) -> "subprocess.Popen[str]":
        """A sweep that has trained some students and is training others."""
        process = self.start()
        until(lambda: len(self.records("students")) >= students or process.poll() is not None)
        assert process.poll() is None, process.communicate()
        return process

    def check(self, process: "subprocess.Popen[str]") -> str:
        """Wait for the end; all results have to be there, none computed twice."""
        out, err = process.communicate(timeout=400)
        assert (process.returncode, complaints(err)) == (0, [])
        (path,) = self.folder.glob("runs/sweep-mine-*/table.csv")
        table = pd.read_csv(path)
        assert table["seed"].dropna().astype(int).tolist() == [seed for seed in SEEDS for _ in range(2)]
        assert len(self.records("students")) == len(SEEDS)
        self.close()
        assert len({name for name, _ in self.written}) == len(self.written)
        return out

    def close(self) -> None:
        self._ended.set()
        self._watcher.join()


@pytest.fixture
def folder(tmp_path: Path, teacher_file: Path) -> Path:
    settings = {name: value for name, value in SETTINGS.items() if name != "seeds"}
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    text = ['profiles = ["smoke"]', "[cross]", f"seeds = {SEEDS}", "[set]", *lines]
    (tmp_path / "mine.toml").write_text("\n".join([*text, f"teacher_weights = {json.dumps(str(teacher_file))}"]))
    return tmp_path


@pytest.fixture
def sweeping(folder: Path, cluster: Cluster) -> Iterator[Sweeping]:
    own = Sweeping(folder, cluster.address)
    yield own
    own.close()


@pytest.mark.cluster
def test_a_cluster_without_a_gpu_is_refused_where_one_is_asked_for(cluster: Cluster) -> None:
    with pytest.raises(InputError, match=r"the Ray cluster at .* has no GPU"):
        RayPool(cluster.address, gpus=0.25)


@pytest.mark.cluster
def test_two_nodes_share_a_sweep(sweeping: Sweeping) -> None:
    out = sweeping.check(sweeping.start())
    assert "\nstudents: 6 computed\n" in out
    until(lambda: not rays("ray::_attempt"), 30)


@pytest.mark.cluster
def test_a_killed_worker_costs_what_it_was_doing(sweeping: Sweeping) -> None:
    process = sweeping.begun()
    until(lambda: rays("ray::_attempt"))
    rays("ray::_attempt")[0].kill()
    sweeping.check(process)


@pytest.mark.cluster
def test_a_killed_node_costs_what_it_was_doing(sweeping: Sweeping, cluster: Cluster) -> None:
    process = sweeping.begun()
    node = cluster.worker_nodes.copy().pop()
    cluster.remove_node(node, allow_graceful=False)
    sweeping.check(process)


@pytest.mark.cluster
def test_a_killed_driver_leaves_nothing_behind_and_goes_on(sweeping: Sweeping) -> None:
    process = sweeping.begun()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    until(lambda: not rays("ray::_attempt"), 60)
    made = len(sweeping.records("students"))
    assert 1 <= made < len(SEEDS)
    out = sweeping.check(sweeping.start())
    assert f"students: 6 in all, {made} found, {6 - made} missing\n" in out
    assert f"\nstudents: {6 - made} computed\n" in out


@pytest.mark.cluster
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_cluster_of_this_machine_ends_with_the_sweep(number: signal.Signals, folder: Path) -> None:
    own = Sweeping(folder, "local")
    process = own.begun()
    process.send_signal(number)
    process.communicate(timeout=60)
    until(lambda: not rays(), 60)
    own.check(own.start())
    until(lambda: not rays(), 60)
