"""Recorded runs beside the book's own: each under its name, with its own numbers and what follows from them."""

import json
import shutil
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from made_runs import accuracies, ranks, run, table

from asymdistill.builder import recordings, scorecard
from asymdistill.builder.recordings import Run
from asymdistill.claims import evaluate
from asymdistill.plots import recording_report
from asymdistill.plots import recordings as recording_figures
from asymdistill.runtime.errors import InputError
from asymdistill.store import files
from asymdistill.study.recorded import Recorded, record
from asymdistill.study.study import Study

ROOT = Path(__file__).parents[2]
MANIFEST = {
    "created": "2026-01-02T03:04:05+00:00",
    "device": "CPU (two)",
    "commit": "0123456789",
    "seconds": {"all": 61},
}
SIZES = {"teacher": 900, "S": [100.0], "L": [1000.0]}


def made(name: str, scale: float = 1, images: int = 512, *, infonce: bool = True, profile: str = "cifar10-clip") -> Run:
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
    settings |= {"resolution": 32, "widths": [1, 4], "seeds": [42, 123], "controls": [], "augmentation_seeds": 0}
    results = run(
        profile,
        settings,
        models=table(SIZES, "parameters").astype({"parameters": int}),
        spectrum=pd.concat([ranks({**values, **more}), ranks({**values, **more}, "dims_for_90")]),
        robustness=accuracies(levels),
        expansion=pd.concat(gains).assign(comparison="gains"),
        augmentation=accuracies(levels).iloc[:0].assign(effective_rank=0.0),
    )
    return Run(name, results, MANIFEST, 10)


@pytest.fixture
def runs() -> list[Run]:
    return [made("this run"), made("recorded: A", 2, infonce=False)]


@pytest.fixture
def kept(small_study: Study, tmp_path: Path) -> Path:
    """A folder of recorded runs that holds one."""
    record(small_study_without_paths(small_study, tmp_path), tmp_path / "results")
    return tmp_path / "results"


def small_study_without_paths(study: Study, tmp_path: Path) -> Path:
    """A copy of the small study whose weights are not named by an absolute path."""
    folder = tmp_path / study.folder.name
    shutil.copytree(study.folder, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["settings"]["teacher_weights"] = None
    files.write_json(folder / "manifest.json", manifest)
    return folder


def test_ranks_stand_side_by_side_with_their_share_of_the_teachers(runs: list[Run]) -> None:
    found = recordings.ranks(runs).set_index("model")
    assert list(found.columns) == ["this run", "recorded: A"]
    assert list(found.index) == ["teacher", "S", "L", "test images"]
    assert found.loc["S"].tolist() == ["5.0 ± 1.0, 25 % of the teacher's", "10.0 ± 2.0, 25 % of the teacher's"]
    assert found.loc["L", "this run"] == "3.0 ± 0.0, 15 % of the teacher's"
    assert found.loc["teacher"].tolist() == ["20.0", "40.0"]
    assert found.loc["test images"].tolist() == ["2,000", "2,000"]


def test_a_model_that_a_run_has_not_is_a_dash() -> None:
    narrow = made("narrow")
    narrow.results.tables["spectrum"] = narrow.table("spectrum").query("model != 'L'")  # type: ignore[attr-defined]
    assert recordings.ranks([made("both"), narrow]).set_index("model").loc["L", "narrow"] == "–"


def test_changes_under_noise_are_taken_student_by_student(runs: list[Run]) -> None:
    found = recordings.accuracies(runs)
    assert list(found.columns) == ["run", "model", "σ = 0 (%)", "0.1 (points)"]
    assert found["run"].tolist() == ["this run", "", "", "recorded: A", "", ""]
    assert found["0.1 (points)"].tolist()[:3] == ["-10.0", "-19.0 ± 1.0", "-37.0 ± 3.0"]
    assert found["σ = 0 (%)"].tolist()[:3] == ["90.0", "71.0 ± 1.0", "82.0 ± 2.0"]


def test_a_level_that_a_run_has_not_is_a_dash(runs: list[Run]) -> None:
    other = made("recorded: B")
    more = other.table("expansion").query("sigma == 0.1").assign(sigma=0.05, value=60.0)
    other.results.tables["expansion"] = pd.concat([other.table("expansion"), more])  # type: ignore[attr-defined]
    found = recordings.accuracies([runs[0], other])
    assert list(found.columns[2:]) == ["σ = 0 (%)", "0.05 (points)", "0.1 (points)"]
    assert found["0.05 (points)"].tolist() == ["–", "–", "–", "-30.0", "-11.0 ± 1.0", "-22.0 ± 2.0"]


def test_factors_are_of_the_runs_with_two_objectives(runs: list[Run]) -> None:
    found = recordings.gains(runs)
    assert found["run"].tolist() == ["this run", ""]
    assert found["factor"].tolist() == ["2.00 ± 0.00", "2.50 ± 0.50"]
    assert recordings.gains(runs[1:]).empty


def test_the_overview_says_what_each_run_is(runs: list[Run]) -> None:
    row = recordings.overview(runs).iloc[1]
    assert row["run"] == "recorded: A"
    assert row["images and teacher"].startswith("CIFAR-10, 512 training and 2,000 test images; ")
    assert row["images and teacher"].endswith(" (900)")
    assert row["students"] == "S (100), L (1,000), at 32 × 32; 2 seeds, 5 epochs of 8 steps; cosine alone"
    assert row["computed"] == "2026-01-02 on CPU (two) in 1 min 01 s, commit 0123456789"


def test_each_run_is_judged_by_itself(runs: list[Run]) -> None:
    judged = recording_report.ledgers(runs)
    for one in runs:
        expected = evaluate.evaluate(one.results).query("evidence != 'static'")
        pd.testing.assert_frame_equal(judged[one.name], expected)
        counted = recording_report.verdict_counts(judged).set_index("run").loc[one.name]
        assert counted.to_dict() == expected["verdict"].value_counts().reindex(counted.index, fill_value=0).to_dict()


def test_claims_are_listed_that_one_of_the_runs_can_judge(runs: list[Run]) -> None:
    judged = recording_report.ledgers(runs)
    found = recording_report.verdicts(judged)
    testable = [ledger["verdict"].ne("not testable here").to_numpy() for ledger in judged.values()]
    assert len(found) == (testable[0] | testable[1]).sum() > 0
    row = found[found["claim"].str.endswith("(v2-expansion)")].iloc[0]
    verdict = judged["this run"].set_index("id").loc["v2-expansion", "verdict"]
    sign = scorecard.LOOKS[verdict][2]
    assert row["this run"].startswith(f"{sign} 2.25")
    assert f"{sign} {verdict}" in recording_report.readings(runs, judged)["reading_recorded_signs"]
    assert row["recorded: A"] == "–"


def test_agreement_counts_what_both_can_judge(runs: list[Run]) -> None:
    judged = recording_report.ledgers(runs)
    own, other = (ledger.set_index("id")["verdict"] for ledger in judged.values())
    both = (own != "not testable here") & (other != "not testable here")
    text = recording_report.readings(runs, judged)["reading_recorded_ledger"]
    assert f"can both judge {both.sum()} of the claims, and {(both & (own == other)).sum()} of these" in text
    assert "differ" not in text
    turned = judged["recorded: A"].copy()
    name = own.index[both][0]
    turned.loc[turned["id"] == name, "verdict"] = {"reproduced": "not reproduced"}.get(own[name], "reproduced")
    text = recording_report.readings(runs, {**judged, "recorded: A": turned})["reading_recorded_ledger"]
    assert f"and {(both & (own == other)).sum() - 1} of these got the same verdict; they differ on `{name}`." in text


def test_sentences_name_their_run_and_follow_its_numbers(runs: list[Run]) -> None:
    reading = recording_report.readings(runs, recording_report.ledgers(runs))
    own, other = reading["reading_recorded_ranks"].splitlines()
    assert own.startswith("- *this run*: The teacher's effective rank is 20.0 ")
    assert other.startswith("- *recorded: A*: The teacher's effective rank is 40.0 ")
    assert "80 % below the teacher's" in own
    assert "(A)" in reading["seen_recorded"]
    assert " 20 % (" in reading["seen_recorded"]  # of 8 to 40
    assert reading["reading_recorded_infonce"].count("- *") == 1
    assert reading["reading_recorded_augmentation"] == "No run here has augmented students."
    assert (
        "of its 2 students, with 100 to 1,000 parameters, 1 are larger than it" in reading["reading_recorded_teacher"]
    )


def test_a_shipped_teachers_log_is_quoted_and_a_strange_ones_is_not(runs: list[Run]) -> None:
    shipped = made("recorded: B", profile="cifar10-vit")
    log = (ROOT / "asymdistill" / "weights" / "embedded-names.log").read_text()
    (zero_shot,) = [line for line in log.splitlines() if line.startswith("zero-shot accuracy: ")]
    found = recording_report.readings([runs[0], shipped], recording_report.ledgers([runs[0], shipped]))
    assert f"zero-shot accuracy {100 * float(zero_shot.split()[-1]):.1f} %" in found["reading_recorded_teacher"]
    assert (
        "training ended"
        not in recording_report.readings(runs, recording_report.ledgers(runs))["reading_recorded_teacher"]
    )


def test_without_recorded_runs_the_page_says_so() -> None:
    runs = [made("this run")]
    judged = recording_report.ledgers(runs)
    reading = recording_report.readings(runs, judged)
    assert reading["reading_recorded"] == reading["reading_recorded_ledger"] == recording_report.NONE
    assert reading["seen_recorded"] == "No run is recorded beside this one."
    assert all(isinstance(text, str) for text in reading.values())
    assert list(recording_report.verdicts(judged).columns) == ["claim", "paper", "this run"]


def test_figures_have_a_panel_a_run_under_its_name(runs: list[Run]) -> None:
    for figure in (recording_figures.ranks(runs), recording_figures.robustness(runs)):
        assert [axis.get_title(loc="left") for axis in figure.axes] == ["this run", "recorded: A"]
        assert figure.axes[-1].get_xlabel()
        plt.close(figure)


def test_guessing_is_drawn_where_the_number_of_classes_is_known(runs: list[Run]) -> None:
    figure = recording_figures.robustness([runs[0], runs[1]._replace(classes=None)])
    dotted = [[line.get_ydata()[0] for line in axis.lines if line.get_linestyle() == ":"] for axis in figure.axes]
    plt.close(figure)
    assert dotted == [[10.0], []]


def test_recorded_runs_come_after_the_books_own(small_study: Study, kept: Path) -> None:
    (kept / "README.md").write_text("what lies here")
    (kept / ".half.tmp").mkdir()
    own, recorded = recordings.gather(small_study, kept)
    assert (own.name, own.results, own.classes) == ("this run", small_study, 10)
    assert recorded.name == "recorded: Scenes, students at the teacher's resolution, 128 training images"
    assert recorded.classes == 10
    for name in ("spectrum", "robustness"):
        pd.testing.assert_frame_equal(recorded.table(name), own.table(name))
    pd.testing.assert_frame_equal(recordings.accuracy_values(recorded), recordings.accuracy_values(own))
    reading = recording_report.readings([own, recorded], recording_report.ledgers([own, recorded]))
    assert "nan" not in " ".join(str(text) for text in reading.values())


def test_runs_alike_are_told_apart(small_study: Study, kept: Path) -> None:
    (first,) = kept.iterdir()
    shutil.copytree(first, kept / "again")
    names = [run.name for run in recordings.gather(small_study, kept)]
    assert len(set(names)) == 3
    assert {name.rpartition("(")[2] for name in names[1:]} == {"again)", f"{first.name})"}


def test_larger_runs_come_first_and_of_these_smaller_input(small_study: Study, kept: Path) -> None:
    (first,) = kept.iterdir()
    for name, limit, side in (("a", 4000, 224), ("b", None, 32), ("c", 4000, 32)):
        shutil.copytree(first, kept / name)
        manifest = json.loads((first / "manifest.json").read_text())
        manifest["settings"] |= {"train_limit": limit, "resolution": side}
        files.write_json(kept / name / "manifest.json", manifest)
    found = [run.settings for run in recordings.gather(small_study, kept)[1:]]
    assert [(one.train_limit, one.resolution) for one in found] == [(None, 32), (4000, 32), (4000, 224), (128, None)]


def test_results_are_found_beside_the_table_of_contents(
    small_study: Study, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (kept.parent / "_toc.yml").touch()
    (kept.parent / "notebooks").mkdir()
    for place in ("notebooks", "."):
        monkeypatch.chdir(kept.parent / place)
        assert len(recordings.gather(small_study)) == 2
    shutil.rmtree(kept)
    assert [run.name for run in recordings.gather(small_study)] == ["this run"]


def test_a_folder_without_a_run_is_named(small_study: Study, kept: Path) -> None:
    (kept / "empty").mkdir()
    with pytest.raises(InputError, match="empty holds no run"):
        recordings.gather(small_study, kept)


def test_the_runs_in_the_repository_are_whole_and_tell_nothing_of_the_machine() -> None:
    for folder in (path for path in (ROOT / "results").glob("*") if path.is_dir()):
        run = Recorded(folder)
        assert record(folder, folder.parent) == folder  # complete, and nothing beside it
        assert run.manifest["run"] == folder.name
