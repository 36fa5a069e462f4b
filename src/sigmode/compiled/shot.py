"""A march of compiled f with its derivatives by initial values and parameters, in one call: a trial point of a fit."""

from __future__ import annotations

import numpy as np

from . import control as c
from .launch import INDICES, VECTOR, by_address, entry, helper
from .member import MEMBER_PARTS, after_march, is_over, march_of
from .report import beside, report
from .tangent import tangents
from .whole import ASK_PYTHON, SETTING, TABLES, unknown

__all__ = ["SHOT_PARTS", "shoot"]

# The parts, in the order of their addresses.
SHOT_PARTS = *MEMBER_PARTS, tangents
_AT_BESIDE, _AT_REPORT = MEMBER_PARTS.index(beside), MEMBER_PARTS.index(report)
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
def _read(place, code, march, networks, last, t_eval, setting, tables):
    """What networks say at the points, as far as the march got, (N, m); place : the address of `report`."""
    _, values, slopes = march
    V, bias, start, end, h, y = networks
    found = _report(
        place,
        (
            code[0], code[1], values, slopes, start, end, h, y, last, tables.w, tables.b, V, bias,
            tables.probing, 0, setting.atol, setting.rtol, tables.nodes, tables.A, setting.atol, setting.rtol, t_eval,
            False,
        ),
    )  # fmt: skip
    return found[3]


@helper
def _differentiate(parts, code, moved_words, runs, march, start, h, setting, tables, step, floor):
    """Calls of f, or -1; the derivatives as a march and as networks; start, h (K,) : of the windows."""
    places, values, slopes = march
    K, s, n = slopes.shape
    N = n * (n + runs.size)
    t, Y, least = _nodes(places, values, slopes, start, h, tables, floor)
    by_values, nodes, by_slopes = np.empty((K, 3, N)), np.empty((K, s, N)), np.empty((K, s, N))
    calls = _tangents(
        parts[-1],
        (
            code[0], code[1], moved_words, runs, t, Y, h, tables.A, least, step, by_values, nodes, by_slopes,
        ),
    )  # fmt: skip
    V, bias, u, y = np.empty((K, N, s - 1)), np.empty((K, N)), np.empty((K, 0, N)), np.empty((K, N))
    starts, end, lengths = np.empty(K), np.empty(K), np.empty(K)
    _beside(
        parts[_AT_BESIDE],
        (
            places, by_values, by_slopes, tables.q, tables.r, tables.at_end, tables.reading, V, bias, u, starts, end,
            lengths, y,
        ),
    )  # fmt: skip
    return calls, (places, by_values, by_slopes), (V, bias, starts, end, lengths, y)


@entry(
    (INDICES, "i8", INDICES, "i8[:, ::1]", VECTOR, "f8", "f8", VECTOR, VECTOR, SETTING, TABLES, "f8", "f8"), nogil=True
)
def shoot(parts, address, words, moved_words, runs, t0, bound, y0, t_eval, setting, tables, step, floor):
    """Status, calls of f; values, their errors, derivatives; and the networks of both.

    parts : addresses of `SHOT_PARTS`; address, words, moved_words, runs : see `tangent.tangents`; t0, bound, y0 (n,) :
    the problem; t_eval (m,) : where it is asked for; step, floor : of differences, see `ivp.partials`.
    status : 0, an end of the march in `control`, or ASK_PYTHON; values, errors (n, m), derivatives (n (n + k), m), if
    it came to its end. Of the networks what they share, x (K + 1,), h (K,), abscissae and errors; and of each its
    starts y (K, .), V, bias.
    """
    n, s, code = y0.size, tables.A.shape[0], (address, words)
    N = n * (n + runs.size)
    asked, _, counts, places, values, slopes = march_of(parts, address, words, t0, bound, y0, setting, tables)
    K = len(slopes)
    status = asked if is_over(asked) and K > 0 else ASK_PYTHON
    seen, off, derivatives = np.empty((n, 0)), np.empty((n, 0)), np.empty((N, 0))
    shared = np.empty(K + 1), np.empty(K), np.empty(0), np.empty((n, 0))
    own = np.empty((K, n)), np.empty((K, n, s - 1)), np.empty((K, n))
    by = np.empty((K, N)), np.empty((K, N, s - 1)), np.empty((K, N))
    if status == c.ACCEPTED:
        status, of_second, _, _, found, networks, error, _ = after_march(
            parts, address, words, places, values, slopes, setting, tables, False, t_eval, False, unknown()
        )
        _, seen, off = found
        x, h, y, V, bias = networks
        shared, own = (x, h, error[0], error[1]), (y, V, bias)
        march = places, values, slopes
        calls, by_march, of_derivatives = _differentiate(
            parts, code, moved_words, runs, march, x[:K], h, setting, tables, step, floor
        )
        derivatives = _read(parts[_AT_REPORT], code, by_march, of_derivatives, x[K], t_eval, setting, tables)
        by = of_derivatives[5], of_derivatives[0], of_derivatives[1]
        status = ASK_PYTHON if calls < 0 else status
        counts[c.NFEV] += of_second[0] + max(calls, 0)
    return status, counts[c.NFEV], (seen, off, derivatives), shared, own, by
