"""The grid by asymdistill: train, encode, probe and measure the ranks; print the seconds as JSON.

Run by ``benchmarks.runs``, which gives both pipelines the same images, students, epochs and noise levels.
"""

import json
import tempfile
import time
from pathlib import Path

from safetensors.torch import save_file

from asymdistill.config.names import SHIPPED_TEACHERS
from asymdistill.models.teachers import untrained_teacher
from asymdistill.study import Study
from benchmarks.pipelines import options


def random_weights(teacher: str, path: Path) -> Path | None:
    """Write random weights for an open_clip teacher: as fast as the published ones, and no download.

    Returns:
        The file; None for a teacher that comes with the package.
    """
    if teacher in SHIPPED_TEACHERS:
        return None
    clip = untrained_teacher(teacher).text_tower
    assert clip is not None
    save_file({name: tensor.contiguous() for name, tensor in clip.state_dict().items()}, path)
    return path


def main() -> None:
    """Run the grid on images from a file and print the seconds of each stage."""
    chosen = options(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        changed = {
            "dataset": str(chosen.images.resolve()),
            "teacher": chosen.teacher,
            "teacher_weights": random_weights(chosen.teacher, Path(folder) / "teacher.safetensors"),
            "resolution": chosen.resolution,
            "widths": chosen.widths,
            "seeds": chosen.seeds,
            "epochs": chosen.epochs,
            "device": chosen.device,
            "autocast": "off",
            "controls": [],
            "augmentation_seeds": 0,
        }
        study = Study.open("cifar10-clip", changed, folder)
        study.models()  # loads the teacher, as the reference does before its clock starts
        begin = time.perf_counter()
        study.training()
        trained = time.perf_counter()
        study.spectrum()
        study.robustness()
        end = time.perf_counter()
    print(json.dumps({"training": trained - begin, "evaluation": end - trained, "seconds": end - begin}))


if __name__ == "__main__":
    main()
