"""The linear systems of Newton's method for a window by simple sweeps, where that is faster than by elimination.

``D = R + h A x J D`` has the solution ``R + h A J R + (h A J)**2 R + ...``, whose terms fall like those of the
exponential function: A integrates (docs/windows.md). They need no call of f.
"""

from __future__ import annotations

import numpy as np

from .launch import helper, inlined
from .vectors import LANES, aligned, eight, fused, larger, largest, load, row_times, store

__all__ = ["solve_by_sweeps"]

# A term of the series may be left out if it is this part of the sum, in each component: Newton's method gains no more
# than that in one sweep. Not tuned.
_LEFT_OUT = 1e-6
# Terms at most; and how much larger than the first one they may become, which costs as many digits. Not tuned.
_MOST_TERMS, _GROWS = 40, 1e5


@inlined
def _times_h_A_J(h, transposed, J, term, product):
    """term (n, m) = h A J term; J (n n, m) : the entries at the nodes, row by row."""
    n = term.shape[0]
    for k in range(n):
        for at in range(0, term.shape[1], LANES):
            total = load(J, k * n, at) * load(term, 0, at)
            for j in range(1, n):
                total = fused(load(J, k * n + j, at), load(term, j, at), total)
            store(product, k, at, total)
    for k in range(n):
        for at in range(0, term.shape[1], LANES):
            store(term, k, at, eight(h) * row_times(product, k, transposed, at))


@inlined
def _add(term, total, k):
    """Add a row of the term to the sum; the largest numbers of both, infinite for NaN."""
    of_term, of_total = eight(0.0), eight(0.0)
    for at in range(0, term.shape[1], LANES):
        summed = load(total, k, at) + load(term, k, at)
        of_term, of_total = larger(of_term, abs(load(term, k, at))), larger(of_total, abs(summed))
        store(total, k, at, summed)
    return largest(of_term), largest(of_total)


@helper
def solve_by_sweeps(h, transposed, J, right):
    """Overwrite right (s n,), by node and equation, with the solution for df/dy J (s, n, n) at the nodes.

    False, and nothing is changed, where the series converges too slowly.
    """
    s, n, m = J.shape[0], J.shape[1], transposed.shape[1]
    rows = aligned(1, n * n + 3 * n, m)[0]
    of_J, term, total, product = rows[: n * n], rows[n * n : -2 * n], rows[-2 * n : -n], rows[-n:]
    for k in range(n):
        for i in range(m):
            term[k, i] = total[k, i] = right[i * n + k] if i < s else 0.0
            for j in range(n):
                of_J[k * n + j, i] = J[i, k, j] if i < s else 0.0
    first = 0.0
    for i in range(right.size):
        first = max(first, abs(right[i]))
    for _ in range(_MOST_TERMS):
        _times_h_A_J(h, transposed, of_J, term, product)
        done, size = True, 0.0
        for k in range(n):
            of_term, of_total = _add(term, total, k)
            done = done and of_term <= _LEFT_OUT * of_total < np.inf
            size = max(size, of_term)
        if done:
            for k in range(n):
                for i in range(s):
                    right[i * n + k] = total[k, i]
            return True
        if not size <= _GROWS * first:
            return False
    return False
