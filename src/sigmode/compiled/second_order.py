"""Equations of second order: the network's N, N' and N'' at all points, their pullback and their sensitivities.

What the form of the trial solution adds is array code between these kernels (`training.orders`).
"""

from __future__ import annotations

import numpy as np
from numba import prange

from ..arrays import Real
from .buffers import BLOCK
from .launch import CUBE, MATRIX, VECTOR, entry
from .network import (
    ROW_BLOCK,
    Net,
    add_in_order,
    copy_layer,
    forward2_block,
    pullback2_block,
    second_of_layer,
    sensitivity2_row,
    third_of_layer,
)

__all__ = ["forward2", "pullback2", "sensitivities2"]

_NETWORK = f"{VECTOR}, i8, i8, i8, {VECTOR}"  # theta, n, n_hidden, kind, xi
_KEPT = "f8[:, :, :, ::1]"


@entry(f"void({_NETWORK}, {_KEPT}, {MATRIX}, {MATRIX}, {MATRIX})")
def _forward2(theta, n, n_hidden, kind, xi, kept, values, slopes, curvatures):
    net = Net(theta, n, n_hidden, kind)
    m = xi.size
    for block in prange((m + BLOCK - 1) // BLOCK):
        lo = block * BLOCK
        forward2_block(net, xi, lo, min(m, lo + BLOCK), kept[block], values, slopes, curvatures)


@entry(f"void({_NETWORK}, {_KEPT}, {MATRIX}, {MATRIX}, {MATRIX}, {VECTOR})")
def _pullback2(theta, n, n_hidden, kind, xi, kept, n_bar, dn_bar, d2n_bar, gradient):
    net = Net(theta, n, n_hidden, kind)
    m = xi.size
    blocks = (m + BLOCK - 1) // BLOCK
    partial = np.empty((blocks, theta.size))
    for block in prange(blocks):
        lo = block * BLOCK
        pullback2_block(net, xi, lo, min(m, lo + BLOCK), kept[block], n_bar, dn_bar, d2n_bar, partial[block])
    add_in_order(partial, gradient)


@entry(f"void({_NETWORK}, {_KEPT}, {CUBE}, {CUBE}, {CUBE}, {MATRIX}, i8)")
def _sensitivities2(theta, n, n_hidden, kind, xi, kept, dr_dn, dr_ddn, dr_d2n, jacobian, first):
    net = Net(theta, n, n_hidden, kind)
    m = jacobian.shape[0] // dr_dn.shape[1]
    for block in prange((xi.size + ROW_BLOCK - 1) // ROW_BLOCK):
        lo = block * ROW_BLOCK
        hi = min(xi.size, lo + ROW_BLOCK)
        copied = np.empty((2, n_hidden, ROW_BLOCK + 8))
        copy_layer(kept[lo // BLOCK], lo % BLOCK, hi - lo, copied)
        layer = np.empty((4, n_hidden))
        by = np.empty((3, n_hidden))
        for i in range(lo, hi):
            second_of_layer(kind, copied, i - lo, layer)
            third_of_layer(kind, layer)
            for k in range(dr_dn.shape[1]):
                row = jacobian[k * m + first + i]
                sensitivity2_row(net, xi[i], layer, dr_dn[i, k], dr_ddn[i, k], dr_d2n[i, k], by, row)


def forward2(theta: Real, n: int, n_hidden: int, kind: int, xi: Real, kept: Real) -> tuple[Real, Real, Real]:
    """N, dN/dxi and d2N/dxi2, each (n, m): `forward` for equations of second order, same `kept`, same bits."""
    values, slopes, curvatures = np.empty((3, n, xi.size))
    _forward2.launch(xi.size * n_hidden, theta, n, n_hidden, kind, xi, kept, values, slopes, curvatures)
    return values, slopes, curvatures


def pullback2(
    theta: Real, n: int, n_hidden: int, kind: int, xi: Real, kept: Real,
    n_bar: Real, dn_bar: Real, d2n_bar: Real, gradient: Real,
) -> None:  # fmt: skip
    """Add dE/dtheta to `gradient`, given the derivatives of E by N, N' and N'', each (n, m), and forward's `kept`.

    Source: docs/derivation.md, "Second order". Partial sums as in `pullback`.
    """
    _pullback2.launch(xi.size * n_hidden, theta, n, n_hidden, kind, xi, kept, n_bar, dn_bar, d2n_bar, gradient)


def sensitivities2(
    theta: Real, n: int, n_hidden: int, kind: int, xi: Real, kept: Real,
    dr_dn: Real, dr_ddn: Real, dr_d2n: Real, jacobian: Real, first: int,
) -> None:  # fmt: skip
    """Fill in rows of the Jacobian of residuals that depend on N, N' and N'' at x_i, as `sensitivities`.

    dr_dn, dr_ddn, dr_d2n : (m, n_rows, n).
    """
    work = dr_dn.shape[0] * dr_dn.shape[1] * theta.size
    _sensitivities2.launch(work, theta, n, n_hidden, kind, xi, kept, dr_dn, dr_ddn, dr_d2n, jacobian, first)
