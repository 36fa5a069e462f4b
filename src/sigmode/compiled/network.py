"""The network's values, its pullback and its sensitivities, for one block of points.

Compiled code knows the network ``N_k(xi) = sum_j V_kj s(w_j xi + b_j) + c_k`` here and nothing else; `first_order` and
`second_order` add the form of the trial solution.  Points are the SIMD axis, in blocks of ``buffers.BLOCK``; hidden
units are the outer loop.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from ..arrays import Real
from .activations import SIN_REDUCTION_LIMIT, second, sigmoid_pair, sin_pair, tanh_pair, third
from .launch import fma, helper, sum_helper

__all__ = [
    "ROW_BLOCK",
    "Net",
    "add_in_order",
    "copy_layer",
    "forward2_block",
    "forward_block",
    "pullback2_block",
    "pullback_block",
    "second_of_layer",
    "sensitivity2_row",
    "sensitivity_row",
    "third_of_layer",
]

# Points whose rows of the Jacobian are one share. A row costs n_theta stores, a point of the network n_hidden
# activations: smaller shares than BLOCK. Not tuned.
ROW_BLOCK = 128


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
def forward_block(net, xi, lo, hi, kept, values, slopes):
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
def pullback_block(net, xi, lo, hi, kept, n_bar, dn_bar, gradient):
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
def sensitivity_row(net, x, layer, dr_dn, dr_ddn, by, row):
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
def copy_layer(kept, start, count, layer):
    """s and Ds of some points, (2, n_hidden, count and more), from the activations of their block.

    Read where they are, the activations of one point, BLOCK numbers apart, would fight for one set of the cache.
    """
    for j in range(layer.shape[1]):
        for i in range(count):
            layer[0, j, i] = kept[j, 0, start + i]
            layer[1, j, i] = kept[j, 1, start + i]


@helper
def second_of_layer(kind, copied, i, layer):
    """s, Ds and D2s of all units at one point, in the first three rows of `layer`."""
    p, q, r = second(kind)
    for j in range(layer.shape[1]):
        s = copied[0, j, i]
        ds = copied[1, j, i]
        layer[0, j] = s
        layer[1, j] = ds
        layer[2, j] = fma(p + q * s, ds, r * s)


@helper
def third_of_layer(kind, layer):
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
def forward2_block(net, xi, lo, hi, kept, values, slopes, curvatures):
    """N, N' with the bits of `forward_block`, and N'' = sum_j V_kj w_j**2 D2s(z_j), all (n, m)."""
    forward_block(net, xi, lo, hi, kept, values, slopes)
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
def pullback2_block(net, xi, lo, hi, kept, n_bar, dn_bar, d2n_bar, gradient):
    """Overwrite `gradient` with dE/dtheta of the points lo to hi, where E depends on N, N' and N''.

    To `pullback_block` comes, with g = d2N_bar: dE/dw_j += sum_k V_kj sum_i g (2 w D2s + w**2 D3s xi),
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
def sensitivity2_row(net, x, layer, dr_dn, dr_ddn, dr_d2n, by, row):
    """As `sensitivity_row`, with r depending on N''_l, too. `layer` holds s to D3s, `by` is (3, n_hidden)."""
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


@helper
def add_in_order(partial, gradient):
    """Add the rows of `partial` to `gradient`, the first one first: the same bits for any number of threads."""
    for block in range(partial.shape[0]):
        for j in range(gradient.size):
            gradient[j] += partial[block, j]
