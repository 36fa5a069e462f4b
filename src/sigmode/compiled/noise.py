"""Whether a compiled f scatters, as `ivp.noise.scatter` asks of any f."""

from __future__ import annotations

import math

import numpy as np

from .functions import call_at_nodes
from .launch import helper

__all__ = ["NEGLIGIBLE", "PARTS", "STAYS", "scatters"]

# f is looked at on both halves of two parts of a window: what a polynomial misses of a smooth f falls by 1e4 from one
# to the other, and a kink or a jump is in one half only. A table with few digits has steps, which shorter parts would
# not contain. Not tuned.
PARTS = 0.1, 0.01
# Noise is what does not fall below this part. Not tuned.
STAYS = 0.1
# What would add up to less than this part of the tolerance is left alone. Not tuned.
NEGLIGIBLE = 0.1


@helper
def scatters(address, words, t, h, y, slope, weight, at, residuals):
    """Whether f seems to scatter near the start t of a window of length h, or may do so where it cannot be called.

    weight : (n,), errors that do not matter; at : (m,), points in (0, 1), increasing; residuals : (2, m/2, m/2), for
    each half of them, from values there to what a cubic misses.
    """
    n, m, half = y.size, at.size, at.size // 2
    times, rows, slopes = np.empty(m), np.empty((m, n)), np.empty((m, n))
    least, most = np.full(n, np.inf), np.zeros(n)
    for part in PARTS:
        for i in range(m):
            run = part * h * at[i]
            times[i] = t + run
            for k in range(n):
                rows[i, k] = y[k] + run * slope[k]
        if not call_at_nodes(address, times, rows, words, slopes):
            return True
        for b in range(2):
            for k in range(n):
                missed = 0.0
                for i in range(half):
                    total = 0.0
                    for j in range(half):
                        total += residuals[b, i, j] * slopes[b * half + j, k]
                    if not math.isfinite(total):
                        return False
                    missed = max(missed, abs(total))
                least[k] = min(least[k], missed)
                most[k] = max(most[k], missed)
    for k in range(n):  # noqa: SIM110  any(...) is nothing that Numba compiles
        if least[k] > STAYS * most[k] and abs(h) * most[k] >= NEGLIGIBLE * weight[k]:
            return True
    return False
