"""Images per second: students in training, and teachers."""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import nn

from asymdistill.config.names import SHIPPED_TEACHERS
from asymdistill.data.views import View
from asymdistill.models import students
from asymdistill.models.teachers import untrained_teacher
from asymdistill.runtime import devices, executors
from asymdistill.training.distillation import Recipe, distil
from benchmarks import ceiling
from benchmarks.measuring import Record, module, seconds

WIDTHS, RESOLUTIONS = (0.5, 1, 2, 4), (32, 112, 224)
BATCH = 64
# Timed steps after one warm-up step, as many as take some seconds.
STEPS = {32: 20, 112: 4, 224: 2}
# Side of what each sees, and images: as many as take some seconds.
TEACHERS = (
    (SHIPPED_TEACHERS[0], 128, 800),
    (SHIPPED_TEACHERS[0], 224, 400),
    ("timm:vit_small_patch14_dinov2.lvd142m", 224, 100),
    ("open_clip:ViT-B-32-quickgelu/openai", 224, 100),
)
SIZES = (1, 2, 4)


def measure_training(device: str, rates: Record) -> Iterator[Record]:
    """Images per second in training beside the machine's ceiling.

    As many students as there are cores train in parallel, as in a run, each in float32 on batches of 64; on a GPU a
    single one, in bfloat16 as well. Each measurement runs in a process of its own, so that its peak memory is its own.

    Yields:
        One record per width, resolution and precision.
    """
    for precision in ("float32",) if device == "cpu" else ("float32", "bfloat16"):
        for resolution in RESOLUTIONS:
            for width in WIDTHS:
                found = module("networks", "--width", width, "--resolution", resolution, "--device", device,
                               "--precision", precision)  # fmt: skip
                layers = ceiling.work(width, resolution)
                matrix = "matrix_gflops" if precision == "float32" else "matrix_gflops_bfloat16"
                least, limit = ceiling.least_seconds(layers, rates, matrix)
                yield {
                    "width": width, "resolution": resolution, "precision": precision, **found,
                    "gflop_per_image": sum(operations for operations, _ in layers) / 1e9,
                    "gbytes_per_image": sum(moved for _, moved in layers) / 1e9,
                    "limit": limit, "share_of_ceiling": least * found["images_per_second"],
                }  # fmt: skip


def measure_teachers(device: str) -> Iterator[Record]:
    """Seconds to embed images, with random weights if none are shipped.

    Each teacher computes in float32, and in bfloat16 where the device has instructions for it.

    Yields:
        One record per teacher, resolution, precision and number of images.
    """
    half = device != "cpu" or devices.has_bfloat16(torch.device(device))
    for name, resolution, images in TEACHERS:
        for precision in (torch.float32, torch.bfloat16)[: 1 + half]:
            teacher = untrained_teacher(name, resolution).to(device)
            teacher.compute_in(precision)
            for times in SIZES:
                pixels = torch.randint(0, 256, (images * times, 32, 32, 3), dtype=torch.uint8)
                taken = seconds(partial(teacher.encode, pixels), repeats=1, device=device)
                count = len(pixels)
                yield {"teacher": name, "resolution": resolution, "precision": str(precision).removeprefix("torch."),
                       "images": count, "seconds": taken, "images_per_second": count / taken}  # fmt: skip


def rate(width: float, resolution: int, device: str, precision: torch.dtype) -> Record:
    """Images per second of students that train in parallel."""
    workers = devices.cores() if device == "cpu" else 1
    steps = STEPS[resolution] * (1 if device == "cpu" else 20)
    images = torch.randint(0, 256, (BATCH, resolution, resolution, 3), dtype=torch.uint8)
    targets = torch.nn.functional.normalize(torch.randn(BATCH, 512), dim=1)
    recipe = Recipe(epochs=steps + 1, batch_size=BATCH, precision=precision)
    begun: list[float] = []
    ended: list[float] = []

    def work(student: nn.Module, check: Callable[[], None]) -> None:
        def step(done: int) -> None:
            if device != "cpu":
                torch.cuda.synchronize()
            (begun if done == 1 else ended).append(time.perf_counter())

        distil(student, images, targets, View(resolution), recipe, seed=0, device=device, progress=step)

    made = [students.build(students.Design(width), 512, seed) for seed in range(workers)]
    executors.Threads(workers).map(work, made)
    return {"students": workers, "images_per_second": workers * steps * BATCH / (max(ended) - min(begun))}


def main() -> None:
    """Time one width at one resolution; print the record as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=float, required=True)
    parser.add_argument("--resolution", type=int, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    chosen = parser.parse_args()
    print(json.dumps(rate(chosen.width, chosen.resolution, chosen.device, getattr(torch, chosen.precision))))


if __name__ == "__main__":
    main()
