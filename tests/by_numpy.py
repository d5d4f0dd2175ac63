"""Embeddings and their rank by numpy alone."""

import math

import numpy as np

from asymdistill.data.datasets import Split
from asymdistill.experiment.student_configs import Model
from asymdistill.study.study import Study


def unit(own: Study, model: Model, split: Split = "test") -> np.ndarray:
    rows = own._run.encode(model, split).double().numpy()
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def rank(rows: np.ndarray) -> float:
    shares = np.linalg.svd(rows - rows.mean(0), compute_uv=False) ** 2
    shares = shares[shares > 0] / shares.sum()
    return math.exp(-(shares * np.log(shares)).sum())
