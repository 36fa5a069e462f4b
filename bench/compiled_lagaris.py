"""Lagaris 1 compiled by Numba, for the benchmarks."""

import numpy as np
from numba import njit


@njit
def fun(x, y):
    f = np.empty_like(y)
    for i in range(x.size):
        t = x[i]
        q = (1 + 3 * t * t) / (1 + t + t * t * t)
        f[0, i] = t * t * t + 2 * t + t * t * q - (t + q) * y[0, i]
    return f


@njit
def jac(x, y):
    df_dy = np.empty((1, 1, x.size))
    for i in range(x.size):
        t = x[i]
        df_dy[0, 0, i] = -(t + (1 + 3 * t * t) / (1 + t + t * t * t))
    return df_dy
