"""Both marches where f is called from Python: compiled code that calls back for each value of f.

Python hears of it where a window needs more than f: the user's df/dy, a look for a kink, a step across one.
"""

from __future__ import annotations

import math

import numpy as np

from . import between
from .across import go_across
from .between import is_mild, mark_at_rest, onward, shifted, sweep
from .control import (
    ACCEPTED,
    ASK_KINK,
    ASK_SLOPE,
    ASK_WINDOW,
    AT_BOUND,
    BEHIND,
    CUT,
    ERROR,
    NLU,
    RATE,
    RELATIVE_STEP,
    RISES,
    SWEEPS,
    H,
)
from .launch import CUBE, INDICES, MATRIX, VECTOR, by_address, entry, helper
from .march import find_bad, needs_a_look, store
from .python import ask
from .window import CONVERGED, NOT_YET, rounding

__all__ = ["FAILED", "LITTLE", "LONG_STEP", "PARTS", "go_beside", "go_on"]

# What `go_on` and `go_beside` return where f has raised an exception.
FAILED = -1
# The relative step of differences where Newton's method did not converge and nothing is stiff. Not tuned.
LONG_STEP = 1e-6
# What it may leave for good, in units of what may remain. Not tuned.
LITTLE = 1 / 30
# What it calls, in the order of their addresses.
PARTS = onward, sweep
_onward, _sweep = (by_address(part) for part in PARTS)


@helper
def _note(numbers, counts, state, t, K, before):
    """What `sweep` has found out about a window."""
    counts[SWEEPS] = int(state[between.SWEEPS])
    counts[NLU] += int(state[between.NLU])
    counts[RISES] = int(state[between.RISES])
    numbers[RATE] = state[between.RATE]
    numbers[ERROR] = state[between.ERROR]
    if math.isnan(numbers[ERROR]):
        find_bad(numbers, counts, t[: len(K)], K.T, before.T)


@helper
def _newton(
    sweep_at, asked, failed, state, points, columns, ahead, relative, small, still, follow, judge, h, y, f, A,
    transposed, t, rows, slopes, before, step, df_dy, J, M, pivots, right, of_error, own, small_M, small_pivots,
    judging, last_four, first, legendre, atol, rtol,
):  # fmt: skip
    """Newton's method from the values in rows on: what `verdict` says at the end, FAILED where f has failed.

    sweep_at : address of `sweep`; points, columns, ahead : where f is called first, see `between`; relative : step of
    differences at each node; the rest as of `sweep`.
    """
    state[:] = 0.0
    state[between.POINTS], state[between.COLUMNS], state[between.AHEAD] = points, columns, ahead
    state[between.STEP] = relative
    said = NOT_YET
    while said == NOT_YET:
        if not ask(asked, failed, int(state[between.POINTS])):
            return FAILED
        said = _sweep(
            sweep_at,
            (
                state, small, still, follow, judge, h, y, f, A, transposed, t, rows, slopes, before, step, df_dy, J, M,
                pivots, right, of_error, own, small_M, small_pivots, judging, last_four, first, legendre, atol, rtol,
            ),
        )  # fmt: skip
    return said


_OF_WINDOW = ", ".join([VECTOR, *[MATRIX] * 5, CUBE, MATRIX, INDICES, VECTOR])  # t to right
_OF_ERROR = ", ".join([MATRIX, VECTOR, MATRIX, INDICES])  # parts to small_pivots
_TABLES = ", ".join([VECTOR, *[MATRIX] * 4, "f8"])  # nodes to first
_OF_Y = ", ".join([*[VECTOR] * 3, INDICES, *[VECTOR] * 3])  # atol to start


@entry(
    f"i8({INDICES}, i8, i8, {VECTOR}, {VECTOR}, {INDICES}, b1, b1, {_OF_WINDOW}, {_OF_ERROR}, {_TABLES}, {MATRIX},"
    f" {_OF_Y}, {MATRIX}, {CUBE}, {CUBE})"
)
def go_on(
    parts, asked, failed, state, numbers, counts, own_df_dy, constant, t, rows, slopes, before, step, df_dy, J, M,
    pivots, right, of_error, own, small_M, small_pivots, nodes, A, transposed, judging, last_four, first, legendre,
    atol, rtol, small, still, y, f, start, places, values, kept,
):  # fmt: skip
    """`steer` with windows of an f of Python: go on until there is no more room for them, or Python is needed.

    parts : addresses of `PARTS`; asked, failed : of functions of Python: asked(k) makes f at the first k points, or at
    y where k is zero, failed(exception) takes what that raises, and FAILED is returned.
    own_df_dy : whether df/dy is the user's; constant : whether it is the same everywhere.
    state, still : see `between`; t (m,), rows, slopes (m, n) : points and what f is there, first of all the nodes;
    of_error to legendre : as in `between.sweep`, from before to right, too; the rest as of `march.advance`.
    """
    s, n = before.shape
    Y, K = rows[:s], slopes[:s]
    while True:
        asks, points, columns = _onward(
            parts[0], (numbers, counts, not own_df_dy, nodes, A, t, rows, slopes, legendre, df_dy, small, still, y, f)
        )
        if asks == ASK_WINDOW:
            said = _newton(
                parts[1], asked, failed, state, points, columns, counts[BEHIND], numbers[RELATIVE_STEP], small, still,
                not constant, True, numbers[H], y, f, A, transposed, t, rows, slopes, before, step, df_dy, J, M, pivots,
                right, of_error, own, small_M, small_pivots, judging, last_four, first, legendre, atol, rtol,
            )  # fmt: skip
            if said == FAILED:
                return FAILED
            _note(numbers, counts, state, t, K, before)
        elif asks == ASK_KINK:
            if needs_a_look(numbers, counts, t[:s], y, Y, K, atol, rtol):
                return asks
        elif asks in (ASK_SLOPE, AT_BOUND):
            for k in range(n):
                start[k] = y[k]
                y[k] = Y[s - 1, k]
            if counts[CUT]:
                return asks
            if asks == ASK_SLOPE and not ask(asked, failed, 0):
                return FAILED
        elif asks != ACCEPTED or store(numbers, counts, y, start, Y[s - 1], K, places, values, kept):
            return asks


_OF_WINDOWS = ", ".join([*[VECTOR] * 3, MATRIX, CUBE, MATRIX])  # start to times


@entry(
    f"UniTuple(i8, 3)(i8, i8, i8, i8, {INDICES}, {VECTOR}, {_OF_WINDOWS}, {_OF_WINDOW}, {_OF_ERROR}, {_TABLES},"
    f" {MATRIX}, {VECTOR}, {VECTOR}, {VECTOR}, {INDICES}, {VECTOR}, f8, f8, {CUBE}, {VECTOR}, {CUBE})"
)
def go_beside(
    sweep_at, asked, failed, address, words, state, start, end, h, y, u, times, t, rows, slopes, before, step, df_dy, J,
    M, pivots, right, of_error, own, small_M, small_pivots, nodes, A, transposed, judging, last_four, first, legendre,
    atol, rtol, small, still, now, relative, may_remain, z, left, matrices,
):  # fmt: skip
    """`compare` for an f of Python: the windows done, or FAILED, df/dy made, and matrices factorised.

    sweep_at : address of `sweep`; asked, failed, state : as of `go_on`; address, words : of f, see `python.Asked`;
    start, end, h (K,), y (K, n), u (K, s, n), z, left, may_remain : as of `compare`; times (K, s) : nodes; now (n,) :
    where the second march starts, changed; relative : step of differences; matrices (K, n, n) : df/dy at the starts,
    written; t to legendre : as of `go_on`.
    """
    s, n = before.shape
    f, made, factorised = np.empty(n), 0, 0
    one, room = np.empty(1), np.empty((4, n))
    for k in range(len(u)):
        t[0] = start[k]
        for c in range(n):
            rows[0, c] = now[c]
        if not ask(asked, failed, 1):
            return FAILED, made, factorised
        for c in range(n):
            f[c] = slopes[0, c]
        for i in range(s):
            t[i] = times[k, i]
            for c in range(n):
                rows[i, c] = u[k, i, c] + (now[c] - y[k, c])
        mark_at_rest(now, f, True, still)
        behind = 1 if k > 0 and end[k - 1] != start[k] else 0
        at, base = (t[0], rows[0]) if behind else (start[k], now)
        step_now = relative
        for attempt in range(2):  # secants may have led astray, or noise of f: once more from where they led
            columns = shifted(at, base, f, h[k], small, step_now, still, t[s:], rows[s:]) if step_now > 0.0 else 0
            made += step_now > 0.0
            said = _newton(
                sweep_at, asked, failed, state, s + columns, columns, behind, relative, small, still, True, False,
                h[k], now, f, A, transposed, t, rows, slopes, before, step, df_dy, J, M, pivots, right, of_error, own,
                small_M, small_pivots, judging, last_four, first, legendre, atol, rtol,
            )  # fmt: skip
            if said == FAILED:
                return FAILED, made, factorised
            factorised += int(state[between.NLU])
            size = 0.0 if said == CONVERGED else state[between.SIZE]
            if attempt == 0 or size < left[k]:
                left[k] = size
                for i in range(s):
                    for c in range(n):
                        z[k, i, c] = rows[i, c]
            if left[k] < LITTLE * may_remain or not np.isfinite(rows[:s]).all():
                break
            step_now = max(relative, LONG_STEP) if is_mild(h[k], df_dy) else 0.0
        for c in range(n):
            for d in range(n):
                matrices[k, c, d] = df_dy[c, d]
        if not left[k] < may_remain:
            return k, made, factorised
        for c in range(n):
            now[c] = z[k, s - 1, c] + rounding(k, c, now[c], z[k, s - 1, c])
        if k + 1 < len(u) and end[k] != start[k + 1]:  # a kink
            calls = go_across(
                address, words, end[k], start[k + 1], h[k + 1], u[k, s - 1], y[k + 1], now, atol, rtol, room[0],
                room[1], one, room[2], room[3],
            )  # fmt: skip
            if calls < 0:
                return FAILED, made, factorised
    return len(u), made, factorised
