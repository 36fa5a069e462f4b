"""Whether f scatters: a table with few digits, single precision, a random part."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.polynomial import legendre

from ..arrays import Number, Real
from ..trial.points import irregular

__all__ = ["scatter"]

# f is looked at on two parts of a window: what a polynomial misses of a smooth f falls by 1e5 from one to the other, of
# a kink by 10, and of a jump nothing is left, unless it is just there. A table with few digits has steps, which shorter
# parts would not contain. Not tuned.
_PARTS = 0.1, 0.01
_POINTS, _DEGREE = 12, 4
# Noise is what does not fall below this part. Not tuned.
_STAYS = 0.2
# What would add up to less than this part of the tolerance is left alone. Not tuned.
_NEGLIGIBLE = 0.1


def scatter(
    f: Callable[[float, Number], Number], start: tuple[float, Number, Number], h: float, weight: Real
) -> Real | None:
    """How much f scatters, (n,), near the start of a window, as far as that matters; or None.

    start : t, y, f; h : length with sign of the window; weight : (n,), errors that do not matter.
    """
    t, y, slope = start
    at = np.sort(irregular(_POINTS))  # even ones may keep step with the digits of a table
    basis = legendre.legvander(2.0 * at - 1.0, _DEGREE)
    missed = []
    for part in _PARTS:
        run = (part * h) * at
        slopes = np.array([f(t + step, y + step * slope) for step in run.tolist()])
        missed.append(abs(slopes - basis @ np.linalg.lstsq(basis, slopes)[0]).max(axis=0))
        if not np.isfinite(missed[-1]).all():
            return None
    noise: Real = np.where(np.min(missed, axis=0) > _STAYS * np.max(missed, axis=0), np.max(missed, axis=0), 0.0)
    noise[abs(h) * noise < _NEGLIGIBLE * weight] = 0.0
    return noise if noise.any() else None
