"""The tables of a study beside those of recorded runs on photographs: what chapters compare with the paper."""

from functools import cache
from pathlib import Path
from statistics import mean

import pandas as pd

from asymdistill.config.names import PAPER, PHOTOGRAPHS, THIS_COPY, image_source
from asymdistill.data.preprocess import CLIP_STD
from asymdistill.study.folders import RESULTS
from asymdistill.study.recorded import Recorded, recorded_runs
from asymdistill.study.study import Study, describe


class Evidence:
    """A study, and for each table the largest recorded run on photographs that has it.

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
        self._largest = cache(self._largest_with)  # a chapter asks several times, and tables are read from files

    def photographs(self, name: str) -> Recorded | None:
        """The recorded run whose table of that name is shown: of those that have any row of it, the largest."""
        return self._largest(name)

    def _largest_with(self, name: str) -> Recorded | None:
        found = ((run, run.table(name)) for run in self.on_photographs)
        return next((run for run, table in found if table is not None and not table.empty), None)

    def table(self, name: str) -> dict[str, pd.DataFrame]:
        """A table by where it is from: ``photographs``, if a recorded run has it, and ``this copy``."""
        run = self.photographs(name)
        recorded = None if run is None else run.table(name)
        return ({} if recorded is None else {PHOTOGRAPHS: recorded}) | {THIS_COPY: self.study.table(name)}

    def baseline(self, name: str) -> dict[str, pd.DataFrame]:
        """The same of the teacher and of the students that were trained for each run's first objective."""
        run = self.photographs(name)
        recorded = None if run is None else run.baseline(name)
        return ({} if recorded is None else {PHOTOGRAPHS: recorded}) | {THIS_COPY: self.study.baseline(name)}

    def generality(self) -> dict[str, pd.DataFrame]:
        """The table of generality of all recorded runs on photographs, and that of this copy."""
        tables = [table for run in self.on_photographs if (table := run.table("generality")) is not None]
        recorded = {PHOTOGRAPHS: pd.concat(tables, ignore_index=True)} if tables else {}
        return recorded | {THIS_COPY: self.study.generality()}

    def epochs(self, name: str) -> dict[str, int]:
        """For how many epochs students were trained, by where a table is from."""
        run = self.photographs(name)
        return ({} if run is None else {PHOTOGRAPHS: run.settings.epochs}) | {THIS_COPY: self.study.settings.epochs}

    def chance(self, name: str) -> dict[str, float]:
        """Accuracy of guessing in percent, of the paper's images (CIFAR-10) and by where a table is from.

        A recorded run of an unknown number of classes is left out.
        """
        run, own = self.photographs(name), self.study.sizes["classes"]
        classes = {PAPER: 10, PHOTOGRAPHS: run and run.images.get("classes"), THIS_COPY: own}
        return {where: 100 / count for where, count in classes.items() if count}

    def pixels(self, name: str) -> dict[str, float]:
        """What a unit of the normalised tensor is in units of the range of a pixel: the same, with the paper's CLIP."""
        run = self.photographs(name)
        view = None if run is None else run.manifest.get("teacher", {}).get("view")
        known = {PHOTOGRAPHS: mean(view["std"])} if view else {}
        return {PAPER: mean(CLIP_STD), **known, THIS_COPY: self.study.pixel_units()}

    def description(self, *names: str) -> str:
        """What the study is and, for the tables of these names, which recorded run stands beside it: Markdown."""
        runs = {run.folder: run for name in names if (run := self.photographs(name)) is not None}
        lines = [self.study.description(), *(f"**Photographs**: {_described(run)}" for run in runs.values())]
        return "\n\n".join(lines)


def _described(run: Recorded) -> str:
    return describe(run.settings, run.images, run.manifest)
