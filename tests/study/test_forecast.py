"""What a run consists of and the memory that it needs: what autograd keeps, and sums that can be done by hand."""

from pathlib import Path

import pytest
import torch
from conftest import SMALL
from torch import Tensor

from asymdistill.config.names import UNTRAINED
from asymdistill.config.profiles import load_settings
from asymdistill.models.students import parameter_count
from asymdistill.models.teachers import Teacher, load_teacher
from asymdistill.study import forecast, student_configs
from asymdistill.study.forecast import Plan
from asymdistill.study.student_configs import Arm

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def teacher(teacher_file: Path) -> Teacher:
    return load_teacher("embedded", weights=teacher_file)


def plan_of(teacher: Teacher, device: torch.device = CPU, **overrides: object) -> Plan:
    settings = load_settings("smoke", SMALL | overrides)[1]
    return Plan(settings, device, 128, 160, 32, 10, teacher)


def test_the_students_are_those_of_the_experiment_each_once(teacher: Teacher) -> None:
    assert plan_of(teacher).students == [
        *(Arm(width, seed) for width in (0.5, 1) for seed in (42, 123)),
        Arm(1, 42, augmented=True),
    ]
    plan = plan_of(teacher, controls=["capacity", "objective"])
    controls = student_configs.controls(plan.settings, 10)
    assert controls
    assert plan.students == list(dict.fromkeys([*plan_of(teacher).students, *controls]))


def test_students_of_every_objective_and_comparison_are_foreseen(teacher: Teacher) -> None:
    plan = plan_of(teacher, objectives=["cosine", "infonce"], sweeps=["weight", "batch_size", "alternatives"])
    assert plan.grid == student_configs.grid(plan.settings)
    assert len(plan.grid) == 2 * 4
    assert plan.students == student_configs.everyone(plan.settings, 10)
    assert {arm.objective for arm in plan.students} == {*student_configs.ALTERNATIVES}


def test_an_arms_own_epochs_and_resolution_come_before_the_settings(teacher: Teacher) -> None:
    plan = plan_of(teacher, epochs=7, resolution=48)
    assert [plan.epochs(arm) for arm in (Arm(1, 0), Arm(1, 0, epochs=40), Arm(1, 0, UNTRAINED))] == [
        7,
        40,
        0,
    ]
    assert [plan.view(arm).resolution for arm in (Arm(1, 0), Arm(1, 0, resolution=64))] == [48, 64]
    assert plan_of(teacher).view(Arm(1, 0)) == teacher.view


def test_as_many_work_side_by_side_as_the_settings_say_and_one_on_a_gpu(teacher: Teacher) -> None:
    assert plan_of(teacher, workers=3).workers == 3
    assert plan_of(teacher, torch.device("cuda"), workers=3).workers == 1


def test_subsets_of_classes_are_as_large_as_the_experiments(teacher: Teacher) -> None:
    plan = plan_of(teacher, controls=["classes"], class_counts=[2, 5])
    assert plan.subsets == [2, 5]
    assert plan.images(5) == plan.images() == 128  # any number of scenes can be drawn
    other = plan_of(teacher, controls=["classes"], class_counts=[2, 5], dataset="cifar10")
    assert other.images(5) == other.images(2) == 12 * 2


@pytest.mark.parametrize(
    "arm", [Arm(1, 0), Arm(2, 0, dilation=3), Arm(0.5, 0, resolution=48)], ids=lambda arm: arm.name
)
def test_training_holds_what_autograd_keeps_and_four_times_the_weights(arm: Arm, teacher: Teacher) -> None:
    plan = plan_of(teacher, batch_size=6)
    student = plan.build(arm)
    side = arm.resolution or 32
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        student(torch.randn(6, 3, side, side))
    own = {parameter.data_ptr() for parameter in student.parameters()}
    activations = sum(t.untyped_storage().nbytes() for pointer, t in kept.items() if pointer not in own)
    assert activations > 4 * 6 * 16 * arm.width * side**2  # at least what the first convolution gives
    expected = activations + 16 * parameter_count(arm.width, 128)
    assert forecast.training_bytes(plan, arm) == pytest.approx(expected, rel=0.002)


def test_a_batch_twice_as_large_holds_twice_the_activations(teacher: Teacher) -> None:
    weights = 16 * parameter_count(1, 128)
    one, two = (forecast.training_bytes(plan_of(teacher, batch_size=n), Arm(1, 0)) - weights for n in (20, 40))
    assert two == pytest.approx(2 * one, rel=0.001)


def test_an_arms_own_batch_and_a_second_view_count(teacher: Teacher) -> None:
    weights = 16 * parameter_count(1, 128)
    plan = plan_of(teacher, batch_size=20)
    one, four, two = (
        forecast.training_bytes(plan, arm) - weights
        for arm in (Arm(1, 0), Arm(1, 0, batch_size=80), Arm(1, 0, "views"))
    )
    assert four == pytest.approx(4 * one, rel=0.001)
    assert two == pytest.approx(2 * one, rel=0.001)


def test_the_hosts_memory_is_the_sum_of_what_is_kept(teacher: Teacher) -> None:
    plan = plan_of(teacher, workers=2)
    parts = forecast.host_bytes(plan, libraries=1000, rehearsed=1)
    assert parts["Python and its libraries"] == 1000
    assert parts["images"] == (128 + 160) * 32 * 32 * 3
    assert parts["embeddings"] == (128 + 160 + 4 * 160) * 128 * 4
    assert parts["teacher"] == 4 * sum(parameter.numel() for parameter in teacher.parameters())
    assert parts["training"] == 2 * forecast.training_bytes(plan, Arm(1, 0))
    assert forecast.host_bytes(plan, libraries=0, rehearsed=10**9)["training"] == 10**9


def test_images_that_will_be_kept_resized_count_where_there_is_room(
    teacher: Teacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert forecast.host_bytes(plan_of(teacher), libraries=0, rehearsed=0)["resized images"] == 0
    finer = plan_of(teacher, resolution=48)
    trained, tested = 128 * 48 * 48 * 3, 160 * 48 * 48 * 3
    assert forecast.host_bytes(finer, libraries=0, rehearsed=0)["resized images"] == trained + tested
    monkeypatch.setattr(forecast, "room_for_images", lambda device: trained)
    assert forecast.host_bytes(finer, libraries=0, rehearsed=0)["resized images"] == trained


def test_on_a_gpu_one_student_trains_and_the_host_holds_none(teacher: Teacher) -> None:
    plan = plan_of(teacher, torch.device("cuda"))
    assert forecast.host_bytes(plan, libraries=0, rehearsed=0)["training"] == 0
    parts = forecast.gpu_bytes(plan)
    assert parts["training"] == forecast.training_bytes(plan, Arm(1, 0))
    assert parts["images"] == 128 * 32 * 32 * 3
    assert parts["targets"] == 128 * 128 * 4


def test_no_parameter_of_a_large_student_is_allocated_to_count_it(teacher: Teacher) -> None:
    settings = load_settings("cifar10-clip-stated")[1]
    plan = Plan(settings, CPU, 50_000, 10_000, 32, 10, teacher)
    assert forecast.training_bytes(plan, Arm(300, 0)) > 2e11
