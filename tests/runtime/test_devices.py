"""Free memory, within a container's limits."""

from pathlib import Path

import pytest
import torch

from asymdistill.data.resized import room_for_images
from asymdistill.runtime import devices

CPU = torch.device("cpu")


def test_a_containers_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = devices.free_and_total(CPU)
    limit, use = tmp_path / "max", tmp_path / "current"
    monkeypatch.setattr(devices, "CONTAINERS", ((str(tmp_path / "none"), ""), (str(limit), str(use))))
    use.write_text(f"{2**20}\n")
    limit.write_text("max\n")
    assert devices.free_and_total(CPU)[1] == whole[1]
    limit.write_text(f"{3 * 2**20}\n")
    assert devices.free_and_total(CPU) == (2 * 2**20, 3 * 2**20)


def test_resized_images_may_take_a_part_of_what_a_container_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit, use = tmp_path / "max", tmp_path / "current"
    limit.write_text(str(3 * 2**20))
    use.write_text(str(2 * 2**20))
    monkeypatch.setattr(devices, "CONTAINERS", ((str(limit), str(use)),))
    assert room_for_images(CPU) == 2**18
    assert room_for_images(torch.device("meta")) == 0
