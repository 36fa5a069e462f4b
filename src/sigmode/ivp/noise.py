"""Whether f scatters: a table with few digits, single precision, a random part."""

from __future__ import annotations

import numpy as np
from numpy.polynomial import legendre

from ..arrays import Number, Real
from ..compiled.noise import NEGLIGIBLE, PARTS, STAYS
from ..trial.points import irregular
from ..user.field import VectorField

__all__ = ["AT", "NEGLIGIBLE", "RESIDUALS", "scatter"]

# How many points, and what is taken for smooth. Not tuned.
_POINTS, _DEGREE = 20, 3
# This part of a window away f is looked at again: jumps may be in both halves of both parts at one place. Not tuned.
_AWAY = 0.02


def scatter(field: VectorField, start: tuple[float, Number, Number], h: float, weight: Real) -> Real | None:
    """How much f scatters, (n,), near the start of a window, as far as that matters; or None.

    start : t, y, f; h : length with sign of the window; weight : (n,), errors that do not matter.
    """
    t, y, slope = start
    noise = _scatter_at(field, start, h, weight)
    if not noise.any():
        return None
    away = h * _AWAY
    there = _scatter_at(field, (t + away, y + away * slope, slope), h, weight)
    noise = np.where(there > 0.0, np.maximum(noise, there), 0.0)
    return noise if noise.any() else None


def _scatter_at(field: VectorField, at: tuple[float, Number, Number], h: float, weight: Real) -> Real:
    """The same at one place, zero where f does not scatter."""
    t, y, slope = at
    enough = STAYS * NEGLIGIBLE * weight / abs(h)
    missed = []
    for run, residual in _PIECES:
        slopes = np.empty((run.size, y.size), dtype=y.dtype)
        field.nodes(t + h * run, y + np.outer(h * run, slope), slopes)
        missed.append(abs(residual @ slopes).max(axis=0))
        if not (np.isfinite(missed[-1]).all() and (missed[-1] > enough).any()):  # as nearly always at once
            return np.zeros(y.size)
    largest = np.max(missed, axis=0)
    noise: Real = np.where(np.min(missed, axis=0) > STAYS * largest, largest, 0.0)
    return noise if (abs(h) * noise >= NEGLIGIBLE * weight).any() else np.zeros(y.size)


def _residual(x: Real) -> Real:
    """The matrix (m, m) from values at x to what the polynomial that fits them best misses."""
    basis = legendre.legvander(2.0 * (x - x[0]) / (x[-1] - x[0]) - 1.0, _DEGREE)
    return np.asarray(np.eye(x.size) - basis @ np.linalg.pinv(basis))


# In units of a part; even points might keep step with the digits of a table.
AT = irregular(_POINTS)
RESIDUALS = np.array([_residual(half) for half in np.split(AT, 2)])
# Points and residuals of each half, the shortest part first: in units of a window.
_PIECES = [
    (part * half, residual) for part in sorted(PARTS) for half, residual in zip(np.split(AT, 2), RESIDUALS, strict=True)
]
