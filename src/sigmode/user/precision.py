"""How many digits a user's function has: differences of one that has few must be taken over long steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import EPS
from ..arrays import Number
from .differences import FORWARD_STEP

__all__ = ["Precision"]

_SINGLE = float(np.finfo(np.float32).eps)
# Values that are needed, and the part of them that is odd in units of the last place, a half on average: those that
# have few digits because terms cancel are as coarse at any size, and seldom odd. Not tuned.
_VALUES, _ODD = 8, 0.25
# Looks after which all is decided. Not tuned.
_LOOKS = 8
# The longest relative step of differences: where f has hardly any digits df/dy has none. Not tuned.
_LONGEST_STEP = 1e-2


class Precision:
    """That of f: of numbers in single precision, by their type or their values, and of what was seen to scatter.

    Attributes
    ----------
    relative : float
        Of the component that has the fewest digits; rounding of doubles, unless something else was seen.
    step : float
        Relative step of forward differences.
    looks : int
        How often it will still `look`.
    """

    def __init__(self) -> None:
        self.looks, self._own = _LOOKS, EPS
        self.relative, self.step = EPS, FORWARD_STEP
        self._may_be_single: Any = True
        self._seen: Any = 0
        self._odd: Any = 0

    def look(self, values: Number) -> None:
        """Look at values (m, n) of f, with NumPy's warnings off: if all of a component are single that is no accident.

        Nearly always the first row says that none are.
        """
        self.looks -= 1
        if (values[:1] != values[:1].real.astype(np.float32)).all():
            self.looks = 0
            return
        single = values.real.astype(np.float32)
        self._may_be_single = self._may_be_single & ~((single != values) & np.isfinite(values)).any(axis=0)
        if not self._may_be_single.any():
            self.looks = 0
            return
        self._seen = self._seen + np.count_nonzero(single, axis=0)
        self._odd = self._odd + np.count_nonzero(single.view(np.uint32) & 1, axis=0)
        if (self._may_be_single & (self._seen >= _VALUES) & (self._odd >= _ODD * self._seen)).any():
            self.is_single()

    def is_single(self) -> None:
        """Values of f are numbers in single precision."""
        self.looks, self._own = 0, _SINGLE
        self.scatters(_SINGLE)

    def begin_anew(self) -> None:
        """Forget what was seen to scatter: another march may go elsewhere."""
        self.relative, self.step = EPS, FORWARD_STEP
        self.scatters(self._own)

    def scatters(self, relative: float) -> None:
        """Values of f were seen to scatter by this part of themselves."""
        self.relative = max(self.relative, relative)
        self.step = min(self.relative**0.5, _LONGEST_STEP)
