"""Dense linear algebra for matrices so small that a call of LAPACK costs more than the work.

LAPACK's own routines were also seen to take 7 ms for 20 unknowns on a busy machine, waiting for their threads.
"""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Real
from .launch import MATRIX, entry, fma, helper

__all__ = [
    "ONE_PANEL", "balance", "copy_matrix", "eliminate_by_panels", "eliminate_panel", "factor",
    "output_weights", "substitute", "triangularise",
]  # fmt: skip

# More than 128 columns are eliminated in panels of 32, which stay in the cache (`bench/test_bvp.py`, panels).
ONE_PANEL = 128
_PANEL = 32


@helper
def _size(number):
    """|x|, for complex x the sum of both parts: a root takes longer than a division."""
    return abs(number.real) + abs(number.imag)


@helper
def factor(M, pivots):
    """M = P L U in place, partial pivoting, real or complex; False where it is singular or not finite."""
    size = M.shape[0]
    for k in range(size):
        p = k
        for i in range(k + 1, size):
            if _size(M[i, k]) > _size(M[p, k]):
                p = i
        pivots[k] = p
        if not 0.0 < _size(M[p, k]) < np.inf:
            return False
        if p != k:
            for j in range(size):
                M[k, j], M[p, j] = M[p, j], M[k, j]
        top = M[k, k + 1 : size]
        inverse = 1.0 / M[k, k]
        for i in range(k + 1, size):
            multiplier = M[i, k] * inverse
            M[i, k] = multiplier
            if multiplier != 0.0:
                row = M[i, k + 1 : size]
                for j in range(row.size):
                    row[j] -= multiplier * top[j]
    return True


@helper
def substitute(M, pivots, b):
    """Overwrite b with the solution of M x = b, M as `factor` left it."""
    size = b.size
    for k in range(size):
        p = pivots[k]
        b[k], b[p] = b[p], b[k]
    for i in range(1, size):
        total = b[i]
        for j in range(i):
            total -= M[i, j] * b[j]
        b[i] = total
    for i in range(size - 1, -1, -1):
        total = b[i]
        for j in range(i + 1, size):
            total -= M[i, j] * b[j]
        b[i] = total / M[i, i]


@helper
def copy_matrix(source, target):
    """target = source."""
    for j in range(source.shape[1]):
        for i in range(source.shape[0]):
            target[i, j] = source[i, j]


@helper
def balance(matrix, scales):
    """Rows, then columns, to largest entries of 1, by factors left in `scales` (2, size); whether all is finite."""
    size = matrix.shape[0]
    for i in range(size):
        largest = 0.0
        for j in range(size):
            largest = max(largest, abs(matrix[i, j]))
        scales[0, i] = 1.0 / largest
        for j in range(size):
            matrix[i, j] *= scales[0, i]
    total = 0.0
    for j in range(size):
        largest = 0.0
        for i in range(size):
            largest = max(largest, abs(matrix[i, j]))
        scales[1, j] = 1.0 / largest
        for i in range(size):
            matrix[i, j] *= scales[1, j]
            total += matrix[i, j]
    return abs(total) < np.inf


@helper
def triangularise(B, n, tau, products):
    """QR of the first n columns of B (2 n, columns): reflections below the diagonal and in tau, the rest rotated.

    tau : (n,); products : work space of a row's length.
    """
    rows, columns = B.shape
    for c in range(n):
        norm = 0.0
        for r in range(c, rows):
            norm += B[r, c] * B[r, c]
        norm = math.sqrt(norm)
        if norm == 0.0:
            tau[c] = 0.0
            continue
        diagonal = -math.copysign(norm, B[c, c])
        tau[c] = (diagonal - B[c, c]) / diagonal
        inverse = 1.0 / (B[c, c] - diagonal)
        for j in range(c + 1, columns):
            products[j] = B[c, j]
        for r in range(c + 1, rows):
            B[r, c] *= inverse
            for j in range(c + 1, columns):
                products[j] += B[r, c] * B[r, j]
        B[c, c] = diagonal
        for j in range(c + 1, columns):
            products[j] *= tau[c]
            B[c, j] -= products[j]
        for r in range(c + 1, rows):
            for j in range(c + 1, columns):
                B[r, j] -= B[r, c] * products[j]


# ---------------------------------------------------------------------------------------------------------
# Elimination of the first columns of a matrix with more rows and columns than that.


@helper
def eliminate_panel(W, start, stop, reach, pivots):
    """Gauss with row exchanges among all rows for the columns start to stop, carried out up to column `reach`.

    Multipliers stay below the diagonal; False where it is singular. What is zero is left out: a matrix of df/dy is
    mostly empty.
    """
    rows, columns = W.shape
    for c in range(start, stop):
        best = c
        for r in range(c + 1, rows):
            if abs(W[r, c]) > abs(W[best, c]):
                best = r
        pivots[c] = best
        pivot = W[best, c]
        if not 0.0 < abs(pivot) < np.inf:
            return False
        if best != c:
            for j in range(columns):
                W[c, j], W[best, j] = W[best, j], W[c, j]
        first = c + 1
        while first < reach and W[c, first] == 0.0:
            first += 1
        for r in range(c + 1, rows):
            multiplier = W[r, c]
            if multiplier != 0.0:
                multiplier /= pivot
                W[r, c] = multiplier
                for j in range(first, reach):
                    W[r, j] -= multiplier * W[c, j]
    return True


@helper
def _subtract_four(row, a, b, c, d, first, second, third, fourth):
    for j in range(row.size):
        row[j] -= fma(a, first[j], b * second[j]) + fma(c, third[j], d * fourth[j])


@helper
def _subtract_rows(W, r, start, stop, low, high):
    """Row r, columns low to high, minus its multipliers times the pivot rows start to stop, four at a time."""
    row = W[r, low:high]
    c = start
    while c + 4 <= stop:
        e, f, g, h = W[r, c], W[r, c + 1], W[r, c + 2], W[r, c + 3]
        if e != 0.0 or f != 0.0 or g != 0.0 or h != 0.0:
            # one row at a time: Numba takes a slice of several for strided, and does not vectorise
            second, third, fourth = W[c + 1, low:high], W[c + 2, low:high], W[c + 3, low:high]
            _subtract_four(row, e, f, g, h, W[c, low:high], second, third, fourth)
        c += 4
    for rest in range(c, stop):
        multiplier = W[r, rest]
        if multiplier != 0.0:
            for j in range(row.size):
                row[j] -= multiplier * W[rest, low + j]


@helper
def eliminate_by_panels(W, size, pivots):
    """Eliminate the first `size` columns of W in place, multipliers below the diagonal; False where it is singular."""
    rows, columns = W.shape
    for start in range(0, size, _PANEL):
        stop = min(start + _PANEL, size)
        if not eliminate_panel(W, start, stop, stop, pivots):
            return False
        low, high = size, stop  # where the pivot rows are not empty, among the columns still to be eliminated
        for r in range(start, stop):
            _subtract_rows(W, r, start, r, stop, columns)
            first, last = stop, size
            while first < size and W[r, first] == 0.0:
                first += 1
            while last > first and W[r, last - 1] == 0.0:
                last -= 1
            low, high = min(low, first), max(high, last)
        for r in range(stop, rows):
            if low < high:
                _subtract_rows(W, r, start, stop, low, high)
            _subtract_rows(W, r, start, stop, size, columns)
    return True


@entry(f"void({MATRIX}, {MATRIX}, {MATRIX}, {MATRIX})")
def _output_weights(q, r, K, weights):
    s, n = K.shape
    for k in range(n):
        for i in range(s - 1, -1, -1):
            total = 0.0
            for j in range(s):
                total += q[j, i] * K[j, k]
            for j in range(i + 1, s):
                total -= r[i, j] * weights[j, k]
            weights[i, k] = total / r[i, i]


def output_weights(q: Real, r: Real, K: Real) -> Real:
    """R^-1 Q^T K, (s, n), the solution of (Q R) weights = K, (s, n)."""
    weights = np.empty_like(K)
    _output_weights(q, r, K, weights)
    return weights
