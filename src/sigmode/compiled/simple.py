"""Simple sweeps ``Y = y + h A f(Y)`` of a window with compiled f, and its df/dy by differences.

Values and slopes at the nodes are rows, one for each component, padded to a multiple of eight: (n, m). What stands
behind the nodes in Y is y, so that it does not count; in K it is left open, and never read.
"""

from __future__ import annotations

import numpy as np

from .functions import call_at_nodes
from .launch import helper, inlined, plain_helper
from .vectors import LANES, at_least, eight, fused, larger, largest, load, row_times, store

__all__ = [
    "FORWARD_STEP",
    "NOT_STIFF",
    "SHORTER_REACH",
    "SIMPLE_BELOW",
    "at_rest",
    "begins_to_move",
    "call_once",
    "differences",
    "goes_on",
    "integrate",
    "norm",
    "settled",
    "sweep",
    "times",
]

# Simple sweeps contract by about h L / k in the k-th (docs/ivp.md). They are given up where they contract by less than
# the first number, from the fourth on, and after as many as the second one; Newton's windows give way to them where h L
# is below the third. Not tuned.
_TOO_SLOW, _MOST_SIMPLE, SIMPLE_BELOW = 0.7, 26, 6.0
_SLOW_AFTER = 10
# Where they fail although h L is below the first number, the window is too long rather than stiff: it becomes shorter,
# to an h L of the second. Not tuned.
NOT_STIFF, SHORTER_REACH = 15.0, 4.0
# A component is far below its tolerance if `rtol` times it is this part of `atol`, and grows if it becomes this many
# times as large in a window; then sweeps go on until they move it by no more than this part of `rtol`, or for so many
# sweeps if that helps nothing: it may be rounding. Not tuned.
_FAR_BELOW, _GROWN, _SETTLED, _ROUNDING_AFTER = 1e-3, 2.0, 0.05, 14
# Where a sweep moved values by no more than this part of themselves, the tolerance at them stays what it is. Not tuned.
_SAME_TOLERANCE = 0.01
# Relative step of forward differences, as in user/differences.py.
FORWARD_STEP = float(np.finfo(float).eps ** 0.5)


@inlined
def call_once(address, t, y, words, f):
    """f at one point t (1,), y (n,) -> f (n,); False where Python has to be asked."""
    return call_at_nodes(address, t, y.reshape((1, y.size)), words, f.reshape((1, y.size)))


@inlined
def at_rest(y, f):
    """1 if a component is exactly zero, with a slope of exactly zero, else 0."""
    for k in range(y.size):
        if y[k] == 0.0 and f[k] == 0.0:
            return 1
    return 0


@inlined
def begins_to_move(y, f, K, s):
    """1 if a component is at rest at the start, has a slope of zero at the first node, but not at all nodes, else 0."""
    for k in range(f.size):
        if y[k] == 0.0 and f[k] == 0.0 and K[k, 0] == 0.0:
            for i in range(1, s):
                if K[k, i] != 0.0:
                    return 1
    return 0


@inlined
def differences(address, words, t, h, y, f, small, df_dy, partial, room):
    """df/dy by forward differences of compiled f, as `VectorField.jacobian`; False where Python has to be asked.

    partial : whether what is at rest is left so, its columns zero; room (2 n + 2, n) : work space.
    """
    n = y.size
    moved, rows, run, at = room[:n], room[n : 2 * n], room[2 * n], room[2 * n + 1]
    for m in range(n):
        size = max(max(abs(y[m]), abs(h * f[m])), small[m])
        step = FORWARD_STEP * (size if size > 0.0 else 1.0)
        step = 0.0 if partial and y[m] == 0.0 and f[m] == 0.0 else step
        for k in range(n):
            rows[m, k] = y[k]
        rows[m, m] += -step if f[m] < 0.0 else step
        run[m] = rows[m, m] - y[m]
    for m in range(n):
        at[m] = t
    if not call_at_nodes(address, at, rows, words, moved):
        return False
    for k in range(n):
        for m in range(n):
            df_dy[k, m] = (moved[m, k] - f[k]) / run[m] if run[m] != 0.0 else 0.0
    return True


@helper
def differences_ahead(address, words, t, ahead, h, y, f, small, df_dy, partial, room):
    """As `differences`, at the time `ahead` on the tangent of y at t."""
    y_there, f_there, at = np.empty(y.size), np.empty(y.size), np.empty(1)
    at[0] = ahead
    for k in range(y.size):
        y_there[k] = y[k] + (ahead - t) * f[k]
    if not call_once(address, at, y_there, words, f_there):
        return False
    return differences(address, words, ahead, h, y_there, f_there, small, df_dy, partial, room)


@inlined
def integrate(h, transposed, y, K, Y):
    """Y = y + h A K; transposed (s, m) : of A, padded with zeros."""
    for k in range(y.size):
        for at in range(0, Y.shape[1], LANES):
            store(Y, k, at, fused(eight(h), row_times(K, k, transposed, at), eight(y[k])))


@inlined
def times(table, K, product, first):
    """Columns of product (n, .), from the first on, = each row of K times a table (s, m)."""
    for k in range(K.shape[0]):
        for at in range(0, table.shape[1], LANES):
            store(product, k, first + at, row_times(K, k, table, at))


@inlined
def sweep(h, transposed, y, atol, rtol, K, Y, last, inverse):
    """`integrate`, and how much Y has changed by it, in units of the tolerance: infinite where it is not finite.

    And the same for components that grow far below their `atol`, in units of `rtol` times what they become: growth
    makes something of them later.

    last : what the sweep before returned, infinite for none; inverse (n, m) : one over the tolerance, kept from sweep
    to sweep where that hardly changes, for a division takes as long as many products.
    """
    size, unseen = eight(0.0), 0.0
    for k in range(y.size):
        start = eight(y[k])
        below = abs(y[k]) > 0.0 and rtol[k] * abs(y[k]) < _FAR_BELOW * atol[k]
        if last * rtol[k] < _SAME_TOLERANCE and not below:
            for at in range(0, Y.shape[1], LANES):
                new = fused(eight(h), row_times(K, k, transposed, at), start)
                size = larger(size, abs(new - load(Y, k, at)) * load(inverse, k, at))
                store(Y, k, at, new)
            continue
        own_atol, own_rtol, change, highest = eight(atol[k]), eight(rtol[k]), eight(0.0), eight(0.0)
        for at in range(0, Y.shape[1], LANES):
            new = fused(eight(h), row_times(K, k, transposed, at), start)
            store(inverse, k, at, eight(1.0) / fused(own_rtol, at_least(abs(new), abs(start)), own_atol))
            moved = abs(new - load(Y, k, at))
            size = larger(size, moved * load(inverse, k, at))
            change, highest = larger(change, moved), larger(highest, abs(new))
            store(Y, k, at, new)
        if below:
            becomes = largest(highest)
            if becomes > _GROWN * abs(y[k]) and rtol[k] * becomes < atol[k]:
                unseen = max(unseen, largest(change) / (rtol[k] * becomes))
    return largest(size), unseen


@plain_helper
def settled(unseen: float, before: float, sweeps: int) -> bool:
    """Whether what grows far below `atol` is solved, too; or will not be, as where it is rounding."""
    return unseen < _SETTLED or sweeps >= _MOST_SIMPLE or (sweeps >= _ROUNDING_AFTER and unseen > _TOO_SLOW * before)


@inlined
def goes_on(size, sweeps, rate):
    """Whether simple sweeps are worth another one."""
    return size < np.inf and sweeps < _MOST_SIMPLE and (sweeps < _SLOW_AFTER or rate < _TOO_SLOW)


@inlined
def norm(df_dy, y, atol, rtol):
    """The least of three norms of df/dy, one of them in units of the tolerance: times h, how simple sweeps contract.

    Where a component passes zero its tolerance is small, and the third one far too large.
    """
    rows = columns = scaled = 0.0
    for k in range(y.size):
        row = column = total = 0.0
        for m in range(y.size):
            row += abs(df_dy[k, m])
            column += abs(df_dy[m, k])
            total += abs(df_dy[k, m]) * (atol[m] + rtol[m] * abs(y[m]))
        rows, columns = max(rows, row), max(columns, column)
        scaled = max(scaled, total / (atol[k] + rtol[k] * abs(y[k])))
    return min(rows, columns, scaled)
