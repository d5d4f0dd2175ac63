"""``asymdistill claims``: the verdicts on a run as a table or as JSON, and one line for a folder without a run."""

import json
import shutil
from pathlib import Path

import pytest
from command_line import shell
from fresh_process import imported_by

from asymdistill import cli
from asymdistill.claims import evaluate, ledger, summary
from asymdistill.claims.rules import VERDICTS
from asymdistill.study.study import Study


def test_every_claim_is_listed_with_its_verdict_and_the_counts(
    small_study: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "600")
    assert cli.main(["claims", str(small_study.folder)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    judged = evaluate.evaluate(small_study)
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if line.startswith("│")]
    assert [(name, verdict, evidence, reason) for name, verdict, _, _, _, evidence, reason in lines] == list(
        judged[["id", "verdict", "evidence", "reason"]].itertuples(index=False, name=None)
    )
    assert out.splitlines()[-1] == summary.summarise(judged)["scorecard_summary"]


def test_a_measured_value_stands_beside_the_papers(
    small_study: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "600")
    assert cli.main(["claims", str(small_study.folder)]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if " v1-size-teacher " in line]
    assert [cell.strip() for cell in line.split("│")[3:6]] == [
        *("500,000,000", "151,277,313", "450,000,000 to 550,000,000"),
    ]


def test_the_power_of_claims_is_simulated_on_request(
    small_study: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "600")
    assert cli.main(["claims", str(small_study.folder), "--power"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    (line,) = [line for line in out.splitlines() if "(v1-inversion-0.1)" in line]
    supported, contradicted, opposite = (float(cell) for cell in line.split("│")[2:5])
    assert 15 < supported < 35
    assert contradicted < 5
    assert 15 < opposite < 35


@pytest.mark.parametrize("options", [[], ["--json"], ["--power"]])
def test_one_claim_alone(options: list[str], small_study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["claims", str(small_study.folder), "--only", "v1-inversion-0.1", *options]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "v1-inversion-0.1" in out
    others = {claim.id for claim in ledger.paper_claims()} - {"v1-inversion-0.1"}
    assert not [name for name in others if f"{name} " in out or f'"{name}"' in out]


def test_a_claim_that_there_is_not_is_one_line(small_study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["claims", str(small_study.folder), "--only", "mine"]) == 2
    assert capsys.readouterr().err.startswith("asymdistill: error: claim is 'mine'; allowed: 'v1-rank-teacher', ")


def test_json_is_a_list_of_objects_and_nothing_else(small_study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["claims", str(small_study.folder), "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""

    def no_constant(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    found = json.loads(out, parse_constant=no_constant)
    judged = evaluate.evaluate(small_study)
    assert [claim["id"] for claim in found] == judged["id"].tolist()
    for claim, row in zip(found, judged.to_dict("records"), strict=True):
        assert list(claim) == [*evaluate.EVALUATED, "power"]
        assert claim["evidence"] in evaluate.KINDS
        assert claim["verdict"] in VERDICTS
        for name in ("paper_value", "measured", "low", "high", "claimed_low", "claimed_high", "margin"):
            expected = None if row[name] != row[name] else pytest.approx(row[name], abs=1e-9)
            assert claim[name] == expected


@pytest.mark.parametrize("words", [["claims", "nowhere"], ["claims", ".", "--json"], ["claims"]])
def test_what_is_no_run_is_one_line(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("asymdistill: error: ")
    assert err.count("\n") == 1
    assert "holds no run" in err or "Missing argument" in err
    assert not list(tmp_path.iterdir())


def test_in_a_shell_json_is_whole_beside_a_warning_of_a_damaged_table(small_study: Study, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(small_study.folder, copy)
    (copy / "tables" / "spectrum.csv").write_text("model\n")
    done = shell(["claims", str(copy), "--json"], tmp_path)
    assert done.returncode == 0
    damaged = f"asymdistill: warning: {copy / 'tables' / 'spectrum.csv'} is damaged: it counts as missing"
    assert set(done.stderr.splitlines()) == {damaged}
    reasons = {claim["id"]: claim["reason"] for claim in json.loads(done.stdout)}
    assert reasons["v1-rank-same"] == "This run has no table spectrum."


def test_no_torch_and_no_matplotlib_is_imported(small_study: Study) -> None:
    words = ["claims", str(small_study.folder)]
    imported = imported_by(f"from asymdistill import cli\nassert cli.main({words!r}) == 0")
    assert not {"torch", "matplotlib", "sklearn", "torchvision"} & imported
    assert "pandas" in imported


def test_help_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["claims", "--help"]) == 0
    out, err = capsys.readouterr()
    assert "--json" in out
    assert err == ""
