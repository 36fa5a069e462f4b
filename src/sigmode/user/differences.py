"""Derivatives of a user's function by differences, and whether the user's own derivatives agree with them.

Two kinds of differences, with steps by what they are for:

* `central`, step eps**(1/3) of the size of y, relative error 1e-10: for training, where a gradient must be exact and
  nothing corrects it.
* forward, relative error 1e-8 or worse: for Newton's method, which corrects it. The march takes sqrt(eps) of the size
  of y or of what it is about to change by (`VectorField.jacobian`), since components may be zero for long; boundary
  values take sqrt(eps) (1 + abs(y)), as SciPy does, since all of the solution is known at once.

Forward differences of a compiled f are in `compiled.simple`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import csc_matrix

from ..arguments import EPS, warn
from ..arrays import Flags, Index, Number, Real

__all__ = [
    "FORWARD_STEP", "Sparsity", "alternating", "at_once", "central", "disagreement", "forward", "replaced", "size_of",
]  # fmt: skip

# Relative steps at which truncation and rounding are equal, for f with derivatives of size 1 (docs/decisions.md,
# "Differences are central").
FORWARD_STEP = EPS**0.5
_CENTRAL_STEP = EPS ** (1 / 3)

# The user's derivatives are compared with a central difference over this part of the size of y. It has an error of
# about 1e-10 from the third derivative and from rounding where f is smooth on the scale of y. Not tuned.
_COARSE = 1e-5
# They may differ by this part of the terms, about 1 % of the derivative: a slip in a formula is larger. Not tuned.
_DISAGREE = 5e-3
# A disagreement counts from this many times the uncertainty of the difference. A kink at y is as uncertain as it is
# large. Not tuned.
_UNCERTAIN = 3.0


def size_of(y: Real) -> Real:
    """How large y (n, m) is for a step: a component that is small everywhere has small features."""
    size = np.abs(y)
    largest = size.max(axis=1, initial=0.0, keepdims=True)
    return np.asarray(np.maximum(size, np.where(largest > 0.0, np.minimum(largest, 1.0), 1.0)))


def central(f: Callable[[Real, Real], Real], x: Real, y: Real) -> Real:
    """df/dy (n_f, n, m) of f(x, y) with x (m,) and y (n, m), by one call with all 2 n shifted copies side by side."""
    n, m = y.shape
    step = _CENTRAL_STEP * size_of(y)
    shifted = np.tile(y, (2, n, 1, 1)).transpose(2, 0, 1, 3)  # [component, side, shifted component, point]
    for k in range(n):
        shifted[k, 0, k] += step[k]
        shifted[k, 1, k] -= step[k]
    values = f(np.tile(x, 2 * n), shifted.reshape(n, 2 * n * m)).reshape(-1, 2, n, m)
    diagonal = np.arange(n)
    run = shifted[diagonal, :, diagonal]  # the shifts that were really made, after rounding
    with np.errstate(invalid="ignore"):
        df_dy: Real = (values[:, 0] - values[:, 1]) / (run[:, 0] - run[:, 1])
    if not np.isfinite(df_dy).all():
        _one_sided(f, df_dy, x, y, values, run)
    return df_dy


def _one_sided(f: Callable[[Real, Real], Real], df_dy: Real, x: Real, y: Real, values: Real, run: Real) -> None:
    """Where f is not defined on one side (a square root at zero), take the difference from the other."""
    middle = f(x, y)[:, None]
    with np.errstate(invalid="ignore"):
        for side in (0, 1):
            difference = (values[:, side] - middle) / (run[:, side] - y)
            np.copyto(df_dy, difference, where=~np.isfinite(df_dy))


def forward(f: Callable[[Number], Number], v: Number, value: Number) -> Number:
    """df/dv (n_f, len(v), ...) by one call for each v[k], which may be an array; value : f(v), (n_f, ...)."""
    found = np.empty((len(value), len(v), *value.shape[1:]), dtype=value.dtype)
    for k in range(len(v)):
        moved = v.copy()
        moved[k] += FORWARD_STEP * (1.0 + abs(v[k]))
        found[:, k] = (f(moved) - value) / (moved[k] - v[k])
    return found


def at_once(columns: Callable[[Number], Number], y: Number, value: Number, step: Real) -> Number:
    """df/dy (n, n), columns(rows) giving f for each row of an array (k, n); value : f(y); step : (n,).

    Where a step is zero the column is taken to be zero.
    """
    at = np.flatnonzero(step)
    shifted = y + np.diag(step)[at]
    run = shifted[np.arange(at.size), at] - y[at]
    df_dy = np.zeros((y.size, y.size), dtype=y.dtype)
    if at.size:
        df_dy[:, at] = ((columns(shifted) - value) / run[:, None]).T
    return df_dy


class Sparsity:
    """Where df/dy may differ from zero, and groups of columns that one shifted copy of y serves."""

    def __init__(self, pattern: Any, n: int) -> None:
        try:
            self._pattern = csc_matrix(pattern)
        except (TypeError, ValueError):
            raise ValueError(f"`jac_sparsity` must be a matrix of shape {(n, n)}, got {pattern!r}.") from None
        if self._pattern.shape != (n, n):
            raise ValueError(
                f"`jac_sparsity` is expected to have shape {(n, n)}, but actually has {self._pattern.shape}."
            )
        self._pattern.sort_indices()
        self._groups = _groups(self._pattern)

    def differences(self, columns: Callable[[Number], Number], y: Number, value: Number, step: Real) -> Any:
        """df/dy as a csc_matrix, as `at_once`."""
        groups, pattern = self._groups, self._pattern
        rows = np.tile(y, (int(groups.max(initial=-1)) + 1, 1))
        every = np.arange(y.size)
        rows[groups, every] += step
        moved = columns(rows) - value
        run = rows[groups, every] - y
        column = np.repeat(every, np.diff(pattern.indptr))
        data = moved[groups[column], pattern.indices] / run[column]
        return csc_matrix((data, pattern.indices, pattern.indptr), shape=pattern.shape)


def _groups(pattern: Any) -> Index:
    """Groups of columns that share no row, greedily (Curtis, Powell, Reid 1974), (n,)."""
    n = pattern.shape[1]
    groups = np.full(n, -1)
    taken: list[Flags] = []
    for column in range(n):
        rows = pattern.indices[pattern.indptr[column] : pattern.indptr[column + 1]]
        group = next((g for g, used in enumerate(taken) if not used[rows].any()), len(taken))
        if group == len(taken):
            taken.append(np.zeros(n, dtype=bool))
        taken[group][rows] = True
        groups[column] = group
    return groups


def alternating(size: Number) -> Number:
    """The direction (n, ...) in which derivatives are compared, given the size of y; signs keep sums from vanishing."""
    signs = np.where(np.arange(len(size)) % 2, -1.0, 1.0).reshape(-1, *[1] * (size.ndim - 1))
    return _COARSE * size * signs


def disagreement(f: Callable[[float], Number], said: Number, terms: Real, value: Number) -> Flags:
    """Where the user's derivative along one direction d is wrong, (n, ...).

    f : f(y + t d) for a number t; said : J d; terms : |J| |d|; value : f(y). Wrong is what differs by much more than
    the differences themselves are uncertain: f may bend within the step, have a kink at y, or change by rounding only.
    Nothing is known, and so nothing wrong, where they are not finite.
    """
    ahead, back = f(0.5), f(-0.5)
    change = ahead - back
    largest = abs(change).max(axis=0, initial=0.0)
    off = abs(said - change)
    allowed = _DISAGREE * (terms + abs(change) + _COARSE * (abs(value) + largest))
    wrong = np.asarray(~(off <= allowed) & np.isfinite(off))
    if wrong.any():
        bend = abs(2.0 * (f(0.25) - f(-0.25)) - change)
        kink = abs((ahead - value) - (value - back))
        wrong &= off > _UNCERTAIN * np.maximum(bend, kink)
    return wrong


def replaced(jac: str, fun: str) -> None:
    """Say that the user's derivative is not used: the one reaction to one that is wrong."""
    warn(f"`{jac}` does not agree with differences of `{fun}`, which are used instead.")
