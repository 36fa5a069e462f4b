"""Activations: each returns its value and its first derivative; the second and the third follow from those two.

An activation is a number, a *kind*, in compiled code. A new one needs its branch in `second`, `third` and
`network._forward_block`, and must meet ``D2s = (p + q s) Ds + r s`` and ``D3s = (p + q Ds) Ds``, which softplus and a
Gaussian do not.
"""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Real
from .launch import VECTOR, entry, fma, helper

__all__ = ["ACTIVATIONS", "SIN_REDUCTION_LIMIT", "second", "sigmoid", "sigmoid_pair", "sin_pair", "tanh_pair", "third"]

ACTIVATIONS = {"sigmoid": 0, "tanh": 1, "sin": 2}

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


@helper
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


@helper
def sigmoid_pair(z):
    """s = 1/(1 + exp(-z)) and Ds = s (1 - s), eq. (22), both to a few ulp on the whole line.

    Computed from exp(-|z|), so that neither tail cancels: Ds keeps its digits where s rounds to 1.
    """
    q, f, g = _exp_parts(-abs(z))
    e = (f + f * q) * g
    large = 1.0 / (1.0 + e)
    small = e * large
    return (large if z >= 0.0 else small), small * large


@helper
def tanh_pair(z):
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
SIN_REDUCTION_LIMIT = 1.0e6  # below it k < 2**20, see above


@helper
def sin_pair(z):
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
    c = 1.0 - fma(0.5, r2, -c)
    quadrant = np.float64(shifted).view(np.int64) & 3
    sine = s if (quadrant & 1) == 0 else c
    cosine = c if (quadrant & 1) == 0 else s
    sine = sine if quadrant < 2 else -sine
    cosine = -cosine if quadrant == 1 or quadrant == 2 else cosine
    return sine, cosine


@helper
def second(kind):
    """Coefficients (p, q, r) of D2s = (p + q s) Ds + r s: eq. (22) for the sigmoid, -2 t Dt for tanh, -s for sin."""
    if kind == 0:
        return 1.0, -2.0, 0.0
    if kind == 1:
        return 0.0, -2.0, 0.0
    return 0.0, 0.0, -1.0


@helper
def third(kind):
    """Coefficients (p, q) of D3s = (p + q Ds) Ds: 1 - 6 Ds for the sigmoid, 4 - 6 Dt for tanh, -1 for sin."""
    if kind == 0:
        return 1.0, -6.0
    if kind == 1:
        return 4.0, -6.0
    return -1.0, 0.0


@entry(f"void({VECTOR}, {VECTOR})")
def _sigmoid(z, s):
    for i in range(z.size):
        s[i] = sigmoid_pair(z[i])[0]


def sigmoid(z: Real) -> Real:
    """The sigmoid of a 1-D float64 array on one thread, at most 4 ulp off; NaN stays NaN, no warning."""
    s = np.empty(z.size)
    _sigmoid(z, s)
    return s
