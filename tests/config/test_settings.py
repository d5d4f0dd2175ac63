"""Settings: values in range are accepted, and any other is named in one line."""

import pytest
from pydantic import ValidationError

from asymdistill.config.names import SHIPPED_TEACHERS
from asymdistill.config.profiles import load_settings
from asymdistill.config.settings import SWEEPS, Settings
from asymdistill.runtime.errors import InputError

BAD = {
    "epochs": (0, -1, 1.5, "many", None),
    "batch_size": (0, -64),
    "widths": ([], [0], [-1], [1, 1.0], [float("inf")], [float("nan")], "wide"),
    "seeds": ([], [-1], [1, 1], [2**32], [0.5]),
    "learning_rate": (0, -1e-3, float("nan"), float("inf")),
    "noise_levels": ([], [-0.1], [0.1, 0.1], [float("nan")]),
    "noise_spaces": ([], ["fourier"], ["pixel", "pixel"]),
    "metric_batch_size": (1, 0),
    "augmentation_seeds": (-1,),
    "train_limit": (0, -5),
    "image_size": (0,),
    "device": ("tpu", "cuda:", "cuda:x", "cuda:-1", "cuda:\u00b2", "cuda:99999999999999", "CPU", ""),
    "teacher": ("clip", "open_clip:", "timm:", ":", "", "scenes-clip2"),
    "teacher_resolution": (0, -14, 224.5, "published"),
    "teacher_crop": ("perhaps", 2, None),
    "teacher_precision": ("fp16",),
    "autocast": ("float16",),
    "metric_temperature": (0,),
    "data_seed": (-1,),
    "probe_max_iter": (0,),
    "control_schedules": ([], ["linear"], ["cosine", "cosine"]),
    "objectives": ([], ["contrast"], ["cosine", "cosine"], "cosine", ["whitened"]),
    "infonce_weight": (0, -1, float("nan"), float("inf")),
    "infonce_temperature": (0, -0.1, float("inf")),
    "infonce_symmetric": ("perhaps", 2),
    "regulariser_weight": (0, -1),
    "sweeps": (["depth"], ["weight", "weight"], "weight"),
    "infonce_weights": ([], [0], [3, 3.0], [float("inf")]),
    "infonce_temperatures": ([0], [-1]),
    "batch_sizes": ([1], [0], [16, 16], [1.5]),
    "pushed_widths": ([0], [2, 2]),
    "other_teachers": (["clip"], ["timm:"], ["scenes-clip", "scenes-clip"], "scenes-simclr"),
    "other_datasets": (["scenes100", "scenes100"], [1], "scenes100"),
    "crossed_widths": ([0], [1, 1], "narrow"),
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_value_out_of_range_is_named_in_one_line(name: str, value: object) -> None:
    with pytest.raises(InputError, match=f"setting '{name}'") as caught:
        load_settings("smoke", {name: value})
    assert "\n" not in str(caught.value)


def test_widths_and_noise_levels_are_sorted_and_seeds_keep_their_order() -> None:
    settings = Settings(widths=(4, 1, 2), noise_levels=(0.2, 0.0, 0.1), seeds=(456, 42))
    assert settings.widths == (1, 2, 4)
    assert settings.largest_width == 4
    assert settings.noise_levels == (0.0, 0.1, 0.2)
    assert settings.seeds == (456, 42)
    with pytest.raises(ValidationError, match="frozen"):
        settings.epochs = 1


def test_the_baseline_is_the_first_objective() -> None:
    assert Settings().objectives == ("cosine",)
    assert Settings().baseline == "cosine"
    assert Settings(objectives=("infonce", "cosine")).baseline == "infonce"
    assert Settings(objectives=("views", "cosine", "vicreg")).objectives == ("views", "cosine", "vicreg")


def test_nothing_is_varied_or_crossed_unless_it_is_asked_for() -> None:
    plain = Settings()
    assert (plain.sweeps, plain.other_teachers, plain.other_datasets, plain.crossed_widths) == ((), (), (), None)
    assert Settings(sweeps=SWEEPS).sweeps == ("weight", "temperature", "batch_size", "width", "alternatives")


@pytest.mark.parametrize(
    "name", [*SHIPPED_TEACHERS, "timm:vit_small_patch14_dinov2.lvd142m", "open_clip:ViT-B-32/openai"]
)
def test_every_kind_of_teacher_may_be_set(name: str) -> None:
    assert load_settings("smoke", {"teacher": name, "other_teachers": []})[1].teacher == name
    assert load_settings("smoke", {"other_teachers": [name]})[1].other_teachers == (name,)


def test_a_wrong_teacher_among_others_is_named_with_what_is_allowed() -> None:
    allowed = ", ".join(map(repr, SHIPPED_TEACHERS))
    with pytest.raises(
        InputError, match=f"^setting 'other_teachers': no teacher 'clip'; allowed: {allowed}, 'open_clip:"
    ):
        load_settings("smoke", {"other_teachers": ["scenes-simclr", "clip"]})


def test_recorded_settings_whose_teacher_no_longer_exists_can_still_be_read() -> None:
    assert Settings.model_validate({"teacher": "embedded-names"}).teacher == "embedded-names"


def test_the_measurements_settings_are_not_the_trainings() -> None:
    settings = Settings(metric_temperature=0.5)
    assert (settings.metric_temperature, settings.infonce_temperature) == (0.5, 0.1)
