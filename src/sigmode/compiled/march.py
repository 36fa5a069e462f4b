"""The march where f is machine code: `steer` with all that it asks for, until a window is accepted.

docs/windows.md derives a window, docs/ivp.md the step control.
"""

from __future__ import annotations

import math

import numpy as np

from .control import (
    ACCEPTED,
    ALL_COLUMNS,
    ASK_JACOBIAN,
    ASK_KINK,
    ASK_SLOPE,
    ASK_WINDOW,
    AT_BOUND,
    BAD,
    BAD_T,
    BOUND,
    CUT,
    CUT_AT,
    DEGREE,
    ERROR,
    GAVE_UP,
    H_ABS,
    INSIDE,
    KINK_AT,
    KNOWN,
    NFEV,
    NJEV,
    NLU,
    PARTIAL,
    RATE,
    RESTART,
    RISES,
    SIMPLE,
    SIZE,
    START,
    STORED,
    SWEEPS,
    H,
    T,
    again_shorter,
    by_newton,
    noise_is_due,
    steer,
)
from .functions import call
from .kinks import leaves
from .launch import CUBE, INDICES, MATRIX, VECTOR, entry, helper
from .series import continue_series
from .simple import (
    NOT_STIFF,
    SHORTER_REACH,
    SIMPLE_BELOW,
    at_rest,
    begins_to_move,
    call_once,
    differences,
    goes_on,
    integrate,
    norm,
    taken_over,
    times,
)
from .split import by_eigenvalues
from .window import (
    CONVERGED,
    HOPELESS,
    NOT_YET,
    converged,
    filter_parts,
    neglected_parts,
    stay_at_rest,
    weighed_parts,
)

__all__ = ["advance"]


@helper
def _predict(numbers, counts, nodes, transposed, legendre, y, Y, K, step, total):
    """Start values Y from the slopes that are known."""
    offset = 0.0 if counts[INSIDE] else 1.0
    h = numbers[H]
    continue_series(nodes, legendre, counts[DEGREE], offset, h / numbers[KNOWN], K)
    integrate(h, transposed, y, K, total, step)
    for i in range(Y.shape[0]):
        for k in range(Y.shape[1]):
            Y[i, k] = step[i, k]
    counts[SWEEPS] = 0
    numbers[SIZE] = 0.0
    numbers[RATE] = 0.0


@helper
def _simple_sweep(numbers, counts, transposed, y, atol, rtol, Y, K, step, total):
    """Y = y + h A f(Y): CONVERGED, NOT_YET, or HOPELESS where these sweeps are too slow."""
    last, sweeps = numbers[SIZE], counts[SWEEPS]
    integrate(numbers[H], transposed, y, K, total, step)
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
def _find_bad(numbers, counts, t, K, before):
    """The first node and component where f, as it came, is not finite; else where Newton's step is not."""
    counts[BAD] = -1
    for values in (before, K):
        for i in range(K.shape[0]):
            for k in range(K.shape[1]):
                if not math.isfinite(values[i, k]):
                    counts[BAD] = k
                    numbers[BAD_T] = t[i]
                    return


@helper
def _estimate(h, simple, first, judging, last_four, y, f, atol, rtol, Y, K, df_dy, total, square, pivots, legendre):
    """The local error in units of the tolerance; NaN where there is none."""
    s, n = Y.shape
    judged = np.empty((2 * s, n))
    of_values = np.empty((4, n))
    parts = np.empty((2 + s, n))
    own = np.empty(n)
    times(judging, K, total, judged)
    times(last_four, Y, total, of_values)
    neglected_parts(judged, of_values, f, h, first, parts, own)
    if not simple and not filter_parts(h / (2 * s), df_dy, parts, square, pivots):
        return np.nan
    for d in range(s):
        for k in range(n):
            legendre[d, k] = judged[d, k]
    error = weighed_parts(parts, own, y, Y, atol, rtol)
    return error if math.isfinite(error) else np.nan


@helper
def _solve(
    numbers, counts, address, words, nodes, A, transposed, eigenvalues, apart, together, judging, last_four,
    atol, rtol, y, f, t, Y, K, before, step, legendre, df_dy, total, square, pivots,
):  # fmt: skip
    """One window, its error in `numbers`; False where f has to be called from Python."""
    _predict(numbers, counts, nodes, transposed, legendre, y, Y, K, step, total)
    said = NOT_YET
    if not counts[SIMPLE]:
        said, sweeps, numbers[SIZE], numbers[RATE] = by_eigenvalues(
            address,
            words,
            t,
            numbers[H],
            transposed,
            eigenvalues,
            apart,
            together,
            y,
            df_dy,
            atol,
            rtol,
            Y,
            K,
            before,
            step,
            total,
        )
        if sweeps < 0:
            return False
        counts[SWEEPS] = sweeps
        counts[NFEV] += sweeps * t.size
        counts[NLU] += eigenvalues.shape[1]
    while said == NOT_YET:
        if not call(address, t, Y, words, K):
            return False
        counts[NFEV] += t.size
        said = _simple_sweep(numbers, counts, transposed, y, atol, rtol, Y, K, step, total)
    numbers[ERROR] = np.nan
    counts[RISES] = 0
    if said == CONVERGED:
        counts[RISES] = begins_to_move(y, f, K if counts[SIMPLE] else before)
        if not counts[SIMPLE]:
            stay_at_rest(A, numbers[H], y, Y, K, before)
        numbers[ERROR] = _estimate(
            numbers[H], counts[SIMPLE], nodes[0], judging, last_four, y, f, atol, rtol, Y, K, df_dy, total, square,
            pivots, legendre,
        )  # fmt: skip
    if math.isnan(numbers[ERROR]):
        if counts[SIMPLE]:  # the same window by Newton's method
            by_newton(counts)
        else:
            _find_bad(numbers, counts, t, K, before)
    return True


@helper
def _across(numbers, address, words, y, f, slope):
    """y behind a kink by the slopes on both sides, given y and its slope before it.

    False where Python has to be asked.
    """
    before, behind = numbers[KINK_AT] - numbers[CUT_AT], numbers[RESTART] - numbers[KINK_AT]
    for k in range(y.size):
        y[k] += (before + behind) * slope[k]
    done = behind == 0.0 or call_once(address, numbers[RESTART], y, words, f)
    for k in range(y.size):
        if not done:
            y[k] -= (before + behind) * slope[k]
        elif behind != 0.0:
            y[k] += behind * (f[k] - slope[k])
    return done


@helper
def _look(numbers, counts, t, y, Y, K, atol, rtol):
    """Whether Python has to look closer at a window in which f may have a kink, or noise."""
    if counts[RISES]:
        return True
    weight = np.empty(y.size)
    for k in range(y.size):
        largest = abs(y[k])
        for i in range(t.size):
            largest = max(largest, abs(Y[i, k]))
        weight[k] = atol[k] + rtol[k] * largest
    return leaves(t, K, weight, abs(numbers[H])) >= 0 or noise_is_due(counts, False)


@helper
def _store(numbers, counts, y, start, Y, K, places, values, slopes):
    """Keep a window that was accepted; whether that has to be the last one for now."""
    m = counts[STORED]
    places[m, 0] = numbers[START]
    places[m, 1] = numbers[H]
    places[m, 2] = numbers[T]
    for k in range(y.size):
        values[m, 0, k] = start[k]
        values[m, 1, k] = Y[K.shape[0] - 1, k]
        values[m, 2, k] = y[k]
        for i in range(K.shape[0]):
            slopes[m, i, k] = K[i, k]
    counts[STORED] = m + 1
    return counts[STORED] == places.shape[0] or counts[CUT] or numbers[T] == numbers[BOUND]


_TABLES = ", ".join([VECTOR, *[MATRIX] * 7])
_OF_Y = ", ".join([VECTOR] * 7)  # atol to t
_OF_NODES = ", ".join([MATRIX] * 6)  # Y to df_dy
_ROOM = f"{VECTOR}, {MATRIX}, {INDICES}"
_STORE = f"{MATRIX}, {CUBE}, {CUBE}"


@entry(f"i8({VECTOR}, {INDICES}, i8, {INDICES}, b1, {_TABLES}, {_OF_Y}, {_OF_NODES}, {_ROOM}, {_STORE})")
def advance(
    numbers, counts, address, words, own_df_dy, nodes, A, transposed, eigenvalues, apart, together, judging, last_four,
    atol, rtol, small, y, f, start, t, Y, K, before, step, legendre, df_dy, total, square, pivots,
    places, values, slopes,
):  # fmt: skip
    """`steer` with windows of a compiled f: go on until there is no more room for them, or Python is needed.

    address, words : of f, see `functions.Called`; own_df_dy : whether df/dy is the user's.
    nodes (s,), A (s, s), and, transposed and padded, A (s, m),
    judging (s, .), last_four (s, .) : of the basis; eigenvalues, apart, together : see `trial.basis.Split`.
    atol, rtol, small, y, f, start : (n,); small : what does not matter in y, for differences; f : the slope at y;
    start : y at the start of the window that was accepted.
    t (s,), Y, K, before, step, legendre (s, n), df_dy (n, n) : of the window. The rest is work space: total (2 s + 8,),
    square (n, n), pivots (n,).
    places (m, 3), values (m, 3, n), slopes (m, s, n) : of the windows that are accepted, as many as counts[STORED]:
    start, length, and end of each; y at the start, at the last node and at the end; K.
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
            if counts[GAVE_UP]:
                counts[GAVE_UP] = 0
                reach = norm(df_dy, y, atol, rtol) * abs(numbers[H])
                if reach < NOT_STIFF:
                    again_shorter(numbers, counts, SHORTER_REACH / reach)
        elif asked == ASK_WINDOW:
            if not _solve(
                numbers, counts, address, words, nodes, A, transposed, eigenvalues, apart, together, judging, last_four,
                atol, rtol, y, f, t, Y, K, before, step, legendre, df_dy, total, square, pivots,
            ):  # fmt: skip
                return asked
        elif asked == ASK_KINK:
            if _look(numbers, counts, t, y, Y, K, atol, rtol):
                return asked
        elif asked in (ASK_SLOPE, AT_BOUND):
            for k in range(n):
                start[k] = y[k]
                y[k] = Y[t.size - 1, k]
            if not counts[SIMPLE]:
                counts[SIMPLE] = 1 if norm(df_dy, y, atol, rtol) * numbers[H_ABS] < SIMPLE_BELOW else 0
            if asked == ASK_SLOPE:
                if counts[CUT] and not _across(numbers, address, words, y, f, K[t.size - 1]):
                    return asked
                if not call_once(address, numbers[T], y, words, f):
                    return asked
                counts[NFEV] += 1
                for k in range(n):
                    legendre[0, k] = f[k] if counts[CUT] else legendre[0, k]
        elif asked != ACCEPTED or _store(numbers, counts, y, start, Y, K, places, values, slopes):
            return asked
