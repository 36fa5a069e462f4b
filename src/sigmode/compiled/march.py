"""The march: its step control, and for compiled f all of it.

`steer` goes on until it needs something: df/dy, a window, the slope at its end.  `advance` has all that itself where f
is machine code, and goes on until a window is accepted. What they know between two calls is in two vectors, `numbers`
and `counts`, whose places have the names below.  docs/windows.md derives a window, docs/ivp.md the step control.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arrays import Index, Real
from .functions import call
from .launch import CUBE, INDICES, MATRIX, VECTOR, entry, helper, plain_helper
from .series import continue_series
from .simple import SIMPLE_BELOW, at_rest, call_once, differences, goes_on, integrate, norm, taken_over
from .window import (
    CONVERGED,
    HOPELESS,
    NOT_YET,
    converged,
    filter_parts,
    neglected_parts,
    one_sweep,
    stay_at_rest,
    verdict,
    weighed_parts,
)

__all__ = [
    "ACCEPTED",
    "ALL_COLUMNS",
    "ASK_JACOBIAN",
    "ASK_SLOPE",
    "ASK_WINDOW",
    "AT_BOUND",
    "BAD",
    "BAD_T",
    "BOUND",
    "CHEAP_JACOBIAN",
    "CONSTANT",
    "COUNTS",
    "DEGREE",
    "DIRECTION",
    "ERROR",
    "H_ABS",
    "INSIDE",
    "KNOWN",
    "LIMIT",
    "LONGEST",
    "MARK_T",
    "MAY_GROW",
    "MOST",
    "NFEV",
    "NJEV",
    "NLU",
    "NOT_FINITE",
    "NUMBERS",
    "PARTIAL",
    "RATE",
    "SIMPLE",
    "START",
    "STUCK",
    "SWEEPS",
    "TOO_SMALL",
    "H",
    "T",
    "advance",
    "steer",
]  # fmt: skip

# What they return: a window was accepted, and a request for the slope at its end, or none is needed; a request for
# df/dy or for a window; or an end.
ASK_SLOPE, AT_BOUND, ASK_JACOBIAN, ASK_WINDOW, ACCEPTED, TOO_SMALL, LIMIT, STUCK, NOT_FINITE = range(9)

# Places in `numbers`. H_ABS, TRIAL : lengths of the next and of the present window; H : the latter with sign; KNOWN :
# of the window whose slopes are known; START : of the accepted window; SIZE, RATE : of Newton's last step; ERROR : NaN
# where the iteration did not converge; MARK_T : t when progress was last looked at; BAD_T : where f is not finite.
(
    T, BOUND, DIRECTION, LONGEST, H_ABS, TRIAL, H, KNOWN, START, SIZE, RATE, ERROR, MARK_T, BAD_T, FACTOR, NUMBERS,
) = range(16)  # fmt: skip
# Places in `counts`. DEGREE : of the slopes that are known; INSIDE : whether they are from a longer window that starts
# here; FRESH : whether df/dy was made for this window; SIMPLE : whether sweeps are simple, without df/dy; BAD : the
# component of f that is not finite, or -1; PARTIAL : whether df/dy leaves out what is at rest; ALL_COLUMNS : whether it
# must not.
(
    PHASE, TRIED, MOST, MARK, DEGREE, INSIDE, HAS_JACOBIAN, FRESH, CONSTANT, MAY_GROW, SWEEPS, NFEV, NJEV, NLU, BAD,
    SIMPLE, PARTIAL, ALL_COLUMNS, COUNTS,
) = range(19)  # fmt: skip
_BEGIN, _LENGTH, _JACOBIAN, _WINDOW, _JUDGE, _DONE = range(6)

# Of the estimated error, before the root: as in other solvers. Not tuned.
_SAFETY = 0.5
# Limits on the ratio of the lengths of two windows. Not tuned.
_SMALLEST_RATIO, _LARGEST_RATIO = 0.1, 4.0
# A window whose error was too large becomes shorter at least by this factor. Not tuned.
_REJECTED_RATIO = 0.9
# The ratio after Newton's method failed, and the largest one after the window that then worked. Not tuned.
_FAILED_RATIO, _LARGEST_AFTER_FAILURE = 0.3, 1.5
# Degree of the polynomial that predicts the next window's slopes. Not tuned.
_PREDICTED_DEGREE = 6
# Sweeps after which a window does not become longer. Not tuned.
_MANY_SWEEPS = 8
# Equations up to which df/dy is made anew in each window; for more it is kept while Newton's last rate and number of
# sweeps are below these. Not tuned.
CHEAP_JACOBIAN = 10
_FAST_RATE, _FEW_SWEEPS = 0.05, 5
# The march is stuck if 2000 windows gain less than 1e-6 of the span. Not tuned.
_STUCK_WINDOWS, _STUCK_GAIN = 2000, 1e-6


@plain_helper
def _stuck(numbers, counts):
    """Whether many windows have led nearly nowhere."""
    if counts[TRIED] < counts[MARK] + _STUCK_WINDOWS:
        return False
    gained = abs(numbers[T] - numbers[MARK_T])
    counts[MARK] = counts[TRIED]
    numbers[MARK_T] = numbers[T]
    long = abs(numbers[BOUND] - numbers[T])
    if not math.isfinite(long):
        long = abs(numbers[T])
    return gained < _STUCK_GAIN * long and numbers[H_ABS] < _STUCK_GAIN * long


@plain_helper
def _shortest(numbers):
    """Ten times the distance of two floating-point numbers at t."""
    _, exponent = math.frexp(numbers[T])
    return 10.0 * math.ldexp(1.0, max(exponent - 53, -1074))


@plain_helper
def _begin(numbers, counts, f):
    """The length to try first; or NOT_FINITE."""
    for k in range(f.size):
        if not math.isfinite(f[k]):
            counts[BAD] = k
            numbers[BAD_T] = numbers[T]
            return NOT_FINITE
    h_abs = min(numbers[H_ABS], numbers[LONGEST])
    shortest = _shortest(numbers)
    numbers[TRIAL] = shortest if counts[TRIED] == 0 and h_abs < shortest else h_abs
    counts[INSIDE] = 0
    counts[BAD] = -1
    counts[PHASE] = _LENGTH
    return -1


@plain_helper
def _place(numbers, counts, nodes, t):
    """The nodes of the window of length TRIAL, none of them outside of the span; or why there is none."""
    if numbers[TRIAL] < _shortest(numbers):
        return TOO_SMALL if counts[BAD] < 0 else NOT_FINITE
    if counts[TRIED] >= counts[MOST]:
        return LIMIT
    if _stuck(numbers, counts):
        return STUCK
    counts[TRIED] += 1
    start, direction = numbers[T], numbers[DIRECTION]
    numbers[TRIAL] = min(numbers[TRIAL], abs(numbers[BOUND] - start))
    end = start + direction * numbers[TRIAL]
    if direction * (end - numbers[BOUND]) >= 0.0:
        end = numbers[BOUND]
    for i in range(t.size):
        at = start + (end - start) * nodes[i]
        t[i] = min(at, end) if direction > 0.0 else max(at, end)
    t[t.size - 1] = end
    numbers[H] = end - start
    counts[PHASE] = _JACOBIAN
    return -1


@helper
def _predict(numbers, counts, nodes, transposed, legendre, y, df_dy, Y, K, step, right, J):
    """Start values Y from the slopes that are known, and df/dy at every node."""
    offset = 0.0 if counts[INSIDE] else 1.0
    h = numbers[H]
    continue_series(nodes, legendre, counts[DEGREE], offset, h / numbers[KNOWN], K)
    integrate(h, transposed, y, K, right, step)
    s, n = Y.shape
    for i in range(s):
        for k in range(n):
            Y[i, k] = step[i, k]
            for m in range(n):
                J[i, k, m] = df_dy[k, m]
    counts[SWEEPS] = 0
    numbers[SIZE] = 0.0
    numbers[RATE] = 0.0


@helper
def _simple_sweep(numbers, counts, transposed, y, atol, rtol, Y, K, step, right):
    """Y = y + h A f(Y): CONVERGED, NOT_YET, or HOPELESS where these sweeps are too slow."""
    last, sweeps = numbers[SIZE], counts[SWEEPS]
    integrate(numbers[H], transposed, y, K, right, step)
    size = taken_over(step, y, atol, rtol, Y)
    now = size / last if sweeps > 0 else 1.0
    slower = max(now, numbers[RATE]) if sweeps > 1 else now
    counts[SWEEPS] += 1
    numbers[SIZE] = size
    numbers[RATE] = now
    if converged(sweeps, size, now, slower):
        return CONVERGED
    return NOT_YET if goes_on(size, sweeps, now) else HOPELESS


@helper
def _sweep(numbers, counts, A, y, atol, rtol, Y, K, before, step, right, J, M, pivots):
    """One of Newton's sweeps: CONVERGED, NOT_YET or HOPELESS."""
    last, sweeps, rate = numbers[SIZE], counts[SWEEPS], numbers[RATE]
    follow = counts[CONSTANT] == 0
    size, fresh = one_sweep(
        A, y, numbers[H], J, Y, K, before, step, right, atol, rtol, M, pivots, follow, sweeps, rate
    )  # fmt: skip
    said, rate = verdict(size, sweeps, last, rate)
    numbers[SIZE] = size
    numbers[RATE] = rate
    counts[SWEEPS] += 1
    counts[NLU] += 1 if fresh else 0
    return said


@helper
def _find_bad(numbers, counts, t, K, before):
    """The first node and component where f is not finite."""
    counts[BAD] = -1
    for i in range(K.shape[0]):
        for k in range(K.shape[1]):
            if not (math.isfinite(K[i, k]) and math.isfinite(before[i, k])):
                counts[BAD] = k
                numbers[BAD_T] = t[i]
                return


@helper
def _times(matrix, K, product):
    for i in range(matrix.shape[0]):
        for k in range(K.shape[1]):
            product[i, k] = 0.0
        for j in range(K.shape[0]):
            for k in range(K.shape[1]):
                product[i, k] += matrix[i, j] * K[j, k]


@helper
def _estimate(h, simple, first, judging, last_four, y, f, atol, rtol, Y, K, df_dy, square, pivots, legendre):
    """The local error in units of the tolerance; NaN where there is none."""
    s, n = Y.shape
    judged = np.empty((2 * s, n))
    of_values = np.empty((4, n))
    parts = np.empty((2 + s, n))
    own = np.empty(n)
    _times(judging, K, judged)
    _times(last_four, Y, of_values)
    neglected_parts(judged, of_values, f, h, first, parts, own)
    if not simple and not filter_parts(h / (2 * s), df_dy, parts, square, pivots):
        return np.nan
    for d in range(s):
        for k in range(n):
            legendre[d, k] = judged[d, k]
    error = weighed_parts(parts, own, y, Y, atol, rtol)
    return error if math.isfinite(error) else np.nan


@plain_helper
def _judge(numbers, counts, s):
    """Whether the window is accepted, and the length of the next one."""
    error = numbers[ERROR]
    if math.isnan(error):
        if counts[PARTIAL] and not counts[ALL_COLUMNS] and counts[BAD] < 0:  # the same window with all of df/dy
            counts[ALL_COLUMNS] = 1
            counts[HAS_JACOBIAN] = 0
            counts[PHASE] = _LENGTH
            return False
        counts[MAY_GROW] = 0
        if counts[FRESH] or counts[CONSTANT] or counts[BAD] >= 0:
            numbers[TRIAL] *= _FAILED_RATIO
        counts[HAS_JACOBIAN] = counts[FRESH]  # the same window again with df/dy made anew
        counts[PHASE] = _LENGTH
        return False
    factor = (_SAFETY / error) ** (1.0 / (s + 1)) if error > 0.0 else _LARGEST_RATIO
    if error > 1.0:
        numbers[KNOWN] = numbers[H]
        counts[DEGREE] = s - 1
        counts[INSIDE] = 1
        numbers[TRIAL] *= max(_SMALLEST_RATIO, min(_REJECTED_RATIO, factor))
        counts[PHASE] = _LENGTH
        return False
    numbers[FACTOR] = factor
    return True


@plain_helper
def _accept(numbers, counts, t, n):
    """Go to the end of the window; whether there is more to come."""
    s = t.size
    numbers[START] = numbers[T]
    numbers[T] = t[s - 1]
    numbers[KNOWN] = numbers[H]
    counts[DEGREE] = min(_PREDICTED_DEGREE, s - 1)
    factor = numbers[FACTOR]
    if counts[SWEEPS] >= _MANY_SWEEPS and not counts[SIMPLE]:
        factor = min(factor, 1.0)
    largest = _LARGEST_RATIO if counts[MAY_GROW] else _LARGEST_AFTER_FAILURE
    numbers[H_ABS] = abs(numbers[H]) * min(factor, largest)
    counts[MAY_GROW] = 1
    counts[ALL_COLUMNS] = 0
    counts[PHASE] = _DONE
    if numbers[T] == numbers[BOUND]:
        return False
    if n <= CHEAP_JACOBIAN or numbers[RATE] > _FAST_RATE or counts[SWEEPS] > _FEW_SWEEPS:
        counts[HAS_JACOBIAN] = 0
    return True


@plain_helper
def steer(numbers: Real, counts: Index, n: int, nodes: Real, t: Real, f: Real) -> Any:
    """The step control: go on until something is needed: df/dy, a window, the slope at its end; or until it ends.

    For Python where f is called from there, and compiled for `advance`. n : equations; nodes : (s,), of the basis;
    t : (s,), of the window; f : the slope where it starts, to be looked at for numbers that are not finite, or empty.
    """
    while True:
        phase = counts[PHASE]
        if phase == _BEGIN:
            why = _begin(numbers, counts, f)
            if why >= 0:
                return why
        elif phase == _LENGTH:
            why = _place(numbers, counts, nodes, t)
            if why >= 0:
                return why
        elif phase == _JACOBIAN:
            counts[FRESH] = 0 if counts[HAS_JACOBIAN] or counts[SIMPLE] else 1
            counts[PHASE] = _WINDOW
            if counts[FRESH]:
                return ASK_JACOBIAN
        elif phase == _WINDOW:
            counts[HAS_JACOBIAN] = 0 if counts[SIMPLE] else 1
            counts[PHASE] = _JUDGE
            return ASK_WINDOW
        elif phase == _JUDGE:
            if _judge(numbers, counts, t.size):
                return ASK_SLOPE if _accept(numbers, counts, t, n) else AT_BOUND
        else:
            counts[PHASE] = _BEGIN
            return ACCEPTED


@helper
def _solve(
    numbers, counts, address, words, nodes, A, transposed, judging, last_four,
    atol, rtol, y, f, t, Y, K, before, step, legendre, df_dy, J, M, right, square, pivots,
):  # fmt: skip
    """One window, its error in `numbers`; False where f has to be called from Python."""
    _predict(numbers, counts, nodes, transposed, legendre, y, df_dy, Y, K, step, right, J)
    said = NOT_YET
    while said == NOT_YET:
        if not call(address, t, Y, words, K):
            return False
        counts[NFEV] += t.size
        if counts[SIMPLE]:
            said = _simple_sweep(numbers, counts, transposed, y, atol, rtol, Y, K, step, right)
        else:
            said = _sweep(numbers, counts, A, y, atol, rtol, Y, K, before, step, right, J, M, pivots)
    numbers[ERROR] = np.nan
    if said == CONVERGED:
        if not counts[SIMPLE]:
            stay_at_rest(y, Y, K, before)
        numbers[ERROR] = _estimate(
            numbers[H], counts[SIMPLE], nodes[0], judging, last_four, y, f, atol, rtol, Y, K, df_dy, square, pivots,
            legendre,
        )  # fmt: skip
    if math.isnan(numbers[ERROR]):
        if counts[SIMPLE]:  # the same window by Newton's method
            counts[SIMPLE] = 0
            counts[PHASE] = _JACOBIAN
        else:
            _find_bad(numbers, counts, t, K, before)
    return True


_TABLES = f"{VECTOR}, {MATRIX}, {MATRIX}, {MATRIX}, {MATRIX}"
_OF_Y = ", ".join([VECTOR] * 7)  # atol to t
_OF_NODES = ", ".join([MATRIX] * 6)  # Y to df_dy
_ROOM = f"{CUBE}, {MATRIX}, {VECTOR}, {MATRIX}, {INDICES}"


@entry(f"i8({VECTOR}, {INDICES}, i8, {INDICES}, b1, {_TABLES}, {_OF_Y}, {_OF_NODES}, {_ROOM})")
def advance(
    numbers, counts, address, words, own_df_dy, nodes, A, transposed, judging, last_four,
    atol, rtol, small, y, f, start, t, Y, K, before, step, legendre, df_dy, J, M, right, square, pivots,
):  # fmt: skip
    """`steer` with windows of a compiled f: go on until one is accepted, or Python is needed.

    address, words : of f, see `functions.Called`; own_df_dy : whether df/dy is the user's.
    nodes (s,), A (s, s), its transpose, judging (2 s, s), last_four (4, s) : of the basis.
    atol, rtol, small, y, f, start : (n,); small : what does not matter in y, for differences; f : the slope at y;
    start : y at the start of the window that was accepted.
    t (s,), Y, K, before, step, legendre (s, n), df_dy (n, n) : of the window. The rest is work space: J (s, n, n),
    M (s n, s n), right (s n,), square (n, n), pivots (s n,).
    """
    n = y.size
    while True:
        asked = steer(numbers, counts, n, nodes, t, f)
        if asked == ASK_JACOBIAN:
            if own_df_dy:
                return asked
            counts[PARTIAL] = 0 if counts[ALL_COLUMNS] else at_rest(y, f)
            if not differences(address, words, numbers[T], numbers[H], y, f, small, df_dy, counts[PARTIAL]):
                return asked
            counts[NJEV] += 1
        elif asked == ASK_WINDOW:
            if not _solve(
                numbers, counts, address, words, nodes, A, transposed, judging, last_four,
                atol, rtol, y, f, t, Y, K, before, step, legendre, df_dy, J, M, right, square, pivots,
            ):  # fmt: skip
                return asked
        elif asked in (ASK_SLOPE, AT_BOUND):
            for k in range(n):
                start[k] = y[k]
                y[k] = Y[t.size - 1, k]
            if not counts[SIMPLE]:
                counts[SIMPLE] = 1 if norm(df_dy, y, atol, rtol) * numbers[H_ABS] < SIMPLE_BELOW else 0
            if asked == ASK_SLOPE:
                if not call_once(address, numbers[T], y, words, f):
                    return asked
                counts[NFEV] += 1
        else:
            return asked
