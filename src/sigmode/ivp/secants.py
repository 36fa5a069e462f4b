"""Broyden's update for an iteration whose matrix is kept: what its last steps have changed corrects the next one."""

from __future__ import annotations

import itertools
import math

import numpy as np

from ..arrays import Real

__all__ = ["Secants"]

# A step is not made longer where no more than this part of it would be left to the next one. Not tuned.
_LEAST = 0.3


class Secants:
    """Broyden's good update in all unknowns of a window at once (Kelley 1995, section 7.3, algorithm brsol).

    The matrix that the iteration solves with stays as it is: an update is made of two steps that follow each other.

    References
    ----------
    Kelley, Iterative Methods for Linear and Nonlinear Equations, SIAM 1995.
    """

    def __init__(self, weight: Real) -> None:
        """weight : (s, n), errors that do not matter: lengths are measured in them."""
        self._weight = weight
        self._known: list[tuple[Real, Real, float]] = []

    def corrected(self, step: Real, change: Real) -> tuple[Real, Real]:
        """What is made of a step of the values and the change of the slopes that it is the integral of, (s, n) each.

        What holds between the two is linear, and still holds.
        """
        if not math.isfinite(self._product(step, step)):
            self._known.clear()
            return step, change
        known = self._known
        for (before, _, length), (after, its_change, _) in itertools.pairwise(known):
            part = self._product(before, step) / length
            step = step + part * after
            change = change + part * its_change
        if known:
            last, _, length = known[-1]
            left = 1.0 - self._product(last, step) / length
            if left > _LEAST:
                step, change = step / left, change / left
        known.append((step, change, self._product(step, step) or 1.0))
        return step, change

    def _product(self, a: Real, b: Real) -> float:
        return float(np.vdot(a / self._weight, b / self._weight))
