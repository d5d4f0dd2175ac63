"""A study: the tables of one profile, put together from stored measurements."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pandas as pd
import torch

from asymdistill.config.names import GAINS, IDENTITY, TABLES, TEACHER, UNKNOWN, architecture, student_name
from asymdistill.config.profiles import load_settings
from asymdistill.config.settings import NO_RESULT, Settings
from asymdistill.data import datasets
from asymdistill.data.datasets import ImageSet, Split
from asymdistill.metrics import spectrum
from asymdistill.models import students
from asymdistill.runtime.errors import InputError, check_option
from asymdistill.runtime.markup import as_code
from asymdistill.store import files
from asymdistill.store.keys import canonical
from asymdistill.study import comparisons, controls, suitability
from asymdistill.study.controls import Control, Row
from asymdistill.study.experiment import Experiment
from asymdistill.study.folders import default_runs_dir
from asymdistill.study.manifest import Manifest
from asymdistill.study.measurements import Measurement, Measurements
from asymdistill.study.recorded import of_objective
from asymdistill.study.student_configs import Model, StudentConfig, identity
from asymdistill.training.distillation import steps_per_epoch

INFORMATION = (
    *("info_nce", "mutual_information_bound", "uniformity", "uniformity_without_self"),
    "uniformity_all_pairs",
)


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
        self.profile = profile
        self.settings = settings
        self._runs_dir = Path(runs_dir) if runs_dir is not None else default_runs_dir()
        self._run = Experiment(settings, self._runs_dir, fresh=fresh)
        self._measurements = Measurements(self._run)
        self._control = Control(self._run, self._measurements)
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
        return self._run.images(split)

    @property
    def sizes(self) -> dict[str, int]:
        """Numbers of images in ``train`` and ``test``, and of ``classes``."""
        return self._run.sizes

    def save_embeddings(self, folder: str | Path | None = None) -> dict[str, Path]:
        """Write the test embeddings of the teacher, and of every width's first student, as files for other tools.

        Args:
            folder: None: ``embeddings`` in the study's own folder.

        Returns:
            For each model the path of its .safetensors file, whose one tensor is N x d.
        """
        grid = [config for config in self._run.configs.grid() if config.objective == self.settings.baseline]
        first = {student_name(config.width): config for config in reversed(grid)}
        models: dict[str, Model] = {TEACHER: None, **dict(reversed(first.items()))}
        self._run.train_students([*first.values()])
        paths = {name: Path(folder or self.folder / "embeddings") / f"{name}.safetensors" for name in models}
        for name, path in paths.items():
            files.write_safetensors(path, {"embeddings": self._run.encode(models[name], "test")}, durable=False)
        return paths

    def pixel_units(self) -> float:
        """What a unit of the normalised tensor is in units of the range of a pixel, on average over the channels."""
        std = self._run.teacher_view.std
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
        self._run.check_images()
        for other in self.crossed():
            images = suitability.census(other.settings)
            if images.missing and not other.settings.download:
                raise InputError(f"{other.settings.dataset} is missing: {images.missing}; download is false")
            suitability.check_beforehand(other.settings, images)
            _ = other._run.teacher_name  # holds the digest of the weights
        self._checked = True

    def images_note(self) -> str:
        """What was left out of a user's own images, or stands in for something else; empty if nothing."""
        return datasets.note(self.settings.dataset)

    def train(self) -> None:
        """Train every student that is not stored yet, the longest first."""
        self._run.train_students(self.students())

    def count_students(self) -> tuple[int, int]:
        """How many of the study's students are stored, and how many are to be trained."""
        return self._run.count_students(self.students())

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

    def manifest(self) -> dict[str, Any]:
        """What is known of the run: its settings, what made it, and the seconds that it took by kind of result."""
        return self._manifest.read()

    # Tables

    def models(self) -> pd.DataFrame:
        """The models and their sizes: columns parameters, embedding_dim, one row per width."""

        def rows() -> Iterator[Row]:
            found = self._measurements.value(Measurement("size"))
            dim = found["embedding_dim"]
            yield identity(None) | found
            for width in self.settings.widths:
                row = _of_all_seeds(width, self.settings.baseline)
                yield row | {"parameters": students.parameter_count(width, dim), "embedding_dim": dim}

        return self._table("models", rows())

    def training(self) -> pd.DataFrame:
        """Mean loss of each epoch, the cosine distance with the objective's own term: columns epoch, loss."""

        def rows() -> Iterator[Row]:
            wanted = [*self._run.configs.grid(), *self._run.configs.augmented()]
            self._run.train_students(wanted)
            for student in wanted:
                for epoch, loss in enumerate(self._run.losses(student), start=1):
                    yield student.identity | {"epoch": epoch, "loss": loss}

        return self._table("training", rows())

    def singular_values(self) -> pd.DataFrame:
        """Singular values of the centred test embeddings: columns component (from 1), value."""

        def rows() -> Iterator[Row]:
            for model, values in self._measured("singular_values"):
                for component, value in enumerate(values, start=1):
                    yield identity(model) | {"component": component, "value": value}

        return self._table("singular_values", rows())

    def spectrum(self) -> pd.DataFrame:
        """Effective ranks and dimensions for 90 % of the variance: columns estimator, quantity, value, images.

        The estimator is ``per seed``, or ``mean spectrum`` for that of the singular values averaged over the seeds,
        which is what the first paper's Table I reports.
        """

        def rows() -> Iterator[Row]:
            images = self.sizes["test"]
            averaged: dict[tuple[str, float], list[torch.Tensor]] = {}
            for model, found in self._measured("singular_values"):
                values = torch.tensor(found, dtype=torch.float64)
                yield from _spectral_rows(identity(model) | {"estimator": "per seed", "images": images}, values)
                if model is not None:
                    averaged.setdefault((model.objective, model.width), []).append(values)
            for (objective, width), spectra in averaged.items():
                row = _of_all_seeds(width, objective) | {"estimator": "mean spectrum", "images": images}
                yield from _spectral_rows(row, torch.stack(spectra).mean(0))

        return self._table("spectrum", rows())

    def alignment(self) -> pd.DataFrame:
        """Cumulative share of a model's variance within the teacher's leading components: columns component, share."""

        def rows() -> Iterator[Row]:
            for model, shares in self._measured("alignment"):
                for component, share in enumerate(shares, start=1):
                    yield identity(model) | {"component": component, "share": share}

        return self._table("alignment", rows())

    def information(self) -> pd.DataFrame:
        """InfoNCE, its bound in nats, and uniformity by several estimators: columns quantity, value."""
        own = self.settings
        options = (("batch_size", own.metric_batch_size), ("temperature", own.metric_temperature))

        def rows() -> Iterator[Row]:
            for model, found in self._measured("information", options):
                for quantity in INFORMATION:
                    yield identity(model) | {"quantity": quantity, "value": found[quantity]}

        return self._table("information", rows())

    def robustness(self) -> pd.DataFrame:
        """Accuracy in percent of the clean probe under noise: columns noise_space, sigma, accuracy."""
        return self._table("robustness", self._noise_rows(self._models(), self.settings.noise_spaces))

    def augmentation(self) -> pd.DataFrame:
        """The augmentation control: columns as in ``robustness``, and effective_rank on the clean test images.

        Beside each student trained with augmentation stands the one trained without it from the same seed.
        """

        def rows() -> Iterator[Row]:
            treated = self._run.configs.augmented()
            models: list[Model] = [*(replace(student, augmented=False) for student in treated), *treated]
            self._measurements.measure([Measurement("effective_rank", model) for model in models], "ranks")
            ranks = {m: self._measurements.value(Measurement("effective_rank", m)) for m in models if m is not None}
            for row, model in zip(*self._noise(models, self.settings.noise_spaces), strict=True):
                assert model is not None
                yield row | {"effective_rank": ranks[model]}

        columns = (*IDENTITY, "noise_space", "sigma", "accuracy", "effective_rank")
        return self._table("augmentation", rows(), columns)

    def controls(self, only: str | None = None) -> pd.DataFrame:
        """The controls that the settings name, one after the other: columns as in ``controls.COLUMNS``.

        Args:
            only: the one to compute; no rows, if the settings do not name it.
        """
        found = [
            self._table(f"control-{name}", self._control_of(name).rows(name), controls.COLUMNS)
            for name in self.settings.controls
            if only in (None, name)
        ]
        return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=list(controls.COLUMNS))

    def expansion(self) -> pd.DataFrame:
        """What further objectives change, and what chapter 6 varies: columns as in ``comparisons.EXPANSION``."""
        found = [
            self._table(f"expansion-{name}", comparisons.expansion_rows(name, self._control), comparisons.EXPANSION)
            for name in (GAINS, *self.settings.sweeps)
        ]
        return pd.concat(found, ignore_index=True)

    def generality(self) -> pd.DataFrame:
        """Ranks and accuracies with this and every other teacher and data set: columns ``comparisons.GENERALITY``."""

        def rows() -> Iterator[Row]:
            found = [self._generality()]
            for other in self.crossed():  # one after the other, so that no two keep images and a teacher at once
                found.append(other._generality())
            yield from pd.concat(found, ignore_index=True).to_dict("records")

        return self._table("generality", rows(), comparisons.GENERALITY)

    def crossed(self) -> Iterator["Study"]:
        """The studies of the other teachers and data sets of the settings, each with each; else like this one."""
        for settings in comparisons.crossed(self.settings):
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

    def _control_of(self, name: str) -> Control:
        """The control of this study; among texts, where its own teacher reads none, that of another which does."""
        if name == "crossmodal" and not self._control.reads_texts:
            for other in self.crossed():
                if other.settings.dataset == self.settings.dataset and other._control.reads_texts:
                    return other._control
        return self._control

    def _generality(self) -> pd.DataFrame:
        robustness = pd.DataFrame(self._noise_rows(self._models(), ("normalised",)))
        return comparisons.generality_rows(self.settings, self.sizes["classes"], self.spectrum(), robustness)

    def _models(self) -> list[Model]:
        return [None, *self._run.configs.grid()]

    def _measured(self, quantity: str, options: tuple[tuple[str, Any], ...] = ()) -> Iterator[tuple[Model, Any]]:
        """What was measured of the teacher and of each student of the grid."""
        wanted = [Measurement(quantity, model, options=options) for model in self._models()]
        self._measurements.measure(wanted, quantity.replace("_", " "))
        for measurement in wanted:
            yield measurement.model, self._measurements.value(measurement)

    def _noise(self, models: Sequence[Model], spaces: Sequence[str]) -> tuple[list[Row], list[Model]]:
        """Rows of accuracy under noise, and the model of each."""
        wanted = [(model, space) for model in models for space in spaces]
        self._measurements.measure(
            [measurement for model, space in wanted for measurement in self._control.accuracies(model, space)],
            "probing under noise",
        )
        rows, of = [], []
        for model, space in wanted:
            for noise in self._control.noises(space):
                accuracy = self._control.value("accuracy", model, noise)
                rows.append(identity(model) | {"noise_space": space, "sigma": noise.sigma, "accuracy": accuracy})
                of.append(model)
        return rows, of

    def _noise_rows(self, models: Sequence[Model], spaces: Sequence[str]) -> list[Row]:
        return self._noise(models, spaces)[0]

    def _table(self, name: str, rows: Iterable[Row], columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Put a table together, and keep it with the run for those who read without computing."""
        if name not in self._tables:
            path = self.folder / "tables" / f"{name}.csv"
            table = pd.DataFrame(list(rows), columns=list(columns) if columns else None)
            # A table and its checksum are two files, and another process may write the same.
            with self._run.store.lock(f"{self.folder.name}.{name}"):
                files.write_table(path, table)
                self._tables[name] = files.read_table(path)
            self._manifest.add(name)
        return self._tables[name].copy()


def describe(settings: Settings, images: Mapping[str, int], made: Mapping[str, str]) -> str:
    """Images, teacher and students of a run, and what made its numbers, in Markdown.

    Args:
        settings: of the run.
        images: how many it has: ``train`` and ``test``.
        made: its name, device and commit: ``run``, ``device`` and ``commit``.
    """
    steps = settings.epochs * steps_per_epoch(images["train"], settings.batch_size)
    kind = "" if (found := architecture(settings.teacher)) == UNKNOWN else f" (a {found})"
    if settings.teacher_weights is not None:  # a file may hold anything, whatever the network is called
        kind += f" with the weights in {as_code(settings.teacher_weights.name)}"
    at = "" if made["commit"].startswith("release") else "commit "
    seen = f"{settings.resolution} × {settings.resolution} pixels" if settings.resolution else "what their teacher sees"
    return (
        f"{images['train']:,} training and {images['test']:,} test images of {as_code(Path(settings.dataset).name)}, "
        f"teacher {as_code(settings.teacher)}{kind}, students of width {_listed(settings.widths)} that see {seen}, "
        f"seeds {_listed(settings.seeds)}, {settings.epochs} epoch{'s' * (settings.epochs > 1)} ({steps:,} steps). Run "
        f"{as_code(made['run'])}, computed on {as_code(made['device'])} at {at}{as_code(made['commit'])}."
    )


def _of_all_seeds(width: float, objective: str) -> Row:
    """The identity of the students of a width, whatever their seed."""
    named = {"model": student_name(width), "width": width, "seed": None, "objective": objective}
    return named | {"augmented": False}


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _spectral_rows(row: Row, values: torch.Tensor) -> Iterator[Row]:
    measured = {
        "effective_rank": spectrum.effective_rank_of(values),
        "effective_rank_amplitude": spectrum.effective_rank_of(values, spectrum="amplitude"),
        "dims_for_90": spectrum.dims_for_variance_of(values, 0.9),
    }
    for quantity, value in measured.items():
        yield row | {"quantity": quantity, "value": float(value)}
