"""The tables of a run for readers to download: each as CSV, and all of them as one archive."""

import shutil
import zipfile
from pathlib import Path

HOLDS = {
    "training": "training loss, by student and epoch",
    "models": "the teacher and the students, with the number of their parameters",
    "singular_values": "singular values of the centred test embeddings, by model",
    "spectrum": "effective rank and dimensions for 90 % of the variance, by model and estimator",
    "alignment": "cumulative share of the variance within the teacher's leading components",
    "information": "InfoNCE and uniformity loss, by student",
    "robustness": "probe accuracy, by model and noise",
    "augmentation": "the largest student, trained with and without augmentation",
    "control": "what a control measured, by quantity, variant and model",
    "expansion": "students of several objectives, by quantity, comparison and noise",
    "generality": "students of other teachers and of other images",
}
ARCHIVE = "tables.zip"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same tables make the same archive


def write_downloads(tables: Path, folder: Path) -> None:
    """Copy the tables of a run beside the pages, and list them.

    Args:
        tables: folder with the run's CSV files.
        folder: gets ``tables/`` with them and their archive, and the Markdown ``tables.md``, which a page in the
            folder above includes.
    """
    into = folder / "tables"
    into.mkdir(parents=True)
    found = sorted(tables.glob("*.csv"))
    with zipfile.ZipFile(into / ARCHIVE, "w", zipfile.ZIP_DEFLATED) as archive:
        for table in found:
            shutil.copy2(table, into)
            archive.writestr(zipfile.ZipInfo(f"tables/{table.name}", EPOCH), table.read_bytes(), zipfile.ZIP_DEFLATED)
    place = f"{folder.name}/tables"
    lines = [f"All of them: [{ARCHIVE}]({place}/{ARCHIVE}).", "", "| table | holds | rows |", "| :--- | :--- | ---: |"]
    for table in found:
        rows = max(table.read_bytes().count(b"\n") - 1, 0)
        lines.append(
            f"| [{table.name}]({place}/{table.name}) | {HOLDS.get(table.stem.partition('-')[0], '')} | {rows:,} |"
        )
    (folder / "tables.md").write_text("\n".join([*lines, ""]), "utf-8")
