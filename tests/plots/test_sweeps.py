"""A sweep's figures show means and intervals at the right places, and hold still what they do not show."""

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from asymdistill.plots import style, sweeps
from asymdistill.runtime.errors import InputError

SEEDS = (1, 2, 3)


def value(weight: float, epochs: int, width: float, seed: int, objective: str) -> float:
    return 10 * width + epochs + (weight if objective == "infonce" else 0) + [0, 0.5, 1.5][seed - 1]


def made(objectives: tuple[str, ...] = ("cosine", "infonce")) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for weight in (0.1, 1, 10):
        for epochs in (1, 5):
            point = {"profile": "embedded", "infonce_weight": weight, "epochs": epochs}
            more = {"quantity": "effective_rank", "noise_space": np.nan, "sigma": np.nan}
            teacher = {"model": "teacher", "width": None, "seed": None, "objective": None, "augmented": False}
            rows.append(point | teacher | more | {"value": 50.0})
            for objective in objectives:
                for width, model in ((1.0, "S"), (2.0, "M")):
                    for seed in SEEDS:
                        one = {"model": model, "width": width, "seed": seed, "objective": objective, "augmented": False}
                        rows.append(point | one | more | {"value": value(weight, epochs, width, seed, objective)})
                        noisy = {"quantity": "robustness", "noise_space": "pixel"}
                        rows += [point | one | noisy | {"sigma": s, "value": 90 - 100 * s} for s in (0.0, 0.1)]
    return pd.DataFrame(rows).astype({"seed": "Int64"})


def test_means_and_intervals_stand_at_the_values_of_the_axis() -> None:
    rows = sweeps.of_quantity(made(), "effective_rank", "infonce_weight", "epochs")
    figure = sweeps.against(rows, "infonce_weight", "epochs")
    figure.canvas.draw()
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["epochs: 1", "epochs: 5"]
    assert [label.get_text() for label in figure.axes[-1].get_xticklabels()] == ["0.1", "1", "10"]
    assert figure.axes[-1].get_xlabel() == "weight of InfoNCE"
    assert figure.get_size_inches()[0] == pytest.approx(style.WIDTH)
    half = stats.t.ppf(0.975, 2) * np.std([0, 0.5, 1.5], ddof=1) / np.sqrt(3)
    for axis, epochs in zip(figure.axes, (1, 5), strict=True):
        assert len(axis.containers) == 4
        for bars, (objective, width) in zip(
            axis.containers, [(o, w) for o in ("cosine", "infonce") for w in (1, 2)], strict=True
        ):
            line, _, (spans,) = bars
            assert np.round(line.get_xdata()).tolist() == [0, 1, 2]
            mean = [np.mean([value(w, epochs, width, s, objective) for s in SEEDS]) for w in (0.1, 1, 10)]
            assert line.get_ydata() == pytest.approx(mean)
            ends = np.array([[low[1], high[1]] for low, high in spans.get_segments()])
            assert ends == pytest.approx(np.array([[m - half, m + half] for m in mean]))
        assert [50, 50] in [list(line.get_ydata()) for line in axis.lines]  # the teacher's
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == ["student S", "student M", "teacher", "cosine alone", "cosine with InfoNCE"]


def test_axes_can_be_exchanged_left_out_or_be_the_students_own() -> None:
    table = made()
    rows = sweeps.of_quantity(table, "effective_rank", "epochs")
    assert set(rows["infonce_weight"]) == {0.1}  # held at its first value
    assert len(sweeps.against(rows, "epochs").axes) == 1
    rows = sweeps.of_quantity(table, "effective_rank", "width")
    axis = sweeps.against(rows, "width").axes[0]
    assert [len(bars[0].get_xdata()) for bars in axis.containers] == [2, 2]  # one line per objective
    rows = sweeps.of_quantity(table, "effective_rank", "objective")
    axis = sweeps.against(rows, "objective").axes[0]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["cosine", "infonce"]
    rows = sweeps.of_quantity(table, "robustness", "sigma")
    axis = sweeps.against(rows, "sigma").axes[0]
    assert {tuple(bars[0].get_ydata()) for bars in axis.containers} == {(90, 80)}


def test_one_seed_has_no_interval() -> None:
    table = made(("cosine",))
    rows = sweeps.of_quantity(table[table["seed"].isna() | (table["seed"] == 1)], "effective_rank", "epochs")
    figure = sweeps.against(rows, "epochs")
    _, _, (spans,) = figure.axes[0].containers[0]
    assert all(low[1] == high[1] for low, high in spans.get_segments())


def test_the_table_has_a_row_per_student_and_a_column_per_value() -> None:
    rows = sweeps.of_quantity(made(), "effective_rank", "infonce_weight", "epochs")
    shown = sweeps.table(rows, "infonce_weight", "epochs")
    assert shown.columns.tolist() == ["model", "objective", "epochs", "0.1", "1", "10"]
    assert len(shown) == 2 * 2 * 2
    row = shown[(shown["epochs"] == 5) & (shown["model"] == "M") & (shown["objective"] == "cosine with InfoNCE")]
    assert row["10"].tolist() == ["35.7 ± 0.6"]


@pytest.mark.parametrize(
    ("quantity", "axis", "message"),
    [
        ("rank", "epochs", "quantity is 'rank'; measured: 'effective_rank', 'robustness'"),
        ("effective_rank", "seeds", "'seeds' was not varied; allowed: 'profile', 'infonce_weight', 'epochs', 'width'"),
    ],
)
def test_what_is_not_there_is_named(quantity: str, axis: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        sweeps.of_quantity(made(), quantity, axis)


def test_a_sweep_in_words() -> None:
    manifest = {
        "name": "mine", "device": "CPU", "commit": "0123456789", "students": 1234,
        "models": {"all": 1235, "measured": 1233, "failed": 2},
        "spec": {"profiles": ["embedded"], "cross": {"epochs": [1, 5]}, "zip": {"infonce_weight": [0.5]}},
    }  # fmt: skip
    assert sweeps.describe(manifest) == (
        "**Sweep `mine`** of `embedded`: epochs 1&#44; 5&#59; infonce&#95;weight 0&#46;5. 1,234 students, 2 failed, "
        "computed on `CPU` at commit `0123456789`."
    )
