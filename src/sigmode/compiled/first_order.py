"""Equations of first order: the trial solution ``y = y0 + xi N`` at all points, and the way back to the parameters.

Here f is a function of Python, called between two kernels that share the activations; `fused` has the same with a
compiled f inside.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from ..arrays import Real
from .buffers import BLOCK
from .launch import CUBE, MATRIX, VECTOR, entry, fma, helper
from .network import (
    ROW_BLOCK,
    Net,
    add_in_order,
    copy_layer,
    forward_block,
    pullback_block,
    second_of_layer,
    sensitivity_row,
)

__all__ = ["bars_block", "forward", "pullback", "rows", "rows_block", "trial_block"]

_NETWORK = f"{VECTOR}, i8, i8, i8, {VECTOR}"  # theta, n, n_hidden, kind, xi
_KEPT = "f8[:, :, :, ::1]"


@helper
def trial_block(net, h, start, xi, lo, hi, kept, y, slope):
    """y and dy/dx (eqs. 2, 16, 17), both (n, m), at the points lo to hi; start : (n,), y where xi is 0."""
    forward_block(net, xi, lo, hi, kept, y, slope)
    block = xi[lo:hi]
    for k in range(net.n):
        value = y[k, lo:hi]
        dvalue = slope[k, lo:hi]
        first = start[k]
        for i in range(hi - lo):
            dvalue[i] = fma(block[i], dvalue[i], value[i]) / h
            value[i] = fma(block[i], value[i], first)


@helper
def _through_f(r, df_dy, xi, bar):
    for i in range(xi.size):
        bar[i] = fma(-xi[i], r[i] * df_dy[i], bar[i])


@helper
def bars_block(n, h, xi, lo, hi, r, df_dy, n_bar):
    """Half of dE/dN in `n_bar` and of dE/dN' in the place of the residual r, (n, m); df_dy : (n, n, m)."""
    block = xi[lo:hi]
    for k in range(n):
        bar = n_bar[k, lo:hi]
        residual = r[k, lo:hi]
        for i in range(hi - lo):
            bar[i] = residual[i] / h
        for row in range(n):
            _through_f(r[row, lo:hi], df_dy[row, k, lo:hi], block, bar)
    for k in range(n):
        residual = r[k, lo:hi]
        for i in range(hi - lo):
            residual[i] = residual[i] * block[i] / h


@helper
def rows_block(net, xi, lo, hi, kept, of_n, of_dn, df_dy, jacobian, m, first):
    """Rows of the Jacobian at the points lo to hi, at most ROW_BLOCK of them, see `rows`.

    kept : the activations of the block of BLOCK points that they belong to.
    """
    n, n_hidden = net.n, net.n_hidden
    copied = np.empty((2, n_hidden, ROW_BLOCK + 8))
    copy_layer(kept, lo % BLOCK, hi - lo, copied)
    layer = np.empty((3, n_hidden))
    by = np.empty((2, n_hidden))
    by_n = np.empty(n)
    by_dn = np.zeros(n)
    for i in range(lo, hi):
        second_of_layer(net.kind, copied, i - lo, layer)
        for k in range(n):
            for c in range(n):
                by_n[c] = fma(-xi[i], df_dy[k, c, i], of_n[i] if c == k else 0.0)
            by_dn[k] = of_dn[i]
            sensitivity_row(net, xi[i], layer, by_n, by_dn, by, jacobian[k * m + first + i])
            by_dn[k] = 0.0


@entry(f"void({_NETWORK}, f8, {VECTOR}, {_KEPT}, {MATRIX}, {MATRIX})")
def _forward(theta, n, n_hidden, kind, xi, h, start, kept, y, slope):
    net = Net(theta, n, n_hidden, kind)
    m = xi.size
    for block in prange((m + BLOCK - 1) // BLOCK):
        lo = block * BLOCK
        trial_block(net, h, start, xi, lo, min(m, lo + BLOCK), kept[block], y, slope)


@entry(f"void({_NETWORK}, f8, {_KEPT}, {MATRIX}, {CUBE}, {MATRIX}, {VECTOR})")
def _pullback(theta, n, n_hidden, kind, xi, h, kept, r, df_dy, n_bar, gradient):
    net = Net(theta, n, n_hidden, kind)
    m = xi.size
    blocks = (m + BLOCK - 1) // BLOCK
    partial = np.empty((blocks, theta.size))
    for block in prange(blocks):
        lo = block * BLOCK
        hi = min(m, lo + BLOCK)
        bars_block(n, h, xi, lo, hi, r, df_dy, n_bar)
        pullback_block(net, xi, lo, hi, kept[block], n_bar, r, partial[block])
    add_in_order(partial, gradient)


@entry(f"void({_NETWORK}, {_KEPT}, {VECTOR}, {VECTOR}, {CUBE}, {MATRIX}, i8)")
def _rows(theta, n, n_hidden, kind, xi, kept, of_n, of_dn, df_dy, jacobian, first):
    net = Net(theta, n, n_hidden, kind)
    m = jacobian.shape[0] // n
    for block in prange((xi.size + ROW_BLOCK - 1) // ROW_BLOCK):
        lo = block * ROW_BLOCK
        hi = min(xi.size, lo + ROW_BLOCK)
        rows_block(net, xi, lo, hi, kept[lo // BLOCK], of_n, of_dn, df_dy, jacobian, m, first)


def forward(
    theta: Real, n: int, n_hidden: int, kind: int, xi: Real, h: float, start: Real, kept: Real
) -> tuple[Real, Real]:
    """The trial solution y and dy/dx, both (n, m), with the activations left in `kept` for `pullback`.

    theta : (n_theta,), blocks w | b | V | c, the last one optional; xi : (m,); h : the length of the span;
    start : (n,); kept : from `buffers.borrow`. Source: eqs. (2), (6), (16) to (18). Parallel over blocks of points.
    """
    y = np.empty((n, xi.size))
    slope = np.empty((n, xi.size))
    _forward.launch(xi.size * n_hidden, theta, n, n_hidden, kind, xi, h, start, kept, y, slope)
    return y, slope


def pullback(
    theta: Real, n: int, n_hidden: int, kind: int, xi: Real, h: float,
    kept: Real, r: Real, df_dy: Real, room: Real, gradient: Real,
) -> None:  # fmt: skip
    """Add half of dE/dtheta to `gradient`, given the residual r (n, m), df/dy (n, n, m) and forward's `kept`.

    r and room, (n, m), are used up. Source: eq. (21) for w; b, V and c in docs/derivation.md. Parallel over blocks of
    points; the partial sums are added in the order of the blocks, so that calls on consecutive chunks give the bits of
    one call.
    """
    _pullback.launch(xi.size * n_hidden, theta, n, n_hidden, kind, xi, h, kept, r, df_dy, room, gradient)


def rows(
    theta: Real, n: int, n_hidden: int, kind: int, xi: Real, kept: Real,
    of_n: Real, of_dn: Real, df_dy: Real, jacobian: Real, first: int,
) -> None:  # fmt: skip
    """Fill in rows of the Jacobian of r_k(x_i) = of_n N_k + of_dn N'_k - f_k(x_i, y), y = y0 + xi N, by theta.

    of_n, of_dn : (m,), what N and N' are multiplied by; df_dy : (n, n, m); kept : forward's.
    jacobian : (n M, n_theta), of M >= m points, of which xi are those from number `first` on: row k M + first + i is
    the full per-sample gradient, D2s terms included. Parallel over points.
    """
    work = n * xi.size * theta.size
    _rows.launch(work, theta, n, n_hidden, kind, xi, kept, of_n, of_dn, df_dy, jacobian, first)
