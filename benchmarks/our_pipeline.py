"""The same grid by asymdistill: trains, encodes, probes and measures the ranks, and prints the seconds as JSON.

Run by ``benchmarks.grid``, which gives both pipelines the same images, students, epochs and noise levels.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from asymdistill.models.teachers import PRECISIONS, untrained_teacher
from asymdistill.study.study import Study


def main() -> None:
    """Run the grid on images from a file and print the seconds of each stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True, help="an .npz file as asymdistill takes it")
    parser.add_argument("--teacher", default="open_clip:ViT-B-32-quickgelu/openai", help="its architecture counts")
    parser.add_argument("--resolution", type=int, default=224)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--autocast", default="off")
    chosen = parser.parse_args()
    changed = {
        "dataset": str(chosen.images.resolve()),
        "teacher": chosen.teacher,
        "resolution": chosen.resolution,
        "epochs": chosen.epochs,
        "device": chosen.device,
        "autocast": chosen.autocast,
        "controls": [],
        "augmentation_seeds": 0,
    }
    with tempfile.TemporaryDirectory() as folder:
        study = Study.open("cifar10-clip", changed, folder)
        # Random weights take as long as published ones, which can't be had everywhere.
        study.experiment.teacher = untrained_teacher(study.settings.teacher).to(study.experiment.device)
        study.experiment.teacher.precision = PRECISIONS[study.settings.teacher_precision]
        begin = time.perf_counter()
        study.experiment.train_students()
        trained = time.perf_counter()
        study.spectrum()
        study.robustness()
        end = time.perf_counter()
    print(json.dumps({"training": trained - begin, "evaluation": end - trained, "seconds": end - begin}))


if __name__ == "__main__":
    main()
