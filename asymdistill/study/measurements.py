"""How a model's linear probe fares, clean and under noise, as rows of a table."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from torch import Tensor

from asymdistill.data.views import GaussianNoise
from asymdistill.metrics import probe as probing
from asymdistill.metrics.probe import Probe
from asymdistill.study.experiment import Experiment
from asymdistill.study.robustness import noise_sweep
from asymdistill.study.run import Row
from asymdistill.study.student_configs import Model, identity


def clean_probe(run: Experiment, model: Model) -> Probe:
    """The linear probe of a model's clean training embeddings."""
    embeddings, setting = run.encode(model, "train"), run.settings
    return probing.fit_probe(embeddings, run.train.labels, max_iter=setting.probe_max_iter, device=run.device)


def under_noise(
    run: Experiment,
    model: Model,
    check: Callable[[], None],
    *,
    spaces: Sequence[str] | None = None,
    probe: Probe | None = None,
    encode: Callable[[GaussianNoise], Tensor] | None = None,
) -> list[Row]:
    """Accuracy in percent of a model's clean probe at every noise level of the settings.

    Args:
        run: the experiment.
        model: a student, or None for the teacher.
        check: called between steps; an exception in it ends the work.
        spaces: of the noise; None: those of the settings.
        probe: the model's clean probe, where it is fitted already.
        encode: gives the test embeddings under a noise; None: the model does, as it is.

    Returns:
        One row a noise space and level: the model's identity, noise_space, sigma, accuracy.
    """
    setting, rows = run.settings, []
    probe = probe or clean_probe(run, model)
    for space in setting.noise_spaces if spaces is None else spaces:
        check()
        accuracies = noise_sweep(
            encode or partial(run.encode, model, "test"),
            probe,
            run.test.labels,
            levels=setting.noise_levels,
            space=space,
            seed=setting.noise_seed,
        )
        for sigma, accuracy in accuracies.items():
            rows.append(identity(model) | {"noise_space": space, "sigma": sigma, "accuracy": accuracy})
    return rows


def measured(model: Model, quantity: str, value: float, variant: str = "", **more: Any) -> Row:
    """A row of a control: one measurement, of a student or of the teacher (None)."""
    return identity(model) | {"quantity": quantity, "variant": variant, "value": float(value)} | more
