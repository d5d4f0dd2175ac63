"""Student's t distribution, by numerical integration: SciPy's takes as long to import as all claims to judge.

With t = √ν cot φ the density is proportional to sin(φ)^(ν - 1), which Gauss-Legendre quadrature integrates to about 13
digits once φ is replaced by a multiple of s⁴, which smooths it at 0.
"""

import math
from functools import cache

import numpy as np

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
_S, _DS = (1 + _NODES) / 2, _WEIGHTS / 2  # for integrals from 0 to 1
_MOST = 100  # degrees of freedom


def two_sided_p(t: float, freedom: float) -> float:
    """Probability that Student's t lies outside ± ``t``.

    Args:
        t: of any sign.
        freedom: degrees of freedom ν, from 1 to about a hundred.
    """
    end = math.atan2(math.sqrt(freedom), abs(t))
    integral = np.sum(np.sin(end * _S**4) ** (freedom - 1) * 4 * end * _S**3 * _DS)
    return float(2 * _peak(freedom) * math.sqrt(freedom) * integral)


@cache
def critical_value(p: float, freedom: float) -> float:
    """The t whose two-sided p-value is ``p``, by Newton's method.

    Args:
        p: between 0 and 1.
        freedom: degrees of freedom ν, from 1 to about a hundred.
    """
    t, step = 0.0, 1.0
    # The p-value is convex in t: from 0, no step goes too far and each comes closer, until rounding stops them.
    while step > 1e-12 * t:
        density = _peak(freedom) * (1 + t**2 / freedom) ** (-(freedom + 1) / 2)
        step = (two_sided_p(t, freedom) - p) / (2 * density)
        t += step
    return t


def critical_values(p: float, freedom: np.ndarray) -> np.ndarray:
    """``critical_value`` of many degrees of freedom, from 1 to a hundred, interpolated to about four digits."""
    grid, values = _table(p)
    return np.asarray(np.interp(1 / np.clip(freedom, 1, _MOST), grid, values))


@cache
def _table(p: float) -> tuple[np.ndarray, np.ndarray]:
    """Critical values over 1 / ν, in which they are nearly straight."""
    grid = np.linspace(1 / _MOST, 1, 200)
    return grid, np.array([critical_value(p, 1 / inverse) for inverse in grid])


def _peak(freedom: float) -> float:
    """The density at 0."""
    return math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(math.pi * freedom)
