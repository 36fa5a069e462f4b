"""The times of a result where the caller names none: so dense that straight lines between them follow the solution."""

from __future__ import annotations

import numpy as np

from ..arrays import Index, Number, Real
from ..compiled.report import MOST_POINTS_PER_FUNCTION, SHORT_WINDOW, STRAIGHT
from ..trial.basis import Basis

__all__ = ["cut", "parts_of"]

_TINY = float(np.finfo(float).tiny)


def parts_of(
    x: Real, h: Real, starts: Number, slopes: Number, y_end: Number, basis: Basis, tolerance: tuple[Real, Real]
) -> Index:
    """Into how many parts each window is to be cut, (K,), as `compiled.report` does; the last window may end early.

    x (K + 1,) : where windows start and the last one ends; h (K,) : their lengths; starts (K, n), slopes (K, s, n) :
    values where they start, slopes at their nodes; y_end (n,) : the value at the end; tolerance : atol, rtol.

    A line over the part 1/c of a window is off by at most y''/(8 c**2), y'' by xi.
    """
    values = h[:, None, None] * (basis.A @ slopes) + starts[:, None]
    reached = min(1.0, (x[-1] - x[-2]) / h[-1])
    if reached < 1.0:
        values[-1, basis.nodes > reached] = y_end
    values = np.concatenate([starts[:1], values.reshape(-1, y_end.size)])
    extent = np.ptp(values.real, axis=0)
    if values.dtype.kind == "c":
        extent = np.maximum(extent, np.ptp(values.imag, axis=0))
    atol, rtol = tolerance
    allowed = STRAIGHT * np.maximum(extent, atol + rtol * abs(values).max(axis=0)) + _TINY
    bends = slopes[:, 1:] - slopes[:, :-1]
    bends /= basis.gaps[:, None]
    bend = abs(h[:, None, None] * bends).max(axis=1)
    bend[-1] *= reached**2
    parts = np.ceil(np.sqrt((bend / (8.0 * allowed)).max(axis=1)))
    return np.asarray(np.minimum(np.maximum(parts, 1), MOST_POINTS_PER_FUNCTION * basis.s), dtype=np.int64)


def cut(x: Real, parts: Index) -> Real:
    """The ends x (K + 1,) of windows, and the points that cut each into as many parts, where these are distinct."""
    lengths = np.diff(x)
    parts = np.where(abs(lengths) < SHORT_WINDOW * np.spacing(abs(x[1:])), 1, parts)
    ends = np.cumsum(parts)
    which = np.arange(ends[-1]) - np.repeat(ends - parts, parts)
    times = np.repeat(x[:-1], parts) + np.repeat(lengths, parts) * which / np.repeat(parts, parts)
    return np.append(times, x[-1])
