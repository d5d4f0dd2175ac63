"""The tables of a study beside those of recorded runs on photographs: what chapters compare with the paper."""

import itertools
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from statistics import mean
from typing import Any

import pandas as pd

from asymdistill.config.names import CONTROL_TITLES, PAPER, PHOTOGRAPHS, THIS_COPY, image_source
from asymdistill.config.settings import CONTROLS
from asymdistill.data.preprocess import CLIP_STD
from asymdistill.study.description import describe
from asymdistill.study.folders import RESULTS
from asymdistill.study.recorded import Recorded, recorded_runs
from asymdistill.study.study import Study

CONTROLS_TABLE, GENERALITY, CONTROL = "controls", "generality", "control-"
WORDS = {
    **{"spectrum": "effective rank", "singular_values": "spectra", "alignment": "alignment"},
    **{"information": "losses", "robustness": "accuracy under noise", "augmentation": "augmentation"},
    "expansion": "InfoNCE",
}
"""What tables are about, for readers."""
TRAINING = (
    *("data_seed", "resolution", "seeds", "smallest_width", "largest_width"),
    *("baseline", "epochs", "batch_size", "learning_rate", "autocast"),
)
EXPERIMENT = (
    *("dataset", "train_limit", "test_limit", *TRAINING),
    *("teacher", "teacher_weights", "teacher_resolution", "teacher_crop", "teacher_precision"),
)


class Evidence:
    """A study, and for each table the largest recorded run on photographs that has it.

    Controls that this run lacks are those of other recorded runs of the same experiment.

    Args:
        study: the book's own.
        recorded: a recorded run or a folder of them, as ``recorded_runs`` takes it; None: the study alone.

    Attributes:
        study: the book's own.
        recorded: all recorded runs, those with the most training images first.
        on_photographs: those of them whose images were not generated.

    Raises:
        InputError: ``recorded`` is no such folder.
    """

    def __init__(self, study: Study, recorded: str | Path | None = RESULTS) -> None:
        self.study = study
        self.recorded = [] if recorded is None else recorded_runs(recorded)
        self.on_photographs = [run for run in self.recorded if image_source(run.settings.dataset) != "generated"]

    def photographs(self, name: str) -> Recorded | None:
        """The recorded run whose table of that name is shown: of those that have any row of it, the largest."""
        return next((run for run in self.on_photographs if _has(run, name)), None)

    def table(self, name: str, *, of: str | None = None) -> dict[str, pd.DataFrame]:
        """A table by where it is from: ``photographs``, if a recorded run has it, and ``this copy``.

        Args:
            name: of the table.
            of: name of another, to take the run whose table of that name is shown.
        """
        run = self.photographs(of or name)
        recorded = self._recorded_controls() if name == CONTROLS_TABLE else run and run.table(name)
        return ({} if recorded is None else {PHOTOGRAPHS: recorded}) | {THIS_COPY: self.study.table(name)}

    def baseline(self, name: str, *, of: str | None = None) -> dict[str, pd.DataFrame]:
        """The same of the teacher and of the students that were trained for each run's first objective.

        Args:
            name: of the table.
            of: as for ``table``.
        """
        run = self.photographs(of or name)
        recorded = None if run is None else run.baseline(name)
        return ({} if recorded is None else {PHOTOGRAPHS: recorded}) | {THIS_COPY: self.study.baseline(name)}

    def control(self, name: str) -> dict[str, pd.DataFrame]:
        """The rows of one control by where they are from; no other control of the study is computed."""
        recorded = self._recorded_controls()
        found = {} if recorded is None else {PHOTOGRAPHS: recorded[recorded["control"] == name]}
        return found | {THIS_COPY: self.study.controls(name)}

    def generality(self) -> dict[str, pd.DataFrame]:
        """The table of generality of this copy, and that of recorded runs that differ in images and teacher alone."""
        tables = [rows for _, rows in self._crossed]
        recorded = {PHOTOGRAPHS: pd.concat(tables, ignore_index=True)} if tables else {}
        return recorded | {THIS_COPY: self.study.generality()}

    def epochs(self, name: str) -> dict[str, int]:
        """For how many epochs students were trained, by where a table is from."""
        run = self.photographs(name)
        return ({} if run is None else {PHOTOGRAPHS: run.settings.epochs}) | {THIS_COPY: self.study.settings.epochs}

    def test_images(self, name: str) -> dict[str, int]:
        """How many test images the embeddings of the spectrum are of, by where a table is from."""
        spectra = self.baseline("spectrum", of=name)
        return {where: int(table["images"].max()) for where, table in spectra.items()}

    def chance(self, name: str) -> dict[str, float]:
        """Accuracy of guessing in percent, of the paper's images (CIFAR-10) and by where a table is from.

        A recorded run of an unknown number of classes is left out.
        """
        run, own = self.photographs(name), self.study.sizes["classes"]
        classes = {PAPER: 10, PHOTOGRAPHS: run and run.sizes.get("classes"), THIS_COPY: own}
        return {where: 100 / count for where, count in classes.items() if count}

    def pixels(self, name: str) -> dict[str, float]:
        """What a unit of the normalised tensor is in units of the range of a pixel: the same, with the paper's CLIP."""
        run = self.photographs(name)
        view = None if run is None else run.manifest.get("teacher", {}).get("view")
        known = {PHOTOGRAPHS: mean(view["std"])} if view else {}
        return {PAPER: mean(CLIP_STD), **known, THIS_COPY: self.study.pixel_units()}

    def description(self, *names: str) -> str:
        """What the study is and, for the tables of these names, which recorded run stands beside it: Markdown.

        Where runs differ from table to table, it says of each which tables it is behind. ``control-<name>`` stands for
        the rows of one control.
        """
        behind: dict[Recorded, list[str]] = {}
        for words, run in itertools.chain.from_iterable(map(self._behind, names)):
            behind.setdefault(run, []).append(words)
        lines = [self.study.description()]
        for run, about in behind.items():
            tables = f" ({', '.join(dict.fromkeys(about))})" if len(behind) > 1 and all(about) else ""
            lines.append(f"**Photographs**{tables}: {describe(run.settings, run.sizes, run.manifest)}")
        return "\n\n".join(lines)

    def _behind(self, name: str) -> Iterator[tuple[str, Recorded]]:
        """The recorded runs that a table is made of, each with a few words on what it is behind, if they are needed."""
        if name == CONTROLS_TABLE:
            for part in self._with_controls:
                yield from self._behind(part)
        elif control := self._with_controls.get(name):
            yield CONTROL_TITLES[name.removeprefix(CONTROL)].lower(), control
        elif name == GENERALITY:
            yield from (("", run) for run, _ in self._crossed)
        elif run := self.photographs(name):
            yield WORDS[name], run

    @cached_property
    def _crossed(self) -> list[tuple[Recorded, pd.DataFrame]]:
        """Rows of generality, and their run, of recorded runs with as many images and the same training.

        There may be several such sets of runs: the one with the most pairs of images and teacher counts, and of equal
        ones that with the most images. Each pair is that of the first run which has it.
        """
        alike: dict[Any, dict[Any, tuple[Recorded, pd.DataFrame]]] = {}
        for run in self.on_photographs:
            if (table := run.table(GENERALITY)) is not None:
                pairs = alike.setdefault(_trained(run), {})
                for pair, rows in table.groupby(["dataset", "teacher"], sort=False):
                    pairs.setdefault(pair, (run, rows))
        return list(max(alike.values(), key=len, default={}).values())

    @cached_property
    def _with_controls(self) -> dict[str, Recorded]:
        """The run of each control: the largest that has any, or where it lacks one, another of the same experiment."""
        first = self.photographs(CONTROLS_TABLE)
        alike = [run for run in self.on_photographs if first is not None and _experiment(run) == _experiment(first)]
        names = [f"{CONTROL}{control}" for control in CONTROLS]
        found = {name: next((run for run in alike if _has(run, name)), None) for name in names}
        return {name: run for name, run in found.items() if run is not None}

    def _recorded_controls(self) -> pd.DataFrame | None:
        tables = [run.table(name) for name, run in self._with_controls.items()]
        return pd.concat(tables, ignore_index=True) if tables else None


def _experiment(run: Recorded) -> dict[str, Any]:
    """What two runs agree in whose controls are of the same students: these are of the first objective alone."""
    return {name: getattr(run.settings, name) for name in EXPERIMENT}


def _trained(run: Recorded) -> tuple[Any, ...]:
    """What two runs agree in that differ in nothing but images and teacher."""
    sizes = (run.sizes.get("train"), run.sizes.get("test"))
    return *sizes, *(getattr(run.settings, name) for name in TRAINING)


def _has(run: Recorded, name: str) -> bool:
    """Whether a run has anything to show in a table; one of augmentation needs students that were augmented."""
    table = run.table(name)
    if table is None or table.empty:
        return False
    return name != "augmentation" or bool(table["augmented"].any())
