"""Whether errors may grow faster than can be followed, from df/dy where windows start."""

from __future__ import annotations

import math

import numpy as np

from .dense import factor, substitute
from .launch import helper, inlined
from .vectors import LANES, aligned, eight, larger, largest, row_times, store

__all__ = ["grows"]

# The fixed point of the map is between slow and fast eigenvalues, this part of the fastest. Not tuned.
_BETWEEN = 0.03
# Squares of a matrix until its power vanishes, which it does where each column sums up to less than the second number;
# and the sum from which on squares are too rough. Not tuned.
_MOST_SQUARES, _VANISHES, _TOO_ROUGH = 24, 0.5, 1e6


@helper
def _at_most(J):
    """A bound of the real parts of the eigenvalues, the smaller one of two logarithmic norms; NaN if J is not finite.

    Source: Hairer, Norsett, Wanner, Solving Ordinary Differential Equations I, theorem I.10.5.
    """
    n = J.shape[0]
    by_rows, by_columns = -np.inf, -np.inf
    for k in range(n):
        row = column = J[k, k]
        for j in range(n):
            if j != k:
                row += abs(J[k, j])
                column += abs(J[j, k])
        if not (math.isfinite(row) and math.isfinite(column)):
            return np.nan
        by_rows, by_columns = max(by_rows, row), max(by_columns, column)
    return min(by_rows, by_columns)


@helper
def _inverse(M, into, pivots):
    """M^-1 for M, which is overwritten; False where it is singular."""
    n = M.shape[0]
    if not factor(M, pivots):
        return False
    column = np.empty(n)
    for j in range(n):
        for i in range(n):
            column[i] = 1.0 if i == j else 0.0
        substitute(M, pivots, column)
        for i in range(n):
            into[i, j] = column[i]
    return True


@inlined
def _square(C, squared):
    """squared = C C, columns padded to a multiple of eight, and the largest sum of absolute values in a column."""
    largest_sum = 0.0
    for at in range(0, C.shape[1], LANES):
        total = eight(0.0)
        for i in range(C.shape[0]):
            row = row_times(C, i, C, at)
            total = total + abs(row)
            store(squared, i, at, row)
        largest_sum = max(largest_sum, largest(larger(eight(0.0), total)))
    return largest_sum


@helper
def _powers_decay(J):
    """Whether powers of (shift I - J)^-1 (shift I + J) are seen to vanish: then all eigenvalues of J lie to the left.

    For eight equations a seventh of what the eigenvalues cost. No is no answer: they may vanish too slowly.
    """
    n = J.shape[0]
    shift = 0.0
    for k in range(n):
        shift = max(shift, -_BETWEEN * J[k, k])
    rooms = aligned(2, n, -(-n // LANES) * LANES)
    C, squared = rooms[0], rooms[1]
    M, pivots = np.empty((n, n)), np.empty(n, dtype=np.int64)
    for i in range(n):
        for j in range(n):
            M[i, j] = (shift if i == j else 0.0) - J[i, j]
        for j in range(C.shape[1]):
            C[i, j] = 0.0
    if not _inverse(M, C, pivots):
        return False
    for i in range(n):
        for j in range(n):
            C[i, j] *= 2.0 * shift
        C[i, i] -= 1.0
    for _ in range(_MOST_SQUARES):
        size = _square(C, squared)
        if size < _VANISHES:
            return True
        if not size < _TOO_ROUGH:
            return False
        C, squared = squared, C
    return False


@helper
def _all_decay(J):
    """Whether no eigenvalue has a positive real part: up to three equations by the coefficients of their polynomial.

    Source: Gantmacher, The Theory of Matrices II, ch. XV, the criterion of Routh and Hurwitz.
    """
    n = J.shape[0]
    if n == 1:
        return J[0, 0] <= 0.0
    if n > 3:
        return _powers_decay(J) or np.linalg.eigvals(J.astype(np.complex128)).real.max() <= 0.0
    trace, minors = J[0, 0] + J[1, 1], J[0, 0] * J[1, 1] - J[0, 1] * J[1, 0]
    if n == 2:
        return trace <= 0.0 and minors >= 0.0
    determinant = minors * J[2, 2]
    determinant += J[0, 2] * (J[1, 0] * J[2, 1] - J[1, 1] * J[2, 0])
    determinant -= J[1, 2] * (J[0, 0] * J[2, 1] - J[0, 1] * J[2, 0])
    trace += J[2, 2]
    minors += J[0, 0] * J[2, 2] - J[0, 2] * J[2, 0] + J[1, 1] * J[2, 2] - J[1, 2] * J[2, 1]
    return trace <= 0.0 and minors >= 0.0 and determinant <= 0.0 and trace * minors <= determinant


@helper
def grows(df_dy, h, looked, followed):
    """Whether df/dy allows errors to grow faster than can be followed, as `ivp.error.fastest_growth`."""
    n = df_dy.shape[1]
    for m in range(looked):
        least = followed / max(abs(h[m]), abs(h[m - 1]) if m > 0 else 0.0)
        J = math.copysign(1.0, h[m]) * df_dy[m]
        if not _at_most(J) > least:
            continue
        for k in range(n):
            J[k, k] -= least
        if not _all_decay(J / np.abs(J).max()):  # products of entries must not underflow
            return True
    return False
