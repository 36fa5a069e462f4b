"""What a march is made of, for given tolerances: functions per window, and what errors are measured by."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import arguments
from ..arguments import EPS
from ..arrays import Real

__all__ = [
    "ABSOLUTE_FLOOR",
    "MAX_WINDOWS",
    "checked_breaks",
    "checked_first_step",
    "checked_max_windows",
    "march_weights",
    "width",
]

# Functions per window: 2 for each digit of rtol and 2 more, between 6 and 22. They resolve what the tolerance asks for
# on windows of about s/3 radians of an oscillation (docs/decisions.md, "Marching").
_FUNCTIONS_PER_DIGIT, _MORE_FUNCTIONS = 2.0, 2
_FEWEST_FUNCTIONS, _MOST_FUNCTIONS = 6, 22
# The local error is kept to this part of the tolerance: with s functions more digits are nearly free, errors add up
# over windows, and where a component passes zero the tolerance that users check is far smaller than beside it
# (docs/decisions.md, "Marching").
_PART_OF_TOLERANCE = 0.015
_TINY = float(np.finfo(float).tiny)
# Newton's method is not asked for relative tolerances below this. Not tuned.
_LEAST_RTOL = 256 * EPS
# Where `atol` is zero the first window is relative to at least this part of what y is or soon becomes. Not tuned.
ABSOLUTE_FLOOR = 1e-6
# Windows that are tried at most, unless the user says otherwise. Not tuned.
MAX_WINDOWS = 20_000
_UNLIMITED = 2**62


def width(rtol: Real) -> int:
    """Functions per window."""
    digits = -math.log10(rtol.min(initial=1.0))
    return min(max(round(_FUNCTIONS_PER_DIGIT * digits) + _MORE_FUNCTIONS, _FEWEST_FUNCTIONS), _MOST_FUNCTIONS)


def march_weights(rtol: Real, atol: Real, n: int) -> tuple[Real, Real, Real]:
    """atol and rtol of the local errors, and what does not matter in y, (n,) each."""
    ones = np.ones(n)
    absolute = np.maximum(_PART_OF_TOLERANCE * atol * ones, _TINY)  # none may vanish
    relative = np.maximum(_PART_OF_TOLERANCE * rtol, _LEAST_RTOL) * ones
    return absolute, relative, np.where(rtol > 0, atol / rtol, 0.0) * ones


def checked_breaks(breaks: ArrayLike | None, direction: float) -> Real:
    """A user's `breaks`, in the order of the march."""
    if breaks is None:
        return np.empty(0)
    times: Real = np.atleast_1d(arguments.numbers(breaks, "breaks", "(m,)", real=True))
    arguments.one_dimensional(times, "breaks")
    arguments.finite(times, "`breaks`")
    times = np.unique(times)
    return times if direction > 0.0 else times[::-1]


def checked_max_windows(max_windows: Any) -> int:
    """A user's `max_windows`, as compiled code can count them."""
    return min(arguments.count(max_windows, "max_windows"), _UNLIMITED)


def checked_first_step(first_step: Any, t0: float, t_bound: float) -> float:
    """A user's `first_step`."""
    first = arguments.positive(first_step, "first_step")
    if first > abs(t_bound - t0):
        raise ValueError(f"`first_step` exceeds bounds: {first} is more than {abs(t_bound - t0)}.")
    return first
