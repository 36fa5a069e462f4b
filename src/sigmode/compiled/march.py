"""The march: one window after the other, in one compiled function that asks for what it cannot compute itself.

`advance` goes on until a window is accepted, or until it needs the user's function and that is no machine code: then it
returns a request, and goes on where it stopped when it is called again.  What it knows between two calls is in two
vectors, `numbers` and `counts`, whose places have the names below, and in the arrays of `Memory`.  docs/windows.md
derives a window, docs/ivp.md the step control.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..arrays import Index, Real
from .functions import call
from .launch import CUBE, INDICES, MATRIX, VECTOR, entry, helper
from .series import continue_series
from .simple import SIMPLE_BELOW, differences, goes_on, integrate, norm, taken_over
from .window import CONVERGED, NOT_YET, converged, filtered, neglected_parts, one_sweep, verdict, weighed_parts

__all__ = [
    "ACCEPTED",
    "ASK_JACOBIAN",
    "ASK_NODES",
    "ASK_SLOPE",
    "ASK_WINDOW",
    "BAD",
    "BAD_T",
    "BOUND",
    "CHEAP_JACOBIAN",
    "CONSTANT",
    "COUNTS",
    "DEGREE",
    "DIFFERENCES",
    "DIRECTION",
    "ERROR",
    "HAS_JACOBIAN",
    "H_ABS",
    "INSIDE",
    "KNOWN",
    "LIMIT",
    "LONGEST",
    "MARK_T",
    "MAY_GROW",
    "MINE",
    "MOST",
    "NFEV",
    "NJEV",
    "NLU",
    "NOT_FINITE",
    "NUMBERS",
    "RATE",
    "SIMPLE",
    "START",
    "STUCK",
    "SWEEPS",
    "TOO_SMALL",
    "TRIED",
    "H",
    "T",
    "advance",
]  # fmt: skip

# What `advance` returns: a request for f at t, for f at the nodes, for df/dy at t, for a whole window; or an end.
ASK_SLOPE, ASK_NODES, ASK_JACOBIAN, ASK_WINDOW, ACCEPTED, TOO_SMALL, LIMIT, STUCK, NOT_FINITE = range(9)

# Places in `numbers`. H_ABS, TRIAL : lengths of the next and of the present window; H : the latter with sign; KNOWN :
# of the window whose slopes are known; START : of the accepted window; SIZE, RATE : of Newton's last step; ERROR : NaN
# where the iteration did not converge; MARK_T : t when progress was last looked at; BAD_T : where f is not finite.
T, BOUND, DIRECTION, LONGEST, H_ABS, TRIAL, H, KNOWN, START, SIZE, RATE, ERROR, MARK_T, BAD_T, FACTOR, NUMBERS = range(
    16
)
# Places in `counts`. DEGREE : of the slopes that are known; INSIDE : whether they are from a longer window that starts
# here; FRESH : whether df/dy was made for this window; MINE : whether windows are solved here; DIFFERENCES : whether
# df/dy is made here; SIMPLE : whether sweeps are simple, without df/dy; BAD : the component of f that is not finite, or
# -1.
(
    PHASE, TRIED, MOST, MARK, DEGREE, INSIDE, HAS_JACOBIAN, FRESH, CONSTANT, MAY_GROW, SWEEPS, NFEV, NJEV, NLU, BAD,
    MINE, DIFFERENCES, SIMPLE, COUNTS,
) = range(19)  # fmt: skip
_BEGIN, _LENGTH, _JACOBIAN, _PREDICT, _SWEEP, _JUDGE, _DONE = range(7)

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


class Tables(NamedTuple):
    """Of the basis: nodes (s,), A (s, s) and its transpose, judging (2 s, s), last_four (4, s)."""

    nodes: Real
    A: Real
    transposed: Real
    judging: Real
    last_four: Real


class Memory(NamedTuple):
    """atol, rtol, small, y, f, start : (n,); t : (s,); Y, K, before, step, legendre : (s, n); df_dy : (n, n).

    small : what does not matter in y, for differences; f : the slope at y; start : y at the start of the window that
    was accepted. The rest is work space: J (s, n, n), M (s n, s n), right (s n,), square (n, n), pivots (s n,).
    """

    atol: Real
    rtol: Real
    small: Real
    y: Real
    f: Real
    start: Real
    t: Real
    Y: Real
    K: Real
    before: Real
    step: Real
    legendre: Real
    df_dy: Real
    J: Real
    M: Real
    right: Real
    square: Real
    pivots: Index


@helper
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


@helper
def _shortest(numbers):
    t = numbers[T]
    return 10.0 * abs(np.nextafter(t, numbers[DIRECTION] * np.inf) - t)


@helper
def _begin(numbers, counts, memory):
    """The length to try first; or NOT_FINITE."""
    for k in range(memory.f.size):
        if not math.isfinite(memory.f[k]):
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


@helper
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
def _predict(numbers, counts, tables, memory):
    """Start values Y from the slopes that are known, and df/dy at every node."""
    offset = 0.0 if counts[INSIDE] else 1.0
    h = numbers[H]
    continue_series(tables.nodes, memory.legendre, counts[DEGREE], offset, h / numbers[KNOWN], memory.K)
    integrate(h, tables.transposed, memory.y, memory.K, memory.right, memory.step)
    s, n = memory.Y.shape
    for i in range(s):
        for k in range(n):
            memory.Y[i, k] = memory.step[i, k]
            for m in range(n):
                memory.J[i, k, m] = memory.df_dy[k, m]
    counts[SWEEPS] = 0
    numbers[SIZE] = 0.0
    numbers[RATE] = 0.0
    counts[PHASE] = _SWEEP


@helper
def _simple_sweep(numbers, counts, tables, memory):
    """Y = y + h A f(Y); whether there is to be another one. Where these sweeps are too slow, Newton's take over."""
    last, sweeps = numbers[SIZE], counts[SWEEPS]
    integrate(numbers[H], tables.transposed, memory.y, memory.K, memory.right, memory.step)
    size = taken_over(memory.step, memory.y, memory.atol, memory.rtol, memory.Y)
    now = size / last if sweeps > 0 else 1.0
    slower = max(now, numbers[RATE]) if sweeps > 1 else now
    counts[SWEEPS] += 1
    numbers[SIZE] = size
    numbers[RATE] = now
    if converged(sweeps, size, now, slower):
        numbers[ERROR] = _estimate(numbers, counts, tables, memory)
        if not math.isnan(numbers[ERROR]):
            counts[PHASE] = _JUDGE
            return False
    elif goes_on(size, sweeps, now):
        return True
    counts[SIMPLE] = 0
    counts[PHASE] = _JACOBIAN
    return False


@helper
def _sweep(numbers, counts, tables, memory):
    """One of Newton's sweeps; whether there is to be another one."""
    last, sweeps = numbers[SIZE], counts[SWEEPS]
    size, fresh = one_sweep(
        tables.A, memory.y, numbers[H], memory.J, memory.Y, memory.K, memory.before, memory.step, memory.right,
        memory.atol, memory.rtol, memory.M, memory.pivots, counts[CONSTANT] == 0, sweeps, numbers[RATE],
    )  # fmt: skip
    said, rate = verdict(size, sweeps, last, numbers[RATE])
    numbers[SIZE] = size
    numbers[RATE] = rate
    counts[SWEEPS] += 1
    counts[NLU] += 1 if fresh else 0
    if said == NOT_YET:
        return True
    numbers[ERROR] = _estimate(numbers, counts, tables, memory) if said == CONVERGED else np.nan
    if math.isnan(numbers[ERROR]):
        _find_bad(numbers, counts, memory)
    counts[PHASE] = _JUDGE
    return False


@helper
def _find_bad(numbers, counts, memory):
    """The first node and component where f is not finite."""
    counts[BAD] = -1
    for i in range(memory.t.size):
        for k in range(memory.y.size):
            if not (math.isfinite(memory.K[i, k]) and math.isfinite(memory.before[i, k])):
                counts[BAD] = k
                numbers[BAD_T] = memory.t[i]
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
def _estimate(numbers, counts, tables, memory):
    """The local error in units of the tolerance; NaN where there is none."""
    s, n = memory.Y.shape
    judged = np.empty((2 * s, n))
    of_values = np.empty((4, n))
    parts = np.empty((2 + s, n))
    own = np.empty(n)
    _times(tables.judging, memory.K, judged)
    _times(tables.last_four, memory.Y, of_values)
    neglected_parts(judged, of_values, memory.f, numbers[H], tables.nodes[0], parts, own)
    if not counts[SIMPLE] and not filtered(numbers[H] / (2 * s), memory.df_dy, parts, memory.square, memory.pivots):
        return np.nan
    memory.legendre[:] = judged[:s]
    error = weighed_parts(parts, own, memory.y, memory.Y, memory.atol, memory.rtol)
    return error if math.isfinite(error) else np.nan


@helper
def _judge(numbers, counts, s):
    """Whether the window is accepted, and the length of the next one."""
    error = numbers[ERROR]
    if math.isnan(error):
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


@helper
def _accept(numbers, counts, memory, n):
    """Go to the end of the window; whether there is more to come."""
    s = memory.t.size
    numbers[START] = numbers[T]
    numbers[T] = memory.t[s - 1]
    numbers[KNOWN] = numbers[H]
    counts[DEGREE] = min(_PREDICTED_DEGREE, s - 1)
    factor = numbers[FACTOR]
    if counts[SWEEPS] >= _MANY_SWEEPS and not counts[SIMPLE]:
        factor = min(factor, 1.0)
    largest = _LARGEST_RATIO if counts[MAY_GROW] else _LARGEST_AFTER_FAILURE
    numbers[H_ABS] = abs(numbers[H]) * min(factor, largest)
    counts[MAY_GROW] = 1
    counts[PHASE] = _DONE
    if numbers[T] == numbers[BOUND]:
        return False
    if n <= CHEAP_JACOBIAN or numbers[RATE] > _FAST_RATE or counts[SWEEPS] > _FEW_SWEEPS:
        counts[HAS_JACOBIAN] = 0
    return True


_TABLES = f"{VECTOR}, {MATRIX}, {MATRIX}, {MATRIX}, {MATRIX}"
_OF_Y = ", ".join([VECTOR] * 7)  # atol to t
_OF_NODES = ", ".join([MATRIX] * 6)  # Y to df_dy
_ROOM = f"{CUBE}, {MATRIX}, {VECTOR}, {MATRIX}, {INDICES}"


@entry(f"i8({VECTOR}, {INDICES}, i8, {INDICES}, i8, {_TABLES}, {_OF_Y}, {_OF_NODES}, {_ROOM})")
def advance(
    numbers, counts, address, words, n, nodes, A, transposed, judging, last_four,
    atol, rtol, small, y, f, start, t, Y, K, before, step, legendre, df_dy, J, M, right, square, pivots,
):  # fmt: skip
    """Go on until something is needed, or a window is accepted, or none can be.

    address, words : of compiled f, see `functions.Called`; address 0 where f is a function of Python. n : equations.
    """
    tables = Tables(nodes, A, transposed, judging, last_four)
    memory = Memory(
        atol, rtol, small, y, f, start, t, Y, K, before, step, legendre, df_dy, J, M, right, square, pivots
    )  # fmt: skip
    while True:
        phase = counts[PHASE]
        if phase == _BEGIN:
            why = _begin(numbers, counts, memory)
            if why >= 0:
                return why
        elif phase == _LENGTH:
            why = _place(numbers, counts, nodes, t)
            if why >= 0:
                return why
        elif phase == _JACOBIAN:
            counts[FRESH] = 0 if counts[HAS_JACOBIAN] or counts[SIMPLE] else 1
            counts[PHASE] = _PREDICT
            if counts[FRESH] and not (
                counts[DIFFERENCES]
                and differences(address, words, numbers[T], numbers[H], memory.y, memory.f, memory.small, memory.df_dy)
            ):
                return ASK_JACOBIAN
            counts[NJEV] += counts[FRESH]
        elif phase == _PREDICT:
            counts[HAS_JACOBIAN] = 0 if counts[SIMPLE] else 1
            if not counts[MINE]:
                counts[PHASE] = _JUDGE
                return ASK_WINDOW
            _predict(numbers, counts, tables, memory)
            if not _asked(address, words, counts, t, Y, K):
                return ASK_NODES
        elif phase == _SWEEP:
            if counts[SIMPLE]:
                again = _simple_sweep(numbers, counts, tables, memory)
            else:
                again = _sweep(numbers, counts, tables, memory)
            if again and not _asked(address, words, counts, t, Y, K):
                return ASK_NODES
        elif phase == _JUDGE:
            if _judge(numbers, counts, t.size):
                more = _accept(numbers, counts, memory, n)
                if counts[MINE]:
                    start[:] = y
                    y[:] = Y[t.size - 1]
                    if address != 0 and not counts[SIMPLE]:
                        counts[SIMPLE] = 1 if norm(memory.df_dy, y, atol, rtol) * numbers[H_ABS] < SIMPLE_BELOW else 0
                if more and not _slope(address, words, counts, numbers[T], y, f):
                    return ASK_SLOPE
        else:
            counts[PHASE] = _BEGIN
            return ACCEPTED


@helper
def _asked(address, words, counts, t, Y, K):
    """f at the nodes; False where Python has to be asked."""
    if address == 0 or not call(address, t, Y, words, K):
        return False
    counts[NFEV] += t.size
    return True


@helper
def _slope(address, words, counts, t, y, f):
    """f at one point; False where Python has to be asked."""
    if address == 0 or not call(address, np.full(1, t), y.reshape(1, y.size), words, f.reshape(1, y.size)):
        return False
    counts[NFEV] += 1
    return True
