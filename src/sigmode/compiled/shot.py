"""A march of compiled f with its derivatives by initial values and parameters, in one call: a trial point of a fit."""

from __future__ import annotations

import numpy as np

from . import control as c
from .launch import INDICES, VECTOR, by_address, entry, helper
from .member import ASK_PYTHON, PARTS, SETTING, TABLES, interpolate, judged
from .report import beside, report
from .tangent import tangents

__all__ = ["SHOT_PARTS", "shoot"]

# The parts, in the order of their addresses.
SHOT_PARTS = *PARTS, tangents
_beside, _report, _tangents = (by_address(part) for part in (beside, report, tangents))


@helper
def _nodes(places, values, slopes, start, h, tables, floor):
    """Times (K, s), values (K, s, n) at the nodes, and what counts as the size of a component at least, (n,)."""
    K, s, n = slopes.shape
    t, Y, least = np.empty((K, s)), np.empty((K, s, n)), np.zeros(n)
    for m in range(K):
        for i in range(s):
            t[m, i] = start[m] + h[m] * tables.nodes[i]
            for a in range(n):
                total = 0.0
                for j in range(s):
                    total += tables.A[i, j] * slopes[m, j, a]
                Y[m, i, a] = values[m, 0, a] + h[m] * total
                least[a] = max(least[a], floor * abs(Y[m, i, a]))
    for a in range(n):
        least[a] = least[a] if least[a] > 0.0 else 1.0
    return t, Y, least


@helper
def _read(parts, code, march, networks, last, t_eval, setting, tables):
    """What networks say at the points, as far as the march got, (N, m)."""
    _, values, slopes = march
    V, bias, _, start, end, h, y = networks
    found = _report(
        parts[6],
        (
            code[0], code[1], values, slopes, start, end, h, y, last, tables.w, tables.b, V, bias, 0, setting.atol,
            setting.rtol, tables.nodes, tables.A, setting.atol, setting.rtol, t_eval, False,
        ),
    )  # fmt: skip
    return found[3]


@helper
def _differentiate(parts, code, moved_words, runs, march, networks, setting, tables, step, floor):
    """Calls of f, or -1; the derivatives as a march and as networks."""
    places, values, slopes = march
    _, _, _, start, end, h, _ = networks
    K, s, n = slopes.shape
    N = n * (n + runs.size)
    t, Y, least = _nodes(places, values, slopes, start, h, tables, floor)
    by_values, nodes, by_slopes = np.empty((K, 3, N)), np.empty((K, s, N)), np.empty((K, s, N))
    calls = _tangents(
        parts[7],
        (
            code[0], code[1], moved_words, runs, t, Y, h, tables.A, least, step, by_values, nodes, by_slopes,
        ),
    )  # fmt: skip
    V, bias, u, y = np.empty((K, N, s - 1)), np.empty((K, N)), np.empty((K, 0, N)), np.empty((K, N))
    start, end, h = np.empty(K), np.empty(K), np.empty(K)
    _beside(
        parts[3],
        (
            places, by_values, by_slopes, tables.q, tables.r, tables.at_end, tables.reading, V, bias, u, start, end, h,
            y,
        ),
    )  # fmt: skip
    return calls, (places, by_values, by_slopes), (V, bias, u, start, end, h, y)


@entry(
    (INDICES, "i8", INDICES, "i8[:, ::1]", VECTOR, "f8", "f8", VECTOR, VECTOR, SETTING, TABLES, "f8", "f8"), nogil=True
)
def shoot(parts, address, words, moved_words, runs, t0, bound, y0, t_eval, setting, tables, step, floor):
    """Status, calls of f; values, their errors, derivatives; and the networks of both.

    parts : addresses of `SHOT_PARTS`; address, words, moved_words, runs : see `tangent.tangents`; t0, bound, y0 (n,) :
    the problem; t_eval (m,) : where it is asked for; step, floor : of differences, see `ivp.partials`.
    status : as of `member.judged`; values, errors (n, m), derivatives (n (n + k), m), if it came to its end. Of
    the networks what they share, x (K + 1,), h (K,), abscissae and errors; and of each its starts y (K, .), V, bias.
    """
    N = y0.size * (y0.size + runs.size)
    status, state, march, networks, _, error, _ = judged(parts, address, words, t0, bound, y0, setting, tables)
    K, s, code = networks[0].shape[0], tables.A.shape[0], (address, words)
    x, own = np.empty(K + 1), (networks[6], networks[0], networks[1])
    by = np.empty((K, N)), np.empty((K, N, s - 1)), np.empty((K, N))
    seen, off, slopes = np.empty((y0.size, 0)), np.empty((y0.size, 0)), np.empty((N, 0))
    if status == 0:
        last = march[0][K - 1, 2]
        x[:K], x[K] = networks[3], last
        seen = _read(parts, code, march, networks, last, t_eval, setting, tables)
        off = np.empty(seen.shape)
        interpolate(error[0], error[1], t_eval[: seen.shape[1]], off)
        calls, by_march, found = _differentiate(
            parts, code, moved_words, runs, march, networks, setting, tables, step, floor
        )
        slopes = _read(parts, code, by_march, found, last, t_eval, setting, tables)
        by = found[6], found[0], found[1]
        status = ASK_PYTHON if calls < 0 else status
        state[1][c.NFEV] += max(calls, 0)
    return status, state[1][c.NFEV], (seen, off, slopes), (x, networks[5], error[0], error[1]), own, by
