"""A march whose f is called from Python: what is done between two calls.

`onward` goes on up to the first call for a window, `sweep` from one call to the next one. Both do all that can be done
at once: a call of compiled code with two dozen arrays costs 2 us, and Python would need ten for each of its parts.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arrays import Real
from .control import (
    ALL_COLUMNS,
    ASK_JACOBIAN,
    ASK_WINDOW,
    AT_ONCE,
    BEHIND,
    DEGREE,
    HAS_JACOBIAN,
    INSIDE,
    KNOWN,
    NJEV,
    PARTIAL,
    RELATIVE_STEP,
    H,
    T,
    steer,
)
from .launch import CUBE, INDICES, MATRIX, VECTOR, entry, helper, plain_helper
from .series import continue_series
from .simple import at_rest, begins_to_move
from .window import (
    BY_NEW_ELIMINATION,
    CONVERGED,
    NOT_YET,
    filter_parts,
    neglected_parts,
    newton_sweep,
    stay_at_rest,
    verdict,
    weighed_parts,
)

__all__ = [
    "AHEAD", "COLUMNS", "ERROR", "NLU", "POINTS", "RATE", "RISES", "SIZE", "STATE", "STEP", "SWEEPS", "is_mild",
    "mark_at_rest", "onward", "shifted", "sweep",
]  # fmt: skip

# What is known of a window, by its places in a vector: sweeps so far, the size of the last step and its rate as of
# `verdict`, matrices factorised, the local error, whether something begins to move in it that was at rest, and how
# the last sweep was done, see `newton_sweep`.
# POINTS : at which f is called next, COLUMNS : how many of these are for df/dy at the start, AHEAD : or at the first
# node; STEP : relative, of differences at each node.
SWEEPS, SIZE, RATE, NLU, ERROR, RISES, HOW, POINTS, COLUMNS, AHEAD, STEP, STATE = range(12)
# df/dy is made at each node where h |df/dy| is below this: elsewhere differences, which are right to 1e-8, are too
# rough (ROBER: 60 % more calls of f). Not tuned.
_MILD = 100.0
# It is made anew after a step of more than so many tolerances, that is no more than this part of the one before. Not
# tuned.
_ONCE_MORE, _FAST = 1.0, 0.2


@helper
def shifted(t, y, slope, change, small, relative, still, at, rows):
    """Points (at, rows) at which f tells df/dy, as `VectorField.jacobian` has them; their number."""
    n, count = y.size, 0
    for m in range(n):
        if still[m]:
            continue
        size = max(max(abs(y[m]), abs(change * slope[m])), small[m])
        step = relative * (size if size > 0.0 else 1.0)
        for k in range(n):
            rows[count, k] = y[k]
        rows[count, m] += -step if slope[m] < 0.0 else step
        at[count] = t
        count += 1
    return count


@helper
def _differences(y, slope, still, rows, values, df_dy):
    """df/dy (n, n) from f at the points that `shifted` made."""
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
def mark_at_rest(y, f, partial, still):
    """Mark the components that df/dy leaves out, if it is a partial one: those at rest."""
    for m in range(y.size):
        still[m] = 1 if partial and y[m] == 0.0 and f[m] == 0.0 else 0


@plain_helper
def is_mild(h: float, df_dy: Real) -> Any:
    """Whether a window is not stiff."""
    largest = 0.0
    for k in range(df_dy.shape[0]):
        total = 0.0
        for m in range(df_dy.shape[1]):
            total += abs(df_dy[k, m])
        largest = max(largest, total)
    return abs(h) * largest < _MILD


@helper
def _at_each_node(s, points, h, small, relative, still, t, rows, slopes):
    """As `shifted` for each of s nodes: behind as many points as there are; how many there are then."""
    for i in range(s):
        points += shifted(t[i], rows[i], slopes[i], h, small, relative, still, t[points:], rows[points:])
    return points


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
    f"UniTuple(i8, 3)({VECTOR}, {INDICES}, b1, {VECTOR}, {MATRIX}, {VECTOR}, {MATRIX}, {MATRIX}, {MATRIX}, {MATRIX},"
    f" {VECTOR}, {INDICES}, {VECTOR}, {VECTOR})"
)
def onward(numbers, counts, differences, nodes, A, t, rows, slopes, legendre, df_dy, small, still, y, f):
    """What `steer` asks for, at how many points f is to be called for it, and how many of them are for df/dy at y.

    Where that is a window: at its nodes, predicted, t and rows up to s, and behind them at points for df/dy, if that
    is made by `differences`: at the start, and at each node, too, where f takes all points at once.
    t (m,), rows, slopes (m, n) : room for s + n + s n points and for what f is there; legendre (s, n) : of the window
    before; df_dy (n, n) : the last one that is known; small (n,) : as in `VectorField.jacobian`; still (n,) : work
    space; y, f (n,) : where the march is.
    """
    s, n = nodes.size, y.size
    columns, relative = 0, numbers[RELATIVE_STEP]
    while True:
        asked = steer(numbers, counts, n, nodes, t[:s], f[:0] if counts[HAS_JACOBIAN] else f)
        if asked == ASK_JACOBIAN and differences:
            counts[PARTIAL] = 1 if at_rest(y, f) and not counts[ALL_COLUMNS] else 0
            counts[NJEV] += 1
            mark_at_rest(y, f, counts[PARTIAL] == 1, still)
            columns = shifted(numbers[T], y, f, numbers[H], small, relative, still, t[s:], rows[s:])
            continue
        if asked == ASK_WINDOW:
            offset, ratio = 0.0 if counts[INSIDE] else 1.0, numbers[H] / numbers[KNOWN]
            continue_series(nodes, legendre, counts[DEGREE], offset, ratio, slopes[:s])
            _times(A, slopes[:s], numbers[H], y, rows[:s])
            if columns > 0 and counts[BEHIND]:
                columns = shifted(t[0], rows[0], f, numbers[H], small, relative, still, t[s:], rows[s:])
            points = s + columns
            if counts[AT_ONCE] and differences and is_mild(numbers[H], df_dy):
                mark_at_rest(y, f, counts[PARTIAL] == 1, still)
                points = _at_each_node(s, points, numbers[H], small, relative, still, t, rows, slopes)
            return asked, points, columns
        return asked, 0, 0


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
    f"i8({VECTOR}, {VECTOR}, {INDICES}, b1, b1, f8, {VECTOR}, {VECTOR}, {MATRIX}, {MATRIX}, {VECTOR}, {MATRIX},"
    f" {MATRIX}, {MATRIX}, {MATRIX}, {MATRIX},"
    f" {CUBE}, {MATRIX}, {INDICES}, {VECTOR}, {MATRIX}, {VECTOR}, {MATRIX}, {INDICES}, {MATRIX}, {MATRIX}, f8,"
    f" {MATRIX}, {VECTOR}, {VECTOR})"
)
def sweep(
    state, small, still, follow, judge, h, y, f, A, transposed, t, rows, slopes, before, step, df_dy, J, M, pivots,
    right, parts, own, small_M, small_pivots, judging, last_four, first, legendre, atol, rtol,
):  # fmt: skip
    """One sweep of Newton's method, f being known at the points: what `verdict` says.

    state : see above, with the points at which f was called, and, changed, at which it is to be called next; small,
    still, t, rows, slopes : as of `onward`; follow : as of
    `newton_sweep`; judge : whether the local error is to be estimated once the iteration has converged.
    h, y, f : length of the window, value and slope where it starts.
    """
    s, n = before.shape
    Y, K = rows[:s], slopes[:s]
    sweeps, points, at = int(state[SWEEPS]), int(state[POINTS]), s
    if state[COLUMNS] > 0.0:
        ahead = state[AHEAD] > 0.0
        at += _differences(rows[0] if ahead else y, slopes[0] if ahead else f, still, rows[s:], slopes[s:], df_dy)
    each = points > at
    if each:
        for i in range(s):
            at += _differences(rows[i], slopes[i], still, rows[at:], slopes[at:], J[i])
    elif sweeps == 0:
        for i in range(s):
            for k in range(n):
                for m in range(n):
                    J[i, k, m] = df_dy[k, m]
    size, how = newton_sweep(
        A, transposed, y, h, J, Y, K, before, step, right, atol, rtol, M, pivots, follow and not each,
        int(state[HOW]), state[RATE],
    )  # fmt: skip
    said, rate = verdict(size, sweeps, state[SIZE], state[RATE])
    state[SWEEPS], state[SIZE], state[RATE] = sweeps + 1, size, rate
    state[HOW] = how
    state[NLU] += 1.0 if how == BY_NEW_ELIMINATION else 0.0
    state[RISES], state[ERROR] = 0.0, np.nan
    state[POINTS], state[COLUMNS] = s, 0.0
    if each and said == NOT_YET and size > _ONCE_MORE and (sweeps == 0 or rate < _FAST):
        state[POINTS] = _at_each_node(s, s, h, small, state[STEP], still, t, rows, slopes)
    if said != CONVERGED:
        return said
    stay_at_rest(A, h, y, Y, K, before)
    if judge:
        error = _judged(
            h, y, f, Y, K, judging, last_four, first, df_dy, parts, own, small_M, small_pivots, atol, rtol, legendre
        )
        state[NLU] += 1.0
        state[ERROR] = error if math.isfinite(error) else np.nan
        state[RISES] = 1.0 if begins_to_move(y, f, before.T, s) else 0.0
    return said
