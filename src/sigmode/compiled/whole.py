"""A whole march of a compiled f in one call, and all that is made of its windows in a second one.

The parts are called by their addresses: linked, they would be compiled once more, which takes a minute.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..arrays import Real
from . import control as c
from .begin import begin
from .compare import compare
from .growth import grows
from .judge import judge
from .kinks import looks_odd
from .launch import CUBE, INDICES, MATRIX, VECTOR, by_address, entry, helper, inlined, plain_helper, record
from .march import advance
from .report import beside, report

__all__ = [
    "ASK_PYTHON", "FINISH_PARTS", "MARCH_PARTS", "SETTING", "TABLES", "Setting", "Tables", "finish",
    "march_through", "unknown",
]  # fmt: skip

# What `march_through` and `finish` say where Python has to be asked: a kink, noise, f that cannot be called.
ASK_PYTHON = -3
# The parts, in the order of their addresses.
MARCH_PARTS = begin, advance, looks_odd
FINISH_PARTS = beside, compare, judge, report
_begin, _advance, _looks_odd = (by_address(part) for part in MARCH_PARTS)
_beside, _compare, _judge, _report = (by_address(part) for part in FINISH_PARTS)
# Windows that there is room for at first. Not tuned.
_ROOM = 64
_TINY = float(np.finfo(float).tiny)


class Tables(NamedTuple):
    """Of the basis of the march, `wide_...` of that of the second march, see `trial.basis`; and for the look for noise.

    q, r, at_end, reading : see `report.beside`; probing : see `report.report`; w, b : of the hidden layer; at,
    residuals : see `noise.scatters`.
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
    probing: Real
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


_VECTORS = frozenset({"nodes", "at_end", "w", "b", "wide_nodes", "at"})
TABLES = record(Tables, *(VECTOR if name in _VECTORS else MATRIX for name in Tables._fields[:-1]), CUBE)
# Of the second march, see `finish`.
SECOND = f"Tuple(({MATRIX}, {CUBE}, {VECTOR}, {CUBE}, i8))"
SETTING = record(Setting, *[VECTOR] * 6, *["f8"] * 8, "i8", "b1")


@inlined
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
    """`more`, with `kept` at its start; an assignment of whole rows would take a second to compile."""
    old, new = kept.ravel(), more.ravel()
    for i in range(old.size):
        new[i] = old[i]
    return more


@entry(
    (INDICES, "i8", INDICES, "f8", "f8", VECTOR, SETTING, TABLES), python=False,
    result=f"Tuple((i8, {VECTOR}, {INDICES}, {MATRIX}, {CUBE}, {CUBE}))",
)  # fmt: skip
def march_through(parts, address, words, t0, bound, y0, setting, tables):
    """Why the march ended, c.ACCEPTED at its bound; its state; its windows, see `march.advance`.

    parts : addresses of `MARCH_PARTS`; address, words : of f; t0, bound, y0 (n,) : the problem.
    """
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


@plain_helper
def unknown() -> tuple[Real, Real, Real, Real, int]:
    """For `finish`, where the second march is still to be made."""
    return np.empty((0, 0)), np.empty((0, 0, 0)), np.empty(0), np.empty((0, 0, 0)), 0


@inlined
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


@inlined
def _interpolate(x, bound, points, error):
    """error (n, m) = the values bound (n, L) at x (L,), between them on straight lines, at points (m,) in order."""
    sign = 1.0 if x[-1] >= x[0] else -1.0
    i = 0
    for j in range(points.size):
        while i + 2 < x.size and sign * (points[j] - x[i + 1]) >= 0.0:
            i += 1
        run = x[i + 1] - x[i]
        for k in range(len(error)):
            rise = (bound[k, i + 1] - bound[k, i]) / run if run != 0.0 else 0.0
            here = points[j] == x[i] or not bound[k, i] < np.inf  # infinite from a point on
            error[k, j] = bound[k, i] if here else bound[k, i] + rise * (points[j] - x[i])


@inlined
def _networks(place, places, values, slopes, tables):
    """V, bias, u, start, end, h, y as `beside` writes them; place : its address."""
    K, s, n = slopes.shape
    V, bias, u, y = (
        np.empty((K, n, s - 1)),
        np.empty((K, n)),
        np.empty((K, tables.wide_nodes.size, n)),
        np.empty((K, n)),
    )
    start, end, h = np.empty(K), np.empty(K), np.empty(K)
    _beside(
        place,
        (
            places, values, slopes, tables.q, tables.r, tables.at_end, tables.reading, V, bias, u, start, end, h, y,
        ),
    )  # fmt: skip
    return V, bias, u, start, end, h, y


@inlined
def _second_march(parts, address, words, networks, last, used, setting, tables, known):
    """Windows done and calls of f, -1 where it has to be asked by Python; errors as `judge` has them; df/dy; the gap.

    The errors: their abscissae (L,) and values (n, L), the largest ratio to the tolerance, where, in which component,
    whether `atol` alone counts there; and the first window where errors might grow too fast, or -1.
    """
    _, _, u, start, end, h, y = networks
    K, wide, n = u.shape
    atol, rtol = setting.solved_to * used, np.maximum(setting.solved_to * setting.rtol, setting.rounding)
    t, z, left, df_dy, done = known
    calls = 0
    if len(z) == 0:
        t, z, left, df_dy = np.empty((K, wide)), np.empty((K, wide, n)), np.zeros(K), np.empty((K, n, n))
        done, calls = _compare(
            parts[1],
            (
                address, words, start, end, h, y, u, tables.wide_nodes, tables.wide_A, tables.wide_transposed,
                tables.wide_eigenvalues, tables.wide_apart, tables.wide_together, atol, rtol, setting.second_small,
                setting.may_remain, t, z, left, df_dy,
            ),
        )  # fmt: skip
    points = 1 + wide * done + (wide + 1 if done < K else 0)
    x, error, size, gap = np.empty(points), np.empty((n, points)), np.empty((n, points)), np.full(n, np.nan)
    if calls < 0:
        return done, calls, (x, error, np.inf, 0.0, 0, False, -1), df_dy, gap
    x[0], x[points - 1] = start[0], last
    for k in range(n):
        size[k, 0] = y[0, k]
        if done == K:
            gap[k] = u[K - 1, wide - 1, k] - z[K - 1, wide - 1, k]
    ratio, at, component, alone, flagged = _judge(
        parts[2],
        (
            u, z, t, left, h, df_dy, done, atol, rtol, setting.rounding, used, setting.rtol, setting.followed, x,
            error, size,
        ),
    )  # fmt: skip
    return done, calls, (x, error, ratio, x[at], component, alone, flagged), df_dy, gap


@entry(
    (INDICES, "i8", INDICES, MATRIX, CUBE, CUBE, SETTING, TABLES, "b1", VECTOR, "b1", SECOND), python=False,
    result=f"Tuple((i8, Tuple((i8, i8, b1, i8)), Tuple((f8, f8, i8, b1)), {CUBE},"
    f" Tuple(({VECTOR}, {MATRIX}, {MATRIX})), Tuple(({VECTOR}, {VECTOR}, {MATRIX}, {CUBE}, {MATRIX})),"
    f" Tuple(({VECTOR}, {MATRIX})), {VECTOR}))",
)  # fmt: skip
def finish(parts, address, words, places, values, slopes, setting, tables, probe, t_eval, everywhere, known):
    """What is made of the windows of a march, see `march.advance`.

    parts : addresses of `FINISH_PARTS`; probe : whether f is to be looked at between the nodes, if all is in order;
    t_eval (m,) : where values are asked for, as far as the march got, unless `everywhere`: then as `report` chooses;
    known : t, z, left, df_dy of the second march, see `compare.compare`, and windows that are done, or empty: then it
    is made here.

    Returns: 0, or ASK_PYTHON; calls of f and windows of the second march, whether f does something that the march has
    missed, and how many df/dy have to be looked at for growth; the largest error in units of the tolerance, where,
    in which component, and whether `atol` alone counts there; df/dy; times (m,), values and errors there (n, m); where
    windows start and the last one ends (K + 1,), their h (K,), y (K, n), V, bias; abscissae and errors; the gap (n,).
    """
    K = len(slopes)
    last = places[K - 1, 2]
    networks = _networks(parts[0], places, values, slopes, tables)
    V, bias, _, start, end, h, y = networks
    used = _used(y, setting)
    done, calls, judged, df_dy, gap = _second_march(parts, address, words, networks, last, used, setting, tables, known)
    x, error, ratio, worst_at, component, alone, flagged = judged
    status = ASK_PYTHON if calls < 0 else 0
    looked = min(done + 1, K) if flagged >= 0 and status == 0 else 0
    looked = looked if grows(df_dy, h, looked, setting.followed) else 0
    in_order = status == 0 and setting.controlled and ratio <= 1.0 and looked == 0
    missed, probes, points, found = _report(
        parts[3],
        (
            address, words, values, slopes, start, end, h, y, last, tables.w, tables.b, V, bias, tables.probing,
            tables.wide_nodes.size if probe and in_order else 0, used, setting.rtol, tables.nodes, tables.A,
            setting.atol, setting.rtol, t_eval, everywhere,
        ),
    )  # fmt: skip
    off, ends = np.empty(found.shape), np.empty(K + 1)
    if status == 0:
        _interpolate(x, error, points, off)
    for i in range(K):
        ends[i] = start[i]
    ends[K] = last
    return (
        status, (calls + probes, done, missed, looked), (ratio, worst_at, component, alone), df_dy,
        (points, found, off), (ends, h, y, V, bias), (x, error), gap,
    )  # fmt: skip
