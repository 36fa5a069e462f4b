"""A march whose f is called from Python: what is done between two calls.

`onward` goes on up to the first call for a window, `sweep` from one call to the next one. Both do all that can be done
at once: a call of compiled code with two dozen arrays costs 2 us, and Python would need ten for each of its parts.
"""

from __future__ import annotations

import math

import numpy as np

from .control import (
    ALL_COLUMNS,
    AT_ONCE,
    ASK_JACOBIAN,
    ASK_WINDOW,
    DEGREE,
    HAS_JACOBIAN,
    INSIDE,
    KNOWN,
    NJEV,
    PARTIAL,
    H,
    T,
    steer,
)
from .launch import CUBE, INDICES, MATRIX, VECTOR, entry, helper
from .series import continue_series
from .simple import FORWARD_STEP, at_rest, begins_to_move
from .window import (
    CONVERGED,
    filter_parts,
    neglected_parts,
    newton_sweep,
    stay_at_rest,
    verdict,
    weighed_parts,
)

__all__ = ["ERROR", "NLU", "RATE", "RISES", "SIZE", "STATE", "SWEEPS", "onward", "sweep"]

# What is known of a window, by its places in a vector: sweeps so far, the size of the last step and its rate as of
# `verdict`, matrices factorised, the local error, whether something begins to move in it that was at rest, and whether
# df/dy was made at each node.
SWEEPS, SIZE, RATE, NLU, ERROR, RISES, EACH, STATE = range(8)


@helper
def _shifted(t, y, slope, change, small, still, at, rows):
    """Points (at, rows) at which f tells df/dy, as `VectorField.jacobian` has them; their number."""
    n, count = y.size, 0
    for m in range(n):
        if still[m]:
            continue
        size = max(max(abs(y[m]), abs(change * slope[m])), small[m])
        step = FORWARD_STEP * (size if size > 0.0 else 1.0)
        for k in range(n):
            rows[count, k] = y[k]
        rows[count, m] += -step if slope[m] < 0.0 else step
        at[count] = t
        count += 1
    return count


@helper
def _differences(y, slope, still, rows, values, df_dy):
    """df/dy (n, n) from f at the points that `_shifted` made."""
    n, count = y.size, 0
    for m in range(n):
        if still[m]:
            for k in range(n):
                df_dy[k, m] = 0.0
            continue
        run = rows[count, m] - y[m]
        for k in range(n):
            df_dy[k, m] = (values[count, k] - slope[k]) / run
        count += 1
    return count


@helper
def _at_rest(y, f, partial, still):
    """Mark the components that df/dy leaves out, if it is a partial one: those at rest."""
    for m in range(y.size):
        still[m] = 1 if partial and y[m] == 0.0 and f[m] == 0.0 else 0


@helper
def _add_product(matrix, K, product):
    """product += matrix K."""
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            for k in range(K.shape[1]):
                product[i, k] += matrix[i, j] * K[j, k]


@helper
def _times(matrix, K, h, y, Y):
    """Y = y + h A K, (s, n)."""
    for i in range(K.shape[0]):
        for k in range(K.shape[1]):
            total = 0.0
            for j in range(K.shape[0]):
                total += matrix[i, j] * K[j, k]
            Y[i, k] = y[k] + h * total


@entry(
    f"UniTuple(i8, 2)({VECTOR}, {INDICES}, b1, {VECTOR}, {MATRIX}, {VECTOR}, {MATRIX}, {MATRIX}, {MATRIX}, {VECTOR},"
    f" {INDICES}, {VECTOR}, {VECTOR})"
)
def onward(numbers, counts, differences, nodes, A, t, rows, slopes, legendre, small, still, y, f):
    """What `steer` asks for, and at how many points f is to be called for it.

    Where that is a window: at its nodes, predicted, t and rows up to s, and behind them at points for df/dy, if that
    is made by `differences`: at the start, and at each node, too, where f takes all points at once.
    t (m,), rows, slopes (m, n) : room for s + n + s n points and for what f is there; legendre (s, n) : of the window
    before; small (n,) : as in `VectorField.jacobian`; still (n,) : work space; y, f (n,) : where the march is.
    """
    s, n = nodes.size, y.size
    columns = 0
    while True:
        asked = steer(numbers, counts, n, nodes, t[:s], f[:0] if counts[HAS_JACOBIAN] else f)
        if asked == ASK_JACOBIAN and differences:
            counts[PARTIAL] = 1 if at_rest(y, f) and not counts[ALL_COLUMNS] else 0
            counts[NJEV] += 1
            _at_rest(y, f, counts[PARTIAL] == 1, still)
            columns = _shifted(numbers[T], y, f, numbers[H], small, still, t[s:], rows[s:])
            continue
        if asked == ASK_WINDOW:
            offset, ratio = 0.0 if counts[INSIDE] else 1.0, numbers[H] / numbers[KNOWN]
            continue_series(nodes, legendre, counts[DEGREE], offset, ratio, slopes[:s])
            _times(A, slopes[:s], numbers[H], y, rows[:s])
            points = s + columns
            if columns and counts[AT_ONCE]:
                for i in range(s):
                    points += _shifted(t[i], rows[i], slopes[i], numbers[H], small, still, t[points:], rows[points:])
            return asked, points
        return asked, 0


@helper
def _judged(h, y, f, Y, K, judging, last_four, first, df_dy, parts, own, M, pivots, atol, rtol, legendre):
    """The local error in units of the tolerance; legendre : coefficients of the slopes, written."""
    s, n = K.shape
    judged, of_values = np.zeros((2 * s, n)), np.zeros((4, n))
    _add_product(judging, K, judged)
    _add_product(last_four, Y, of_values)
    neglected_parts(judged, of_values, f, h, first, parts, own)
    if not filter_parts(h / (2 * s), df_dy, parts, M, pivots):
        return np.inf
    for i in range(s):
        for k in range(n):
            legendre[i, k] = judged[i, k]
    return weighed_parts(parts, own, y, Y, atol, rtol)


@entry(
    f"i8({VECTOR}, i8, {INDICES}, b1, b1, f8, {VECTOR}, {VECTOR}, {MATRIX}, {MATRIX}, {MATRIX}, {MATRIX}, {MATRIX}, {MATRIX},"
    f" {CUBE}, {MATRIX}, {INDICES}, {VECTOR}, {MATRIX}, {VECTOR}, {MATRIX}, {INDICES}, {MATRIX}, {MATRIX}, f8,"
    f" {MATRIX}, {VECTOR}, {VECTOR})"
)
def sweep(
    state, points, still, follow, judge, h, y, f, A, rows, slopes, before, step, df_dy, J, M, pivots, right,
    parts, own, small_M, small_pivots, judging, last_four, first, legendre, atol, rtol,
):  # fmt: skip
    """One sweep of Newton's method, f being known at the points: what `verdict` says.

    state : see above; points : at which f was called, `still` : as of `onward`, which asked for them; follow : as of
    `newton_sweep`; judge : whether the local error is to be estimated once the iteration has converged.
    h, y, f : length of the window, value and slope where it starts.
    """
    s, n = before.shape
    Y, K = rows[:s], slopes[:s]
    sweeps = int(state[SWEEPS])
    if sweeps == 0:
        at = s
        if points > s:
            at += _differences(y, f, still, rows[s:], slopes[s:], df_dy)
        state[EACH] = 1.0 if points > at else 0.0
        for i in range(s):
            if points > at:
                at += _differences(rows[i], slopes[i], still, rows[at:], slopes[at:], J[i])
                continue
            for k in range(n):
                for m in range(n):
                    J[i, k, m] = df_dy[k, m]
    size, fresh = newton_sweep(
        A, y, h, J, Y, K, before, step, right, atol, rtol, M, pivots, follow, state[EACH] == 0.0, sweeps, state[RATE]
    )
    said, rate = verdict(size, sweeps, state[SIZE], state[RATE])
    state[SWEEPS], state[SIZE], state[RATE] = sweeps + 1, size, rate
    state[NLU] += 1.0 if fresh else 0.0
    state[RISES], state[ERROR] = 0.0, np.nan
    if said != CONVERGED:
        return said
    stay_at_rest(A, h, y, Y, K, before)
    if judge:
        error = _judged(
            h, y, f, Y, K, judging, last_four, first, df_dy, parts, own, small_M, small_pivots, atol, rtol, legendre
        )
        state[ERROR] = error if math.isfinite(error) else np.nan
        state[RISES] = 1.0 if begins_to_move(y, f, before.T, s) else 0.0
    return said
