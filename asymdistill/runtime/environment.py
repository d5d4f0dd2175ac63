"""What has to be in a process's environment before PyTorch and SciPy are imported."""

import os


def prepare() -> None:
    """Set what makes training and probing faster, unless it is set already."""
    # PyTorch asks Linux for huge pages then, which halves the time of a small student's step at 224 x 224: its
    # activations of 200 MB are taken from the system and given back at every layer. Read at the first large tensor.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    # scikit-learn fits tensors where they are, on a GPU too, if SciPy finds this when it is imported.
    os.environ.setdefault("SCIPY_ARRAY_API", "1")
