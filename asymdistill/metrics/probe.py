"""A linear probe: which classes can be read off frozen embeddings by logistic regression."""

from dataclasses import dataclass

import numpy as np
import sklearn
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.utils import get_tags
from torch import Tensor
from torch.nn import functional as F

from asymdistill.runtime.checks import check_embeddings, check_labels
from asymdistill.runtime.errors import InputError, check_positive


@dataclass(frozen=True)
class Probe:
    """A fitted linear classifier of L2-normalised embeddings; made by ``fit_probe``."""

    classifier: LogisticRegression

    def predict(self, embeddings: Tensor) -> Tensor:
        """Return the most likely class of each embedding.

        Args:
            embeddings: N x d, N >= 1, with the d of the fit; they are L2-normalised first.

        Returns:
            int64, N labels, on the CPU.

        Raises:
            InputError: if ``embeddings`` has another width, NaN or infinite values.
        """
        check_embeddings("embeddings", embeddings, min_rows=1)
        width = self.classifier.n_features_in_
        if embeddings.shape[1] != width:
            raise InputError(f"embeddings must have shape N x {width}, as in the fit, not {tuple(embeddings.shape)}")
        return torch.from_numpy(self.classifier.predict(_features(embeddings)))

    def accuracy(self, embeddings: Tensor, labels: Tensor) -> float:
        """Return the share of embeddings whose class the probe gets right.

        Args:
            embeddings: N x d, N >= 1.
            labels: N integers.

        Returns:
            Percent, 0 to 100.

        Raises:
            InputError: as ``predict`` does, and if ``labels`` are no N integers.
        """
        predicted = self.predict(embeddings)
        return 100 * float((predicted.numpy() == _targets(labels, len(embeddings))).mean())


def fit_probe(
    embeddings: Tensor, labels: Tensor, *, max_iter: int = 2000, C: float = 1.0, device: torch.device | str = "cpu"
) -> Probe:
    """Fit a linear probe: multinomial logistic regression on L2-normalised embeddings, as the papers' notebook does.

    scikit-learn's ``LogisticRegression`` with its lbfgs solver, which minimises the cross-entropy summed over images
    plus |W|^2 / (2 C). The embeddings' precision is kept: float32 halves the time.

    Args:
        embeddings: N x d, N >= 2; a row of zeros stays one.
        labels: N integers, of two classes or more.
        max_iter: most steps of the solver, which warns if it stops there.
        C: inverse strength of the regularisation, above 0.
        device: where to fit; the probe itself is on the CPU.

    Returns:
        The fitted probe.

    Raises:
        InputError: if ``embeddings`` or ``labels`` has a wrong shape or type, if they do not match, if there is only
            one class, or if ``max_iter`` or ``C`` is out of range.
    """
    check_embeddings("embeddings", embeddings)
    targets = _targets(labels, len(embeddings))
    if len(np.unique(targets)) < 2:
        raise InputError(f"labels are all {targets[0]}; a probe needs at least two classes")
    if not isinstance(max_iter, int) or max_iter < 1:
        raise InputError(f"max_iter is {max_iter!r}; it must be a positive integer")
    check_positive("C", C)
    features, classifier = _features(embeddings), LogisticRegression(max_iter=max_iter, C=C)
    if torch.device(device).type == "cpu" or not get_tags(classifier).array_api_support:
        return Probe(classifier.fit(features, targets))
    return Probe(_fit_tensors(classifier, torch.from_numpy(features).to(device), torch.from_numpy(targets).to(device)))


def _fit_tensors(classifier: LogisticRegression, features: Tensor, targets: Tensor) -> LogisticRegression:
    """Fit where the tensors are, and bring what was fitted to the CPU as arrays."""
    with sklearn.config_context(array_api_dispatch=True):
        classifier.fit(features, targets)
    for name in ("coef_", "intercept_", "classes_", "n_iter_"):
        setattr(classifier, name, getattr(classifier, name).cpu().numpy())
    return classifier


def _features(embeddings: Tensor) -> NDArray[np.floating]:
    """Return L2-normalised rows as float32 or float64, the types that scikit-learn computes in."""
    rows = embeddings.detach() if embeddings.dtype == torch.float64 else embeddings.detach().float()
    return F.normalize(rows, dim=1).cpu().numpy()


def _targets(labels: Tensor, count: int) -> NDArray[np.int64]:
    """Return ``count`` labels as int64 after checking them."""
    check_labels("labels", labels, count)
    return labels.cpu().numpy().astype(np.int64)
