"""The local error of a window whose values and slopes are rows, see `simple`; `window` has its four parts.

`window` does the same for windows that Python solves, whose values are columns, and may be complex.
"""

from __future__ import annotations

import math

import numpy as np

from .dense import factor
from .launch import helper, inlined
from .series import decay
from .simple import times
from .vectors import LANES, aligned, at_least, eight, fused, larger, largest, load, spread, store
from .window import of_values

__all__ = ["local_error", "room_for_error"]


@helper
def room_for_error(n, m):
    """Work space for `local_error` with rows (n, m).

    Columns: 2 m for `judging` times the slopes, m for the fourth part, eight for the first and the second part, eight
    for the last four coefficients of the values.
    """
    return aligned(1, n, 3 * m + 2 * LANES)[0]


@inlined
def _at_start(judged, k, s):
    """The Legendre series of component k where the window starts: even minus odd coefficients."""
    even, odd = 0.0, 0.0
    for d in range(0, s - 1, 2):
        even += judged[k, d]
        odd += judged[k, d + 1]
    return even - odd + (judged[k, s - 1] if s % 2 == 1 else 0.0)


@helper
def _filter(shift, df_dy, parts, first, last, square, pivots):
    """Overwrite columns of parts by the solutions of (I - shift df_dy) x = b; whether that can be done."""
    n = df_dy.shape[0]
    for k in range(n):
        for m in range(n):
            square[k, m] = -shift * df_dy[k, m]
        square[k, k] += 1.0
    if not factor(square, pivots):
        return False
    for at in range(first, last, LANES):
        for k in range(n):
            kept = load(parts, k, at)
            store(parts, k, at, load(parts, pivots[k], at))
            store(parts, pivots[k], at, kept)
        for k in range(1, n):
            total = load(parts, k, at)
            for m in range(k):
                total = total - spread(square, k, m) * load(parts, m, at)
            store(parts, k, at, total)
        for k in range(n - 1, -1, -1):
            total = load(parts, k, at)
            for m in range(k + 1, n):
                total = total - spread(square, k, m) * load(parts, m, at)
            store(parts, k, at, total / spread(square, k, k))
    return True


@inlined
def _weighed(room, s, y, Y, atol, rtol):
    """The fourth part plus the largest of the others, in units of the tolerance."""
    m = Y.shape[1]
    fourth, others = eight(0.0), 0.0
    for k in range(y.size):
        for at in range(0, m, LANES):
            size = at_least(abs(load(Y, k, at)), abs(eight(y[k])))
            weight = fused(eight(rtol[k]), size, eight(atol[k]))
            fourth = larger(fourth, abs(load(room, k, 2 * m + at)) / weight)
        weight_at_end = atol[k] + rtol[k] * max(abs(y[k]), abs(Y[k, s - 1]))
        last = 3 * m + LANES
        own = of_values(room[k, last], room[k, last + 1], room[k, last + 2], room[k, last + 3])
        for part in (room[k, 3 * m], room[k, 3 * m + 1], own):
            if not math.isfinite(part):
                return np.inf
            others = max(others, abs(part) / weight_at_end)
    return others + largest(fourth)


@inlined
def local_error(h, simple, first, judging, last_four, y, f, atol, rtol, Y, K, df_dy, square, pivots, room, legendre):
    """The local error in units of the tolerance; NaN where there is none.

    simple : whether the filter is left out; first : the first node, in (0, 1); judging (s, 2 m), last_four (s, .) : see
    `trial.basis.Basis`; f : the slope at the start; square (n, n), pivots (n,), room : work space; legendre (s, n) :
    written, the coefficients of the slopes.
    """
    n, s, m = y.size, judging.shape[0], Y.shape[1]
    times(judging, K, room, 0)
    times(last_four, Y, room, 3 * m + LANES)
    for k in range(n):
        for at in range(0, m, LANES):
            store(room, k, 2 * m + at, eight(h) * load(room, k, m + at))
        size, falls = decay(room[k, s - 4], room[k, s - 3], room[k, s - 2], room[k, s - 1])
        room[k, 3 * m] = h / s * size * falls
        room[k, 3 * m + 1] = (_at_start(room, k, s) - f[k]) * (h * first)
    if not simple and not _filter(h / (2 * s), df_dy, room, 2 * m, 3 * m + LANES, square, pivots):
        return np.nan
    for d in range(s):
        for k in range(n):
            legendre[d, k] = room[k, d]
    error = _weighed(room, s, y, Y, atol, rtol)
    return error if math.isfinite(error) else np.nan
