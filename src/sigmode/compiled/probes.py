"""Whether f does something between the nodes of long windows that the march has missed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .dense import factor, substitute
from .functions import call_at_nodes
from .launch import helper, plain_helper
from .simple import differences
from .vectors import LANES, aligned, eight, fused, load, row_times, store

__all__ = ["BESIDE_KINKS", "GOLDEN", "PROBES", "STANDS_OUT", "apart", "misses_something"]

# Points per span at which long windows are probed. Not tuned.
PROBES = 256
# A window beside a kink has at least so many times as many as its nodes can watch over: where f jumps there may be
# pulses (docs/decisions.md, "Windows beside kinks are probed").
BESIDE_KINKS = 1.2
# Windows are that, and not beside a break of the user's, if they are further apart than so many numbers. Not tuned.
_APART = 1500
# A defect stands out if it is this many times the median of its window. Not tuned.
STANDS_OUT = 50.0
# The golden ratio: multiples of it, modulo 1, are the most evenly spread (Source: Knuth, TAOCP 3, sec. 6.4).
GOLDEN = 0.6180339887498949


@plain_helper
def apart(end: float, start: float) -> Any:
    """Whether one window ends and the next one starts beside a kink that was located or foreseen."""
    return abs(start - end) > _APART * np.spacing(max(abs(start), abs(end)))


@helper
def _next_that_stands_out(d, m, least, first):
    """The next of the first m of some defects that is at least so large and stands out from the others, or m."""
    for i in range(first, m):
        if not abs(d[i]) <= least[i]:
            smaller = 0
            for j in range(m):
                smaller += 1 if STANDS_OUT * abs(d[j]) < abs(d[i]) else 0
            if smaller > m // 2:
                return i
    return m


@helper
def _matters(address, words, t, width, y, f, defect, atol, rtol, J, e, pivots, differing):
    """Whether a defect over such a width leaves an error above the tolerance: (I - width df/dy) e = width defect.

    Where the equation is stiff the error is far smaller than width times the defect. df/dy (n, n) is written to J; e,
    pivots (n,), differing : work space.
    """
    n = y.size
    for k in range(n):
        e[k] = (atol[k] + rtol[k] * abs(y[k])) / max(rtol[k], np.finfo(np.float64).tiny)  # what does not matter in y
    if not differences(address, words, t, width, y, f, e, J, False, differing):
        return True
    for k in range(n):
        e[k] = width * defect[k]
        for j in range(n):
            J[k, j] = (1.0 if j == k else 0.0) - width * J[k, j]
    if not factor(J, pivots):
        return True
    substitute(J, pivots, e)
    within = True
    for k in range(n):
        within = within and abs(e[k]) <= atol[k] + rtol[k] * abs(y[k])
    return not within


@helper
def misses_something(address, words, start, end, h, y, slopes, probing, watched, atol, rtol):
    """Whether f does something between the nodes, as `ivp.error.unseen`, or cannot be called; and how often it was.

    probing (s, 2 m) : see `trial.basis.Basis`; watched : a window with so many probes or fewer is watched over by its
    nodes.
    """
    n, s, calls = y.shape[1], slopes.shape[1], 0
    half = probing.shape[1] // 2
    span = abs(end[-1] - start[0])
    # Rows: values, slopes and then defects, f, what does not matter.
    rows, K, t = aligned(4, n, half), aligned(1, n, s)[0], np.empty(half)
    J, e, pivots, differing = np.empty((n, n)), np.empty(n), np.empty(n, dtype=np.int64), np.empty((2 * n + 2, n))
    for p in range(h.size):
        m = min(math.ceil(PROBES * abs(h[p]) / span), PROBES)
        if (p > 0 and apart(end[p - 1], start[p])) or (p + 1 < h.size and apart(end[p], start[p + 1])):
            m = max(m, math.ceil(BESIDE_KINKS * watched))
        if m <= watched:
            continue
        for i in range(m):
            t[i] = start[p] + h[p] * (((i + 1) * GOLDEN) % 1.0)
        for k in range(n):
            for i in range(s):
                K[k, i] = slopes[p, i, k]
            for at in range(0, m, LANES):
                value = fused(eight(h[p]), row_times(K, k, probing, at), eight(y[p, k]))
                store(rows[0], k, at, value)
                store(rows[1], k, at, row_times(K, k, probing, half + at))
                matters = fused(eight(rtol[k]), abs(value), eight(atol[k]))
                store(rows[3], k, at, matters / eight(abs(h[p]) / m))
        if not call_at_nodes(address, t[:m], rows[0, :, :m].T, words, rows[2, :, :m].T):
            return True, calls
        calls += m
        for k in range(n):
            for at in range(0, m, LANES):
                store(rows[1], k, at, load(rows[1], k, at) - load(rows[2], k, at))
        for k in range(n):
            i = _next_that_stands_out(rows[1, k], m, rows[3, k], 0)
            while i < m:
                calls += n
                if _matters(
                    address, words, t[i], h[p] / m, rows[0, :, i], rows[2, :, i], rows[1, :, i], atol, rtol, J, e,
                    pivots, differing,
                ):  # fmt: skip
                    return True, calls
                i = _next_that_stands_out(rows[1, k], m, rows[3, k], i + 1)
    return False, calls
