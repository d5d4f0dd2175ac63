"""A chapter's claims: judged on this copy and, each by the largest recorded run that can, on photographs."""

import json
import shutil
from pathlib import Path

import pytest

from asymdistill.builder.answers import judge
from asymdistill.claims.evaluate import evaluate
from asymdistill.runtime.errors import InputError
from asymdistill.store import files
from asymdistill.study import Evidence, Study

CLAIMS = ["v1-order-infonce", "v1-alignment-same", "v2-expands"]


def keep(study: Study, folder: Path, images: int) -> Path:
    shutil.copytree(study.folder, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["settings"]["dataset"] = "cifar10"
    manifest["images"]["train"] = images
    files.write_json(folder / "manifest.json", manifest)
    return folder


def test_claims_are_judged_on_this_copy_and_on_photographs(small_study: Study, tmp_path: Path) -> None:
    folder = keep(small_study, tmp_path / "kept" / "run", 900)
    judged = judge(Evidence(small_study, folder.parent), CLAIMS)
    assert list(judged) == ["photographs", "this copy"]
    for ledger in judged.values():
        assert ledger["id"].tolist() == CLAIMS
        assert ledger["measured"].equals(evaluate(small_study, only=CLAIMS)["measured"])


def test_a_claim_that_the_largest_run_cannot_judge_is_judged_on_the_next(
    small_study: Study, expanded_study: Study, tmp_path: Path
) -> None:
    keep(small_study, tmp_path / "kept" / "large", 900)
    keep(expanded_study, tmp_path / "kept" / "small", 200)
    large, small = (evaluate(study, only=["v2-expands"]).iloc[0] for study in (small_study, expanded_study))
    assert (large["verdict"] == "not testable here", small["verdict"] == "not testable here") == (True, False)
    judged = judge(Evidence(small_study, tmp_path / "kept"), ["v2-expands"])
    assert judged["photographs"].iloc[0]["measured"] == small["measured"]
    assert judged["this copy"].iloc[0]["verdict"] == "not testable here"


def test_without_photographs_there_is_this_copy_alone(small_study: Study) -> None:
    assert list(judge(Evidence(small_study, None), CLAIMS)) == ["this copy"]


def test_an_unknown_claim_is_named(small_study: Study) -> None:
    with pytest.raises(InputError, match="claim is 'v1-none'; allowed: "):
        judge(Evidence(small_study, None), ["v1-none"])
