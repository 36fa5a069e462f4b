"""Across a jump of f on the second march.

A jump that hangs on y comes a little earlier or later there than on the first march. On the way between both f is
another one, and what that makes of the values is part of the error, however close both are to a jump that y hardly
reaches.
"""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Index, Real
from .control import spacing
from .launch import INDICES, VECTOR, entry, helper
from .simple import call_once

__all__ = ["across", "go_across"]

# What a wrong time of a jump may leave in the values, in units of what the second march is solved to. Not tuned.
_LEFT = 0.5
# Distances in floating-point numbers that are none. Not tuned.
_ADJACENT = 2.0
# A value of f belongs to one side of the jump if it is off by no more than this part of it. Not tuned.
_BELONGS = 0.25
# Times are looked at that are so many times farther away each time, within this part of the next window. Not tuned.
_FARTHER, _WITHIN = 8.0, 0.05
# Sides of a jump, what is none, and where f has failed.
_BEFORE, _BEHIND, _NEITHER, _FAILED = 0, 1, -1, -2


@helper
def _largest(jump, y, atol, rtol):
    """The component that the jump matters most for, and the jump there in units of the tolerance."""
    at, largest = 0, 0.0
    for c in range(y.size):
        weighed = abs(jump[c]) / (atol[c] + rtol[c] * abs(y[c]))
        if weighed > largest:
            at, largest = c, weighed
    return at, largest


@helper
def _side(address, words, moment, end, now, before, jump, c, at, point, value):
    """The side of the jump, in component c, on which f is where the second march goes from now (n,) at the time `end`.

    before : (n,), f there; at (1,), point, value (n,) : work space.
    """
    at[0] = moment
    for k in range(now.size):
        point[k] = now[k] + (moment - end) * before[k]
    if not call_once(address, at, point, words, value):
        return _FAILED
    part = (value[c] - before[c]) / jump[c]
    if abs(part) < _BELONGS:
        return _BEFORE
    return _BEHIND if abs(part - 1.0) < _BELONGS else _NEITHER


@helper
def _where(address, words, first, last, known, close, end, now, before, jump, c, at, point, value):
    """Where f leaves the `known` side between two times, to within `close`, NaN if it does not; and calls of f.

    -1 calls if f has failed; the rest as of `_side`.
    """
    near, far, side, calls = first, first, known, 0
    while far != last:
        near = far
        far = first + math.copysign(_FARTHER * (abs(far - first) + close), last - first)
        far = min(far, last) if last > first else max(far, last)
        side = _side(address, words, far, end, now, before, jump, c, at, point, value)
        calls += 1
        if side != known:
            break
    while side == 1 - known and abs(far - near) > close:
        middle = near + 0.5 * (far - near)
        now_at = _side(address, words, middle, end, now, before, jump, c, at, point, value)
        calls += 1
        if now_at == known:
            near = middle
        else:
            far, side = middle, now_at
    if side == 1 - known:
        return near + 0.5 * (far - near), calls
    return np.nan, calls if side != _FAILED else -1


@helper
def _later(address, words, end, start, h, u, y, now, atol, rtol, before, jump, at, point, value):
    """How much later a jump between two windows comes on the second march than on the first one; and calls of f.

    end, start : where the first window ends and the next one starts, h long; u, y (n,) : the first march there; now
    (n,) : the second one at the end; atol, rtol (n,) : what it is solved to; before, jump (n,) : f there on the first
    march, and by how much it jumps, written; at (1,), point, value (n,) : work space. Zero if there is no jump, or
    none that can be followed; -1 calls if f has failed.
    """
    at[0] = end
    if not call_once(address, at, u, words, before):
        return 0.0, -1
    at[0] = start
    if not call_once(address, at, y, words, jump):
        return 0.0, -1
    for k in range(y.size):
        jump[k] -= before[k]
    c, largest = _largest(jump, y, atol, rtol)
    gap = start - end
    if not math.isfinite(largest) or not largest * abs(gap) > _LEFT:
        return 0.0, 2
    close = max(_ADJACENT * spacing(start), _LEFT / largest)
    first = end + (gap * (before[c] + jump[c]) - (y[c] - u[c])) / jump[c]  # what both slopes make of y there
    sign = math.copysign(1.0, gap)
    if not -close <= sign * (first - end) <= abs(gap) + close:
        return 0.0, 2
    last, known, calls = end, _BEHIND, 3
    side = _side(address, words, first - sign * close, end, now, before, jump, c, at, point, value)
    if side == _BEFORE:
        last, known, calls = start + _WITHIN * h, _BEFORE, 4
        behind = sign * min(sign * (first + sign * close), sign * last)  # within the next window
        side = _side(address, words, behind, end, now, before, jump, c, at, point, value)
    if side != known:
        return 0.0, calls if side != _FAILED else -1
    found, more = _where(address, words, first, last, known, close, end, now, before, jump, c, at, point, value)
    if more < 0:
        return 0.0, -1
    return (found - first if math.isfinite(found) else 0.0), calls + more


@helper
def go_across(address, words, end, start, h, u, y, now, atol, rtol, before, jump, at, point, value):
    """Bring the second march, now (n,), from the end of one window to the start of the next one; calls of f.

    The arguments are those of `_later`; -1 if f has failed.
    """
    later, calls = _later(
        address, words, end, start, h, u, y, now, atol, rtol, before, jump, at, point, value
    )  # fmt: skip
    for k in range(now.size):
        now[k] += y[k] - u[k]
        if later != 0.0:
            now[k] -= later * jump[k]
    return calls


@entry(f"i8(i8, {INDICES}, f8, f8, f8, {', '.join([VECTOR] * 5)})")
def across(
    address: int, words: Index, end: float, start: float, h: float, u: Real, y: Real, now: Real, atol: Real, rtol: Real
) -> int:
    """`go_across`, for callers in Python."""
    n = y.size
    calls: int = go_across(
        address, words, end, start, h, u, y, now, atol, rtol, np.empty(n), np.empty(n), np.empty(1), np.empty(n),
        np.empty(n),
    )  # fmt: skip
    return calls
