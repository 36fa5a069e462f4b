"""Piecewise trial solutions y(x) = y_k + xi N_k(xi), xi = (x - x_k)/h_k, and derivatives, at points in any order."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..arrays import Real
from .activations import second, sigmoid_pair, tanh_pair, third
from .buffers import BLOCK
from .launch import CUBE, MATRIX, VECTOR, entry, helper

__all__ = ["HIGHEST_DERIVATIVE", "Pieces", "activation", "derivative", "evaluate", "window_of"]

# The third derivative is the highest that an activation has in compiled code.
HIGHEST_DERIVATIVE = 3
# Points of one window that follow each other are computed together. Where such runs are shorter than this, points are
# sorted by windows first. Not tuned.
_SHORT_RUN = 16


class Pieces(NamedTuple):
    """Windows as compiled code reads them.

    x : (K + 1,), their ends, rising or falling; h : (K,), lengths with sign; y : (K, n), the values at their starts;
    w, b : (K, s) or, where all windows have the same, (1, s); V : (K, n, s); c : (K, n); kind : of the activation.
    """

    x: Real
    h: Real
    y: Real
    w: Real
    b: Real
    V: Real
    c: Real
    kind: int


@helper
def window_of(x, at, guess):
    """The window of a point; the first or the last one outside of the span. guess : where to look first."""
    last = x.size - 2
    sign = 1.0 if x[last + 1] >= x[0] else -1.0
    if sign * (at - x[guess]) >= 0.0 and (guess == last or sign * (at - x[guess + 1]) < 0.0):
        return guess
    low, high = 0, last
    while low < high:
        middle = (low + high + 1) // 2
        if sign * (at - x[middle]) >= 0.0:
            low = middle
        else:
            high = middle - 1
    return low


@helper
def activation(kind, z):
    """Value and slope."""
    if kind == 0:
        return sigmoid_pair(z)
    if kind == 1:
        return tanh_pair(z)
    return math.sin(z), math.cos(z)


@helper
def derivative(kind, nu, s, ds):
    """The nu-th derivative of an activation with value s and slope ds, nu <= 3."""
    if nu == 0:
        return s
    if nu == 1:
        return ds
    if nu == 2:
        p, q, r = second(kind)
        return (p + q * s) * ds + r * s
    p, q = third(kind)
    return (p + q * ds) * ds


@helper
def _add(v, s, total):
    for i in range(s.size):
        total[i] += v * s[i]


@helper
def _values(pieces, k, row, xi, s, total):
    """total (n, m) = N at the points xi (m,) of window k."""
    V = pieces.V[k]
    for j in range(V.shape[1]):
        w, b = pieces.w[row, j], pieces.b[row, j]
        if pieces.kind == 0:
            for i in range(xi.size):
                s[i] = sigmoid_pair(w * xi[i] + b)[0]
        else:
            for i in range(xi.size):
                s[i] = activation(pieces.kind, w * xi[i] + b)[0]
        for q in range(V.shape[0]):
            _add(V[q, j], s, total[q])


@helper
def _derivatives(pieces, k, row, nu, xi, s, ds, lower, total):
    """total, lower (n, m) = the nu-th derivative of N by xi, 1 <= nu <= 3, and the one before."""
    V = pieces.V[k]
    for j in range(V.shape[1]):
        w, b = pieces.w[row, j], pieces.b[row, j]
        if pieces.kind == 0:
            for i in range(xi.size):
                s[i], ds[i] = sigmoid_pair(w * xi[i] + b)
        else:
            for i in range(xi.size):
                s[i], ds[i] = activation(pieces.kind, w * xi[i] + b)
        if nu == 2:
            for i in range(xi.size):
                s[i], ds[i] = ds[i], derivative(pieces.kind, 2, s[i], ds[i])
        elif nu == 3:
            for i in range(xi.size):
                s[i], ds[i] = derivative(pieces.kind, 2, s[i], ds[i]), derivative(pieces.kind, 3, s[i], ds[i])
        power = w ** (nu - 1)
        for q in range(V.shape[0]):
            _add(V[q, j] * power, s, lower[q])
            _add(V[q, j] * power * w, ds, total[q])


@helper
def _block(pieces, k, nu, xi, s, ds, lower, total):
    """total (n, m) = the nu-th derivative of y by x at points xi (m,) of window k; s, ds (m,), lower (n, m) : room."""
    row = k if len(pieces.w) > 1 else 0
    n, m = total.shape
    for q in range(n):
        total[q] = pieces.c[k, q] if nu == 0 else 0.0
        lower[q] = pieces.c[k, q] if nu == 1 else 0.0
    if nu == 0:
        _values(pieces, k, row, xi, s, total)
        for q in range(n):
            for i in range(m):
                total[q, i] = pieces.y[k, q] + xi[i] * total[q, i]
        return
    _derivatives(pieces, k, row, nu, xi, s, ds, lower, total)
    scale = _length(pieces, k) ** nu
    for q in range(n):
        for i in range(m):
            total[q, i] = (xi[i] * total[q, i] + nu * lower[q, i]) / scale


@helper
def _length(pieces, k):
    """A span of no length has a value, too."""
    return pieces.h[k] if pieces.h[k] != 0.0 else 1.0


@helper
def _in_runs(pieces, nu, outside, points, window, found):
    """found (n, m) at points those of one window of which follow each other."""
    n = found.shape[0]
    # Rows of one array, xi, s, ds = np.empty((3, BLOCK)), would not be vectorised: 5 ns per activation instead of 1.2.
    xi, s, ds = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    room, sums = np.empty(n * BLOCK), np.empty(n * BLOCK)
    lowest, highest = min(pieces.x[0], pieces.x[-1]), max(pieces.x[0], pieces.x[-1])
    lo = 0
    while lo < points.size:
        k = window[lo]
        hi = lo + 1
        while hi < points.size and hi < lo + BLOCK and window[hi] == k:
            hi += 1
        m = hi - lo
        block, start, length = xi[:m], pieces.x[k], _length(pieces, k)
        for i in range(m):
            block[i] = (points[lo + i] - start) / length
        total = sums[: n * m].reshape(n, m)
        _block(pieces, k, nu, block, s[:m], ds[:m], room[: n * m].reshape(n, m), total)
        for q in range(n):
            for i in range(m):
                found[q, lo + i] = total[q, i] if outside or lowest <= points[lo + i] <= highest else np.nan
        lo = hi


@helper
def _windows(x, points, window):
    """The window of every point, and how many runs of points in one window there are."""
    guess, runs = 0, 1
    for i in range(points.size):
        k = window_of(x, points[i], guess)
        runs += 1 if k != guess else 0
        window[i] = guess = k
    return runs


@helper
def _order(windows, window):
    """An order of the points in which those of one window follow each other."""
    first = np.zeros(windows + 1, dtype=np.int64)
    order = np.empty(window.size, dtype=np.int64)
    for i in range(window.size):
        first[window[i] + 1] += 1
    for k in range(1, windows + 1):
        first[k] += first[k - 1]
    for i in range(window.size):
        order[first[window[i]]] = i
        first[window[i]] += 1
    return order


_PIECES = f"{VECTOR}, {VECTOR}, {MATRIX}, {MATRIX}, {MATRIX}, {CUBE}, {MATRIX}, i8"


@entry(f"void({_PIECES}, i8, b1, {VECTOR}, {MATRIX})")
def _evaluate(x, h, y, w, b, V, c, kind, nu, outside, points, found):
    pieces = Pieces(x, h, y, w, b, V, c, kind)
    m = points.size
    window = np.empty(m, dtype=np.int64)
    if _windows(x, points, window) * _SHORT_RUN < m + _SHORT_RUN:
        _in_runs(pieces, nu, outside, points, window, found)
        return
    order = _order(h.size, window)
    sorted_points, sorted_window, values = np.empty(m), np.empty(m, dtype=np.int64), np.empty((found.shape[0], m))
    for i in range(m):
        sorted_points[i] = points[order[i]]
        sorted_window[i] = window[order[i]]
    _in_runs(pieces, nu, outside, sorted_points, sorted_window, values)
    for q in range(found.shape[0]):
        for i in range(m):
            found[q, order[i]] = values[q, i]


def evaluate(pieces: Pieces, points: Real, nu: int, outside: bool) -> Real:
    """The nu-th derivative by x at the points (m,), nu <= 3, (n, m); NaN outside of the span unless `outside`."""
    found = np.empty((pieces.y.shape[1], points.size))
    _evaluate(*pieces, nu, outside, points, found)
    return found
