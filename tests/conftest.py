"""What several test files share: a teacher of Scenes with random weights, and small finished studies."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import pytest
import torch
from filelock import FileLock
from hypothesis import settings
from ray_processes import MARK, rays, until
from safetensors.torch import save_file
from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster

    from asymdistill.study.study import Study

mpl.use("Agg")
settings.register_profile("untimed", settings(), deadline=None)  # what it inherits differs in CI
settings.load_profile("untimed")
os.environ["HF_HUB_OFFLINE"] = "1"  # no test may depend on a network, nor wait for one
# One thread each, here and in every process that a test starts: there are as many test processes as cores, and threads
# without a core of their own spend most of their time waiting for each other.
os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
torch.set_num_threads(1)
threadpool_limits(1)

LONGEST = ("test_notebooks", "test_build")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no worker is left alone with one of them at the end."""
    items.sort(key=lambda item: item.path.stem not in LONGEST)


SMALL = {
    "train_limit": 128,
    "test_limit": 160,
    "teacher_precision": "float32",
    "widths": [0.5, 1],
    "seeds": [42, 123],
    "epochs": 2,
    "batch_size": 40,
    "noise_levels": [0.0, 0.2],
    "noise_spaces": ["normalised", "pixel"],
    "metric_batch_size": 32,
    "controls": [],
    "objectives": ["cosine"],
    "sweeps": [],
    "other_teachers": [],
    "other_datasets": [],
    "device": "cpu",
}
# What the second paper's chapters take: further objectives, everything varied once, and one other of everything.
EXPANDED = SMALL | {
    "train_limit": 200,  # two a class of a hundred
    "test_limit": 130,  # more than there are dimensions
    "resolution": 16,
    "widths": [0.5],
    "epochs": 1,
    "noise_spaces": ["normalised"],
    "augmentation_seeds": 0,
    "objectives": ["cosine", "infonce"],
    "sweeps": ["weight", "temperature", "batch_size", "width", "alternatives"],
    "infonce_weights": [10],
    "infonce_temperatures": [1],
    "batch_sizes": [32],
    "pushed_widths": [0.25],
    "other_teachers": ["scenes-simclr"],
    "other_datasets": ["scenes100"],
    "crossed_widths": [0.25],
}


def make_teacher(path: Path, seed: int = 0) -> Path:
    """Write a teacher of Scenes with random weights."""
    from asymdistill.models import mini_clip
    from asymdistill.training import scenes_clip

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pair = mini_clip.Towers(mini_clip.ImageTower().eval(), mini_clip.TextTower(scenes_clip.vocabulary()).eval())
        # Fresh towers map all images to nearly one point; wider weights spread them.
        for parameter in pair.image.parameters():
            parameter.data.mul_(2)
    tensors, strings = mini_clip.pack(pair)
    save_file(tensors, path, strings)
    return path


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let PyTorch compute on so many threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this run of the tests have in common."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def teacher_file(shared: Path) -> Path:
    path = shared / "scenes-clip.safetensors"
    with FileLock(path.with_suffix(".lock")):
        return path if path.is_file() else make_teacher(path)


def finished(name: str, settings: dict[str, Any], shared: Path, runs: Path) -> "Study":
    """A finished study in a folder of one's own, copied from that of the first process that asked for it."""
    from asymdistill.study.study import Study

    with FileLock(shared / f"{name}.lock"):
        if not (shared / name).is_dir():
            Study.open("smoke", settings, shared / f"{name}.unfinished").compute()
            (shared / f"{name}.unfinished").rename(shared / name)
    study = Study.open("smoke", settings, shutil.copytree(shared / name, runs, dirs_exist_ok=True))
    study.compute()
    return study


@pytest.fixture(scope="session")
def small_study(tmp_path_factory: pytest.TempPathFactory, shared: Path, teacher_file: Path) -> "Study":
    """A finished study of two widths and two seeds, to be read only."""
    return finished("small", SMALL | {"teacher_weights": str(teacher_file)}, shared, tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="session")
def expanded_study(tmp_path_factory: pytest.TempPathFactory, shared: Path, teacher_file: Path) -> "Study":
    """A finished study with a second objective, every comparison, and every crossing; to be read only."""
    settings = EXPANDED | {"teacher_weights": str(teacher_file)}
    return finished("expanded", settings, shared, tmp_path_factory.mktemp("runs"))


@pytest.fixture
def quiet_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Ray's workers find the package and the tests, and Ray say nothing to anybody."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_worker_niceness", "0")  # by default, workers get only what nobody else wants
    monkeypatch.setenv(MARK, str(os.getpid()))


@pytest.fixture
def cluster(quiet_ray: None) -> "Iterator[Cluster]":
    """Two nodes of one core each."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.add_node(num_cpus=1)
    made.wait_for_nodes()
    yield made
    made.shutdown()
    until(lambda: not rays(), 60)
