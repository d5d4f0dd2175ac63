"""Images need PyTorch, numpy and Pillow; torchvision is imported when its own images are asked for."""

from fresh_process import imported_by

HEAVY = {"torchvision", "huggingface_hub", "sklearn", "scipy", "pandas", "timm", "open_clip"}
DATA = "from asymdistill.data import datasets, preprocess, resized, scenes, views"
RUNTIME = "from asymdistill.runtime import checks, devices, digests, download, executors, progress"


def test_drawn_images_need_no_torchvision() -> None:
    code = f"{DATA}; datasets.load('scenes', 'test', limit=2); datasets.digest('cifar10')\n{RUNTIME}"
    assert not imported_by(code) & HEAVY


def test_cifar_needs_it() -> None:
    assert "torchvision" in imported_by(f"{DATA}; datasets.census('cifar10')")
