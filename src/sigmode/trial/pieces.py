"""Where the networks of windows bend: intervals on which polynomials follow them to rounding."""

from __future__ import annotations

import numpy as np

from ..arrays import Index, Real
from .piecewise import Piecewise

__all__ = ["edges", "last_xi", "windows_of"]

# An interval is short enough where z = w xi + b changes by no more than this, or by no more than it is away from zero:
# the poles of the sigmoid, at z = i pi and beyond, are then as far away as 1.4 times half of the interval, and a
# polynomial of degree d is off by 3.1**-d. Source: Trefethen, Approximation Theory and Approximation Practice, ch. 8.
_CHANGE = 4.5
# Beyond this the sigmoid is constant to rounding.
_CONSTANT = 40.0
# Halvings of an interval, at most: beyond that xi has no more digits.
_MOST_HALVINGS = 52


def edges(sol: Piecewise, k: int, lo: float = 0.0, hi: float = 1.0) -> Real:
    """The ends of such intervals of [lo, hi] in window k, in its xi: (P + 1,), increasing."""
    w, b, _, _ = sol.network.split(sol.theta[k])
    factor = 2.0 if sol.network.activation == "tanh" else 1.0  # tanh z = 2 s(2 z) - 1
    periodic = sol.network.activation == "sin"
    done: list[Real] = []
    new = np.array([[lo], [hi]])
    for _ in range(_MOST_HALVINGS):
        z = factor * (np.multiply.outer(new, w) + b)
        change = abs(z[1] - z[0])
        away = np.where(z[0] * z[1] > 0.0, abs(z).min(axis=0), 0.0)
        long = (change > _CHANGE) if periodic else (change > np.maximum(_CHANGE, away)) & (away < _CONSTANT)
        again = long.any(axis=1)
        done.append(new[1, ~again])
        start, end = new[:, again]
        middle = 0.5 * (start + end)
        new = np.array([[*start, *middle], [*middle, *end]])
        if not start.size:
            break
    return np.concatenate([[lo], np.sort(np.concatenate([*done, new[1]]))])


def windows_of(sol: Piecewise, x: Real) -> Index:
    """The window of each point, the first or the last one outside of the span."""
    sign = 1.0 if sol.x[-1] >= sol.x[0] else -1.0
    return np.asarray(np.clip(np.searchsorted(sign * sol.x, sign * x, side="right") - 1, 0, len(sol.y) - 1))


def last_xi(sol: Piecewise, k: int) -> float:
    """Where window k ends, in its xi: 1 but for rounding, and where it was cut off."""
    return float((sol.x[k + 1] - sol.x[k]) / (sol.h[k] or 1.0))
