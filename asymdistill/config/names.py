"""Names that settings, tables, figures and claims share: models, objectives, teachers, image sets, columns."""

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

SHIPPED_TEACHERS = ("embedded", "embedded-views")
TEACHER_LIBRARIES = ("open_clip", "timm")
GENERATED_IMAGES = ("scenes", "scenes100")
TORCHVISION_IMAGES = ("cifar10", "cifar100")


def student_name(width: float) -> str:
    """Name of a student: the paper's S, M and L for widths 1, 2 and 4, else the width itself."""
    return STUDENTS.get(float(width), f"w={width:g}")
