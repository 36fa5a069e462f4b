"""The length of the first window: from f and its change along itself. For Python and for compiled code."""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Number, Real
from .launch import INDICES, VECTOR, entry, plain_helper
from .simple import call_once

__all__ = ["PROBE", "begin", "careful_length", "length_by_bend"]

# First window: s/9 of the time in which df/dt would change y by itself, and at most s/4 of abs(y)/abs(f); s/10 of the
# latter where df/dt is not known. Not tuned.
_BY_F, _AT_MOST, _BY_Y = 9.0, 4.0, 10.0
# Where y would change by less than the first part of itself over the whole span, f may not have begun yet: the first
# window is the second part of the span, or that long if the span is infinite. Not tuned.
_AT_REST, _FIRST_AT_REST = 1e-6, 1e-3
# The part of the first window at whose end df/dt is looked at. Not tuned.
PROBE = 0.01


@plain_helper
def careful_length(y: Number, f: Number, small: Real, longest: float, s: int) -> tuple[float, bool]:
    """A length by |y|/|f| alone, and whether f hardly moves: then no closer look is needed.

    small : (n,), what does not matter in y; longest : the span, or `max_step`; s : functions of a window.
    """
    rate = 0.0
    for k in range(y.size):
        if f[k] != 0.0:
            size = abs(y[k]) + small[k]
            rate = max(rate, abs(f[k]) / size if size > 0.0 else math.inf)
    if rate == 0.0 or rate * longest < _AT_REST:
        return (_FIRST_AT_REST * longest if math.isfinite(longest) else _FIRST_AT_REST), True
    return min(longest, s / _BY_Y / rate), False


@plain_helper
def length_by_bend(
    y: Number, f: Number, moved: Number, small: Real, careful: float, longest: float, s: int
) -> float:  # fmt: skip
    """The first length by the change of f: moved : (n,), f after `PROBE` times the careful length along itself."""
    probe = PROBE * careful
    for k in range(y.size):
        if not math.isfinite(abs(moved[k] - f[k]) / probe):
            return careful
    length = longest
    c = (s / _BY_F) ** 2
    for k in range(y.size):
        # bend L**2 = c (y + small + f L), with what a component that starts from zero will be after L
        bend, slope = abs(moved[k] - f[k]) / probe, abs(f[k])
        if bend > 0.0:
            root = math.sqrt((c * slope) ** 2 + 4.0 * bend * c * (abs(y[k]) + small[k]))
            length = min(length, (c * slope + root) / (2.0 * bend))
        if abs(y[k]) > small[k] and slope > 0.0:
            length = min(length, s / _AT_MOST * abs(y[k]) / slope)
    return length


@entry(f"Tuple((f8, i8))(i8, {INDICES}, f8, f8, f8, f8, {VECTOR}, {VECTOR}, {VECTOR}, i8)")
def begin(address, words, t0, bound, max_step, floor, y, f, small, s):
    """The length of the first window with compiled f, negative where Python has to be asked, and calls of f.

    floor : of `small` where that is zero, relative to what y is or soon becomes; y, f : (n,), f is written.
    """
    at = np.array([t0])
    if not call_once(address, at, y, words, f):
        return -1.0, 0
    n, span = y.size, abs(bound - t0)
    for k in range(n):
        if not math.isfinite(f[k]):
            return span, 1
    own, largest, fastest = np.empty(n), 0.0, 0.0
    for k in range(n):
        largest, fastest = max(largest, abs(y[k])), max(fastest, abs(f[k]))
    soon = largest + fastest * min(1.0, span)
    for k in range(n):
        own[k] = small[k] if small[k] > 0.0 else floor * soon
    longest = min(span, max_step)
    careful, at_rest = careful_length(y, f, own, longest, s)
    run = math.copysign(PROBE * careful, bound - t0)
    if at_rest or t0 + run == t0:
        return careful, 1
    ahead, moved = np.empty(n), np.empty(n)
    for k in range(n):
        ahead[k] = y[k] + run * f[k]
    at[0] += run
    if not call_once(address, at, ahead, words, moved):
        return -1.0, 1
    return length_by_bend(y, f, moved, own, careful, longest, s), 2
