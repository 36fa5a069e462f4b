"""A solution with its estimate where f is compiled and nobody looks on: a handful of calls of compiled code."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import OptimizeResult

from .. import arguments
from ..arguments import SMALLEST_RTOL
from ..arrays import Number, Real
from ..compiled.begin import begin
from ..compiled.compare import compare
from ..compiled.judge import judge
from ..compiled.report import beside, report
from ..trial.basis import Basis, basis
from ..trial.network import Network
from ..trial.solution import Solution
from ..user.field import VectorField, is_compiled
from ..user.growth import fastest
from . import error
from .attempt import Attempt
from .bound import RELATIVE_FLOOR, Worst
from .loop import FINISHED
from .march import MOST_COMPILED, March
from .setting import ABSOLUTE_FLOOR, MAX_WINDOWS, checked_first_step, march_weights, width

__all__ = ["Bases", "bases_of", "of_networks", "quick"]

# Windows that there is room for at first, four times as many the next time. Not tuned.
_ROOM = 64
_MORE_ROOM = 4
_NO_BREAKS = np.empty(0)
_NOTHING_ASKED = np.empty(0)


class Bases(NamedTuple):
    """The basis of a march, and that of the second one beside it.

    reading : from slopes at the nodes of the first to values at those of the second, in units of h; w, b : (s - 1,), of
    the hidden layer; theta : (2 s - 2,), both
    """

    own: Basis
    wider: Basis
    reading: Real
    w: Real
    b: Real
    theta: Real


@functools.cache
def bases_of(s: int) -> Bases:
    """Those of a march with s functions."""
    own, wider = basis(s), basis(error.wider(s))
    hidden = own.hidden
    w, b = (np.ascontiguousarray(part) for part in np.split(hidden, 2))
    return Bases(own, wider, own.read(wider.nodes)[0], w, b, hidden)


class _Windows(NamedTuple):
    """The windows of a march as `beside` writes them, see there."""

    places: Real
    values: Real
    slopes: Real
    V: Real
    bias: Real
    u: Real
    start: Real
    end: Real
    h: Real
    y: Real


def quick(
    otherwise: Callable[..., Attempt],
    fun: Callable[..., Any],
    t_span: tuple[float, float],
    y0: Number,
    t_eval: Number | None,
    tolerances: tuple[Number, Number],
    controlled: bool,
    max_step: float,
    options: dict[str, Any],
) -> Callable[..., Attempt]:
    """`otherwise`, or for a real compiled f what does the same faster; where it cannot go on it leaves all to that."""
    span = t_span[1] - t_span[0]
    plain = {"vectorized", "callback", "first_step", "max_windows"}.issuperset(options) and not options["vectorized"]
    if not plain or not y0.size or y0.dtype.kind == "c" or not 0.0 < abs(span) < math.inf or not is_compiled(fun):
        return otherwise
    field = VectorField(fun, y0.size, y0.dtype, False, said=True)
    if field.compiled is None:
        return otherwise
    return _Quick(otherwise, field, t_span, y0, t_eval, tolerances, controlled, max_step, options)


class _Quick:
    """Attempts in compiled code."""

    def __init__(
        self,
        otherwise: Callable[..., Attempt],
        field: VectorField,
        t_span: tuple[float, float],
        y0: Number,
        t_eval: Number | None,
        tolerances: tuple[Number, Number],
        controlled: bool,
        max_step: float,
        options: dict[str, Any],
    ) -> None:
        self._otherwise, self._field, self._span, self._y0, self._t_eval = otherwise, field, t_span, y0, t_eval
        ones = np.ones(y0.size)
        self._rtol, self._atol = tolerances[0] * ones, tolerances[1] * ones
        self._controlled = controlled
        self._max_step = arguments.positive(max_step, "max_step", infinite=True)
        first_step = options.get("first_step")
        self._first = None if first_step is None else checked_first_step(first_step, *t_span)
        self._most = arguments.count(options.get("max_windows", MAX_WINDOWS), "max_windows")

    def __call__(self, factor: float, longest: float, number: int, rtol: Real, atol: Real) -> Attempt:
        """See `Attempts`."""
        bases = bases_of(width(rtol))
        self._field.nfev = self._field.njev = 0
        found = None
        if self._field.n <= MOST_COMPILED:
            longest_window = min(self._max_step, longest)
            found = self._attempt(bases, factor, longest_window, rtol, atol, math.isinf(longest))
        if found is None:
            return self._otherwise(factor, longest, number, rtol=rtol, atol=atol)
        return found

    def _attempt(
        self, bases: Bases, factor: float, longest: float, rtol: Real, atol: Real, probe: bool
    ) -> Attempt | None:
        field = self._field
        assert field.compiled is not None
        words = field.compiled.words()
        if words is None:
            return None
        code = field.compiled.address, words
        march = self._march(code, bases, longest, rtol, atol)
        if march is None:
            return None
        windows, why = _all_windows(march, bases, self._span[1])
        if windows is None or march.noise is not None:
            return None
        used = self._used(windows)
        weights = error.weights(factor * used, factor * self._rtol)
        second = _second_march(code, bases, windows, weights, np.where(self._atol > 0.0, self._atol / self._rtol, 0.0))
        if second is None:
            return None
        done, calls, *arrays = second
        worst, x, bound, flagged = _judged(windows, bases, done, arrays, weights, used, self._rtol)
        growing = self._growing(windows, bases, done, arrays[3]) if flagged >= 0 else 0.0
        followed = error.FOLLOWED * bases.own.s / growing if growing else math.inf
        in_order = why is None and self._controlled and worst.ratio <= 1.0 and not growing
        missed, probes, t, y = report(
            *code, windows.values, windows.slopes, *windows[6:], windows.places[-1, 2], bases.w, bases.b, windows.V,
            windows.bias, bases.wider.s if probe and in_order else 0, used, self._rtol, bases.own.nodes, bases.own.A,
            atol * np.ones(field.n), rtol * np.ones(field.n), _NOTHING_ASKED if self._t_eval is None else self._t_eval,
            self._t_eval is None,
        )  # fmt: skip
        res = OptimizeResult(t=t, y=y, status=-1 if why else 0, success=not why, message=why or FINISHED)
        res.nfev, res.nlu = field.nfev + calls + probes, march.nlu
        res.njev = field.njev + min(done + 1, len(windows.h))
        res.t_events = res.y_events = None
        ends = np.append(windows.start, windows.places[-1, 2])
        res.sol = of_networks(ends, windows.y, windows.V, windows.bias, bases, windows.h, x, bound)
        res.error = res.sol.error(t)
        res.gap = windows.u[-1, -1] - arrays[1][-1, -1] if done == len(windows.h) else np.full(field.n, np.nan)
        return Attempt(res, worst, followed, lambda: (bool(missed), 0))

    def _march(self, code: tuple[int, Any], bases: Bases, longest: float, rtol: Real, atol: Real) -> March | None:
        field, (t0, bound) = self._field, self._span
        weights = march_weights(rtol, atol, field.n)
        f = np.empty(field.n)
        h_abs, calls = begin(*code, t0, bound, longest, ABSOLUTE_FLOOR, self._y0, f, weights[2], bases.own.s)
        field.nfev += calls
        if h_abs < 0.0:
            return None
        h_abs = h_abs if self._first is None else self._first
        return March(bases.own, field, weights, self._span, self._y0, f, longest, self._most, h_abs, _NO_BREAKS)

    def _used(self, windows: _Windows) -> Real:
        """The `atol` that errors are measured by."""
        used = self._atol
        if not used.all():
            scale = abs(windows.y).max(axis=0)
            used = np.where(used > 0.0, used, RELATIVE_FLOOR * self._rtol * scale)
        return np.asarray(used + np.finfo(float).tiny)

    def _growing(self, windows: _Windows, bases: Bases, done: int, df_dy: Real) -> float:
        """The fastest growth of errors that is too fast to be followed, or zero."""
        looked = min(done + 1, len(windows.h))
        least = error.followed(windows.h, bases.own.s)
        starts = windows.start, windows.y, windows.h
        small = np.where(self._atol > 0.0, self._atol / np.maximum(self._rtol, SMALLEST_RTOL), 0.0)
        return error.fastest_growth(self._field, small, starts, _that_may_grow(df_dy[:looked], least, windows.h), least)


def _that_may_grow(df_dy: Real, least: Real, h: Real) -> list[Any]:
    """df/dy of the windows in which an eigenvalue allows too much growth, of the others None."""
    found: list[Any] = [None] * len(df_dy)
    at = np.flatnonzero(abs(df_dy).sum(axis=2).max(axis=1) > least[: len(df_dy)])
    growth = fastest(df_dy[at] * np.sign(h[at, None, None]))
    for k in at[growth > least[at]].tolist():
        found[k] = df_dy[k]
    return found


def _all_windows(march: March, bases: Bases, bound: float) -> tuple[_Windows | None, str | None]:
    """The whole march, and why it ended early, or None."""
    parts: list[tuple[Real, Real, Real]] = []
    why, room = None, _ROOM
    while why is None and march.t != bound and march.noise is None:
        part, why = march.stacked(room)
        parts.append(part)
        if len(part[0]) == room:  # and not a kink, at which Python has a look
            room *= _MORE_ROOM
    joined = parts[0] if len(parts) == 1 else tuple(np.concatenate(each) for each in zip(*parts, strict=True))
    places, values, slopes = joined
    K, s, n = slopes.shape
    if K == 0:
        return None, why
    start, end, h = np.empty((3, K))
    V, bias, u, y = np.empty((K, n, s - 1)), np.empty((K, n)), np.empty((K, bases.wider.s, n)), np.empty((K, n))
    own = bases.own
    beside(places, values, slopes, own.q, own.r, own.at_end, bases.reading, V, bias, u, start, end, h, y)
    return _Windows(places, values, slopes, V, bias, u, start, end, h, y), why


def _second_march(
    code: tuple[int, Any], bases: Bases, windows: _Windows, weights: tuple[Real, Real], small: Real
) -> tuple[Any, ...] | None:
    """As of `compare`: windows done, calls of f, t, z, left, df_dy; None where f has to be called from Python."""
    K, s, n = windows.u.shape
    arrays = np.empty((K, s)), np.empty((K, s, n)), np.zeros(K), np.empty((K, n, n))
    wider = bases.wider
    done, calls = compare(
        *code, windows.start, windows.end, windows.h, windows.y, windows.u, wider.nodes, wider.A, wider.transposed,
        *wider.split, *weights, small, error.MAY_REMAIN, *arrays,
    )  # fmt: skip
    return None if calls < 0 else (done, calls, *arrays)


def _judged(
    windows: _Windows, bases: Bases, done: int, arrays: list[Real], weights: tuple[Real, Real], used: Real, rtol: Real
) -> tuple[Worst, Real, Real, int]:
    """The largest error, abscissae and errors, and the first window where errors might grow too fast, or -1."""
    K, s, n = windows.u.shape
    points = 1 + s * done + (s + 1 if done < K else 0)
    x, bound, size = np.empty(points), np.empty((n, points)), np.empty((n, points))
    x[0], x[-1] = windows.start[0], windows.places[-1, 2]
    size[:, 0] = windows.y[0]
    t, z, left, df_dy = arrays
    ratio, at, component, alone, flagged = judge(
        windows.u, z, t, left, windows.h, df_dy, done, *weights, error.ROUNDING, used, rtol,
        error.FOLLOWED * bases.own.s, x, bound, size,
    )  # fmt: skip
    return Worst(ratio, float(x[at]), component, alone), x, bound, flagged


def of_networks(
    x: Real, y: Real, V: Real, bias: Real, bases: Bases, h: Real, error_x: Real | None = None,
    bound: Real | None = None,
) -> Solution:  # fmt: skip
    """Windows from x[k] on, h long, as a `Solution`: y (K, N) where they start, output weights V (K, N, .), bias."""
    K, n, units = V.shape
    theta = np.empty((K, (2 + n) * units + n))
    theta[:, : 2 * units] = bases.theta
    theta[:, 2 * units : (2 + n) * units] = V.reshape(K, -1)
    theta[:, (2 + n) * units :] = bias
    return Solution(x, y, theta, Network(n, units, output_bias=True), error_x, bound, h)
