"""Images need PyTorch, numpy and Pillow; torchvision is imported when its own images are asked for."""

from fresh_process import imported_in_turn

HEAVY = {"torchvision", "huggingface_hub", "sklearn", "scipy", "pandas", "timm", "open_clip"}
DATA = "from asymdistill.data import datasets, preprocess, resized, scenes, views"
RUNTIME = "from asymdistill.runtime import checks, devices, digests, download, executors, progress"


def test_drawn_images_need_no_torchvision_and_cifar_needs_it() -> None:
    drawn, cifar = imported_in_turn(
        f"{DATA}; datasets.load('scenes', 'test', limit=2); datasets.digest('cifar10')\n{RUNTIME}",
        "datasets.census('cifar10')",
    )
    assert not drawn & HEAVY
    assert "torchvision" in cifar
