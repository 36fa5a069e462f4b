"""Whether f scatters: a table with few digits, single precision, a random part."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.polynomial import legendre

from ..arrays import Number, Real
from ..trial.points import irregular

__all__ = ["scatter"]

# f is looked at on both halves of two parts of a window: what a polynomial misses of a smooth f falls by 1e4 from one
# to the other, and a kink or a jump is in one half only. A table with few digits has steps, which shorter parts would
# not contain. Not tuned.
_PARTS = 0.1, 0.01
_POINTS, _DEGREE = 20, 3
# Noise is what does not fall below this part. Not tuned.
_STAYS = 0.1
# What would add up to less than this part of the tolerance is left alone. Not tuned.
_NEGLIGIBLE = 0.1


def scatter(
    f: Callable[[float, Number], Number], start: tuple[float, Number, Number], h: float, weight: Real
) -> Real | None:
    """How much f scatters, (n,), near the start of a window, as far as that matters; or None.

    start : t, y, f; h : length with sign of the window; weight : (n,), errors that do not matter.
    """
    t, y, slope = start
    at = irregular(_POINTS)  # even ones may keep step with the digits of a table
    missed = []
    for part in _PARTS:
        run = (part * h) * at
        slopes = np.array([f(t + step, y + step * slope) for step in run.tolist()])
        if not np.isfinite(slopes).all():
            return None
        missed += [_missed(at[half], slopes[half]) for half in (slice(None, _POINTS // 2), slice(_POINTS // 2, None))]
    noise: Real = np.where(np.min(missed, axis=0) > _STAYS * np.max(missed, axis=0), np.max(missed, axis=0), 0.0)
    noise[abs(h) * noise < _NEGLIGIBLE * weight] = 0.0
    return noise if noise.any() else None


def _missed(x: Real, slopes: Number) -> Real:
    """What the polynomial that fits them best misses of the slopes (m, n) at x, at most, (n,)."""
    basis = legendre.legvander(2.0 * (x - x[0]) / (x[-1] - x[0]) - 1.0, _DEGREE)
    return np.asarray(abs(slopes - basis @ np.linalg.lstsq(basis, slopes)[0]).max(axis=0))
