"""Integrals of solutions, to rounding: Gauss's formula on intervals on which polynomials follow the networks."""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import ArrayLike

from .. import arguments
from ..arrays import Number, Real
from .form import VALUE
from .pieces import edges, last_xi, windows_of
from .piecewise import Piecewise
from .windows import at_windows, window_values

__all__ = ["Antiderivative", "areas", "integral"]

# Points on [0, 1] and weights: what a polynomial of degree 35 leaves on an interval is below 1e-17 (`pieces`).
_POINTS, _WEIGHTS = (0.5 * part + shift for part, shift in zip(legendre.leggauss(18), (0.5, 0.0), strict=True))
# Windows that end at xi = 1 up to this are integrated together. Not tuned.
_WHOLE = 8 * arguments.EPS


def areas(sol: Piecewise) -> Number:
    """The integrals over all windows, (n, K), with the sign of their lengths."""
    K = len(sol.y)
    found = np.empty((sol.n, K), dtype=sol.theta.dtype)
    ends = np.array([last_xi(sol, k) for k in range(K)])
    alone = np.ones(K, dtype=bool)
    if sol.shared and sol.form == VALUE:
        nodes, weights = _nodes(edges(sol, 0))
        found[:] = (weights @ at_windows(sol, nodes)).T * sol.h
        alone = abs(ends - 1.0) > _WHOLE
    for k in np.flatnonzero(alone).tolist():
        found[:, k] = _part(sol, k, 0.0, ends[k])
    return found


def integral(sol: Piecewise, of_windows: Number, a: float, b: float, outside: bool) -> Number:
    """The integral from a to b, (n,), given those over whole windows; NaN outside of the span unless `outside`."""
    a, b = arguments.number(a, "a"), arguments.number(b, "b")
    found = np.full(sol.n, np.nan, dtype=sol.theta.dtype)
    if not (math.isfinite(a) and math.isfinite(b)):
        return found
    if not outside and not sol.t_min <= min(a, b) <= max(a, b) <= sol.t_max:
        return found
    backwards = (b < a) == (sol.x[-1] >= sol.x[0])
    lo, hi = (b, a) if backwards else (a, b)
    first, last = windows_of(sol, np.array([lo, hi])).tolist()
    start, end = ((at - sol.x[k]) / (sol.h[k] or 1.0) for at, k in ((lo, first), (hi, last)))
    if first == last:
        found = _part(sol, first, start, end)
    else:
        found = np.ascontiguousarray(of_windows[:, first + 1 : last]).sum(axis=1)
        found = found + _part(sol, first, start, last_xi(sol, first)) + _part(sol, last, 0.0, end)
    return -found if backwards else found


def _part(sol: Piecewise, k: int, lo: float, hi: float) -> Number:
    """The integral by x over [lo, hi] in the xi of window k, (n,)."""
    nodes, weights = _nodes(edges(sol, k, lo, hi))
    return np.asarray((sol.h[k] or 1.0) * (window_values(sol, k, nodes) @ weights))


def _nodes(ends: Real) -> tuple[Real, Real]:
    """Points and weights on intervals with these ends, (m,) each."""
    lengths = np.diff(ends)[:, None]
    return (ends[:-1, None] + lengths * _POINTS).ravel(), (lengths * _WEIGHTS).ravel()


class Antiderivative:
    """The integral of a `Solution` from the start of its span, ``Y(x)`` with ``Y' = y`` and ``Y(x_0) = 0``.

    Attributes
    ----------
    sol : Solution
        What is integrated.
    n, span
        Its number of components and its span.

    Examples
    --------
    >>> import sigmode as sm
    >>> Y = sm.solve_ivp(lambda t, y: -y, (0, 5), [1.0], rtol=1e-9, atol=1e-9).sol.antiderivative()
    >>> Y([0.0, 5.0]).round(6), Y(5.0, nu=1).round(6)
    (array([[0.      , 0.993262]]), array([0.006738]))
    """

    def __init__(self, sol: Piecewise) -> None:
        self.sol = sol
        self.n, self.span = sol.n, sol.span

    def __call__(self, x: ArrayLike, nu: int = 0, extrapolate: bool | None = None) -> Number:
        """The integral from the start of the span to x, or its nu-th derivative, in the shapes of `Solution`."""
        sol = self.sol
        if not isinstance(nu, (int, np.integer)) or nu < 0:
            raise ValueError(f"`nu` must be a non-negative integer, got {nu!r}.")
        if nu:
            return sol(x, nu - 1, extrapolate)
        y = sol(x, 0, extrapolate)  # checks x, and is NaN where there is no integral
        points = np.asarray(x, dtype=float).reshape(-1)
        found = np.full((sol.n, points.size), np.nan, dtype=sol.theta.dtype)
        known = np.isfinite(points) & ~np.isnan(y.reshape(sol.n, points.size)).any(axis=0)
        window = windows_of(sol, points)
        for k in np.unique(window[known]).tolist():
            at = known & (window == k)
            found[:, at] = self._starts[:, k, None] + _up_to(sol, k, (points[at] - sol.x[k]) / (sol.h[k] or 1.0))
        return found.reshape(y.shape)

    def error(self, x: ArrayLike) -> Real:
        """A bound of the error: the integral of `Solution.error`, in the same shape."""
        sol = self.sol
        of_y = sol.error(x)
        if sol.error_x is None or sol.error_y is None:
            return of_y
        points = np.asarray(x, dtype=float).reshape(-1)
        sign = 1.0 if sol.x[-1] >= sol.x[0] else -1.0
        before = np.clip(np.searchsorted(sign * sol.error_x, sign * points) - 1, 0, sol.error_x.size - 1)
        rest = abs(points - sol.error_x[before])
        with np.errstate(invalid="ignore"):
            steps = 0.5 * (sol.error_y[:, 1:] + sol.error_y[:, :-1]) * abs(np.diff(sol.error_x))
            total = np.concatenate([np.zeros((sol.n, 1)), np.cumsum(steps, axis=1)], axis=1)[:, before]
            last = 0.5 * (sol.error_y[:, before] + of_y.reshape(sol.n, -1)) * rest
        return np.asarray(total + np.where(rest > 0.0, last, 0.0)).reshape(of_y.shape)

    def __repr__(self) -> str:
        return f"<Antiderivative of {self.sol!r}>"

    @functools.cached_property
    def _starts(self) -> Number:
        """The integrals up to the starts of the windows, (n, K)."""
        whole = areas(self.sol)
        exact = np.clongdouble if whole.dtype.kind == "c" else np.longdouble
        up_to = np.cumsum(whole.astype(exact), axis=1).astype(whole.dtype)
        return np.concatenate([np.zeros((self.n, 1), dtype=whole.dtype), up_to[:, :-1]], axis=1)


def _up_to(sol: Piecewise, k: int, xi: Real) -> Number:
    """The integrals by x from the start of window k up to the points xi (m,), (n, m)."""
    ends = edges(sol, k, min(0.0, xi.min()), max(1.0, xi.max()))
    pieces = [_part(sol, k, *pair) for pair in itertools.pairwise(ends)]
    starts = np.concatenate([np.zeros((1, sol.n)), np.cumsum(pieces, axis=0)])
    starts = starts - _between(sol, k, ends, starts, np.zeros(1)).T  # from the start of the window
    return _between(sol, k, ends, starts, xi)


def _between(sol: Piecewise, k: int, ends: Real, starts: Number, xi: Real) -> Number:
    """The integrals up to the points xi (m,), given those up to the ends of pieces, (P + 1, n)."""
    piece = np.clip(np.searchsorted(ends, xi, side="right") - 1, 0, len(ends) - 2)
    rest = xi - ends[piece]
    nodes = ends[piece][:, None] + rest[:, None] * _POINTS
    values = window_values(sol, k, nodes.ravel()).reshape(sol.n, *nodes.shape)
    return np.asarray(starts[piece].T + (sol.h[k] or 1.0) * rest * (values @ _WEIGHTS))
