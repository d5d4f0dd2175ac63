"""The machine's ceiling: what it can compute and copy at most, and what a training step needs at least."""

import math

import torch
from torch import Tensor, nn

from asymdistill.models.students import ScalableCNN
from benchmarks.measuring import Record, seconds

FLOAT_BYTES = 4


def measure(device: str) -> Record:
    """Rates of a large matrix product and of a large copy, with all of PyTorch's threads.

    Returns:
        ``matrix_gflops`` and ``matrix_gflops_double`` in 1e9 floating-point operations per second, a multiply-add being
        two; ``copy_gbytes`` in 1e9 bytes per second, read or written. On a GPU also ``matrix_gflops_bfloat16``.
    """
    side = 4096 if device == "cpu" else 16384
    rates = {"matrix_gflops": torch.float32, "matrix_gflops_double": torch.float64}
    if device != "cpu":
        rates["matrix_gflops_bfloat16"] = torch.bfloat16
    found = {name: _matrix(side, kind, device) for name, kind in rates.items()}
    source = torch.randn(2**27 if device == "cpu" else 2**30, device=device)
    target = torch.empty_like(source)
    copied = 2 * FLOAT_BYTES * source.numel()
    return {**found, "copy_gbytes": copied / seconds(lambda: target.copy_(source), device=device) / 1e9}


def _matrix(side: int, kind: torch.dtype, device: str) -> float:
    left, right = torch.randn(2, side, side, device=device, dtype=torch.float32).to(kind)
    product = torch.empty_like(left)
    return 2 * side**3 / seconds(lambda: torch.mm(left, right, out=product), device=device) / 1e9


def work(width: float, resolution: int) -> list[tuple[float, float]]:
    """Floating-point operations and bytes of one image's training step in each layer of a student.

    Operations are those of convolutions and linear layers, twice as many backward as forward, except in the first
    layer, whose input needs no gradient. Bytes are those of float32 activations, each read or written once per use:
    input and output forward; input, and the gradients of output and input, backward. Weights are left out, since a
    batch shares them, and so is the optimiser.
    """
    found: list[tuple[float, float]] = []

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        given, first = inputs[0], not found
        operations = 2.0 * _multiplications(layer, output)
        moved = FLOAT_BYTES * (given.numel() + output.numel() + output.numel() + given.numel() * (1 if first else 2))
        found.append((operations * (2 if first else 3), float(moved)))

    with torch.device("meta"):
        student = ScalableCNN(width)
        for layer in student.modules():
            if not list(layer.children()):
                layer.register_forward_hook(count)
        student(torch.empty(1, 3, resolution, resolution))
    return found


def least_seconds(layers: list[tuple[float, float]], rates: Record, matrix: str = "matrix_gflops") -> tuple[float, str]:
    """Lower bound on the seconds of one image's step, layer by layer, and which of the two limits dominates it."""
    arithmetic = [operations / rates[matrix] / 1e9 for operations, _ in layers]
    memory = [moved / rates["copy_gbytes"] / 1e9 for _, moved in layers]
    floors = list(map(max, arithmetic, memory))
    by_memory = math.fsum(floor for floor, moving in zip(floors, memory, strict=True) if floor == moving)
    total = math.fsum(floors)
    return total, "copy" if by_memory > total / 2 else "matrix"


def _multiplications(layer: nn.Module, output: Tensor) -> int:
    """Multiplications in a layer's forward pass: every weight once for each position of the output."""
    if isinstance(layer, nn.Conv2d):
        return layer.weight.numel() * output[0, 0].numel()
    return layer.weight.numel() if isinstance(layer, nn.Linear) else 0
