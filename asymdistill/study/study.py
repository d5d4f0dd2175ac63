"""A study: what is computed under one set of settings, as tables."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, get_args

import pandas as pd

from asymdistill.config.names import GAINS, IDENTITY, TABLES, TEACHER, student_name
from asymdistill.config.profiles import load_settings
from asymdistill.config.settings import NO_RESULT, Settings
from asymdistill.data import datasets
from asymdistill.data.datasets import ImageSet, Split
from asymdistill.experiment import suitability
from asymdistill.experiment.experiment import Experiment
from asymdistill.experiment.measurements import Measurements
from asymdistill.experiment.student_configs import Model, StudentConfig
from asymdistill.runtime.errors import InputError, check_option
from asymdistill.runtime.markup import as_code
from asymdistill.store import files
from asymdistill.store.keys import canonical
from asymdistill.study import controls, expansion, generality, tables
from asymdistill.study.crossed import crossed
from asymdistill.study.description import describe
from asymdistill.study.folders import default_runs_dir
from asymdistill.study.manifest import Manifest
from asymdistill.study.recorded import of_objective
from asymdistill.study.rows import Measured, Row


class Study:
    """Everything that is measured under one set of settings.

    Every table is in long form, one measurement per row, and starts with the columns model, width, seed, objective and
    augmented. Students, embeddings and measurements are computed when they are first asked for, once for all studies
    that share a store; tables are always put together from them.

    Args:
        profile: name of the profile, for the folder and the reader.
        settings: validated settings.
        runs_dir: where the folders of runs lie, and the store unless the settings name another; None: ``runs`` in the
            book's checkout or else in the working folder.
        fresh: compute again what other code, other versions of a library or another kind of device made.

    Raises:
        InputError: a device, file or image set that is not there.
    """

    def __init__(
        self, profile: str, settings: Settings, runs_dir: str | Path | None = None, *, fresh: bool = False
    ) -> None:
        if runs_dir == "":
            raise InputError("runs_dir is empty; allowed: a path, or None")
        self.profile = profile
        self.settings = settings
        self._runs_dir = Path(runs_dir) if runs_dir is not None else default_runs_dir()
        self._run = Experiment(settings, self._runs_dir, fresh=fresh)
        self._measurements = Measurements(self._run)
        self._measured = Measured(self._run, self._measurements)
        kept = canonical(settings.model_dump(mode="json", exclude=set(NO_RESULT)))
        self.folder = self._runs_dir / f"{profile}-{files.digest_bytes(kept.encode())[:10]}"
        self._checked = False
        self._tables: dict[str, pd.DataFrame] = {}
        self._manifest = Manifest(self.folder, profile, settings, self._run)

    @classmethod
    def open(
        cls,
        profile: str | Path,
        overrides: Mapping[str, Any] | str | None = None,
        runs_dir: str | Path | None = None,
        *,
        fresh: bool = False,
    ) -> Self:
        """Open the study of a profile, with overrides as a mapping or as JSON: what the notebooks call."""
        return cls(*load_settings(profile, overrides), runs_dir, fresh=fresh)

    def images(self, split: Split) -> ImageSet:
        """The training or the test images; every metric is computed on the latter."""
        return self._run.images.of(split)

    @property
    def sizes(self) -> dict[str, int]:
        """Numbers of images in ``train`` and ``test``, and of ``classes``."""
        return self._run.images.sizes

    def save_embeddings(self, folder: str | Path | None = None) -> dict[str, Path]:
        """Write the test embeddings of the teacher, and of every width's first student, as files for other tools.

        Args:
            folder: None: ``embeddings`` in the study's own folder.

        Returns:
            For each model the path of its .safetensors file, whose one tensor is N x d.
        """
        first: dict[str, StudentConfig] = {}
        for config in self._run.configs.baseline():
            first.setdefault(student_name(config.width), config)
        models: dict[str, Model] = {TEACHER: None, **first}
        self._run.students.train([*first.values()])
        paths = {name: Path(folder or self.folder / "embeddings") / f"{name}.safetensors" for name in models}
        for name, path in paths.items():
            files.write_safetensors(path, {"embeddings": self._run.encode(models[name], "test")}, durable=False)
        return paths

    def pixel_units(self) -> float:
        """What a unit of the normalised tensor is in units of the range of a pixel, on average over the channels."""
        std = self._run.teacher.view.std
        return sum(std) / len(std)

    def students(self) -> list[StudentConfig]:
        """Every student of the study: of the grid, augmented, of the controls and of chapter 6's comparisons."""
        return self._run.configs.everyone()

    def check(self) -> None:
        """Find images that no table can be made of, and missing weights of other teachers, before hours of training.

        Raises:
            InputError: it names what is wrong, or missing.
        """
        if self._checked:
            return
        self._run.images.check()
        for other in self.crossed():
            images = suitability.census(other.settings)
            if images.missing and not other.settings.download:
                raise InputError(f"{other.settings.dataset} is missing: {images.missing}; download is false")
            suitability.check_beforehand(other.settings, images)
            _ = other._run.teacher.key  # holds the digest of the weights
        self._checked = True

    def images_note(self) -> str:
        """What was left out of a user's own images, or stands in for something else; empty if nothing."""
        return datasets.note(self.settings.dataset)

    def train(self) -> None:
        """Train every student that is not stored yet, the longest first."""
        self._run.students.train(self.students())

    def count_students(self) -> tuple[int, int]:
        """How many of the study's students are stored, and how many are to be trained."""
        return self._run.students.count(self.students())

    def counts(self) -> dict[str, tuple[int, int, list[str]]]:
        """By kind of result: how many were found and how many computed so far, and how those found differ."""
        store = self._run.store
        kinds = dict.fromkeys([*store.found, *store.made])
        return {
            kind: (
                store.found[kind],
                store.made[kind],
                [f"{count} by {what}" for what, count in store.differing.get(kind, {}).items()],
            )
            for kind in kinds
        }

    def description(self) -> str:
        """What this study is, in one paragraph of Markdown: images, teacher, students, and what made its numbers."""
        made = self._manifest.made() | {"run": self.folder.name}
        return f"**Profile {as_code(self.profile)}**: {describe(self.settings, self.sizes, made)}"

    def provenance(self) -> dict[str, str]:
        """What made this study's numbers, in a few words each, for the foot of a page."""
        return {"profile": self.profile, "run": self.folder.name, **self._manifest.made()}

    def made_from(self) -> dict[Path, dict[str, Any]]:
        """What this study and those crossed with it are made from, by their folders: settings, teacher and images."""
        own = {
            "settings": self.settings.model_dump(mode="json", exclude=set(NO_RESULT)),
            "teacher": self._run.teacher.key,
            "images": [self._run.images.artifact(split).key for split in get_args(Split)],
        }
        others = [other.made_from() for other in self.crossed()]
        return {self.folder: own} | {folder: made for other in others for folder, made in other.items()}

    def manifest(self) -> dict[str, Any]:
        """What is known of the run: its settings, what made it, and the seconds that it took by kind of result."""
        return self._manifest.read()

    # Tables

    def models(self) -> pd.DataFrame:
        """The models and their sizes: columns parameters, embedding_dim, one row per width."""
        return self._table("models", tables.models(self._measured))

    def training(self) -> pd.DataFrame:
        """Mean loss of each epoch, the cosine distance with the objective's own term: columns epoch, loss."""
        return self._table("training", tables.training(self._measured))

    def singular_values(self) -> pd.DataFrame:
        """Singular values of the centred test embeddings: columns component (from 1), value."""
        return self._table("singular_values", tables.singular_values(self._measured))

    def spectrum(self) -> pd.DataFrame:
        """Effective ranks and dimensions for 90 % of the variance: columns estimator, quantity, value, images.

        The estimator is ``per seed``, or ``mean spectrum`` for that of the singular values averaged over the seeds,
        which is what the first paper's Table I reports.
        """
        return self._table("spectrum", tables.spectrum(self._measured))

    def alignment(self) -> pd.DataFrame:
        """Cumulative share of a model's variance within the teacher's leading components: columns component, share."""
        return self._table("alignment", tables.alignment(self._measured))

    def information(self) -> pd.DataFrame:
        """InfoNCE, its bound in nats, and uniformity by several estimators: columns quantity, value."""
        return self._table("information", tables.information(self._measured))

    def robustness(self) -> pd.DataFrame:
        """Accuracy in percent of the clean probe under noise: columns noise_space, sigma, accuracy."""
        return self._table("robustness", tables.robustness(self._measured, self.settings.noise_spaces))

    def augmentation(self) -> pd.DataFrame:
        """The augmentation control: columns as in ``robustness``, and effective_rank on the clean test images.

        Beside each student trained with augmentation stands the one trained without it from the same seed.
        """
        columns = (*IDENTITY, "noise_space", "sigma", "accuracy", "effective_rank")
        return self._table("augmentation", tables.augmentation(self._measured), columns)

    def controls(self, only: str | None = None) -> pd.DataFrame:
        """The controls that the settings name, one after the other: columns as in ``controls.COLUMNS``.

        Args:
            only: the one to compute; no rows, if the settings do not name it.
        """
        found = [
            self._table(f"control-{name}", self._control(name), controls.COLUMNS)
            for name in self.settings.controls
            if only in (None, name)
        ]
        return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=list(controls.COLUMNS))

    def expansion(self) -> pd.DataFrame:
        """What further objectives change, and what chapter 6 varies: columns as in ``expansion.COLUMNS``."""
        found = [
            self._table(f"expansion-{name}", expansion.rows(name, self._measured), expansion.COLUMNS)
            for name in (GAINS, *self.settings.sweeps)
        ]
        return pd.concat(found, ignore_index=True)

    def generality(self) -> pd.DataFrame:
        """Ranks and accuracies with this and every other teacher and data set: columns as in ``generality.COLUMNS``."""

        def rows() -> Iterator[Row]:
            found = [self._generality()]
            for other in self.crossed():  # one after the other, so that no two keep images and a teacher at once
                found.append(other._generality())
            yield from pd.concat(found, ignore_index=True).to_dict("records")

        return self._table("generality", rows(), generality.COLUMNS)

    def crossed(self) -> Iterator["Study"]:
        """The studies of the other teachers and data sets of the settings, each with each; else like this one."""
        for settings in crossed(self.settings):
            yield Study(f"{self.profile}-crossed", settings, self._runs_dir, fresh=self._run.store.fresh)

    def baseline(self, name: str) -> pd.DataFrame:
        """A table by its name, of the teacher and of the students that were trained for the first objective."""
        return of_objective(self.table(name), self.settings.baseline)

    def table(self, name: str) -> pd.DataFrame:
        """A table by its name, one of ``config.names.TABLES``.

        Raises:
            InputError: there is none of that name.
        """
        check_option("name", name, TABLES)
        table: pd.DataFrame = getattr(self, name)()
        return table

    def compute(self) -> dict[str, pd.DataFrame]:
        """Compute, or read, everything."""
        self.check()
        self.train()
        return {name: self.table(name) for name in TABLES}

    def _control(self, name: str) -> Iterator[Row]:
        """The rows of a control; what it is made from is looked for when the first of them is asked for."""
        yield from controls.rows(name, self._measured_for(name))

    def _measured_for(self, control: str) -> Measured:
        """What a control is made from; among texts, where its own teacher reads none, a study whose teacher does."""
        if control == "crossmodal" and not self._measured.reads_texts:
            for other in self.crossed():
                if other.settings.dataset == self.settings.dataset and other._measured.reads_texts:
                    return other._measured
        return self._measured

    def _generality(self) -> pd.DataFrame:
        robustness = pd.DataFrame(tables.robustness(self._measured, ("normalised",)))
        return generality.of_study(self.settings, self.sizes["classes"], self.spectrum(), robustness)

    def _table(self, name: str, rows: Iterable[Row], columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Put a table together, once, and keep it with the run for those who read without computing.

        Rows are generators, of which nothing is computed where the table is there.
        """
        if name not in self._tables:
            path = self.folder / "tables" / f"{name}.csv"
            table = pd.DataFrame(list(rows), columns=list(columns) if columns else None)
            # A table and its checksum are two files, and another process may write the same.
            with self._run.store.lock(f"{self.folder.name}.{name}"):
                files.write_table(path, table)
                self._tables[name] = files.read_table(path)
            self._manifest.add(name)
        return self._tables[name].copy()
