"""The march where f is called from Python: compiled code that calls back for each value of f.

Python hears of it where a window needs more than f: the user's df/dy, a look for a kink, a step across one.
"""

from __future__ import annotations

import math

from . import between
from .between import onward, sweep
from .control import (
    ACCEPTED,
    ASK_KINK,
    ASK_SLOPE,
    ASK_WINDOW,
    AT_BOUND,
    CUT,
    ERROR,
    NLU,
    RATE,
    RISES,
    SWEEPS,
    H,
)
from .launch import CUBE, INDICES, MATRIX, VECTOR, by_address, entry, helper
from .march import find_bad, needs_a_look, store
from .python import ask
from .window import NOT_YET

__all__ = ["FAILED", "PARTS", "go_on"]

# What `go_on` returns where f has raised an exception.
FAILED = -1
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
            state[:] = 0.0
            state[between.POINTS], state[between.COLUMNS] = points, columns
            said = NOT_YET
            while said == NOT_YET:
                if not ask(asked, failed, int(state[between.POINTS])):
                    return FAILED
                said = _sweep(
                    parts[1],
                    (
                        state, small, still, not constant, True, numbers[H], y, f, A, transposed, t, rows, slopes,
                        before, step, df_dy, J, M, pivots, right, of_error, own, small_M, small_pivots, judging,
                        last_four, first, legendre, atol, rtol,
                    ),
                )  # fmt: skip
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
