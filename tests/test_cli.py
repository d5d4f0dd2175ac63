"""The command line: results in the folder asked for, and one line on standard error for whatever is wrong."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from command_line import Counts, complaints, read, shell, words_for
from conftest import SMALL
from forked import Forked
from fresh_process import imported_in_turn
from safetensors.torch import save_file

from asymdistill import __version__, cli
from asymdistill.config.profiles import profile_names
from asymdistill.config.settings import Settings
from asymdistill.experiment.student_configs import StudentConfigs
from asymdistill.store import files
from asymdistill.study.recorded import Recorded
from asymdistill.study.study import Study


def words_of(study: Study) -> list[str]:
    return words_for(SMALL | {"teacher_weights": str(study.settings.teacher_weights)})


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, to see what is written into it."""
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def fails(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must fail, and return its one line."""
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("asymdistill: error: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    message = err.removeprefix("asymdistill: error: ").strip()
    assert message
    return message


CHECKOUT = Path(__file__).parents[1]
WRONG = {
    "run -p nope": "no profile 'nope'; allowed: ",
    "run -p gone.toml": "profile file gone.toml does not exist",
    "run --set epoch=3": "unknown setting 'epoch'; allowed: ",
    "run --set runs_dir=x": "unknown setting 'runs_dir'; allowed: ",
    "run --set epochs=0": "setting 'epochs' is 0",
    "run --set epochs=many": "setting 'epochs' is 'many'",
    "run --set epochs": "'epochs' is not of the form key=value",
    "run --set device=tpu": "setting 'device' is 'tpu'",
    "run --set teacher=clip": "setting 'teacher': no teacher 'clip'; allowed: 'imagenet-efficientnet-lite0', ",
    "run --set objectives=[]": "setting 'objectives' is []",
    'run --set objectives=["contrast"]': "Input should be 'cosine', 'infonce', 'views', 'vicreg' or 'uniformity'",
    "run --set infonce_weight=0": "setting 'infonce_weight' is 0",
    'run --set sweeps=["depth"]': "setting 'sweeps' is 'depth'",
    'run --set other_teachers=["clip"]': "allowed: 'imagenet-efficientnet-lite0', 'scenes-clip', ",
    "run -p smoke --set device=cuda:77": "device is 'cuda:77'",
    "run -p smoke --set dataset=nowhere": "no data set 'nowhere'; allowed: ",
    "run -p smoke --set dataset=gone.npz": "gone.npz does not exist",
    "run -p smoke --set teacher_weights=gone.safetensors": "is gone.safetensors, which does not exist",
    "run -p smoke --set teacher_weights=weights.pt": "only .safetensors files are read",
    "run -p smoke --set teacher=open_clip:ViT-B-32/openai": "use open_clip:ViT-B-32-quickgelu/openai",
    "run -p smoke --set dataset=cifar10 --set dataset_root=here --set download=false": "cifar10 is not in here",
    'run -p smoke --set other_datasets=["nowhere"]': "no data set 'nowhere'; allowed: ",
    'run -p smoke --set other_datasets=["gone.npz"]': "gone.npz does not exist",
    'run -p smoke --set other_teachers=["timm:vit_enormous"]': "timm has no model 'vit_enormous'",
    "run --bogus": "No such option: --bogus",
    "run --profile": "requires an argument",
    "run extra": "unexpected extra argument",
    "rum": "No such command 'rum'",
    "": "command",
    "profiles nope": "no profile 'nope'; allowed: ",
    "profiles a b": "unexpected extra argument",
    f"book --source {CHECKOUT} -p nope": "no profile 'nope'; allowed: ",
    f"book --source {CHECKOUT} --set epoch=3": "unknown setting 'epoch'",
    "book -p smoke": "holds no book",
    f"run --out {Path(__file__)}": "Invalid value for '--out': ",
    f"book --runs {Path(__file__)}": "Invalid value for '--runs': ",
    f"sweep {Path(__file__).parent}": f"sweep {Path(__file__).parent} is a folder; allowed: a TOML file",
}


@pytest.mark.parametrize("words", WRONG)
def test_what_is_wrong_is_one_line_and_nothing_is_written(
    words: str, empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert WRONG[words] in fails(words.split(), capsys)
    assert not list(empty.iterdir())


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["run", "--out", ""], "--out"),
        (["run", "-p", "smoke", "--out="], "--out"),
        (["run", "-p", ""], "-p"),
        (["run", "--set", ""], "--set"),
        (["sweep", ""], "an argument"),
        (["sweep", "spec.toml", "--out", ""], "--out"),
        (["book", "--out", ""], "--out"),
        (["book", "--runs="], "--runs"),
        (["claims", ""], "an argument"),
        (["record", ""], "an argument"),
        (["record", "runs/smoke-0123456789", "--out", ""], "--out"),
        (["measure", ""], "an argument"),
        (["measure", "a.npy", "--against", ""], "--against"),
    ],
)
def test_a_shells_variable_that_is_not_set_is_not_the_working_folder(
    words: list[str], named: str, empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fails(words, capsys).startswith(f"{named} is empty; allowed: a value, or nothing at all")
    assert not list(empty.iterdir())


def test_a_damaged_profile_is_one_line(empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (empty / "mine.toml").write_text('epochs = "\nseeds = [')
    assert "mine.toml is not valid TOML" in fails(["run", "-p", "mine.toml"], capsys)


def test_an_out_that_is_a_file_is_one_line(empty: Path, small_study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    (empty / "taken").write_text("x")
    assert "'taken' is a file" in fails(["run", "-p", "smoke", "--out", "taken", *words_of(small_study)], capsys)
    assert (empty / "taken").read_text() == "x"


def test_a_bug_is_not_taken_for_bad_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "profile_names", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli.main(["profiles"])


def test_an_interrupt_is_one_line_and_status_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "profile_names", interrupted)
    assert cli.main(["profiles"]) == 130
    out, err = capsys.readouterr()
    assert out == ""
    assert err.strip() == "asymdistill: interrupted; run the same command again to continue from what is stored"


def test_help_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], ["run", "--help"], ["book", "--help"], ["profiles", "--help"]):
        assert cli.main(arguments) == 0
        out, err = capsys.readouterr()
        assert "Usage" in out
        assert err == ""


def test_profiles_are_listed_and_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    assert cli.main(["profiles"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in profile_names())
    assert cli.main(["profiles", "cifar10-clip"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in Settings.model_fields)
    assert "open_clip:ViT-B-32-quickgelu/openai" in shown
    assert "(42, 123, 456)" in shown


def test_brackets_in_settings_are_shown_as_they_are(
    empty: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    (empty / "mine.toml").write_text('dataset = "a[red]b[/c].npz"\n')
    assert cli.main(["profiles", "mine.toml"]) == 0
    assert "a[red]b[/c].npz" in capsys.readouterr().out


def test_a_run_reads_what_is_stored_and_says_where_it_is(
    small_study: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    runs = small_study.folder.parent

    def content() -> dict[Path, bytes]:
        found = (path for path in runs.rglob("*") if path.is_file() and not path.name.startswith("manifest"))
        return {path: path.read_bytes() for path in found}

    before = content()
    assert cli.main(["run", "-p", "smoke", "--out", str(runs), *words_of(small_study)]) == 0
    out = capsys.readouterr().out
    done = read(out)
    assert done.students == (5, 0)
    assert [counts.computed for counts in done.kinds.values()] == [0, 0]
    assert out.splitlines()[-1] == f"tables and manifest: {small_study.folder}"
    ranks = small_study.spectrum().query("estimator == 'per seed' and quantity == 'effective_rank'")
    own = ranks[ranks["model"] == "S"]["value"]
    assert f"{own.mean():.2f} ± {own.std(ddof=0):.2f}" in out
    assert small_study.manifest()["commit"] in out
    assert content() == before


def test_in_a_shell_bad_input_is_one_line_and_status_2(empty: Path) -> None:
    done = shell(["run", "-p", "smoke", "--set", "epochs=0"], empty)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("asymdistill: error: setting 'epochs' is 0")
    assert done.stderr.count("\n") == 1
    assert not list(empty.iterdir())


DINOV2 = "vit_small_patch14_dinov2.lvd142m"
TINY = {
    "resolution": 32,
    "widths": [0.25],
    "seeds": [42],
    "epochs": 1,
    "batch_size": 20,
    "noise_levels": [0.0],
    "metric_batch_size": 8,
    "infonce_weights": [10],
    "infonce_temperatures": [1],
    "batch_sizes": [10],
    "pushed_widths": [0.25],
    "control_epochs": 2,
    "control_widths": [0.5],
    "workers": 1,
}


@pytest.mark.slow
def test_the_second_papers_profile_runs_with_its_teachers_architecture(empty: Path) -> None:
    """Made-up images of a hundred classes, and DINOv2's architecture with random weights."""
    torch.manual_seed(0)
    network = timm.create_model(DINOV2, pretrained=False, num_classes=0)
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, "dinov2.safetensors")
    rng = np.random.default_rng(0)
    labels = {"train": 2 * (np.arange(24) % 12), "test": 2 * np.arange(12)}  # of a hundred classes few have images
    images = {f"{s}_images": rng.integers(0, 256, (len(own), 32, 32, 3), dtype=np.uint8) for s, own in labels.items()}
    named = {f"{split}_labels": own for split, own in labels.items()}
    np.savez("hundred.npz", **images, **named, classes=[f"class {number}" for number in range(100)])
    values = TINY | {"dataset": "hundred.npz", "teacher_weights": "dinov2.safetensors"}
    process = Forked(["run", "-p", "cifar100-dinov2", "--out", "results", *words_for(values)], empty)
    out, err = process.communicate()
    assert (process.returncode, complaints(err)) == (0, [])
    recorded = Recorded(empty / read(out).folder)
    assert recorded.settings.teacher == f"timm:{DINOV2}"
    models = recorded.table("models")
    assert models is not None
    assert models["embedding_dim"].tolist() == [384, 384]
    # the weights are of 518 pixels; at 224 there are 16 x 16 patches and one token more, each with its position
    fewer = (network.pos_embed.shape[1] - 16**2 - 1) * 384
    assert models["parameters"][0] == sum(parameter.numel() for parameter in network.parameters()) - fewer
    everyone = StudentConfigs(recorded.settings, 224, 100).everyone()
    assert read(out).kinds["students"] == Counts(0, len(everyone))
    for name in ("spectrum", "robustness", "expansion"):
        table = recorded.table(name)
        assert table is not None
        assert {"cosine", "infonce"} <= set(table["objective"].dropna())
    controls = recorded.table("controls")
    assert controls is not None
    assert set(controls["control"]) == {"underfitting", "capacity", "objective"}
    assert "w=0.25 infonce" in out


def test_the_version_is_the_packages() -> None:
    from importlib import metadata

    assert metadata.version("asymdistill") == __version__


def test_the_doctor_says_what_a_run_needs_and_what_is_missing(
    small_study: Study, empty: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    assert cli.main(["doctor", "-p", "smoke", *words_of(small_study)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "Profile smoke" in out
    assert str(small_study.settings.teacher_weights) in out
    assert "missing" not in out
    for name in ("device", "images", "weights", "students", "memory"):
        assert f"│ {name} " in out
    assert cli.main(["doctor", "-p", "smoke", *words_of(small_study), "--set", "dataset=gone.npz"]) == 1
    out, err = capsys.readouterr()
    assert err == ""
    assert "missing" in out
    assert "gone.npz does not exist" in out
    assert not list(empty.iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("doctor -p nope", "no profile 'nope'; allowed: "),
        ("doctor -p smoke --set epoch=3", "unknown setting 'epoch'"),
        ("doctor -p smoke --set teacher=timm:vit_enormous", "timm has no model 'vit_enormous'"),
    ],
)
def test_the_doctor_is_asked_about_runs_that_can_be(
    words: str, message: str, empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in fails(words.split(), capsys)
    assert not list(empty.iterdir())


@pytest.mark.slow
def test_in_a_shell_the_doctor_has_status_1_where_something_is_missing(empty: Path) -> None:
    variables = {"COLUMNS": "400", "HF_HOME": str(empty / "hub"), "ASYMDISTILL_TEACHER_WEIGHTS": ""}
    words = ["doctor", "-p", "smoke", "--set", "teacher=timm:test_vit.r160_in1k", "--set", "controls=[]"]
    done = shell(words, empty, **variables)
    assert done.returncode == 1
    assert done.stderr == ""
    assert "model.safetensors is not in" in done.stdout
    assert "about" in done.stdout
    assert not list(empty.iterdir())


def test_record_keeps_a_run_under_its_name(small_study: Study, empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = shutil.copytree(small_study.folder, empty / "runs" / small_study.folder.name)
    message = fails(["record", str(copy)], capsys)
    assert message.startswith("manifest.settings.teacher_weights is an absolute path, ")
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["settings"]["teacher_weights"] = None
    files.write_json(copy / "manifest.json", manifest)
    assert cli.main(["record", str(copy)]) == 0
    kept = Path("results") / copy.name
    assert capsys.readouterr() == (f"manifest and tables: {kept}\n", "")
    assert {path.name for path in kept.iterdir()} == {"manifest.json", "manifest.json.sha256", "tables"}
    assert cli.main(["record", str(copy), "--out", "elsewhere"]) == 0
    assert (empty / "elsewhere" / copy.name / "manifest.json").is_file()


def test_record_refuses_in_one_line(small_study: Study, empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "nowhere holds no run" in fails(["record", "nowhere"], capsys)
    copy = shutil.copytree(small_study.folder, empty / "run")
    (copy / "tables" / "models.csv").write_text("model\n")
    assert "tables/models.csv is missing or damaged" in fails(["record", "run"], capsys)
    (copy / "manifest.json").write_text("{")
    assert "damaged or of another version" in fails(["record", "run"], capsys)
    assert "Missing argument" in fails(["record"], capsys)
    assert not (empty / "results").exists()


def test_help_profiles_and_record_import_neither_torch_nor_matplotlib(small_study: Study, empty: Path) -> None:
    copy = shutil.copytree(small_study.folder, empty / small_study.folder.name)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["settings"]["teacher_weights"] = None
    files.write_json(copy / "manifest.json", manifest)
    heavy = {"torch", "torchvision", "matplotlib", "seaborn", "sklearn", "scipy", "timm", "open_clip"}
    commands = ["--help"], ["run", "--help"], ["profiles"], ["profiles", "smoke"], ["record", str(copy)]
    codes = [f"from asymdistill import cli; assert cli.main({words!r}) == 0" for words in commands]
    for words, found in zip(commands, imported_in_turn(*codes), strict=True):
        assert not heavy & found, words
    assert (empty / "results" / copy.name / "manifest.json").is_file()
