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
    AT_JUMP,
    BAD,
    BAD_T,
    BEHIND,
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
    LEAVES,
    NFEV,
    NJEV,
    NLU,
    PARTIAL,
    RATE,
    RESTART,
    RISES,
    ROOM,
    SIMPLE,
    SIZE,
    START,
    STORED,
    SWEEPS,
    UNSETTLED,
    H,
    T,
    again_shorter,
    by_newton,
    forget_bad,
    noise_is_due,
    steer,
)
from .functions import call_at_nodes
from .kinks import leaves
from .launch import CUBE, INDICES, MATRIX, VECTOR, entry, helper, inlined
from .lending import keep, lend
from .local_error import local_error, room_for_error
from .series import continue_rows
from .simple import (
    NOT_STIFF,
    SHORTER_REACH,
    SIMPLE_BELOW,
    at_rest,
    begins_to_move,
    call_once,
    differences,
    differences_ahead,
    goes_on,
    integrate,
    norm,
    settled,
    sweep,
)
from .split import by_eigenvalues
from .vectors import aligned
from .window import (
    CONVERGED,
    HOPELESS,
    NOT_YET,
    converged,
    stay_at_rest,
)

__all__ = ["advance", "find_bad", "needs_a_look", "store"]


@inlined
def _predict(numbers, counts, nodes, transposed, legendre, y, Y, K):
    """Start values Y from the slopes that are known."""
    offset = 0.0 if counts[INSIDE] else 1.0
    h = numbers[H]
    continue_rows(nodes, legendre, counts[DEGREE], offset, h / numbers[KNOWN], K)
    integrate(h, transposed, y, K, Y)
    counts[SWEEPS] = 0
    numbers[SIZE] = 0.0
    numbers[RATE] = 0.0
    numbers[UNSETTLED] = 0.0


@inlined
def _simple_sweep(numbers, counts, transposed, y, atol, rtol, Y, K, inverse):
    """Y = y + h A f(Y): CONVERGED, NOT_YET, or HOPELESS where these sweeps are too slow."""
    last, before, sweeps = numbers[SIZE], numbers[UNSETTLED], counts[SWEEPS]
    of_before = last if sweeps > 0 else np.inf
    size, numbers[UNSETTLED] = sweep(numbers[H], transposed, y, atol, rtol, K, Y, of_before, inverse)
    now = size / last if sweeps > 0 else 1.0
    slower = max(now, numbers[RATE]) if sweeps > 1 else now
    counts[SWEEPS] += 1
    numbers[SIZE] = size
    numbers[RATE] = now
    if converged(sweeps, size, now, slower):
        return CONVERGED if settled(numbers[UNSETTLED], before, sweeps) else NOT_YET
    return NOT_YET if goes_on(size, sweeps, now) else HOPELESS


@helper
def find_bad(numbers, counts, t, K, before):
    """The first node and component where f, as it came, is not finite; else where Newton's step is not. In rows."""
    forget_bad(counts)
    for rows in (before, K):
        for i in range(t.size):
            for k in range(K.shape[0]):
                if not math.isfinite(rows[k, i]):
                    counts[BAD] = k
                    numbers[BAD_T] = t[i]
                    return


@inlined
def _copy(rows, values):
    """values (s, n) = rows."""
    for i in range(values.shape[0]):
        for k in range(values.shape[1]):
            values[i, k] = rows[k, i]


@helper
def _by_newton(
    numbers, counts, address, words, A, transposed, eigenvalues, apart, together, atol, rtol, y, t, df_dy, Y, K, before,
    step,
):  # fmt: skip
    """One window in rows by Newton's method, as `by_eigenvalues`; None where f has to be called from Python."""
    said, sweeps, numbers[SIZE], numbers[RATE] = by_eigenvalues(
        address, words, t, numbers[H], transposed, eigenvalues, apart, together, y, df_dy, atol, rtol, Y, K, before,
        step,
    )  # fmt: skip
    counts[SWEEPS] = max(sweeps, 0)
    counts[NFEV] += max(sweeps, 0) * t.size
    counts[NLU] += (t.size + 1) // 2
    if said == CONVERGED:
        stay_at_rest(A, numbers[H], y, Y[:, : t.size].T, K[:, : t.size].T, before[:, : t.size].T)
    return said, sweeps >= 0


@inlined
def _by_simple_sweeps(numbers, counts, address, words, transposed, atol, rtol, y, t, Y, K, inverse):
    """As `_by_newton`, by simple sweeps; inverse : see `sweep`."""
    said = NOT_YET
    while said == NOT_YET:
        if not call_at_nodes(address, t, Y[:, : t.size].T, words, K[:, : t.size].T):
            return said, False
        counts[NFEV] += t.size
        said = _simple_sweep(numbers, counts, transposed, y, atol, rtol, Y, K, inverse)
    return said, True


@inlined
def _solve(
    numbers, counts, address, words, nodes, A, transposed, eigenvalues, apart, together, judging, last_four,
    atol, rtol, y, f, t, legendre, df_dy, square, pivots, rows, room,
):  # fmt: skip
    """One window, its error in `numbers`; False where f has to be called from Python.

    rows (4, n, m) : values, slopes, and work space; room : see `local_error`.
    """
    values, slopes, earlier, step = rows[0], rows[1], rows[2], rows[3]
    _predict(numbers, counts, nodes, transposed, legendre, y, values, slopes)
    if counts[SIMPLE]:
        said, called = _by_simple_sweeps(
            numbers, counts, address, words, transposed, atol, rtol, y, t, values, slopes, step
        )  # fmt: skip
    else:
        said, called = _by_newton(
            numbers, counts, address, words, A, transposed, eigenvalues, apart, together, atol, rtol, y, t, df_dy,
            values, slopes, earlier, step,
        )  # fmt: skip
    if not called:
        return False
    numbers[ERROR] = np.nan
    if said == CONVERGED:
        numbers[ERROR] = local_error(
            numbers[H], counts[SIMPLE], nodes[0], judging, last_four, y, f, atol, rtol, values, slopes, df_dy, square,
            pivots, room, legendre,
        )  # fmt: skip
    counts[RISES] = begins_to_move(y, f, slopes if counts[SIMPLE] else earlier, t.size) if said == CONVERGED else 0
    if math.isnan(numbers[ERROR]):
        if counts[SIMPLE]:  # the same window by Newton's method
            by_newton(counts)
        else:
            find_bad(numbers, counts, t, slopes, earlier)
    return True


@helper
def _across(numbers, counts, address, words, y, f, slope):
    """y behind a kink, given y and its slope before it: up to it by that slope, behind it by the midpoint rule.

    False where Python has to be asked: it pins down what is a jump, perhaps.
    """
    if numbers[ROOM] > 0.0 or counts[CUT] == AT_JUMP:
        return False
    before, behind = numbers[KINK_AT] - numbers[CUT_AT], numbers[RESTART] - numbers[KINK_AT]
    middle = np.empty(1)
    middle[0] = numbers[KINK_AT] + 0.5 * behind
    for k in range(y.size):
        y[k] += (before + 0.5 * behind) * slope[k]
    done = behind == 0.0 or call_once(address, middle, y, words, f)
    for k in range(y.size):
        if not done:
            y[k] -= (before + 0.5 * behind) * slope[k]
        elif behind != 0.0:
            y[k] += behind * (f[k] - 0.5 * slope[k])
    return done


@helper
def needs_a_look(numbers, counts, t, y, Y, K, atol, rtol):
    """Whether Python has to look closer at a window in which f may have a kink, or noise."""
    if counts[RISES]:
        return True
    weight = np.empty(y.size)
    for k in range(y.size):
        largest = abs(y[k])
        for i in range(t.size):
            largest = max(largest, abs(Y[i, k]))
        weight[k] = atol[k] + rtol[k] * largest
    counts[LEAVES] = leaves(t, K, weight, abs(numbers[H]))
    return counts[LEAVES] >= 0 or noise_is_due(counts, False)


@helper
def _show(counts, rows, Y, K, before):
    """Write the values and slopes (s, n) for Python, and for looks."""
    _copy(rows[0], Y)
    _copy(rows[1], K)
    if not counts[SIMPLE]:
        _copy(rows[2], before)


@inlined
def store(numbers, counts, y, start, last, K, places, values, slopes):
    """Keep a window that was accepted, y being `last` at its last node; whether it has to be the last one for now."""
    m = counts[STORED]
    places[m, 0] = numbers[START]
    places[m, 1] = numbers[H]
    places[m, 2] = numbers[T]
    for k in range(y.size):
        values[m, 0, k] = start[k]
        values[m, 1, k] = last[k]
        values[m, 2, k] = y[k]
    for i in range(K.shape[0]):
        for k in range(y.size):
            slopes[m, i, k] = K[i, k]
    counts[STORED] = m + 1
    return counts[STORED] == places.shape[0] or counts[CUT] or numbers[T] == numbers[BOUND]


@inlined
def _go_on(
    numbers, counts, address, words, own_df_dy, nodes, A, transposed, eigenvalues, apart, together, judging, last_four,
    atol, rtol, small, y, f, start, t, Y, K, before, legendre, df_dy, square, pivots, places, values, slopes, rows,
    room, differing,
):  # fmt: skip
    """`advance`, with rows (4, n, m), room and differing (2 n + 2, n) as work space."""
    n = y.size
    for k in range(n):
        for i in range(t.size):  # of a window that Python had a look at
            rows[0, k, i], rows[1, k, i], rows[2, k, i] = Y[i, k], K[i, k], before[i, k]
    while True:
        asked = steer(numbers, counts, n, nodes, t, f)
        if asked == ASK_JACOBIAN:
            if own_df_dy:
                return asked
            counts[PARTIAL] = 0 if counts[ALL_COLUMNS] else at_rest(y, f)
            if counts[BEHIND]:
                counts[NFEV] += 1
                found = differences_ahead(
                    address, words, numbers[T], t[0], numbers[H], y, f, small, df_dy, counts[PARTIAL], differing
                )
            else:
                found = differences(
                    address, words, numbers[T], numbers[H], y, f, small, df_dy, counts[PARTIAL], differing
                )
            if not found:
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
                atol, rtol, y, f, t, legendre, df_dy, square, pivots, rows, room,
            ):  # fmt: skip
                return asked
        elif asked == ASK_KINK:
            _show(counts, rows, Y, K, before)
            if needs_a_look(numbers, counts, t, y, Y, K, atol, rtol):
                return asked
        elif asked in (ASK_SLOPE, AT_BOUND):
            for k in range(n):
                start[k] = y[k]
                y[k] = rows[0, k, t.size - 1]
            if not counts[SIMPLE]:
                counts[SIMPLE] = 1 if norm(df_dy, y, atol, rtol) * numbers[H_ABS] < SIMPLE_BELOW else 0
            if counts[CUT]:
                _show(counts, rows, Y, K, before)
                if not _across(numbers, counts, address, words, y, f, K[t.size - 1]):
                    return asked
            if asked == ASK_SLOPE:
                if not call_once(address, numbers[T : T + 1], y, words, f):
                    return asked
                counts[NFEV] += 1
                for k in range(n):
                    legendre[0, k] = f[k] if counts[CUT] else legendre[0, k]
        elif asked != ACCEPTED or store(
            numbers, counts, y, start, rows[0, :, t.size - 1], rows[1, :, : t.size].T, places, values, slopes
        ):
            return asked


_TABLES = ", ".join([VECTOR, *[MATRIX] * 7])
_OF_Y = ", ".join([VECTOR] * 7)  # atol to t
_OF_NODES = ", ".join([MATRIX] * 5)  # Y to df_dy
_ROOM = f"{MATRIX}, {INDICES}"
_STORE = f"{MATRIX}, {CUBE}, {CUBE}"


@entry(f"i8({VECTOR}, {INDICES}, i8, {INDICES}, b1, {_TABLES}, {_OF_Y}, {_OF_NODES}, {_ROOM}, {_STORE})")
def advance(
    numbers, counts, address, words, own_df_dy, nodes, A, transposed, eigenvalues, apart, together, judging, last_four,
    atol, rtol, small, y, f, start, t, Y, K, before, legendre, df_dy, square, pivots, places, values, slopes,
):  # fmt: skip
    """`steer` with windows of a compiled f: go on until there is no more room for them, or Python is needed.

    address, words : of f, see `functions.Called`; own_df_dy : whether df/dy is the user's.
    nodes (m,), A (s, s), and, transposed and padded, A (s, m), judging (s, .), last_four (s, .) : of the basis;
    eigenvalues, apart, together : see `trial.basis.Split`.
    atol, rtol, small, y, f, start : (n,); small : what does not matter in y, for differences; f : the slope at y;
    start : y at the start of the window that was accepted.
    t (s,), Y, K, before, legendre (s, n), df_dy (n, n) : of the window; square (n, n), pivots (n,) : work space.
    places (m, 3), values (m, 3, n), slopes (m, s, n) : of the windows that are accepted, as many as counts[STORED]:
    start, length, and end of each; y at the start, at the last node and at the end; K.
    """
    n = y.size
    rows, room = aligned(4, n, transposed.shape[1]), room_for_error(n, transposed.shape[1])
    differing = np.empty((2 * n + 2, n))
    asked = _go_on(
        lend(numbers), lend(counts), address, lend(words), own_df_dy, lend(nodes), lend(A), lend(transposed),
        lend(eigenvalues), lend(apart), lend(together), lend(judging), lend(last_four), lend(atol), lend(rtol),
        lend(small), lend(y), lend(f), lend(start), lend(t), lend(Y), lend(K), lend(before), lend(legendre),
        lend(df_dy), lend(square), lend(pivots), lend(places), lend(values), lend(slopes), lend(rows), lend(room),
        lend(differing),
    )  # fmt: skip
    keep(rows)
    keep(room)
    keep(differing)
    return asked
