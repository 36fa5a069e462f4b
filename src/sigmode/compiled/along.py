"""A march as it is read at points in order: their values and slopes in one pass."""

from __future__ import annotations

from .activations import sigmoid_pair
from .launch import MATRIX, VECTOR, entry

__all__ = ["along"]


@entry(f"void({VECTOR}, {VECTOR}, {VECTOR}, {MATRIX}, {MATRIX}, i8, {MATRIX}, {MATRIX})")
def along(t, x, h, y, theta, units, values, slopes):
    """values and slopes (m, n) at the points t (m,), in the order of the march: x (K + 1,), h (K,), y (K, n), theta.

    theta (K, .) : parameters of networks with so many units, the first of which has the hidden layer of all.
    """
    n, p = y.shape[1], 0
    first = 2 * units
    for i in range(t.size):
        while p + 1 < h.size and (t[i] - x[p + 1]) * h[0] >= 0.0:
            p += 1
        xi = (t[i] - x[p]) / h[p]
        for k in range(n):
            values[i, k] = theta[p, first + n * units + k]
            slopes[i, k] = 0.0
        for j in range(units):
            s, ds = sigmoid_pair(theta[0, j] * xi + theta[0, units + j])
            ds *= theta[0, j]
            for k in range(n):
                weight = theta[p, first + k * units + j]
                values[i, k] += weight * s
                slopes[i, k] += weight * ds
        for k in range(n):
            slopes[i, k] = (values[i, k] + xi * slopes[i, k]) / h[p]
            values[i, k] = y[p, k] + xi * values[i, k]
