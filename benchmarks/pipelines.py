"""What both pipelines, ours and the reference, are given: images, a teacher, and a student of each width and seed."""

import argparse
from pathlib import Path

TEACHER, RESOLUTION = "open_clip:ViT-B-32-quickgelu/openai", 224
WIDTHS, SEEDS, EPOCHS = (1, 2, 4), (42, 123, 456), 1


def options(description: str | None) -> argparse.Namespace:
    """The command line of a pipeline; what it leaves out is as ``python -m benchmarks`` has it."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--images", type=Path, required=True, help="an .npz file as asymdistill takes it")
    parser.add_argument("--teacher", default=TEACHER, help="its weights are random")
    parser.add_argument("--resolution", type=int, default=RESOLUTION)
    parser.add_argument("--widths", type=float, nargs="+", default=WIDTHS)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--device", default="cpu")
    return parser.parse_args()
