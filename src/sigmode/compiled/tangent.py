"""Derivatives of a march by initial values and parameters: the linear systems of its windows, one after the other."""

from __future__ import annotations

import numpy as np

from .functions import call_at_nodes
from .launch import CUBE, INDICES, MATRIX, VECTOR, entry, helper

__all__ = ["partials", "tangents"]


@helper
def _quotient(ahead, back, run, column, found):
    """found[:, :, column] = (ahead - back)/run, run (s,)."""
    for i in range(run.size):
        for a in range(ahead.shape[1]):
            found[i, a, column] = (ahead[i, a] - back[i, a]) / run[i]


@helper
def _partials(address, words, moved_words, runs, t, Y, least, step, J, F):
    """df/dy (s, n, n) and df/dp (s, n, k) at the nodes of a window by central differences; whether f could be called.

    least (n,) : what counts as the size of y at least; step : relative to that.
    """
    s, n = Y.shape
    moved, ahead, back, run = Y.copy(), np.empty((s, n)), np.empty((s, n)), np.empty(s)
    for j in range(n):
        for i in range(s):
            moved[i, j] = Y[i, j] + step * max(abs(Y[i, j]), least[j])
            run[i] = moved[i, j]
        if not call_at_nodes(address, t, moved, words, ahead):
            return False
        for i in range(s):
            moved[i, j] = Y[i, j] - step * max(abs(Y[i, j]), least[j])
            run[i] -= moved[i, j]
        if not call_at_nodes(address, t, moved, words, back):
            return False
        for i in range(s):
            moved[i, j] = Y[i, j]
        _quotient(ahead, back, run, j, J)
    for q in range(runs.size):
        if not call_at_nodes(address, t, Y, moved_words[2 * q], ahead) or not call_at_nodes(
            address, t, Y, moved_words[2 * q + 1], back
        ):
            return False
        for i in range(s):
            run[i] = runs[q]
        _quotient(ahead, back, run, q, F)
    return True


@entry(f"b1(i8, {INDICES}, i8[:, ::1], {VECTOR}, {VECTOR}, {MATRIX}, {VECTOR}, f8, {CUBE}, {CUBE})")
def partials(address, words, moved_words, runs, t, Y, least, step, J, F):
    """df/dy (s, n, n) and df/dp (s, n, k) at points by central differences; whether f could be called: see below."""
    return _partials(address, words, moved_words, runs, t, Y, least, step, J, F)


@helper
def _fill(h, A, J, F, W):
    """W = (I - h A x J | 1 x I | h A F), (s n, s n + n + k)."""
    s, n, k = F.shape
    size = s * n
    for i in range(s):
        for a in range(n):
            row = W[i * n + a]
            for j in range(s):
                weight = -h * A[i, j]
                for b in range(n):
                    row[j * n + b] = weight * J[j, a, b]
            row[i * n + a] += 1.0
            for b in range(n):
                row[size + b] = 1.0 if a == b else 0.0
            for q in range(k):
                total = 0.0
                for j in range(s):
                    total += A[i, j] * F[j, a, q]
                row[size + n + q] = h * total


@helper
def _eliminate(W, size):
    """Gauss with row exchanges on the first `size` columns of W; False where they are singular.

    Row by row, to the end of each: for 28 to 200 unknowns as fast as panels, or up to half faster.
    """
    for c in range(size):
        best = c
        for r in range(c + 1, size):
            if abs(W[r, c]) > abs(W[best, c]):
                best = r
        if not 0.0 < abs(W[best, c]) < np.inf:
            return False
        if best != c:
            for j in range(c, W.shape[1]):
                W[c, j], W[best, j] = W[best, j], W[c, j]
        top, inverse = W[c, c + 1 :], 1.0 / W[c, c]
        for r in range(c + 1, size):
            multiplier = W[r, c] * inverse
            if multiplier != 0.0:
                row = W[r, c + 1 :]
                for j in range(row.size):
                    row[j] -= multiplier * top[j]
    return True


@helper
def _back(W, size):
    """Solve with the triangle that was left by the elimination, on its right-hand sides in place."""
    for r in range(size - 1, -1, -1):
        right = W[r, size:]
        for c in range(r + 1, size):
            weight, solved = W[r, c], W[c, size:]
            for q in range(right.size):
                right[q] -= weight * solved[q]
        inverse = 1.0 / W[r, r]
        for q in range(right.size):
            right[q] *= inverse


@helper
def _carry_on(W, n, J, F, S, nodes, slopes):
    """The derivatives S (n, n + k) at the start of a window to its nodes, their slopes there, and S to its end."""
    s, columns, size = len(J), S.shape[1], len(J) * n
    for i in range(s):
        for a in range(n):
            for q in range(columns):
                total = W[i * n + a, size + q] if q >= n else 0.0
                for b in range(n):
                    total += W[i * n + a, size + b] * S[b, q]
                nodes[i, a * columns + q] = total
    for i in range(s):
        for a in range(n):
            for q in range(columns):
                total = F[i, a, q - n] if q >= n else 0.0
                for b in range(n):
                    total += J[i, a, b] * nodes[i, b * columns + q]
                slopes[i, a * columns + q] = total
    for a in range(n):
        for q in range(columns):
            S[a, q] = nodes[s - 1, a * columns + q]


@entry(
    f"i8(i8, {INDICES}, i8[:, ::1], {VECTOR}, {MATRIX}, {CUBE}, {VECTOR}, {MATRIX}, {VECTOR}, f8, {CUBE}, {CUBE},"
    f" {CUBE})"
)
def tangents(address, words, moved_words, runs, t, Y, h, A, least, step, values, nodes, slopes):
    """Differentiate a march by its initial values (n) and by k parameters: calls of f, -1 where it must be Python's.

    address, words : of f, see `functions.Called`; moved_words (2 k, .) : the same with each parameter a little larger,
    and a little smaller, which are runs (k,) apart; t (K, s), Y (K, s, n), h (K,) : of the windows; A : of the basis;
    least (n,), step : see `_partials`.
    Written, component i of the derivative by the j-th number at i (n + k) + j: values (K, 3, .), those at the start, at
    the last node, and these again; nodes, slopes (K, s, .). NaN from a singular system on.

    On a window ``dY = dy_k + h A (df/dy dY + df/dp dp)`` with its own df/dy at each node (docs/windows.md).
    """
    K, s, n = Y.shape
    k = runs.size
    columns, size = n + k, s * n
    J, F = np.empty((s, n, n)), np.empty((s, n, k))
    W, S = np.empty((size, size + columns)), np.zeros((n, columns))
    for a in range(n):
        S[a, a] = 1.0
    for m in range(K):
        if not _partials(address, words, moved_words, runs, t[m], Y[m], least, step, J, F):
            return -1
        for a in range(n):
            for q in range(columns):
                values[m, 0, a * columns + q] = S[a, q]
        _fill(h[m], A, J, F, W)
        if _eliminate(W, size):
            _back(W, size)
        else:
            W[:, size:] = np.nan
        _carry_on(W, n, J, F, S, nodes[m], slopes[m])
        for a in range(n * columns):
            values[m, 1, a] = values[m, 2, a] = nodes[m, s - 1, a]
    return 2 * columns * s * K
