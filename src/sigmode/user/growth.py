"""How fast errors may grow: the largest real part of an eigenvalue of df/dy."""

from __future__ import annotations

import numpy as np

from ..arrays import Number, Real

__all__ = ["fastest"]


def fastest(J: Number) -> Real:
    """The largest real part of an eigenvalue of each matrix (K, n, n), (K,).

    One or two equations need no LAPACK, which takes longer.
    """
    if J.shape[1] == 1:
        return np.asarray(J[:, 0, 0].real)
    if J.shape[1] == 2 and J.dtype.kind != "c":
        middle = 0.5 * (J[:, 0, 0] + J[:, 1, 1])
        away = middle * middle - (J[:, 0, 0] * J[:, 1, 1] - J[:, 0, 1] * J[:, 1, 0])
        return np.asarray(middle + np.sqrt(np.maximum(away, 0.0)))
    return np.asarray(np.linalg.eigvals(J).real.max(axis=1))
