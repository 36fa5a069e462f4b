"""Where a component of a solution takes a value, and where it is smallest and largest."""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.polynomial import chebyshev
from scipy.optimize import brentq

from ..arguments import EPS, number
from ..arrays import Flags, Real
from .network import Network
from .pieces import edges, last_xi, windows_of
from .piecewise import Piecewise
from .windows import magnitudes

__all__ = ["Extremum", "extremum", "roots"]

# Chebyshev points of an interval of `pieces`: what they leave is 1e-13 of the largest value there. Not tuned.
_POINTS = 28
_COSINES = chebyshev.chebpts1(_POINTS)
_TO_COEFFICIENTS = np.linalg.inv(chebyshev.chebvander(_COSINES, _POINTS - 1))
# Coefficients below this part of the largest are rounding. Not tuned.
_ROUNDING = 1e-14
# How far from the real interval [-1, 1] a zero of the interpolant may lie: a double one is known to the root of its
# rounding. What is no zero costs an evaluation. Not tuned.
_BESIDE = 1e-4
# Rounding errors of a value, in units of what `magnitudes` makes expect. Not tuned.
_UNCERTAIN = 4.0 * EPS
# Of Brent's method, which converges long before. Not tuned.
_MOST_STEPS = 500


class Extremum(NamedTuple):
    """A smallest or a largest value: where it is taken, and the value."""

    x: float
    y: float


def roots(sol: Piecewise, value: float, component: int) -> Real:
    """All x with y_component = value, increasing; see `Solution.roots`."""
    value = number(value, "value")
    if not math.isfinite(value):
        raise ValueError(f"`value` must be finite, got {value}.")
    found = sorted(_Line(sol, component).zeros(0, value))
    return np.array([x for at, flat in found for x in ((at, math.nan) if flat else (at,))])


def extremum(sol: Piecewise, component: int, sign: float) -> Extremum:
    """The first smallest value of sign y_component, in the order of the span."""
    line = _Line(sol, component)
    x = np.concatenate([sol.x, [at for at, _ in line.zeros(1, 0.0)]])
    x = x[np.argsort(line.direction * x)]
    y = line.at(x, 0)
    at = int(np.nanargmin(sign * y)) if not np.isnan(y).all() else 0
    return Extremum(float(x[at]), float(y[at]))


class _Line:
    """One component of a real solution."""

    def __init__(self, sol: Piecewise, component: int) -> None:
        if sol.theta.dtype.kind == "c":
            raise ValueError("A complex solution has no order: no zeros between values, no smallest and largest one.")
        self.sol = _one(sol, _checked(component, sol.n))
        self._sizes: dict[int, Real] = {}
        self.direction = 1.0 if sol.x[-1] >= sol.x[0] else -1.0

    def at(self, x: Any, nu: int) -> Real:
        """The nu-th derivative, in the shape of x."""
        return np.asarray(self.sol(x, nu)[0])

    def zeros(self, nu: int, value: float) -> list[tuple[float, bool]]:
        """All zeros of the nu-th derivative minus `value`, and whether it stays zero from there on for a while.

        Between the zeros of its own derivative it is monotonic: there is a zero where the sign changes, and Brent's
        method finds it. At them, what is zero up to rounding is a zero of even order.
        """
        x, flat = self._separators(nu + 1, value if nu == 0 else None)
        v = self.at(x, nu) - value
        uncertain = self._uncertain(x, nu) + EPS * abs(value)
        zero = abs(v) <= uncertain
        middle = abs(self.at(0.5 * (x[1:] + x[:-1]), nu) - value) <= np.maximum(uncertain[1:], uncertain[:-1])
        found: list[tuple[float, bool]] = []
        for run in _runs(zero, zero[1:] & zero[:-1] & middle):
            before, after = run[0] - 1, run[-1] + 1
            if flat[run[:-1]].any():
                found.append((float(x[run].min()), True))
            elif len(run) == 1 and before >= 0 and after < x.size and _changes(v, zero, before, after):
                found.append((self._located(nu, value, before, after, x), False))
            else:
                found.append((float(x[run[int(np.argmin(abs(v[run])))]]), False))
        changes = [i for i in range(x.size - 1) if _changes(v, zero, i, i + 1)]
        return found + [(self._located(nu, value, i, i + 1, x), False) for i in changes]

    def _located(self, nu: int, value: float, i: int, j: int, x: Real) -> float:
        """The zero between two of the points x, at which the sign differs."""
        start, end = float(x[i]), float(x[j])
        precision = {"xtol": EPS**2 * abs(end - start), "rtol": 4.0 * EPS, "maxiter": _MOST_STEPS}
        return float(brentq(lambda t: float(self.at(t, nu)) - value, start, end, **precision))

    def _uncertain(self, x: Real, nu: int) -> Real:
        """The rounding error at the points."""
        if nu not in self._sizes:
            self._sizes[nu] = magnitudes(self.sol, nu)[:, 0]
        return np.asarray(_UNCERTAIN * self._sizes[nu][windows_of(self.sol, x)])

    def _separators(self, nu: int, value: float | None) -> tuple[Real, Flags]:
        """The ends of all pieces and, approximately, the zeros of the nu-th derivative, in the order of the span.

        And whether the solution is `value`, up to rounding, all the way from one to the next.
        """
        sol = self.sol
        found: list[Real] = []
        flat: list[Flags] = []
        ends = edges(sol, 0) if sol.shared else None
        for k in range(len(sol.y)):
            last = last_xi(sol, k)
            own = edges(sol, k, 0.0, last) if ends is None or abs(last - 1.0) > 8.0 * EPS else ends
            for start, end in itertools.pairwise(sol.x[k] + (sol.h[k] or 1.0) * own):
                end = float(np.clip(end, sol.t_min, sol.t_max))
                zeros = self._zeros_of_interpolant(nu, start, end)
                found.append(np.concatenate([[start], zeros]))
                flat.append(np.full(1 + zeros.size, value is not None and self._is_flat(start, end, value)))
        return np.append(np.concatenate(found), sol.x[-1]), np.concatenate(flat)

    def _zeros_of_interpolant(self, nu: int, start: float, end: float) -> Real:
        """Approximate zeros of the nu-th derivative between two points of one piece, from start to end."""
        middle, half = 0.5 * (start + end), 0.5 * (end - start)
        c = _TO_COEFFICIENTS @ self.at(middle + half * _COSINES, nu)
        size = abs(c)
        if not np.isfinite(size).all() or size[0] > size[1:].sum() * (1.0 + _BESIDE):
            return np.empty(0)
        c = c[: 1 + int(np.flatnonzero(size > _ROUNDING * size.max()).max(initial=0))]
        if c.size < 2:
            return np.empty(0)
        z = chebyshev.chebroots(c)
        z = np.sort(z.real[(abs(z.imag) < _BESIDE) & (abs(z.real) < 1.0)])
        return np.asarray(middle + half * z)

    def _is_flat(self, start: float, end: float, value: float) -> bool:
        x = 0.5 * (start + end) + 0.5 * (end - start) * _COSINES
        return bool((abs(self.at(x, 0) - value) <= self._uncertain(x, 0) + EPS * abs(value)).all())


def _changes(v: Real, zero: Flags, i: int, j: int) -> bool:
    """Whether the sign changes from one point to the other, and neither is zero."""
    return bool(not zero[i] and not zero[j] and (v[i] < 0.0) != (v[j] < 0.0))


def _runs(zero: Flags, joined: Flags) -> list[Any]:
    """The zeros among the points, those together between which there is nothing else."""
    at = np.flatnonzero(zero)
    if not at.size:
        return []
    apart = np.flatnonzero((np.diff(at) > 1) | ~joined[at[:-1]]) + 1
    return np.split(at, apart)


def _one(sol: Piecewise, component: int) -> Piecewise:
    """One component as a solution of its own, whose other ones need not be evaluated."""
    net = sol.network
    hidden, V, c = np.split(sol.theta, [2 * net.n_hidden, (2 + net.n) * net.n_hidden], axis=1)
    one = slice(component, component + 1)
    V = V.reshape(len(V), net.n, net.n_hidden)[:, component]
    theta = np.hstack([hidden, V, c[:, one]])
    network = Network(1, net.n_hidden, net.activation, net.output_bias)
    return Piecewise(
        sol.x, sol.y[:, one], theta, network, h=sol.h, form=sol.form, second=sol.second[:, one], extrapolate=True
    )


def _checked(component: int, n: int) -> int:
    if not isinstance(component, (int, np.integer)) or isinstance(component, bool):
        raise TypeError(f"`component` must be an integer, got {component!r}.")
    if not 0 <= component < n:
        raise ValueError(f"`component` must be from 0 to {n - 1}, got {component}.")
    return int(component)
