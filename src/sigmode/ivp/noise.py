"""Whether f scatters: a table with few digits, single precision, a random part."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.polynomial import legendre
from scipy.sparse import issparse

from ..arguments import EPS
from ..arrays import Number, Real
from ..compiled.noise import NEGLIGIBLE, PARTS, STAYS
from ..trial.points import irregular
from ..user.field import VectorField

__all__ = ["AT", "NEGLIGIBLE", "RESIDUALS", "down_to_noise", "matters", "scatter"]

# How many points, and what is taken for smooth. Not tuned.
_POINTS, _DEGREE = 20, 3
# Noise of f that Newton's method need not solve for, in units of the precision of f times the change of y. Not tuned.
_OF_NOISE = 4.0
# At most so many times the tolerance of the second march: Newton's method leaves a twentieth, which the estimate does
# not know. Not tuned.
_MOST_OF_NOISE = 100.0
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


def matters(noise: Real, weight: Real, h: float, s: int, df_dy: Any) -> bool:
    """Whether noise of f reaches y in a window of length h, s functions: what is stiff damps it, that of rounding, too.

    weight : as of `scatter`; df_dy : (n, n), or None where it is not known.
    """
    if df_dy is None or issparse(df_dy):
        return True
    try:
        damped = np.linalg.solve(np.eye(noise.size) - h / (2 * s) * df_dy, abs(h) * noise)
    except np.linalg.LinAlgError:
        return True
    return bool((abs(damped) > NEGLIGIBLE * weight).any())


def down_to_noise(solved_to: tuple[Real, Real], field: VectorField, u: Number, y: Number) -> tuple[Real, Real]:
    """What the second march is solved to, for an f of few digits: Newton's steps become no smaller than their noise.

    solved_to : atol and rtol, (n,) each; u : (K, s, n), the first march; y : (K, n), where its windows start.
    """
    if not field.precision.coarse:
        return solved_to
    atol, rtol = solved_to
    noise = np.where(field.precision.relative > EPS, _OF_NOISE * field.precision.relative, 0.0)
    moved, size = np.median(abs(u - y[:, None]).max(axis=1), axis=0), np.median(abs(y), axis=0)
    return atol + np.minimum(noise * moved, _MOST_OF_NOISE * (atol + rtol * size)), rtol


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
