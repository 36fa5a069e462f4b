"""A window seen as a series of Legendre polynomials: continued, and what it neglects.

Where a window of s nodes has slopes K (s, n), ``to_legendre @ K`` are the coefficients of the polynomial through them.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Index, Real
from .launch import CUBE, INDICES, MATRIX, VECTOR, entry, helper, inlined
from .vectors import LANES, eight, fused, load, spread, store

__all__ = ["continue_rows", "continue_series", "continued", "decay", "neglected_by_windows", "read_windows"]

# Two further coefficients are never taken to be smaller than this part of the last two: four coefficients say no more
# about the decay of a series. Not tuned.
_LEAST_DECAY = 0.03


@inlined
def decay(a, b, c, d):
    """The size of the last two of four coefficients, and the factor by which two more make it smaller."""
    last = max(abs(c), abs(d))
    before = max(abs(a), abs(b))
    return last, (min(1.0, max(_LEAST_DECAY, last / before)) if before > 0.0 else 1.0)


@helper
def continue_series(nodes: Real, legendre: Real, degree: int, offset: float, ratio: float, K: Real) -> None:
    """K (s, n) = the Legendre series with coefficients (s, n), up to a degree, read at offset + ratio nodes."""
    s = nodes.size
    before, p, x = np.zeros(s), np.ones(s), np.empty(s)
    for i in range(s):
        x[i] = 2.0 * (offset + ratio * nodes[i]) - 1.0
        for k in range(K.shape[1]):
            K[i, k] = legendre[0, k]
    for d in range(1, degree + 1):
        a, b = (2 * d - 1) / d, (d - 1) / d
        for i in range(s):
            before[i], p[i] = p[i], a * x[i] * p[i] - b * before[i]
        for i in range(s):
            for k in range(K.shape[1]):
                K[i, k] += legendre[d, k] * p[i]


@entry(f"void({VECTOR}, {MATRIX}, i8, f8, f8, {MATRIX})")
def continued(nodes: Real, legendre: Real, degree: int, offset: float, ratio: float, K: Real) -> None:
    """`continue_series` for windows that are solved in Python."""
    continue_series(nodes, legendre, degree, offset, ratio, K)


@inlined
def continue_rows(nodes: Real, legendre: Real, degree: int, offset: float, ratio: float, K: Real) -> None:
    """As `continue_series`, to rows K (n, m), see `simple`; nodes (m,)."""
    n, at_nodes = K.shape[0], nodes.reshape((1, nodes.size))
    for at in range(0, K.shape[1], LANES):
        x = fused(eight(2.0 * ratio), load(at_nodes, 0, at), eight(2.0 * offset - 1.0))
        before, p = eight(1.0), x
        for k in range(n):
            store(K, k, at, spread(legendre, 0, k))
        for d in range(1, degree + 1):
            for k in range(n):
                store(K, k, at, fused(spread(legendre, d, k), p, load(K, k, at)))
            before, p = p, eight((2 * d + 1) / (d + 1)) * x * p - eight(d / (d + 1)) * before


@entry(f"void({CUBE}, {MATRIX}, {VECTOR}, {MATRIX}, {MATRIX})")
def _neglected_by_windows(slopes, to_legendre, h, scale, found):
    n, K, s = slopes.shape
    found[:] = 0.0
    four = np.empty(4)
    for m in range(n):
        for k in range(K):
            least = np.inf
            for j in range(s):
                least = min(least, abs(slopes[m, k, j]))
            for d in range(4):
                four[d] = 0.0
                for j in range(s):
                    four[d] += to_legendre[s - 4 + d, j] * slopes[m, k, j]
            last, falls = decay(four[0], four[1], four[2], four[3])
            last *= falls
            found[0, k] = max(found[0, k], h[k] / (2 * s) * last / scale[m, k])
            found[1, k] = max(found[1, k], last / (1.0 + least))
            found[2, k] = max(found[2, k], falls)


def neglected_by_windows(slopes: Real, to_legendre: Real, h: Real, scale: Real) -> Real:
    """The first neglected coefficient of windows with slopes (n, K, s), continued from the last four, (3, K).

    Row 0 : of the values, relative to `scale` (n, K); row 1 : of the slopes, relative to 1 + the smallest one; row 2 :
    the slowest decay.
    """
    found = np.empty((3, h.size))
    _neglected_by_windows(slopes, to_legendre, h, scale, found)
    return found


@entry(f"void({INDICES}, {VECTOR}, {VECTOR}, {MATRIX}, {CUBE}, {CUBE}, {MATRIX}, {MATRIX})")
def _read_windows(window, xi, h, y, of_values, of_slopes, values, slopes):
    n, _, s = of_slopes.shape
    p = np.empty(s + 1)
    p[0] = 1.0
    for i in range(xi.size):
        k, z = window[i], 2.0 * xi[i] - 1.0
        p[1] = z
        for d in range(2, s + 1):
            p[d] = ((2 * d - 1) * z * p[d - 1] - (d - 1) * p[d - 2]) / d
        for m in range(n):
            rise, slope, start = 0.0, 0.0, -1.0
            for d in range(s):
                rise += of_values[m, k, d] * (p[d + 1] - start)
                slope += of_slopes[m, k, d] * p[d]
                start = -start
            values[m, i], slopes[m, i] = y[m, k] + h[k] * rise, slope


def read_windows(window: Index, xi: Real, h: Real, y: Real, of_values: Real, of_slopes: Real) -> tuple[Real, Real]:
    """Values and slopes (n, m) of windows at xi (m,), each in its window (m,).

    y : (n, K or more), the values at the start; of_slopes : (n, K, s), the coefficients of the slopes; of_values :
    those of the values in units of h (K,), from degree 1 on.
    """
    values, slopes = np.empty((2, len(y), xi.size))
    _read_windows(window, xi, h, y, of_values, of_slopes, values, slopes)
    return values, slopes
