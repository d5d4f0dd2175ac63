"""Devices: which one a setting names, its name in words, its cores and its free memory."""

import os
import platform
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import torch

from asymdistill.runtime.errors import InputError

# What a container may use and what it does use, in the two versions of Linux's control groups.
CONTAINERS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def free_and_total(device: torch.device) -> tuple[int, int]:
    """Free and total memory of a device, in bytes: a GPU's own, or the CPU's."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)
    memory = psutil.virtual_memory()
    free, total = int(memory.available), int(memory.total)
    for limit_file, use_file in CONTAINERS:
        if Path(limit_file).is_file() and (limit := Path(limit_file).read_text().strip()).isdigit():
            used = int(Path(use_file).read_text())
            free, total = min(free, int(limit) - used), min(total, int(limit))
    return free, total


def check_room(what: str, size: int) -> None:
    """Refuse what does not fit into the free memory of the host, before any of it is taken.

    Args:
        what: names it at the beginning of the message.
        size: in bytes.

    Raises:
        InputError: there is less.
    """
    free, _ = free_and_total(torch.device("cpu"))
    if size > free:
        raise InputError(f"{what} need {size / 2**30:,.1f} GiB of memory; {max(0, free) / 2**30:,.1f} GiB are free")


def resolve_device(device: str) -> torch.device:
    """The device that a setting names; ``auto`` is a GPU if there is one.

    Raises:
        InputError: a GPU was asked for that is not there.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = device.partition(":")  # torch.device wraps an index that does not fit into 8 bits
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise InputError(f"device is {device!r}; CUDA devices here: {torch.cuda.device_count()}; allowed: 'cpu'")
    return torch.device(device)


def describe_device(device: torch.device) -> str:
    """A device in words: the GPU's name, or the CPU's architecture and number of cores."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU ({platform.machine()}, {cores()} cores)"


def kind_of_device(device: torch.device) -> str:
    """The part of a device's description that results may depend on: the GPU's name, or the CPU's architecture."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU ({platform.machine()})"


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_bfloat16(device: torch.device) -> bool:
    """Whether a CPU has instructions for matrix products in bfloat16 (AMX, AVX512-BF16); without, they are slow."""
    # torch.cpu.get_capabilities says it, too, but is younger than the oldest torch that is allowed.
    found = (getattr(torch.cpu, name, bool)() for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"))
    return device.type == "cpu" and any(found)
