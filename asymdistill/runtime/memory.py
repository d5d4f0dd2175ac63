"""Memory that is free, within a container's limits."""

from pathlib import Path

import psutil  # type: ignore[import-untyped]
import torch

# What a container may use and what it does use, in the two versions of Linux's control groups.
CONTAINERS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
# Part of the free memory that resized images may take: the rest is for those who use them.
_SHARE = {"cuda": 0.5, "cpu": 0.25}


def free_and_total(device: torch.device) -> tuple[int, int]:
    """Bytes that are free on a device, a CPU's or a GPU's, and bytes in all."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)
    memory = psutil.virtual_memory()
    free, total = int(memory.available), int(memory.total)
    for limit_file, use_file in CONTAINERS:
        if Path(limit_file).is_file() and (limit := Path(limit_file).read_text().strip()).isdigit():
            used = int(Path(use_file).read_text())
            free, total = min(free, int(limit) - used), min(total, int(limit))
    return free, total


def room_for_images(device: torch.device) -> int:
    """Bytes that resized images of one kind may take on a device now."""
    return int(_SHARE.get(device.type, 0) * free_and_total(device)[0])
