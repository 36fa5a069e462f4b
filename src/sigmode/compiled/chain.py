"""Boundary value problems: the slopes of every window are eliminated on their own, then the chain of what is left.

Source: Ascher, Mattheij, Russell, Numerical Solution of Boundary Value Problems (1995), ch. 7; docs/windows.md.
The linearised equations of K windows, each with slopes k at its s nodes, values y at its two ends and parameters p::

    window 1    k1 k1 k1   y0 y1                p     n s rows of collocation, n of continuity
    window 2               k2 k2 k2   y1 y2     p
    conditions             y0            yK     p     n + n_p rows

`eliminate` removes the slopes of each window, `couple` the inner ends from the first to the last; `forward_solve`,
`solve_ends` and `back_solve` do the same to a right-hand side and come back.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from ..arrays import Flags, Index, Real
from .dense import (
    ONE_PANEL,
    balance,
    copy_matrix,
    eliminate_by_panels,
    eliminate_panel,
    factor,
    substitute,
    triangularise,
)
from .launch import CUBE, INDICES, MATRIX, VECTOR, entry, helper, sum_helper

__all__ = [
    "back_solve", "combine", "couple", "eliminate", "forward_solve", "largest_values", "relative_residuals",
    "solve_ends",
]  # fmt: skip

# Multiplications of an elimination that take as long as one activation: converts its work into the unit of
# `launch.PARALLEL_WORK`. Not tuned.
_MULTIPLICATIONS_PER_ACTIVATION = 8


@entry(f"void({CUBE}, b1[:, ::1], {INDICES}, i8, {CUBE}, {CUBE})")
def combine(T: Real, grows: Flags, pairs: Index, s: int, values: Real, both: Real) -> None:
    """The equations of windows that have left nodes, as their combinations have them, in `both` (n, width, K s).

    T (pairs, n, n), grows (K, n), pairs : `Directions`; values (n, width, K s + pairs s): of the equations, at the
    right nodes of all windows, then at the left nodes of those; width : 1 for residuals, n + n_p for derivatives.
    """
    n, width, points = both.shape
    for j in range(pairs.size):
        k = pairs[j]
        for m in range(n):
            first = points + j * s if grows[k, m] else k * s
            for b in range(width):
                for i in range(s):
                    total = 0.0
                    for a in range(n):
                        total += T[j, m, a] * values[a, b, first + i]
                    both[m, b, k * s + i] = total


@helper
def _collocation_rows(first, h, tables, jac, T, on_left, W):
    """The linearised equations of a window in W (s n + n, s n + 2 n + n_p): collocation, then continuity.

    Columns for n = 2, s = 3, n_p = 1, by what they belong to (1, 2: slopes of a component; a, b: the values at the
    start and the end; p)::

        1 1 1 2 2 2 a a . . p      component 1 at its three nodes: T k - h J (A k) - J a - df/dp p
        1 1 1 2 2 2 a a . . p      ... and so on; the same for component 2
        1 1 1 . . . a . b . .      continuity: b - a - h A_s k
        . . . 2 2 2 . a . b .

    jac (n, n + n_p, points) : T J and T df/dp at the nodes that each row has, those of this window from number `first`
    on; T (n, n) : the combinations; on_left (n,) : whether they are collocated at the left nodes.
    """
    n, s = on_left.size, tables.shape[1]
    size = n * s
    W[:] = 0.0
    for m in range(n):
        values = tables[1] if on_left[m] else tables[0]
        for i in range(s):
            row = W[m * s + i]
            for b in range(jac.shape[1]):
                g = jac[m, b, first + i]
                if b >= n:
                    row[size + n + b] = -g
                    continue
                row[size + b] = -g
                for j in range(s):
                    row[b * s + j] = -h * g * values[i, j]
                    if on_left[m]:
                        row[b * s + j] += T[m, b] * tables[2, i, j]
                if not on_left[m]:
                    row[b * s + i] += T[m, b]
        row = W[size + m]
        for j in range(s):
            row[m * s + j] = -h * tables[0, s - 1, j]
        row[size + m] = -1.0
        row[size + n + m] = 1.0


@helper
def _remaining_rows(W, size, fine, scale, blocks):
    """The n equations in the ends and the parameters that are left below the factors, scaled to size 1."""
    for m in range(scale.size):
        largest = 0.0
        for j in range(size, W.shape[1]):
            largest = max(largest, abs(W[size + m, j]))
        scale[m] = 1.0 / largest if largest > 0.0 else 1.0
        for j in range(size, W.shape[1]):
            blocks[m, j - size] = W[size + m, j] * scale[m] if fine else np.nan


_ELIMINATION = f"void(i8, {VECTOR}, {CUBE}, {CUBE}, {CUBE}, b1[:, ::1], {CUBE}, i8[:, ::1], {MATRIX}, {CUBE})"


@entry(_ELIMINATION)
def _eliminate(first, h, tables, jac, T, on_left, W, pivots, scale, blocks):
    for i in prange(W.shape[0]):
        k, size = first + i, pivots.shape[1]
        _collocation_rows(k * tables.shape[1], h[k], tables, jac, T[k], on_left[k], W[i])
        fine = eliminate_panel(W[i], 0, size, W.shape[2], pivots[i])
        _remaining_rows(W[i], size, fine, scale[k], blocks[k])


@entry(_ELIMINATION)
def _eliminate_large(first, h, tables, jac, T, on_left, W, pivots, scale, blocks):
    """The same by panels: an entry of its own, because most problems never need what it takes long to compile."""
    for i in prange(W.shape[0]):
        k, size = first + i, pivots.shape[1]
        _collocation_rows(k * tables.shape[1], h[k], tables, jac, T[k], on_left[k], W[i])
        fine = eliminate_by_panels(W[i], size, pivots[i])
        _remaining_rows(W[i], size, fine, scale[k], blocks[k])


def eliminate(
    first: int, h: Real, tables: Real, jac: Real, T: Real, on_left: Flags,
    W: Real, pivots: Index, scale: Real, blocks: Real,
) -> None:  # fmt: skip
    """Factorise the windows from number `first` on, one for each matrix of W.

    h (K,); tables (3, s, s): `Basis.tables`; T (K, n, n): the rows of T are the combinations of equations that are
    collocated; on_left (K, n): whether at the left nodes; jac (n, n + n_p, K s): T df/dy and T df/dp at those nodes;
    W (windows, (s + 1) n, s n + 2 n + n_p); pivots (windows, s n); scale (K, n); blocks (K, n, 2 n + n_p), NaN where a
    window is singular. Parallel over windows.
    """
    work = len(W) * pivots.shape[1] ** 3 // _MULTIPLICATIONS_PER_ACTIVATION
    kernel = _eliminate if pivots.shape[1] <= ONE_PANEL else _eliminate_large
    kernel.launch(work, first, h, tables, jac, T, on_left, W, pivots, scale, blocks)


@sum_helper
def _forward_solve_window(k, r, c, W, pivots, scale, b):
    """b = L^-1 P (-residual) of window k: r (n, K s) of collocation, c (n, K) of continuity."""
    size = pivots.size
    s = size // scale.size
    for m in range(scale.size):
        for i in range(s):
            b[m * s + i] = -r[m, k * s + i]
        b[size + m] = -c[m, k]
    for column in range(size):
        other = pivots[column]
        b[column], b[other] = b[other], b[column]
    for row in range(1, b.size):
        total = b[row]
        for column in range(min(row, size)):
            total -= W[row, column] * b[column]
        b[row] = total
    for m in range(scale.size):
        b[size + m] *= scale[m]


@entry(f"void(i8, {MATRIX}, {MATRIX}, {CUBE}, i8[:, ::1], {MATRIX}, {MATRIX})")
def _forward_solve(first, r, c, W, pivots, scale, b):
    for i in prange(W.shape[0]):
        k = first + i
        _forward_solve_window(k, r, c, W[i], pivots[i], scale[k], b[k])


def forward_solve(first: int, r: Real, c: Real, W: Real, pivots: Index, scale: Real, b: Real) -> None:
    """What `eliminate` did to the windows, done to their right-hand sides, in b (K, (s + 1) n). Parallel over windows.

    r (n, K s), c (n, K) : residuals of collocation, as the combinations have them, and of continuity.
    """
    _forward_solve.launch(W.size // _MULTIPLICATIONS_PER_ACTIVATION, first, r, c, W, pivots, scale, b)


@helper
def _next_link(B, above, start, block):
    """Two neighbours side by side: what is left of the windows before, above the next window's rows.

    Columns inner end, first end, next end, parameters. What is left stands in the matrix `above`, from this row and
    column on. Columns are the outer loop: copies of a few numbers are not worth the code of a vectorised loop.
    """
    n, width = block.shape
    for j in range(n):
        for m in range(n):
            B[m, j] = above[start + m, start + n + j]
            B[m, n + j] = above[start + m, start + j]
            B[m, 2 * n + j] = 0.0
            B[n + m, j] = block[m, j]
            B[n + m, n + j] = 0.0
            B[n + m, 2 * n + j] = block[m, n + j]
    for j in range(2 * n, width):
        for m in range(n):
            B[m, n + j] = above[start + m, start + j]
            B[n + m, n + j] = block[m, j]


@entry(f"b1({CUBE}, {CUBE}, {MATRIX}, {MATRIX}, {MATRIX}, {MATRIX}, {MATRIX}, {INDICES})")
def couple(
    blocks: Real, links: Real, tau: Real, conditions: Real, scales: Real, whole: Real, last: Real, pivots: Index
) -> bool:
    """The chain of windows: QR of what meets at each inner end, from the first to the last; whether that worked.

    blocks (K, n, 2 n + n_p) with columns start, end, parameters; links (K - 1, 2 n, 3 n + n_p) with columns inner end,
    first end, next end, parameters. What is left in the first and the last end, with the conditions below it, gets rows
    and columns of size 1 by `scales` (2, 2 n + n_p); it stays in `whole` and is factorised in `last`, square both.
    """
    K, n, width = blocks.shape
    products = np.empty(n + width)
    above, start = blocks[0], np.int64(0)
    for k in range(1, K):
        B = links[k - 1]
        _next_link(B, above, start, blocks[k])
        triangularise(B, n, tau[k - 1], products)
        above, start = B, n
    for j in range(width):
        for i in range(width):
            whole[i, j] = above[start + i, start + j] if i < n else conditions[i - n, j]
    finite = balance(whole, scales)
    copy_matrix(whole, last)
    return finite and factor(last, pivots)  # type: ignore[no-any-return]


@helper
def _reflect(B, tau, upper, lower):
    """The reflections of a link, applied to a right-hand side in two parts, (n,) each."""
    n = tau.size
    for c in range(n):
        total = upper[c]
        for r in range(c + 1, n):
            total += B[r, c] * upper[r]
        for r in range(n):
            total += B[n + r, c] * lower[r]
        total *= tau[c]
        upper[c] -= total
        for r in range(c + 1, n):
            upper[r] -= B[r, c] * total
        for r in range(n):
            lower[r] -= B[n + r, c] * total


@entry(f"void({CUBE}, {MATRIX}, {MATRIX}, {MATRIX}, {INDICES}, {MATRIX}, {VECTOR}, {MATRIX})")
def solve_ends(
    links: Real, tau: Real, scales: Real, last: Real, pivots: Index, b: Real, unknowns: Real, ends: Real
) -> None:
    """Solve the chain: right-hand sides in the last n entries of b (K, ...), and of the conditions in `unknowns`.

    links, tau, scales, last, pivots : as `couple` left them. unknowns (3 n + n_p,) has the columns of a link: an inner
    end, the first end, the next end, the parameters; the conditions are its last n + n_p numbers, and at the end the
    parameters are its last n_p. Leaves the values at all ends in `ends` (K + 1, n); those entries of b are used up.
    """
    n, K = ends.shape[1], ends.shape[0] - 1
    size = b.shape[1] - n
    for k in range(1, K):
        _reflect(links[k - 1], tau[k - 1], b[k - 1, size:], b[k, size:])
    outer = unknowns[n:]
    for i in range(n):
        outer[i] = b[K - 1, size + i]
    for i in range(outer.size):
        outer[i] *= scales[0, i]
    substitute(last, pivots, outer)
    for i in range(outer.size):
        outer[i] *= scales[1, i]
    for m in range(n):
        ends[0, m] = outer[m]
        ends[K, m] = outer[n + m]
    for k in range(K - 1, 0, -1):
        for m in range(n - 1, -1, -1):
            total = b[k - 1, size + m]
            for j in range(m + 1, unknowns.size):
                total -= links[k - 1, m, j] * unknowns[j]
            unknowns[m] = total / links[k - 1, m, m]
            ends[k, m] = unknowns[m]
        for m in range(n):
            unknowns[2 * n + m] = unknowns[m]


@sum_helper
def _back_solve_window(W, b, start, end, p):
    """Overwrite the first entries of b, the right-hand side of a window, with its slopes; start, end : (n,)."""
    n = start.size
    size = b.size - n
    for row in range(size - 1, -1, -1):
        total = b[row]
        for j in range(n):
            total -= W[row, size + j] * start[j] + W[row, size + n + j] * end[j]
        for j in range(p.size):
            total -= W[row, size + 2 * n + j] * p[j]
        for j in range(row + 1, size):
            total -= W[row, j] * b[j]
        b[row] = total / W[row, row]


@entry(f"void(i8, {CUBE}, {MATRIX}, {MATRIX}, {VECTOR})")
def _back_solve(first, W, b, ends, p):
    for i in prange(W.shape[0]):
        k = first + i
        _back_solve_window(W[i], b[k], ends[k], ends[k + 1], p)


def back_solve(first: int, W: Real, b: Real, ends: Real, p: Real) -> None:
    """The slopes of the windows with factors W, component by component, in the first n s entries of b (K, ...).

    ends (K + 1, n), p (n_p,). Parallel over windows.
    """
    _back_solve.launch(W.size // _MULTIPLICATIONS_PER_ACTIVATION, first, W, b, ends, p)


@entry(f"void({MATRIX}, {CUBE}, {VECTOR}, {MATRIX}, {MATRIX})")
def _largest_values(y, slopes, h, A, largest):
    n, K, s = slopes.shape
    for m in range(n):
        for k in range(K):
            size = abs(y[m, k])
            for i in range(s):
                total = 0.0
                for j in range(s):
                    total += A[i, j] * slopes[m, k, j]
                value = abs(y[m, k] + h[k] * total)
                size = value if value > size or math.isnan(value) else size  # NaN stays
            largest[m, k] = size


def largest_values(y: Real, slopes: Real, h: Real, A: Real) -> Real:
    """The largest value of each component at the nodes and the start of each window, (n, K)."""
    largest = np.empty(slopes.shape[:2])
    _largest_values(y, slopes, h, A, largest)
    return largest


@entry(f"void({MATRIX}, {MATRIX}, {MATRIX}, {CUBE}, {VECTOR}, {MATRIX})")
def _relative_residuals(slopes, f, y, jac, weights, found):
    n = f.shape[0]
    s = weights.size
    found[:] = 0.0
    for k in range(found.shape[1]):
        for i in range(s):
            at = k * s + i
            square = 0.0
            for m in range(n):
                size = 1.0 + abs(f[m, at])
                square += ((slopes[m, at] - f[m, at]) / size) ** 2
                terms = 1.0
                for a in range(n):
                    terms += abs(jac[m, a, at] * y[a, at]) / size
                found[2, k] = max(found[2, k], terms)
            found[0, k] += weights[i] * square
            if square > found[1, k] or math.isnan(square):  # NaN stays
                found[1, k] = square


def relative_residuals(slopes: Real, f: Real, y: Real, jac: Real, weights: Real) -> Real:
    """The residual relative to 1 + |f| at the right nodes of each window, (3, K).

    Row 0 : mean square, with the weights (s,) of the nodes; row 1 : largest square; row 2 : largest sum of the terms of
    f, in which its rounding errors are made.
    """
    found = np.empty((3, f.shape[1] // weights.size))
    _relative_residuals(slopes, f, y, jac, weights, found)
    return found
