"""The second march beside a march of compiled f, in wider windows: their difference is the global error."""

from __future__ import annotations

import numpy as np

from ..arrays import Index, Real
from .across import go_across
from .functions import call_at_nodes
from .launch import CUBE, INDICES, MATRIX, VECTOR, entry, inlined
from .lending import keep, lend
from .simple import at_rest, call_once, differences, differences_ahead, goes_on, norm, settled, sweep
from .split import by_eigenvalues
from .vectors import aligned
from .window import CONVERGED, converged, last_places, rounding, stay_at_rest

__all__ = ["compare"]

# Simple sweeps are tried where h L is below this: a dozen cost less than one matrix of Newton's method. Not tuned.
_WORTH_TRYING = 40.0


@inlined
def _by_simple_sweeps(address, words, t, h, transposed, y, atol, rtol, Y, K, inverse):
    """Whether simple sweeps solve the window, and how many it took; -1 where Python has to be asked.

    inverse : see `sweep`.
    """
    last, rate, unsettled = np.inf, 0.0, 0.0
    sweeps = 0
    while True:
        if not call_at_nodes(address, t, Y[:, : t.size].T, words, K[:, : t.size].T):
            return False, -1
        before = unsettled
        size, unsettled = sweep(h, transposed, y, atol, rtol, K, Y, last, inverse)
        now = size / last if sweeps > 0 else 1.0
        if converged(sweeps, size, now, max(now, rate) if sweeps > 1 else now):
            if settled(unsettled, before, sweeps):
                return True, sweeps + 1
        elif not goes_on(size, sweeps, now):
            return False, sweeps + 1
        last, rate = size, now
        sweeps += 1


@inlined
def _nodes(start, end, h, nodes, t):
    for i in range(t.size):
        at = start + h * nodes[i]
        t[i] = min(max(at, min(start, end)), max(start, end))
    t[t.size - 1] = end


@inlined
def _start_values(u, y, now, rows):
    """The march u of one window, moved to where the second march is."""
    s = u.shape[0]
    for k in range(now.size):
        for i in range(rows.shape[1]):
            rows[k, i] = u[i, k] + (now[k] - y[k]) if i < s else now[k]


@inlined
def _one_window(address, words, t, h, A, transposed, eigenvalues, apart, together, u, y, now, df_dy, atol, rtol, rows):
    """The values rows[0] of one window, from u: what is left, in units of the tolerance, and sweeps, -1 for Python."""
    values, slopes, before, step = rows[0], rows[1], rows[2], rows[3]
    spent, s = 0, t.size
    _start_values(u, y, now, values)
    if abs(h) * norm(df_dy, now, atol, rtol) < _WORTH_TRYING:
        done, sweeps = _by_simple_sweeps(address, words, t, h, transposed, now, atol, rtol, values, slopes, step)
        if done or sweeps < 0:
            return 0.0, sweeps
        spent += sweeps
        _start_values(u, y, now, values)
    said, sweeps, size, _ = by_eigenvalues(
        address, words, t, h, transposed, eigenvalues, apart, together, now, df_dy, atol, rtol, values, slopes, before,
        step,
    )  # fmt: skip
    if sweeps >= 0 and said == CONVERGED:
        stay_at_rest(A, h, now, values[:, :s].T, slopes[:, :s].T, before[:, :s].T)
        return 0.0, spent + sweeps
    return size, spent + sweeps if sweeps >= 0 else -1


@inlined
def _beside(
    address, words, start, end, h, y, u, nodes, A, transposed, eigenvalues, apart, together, atol, rtol, small,
    may_remain, t, z, left, df_dy, now, slope, rows, differing,
):  # fmt: skip
    """`compare`, with work space: now, slope (n,), rows (4, n, m), differing (2 n + 2, n)."""
    K, s, n = u.shape
    calls = 0
    for c in range(n):
        now[c] += (u[0, s - 1, c] != now[c]) * last_places(0, c, now[c])
    for k in range(K):
        _nodes(start[k], end[k], h[k], nodes, t[k])
        if not call_once(address, start[k : k + 1], now, words, slope):
            return k, -1
        still = at_rest(now, slope)
        if k > 0 and end[k - 1] != start[k]:  # behind a kink
            calls += 1
            found = differences_ahead(
                address, words, start[k], t[k, 0], h[k], now, slope, small, df_dy[k], still, differing
            )
        else:
            found = differences(address, words, start[k], h[k], now, slope, small, df_dy[k], still, differing)
        if not found:
            return k, -1
        left[k], sweeps = _one_window(
            address, words, t[k], h[k], A, transposed, eigenvalues, apart, together, u[k], y[k], now, df_dy[k], atol,
            rtol, rows,
        )  # fmt: skip
        if sweeps < 0:
            return k, -1
        calls += 1 + sweeps * s
        for c in range(n):
            for i in range(s):
                z[k, i, c] = rows[0, c, i]
            now[c] = z[k, s - 1, c] + rounding(k, c, now[c], z[k, s - 1, c])
        if not left[k] < may_remain:
            return k, calls
        if k + 1 < K:
            if end[k] != start[k + 1]:
                more = go_across(
                    address, words, end[k], start[k + 1], h[k + 1], u[k, s - 1], y[k + 1], now, atol, rtol, slope,
                    differing[0], differing[1, :1], differing[2], differing[3],
                )  # fmt: skip
                if more < 0:
                    return k, -1
                calls += more
            else:
                for c in range(n):
                    now[c] += y[k + 1, c] - u[k, s - 1, c]
    return K, calls


@entry(
    f"Tuple((i8, i8))(i8, {INDICES}, {VECTOR}, {VECTOR}, {VECTOR}, {MATRIX}, {CUBE}, {VECTOR}, {MATRIX}, {MATRIX},"
    f" {MATRIX}, {MATRIX}, {MATRIX}, {VECTOR}, {VECTOR}, {VECTOR}, f8, {MATRIX}, {CUBE}, {VECTOR}, {CUBE})"
)
def compare(
    address: int, words: Index, start: Real, end: Real, h: Real, y: Real, u: Real, nodes: Real, A: Real,
    transposed: Real, eigenvalues: Real, apart: Real, together: Real, atol: Real, rtol: Real, small: Real,
    may_remain: float, t: Real, z: Real, left: Real, df_dy: Real,
) -> tuple[int, int]:  # fmt: skip
    """A second solution z, by wider windows, beside a march u: the windows done, and the calls of f, -1 if one failed.

    start, end, h : (K,); y : (K, n), u at the starts; u, z : (K, s, n), at the nodes; t : (K, s); left : (K,), what
    Newton's method left in units of the tolerance atol + rtol |y|; df_dy : (K, n, n), at the starts. Ends where more
    is left than `may_remain`.
    """
    n = u.shape[2]
    now, slope, rows, differing = y[0].copy(), np.empty(n), aligned(4, n, transposed.shape[1]), np.empty((2 * n + 2, n))
    done: tuple[int, int] = _beside(
        address, lend(words), lend(start), lend(end), lend(h), lend(y), lend(u), lend(nodes), lend(A), lend(transposed),
        lend(eigenvalues), lend(apart), lend(together), lend(atol), lend(rtol), lend(small), may_remain, lend(t),
        lend(z), lend(left), lend(df_dy), lend(now), lend(slope), lend(rows), lend(differing),
    )  # fmt: skip
    keep(now)
    keep(slope)
    keep(rows)
    keep(differing)
    return done
