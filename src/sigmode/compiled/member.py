"""Members of an ensemble with compiled f, one after the other: what `ivp.quick` does, in the same machine code.

The parts are called by their addresses: linked, they would be compiled once more, which takes a minute.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..arrays import Real
from . import control as c
from .begin import begin
from .compare import compare
from .judge import judge
from .kinks import looks_odd
from .launch import CUBE, INDICES, MATRIX, VECTOR, by_address, entry, helper, record
from .march import advance
from .report import beside, report

__all__ = [
    "ASK_PYTHON", "PARTS", "SETTING", "TABLES", "Setting", "Tables", "interpolate", "judged", "solve_members",
]  # fmt: skip

# What `solve_members` says of a member that Python has to solve: a kink, noise, growth, too large an estimate.
ASK_PYTHON = -3
# The parts, in the order of their addresses.
PARTS = begin, advance, looks_odd, beside, compare, judge, report
_begin, _advance, _looks_odd, _beside, _compare, _judge, _report = (by_address(part) for part in PARTS)
# Windows that there is room for at first. Not tuned.
_ROOM = 64
_TINY = float(np.finfo(float).tiny)


class Tables(NamedTuple):
    """Of the basis of the march, `wide_...` of that of the second march, see `trial.basis`; and for the look for noise.

    reading : from slopes at the nodes to values at the wider nodes; w, b : of the hidden layer; at, residuals : see
    `noise.scatters`.
    """

    nodes: Real
    A: Real
    transposed: Real
    eigenvalues: Real
    apart: Real
    together: Real
    judging: Real
    last_four: Real
    q: Real
    r: Real
    at_end: Real
    w: Real
    b: Real
    wide_nodes: Real
    wide_A: Real
    wide_transposed: Real
    wide_eigenvalues: Real
    wide_apart: Real
    wide_together: Real
    reading: Real
    at: Real
    residuals: Real


class Setting(NamedTuple):
    """What is asked for; vectors (n,).

    march_atol, march_rtol, small : see `ivp.setting.march_weights`; atol, rtol : the tolerance; second_small : what
    does not matter in y beside it; relative_floor : of `atol` where that is zero; first_floor : see `begin`; solved_to,
    rounding, may_remain, followed : of the second march, see `ivp.error`; first_step : zero if it is to be chosen;
    most : windows; controlled : whether the estimate has to meet the tolerance.
    """

    march_atol: Real
    march_rtol: Real
    small: Real
    atol: Real
    rtol: Real
    second_small: Real
    relative_floor: float
    first_floor: float
    solved_to: float
    rounding: float
    may_remain: float
    followed: float
    first_step: float
    max_step: float
    most: int
    controlled: bool


@helper
def _state(t0, bound, h_abs, setting):
    """The state of the step control before the first window, as of `ivp.march.March`."""
    numbers, counts = np.zeros(c.NUMBERS), np.zeros(c.COUNTS, dtype=np.int64)
    direction = 1.0 if bound > t0 else -1.0
    numbers[c.T] = numbers[c.MARK_T] = t0
    numbers[c.BOUND] = bound
    numbers[c.DIRECTION] = direction
    numbers[c.LONGEST] = setting.max_step
    numbers[c.H_ABS] = h_abs
    numbers[c.KNOWN] = 1.0
    numbers[c.BREAK] = direction * np.inf
    counts[c.MOST] = setting.most
    counts[c.MAY_GROW] = 1
    counts[c.BAD] = -1
    counts[c.SIMPLE] = 1
    return numbers, counts


@helper
def _doubled(kept, more):
    for i in range(len(kept)):
        more[i] = kept[i]
    return more


@helper
def _march(parts, address, words, t0, bound, y0, setting, tables):
    """Why the march ended, c.ACCEPTED at its bound; its state; its windows, see `march.advance`."""
    n, s = y0.size, tables.A.shape[0]
    y, f, start = y0.copy(), np.empty(n), y0.copy()
    h_abs, calls = _begin(
        parts[0], (address, words, t0, bound, setting.max_step, setting.first_floor, y, f, setting.small, s)
    )
    asked = ASK_PYTHON if h_abs < 0.0 else c.ACCEPTED
    numbers, counts = _state(t0, bound, setting.first_step if setting.first_step > 0.0 else h_abs, setting)
    counts[c.NFEV] = calls
    t, Y, K, before = np.empty(s), np.zeros((s, n)), np.zeros((s, n)), np.zeros((s, n))
    legendre, df_dy, square = np.zeros((s, n)), np.zeros((n, n)), np.empty((n, n))
    pivots = np.empty(n, dtype=np.int64)
    for k in range(n):
        legendre[0, k] = f[k]
    places, values, slopes = np.empty((_ROOM, 3)), np.empty((_ROOM, 3, n)), np.empty((_ROOM, s, n))
    while asked == c.ACCEPTED and numbers[c.T] != bound:
        m = counts[c.STORED]
        if m == len(places):
            places = _doubled(places, np.empty((2 * m, 3)))
            values = _doubled(values, np.empty((2 * m, 3, n)))
            slopes = _doubled(slopes, np.empty((2 * m, s, n)))
        asked = _advance(
            parts[1],
            (
                numbers, counts, address, words, False, tables.nodes, tables.A, tables.transposed, tables.eigenvalues,
                tables.apart, tables.together, tables.judging, tables.last_four, setting.march_atol,
                setting.march_rtol, setting.small, y, f, start, t, Y, K, before, legendre, df_dy, square, pivots,
                places, values, slopes,
            ),
        )  # fmt: skip
        if asked == c.ASK_KINK:
            noise_too = c.noise_is_due(counts, False)
            odd = counts[c.RISES] != 0 or _looks_odd(
                parts[2],
                (
                    address, words, numbers[c.T], y, f, numbers[c.H], t, Y, K, setting.march_atol, setting.march_rtol,
                    noise_too, tables.at, tables.residuals,
                ),
            )  # fmt: skip
            asked = ASK_PYTHON if odd else c.ACCEPTED
    stored = counts[c.STORED]
    return asked, numbers, counts, places[:stored], values[:stored], slopes[:stored]


@helper
def _used(y, setting):
    """The `atol` that errors are measured by: where the user's is zero, a part of the largest value."""
    used = np.empty(y.shape[1])
    for k in range(used.size):
        largest = 0.0
        for m in range(len(y)):
            largest = max(largest, abs(y[m, k]))
        floor = setting.relative_floor * setting.rtol[k] * largest
        used[k] = (setting.atol[k] if setting.atol[k] > 0.0 else floor) + _TINY
    return used


@helper
def _grows(df_dy, h, looked, followed):
    """Whether df/dy allows errors to grow faster than can be followed, as `ivp.error.fastest_growth`."""
    n = df_dy.shape[1]
    for m in range(looked):
        least = followed / max(abs(h[m]), abs(h[m - 1]) if m > 0 else 0.0)
        largest, finite = 0.0, True
        for k in range(n):
            row = 0.0
            for j in range(n):
                row += abs(df_dy[m, k, j])
            finite = finite and math.isfinite(row)
            largest = max(largest, row)
        if not finite or largest <= least:
            continue
        J = math.copysign(1.0, h[m]) * df_dy[m]
        if n == 1:
            fastest = J[0, 0]
        elif n == 2:
            middle = 0.5 * (J[0, 0] + J[1, 1])
            away = middle * middle - (J[0, 0] * J[1, 1] - J[0, 1] * J[1, 0])
            fastest = middle + math.sqrt(max(away, 0.0))
        else:
            fastest = np.linalg.eigvals(J.astype(np.complex128)).real.max()
        if fastest > least:
            return True
    return False


@helper
def interpolate(x, bound, points, error):
    """error (n, m) = the values bound (n, L) at x (L,), between them on straight lines, at points (m,) in order."""
    sign = 1.0 if x[-1] >= x[0] else -1.0
    i = 0
    for j in range(points.size):
        while i + 2 < x.size and sign * (points[j] - x[i + 1]) >= 0.0:
            i += 1
        run = x[i + 1] - x[i]
        for k in range(len(error)):
            rise = (bound[k, i + 1] - bound[k, i]) / run if run != 0.0 else 0.0
            # infinite from a point on
            error[k, j] = bound[k, i] + rise * (points[j] - x[i]) if points[j] != x[i] else bound[k, i]


@helper
def judged(parts, address, words, t0, bound, y0, setting, tables):
    """A march and what its error is, as of `ivp.quick`: status, state, march, networks, the `atol` used, error, doubts.

    status : 0, ASK_PYTHON, or an end of the march in `control`; state : numbers and counts; march, networks : places,
    values, slopes, and V, bias, u, start, end, h, y of `beside`; error : abscissae (L,), and values (n, L) there;
    doubts : the largest error in units of the tolerance, and df/dy of windows to be looked at for growth.
    """
    asked, numbers, counts, places, values, slopes = _march(parts, address, words, t0, bound, y0, setting, tables)
    K, s, n = slopes.shape
    wide = tables.wide_nodes.size
    V, bias, u, y = np.empty((K, n, s - 1)), np.empty((K, n)), np.empty((K, wide, n)), np.empty((K, n))
    start, end, h = np.empty(K), np.empty(K), np.empty(K)
    state, march, networks = (numbers, counts), (places, values, slopes), (V, bias, u, start, end, h, y)
    nothing, none = (np.empty(0), np.empty((n, 0))), (np.inf, np.empty((0, n, n)))
    if asked not in (c.ACCEPTED, c.TOO_SMALL, c.LIMIT, c.STUCK, c.NOT_FINITE) or K == 0:
        return ASK_PYTHON, state, march, networks, y0, nothing, none
    _beside(
        parts[3],
        (
            places, values, slopes, tables.q, tables.r, tables.at_end, tables.reading, V, bias, u, start, end, h, y,
        ),
    )  # fmt: skip
    used = _used(y, setting)
    atol, rtol = setting.solved_to * used, np.maximum(setting.solved_to * setting.rtol, setting.rounding)
    t, z, left, df_dy = np.empty((K, wide)), np.empty((K, wide, n)), np.zeros(K), np.empty((K, n, n))
    done, calls = _compare(
        parts[4],
        (
            address, words, start, end, h, y, u, tables.wide_nodes, tables.wide_A, tables.wide_transposed,
            tables.wide_eigenvalues, tables.wide_apart, tables.wide_together, atol, rtol, setting.second_small,
            setting.may_remain, t, z, left, df_dy,
        ),
    )  # fmt: skip
    if calls < 0:
        return ASK_PYTHON, state, march, networks, used, nothing, none
    counts[c.NFEV] += calls
    points = 1 + wide * done + (wide + 1 if done < K else 0)
    x, bound_of, size = np.empty(points), np.empty((n, points)), np.empty((n, points))
    x[0], x[points - 1] = start[0], places[K - 1, 2]
    for k in range(n):
        size[k, 0] = y[0, k]
    ratio, _, _, _, flagged = _judge(
        parts[5],
        (
            u, z, t, left, h, df_dy, done, atol, rtol, setting.rounding, used, setting.rtol, setting.followed, x,
            bound_of, size,
        ),
    )  # fmt: skip
    looked = min(done + 1, K) if flagged >= 0 else 0
    status = 0 if asked == c.ACCEPTED else asked
    return status, state, march, networks, used, (x, bound_of), (ratio, df_dy[:looked])


@helper
def _one(parts, address, words, t0, bound, y0, t_eval, setting, tables, y_out, error_out):
    """The status of one member, see `judged`; numbers, counts.

    y_out, error_out : (n, k), written as far as the march got.
    """
    status, state, march, networks, used, error, doubts = judged(parts, address, words, t0, bound, y0, setting, tables)
    numbers, counts = state
    if status == 0 and setting.controlled:
        ratio, df_dy = doubts
        odd = _grows(df_dy, networks[5], len(df_dy), setting.followed)
        status = ASK_PYTHON if odd or not ratio <= 1.0 else 0
    if status == ASK_PYTHON:
        return status, numbers, counts
    places, values, slopes = march
    V, bias, _, start, end, h, y = networks
    missed, calls, _, found = _report(
        parts[6],
        (
            address, words, values, slopes, start, end, h, y, places[-1, 2], tables.w, tables.b, V, bias,
            tables.wide_nodes.size if status == 0 and setting.controlled else 0, used, setting.rtol, tables.nodes,
            tables.A, setting.atol, setting.rtol, t_eval, False,
        ),
    )  # fmt: skip
    counts[c.NFEV] += calls
    if missed:
        return ASK_PYTHON, numbers, counts
    reached = found.shape[1]
    y_out[:, :reached] = found
    interpolate(*error, t_eval[:reached], error_out[:, :reached])
    return status, numbers, counts


_VECTORS = frozenset({"nodes", "at_end", "w", "b", "wide_nodes", "at"})
TABLES = record(Tables, *(VECTOR if name in _VECTORS else MATRIX for name in Tables._fields[:-1]), CUBE)
SETTING = record(Setting, *[VECTOR] * 6, *["f8"] * 8, "i8", "b1")


@entry(
    (INDICES, "i8", "i8[:, ::1]", MATRIX, MATRIX, MATRIX, SETTING, TABLES, CUBE, CUBE, INDICES, INDICES, MATRIX),
    nogil=True,
)
def solve_members(parts, address, words, spans, y0, t_eval, setting, tables, y, error, status, nfev, ends):
    """Solve the members, one after the other.

    parts : addresses of `PARTS`; address : of f; words (N, .), spans (N, 2), y0 (N, n), t_eval (N or 1, k) : of each.
    Written: y, error (N, n, k), as far as the march got; status (N,), see `_one`; nfev (N,); ends (N, 3) : where the
    march is, where f is not finite, in which component.
    """
    for i in range(len(y0)):
        points = t_eval[i if len(t_eval) > 1 else 0]
        said, numbers, counts = _one(
            parts, address, words[i], spans[i, 0], spans[i, 1], y0[i], points, setting, tables, y[i], error[i]
        )
        status[i] = said
        nfev[i] = counts[c.NFEV]
        ends[i, 0], ends[i, 1], ends[i, 2] = numbers[c.T], numbers[c.BAD_T], counts[c.BAD]
