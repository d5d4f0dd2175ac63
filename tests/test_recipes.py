"""The page of recipes: each command runs as it is written, on less of everything."""

import itertools
import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from command_line import read, words_for
from PIL import Image
from safetensors.torch import save_file

from asymdistill import cli

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "book" / "recipes.md").read_text("utf-8")
SECTIONS = {text.partition("\n")[0]: text for text in PAGE.split("\n## ")[1:]}
# On less of everything, after what the page says.
LESS: dict[str, Any] = {
    "train_limit": 80,
    "test_limit": 60,
    "widths": [0.5],
    "seeds": [42],
    "epochs": 1,
    "batch_size": 40,
    "noise_levels": [0.0, 0.3],
    "noise_spaces": ["pixel"],
    "metric_batch_size": 20,
    "teacher": "scenes-clip",
    "teacher_resolution": None,
    "teacher_precision": "float32",
    "resolution": 32,
    "objectives": ["cosine"],
    "controls": [],
    "sweeps": [],
    "other_teachers": [],
    "other_datasets": [],
    "augmentation_seeds": 0,
}
ELSEWHERE = {
    "dataset": "scenes",
    "teacher": "scenes-clip",
    "device": "cpu",
}  # as the papers' need a GPU and downloads
TRAINED = {"One more seed": 1, "Other noise": 0, "A longer training": 1, "Your images": 1, "Your teacher": 1}


def commands(section: str) -> list[list[str]]:
    """The commands of a section, as a shell splits them."""
    blocks = re.findall(r"```bash\n(.*?)```", SECTIONS[section], re.S)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [shlex.split(line) for line in lines]


def less(words: list[str], **settings: Any) -> list[str]:
    """Overrides that make a command quick, but for what it sets itself."""
    own = {word.partition("=")[0] for before, word in itertools.pairwise(words) if before == "--set"}
    return words_for({key: value for key, value in (LESS | settings).items() if key not in own} | settings)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with all that the recipes begin from."""
    folder = tmp_path_factory.mktemp("recipes")
    words = ["run", "--profile", "embedded", "--out", str(folder / "runs")]
    assert cli.main([*words, *less(words, store=folder / "store", seeds=[42, 123, 456])]) == 0
    return folder / "store"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with images and a teacher of one's own."""
    monkeypatch.chdir(tmp_path)
    for number, split in enumerate(["train"] * 50 + ["test"] * 40):
        place = tmp_path / "my-images" / split / ("cat", "dog")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        pixels = torch.randint(256, (32, 32, 3), generator=torch.Generator().manual_seed(number), dtype=torch.uint8)
        Image.fromarray(pixels.numpy()).save(place / f"{number}.png")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("section", [name for name in SECTIONS if name not in ("A sweep", "One chapter")])
def test_a_recipe_runs_as_written(section: str, here: Path, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if section == "Your teacher":
        network = timm.create_model("mobilenetv3_small_100", pretrained=False)
        save_file(network.state_dict(), here / "my-teacher.safetensors")
    assert commands(section)
    for program, *words in commands(section):
        assert program == "asymdistill"
        settings: dict[str, Any] = {} if section == "A cluster" else {"store": store}
        settings |= {"teacher_resolution": 64} if section == "Your teacher" else {}
        settings |= ELSEWHERE if "cifar10-clip" in words else {}
        assert cli.main([*words, *less(words, **settings)]) == 0
        out = capsys.readouterr().out
        if words[0] == "run" and section in TRAINED:
            assert read(out).students[1] == TRAINED[section]
    if section == "A cluster":
        assert {path.name for path in Path("shared").iterdir()} >= {"store", "runs"}
        assert list(Path("shared", "store", "students").rglob("*.safetensors"))


@pytest.mark.slow
def test_the_recipe_of_a_sweep_runs_as_written(here: Path, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tomllib.loads("".join(re.findall(r"```toml\n(.*?)```", SECTIONS["A sweep"], re.S)))
    few = {name: value for name, value in LESS.items() if value is not None} | {
        "store": str(store),
        "teacher_resolution": 32,
    }
    varied = {*spec["set"], *spec["cross"]}
    spec["set"] |= {name: value for name, value in few.items() if name not in varied}
    parts = [(name, spec.pop(name)) for name in ("set", "cross")]
    for name, part in [("", spec), *parts]:
        lines = [f"[{name}]"] * bool(name) + [f"{key} = {json.dumps(value)}" for key, value in part.items()]
        with (here / "sweep.toml").open("a", encoding="utf-8") as file:
            file.write("\n".join([*lines, ""]))
    (_, *first), (_, *second) = commands("A sweep")
    assert cli.main(first) == 0
    assert "students: 6 in all, 0 found, 6 missing" in capsys.readouterr().out
    assert cli.main(second) == 0
    assert "students: 6 computed" in capsys.readouterr().out


@pytest.mark.slow
def test_the_recipe_of_a_chapter_runs_as_written(here: Path, store: Path) -> None:
    (here / "asymdistill").symlink_to(ROOT)
    (here / "elsewhere").mkdir()
    in_checkout, elsewhere = commands("One chapter")
    for words, folder in ((in_checkout, ROOT), (elsewhere, here / "elsewhere")):
        assert words[0] == "papermill"
        own = json.loads(words[words.index("overrides") + 1]) if "overrides" in words else {}
        settings = {name: value for name, value in LESS.items() if name not in own}
        settings |= own | {"seeds": [42, 123, 456], "store": str(store)}
        # What is given last counts; only results go elsewhere than into the checkout.
        more = ["-p", "overrides", json.dumps(settings), "--no-progress-bar"]
        more += ["-p", "runs_dir", str(here / "runs")] if folder == ROOT else []
        words = [str(here / word) if word == "out.ipynb" else word for word in words[1:]]
        done = subprocess.run(
            [sys.executable, "-m", "papermill", *words, *more], cwd=folder, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        page = (here / "out.ipynb").read_text("utf-8")
        assert "**Profile `embedded`**: 80 training" in page
        assert "**Photographs**" in page  # a recorded run was found
        (here / "out.ipynb").unlink()
    assert list((here / "elsewhere" / "my-runs").glob("embedded-*"))
