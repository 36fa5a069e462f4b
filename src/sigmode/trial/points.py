"""Collocation points on [0, 1]."""

from __future__ import annotations

import numpy as np
from scipy.special import roots_jacobi

from ..arrays import Real
from ..compiled.probes import GOLDEN

__all__ = ["POINTS", "chebyshev", "irregular", "radau", "uniform"]


def chebyshev(m: int) -> Real:
    """Chebyshev's points, the zeros of T_m on [0, 1]: dense towards the ends, which are not among them.

    >>> chebyshev(2).round(4)
    array([0.1464, 0.8536])
    """
    return np.asarray(np.sin((2 * np.arange(m) + 1) * (np.pi / (4 * m))) ** 2)


def uniform(m: int) -> Real:
    """m equidistant points with both ends, the source's choice; for m = 1 the middle.

    >>> uniform(3)
    array([0. , 0.5, 1. ])
    """
    return np.linspace(0.0, 1.0, m) if m > 1 else np.array([0.5])


def radau(m: int) -> Real:
    """Right Radau points on (0, 1]: exact for polynomials of degree 2m - 2, the right end among them.

    >>> radau(2).round(4)
    array([0.3333, 1.    ])
    """
    if m == 1:
        return np.ones(1)
    inner, _ = roots_jacobi(m - 1, 1.0, 0.0)
    return np.append((inner + 1.0) / 2.0, 1.0)


def irregular(m: int) -> Real:
    """m points in (0, 1) that do not march in step with anything (multiples of the golden ratio), increasing.

    >>> irregular(3).round(4)
    array([0.2361, 0.618 , 0.8541])
    """
    return np.sort((np.arange(1, m + 1) * GOLDEN) % 1.0)


POINTS = {"chebyshev": chebyshev, "radau": radau, "uniform": uniform}
