"""Newton's method for a window with one df/dy for all nodes: a system of n complex unknowns for each eigenvalue of A.

With ``A = V diag(lambda) V^-1`` the system ``(I - h A x J) D = R`` of s n unknowns falls apart into
``(I - h lambda_j J) w_j = (V^-1 R)_j``, ``D = V w``; conjugate eigenvalues have conjugate solutions (Source: Hairer,
Wanner, Solving Ordinary Differential Equations II, Sec. IV.8).
"""

from __future__ import annotations

import math

import numpy as np

from .dense import factor, substitute
from .functions import call
from .launch import helper
from .simple import integrate, times
from .window import CONVERGED, HOPELESS, NOT_YET, verdict

__all__ = ["by_eigenvalues"]


@helper
def _factor_all(h, eigenvalues, df_dy, factors, pivots):
    """I - h lambda_j J = P L U for every eigenvalue, (2, m), real above imaginary part; False where one is singular."""
    n = df_dy.shape[0]
    for j in range(factors.shape[0]):
        shift = h * complex(eigenvalues[0, j], eigenvalues[1, j])
        M = factors[j]
        for k in range(n):
            for m in range(n):
                M[k, m] = -shift * df_dy[k, m]
            M[k, k] += 1.0
        if not factor(M, pivots[j]):
            return False
    return True


@helper
def _solve_all(factors, pivots, parts, row):
    """Overwrite parts (2 m, n), m real above m imaginary rows, with the solutions; row (n,) : room."""
    m, n = factors.shape[0], parts.shape[1]
    for j in range(m):
        for k in range(n):
            row[k] = complex(parts[j, k], parts[m + j, k])
        substitute(factors[j], pivots[j], row)
        for k in range(n):
            parts[j, k] = row[k].real
            parts[m + j, k] = row[k].imag


@helper
def _take(y, atol, rtol, df_dy, Y, K, before, step):
    """Add the steps to Y, and what they make of f to K; their size in units of the tolerance."""
    s, n = Y.shape
    size = 0.0
    for i in range(s):
        for k in range(n):
            change = step[i, k]
            Y[i, k] += change
            before[i, k] = K[i, k]
            part = abs(change) / (atol[k] + rtol[k] * max(abs(y[k]), abs(Y[i, k])))
            size = part if part > size or math.isnan(part) else size  # NaN stays
        for k in range(n):
            for m in range(n):
                K[i, k] += df_dy[k, m] * step[i, m]
    return size


@helper
def by_eigenvalues(
    address, words, t, h, transposed, eigenvalues, apart, together, y, df_dy, atol, rtol, Y, K, before, step, total
):
    """Solve a window from the values in Y: CONVERGED or HOPELESS, sweeps, size and rate of the last one.

    eigenvalues (2, m), apart (s, .), together (2 m, .) : see `trial.basis.Basis.split`; df_dy (n, n) : for all nodes;
    before, step (s, n), total : work space. Negative sweeps where f has to be called from Python.

    One sweep more than has to be: it costs little, and without it what is left of stiff components, small in the
    values, was taken for a local error (`bench/peers.py`, E5 at 1e-9: 46 windows in place of 26).
    """
    n, m = y.size, eigenvalues.shape[1]
    factors, pivots = np.empty((m, n, n), dtype=np.complex128), np.empty((m, n), dtype=np.int64)
    if not _factor_all(h, eigenvalues, df_dy, factors, pivots):
        return HOPELESS, 0, np.inf, 1.0
    parts, row = np.empty((2 * m, n)), np.empty(n, dtype=np.complex128)
    size = rate = 0.0
    sweeps, said = 0, NOT_YET
    once_more = False
    while said == NOT_YET:
        if not call(address, t, Y, words, K):
            return HOPELESS, -1, size, rate
        integrate(h, transposed, y, K, total, step)
        for i in range(t.size):
            for k in range(n):
                step[i, k] -= Y[i, k]
        times(apart, step, total, parts)
        _solve_all(factors, pivots, parts, row)
        times(together, parts, total, step)
        last = size
        size = _take(y, atol, rtol, df_dy, Y, K, before, step)
        sweeps += 1
        if once_more:
            said = CONVERGED
            continue
        said, rate = verdict(size, sweeps - 1, last, rate)
        if said == CONVERGED and size > 0.0:
            once_more, said = True, NOT_YET
    return said, sweeps, size, rate
