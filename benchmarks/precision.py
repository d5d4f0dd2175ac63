"""Whether students that are trained in bfloat16 end where those trained in float32 do."""

import tempfile
from collections.abc import Iterator

from asymdistill.study.study import Study
from benchmarks.measuring import Record

# The first paper's students on the embedded profile, and nothing else.
GRID = {"objectives": ["cosine"], "controls": [], "sweeps": [], "other_teachers": [], "other_datasets": []}
LEVELS = {"noise_levels": [0.0], "noise_spaces": ["normalised"], "augmentation_seeds": 0}


def measure(device: str) -> Iterator[Record]:
    """One record a student and precision: its effective rank and its probe's accuracy in percent."""
    for precision, autocast in (("float32", "off"), ("bfloat16", "bfloat16")):
        with tempfile.TemporaryDirectory() as folder:
            study = Study.open("embedded", {**GRID, **LEVELS, "autocast": autocast, "device": device}, folder)
            ranks, accuracies = study.spectrum(), study.robustness()
            seconds = study.experiment.manifest()["seconds"]["train students"]
        ranks = ranks[(ranks["quantity"] == "effective_rank") & (ranks["estimator"] == "per seed")]
        both = ranks.merge(accuracies, on=["model", "width", "seed"]).dropna(subset=["seed"])
        for row in both.to_dict("records"):
            yield {"model": row["model"], "seed": int(row["seed"]), "precision": precision, "all_trained_in": seconds,
                   "effective rank": row["value"], "accuracy": row["accuracy"]}  # fmt: skip
