"""Residual, loss, gradient and Jacobian of an equation of first order whose f is compiled, in one launch each.

Block by block of points: the network, f and df/dy by their addresses, the residual, the pullback.  What has the length
m n_hidden never leaves the cache of a core.
"""

from __future__ import annotations

import numpy as np
from numba import config, get_thread_id, prange  # type: ignore[attr-defined]

from ..arrays import Flags, Index, Real
from . import buffers
from .buffers import BLOCK
from .first_order import bars_block, rows_block, trial_block
from .functions import Called, call
from .launch import MATRIX, VECTOR, entry, helper, sum_helper
from .network import ROW_BLOCK, Net, add_in_order, pullback_block

__all__ = ["loss_and_gradient", "residual", "rows"]

# Parts of the points whose sums are added in order at the end: a function of m alone, so that the bits do not depend on
# the threads, and few enough for their gradients to be small beside the points. Not tuned.
_SHARES = 256
# Points that tell how large a component is, at most BLOCK. Not tuned.
_LOOKED_AT = 64
# Central differences: the step that user/differences.py takes, and for its reasons.
_STEP = float(np.finfo(float).eps ** (1 / 3))

_NETWORK = f"{VECTOR}, i8, i8, i8, {VECTOR}, {VECTOR}, f8, {VECTOR}"  # theta, n, n_hidden, kind, xi, x, h, start
_FUNCTIONS = "i8, i8[::1], i8, i8[::1]"  # f and df/dy: address and arguments; 0 for differences
_KEPT = "f8[:, :, :, ::1]"


@helper
def _cut(numbers, rows, columns):
    return numbers[: rows * columns].reshape(rows, columns)


@sum_helper
def _squares(r):
    total = 0.0
    for k in range(r.shape[0]):
        row = r[k]
        for i in range(r.shape[1]):
            total += row[i] * row[i]
    return total


@helper
def _residual_block(net, h, start, f, f_args, xi, x, kept, y, slope, r):
    """y and r = dy/dx - f(x, y) at one block of points, all (n, size); whether f could be asked."""
    trial_block(net, h, start, xi, 0, xi.size, kept, y, slope)
    if not call(f, x.copy(), y.copy(), f_args, r):
        return False
    for k in range(net.n):
        of_f = r[k]
        of_y = slope[k]
        for i in range(xi.size):
            of_f[i] = of_y[i] - of_f[i]
    return True


@helper
def _largest(y, largest):
    for c in range(y.shape[0]):
        for i in range(y.shape[1]):
            largest[c] = max(largest[c], abs(y[c, i]))


@helper
def _sizes(net, h, start, xi, kept):
    """The largest abs(y) of each component at some of the points: how large a component is that is small on a block."""
    some = xi[:: (xi.size + _LOOKED_AT - 1) // _LOOKED_AT].copy()
    y = np.empty((net.n, some.size))
    largest = np.zeros(net.n)
    trial_block(net, h, start, some, 0, some.size, kept, y, np.empty_like(y))
    _largest(y, largest)
    return largest


@helper
def _differences(f, f_args, x, y, sizes, df_dy):
    """df/dy (n, n, size) by central differences of f; False where f fails or is not finite on one side."""
    n, size = y.shape
    ahead = np.empty((n, size))
    back = np.empty((n, size))
    largest = sizes.copy()
    _largest(y, largest)
    for c in range(n):
        least = min(largest[c], 1.0) if largest[c] > 0.0 else 1.0
        up = y.copy()
        down = y.copy()
        for i in range(size):
            step = _STEP * max(abs(y[c, i]), least)
            up[c, i] += step
            down[c, i] -= step
        run = up[c] - down[c]
        if not (call(f, x.copy(), up, f_args, ahead) and call(f, x.copy(), down, f_args, back)):
            return False
        for k in range(n):
            for i in range(size):
                df_dy[k, c, i] = (ahead[k, i] - back[k, i]) / run[i]
                if not np.isfinite(df_dy[k, c, i]):
                    return False
    return True


@helper
def _df_dy_block(f, f_args, jac, jac_args, x, y, sizes, df_dy):
    if jac == 0:
        return _differences(f, f_args, x, y, sizes, df_dy)
    return call(jac, x.copy(), y.copy(), jac_args, df_dy)


@entry(f"void({_NETWORK}, {_FUNCTIONS}, {_KEPT}, {MATRIX}, b1[::1])")
def _residual(theta, n, n_hidden, kind, xi, x, h, start, f, f_args, jac, jac_args, kept, r, done):
    net = Net(theta, n, n_hidden, kind)
    m = xi.size
    blocks = (m + BLOCK - 1) // BLOCK
    for share in prange(done.size):
        room = kept[get_thread_id()]
        numbers = np.empty((3, n * BLOCK))
        done[share] = True
        for block in range(share * blocks // done.size, (share + 1) * blocks // done.size):
            lo = block * BLOCK
            hi = min(m, lo + BLOCK)
            y = _cut(numbers[0], n, hi - lo)
            slope = _cut(numbers[1], n, hi - lo)
            of_block = _cut(numbers[2], n, hi - lo)
            if not _residual_block(net, h, start, f, f_args, xi[lo:hi], x[lo:hi], room, y, slope, of_block):
                done[share] = False
                break
            for k in range(n):
                for i in range(lo, hi):
                    r[k, i] = of_block[k, i - lo]


@entry(f"void({_NETWORK}, {_FUNCTIONS}, {_KEPT}, {VECTOR}, {VECTOR}, b1[::1])")
def _gradient(theta, n, n_hidden, kind, xi, x, h, start, f, f_args, jac, jac_args, kept, losses, gradient, done):
    """`losses` has one number per share; an empty `gradient` is not asked for."""
    net = Net(theta, n, n_hidden, kind)
    m = xi.size
    blocks = (m + BLOCK - 1) // BLOCK
    partial = np.zeros((done.size, gradient.size))
    sizes = _sizes(net, h, start, xi, kept[0]) if jac == 0 and gradient.size else np.zeros(n)
    for share in prange(done.size):
        room = kept[get_thread_id()]
        numbers = np.empty((3, n * BLOCK))
        of_jac = np.empty(n * n * BLOCK)
        of_block = np.empty(theta.size)
        total = 0.0
        done[share] = True
        for block in range(share * blocks // done.size, (share + 1) * blocks // done.size):
            lo = block * BLOCK
            hi = min(m, lo + BLOCK)
            size = hi - lo
            y = _cut(numbers[0], n, size)
            slope = _cut(numbers[1], n, size)
            r = _cut(numbers[2], n, size)
            if not _residual_block(net, h, start, f, f_args, xi[lo:hi], x[lo:hi], room, y, slope, r):
                done[share] = False
                break
            total += _squares(r)
            if gradient.size == 0:
                continue
            df_dy = of_jac[: n * n * size].reshape(n, n, size)
            if not _df_dy_block(f, f_args, jac, jac_args, x[lo:hi], y, sizes, df_dy):
                done[share] = False
                break
            bars_block(n, h, xi[lo:hi], 0, size, r, df_dy, slope)
            pullback_block(net, xi[lo:hi], 0, size, room, slope, r, of_block)
            for j in range(theta.size):
                partial[share, j] += of_block[j]
        losses[share] = total
    add_in_order(partial, gradient)


@entry(f"void({_NETWORK}, {_FUNCTIONS}, {_KEPT}, {MATRIX}, b1[::1])")
def _rows(theta, n, n_hidden, kind, xi, x, h, start, f, f_args, jac, jac_args, kept, jacobian, done):
    net = Net(theta, n, n_hidden, kind)
    m = xi.size
    blocks = done.size
    sizes = _sizes(net, h, start, xi, kept[0]) if jac == 0 else np.zeros(n)
    for block in prange(blocks):
        room = kept[get_thread_id()]
        lo = block * ROW_BLOCK
        hi = min(m, lo + ROW_BLOCK)
        size = hi - lo
        y = np.empty((n, size))
        slope = np.empty((n, size))
        df_dy = np.empty((n, n, size))
        trial_block(net, h, start, xi[lo:hi], 0, size, room, y, slope)
        done[block] = _df_dy_block(f, f_args, jac, jac_args, x[lo:hi], y, sizes, df_dy)
        if done[block]:
            of_n = np.full(size, 1.0 / h)
            of_dn = xi[lo:hi] / h
            rows_block(net, xi[lo:hi], 0, size, room, of_n, of_dn, df_dy, jacobian, m, lo)


# ---------------------------------------------------------------------------------------------------------
# What the rest of the package calls. `net` is theta, n, n_hidden, kind, xi, x, h, start.

_Net = tuple[Real, int, int, int, Real, Real, float, Real]
_NO_ARGS = np.empty(0, dtype=np.int64)


def _functions(f: Called, jac: Called | None) -> tuple[int, Index, int, Index] | None:
    """None where `args` are no longer what f and jac are compiled for."""
    of_f = f.words()
    of_jac = _NO_ARGS if jac is None else jac.words()
    if of_f is None or of_jac is None:
        return None
    return f.address, of_f, 0 if jac is None else jac.address, of_jac


def _rooms(n_hidden: int) -> Real:
    """The activations of one block for every thread."""
    return buffers.borrow(int(config.NUMBA_NUM_THREADS) * BLOCK, n_hidden)  # type: ignore[attr-defined]


def _flags(m: int, of_one: int, most: int) -> Flags:
    return np.empty(min(-(-m // of_one), most), dtype=np.bool_)


def residual(net: _Net, f: Called) -> Real | None:
    """r = dy/dx - f(x, y), (n, m): eq. (3). None where f raised an exception or returned another shape."""
    n, n_hidden, xi = net[1], net[2], net[4]
    functions = _functions(f, None)
    if functions is None:
        return None
    r, done, kept = np.empty((n, xi.size)), _flags(xi.size, BLOCK, _SHARES), _rooms(n_hidden)
    _residual.launch(xi.size * n_hidden, *net, *functions, kept, r, done)
    buffers.give_back(kept)
    return r if np.logical_and.reduce(done) else None


def loss_and_gradient(net: _Net, f: Called, jac: Called | None, with_gradient: bool) -> tuple[float, Real] | None:
    """E and dE/dtheta (eqs. 4, 21), the latter empty where it is not asked for; None as for `residual`.

    jac : None for central differences of f. The same bits for any number of threads.
    """
    theta, _, n_hidden, _, xi = net[:5]
    functions = _functions(f, jac)
    if functions is None:
        return None
    done, kept = _flags(xi.size, BLOCK, _SHARES), _rooms(n_hidden)
    losses, gradient = np.empty(done.size), np.zeros(theta.size if with_gradient else 0)
    _gradient.launch(xi.size * n_hidden, *net, *functions, kept, losses, gradient, done)
    buffers.give_back(kept)
    if not np.logical_and.reduce(done):
        return None
    gradient *= 2.0
    return float(np.add.reduce(losses)), gradient


def rows(net: _Net, f: Called, jac: Called | None) -> Real | None:
    """dr/dtheta, (n m, n_theta), one row per residual; None as for `residual`."""
    theta, n, n_hidden, _, xi = net[:5]
    functions = _functions(f, jac)
    if functions is None:
        return None
    jacobian, done, kept = np.empty((n * xi.size, theta.size)), _flags(xi.size, ROW_BLOCK, xi.size), _rooms(n_hidden)
    _rows.launch(n * xi.size * theta.size, *net, *functions, kept, jacobian, done)
    buffers.give_back(kept)
    return jacobian if np.logical_and.reduce(done) else None
