"""The network's values, its pullback and its sensitivities.

The kernels know the network ``N_k(xi) = sum_j V_kj s(w_j xi + b_j) + c_k`` and nothing else; what an equation,
a condition or a data misfit adds is array code between two kernels.  Points are the SIMD axis, in blocks of
``buffers.BLOCK``; hidden units are the outer loop; blocks are shared out among threads.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import prange

from ..arrays import Real
from .activations import SIN_REDUCTION_LIMIT, second, sigmoid_pair, sin_pair, tanh_pair, third
from .buffers import BLOCK
from .launch import CUBE, MATRIX, VECTOR, entry, fma, helper, sum_helper

__all__ = [
    "forward",
    "forward2",
    "pullback",
    "pullback2",
    "sensitivities",
    "sensitivities2",
]

# Points whose rows of the Jacobian are one share. A row costs n_theta stores, a point of the network n_hidden
# activations: smaller shares than BLOCK. Not tuned.
_ROW_BLOCK = 128

_NETWORK = f"{VECTOR}, i8, i8, i8, {VECTOR}"  # theta, n, n_hidden, kind, xi
_KEPT = "f8[:, :, :, ::1]"


class Net(NamedTuple):
    """theta : (n_theta,), blocks w | b | V | c, the last one optional; kind : number of the activation."""

    theta: Real
    n: int
    n_hidden: int
    kind: int


# ---------------------------------------------------------------------------------------------------------
# One block of points. `kept` is (n_hidden, 2, BLOCK): s and Ds of every unit, written by forward, read by pullback.


@helper
def _add_unit(v, vw, s, ds, value, slope):
    for i in range(value.size):
        value[i] += v * s[i]
        slope[i] += vw * ds[i]


@helper
def _forward_block(net, xi, lo, hi, kept, values, slopes):
    """N and N' = dN/dxi (eq. 18) for the points lo to hi; `values` and `slopes` are (n, m)."""
    theta, n, n_hidden, kind = net
    size = hi - lo
    block = xi[lo:hi]
    bias = theta[(2 + n) * n_hidden :]
    for k in range(n):
        values[k, lo:hi] = bias[k] if bias.size else 0.0
        slopes[k, lo:hi] = 0.0
    value = values[0, lo:hi]
    slope = slopes[0, lo:hi]
    for j in range(n_hidden):
        w = theta[j]
        b = theta[n_hidden + j]
        v = theta[2 * n_hidden + j]
        vw = v * w
        s = kept[j, 0, :size]
        ds = kept[j, 1, :size]
        # One pass: adding in a pass of its own costs 10 % more. The loops differ only in the function that they call.
        if kind == 0:
            for i in range(size):
                s[i], ds[i] = sigmoid_pair(w * block[i] + b)
                value[i] += v * s[i]
                slope[i] += vw * ds[i]
        elif kind == 1:
            for i in range(size):
                s[i], ds[i] = tanh_pair(w * block[i] + b)
                value[i] += v * s[i]
                slope[i] += vw * ds[i]
        elif abs(w) + abs(b) < SIN_REDUCTION_LIMIT:
            for i in range(size):
                s[i], ds[i] = sin_pair(w * block[i] + b)
                value[i] += v * s[i]
                slope[i] += vw * ds[i]
        else:
            for i in range(size):
                z = w * block[i] + b
                s[i] = math.sin(z)
                ds[i] = math.cos(z)
                value[i] += v * s[i]
                slope[i] += vw * ds[i]
        for k in range(1, n):
            v = theta[(2 + k) * n_hidden + j]
            _add_unit(v, v * w, s, ds, values[k, lo:hi], slopes[k, lo:hi])


@sum_helper
def _pull_unit(w, p, q, r, xi, s, ds, n_bar, dn_bar):
    """The four sums over points behind the gradient of one unit in one equation, before the factor V_kj."""
    sum_w = 0.0
    sum_b = 0.0
    sum_v = 0.0
    sum_vw = 0.0
    for i in range(xi.size):
        through_slope = dn_bar[i] * ds[i]
        d2s_bar = fma(p + q * s[i], through_slope, r * (s[i] * dn_bar[i]))
        both = fma(w, d2s_bar, n_bar[i] * ds[i])
        sum_b += both
        sum_w += both * xi[i]
        sum_v += n_bar[i] * s[i]
        sum_vw += through_slope
    return sum_w + sum_vw, sum_b, sum_v + w * sum_vw


@sum_helper
def _sum(values):
    total = 0.0
    for i in range(values.size):
        total += values[i]
    return total


@helper
def _pullback_block(net, xi, lo, hi, kept, n_bar, dn_bar, gradient):
    """Overwrite `gradient` with dE/dtheta of the points lo to hi: eq. (21) for w, and b, V, c likewise.

    dE/dw_j = sum_k V_kj sum_i [N_bar Ds xi + dN_bar (Ds + w D2s xi)],  dE/db_j the same without the last Ds
    and xi,  dE/dV_kj = sum_i [N_bar s + dN_bar w Ds],  dE/dc_k = sum_i N_bar.
    """
    theta, n, n_hidden, kind = net
    size = hi - lo
    block = xi[lo:hi]
    p, q, r = second(kind)
    gradient[: 2 * n_hidden] = 0.0
    for j in range(n_hidden):
        for k in range(n):
            of_v = (2 + k) * n_hidden + j
            of_w, of_b, gradient[of_v] = _pull_unit(
                theta[j], p, q, r, block, kept[j, 0, :size], kept[j, 1, :size], n_bar[k, lo:hi], dn_bar[k, lo:hi]
            )
            gradient[j] += theta[of_v] * of_w
            gradient[n_hidden + j] += theta[of_v] * of_b
    for c in range((2 + n) * n_hidden, theta.size):
        gradient[c] = _sum(n_bar[c - (2 + n) * n_hidden, lo:hi])


@helper
def _sensitivity_row(net, x, layer, dr_dn, dr_ddn, by, row):
    """One row of the Jacobian: dr/dtheta where r depends on N_l and N'_l with weights dr_dn[l], dr_ddn[l].

    layer : (3, n_hidden), s, Ds and D2s of each unit; by : (2, n_hidden), work space.
    """
    theta, n, n_hidden, _ = net
    w = theta[:n_hidden]
    s = layer[0]
    ds = layer[1]
    d2s = layer[2]
    by_value = by[0]
    by_slope = by[1]
    by_value[:] = 0.0
    by_slope[:] = 0.0
    for k in range(n):
        v = theta[(2 + k) * n_hidden : (3 + k) * n_hidden]
        of_v = row[(2 + k) * n_hidden : (3 + k) * n_hidden]
        p = dr_dn[k]
        q = dr_ddn[k]
        for j in range(n_hidden):
            by_value[j] += p * v[j]
            by_slope[j] += q * v[j]
            of_v[j] = fma(p, s[j], q * (w[j] * ds[j]))
    of_w = row[:n_hidden]
    of_b = row[n_hidden : 2 * n_hidden]
    for j in range(n_hidden):
        both = fma(by_value[j], ds[j], by_slope[j] * (w[j] * d2s[j]))
        of_b[j] = both
        of_w[j] = fma(both, x, by_slope[j] * ds[j])
    for c in range((2 + n) * n_hidden, theta.size):
        row[c] = dr_dn[c - (2 + n) * n_hidden]


@helper
def _copy_layer(kept, lo, hi, layer):
    """s and Ds of the points lo to hi, (2, n_hidden, points and more), from the activations of their block.

    Read where they are, the activations of one point, BLOCK numbers apart, would fight for one set of the cache.
    """
    start = lo % BLOCK
    for j in range(layer.shape[1]):
        for i in range(hi - lo):
            layer[0, j, i] = kept[lo // BLOCK, j, 0, start + i]
            layer[1, j, i] = kept[lo // BLOCK, j, 1, start + i]


@helper
def _second_of_layer(kind, copied, i, layer):
    """s, Ds and D2s of all units at one point, in the first three rows of `layer`."""
    p, q, r = second(kind)
    for j in range(layer.shape[1]):
        s = copied[0, j, i]
        ds = copied[1, j, i]
        layer[0, j] = s
        layer[1, j] = ds
        layer[2, j] = fma(p + q * s, ds, r * s)


@helper
def _third_of_layer(kind, layer):
    """D3s of all units at one point, in the fourth row of `layer`."""
    p, q = third(kind)
    for j in range(layer.shape[1]):
        layer[3, j] = (p + q * layer[1, j]) * layer[1, j]


# ---------------------------------------------------------------------------------------------------------
# The same three with N'' besides N and N', for equations of second order.


@helper
def _add_curvature(vww, p, q, r, s, ds, curvature):
    for i in range(curvature.size):
        curvature[i] += vww * fma(p + q * s[i], ds[i], r * s[i])


@helper
def _forward2_block(net, xi, lo, hi, kept, values, slopes, curvatures):
    """N, N' with the bits of `_forward_block`, and N'' = sum_j V_kj w_j**2 D2s(z_j), all (n, m)."""
    _forward_block(net, xi, lo, hi, kept, values, slopes)
    theta, n, n_hidden, kind = net
    size = hi - lo
    p, q, r = second(kind)
    for k in range(n):
        curvatures[k, lo:hi] = 0.0
    for j in range(n_hidden):
        w = theta[j]
        for k in range(n):
            vww = theta[(2 + k) * n_hidden + j] * w * w
            _add_curvature(vww, p, q, r, kept[j, 0, :size], kept[j, 1, :size], curvatures[k, lo:hi])


@sum_helper
def _pull2_unit(w, of_second, of_third, xi, s, ds, n_bar, dn_bar, d2n_bar):
    """As `_pull_unit`, with the path through N'': the sums for w, b (before the factor V_kj) and V."""
    p, q, r = of_second
    p3, q3 = of_third
    sum_w = 0.0
    sum_b = 0.0
    sum_v = 0.0
    sum_vw = 0.0
    sum_vww = 0.0
    for i in range(xi.size):
        d2s = fma(p + q * s[i], ds[i], r * s[i])
        d3s = (p3 + q3 * ds[i]) * ds[i]
        both = fma(n_bar[i], ds[i], w * fma(dn_bar[i], d2s, w * (d2n_bar[i] * d3s)))
        sum_b += both
        sum_w += both * xi[i]
        sum_v += n_bar[i] * s[i]
        sum_vw += dn_bar[i] * ds[i]
        sum_vww += d2n_bar[i] * d2s
    return fma(2.0 * w, sum_vww, sum_w + sum_vw), sum_b, fma(w, fma(w, sum_vww, sum_vw), sum_v)


@helper
def _pullback2_block(net, xi, lo, hi, kept, n_bar, dn_bar, d2n_bar, gradient):
    """Overwrite `gradient` with dE/dtheta of the points lo to hi, where E depends on N, N' and N''.

    To `_pullback_block` comes, with g = d2N_bar: dE/dw_j += sum_k V_kj sum_i g (2 w D2s + w**2 D3s xi),
    dE/db_j += sum_k V_kj sum_i g w**2 D3s,  dE/dV_kj += sum_i g w**2 D2s.
    """
    theta, n, n_hidden, kind = net
    size = hi - lo
    block = xi[lo:hi]
    of_second, of_third = second(kind), third(kind)
    gradient[: 2 * n_hidden] = 0.0
    for j in range(n_hidden):
        for k in range(n):
            of_v = (2 + k) * n_hidden + j
            of_w, of_b, gradient[of_v] = _pull2_unit(
                theta[j], of_second, of_third, block, kept[j, 0, :size], kept[j, 1, :size],
                n_bar[k, lo:hi], dn_bar[k, lo:hi], d2n_bar[k, lo:hi],
            )  # fmt: skip
            gradient[j] += theta[of_v] * of_w
            gradient[n_hidden + j] += theta[of_v] * of_b
    for c in range((2 + n) * n_hidden, theta.size):
        gradient[c] = _sum(n_bar[c - (2 + n) * n_hidden, lo:hi])


@helper
def _sensitivity2_row(net, x, layer, dr_dn, dr_ddn, dr_d2n, by, row):
    """As `_sensitivity_row`, with r depending on N''_l, too. `layer` holds s to D3s, `by` is (3, n_hidden)."""
    theta, n, n_hidden, _ = net
    w = theta[:n_hidden]
    s = layer[0]
    ds = layer[1]
    d2s = layer[2]
    d3s = layer[3]
    by[:] = 0.0
    for k in range(n):
        v = theta[(2 + k) * n_hidden : (3 + k) * n_hidden]
        of_v = row[(2 + k) * n_hidden : (3 + k) * n_hidden]
        p = dr_dn[k]
        q = dr_ddn[k]
        g = dr_d2n[k]
        for j in range(n_hidden):
            by[0, j] += p * v[j]
            by[1, j] += q * v[j]
            by[2, j] += g * v[j]
            of_v[j] = fma(p, s[j], w[j] * fma(q, ds[j], w[j] * (g * d2s[j])))
    of_w = row[:n_hidden]
    of_b = row[n_hidden : 2 * n_hidden]
    for j in range(n_hidden):
        both = fma(by[0, j], ds[j], w[j] * fma(by[1, j], d2s[j], w[j] * (by[2, j] * d3s[j])))
        of_b[j] = both
        of_w[j] = fma(both, x, fma(by[1, j], ds[j], 2.0 * w[j] * (by[2, j] * d2s[j])))
    for c in range((2 + n) * n_hidden, theta.size):
        row[c] = dr_dn[c - (2 + n) * n_hidden]


# ---------------------------------------------------------------------------------------------------------
# Entries: loops over blocks.


@entry(f"void({_NETWORK}, {_KEPT}, {MATRIX}, {MATRIX})")
def _forward(theta, n, n_hidden, kind, xi, kept, values, slopes):
    net = Net(theta, n, n_hidden, kind)
    m = xi.size
    for block in prange((m + BLOCK - 1) // BLOCK):
        lo = block * BLOCK
        _forward_block(net, xi, lo, min(m, lo + BLOCK), kept[block], values, slopes)


@entry(f"void({_NETWORK}, {_KEPT}, {MATRIX}, {MATRIX}, {MATRIX})")
def _forward2(theta, n, n_hidden, kind, xi, kept, values, slopes, curvatures):
    net = Net(theta, n, n_hidden, kind)
    m = xi.size
    for block in prange((m + BLOCK - 1) // BLOCK):
        lo = block * BLOCK
        _forward2_block(net, xi, lo, min(m, lo + BLOCK), kept[block], values, slopes, curvatures)


@helper
def _add_in_order(partial, gradient):
    for block in range(partial.shape[0]):
        for j in range(gradient.size):
            gradient[j] += partial[block, j]


@entry(f"void({_NETWORK}, {_KEPT}, {MATRIX}, {MATRIX}, {VECTOR})")
def _pullback(theta, n, n_hidden, kind, xi, kept, n_bar, dn_bar, gradient):
    net = Net(theta, n, n_hidden, kind)
    m = xi.size
    blocks = (m + BLOCK - 1) // BLOCK
    partial = np.empty((blocks, theta.size))
    for block in prange(blocks):
        lo = block * BLOCK
        _pullback_block(net, xi, lo, min(m, lo + BLOCK), kept[block], n_bar, dn_bar, partial[block])
    _add_in_order(partial, gradient)


@entry(f"void({_NETWORK}, {_KEPT}, {MATRIX}, {MATRIX}, {MATRIX}, {VECTOR})")
def _pullback2(theta, n, n_hidden, kind, xi, kept, n_bar, dn_bar, d2n_bar, gradient):
    net = Net(theta, n, n_hidden, kind)
    m = xi.size
    blocks = (m + BLOCK - 1) // BLOCK
    partial = np.empty((blocks, theta.size))
    for block in prange(blocks):
        lo = block * BLOCK
        _pullback2_block(net, xi, lo, min(m, lo + BLOCK), kept[block], n_bar, dn_bar, d2n_bar, partial[block])
    _add_in_order(partial, gradient)


@entry(f"void({_NETWORK}, {_KEPT}, {CUBE}, {CUBE}, {MATRIX}, i8)")
def _sensitivities(theta, n, n_hidden, kind, xi, kept, dr_dn, dr_ddn, jacobian, first):
    net = Net(theta, n, n_hidden, kind)
    m = jacobian.shape[0] // dr_dn.shape[1]
    for block in prange((xi.size + _ROW_BLOCK - 1) // _ROW_BLOCK):
        lo = block * _ROW_BLOCK
        hi = min(xi.size, lo + _ROW_BLOCK)
        copied = np.empty((2, n_hidden, _ROW_BLOCK + 8))
        _copy_layer(kept, lo, hi, copied)
        layer = np.empty((3, n_hidden))
        by = np.empty((2, n_hidden))
        for i in range(lo, hi):
            _second_of_layer(kind, copied, i - lo, layer)
            for k in range(dr_dn.shape[1]):
                _sensitivity_row(net, xi[i], layer, dr_dn[i, k], dr_ddn[i, k], by, jacobian[k * m + first + i])


@entry(f"void({_NETWORK}, {_KEPT}, {CUBE}, {CUBE}, {CUBE}, {MATRIX}, i8)")
def _sensitivities2(theta, n, n_hidden, kind, xi, kept, dr_dn, dr_ddn, dr_d2n, jacobian, first):
    net = Net(theta, n, n_hidden, kind)
    m = jacobian.shape[0] // dr_dn.shape[1]
    for block in prange((xi.size + _ROW_BLOCK - 1) // _ROW_BLOCK):
        lo = block * _ROW_BLOCK
        hi = min(xi.size, lo + _ROW_BLOCK)
        copied = np.empty((2, n_hidden, _ROW_BLOCK + 8))
        _copy_layer(kept, lo, hi, copied)
        layer = np.empty((4, n_hidden))
        by = np.empty((3, n_hidden))
        for i in range(lo, hi):
            _second_of_layer(kind, copied, i - lo, layer)
            _third_of_layer(kind, layer)
            for k in range(dr_dn.shape[1]):
                row = jacobian[k * m + first + i]
                _sensitivity2_row(net, xi[i], layer, dr_dn[i, k], dr_ddn[i, k], dr_d2n[i, k], by, row)


# ---------------------------------------------------------------------------------------------------------
# What the rest of the package calls.


def forward(theta: Real, n: int, n_hidden: int, kind: int, xi: Real, kept: Real) -> tuple[Real, Real]:
    """N and dN/dxi, both (n, m), with the activations left in `kept` for `pullback`.

    theta : (n_theta,), blocks w | b | V | c, the last one optional; xi : (m,); kept : from `buffers.borrow`.
    Source: eqs. (2), (6) and (18). Parallel over blocks of points.
    """
    values = np.empty((n, xi.size))
    slopes = np.empty((n, xi.size))
    _forward.launch(xi.size * n_hidden, theta, n, n_hidden, kind, xi, kept, values, slopes)
    return values, slopes


def pullback(
    theta: Real, n: int, n_hidden: int, kind: int, xi: Real, kept: Real, n_bar: Real, dn_bar: Real, gradient: Real
) -> None:
    """Add dE/dtheta to `gradient`, given N_bar = dE/dN and dN_bar = dE/dN', both (n, m), and forward's `kept`.

    Source: eq. (21) for w; b, V and c in docs/derivation.md. Parallel over blocks of points; the partial sums
    are added in the order of the blocks, so that calls on consecutive chunks give the bits of one call.
    """
    _pullback.launch(xi.size * n_hidden, theta, n, n_hidden, kind, xi, kept, n_bar, dn_bar, gradient)


def sensitivities(
    theta: Real, n: int, n_hidden: int, kind: int, xi: Real, kept: Real,
    dr_dn: Real, dr_ddn: Real, jacobian: Real, first: int,
) -> None:  # fmt: skip
    """Fill in rows of the Jacobian of residuals r_k(x_i) that depend on N and N' at x_i, with forward's `kept`.

    dr_dn, dr_ddn : (m, n_rows, n), the derivatives of r_k(x_i) by N_l(xi_i) and N'_l(xi_i).
    jacobian : (n_rows * M, n_theta), of M >= m points, of which xi are those from number `first` on: row k * M + first
    + i is the full per-sample gradient, D2s terms included. Parallel over points.
    """
    work = dr_dn.shape[0] * dr_dn.shape[1] * theta.size
    _sensitivities.launch(work, theta, n, n_hidden, kind, xi, kept, dr_dn, dr_ddn, jacobian, first)


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
