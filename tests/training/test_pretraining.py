"""What both pretrainings share, each from its command line, and the optimiser's learning rate."""

import math
import runpy
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from asymdistill.config.names import SCENES_CLIP, SCENES_SIMCLR
from asymdistill.data.preprocess import clip_preprocess
from asymdistill.data.scenes import generate
from asymdistill.metrics.spectrum import effective_rank
from asymdistill.models.mini_clip import ImageTower, Towers, load_towers
from asymdistill.training import pretraining
from asymdistill.training.pretraining import Recipe, command_line, make_optimizer
from asymdistill.training.scenes_clip import ClipRecipe
from asymdistill.training.scenes_simclr import SimclrRecipe

TINY = {"--images": 40, "--epochs": 1, "--batch": 16, "--probe-images": 40}
MEASURED = {
    ClipRecipe: ["probe accuracy", "effective rank", "zero-shot accuracy"],
    SimclrRecipe: ["probe accuracy", "effective rank", "loss at chance"],
}


def run(recipe: type[Recipe], out: Path, **options: object) -> tuple[Towers, str]:
    """The towers and the log that a tiny training writes."""
    words = TINY | {f"--{name.replace('_', '-')}": value for name, value in options.items()}
    assert command_line(recipe, ["--out", str(out), *(str(word) for pair in words.items() for word in pair)]) == 0
    log = (out / f"{recipe.teacher}.log").read_text(encoding="utf-8")
    return load_towers(out / f"{recipe.teacher}.safetensors"), log


def measurements(log: str) -> dict[str, str]:
    after = log[log.rindex("\nepoch ") :].splitlines()[2:-1]
    return dict(line.split(": ") for line in after)


@pytest.mark.parametrize("recipe", [ClipRecipe, SimclrRecipe])
def test_a_training_from_end_to_end(recipe: type[Recipe], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (first, log), printed = run(recipe, tmp_path / "a"), capsys.readouterr().out
    assert printed == log
    assert "/" not in log
    assert log.startswith('settings: {"images": 40, "epochs": 1, ')
    assert "\nepoch 1: loss " in log
    assert log.splitlines()[-1].startswith("threads: 1, seconds: ")
    assert {path.name for path in (tmp_path / "a").iterdir()} == {
        f"{recipe.teacher}.{end}" for end in ("safetensors", "log")
    }
    second, other = run(recipe, tmp_path / "b")
    assert list(measurements(log)) == MEASURED[recipe]
    assert measurements(log) == measurements(other)
    states = first.modules().state_dict(), second.modules().state_dict()
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())
    with safe_open(tmp_path / "a" / f"{recipe.teacher}.safetensors", framework="pt") as file:
        assert file.metadata().keys() == {"format", "digest"} | ({"words", "length"} if first.text else set())
    assert (first.text is None) == (recipe is SimclrRecipe)


@pytest.mark.parametrize("recipe", [ClipRecipe, SimclrRecipe])
def test_a_training_goes_on_from_earlier_weights_and_keeps_their_log(recipe: type[Recipe], tmp_path: Path) -> None:
    first, before = run(recipe, tmp_path / "a", epochs=2, stop_after=1)
    assert "epoch 2" not in before
    second, after = run(recipe, tmp_path / "b", start=tmp_path / "a" / f"{recipe.teacher}.safetensors")
    assert after.startswith(before)
    assert after.count("epoch 1: loss") == 2
    changes = [(p - q).abs().max() for p, q in zip(first.image.parameters(), second.image.parameters(), strict=True)]
    assert 0 < max(changes) < 0.05


def test_the_loss_at_chance_is_that_of_the_batches_there_are(tmp_path: Path) -> None:
    log = run(SimclrRecipe, tmp_path, images=12)[1]
    assert measurements(log)["loss at chance"] == f"{math.log(2 * 12 - 1):.4f}"


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--epochs", "0", "epochs is 0; it must be a finite number greater than 0"),
        ("--learning-rate", "nan", "learning_rate is nan; it must be a finite number greater than 0"),
        ("--warmup", "-0.1", "warmup is -0.1; allowed: 0 to 1"),
        ("--seed", "-1", "seed is -1; allowed: 0 to "),
        ("--stop-after", "9", "stop_after is 9; allowed: 0 to 8"),
        ("--probe-images", "1", "probe_images is 1; it must be at least 2"),
        ("--shape-share", "1.5", "shape_share is 1.5; allowed: 0 to 1"),
        ("--start", "nowhere.safetensors", "can't read the teacher's weights nowhere.safetensors"),
    ],
)
def test_bad_input_is_refused_in_one_line(
    option: str, value: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line(ClipRecipe, ["--out", str(tmp_path / "out"), f"{option}={value}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"asymdistill: error: {message}")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("no folder")
    assert command_line(SimclrRecipe, ["--out", str(tmp_path / "file" / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("asymdistill: error: ")


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
@pytest.mark.parametrize(("module", "teacher"), [("scenes_clip", SCENES_CLIP), ("scenes_simclr", SCENES_SIMCLR)])
def test_the_commands_that_the_book_names_exist(
    module: str, teacher: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [module, "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(f"asymdistill.training.{module}", run_name="__main__")  # what `python -m` does
    shown = capsys.readouterr().out
    assert ended.value.code == 0
    assert f"Train the teacher '{teacher}'." in shown
    assert "--out OUT" in shown


@pytest.mark.parametrize("recipe", [ClipRecipe, SimclrRecipe])
@pytest.mark.parametrize("found", [True, False])
def test_towers_compute_in_bfloat16_where_the_cpu_has_instructions_for_it(
    found: bool, recipe: type[Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretraining, "has_bfloat16", lambda device: found)
    task = recipe(images=2).task()
    given: list[Tensor] = []
    task.towers.image.register_forward_hook(lambda *called: given.append(called[-1]))
    loss = task(torch.arange(2))
    assert loss.dtype == torch.float32
    assert loss.isfinite()
    assert [embeddings.dtype for embeddings in given] == [torch.bfloat16 if found else torch.float32]


def test_the_learning_rate_rises_in_a_line_and_falls_along_a_cosine() -> None:
    matrix, bias = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2))
    recipe = SimclrRecipe(learning_rate=0.5, warmup=0.2, weight_decay=0.3)
    optimizer, schedule = make_optimizer([matrix, bias], recipe, 20)
    rates = []
    for _ in range(20):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    rise, fall = [0.125, 0.25, 0.375, 0.5], [0.25 * (1 + math.cos(math.pi * step / 16)) for step in range(16)]
    assert rates == pytest.approx(rise + fall)
    assert schedule.get_last_lr()[0] == pytest.approx(0, abs=1e-12)
    decays = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert decays == {id(matrix): 0.3, id(bias): 0.0}


def test_towers_are_measured_on_scenes_of_the_next_two_seeds() -> None:
    torch.manual_seed(0)
    tower = ImageTower().eval()
    found = SimclrRecipe(seed=5, probe_images=60).measure(Towers(tower))
    fitted, tested = generate(60, seed=6), generate(30, seed=7)
    with torch.no_grad():
        own, others = (nn.functional.normalize(tower(clip_preprocess(s.images, 32)), dim=1) for s in (fitted, tested))
    probe = LogisticRegression(max_iter=2000).fit(own.numpy(), fitted.labels.numpy())
    assert found["probe accuracy"] == pytest.approx(probe.score(others.numpy(), tested.labels.numpy()))
    assert found["effective rank"] == pytest.approx(effective_rank(others), rel=1e-4)
