"""A linear probe: which classes can be read off frozen embeddings by logistic regression."""

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from asymdistill.runtime.checks import check_embeddings, check_labels
from asymdistill.runtime.errors import InputError, check_positive


@dataclass(frozen=True, eq=False)
class Probe:
    """A fitted linear classifier of L2-normalised embeddings; made by ``fit_probe``.

    Attributes:
        coefficients: C x d, float32 or float64, on the CPU; 1 x d for two classes, where a positive score means the
            second one. These are scikit-learn's ``coef_``.
        intercepts: one value per row of ``coefficients``.
        classes: int64, the C labels in ascending order.
    """

    coefficients: Tensor
    intercepts: Tensor
    classes: Tensor

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors that make up the probe, for storing it."""
        return {"coefficients": self.coefficients, "intercepts": self.intercepts, "classes": self.classes}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> "Probe":
        """Return the probe that ``tensors`` was called on."""
        return cls(**tensors)

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
        width = self.coefficients.shape[1]
        if embeddings.shape[1] != width:
            raise InputError(f"embeddings must have shape N x {width}, as in the fit, not {tuple(embeddings.shape)}")
        features = _features(embeddings).cpu()
        dtype = torch.promote_types(features.dtype, self.coefficients.dtype)
        scores = features.to(dtype) @ self.coefficients.to(dtype).T + self.intercepts.to(dtype)
        return self.classes[(scores[:, 0] > 0).long() if len(self.classes) == 2 else scores.argmax(1)]

    def accuracy(self, embeddings: Tensor, labels: Tensor) -> float:
        """Return the share of embeddings whose class the probe gets right.

        Args:
            embeddings: N x d, N >= 1.
            labels: N integers.

        Returns:
            Percent, 0 to 100.

        Raises:
            InputError: as ``predict`` does, and if ``labels`` is not N integers.
        """
        predicted = self.predict(embeddings)
        check_labels("labels", labels, len(embeddings))
        return 100 * float((predicted == labels.cpu()).double().mean())


def fit_probe(
    embeddings: Tensor, labels: Tensor, *, max_iter: int = 2000, C: float = 1.0, device: torch.device | str = "cpu"
) -> Probe:
    """Fit a linear probe: multinomial logistic regression on L2-normalised embeddings, as the papers' notebook does.

    scikit-learn's ``LogisticRegression`` with its lbfgs solver, which minimises the cross-entropy summed over images
    plus |W|^2 / (2 C). The embeddings' precision is kept: float32 halves the time.

    Args:
        embeddings: N x d, N >= 2; a row of zeros stays zero.
        labels: N integers, of two classes or more.
        max_iter: maximum number of iterations of the solver, which warns if it stops there.
        C: inverse strength of the regularisation, above 0.
        device: where to fit; the probe itself is on the CPU. On a GPU scikit-learn needs SciPy's support of other
            arrays than NumPy's: ``SCIPY_ARRAY_API=1`` in the environment before SciPy is imported. Without it, the
            probe is fitted on the CPU, with a warning.

    Returns:
        The fitted probe.

    Raises:
        InputError: if ``embeddings`` or ``labels`` has a wrong shape or type, if they do not match, if there is only
            one class, or if ``max_iter`` or ``C`` is out of range.
    """
    check_embeddings("embeddings", embeddings)
    check_labels("labels", labels, len(embeddings))
    if bool((labels == labels[0]).all()):
        raise InputError(f"labels are all {int(labels[0])}; a probe needs at least two classes")
    if not isinstance(max_iter, int) or max_iter < 1:
        raise InputError(f"max_iter is {max_iter!r}; it must be a positive integer")
    check_positive("C", C)
    if torch.device(device).type == "cpu" or not _can_fit_tensors():
        return _fit(_features(embeddings).cpu().numpy(), labels.cpu().numpy().astype("int64"), max_iter, C)
    return _fit(_features(embeddings).to(device), labels.to(device, torch.int64), max_iter, C)


def _fit(features: Any, labels: Any, max_iter: int, C: float) -> Probe:
    """Fit numpy's arrays, or tensors where they are."""
    import sklearn
    from sklearn.linear_model import LogisticRegression

    with sklearn.config_context(array_api_dispatch=isinstance(features, Tensor)):
        fitted = LogisticRegression(max_iter=max_iter, C=C).fit(features, labels)
    return Probe(*(torch.as_tensor(values).cpu() for values in (fitted.coef_, fitted.intercept_, fitted.classes_)))


@cache
def _can_fit_tensors() -> bool:
    """Tell whether scikit-learn can fit tensors where they are, in this process; warn, once, if it can't."""
    from scipy._lib import _array_api  # nothing public tells what SciPy found when it was imported
    from sklearn.linear_model import LogisticRegression
    from sklearn.utils import get_tags

    enabled = os.environ.get("SCIPY_ARRAY_API") == "1" and bool(_array_api.SCIPY_ARRAY_API)
    if enabled and get_tags(LogisticRegression()).array_api_support:
        return True
    wanted = "a scikit-learn that supports it" if enabled else "SCIPY_ARRAY_API=1 set before SciPy is imported"
    warnings.warn(f"probes are fitted on the CPU; fitting them on a GPU needs {wanted}", RuntimeWarning, stacklevel=3)
    return False


def _features(embeddings: Tensor) -> Tensor:
    """Return L2-normalised rows as float32 or float64, the types that scikit-learn computes in."""
    rows = embeddings.detach() if embeddings.dtype == torch.float64 else embeddings.detach().float()
    return F.normalize(rows, dim=1)
