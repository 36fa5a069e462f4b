"""The global error of a solution as a multiple of the tolerance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..arguments import SMALLEST_RTOL
from ..arrays import Number
from ..callback import Callback
from ..trial.solution import Solution
from ..user.field import VectorField
from .error import GlobalError, global_error, unseen

__all__ = ["RELATIVE_FLOOR", "Bound", "Worst", "scale"]

# Where `atol` is zero, `rtol` refers to no less than this part of the largest value of the component. Not tuned.
RELATIVE_FLOOR = 1e-6
_TINY = float(np.finfo(float).tiny)


class Worst(NamedTuple):
    """The largest ratio of estimated error and tolerance, and where it is."""

    ratio: float
    t: float
    component: int
    at_zero: bool = False  # where y is so small that `atol` alone counts


class Bound:
    """The global error of a solution, as such and as a multiple of the tolerance."""

    def __init__(self, y0: Number, rtol: Number, atol: Number, carried: Number | None = None) -> None:
        """carried : (n,), the `gap` of the solution that is continued."""
        self.n = y0.size
        self._carried = carried
        self._rtol, self._atol = rtol * np.ones(self.n), atol * np.ones(self.n)
        self._field: VectorField | None = None
        self._used = self._atol

    def __call__(
        self, solution: Solution, field: VectorField, factor: float, watch: Callback | None
    ) -> tuple[GlobalError, Worst]:
        """The estimate, and its largest ratio to the tolerance; factor : of the tolerances that were solved with."""
        if not self.n or not solution.h.any():
            gap = np.zeros(self.n) if self._carried is None else self._carried
            error = np.repeat(abs(gap)[:, None], solution.x.size, axis=1)
            return GlobalError(solution.x, error, abs(solution.y.T), 0, 0, 0, gap), Worst(0.0, 0.0, 0)
        self._field = field
        scale = abs(solution.y).max(axis=0, initial=0.0)
        floor = np.where(self._atol > 0.0, self._atol, RELATIVE_FLOOR * self._rtol * scale)
        self._used = atol = floor + _TINY
        small = np.where(self._atol > 0.0, self._atol / np.maximum(self._rtol, SMALLEST_RTOL), 0.0)
        estimate = global_error(solution, field, factor * atol, factor * self._rtol, small, watch, self._carried)
        estimate = estimate._replace(error=_envelope(estimate.error))
        return estimate, _worst(solution, estimate, atol[:, None], self._rtol[:, None])

    def misses_something(self, solution: Solution) -> tuple[bool, int]:
        """Whether f does something between the nodes of long windows, and how many calls of f it took to see that."""
        if self._field is None:
            return False, 0
        before = self._field.nfev
        missed = unseen(solution, self._field, self._used, self._rtol) is not None
        return missed, self._field.nfev - before


def _worst(solution: Solution, estimate: GlobalError, atol: Number, rtol: Number) -> Worst:
    """Of error/(atol + rtol |y|), at the abscissae of the estimate but the start: y is known there."""
    x, error, size = estimate.x, estimate.error, estimate.size
    inside = (x - solution.x[-1]) * np.sign(solution.h[0]) <= 0.0
    if not inside[-1]:
        x, error, size = x[inside], error[:, inside], size[:, inside]
    tolerance = atol + rtol * scale(size, estimate.per_window)
    ratio = error / tolerance
    ratio[np.isnan(ratio)] = np.inf
    ratio[:, 0] = 0.0
    component, at = np.unravel_index(int(np.argmax(ratio)), ratio.shape)
    alone = bool(tolerance[component, at] < 2 * atol[component, 0])
    return Worst(float(ratio[component, at]), float(x[at]), int(component), alone)


def scale(size: Number, m: int) -> Number:
    """How large y is for the tolerance: its valleys, filled to the lower one of their rims; size : |y|, (n, L).

    A rim is the largest |y| of the window on that side, of m abscissae, and its neighbour: a zero that is passed asks
    for nothing special, and what decays is as small as it is.
    """
    windows = (size.shape[1] - 1) // m
    whole = size[:, 1 : 1 + windows * m].reshape(len(size), windows, m)
    highest = np.zeros((len(size), windows + 2))
    highest[:, 1:-1] = whole.max(axis=2, initial=0.0)
    highest[:, 0] = size[:, 0]
    left = np.maximum(np.maximum.accumulate(whole, axis=2), highest[:, :-2, None])
    right = np.maximum(np.maximum.accumulate(whole[:, :, ::-1], axis=2)[:, :, ::-1], highest[:, 2:, None])
    filled = size.copy()
    filled[:, 1 : 1 + windows * m] = np.minimum(left, right).reshape(len(size), -1)
    return filled


def _envelope(error: Number) -> Number:
    """Each value at least as large as its neighbours were halfway to it: the sign of an error changes in between."""
    half = 0.5 * error
    wide = error.copy()
    np.maximum(wide[:, 1:], half[:, :-1], out=wide[:, 1:])
    np.maximum(wide[:, :-1], half[:, 1:], out=wide[:, :-1])
    return wide
