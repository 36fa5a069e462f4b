"""The length of the first window, from calls of f in Python."""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Number, Real
from ..compiled.begin import PROBE, careful_length, length_by_bend
from ..user.field import VectorField
from .setting import ABSOLUTE_FLOOR

__all__ = ["first_length"]


def first_length(
    field: VectorField, start: tuple[float, Number, Number], bound: float, max_step: float, s: int, small: Real
) -> float:
    """From f and its change along itself.

    start : t, y, f; bound : where the span ends; s : functions of a window; small : (n,), what does not matter in y.
    """
    t, y, f = start
    span = abs(bound - t)
    if not y.size or not np.isfinite(f).all() or not span:
        return span
    if not small.all():  # relative to what y is or soon becomes, where `atol` is zero
        soon = abs(y).max(initial=0.0) + abs(f).max(initial=0.0) * min(1.0, span)
        small = np.where(small > 0.0, small, ABSOLUTE_FLOOR * np.nan_to_num(soon))
    longest = min(span, max_step)
    careful, at_rest = careful_length(y, f, small, longest, s)
    run = math.copysign(PROBE * careful, bound - t)
    if at_rest or t + run == t:
        return careful
    with np.errstate(all="ignore"):
        moved = field(t + run, y + run * f)
        return length_by_bend(y, f, moved, small, careful, longest, s)
