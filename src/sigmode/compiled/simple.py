"""Simple sweeps ``Y = y + h A f(Y)`` of a window with compiled f, and its df/dy by differences."""

from __future__ import annotations

import math

import numpy as np

from .functions import call
from .launch import helper
from .vectors import LANES, rows_of_product

__all__ = [
    "NOT_STIFF",
    "SHORTER_REACH",
    "SIMPLE_BELOW",
    "at_rest",
    "begins_to_move",
    "call_once",
    "differences",
    "goes_on",
    "integrate",
    "norm",
    "taken_over",
    "times",
]

# Simple sweeps contract by about h L / k in the k-th (docs/ivp.md). They are given up where they contract by less than
# the first number, from the fourth on, and after as many as the second one; Newton's windows give way to them where h L
# is below the third. Not tuned.
_TOO_SLOW, _MOST_SIMPLE, SIMPLE_BELOW = 0.7, 26, 6.0
_SLOW_AFTER = 10
# Where they fail although h L is below the first number, the window is too long rather than stiff: it becomes shorter,
# to an h L of the second. Not tuned.
NOT_STIFF, SHORTER_REACH = 15.0, 4.0
# Relative step of forward differences, as in user/differences.py.
_FORWARD_STEP = float(np.finfo(float).eps ** 0.5)


@helper
def call_once(address, t, y, words, f):
    """f at one point, (n,); False where Python has to be asked."""
    at = np.empty(1)
    at[0] = t
    row = np.empty((1, y.size))
    slope = np.empty((1, y.size))
    for k in range(y.size):
        row[0, k] = y[k]
    if not call(address, at, row, words, slope):
        return False
    for k in range(y.size):
        f[k] = slope[0, k]
    return True


@helper
def at_rest(y, f):
    """1 if a component is exactly zero, with a slope of exactly zero, else 0."""
    for k in range(y.size):
        if y[k] == 0.0 and f[k] == 0.0:
            return 1
    return 0


@helper
def begins_to_move(y, f, K):
    """1 if a component is at rest at the start, has a slope of zero at the first node, but not at all nodes, else 0."""
    for k in range(f.size):
        if y[k] == 0.0 and f[k] == 0.0 and K[0, k] == 0.0:
            for i in range(1, K.shape[0]):
                if K[i, k] != 0.0:
                    return 1
    return 0


@helper
def differences(address, words, t, h, y, f, small, df_dy, partial):
    """df/dy by forward differences of compiled f, as `VectorField.jacobian`; False where Python has to be asked.

    partial : whether what is at rest is left so, its columns zero.
    """
    n = y.size
    moved = np.empty((n, n))
    rows = np.empty((n, n))
    run = np.empty(n)
    for m in range(n):
        size = max(max(abs(y[m]), abs(h * f[m])), small[m])
        step = _FORWARD_STEP * (size if size > 0.0 else 1.0)
        step = 0.0 if partial and y[m] == 0.0 and f[m] == 0.0 else step
        for k in range(n):
            rows[m, k] = y[k]
        rows[m, m] += -step if f[m] < 0.0 else step
        run[m] = rows[m, m] - y[m]
    at = np.empty(n)
    for m in range(n):
        at[m] = t
    if not call(address, at, rows, words, moved):
        return False
    for k in range(n):
        for m in range(n):
            df_dy[k, m] = (moved[m, k] - f[k]) / run[m] if run[m] != 0.0 else 0.0
    return True


@helper
def integrate(h, transposed, y, K, total, Y):
    """Y = y + h A K; transposed (s, m) : of A, padded to a multiple of eight columns; total : (m,) and more, room."""
    s, n = K.shape
    for k in range(n):
        for at in range(0, transposed.shape[1], LANES):
            rows_of_product(transposed, K, k, at, total)  # type: ignore[call-arg]
        for i in range(s):
            Y[i, k] = y[k] + h * total[i]


@helper
def times(transposed, K, total, product):
    """product (r, n) = a matrix times K (s, n), given its transpose (s, m), zero from column r on; total : (m,)."""
    for k in range(K.shape[1]):
        for at in range(0, transposed.shape[1], LANES):
            rows_of_product(transposed, K, k, at, total)  # type: ignore[call-arg]
        for i in range(product.shape[0]):
            product[i, k] = total[i]


@helper
def taken_over(new, y, atol, rtol, Y):
    """Put new values in the place of Y; how much they differ, in units of the tolerance."""
    size = 0.0
    for i in range(Y.shape[0]):
        for k in range(Y.shape[1]):
            weight = atol[k] + rtol[k] * max(abs(y[k]), abs(new[i, k]))
            part = abs(new[i, k] - Y[i, k]) / weight
            size = part if part > size or math.isnan(part) else size  # NaN stays
            Y[i, k] = new[i, k]
    return size


@helper
def goes_on(size, sweeps, rate):
    """Whether simple sweeps are worth another one."""
    return size < np.inf and sweeps < _MOST_SIMPLE and (sweeps < _SLOW_AFTER or rate < _TOO_SLOW)


@helper
def norm(df_dy, y, atol, rtol):
    """The least of three norms of df/dy, one of them in units of the tolerance: times h, how simple sweeps contract.

    Where a component passes zero its tolerance is small, and the third one far too large.
    """
    rows = columns = scaled = 0.0
    for k in range(y.size):
        row = column = total = 0.0
        for m in range(y.size):
            row += abs(df_dy[k, m])
            column += abs(df_dy[m, k])
            total += abs(df_dy[k, m]) * (atol[m] + rtol[m] * abs(y[m]))
        rows, columns = max(rows, row), max(columns, column)
        scaled = max(scaled, total / (atol[k] + rtol[k] * abs(y[k])))
    return min(rows, columns, scaled)
