"""``asymdistill measure`` on Ray gives the numbers of one pass; run by ``pytest -m cluster tests/measure``."""

import json
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from pool_work import attempts, sums_on_two_nodes
from ray_processes import rays, until

from asymdistill import cli
from asymdistill.measure import pooled, sums
from asymdistill.measure.files import open_files
from asymdistill.runtime.cluster import RayPool

pytest.importorskip("ray", reason="Ray is not installed: pip install 'asymdistill[cluster]'")
from ray.cluster_utils import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("quiet_ray")]
X = np.random.default_rng(0).normal(size=(400, 6)) / np.arange(1, 7) + 0.3


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with two sets of embeddings, for tasks of 32 rows."""
    monkeypatch.setattr(sums, "_NUMBERS", 64)
    monkeypatch.setattr(pooled, "_READS", 2)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shards").mkdir()
    np.save("shards/a.npy", X[:33].astype("f2"))
    np.savez("shards/b.npz", X[33:60])
    np.save("shards/c.npy", X[60:])
    np.save("other.npy", X[::-1])
    return tmp_path


def measured(words: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, np.ndarray]:
    """The numbers that the command prints."""
    assert cli.main(["measure", "shards", "--against", "other.npy", "--json", *words]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    found = json.loads(out)
    own = {name: list(value.values()) for name, value in found["quantities"].items()}
    return {name: np.array(values, dtype=float) for name, values in (own | {"": found["variances"]}).items()}


def test_the_command_prints_the_same_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    here, there = measured([], capsys), measured(["--address", "local"], capsys)
    assert here.keys() == there.keys()
    for name, values in here.items():
        np.testing.assert_allclose(there[name], values, rtol=1e-11, err_msg=name)
    until(lambda: not rays(), 60)


def test_two_nodes_add_up_what_one_pass_does_though_a_worker_dies(
    cluster: Cluster, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = open_files([Path("shards")])
    monkeypatch.setattr(pooled, "add_up", partial(sums_on_two_nodes, folder=folder))
    with closing(RayPool(cluster.address)) as pool:
        found = pooled.read(files, 7, pool)
    assert attempts(folder, "node") == 2
    assert attempts(folder, 0) == 2
    one_pass = sums.read(files, 7)
    for name in ("moments", "lengths", "directions", "sample"):
        torch.testing.assert_close(getattr(found, name), getattr(one_pass, name), rtol=1e-12, atol=1e-10)


def test_a_bad_row_ends_the_command_with_its_line(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    np.save("shards/c.npy", np.where(np.arange(340)[:, None] == 99, np.inf, X[60:]))
    assert cli.main(["measure", "shards", "--address", cluster.address]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"asymdistill: error: {Path.cwd()}/shards/c.npy: row 99 has NaN or infinite values\n"
