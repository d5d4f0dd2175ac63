"""A run described in one paragraph of Markdown."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from asymdistill.config.names import UNKNOWN, architecture
from asymdistill.config.settings import Settings
from asymdistill.runtime.markup import as_code
from asymdistill.training.distillation import steps_per_epoch


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


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)
