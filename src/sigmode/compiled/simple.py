"""Simple sweeps ``Y = y + h A f(Y)`` of a window with compiled f, and its df/dy by differences."""

from __future__ import annotations

import math

import numpy as np

from .functions import call
from .launch import helper

__all__ = [
    "SIMPLE_BELOW",
    "at_rest",
    "begins_to_move",
    "call_once",
    "differences",
    "goes_on",
    "integrate",
    "norm",
    "taken_over",
]

# Simple sweeps contract by about h L / k in the k-th (docs/ivp.md). They are given up where they contract by less than
# the first number, from the fourth on, and after as many as the second one; Newton's windows give way to them where h L
# is below the third. Not tuned.
_TOO_SLOW, _MOST_SIMPLE, SIMPLE_BELOW = 0.7, 26, 6.0
_SLOW_AFTER = 10
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
    """Y = y + h A K; total : (s,) and more, room. The innermost loop is over nodes: they outnumber the equations."""
    s, n = K.shape
    row_of_y = total[:s]
    for k in range(n):
        for i in range(s):
            row_of_y[i] = 0.0
        for j in range(s):
            slope = h * K[j, k]
            row = transposed[j]
            for i in range(s):
                row_of_y[i] += slope * row[i]
        for i in range(s):
            Y[i, k] = y[k] + row_of_y[i]


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
    """The norm of df/dy in units of the tolerance: times h, how simple sweeps contract."""
    largest = 0.0
    for k in range(y.size):
        total = 0.0
        for m in range(y.size):
            total += abs(df_dy[k, m]) * (atol[m] + rtol[m] * abs(y[m]))
        largest = max(largest, total / (atol[k] + rtol[k] * abs(y[k])))
    return largest
