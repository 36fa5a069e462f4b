"""What the second march says about a march of compiled f: its error in units of the tolerance."""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Real
from .launch import CUBE, MATRIX, VECTOR, entry, helper, inlined

__all__ = ["judge"]


@helper
def _with_neighbours(error):
    """Each value (n, L) at least as large as its neighbours were halfway to it: errors change their sign in between."""
    n, L = error.shape
    for k in range(n):
        before = error[k, 0]
        for i in range(L):
            own = error[k, i]
            behind = error[k, i + 1] if i + 1 < L else own
            error[k, i] = max(own, 0.5 * max(before, behind))
            before = own


@helper
def _fill_valleys(size, m):
    """How large y is for the tolerance, in place of |y| (L,), as `ivp.bound.scale`; m : abscissae per window."""
    windows = (size.size - 1) // m
    highest, left = np.empty(windows + 2), np.empty(m)
    highest[0], highest[windows + 1] = size[0], 0.0
    for w in range(windows):
        highest[w + 1] = 0.0
        for i in range(m):
            highest[w + 1] = max(highest[w + 1], size[1 + w * m + i])
    for w in range(windows):
        first = 1 + w * m
        rim = highest[w]
        for i in range(m):
            rim = max(rim, size[first + i])
            left[i] = rim
        rim = highest[w + 2]
        for i in range(m - 1, -1, -1):
            rim = max(rim, size[first + i])
            size[first + i] = min(left[i], rim)


@inlined
def _largest_ratio(error, size, atol, rtol):
    """The largest ratio of error (L,) and tolerance, and where it is; not at the start, as in `ivp.bound`."""
    largest, at = -1.0, 0
    for i in range(1, error.size):
        tolerance = atol + rtol * size[i]
        if not error[i] <= largest * tolerance:  # NaN, too
            ratio = error[i] / tolerance
            ratio = np.inf if math.isnan(ratio) else ratio
            if ratio > largest:
                largest, at = ratio, i
    return largest, at


@helper
def _worst(error, size, atol, rtol, m):
    """The largest ratio of error (n, L) and tolerance, where it is, its component, and whether `atol` alone counts.

    Of a component whose error is within the tolerance as it is, valleys are not filled: its ratio is an upper bound.
    """
    largest, at, component = -1.0, 0, 0
    for k in range(error.shape[0]):
        ratio, i = _largest_ratio(error[k], size[k], atol[k], rtol[k])
        if ratio > 1.0:
            _fill_valleys(size[k], m)
            ratio, i = _largest_ratio(error[k], size[k], atol[k], rtol[k])
        if ratio > largest:
            largest, at, component = ratio, i, k
    alone = atol[component] + rtol[component] * size[component, at] < 2.0 * atol[component]
    return largest, at, component, alone


@helper
def _gather(u, z, t, left, done, solved_atol, solved_rtol, rounding, y, x, error, size):
    """Abscissae x (L,), and the error and |y| there, (n, L); infinite from where the second march was not found."""
    s, n = u.shape[1:]
    for k in range(n):
        size[k, 0] = abs(y[k])
    for m in range(min(done + 1, len(u))):
        for i in range(s):
            at = 1 + m * s + i
            x[at] = t[m, i]
            for k in range(n):
                largest = abs(u[m, i, k])
                size[k, at] = largest
                unsure = left[m] * (solved_atol[k] + solved_rtol[k] * largest) + rounding * largest
                error[k, at] = abs(u[m, i, k] - z[m, i, k]) + unsure if m < done else np.inf
    if done < len(u):
        error[:, x.size - 1] = np.inf


@helper
def _may_grow(df_dy, h, done, followed):
    """The first window in which df/dy might allow errors to grow too fast, -1 if there is none."""
    for m in range(min(done + 1, h.size)):
        least = followed / max(abs(h[m]), abs(h[m - 1]) if m > 0 else 0.0)
        for k in range(df_dy.shape[1]):
            total = 0.0
            for j in range(df_dy.shape[1]):
                total += abs(df_dy[m, k, j])
            if total > least:
                return m
    return -1


@entry(
    f"Tuple((f8, i8, i8, b1, i8))({CUBE}, {CUBE}, {MATRIX}, {VECTOR}, {VECTOR}, {CUBE}, i8, {VECTOR}, {VECTOR}, f8,"
    f" {VECTOR}, {VECTOR}, f8, {VECTOR}, {MATRIX}, {MATRIX})"
)
def judge(
    u: Real, z: Real, t: Real, left: Real, h: Real, df_dy: Real, done: int, solved_atol: Real, solved_rtol: Real,
    rounding: float, atol: Real, rtol: Real, followed: float, x: Real, error: Real, size: Real,
) -> tuple[float, int, int, bool, int]:  # fmt: skip
    """The largest ratio of error and tolerance, or an upper bound of no more than 1, its place and component, whether
    `atol` alone counts there, and the first window in which errors might grow too fast, or -1.

    u, z (K, s, n), t (K, s), left (K,), h (K,), df_dy (K, n, n), done : of the march and the second one, see
    `compare.compare`, solved to solved_atol + solved_rtol |y|, (n,) each; rounding : errors of values, relative;
    atol, rtol : (n,), the tolerance; followed : growth in a window that is followed; x (L,), error, size (n, L) :
    abscissae, the first and the last one given, the estimated error, and room for |y| there.
    """
    error[:] = 0.0
    _gather(u, z, t, left, done, solved_atol, solved_rtol, rounding, size[:, 0].copy(), x, error, size)
    _with_neighbours(error)
    ratio, at, component, alone = _worst(error, size, atol, rtol, u.shape[1])
    return ratio, at, component, alone, _may_grow(df_dy, h, done, followed)
