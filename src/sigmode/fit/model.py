"""The model along the data: residuals and their derivatives by what is searched, on exact solutions."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..arguments import EPS, warn
from ..arrays import Real
from ..ivp.sensitivity import sensitivity
from ..ivp.setting import MAX_WINDOWS
from ..ivp.shots import Shot, Shots
from ..user.results import checked
from .unknowns import Unknowns

__all__ = ["Model", "Solved", "why_it_failed"]

# Relative step of central differences. Not tuned.
_STEP = EPS ** (1.0 / 3.0)
# A trial point may take this many times the windows of the last one, and so many more. Not tuned.
_TIMES_MORE, _MORE = 10, 200
# Words in a ValueError that tell of a trial point, not of a mistake in the arguments.
_OF_VALUES = "finite", "math domain", "NaN"


class Solved(NamedTuple):
    """Residuals (M,), their derivatives by the values (M, N), the bound of errors (M,), what makes the solutions."""

    residual: Real
    jacobian: Real
    error: Real
    solutions: list[Callable[[], Any]]


def why_it_failed(exception: Exception) -> str | None:
    """A sentence about an exception that a trial point may raise; None for others, which are mistakes."""
    if isinstance(exception, ValueError) and not any(words in str(exception) for words in _OF_VALUES):
        return None
    return f"`fun` raised {type(exception).__name__}: {exception}."


class Model:
    """Residuals (observed - measured)/sigma of all sets."""

    def __init__(self, fun: Callable[..., Any], unknowns: Unknowns, observe: Any, options: dict[str, Any]) -> None:
        """options : of `sensitivity`."""
        self.fun, self.unknowns, self.observe = fun, unknowns, observe
        self.options = {**options, "estimate": False}  # the error of y is all that a fit needs
        self.nfev = 0
        self.noise: str | None = None  # a sentence
        self.failure: str | None = None  # why there was no solution the last time, where that is known
        self._said: set[str] = set()
        self._shots: dict[Any, Shots | None] = {}
        self._windows: dict[int, int] = {}

    def __getstate__(self) -> dict[str, Any]:
        """For other processes: machine code is made there."""
        return {**self.__dict__, "_shots": {}}

    def start_again(self) -> None:
        """Forget what solutions took so far."""
        self._windows = {}

    def __call__(self, values: Real) -> Solved | None:
        """At these values of the unknowns; None where there is no solution up to the last measurement."""
        found = []
        for i in range(len(self.unknowns.sets)):
            part = self._set(values, i)
            if part is None:
                return None
            found.append(part)
        if len(found) == 1:
            residual, jacobian, error, solution = found[0]
            return Solved(residual, jacobian, error, [solution])
        residual, jacobian, error = (np.concatenate([part[j] for part in found]) for j in range(3))
        return Solved(residual, jacobian, error, [part[3] for part in found])

    def solve(self, values: Real, i: int, times: Real) -> Shot | None:
        """Set i with derivatives by its free parameters at these times, increasing; None where it ends before them."""
        each = self.unknowns.sets[i]
        p = self.unknowns.p(values, i)
        y0, _ = self.unknowns.y0(values, i)
        span = each.t0, max(float(times[-1]), each.t0)
        found = self._shot(span, y0, p, i, times)
        if found is None:
            found = self._by_sensitivity(span, y0, p, i, times)
        self.nfev += found.nfev
        if found.y.shape[1] < times.size or not np.isfinite(found.y).all():
            return None
        self._windows[i] = found.windows
        return found

    def _most(self, i: int) -> int:
        """Windows at most: a trial that takes far more than the last one is not worth its time."""
        return min(MAX_WINDOWS, _TIMES_MORE * self._windows[i] + _MORE) if i in self._windows else MAX_WINDOWS

    def _shot(self, span: tuple[float, float], y0: Real, p: Real, i: int, times: Real) -> Shot | None:
        """In compiled code, where that is possible."""
        if span[0] == span[1] or self.options["jac"] is not None or self.options["df_dp"] is not None:
            return None
        key = i, y0.size, self.options["rtol"]
        if key not in self._shots:
            tolerances = self.options["rtol"], self.options["atol"]
            self._shots[key] = Shots.of(self.fun, self.unknowns.args(p, i), p.size, y0.size, *tolerances)
        shots = self._shots[key]
        if shots is None or not (np.isfinite(y0).all() and np.isfinite(p).all()):
            return None
        return shots(span, y0, p, self.unknowns.columns[i][0], times, self._most(i))

    def _by_sensitivity(self, span: tuple[float, float], y0: Real, p: Real, i: int, times: Real) -> Shot:
        fun: Any = self.fun
        args, own = self.unknowns.args(p, i), self.options | {"max_windows": self._most(i)}
        constants = self.unknowns.sets[i].constants
        if constants and own["df_dp"] is not None:  # which has no columns for them
            given = (self.fun, own["jac"], own["df_dp"])
            fun, own["jac"], own["df_dp"] = (f if f is None else _with(f, constants) for f in given)
            args = args[: p.size]
        with warnings.catch_warnings(record=True) as said, np.errstate(all="ignore"):
            warnings.simplefilter("always")
            res = sensitivity(fun, span, y0, args=args, t_eval=times, **own)
        self._heed([str(warning.message) for warning in said if issubclass(warning.category, UserWarning)])
        by_p = res.dy_dp[:, self.unknowns.columns[i][0]]
        y = res.y if res.status != -1 else res.y[:, :0]
        return Shot(y, res.error, res.dy_dy0, by_p, res.nfev, len(res.sol.y.h), lambda: res.sol)

    def _heed(self, warnings_of_solve: list[str]) -> None:
        """Keep that `fun` scatters; pass on what is new; kinks on the way do not matter."""
        for text in warnings_of_solve:
            if "scatters" in text:
                self.noise = text
            elif "kinks or jumps" not in text and text not in self._said:
                self._said.add(text)
                warn(text)

    def _set(self, values: Real, i: int) -> tuple[Real, Real, Real, Callable[[], Any]] | None:
        each = self.unknowns.sets[i]
        try:
            found = self.solve(values, i, each.times)
        except (ArithmeticError, ValueError) as exception:
            self.failure = why_it_failed(exception)
            if self.failure is None:
                raise
            return None
        if found is None:
            return None
        observed, by_value, error = self.observed(values, i, each.times, found)
        rows, columns = np.nonzero(each.measured)
        at = each.column[columns]
        sigma = each.sigma[rows, columns]
        residual = (observed[rows, at] - each.y[rows, columns]) / sigma
        jacobian = by_value[rows, :, at] / sigma[:, None]
        if not (np.isfinite(residual).all() and np.isfinite(jacobian).all()):
            return None
        return residual, jacobian, error[rows, at] / sigma, found.solution

    def observed(self, values: Real, i: int, times: Real, found: Shot) -> tuple[Real, Real, Real]:
        """What is observed (k, q), its derivatives by the unknowns (k, N, q), and the bound of its error (k, q)."""
        by_value = self._by_values(values, i, found)
        if not callable(self.observe):
            at = slice(None) if self.observe is None else self.observe
            return found.y[at], by_value[at], found.error[at]
        p = self.unknowns.p(values, i)
        observed = self.call_observe(times, found.y, p, i)
        by_y, by_p = self.seen_by(times, found.y, p, i)
        total = np.einsum("kcq,cnq->knq", by_y, by_value)
        own, columns = self.unknowns.columns[i]
        total[:, columns] += by_p[:, own]
        moved = self.call_observe(times, found.y + found.error, p, i)
        return observed, total, np.asarray(abs(moved - observed))

    def seen(self, t: Real, y: Real, p: Real, i: int) -> Real:
        """What is observed of y (n, q), (k, q)."""
        if self.observe is None:
            return y
        return self.call_observe(t, y, p, i) if callable(self.observe) else y[self.observe]

    def seen_by(self, t: Real, y: Real, p: Real, i: int) -> tuple[Real, Real]:
        """Its derivatives by y (k, n, q) and by the parameters of `fun` (k, j, q)."""
        n, q = y.shape
        if not callable(self.observe):
            rows = np.eye(n) if self.observe is None else np.eye(n)[self.observe]
            return np.repeat(rows[:, :, None], q, axis=2), np.zeros((len(rows), p.size, q))
        k = len(self.unknowns.sets[0].y)
        by_y, by_p = np.empty((k, n, q)), np.empty((k, p.size, q))
        for c in range(n):
            step = _STEP * np.maximum(abs(y[c]), 1e-3 * abs(y[c]).max(initial=0.0) or 1.0)
            ahead, back = y.copy(), y.copy()
            ahead[c] += step
            back[c] -= step
            by_y[:, c] = (self.call_observe(t, ahead, p, i) - self.call_observe(t, back, p, i)) / (ahead[c] - back[c])
        for j in range(p.size):
            ahead, back = _both_sides(p, j)
            by_p[:, j] = (self.call_observe(t, y, ahead, i) - self.call_observe(t, y, back, i)) / (ahead[j] - back[j])
        return by_y, by_p

    def y0_by_p(self, i: int, p: Real) -> Real:
        """Derivatives of initial values that are a function of the parameters, (n, j)."""
        columns, function = [], self.unknowns.sets[i].y0
        for j in range(p.size):
            ahead, back = _both_sides(p, j)
            change = self.unknowns.y0_by(function, ahead, i) - self.unknowns.y0_by(function, back, i)
            columns.append(change / (ahead[j] - back[j]))
        return np.array(columns).T

    def call_observe(self, t: Real, y: Real, p: Real, i: int) -> Real:
        """What `observe` returned, (k, q)."""
        value = np.asarray(self.observe(t, y, *self.unknowns.args(p, i)))
        k = len(self.unknowns.sets[0].y)
        if value.shape == (t.size,) and k == 1:
            value = value[None]
        return checked(value, (k, t.size), "observe")

    def _by_values(self, values: Real, i: int, found: Shot) -> Real:
        """dy by the unknowns, (n, N, q)."""
        each, unknowns = self.unknowns.sets[i], self.unknowns
        own, columns = unknowns.columns[i]
        by = np.zeros((found.y.shape[0], unknowns.size, found.y.shape[1]))
        by[:, columns] = found.dy_dp
        _, part = unknowns.y0(values, i)
        by[:, part] = found.dy_dy0[:, unknowns.free_y0[i]]
        if callable(each.y0):
            by[:, columns] += np.einsum("ijq,jf->ifq", found.dy_dy0, self.y0_by_p(i, unknowns.p(values, i))[:, own])
        return by


def _with(function: Callable[..., Any], constants: tuple[Any, ...]) -> Callable[..., Any]:
    """A function of the user's that gets the constants of an experiment behind its parameters."""
    return lambda t, y, *p: function(t, y, *p, *constants)


def _both_sides(p: Real, j: int) -> tuple[Real, Real]:
    """p with one of its numbers a little larger, and a little smaller."""
    step = _STEP * (abs(p[j]) or 1.0)
    ahead, back = p.copy(), p.copy()
    ahead[j] += step
    back[j] -= step
    return ahead, back
