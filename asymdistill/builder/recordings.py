"""Recorded runs beside the book's own: which there are, and tables that show them beside each other.

A recorded run is evidence on its own images, teacher and number of images, which its name says in every table.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from asymdistill.claims.quantities import Results
from asymdistill.config.names import OBJECTIVES, TEACHER
from asymdistill.config.settings import Settings
from asymdistill.plots.comparison import listed
from asymdistill.plots.tables import pick, ratios, students_of, teacher_of, two
from asymdistill.runtime.progress import duration
from asymdistill.study.recorded import Recorded
from asymdistill.study.study import Study, default_runs_dir

OWN = "this run"
# Image sets by the names that they, or files of them, go by: in words, and how many classes they have.
IMAGES = {
    "cifar10": ("CIFAR-10", 10),
    "cifar100": ("CIFAR-100", 100),
    "scenes": ("Scenes", 10),
    "scenes100": ("Scenes100", 100),
}


class Run(NamedTuple):
    """A run that is shown, the book's own or a recorded one.

    Attributes:
        name: what it is called in every table and figure.
        results: its settings and tables.
        manifest: what made it.
        classes: of its images; None: not known.
    """

    name: str
    results: Results
    manifest: dict[str, Any]
    classes: int | None

    @property
    def settings(self) -> Settings:
        """Settings of the run."""
        return self.results.settings

    def table(self, name: str) -> pd.DataFrame:
        """A table by its name; empty where the run has none."""
        found = self.results.table(name)
        return pd.DataFrame() if found is None else found

    def first(self, name: str) -> pd.DataFrame:
        """A table of the teacher and of the students of the first objective."""
        return _of_first(self.table(name), self.settings)


def gather(study: Study, folder: str | Path | None = None) -> list[Run]:
    """The book's own run and all recorded ones, those of the most training images first.

    Args:
        study: the book's own.
        folder: where recorded runs lie; None: ``results`` beside the book's runs, whatever is in it.

    Raises:
        InputError: a folder among the recorded runs holds no run that this version can read.
    """
    place = default_runs_dir().with_name("results") if folder is None else Path(folder)
    folders = (path for path in sorted(place.glob("*")) if path.is_dir() and not path.name.startswith("."))
    recorded = sorted((Recorded(path) for path in folders), key=_place)
    labels = [_label(run.settings) for run in recorded]
    found = [Run(OWN, study, study.experiment.manifest(), len(study.experiment.test.class_names))]
    for run, label in zip(recorded, labels, strict=True):
        name = f"{label} ({run.folder.name})" if labels.count(label) > 1 else label
        found.append(Run(name, run, run.manifest, IMAGES.get(Path(run.settings.dataset).stem, ("", None))[1]))
    return found


def overview(runs: Sequence[Run]) -> pd.DataFrame:
    """What each run is, one row each: images, teacher, students, their training, and what made it."""
    rows = []
    for run in runs:
        own, sizes = run.settings, run.table("models").set_index("model")["parameters"]
        steps = f" of {own.train_limit // own.batch_size} steps" if own.train_limit else ""
        kinds = listed([OBJECTIVES[kind] for kind in own.objectives])
        augmented = f"; {_counted(own.augmentation_seeds, 'augmented student')}" if own.augmentation_seeds else ""
        took = duration(sum(run.manifest["seconds"].values()))
        students = ", ".join(f"{model} ({size:,})" for model, size in sizes.drop(TEACHER).items())
        rows.append(
            {
                "run": run.name,
                "images and teacher": f"{_images(own)}, {_training_images(own)} training and {test_images(run):,} test "
                f"images; {own.teacher} ({sizes[TEACHER]:,})",
                "students": f"{students}, at {_side(own)}; {_counted(len(own.seeds), 'seed')}, "
                f"{_counted(own.epochs, 'epoch')}{steps}; {kinds}{augmented}",
                "computed": f"{run.manifest['created'][:10]} on {run.manifest['device']} in {took}, commit "
                f"{run.manifest['commit']}",
            }
        )
    return pd.DataFrame(rows)


def rank_values(run: Run) -> pd.DataFrame:
    """Effective rank of the teacher and of each student of the first objective, one row a seed."""
    return pick(run.first("spectrum"), "effective_rank", estimator="per seed")


def accuracy_values(run: Run) -> pd.DataFrame:
    """Accuracy under noise in the normalised space, as in a study's table of robustness, of the first objective."""
    own = pick(_of_first(pick(run.table("expansion"), "accuracy", comparison="gains"), run.settings))
    return own.rename(columns={"value": "accuracy"}).assign(noise_space="normalised")


def ranks(runs: Sequence[Run]) -> pd.DataFrame:
    """Effective ranks, one row a model and one column a run: mean ± spread over seeds, and share of the teacher's."""
    columns: dict[str, dict[str, str]] = {}
    for run in runs:
        own = rank_values(run)
        whole = teacher_of(own)["value"].mean()
        cells = {
            str(model): f"{_shown(values['value'])}"
            + ("" if model == TEACHER else f", {100 * values['value'].mean() / whole:.0f} % of the teacher's")
            for model, values in own.groupby("model", sort=False)
        }
        columns[run.name] = cells | {"test images": f"{test_images(run):,}"}
    return _side_by_side(columns, last="test images")


def accuracies(runs: Sequence[Run]) -> pd.DataFrame:
    """Accuracy of the clean probe, and its change at each level of noise, in points: mean ± spread over seeds."""
    tables = {run.name: accuracy_values(run) for run in runs}
    levels = sorted({sigma for table in tables.values() for sigma in table["sigma"]})
    rows = []
    for name, table in tables.items():
        for model, own in table.groupby("model", sort=False):
            by_seed = own.pivot_table(index="sigma", columns=own["seed"].fillna(0), values="accuracy")
            clean, change = by_seed.iloc[0], by_seed.iloc[1:] - by_seed.iloc[0]
            row = {"run": name, "model": str(model), f"σ = {levels[0]:g} (%)": _shown(clean)}
            rows.append(
                row | {f"{s:g} (points)": _shown(change.loc[s], sign=True) for s in levels if s in change.index}
            )
    columns = ["run", "model", f"σ = {levels[0]:g} (%)", *(f"{sigma:g} (points)" for sigma in levels[1:])]
    return _once(rows, columns)


def gains(runs: Sequence[Run]) -> pd.DataFrame:
    """Effective rank of each student by objective, and the factor, of the runs that trained for two."""
    rows = []
    for run in runs:
        own = pick(run.table("expansion"), "effective_rank", comparison="gains")
        kinds = two(own)
        if len(kinds) < 2:
            continue
        factor = ratios(own)
        for model in dict.fromkeys(students_of(own)["model"]):
            row = {"run": run.name, "model": str(model)}
            row |= {OBJECTIVES[kind]: _shown(pick(own, model=model, objective=kind)["value"]) for kind in kinds}
            row["factor"] = _shown(pick(factor, model=model)["value"], 2)
            rows.append(row | {"teacher": _shown(teacher_of(own)["value"])})
    return _once(rows)


def _side_by_side(columns: Mapping[str, Mapping[str, str]], last: str) -> pd.DataFrame:
    rows = [name for name in dict.fromkeys(name for cells in columns.values() for name in cells) if name != last]
    made = [{"model": row, **{name: cells.get(row, "–") for name, cells in columns.items()}} for row in [*rows, last]]
    return pd.DataFrame(made)


def _of_first(table: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    return table[table["objective"].isna() | (table["objective"] == settings.baseline)]


def _label(settings: Settings) -> str:
    images = f"{_training_images(settings)} training images"
    return f"recorded: {_images(settings)}, students at {_side(settings)}, {images}"


def _images(settings: Settings) -> str:
    name = Path(settings.dataset).stem
    return IMAGES.get(name, (name, 0))[0]


def _place(run: Recorded) -> tuple[float, int]:
    """Where a run stands: those of more training images first, and of these, those of smaller input."""
    return -(run.settings.train_limit or math.inf), run.settings.resolution or 0


def _training_images(settings: Settings) -> str:
    return f"{settings.train_limit:,}" if settings.train_limit else "all"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _once(rows: list[dict[str, str]], columns: Sequence[str] | None = None) -> pd.DataFrame:
    """A table that names each run in the first of its rows only."""
    table = pd.DataFrame(rows, columns=columns).fillna("–")
    return table if table.empty else table.assign(run=table["run"].mask(table["run"].duplicated(), ""))


def _side(settings: Settings) -> str:
    side = settings.resolution
    return f"{side} × {side}" if side else "the teacher's resolution"


def test_images(run: Run) -> int:
    """Number of test images behind a run's spectra."""
    return int(run.table("spectrum")["images"].iloc[0])


def _shown(values: pd.Series, digits: int = 1, *, sign: bool = False) -> str:
    """Mean ± standard deviation over seeds, ddof = 0 as in the paper; the mean alone where there is one."""
    spread = f" ± {values.std(ddof=0):.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():{'+' if sign else ''}.{digits}f}{spread}"
