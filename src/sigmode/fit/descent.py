"""Least squares by Gauss and Newton in a trust region, for residuals that come with their derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..arguments import EPS
from ..arrays import Flags, Real

__all__ = ["Found", "descend"]

# The search ends where the next step is this part of a standard error, or of each of the unknowns. Not tuned.
_OF_DEVIATION, _OF_SIZE = 1e-6, 1e-10
# It goes on where the last step gained more than this part of the sum of squares. Not tuned.
_GAINED = 1e-6
# Singular values below this part of the largest one do not tell how large the next step is. Not tuned.
_UNDETERMINED = 1e-6
# A radius this many times the scaled size of the unknowns is tried first (MINPACK). Trust grows and shrinks by these.
_FIRST, _GROW, _SHRINK = 100.0, 2.0, 0.25
# From which part of the predicted gain on a step is good, and below which trust shrinks (MINPACK).
_GOOD, _POOR = 0.75, 0.25
# Steps of the search for the damping at most, and how exactly the radius is met (Source: Moré 1978).
_DAMPINGS, _MET = 10, 0.1


class Found(NamedTuple):
    """x, cost, half the sum of squares; active_mask : -1 or 1 where x is at a bound; jac : derivatives at x."""

    x: Real
    cost: float
    success: bool
    active_mask: Any
    jac: Real | None


def descend(evaluate: Callable[[Real], Any], x: Real, lower: Real, upper: Real, most: int) -> Found:
    """Minimise |residual|^2/2 from x, within bounds.

    evaluate : residual (M,) and derivatives (M, N) at x, or None where there are none, as a tuple; most : calls of it.

    Where x is at a bound, and downhill is beyond it, it stays; a step that would go beyond one ends there.
    """
    residual, J = evaluate(x)
    cost, scale, gained = 0.5 * float(residual @ residual), np.zeros(x.size), np.inf
    radius, calls, converged = 0.0, 1, False
    while calls < most and not converged:
        gradient = J.T @ residual
        held = ((x <= lower) & (gradient > 0.0)) | ((x >= upper) & (gradient < 0.0))
        scale = np.maximum(scale, np.linalg.norm(J, axis=0))
        weight = np.where(scale > 0.0, scale, 1.0)
        quadratic = _Quadratic(J, residual, weight, held)
        radius = radius or _FIRST * float(np.linalg.norm(x * weight)) or _FIRST
        if quadratic.close(x, cost, max(1, residual.size - x.size)) and gained <= _GAINED * cost:
            converged = True
            break
        step, trial, radius, more = _better(evaluate, x, cost, (lower, upper), quadratic, radius, most - calls)
        calls += more
        if trial is None:  # rounding decides, or nothing near x can be solved
            converged = calls < most
            break
        x, (residual, J) = x + step, trial
        now = 0.5 * float(residual @ residual)
        cost, gained = now, cost - now
        converged = not gained > 4.0 * EPS * cost
    active = np.where(x <= lower, -1, np.where(x >= upper, 1, 0))
    return Found(x, cost, converged, active, J)


def _better(
    evaluate: Callable[[Real], Any],
    x: Real,
    cost: float,
    bounds: tuple[Real, Real],
    quadratic: _Quadratic,
    radius: float,
    most: int,
) -> tuple[Real, Any, float, int]:
    """A step to where the cost is less, what was evaluated there, or None, the radius from then on, and evaluations."""
    calls, size = 0, float(np.linalg.norm(x * quadratic.weight))
    while calls < most:
        step = np.clip(x + quadratic.step(radius), *bounds) - x
        length = float(np.linalg.norm(step * quadratic.weight))
        if length <= EPS * size or length == 0.0:
            break
        predicted = quadratic.gain(step)
        if not predicted > 0.0:  # a bound has cut it off
            radius = _SHRINK * min(radius, length)
            continue
        trial = evaluate(x + step)
        calls += 1
        actual = -np.inf if trial is None else cost - 0.5 * float(trial[0] @ trial[0])
        if actual < _POOR * predicted:
            radius = _SHRINK * length
        elif actual > _GOOD * predicted and length > 0.95 * radius:
            radius = _GROW * length
        if actual > 0.0:
            return step, trial, radius, calls
        if trial is not None and predicted <= 4.0 * EPS * cost:
            break
    return np.zeros(x.size), None, radius, calls


class _Quadratic:
    """|residual + J step|^2/2 in unknowns times their `weight`, those that are held left out."""

    def __init__(self, J: Real, residual: Real, weight: Real, held: Flags) -> None:
        self._J, self._residual, self.weight, self._free = J, residual, weight, ~held
        scaled = J / weight
        U, self._s, self._V = np.linalg.svd(scaled if not held.any() else scaled[:, self._free], full_matrices=False)
        self._right = U.T @ residual

    def gain(self, step: Real) -> float:
        """How much smaller it becomes."""
        change = self._J @ step
        return float(-(self._residual @ change) - 0.5 * (change @ change))

    def close(self, x: Real, cost: float, dof: int) -> bool:
        """Whether the step to the minimum is too short to matter."""
        if not self._s.size or not self._s[0] > 0.0:
            return True
        told = self._s > _UNDETERMINED * self._s[0]
        short = float(np.sum(self._right[told] ** 2)) <= _OF_DEVIATION**2 * 2.0 * cost / dof
        step = (self._right[told] / self._s[told]) @ self._V[told] / self.weight[self._free]
        return bool(short or (abs(step) <= _OF_SIZE * abs(x[self._free])).all())

    def step(self, radius: float) -> Real:
        """To the minimum, or to the one on the border of what is trusted."""
        full = np.zeros(self._free.size)
        s, right = self._s, self._right
        if not s.size or not s[0] > 0.0:
            return full
        tiny = EPS * max(self._J.shape) * s[0]
        told = s > tiny
        own = np.where(told, right / np.where(told, s, 1.0), 0.0)
        damping = 0.0
        if np.linalg.norm(own) > radius:
            top = float(np.linalg.norm(s * right)) / radius
            damping = 1e-3 * top
            for _ in range(_DAMPINGS):
                own = s * right / (s * s + damping)
                size = float(np.linalg.norm(own))
                if abs(size - radius) <= _MET * radius or damping == 0.0:
                    break
                slope = -float(np.sum((s * right) ** 2 / (s * s + damping) ** 3)) / size if size else -1.0
                damping = min(max(damping - (size / radius) * (size - radius) / slope, 1e-6 * damping), top)
        full[self._free] = -(own @ self._V) / self.weight[self._free]
        return full
