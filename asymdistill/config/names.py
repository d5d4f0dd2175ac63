"""Names that settings, tables, figures and claims share: models, objectives, teachers, image sets, columns, sources."""

from fnmatch import fnmatchcase
from typing import Literal

from asymdistill.runtime.errors import InputError

TEACHER = "teacher"
EVERY_STUDENT = "students"
STUDENTS = {1.0: "S", 2.0: "M", 4.0: "L"}
"""The paper's names of its students, by width factor."""

IDENTITY = ("model", "width", "seed", "objective", "augmented")
"""The columns that tell a model from the others in every table."""

INTEGER_COLUMNS = ("seed", "component", "epoch", "images", "parameters")
"""Columns that hold whole numbers or nothing (the teacher has no seed)."""

COSINE, INFONCE, UNTRAINED = "cosine", "infonce", "none"
AUGMENTED = "augmented"
OBJECTIVES = {
    COSINE: "cosine alone",
    INFONCE: "cosine with InfoNCE",
    "views": "InfoNCE between views",
    "vicreg": "VICReg's terms",
    "uniformity": "uniformity",
    "whitened": "whitened targets",
    "centred": "centred targets",
    "labels": "labels",
    UNTRAINED: "no training",
}
"""What a student can be trained for, as tables name it and as readers see it."""

GAINS = "gains"
"""The comparison of objectives that every study has; sweeps are made only where the settings name them."""

TABLES = (
    *("training", "models", "singular_values", "spectrum", "alignment", "information", "robustness", "augmentation"),
    *("controls", "expansion", "generality"),
)
"""The tables of a study."""

CONTROL_TITLES = {
    "underfitting": "Underfitting",
    "classes": "Class structure",
    "truncation": "Cause of fragility",
    "capacity": "Capacity and receptive field",
    "objective": "Objective",
    "noise": "Noise",
    "estimators": "Estimators",
    "crossmodal": "Across modalities",
    "statistics": "Statistics",
}
"""The controls of chapter 8, as its sections name them."""

EFFICIENTNET, SCENES_CLIP, SCENES_SIMCLR = "imagenet-efficientnet-lite0", "scenes-clip", "scenes-simclr"
SCENES_TEACHERS = (SCENES_CLIP, SCENES_SIMCLR)
"""Teachers that were trained on Scenes."""
SHIPPED_TEACHERS = (EFFICIENTNET, *SCENES_TEACHERS)
"""Teachers whose weights come with the package."""

CONVOLUTIONAL, TRANSFORMER, UNKNOWN = "convolutional network", "transformer", "unknown"
SHORT_NAMES = {
    EFFICIENTNET: "EfficientNet-Lite0",
    **{"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "scenes": "Scenes", "scenes100": "Scenes100"},
}
"""What readers see in place of names of teachers and image sets."""
ARCHITECTURES = {
    EFFICIENTNET: CONVOLUTIONAL,
    **dict.fromkeys(SCENES_TEACHERS, TRANSFORMER),
    **dict.fromkeys(("open_clip:ViT-*", "timm:vit_*"), TRANSFORMER),
    **dict.fromkeys(("open_clip:RN*", "timm:resnet*", "timm:efficientnet_*", "timm:tf_efficientnet*"), CONVOLUTIONAL),
}
"""What kind of network a teacher is, by its name or a pattern of names."""

WEIGHTS_VARIABLE = "ASYMDISTILL_TEACHER_WEIGHTS"
"""The environment variable that stands in for the setting ``teacher_weights`` where that is not set."""

TeacherLibrary = Literal["shipped", "open_clip", "timm"]
ImageSource = Literal["generated", "torchvision", "npz", "folder"]
GENERATED_IMAGES = ("scenes", "scenes100")
TORCHVISION_IMAGES = ("cifar10", "cifar100")


PAPER, PHOTOGRAPHS, THIS_COPY = "paper", "photographs", "this copy"
"""What tables and figures compare: the paper's numbers, the largest recorded run on photographs, the book's own run."""


def student_name(width: float) -> str:
    """Name of a student: the paper's S, M and L for widths 1, 2 and 4, else the width itself."""
    return STUDENTS.get(float(width), f"w={width:.15g}")


def teacher_library(name: str) -> TeacherLibrary:
    """Where a teacher comes from, which its name alone says; whether the library has such a model is not looked up.

    Args:
        name: one of ``SHIPPED_TEACHERS``, ``open_clip:<model>/<pretrained tag>`` or ``timm:<model>``.

    Raises:
        InputError: any other name.
    """
    if name in SHIPPED_TEACHERS:
        return "shipped"
    library, _, model = name.partition(":")
    if library == "open_clip" and model:
        return "open_clip"
    if library == "timm" and model:
        return "timm"
    shipped = ", ".join(map(repr, SHIPPED_TEACHERS))
    raise InputError(f"no teacher {name!r}; allowed: {shipped}, 'open_clip:<model>/<pretrained tag>', 'timm:<model>'")


def architecture(teacher: str) -> str:
    """What kind of network a teacher is, as far as its name says: ``CONVOLUTIONAL``, ``TRANSFORMER`` or ``UNKNOWN``.

    A file of weights may follow the name in brackets, as in tables.
    """
    network = teacher.partition(" (")[0]
    return next((kind for pattern, kind in ARCHITECTURES.items() if fnmatchcase(network, pattern)), UNKNOWN)


def short_name(name: str) -> str:
    """A data set or teacher without library, folder or training tag; a teacher from a file goes by the file's name."""
    if name.endswith(")"):
        name = name.rpartition("(")[2]
    plain = name.partition(":")[2].split("/")[0] if ":" in name else name.rstrip("/").split("/")[-1]
    return SHORT_NAMES.get(plain := plain.split(".")[0], plain)


def image_source(dataset: str) -> ImageSource:
    """Where images come from, which the setting ``dataset`` alone says; whether they are there is not looked up."""
    if dataset in GENERATED_IMAGES:
        return "generated"
    if dataset in TORCHVISION_IMAGES:
        return "torchvision"
    return "npz" if dataset.lower().endswith(".npz") else "folder"
