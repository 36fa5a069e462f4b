"""One window of a march: collocation with a fixed hidden layer of s functions on s nodes.

The values at the nodes are ``Y = y + h A K`` with the slopes ``K = f(t, Y)``; docs/windows.md derives it. Arrays are
small: one thread.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..arrays import Index, Real
from .dense import factor, substitute
from .launch import MATRIX, VECTOR, entry, helper, plain_helper
from .series import decay
from .sweeps import solve_by_sweeps

__all__ = [
    "BY_NEW_ELIMINATION",
    "CONVERGED",
    "HARDLY_MOVES",
    "HOPELESS",
    "NOTHING",
    "NOT_YET",
    "assemble",
    "converged",
    "filter_parts",
    "last_places",
    "neglected",
    "neglected_parts",
    "newton_sweep",
    "of_values",
    "residual",
    "rounding",
    "stay_at_rest",
    "verdict",
    "weighed",
    "weighed_parts",
]  # fmt: skip

# What Newton's iteration says after a sweep.
NOT_YET, CONVERGED, HOPELESS = range(3)

_EPS = float(np.finfo(float).eps)
# Rounding errors that the second march starts windows with: one or two of these times the value (docs/decisions.md,
# "The second march starts each window one or two units of the last place off"); their pattern.
_LAST_PLACES = _EPS
_GOLDEN, _PLASTIC = 0.6180339887498949, 0.7548776662466927

# How a sweep solves its system: there was none yet; by a series; by the matrices of an earlier one; by new ones.
NOTHING, BY_SERIES, BY_ELIMINATION, BY_NEW_ELIMINATION = range(4)

# Up to 50 unknowns factorise again in every sweep; above, only after a sweep that shrank the step by less than a factor
# of 10. Not tuned.
_CHEAP_SYSTEM = 50
_SLOW_RATE = 0.1
# Sweeps after which a window counts as too long. Not tuned.
_MOST_SWEEPS = 10
# What Newton's iteration may leave of the error, in units of the tolerance (docs/decisions.md, "Marching").
_MAY_REMAIN = 0.05
# A first step so small, in units of what may remain, ends the iteration: there is no rate yet. Not tuned.
_SMALL_FIRST_STEP = 0.01
# Sweeps after which a rate above `_STAGNANT_RATE` with a step below `_ALMOST` times what may remain is put down to
# rounding: it will not get smaller. Not tuned.
_STAGNANT_AFTER, _STAGNANT_RATE, _ALMOST = 3, 0.5, 4.0
# A step that grows by more than the first factor after two sweeps, or hardly shrinks after three, is hopeless. Not
# tuned.
_GROWS_AFTER, _GROWS = 2, 2.0
_CRAWLS_AFTER, _CRAWLS = 3, 0.9
# Components that move by no more than this part of themselves: 64 units of the last place. Not tuned.
HARDLY_MOVES = 64 * 2.0**-52
# The values' own neglected coefficient counts where their coefficients fall at least like this: otherwise they are
# rounding, or else the slopes' neglected coefficient is large, too. Not tuned.
_FALLING = 0.5


class Stages(NamedTuple):
    """At the nodes, (s, n) each: values, slopes, the f of the sweep before, the last step of the values."""

    Y: Real
    K: Real
    before: Real
    step: Real


class Weights(NamedTuple):
    """Of an error: ``atol + rtol |y|``, (n,) each."""

    atol: Real
    rtol: Real


# ---------------------------------------------------------------------------------------------------------
# Newton's iteration.


@helper
def _secant(J, stages, weights):
    """Broyden's update of df/dy at every node by itself: J_i dY_i = dK_i. For one equation it is the secant method."""
    Y, K, before, step = stages
    for i in range(J.shape[0]):
        length = 0.0
        for k in range(J.shape[1]):
            length += (step[i, k] / (weights.atol[k] + weights.rtol[k] * abs(Y[i, k]))) ** 2
        if length == 0.0:
            continue
        for k in range(J.shape[1]):
            gap = K[i, k] - before[i, k]
            for j in range(J.shape[1]):
                gap -= J[i, k, j] * step[i, j]
            for j in range(J.shape[1]):
                weight = weights.atol[j] + weights.rtol[j] * abs(Y[i, j])
                J[i, k, j] += gap * (step[i, j] / weight / weight) / length


@helper
def assemble(A, h, J, M):
    """M = I - h (A x J), rows and columns by node and equation."""
    s, n = J.shape[0], J.shape[1]
    for i in range(s):
        for k in range(n):
            row = M[i * n + k]
            for j in range(s):
                multiplier = -h * A[i, j]
                for m in range(n):
                    row[j * n + m] = multiplier * J[j, k, m]
            row[i * n + k] += 1.0


@plain_helper
def converged(sweeps: int, size: float, now: float, slower: float) -> bool:
    """Whether what is left is small, or is rounding and almost small."""
    if size == 0.0 or (sweeps == 0 and size < _SMALL_FIRST_STEP * _MAY_REMAIN):
        return True
    if slower < 1.0 and size * slower < _MAY_REMAIN * (1.0 - slower):  # what is left is size slower/(1 - slower)
        return True
    return sweeps >= _STAGNANT_AFTER and now > _STAGNANT_RATE and size < _ALMOST * _MAY_REMAIN


@plain_helper
def _hopeless(sweeps: int, size: float, now: float) -> bool:
    """Whether the steps are not finite, do not shrink, or not fast enough."""
    if not size < np.inf or sweeps + 1 >= _MOST_SWEEPS:
        return True
    return (sweeps >= _GROWS_AFTER and now > _GROWS) or (sweeps >= _CRAWLS_AFTER and now > _CRAWLS)


@plain_helper
def verdict(size: float, sweeps: int, last: float, rate: float) -> tuple[int, float]:
    """Whether Newton's iteration is done, and its new rate: for Python and, compiled, for `split.by_eigenvalues`.

    size : of the step of this sweep; sweeps, last, rate : sweeps before it, the size of their last step and how much
    smaller that was than the one before. With secants the rate jumps up and down, one sweep may gain four digits and
    the next one and a half: what is left is judged by the slower one of the last two rates.
    """
    now = size / last if sweeps > 0 else 1.0
    if converged(sweeps, size, now, max(now, rate) if sweeps > 1 else now):
        return CONVERGED, now
    return (HOPELESS if _hopeless(sweeps, size, now) else NOT_YET), now


@plain_helper
def last_places(window: Any, component: Any, size: Any) -> Any:
    """How far off the second march starts a window in a component (or all of them): rounding errors of a size.

    Where errors grow, those of rounding do. The first march has them, the second one, which starts each window from
    the values of the first, may have the same. Up and down in turns, from window to window, lest they add up where
    nothing grows, and from component to component, lest they lie along y, which need not grow; of uneven sizes, for
    the same reasons.
    """
    at = window * _GOLDEN + component * _PLASTIC
    up = 2.0 * ((window + component) % 2) - 1.0
    return up * (1.0 + at - np.floor(at)) * _LAST_PLACES * size


@plain_helper
def rounding(window: Any, component: Any, before: Any, value: Any) -> Any:
    """What the second march adds to a value at the end of a window that started `before`.

    Rounding errors are as large as values were in it. What has not moved has none, and f may branch on it.
    """
    decays = abs(before) > abs(value)
    return (value != before) * last_places(window + 1, component, decays * before + (1 - decays) * value)


@helper
def residual(A, y, h, Y, K, right):
    """right (s n,) = y + h A K - Y, by node and equation."""
    s, n = Y.shape
    for i in range(s):
        for k in range(n):
            total = 0.0
            for j in range(s):
                total += A[i, j] * K[j, k]
            right[i * n + k] = (y[k] - Y[i, k]) + h * total


@helper
def newton_sweep(A, transposed, y, h, J, Y, K, before, step, right, atol, rtol, M, pivots, follow, last, rate):
    """One sweep of Newton's iteration, given f in K: the size of the step, infinite if M is singular; and how.

    follow : whether df/dy may change from node to node and from sweep to sweep; last : how the last sweep was done,
    NOTHING if there was none; rate : as in `verdict`; right : (s n,), work space. At the end K holds the slopes that
    belong to the new Y.
    """
    s, n = Y.shape
    update = follow and last != NOTHING and (last == BY_SERIES or s * n <= _CHEAP_SYSTEM or rate > _SLOW_RATE)
    if update:
        _secant(J, Stages(Y, K, before, step), Weights(atol, rtol))
    residual(A, y, h, Y, K, right)
    how = BY_SERIES if last in (NOTHING, BY_SERIES) and solve_by_sweeps(h, transposed, J, right) else BY_ELIMINATION
    if how == BY_ELIMINATION:
        if update or last not in (BY_ELIMINATION, BY_NEW_ELIMINATION):
            how = BY_NEW_ELIMINATION
            assemble(A, h, J, M)
            if not factor(M, pivots):
                return np.inf, how
        substitute(M, pivots, right)
    size = 0.0
    for i in range(s):
        for k in range(n):
            change = right[i * n + k]
            step[i, k] = change
            Y[i, k] += change
            before[i, k] = K[i, k]
            part = abs(change) / (atol[k] + rtol[k] * max(abs(y[k]), abs(Y[i, k])))
            size = part if part > size or math.isnan(part) else size  # NaN stays
    for i in range(s):
        for k in range(n):
            for j in range(n):
                K[i, k] += J[i, k, j] * step[i, j]
    return size, how


@plain_helper
def stay_at_rest(A: Real, h: float, y: Real, Y: Real, K: Real, before: Real) -> None:
    """Undo what rounding does to components that do not move.

    Those whose slope f (`before`) is exactly zero at all nodes are y; those that move by some units of the last place
    are y + h A K, which Newton's method has with more rounding. f may branch on the sign of what has never moved.
    """
    s = Y.shape[0]
    for k in range(y.size):
        slope, fastest = 0.0, 0.0
        for i in range(s):
            slope = max(slope, abs(before[i, k]))
            fastest = max(fastest, abs(K[i, k]))
        if slope == 0.0:
            for i in range(s):
                Y[i, k] = y[k]
                K[i, k] = 0.0
        elif abs(h) * fastest <= HARDLY_MOVES * abs(y[k]):
            for i in range(s):
                change = 0.0
                for j in range(s):
                    change += A[i, j] * K[j, k]
                Y[i, k] = y[k] + h * change


# ---------------------------------------------------------------------------------------------------------
# The local error of a window. Four parts; docs/windows.md says why each is there:
#
# * the first neglected coefficient of the slopes, continued from the decay of the last four, integrated;
# * what the slopes miss of f at the start, which is no node, over the distance of the first node;
# * the first part for the values themselves: what is between the nodes;
# * the difference of this basis and the polynomials of degree s - 1, small only where both resolve the slopes.
#
# All but the third go through the filter I - h g J, which damps what is stiff and with it the noise of f.


@plain_helper
def of_values(a: float, b: float, c: float, d: float) -> float:
    """The third part, of the last four coefficients of the values."""
    last, falls = decay(a, b, c, d)
    found: float = last * falls * falls if falls < _FALLING else 0.0
    return found


@helper
def neglected_parts(judged: Real, last_four: Real, slope: Real, h: float, first: float, parts: Real, own: Real) -> None:
    """The four parts before the filter: parts (2 + s, n), the first, the second and the fourth; own (n,), the third.

    judged : (2 s, n), `Basis.judging` times the slopes; last_four : (4, n), the last four coefficients of the values;
    slope : f at the start; first : the first node, in (0, 1).
    """
    s, n = judged.shape[0] // 2, judged.shape[1]
    for k in range(n):
        last, falls = decay(judged[s - 4, k], judged[s - 3, k], judged[s - 2, k], judged[s - 1, k])
        parts[0, k] = h / s * last * falls
        missed = -slope[k]
        for d in range(s):
            missed += judged[d, k] if d % 2 == 0 else -judged[d, k]
            parts[2 + d, k] = h * judged[s + d, k]
        parts[1, k] = missed * (h * first)
        own[k] = of_values(last_four[0, k], last_four[1, k], last_four[2, k], last_four[3, k])


@helper
def filter_parts(shift: float, df_dy: Real, parts: Real, M: Real, pivots: Index) -> bool:
    """Overwrite each row b of parts (m, n) with the solution of (I - shift df_dy) x = b; whether that can be done."""
    n = df_dy.shape[0]
    for k in range(n):
        for m in range(n):
            M[k, m] = -shift * df_dy[k, m]
        M[k, k] += 1.0
    if not factor(M, pivots):
        return False
    for i in range(parts.shape[0]):
        substitute(M, pivots, parts[i])
    return True


@helper
def weighed_parts(parts: Real, own: Real, y: Real, Y: Real, atol: Real, rtol: Real) -> float:
    """The fourth part plus the largest of the others, in units of the tolerance; parts as the filter left them."""
    s, n = Y.shape
    largest = 0.0
    difference = 0.0
    for k in range(n):
        for i in range(parts.shape[0]):  # max() may lose a NaN
            if not math.isfinite(parts[i, k]) or not math.isfinite(own[k]):
                return np.nan
        for i in range(s):
            weight = atol[k] + rtol[k] * max(abs(y[k]), abs(Y[i, k]))
            difference = max(difference, abs(parts[2 + i, k]) / weight)
        weight = atol[k] + rtol[k] * max(abs(y[k]), abs(Y[s - 1, k]))
        largest = max(largest, abs(parts[0, k]) / weight, abs(parts[1, k]) / weight, own[k] / weight)
    return largest + difference


@entry(f"void({MATRIX}, {MATRIX}, {VECTOR}, f8, f8, {MATRIX}, {VECTOR})")
def neglected(judged: Real, last_four: Real, slope: Real, h: float, first: float, parts: Real, own: Real) -> None:
    """`neglected_parts` for windows that are solved in Python."""
    neglected_parts(judged, last_four, slope, h, first, parts, own)


@entry(f"f8({MATRIX}, {VECTOR}, {VECTOR}, {MATRIX}, {VECTOR}, {VECTOR})")
def weighed(parts: Real, own: Real, y: Real, Y: Real, atol: Real, rtol: Real) -> float:
    """`weighed_parts` for windows that are solved in Python."""
    found: float = weighed_parts(parts, own, y, Y, atol, rtol)
    return found
