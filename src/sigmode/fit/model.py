"""The model along the data: residuals and their derivatives by what is searched, on exact solutions."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..arguments import EPS, warn
from ..arrays import Real
from ..ivp.sensitivity import sensitivity
from ..user.results import checked
from .data import Experiment, Parameters

__all__ = ["Model", "Solved", "Unknowns"]

# Relative step of central differences. Not tuned.
_STEP = EPS ** (1.0 / 3.0)


class Unknowns:
    """What is searched: free parameters, by their logarithm where that is wanted, then free initial values."""

    def __init__(self, parameters: Parameters, sets: list[Experiment]) -> None:
        self.parameters, self.sets = parameters, sets
        self.log = np.concatenate([parameters.log[parameters.free], np.zeros(self._count_y0(), dtype=bool)])
        self.names = [parameters.names[j] for j in parameters.free] + self._names_of_y0()
        lower, upper = parameters.lower[parameters.free], parameters.upper[parameters.free]
        endless = np.full(self._count_y0(), np.inf)
        with np.errstate(divide="ignore"):
            self.lower = self.searched(np.concatenate([lower, -endless]))
            self.upper = self.searched(np.concatenate([upper, endless]))

    def _count_y0(self) -> int:
        return sum(each.free.size for each in self.sets)

    def _names_of_y0(self) -> list[str]:
        many = len(self.sets) > 1
        return [f"y0{f'[{i}]' if many else ''}[{k}]" for i, each in enumerate(self.sets) for k in each.free]

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.names)

    def searched(self, values: Real) -> Real:
        """From values to what is searched."""
        return np.where(self.log, np.log(np.where(self.log, values, 1.0)), values)

    def values(self, z: Real) -> Real:
        """From what is searched to values."""
        return np.where(self.log, np.exp(np.where(self.log, z, 0.0)), z)

    def factors(self, z: Real) -> Real:
        """Derivatives of the values by what is searched."""
        return np.where(self.log, np.exp(np.where(self.log, z, 0.0)), 1.0)

    def p(self, values: Real) -> Real:
        """All parameters."""
        p = self.parameters.start.copy()
        p[self.parameters.free] = values[: self.parameters.free.size]
        return p

    def y0(self, values: Real, i: int) -> tuple[Real, slice]:
        """Initial values of set i, and which of the unknowns its free ones are."""
        at = self.parameters.free.size + sum(each.free.size for each in self.sets[:i])
        part = slice(at, at + self.sets[i].free.size)
        each = self.sets[i]
        if callable(each.y0):
            return np.atleast_1d(np.asarray(each.y0(*self.p(values).tolist()), dtype=float)), part
        y0 = each.y0.copy()
        y0[each.free] = values[part]
        return y0, part


class Solved(NamedTuple):
    """Residuals (M,), their derivatives by the values (M, N), and for each set the solution and the bound of errors."""

    residual: Real
    jacobian: Real
    solutions: list[Any]
    error: Real


class Model:
    """Residuals (observed - measured)/sigma of all sets."""

    def __init__(
        self,
        fun: Callable[..., Any],
        unknowns: Unknowns,
        observe: Any,
        options: dict[str, Any],
    ) -> None:
        """options : of `sensitivity`."""
        self.fun, self.unknowns, self.observe = fun, unknowns, observe
        self.options = {**options, "estimate": False}  # the error of y is all that a fit needs
        self.nfev = 0
        self.noise: str | None = None  # a sentence
        self._said: set[str] = set()

    def __call__(self, values: Real) -> Solved | None:
        """At these values of the unknowns; None where there is no solution up to the last measurement."""
        rows, jacobians, solutions, errors = [], [], [], []
        for i in range(len(self.unknowns.sets)):
            found = self._set(values, i)
            if found is None:
                return None
            rows.append(found[0])
            jacobians.append(found[1])
            solutions.append(found[2])
            errors.append(found[3])
        return Solved(np.concatenate(rows), np.concatenate(jacobians), solutions, np.concatenate(errors))

    def solve(self, values: Real, i: int, times: Real) -> Any:
        """Set i with derivatives at these times, increasing."""
        each = self.unknowns.sets[i]
        p = tuple(self.unknowns.p(values).tolist())
        y0, _ = self.unknowns.y0(values, i)
        end = max(float(times[-1]), each.t0)
        with warnings.catch_warnings(record=True) as said, np.errstate(all="ignore"):
            warnings.simplefilter("always")
            res = sensitivity(self.fun, (each.t0, end), y0, args=p, t_eval=times, **self.options)
        self._heed([str(warning.message) for warning in said if issubclass(warning.category, UserWarning)])
        self.nfev += res.nfev
        return res

    def _heed(self, warnings_of_solve: list[str]) -> None:
        """Keep that `fun` scatters; pass on what is new; kinks on the way do not matter."""
        for text in warnings_of_solve:
            if "scatters" in text:
                self.noise = text
            elif "kinks or jumps" not in text and text not in self._said:
                self._said.add(text)
                warn(text)

    def _set(self, values: Real, i: int) -> tuple[Real, Real, Any, Real] | None:
        each = self.unknowns.sets[i]
        try:
            res = self.solve(values, i, each.times)
        except (ArithmeticError, ValueError) as exception:
            if (
                isinstance(exception, ValueError)
                and "finite" not in str(exception)
                and "math domain" not in str(exception)
            ):
                raise
            return None
        if res.status == -1 or res.t.size != each.times.size or not np.isfinite(res.y).all():
            return None
        observed, by_value = self.observed(values, i, each.times, res)
        error = self._error_of(values, each, res)
        at = each.measured
        residual = ((observed[:, each.column] - each.y) / each.sigma)[at]
        jacobian = by_value[:, :, each.column] / each.sigma[:, None]
        jacobian = np.moveaxis(jacobian, 1, 2)[at]
        bound = (error[:, each.column] / each.sigma)[at]
        return (
            (residual, jacobian, res.sol, bound)
            if np.isfinite(residual).all() and np.isfinite(jacobian).all()
            else None
        )

    def observed(self, values: Real, i: int, times: Real, res: Any) -> tuple[Real, Real]:
        """What is observed (k, q), and its derivatives by the unknowns (k, N, q)."""
        by_value = self._by_values(values, i, res)
        p = self.unknowns.p(values)
        observed = self.seen(times, res.y, p)
        by_y, by_p = self.seen_by(times, res.y, p)
        total = np.einsum("kcq,cnq->knq", by_y, by_value)
        free = self.unknowns.parameters.free
        total[:, : free.size] += by_p[:, free]
        return observed, total

    def seen(self, t: Real, y: Real, p: Real) -> Real:
        """What is observed of y (n, q), (k, q)."""
        if self.observe is None:
            return y
        return self.call_observe(t, y, p) if callable(self.observe) else y[self.observe]

    def seen_by(self, t: Real, y: Real, p: Real) -> tuple[Real, Real]:
        """Its derivatives by y (k, n, q) and by the parameters (k, j, q)."""
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
            by_y[:, c] = (self.call_observe(t, ahead, p) - self.call_observe(t, back, p)) / (ahead[c] - back[c])
        for j in range(p.size):
            ahead, back = _both_sides(p, j)
            by_p[:, j] = (self.call_observe(t, y, ahead) - self.call_observe(t, y, back)) / (ahead[j] - back[j])
        return by_y, by_p

    def y0_by_p(self, each: Experiment, p: Real) -> Real:
        """Derivatives of initial values that are a function of the parameters, (n, j)."""
        columns = []
        for j in range(p.size):
            ahead, back = _both_sides(p, j)
            change = np.atleast_1d(each.y0(*ahead.tolist())) - np.atleast_1d(each.y0(*back.tolist()))
            columns.append(change / (ahead[j] - back[j]))
        return np.array(columns).T

    def call_observe(self, t: Real, y: Real, p: Real) -> Real:
        """What `observe` returned, (k, q)."""
        value = np.asarray(self.observe(t, y, *p.tolist()))
        k = len(self.unknowns.sets[0].y)
        if value.shape == (t.size,) and k == 1:
            value = value[None]
        return checked(value, (k, t.size), "observe")

    def _by_values(self, values: Real, i: int, res: Any) -> Real:
        """dy by the unknowns, (n, N, q)."""
        each, unknowns = self.unknowns.sets[i], self.unknowns
        n, q = res.y.shape
        free = unknowns.parameters.free
        found = np.zeros((n, unknowns.size, q))
        found[:, : free.size] = res.dy_dp[:, free]
        _, part = unknowns.y0(values, i)
        found[:, part] = res.dy_dy0[:, each.free]
        if callable(each.y0):
            by_p = self.y0_by_p(each, unknowns.p(values))[:, free]
            found[:, : free.size] += np.einsum("ijq,jf->ifq", res.dy_dy0, by_p)
        return found

    def _error_of(self, values: Real, each: Experiment, res: Any) -> Real:
        """The bound of the error of what is observed, (k, q)."""
        p = self.unknowns.p(values)
        if not callable(self.observe):
            return np.asarray(self.seen(each.times, res.error, p))
        moved = self.call_observe(each.times, res.y + res.error, p)
        return np.asarray(abs(moved - self.call_observe(each.times, res.y, p)))


def _both_sides(p: Real, j: int) -> tuple[Real, Real]:
    """p with one of its numbers a little larger, and a little smaller."""
    step = _STEP * (abs(p[j]) or 1.0)
    ahead, back = p.copy(), p.copy()
    ahead[j] += step
    back[j] -= step
    return ahead, back
