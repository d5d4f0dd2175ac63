"""Chapter 10's tables and figures: every run under its name, with its own numbers."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from made_runs import accuracies, ranks, run, table

from asymdistill.claims import evaluate
from asymdistill.plots import recordings, scorecard
from asymdistill.plots.recordings import ShownRun

MANIFEST = {"created": "2026-01-02T03:04:05+00:00", "device": "CPU (two)", "commit": "0123456789"}
SIZES = {"teacher": 900, "S": [100.0], "L": [1000.0]}


def made(
    name: str, scale: float = 1, images: int = 512, *, infonce: bool = True, controls: Sequence[str] = ()
) -> ShownRun:
    """A run whose teacher has a rank of 20 times the scale and whose students have 4 and 6, or twice as much."""
    values = {"teacher": 20.0 * scale, "S": [4.0 * scale, 6.0 * scale], "L": [3.0 * scale, 3.0 * scale]}
    more = {"S infonce": [8.0 * scale, 12.0 * scale], "L infonce": [9.0 * scale, 6.0 * scale]} if infonce else {}
    levels = {
        0.0: {"teacher": 90.0, "S": [70.0, 72.0], "L": [80.0, 84.0]},
        0.1: {"teacher": 80.0, "S": [50.0, 54.0], "L": [40.0, 50.0]},
    }
    gains = [
        table({**values, **more}, quantity="effective_rank"),
        *(table(found, quantity="accuracy", sigma=sigma) for sigma, found in levels.items()),
    ]
    settings = {"train_limit": images, "objectives": ["cosine", "infonce"] if infonce else ["cosine"]}
    settings |= {
        "resolution": 32,
        "widths": [1, 4],
        "seeds": [42, 123],
        "controls": list(controls),
        "augmentation_seeds": 0,
    }
    results = run(
        "cifar10-clip",
        settings,
        models=table(SIZES, "parameters").astype({"parameters": int}),
        spectrum=pd.concat([ranks({**values, **more}), ranks({**values, **more}, "dims_for_90")]),
        robustness=accuracies(levels),
        expansion=pd.concat(gains).assign(comparison="gains"),
        augmentation=accuracies(levels).iloc[:0].assign(effective_rank=0.0),
    )
    return ShownRun(name, results, MANIFEST)


@pytest.fixture
def runs() -> list[ShownRun]:
    return [made("this run"), made("recorded: A", 2, infonce=False)]


def test_ranks_have_one_column_per_run_and_the_share_of_the_teachers(runs: list[ShownRun]) -> None:
    found = recordings.ranks(runs).set_index("model")
    assert list(found.columns) == ["this run", "recorded: A"]
    assert list(found.index) == ["teacher", "S", "L", "test images"]
    assert found.loc["S"].tolist() == ["5.0 ± 1.0 (25 %)", "10.0 ± 2.0 (25 %)"]
    assert found.loc["L", "this run"] == "3.0 ± 0.0 (15 %)"
    assert found.loc["teacher"].tolist() == ["20.0", "40.0"]
    assert found.loc["test images"].tolist() == ["2,000", "2,000"]


def test_a_model_that_a_run_lacks_is_a_dash() -> None:
    narrow = made("narrow")
    narrow.results.tables["spectrum"] = narrow.table("spectrum").query("model != 'L'")  # type: ignore[attr-defined]
    assert recordings.ranks([made("both"), narrow]).set_index("model").loc["L", "narrow"] == "–"


def test_the_overview_says_what_each_run_is(runs: list[ShownRun]) -> None:
    cells = recordings.overview(runs).set_index("")["recorded: A"]
    assert cells["images"] == "CIFAR-10"
    assert (cells["training images"], cells["test images"]) == ("512", "2,000")
    assert cells["teacher (parameters)"] == f"{runs[1].settings.teacher} (900)"
    assert cells["students (parameters)"] == "S (100), L (1,000)"
    assert cells["input of the students"] == "32 × 32"
    assert (cells["seeds"], cells["epochs"], cells["steps per epoch"]) == ("2", "5", "8")
    assert cells["objectives"] == "cosine alone"
    assert cells["computed"] == "2026-01-02, CPU (two)"
    assert cells["at commit"] == "0123456789"


def test_a_run_put_together_from_several_commits_names_them_all(runs: list[ShownRun]) -> None:
    assert runs[0]._replace(manifest={"made": {"commit": ["abc", "def"]}}).commit() == "abc, def"


def test_the_summary_has_one_row_per_run(runs: list[ShownRun]) -> None:
    found = recordings.table(runs).to_numpy().tolist()
    assert found[0] == ["this run", "20.0", "3.0 to 6.0", "20", "2.00 to 3.00"]
    assert found[1] == ["recorded: A", "40.0", "6.0 to 12.0", "20", "–"]


def test_each_run_is_judged_by_itself(runs: list[ShownRun]) -> None:
    judged = recordings.ledgers(runs)
    for one in runs:
        expected = evaluate.evaluate(one.results).query("evidence != 'check of the text'")
        pd.testing.assert_frame_equal(judged[one.name], expected)
        counted = recordings.verdict_counts(judged).set_index("run").loc[one.name]
        assert counted.to_dict() == expected["verdict"].value_counts().reindex(counted.index, fill_value=0).to_dict()


def test_claims_that_at_least_one_run_can_judge_are_listed(runs: list[ShownRun]) -> None:
    judged = recordings.ledgers(runs)
    found = recordings.verdicts(judged)
    testable = [ledger["verdict"].ne("not testable here").to_numpy() for ledger in judged.values()]
    assert len(found) == (testable[0] | testable[1]).sum() > 0
    row = found[found["claim"].str.endswith("(v2-expands)")].iloc[0]
    verdict = judged["this run"].set_index("id").loc["v2-expands", "verdict"]
    sign = scorecard.LOOKS[verdict][2]
    assert row["this run"].startswith(f"{sign} 2.25")
    assert row["recorded: A"] == "–"


def test_figures_have_one_panel_per_run(runs: list[ShownRun]) -> None:
    figure = recordings.rank_figure(runs)
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["this run", "recorded: A"]
    assert figure.axes[-1].get_xlabel()
    plt.close(figure)


def test_without_recorded_runs_the_tables_show_this_run_alone() -> None:
    runs = [made("this run")]
    judged = recordings.ledgers(runs)
    assert list(recordings.verdicts(judged)) == ["claim", "paper", "this run"]
    assert list(recordings.ranks(runs)) == ["model", "this run"]


def test_a_run_that_was_cut_short_is_compared_by_what_it_has() -> None:
    short = made("short")
    del short.results.tables["expansion"]  # type: ignore[attr-defined]
    assert recordings.table([short])["factor by InfoNCE"].tolist() == ["2.00 to 3.00"]
