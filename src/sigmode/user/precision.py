"""How many digits a user's function has: differences of one that has few must be taken over long steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import EPS
from ..arrays import Number
from .differences import FORWARD_STEP

__all__ = ["Precision"]

_SINGLE = float(np.finfo(np.float32).eps)
# Values that are needed at once, and the part of them that is odd in units of the last place, a half on average: those
# that have few digits because terms cancel are as coarse at any size, and seldom odd. Not tuned.
_VALUES, _ODD = 8, 0.25
# Looks after which all is decided. Not tuned.
_LOOKS = 8
# The longest relative step of differences: where f has hardly any digits df/dy has none. Not tuned.
_LONGEST_STEP = 1e-2


class Precision:
    """That of f: of numbers in single precision, by their type or their values, and of what was seen to scatter.

    Attributes
    ----------
    relative : float, or array (n,)
        Of each component; rounding of doubles, unless something else was seen.
    step : float
        Relative step of forward differences.
    looks : int
        How often it will still `look`.
    """

    def __init__(self) -> None:
        self.looks = _LOOKS
        self._own: Any = EPS
        self.relative: Any = EPS
        self.step = FORWARD_STEP
        self._may_be_single: Any = True
        self._seem_single: Any = False

    @property
    def coarse(self) -> bool:
        """Whether a component has fewer digits than a double."""
        return bool(self.step > FORWARD_STEP)

    def look(self, values: Number) -> None:
        """Look at values (m, n) of f, with NumPy's warnings off: if all of a component are single that is no accident.

        Nearly always the first row says that none are. A value that stays the same counts once.
        """
        self.looks -= 1
        if (values[:1] != values[:1].real.astype(np.float32)).all():
            self.looks = 0
            return
        single = values.real.astype(np.float32)
        counts = (single != 0.0) & (single != np.roll(single, 1, axis=0))
        seen, odd = counts.sum(axis=0), (counts & (single.view(np.uint32) & 1 > 0)).sum(axis=0)
        self._may_be_single = self._may_be_single & ~((single != values) & np.isfinite(values)).any(axis=0)
        self._seem_single = self._seem_single | ((seen >= _VALUES) & (odd >= _ODD * seen))
        self._own = np.where(self._may_be_single & self._seem_single, _SINGLE, EPS)
        self.begin_anew()

    def is_single(self) -> None:
        """Values of f are numbers in single precision."""
        self.looks, self._own = 0, _SINGLE
        self.scatters(_SINGLE)

    def begin_anew(self) -> None:
        """Forget what was seen to scatter: another march may go elsewhere."""
        self.relative, self.step = EPS, FORWARD_STEP
        self.scatters(self._own)

    def scatters(self, relative: Any) -> None:
        """Values of components of f were seen to scatter by this part of themselves."""
        self.relative = np.maximum(self.relative, relative)
        self.step = min(float(np.max(self.relative)) ** 0.5, _LONGEST_STEP)
