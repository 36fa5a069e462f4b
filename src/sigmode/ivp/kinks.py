"""Where f has a kink or a jump: found in a window that was rejected, and located by bisection."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.polynomial import legendre

from ..arrays import Number, Real
from ..compiled.kinks import DEGREE, NEGLIGIBLE, NOT_SMOOTH, SAME, SWEEPS, first_that_leaves
from ..trial.basis import basis
from ..user.field import VectorField

__all__ = ["Beyond", "Kink", "begin", "find", "pinned", "relocated"]

# A gap between both sides that leaves so much in the values, in units of the tolerance, is none. Far below 1: the error
# remains when y, and the tolerance with it, has become small, and the estimate does not see it. Not tuned.
_GAP = 1e-9
# Differences that the secant aims at in turn, a little less and a little more than what still counts as the same. Not
# tuned.
_AIMS = 0.7, 1.4
# A kink is, exactly, where the line through the differences at its end and at this one is zero. Not tuned.
_ASIDE = 3.0
# A jump that was foreseen is one if f differs by so many times what does not matter: the slopes of a window are no
# more exact at its end. Not tuned.
_JUMP = 100.0
# Bisections at most: a double has 52 bits. Not tuned.
_MOST_BISECTIONS = 64
# A straight line leads across a kink from this part of the way to it, or from where it is off by this part of the
# tolerance, if that is closer. Not tuned.
_RUN, _STRAIGHT = 1e-3, 1e-5
# What the wrong slope behind a kink may add up to in the values, in units of the tolerance. Not tuned.
_SEEN = 0.2
# A jump that hangs on y may be later, on a better solution, by this many times the distance that was kept from it. Not
# tuned.
_LATER = 3.0
# Distances in floating-point numbers: between both sides at the end, if it leaves no more than the first number in the
# values, in units of the tolerance, and by which the left side keeps clear of them. Not tuned.
_NEARLY_NONE = 1e-3
_ADJACENT, _CLEAR = 8, 4
# A jump that is known nearly is first looked for so many floating-point numbers around that. Not tuned.
_CLOSE = 16


class Kink(NamedTuple):
    """Where the window before it is to end, where it begins to matter, and where the next window is to start.

    exact : where it is, how uncertain that is, and how far apart the times are between which f changes
    jump : the times on both sides, if f jumps there, else NaN; begins : whether something begins to move there
    """

    before: float
    at: float
    after: float
    exact: tuple[float, float, float]
    jump: tuple[float, float] = (math.nan, math.nan)
    begins: bool = False


class _Fit(NamedTuple):
    """How polynomials are fitted to a window up to one of its nodes, in Legendre polynomials on [-1, 1].

    V (m, d + 2) : the polynomials at the start and at the nodes; inverse (d + 1, m) : from values there to the
    coefficients of the polynomial of degree d that is closest to them; integral (d + 2, d + 1) : of coefficients.
    """

    V: Real
    inverse: Real
    integral: Real


@functools.cache
def _fit(s: int, at: int) -> _Fit:
    """Of a window with s nodes, up to the node before the one numbered `at`."""
    nodes = basis(s).nodes
    degree = min(DEGREE, at - 1)
    V = legendre.legvander(np.append(0.0, nodes[:at]) * (2.0 / nodes[at - 1]) - 1.0, degree + 1)
    integral: Real = np.asarray(legendre.legint(np.eye(degree + 1), lbnd=-1), dtype=np.float64)
    return _Fit(V, np.linalg.pinv(V[:, :-1]), integral)


class _Left:
    """What f is on the left of a kink along a smooth path near y, as a polynomial that can be continued."""

    def __init__(self, f: VectorField, start: tuple[float, Number], t: Real, slopes: Number, fit: _Fit) -> None:
        """start : t and y; t (m,), slopes (m, n), from the start on: the path is their integral."""
        self._start, self._y = start
        self._half = 0.5 * float(t[-1] - self._start)
        self._path = self._half * (fit.integral @ (fit.inverse @ slopes))
        self.slopes_there = np.empty(slopes.shape, dtype=slopes.dtype)
        f.nodes(t, self._y + fit.V @ self._path, self.slopes_there)
        self._slope = fit.inverse @ self.slopes_there
        self.missed = abs(self.slopes_there - fit.V[:, :-1] @ self._slope).max(axis=0)

    def __call__(self, moment: float) -> tuple[Number, Number]:
        """The path and the continued f at one time, (n,) each."""
        x = (moment - self._start) / self._half - 1.0
        before, p, polynomials = 1.0, x, [1.0, x]
        for d in range(2, len(self._path)):
            before, p = p, ((2 * d - 1) * x * p - (d - 1) * before) / d
            polynomials.append(p)
        at = np.array(polynomials)
        return self._y + at @ self._path, at[:-1] @ self._slope


def _left_of(f: VectorField, start: tuple[float, Number, Number], nodes: tuple[Real, Number], at: int) -> _Left:
    """What f is at the nodes before the one numbered `at`, and beyond; start : t, y, f; nodes : t and slopes there."""
    t, slopes = nodes
    times, along = np.append(start[0], t[:at]), np.vstack([start[2], slopes[:at]])
    for _ in range(SWEEPS):  # the path comes closer to y
        left = _Left(f, start[:2], times, along, _fit(t.size, at))
        along = left.slopes_there
    return left


def find(
    f: VectorField,
    start: tuple[float, Number, Number],
    nodes: tuple[Real, Number, Number],
    weight: Real,
    at: int | None = None,
) -> Kink | None:
    """The first kink or jump of f in a window, or None.

    start : its t, y, f; nodes : t (s,), and values and slopes (s, n), as they came out; weight : (n,), errors that do
    not matter; at : the node whose slope leaves the parabola, see below, where that is known, -1 if there is none.

    A kink spoils the values of the whole window, and the slopes with them, by little, and evenly, but at the kink. So
    the first node is looked for whose slope leaves the parabola through those before it. From there on f is followed
    along a smooth path near y: on the left of the kink it is smooth, too.
    """
    t, _, slopes = nodes
    scale = abs(t[-1] - start[0]) / weight
    if at is None:
        at = first_that_leaves(t, slopes, weight, abs(t[-1] - start[0]))
    if at is None or at < 0:
        return None
    left = _left_of(f, start, (t, slopes), at)
    missed = float((left.missed * scale).max())
    if missed > NOT_SMOOTH:  # noise, or a window that is too long
        return None
    limit = max(NEGLIGIBLE, SAME * missed)

    def off(moment: float) -> float:
        """How far f is from its continuation, in units of what does not matter."""
        y, slope = left(moment)
        return float((abs(f(moment, y) - slope) * scale).max()) / limit

    sides = _bisect(off, float(t[at - 1]), float(t[at]), abs(t[-1] - start[0]) / limit)
    return None if sides is None else _clear_of(f, sides, left, start[0], float(t[at]), weight)


def begin(f: VectorField, start: tuple[float, Number, Number], nodes: tuple[Real, Number], weight: Real) -> Kink | None:
    """Where in a window something begins to move that is exactly zero, with a slope of zero, at first; or None.

    start : its t, y, f; nodes : t (s,), and slopes (s, n) as they came; weight : (n,), errors that do not matter.
    """
    t, slopes = np.append(start[0], nodes[0]), np.vstack([start[2], nodes[1]])
    begins = (start[1] == 0.0) & (slopes[0] == 0.0) & (slopes[1] == 0.0) & slopes.any(axis=0)
    if not begins.any():
        return None
    at = int(np.argmax(slopes[:, begins].any(axis=1)))  # the first node where one of them has moved
    left = _left_of(f, start, nodes, at - 1) if at > 1 else None
    before, after = float(t[at - 1]), float(t[at])
    moves = slopes[at]
    for _ in range(_MOST_BISECTIONS):
        if abs(after - before) <= _ADJACENT * np.spacing(max(abs(before), abs(after))):
            break
        middle = before + 0.5 * (after - before)
        y = left(middle)[0] if left is not None else start[1] + (middle - start[0]) * start[2]
        there = f(middle, y)
        if there[begins].any():  # what is at rest is exactly so there
            after, moves = middle, there
        else:
            before = middle
    if before == t[0]:
        return None
    length = abs(t[-1] - t[0])
    if left is not None and (abs(moves[begins]) * length > _JUMP * weight[begins]).any():
        kink = _clear_of(f, (before, after, after), left, start[0], float(t[at]), weight)
        return kink._replace(begins=True)
    return Kink(before, after, after, (after, 0.0, 0.0))


@functools.cache
def _at_the_end(s: int) -> Real:
    """From Legendre coefficients on [0, 1] to the Taylor coefficients at 1, the first three, (3, s)."""
    k = np.arange(s, dtype=np.float64)
    return np.array([np.ones(s), k * (k + 1.0), 0.25 * (k - 1.0) * k * (k + 1.0) * (k + 2.0)])


class Beyond:
    """f beyond the end of a window, compared with how its slopes go on there."""

    def __init__(self, f: VectorField, end: tuple[float, Number], series: tuple[float, Number], weight: Real) -> None:
        """end : t and y; series : the window's length, with sign, and the Legendre coefficients (s, n) of its slopes.

        weight : (n,), errors that do not matter.
        """
        self._f, self._weight = f, weight
        (self.t, self._y), (self.h, coefficients) = end, series
        self._taylor = _at_the_end(len(coefficients)) @ coefficients
        self._scale = abs(self.h) / weight

    def __call__(self, moment: float) -> tuple[Number, Number]:
        """The solution and its slope as they go on, (n,) each."""
        slope, bend, twist = self._taylor
        run = moment - self.t
        x = run / self.h
        return self._y + run * (slope + x * (bend / 2.0 + x * twist / 3.0)), slope + x * (bend + x * twist)

    def off(self, moment: float) -> float:
        """How far f is from that; above 1 it has jumped."""
        path, slope = self(moment)
        return float((abs(self._f(moment, path) - slope) * self._scale).max()) / _JUMP

    def between(self, before: float, after: float) -> float | None:
        """Where it jumps, if it does between these times."""
        sides = _bisect(self.off, before, after, abs(self.h) / _JUMP) if before != after else None
        return None if sides is None else sides[1]

    def clear_of(self, jump: float, behind: float) -> float:
        """Where the next window is to start, by so much behind a jump at most."""
        return jump + behind * min(1.0, _part(self._f, self, jump, behind, self._weight))


def pinned(beyond: Beyond, at: float, last: float) -> tuple[float, float]:
    """Where a jump is that is known nearly, and where the next window is to start.

    at : where it should be, last : the last time where it may be. Where it should be, twice, where there is no jump
    that matters: there may be a kink.
    """
    t = beyond.t
    close = float(np.copysign(_CLOSE * np.spacing(max(abs(at), abs(t))), beyond.h))
    if beyond.off(at) > 1.0:
        before, after = at - close, float(np.nextafter(at, t))
        if not beyond.off(after) > 1.0:  # exactly there
            return at, at
        if beyond.off(before) > 1.0:
            before, after = t, before
    else:
        before, after = at, min(at + close, last, key=lambda moment: abs(moment - t))
        if not beyond.off(after) > 1.0:
            before, after = after, last
    jump = beyond.between(before, after)
    return (at, at) if jump is None else (jump, beyond.clear_of(jump, last - jump))


def relocated(beyond: Beyond, sides: tuple[float, float], restart: float, bound: float) -> tuple[float, float] | None:
    """Where a jump is that was located on a window that was rejected, and where the next window is to start; or None.

    sides : the times on both sides of it, there; restart : where the next window was to start; bound : where the span
    ends. A jump that hangs on y may be a little earlier or later on the window that ends before it. None if it is not
    there.
    """
    before, after = sides

    def within(moment: float) -> float:
        return min(moment, bound, key=lambda each: abs(each - beyond.t))

    if beyond.off(before) > 1.0:
        jump = beyond.between(beyond.t, before)
    elif not beyond.off(after) > 1.0:
        jump = beyond.between(after, within(after + _LATER * (after - beyond.t)))
    else:
        return after, restart
    return None if jump is None else (jump, within(beyond.clear_of(jump, restart - after)))


def _clear_of(
    f: VectorField, sides: tuple[float, float, float], left: _Left, start: float, node: float, weight: Real
) -> Kink:
    """The kink with as much room on both sides as straight lines lead across.

    On a curve that is a little off, such as that of the second march, it may be a little earlier or later. Behind the
    kink there is less room: up to the next window the solution has the slope before it. node : the first one behind it.
    """
    before, after, where = sides
    run = _RUN * (before - start)
    bent = float((abs(0.5 * run * (left(before)[1] - left(before - run)[1])) / weight).max())
    run *= min(1.0, (_STRAIGHT / bent) ** 0.5) if bent > 0.0 else 1.0
    least = np.copysign(_CLEAR * np.spacing(max(abs(before), abs(after))), run)
    run = least if abs(run) < abs(least) else run
    behind = float(np.copysign(min(abs(run), 0.5 * abs(node - after)), run))
    behind *= min(1.0, _part(f, left, after, behind, weight))
    behind *= min(1.0, _part(f, left, after + behind, behind, weight) ** 0.5)  # a kink: it grows with the distance
    gap = abs(after - before)
    exact = where, max(abs(after - where), gap), gap
    jump = (before, after) if where == after else (math.nan, math.nan)
    return Kink(float(before - run), after, after + behind, exact, jump)


def _part(
    f: VectorField, left: Callable[[float], tuple[Number, Number]], moment: float, behind: float, weight: Real
) -> float:
    """The part of the way behind a kink on which the wrong slope before it, as it is at one moment, is not seen."""
    y, slope = left(moment)
    wrong = abs(behind) * abs(f(moment, y) - slope)
    return float((_SEEN * weight / (wrong + np.finfo(float).tiny)).min())


def _bisect(
    off: Callable[[float], float], before: float, after: float, length: float
) -> tuple[float, float, float] | None:
    """Narrow the gap until it does not matter, or the times are adjacent numbers: the times on both sides.

    And where the difference begins, if it grows evenly.
    """
    off_after = off(after)
    further = aside = None
    if not off_after > 1.0:
        return None
    for k in range(_MOST_BISECTIONS):
        gap = abs(after - before)
        adjacent = _ADJACENT if gap * off_after <= _NEARLY_NONE * length else 1
        if gap * off_after <= _GAP * length or gap <= adjacent * np.spacing(max(abs(before), abs(after))):
            break
        at = _secant(before, after, off_after, further, _AIMS[k % 2])
        distance = off(at)
        if not np.isfinite(distance):
            return None
        if distance <= 1.0:
            before = at
        else:
            further = after, off_after
            aside = further if off_after > _ASIDE else aside
            after, off_after = at, distance
    where = after
    if aside is not None and off_after < _ASIDE:  # no jump
        where = after - off_after * (aside[0] - after) / (aside[1] - off_after)
    return before, after, where


def _secant(before: float, after: float, off_after: float, further: tuple[float, float] | None, aim: float) -> float:
    """Where the difference is `aim` if it grows evenly, as at a kink; else the middle."""
    middle = before + 0.5 * (after - before)
    if further is None or further[1] <= off_after:
        return middle
    begins = after - (off_after - aim) * (further[0] - after) / (further[1] - off_after)
    return begins if 0.0 < (begins - before) / (after - before) < 1.0 else middle
