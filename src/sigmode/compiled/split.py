"""Newton's method for a window with one df/dy for all nodes: a system of n complex unknowns for each eigenvalue of A.

With ``A = V diag(lambda) V^-1`` the system ``(I - h A x J) D = R`` of s n unknowns falls apart into
``(I - h lambda_j J) w_j = (V^-1 R)_j``, ``D = V w``; conjugate eigenvalues have conjugate solutions (Source: Hairer,
Wanner, Solving Ordinary Differential Equations II, Sec. IV.8). Eight of these systems are solved at a time.
"""

from __future__ import annotations

import numpy as np

from .functions import call_at_nodes
from .launch import helper, inlined
from .simple import integrate, times
from .vectors import LANES, aligned, at_least, eight, fused, larger, largest, load, row_times, spread, store
from .window import CONVERGED, HOPELESS, NOT_YET, verdict

__all__ = ["by_eigenvalues"]

# Entries above this are not inverted: their squares must not overflow. Not tuned.
_TOO_LARGE = 1e150


@inlined
def _swap(rows, k, p, at):
    kept = load(rows, k, at)
    store(rows, k, at, load(rows, p, at))
    store(rows, p, at, kept)


@inlined
def _matrices(h, eigenvalues, df_dy, at, real, imag):
    """I - h lambda_j J for eight eigenvalues, entry (k, l) in row k n + l of the real and the imaginary parts."""
    n = df_dy.shape[0]
    real_shift, imag_shift = eight(-h) * load(eigenvalues, 0, at), eight(-h) * load(eigenvalues, 1, at)
    for k in range(n):
        for m in range(n):
            one = eight(1.0 if k == m else 0.0)
            store(real, k * n + m, at, fused(real_shift, spread(df_dy, k, m), one))
            store(imag, k * n + m, at, imag_shift * spread(df_dy, k, m))


@inlined
def _pivot(real, imag, n, c, at):
    """The row whose entry in column c is largest where it is smallest; -1 if none can be divided by."""
    best, least = -1, np.inf
    for k in range(c, n):
        size = abs(load(real, k * n + c, at)) + abs(load(imag, k * n + c, at))
        inverse = largest(larger(eight(0.0), eight(1.0) / size))
        if inverse < least and largest(larger(eight(0.0), size)) < _TOO_LARGE:
            best, least = k, inverse
    return best


@inlined
def _factor(n, at, real, imag, pivots):
    """Eight matrices = P L U in place, pivots inverted, P the same in all of them; False where one is singular."""
    for c in range(n):
        p = _pivot(real, imag, n, c, at)
        if p < 0:
            return False
        pivots[c] = p
        for m in range(n):
            _swap(real, c * n + m, p * n + m, at)
            _swap(imag, c * n + m, p * n + m, at)
        a, b = load(real, c * n + c, at), load(imag, c * n + c, at)
        norm = fused(a, a, b * b)
        a, b = a / norm, eight(-1.0) * b / norm
        store(real, c * n + c, at, a)
        store(imag, c * n + c, at, b)
        for k in range(c + 1, n):
            x, y = load(real, k * n + c, at), load(imag, k * n + c, at)
            u, v = x * a - y * b, x * b + y * a
            store(real, k * n + c, at, u)
            store(imag, k * n + c, at, v)
            for m in range(c + 1, n):
                x, y = load(real, c * n + m, at), load(imag, c * n + m, at)
                store(real, k * n + m, at, load(real, k * n + m, at) - (u * x - v * y))
                store(imag, k * n + m, at, load(imag, k * n + m, at) - (u * y + v * x))
    return True


@inlined
def _minus(real, imag, entry, parts, m, at, x, y):
    """x + i y minus an entry of the matrices times the unknown m."""
    half = parts.shape[1] // 2
    a, b = load(real, entry, at), load(imag, entry, at)
    u, v = load(parts, m, at), load(parts, m, half + at)
    return x - (a * u - b * v), y - (a * v + b * u)


@inlined
def _substitute(at, real, imag, pivots, parts):
    """Overwrite parts (n, 2 m), real before imaginary ones, with the solutions of eight systems."""
    n, half = parts.shape[0], parts.shape[1] // 2
    for k in range(n):
        _swap(parts, k, pivots[k], at)
        _swap(parts, k, pivots[k], half + at)
    for k in range(1, n):
        x, y = load(parts, k, at), load(parts, k, half + at)
        for m in range(k):
            x, y = _minus(real, imag, k * n + m, parts, m, at, x, y)
        store(parts, k, at, x)
        store(parts, k, half + at, y)
    for k in range(n - 1, -1, -1):
        x, y = load(parts, k, at), load(parts, k, half + at)
        for m in range(k + 1, n):
            x, y = _minus(real, imag, k * n + m, parts, m, at, x, y)
        a, b = load(real, k * n + k, at), load(imag, k * n + k, at)
        store(parts, k, at, a * x - b * y)
        store(parts, k, half + at, a * y + b * x)


@inlined
def _take(y, atol, rtol, df_dy, together, parts, Y, K, before, step):
    """Add the steps to Y, and what they make of f to K; their size in units of the tolerance."""
    n = y.size
    size = eight(0.0)
    for k in range(n):
        for at in range(0, Y.shape[1], LANES):
            change = row_times(parts, k, together, at)
            new = load(Y, k, at) + change
            weight = fused(eight(rtol[k]), at_least(abs(new), abs(eight(y[k]))), eight(atol[k]))
            size = larger(size, abs(change) / weight)
            store(step, k, at, change)
            store(Y, k, at, new)
            store(before, k, at, load(K, k, at))
    for k in range(n):
        for at in range(0, Y.shape[1], LANES):
            slope = load(K, k, at)
            for m in range(n):
                slope = fused(spread(df_dy, k, m), load(step, m, at), slope)
            store(K, k, at, slope)
    return largest(size)


@inlined
def _residual(h, transposed, y, K, Y, step):
    """step = y + h A K - Y."""
    integrate(h, transposed, y, K, step)
    for k in range(y.size):
        for at in range(0, Y.shape[1], LANES):
            store(step, k, at, load(step, k, at) - load(Y, k, at))


@helper
def by_eigenvalues(
    address, words, t, h, transposed, eigenvalues, apart, together, y, df_dy, atol, rtol, Y, K, before, step
):
    """Solve a window from the values in Y: CONVERGED or HOPELESS, sweeps, size and rate of the last one.

    eigenvalues (2, m), apart (s, 2 m), together (2 m, .) : see `trial.basis.Split`; df_dy (n, n) : for all nodes;
    Y, K, before : rows as in `simple`; step : work space of the same shape. Negative sweeps where f has to be called
    from Python.

    One sweep more than has to be: it costs little, and without it what is left of stiff components, small in the
    values, was taken for a local error (`bench/peers.py`, E5 at 1e-9: 46 windows in place of 26).
    """
    n, m, s = y.size, eigenvalues.shape[1], t.size
    matrices = aligned(2, n * n, m)
    real, imag = matrices[0], matrices[1]
    pivots = np.empty((m // LANES, n), dtype=np.int64)
    for at in range(0, m, LANES):
        _matrices(h, eigenvalues, df_dy, at, real, imag)
        if not _factor(n, at, real, imag, pivots[at // LANES]):
            return HOPELESS, 0, np.inf, 1.0
    parts = aligned(1, n, 2 * m)[0]
    size = rate = 0.0
    sweeps, said = 0, NOT_YET
    once_more = False
    while said == NOT_YET:
        if not call_at_nodes(address, t, Y[:, :s].T, words, K[:, :s].T):
            return HOPELESS, -1, size, rate
        _residual(h, transposed, y, K, Y, step)
        times(apart, step, parts, 0)
        for at in range(0, m, LANES):
            _substitute(at, real, imag, pivots[at // LANES], parts)
        last = size
        size = _take(y, atol, rtol, df_dy, together, parts, Y, K, before, step)
        sweeps += 1
        if once_more:
            said = CONVERGED
            continue
        said, rate = verdict(size, sweeps - 1, last, rate)
        if said == CONVERGED and size > 0.0:
            once_more, said = True, NOT_YET
    return said, sweeps, size, rate
