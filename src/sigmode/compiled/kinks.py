"""Whether a window that was rejected looks as if f had a kink or a jump in it. `ivp.kinks` locates it."""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Index, Real
from .functions import call_at_nodes
from .launch import CUBE, INDICES, MATRIX, VECTOR, entry, helper, plain_helper
from .noise import scatters

__all__ = ["DEGREE", "NEGLIGIBLE", "NOT_SMOOTH", "SAME", "SWEEPS", "first_that_leaves", "leaves", "looks_odd"]

# A slope is compared with the parabola through this many before it. Not tuned.
_BEFORE = 3
# It leaves the parabola where the difference is this many times what the nodes before it make expect. Not tuned.
_STANDS_OUT = 10.0
# A difference that leaves so much in the values, in units of the tolerance, is none. Not tuned.
NEGLIGIBLE = 1.0
# Degree of the polynomial that continues f from the left, at most; what it misses of the slopes may be exceeded by this
# factor by what still counts as the same. Not tuned.
DEGREE, SAME = 6, 3.0
# What it may miss of the slopes on the left, in units of what does not matter. Not tuned.
NOT_SMOOTH = 5.0
# Sweeps y = y0 + integral of f on the left that free the path of what the kink has done to the values. Not tuned.
SWEEPS = 2


@plain_helper
def leaves(t: Real, slopes: Real, weight: Real, length: float) -> int:
    """The first node whose slope is far from the parabola through the three before it, or -1.

    t (s,), slopes (s, n) : of the window, `length` long; weight : (n,), errors that do not matter.
    """
    expected = 0.0
    for i in range(_BEFORE, t.size):
        a, b, c, d = t[i - 3], t[i - 2], t[i - 1], t[i]
        divided = 0.0
        for k in range(slopes.shape[1]):
            ab = (slopes[i - 2, k] - slopes[i - 3, k]) / (b - a)
            bc = (slopes[i - 1, k] - slopes[i - 2, k]) / (c - b)
            cd = (slopes[i, k] - slopes[i - 1, k]) / (d - c)
            third = ((cd - bc) / (d - b) - (bc - ab) / (c - a)) / (d - a)
            divided = max(divided, abs(third) * length / weight[k])
        reach = abs((d - a) * (d - b) * (d - c))
        if i > _BEFORE and divided * reach > NEGLIGIBLE and divided > _STANDS_OUT * expected:
            return i
        expected = max(expected, divided)
    return -1


def first_that_leaves(t: Real, slopes: Real, weight: Real, length: float) -> int | None:
    """`leaves` for callers in Python, in NumPy; slopes may be complex; None where there is no such node."""
    if slopes.dtype.kind == "c":
        slopes = np.hstack([slopes.real, slopes.imag])
        weight = np.tile(weight, 2)
    gaps = t[1:] - t[:-1], t[2:] - t[:-2], t[3:] - t[:-3]
    differences = slopes
    for gap in gaps:
        differences = (differences[1:] - differences[:-1]) / gap[:, None]
    divided = (abs(differences) * length / weight).max(axis=1)
    reach = abs(gaps[2] * gaps[1][1:] * gaps[0][2:])
    expected = np.maximum.accumulate(divided[:-1])
    far = (divided * reach > NEGLIGIBLE)[1:] & (divided[1:] > _STANDS_OUT * expected)
    return _BEFORE + 1 + int(np.argmax(far)) if far.any() else None


@helper
def _legendre(x, V):
    """V (m, d + 1) = the Legendre polynomials at x (m,)."""
    for i in range(x.size):
        V[i, 0] = 1.0
        if V.shape[1] > 1:
            V[i, 1] = x[i]
        for d in range(2, V.shape[1]):
            V[i, d] = ((2 * d - 1) * x[i] * V[i, d - 1] - (d - 1) * V[i, d - 2]) / d


@helper
def _product(Q, b, c):
    total = 0.0
    for i in range(Q.shape[0]):
        total += Q[i, b] * Q[i, c]
    return total


@helper
def _orthonormal(V, Q, R):
    """V = Q R by the modified Gram-Schmidt process; V, Q (m, d + 1), of the first m rows of V only."""
    for c in range(R.shape[0]):
        for i in range(Q.shape[0]):
            Q[i, c] = V[i, c]
        for b in range(c):
            R[b, c] = _product(Q, b, c)
            for i in range(Q.shape[0]):
                Q[i, c] -= R[b, c] * Q[i, b]
        R[c, c] = math.sqrt(_product(Q, c, c))
        for i in range(Q.shape[0]):
            Q[i, c] /= R[c, c]


@helper
def _fit(Q, R, values, coefficients):
    """coefficients (d + 1, n) of the polynomial that is closest to the first m of values (., n)."""
    left = np.empty(Q.shape[0])
    for k in range(values.shape[1]):
        for i in range(left.size):
            left[i] = values[i, k]
        for c in range(R.shape[0]):
            total = 0.0
            for i in range(left.size):
                total += Q[i, c] * left[i]
            coefficients[c, k] = total
            for i in range(left.size):
                left[i] -= total * Q[i, c]
        for c in range(R.shape[0] - 1, -1, -1):
            for b in range(c + 1, R.shape[0]):
                coefficients[c, k] -= R[c, b] * coefficients[b, k]
            coefficients[c, k] /= R[c, c]


@helper
def _far(V, coefficients, there, m, scale):
    """How far values there (m + 1, n) are from the polynomial, in units: at most at the first m, and at the last."""
    missed, off = 0.0, 0.0
    for i in range(m + 1):
        for k in range(there.shape[1]):
            apart = there[i, k]
            for c in range(coefficients.shape[0]):
                apart -= V[i, c] * coefficients[c, k]
            apart = abs(apart) * scale[k]
            if not math.isfinite(apart):
                return np.inf, np.inf
            if i < m:
                missed = max(missed, apart)
            else:
                off = max(off, apart)
    return missed, off


@helper
def _path(V, y, half, coefficients, path):
    """path (m, n) = y + the integral of the polynomial from -1; V (m, d + 2)."""
    for i in range(V.shape[0]):
        for k in range(y.size):
            total = coefficients[0, k] * (V[i, 1] + 1.0)
            for c in range(1, coefficients.shape[0]):
                total += coefficients[c, k] * (V[i, c + 1] - V[i, c - 1]) / (2 * c + 1)
            path[i, k] = y[k] + half * total


@helper
def _suspects(address, words, start, y, f, t, slopes, weight, length):
    """Whether `ivp.kinks.find` would look for a kink by bisection, or f has to be called from Python.

    start, y, f : where the window starts; t (s,), slopes (s, n) : of its nodes, as they came; the rest as in `leaves`.
    """
    at = leaves(t, slopes, weight, length)
    if at < 0:
        return False
    n, m = y.size, at + 1
    degree = min(DEGREE, m - 2)
    times, x, scale = np.empty(m + 1), np.empty(m + 1), np.empty(n)
    values, there = np.empty((m + 1, n)), np.empty((m + 1, n))
    half = 0.5 * (t[at - 1] - start)
    for i in range(m + 1):  # the last one is the node that leaves
        times[i] = start if i == 0 else t[i - 1]
        x[i] = (times[i] - start) / half - 1.0
        for k in range(n):
            there[i, k] = f[k] if i == 0 else slopes[i - 1, k]
    for k in range(n):
        scale[k] = length / weight[k]
    V, Q, R = np.empty((m + 1, degree + 2)), np.empty((m, degree + 1)), np.empty((degree + 1, degree + 1))
    coefficients = np.empty((degree + 1, n))
    _legendre(x, V)
    _orthonormal(V, Q, R)
    for _ in range(SWEEPS):
        _fit(Q, R, there, coefficients)
        _path(V, y, half, coefficients, values)
        if not call_at_nodes(address, times, values, words, there):
            return True
    _fit(Q, R, there, coefficients)
    missed, off = _far(V, coefficients, there, m, scale)
    if not missed <= NOT_SMOOTH:
        return False
    return off > max(NEGLIGIBLE, SAME * missed)


@entry(
    f"b1(i8, {INDICES}, f8, {VECTOR}, {VECTOR}, f8, {VECTOR}, {MATRIX}, {MATRIX}, {VECTOR}, {VECTOR}, b1, {VECTOR},"
    f" {CUBE})"
)
def looks_odd(
    address: int, words: Index, start: float, y: Real, f: Real, h: float, t: Real, Y: Real, K: Real, atol: Real,
    rtol: Real, noise_too: bool, at: Real, residuals: Real,
) -> bool:  # fmt: skip
    """Whether `ivp.kinks.find` might find a kink of a compiled f in the window, or, if asked for, f scatters in it.

    start, y, f : where the window starts; h : its length with sign; t (s,), Y, K (s, n) : of its nodes, as they came;
    atol, rtol : (n,), of errors that do not matter; at, residuals : see `noise.scatters`.
    """
    weight = np.empty(y.size)
    for k in range(y.size):
        largest = abs(y[k])
        for i in range(t.size):
            if not (math.isfinite(Y[i, k]) and math.isfinite(K[i, k])):
                return False
            largest = max(largest, abs(Y[i, k]))
        weight[k] = atol[k] + rtol[k] * largest
    if _suspects(address, words, start, y, f, t, K, weight, abs(h)):
        return True
    return noise_too and scatters(address, words, start, h, y, f, weight, at, residuals)
