"""Whether a solution agrees with what the attempt before said about its error."""

from __future__ import annotations

import numpy as np

from ..arrays import Number, Real
from ..trial.windows import window_values
from .attempt import Attempt
from .bound import Worst

__all__ = ["Agreement"]

# What the better one of the two solutions of an attempt may be off, in units of the difference of the two: usually, and
# where attempts before it were in vain. Not tuned.
_OF_THE_GAP, _IN_DOUBT = 0.5, 0.1
# In units of the tolerance, what is no contradiction. Not tuned.
_MUCH = 3.0


class Agreement:
    """The end of the better solution of the attempt before.

    Where errors of rounding grow until they outweigh the tolerance, the two solutions of an attempt may be close by
    chance: of six attempts one may look good. The better solution of the one before is then as far from it as from
    its own.
    """

    def __init__(self, rtol: Real, atol: Real) -> None:
        self._rtol, self._atol = rtol, atol
        self._known: tuple[float, Number, Number] | None = None  # t, y there, and what the other solution is off

    def add(self, tried: Attempt) -> None:
        """Keep the end of an attempt that is not enough."""
        gap = tried.res["gap"]
        end, y = _end(tried)
        self._known = (end, y - gap, gap) if np.isfinite(gap).all() else None

    def judged(self, tried: Attempt, doubt: bool) -> Worst:
        """The worst of an attempt, from the one before if it looks good only by itself; doubt : some were in vain."""
        if self._known is None or tried.worst.ratio > 1.0:
            return tried.worst
        end, y = _end(tried)
        t, better, gap = self._known
        tolerance = self._atol + self._rtol * abs(y) + np.finfo(float).tiny
        off, part = abs(better - y) / tolerance, _IN_DOUBT if doubt else _OF_THE_GAP
        largest, component = float(off.max()), int(off.argmax())
        same = abs(t - end) <= 4.0 * np.spacing(abs(end))
        if not same or largest <= max(_MUCH, part * float((abs(gap) / tolerance).max())):
            return tried.worst
        alone = tolerance[component] < 2.0 * (tolerance - self._rtol * abs(y))[component]
        return Worst(largest, end, component, bool(alone))


def _end(tried: Attempt) -> tuple[float, Number]:
    """Where the windows of an attempt end, and y there."""
    solution = tried.res["sol"]
    return float(solution.x[-2] + solution.h[-1]), window_values(solution, len(solution.h) - 1, np.ones(1))[:, 0]
