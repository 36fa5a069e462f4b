"""Everything compiled: the network's values, its pullback and its sensitivities.

The kernels know the network ``N_k(xi) = sum_j V_kj s(w_j xi + b_j) + c_k`` and nothing else; what an equation,
a condition or a data misfit adds is array code between two kernels.  Points are the SIMD axis, in blocks of
``BLOCK``; hidden units are the outer loop; blocks are shared out among threads.

Rules of this file (each answers a known trap of Numba):

* Compiled code that calls compiled code lives here and only here: the disk cache does not see edits elsewhere.
* Serial and parallel loops are two functions around the same block function, never one function decorated twice.
* Every sum over points is a partial sum per block, and the blocks are added in order: the bits depend on the
  number of points alone, not on the number of threads.
* No kernel raises or checks: callers hand over float64 arrays in C order whose shapes fit.
* Nothing is compiled, and no cache folder is touched, before the first call.
"""

from __future__ import annotations

import functools
import math
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import njit, prange, types
from numba.core import cgutils, dispatcher
from numba.extending import intrinsic, overload
from numpy.typing import NDArray

__all__ = [
    "ACTIVATIONS",
    "BLOCK",
    "PARALLEL_WORK",
    "address",
    "borrow",
    "condition",
    "couple",
    "differences",
    "eliminate",
    "ends",
    "estimate",
    "forward",
    "forward2",
    "give_back",
    "kept_size",
    "newton",
    "predict",
    "pullback",
    "pullback2",
    "reduce",
    "residuals",
    "sensitivities",
    "sensitivities2",
    "sigmoid",
    "sizes",
    "substitute",
    "tails",
    "verdict",
    "weights",
    "window",
]

Array = NDArray[np.float64]

ACTIVATIONS = {"sigmoid": 0, "tanh": 1, "sin": 2}

# Points per block. 128 costs about 10 % more per element (loop set-up), 512 leaves too few blocks to share out.
BLOCK = 256

# Below this many activations one thread is faster than a parallel launch (`bench/test_kernels.py`, threshold).
PARALLEL_WORK = 16_000

# Windows with more unknown slopes than this are eliminated in panels of so many columns (`bench/test_bvp.py`, panels).
_ONE_PANEL = 128
_PANEL = 32

# Multiplications of an elimination that take as long as one activation.
_ELIMINATED = 8

# Elementwise code must keep its rounding (the exponential's reduction lives on it): contraction only.
# Sums over points may be reordered, or they would not be vectorised. Never nnan or ninf: NaN must stay NaN.
_EXACT: dict[str, Any] = {"fastmath": {"contract"}, "error_model": "numpy"}
_SUMS: dict[str, Any] = {"fastmath": {"contract", "reassoc", "nsz"}, "error_model": "numpy"}

# ---------------------------------------------------------------------------------------------------------
# LLVM fuses a product into a sum wherever it can. Where two products are added it has the choice which one to fuse, and
# a copy of the code compiled in this process and one from the disk cache were seen to choose differently: other bits
# for the same input. There the choice is made here.


def _fma(a, b, c):
    """a b + c with one rounding."""
    return a * b + c


@intrinsic
def _fused(typingctx, a, b, c):
    double = types.float64
    return double(double, double, double), lambda context, builder, signature, args: builder.fma(*args)


@overload(_fma)
def _fma_compiled(a, b, c):
    return lambda a, b, c: _fused(a, b, c)  # type: ignore[call-arg]


# ---------------------------------------------------------------------------------------------------------
# Activations. Each returns its value and its first derivative; the second follows from those two, see _second.

_ROUND = 6755399441055744.0  # 1.5 * 2**52: adding it rounds to an integer that stands in the low bits
_LOG2_E = 1.4426950408889634
_LN2_HIGH = 6.93147180369123816490e-01  # 33 bits, so that k * _LN2_HIGH is exact
_LN2_LOW = 1.90821492927058770002e-10
_EXPONENT_ONE = 1023 << 52

# (exp(r) - 1 - r) / r**2 on |r| <= ln(2)/2, Chebyshev fit computed with 40 digits; error 0.08 ulp of exp(r).
_E0 = 0.5000000000000001
_E1 = 0.16666666666666669
_E2 = 0.04166666666662413
_E3 = 0.008333333333330062
_E4 = 0.0013888888917213717
_E5 = 0.00019841269863053618
_E6 = 2.4801521295954376e-05
_E7 = 2.7557268459997064e-06
_E8 = 2.7620088445409746e-07
_E9 = 2.510038549551032e-08


@njit(**_EXACT)
def _exp_parts(x):
    """exp(x) for x <= 0 as ``(1 + q) * f * g``, f and g powers of two whose product may be subnormal.

    Written so that LLVM can vectorise it: no call, no branch, no table. Two factors instead of one make the
    result right down to the smallest subnormal; -746 is below that. The comparison is false for NaN: it stays.
    """
    x = -746.0 if x < -746.0 else x
    shifted = x * _LOG2_E + _ROUND
    k = shifted - _ROUND
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    r2 = r * r
    r4 = r2 * r2
    tail = (_E0 + r * _E1) + r2 * (_E2 + r * _E3)
    tail += r4 * ((_E4 + r * _E5) + r2 * (_E6 + r * _E7) + r4 * (_E8 + r * _E9))
    q = r + r2 * tail
    whole = np.float64(shifted).view(np.int64)
    half = np.float64(k * 0.5 + _ROUND).view(np.int64)
    f = np.int64((half << 52) + _EXPONENT_ONE).view(np.float64)
    g = np.int64(((whole - half) << 52) + _EXPONENT_ONE).view(np.float64)
    return q, f, g


@njit(**_EXACT)
def _sigmoid(z):
    """s = 1/(1 + exp(-z)) and Ds = s (1 - s), eq. (22), both to a few ulp on the whole line.

    Computed from exp(-|z|), so that neither tail cancels: Ds keeps its digits where s rounds to 1.
    """
    q, f, g = _exp_parts(-abs(z))
    e = (f + f * q) * g
    large = 1.0 / (1.0 + e)
    small = e * large
    return (large if z >= 0.0 else small), small * large


@njit(**_EXACT)
def _tanh(z):
    """tanh z and 1 - tanh(z)**2 from expm1(-2|z|), so that neither cancels near zero or far out."""
    q, f, g = _exp_parts(-2.0 * abs(z))
    scale = f * g
    e = (f + f * q) * g
    inverse = 1.0 / (1.0 + e)
    return math.copysign(-(scale * q + (scale - 1.0)) * inverse, z), 4.0 * e * inverse * inverse


_TWO_OVER_PI = 0.6366197723675814
# pi/2 in three parts of 33 bits and a remainder: k times a part is exact for |k| < 2**20
_PIO2_1 = 1.57079632673412561417e00
_PIO2_2 = 6.07710050630396597660e-11
_PIO2_3 = 2.02226624871116645580e-21
_PIO2_4 = 8.47842766036889956997e-32
_SIN_REDUCTION_LIMIT = 1.0e6


@njit(**_EXACT)
def _sin(z):
    """sin z and cos z for |z| <= 1e6, without a call: reduction by pi/2, then one polynomial each.

    Taylor coefficients: on |r| <= pi/4 the first term left out is below 1e-18.
    """
    shifted = z * _TWO_OVER_PI + _ROUND
    k = shifted - _ROUND
    r = ((z - k * _PIO2_1) - k * _PIO2_2) - k * _PIO2_3 - k * _PIO2_4
    r2 = r * r
    s = r2 * (1 / 6227020800 - r2 * (1 / 1307674368000 - r2 * (1 / 355687428096000)))
    s = r2 * (1 / 120 - r2 * (1 / 5040 - r2 * (1 / 362880 - r2 * (1 / 39916800 - s))))
    s = r - r * r2 * (1 / 6 - s)
    c = r2 * (1 / 479001600 - r2 * (1 / 87178291200 - r2 * (1 / 20922789888000)))
    c = r2 * r2 * (1 / 24 - r2 * (1 / 720 - r2 * (1 / 40320 - r2 * (1 / 3628800 - c))))
    c = 1.0 - _fma(0.5, r2, -c)
    quadrant = np.float64(shifted).view(np.int64) & 3
    sine = s if (quadrant & 1) == 0 else c
    cosine = c if (quadrant & 1) == 0 else s
    sine = sine if quadrant < 2 else -sine
    cosine = -cosine if quadrant == 1 or quadrant == 2 else cosine
    return sine, cosine


@njit(**_EXACT)
def _second(kind):
    """Coefficients (p, q, r) of D2s = (p + q s) Ds + r s: eq. (22) for the sigmoid, -2 t Dt for tanh, -s for sin."""
    if kind == 0:
        return 1.0, -2.0, 0.0
    if kind == 1:
        return 0.0, -2.0, 0.0
    return 0.0, 0.0, -1.0


@njit(**_EXACT)
def _third(kind):
    """Coefficients (p, q) of D3s = (p + q Ds) Ds: 1 - 6 Ds for the sigmoid, 4 - 6 Dt for tanh, -1 for sin."""
    if kind == 0:
        return 1.0, -6.0
    if kind == 1:
        return 4.0, -6.0
    return -1.0, 0.0


# ---------------------------------------------------------------------------------------------------------
# One block of points. `kept` is (n_hidden, 2, BLOCK): s and Ds of every unit, written by forward, read by pullback.


@njit(**_EXACT)
def _activate(kind, w, b, v, xi, s, ds, value, slope):
    """Write s(w xi + b) and Ds of one hidden unit, and add v s to N and v w Ds to N', in one pass.

    The loops differ only in the function that they call. Adding in a pass of its own costs 10 % more.
    """
    vw = v * w
    if kind == 0:
        for i in range(xi.size):
            s[i], ds[i] = _sigmoid(w * xi[i] + b)
            value[i] += v * s[i]
            slope[i] += vw * ds[i]
    elif kind == 1:
        for i in range(xi.size):
            s[i], ds[i] = _tanh(w * xi[i] + b)
            value[i] += v * s[i]
            slope[i] += vw * ds[i]
    elif abs(w) + abs(b) < _SIN_REDUCTION_LIMIT:
        for i in range(xi.size):
            s[i], ds[i] = _sin(w * xi[i] + b)
            value[i] += v * s[i]
            slope[i] += vw * ds[i]
    else:
        for i in range(xi.size):
            z = w * xi[i] + b
            s[i] = math.sin(z)
            ds[i] = math.cos(z)
            value[i] += v * s[i]
            slope[i] += vw * ds[i]


@njit(**_EXACT)
def _add_unit(v, vw, s, ds, value, slope):
    for i in range(value.size):
        value[i] += v * s[i]
        slope[i] += vw * ds[i]


@njit(**_EXACT)
def _forward_block(theta, n, n_hidden, kind, xi, lo, hi, kept, values, slopes):
    """N and N' = dN/dxi (eq. 18) for the points lo to hi; `values` and `slopes` are (n, m)."""
    size = hi - lo
    block = xi[lo:hi]
    bias = theta[(2 + n) * n_hidden :]
    for k in range(n):
        values[k, lo:hi] = bias[k] if bias.size else 0.0
        slopes[k, lo:hi] = 0.0
    for j in range(n_hidden):
        w = theta[j]
        s = kept[j, 0, :size]
        ds = kept[j, 1, :size]
        v = theta[2 * n_hidden + j]
        _activate(kind, w, theta[n_hidden + j], v, block, s, ds, values[0, lo:hi], slopes[0, lo:hi])
        for k in range(1, n):
            v = theta[(2 + k) * n_hidden + j]
            _add_unit(v, v * w, s, ds, values[k, lo:hi], slopes[k, lo:hi])


@njit(**_SUMS)
def _pull_unit(w, p, q, r, xi, s, ds, n_bar, dn_bar):
    """The four sums over points behind the gradient of one unit in one equation, before the factor V_kj."""
    sum_w = 0.0
    sum_b = 0.0
    sum_v = 0.0
    sum_vw = 0.0
    for i in range(xi.size):
        through_slope = dn_bar[i] * ds[i]
        d2s_bar = _fma(p + q * s[i], through_slope, r * (s[i] * dn_bar[i]))
        both = _fma(w, d2s_bar, n_bar[i] * ds[i])
        sum_b += both
        sum_w += both * xi[i]
        sum_v += n_bar[i] * s[i]
        sum_vw += through_slope
    return sum_w + sum_vw, sum_b, sum_v + w * sum_vw


@njit(**_SUMS)
def _sum(values):
    total = 0.0
    for i in range(values.size):
        total += values[i]
    return total


@njit(**_EXACT)
def _pullback_block(theta, n, n_hidden, kind, xi, lo, hi, kept, n_bar, dn_bar, gradient):
    """Overwrite `gradient` with dE/dtheta of the points lo to hi: eq. (21) for w, and b, V, c likewise.

    dE/dw_j = sum_k V_kj sum_i [N_bar Ds xi + dN_bar (Ds + w D2s xi)],  dE/db_j the same without the last Ds
    and xi,  dE/dV_kj = sum_i [N_bar s + dN_bar w Ds],  dE/dc_k = sum_i N_bar.
    """
    size = hi - lo
    block = xi[lo:hi]
    p, q, r = _second(kind)
    gradient[: 2 * n_hidden] = 0.0
    for j in range(n_hidden):
        for k in range(n):
            of_v = (2 + k) * n_hidden + j
            of_w, of_b, gradient[of_v] = _pull_unit(
                theta[j], p, q, r, block, kept[j, 0, :size], kept[j, 1, :size], n_bar[k, lo:hi], dn_bar[k, lo:hi]
            )
            gradient[j] += theta[of_v] * of_w
            gradient[n_hidden + j] += theta[of_v] * of_b
    for c in range((2 + n) * n_hidden, theta.size):
        gradient[c] = _sum(n_bar[c - (2 + n) * n_hidden, lo:hi])


@njit(**_EXACT)
def _sensitivity_row(theta, n, n_hidden, x, s, ds, d2s, dr_dn, dr_ddn, by_value, by_slope, row):
    """One row of the Jacobian: dr/dtheta where r depends on N_l and N'_l with weights dr_dn[l], dr_ddn[l]."""
    w = theta[:n_hidden]
    by_value[:] = 0.0
    by_slope[:] = 0.0
    for k in range(n):
        v = theta[(2 + k) * n_hidden : (3 + k) * n_hidden]
        of_v = row[(2 + k) * n_hidden : (3 + k) * n_hidden]
        p = dr_dn[k]
        q = dr_ddn[k]
        for j in range(n_hidden):
            by_value[j] += p * v[j]
            by_slope[j] += q * v[j]
            of_v[j] = _fma(p, s[j], q * (w[j] * ds[j]))
    of_w = row[:n_hidden]
    of_b = row[n_hidden : 2 * n_hidden]
    for j in range(n_hidden):
        both = _fma(by_value[j], ds[j], by_slope[j] * (w[j] * d2s[j]))
        of_b[j] = both
        of_w[j] = _fma(both, x, by_slope[j] * ds[j])
    for c in range((2 + n) * n_hidden, theta.size):
        row[c] = dr_dn[c - (2 + n) * n_hidden]


@njit(**_EXACT)
def _sensitivities_block(theta, n, n_hidden, kind, xi, lo, hi, dr_dn, dr_ddn, jacobian):
    """Rows of the points lo to hi. Activations have the points as SIMD axis, a row of the Jacobian has the units."""
    m = xi.size
    p, q, r = _second(kind)
    size = hi - lo
    # Eight more than the points: with a power of two the columns read below would fight for one set of the cache
    kept = np.empty((2, n_hidden, size + 8))
    unused = np.zeros((2, size))
    for j in range(n_hidden):
        w, b = theta[j], theta[n_hidden + j]
        _activate(kind, w, b, 0.0, xi[lo:hi], kept[0, j, :size], kept[1, j, :size], unused[0], unused[1])
    units = np.empty((5, n_hidden))
    s = units[0]
    ds = units[1]
    d2s = units[2]
    for i in range(lo, hi):
        for j in range(n_hidden):
            s[j] = kept[0, j, i - lo]
            ds[j] = kept[1, j, i - lo]
        for j in range(n_hidden):
            d2s[j] = _fma(p + q * s[j], ds[j], r * s[j])
        for k in range(dr_dn.shape[1]):
            _sensitivity_row(
                theta, n, n_hidden, xi[i], s, ds, d2s, dr_dn[i, k], dr_ddn[i, k], units[3], units[4],
                jacobian[k * m + i],
            )  # fmt: skip


# ---------------------------------------------------------------------------------------------------------
# The same three with N'' besides N and N', for equations of second order.


@njit(**_EXACT)
def _add_curvature(vww, p, q, r, s, ds, curvature):
    for i in range(curvature.size):
        curvature[i] += vww * _fma(p + q * s[i], ds[i], r * s[i])


@njit(**_EXACT)
def _forward2_block(theta, n, n_hidden, kind, xi, lo, hi, kept, values, slopes, curvatures):
    """N, N' with the bits of `_forward_block`, and N'' = sum_j V_kj w_j**2 D2s(z_j), all (n, m)."""
    _forward_block(theta, n, n_hidden, kind, xi, lo, hi, kept, values, slopes)
    size = hi - lo
    p, q, r = _second(kind)
    for k in range(n):
        curvatures[k, lo:hi] = 0.0
    for j in range(n_hidden):
        w = theta[j]
        for k in range(n):
            vww = theta[(2 + k) * n_hidden + j] * w * w
            _add_curvature(vww, p, q, r, kept[j, 0, :size], kept[j, 1, :size], curvatures[k, lo:hi])


@njit(**_SUMS)
def _pull2_unit(w, second, third, xi, s, ds, n_bar, dn_bar, d2n_bar):
    """As `_pull_unit`, with the path through N'': the sums for w, b (before the factor V_kj) and V."""
    p, q, r = second
    p3, q3 = third
    sum_w = 0.0
    sum_b = 0.0
    sum_v = 0.0
    sum_vw = 0.0
    sum_vww = 0.0
    for i in range(xi.size):
        d2s = _fma(p + q * s[i], ds[i], r * s[i])
        d3s = (p3 + q3 * ds[i]) * ds[i]
        both = _fma(n_bar[i], ds[i], w * _fma(dn_bar[i], d2s, w * (d2n_bar[i] * d3s)))
        sum_b += both
        sum_w += both * xi[i]
        sum_v += n_bar[i] * s[i]
        sum_vw += dn_bar[i] * ds[i]
        sum_vww += d2n_bar[i] * d2s
    return _fma(2.0 * w, sum_vww, sum_w + sum_vw), sum_b, _fma(w, _fma(w, sum_vww, sum_vw), sum_v)


@njit(**_EXACT)
def _pullback2_block(theta, n, n_hidden, kind, xi, lo, hi, kept, n_bar, dn_bar, d2n_bar, gradient):
    """Overwrite `gradient` with dE/dtheta of the points lo to hi, where E depends on N, N' and N''.

    To `_pullback_block` comes, with g = d2N_bar: dE/dw_j += sum_k V_kj sum_i g (2 w D2s + w**2 D3s xi),
    dE/db_j += sum_k V_kj sum_i g w**2 D3s,  dE/dV_kj += sum_i g w**2 D2s.
    """
    size = hi - lo
    block = xi[lo:hi]
    second, third = _second(kind), _third(kind)
    gradient[: 2 * n_hidden] = 0.0
    for j in range(n_hidden):
        for k in range(n):
            of_v = (2 + k) * n_hidden + j
            of_w, of_b, gradient[of_v] = _pull2_unit(
                theta[j], second, third, block, kept[j, 0, :size], kept[j, 1, :size],
                n_bar[k, lo:hi], dn_bar[k, lo:hi], d2n_bar[k, lo:hi],
            )  # fmt: skip
            gradient[j] += theta[of_v] * of_w
            gradient[n_hidden + j] += theta[of_v] * of_b
    for c in range((2 + n) * n_hidden, theta.size):
        gradient[c] = _sum(n_bar[c - (2 + n) * n_hidden, lo:hi])


@njit(**_EXACT)
def _sensitivity2_row(theta, n, n_hidden, x, layer, dr_dn, dr_ddn, dr_d2n, by, row):
    """As `_sensitivity_row`, with r depending on N''_l, too. `layer` holds s to D3s, `by` is work space."""
    w = theta[:n_hidden]
    s = layer[0]
    ds = layer[1]
    d2s = layer[2]
    d3s = layer[3]
    by[:] = 0.0
    for k in range(n):
        v = theta[(2 + k) * n_hidden : (3 + k) * n_hidden]
        of_v = row[(2 + k) * n_hidden : (3 + k) * n_hidden]
        p = dr_dn[k]
        q = dr_ddn[k]
        g = dr_d2n[k]
        for j in range(n_hidden):
            by[0, j] += p * v[j]
            by[1, j] += q * v[j]
            by[2, j] += g * v[j]
            of_v[j] = _fma(p, s[j], w[j] * _fma(q, ds[j], w[j] * (g * d2s[j])))
    of_w = row[:n_hidden]
    of_b = row[n_hidden : 2 * n_hidden]
    for j in range(n_hidden):
        both = _fma(by[0, j], ds[j], w[j] * _fma(by[1, j], d2s[j], w[j] * (by[2, j] * d3s[j])))
        of_b[j] = both
        of_w[j] = _fma(both, x, _fma(by[1, j], ds[j], 2.0 * w[j] * (by[2, j] * d2s[j])))
    for c in range((2 + n) * n_hidden, theta.size):
        row[c] = dr_dn[c - (2 + n) * n_hidden]


@njit(**_EXACT)
def _sensitivities2_block(theta, n, n_hidden, kind, xi, lo, hi, dr_dn, dr_ddn, dr_d2n, jacobian):
    """Rows of the points lo to hi, as `_sensitivities_block`."""
    m = xi.size
    p, q, r = _second(kind)
    p3, q3 = _third(kind)
    size = hi - lo
    kept = np.empty((2, n_hidden, size + 8))
    unused = np.zeros((2, size))
    for j in range(n_hidden):
        w, b = theta[j], theta[n_hidden + j]
        _activate(kind, w, b, 0.0, xi[lo:hi], kept[0, j, :size], kept[1, j, :size], unused[0], unused[1])
    layer = np.empty((4, n_hidden))
    by = np.empty((3, n_hidden))
    for i in range(lo, hi):
        for j in range(n_hidden):
            s = kept[0, j, i - lo]
            ds = kept[1, j, i - lo]
            layer[0, j] = s
            layer[1, j] = ds
            layer[2, j] = _fma(p + q * s, ds, r * s)
            layer[3, j] = (p3 + q3 * ds) * ds
        for k in range(dr_dn.shape[1]):
            _sensitivity2_row(
                theta, n, n_hidden, xi[i], layer, dr_dn[i, k], dr_ddn[i, k], dr_d2n[i, k], by, jacobian[k * m + i]
            )


# ---------------------------------------------------------------------------------------------------------
# Loops over blocks, twice each: the disk cache tells functions apart by name, so twins must not share one.


@njit(**_EXACT)
def _blocks(kept, m, n_hidden):
    """The flat buffer as (blocks, n_hidden, 2, BLOCK)."""
    blocks = (m + BLOCK - 1) // BLOCK
    return kept[: blocks * n_hidden * 2 * BLOCK].reshape((blocks, n_hidden, 2, BLOCK))


def _forward_serial(theta, n, n_hidden, kind, xi, buffer, values, slopes):
    m = xi.size
    kept = _blocks(buffer, m, n_hidden)
    for block in range(kept.shape[0]):
        lo = block * BLOCK
        _forward_block(theta, n, n_hidden, kind, xi, lo, min(m, lo + BLOCK), kept[block], values, slopes)


def _forward_parallel(theta, n, n_hidden, kind, xi, buffer, values, slopes):
    m = xi.size
    kept = _blocks(buffer, m, n_hidden)
    for block in prange(kept.shape[0]):
        lo = block * BLOCK
        _forward_block(theta, n, n_hidden, kind, xi, lo, min(m, lo + BLOCK), kept[block], values, slopes)


@njit(**_EXACT)
def _add_in_order(partial, gradient):
    for block in range(partial.shape[0]):
        for j in range(gradient.size):
            gradient[j] += partial[block, j]


def _pullback_serial(theta, n, n_hidden, kind, xi, buffer, n_bar, dn_bar, gradient):
    m = xi.size
    kept = _blocks(buffer, m, n_hidden)
    partial = np.empty((kept.shape[0], theta.size))
    for block in range(kept.shape[0]):
        lo = block * BLOCK
        hi = min(m, lo + BLOCK)
        _pullback_block(theta, n, n_hidden, kind, xi, lo, hi, kept[block], n_bar, dn_bar, partial[block])
    _add_in_order(partial, gradient)


def _pullback_parallel(theta, n, n_hidden, kind, xi, buffer, n_bar, dn_bar, gradient):
    m = xi.size
    kept = _blocks(buffer, m, n_hidden)
    partial = np.empty((kept.shape[0], theta.size))
    for block in prange(kept.shape[0]):
        lo = block * BLOCK
        hi = min(m, lo + BLOCK)
        _pullback_block(theta, n, n_hidden, kind, xi, lo, hi, kept[block], n_bar, dn_bar, partial[block])
    _add_in_order(partial, gradient)


# A row of the Jacobian costs n_theta stores, a point of the network n_hidden activations: smaller shares.
_ROW_BLOCK = 128


def _sensitivities_serial(theta, n, n_hidden, kind, xi, dr_dn, dr_ddn, jacobian):
    m = xi.size
    for block in range((m + _ROW_BLOCK - 1) // _ROW_BLOCK):
        lo = block * _ROW_BLOCK
        hi = min(m, lo + _ROW_BLOCK)
        _sensitivities_block(theta, n, n_hidden, kind, xi, lo, hi, dr_dn, dr_ddn, jacobian)


def _sensitivities_parallel(theta, n, n_hidden, kind, xi, dr_dn, dr_ddn, jacobian):
    m = xi.size
    for block in prange((m + _ROW_BLOCK - 1) // _ROW_BLOCK):
        lo = block * _ROW_BLOCK
        hi = min(m, lo + _ROW_BLOCK)
        _sensitivities_block(theta, n, n_hidden, kind, xi, lo, hi, dr_dn, dr_ddn, jacobian)


def _forward2_serial(theta, n, n_hidden, kind, xi, buffer, values, slopes, curvatures):
    m = xi.size
    kept = _blocks(buffer, m, n_hidden)
    for block in range(kept.shape[0]):
        lo = block * BLOCK
        hi = min(m, lo + BLOCK)
        _forward2_block(theta, n, n_hidden, kind, xi, lo, hi, kept[block], values, slopes, curvatures)


def _forward2_parallel(theta, n, n_hidden, kind, xi, buffer, values, slopes, curvatures):
    m = xi.size
    kept = _blocks(buffer, m, n_hidden)
    for block in prange(kept.shape[0]):
        lo = block * BLOCK
        hi = min(m, lo + BLOCK)
        _forward2_block(theta, n, n_hidden, kind, xi, lo, hi, kept[block], values, slopes, curvatures)


def _pullback2_serial(theta, n, n_hidden, kind, xi, buffer, n_bar, dn_bar, d2n_bar, gradient):
    m = xi.size
    kept = _blocks(buffer, m, n_hidden)
    partial = np.empty((kept.shape[0], theta.size))
    for block in range(kept.shape[0]):
        lo = block * BLOCK
        hi = min(m, lo + BLOCK)
        _pullback2_block(
            theta, n, n_hidden, kind, xi, lo, hi, kept[block], n_bar, dn_bar, d2n_bar, partial[block]
        )  # fmt: skip
    _add_in_order(partial, gradient)


def _pullback2_parallel(theta, n, n_hidden, kind, xi, buffer, n_bar, dn_bar, d2n_bar, gradient):
    m = xi.size
    kept = _blocks(buffer, m, n_hidden)
    partial = np.empty((kept.shape[0], theta.size))
    for block in prange(kept.shape[0]):
        lo = block * BLOCK
        hi = min(m, lo + BLOCK)
        _pullback2_block(
            theta, n, n_hidden, kind, xi, lo, hi, kept[block], n_bar, dn_bar, d2n_bar, partial[block]
        )  # fmt: skip
    _add_in_order(partial, gradient)


def _sensitivities2_serial(theta, n, n_hidden, kind, xi, dr_dn, dr_ddn, dr_d2n, jacobian):
    m = xi.size
    for block in range((m + _ROW_BLOCK - 1) // _ROW_BLOCK):
        lo = block * _ROW_BLOCK
        hi = min(m, lo + _ROW_BLOCK)
        _sensitivities2_block(theta, n, n_hidden, kind, xi, lo, hi, dr_dn, dr_ddn, dr_d2n, jacobian)


def _sensitivities2_parallel(theta, n, n_hidden, kind, xi, dr_dn, dr_ddn, dr_d2n, jacobian):
    m = xi.size
    for block in prange((m + _ROW_BLOCK - 1) // _ROW_BLOCK):
        lo = block * _ROW_BLOCK
        hi = min(m, lo + _ROW_BLOCK)
        _sensitivities2_block(theta, n, n_hidden, kind, xi, lo, hi, dr_dn, dr_ddn, dr_d2n, jacobian)


def _sigmoid_serial(z, s):
    for i in range(z.size):
        s[i] = _sigmoid(z[i])[0]


# ---------------------------------------------------------------------------------------------------------
# One window of a marching solution (ivp.py): collocation with a fixed hidden layer of s units on s nodes, so that the
# values are Y = y + h A K with the slopes K = f(t, Y). `stages` holds Y, K, the f of the sweep before, and the step
# of Y, each (s, n). Arrays are small: one thread.


@intrinsic
def _call_address(typingctx, address, t, y):
    """Call a compiled f(t, y) by its address, in Numba's own convention: exceptions pass through."""
    vector = types.float64[::1]

    def codegen(context, builder, signature, args):
        arguments = (types.float64, vector)
        kind = context.call_conv.get_function_type(vector, arguments)
        pointer = builder.inttoptr(args[0], kind.as_pointer())
        status, value = context.call_conv.call_function(builder, pointer, vector, arguments, args[1:])
        with cgutils.if_unlikely(builder, status.is_error):
            context.call_conv.return_status_propagate(builder, status)
        return value

    return vector(types.int64, types.float64, vector), codegen


# A system of so many unknowns is factorised again in every sweep, a larger one only where the rate is above a bound.
_CHEAP_SYSTEM = 50
_SLOW_NEWTON = 0.1
_SWEEPS = 10  # Newton's sweeps before a window counts as too long
_CONVERGED = 0.05  # of the tolerance: what Newton may leave


@njit(**_EXACT)
def _factor(M, pivots):
    """M = P L U in place, partial pivoting; False where it is singular or not finite."""
    size = M.shape[0]
    for k in range(size):
        p = k
        for i in range(k + 1, size):
            if abs(M[i, k]) > abs(M[p, k]):
                p = i
        pivots[k] = p
        if not 0.0 < abs(M[p, k]) < np.inf:
            return False
        if p != k:
            for j in range(size):
                M[k, j], M[p, j] = M[p, j], M[k, j]
        top = M[k, k + 1 : size]
        inverse = 1.0 / M[k, k]
        for i in range(k + 1, size):
            factor = M[i, k] * inverse
            M[i, k] = factor
            if factor != 0.0:
                row = M[i, k + 1 : size]
                for j in range(row.size):
                    row[j] -= factor * top[j]
    return True


@njit(**_EXACT)
def _substitute(M, pivots, b):
    """Overwrite b with the solution of M x = b, M as `_factor` left it."""
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


@njit(**_EXACT)
def _secant(J, stages, atol, rtol):
    """Broyden's update of df/dy at every node by itself: J_i dY_i = dK_i. For one equation it is the secant method."""
    for i in range(J.shape[0]):
        length = 0.0
        for k in range(J.shape[1]):
            length += (stages[3, i, k] / (atol[k] + rtol[k] * abs(stages[0, i, k]))) ** 2
        if length == 0.0:
            continue
        for k in range(J.shape[1]):
            gap = stages[1, i, k] - stages[2, i, k]
            for m in range(J.shape[1]):
                gap -= J[i, k, m] * stages[3, i, m]
            for m in range(J.shape[1]):
                weight = atol[m] + rtol[m] * abs(stages[0, i, m])
                J[i, k, m] += gap * (stages[3, i, m] / weight / weight) / length


@njit(**_EXACT)
def _assemble(A, h, J, M):
    """M = I - h (A x J), rows and columns by node and equation."""
    s, n = J.shape[0], J.shape[1]
    for i in range(s):
        for k in range(n):
            row = M[i * n + k]
            for j in range(s):
                factor = -h * A[i, j]
                for m in range(n):
                    row[j * n + m] = factor * J[j, k, m]
            row[i * n + k] += 1.0


@njit(**_EXACT)
def _newton(A, y, h, J, stages, atol, rtol, history, M, pivots, update):
    """One Newton sweep, given f in stages[1]. Returns 1 for converged, 0 for not yet, 2 for hopeless.

    history : sweeps done, size of the last step, rate. At the end stages[1] holds the slopes that belong to the new Y.
    """
    s, n = J.shape[0], J.shape[1]
    follow = update and history[0] > 0.0 and (s * n <= _CHEAP_SYSTEM or history[2] > _SLOW_NEWTON)
    if follow:
        _secant(J, stages, atol, rtol)
    if follow or history[0] == 0.0:
        _assemble(A, h, J, M)
        history[3] += 1.0
        if not _factor(M, pivots):
            return 2
    step = stages[3]
    for i in range(s):
        for k in range(n):
            total = 0.0
            for j in range(s):
                total += A[i, j] * stages[1, j, k]
            step[i, k] = (y[k] - stages[0, i, k]) + h * total
    _substitute(M, pivots, step.reshape(s * n))
    size = 0.0
    for i in range(s):
        for k in range(n):
            stages[0, i, k] += step[i, k]
            stages[2, i, k] = stages[1, i, k]
            weight = atol[k] + rtol[k] * max(abs(y[k]), abs(stages[0, i, k]))
            part = abs(step[i, k]) / weight
            size = part if not part <= size else size  # NaN stays
    for i in range(s):
        for k in range(n):
            for m in range(n):
                stages[1, i, k] += J[i, k, m] * step[i, m]
    return _verdict(size, history)


@njit(**_EXACT)
def _verdict(size, history):
    """Whether Newton is done: what is left is judged by the slower one of the last two rates.

    With secants the rate jumps up and down: one sweep may gain four digits and the next one and a half.
    """
    sweep = history[0]
    now = size / history[1] if sweep > 0.0 else 1.0
    rate = max(now, history[2]) if sweep > 1.0 else now
    history[0] += 1.0
    history[1] = size
    history[2] = now
    if not size < np.inf:
        return 2
    if size == 0.0 or (sweep == 0.0 and size < 0.01 * _CONVERGED):
        return 1
    if rate < 1.0 and size * rate / (1.0 - rate) < _CONVERGED:
        return 1
    if sweep >= 3.0 and now > 0.5 and size < 4.0 * _CONVERGED:  # rounding: it will not get smaller
        return 1
    if (sweep >= 2.0 and now > 2.0) or (sweep >= 3.0 and now > 0.9) or sweep + 1.0 >= _SWEEPS:
        return 2
    return 0


def _newton_serial(A, y, h, J, stages, atol, rtol, history, M, pivots, update):
    return _newton(A, y, h, J, stages, atol, rtol, history, M, pivots, update)


def _verdict_serial(size, history):
    return _verdict(size, history)


def _window_serial(address, t, A, y, h, J, stages, atol, rtol, history, M, pivots, update):
    while True:
        for i in range(t.size):
            slope: Any = _call_address(address, t[i], stages[0, i].copy())  # type: ignore[call-arg]
            if slope.size != y.size:
                return 3
            stages[1, i] = slope
        verdict = _newton(A, y, h, J, stages, atol, rtol, history, M, pivots, update)
        if verdict:
            return verdict


def _differences_serial(address, t, y, slope, step, jacobian):
    for m in range(y.size):
        shifted = y.copy()
        shifted[m] += step[m]
        difference = shifted[m] - y[m]
        moved: Any = _call_address(address, t, shifted)  # type: ignore[call-arg]
        for k in range(y.size):
            jacobian[k, m] = (moved[k] - slope[k]) / difference


def _predict_serial(A, c, legendre, degree, offset, ratio, y, h, Y):
    """Y = y + h A K with the slopes K of the Legendre series up to a degree, read at offset + ratio c."""
    s, n = Y.shape
    K = np.empty((s, n))
    for i in range(s):
        x = 2.0 * (offset + ratio * c[i]) - 1.0
        for k in range(n):
            before = 0.0
            p = 1.0
            total = legendre[0, k]
            for d in range(1, degree + 1):
                before, p = p, ((2 * d - 1) * x * p - (d - 1) * before) / d
                total += legendre[d, k] * p
            K[i, k] = total
    for i in range(s):
        for k in range(n):
            total = 0.0
            for j in range(s):
                total += A[i, j] * K[j, k]
            Y[i, k] = y[k] + h * total


def _weights_serial(q, r, K, weights):
    """weights = R^-1 Q^T K. LAPACK's trtrs does the same, with threads that wait for each other on a busy machine."""
    s, n = K.shape
    for k in range(n):
        for i in range(s - 1, -1, -1):
            total = 0.0
            for j in range(s):
                total += q[j, i] * K[j, k]
            for j in range(i + 1, s):
                total -= r[i, j] * weights[j, k]
            weights[i, k] = total / r[i, i]


@njit(**_EXACT)
def _decay(a, b, c, d):
    """The size of the last two of four coefficients, and the factor by which two more make it smaller."""
    last = max(abs(c), abs(d))
    before = max(abs(a), abs(b))
    return last, (min(1.0, max(0.03, last / before)) if before > 0.0 else 1.0)


def _estimate_serial(to_legendre, difference, first, slope, y, h, J, stages, atol, rtol, legendre):
    """The local error of a window in units of the tolerance; leaves the Legendre coefficients of the slopes.

    Four parts. The first neglected coefficient of the slopes, continued from the decay of the last four, integrated.
    What the slopes miss of f at the start, which is no node, over the distance of the first node. The first part for
    the values themselves: what is between the nodes. The difference of this basis and the polynomials of degree s - 1,
    which is small only where both resolve the slopes. All but the third go through I - h g J, g = 1/(2s), which damps
    what is stiff and with it the noise of f; the third one has little noise and is left out where its coefficients do
    not decay: they are rounding, or else the first part is large, too.
    """
    s, n = legendre.shape
    K = stages[1]
    for d in range(s):
        for k in range(n):
            total = 0.0
            for j in range(s):
                total += to_legendre[d, j] * K[j, k]
            legendre[d, k] = total
    M = np.empty((n, n))
    pivots = np.empty(n, np.int64)
    for k in range(n):
        for m in range(n):
            M[k, m] = -h / (2 * s) * J[k, m]
        M[k, k] += 1.0
    if not _factor(M, pivots):
        return np.inf
    tail = np.empty(n)
    missed = np.empty(n)
    for k in range(n):
        last, decay = _decay(legendre[s - 4, k], legendre[s - 3, k], legendre[s - 2, k], legendre[s - 1, k])
        tail[k] = h / s * last * decay
        missed[k] = -slope[k]
        for d in range(s):
            missed[k] += legendre[d, k] if d % 2 == 0 else -legendre[d, k]
        missed[k] *= h * first
    _substitute(M, pivots, tail)
    _substitute(M, pivots, missed)
    largest = 0.0
    four = np.empty(4)
    for k in range(n):
        for d in range(4):
            four[d] = 0.0
            for j in range(s):
                four[d] += to_legendre[s - 4 + d, j] * stages[0, j, k]
        last, decay = _decay(four[0], four[1], four[2], four[3])
        own = last * decay * decay if decay < 0.5 else 0.0
        weight = atol[k] + rtol[k] * max(abs(y[k]), abs(stages[0, s - 1, k]))
        largest = max(largest, abs(tail[k]) / weight, abs(missed[k]) / weight, own / weight)
    second = 0.0
    for i in range(s):
        for k in range(n):
            total = 0.0
            for j in range(s):
                total += difference[i, j] * K[j, k]
            tail[k] = h * total
        _substitute(M, pivots, tail)
        for k in range(n):
            weight = atol[k] + rtol[k] * max(abs(y[k]), abs(stages[0, i, k]))
            second = max(second, abs(tail[k]) / weight)
    return largest + second


# ---------------------------------------------------------------------------------------------------------
# Boundary value problems: the slopes of every window are eliminated on their own, then the chain of what is left.


@njit(**_EXACT)
def _collocation_rows(k, h, tables, jac, T, grows, left, W):
    """The linearised equations of window k: n s rows of collocation, n of continuity, in W (s n + n, s n + 2 n + n_p).

    Columns: the slopes component by component, the values at both ends, the parameters. The window number `left[k]`
    among those with two sets of nodes has its rows combined by T, and those that grow sit on the left nodes.
    """
    n, s = grows.shape[1], tables.shape[1]
    size = n * s
    n_p = W.shape[1] - size - 2 * n
    W[:] = 0.0
    pair = left[k]
    for m in range(n):
        mirrored = pair >= 0 and grows[k, m]
        first = (grows.shape[0] + pair) * s if mirrored else k * s
        A = tables[1] if mirrored else tables[0]
        for i in range(s):
            row = W[m * s + i]
            for b in range(n + n_p):
                if pair >= 0:
                    g = 0.0
                    for a in range(n):
                        g += T[pair, m, a] * jac[a, b, first + i]
                else:
                    g = jac[m, b, first + i]
                if b >= n:
                    row[size + n + b] = -g
                    continue
                weight = T[pair, m, b] if pair >= 0 else 1.0 if m == b else 0.0
                if mirrored:
                    for j in range(s):
                        row[b * s + j] = weight * tables[2, i, j]
                else:
                    row[b * s + i] = weight
                if g != 0.0:
                    for j in range(s):
                        row[b * s + j] -= h * g * A[i, j]
                row[size + b] = -g
    for m in range(n):
        row = W[size + m]
        for j in range(s):
            row[m * s + j] = -h * tables[0, s - 1, j]
        row[size + m] = -1.0
        row[size + n + m] = 1.0


@njit(**_EXACT)
def _eliminate_panel(W, start, stop, reach, pivots):
    """Gauss with row exchanges among all rows for the columns start to stop, carried out up to column `reach`.

    What is zero is left out: J is mostly empty.
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
            factor = W[r, c]
            if factor != 0.0:
                factor /= pivot
                W[r, c] = factor
                for j in range(first, reach):
                    W[r, j] -= factor * W[c, j]
    return True


@njit(**_EXACT)
def _subtract_four(row, a, b, c, d, first, second, third, fourth):
    for j in range(row.size):
        row[j] -= _fma(a, first[j], b * second[j]) + _fma(c, third[j], d * fourth[j])


@njit(**_EXACT)
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
        factor = W[r, rest]
        if factor != 0.0:
            for j in range(row.size):
                row[j] -= factor * W[rest, low + j]


@njit(**_EXACT)
def _eliminate_columns(W, size, pivots):
    """Eliminate the first columns: at once if they are few, else panel by panel, which stay in the cache."""
    rows, columns = W.shape
    if size <= _ONE_PANEL:
        return _eliminate_panel(W, 0, size, columns, pivots)
    for start in range(0, size, _PANEL):
        stop = min(start + _PANEL, size)
        if not _eliminate_panel(W, start, stop, stop, pivots):
            return False
        low, high = size, stop
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


@njit(**_EXACT)
def _eliminate_window(k, h, tables, jac, T, grows, left, W, pivots, scale, blocks):
    """Leaves the factors in W and n equations in the ends and the parameters, scaled to size 1, in `blocks`."""
    n = grows.shape[1]
    size = n * tables.shape[1]
    _collocation_rows(k, h[k], tables, jac, T, grows, left, W)
    fine = _eliminate_columns(W, size, pivots)
    for m in range(n):
        largest = 0.0
        for j in range(size, W.shape[1]):
            largest = max(largest, abs(W[size + m, j]))
        scale[m] = 1.0 / largest if largest > 0.0 else 1.0
        for j in range(size, W.shape[1]):
            blocks[m, j - size] = W[size + m, j] * scale[m] if fine else np.nan


def _eliminate_serial(first, h, tables, jac, T, grows, left, W, pivots, scale, blocks):
    for i in range(W.shape[0]):
        k = first + i
        _eliminate_window(k, h, tables, jac, T, grows, left, W[i], pivots[i], scale[k], blocks[k])


def _eliminate_parallel(first, h, tables, jac, T, grows, left, W, pivots, scale, blocks):
    for i in prange(W.shape[0]):
        k = first + i
        _eliminate_window(k, h, tables, jac, T, grows, left, W[i], pivots[i], scale[k], blocks[k])


@njit(**_SUMS)
def _reduce_window(k, T, grows, left, r, c, W, pivots, scale, b):
    """b = L^-1 P (-residual) of window k: r (n, points) of collocation, c (n, K) of continuity."""
    n = grows.shape[1]
    rows = b.size
    s = rows // n - 1
    size = n * s
    pair = left[k]
    for m in range(n):
        mirrored = pair >= 0 and grows[k, m]
        first = (grows.shape[0] + pair) * s if mirrored else k * s
        for i in range(s):
            if pair >= 0:
                total = 0.0
                for a in range(n):
                    total += T[pair, m, a] * r[a, first + i]
                b[m * s + i] = -total
            else:
                b[m * s + i] = -r[m, first + i]
        b[size + m] = -c[m, k]
    for column in range(size):
        other = pivots[column]
        b[column], b[other] = b[other], b[column]
    for row in range(1, rows):
        total = b[row]
        for column in range(min(row, size)):
            total -= W[row, column] * b[column]
        b[row] = total
    for m in range(n):
        b[size + m] *= scale[m]


def _reduce_serial(first, T, grows, left, r, c, W, pivots, scale, b):
    for i in range(W.shape[0]):
        k = first + i
        _reduce_window(k, T, grows, left, r, c, W[i], pivots[i], scale[k], b[k])


def _reduce_parallel(first, T, grows, left, r, c, W, pivots, scale, b):
    for i in prange(W.shape[0]):
        k = first + i
        _reduce_window(k, T, grows, left, r, c, W[i], pivots[i], scale[k], b[k])


@njit(**_EXACT)
def _triangularise(B, n, tau, products):
    """QR of the first n columns of B (2 n, columns): reflections below the diagonal and in tau, the rest rotated."""
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


def _couple_serial(blocks, links, tau, conditions, scales, whole, last, pivots):
    """The chain of windows: QR of what meets at each inner end, from the first to the last.

    blocks (K, n, 2 n + n_p) with columns start, end, parameters; links (K - 1, 2 n, 3 n + n_p) with columns inner end,
    first end, next end, parameters. What is left in the first and the last end, with the conditions below it, gets rows
    and columns of size 1 by `scales` (2, 2 n + n_p); it stays in `whole` and is factorised in `last`, square both.
    Returns whether that worked.
    """
    K, n, width = blocks.shape
    products = np.empty(n + width)
    left = np.empty((n, width))
    _copy(blocks[0], left)
    for k in range(1, K):
        B = links[k - 1]
        for m in range(n):
            for j in range(n):
                B[m, j] = left[m, n + j]
                B[m, n + j] = left[m, j]
                B[m, 2 * n + j] = 0.0
                B[n + m, j] = blocks[k, m, j]
                B[n + m, n + j] = 0.0
                B[n + m, 2 * n + j] = blocks[k, m, n + j]
            for j in range(2 * n, width):
                B[m, n + j] = left[m, j]
                B[n + m, n + j] = blocks[k, m, j]
        _triangularise(B, n, tau[k - 1], products)
        for m in range(n):
            for j in range(width):
                left[m, j] = B[n + m, n + j]
    for i in range(width):
        for j in range(width):
            whole[i, j] = left[i, j] if i < n else conditions[i - n, j]
    finite = _balance(whole, scales)
    _copy(whole, last)
    return finite and _factor(last, pivots)


@njit(**_EXACT)
def _copy(source, target):
    for i in range(source.shape[0]):
        for j in range(source.shape[1]):
            target[i, j] = source[i, j]


@njit(**_EXACT)
def _balance(matrix, scales):
    """Rows, then columns, to largest entries of 1; whether all is finite."""
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


def _condition_serial(whole, last, pivots):
    """The condition of a small matrix that is factorised in `last`, in the norm of the largest column sum."""
    size = whole.shape[0]
    norm = 0.0
    inverse = 0.0
    column = np.empty(size)
    for j in range(size):
        total = 0.0
        for i in range(size):
            total += abs(whole[i, j])
            column[i] = 1.0 if i == j else 0.0
        norm = max(norm, total)
        _substitute(last, pivots, column)
        total = 0.0
        for i in range(size):
            total += abs(column[i])
        inverse = max(inverse, total)
    return norm * inverse


def _ends_serial(links, tau, scales, last, pivots, b, conditions, y, p):
    """Solve the chain: right-hand sides in the last entries of b (K, ...) and in conditions (n + n_p,).

    links, tau : of `_couple_serial`; last, pivots : the factorised last system in the first end, the last one and p.
    Leaves the values at all ends in y (n, K + 1) and the parameters in p.
    """
    n, K = y.shape[0], y.shape[1] - 1
    size = b.shape[1] - n
    rest = np.empty((K, n))
    vector = np.empty(2 * n)
    for m in range(n):
        vector[n + m] = b[0, size + m]
    for k in range(1, K):
        for m in range(n):
            vector[m] = vector[n + m]
            vector[n + m] = b[k, size + m]
        B = links[k - 1]
        for c in range(n):
            total = vector[c]
            for r in range(c + 1, 2 * n):
                total += B[r, c] * vector[r]
            total *= tau[k - 1, c]
            vector[c] -= total
            for r in range(c + 1, 2 * n):
                vector[r] -= B[r, c] * total
        for m in range(n):
            rest[k, m] = vector[m]
    outer = np.empty(scales.shape[1])
    for i in range(outer.size):
        outer[i] = scales[0, i] * (vector[n + i] if i < n else conditions[i - n])
    _substitute(last, pivots, outer)
    for i in range(outer.size):
        outer[i] *= scales[1, i]
        if i >= 2 * n:
            p[i - 2 * n] = outer[i]
        elif i >= n:
            y[i - n, K] = outer[i]
        else:
            y[i, 0] = outer[i]
    for k in range(K - 1, 0, -1):
        B = links[k - 1]
        for m in range(n - 1, -1, -1):
            total = rest[k, m]
            for j in range(n):
                total -= B[m, n + j] * y[j, 0] + B[m, 2 * n + j] * y[j, k + 1]
            for j in range(p.size):
                total -= B[m, 3 * n + j] * p[j]
            for j in range(m + 1, n):
                total -= B[m, j] * y[j, k]
            y[m, k] = total / B[m, m]


def _sizes_serial(y, slopes, h, A, largest):
    n, K, s = slopes.shape
    for m in range(n):
        for k in range(K):
            size = abs(y[m, k])
            for i in range(s):
                total = 0.0
                for j in range(s):
                    total += A[i, j] * slopes[m, k, j]
                value = abs(y[m, k] + h[k] * total)
                size = size if value <= size else value  # NaN stays
            largest[m, k] = size


def _tails_serial(slopes, to_legendre, h, scale, found):
    """The first neglected Legendre coefficient of each window, from the decay of the last four (`_decay`).

    found[0] : of the values, relative to `scale` (n, K); found[1] : of the slopes, relative to 1 + the smallest one;
    found[2] : the slowest decay.
    """
    n, K, s = slopes.shape
    found[:] = 0.0
    four = np.empty(4)
    for m in range(n):
        for k in range(K):
            least = np.inf
            for j in range(s):
                least = min(least, abs(slopes[m, k, j]))
            for d in range(4):
                four[d] = 0.0
                for j in range(s):
                    four[d] += to_legendre[s - 4 + d, j] * slopes[m, k, j]
            last, decay = _decay(four[0], four[1], four[2], four[3])
            last *= decay
            found[0, k] = max(found[0, k], h[k] / (2 * s) * last / scale[m, k])
            found[1, k] = max(found[1, k], last / (1.0 + least))
            found[2, k] = max(found[2, k], decay)


def _residuals_serial(slopes, f, y, jac, weights, found):
    """The residual relative to 1 + |f| at the right nodes: mean square, largest square, and the terms of f likewise."""
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
            found[1, k] = square if not square <= found[1, k] else found[1, k]  # NaN stays


@njit(**_SUMS)
def _slopes_of_window(k, W, b, p, y, slopes):
    """Back-substitution: the slopes of window k whose ends are known; overwrites b, its right-hand side."""
    n, _, s = slopes.shape
    size = n * s
    for row in range(size - 1, -1, -1):
        total = b[row]
        for j in range(n):
            total -= W[row, size + j] * y[j, k] + W[row, size + n + j] * y[j, k + 1]
        for j in range(p.size):
            total -= W[row, size + 2 * n + j] * p[j]
        for j in range(row + 1, size):
            total -= W[row, j] * b[j]
        b[row] = total / W[row, row]
    for m in range(n):
        for i in range(s):
            slopes[m, k, i] = b[m * s + i]


def _substitute_serial(first, W, b, p, y, slopes):
    for i in range(W.shape[0]):
        k = first + i
        _slopes_of_window(k, W[i], b[k], p, y, slopes)


def _substitute_parallel(first, W, b, p, y, slopes):
    for i in prange(W.shape[0]):
        k = first + i
        _slopes_of_window(k, W[i], b[k], p, y, slopes)


# ---------------------------------------------------------------------------------------------------------
# Compilation at the first call, and the guard around parallel launches.


_VECTOR, _MATRIX, _CUBE = "f8[::1]", "f8[:, ::1]", "f8[:, :, ::1]"
_NETWORK = f"{_VECTOR}, i8, i8, i8, {_VECTOR}"  # theta, n, n_hidden, kind, xi
# A, y, h, J, stages, atol, rtol, history, M, pivots, update
_SWEEP = f"{_MATRIX}, {_VECTOR}, f8, {_CUBE}, {_CUBE}, {_VECTOR}, {_VECTOR}, {_VECTOR}, {_MATRIX}, i8[::1], b1"
_SIGNATURES = {
    "forward": f"void({_NETWORK}, {_VECTOR}, {_MATRIX}, {_MATRIX})",
    "pullback": f"void({_NETWORK}, {_VECTOR}, {_MATRIX}, {_MATRIX}, {_VECTOR})",
    "sensitivities": f"void({_NETWORK}, {_CUBE}, {_CUBE}, {_MATRIX})",
    "forward2": f"void({_NETWORK}, {_VECTOR}, {_MATRIX}, {_MATRIX}, {_MATRIX})",
    "pullback2": f"void({_NETWORK}, {_VECTOR}, {_MATRIX}, {_MATRIX}, {_MATRIX}, {_VECTOR})",
    "sensitivities2": f"void({_NETWORK}, {_CUBE}, {_CUBE}, {_CUBE}, {_MATRIX})",
    "sigmoid": f"void({_VECTOR}, {_VECTOR})",
    "newton": f"i8({_SWEEP})",
    "verdict": f"i8(f8, {_VECTOR})",
    "weights": f"void({_MATRIX}, {_MATRIX}, {_MATRIX}, {_MATRIX})",
    "window": f"i8(i8, {_VECTOR}, {_SWEEP})",
    "eliminate": (
        f"void(i8, {_VECTOR}, {_CUBE}, {_CUBE}, {_CUBE}, b1[:, ::1], i8[::1], {_CUBE}, i8[:, ::1], {_MATRIX}, {_CUBE})"
    ),
    "reduce": (
        f"void(i8, {_CUBE}, b1[:, ::1], i8[::1], {_MATRIX}, {_MATRIX}, {_CUBE}, i8[:, ::1], {_MATRIX}, {_MATRIX})"
    ),
    "condition": f"f8({_MATRIX}, {_MATRIX}, i8[::1])",
    "couple": f"b1({_CUBE}, {_CUBE}, {_MATRIX}, {_MATRIX}, {_MATRIX}, {_MATRIX}, {_MATRIX}, i8[::1])",
    "ends": (f"void({_CUBE}, {_MATRIX}, {_MATRIX}, {_MATRIX}, i8[::1], {_MATRIX}, {_VECTOR}, {_MATRIX}, {_VECTOR})"),
    "sizes": f"void({_MATRIX}, {_CUBE}, {_VECTOR}, {_MATRIX}, {_MATRIX})",
    "tails": f"void({_CUBE}, {_MATRIX}, {_VECTOR}, {_MATRIX}, {_MATRIX})",
    "residuals": f"void({_MATRIX}, {_MATRIX}, {_MATRIX}, {_CUBE}, {_VECTOR}, {_MATRIX})",
    "substitute": f"void(i8, {_CUBE}, {_MATRIX}, {_VECTOR}, {_MATRIX}, {_CUBE})",
    "differences": f"void(i8, f8, {_VECTOR}, {_VECTOR}, {_VECTOR}, {_MATRIX})",
    "predict": f"void({_MATRIX}, {_VECTOR}, {_MATRIX}, i8, f8, f8, {_VECTOR}, f8, {_MATRIX})",
    "estimate": (
        f"f8({_MATRIX}, {_MATRIX}, f8, {_VECTOR}, {_VECTOR}, f8, {_MATRIX}, {_CUBE}, {_VECTOR}, {_VECTOR}, {_MATRIX})"
    ),
}


@functools.cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` at its first use, for the one signature that it has, or load it from the disk cache.

    Works without a cache where no folder for it can be written (numba: "no locator available"), where its files are
    broken (any exception of pickle), and says nothing: the price is one compilation.
    """
    _, name, variant = function.__name__.split("_")
    compile_it = functools.partial(njit, _SIGNATURES[name], parallel=variant == "parallel", **_EXACT)
    try:
        return compile_it(cache=True)(function)
    except Exception:
        return compile_it()(function)


# One parallel launch at a time: two Python threads inside numba's workqueue layer abort the process. Whoever
# finds the lock taken runs the serial twin, whose result has the same bits.
_launching = threading.Lock()
_forked = False


def _after_fork() -> None:
    """GNU OpenMP dies at the first parallel launch in a forked child: stay serial there."""
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


# Beside another busy process (or OpenBLAS's idle threads, which spin for 25 ms) a parallel launch of 20 us may take
# 16 ms, until the operating system lets the second thread run. A launch far slower than one thread would have been
# is answered by serial calls for a while, longer each time it happens again. The bits are the same.
_SLOW = (1e-4, 2e-8)  # seconds, and seconds per activation: ten times what one thread takes
_PAUSE = (0.1, 10.0)  # seconds, first and longest


class _Crowd:
    """Whether threads are worth it at present; written under the launch lock only."""

    until = 0.0
    pause = _PAUSE[0]

    def note(self, start: float, work: int) -> None:
        now = time.perf_counter()
        if now - start > _SLOW[0] + _SLOW[1] * work:
            self.until = now + self.pause
            self.pause = min(2.0 * self.pause, _PAUSE[1])
        else:
            self.pause = _PAUSE[0]


_crowd = _Crowd()


def _launch(serial: Callable[..., None], parallel: Callable[..., None], work: int, *args: Any) -> None:
    if work >= PARALLEL_WORK and not _forked and numba.get_num_threads() > 1 and _launching.acquire(blocking=False):
        try:
            run = _compiled(parallel)
            start = time.perf_counter()
            if start >= _crowd.until:
                run(*args)
                _crowd.note(start, work)
                return
        finally:
            _launching.release()
    _compiled(serial)(*args)


# ---------------------------------------------------------------------------------------------------------
# Buffers for activations: reused, because fresh memory costs more in page faults than the kernels take.

_free: list[Array] = []


def kept_size(m: int, n_hidden: int) -> int:
    """Length of the buffer that `forward` fills for m points."""
    return -(-m // BLOCK) * BLOCK * 2 * n_hidden


def borrow(size: int) -> Array:
    """A buffer of at least `size` float64, one that was given back if it fits. Safe between threads."""
    try:
        buffer = _free.pop()
    except IndexError:
        return _aligned(size)
    return buffer if buffer.size >= size else _aligned(size)


def _aligned(size: int) -> Array:
    """Fresh memory that starts at a cache line: 5 % of the forward kernel."""
    raw = np.empty(size + 7)
    offset = -(raw.ctypes.data // 8) % 8
    return raw[offset : offset + size]


def give_back(buffer: Array) -> None:
    _free.append(buffer)


# ---------------------------------------------------------------------------------------------------------
# What the rest of the package calls.


def forward(theta: Array, n: int, n_hidden: int, kind: int, xi: Array, kept: Array) -> tuple[Array, Array]:
    """N and dN/dxi, both (n, m), with the activations left in `kept` for `pullback`.

    theta : (n_theta,), blocks w | b | V | c, the last one optional; xi : (m,); kept : from `borrow`.
    Source: eqs. (2), (6) and (18). Parallel over blocks of points.
    """
    values = np.empty((n, xi.size))
    slopes = np.empty((n, xi.size))
    work = xi.size * n_hidden
    _launch(_forward_serial, _forward_parallel, work, theta, n, n_hidden, kind, xi, kept, values, slopes)
    return values, slopes


def pullback(
    theta: Array, n: int, n_hidden: int, kind: int, xi: Array, kept: Array,
    n_bar: Array, dn_bar: Array, gradient: Array,
) -> None:  # fmt: skip
    """Add dE/dtheta to `gradient`, given N_bar = dE/dN and dN_bar = dE/dN', both (n, m), and forward's `kept`.

    Source: eq. (21) for w; b, V and c in docs/derivation.md. Parallel over blocks of points; the partial sums
    are added in the order of the blocks, so that calls on consecutive chunks give the bits of one call.
    """
    work = xi.size * n_hidden
    _launch(_pullback_serial, _pullback_parallel, work, theta, n, n_hidden, kind, xi, kept, n_bar, dn_bar, gradient)


def sensitivities(theta: Array, n: int, n_hidden: int, kind: int, xi: Array, dr_dn: Array, dr_ddn: Array) -> Array:
    """The Jacobian (n_rows * m, n_theta) of residuals r_k(x_i) that depend on N and N' at x_i.

    dr_dn, dr_ddn : (m, n_rows, n), the derivatives of r_k(x_i) by N_l(xi_i) and N'_l(xi_i).
    Row k * m + i is the full per-sample gradient, D2s terms included. Parallel over points.
    """
    m, n_rows = dr_dn.shape[:2]
    jacobian = np.empty((n_rows * m, theta.size))
    work = m * n_rows * theta.size
    args = (theta, n, n_hidden, kind, xi, dr_dn, dr_ddn, jacobian)
    _launch(_sensitivities_serial, _sensitivities_parallel, work, *args)
    return jacobian


def forward2(theta: Array, n: int, n_hidden: int, kind: int, xi: Array, kept: Array) -> tuple[Array, Array, Array]:
    """N, dN/dxi and d2N/dxi2, each (n, m): `forward` for equations of second order, same `kept`, same bits."""
    values, slopes, curvatures = np.empty((3, n, xi.size))
    work = xi.size * n_hidden
    args = (theta, n, n_hidden, kind, xi, kept, values, slopes, curvatures)
    _launch(_forward2_serial, _forward2_parallel, work, *args)
    return values, slopes, curvatures


def pullback2(
    theta: Array, n: int, n_hidden: int, kind: int, xi: Array, kept: Array,
    n_bar: Array, dn_bar: Array, d2n_bar: Array, gradient: Array,
) -> None:  # fmt: skip
    """Add dE/dtheta to `gradient`, given the derivatives of E by N, N' and N'', each (n, m), and forward's `kept`.

    Source: docs/derivation.md, "Second order". Partial sums as in `pullback`.
    """
    work = xi.size * n_hidden
    args = (theta, n, n_hidden, kind, xi, kept, n_bar, dn_bar, d2n_bar, gradient)
    _launch(_pullback2_serial, _pullback2_parallel, work, *args)


def sensitivities2(
    theta: Array, n: int, n_hidden: int, kind: int, xi: Array, dr_dn: Array, dr_ddn: Array, dr_d2n: Array
) -> Array:
    """The Jacobian (n_rows * m, n_theta) of residuals r_k(x_i) that depend on N, N' and N'' at x_i.

    dr_dn, dr_ddn, dr_d2n : (m, n_rows, n), as in `sensitivities`, whose row order this has.
    """
    m, n_rows = dr_dn.shape[:2]
    jacobian = np.empty((n_rows * m, theta.size))
    work = m * n_rows * theta.size
    args = (theta, n, n_hidden, kind, xi, dr_dn, dr_ddn, dr_d2n, jacobian)
    _launch(_sensitivities2_serial, _sensitivities2_parallel, work, *args)
    return jacobian


def sigmoid(z: Array) -> Array:
    """The sigmoid of a 1-D float64 array on one thread, at most 4 ulp off; NaN stays NaN, no warning."""
    s = np.empty(z.size)
    _compiled(_sigmoid_serial)(z, s)
    return s


# Windows of a marching solution. These are called in the innermost loops of Python: no layer in between.


def newton(*args: Any) -> int:
    """One Newton sweep of a window, see `_newton`: 0 not yet, 1 converged, 2 hopeless."""
    return int(_compiled(_newton_serial)(*args))


def verdict(size: float, history: Array) -> int:
    """Whether a Newton iteration outside the kernels is done, see `_verdict`."""
    return int(_compiled(_verdict_serial)(size, history))


def weights(q: Array, r: Array, K: Array) -> Array:
    """R^-1 Q^T K, (s, n), the solution of (Q R) weights = K, (s, n)."""
    found = np.empty_like(K)
    _compiled(_weights_serial)(q, r, K, found)
    return found


def window(*args: Any) -> int:
    """All Newton sweeps of a window whose f is compiled: as `newton`, or 3 where f returned the wrong length."""
    return int(_compiled(_window_serial)(*args))


def differences(*args: Any) -> None:
    """df/dy of a compiled f by forward differences."""
    _compiled(_differences_serial)(*args)


def predict(*args: Any) -> None:
    """Start values of a window, see `_predict_serial`."""
    _compiled(_predict_serial)(*args)


def estimate(*args: Any) -> float:
    """The local error of a window in units of the tolerance, see `_estimate_serial`."""
    return float(_compiled(_estimate_serial)(*args))


def eliminate(first: int, h: Array, tables: Array, *args: Any) -> None:
    """Factorise the windows from number `first` on, one for each matrix of W; see `_eliminate_window`.

    h (K,); tables (3, s, s): `Basis.tables`; jac (n, n + n_p, points): df/dy and df/dp at the right nodes of all
    windows, then at the left nodes of those that have them; T (pairs, n, n); grows (K, n); left (K,);
    W (windows, (s + 1) n, s n + 2 n + n_p); pivots (windows, s n); scale (K, n); blocks (K, n, 2 n + n_p), NaN where a
    window is singular. Parallel over windows.
    """
    size = args[5].shape[1]
    work = len(args[4]) * size**3 // _ELIMINATED
    _launch(_eliminate_serial, _eliminate_parallel, work, first, h, tables, *args)


def reduce(first: int, *args: Any) -> None:
    """The right-hand side as `eliminate` leaves it, see `_reduce_window`. Parallel over windows."""
    W = args[5]
    _launch(_reduce_serial, _reduce_parallel, W.size // _ELIMINATED, first, *args)


def couple(*args: Any) -> bool:
    """Factorise the chain of windows, see `_couple_serial`."""
    return bool(_compiled(_couple_serial)(*args))


def condition(*args: Any) -> float:
    """The condition of the last system of a chain, see `_condition_serial`."""
    return float(_compiled(_condition_serial)(*args))


def ends(*args: Any) -> None:
    """Solve the chain, see `_ends_serial`."""
    _compiled(_ends_serial)(*args)


def sizes(y: Array, slopes: Array, h: Array, A: Array) -> Array:
    """The largest value of each component at the nodes and the start of each window, (n, K)."""
    largest = np.empty(slopes.shape[:2])
    _compiled(_sizes_serial)(y, slopes, h, A, largest)
    return largest


def tails(slopes: Array, to_legendre: Array, h: Array, scale: Array) -> Array:
    """What the windows neglect of values and slopes, and the decay, (3, K), see `_tails_serial`."""
    found = np.empty((3, h.size))
    _compiled(_tails_serial)(slopes, to_legendre, h, scale, found)
    return found


def residuals(slopes: Array, f: Array, y: Array, jac: Array, weights: Array) -> Array:
    """Mean square, largest square and rounding of the relative residual, (3, K), see `_residuals_serial`."""
    found = np.empty((3, f.shape[1] // weights.size))
    _compiled(_residuals_serial)(slopes, f, y, jac, weights, found)
    return found


def substitute(first: int, W: Array, *args: Any) -> None:
    """The slopes of all windows, see `_slopes_of_window`. Parallel over windows."""
    _launch(_substitute_serial, _substitute_parallel, W.size // _ELIMINATED, first, W, *args)


_FUNCTION = types.float64[::1](types.float64, types.float64[::1])


def address(fun: Any) -> tuple[int, Any] | None:
    """Where the machine code of a Numba-compiled f(t, y) starts, and what keeps it alive; None for any other function.

    A function that returns something else than a float64 vector gets a compiled layer that copies it into one.
    """
    if not isinstance(fun, dispatcher.Dispatcher):
        return None
    try:
        fun.compile(_FUNCTION.args)
        compiled: Any = fun.overloads[_FUNCTION.args]
        if compiled.signature.return_type != _FUNCTION.return_type:
            fun = _as_vector(fun)
            compiled = fun.overloads[_FUNCTION.args]
        return compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name), fun
    except Exception:  # not for these types, or another numba: it is called from Python, as any other function
        return None


def _as_vector(fun: Any) -> Any:
    @njit(_FUNCTION)
    def vector(t, y):
        value = fun(t, y)
        copy = np.empty(len(value))
        for k in range(len(value)):
            copy[k] = value[k]
        return copy

    return vector
