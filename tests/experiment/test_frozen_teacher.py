"""The frozen teacher: it sees what its library published, and what it sees names its embeddings."""

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from conftest import SMALL
from one_student import Open
from safetensors.torch import save_file

from asymdistill.config.profiles import load_settings
from asymdistill.data.preprocess import IMAGENET_MEAN, IMAGENET_STD
from asymdistill.data.views import View
from asymdistill.experiment.experiment import Experiment
from asymdistill.runtime.errors import InputError
from asymdistill.store.files import DamagedFileWarning
from asymdistill.study.study import Study

TIMM = "timm:test_efficientnet.r160_in1k"


@pytest.fixture
def cropping(tmp_path: Path) -> dict[str, Any]:
    """A teacher that was published for 160 x 160 pixels, cropped."""
    torch.manual_seed(0)
    state = timm.create_model(TIMM.removeprefix("timm:"), pretrained=False).state_dict()
    save_file(state, tmp_path / "cropping.safetensors")
    return {"teacher": TIMM, "teacher_weights": tmp_path / "cropping.safetensors"}


def test_a_teacher_sees_what_its_library_published_and_a_student_the_whole_picture(
    open_run: Open, cropping: dict[str, Any]
) -> None:
    run = open_run(**cropping)
    student = run.view(run.configs.grid()[0])
    assert run.view(None) == run.teacher.network.view == View(160, IMAGENET_MEAN, IMAGENET_STD, crop=0.95)
    assert student == View(160, IMAGENET_MEAN, IMAGENET_STD)
    changed = open_run(**cropping, teacher_resolution=64, teacher_crop=False)
    assert changed.teacher.network.view == changed.view(None) == View(64, IMAGENET_MEAN, IMAGENET_STD)
    assert changed.configs.grid()[0].resolution == 64


def test_what_a_teacher_sees_names_its_embeddings(open_run: Open, cropping: dict[str, Any]) -> None:
    changes: list[dict[str, Any]] = [{}, {"teacher_resolution": 64}, {"teacher_crop": False}]
    runs = [open_run(**cropping, **changed) for changed in changes]
    assert len({run.teacher.artifact("test").key for run in runs}) == 3
    assert len({run.students.artifact(run.configs.make(0.5, 42, "cosine", resolution=32)).key for run in runs}) == 3
    # What is asked for otherwise and comes to the same is the same.
    same = open_run(**cropping, teacher_resolution=160)
    assert same.teacher.artifact("test").key == runs[0].teacher.artifact("test").key
    own = [open_run(teacher="scenes-clip", teacher_crop=crop).teacher.artifact("test").key for crop in (True, False)]
    assert own[0] == own[1]


def test_a_teacher_that_cannot_see_images_as_asked_is_refused_at_once(open_run: Open) -> None:
    with pytest.raises(InputError, match="teacher_resolution is 64; teacher 'scenes-clip' allows 32 only"):
        open_run(teacher="scenes-clip", teacher_resolution=64)


def test_damaged_teacher_embeddings_are_computed_again(copied: Experiment, small_study: Study) -> None:
    artifact = copied.teacher.artifact("test")
    path = copied.store.path(artifact, ".safetensors")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.warns(DamagedFileWarning, match="safetensors is damaged"):
        again = copied.encode(None, "test")
    assert torch.equal(again, small_study._run.encode(None, "test"))


def test_a_teacher_whose_embeddings_have_no_direction_is_named_before_anything_is_stored(tmp_path: Path) -> None:
    """Enlarged from nothing but black borders, or with weights that are not numbers, an embedding means nothing."""
    own = Experiment(load_settings("smoke", SMALL)[1], tmp_path)
    for value in (0.0, float("nan")):
        own.teacher.network.encode = lambda images, noise, *, first, value=value: torch.full((len(images), 128), value)
        with pytest.raises(InputError, match=r"'scenes-clip' .* zero or not numbers at 32 x 32 pixels; allowed"):
            own.teacher.embeddings("train")
    assert not list((tmp_path / "store").rglob("*.safetensors"))
