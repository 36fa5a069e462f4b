"""The second march where f takes all nodes of all windows at once: a few calls of f, whatever the windows are."""

from __future__ import annotations

import numpy as np

from ..arrays import Real
from ..compiled.correct import correct, shifted, unshifted
from ..compiled.window import CONVERGED, NOT_YET, verdict
from ..trial.basis import Basis
from ..user.field import VectorField

__all__ = ["at_starts", "together"]

# Points for which f is called at once: what its arrays need stays in the cache. Not tuned.
_AT_ONCE = 4096
# Sweeps after which the windows are solved one after the other: Newton's method needs two or three here. Not tuned.
_MOST_SWEEPS = 6
# What sweeps leave for good is put down to rounding below this, in units of the tolerance, a thousandth of that
# of errors. Not tuned.
_ROUNDING = 1.0
# In windows with a larger h |J| differences, which are right to 1e-8, are too rough to be those of each node: they undo
# what is conserved (ROBER: 40 % more calls of f in vain). Not tuned.
_TOO_STIFF = 1e6


def together(
    field: VectorField,
    second: Basis,
    windows: tuple[Real, Real, Real],
    u: Real,
    t: Real,
    first: Real,
    solved_to: tuple[Real, Real],
    small: Real,
) -> tuple[Real, Real, Real] | None:
    """The second march z (K, s, n) beside u, df/dy (K, n, n) at the windows' starts, and what is left; or None.

    windows : t (K,), y (K, n), length h (K,), where they start; t (K, s) : nodes; first : (n,), where z starts.
    Newton's method for all windows as one system: it starts from u, and df/dy is that of each node, so that what is
    left after a sweep is of the second order in the error of u. A sweep goes from window to window, and each starts
    where the sweep ends the one before. left (K,) : what it leaves in each, in units of the tolerance.
    """
    start, y, h = windows
    K, s, n = u.shape
    size = s * n
    z, at_start, left = u.copy(), np.empty((K, n, n)), np.empty(K)
    # Where a window starts, relative to the end of the one before: apart at kinks.
    steps = np.zeros_like(y)
    apart = np.flatnonzero(start[1:] != t[:-1, -1]) + 1
    steps[apart] = y[apart] - u[apart - 1, -1]
    now, right = first.copy(), np.empty(size)
    many = max(1, _AT_ONCE // ((s + 1) * n))
    for lo in range(0, K, many):
        part = slice(lo, min(lo + many, K))
        count = part.stop - lo
        moments = np.concatenate([start[part, None], t[part]], axis=1)
        rows = np.concatenate([y[part, None], u[part]], axis=1)
        slopes, df_dy = _with_derivatives(field, moments, rows, h[part], small)
        at_start[part] = df_dy[:, 0]
        if not (abs(h[part, None, None] * at_start[part]) < _TOO_STIFF).all():
            return None
        J, F, Z = df_dy[:, 1:].copy(), slopes[:, 1:].copy(), z[part]
        systems, pivots = np.empty((count, size, size)), np.empty((count, size), dtype=np.int64)
        eliminated = np.zeros(count, dtype=np.int64)
        begins = now
        said, length, rate = NOT_YET, 0.0, 0.0
        for sweeps in range(_MOST_SWEEPS):
            if sweeps:
                field.nodes(t[part].reshape(-1), Z.reshape(-1, n), F.reshape(-1, n))
            now, last = begins.copy(), length
            memory = systems, Z, pivots, *solved_to, now, right, left[part]
            length = correct(eliminated, h[part], steps[part], F, second.A, second.transposed, J, *memory)
            said, rate = verdict(length, sweeps, last, rate)
            if said != NOT_YET:
                break
        if said == CONVERGED:
            left[part] = 0.0
        elif not length < _ROUNDING:
            return None
    return z, at_start, left


def at_starts(field: VectorField, start: Real, y: Real, h: Real, small: Real) -> Real:
    """df/dy (K, n, n) where windows start, by differences: t (K,), y (K, n), lengths h (K,)."""
    K, n = y.shape
    df_dy = np.empty((K, n, n))
    many = max(1, _AT_ONCE // (n + 1))
    for lo in range(0, K, many):
        part = slice(lo, lo + many)
        df_dy[part] = _with_derivatives(field, start[part, None], y[part, None], h[part], small)[1][:, 0]
    return df_dy


def _with_derivatives(field: VectorField, t: Real, y: Real, h: Real, small: Real) -> tuple[Real, Real]:
    """f (K, m, n) and, by differences as of `VectorField.jacobian`, df/dy (K, m, n, n) at points t, y of windows."""
    K, m, n = y.shape
    t, rows = t.reshape(-1), y.reshape(-1, n)
    slopes, df_dy = np.empty_like(rows), np.empty((K, m, n, n))
    field.nodes(t, rows, slopes)
    at, moved, values = np.empty(t.size * n), np.empty((t.size * n, n)), np.empty((t.size * n, n))
    shifted(t, rows, slopes, h, small, field.precision.step, at, moved)
    field.nodes(at, moved, values, at.size)
    field.njev += t.size
    unshifted(rows, slopes, moved, values, df_dy.reshape(-1, n, n))
    return slopes.reshape(K, m, n), df_dy
