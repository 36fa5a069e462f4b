"""The step control of the march.

`steer` goes on until it needs something: df/dy, a window, the slope at its end. What it knows between two calls is in
two vectors, `numbers` and `counts`, whose places have the names below. docs/ivp.md derives it.
"""

from __future__ import annotations

import math
from typing import Any

from ..arrays import Index, Real
from .launch import plain_helper

__all__ = [
    "ACCEPTED",
    "ALL_COLUMNS",
    "ASK_JACOBIAN",
    "ASK_KINK",
    "ASK_SLOPE",
    "ASK_WINDOW",
    "AT_BOUND",
    "AT_JUMP",
    "AT_ONCE",
    "BAD",
    "BAD_T",
    "BEHIND",
    "BOUND",
    "BREAK",
    "CHEAP_JACOBIAN",
    "CONSTANT",
    "COUNTS",
    "CUT",
    "CUT_AT",
    "DEGREE",
    "DIRECTION",
    "ERROR",
    "GAVE_UP",
    "H_ABS",
    "INSIDE",
    "KINK_AT",
    "KNOWN",
    "LEAVES",
    "LIMIT",
    "LONGEST",
    "LOOKS",
    "MARK_T",
    "MAY_GROW",
    "MOST",
    "NFEV",
    "NJEV",
    "NLU",
    "NOT_FINITE",
    "NUMBERS",
    "PARTIAL",
    "RATE",
    "REACH",
    "RELATIVE_STEP",
    "RESTART",
    "RISES",
    "ROOM",
    "SIMPLE",
    "SIZE",
    "START",
    "STORED",
    "STUCK",
    "SWEEPS",
    "TOO_SMALL",
    "TRIED",
    "UNSETTLED",
    "H",
    "T",
    "again_shorter",
    "by_newton",
    "forget_bad",
    "noise_is_due",
    "spacing",
    "steer",
]  # fmt: skip

# What they return: a window was accepted, and a request for the slope at its end, or none is needed; a request for
# df/dy, for a window, or for a look whether f has a kink in it; or an end.
ASK_SLOPE, AT_BOUND, ASK_JACOBIAN, ASK_WINDOW, ASK_KINK, ACCEPTED, TOO_SMALL, LIMIT, STUCK, NOT_FINITE = range(10)

# Places in `numbers`. H_ABS, TRIAL : lengths of the next and of the present window; H : the latter with sign; KNOWN :
# of the window whose slopes are known; START : of the accepted window; SIZE, RATE : of Newton's last step; ERROR : NaN
# where the iteration did not converge; MARK_T : t when progress was last looked at; BAD_T : where f is not finite;
# BREAK : the next time at which f is known, or foreseen, not to be smooth, infinite if there is none; CUT_AT, KINK_AT,
# RESTART : where a window ends that is cut off before a kink, the kink, and where the next one starts, behind it;
# UNSETTLED : the last change of what grows far below the tolerance, see `simple.sweep`; ROOM : how far the break
# may be off; REACH : the length of a window in which the last kink was found, or could have been, zero before the
# first one; RELATIVE_STEP : of differences for df/dy, where f is called from Python.
(
    T, BOUND, DIRECTION, LONGEST, H_ABS, TRIAL, H, KNOWN, START, SIZE, RATE, ERROR, MARK_T, BAD_T, FACTOR, BREAK,
    CUT_AT, KINK_AT, RESTART, UNSETTLED, ROOM, REACH, RELATIVE_STEP,
    NUMBERS,
) = range(24)  # fmt: skip
# Places in `counts`. DEGREE : of the slopes that are known; INSIDE : whether they are from a longer window that starts
# here; FRESH : whether df/dy was made here, too; SIMPLE : whether sweeps are simple, without df/dy; BAD : the component
# of f that is not finite, or less than zero; PARTIAL : whether df/dy leaves out what is at rest; ALL_COLUMNS : whether
# it must not; CUT : whether the window is cut off before a kink, AT_JUMP before a jump that was located, which Python
# pins down on the window; LOOKED : how often kinks have been looked for in it; RISES : whether something begins to move
# in it that was exactly at rest; LOOKS : how often in the whole march; STORED : windows that are accepted, and not yet
# fetched; GAVE_UP : whether simple sweeps failed in it; SHORTENED : how many windows had been tried when one was made
# shorter for that; AT_ONCE : whether f takes many points at once; LEAVES : the first node of the window whose slope
# leaves what those before it make expect, or -1, see `kinks.leaves`; BEHIND : whether the window starts behind a kink:
# df/dy is made at its first node, lest differences reach back across a jump that hangs on y.
(
    PHASE, TRIED, MOST, MARK, DEGREE, INSIDE, HAS_JACOBIAN, FRESH, CONSTANT, MAY_GROW, SWEEPS, NFEV, NJEV, NLU, BAD,
    SIMPLE, PARTIAL, ALL_COLUMNS, CUT, LOOKED, RISES, LOOKS, STORED, GAVE_UP, SHORTENED, AT_ONCE, LEAVES, BEHIND,
    COUNTS,
) = range(29)  # fmt: skip
AT_JUMP = 2
_BEGIN, _LENGTH, _JACOBIAN, _WINDOW, _JUDGE, _KINK, _REJECT, _DONE = range(8)

# Of the estimated error, before the root: as in other solvers. Not tuned.
_SAFETY = 0.5
# Limits on the ratio of the lengths of two windows. Not tuned.
_SMALLEST_RATIO, _LARGEST_RATIO = 0.1, 4.0
# A window whose error was too large becomes shorter at least by this factor. Not tuned.
_REJECTED_RATIO = 0.9
# The ratio after Newton's method failed, and the largest one after the window that then worked. Not tuned.
_FAILED_RATIO, _LARGEST_AFTER_FAILURE = 0.3, 1.5
# Errors that let a kink be looked for; how often in one window; and the ratio of lengths where none was found for the
# second time: it may be close to the start, where none can be told. Not tuned.
_SUSPICIOUS, _MOST_LOOKS, _NOT_FOUND_RATIO = 2.0, 6, 0.3
# Behind a kink a window is no longer than those in which the last two were found, or than so many times the distance to
# the kink in one of them, if windows that were accepted have not become longer since then: among the first nodes of a
# window that is far too long no kink is found. Not tuned.
_BEYOND = 3.0
# Noise is looked for at the second and the fourth look in a window that finds no kink, and at every so many looks in
# the whole march: it may pass for kinks. Not tuned.
_NOW_AND_THEN = 16
# A window becomes shorter for simple sweeps if none of so many before it did. Not tuned.
_BETWEEN_SHORTENINGS = 6
# Degree of the polynomial that predicts the next window's slopes. Not tuned.
_PREDICTED_DEGREE = 6
# Sweeps after which a window does not become longer. Not tuned.
_MANY_SWEEPS = 8
# Equations up to which df/dy is made anew in each window; for more it is kept while Newton's last rate and number of
# sweeps are below these. Not tuned.
CHEAP_JACOBIAN = 10
_FAST_RATE, _FEW_SWEEPS = 0.05, 5
# Components of f that were not finite in an earlier window are kept as this minus their number, and blamed where the
# march ends within this part of t. Not tuned.
_REMEMBERED, _BESIDE = -2, 1e-6
# The march is stuck if 2000 windows gain less than 1e-5 of the span. Not tuned.
_STUCK_WINDOWS, _STUCK_GAIN = 2000, 1e-5


@plain_helper
def _stuck(numbers, counts):
    """Whether many windows have led nearly nowhere."""
    if counts[TRIED] < counts[MARK] + _STUCK_WINDOWS:
        return False
    gained = abs(numbers[T] - numbers[MARK_T])
    counts[MARK] = counts[TRIED]
    numbers[MARK_T] = numbers[T]
    long = abs(numbers[BOUND] - numbers[T])
    if not math.isfinite(long):
        long = abs(numbers[T])
    return gained < _STUCK_GAIN * long and numbers[H_ABS] < _STUCK_GAIN * long


@plain_helper
def spacing(t):
    """The distance of two floating-point numbers at t."""
    if t == 0.0:
        return math.ldexp(1.0, -1074)
    _, exponent = math.frexp(t)
    return math.ldexp(1.0, max(exponent - 53, -1074))


@plain_helper
def _shortest(numbers):
    """The shortest window."""
    return 10.0 * spacing(numbers[T])


@plain_helper
def forget_bad(counts: Index) -> None:
    """Go on where f was not finite: what was found there counts no longer, but is remembered."""
    if counts[BAD] >= 0:
        counts[BAD] = _REMEMBERED - counts[BAD]


@plain_helper
def _too_small(numbers, counts):
    """The window cannot be shorter: whether that is because f is not finite in it, or beside it a moment ago."""
    beside = abs(numbers[BAD_T] - numbers[T]) <= _BESIDE * abs(numbers[T])
    if counts[BAD] <= _REMEMBERED and beside:
        counts[BAD] = _REMEMBERED - counts[BAD]
    return TOO_SMALL if counts[BAD] < 0 else NOT_FINITE


@plain_helper
def _begin(numbers, counts, f):
    """The length to try first; or NOT_FINITE."""
    for k in range(f.size):
        if not math.isfinite(f[k]):
            counts[BAD] = k
            numbers[BAD_T] = numbers[T]
            return NOT_FINITE
    h_abs = min(numbers[H_ABS], numbers[LONGEST])
    shortest = _shortest(numbers)
    numbers[TRIAL] = shortest if counts[TRIED] == 0 and h_abs < shortest else h_abs
    counts[INSIDE] = 0
    counts[FRESH] = 0
    forget_bad(counts)
    counts[CUT] = 0
    counts[LOOKED] = 0
    counts[PHASE] = _LENGTH
    return -1


@plain_helper
def _end(numbers, counts):
    """Where the window of length TRIAL ends: at the bound of the span, or before a break or a kink if that is first."""
    start, direction = numbers[T], numbers[DIRECTION]
    if counts[CUT]:
        return numbers[CUT_AT]
    numbers[TRIAL] = min(numbers[TRIAL], abs(numbers[BOUND] - start))
    end = start + direction * numbers[TRIAL]
    if direction * (end - numbers[BOUND]) >= 0.0:
        end = numbers[BOUND]
    at = numbers[BREAK] - direction * numbers[ROOM]
    if direction * (end - at) >= 0.0:
        bound = direction * numbers[BOUND]
        counts[CUT] = 1
        numbers[CUT_AT] = at
        numbers[KINK_AT] = direction * min(direction * numbers[BREAK], bound)
        numbers[RESTART] = direction * min(direction * numbers[BREAK] + numbers[ROOM], bound)
        numbers[TRIAL] = abs(at - start)
        return at
    return end


@plain_helper
def _place(numbers, counts, nodes, t):
    """The nodes of the window of length TRIAL, none of them outside of the span; or why there is none."""
    if numbers[TRIAL] < _shortest(numbers):
        return _too_small(numbers, counts)
    if counts[TRIED] >= counts[MOST]:
        return LIMIT
    if _stuck(numbers, counts):
        return STUCK
    counts[TRIED] += 1
    start, direction = numbers[T], numbers[DIRECTION]
    end = _end(numbers, counts)
    for i in range(t.size):
        at = start + (end - start) * nodes[i]
        t[i] = min(at, end) if direction > 0.0 else max(at, end)
    t[t.size - 1] = end
    numbers[H] = end - start
    counts[PHASE] = _JACOBIAN
    return -1


@plain_helper
def _judge(numbers, counts, s):
    """Whether the window is accepted, and the length of the next one."""
    error = numbers[ERROR]
    if math.isnan(error):
        if counts[PARTIAL] and not counts[ALL_COLUMNS] and counts[BAD] < 0:  # the same window with all of df/dy
            counts[ALL_COLUMNS] = 1
            counts[HAS_JACOBIAN] = 0
            counts[PHASE] = _LENGTH
            return False
        counts[MAY_GROW] = 0
        counts[CUT] = 0
        numbers[FACTOR] = _FAILED_RATIO
        shorter = counts[FRESH] or counts[CONSTANT] or counts[BAD] >= 0
        counts[HAS_JACOBIAN] = counts[FRESH]  # the same window again with df/dy made anew
        counts[PHASE] = _KINK if shorter else _LENGTH
        return False
    factor = (_SAFETY / error) ** (1.0 / (s + 1)) if error > 0.0 else _LARGEST_RATIO
    numbers[FACTOR] = factor
    rises = counts[RISES] and not counts[CUT] and counts[LOOKED] < _MOST_LOOKS
    if error > 1.0 or rises:
        counts[CUT] = 0
        counts[PHASE] = _KINK
        return False
    return True


@plain_helper
def _suspicious(numbers, counts):
    """Whether f may have a kink in the window."""
    if counts[LOOKED] >= _MOST_LOOKS or counts[BAD] >= 0:
        return False
    return counts[RISES] or not numbers[ERROR] <= _SUSPICIOUS


@plain_helper
def _reject(numbers, counts, s):
    """Try a shorter window: up to a kink, if one was found in it."""
    if not math.isnan(numbers[ERROR]):
        numbers[KNOWN] = numbers[H]
        counts[DEGREE] = 0 if counts[CUT] and counts[RISES] else s - 1  # what has not moved yet starts from rest
        counts[INSIDE] = 1
    if counts[CUT]:
        before = abs(numbers[CUT_AT] - numbers[T])
        reach = max(numbers[TRIAL], _BEYOND * before)
        if numbers[REACH] > 0.0:
            numbers[H_ABS] = min(numbers[H_ABS], max(reach, numbers[REACH]))
        numbers[REACH] = reach
        numbers[TRIAL] = before
    else:
        largest = _NOT_FOUND_RATIO if counts[LOOKED] > 1 else _REJECTED_RATIO
        numbers[TRIAL] *= max(_SMALLEST_RATIO, min(largest, numbers[FACTOR]))
    counts[PHASE] = _LENGTH


@plain_helper
def _accept(numbers, counts, t, n):
    """Go to the end of the window; whether there is more to come."""
    s = t.size
    numbers[START] = numbers[T]
    numbers[T] = t[s - 1]
    numbers[KNOWN] = numbers[H]
    counts[DEGREE] = min(_PREDICTED_DEGREE, s - 1)
    factor = numbers[FACTOR]
    if counts[SWEEPS] >= _MANY_SWEEPS and not counts[SIMPLE]:
        factor = min(factor, 1.0)
    largest = _LARGEST_RATIO if counts[MAY_GROW] else _LARGEST_AFTER_FAILURE
    grown = abs(numbers[H]) * min(factor, largest)
    if counts[CUT]:  # nothing is known from behind a kink, but windows may be as long as before
        numbers[T] = numbers[RESTART]
        counts[DEGREE] = 0
        counts[HAS_JACOBIAN] = 0
        grown = max(grown, numbers[H_ABS])
    elif numbers[REACH] > 0.0:
        numbers[REACH] = max(numbers[REACH], grown)
    numbers[H_ABS] = grown
    counts[MAY_GROW] = 1
    counts[ALL_COLUMNS] = 0
    counts[BEHIND] = counts[CUT]
    counts[PHASE] = _DONE
    if numbers[T] == numbers[BOUND]:
        return False
    if n <= CHEAP_JACOBIAN or numbers[RATE] > _FAST_RATE or counts[SWEEPS] > _FEW_SWEEPS:
        counts[HAS_JACOBIAN] = 0
    return True


@plain_helper
def noise_is_due(counts: Index, found: bool) -> Any:
    """Whether it is time to look for noise, after a look for a kink that has found one or not."""
    return counts[LOOKS] % _NOW_AND_THEN == 0 or (not found and (counts[LOOKED] == 2 or counts[LOOKED] == 4))


@plain_helper
def by_newton(counts: Index) -> None:
    """Go on with the same window by Newton's method, where simple sweeps failed."""
    counts[SIMPLE] = 0
    counts[GAVE_UP] = 1
    counts[PHASE] = _JACOBIAN


@plain_helper
def again_shorter(numbers: Real, counts: Index, ratio: float) -> None:
    """Try simple sweeps again in a window that is shorter by this factor, if it is below 0.9.

    Not again and again: then windows could be longer, and sweeps are what keeps them short.
    """
    often = counts[SHORTENED] > 0 and counts[TRIED] < counts[SHORTENED] + _BETWEEN_SHORTENINGS
    counts[SHORTENED] = counts[TRIED]
    if often:
        return
    counts[SIMPLE] = 1
    numbers[TRIAL] *= max(_SMALLEST_RATIO, min(_REJECTED_RATIO, ratio))
    counts[PHASE] = _LENGTH


@plain_helper
def steer(numbers: Real, counts: Index, n: int, nodes: Real, t: Real, f: Real) -> Any:
    """The step control: go on until something is needed: df/dy, a window, the slope at its end; or until it ends.

    For Python where f is called from there, and compiled for `advance`. n : equations; nodes : (s,) or more, of the
    basis; t : (s,), of the window; f : the slope where it starts, to be looked at for numbers that are not finite, or
    empty.
    """
    while True:
        phase = counts[PHASE]
        if phase == _BEGIN:
            why = _begin(numbers, counts, f)
            if why >= 0:
                return why
        elif phase == _LENGTH:
            why = _place(numbers, counts, nodes, t)
            if why >= 0:
                return why
        elif phase == _JACOBIAN:
            counts[PHASE] = _WINDOW
            if not counts[HAS_JACOBIAN] and not counts[SIMPLE]:
                counts[FRESH] = 1
                return ASK_JACOBIAN
        elif phase == _WINDOW:
            counts[HAS_JACOBIAN] = 0 if counts[SIMPLE] else 1
            counts[PHASE] = _JUDGE
            return ASK_WINDOW
        elif phase == _JUDGE:
            if _judge(numbers, counts, t.size):
                return ASK_SLOPE if _accept(numbers, counts, t, n) else AT_BOUND
        elif phase == _KINK:
            counts[PHASE] = _REJECT
            if _suspicious(numbers, counts):
                counts[LOOKED] += 1
                counts[LOOKS] += 1
                return ASK_KINK
        elif phase == _REJECT:
            if counts[CUT] or not numbers[ERROR] <= 1.0:
                _reject(numbers, counts, t.size)
            else:  # nothing was found where something begins to move
                counts[RISES] = 0
                counts[PHASE] = _JUDGE
        else:
            counts[PHASE] = _BEGIN
            return ACCEPTED
