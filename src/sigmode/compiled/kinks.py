"""Whether the slopes of a window that was rejected look as if f had a kink or a jump in it."""

from __future__ import annotations

import numpy as np

from ..arrays import Real
from .launch import MATRIX, VECTOR, entry, plain_helper

__all__ = ["NEGLIGIBLE", "first_that_leaves", "leaves"]

# A slope is compared with the parabola through this many before it. Not tuned.
_BEFORE = 3
# It leaves the parabola where the difference is this many times what the nodes before it make expect. Not tuned.
_STANDS_OUT = 10.0
# Equations up to which Python looks itself: compiling takes as long as thousands of looks. Not tuned.
_NOT_WORTH_COMPILING = 16
# A difference that leaves so much in the values, in units of the tolerance, is none. Not tuned.
NEGLIGIBLE = 1.0


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


@entry(f"i8({VECTOR}, {MATRIX}, {VECTOR}, f8)")
def _first(t, slopes, weight, length):
    return leaves(t, slopes, weight, length)


def first_that_leaves(t: Real, slopes: Real, weight: Real, length: float) -> int | None:
    """`leaves` for callers in Python; slopes may be complex; None where there is no such node."""
    if slopes.dtype.kind == "c":
        slopes = np.hstack([slopes.real, slopes.imag])
        weight = np.tile(weight, 2)
    look = leaves if weight.size <= _NOT_WORTH_COMPILING else _first
    at = int(look(t, np.ascontiguousarray(slopes), np.ascontiguousarray(weight), length))
    return at if at >= 0 else None
