"""All windows of a march corrected in one sweep, where f is called for all of them at once."""

from __future__ import annotations

import numpy as np

from .dense import factor, substitute
from .launch import CUBE, INDICES, MATRIX, VECTOR, entry
from .sweeps import solve_by_sweeps
from .window import assemble, residual, rounding

__all__ = ["correct", "shifted", "unshifted"]


@entry(f"void({VECTOR}, {MATRIX}, {MATRIX}, {VECTOR}, {VECTOR}, f8, {VECTOR}, {MATRIX})")
def shifted(t, y, f, h, small, relative, at, moved):
    """The points (at, moved) at which f tells df/dy at the points t (m,), y (m, n), n for each of these.

    Steps are those of `VectorField.jacobian`, zero for what is at rest; f : there; h (K,) : of the windows, each with
    as many points; relative : step.
    """
    m, n = y.shape
    each = m // h.size
    for i in range(m):
        for k in range(n):
            at[i * n + k] = t[i]
            for j in range(n):
                moved[i * n + k, j] = y[i, j]
            size = max(max(abs(y[i, k]), abs(h[i // each] * f[i, k])), small[k])
            step = relative * (size if size > 0.0 else 1.0)
            if y[i, k] != 0.0 or f[i, k] != 0.0:
                moved[i * n + k, k] += -step if f[i, k] < 0.0 else step


@entry(f"void({MATRIX}, {MATRIX}, {MATRIX}, {MATRIX}, {CUBE})")
def unshifted(y, f, moved, values, df_dy):
    """df/dy (m, n, n) at the points y from the values of f that `shifted` asks for."""
    m, n = y.shape
    for i in range(m):
        for k in range(n):
            run = moved[i * n + k, k] - y[i, k]
            for j in range(n):
                df_dy[i, j, k] = (values[i * n + k, j] - f[i, j]) / run if run != 0.0 else 0.0


@entry(
    f"f8({INDICES}, {VECTOR}, {MATRIX}, {CUBE}, {MATRIX}, {MATRIX}, f8[:, :, :, ::1], {CUBE}, {CUBE}, i8[:, ::1],"
    f" {VECTOR}, {VECTOR}, {VECTOR}, {VECTOR}, {VECTOR})"
)
def correct(eliminated, h, starts, slopes, A, transposed, df_dy, systems, Z, pivots, atol, rtol, now, right, left):
    """One sweep of Newton's method for the values Z (K, s, n) of all windows: its size in units of the tolerance.

    Each window starts where the one before it ends, now (n,) for the first one, plus starts (K, n) and a rounding
    error; slopes (K, s, n) : f at Z; df_dy (K, s, n, n) : at the nodes; eliminated (K,), systems (K, s n, s n), pivots
    (K, s n) : which systems are solved by elimination, not by `solve_by_sweeps`, and their factors, kept from sweep to
    sweep; right (s n,) : room; left (K,) : the size of each window's step. At the end `now` is where Z ends.
    Infinite where it cannot be done.
    """
    K, s, n = Z.shape
    largest = 0.0
    for w in range(K):
        for k in range(n):
            now[k] += starts[w, k]
        residual(A, now, h[w], Z[w], slopes[w], right)
        if not eliminated[w] and not solve_by_sweeps(h[w], transposed, df_dy[w], right):
            eliminated[w] = 1
            assemble(A, h[w], df_dy[w], systems[w])
            if not factor(systems[w], pivots[w]):
                return np.inf
        if eliminated[w]:
            substitute(systems[w], pivots[w], right)
        size = 0.0
        for k in range(n):
            rests = True
            for i in range(s):
                rests = rests and slopes[w, i, k] == 0.0
            for i in range(s):
                change = now[k] - Z[w, i, k] if rests else right[i * n + k]  # what is at rest stays so to the last bit
                Z[w, i, k] += change
                part = abs(change) / (atol[k] + rtol[k] * max(abs(now[k]), abs(Z[w, i, k])))
                size = part if part > size or np.isnan(part) else size
        if not size < np.inf:
            return np.inf
        left[w] = size
        largest = max(largest, size)
        for k in range(n):
            now[k] = Z[w, s - 1, k] + rounding(w, k, now[k], Z[w, s - 1, k])
    return largest
