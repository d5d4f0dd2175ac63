"""A study: the tables of one profile, computed when they are first asked for and stored in the run's folder."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import pandas as pd
import torch

from asymdistill.config.names import IDENTITY
from asymdistill.config.profiles import load_settings
from asymdistill.config.settings import Settings
from asymdistill.metrics import contrastive, spectrum
from asymdistill.models import students
from asymdistill.runtime.errors import check_option
from asymdistill.store import files
from asymdistill.study import comparisons, controls, generality
from asymdistill.study.experiment import Experiment
from asymdistill.study.measurements import under_noise
from asymdistill.study.student_configs import Arm, Model, identity

Rows = Iterator[dict[str, Any]]
TABLES = (
    *("training", "models", "singular_values", "spectrum", "alignment", "information", "robustness", "augmentation"),
    *("controls", "expansion", "generality"),
)


def default_runs_dir() -> Path:
    """``runs`` in the book's checkout, from its root or its notebooks' folder; elsewhere in the working folder."""
    here = Path.cwd()
    return (here.parent if (here.parent / "_toc.yml").is_file() else here) / "runs"


class Study:
    """Everything that is measured under one set of settings.

    Every table is in long form, one measurement a row, and starts with the columns model, width, seed, objective and
    augmented. It is computed when first asked for and read from ``folder`` afterwards.

    Args:
        profile: name of the profile, for the folder and the reader.
        settings: validated settings.
        runs_dir: where the folders of runs lie; None: ``runs`` in the book's checkout or else in the working folder.

    Raises:
        InputError: a device, file or image set that is not there.
    """

    def __init__(self, profile: str, settings: Settings, runs_dir: str | Path | None = None) -> None:
        self.profile = profile
        self.settings = settings
        self.experiment = Experiment(profile, settings, runs_dir or default_runs_dir())
        self.folder = self.experiment.folder

    @classmethod
    def from_profile(cls, name_or_path: str | Path, *, runs_dir: str | Path | None = None, **overrides: Any) -> Self:
        """Open the study of a profile, with settings overridden by name; see ``profile.load_settings``."""
        return cls.open(name_or_path, overrides, runs_dir)

    @classmethod
    def open(
        cls,
        profile: str | Path,
        overrides: Mapping[str, Any] | str | None = None,
        runs_dir: str | Path | None = None,
    ) -> Self:
        """Open the study of a profile, with overrides as a mapping or as JSON: what the notebooks call."""
        return cls(*load_settings(profile, overrides), runs_dir)

    def description(self) -> str:
        """What this study is, in one paragraph of Markdown: images, teacher, students, and what made its numbers."""
        setting, record = self.settings, self.experiment.manifest()
        run = self.experiment
        return (
            f"**Profile `{self.profile}`**: {len(run.train):,} training and {len(run.test):,} test images of "
            f"`{Path(setting.dataset).name}`, teacher `{setting.teacher}`, students of width "
            f"{_listed(setting.widths)}, seeds {_listed(setting.seeds)}, {setting.epochs} "
            f"epoch{'s' * (setting.epochs > 1)}. Run `{record['run']}`, computed on {record['device']} at commit "
            f"`{record['commit']}`."
        )

    def provenance(self) -> dict[str, str]:
        """What made this study's numbers, in a few words each, for the foot of a page."""
        record = self.experiment.manifest()
        return {
            "profile": self.profile,
            "run": record["run"],
            "commit": record["commit"],
            "device": record["device"],
            "date": record["created"][:10],
            "torch": record["versions"]["torch"],
        }

    def models(self) -> pd.DataFrame:
        """The models and their sizes: columns parameters, embedding_dim, one row a width."""

        def compute() -> Rows:
            teacher = self.experiment.teacher
            dim = teacher.embedding_dim
            size = sum(parameter.numel() for parameter in teacher.image_tower.parameters())
            yield identity(None) | {"parameters": size, "embedding_dim": dim}
            for width in self.settings.widths:
                row = identity(Arm(width, 0, self.settings.baseline)) | {"seed": None}
                yield row | {"parameters": students.parameter_count(width, dim), "embedding_dim": dim}

        return self._table("models", compute)

    def training(self) -> pd.DataFrame:
        """Mean loss of each epoch, the cosine distance with the objective's own term: columns epoch, loss."""

        def compute() -> Rows:
            for arm in [*self.experiment.grid(), *self.experiment.augmented_arms()]:
                for epoch, loss in enumerate(self.experiment.losses(arm), start=1):
                    yield identity(arm) | {"epoch": epoch, "loss": loss}

        return self._table("training", compute)

    def singular_values(self) -> pd.DataFrame:
        """Singular values of the centred test embeddings: columns component (from 1), value."""

        def compute() -> Rows:
            for model in self._models():
                values = spectrum.singular_values(self.experiment.encode(model, "test"))
                for component, value in enumerate(values.tolist(), start=1):
                    yield identity(model) | {"component": component, "value": value}

        return self._table("singular_values", compute)

    def spectrum(self) -> pd.DataFrame:
        """Effective ranks and dimensions for 90 % of the variance: columns estimator, quantity, value, images.

        The estimator is ``per seed``, or ``mean spectrum`` for that of the singular values averaged over the seeds,
        which is what the first paper's Table I reports.
        """

        def compute() -> Rows:
            values = self.singular_values()
            images = len(self.experiment.test)
            for _, group in values.groupby(["objective", "model", "seed"], dropna=False, sort=False):
                row = {**group.iloc[0][list(IDENTITY)], "estimator": "per seed", "images": images}
                yield from _spectral_rows(row, group["value"])
            for (objective, width), group in values.groupby(["objective", "width"], sort=False):
                row = identity(Arm(width, 0, objective)) | {"seed": None, "estimator": "mean spectrum"}
                mean = group.groupby("component")["value"].mean()
                yield from _spectral_rows(row | {"images": images}, mean)

        return self._table("spectrum", compute)

    def alignment(self) -> pd.DataFrame:
        """Cumulative share of a model's variance within the teacher's leading components: columns component, share."""

        def compute() -> Rows:
            teacher = self.experiment.encode(None, "test")
            for model in self._models():
                shares = spectrum.subspace_alignment(self.experiment.encode(model, "test"), teacher)
                for component, share in enumerate(shares.tolist(), start=1):
                    yield identity(model) | {"component": component, "share": share}

        return self._table("alignment", compute)

    def information(self) -> pd.DataFrame:
        """InfoNCE, its bound in nats, and uniformity by several estimators: columns quantity, value."""
        size, temperature = self.settings.metric_batch_size, self.settings.metric_temperature

        def compute() -> Rows:
            teacher = self.experiment.encode(None, "test")
            for model in self._models():
                own = self.experiment.encode(model, "test")
                loss = contrastive.info_nce(own, teacher, temperature=temperature, batch_size=size)
                measured = {
                    "info_nce": loss,
                    "mutual_information_bound": contrastive.mutual_information_bound(loss, size),
                    "uniformity": contrastive.uniformity(own, batch_size=size),
                    "uniformity_without_self": contrastive.uniformity(own, batch_size=size, include_self=False),
                    "uniformity_all_pairs": contrastive.uniformity(own, batch_size=None, include_self=False),
                }
                for quantity, value in measured.items():
                    yield identity(model) | {"quantity": quantity, "value": value}

        return self._table("information", compute)

    def robustness(self) -> pd.DataFrame:
        """Accuracy in percent of the clean probe under noise: columns noise_space, sigma, accuracy."""
        return self._table("robustness", lambda: self._noise_rows(self._models()))

    def augmentation(self) -> pd.DataFrame:
        """The augmentation control: columns as in ``robustness``, and effective_rank on the clean test images.

        Beside each student trained with augmentation stands the one trained without it from the same seed.
        """

        def compute() -> Rows:
            treated = self.experiment.augmented_arms()
            plain = [replace(arm, augmented=False) for arm in treated]
            known = self.baseline("robustness")
            known = known[(known["width"] == self.settings.largest_width) & known["seed"].isin([a.seed for a in plain])]
            for arms, rows in ((plain, known.to_dict("records")), (treated, self._noise_rows(treated))):
                ranks = {arm.seed: spectrum.effective_rank(self.experiment.encode(arm, "test")) for arm in arms}
                for row in rows:
                    yield {str(key): value for key, value in row.items()} | {"effective_rank": ranks[row["seed"]]}

        return self._table("augmentation", compute, (*IDENTITY, "noise_space", "sigma", "accuracy", "effective_rank"))

    def controls(self) -> pd.DataFrame:
        """The controls that the settings name, one after the other: columns as in ``sceptic.COLUMNS``."""
        found = [self._control(name) for name in self.settings.controls]
        return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=list(controls.COLUMNS))

    def expansion(self) -> pd.DataFrame:
        """What further objectives change, and what chapter 6 varies: columns as in ``expansion.COLUMNS``."""
        found = [self._comparison(name) for name in (comparisons.GAINS, *self.settings.sweeps)]
        return pd.concat(found, ignore_index=True)

    def generality(self) -> pd.DataFrame:
        """Ranks and accuracies with this and every other teacher and data set: columns ``generality.COLUMNS``."""
        found = [
            generality.rows(
                one.settings, len(one.experiment.test.class_names), one.spectrum(), one._with_normalised_noise()
            )
            for one in [self, *self.crossed()]
        ]
        return pd.concat(found, ignore_index=True)

    def crossed(self) -> list["Study"]:
        """The studies of the other teachers and data sets of the settings, each with each; else like this one."""
        name, folder = f"{self.profile}-crossed", self.folder.parent
        return [Study(name, settings, folder) for settings in generality.crossed(self.settings)]

    def baseline(self, name: str) -> pd.DataFrame:
        """A table by its name, of the teacher and of the students that were trained for the first objective."""
        return self._of_baseline(self.table(name))

    def table(self, name: str) -> pd.DataFrame:
        """A table by its name, one of ``TABLES``.

        Raises:
            InputError: there is none of that name.
        """
        check_option("name", name, TABLES)
        table: pd.DataFrame = getattr(self, name)()
        return table

    def compute(self) -> dict[str, pd.DataFrame]:
        """Compute, or read, every table."""
        self.crossed()  # finds other images and teachers that are not there now, not after hours of training
        return {name: self.table(name) for name in TABLES}

    def _control(self, name: str) -> pd.DataFrame:
        def compute() -> Rows:
            return controls.rows_of(name, self.experiment, self._of_baseline(self._with_normalised_noise()))

        return self._table(f"control-{name}", compute, controls.COLUMNS)

    def _comparison(self, name: str) -> pd.DataFrame:
        def compute() -> Rows:
            return comparisons.rows_of(name, self.experiment, self._with_normalised_noise())

        return self._table(f"expansion-{name}", compute, comparisons.COLUMNS)

    def _of_baseline(self, table: pd.DataFrame) -> pd.DataFrame:
        return table[table["objective"].isna() | (table["objective"] == self.settings.baseline)]

    def _models(self) -> list[Model]:
        return [None, *self.experiment.grid()]

    def _table(
        self, name: str, compute: Callable[[], Iterable[dict[str, Any]]], columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        def timed() -> pd.DataFrame:
            with self.experiment.timed(f"table {name}"):
                return pd.DataFrame(compute(), columns=columns)

        return files.stored_table(self.folder / "tables" / f"{name}.csv", timed)

    def _with_normalised_noise(self) -> pd.DataFrame:
        """The table of robustness with the paper's kind of noise, which the controls take, in any case."""
        own = self.robustness()
        if "normalised" in self.settings.noise_spaces:
            return own
        more = self._table("robustness-normalised", lambda: self._noise_rows(self._models(), ("normalised",)))
        return pd.concat([own, more], ignore_index=True)

    def _noise_rows(self, models: Sequence[Model], spaces: Sequence[str] | None = None) -> Rows:
        run = self.experiment
        run.train_students()
        return run.gather(partial(under_noise, run, spaces=spaces), models, "probing under noise")


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _spectral_rows(row: dict[str, Any], singular_values: pd.Series) -> Rows:
    values = torch.tensor(singular_values.to_numpy())
    measured = {
        "effective_rank": spectrum.effective_rank_of(values),
        "effective_rank_amplitude": spectrum.effective_rank_of(values, spectrum="amplitude"),
        "dims_for_90": spectrum.dims_for_variance_of(values, 0.9),
    }
    for quantity, value in measured.items():
        yield row | {"quantity": quantity, "value": float(value)}
